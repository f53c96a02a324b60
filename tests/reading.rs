//! Text that is read on the screens: what differs from a snapshot, and a stage from elsewhere before it may run.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/sample/mod.rs"]
mod sample;

use halolab::{
    app::{
        Effect, Msg, Screen,
        model::Dialog,
        reading::{Reading, Subject},
        stages::Stages,
    },
    labs::World,
    plan::{Plan, PlanError, Request},
    stage::{
        Catalog,
        load::parse,
        trust::{Store, Stranger},
    },
};
use sample::{draw, press};

fn reading(model: &halolab::app::Model) -> &Reading {
    let Some(Dialog::Text(reading)) = &model.dialog else {
        panic!("no text is shown")
    };
    reading
}

#[test]
fn differences_are_asked_for_by_a_key_in_the_picker_and_stopped_by_esc() {
    for (width, height) in [(80, 24), (200, 60)] {
        let mut model = sample::picker(width, height);
        let effects = press(&mut model, "D");
        let [Effect::Compare(lab, snapshot)] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        assert_eq!(lab, "ai-lab");
        assert!(reading(&model).lines.is_none(), "it is being found out");
        let of = Subject::Difference(lab.clone(), snapshot.clone());
        // What another question was about is not shown here.
        let other = Subject::Difference("dev-lab".into(), snapshot.clone());
        model.update(Msg::Compared(other, Ok(vec!["wrong".into()])));
        assert!(reading(&model).lines.is_none());
        let lines: Vec<String> = (0..200).map(|n| format!("  + /root/file-{n} (1 B)")).collect();
        model.update(Msg::Compared(of, Ok(lines)));
        press(&mut model, "G");
        assert!(reading(&model).scroll > 100, "it can be read to its end");
        assert_eq!(press(&mut model, "esc"), vec![Effect::StopCompare]);
        assert!(model.dialog.is_none());
    }
}

#[test]
fn differences_can_be_seen_before_a_restore_is_agreed_to() {
    let mut model = sample::review(80, 24);
    let effects = press(&mut model, "D");
    assert!(
        matches!(effects.as_slice(), [Effect::Compare(lab, _)] if lab == "ai-lab"),
        "{effects:?}"
    );
    press(&mut model, "esc");
    assert!(model.review.is_some(), "the plan is still there");
}

#[test]
fn a_stage_from_elsewhere_is_shown_before_its_plan_runs() {
    let mut model = sample::review_create(80, 24);
    let runs = model.review.as_ref().map(|r| r.plan.runs_stages().len());
    assert!(runs.is_some_and(|count| count > 0));
    model.strangers.insert(
        "ai-lab".into(),
        Stranger {
            id: "ai-lab".into(),
            origin: "/home/anna/.config/halolab/stages/ai-lab/stage.toml".into(),
            sha256: "0".repeat(64),
            changed: false,
            lines: vec!["    echo hello".into()],
        },
    );
    let plan = model.review.clone();
    assert_eq!(press(&mut model, "enter"), vec![], "nothing runs");
    assert!(
        reading(&model)
            .lines
            .as_ref()
            .is_some_and(|l| l.iter().any(|l| l.contains("echo hello")))
    );
    assert_eq!(press(&mut model, "enter"), vec![], "a second enter is no trust");
    press(&mut model, "esc");
    assert!(model.dialog.is_none() && model.run.is_none());
    model.review = plan;
    press(&mut model, "enter");
    let effects = press(&mut model, "t");
    assert!(
        matches!(effects.first(), Some(Effect::Trust(stage)) if stage.id == "ai-lab"),
        "{effects:?}"
    );
    assert!(matches!(effects.last(), Some(Effect::Start(..))), "{effects:?}");
}

/// The plan under review is of the text that is on the disk: an edit makes it anew, and its text is asked about again.
#[test]
fn a_stage_that_is_edited_meanwhile_makes_forms_and_plan_anew() {
    fn titled(_: &World, catalog: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
        let mut plan = (sample::labs(80, 24).setup.planner)(&sample::world(), catalog, requests)?;
        for track in &mut plan.labs {
            let title = catalog.get(&track.stage).map(|stage| stage.title.clone());
            track.keeps = title.into_iter().collect();
        }
        Ok(plan)
    }
    let mut model = sample::options(80, 24);
    model.setup.planner = titled;
    press(&mut model, "ctrl-s");
    assert_eq!(model.screen(), Screen::Review);
    let stages = model.setup.catalog.iter();
    let edited = stages.map(|stage| {
        let text = if stage.id == "ai-lab" {
            stage
                .text
                .replace(&format!("\"{}\"", stage.title), "\"Edited lab\"")
        } else {
            stage.text.clone()
        };
        let mut stage = parse(&stage.origin, &text, stage.files.clone()).unwrap();
        stage.text = text;
        stage
    });
    let catalog = std::sync::Arc::new(Catalog::of(edited.collect()));
    let state = tempfile::tempdir().unwrap();
    let stages = Stages::new(catalog, &Store::new(state.path()));
    assert!(
        stages.strangers.contains_key("ai-lab"),
        "its new text is not trusted"
    );
    model.update(Msg::Stages(Box::new(stages.clone())));
    let kept = &model.review.as_ref().unwrap().plan.labs[0].keeps;
    assert_eq!(kept.as_slice(), ["Edited lab"], "{}", draw(&model));
    assert_eq!(model.wizard.forms["ai-lab"].stage.title, "Edited lab");
    press(&mut model, "enter");
    assert!(model.run.is_none(), "it is asked about first");
    assert!(
        matches!(&model.dialog, Some(Dialog::Text(reading)) if reading.of == Subject::Stage("ai-lab".into()))
    );
    // The same again is no news, and what is read stays.
    model.notice = None;
    model.update(Msg::Stages(Box::new(stages)));
    assert!(model.notice.is_none() && model.dialog.is_some());
}
