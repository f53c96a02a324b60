//! Runs that nobody ended: found again, taken back, and offered on the screens without harm.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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

use common::{
    bench::{Bench, LAB, PRECIOUS},
    sample::{self, draw, press, type_text},
};
use halolab::{
    app::{Effect, Model, Msg, Screen},
    backend::fake::Fault,
    config::Config,
    host::Facts,
    labs::{Unended, World},
    plan::{Choice, Plan, PlanError, Request, Step},
    run::{
        Lock,
        aftermath::Amendment,
        journal::{self, Record},
        lock::Daemon,
        unfinished::{find, left, losses, stops, ways_back, worked_on_since},
    },
    stage::{Answer, Answers, Catalog},
};

/// Takes the last line out of a journal: as if the program had been killed before it.
fn never_closed(bench: &Bench, run: &str) {
    let path = bench.home.path().join("runs").join(run).join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let open: Vec<&str> = text.lines().filter(|l| !l.contains("\"closed\"")).collect();
    std::fs::write(&path, open.join("\n") + "\n").unwrap();
}

fn found(bench: &Bench) -> Option<Record> {
    let home = bench.home.path();
    find(&home.join("runs"), &home.join("lock"), &Daemon::default())
}

async fn world(bench: &Bench) -> World {
    World::observe(
        bench.fake.as_ref(),
        Facts::new(),
        Config::default(),
        &["lab/bb".into()],
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn whatever_a_kill_left_is_found_and_taken_back() {
    for choice in [
        Choice::Update,
        Choice::Restore("works".into()),
        Choice::Recreate,
        Choice::RecreateFromClean,
    ] {
        let mut taken_back = 0;
        for after in 0..40 {
            let bench = Bench::with_work().await;
            let plan = bench.plan(choice.clone()).await;
            bench.fake.set_fault(Some(Fault {
                after,
                loses_answer: true,
            }));
            let broken = bench.apply(&plan, "run").await;
            bench.fake.set_fault(None);
            if broken.code == 0 {
                continue;
            }
            let place = format!("{choice:?}, change {after}");
            assert_eq!(found(&bench), None, "{place}: it was closed");
            never_closed(&bench, "run");
            let record = found(&bench).unwrap();
            let stopped = stops(&record);
            assert_eq!(stopped.len(), 1, "{place}");
            assert!(!stopped.iter().any(|s| s.at.is_empty() || s.kept.is_empty()));
            let ways = ways_back(&record, &world(&bench).await);
            for (lab, _, way) in ways {
                let plan = bench.plan_of(&lab, way, Answers::new()).await;
                let back = bench.apply(&plan, "back").await;
                assert_eq!(back.code, 0, "{place}: {:?}", back.summary);
                taken_back += 1;
            }
            let machine = bench.fake.machine(LAB).unwrap_or_else(|| panic!("{place}"));
            assert_eq!(machine.files.get(PRECIOUS).unwrap(), b"now", "{place}");
            assert_eq!(
                (machine.instance.tag("state"), machine.instance.tag("updating")),
                (None, None),
                "{place}"
            );
            bench.holds_everything().unwrap();
        }
        assert!(taken_back > 1, "{choice:?}: {taken_back}");
    }
}

#[tokio::test]
async fn a_run_is_offered_only_where_nobody_is_at_work_and_nothing_came_after() {
    let bench = Bench::with_work().await;
    let plan = bench.plan(Choice::Update).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 0);
    assert_eq!(found(&bench), None);
    never_closed(&bench, "run");
    assert_eq!(found(&bench).unwrap().id, "run");
    let path = bench.home.path().join("lock");
    let lock = Lock::take(&path, "run run").unwrap();
    // Of another process: what one does oneself is no news.
    let told = std::fs::read_to_string(&path).unwrap();
    let other = told.replace(
        &std::process::id().to_string(),
        &std::os::unix::process::parent_id().to_string(),
    );
    std::fs::write(&path, other).unwrap();
    assert_eq!(found(&bench), None, "its owner lives");
    drop(lock);
    assert!(found(&bench).is_some());
    let plan = bench.plan(Choice::Prove).await;
    assert_eq!(bench.apply(&plan, "run-a-proof").await.code, 0);
    assert_eq!(found(&bench).unwrap().id, "run", "a proof changes nothing");
    let plan = bench.plan(Choice::Update).await;
    assert_eq!(bench.apply(&plan, "run-later").await.code, 0);
    assert_eq!(found(&bench), None, "the lab was worked on since");
    let records = journal::records(&bench.home.path().join("runs"));
    let of = |id: &str| records.iter().find(|r| r.id == id).unwrap();
    let (later, lab) = worked_on_since(&records, of("run")).unwrap();
    assert_eq!((later.id.as_str(), lab), ("run-later", LAB));
    assert!(worked_on_since(&records, of("run-later")).is_none());
}

/// The record of a run of ai-lab and dev-lab that was killed in its third action.
fn record(secrets: &[&str]) -> Record {
    let plan = sample::review_create(80, 24).review.unwrap().plan;
    let done = ["ai-lab/create", "ai-lab/start", "dev-lab/create"].map(str::to_owned);
    Record {
        id: "20261122-050000000-abcd".into(),
        folder: "runs/20261122-050000000-abcd".into(),
        plan,
        code: None,
        finished: 3,
        error: None,
        secrets: secrets.iter().map(|s| (*s).to_owned()).collect(),
        restarted: None,
        begun: done.clone().into(),
        done: done.into(),
        failed: [].into(),
    }
}

fn offered(width: u16, height: u16, secrets: &[&str]) -> Model {
    let mut model = sample::labs(width, height);
    model.update(Msg::Unfinished(Box::new(record(secrets))));
    model
}

#[test]
fn it_is_offered_on_the_screens_and_enter_does_nothing() {
    for (width, height) in [(60, 15), (80, 24), (120, 40)] {
        let model = offered(width, height, &[]);
        insta::assert_snapshot!(format!("unfinished_{width}x{height}"), draw(&model));
    }
    let mut model = offered(80, 24, &[]);
    assert_eq!(press(&mut model, "enter"), vec![]);
    assert!(model.dialog.is_none() && model.run.is_none());
    let again = sample::world();
    model.update(Msg::World(Ok(Box::new(again))));
    assert!(model.dialog.is_none(), "it is asked once");
    let mut early = sample::fresh(80, 24);
    early.update(Msg::Unfinished(Box::new(record(&[]))));
    assert!(early.dialog.is_none(), "what is there is not known yet");
    early.update(Msg::World(Ok(Box::new(sample::world()))));
    assert!(early.dialog.is_some());
}

#[test]
fn continue_goes_on_with_the_same_run() {
    let mut model = offered(80, 24, &[]);
    let effects = press(&mut model, "tab enter");
    let [Effect::Resume(id, plan, secrets)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(id, "20261122-050000000-abcd");
    assert_eq!(plan.labs.len(), 2);
    assert!(secrets.is_empty());
    assert_eq!(model.screen(), Screen::Run);
}

#[test]
fn secrets_are_typed_again_and_never_drawn() {
    let mut model = offered(80, 24, &["ai-lab/token"]);
    assert_eq!(press(&mut model, "tab enter"), vec![]);
    assert_eq!(press(&mut model, "enter"), vec![], "an empty one is not taken");
    insta::assert_snapshot!("unfinished_secrets", draw(&model));
    type_text(&mut model, "hf_canary");
    assert!(!draw(&model).contains("hf_canary"));
    let effects = press(&mut model, "enter");
    let [Effect::Resume(_, _, secrets)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let given = secrets.get("ai-lab").and_then(|s| s.get("token"));
    assert_eq!(given, Some(&Answer::Text("hf_canary".into())));
    let mut other = offered(80, 24, &["ai-lab/token"]);
    press(&mut other, "tab enter esc");
    assert!(other.dialog.is_none() && other.run.is_none());
}

/// The record of a run that was killed while it removed the whole lab.
fn removal() -> Record {
    let mut record = record(&[]);
    let request = Request {
        lab: "ai-lab".into(),
        stage: "ai-lab".into(),
        choice: Choice::Remove,
        answers: Answers::new(),
    };
    let model = sample::labs(80, 24);
    let world = sample::world();
    record.plan = (model.setup.planner)(&world, &model.setup.catalog, &[request]).unwrap();
    record.done.clear();
    record.begun.clear();
    record
}

#[test]
fn what_going_on_destroys_is_said_and_reviewed_with_cancel_marked() {
    let mut rest = record(&[]);
    for action in &mut rest.plan.labs[0].actions {
        action.destroys = Some(format!("what {} holds", action.id));
    }
    let mut model = sample::labs(80, 24);
    model.update(Msg::Unfinished(Box::new(rest.clone())));
    let drawn = draw(&model);
    assert!(drawn.contains("loses  what ai-lab/base holds"), "{drawn}");
    assert!(
        !drawn.contains("what ai-lab/create holds"),
        "that is done\n{drawn}"
    );
    assert_eq!(press(&mut model, "tab enter"), vec![], "nothing goes on at once");
    assert_eq!(model.screen(), Screen::Review);
    assert!(model.review.as_ref().is_some_and(|r| !r.apply));
    assert_eq!(press(&mut model, "enter"), vec![]);
    assert!(model.review.is_none() && model.run.is_none(), "Cancel was marked");
    model.update(Msg::Unfinished(Box::new(rest)));
    let effects = press(&mut model, "tab enter tab enter");
    assert!(matches!(effects.as_slice(), [Effect::Resume(..)]), "{effects:?}");
}

#[test]
fn a_removal_that_goes_on_asks_for_the_name_again() {
    let mut model = sample::labs(80, 24);
    model.update(Msg::Unfinished(Box::new(removal())));
    assert_eq!(press(&mut model, "tab enter"), vec![]);
    assert!(draw(&model).contains("Type the name"), "{}", draw(&model));
    assert_eq!(press(&mut model, "enter"), vec![], "not without the name");
    assert_ne!(model.screen(), Screen::Review);
    type_text(&mut model, "ai-lab");
    assert_eq!(press(&mut model, "enter"), vec![]);
    assert_eq!(model.screen(), Screen::Review);
    let effects = press(&mut model, "tab enter");
    assert!(matches!(effects.as_slice(), [Effect::Resume(..)]), "{effects:?}");
    let mut other = sample::labs(80, 24);
    other.update(Msg::Unfinished(Box::new(removal())));
    press(&mut other, "tab enter esc");
    assert!(other.review.is_none() && other.run.is_none());
}

/// Whatever is lost, destroyed by an action or not, is agreed to by a key of its own.
#[test]
fn what_only_says_that_it_loses_has_cancel_marked() {
    fn loses(_: &World, _: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
        let mut plan = (sample::labs(80, 24).setup.planner)(&sample::world(), &sample::catalog(), requests)?;
        for track in &mut plan.labs {
            track.loses = vec!["the token, which is not given again".into()];
            track.actions.iter_mut().for_each(|action| action.destroys = None);
        }
        Ok(plan)
    }
    let mut model = sample::first_run(80, 24);
    model.setup.planner = loses;
    press(&mut model, "space enter ctrl-s");
    assert_eq!(model.screen(), Screen::Review);
    assert_eq!(press(&mut model, "enter"), vec![], "Cancel is marked");
    assert!(model.run.is_none() && model.review.is_none());
    let rest = record(&[]);
    assert!(!rest.plan.takes(), "what loses nothing is applied by enter");
    let mut rest = rest;
    rest.plan.labs[0].loses = vec!["the token".into()];
    assert_eq!(losses(&rest), ["the token"]);
}

#[tokio::test]
async fn a_failed_run_that_was_left_is_still_offered_in_the_menu() {
    let bench = Bench::with_work().await;
    let plan = bench.plan(Choice::Update).await;
    bench.fake.set_fault(Some(Fault {
        after: 4,
        loses_answer: false,
    }));
    let broken = bench.apply(&plan, "run").await;
    bench.fake.set_fault(None);
    assert_eq!(broken.code, 5, "{:?}", broken.summary);
    assert_eq!(found(&bench), None, "it is not asked about by itself");
    let home = bench.home.path();
    let now = || left(&home.join("runs"), &home.join("lock"), &Daemon::default());
    let all = now();
    let of = all.first().unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(record(&[]).date(), "2026-11-22 05:00 UTC");
    assert_eq!(of.labs, [LAB]);
    assert!(!of.at.is_empty());
    let record = journal::record(&home.join("runs").join(&of.run)).unwrap();
    assert_eq!(record.counts(), (record.done.len(), plan.actions().count()));
    assert_eq!(bench.apply(&record.plan, &of.run).await.code, 0);
    assert_eq!(now(), vec![], "it came to its end");
    let record = journal::record(&home.join("runs").join(&of.run)).unwrap();
    assert_eq!(
        (record.error.clone(), record.counts().0),
        (None, plan.actions().count()),
        "the error of a try before is mended"
    );
}

fn with_left(width: u16, height: u16) -> Model {
    let mut model = sample::labs(width, height);
    let mut world = sample::world();
    world.unended = vec![Unended {
        run: "20261122-050000000-abcd".into(),
        date: "2026-11-22 05:00 UTC".into(),
        labs: vec!["ai-lab".into()],
        at: "install the base packages".into(),
    }];
    let mut next = world.instances[1].clone();
    next.name = "ai-lab-next".into();
    let tags = [
        ("stage", "ai-lab"),
        ("next", "ai-lab"),
        ("state", "building"),
        ("run", "20261122-050000000-abcd"),
    ];
    next.config = tags.map(|(k, v)| (halolab::labs::tag(k), v.to_owned())).into();
    let mut older = world.instances[1].clone();
    older.name = "ai-lab-prev-2".into();
    older.created = "2026-11-01T08:00:00Z".into();
    world.instances.extend([next, older]);
    model.update(Msg::World(Ok(Box::new(world))));
    let disk = |bytes| halolab::backend::InstanceState {
        disk: Some(bytes),
        ..Default::default()
    };
    let states = [
        ("ai-lab-prev".to_owned(), disk(3 << 30)),
        ("ai-lab-prev-2".to_owned(), disk(2 << 30)),
    ];
    model.update(Msg::States(states.into()));
    model
}

#[test]
fn a_run_that_was_left_and_what_it_half_made_are_said_and_harmless() {
    let mut model = with_left(120, 40);
    insta::assert_snapshot!("left_labs_120x40", draw(&model));
    let asked = press(&mut model, "u");
    assert_eq!(asked, vec![Effect::FindRun("20261122-050000000-abcd".into())]);
    press(&mut model, "enter");
    insta::assert_snapshot!("left_menu_120x40", draw(&model));
    for (width, height) in [(60, 15), (80, 24)] {
        let mut model = with_left(width, height);
        press(&mut model, "enter");
        insta::assert_snapshot!(format!("left_menu_{width}x{height}"), draw(&model));
    }
    assert_eq!(
        press(&mut model, "enter"),
        asked,
        "its first line asks about the run"
    );
    model.update(Msg::Unfinished(Box::new(record(&[]))));
    assert!(draw(&model).contains("Leave it"), "over the menu, too");
    assert_eq!(press(&mut model, "enter"), vec![], "and leaves it by default");
}

#[test]
fn older_versions_go_together_and_never_the_newest() {
    let mut model = with_left(80, 24);
    press(&mut model, "enter");
    let drawn = draw(&model);
    let at = drawn
        .lines()
        .position(|line| line.contains("Remove older"))
        .unwrap();
    let first = drawn
        .lines()
        .position(|line| line.contains("Unfinished run"))
        .unwrap();
    let keys = "down ".repeat(at - first);
    press(&mut model, &format!("{keys} enter"));
    let review = model.review.as_ref().unwrap();
    let labs: Vec<&str> = review.plan.labs.iter().map(|t| t.lab.as_str()).collect();
    assert_eq!(labs, ["ai-lab-prev-2"]);
    assert!(!review.apply, "Cancel is marked");
}

/// A script that is given no secrets can be traced from the question, too.
#[test]
fn a_failed_script_is_retried_verbosely_from_the_question() {
    let mut failed = record(&[]);
    for action in failed.plan.labs.iter_mut().flat_map(|t| &mut t.actions) {
        if let Step::Exec { secrets, .. } = &mut action.step {
            secrets.clear();
        }
    }
    failed.code = Some(5);
    failed.failed = [("ai-lab/base".to_owned(), "it ended with 1".to_owned())].into();
    let mut model = sample::labs(80, 24);
    model.update(Msg::Unfinished(Box::new(failed)));
    insta::assert_snapshot!("left_question_80x24", draw(&model));
    let effects = press(&mut model, "tab tab enter");
    let wanted = Amendment::Trace("ai-lab/base".into());
    assert_eq!(
        effects,
        vec![Effect::Amend("20261122-050000000-abcd".into(), wanted)]
    );
}
