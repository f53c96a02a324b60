//! Labs of Docker in plans and runs, without an engine: what is planned for them, what is said where an engine is away,
//! and that each action reaches the engine of its lab.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use halolab::{
    backend::{
        Backend, Connect, Engine, Engines, Error, ExecSpec, ImageInfo, Instance, Power, Progress, Status,
        Unnamed,
        docker::{Docker, Places},
        fake::Fake,
    },
    config::Config,
    host::Facts,
    labs::{Presence, World, tag},
    plan::{self, Action, Choice, Plan, PlanError, Request, Step},
    run::{self, Context, StopCode},
    stage::{Answer, Answers, Catalog, load},
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

fn catalog() -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let stage = |name: &str| load::read(&root.join(name)).unwrap();
    Catalog::of(vec![
        stage("labs/mini-lab"),
        stage("docker-labs/box-lab"),
        stage("docker-labs/built-lab"),
    ])
}

/// Two engines in memory, and a home.
struct Both {
    lxd: Arc<Fake>,
    docker: Arc<Fake>,
    home: TempDir,
}

impl Both {
    fn new() -> Self {
        Self {
            lxd: Arc::new(Fake::new().with_image("lab/bb")),
            docker: Arc::new(Fake::docker().with_image("lab/bb")),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Finds them; those that are not `here` are not found.
    fn connect(&self, here: &[Engine]) -> Connect {
        let (lxd, docker, here) = (Arc::clone(&self.lxd), Arc::clone(&self.docker), here.to_vec());
        Arc::new(move |engine| {
            let found: Result<Arc<dyn Backend>, Error> = match (engine, here.contains(&engine)) {
                (Engine::Lxd, true) => Ok(Arc::clone(&lxd) as Arc<dyn Backend>),
                (Engine::Docker, true) => Ok(Arc::clone(&docker) as Arc<dyn Backend>),
                (Engine::Lxd, false) => Err(Error::NotFound { looked: vec![] }),
                (Engine::Docker, false) => Err(Error::NoDocker {
                    looked: vec!["/run/docker.sock".into()],
                }),
            };
            Box::pin(async move { found })
        })
    }

    async fn world(&self, here: &[Engine], facts: Facts) -> World {
        let config = Config {
            data: self.home.path().join("data"),
            ..Config::default()
        };
        let engines = Engines::new(self.connect(here));
        let aliases = plan::aliases(&catalog(), &[]);
        World::observe_all(&engines, facts, config, &aliases, true)
            .await
            .unwrap()
    }

    async fn plan(&self, wanted: &[(&str, Choice)]) -> Plan {
        let world = self.world(&[Engine::Lxd, Engine::Docker], Facts::new()).await;
        plan::plan(&world, &catalog(), &requests(wanted)).unwrap()
    }

    async fn apply(&self, plan: &Plan, run: &str) {
        let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
        let cx = Context {
            connect: self.connect(&[Engine::Lxd, Engine::Docker]),
            runs: self.home.path().join("runs"),
            cache: self.home.path().join("cache"),
            secrets: BTreeMap::new(),
            events,
            cancel: CancellationToken::new(),
            stop_code: StopCode::default(),
        };
        let ended = run::apply(plan, run, &cx).await;
        assert_eq!(ended.code, 0, "{:?}", ended.summary);
    }
}

const ALL: &[Engine] = &[Engine::Lxd, Engine::Docker];

fn requests(wanted: &[(&str, Choice)]) -> Vec<Request> {
    let request = |(lab, choice): &(&str, Choice)| Request {
        lab: (*lab).to_owned(),
        stage: (*lab).to_owned(),
        choice: choice.clone(),
        answers: Answers::new(),
    };
    wanted.iter().map(request).collect()
}

fn ids(actions: &[Action]) -> Vec<&str> {
    let short = |a: &'_ Action| a.id.rsplit('/').next().unwrap_or_default().len();
    let cut = actions.iter().map(|a| a.id.split_at(a.id.len() - short(a)).1);
    cut.collect()
}

#[tokio::test]
async fn a_lab_of_docker_needs_neither_pool_nor_bridge_and_each_action_says_whose_it_is() {
    let both = Both::new();
    let plan = both.plan(&[("box-lab", Choice::Create)]).await;
    assert!(plan.host.is_empty(), "{:?}", ids(&plan.host));
    let actions = &plan.labs[0].actions;
    assert!(actions.iter().all(|a| a.engine == Engine::Docker));
    let waits = |a: &&Action| matches!(a.step, Step::WaitNetwork { .. });
    assert!(!actions.iter().any(|a| waits(&a)));
    for action in actions {
        let own = ["docker ", "mkdir ", "chown "];
        assert!(
            own.iter().any(|program| action.command.starts_with(program)),
            "{}",
            action.command
        );
    }
    let Step::PutProfile { profile, .. } = &actions[0].step else {
        panic!("{:?}", actions[0].step)
    };
    let devices: Vec<&str> = profile.devices.keys().map(String::as_str).collect();
    assert_eq!(devices, ["data-models", "eth0"]);
    let data = both.home.path().join("data/box-lab/models");
    assert_eq!(
        profile.devices["data-models"]["source"],
        data.display().to_string()
    );
}

#[tokio::test]
async fn a_bridge_of_ones_own_is_made_and_the_engines_own_networks_are_not() {
    let both = Both::new();
    let world = both.world(ALL, Facts::new()).await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker-labs/box-lab/stage.toml");
    let text = std::fs::read_to_string(file).unwrap();
    for (network, made) in [("host", 0), ("none", 0), ("bridge", 0), ("labnet", 1)] {
        let nic =
            format!("\n[profile.device.eth0]\nconfig = {{ type = \"nic\", network = \"{network}\" }}\n");
        let stage = load::parse("box-lab", &format!("{text}{nic}"), BTreeMap::new()).unwrap();
        let wanted = requests(&[("box-lab", Choice::Create)]);
        let plan = plan::plan(&world, &Catalog::of(vec![stage]), &wanted).unwrap();
        assert_eq!(plan.host.len(), made, "{network}: {:?}", ids(&plan.host));
    }
}

#[tokio::test]
async fn plans_of_lxd_do_not_speak_of_engines_so_that_their_digests_stay() {
    let both = Both::new();
    let mut plan = both.plan(&[("mini-lab", Choice::Create)]).await;
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("\"engine\""), "{text}");
    let read: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(read, {
        plan.losses = read.losses.clone();
        plan
    });
}

#[tokio::test]
async fn an_engine_that_is_away_is_said_with_what_to_type_and_the_other_one_works() {
    let both = Both::new();
    let world = both.world(&[Engine::Lxd], Facts::new()).await;
    let refused = plan::plan(&world, &catalog(), &requests(&[("box-lab", Choice::Create)])).unwrap_err();
    assert!(refused.to_string().contains("--docker SOCKET"), "{refused}");
    plan::plan(&world, &catalog(), &requests(&[("mini-lab", Choice::Create)])).unwrap();
    let lab = world.find(&catalog(), "box-lab").unwrap();
    assert!(world.lab_away(lab.engine).is_some());
    // Without LXD, and with one that sleeps, Docker's labs are made without starting anything.
    let world = both.world(&[Engine::Docker], Facts::new()).await;
    let asleep = World {
        asleep: Some("LXD".into()),
        ..world.clone()
    };
    for world in [world, asleep] {
        let plan = plan::plan(&world, &catalog(), &requests(&[("box-lab", Choice::Create)])).unwrap();
        assert!(plan.host.is_empty() && plan.labs.len() == 1);
    }
}

#[tokio::test]
async fn two_labs_never_have_one_name() {
    let both = Both::new();
    let mut world = both.world(ALL, Facts::new()).await;
    let instance = |name: &str, stage: &str| Instance {
        name: name.into(),
        config: [(tag("stage"), stage.to_owned())].into(),
        status: Status::Running,
        ..Instance::default()
    };
    world.instances.push(instance("box-lab", "mini-lab"));
    let docker = world.docker.as_mut().unwrap();
    docker.instances.push(instance("mini-lab", "box-lab"));
    docker.instances.push(Instance {
        name: "built-lab".into(),
        ..Instance::default()
    });
    for lab in ["box-lab", "mini-lab"] {
        let refused = plan::plan(&world, &catalog(), &requests(&[(lab, Choice::Create)])).unwrap_err();
        assert!(matches!(&refused, PlanError::Elsewhere { .. }), "{refused}");
        // What is there can be worked with all the same.
        plan::plan(&world, &catalog(), &requests(&[(lab, Choice::Remove)])).unwrap();
    }
    for choice in [Choice::Create, Choice::Adopt, Choice::Remove] {
        let refused = plan::plan(&world, &catalog(), &requests(&[("built-lab", choice)])).unwrap_err();
        assert!(matches!(&refused, PlanError::ForeignContainer(_)), "{refused}");
    }
}

#[tokio::test]
async fn an_image_is_built_in_the_labs_track_and_an_update_builds_it_anew() {
    let both = Both::new();
    let plan = both.plan(&[("built-lab", Choice::Create)]).await;
    let build = |plan: &Plan| {
        let mut actions = plan.labs[0].actions.iter();
        let found = actions.find_map(|a| match &a.step {
            Step::BuildImage { build, files } => Some((build.clone(), files.clone())),
            _ => None,
        });
        found.unwrap()
    };
    let (first, files) = build(&plan);
    assert!(!first.anew && first.arguments["COLOUR"] == "green");
    assert!(files.contains_key("parts/hello.sh"), "{:?}", files.keys());
    both.apply(&plan, "one").await;
    assert!(both.docker.image(&first.alias).await.unwrap().is_some());
    let log = std::fs::read_to_string(both.home.path().join("runs/one/built-lab.log")).unwrap();
    assert!(
        log.contains("ARG COLOUR"),
        "what the build says is in the lab's log: {log}"
    );
    for choice in [Choice::Update, Choice::Recreate] {
        let plan = both.plan(&[("built-lab", choice.clone())]).await;
        assert!(build(&plan).0.anew);
        assert_eq!(plan.labs[0].choice, choice);
        let kept = |a: &Action| matches!(&a.step, Step::Copy { spec, .. } if spec.name == "built-lab-prev");
        assert!(plan.labs[0].actions.iter().any(kept), "the lab of now is kept");
    }
    let plan = both.plan(&[("built-lab", Choice::Update)]).await;
    both.apply(&plan, "two").await;
    assert_eq!(both.docker.names(), ["built-lab", "built-lab-prev"]);
}

#[tokio::test]
async fn how_a_gpu_gets_in_is_said_and_one_that_does_not_is_left_out() {
    let both = Both::new();
    let with = async |way: &str, why: &str| {
        let mut world = both.world(ALL, Facts::new()).await;
        let facts = &mut world.docker.as_mut().unwrap().facts;
        facts.insert("docker_gpu".into(), way.into());
        facts.insert("docker_gpu_why".into(), why.into());
        let plan = plan::plan(&world, &catalog(), &requests(&[("built-lab", Choice::Create)])).unwrap();
        let Step::PutProfile { profile, .. } = plan.labs[0].actions[0].step.clone() else {
            panic!("no profile")
        };
        let proven = plan.actions().any(|a| matches!(a.step, Step::Prove { .. }));
        (
            profile.devices.contains_key("gpu"),
            proven,
            plan.labs[0].notes.join("; "),
        )
    };
    let (gpu, proven, notes) = with("cdi", "").await;
    assert!(gpu && proven && notes.contains("CDI specification"), "{notes}");
    let (gpu, proven, notes) = with("", "CDI: the engine is too old").await;
    assert!(
        !gpu && !proven && notes.contains("the engine is too old"),
        "{notes}"
    );
}

/// The shipped stage for builds that take hours: its stores are mounts, and its image follows from the answers.
#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one stage, and each answer that changes its plan"
)]
async fn zephyr_is_a_lab_of_docker_whose_stores_outlive_it() {
    let both = Both::new();
    let world = both.world(ALL, Facts::new()).await;
    let request = |answers: &[(&str, &str)]| Request {
        lab: "zephyr".into(),
        stage: "zephyr".into(),
        choice: Choice::Create,
        answers: answers
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Answer::Text((*value).to_owned())))
            .collect(),
    };
    let plan = |answers: &[(&str, &str)]| {
        let plan = plan::plan(&world, &Catalog::shipped(), &[request(answers)]).unwrap();
        let actions = &plan.labs[0].actions;
        let profile = actions.iter().find_map(|a| match &a.step {
            Step::PutProfile { profile, .. } => Some(profile.clone()),
            _ => None,
        });
        let build = actions.iter().find_map(|a| match &a.step {
            Step::BuildImage { build, files } => Some((build.clone(), files.len())),
            _ => None,
        });
        assert!(plan.host.is_empty(), "{:?}", ids(&plan.host));
        (profile.unwrap(), build.unwrap(), plan.labs[0].notes.concat())
    };
    let (profile, (build, files), notes) = plan(&[("base", "debian:bookworm"), ("workspace", "/srv/work")]);
    assert_eq!(build.arguments["BASE"], "debian:bookworm");
    assert!(files > 15, "the folders of the stage are in its image: {files}");
    assert_eq!(profile.devices["workspace"]["path"], "/workspace");
    let data = both.home.path().join("data/zephyr/spack_store");
    assert_eq!(
        profile.devices["data-spack_store"]["source"],
        data.display().to_string()
    );
    assert!(
        !profile.devices.contains_key("gpu") && notes.contains("no GPU gets into zephyr"),
        "{notes}"
    );
    // A driver that is too old for the image switches the GPU off, and says so.
    let mut old = world.clone();
    let facts = &mut old.docker.as_mut().unwrap().facts;
    facts.insert("docker_gpu".into(), "cdi".into());
    let too_old = "CUDA 12.9 needs NVIDIA's driver 575 or later; an image of CUDA 12.4 runs here";
    facts.insert("docker_unfit_12_9".into(), too_old.into());
    let of = |base: &str| {
        let plan = plan::plan(&old, &Catalog::shipped(), &[request(&[("base", base)])]).unwrap();
        let has_gpu = plan.actions().any(|a| match &a.step {
            Step::PutProfile { profile, .. } => profile.devices.contains_key("gpu"),
            _ => false,
        });
        (has_gpu, plan.labs[0].notes.concat())
    };
    let (gpu, notes) = of("nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04");
    assert!(
        !gpu && notes.contains(too_old) && notes.contains("switched off"),
        "{notes}"
    );
    assert!(of("nvidia/cuda:12.4.1-devel-ubuntu22.04").0);
    // A base whose name says nothing is asked, where it is here.
    let says = |cuda: &str| {
        let image = ImageInfo {
            properties: [("cuda".to_owned(), cuda.to_owned())].into(),
            ..ImageInfo::default()
        };
        let mut world = old.clone();
        let docker = world.docker.as_mut().unwrap();
        docker.images.insert("lab/own".into(), image);
        let plan = plan::plan(&world, &Catalog::shipped(), &[request(&[("base", "lab/own")])]).unwrap();
        plan.labs[0].notes.concat()
    };
    assert!(says("12.9.1").contains(too_old), "{}", says("12.9.1"));
    assert!(
        says("12.4.1").contains("by the names of its CDI"),
        "{}",
        says("12.4.1")
    );
    let asked = plan::aliases(&Catalog::shipped(), &[&request(&[("base", "lab/own")]).answers]);
    for base in ["lab/own", "nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04"] {
        assert!(asked.iter().any(|alias| alias == base), "{asked:?}");
    }
    // The root of all stores is chosen, and each lab has a folder of its own in it.
    let (profile, _, _) = plan(&[("root", "/mnt/builds/")]);
    for (mount, inside) in [
        ("spack_store", "/opt/spack_store"),
        ("monorepo_home", "/home/zephyr"),
    ] {
        let device = &profile.devices[&format!("data-{mount}")];
        assert_eq!(device["source"], format!("/mnt/builds/zephyr/{mount}"));
        assert_eq!(device["path"], inside);
    }
    for wrong in ["builds", "~/builds", "/", "/mnt/../etc"] {
        let refused = plan::plan(&world, &Catalog::shipped(), &[request(&[("root", wrong)])]).unwrap_err();
        assert!(
            refused.to_string().contains("must be an absolute path"),
            "{wrong}: {refused}"
        );
    }
    // Who insists on a GPU hears of it from the engine, and has no lab that only seems to have one.
    let (profile, _, _) = plan(&[("gpu", "on")]);
    assert!(profile.devices.contains_key("gpu-needed") && !profile.devices.contains_key("workspace"));
}

#[tokio::test]
async fn volumes_that_an_image_asked_for_are_said_before_they_are_left_behind() {
    let both = Both::new();
    both.apply(&both.plan(&[("built-lab", Choice::Create)]).await, "one")
        .await;
    let mut world = both.world(ALL, Facts::new()).await;
    let docker = world.docker.as_mut().unwrap();
    let lab = docker
        .instances
        .iter_mut()
        .find(|i| i.name == "built-lab")
        .unwrap();
    lab.unnamed = vec![Unnamed {
        name: "3f2a".into(),
        path: "/var/lib/data".into(),
        read_only: false,
    }];
    let track = |choice: Choice| {
        let plan = plan::plan(&world, &catalog(), &requests(&[("built-lab", choice)])).unwrap();
        plan.labs[0].clone()
    };
    for choice in [Choice::Recreate, Choice::Update, Choice::SetAside] {
        let lost = track(choice.clone()).loses.concat();
        assert!(
            lost.contains("/var/lib/data (the volume 3f2a)") && lost.contains("only its name leads to it"),
            "{choice:?}: {lost}"
        );
    }
    let kept = track(Choice::Restore("clean".into())).keeps.concat();
    assert!(kept.contains("no snapshot holds it"), "{kept}");
    let kept = track(Choice::Remove).keeps.concat();
    assert!(kept.contains("docker volume rm 3f2a"), "{kept}");
    assert!(!track(Choice::Prove).keeps.concat().contains("3f2a"));
}

#[tokio::test]
async fn one_run_works_on_both_engines_and_verbs_find_a_lab_where_it_is() {
    let both = Both::new();
    let plan = both
        .plan(&[("mini-lab", Choice::Create), ("box-lab", Choice::Create)])
        .await;
    both.apply(&plan, "both").await;
    assert_eq!(both.lxd.names(), ["mini-lab"]);
    assert_eq!(both.docker.names(), ["box-lab"]);
    let all = Engines::new(both.connect(ALL)).all().await.unwrap();
    let names: Vec<String> = all
        .instances()
        .await
        .unwrap()
        .into_iter()
        .map(|i| i.name)
        .collect();
    assert_eq!(names, ["mini-lab", "box-lab"]);
    all.power("box-lab", Power::Stop { seconds: 0 }).await.unwrap();
    assert_eq!(
        both.docker.instance("box-lab").await.unwrap().unwrap().status,
        Status::Stopped
    );
    assert_eq!(
        both.lxd.instance("mini-lab").await.unwrap().unwrap().status,
        Status::Running
    );
    all.snapshot("box-lab", "mine").await.unwrap();
    let names = all.snapshot_names(&["box-lab", "mini-lab"]).await.unwrap();
    assert_eq!(names["box-lab"], ["clean", "mine"]);
    assert_eq!(names["mini-lab"], ["clean"]);
    assert!(all.profile("halolab-box-lab").await.unwrap().is_some());
    assert!(both.lxd.profile("halolab-box-lab").await.unwrap().is_none());
    assert!(all.server_of("box-lab").await.unwrap().is_docker());
    assert!(!all.server_of("mini-lab").await.unwrap().is_docker());
    assert!(all.is_at("unix://fake").await.unwrap() && all.is_at("fake").await.unwrap());
    let spec = ExecSpec {
        argv: vec!["true".into()],
        ..ExecSpec::default()
    };
    let mut nobody = |_: u8, _: &[u8]| {};
    let ran = all
        .exec("mini-lab", &spec, &mut nobody, &Progress::default())
        .await;
    assert_eq!(ran.unwrap(), 0);
    let world = both.world(ALL, Facts::new()).await;
    let rows = world.labs(&catalog());
    let engines: Vec<_> = rows
        .iter()
        .map(|l| (l.name.as_str(), l.engine, l.presence))
        .collect();
    assert_eq!(
        engines,
        [
            ("box-lab", Engine::Docker, Presence::Ours),
            ("mini-lab", Engine::Lxd, Presence::Ours),
            ("built-lab", Engine::Docker, Presence::Missing),
        ]
    );
}

#[tokio::test]
async fn one_engine_alone_is_asked_without_a_detour() {
    let both = Both::new();
    let lxd = Engines::new(both.connect(&[Engine::Lxd])).all().await.unwrap();
    assert!(!lxd.server().await.unwrap().is_docker());
    let docker = Engines::new(both.connect(&[Engine::Docker])).all().await.unwrap();
    assert!(docker.server().await.unwrap().is_docker());
    let neither = Engines::new(both.connect(&[])).all().await;
    assert!(matches!(neither, Err(Error::NotFound { .. })));
}

#[test]
fn what_an_engine_cannot_do_is_a_mistake_of_the_stage_with_the_way_out() {
    let text = |backend: &str, source: &str| {
        format!(
            "version = 1\nid = \"x-lab\"\ntitle = \"t\"\nsummary = \"s\"\nbackend = \"{backend}\"\n\
             [[image]]\nid = \"i\"\ntitle = \"t\"\nfamily = \"any\"\nsource.{source}\n"
        )
    };
    let said = |backend: &str, source: &str| {
        let files = [("Own".to_owned(), "FROM scratch\n".to_owned())].into();
        load::parse("x.toml", &text(backend, source), files)
            .map_or_else(|error| error.to_string(), |_| String::new())
    };
    for (backend, source, word) in [
        (
            "docker",
            "remote = { remote = \"images\", alias = \"debian/12\" }",
            "registry",
        ),
        (
            "lxd",
            "registry = { reference = \"debian\" }",
            "backend = \"docker\"",
        ),
        ("lxd", "build = {}", "Dockerfile"),
        ("docker", "build = {}", "no file `Dockerfile`"),
        (
            "docker",
            "build = { dockerfile = \"Own\", network = \"mine\" }",
            "`host`, `none`",
        ),
        (
            "docker",
            "build = { dockerfile = \"Own\", arguments = { A = \"${option.b}\" } }",
            "no option",
        ),
    ] {
        let said = said(backend, source);
        assert!(said.contains(word), "{backend} {source}: {said}");
    }
    for source in [
        "build = { dockerfile = \"Own\", network = \"host\" }",
        "registry = { reference = \"debian:bookworm-slim\" }",
        "bootstrap = { distribution = \"debian\", suite = \"bookworm\" }",
        "file = {}",
    ] {
        let text = text("docker", source).replace(
            "\"any\"",
            if source.starts_with("boot") {
                "\"debian\""
            } else {
                "\"any\""
            },
        );
        let files = [("Own".to_owned(), "FROM scratch\n".to_owned())].into();
        load::parse("x.toml", &text, files).unwrap();
    }
}

/// An engine that takes connections at once and answers after a while, as Podman does when a socket starts it.
fn slow_engine(socket: &Path, after: Duration) {
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                while stream.read(&mut asked).await.is_ok_and(|bytes| bytes > 0) {
                    tokio::time::sleep(after).await;
                    let body = r#"{"Version":"4.3.1","ApiVersion":"1.41","ID":"one","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}"#;
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n\
                         Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// Podman's service ends where nobody asks, and whoever asks waits for its start; a Docker that hangs holds nobody up.
#[tokio::test]
async fn an_engine_that_is_started_by_being_asked_has_the_time_of_its_start() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let socket = home.path().join(name);
        let given = Some(socket.display().to_string());
        (
            socket,
            Places {
                given,
                ..Places::default()
            },
        )
    };
    let ((podman, of_podman), (docker, of_docker)) = (at("podman.sock"), at("engine.sock"));
    slow_engine(&podman, Duration::from_millis(3200));
    slow_engine(&docker, Duration::from_millis(3200));
    let (podman, docker) = tokio::join!(Docker::connect(&of_podman), Docker::connect(&of_docker));
    assert_eq!(podman.unwrap().server().await.unwrap().product, "podman");
    assert!(matches!(docker, Err(Error::Timeout { .. })), "{docker:?}");
    let engines = Engines::new(Arc::new(move |engine| {
        let places = of_docker.clone();
        Box::pin(async move {
            match engine {
                Engine::Lxd => Err(Error::NotFound { looked: vec![] }),
                Engine::Docker => Ok(Arc::new(Docker::connect(&places).await?) as Arc<dyn Backend>),
            }
        })
    }));
    let away = engines.docker().await.err().unwrap();
    assert_eq!(
        (away.why.as_str(), away.absent),
        (
            "Docker did not answer within 3 s; look at it with `docker version`",
            false
        )
    );
}
