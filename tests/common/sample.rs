//! A machine with labs in every state, and the plans and runs that its screens show.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use halolab::{
    app::{Effect, HostSummary, LogPage, Model, Msg, Setup},
    backend::{Instance, InstanceState, Network, Pool, Server, Status},
    config::Config,
    host::{Fact, Facts, Finding, Severity},
    labs::{SnapshotKind, SnapshotRow, World},
    log::sanitize_line,
    plan::{Action, Choice, Plan, PlanError, Request, Step, Track, Undo},
    run::{Event, Outcome},
    stage::{Catalog, load::parse},
    ui::{
        look::Look,
        theme::{Depth, Theme},
    },
};

/// The time at which every sample is drawn.
pub const NOW: &str = "2026-11-22T05:00:00Z";

pub fn now() -> u64 {
    u64::try_from(NOW.parse::<jiff::Timestamp>().unwrap().as_second()).unwrap()
}

const AI_LAB: &str = r#"
version = 1
id = "ai-lab"
title = "AI lab"
summary = "PyTorch and ComfyUI; models and caches outlive the lab."
order = 10
backend = "lxd"

[[image]]
id = "arch"
title = "Arch Linux"
family = "arch"
source.remote = { remote = "images", alias = "archlinux" }

[[image]]
id = "debian"
title = "Debian 12, built here from Debian's packages"
family = "debian"
source.bootstrap = { distribution = "debian", suite = "bookworm" }

[[image]]
id = "file"
title = "An image file on this machine"
family = "debian"
source.file = {}

[[option]]
id = "gpu"
title = "Compute on"
help = "What PyTorch runs on."
kind = "choice"
default = "rocm"
required = true

[[option.choices]]
id = "rocm"
title = "AMD GPU (ROCm)"
when = "host.gpu_amd"

[[option.choices]]
id = "cpu"
title = "CPU only"

[[option]]
id = "comfyui"
title = "ComfyUI"
help = "Pictures from text, in the browser."
kind = "bool"
default = true

[[option]]
id = "root_size"
title = "Root disk"
help = "Models do not count: they are on a data mount."
kind = "size"
default = "40GiB"
min = "8GiB"

[[option]]
id = "token"
title = "Hugging Face token"
help = "For gated models. Never shown, logged or put on a command line."
kind = "secret"

[[option]]
id = "extras"
title = "Also install"
help = "Can be added later."
kind = "multi"
default = ["jupyter"]

[[option.choices]]
id = "jupyter"
title = "JupyterLab"
help = "Notebooks on port 8888."

[[option.choices]]
id = "ollama"
title = "Ollama"

[[mount]]
id = "models"
title = "models"
path = "/srv/models"

[[mount]]
id = "cache"
title = "package caches"
path = "/var/cache/lab"

[[step]]
id = "base"
title = "install the base packages"
run.any.inline = "true"
"#;

const DEV_LAB: &str = r#"
version = 1
id = "dev-lab"
title = "Development lab"
summary = "Rust, Go, Node, Python and editors."
order = 20
backend = "lxd"

[[image]]
id = "debian"
title = "Debian 12"
family = "debian"
source.remote = { remote = "images", alias = "debian/12" }

[[option]]
id = "user"
title = "Name of the user"
help = "Who you are inside."
kind = "text"
default = "lab"
required = true

[[step]]
id = "base"
title = "install the base packages"
run.any.inline = "true"
"#;

pub fn catalog() -> Catalog {
    let stage = |file: &str, text: &str| parse(file, text, BTreeMap::new()).unwrap();
    Catalog::of(vec![
        stage("ai-lab", AI_LAB),
        stage("dev-lab", DEV_LAB),
        stage(
            "old-lab",
            &DEV_LAB
                .replace("dev-lab", "old-lab")
                .replace("order = 20", "order = 30"),
        ),
        stage(
            "mine",
            &DEV_LAB
                .replace("dev-lab", "mine")
                .replace("order = 20", "order = 40"),
        ),
    ])
}

pub fn facts() -> Facts {
    let facts: [(&str, Fact); 11] = [
        ("os", "CachyOS".into()),
        ("kernel", "6.18.4-2-cachyos".into()),
        ("cpu_name", "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S".into()),
        ("cpus", 32_u64.into()),
        ("memory", (128_u64 << 30).into()),
        ("gpu_amd", true.into()),
        ("gpu_name", "Radeon 8060S".into()),
        ("gfx", "gfx1151".into()),
        ("free_disk", (512_u64 << 30).into()),
        ("family", "arch".into()),
        ("root", true.into()),
    ];
    facts
        .into_iter()
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect()
}

pub fn host() -> HostSummary {
    HostSummary {
        facts: facts(),
        findings: vec![
            Finding {
                id: "network.forward_dropped".into(),
                severity: Severity::Warn,
                text: "Docker's firewall drops what labs send: they would have no network.".into(),
                mend: Some("let the labs' bridge through; undone when Docker goes".into()),
                script: None,
            },
            Finding {
                id: "gpu.memory".into(),
                severity: Severity::Info,
                text: "The GPU may use 62 GiB of the 128 GiB of memory.".into(),
                mend: None,
                script: None,
            },
        ],
    }
}

fn instance(name: &str, status: Status, tags: &[(&str, &str)]) -> Instance {
    Instance {
        name: name.into(),
        status,
        status_text: "Running".into(),
        created: "2026-11-10T08:00:00Z".into(),
        uuid: format!("uuid-of-{name}"),
        config: tags
            .iter()
            .map(|(k, v)| (format!("user.halolab.{k}"), (*v).to_owned()))
            .collect(),
        profiles: vec!["default".into(), format!("halolab-{name}")],
        ..Instance::default()
    }
}

/// A daemon without any lab.
pub fn empty_world() -> World {
    World {
        server: Some(Server {
            product: "lxd".into(),
            version: "5.0.2".into(),
            address: "/var/lib/lxd/unix.socket".into(),
            trusted: true,
            ..Server::default()
        }),
        facts: facts(),
        pools: vec![Pool {
            name: "default".into(),
            driver: "btrfs".into(),
            used: 13 << 30,
            total: 60 << 30,
            status: "Created".into(),
        }],
        networks: vec![Network {
            name: "lxdbr0".into(),
            kind: "bridge".into(),
            managed: true,
            ipv4: "10.1.2.1/24".into(),
        }],
        ..World::default()
    }
}

/// A daemon with a whole lab, an unfinished one and a foreign one; the fourth stage has none.
pub fn world() -> World {
    let ai = [
        ("stage", "ai-lab"),
        ("version", "1"),
        ("verdict", "gfx1151 ok, ROCm 7.14, torch 2.9"),
    ];
    World {
        instances: vec![
            instance("ai-lab", Status::Running, &ai),
            instance(
                "ai-lab-prev",
                Status::Stopped,
                &[("stage", "ai-lab"), ("kept", "ai-lab")],
            ),
            instance(
                "old-lab",
                Status::Stopped,
                &[("stage", "old-lab"), ("state", "building")],
            ),
            instance("mine", Status::Running, &[]),
        ],
        snapshots: [(
            "ai-lab".to_owned(),
            vec!["clean".to_owned(), "works".to_owned(), "update-1".to_owned()],
        )]
        .into(),
        ..empty_world()
    }
}

pub fn states() -> BTreeMap<String, InstanceState> {
    let state = InstanceState {
        addresses: vec!["10.1.2.34".into(), "fd42::34".into()],
        memory: 1_181_116_006,
        disk: Some(13_099_650_252),
        processes: 41,
    };
    [("ai-lab".to_owned(), state)].into()
}

pub fn snapshots() -> Vec<SnapshotRow> {
    let row = |name: &str, created: &str, size, note: &str, kind, pinned| SnapshotRow {
        name: name.into(),
        created: created.into(),
        size,
        note: note.into(),
        pinned,
        kind,
        verdict: Some("gfx1151 ok, ROCm 7.14, torch 2.9".into()),
        holds: "ai-lab v1 on Archlinux current amd64".into(),
    };
    vec![
        row(
            "update-4",
            "2026-11-22T03:00:00Z",
            None,
            "before update",
            SnapshotKind::Safety,
            false,
        ),
        row(
            "update-3",
            "2026-11-21T03:00:00Z",
            Some(91_268_055),
            "before update",
            SnapshotKind::Safety,
            false,
        ),
        row(
            "works",
            "2026-11-20T10:00:00Z",
            Some(432_013_312),
            "ComfyUI with the video nodes runs",
            SnapshotKind::User,
            true,
        ),
        row(
            "update-2",
            "2026-11-15T03:00:00Z",
            Some(12_000_000),
            "before update",
            SnapshotKind::Safety,
            true,
        ),
        row(
            "update-1",
            "2026-11-12T03:00:00Z",
            Some(8_409_088),
            "before update",
            SnapshotKind::Safety,
            false,
        ),
        row(
            "clean",
            "2026-11-10T08:20:00Z",
            Some(0),
            "",
            SnapshotKind::Clean,
            true,
        ),
    ]
}

fn action(id: &str, sentence: &str, command: &str, seconds: u32) -> Action {
    Action {
        id: id.into(),
        sentence: sentence.into(),
        command: command.into(),
        destroys: None,
        undo: Undo::Nothing,
        seconds,
        step: Step::WaitDaemon { seconds: 1 },
        optional: false,
    }
}

fn create(lab: &str) -> Vec<Action> {
    vec![
        Action {
            undo: Undo::By(format!("delete {lab}")),
            ..action(
                &format!("{lab}/create"),
                &format!("create the instance {lab} from Arch Linux"),
                &format!("lxc init images:archlinux {lab} --profile halolab-{lab}"),
                8,
            )
        },
        action(
            &format!("{lab}/start"),
            &format!("start {lab}"),
            &format!("lxc start {lab}"),
            1,
        ),
        action(
            &format!("{lab}/base"),
            "install the base packages",
            &format!("lxc exec {lab} -- sh -eu  # the script base"),
            180,
        ),
        Action {
            optional: true,
            ..action(
                &format!("{lab}/comfyui"),
                "install ComfyUI",
                &format!("lxc exec {lab} -- sh -eu  # the script comfyui"),
                240,
            )
        },
        action(
            &format!("{lab}/verify"),
            "run a calculation on the GPU",
            &format!("lxc exec {lab} -- sh -eu  # the script gpu"),
            12,
        ),
        Action {
            undo: Undo::By("remove the snapshot".into()),
            ..action(
                &format!("{lab}/clean"),
                &format!("take the snapshot clean of {lab}"),
                &format!("lxc snapshot {lab} clean"),
                1,
            )
        },
    ]
}

fn restore(lab: &str, snapshot: &str) -> Vec<Action> {
    vec![
        Action {
            undo: Undo::By("remove the snapshot".into()),
            ..action(
                &format!("{lab}/safety"),
                &format!("take the safety snapshot restore-1 of {lab}"),
                &format!("lxc snapshot {lab} restore-1"),
                1,
            )
        },
        Action {
            destroys: Some(format!("what was changed in {lab} since {snapshot}")),
            undo: Undo::By("restore restore-1".into()),
            ..action(
                &format!("{lab}/restore"),
                &format!("put {lab} back to {snapshot}"),
                &format!("lxc restore {lab} {snapshot}"),
                2,
            )
        },
        action(
            &format!("{lab}/verify"),
            "run a calculation on the GPU",
            &format!("lxc exec {lab} -- sh -eu  # the script gpu"),
            12,
        ),
    ]
}

/// Plans without looking: what creates creates, everything else destroys something.
pub fn planner(_: &World, _: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
    let track = |request: &Request| {
        let lab = &request.lab;
        let (actions, loses) = match &request.choice {
            Choice::Create | Choice::Adopt => (create(lab), vec![]),
            Choice::Restore(snapshot) => (
                restore(lab, snapshot),
                vec![
                    format!("what was changed in {lab} since {snapshot}"),
                    "config and devices that were added to the instance itself".into(),
                ],
            ),
            Choice::Remove => (
                vec![Action {
                    destroys: Some(format!("{lab} with its snapshots")),
                    undo: Undo::Never,
                    ..action(
                        &format!("{lab}/delete"),
                        &format!("delete {lab}"),
                        &format!("lxc delete {lab}"),
                        2,
                    )
                }],
                vec![format!("{lab} with its 3 snapshots")],
            ),
            _ => (restore(lab, "clean"), vec![format!("what is in {lab} now")]),
        };
        Track {
            lab: lab.clone(),
            stage: request.stage.clone(),
            choice: request.choice.clone(),
            actions,
            loses,
            keeps: vec![
                "models and package caches, on data mounts".into(),
                "its profile with the GPU".into(),
            ],
        }
    };
    Ok(Plan {
        version: 1,
        host: vec![],
        labs: requests.iter().map(track).collect(),
    })
}

/// A model with nothing known yet.
pub fn fresh(width: u16, height: u16) -> Model {
    static THEMES: LazyLock<Vec<Theme>> = LazyLock::new(|| Theme::embedded(Depth::Full));
    static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(catalog()));
    let themes = THEMES.clone();
    let theme = Theme::pick(&themes, "dark").unwrap();
    let setup = Setup {
        catalog: Arc::clone(&CATALOG),
        config: Config::default(),
        read_only: false,
        planner,
    };
    let mut model = Model::new(setup, Look::new(theme, false), themes);
    model.now = now();
    model.looking_since = now();
    model.update(Msg::Input(Input::Resize(width, height)));
    model
}

/// The host's screen of a machine with labs.
pub fn ready(width: u16, height: u16) -> Model {
    let mut model = fresh(width, height);
    model.update(Msg::Host(Box::new(host())));
    model.update(Msg::World(Ok(Box::new(world()))));
    model.update(Msg::States(states()));
    model
}

/// The labs of a machine with labs.
pub fn labs(width: u16, height: u16) -> Model {
    let mut model = ready(width, height);
    press(&mut model, "enter");
    model
}

/// The labs of a machine without any.
pub fn first_run(width: u16, height: u16) -> Model {
    let mut model = fresh(width, height);
    model.update(Msg::Host(Box::new(host())));
    model.update(Msg::World(Ok(Box::new(empty_world()))));
    press(&mut model, "enter");
    model
}

/// The snapshots of ai-lab.
pub fn picker(width: u16, height: u16) -> Model {
    let mut model = labs(width, height);
    press(&mut model, "s");
    model.update(Msg::Snapshots("ai-lab".into(), Ok(snapshots())));
    model
}

/// The options of ai-lab on the first run.
pub fn options(width: u16, height: u16) -> Model {
    let mut model = first_run(width, height);
    press(&mut model, "enter enter");
    model
}

/// The plan of a restore.
pub fn review(width: u16, height: u16) -> Model {
    let mut model = picker(width, height);
    press(&mut model, "down down enter");
    model
}

/// The plan for two new labs.
pub fn review_create(width: u16, height: u16) -> Model {
    let mut model = first_run(width, height);
    press(&mut model, "space down space enter ctrl-s ctrl-s");
    model
}

/// A run of two labs, half way.
pub fn run(width: u16, height: u16) -> Model {
    let mut model = review_create(width, height);
    press(&mut model, "enter");
    model.update(Msg::Started("20261122-050000000-abcd".into()));
    let hear = |model: &mut Model, event| model.update(Msg::Run(event));
    for lab in ["ai-lab", "dev-lab"] {
        for (step, millis) in [("create", 940), ("start", 1_312)] {
            hear(
                &mut model,
                Event::StepStarted {
                    id: format!("{lab}/{step}"),
                    lab: lab.into(),
                    sentence: String::new(),
                },
            );
            hear(
                &mut model,
                Event::StepFinished {
                    id: format!("{lab}/{step}"),
                    millis,
                    skipped: step == "start" && lab == "dev-lab",
                },
            );
        }
        hear(
            &mut model,
            Event::StepStarted {
                id: format!("{lab}/base"),
                lab: lab.into(),
                sentence: String::new(),
            },
        );
        hear(
            &mut model,
            Event::Progress {
                id: format!("{lab}/base"),
                text: "installing linux-firmware".into(),
                percent: Some(31),
            },
        );
        hear(
            &mut model,
            Event::Output {
                lab: lab.into(),
                bytes: 4096,
            },
        );
    }
    let lines = (1..=60).map(|n| {
        sanitize_line(
            format!(
                "\x1b[32m==>\x1b[0m installed package {n} of 60 from the mirror that answers fastest today"
            )
            .as_bytes(),
        )
    });
    let page = LogPage {
        lab: "ai-lab".into(),
        total: 60,
        from: 0,
        lines: lines.collect(),
    };
    model.update(Msg::Page(page));
    model.update(Msg::Clock(now() + 72));
    model
}

/// How that run ended well.
pub fn result(width: u16, height: u16) -> Model {
    let mut model = run(width, height);
    for lab in ["ai-lab", "dev-lab"] {
        model.update(Msg::Run(Event::Verdict {
            lab: lab.into(),
            verdict: "gfx1151 ok, ROCm 7.14, torch 2.9".into(),
        }));
    }
    model.update(Msg::Ended(Outcome {
        run: "20261122-050000000-abcd".into(),
        code: 0,
        summary: vec!["ai-lab is ready".into(), "dev-lab is ready".into()],
    }));
    model
}

/// How it ended with a failure.
pub fn failed(width: u16, height: u16) -> Model {
    let mut model = run(width, height);
    model.update(Msg::Run(Event::Failed {
        id: "ai-lab/base".into(),
        lab: "ai-lab".into(),
        error: "the script base ended with 100: E: Unable to locate package python3-pip".into(),
        kept: "the unfinished ai-lab, for a look inside".into(),
        next: "halolab runs resume 20261122-050000000-abcd".into(),
        optional: false,
    }));
    model.update(Msg::Ended(Outcome {
        run: "20261122-050000000-abcd".into(),
        code: 5,
        summary: vec!["ai-lab: not finished".into(), "dev-lab is ready".into()],
    }));
    model
}

/// A key by its name: `enter`, `ctrl-s`, `x`.
pub fn key(name: &str) -> Input {
    let (held, base) = match name.strip_prefix("ctrl-") {
        Some(rest) => (KeyModifiers::CONTROL, rest),
        None => (KeyModifiers::NONE, name),
    };
    let code = match base {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "shift-tab" => KeyCode::BackTab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "space" => KeyCode::Char(' '),
        "backspace" => KeyCode::Backspace,
        "f1" => KeyCode::F(1),
        letter => KeyCode::Char(letter.chars().next().unwrap()),
    };
    Input::Key(KeyEvent::new(code, held))
}

/// Presses keys, named and separated by spaces; returns what was asked for.
pub fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    keys.split_whitespace()
        .flat_map(|name| model.update(Msg::Input(key(name))))
        .collect()
}

/// Types text, letter by letter.
pub fn type_text(model: &mut Model, text: &str) {
    for letter in text.chars() {
        model.update(Msg::Input(Input::Key(KeyEvent::new(
            KeyCode::Char(letter),
            KeyModifiers::NONE,
        ))));
    }
}

/// The screen as text.
pub fn draw(model: &Model) -> String {
    let (width, height) = model.size;
    let mut screen = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
    screen.draw(|frame| halolab::ui::view(model, frame)).unwrap();
    screen.backend().to_string()
}
