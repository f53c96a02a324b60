//! After a run failed: the menu on the screens, changes of a run's journal, and reports without secrets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common {
    #![allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        missing_docs,
        clippy::expect_used,
        clippy::indexing_slicing
    )]
    pub mod bench;
    pub mod sample;
}

use std::{collections::BTreeMap, io::Read as _, os::unix::fs::MetadataExt as _, path::Path};

use common::{
    bench::{Bench, LAB},
    sample::{self, draw, press},
};
use halolab::{
    app::{Effect, Errand, Model, Msg, Screen, dialog::Dialog},
    plan::{Choice, Plan, Step},
    run::{
        self, Event,
        aftermath::{Amendment, Way, amend, difference, failures, ways},
        bundle::{self, Extra},
        journal::{self, Entry, Record},
        lock::Daemon,
        unfinished::ways_to_undo,
    },
};

const RUN: &str = "20261122-050000000-abcd";

/// The result of a run of ai-lab and dev-lab in which an optional script failed, too.
fn failed(width: u16, height: u16) -> Model {
    let mut model = sample::run(width, height);
    model.run.as_mut().unwrap().id = Some(RUN.into());
    for (id, optional) in [("dev-lab/comfyui", true), ("ai-lab/base", false)] {
        model.update(Msg::Run(Event::Failed {
            id: id.into(),
            lab: id.split('/').next().unwrap().into(),
            error: "the script ended with 100: E: Unable to locate package git".into(),
            kept: "the unfinished ai-lab, for a look inside".into(),
            next: format!("halolab runs resume {RUN}"),
            optional,
            cause: run::causes::likely(&["E: Unable to locate package git".to_owned()]),
        }));
    }
    model.update(Msg::Ended(run::Outcome {
        run: RUN.into(),
        code: 5,
        summary: vec!["ai-lab: not finished".into()],
    }));
    model
}

#[test]
fn the_menu_of_a_failed_run_is_drawn_and_its_default_does_nothing() {
    for (width, height) in [(60, 15), (80, 24), (200, 60)] {
        let model = failed(width, height);
        insta::assert_snapshot!(format!("failed_menu_{width}x{height}"), draw(&model));
    }
    let mut model = failed(80, 24);
    assert_eq!(press(&mut model, "enter"), vec![]);
    assert_eq!(model.screen(), Screen::Labs);
}

fn at(model: &mut Model, wanted: impl Fn(&Way) -> bool) -> Vec<Effect> {
    let run = model.run.as_ref().unwrap();
    let place = run.ways(false).iter().position(wanted).unwrap();
    model.run.as_mut().unwrap().way = place;
    press(model, "enter")
}

#[test]
fn each_way_asks_for_what_it_says() {
    let is = |effects: Vec<Effect>, wanted: Effect| assert_eq!(effects, vec![wanted]);
    is(
        at(&mut failed(80, 24), |w| *w == Way::Retry),
        Effect::FindRun(RUN.into()),
    );
    let bundle = Effect::Bundle(RUN.into(), vec![]);
    is(at(&mut failed(80, 24), |w| *w == Way::Bundle), bundle);
    let shell = Effect::Errand(Errand::Shell("ai-lab".into()));
    is(at(&mut failed(80, 24), |w| matches!(w, Way::Shell(_))), shell);
    let skip = Amendment::LeaveOut(vec!["dev-lab/comfyui".into()]);
    is(
        at(&mut failed(80, 24), |w| matches!(w, Way::LeaveOut(_))),
        Effect::Amend(RUN.into(), skip),
    );
    // The script takes a secret: its commands are not shown.
    let all = failed(80, 24).run.unwrap().ways(true);
    assert!(!all.iter().any(|w| matches!(w, Way::Verbose(_))), "{all:?}");
    assert!(all.contains(&Way::Undo) && all.first() == Some(&Way::Leave));
    let mut locked = failed(80, 24);
    locked.setup.read_only = true;
    assert_eq!(at(&mut locked, |w| *w == Way::Retry), vec![]);
}

fn record_of(model: &Model) -> Box<Record> {
    Box::new(Record {
        folder: "runs".into(),
        ..model.run.as_ref().unwrap().record()
    })
}

#[test]
fn what_was_meant_is_done_once_the_run_is_found() {
    let mut model = failed(80, 24);
    at(&mut model, |w| *w == Way::Retry);
    let record = record_of(&model);
    let effects = model.update(Msg::Unfinished(record));
    assert!(
        matches!(effects.as_slice(), [Effect::Resume(run, ..)] if run == RUN),
        "{effects:?}"
    );
    let mut model = failed(80, 24);
    press(&mut model, "r");
    let record = record_of(&model);
    model.update(Msg::Unfinished(record));
    assert!(matches!(model.dialog, Some(Dialog::Unfinished(_))), "r asks");
}

#[test]
fn an_edited_script_is_shown_as_a_diff_before_it_counts() {
    let mut model = failed(80, 24);
    assert_eq!(
        at(&mut model, |w| matches!(w, Way::Edit(_))),
        vec![Effect::FindRun(RUN.into())]
    );
    let record = record_of(&model);
    let effects = model.update(Msg::Unfinished(record));
    let [Effect::Errand(errand @ Errand::Edit(run, id, before))] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((run.as_str(), id.as_str()), (RUN, "ai-lab/base"));
    let mut same = model.clone();
    same.update(Msg::Returned(errand.clone(), Ok(before.clone())));
    assert!(same.dialog.is_none(), "nothing was changed");
    let after = before.replace("python-pip", "python-pipx");
    model.update(Msg::Returned(errand.clone(), Ok(after.clone())));
    let drawn = draw(&model);
    insta::assert_snapshot!("failed_edit_80x24", drawn);
    assert_eq!(press(&mut model, "enter"), vec![], "the default leaves it");
    model.update(Msg::Returned(errand.clone(), Ok(after.clone())));
    let id = id.clone();
    let wanted = Effect::Amend(RUN.into(), Amendment::Edit { id, script: after });
    assert_eq!(press(&mut model, "tab enter"), vec![wanted]);
}

/// A run that fails in the script of its first step.
async fn broken(bench: &Bench, script: &str) -> Plan {
    let mut plan = bench.plan(Choice::Create).await;
    let greet = plan.labs.iter_mut().flat_map(|t| &mut t.actions);
    let mut greet = greet.filter(|a| matches!(a.step, Step::Exec { .. }));
    let Some(Step::Exec {
        script: text,
        secrets,
        ..
    }) = greet.next().map(|a| &mut a.step)
    else {
        panic!("no script")
    };
    script.clone_into(text);
    secrets.clear();
    plan
}

fn found(bench: &Bench, run: &str) -> Record {
    journal::record(&bench.home.path().join("runs").join(run)).unwrap()
}

#[tokio::test]
async fn a_run_goes_on_with_the_script_that_its_journal_says() {
    let bench = Bench::new();
    let plan = broken(&bench, "echo E: Unable to locate package gti\nFAKE_FAIL\n").await;
    assert_eq!(bench.apply(&plan, "run").await.code, 5);
    let record = found(&bench, "run");
    let said = failures(&record);
    assert_eq!(said.len(), 1);
    let cause = said.first().unwrap().cause.clone().unwrap();
    assert_eq!(cause.id, "missing-package");
    let (runs, lock) = (bench.home.path().join("runs"), bench.home.path().join("lock"));
    let all = ways(&record, false);
    let id = all.iter().find_map(|w| match w {
        Way::Edit(id) => Some(id.clone()),
        _ => None,
    });
    let id = id.unwrap();
    let traced = amend(
        &runs,
        &lock,
        &Daemon::default(),
        "run",
        &Amendment::Trace(id.clone()),
    )
    .unwrap();
    let script = |record: &Record| {
        let action = record.plan.actions().find(|a| a.id == id).unwrap();
        action.step.script().unwrap().to_owned()
    };
    assert!(script(&traced).starts_with("set -x"), "{}", script(&traced));
    assert!(
        !ways(&traced, false).iter().any(|w| matches!(w, Way::Verbose(_))),
        "it is traced"
    );
    let edit = Amendment::Edit {
        id: id.clone(),
        script: "echo hello > /greeting\n".into(),
    };
    let edited = amend(&runs, &lock, &Daemon::default(), "run", &edit).unwrap();
    assert_eq!(script(&edited), "echo hello > /greeting\n");
    assert_eq!(bench.apply(&edited.plan, "run").await.code, 0);
    let unfit = amend(
        &runs,
        &lock,
        &Daemon::default(),
        "run",
        &Amendment::LeaveOut(vec![id.clone()]),
    );
    assert!(unfit.is_err(), "it is not optional, and done");
    assert_eq!(found(&bench, "run").failed, BTreeMap::new());
    assert!(difference("a\nb\n", "a\nc\n").contains(&"+c".to_owned()));
}

#[tokio::test]
async fn an_optional_action_that_is_left_out_is_not_tried_again() {
    let bench = Bench::new();
    let mut plan = broken(&bench, "FAKE_FAIL\n").await;
    let id = {
        let track = plan.labs.first_mut().unwrap();
        let greet = track
            .actions
            .iter_mut()
            .find(|a| matches!(a.step, Step::Exec { .. }))
            .unwrap();
        greet.optional = true;
        greet.id.clone()
    };
    bench.apply(&plan, "run").await;
    let record = found(&bench, "run");
    assert!(failures(&record).iter().any(|f| f.optional && f.id == id));
    let all = ways(&record, false);
    assert!(all.contains(&Way::LeaveOut(vec![id.clone()])), "{all:?}");
    let (runs, lock) = (bench.home.path().join("runs"), bench.home.path().join("lock"));
    let left = amend(
        &runs,
        &lock,
        &Daemon::default(),
        "run",
        &Amendment::LeaveOut(vec![id.clone()]),
    )
    .unwrap();
    assert!(left.done.contains(&id));
    bench.apply(&left.plan, "run").await;
    let entries = journal::read(&record.folder.join("journal.jsonl")).unwrap();
    let tries = entries
        .iter()
        .filter(|e| matches!(e, Entry::Started { id: begun } if *begun == id));
    assert_eq!(tries.count(), 1);
}

#[tokio::test]
async fn all_that_a_finished_run_did_can_be_undone() {
    let bench = Bench::with_work().await;
    for (choice, run) in [
        (Choice::Update, "run-update"),
        (Choice::Recreate, "run-recreate"),
        (Choice::Restore("works".into()), "run-restore"),
    ] {
        let plan = bench.plan(choice.clone()).await;
        assert_eq!(bench.apply(&plan, run).await.code, 0, "{choice:?}");
        let world = bench.world().await;
        let ways = ways_to_undo(&found(&bench, run), &world);
        let [(lab, stage, way)] = ways.as_slice() else {
            panic!("{choice:?}: {ways:?}")
        };
        assert_eq!((lab.as_str(), stage.as_str()), (LAB, LAB));
        let fits = match choice {
            Choice::Recreate => matches!(way, Choice::BringBack(_)),
            _ => matches!(way, Choice::Restore(_)),
        };
        assert!(fits, "{choice:?}: {way:?}");
        let back = bench.plan(way.clone()).await;
        assert_eq!(
            bench.apply(&back, &format!("{run}-back")).await.code,
            0,
            "{choice:?}"
        );
    }
}

fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name.rsplit('/').next().unwrap().to_owned(), text)
    };
    archive.entries().unwrap().map(read).collect()
}

#[tokio::test]
async fn a_report_holds_what_helps_and_no_secret() {
    let bench = Bench::new();
    let says = "echo canary-secret\necho No space left on device\nFAKE_FAIL\n";
    let plan = broken(&bench, says).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 5);
    let log = bench.home.path().join("runs/run").join(format!("{LAB}.log"));
    let more = "\x1b[31mred\x1b[0m\npassword=hunter22\ncanary-secret\nat /home/somebody/x\n";
    std::fs::write(&log, more).unwrap();
    let extra = Extra {
        files: vec![(
            "machine.json".into(),
            r#"{"token": "abcdefgh", "gpu": "gfx1151"}"#.into(),
        )],
        secrets: vec!["canary-secret".into()],
        home: Some("/home/somebody".into()),
    };
    let to = bench.home.path().join("reports/a.tar.gz");
    bundle::save(&found(&bench, "run"), &extra, &to).unwrap();
    let found = std::fs::metadata(&to).unwrap();
    assert_eq!(found.mode() & 0o777, 0o600);
    let above = std::fs::metadata(to.parent().unwrap()).unwrap();
    assert_eq!(above.mode() & 0o777, 0o700);
    let files = unpacked(&to);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let log_name = format!("{LAB}.log");
    assert_eq!(
        names,
        [
            "README.txt",
            "journal.jsonl",
            "machine.json",
            &log_name,
            "plan.json"
        ]
    );
    for (name, text) in &files {
        for secret in [
            "canary-secret",
            "hf_abcdef",
            "hunter22",
            "abcdefgh",
            "/home/somebody",
            "\x1b",
        ] {
            assert!(!text.contains(secret), "{secret:?} in {name}: {text}");
        }
    }
    let log = files.get(&log_name).unwrap();
    assert!(log.contains("red\npassword=[redacted]"), "{log}");
    assert!(files.get("machine.json").unwrap().contains("gfx1151"));
    serde_json::from_str::<serde_json::Value>(files.get("plan.json").unwrap()).unwrap();
    assert!(files.get("README.txt").unwrap().contains("failed"));
}
