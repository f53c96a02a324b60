//! What halolab costs beside plain `docker build` and `docker run` of the same work, as medians and ratios.
//!
//! `cargo bench --bench docker [-- ROUNDS]`, with `HALOLAB_TEST_DOCKER` naming the socket of a private test daemon that has
//! `lab/bb` (`tests/run.sh --keep` leaves one running), and `docker` on the PATH. The work, about 20 s of it, computes sums and
//! writes some megabytes of lines; whoever does it, all of its words end in a file. The two take turns, so that whatever
//! else runs on the machine slows both.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measuring program: it stops where it cannot measure, prints its table, and starts its peers"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use halolab::{
    backend::{
        Backend, Engine,
        docker::{Build, Docker},
    },
    plan::{Action, Choice, Losses, Plan, Step, Track, Undo},
    run::{self, Context, StopCode},
};

/// Seconds of work in one round.
const SECONDS: f64 = 20.0;
/// Steps of the image's build.
const STEPS: usize = 4;
/// The lab, and the images that are built.
const LAB: &str = "hl-bench";
/// The most that halolab may cost.
const LIMIT: f64 = 1.03;

/// One unit of work is a sum over 16 MiB and 1,000 lines.
const WORK: &str = r#"u=0
while [ $u -lt $1 ]; do
  u=$((u+1))
  dd if=/dev/zero bs=1M count=16 2>/dev/null | sha256sum
  i=0
  while [ $i -lt 1000 ]; do
    i=$((i+1))
    echo "[$u/$1] cc -O2 -Wall -c source/module_$u/file_$i.c -o build/objects/module_$u/file_$i.o"
  done
done
"#;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let socket = std::env::var("HALOLAB_TEST_DOCKER").unwrap_or_else(|_| {
        panic!("HALOLAB_TEST_DOCKER must name the socket of a test daemon; `tests/run.sh --keep` leaves one running")
    });
    let rounds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(5);
    let ground = Ground::new(&socket);
    println!(
        "{:<14} {:>10} {:>10} {:>7}   processor time of each client",
        "median s", "halolab", "docker", "ratio"
    );
    let mut jobs = [vec![], vec![]];
    let mut builds = [vec![], vec![]];
    for round in 0..rounds {
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                jobs[0].push(spent(|| ground.job()));
                builds[0].push(ground.built(round).await);
            } else {
                jobs[1].push(spent(|| ground.docker_run()));
                builds[1].push(spent(|| ground.docker_build()));
            }
        }
    }
    let worst = row("run", &jobs).max(row("build", &builds));
    assert!(worst <= LIMIT, "more than {LIMIT}: {worst:.3}");
}

/// Seconds by the clock, and of a processor by this program and those that it waited for.
#[derive(Clone, Copy)]
struct Spent {
    wall: f64,
    processor: f64,
}

fn spent(work: impl FnOnce()) -> Spent {
    let (clock, before) = (Instant::now(), processor());
    work();
    Spent {
        wall: clock.elapsed().as_secs_f64(),
        processor: processor() - before,
    }
}

/// Seconds of a processor so far: user and system, ours and our children's.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks: u32 = fields.skip(11).take(4).map(|t| t.parse::<u32>().unwrap()).sum();
    f64::from(ticks) / 100.0
}

fn row(what: &str, [ours, theirs]: &[Vec<Spent>; 2]) -> f64 {
    let of = |all: &[Spent], part: fn(&Spent) -> f64| {
        let mut values: Vec<f64> = all.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (our, their) = (of(ours, |s| s.wall), of(theirs, |s| s.wall));
    let ratio = our / their;
    println!(
        "{what:<14} {our:>10.2} {their:>10.2} {ratio:>7.3}   {:.2} and {:.2} s",
        of(ours, |s| s.processor),
        of(theirs, |s| s.processor)
    );
    let all = |all: &[Spent]| {
        let walls: Vec<String> = all.iter().map(|s| format!("{:.1}", s.wall)).collect();
        walls.join(" ")
    };
    println!("  each round: {} beside {}", all(ours), all(theirs));
    ratio
}

/// A home with a lab, the work in it, and how much of that takes long enough.
struct Ground {
    home: tempfile::TempDir,
    socket: String,
    units: usize,
}

impl Ground {
    fn new(socket: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut ground = Self {
            home,
            socket: socket.to_owned(),
            units: STEPS,
        };
        let stage = ground.path("config/stages").join(LAB);
        fs::create_dir_all(&stage).unwrap();
        let text = format!(
            "version = 1\nid = \"{LAB}\"\ntitle = \"Bench\"\nsummary = \"What a lab costs.\"\norder = 90\nbackend = \"docker\"\n\n\
             [needs]\ndisk = \"1GiB\"\n\n[[image]]\nid = \"busybox\"\ntitle = \"BusyBox\"\nfamily = \"any\"\n\
             source.local = {{ alias = \"lab/bb\" }}\n"
        );
        fs::write(stage.join("stage.toml"), text).unwrap();
        // It shows the text, and is not asked to trust it yet: its exit code says so.
        let shown = ground
            .program(&["stage", "trust", LAB, "--json"])
            .output()
            .unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        ground.halolab(&[
            "stage",
            "trust",
            LAB,
            "--trust",
            shown["sha256"].as_str().unwrap(),
        ]);
        ground.halolab(&["apply", LAB, "--yes"]);
        // How long a few units take says how many are enough.
        ground.docker_run();
        let one = spent(|| ground.docker_run()).wall / to_float(STEPS);
        while to_float(ground.units) * one < SECONDS {
            ground.units += STEPS;
        }
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program, with all of its words in a file; what it said on its first stream.
    fn halolab(&self, words: &[&str]) -> String {
        self.ended(&mut self.program(words))
    }

    fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halolab"));
        command
            .args(words)
            .env("HALOLAB_HOME", self.home.path())
            .env("DOCKER_HOST", format!("unix://{}", self.socket))
            .env("LXD_SOCKET", self.path("nobody.socket"));
        command
    }

    fn docker(&self, words: &[&str]) {
        let mut command = Command::new("docker");
        // Both by the classic builder, which Podman has, too.
        command
            .args(["-H", &format!("unix://{}", self.socket)])
            .args(words)
            .env("DOCKER_BUILDKIT", "0");
        self.ended(&mut command);
    }

    fn ended(&self, command: &mut Command) -> String {
        let (out, err) = (self.path("out"), self.path("err"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap());
        let ended = command.status().unwrap();
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        assert!(ended.success(), "{command:?}\n{}", text(&err));
        text(&out)
    }

    /// The work as a job of a lab, watched to its end.
    fn job(&self) {
        let units = self.units.to_string();
        let words = [
            "job", "run", LAB, "--attach", "--", "sh", "-c", WORK, "work", &units,
        ];
        assert!(self.halolab(&words).contains(&format!("[{units}/{units}]")));
    }

    fn docker_run(&self) {
        let units = self.units.to_string();
        self.docker(&[
            "run",
            "--rm",
            "--network",
            "none",
            "lab/bb",
            "sh",
            "-c",
            WORK,
            "work",
            &units,
        ]);
    }

    /// The folder of a build whose steps do the work, a part each.
    fn files(&self) -> BTreeMap<String, String> {
        let part = (self.units / STEPS).to_string();
        let steps = format!("RUN sh /work.sh {part}\n").repeat(STEPS);
        BTreeMap::from([
            (
                "Dockerfile".to_owned(),
                format!("FROM lab/bb\nCOPY work.sh /work.sh\n{steps}"),
            ),
            ("work.sh".to_owned(), WORK.to_owned()),
        ])
    }

    fn docker_build(&self) {
        let context = self.path("context");
        fs::create_dir_all(&context).unwrap();
        for (name, text) in self.files() {
            fs::write(context.join(name), text).unwrap();
        }
        let tag = format!("{LAB}-theirs");
        self.docker(&[
            "build",
            "--no-cache",
            "--network",
            "none",
            "--tag",
            &tag,
            context.to_str().unwrap(),
        ]);
        self.docker(&["rmi", &tag]);
    }

    /// The same as an action of a run: agreed to, journaled, with its words in the lab's log.
    async fn built(&self, round: usize) -> Spent {
        let backend: Arc<dyn Backend> = Arc::new(
            Docker::connect_to(&format!("unix://{}", self.socket))
                .await
                .unwrap(),
        );
        let alias = format!("{LAB}-ours");
        let build = Build {
            alias: alias.clone(),
            network: "none".into(),
            anew: true,
            ..Build::default()
        };
        let plan = plan(Step::BuildImage {
            build,
            files: self.files(),
        });
        let cx = context(&backend, self.home.path());
        let (clock, before) = (Instant::now(), processor());
        let outcome = run::apply(&plan, &format!("r{round}"), &cx).await;
        assert_eq!(outcome.code, 0, "{:?}", outcome.summary);
        self.docker(&["rmi", &alias]);
        Spent {
            wall: clock.elapsed().as_secs_f64(),
            processor: processor() - before,
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.program(&["remove", LAB, "--yes"]).output();
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
fn to_float(count: usize) -> f64 {
    count as f64
}

fn plan(step: Step) -> Plan {
    let action = Action {
        id: format!("{LAB}/build"),
        sentence: "build".into(),
        command: String::new(),
        destroys: None,
        undo: Undo::Nothing,
        seconds: 1,
        step,
        optional: false,
        engine: Engine::Docker,
    };
    let track = Track {
        lab: LAB.into(),
        stage: "bench".into(),
        choice: Choice::Create,
        actions: vec![action],
        loses: vec![],
        keeps: vec![],
        uuid: String::new(),
        notes: vec![],
    };
    Plan {
        version: 1,
        host: vec![],
        labs: vec![track],
        losses: Losses::default(),
    }
}

fn context(backend: &Arc<dyn Backend>, home: &Path) -> Context {
    let backend = Arc::clone(backend);
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    Context {
        connect: Arc::new(move |_| {
            let backend = Arc::clone(&backend);
            Box::pin(async move { Ok(backend) })
        }),
        runs: home.join("runs"),
        cache: home.join("cache"),
        secrets: BTreeMap::new(),
        events,
        cancel: tokio_util::sync::CancellationToken::new(),
        stop_code: StopCode::default(),
    }
}
