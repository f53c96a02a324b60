//! Models of a machine with labs in every state, and keys to press on them.

#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

mod host;
mod machine;
mod plans;

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use halolab::{
    app::{Effect, Model, Msg, Setup, Turned},
    config::Config,
    log::{Document, document::SharedRules},
    run::{Event, Outcome},
    stage::Catalog,
    ui::{
        look::Look,
        theme::{Depth, Theme},
    },
};

pub(crate) use host::{box_of, host_of, open_host};
pub(crate) use machine::{catalog, empty_world, facts, host, now, snapshots, states, world};
pub(crate) use plans::planner;

/// A model with nothing known yet.
pub(crate) fn fresh(width: u16, height: u16) -> Model {
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
pub(crate) fn ready(width: u16, height: u16) -> Model {
    let mut model = fresh(width, height);
    model.update(Msg::Host(Box::new(host())));
    model.update(Msg::World(Ok(Box::new(world()))));
    model.update(Msg::States(states()));
    model
}

/// The labs of a machine with labs.
pub(crate) fn labs(width: u16, height: u16) -> Model {
    let mut model = ready(width, height);
    press(&mut model, "enter");
    model
}

/// The labs of a machine without any.
pub(crate) fn first_run(width: u16, height: u16) -> Model {
    let mut model = fresh(width, height);
    model.update(Msg::Host(Box::new(host())));
    model.update(Msg::World(Ok(Box::new(empty_world()))));
    press(&mut model, "enter");
    model
}

/// The snapshots of ai-lab.
pub(crate) fn picker(width: u16, height: u16) -> Model {
    let mut model = labs(width, height);
    press(&mut model, "s");
    model.update(Msg::Snapshots("ai-lab".into(), Ok(snapshots())));
    model
}

/// The options of ai-lab on the first run.
pub(crate) fn options(width: u16, height: u16) -> Model {
    let mut model = first_run(width, height);
    press(&mut model, "enter enter");
    model
}

/// The plan of a restore.
pub(crate) fn review(width: u16, height: u16) -> Model {
    let mut model = picker(width, height);
    press(&mut model, "down down enter");
    model
}

/// The plan for two new labs.
pub(crate) fn review_create(width: u16, height: u16) -> Model {
    let mut model = first_run(width, height);
    press(&mut model, "space down space enter ctrl-s ctrl-s");
    model
}

/// A run of two labs, half way.
pub(crate) fn run(width: u16, height: u16) -> Model {
    let mut model = review_create(width, height);
    press(&mut model, "enter");
    tell(&mut model, Msg::Started("20261122-050000000-abcd".into()));
    for event in ["ai-lab", "dev-lab"].into_iter().flat_map(half_way) {
        tell(&mut model, Msg::Run(event));
    }
    tell(&mut model, Msg::Log("ai-lab".into()));
    tell(&mut model, Msg::Clock(now() + 72));
    model
}

/// Tells something, and answers what is asked then.
pub(crate) fn tell(model: &mut Model, msg: Msg) -> Vec<Effect> {
    let effects = model.update(msg);
    answer(model, effects)
}

/// Answers what is asked of logs, as the program does; returns the other effects.
fn answer(model: &mut Model, effects: Vec<Effect>) -> Vec<Effect> {
    let mut others = vec![];
    let mut waiting: std::collections::VecDeque<Effect> = effects.into();
    while let Some(effect) = waiting.pop_front() {
        match effect {
            Effect::Turn(lab, pane, asked) => {
                let page = Box::new(LOG.with_borrow_mut(|logs| turn(logs, &lab, &asked)));
                waiting.extend(model.update(Msg::Turned(Turned { pane, asked, page })));
            }
            other => others.push(other),
        }
    }
    others
}

/// A page of the sample log, once its lines are counted and searched.
fn turn(log: &mut Document, lab: &str, asked: &halolab::log::Ask) -> halolab::log::Page {
    if lab != "ai-lab" {
        return halolab::log::Page::default();
    }
    loop {
        let page = log.turn(asked);
        let done = page.hits.is_none_or(|h| h.done) && page.filtered.is_none_or(|h| h.done);
        if page.lines.is_some() && done {
            // What was found while the page was made is on the next one.
            return log.turn(asked);
        }
        std::thread::yield_now();
    }
}

thread_local! {
    static LOG: RefCell<Document> = RefCell::new(log());
}

fn log() -> Document {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ai-lab.log");
    let line = |n| {
        format!("\x1b[32m==>\x1b[0m installed package {n} of 60 from the mirror that answers fastest today\n")
    };
    std::fs::write(&path, (1..=60).map(line).collect::<String>()).unwrap();
    let wake: halolab::log::Wake = Arc::new(|| {});
    let mut log = Document::open(&path, &SharedRules::default(), &wake).unwrap();
    log.count();
    log
}

/// What a lab's track tells until it is half way.
fn half_way(lab: &str) -> Vec<Event> {
    let started = |step: &str| Event::StepStarted {
        id: format!("{lab}/{step}"),
        lab: lab.into(),
        sentence: String::new(),
    };
    let finished = |step: &str, millis| Event::StepFinished {
        id: format!("{lab}/{step}"),
        millis,
        skipped: step == "start" && lab == "dev-lab",
    };
    let progress = Event::Progress {
        id: format!("{lab}/base"),
        text: "installing linux-firmware".into(),
        percent: Some(31),
    };
    vec![
        started("create"),
        finished("create", 940),
        started("start"),
        finished("start", 1_312),
        started("base"),
        progress,
        Event::Output {
            lab: lab.into(),
            bytes: 4096,
        },
    ]
}

/// How that run ended well.
pub(crate) fn result(width: u16, height: u16) -> Model {
    let mut model = run(width, height);
    for lab in ["ai-lab", "dev-lab"] {
        model.update(Msg::Run(Event::Verdict {
            lab: lab.into(),
            verdict: "gfx1151 ok, ROCm 7.14, torch 2.9".into(),
            ok: true,
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
pub(crate) fn failed(width: u16, height: u16) -> Model {
    let mut model = run(width, height);
    model.update(Msg::Run(Event::Failed {
        id: "ai-lab/base".into(),
        lab: "ai-lab".into(),
        error: "the script base ended with 100: E: Unable to locate package python3-pip".into(),
        kept: "the unfinished ai-lab, for a look inside".into(),
        next: "halolab runs resume 20261122-050000000-abcd".into(),
        optional: false,
        cause: halolab::run::causes::likely(&["E: Unable to locate package python3-pip".to_owned()]),
    }));
    model.update(Msg::Ended(Outcome {
        run: "20261122-050000000-abcd".into(),
        code: 5,
        summary: vec!["ai-lab: not finished".into(), "dev-lab is ready".into()],
    }));
    model
}

/// A key by its name: `enter`, `ctrl-s`, `x`.
pub(crate) fn key(name: &str) -> Input {
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
pub(crate) fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    let mut all = vec![];
    for name in keys.split_whitespace() {
        all.extend(tell(model, Msg::Input(key(name))));
    }
    all
}

/// Types text, letter by letter.
pub(crate) fn type_text(model: &mut Model, text: &str) {
    for letter in text.chars() {
        model.update(Msg::Input(Input::Key(KeyEvent::new(
            KeyCode::Char(letter),
            KeyModifiers::NONE,
        ))));
    }
}

/// The screen as text.
pub(crate) fn draw(model: &Model) -> String {
    let (width, height) = model.size;
    let mut screen = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
    screen.draw(|frame| halolab::ui::view(model, frame)).unwrap();
    screen.backend().to_string()
}
