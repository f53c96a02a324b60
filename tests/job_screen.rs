//! The jobs' screen: what it shows, and that it asks before it ends or forgets anything.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/sample/mod.rs"]
mod sample;

use halolab::{
    app::{Effect, Errand, JobRow, JobWish, Model, Msg, Screen},
    job::State,
};
use sample::{draw, press};

fn row(id: &str, state: State) -> JobRow {
    JobRow {
        id: id.into(),
        lab: "ai-lab".into(),
        state,
        stuck: false,
        silent: false,
        frozen: false,
        title: "make -j16".into(),
        created: "2026-11-22T10:00:00Z".into(),
        progress: "34/120".into(),
        output_age: (!state.is_final()).then_some(7),
        eta: (!state.is_final()).then_some(90),
        why: if state.is_final() {
            "exit code 2, out of memory".into()
        } else {
            String::new()
        },
        error: "x.c:1: error: no".into(),
        bytes: 5 << 20,
    }
}

/// The screen with one job that runs and one that failed.
fn jobs(columns: u16, rows: u16) -> Model {
    let mut model = sample::labs(columns, rows);
    // They were asked for at the start.
    model.update(Msg::Jobs(vec![]));
    assert_eq!(press(&mut model, "tab"), [Effect::Jobs(JobWish::List)]);
    assert_eq!(model.screen(), Screen::Jobs);
    model.update(Msg::Jobs(vec![
        row("build-1", State::Running),
        row("cmd-2", State::Failed),
    ]));
    model
}

#[test]
fn each_job_has_a_row_and_the_one_under_the_cursor_its_details() {
    for (columns, rows) in [(80, 24), (60, 15), (140, 40)] {
        let mut model = jobs(columns, rows);
        let text = draw(&model);
        for part in ["name", "build-1", "● running", "✖ failed", "34/120", "make"] {
            assert!(text.contains(part), "{columns}x{rows} {part}\n{text}");
        }
        if rows > 20 {
            assert!(text.contains("build-1") && text.contains("1:30 left"), "{text}");
            press(&mut model, "down");
            assert!(draw(&model).contains("out of memory"), "{}", draw(&model));
        }
    }
}

#[test]
fn nothing_is_ended_or_forgotten_without_a_question() {
    let mut model = jobs(80, 24);
    assert_eq!(press(&mut model, "s"), []);
    assert!(draw(&model).contains("Stop build-1?"));
    assert_eq!(press(&mut model, "enter"), [], "Cancel is the default");
    press(&mut model, "s");
    press(&mut model, "tab");
    assert_eq!(
        press(&mut model, "enter"),
        [Effect::Jobs(JobWish::Stop("build-1".into()))]
    );
    press(&mut model, "r");
    assert!(
        draw(&model).contains("Forget 1 jobs that ended?"),
        "{}",
        draw(&model)
    );
    assert_eq!(press(&mut model, "enter"), []);
    press(&mut model, "down");
    assert_eq!(press(&mut model, "s"), []);
    assert!(draw(&model).contains("has ended"), "what ended cannot be stopped");
}

#[test]
fn enter_shows_the_log_and_the_cursor_stays_on_its_job() {
    let mut model = jobs(80, 24);
    press(&mut model, "down");
    let newer = vec![
        row("new-3", State::Running),
        row("build-1", State::Running),
        row("cmd-2", State::Failed),
    ];
    model.update(Msg::Jobs(newer));
    assert_eq!(
        press(&mut model, "enter"),
        [Effect::Errand(Errand::Job("cmd-2".into()))]
    );
    press(&mut model, "esc");
    assert_eq!(model.screen(), Screen::Labs);
    assert!(
        draw(&model).contains("2 jobs run: tab shows them."),
        "{}",
        draw(&model)
    );
}

#[test]
fn one_that_is_not_heard_of_is_not_called_stuck() {
    let mut model = jobs(80, 24);
    let mut silent = row("build-1", State::Running);
    silent.silent = true;
    silent.why = "there is no engine to ask".into();
    model.update(Msg::Jobs(vec![silent]));
    let text = draw(&model);
    assert!(
        text.contains("running?") && text.contains("there is no engine"),
        "{text}"
    );
    assert!(!text.contains("stuck"), "{text}");
}
