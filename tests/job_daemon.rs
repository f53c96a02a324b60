//! A daemon of its own that is killed and started again under a job: not a byte is lost, and its end is known.
#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use common::{
    jobs::{build_log, sum, until, writer},
    program::Home,
    pty::{Pty, halolab},
};
use halolab::backend::Backend as _;

/// A private LXD that nobody else uses.
struct Engine {
    folder: PathBuf,
    bridge: String,
}

impl Engine {
    fn start() -> Self {
        let number = std::process::id();
        let engine = Self {
            folder: PathBuf::from(format!("/var/tmp/halolab-test-kill.{number}")),
            bridge: format!("hlkill{}", number % 100_000),
        };
        let subnet = format!("10.{}.{}", 200 + number % 50, number / 50 % 250);
        Self::script(&["up", &engine.dir(), &engine.bridge, &subnet]);
        engine
    }

    fn dir(&self) -> String {
        self.folder.display().to_string()
    }

    fn script(arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lxd.sh");
        let mut command = Command::new("bash");
        command
            .arg(script)
            .args(arguments)
            .env("HALOLAB_TEST_POOL", "5GiB");
        assert!(
            command.stdout(Stdio::null()).status().unwrap().success(),
            "{arguments:?}"
        );
    }

    fn lxd(&self) -> PathBuf {
        self.folder.join("lxd")
    }

    /// Gives it the image of the labs.
    fn import(&self) {
        let image = self.folder.join("bb.tar.gz");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/busybox-image.sh");
        assert!(
            Command::new("bash")
                .arg(script)
                .arg(&image)
                .status()
                .unwrap()
                .success()
        );
        let mut import = Command::new("lxc");
        import
            .args(["image", "import", "-q"])
            .arg(&image)
            .args(["--alias", "lab/bb"]);
        import
            .env("LXD_DIR", self.lxd())
            .env_remove("LXD_SOCKET")
            .stdout(Stdio::null());
        assert!(import.status().unwrap().success());
    }

    /// Kills the daemon, as a crash does.
    fn kill(&self) {
        let mine = format!("LXD_DIR={}", self.lxd().display());
        let is_mine = |process: &Path| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            let has = environment.split(|b| *b == 0).any(|e| e == mine.as_bytes());
            has && command.starts_with(b"lxd\0--group")
        };
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|e| e.path());
        let mut killed = 0;
        for process in processes.filter(|p| is_mine(p)) {
            let pid = process.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(
                Command::new("kill")
                    .args(["-9", &pid])
                    .status()
                    .unwrap()
                    .success()
            );
            killed += 1;
        }
        assert!(killed > 0, "no daemon was found");
    }

    fn again(&self) {
        let log = self.folder.join("log/lxd.log");
        let mut command = Command::new("setsid");
        command
            .args(["-f", "lxd", "--group", "lxd", "--logfile"])
            .arg(log);
        command
            .env("LXD_DIR", self.lxd())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success());
        let mut ready = Command::new("lxd");
        ready
            .args(["waitready", "--timeout=60"])
            .env("LXD_DIR", self.lxd());
        assert!(ready.status().unwrap().success());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        Self::script(&["down", &self.dir(), &self.bridge]);
    }
}

#[test]
fn a_daemon_that_is_killed_and_started_again_loses_not_a_byte() {
    let Some(mut home) = Home::new(1) else { return };
    let engine = Engine::start();
    let first = std::mem::replace(
        &mut home.socket,
        engine.lxd().join("unix.socket").display().to_string(),
    );
    engine.import();
    home.ends(0, &["apply", home.lab(), "--yes"]);

    let log = build_log(900, 21);
    let socket = home.socket.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let lxd = halolab::backend::lxd::Lxd::connect_unix(&socket).await.unwrap();
        lxd.push(home.lab(), "/data.bin", &log, 0o644, (0, 0))
            .await
            .unwrap();
    });
    let id = home.job_run(&(writer("/data.bin", log.len(), 15) + "; exit 6"));
    let mut watcher = home.command(&["job", "logs", "-f", &id]);
    let watcher = watcher
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let seen = std::thread::spawn(move || watcher.wait_with_output().unwrap());
    for _ in 0..2 {
        let before = home.copied(&id).len();
        until("some bytes", || home.copied(&id).len() > before + 100_000);
        engine.kill();
        std::thread::sleep(Duration::from_millis(700));
        engine.again();
    }
    let ended = seen.join().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(6), "{said}");
    assert!(said.contains("trying again"), "{said}");
    assert_eq!(
        (ended.stdout.len(), sum(&ended.stdout)),
        (log.len(), sum(&log)),
        "{said}"
    );
    assert_eq!(sum(&home.copied(&id)), sum(&log));
    the_open_viewer_says_that_the_engine_is_away_and_back(&home, &engine);
    another_engine_knows_nothing_of_a_job_and_does_not_call_it_lost(&mut home, &first);
    drop(home);
}

/// Nobody who looks at a log must take silence for a build that writes nothing.
fn the_open_viewer_says_that_the_engine_is_away_and_back(home: &Home, engine: &Engine) {
    let id = home.job_run("i=0; until [ -e /go ]; do i=$((i+1)); echo line $i; sleep 1; done; exit 3");
    let mut command = halolab(home.folder.path(), &home.socket);
    command.args(["job", "view", &id]);
    let mut pty = Pty::start(command, 100, 24);
    pty.wait_for("line 2");
    pty.wait_for("following");
    engine.kill();
    pty.wait_for("it is tried again");
    // A key takes the long words away, until there is another reason; that nothing comes stays.
    until("what stays", || {
        pty.send("k");
        pty.screen().contains("no word since")
    });
    // One that is opened meanwhile goes on as well.
    let mut command = halolab(home.folder.path(), &home.socket);
    command.args(["job", "view", &id]);
    let mut late = Pty::start(command, 100, 24);
    late.wait_for("it is tried again");
    late.wait_for("line 2");
    engine.again();
    pty.wait_for("it is heard of again");
    late.wait_for("it is heard of again");
    until("nothing to stay", || {
        pty.send("f");
        let screen = pty.screen();
        screen.contains("following") && !screen.contains("no word since")
    });
    home.ends(0, &["shell", home.lab(), "--", "touch", "/go"]);
    pty.wait_for("failed: exit code 3");
    late.wait_for("failed: exit code 3");
    for pty in [&mut pty, &mut late] {
        pty.send("q");
        assert_eq!(pty.end(), 0);
    }
    home.ends(3, &["job", "wait", &id]);
    let log = String::from_utf8(home.copied(&id)).unwrap();
    let whole: String = (1..=log.lines().count()).map(|n| format!("line {n}\n")).collect();
    assert_eq!(log, whole);
    // Without an engine what is here is shown, and that it is all.
    let mut command = halolab(home.folder.path(), "/nonexistent/unix.socket");
    command.args(["job", "view", &id]);
    let mut pty = Pty::start(command, 100, 24);
    pty.wait_for("failed: exit code 3");
    pty.answer("line 2", "q");
    assert_eq!(pty.end(), 0);
}

/// `first` is the socket of another daemon, which has no such lab.
fn another_engine_knows_nothing_of_a_job_and_does_not_call_it_lost(home: &mut Home, first: &str) {
    let id = home.job_run("echo here; sleep 1000");
    until("its first line", || {
        home.ends(0, &["job", "logs", &id]).out == "here\n"
    });
    let mine = std::mem::replace(&mut home.socket, first.to_owned());
    let status = home.job_status(&id);
    assert_eq!(status["state"], "running", "{status}");
    assert!(
        status["why"]
            .as_str()
            .unwrap()
            .contains("none of those that answer"),
        "{status}"
    );
    for verb in ["stop", "wait", "rm"] {
        let said = home.ends(3, &["job", verb, &id]).err;
        assert!(said.contains(&format!("--lxd {mine}")), "{verb}: {said}");
    }
    assert!(
        home.ends(0, &["job", "logs", &id]).out == "here\n",
        "what is here can be read"
    );
    home.socket = mine;
    assert_eq!(home.job_status(&id)["state"], "running");
    home.ends(0, &["job", "stop", &id, "--grace", "1"]);
}
