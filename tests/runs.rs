//! The runner, broken at every change that it makes: nothing that the user had is lost, and a resumed run ends
//! as an unbroken one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common {
    #![allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        missing_docs,
        clippy::expect_used
    )]
    pub mod bench;
}

use common::bench::{Bench, LAB};
use halolab::{
    backend::{Backend, Power, fake::Fault},
    labs::{identity::Seen, snapshot_rows, snapshots, tag, verdict::Verdict},
    plan::{self, Choice, Plan},
    run::{self, Event, Journal, journal},
};

fn choices() -> [Choice; 6] {
    [
        Choice::Restore("works".into()),
        Choice::Update,
        Choice::Recreate,
        Choice::RecreateFromClean,
        Choice::RestoreAs("works".into(), "mini-copy".into()),
        Choice::Restore("clean".into()),
    ]
}

#[tokio::test]
async fn a_first_run_ends_with_a_proven_lab_and_its_snapshot() {
    let bench = Bench::new();
    let plan = bench.plan(Choice::Create).await;
    let (cx, mut heard) = bench.context();
    let outcome = run::apply(&plan, "run", &cx).await;
    assert_eq!(outcome.code, 0, "{:?}", outcome.summary);
    let machine = bench.fake.machine(LAB).unwrap();
    assert_eq!(
        machine
            .saved
            .iter()
            .map(|s| s.snapshot.name.as_str())
            .collect::<Vec<_>>(),
        ["clean"]
    );
    assert_eq!(machine.instance.tag("state"), None, "it is whole");
    let mut finished = 0;
    while let Ok(event) = heard.try_recv() {
        finished += usize::from(matches!(event, Event::StepFinished { .. }));
    }
    assert_eq!(finished, plan.actions().count());
}

#[tokio::test]
async fn whatever_breaks_nothing_is_lost_and_a_resume_ends_as_an_unbroken_run() {
    let mut points = 0;
    for choice in choices() {
        let whole = Bench::with_work().await;
        let plan = whole.plan(choice.clone()).await;
        let before = whole.fake.changes();
        assert_eq!(whole.apply(&plan, "run").await.code, 0, "{choice:?}");
        let changes = whole.fake.changes() - before;
        for after in 0..changes {
            for loses_answer in [false, true] {
                let bench = Bench::with_work().await;
                let plan = bench.plan(choice.clone()).await;
                bench.fake.set_fault(Some(Fault { after, loses_answer }));
                let broken = bench.apply(&plan, "run").await;
                let place = format!("{choice:?}, change {after}, answer lost: {loses_answer}");
                bench
                    .holds_everything()
                    .unwrap_or_else(|e| panic!("{place}: {e}"));
                bench.fake.set_fault(None);
                if broken.code != 0 {
                    let resumed = bench.apply(&plan, "run").await;
                    assert_eq!(resumed.code, 0, "{place}: {:?}", resumed.summary);
                }
                bench
                    .holds_everything()
                    .unwrap_or_else(|e| panic!("{place}, resumed: {e}"));
                assert_eq!(bench.picture(), whole.picture(), "{place}");
                points += 1;
            }
        }
    }
    assert!(points > 60, "only {points} points were tried");
}

/// A lab that was made anew is a copy: its snapshots have another identity than it has, and a restore brings that.
#[tokio::test]
async fn a_restore_of_a_copied_lab_goes_on_wherever_it_broke() {
    let copied = || async {
        let bench = Bench::with_work().await;
        let plan = bench.plan(Choice::Recreate).await;
        assert_eq!(bench.apply(&plan, "recreate").await.code, 0);
        let lab = bench.fake.machine(LAB).unwrap();
        let clean = lab.saved.iter().find(|s| s.snapshot.name == "clean").unwrap();
        assert_ne!(clean.snapshot.config["volatile.uuid"], lab.instance.uuid);
        bench
    };
    let choice = || Choice::Restore("clean".into());
    let whole = copied().await;
    let plan = whole.plan(choice()).await;
    let before = whole.fake.changes();
    assert_eq!(whole.apply(&plan, "run").await.code, 0);
    let changes = whole.fake.changes() - before;
    let mut moved = 0;
    for after in 0..changes {
        for loses_answer in [false, true] {
            let place = format!("change {after}, answer lost: {loses_answer}");
            let bench = copied().await;
            let plan = bench.plan(choice()).await;
            let uuid = bench.fake.machine(LAB).unwrap().instance.uuid;
            bench.fake.set_fault(Some(Fault { after, loses_answer }));
            let broken = bench.apply(&plan, "run").await;
            bench.fake.set_fault(None);
            let now = bench.fake.machine(LAB).unwrap().instance;
            moved += usize::from(now.uuid != uuid && now.tag("run") != Some("run"));
            if broken.code != 0 {
                let (cx, mut heard) = bench.context();
                let resumed = run::apply(&plan, "run", &cx).await;
                let mut failed = vec![];
                while let Ok(event) = heard.try_recv() {
                    if let Event::Failed { error, .. } = event {
                        failed.push(error);
                    }
                }
                assert_eq!(resumed.code, 0, "{place}: {failed:?}");
            }
            assert_eq!(bench.picture(), whole.picture(), "{place}");
        }
    }
    assert!(
        moved > 0,
        "no point lies between the restore and what is put back"
    );
}

#[tokio::test]
async fn a_failed_update_names_the_way_back() {
    let bench = Bench::with_work().await;
    let mut plan = bench.plan(Choice::Update).await;
    for action in &mut plan.labs[0].actions {
        if let plan::Step::Exec { script, .. } = &mut action.step {
            script.push_str("\n# FAKE_FAIL");
        }
    }
    let (cx, mut heard) = bench.context();
    let outcome = run::apply(&plan, "run", &cx).await;
    assert_eq!(outcome.code, 5);
    let updating = || {
        let machine = bench.fake.machine(LAB).unwrap();
        machine.instance.tag("updating").map(str::to_owned)
    };
    assert_eq!(updating().as_deref(), Some("before-update-1"));
    let mut failed = None;
    while let Ok(event) = heard.try_recv() {
        if let Event::Failed { kept, next, .. } = event {
            failed = Some((kept, next));
        }
    }
    let (kept, next) = failed.unwrap();
    assert!(kept.contains("before-update-1"), "{kept}");
    assert!(next.contains("--choose restore:before-update-1"), "{next}");
    let refused = |ended: Result<(), snapshots::SnapshotError>| {
        let why = ended.unwrap_err().to_string();
        assert!(why.contains("way back") && why.contains("halolab undo"), "{why}");
    };
    let fake = bench.fake.as_ref();
    refused(snapshots::delete(fake, LAB, "before-update-1", &Seen::default()).await);
    refused(snapshots::rename(fake, LAB, ("before-update-1", "other"), &Seen::default()).await);
    let rows = snapshot_rows(fake, LAB).await.unwrap();
    assert!(snapshots::prunable(&rows, 0).is_empty());
    let back = bench.plan(Choice::Restore("before-update-1".into())).await;
    assert_eq!(bench.apply(&back, "back").await.code, 0);
    assert_eq!(updating(), None, "a restore ends it");
    let rows = snapshot_rows(fake, LAB).await.unwrap();
    assert!(!snapshots::prunable(&rows, 0).is_empty());
    snapshots::delete(fake, LAB, "before-update-1", &Seen::default())
        .await
        .unwrap();
    bench.holds_everything().unwrap();
}

#[tokio::test]
async fn a_stopped_run_says_how_to_go_on_and_goes_on() {
    let bench = Bench::with_work().await;
    let plan = bench.plan(Choice::Recreate).await;
    let (cx, _heard) = bench.context();
    cx.cancel.cancel();
    let stopped = run::apply(&plan, "run", &cx).await;
    assert_eq!(stopped.code, 130);
    assert!(
        stopped
            .summary
            .iter()
            .any(|s| s.contains("halolab runs resume run") || s.contains("before any lab")),
        "{:?}",
        stopped.summary
    );
    assert_eq!(bench.apply(&plan, "run").await.code, 0);
    bench.holds_everything().unwrap();
}

#[tokio::test]
async fn someone_elses_instance_under_the_same_name_is_not_touched() {
    for choice in [
        Choice::Restore("works".into()),
        Choice::RecreateFromClean,
        Choice::Remove,
    ] {
        let bench = Bench::with_work().await;
        let plan = bench.plan(choice.clone()).await;
        // Behind our back: the lab is renamed, and another one takes its name.
        bench.fake.power(LAB, Power::Stop { seconds: 0 }).await.unwrap();
        bench.fake.rename(LAB, "elsewhere").await.unwrap();
        bench
            .fake
            .copy(
                "elsewhere",
                None,
                &halolab::backend::InstanceSpec {
                    name: LAB.into(),
                    ..Default::default()
                },
                &halolab::backend::Progress::default(),
            )
            .await
            .unwrap();
        let outcome = bench.apply(&plan, "run").await;
        assert_ne!(outcome.code, 0, "{choice:?}");
        assert!(bench.fake.machine(LAB).is_some(), "{choice:?}");
        bench.holds_everything().unwrap();
    }
}

#[tokio::test]
async fn the_journal_is_written_before_each_action_and_secrets_are_nowhere() {
    let bench = Bench::new();
    let plan = bench.plan(Choice::Create).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 0);
    let folder = bench.home.path().join("runs/run");
    let journal = Journal::open(&folder).unwrap();
    let place = |wanted: run::Entry| journal.entries().iter().position(|e| *e == wanted);
    for action in plan.actions() {
        let id = action.id.clone();
        let begun = place(run::Entry::Started { id: id.clone() });
        let ended = journal
            .entries()
            .iter()
            .position(|e| matches!(e, run::Entry::Finished { id: i, .. } if *i == id));
        assert!(begun.is_some() && begun < ended, "{id}");
    }
    assert_eq!(journal::record(&folder).unwrap().code, Some(0));
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        use std::os::unix::fs::PermissionsExt as _;
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        assert!(!text.contains("canary-secret"), "{}", entry.path().display());
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o077,
            0,
            "{}",
            entry.path().display()
        );
    }
}

#[tokio::test]
async fn a_journal_cut_by_a_crash_is_still_read() {
    let bench = Bench::new();
    let plan = bench.plan(Choice::Create).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 0);
    let path = bench.home.path().join("runs/run/journal.jsonl");
    let text = std::fs::read(&path).unwrap();
    for cut in 0..text.len() {
        std::fs::write(&path, &text[..cut]).unwrap();
        let journal = Journal::open(path.parent().unwrap()).unwrap();
        let lines = String::from_utf8_lossy(&text[..cut]).matches('\n').count();
        assert!(journal.entries().len() >= lines, "cut at {cut}");
    }
}

/// The plan's actions up to the first whose id contains a word, then a stop: as if the user had pressed Ctrl-C there.
async fn stop_before(bench: &Bench, plan: &Plan, word: &str) {
    let (cx, mut heard) = bench.context();
    let cancel = cx.cancel.clone();
    let before = plan
        .actions()
        .take_while(|a| !a.id.contains(word))
        .last()
        .unwrap()
        .id
        .clone();
    let watch = tokio::spawn(async move {
        while let Some(event) = heard.recv().await {
            if matches!(&event, Event::StepFinished { id, .. } if *id == before) {
                cancel.cancel();
            }
        }
    });
    let _ = run::apply(plan, "run", &cx).await;
    drop(cx);
    watch.abort();
}

#[tokio::test]
async fn work_done_between_a_stop_and_a_resume_is_never_lost() {
    for choice in [
        Choice::RecreateFromClean,
        Choice::Recreate,
        Choice::Restore("works".into()),
    ] {
        for word in ["/copy-mini-lab", "/delete-mini-lab", "/restore"] {
            let bench = Bench::with_work().await;
            let plan = bench.plan(choice.clone()).await;
            if !plan.actions().any(|a| a.id.contains(word)) {
                continue;
            }
            stop_before(&bench, &plan, word).await;
            if bench.fake.machine(LAB).is_none() {
                continue;
            }
            bench.fake.power(LAB, Power::Start).await.unwrap();
            bench
                .fake
                .push(LAB, "/root/later", b"later work", 0o600, (0, 0))
                .await
                .unwrap();
            let _ = bench.apply(&plan, "run").await;
            let machines = bench
                .fake
                .names()
                .into_iter()
                .filter_map(|n| bench.fake.machine(&n));
            let held = machines.into_iter().any(|m| {
                m.files.contains_key("/root/later")
                    || m.saved.iter().any(|s| s.files.contains_key("/root/later"))
            });
            assert!(held, "{choice:?} stopped before {word}: the later work is gone");
            bench.holds_everything().unwrap();
        }
    }
}

#[tokio::test]
async fn a_restore_to_a_time_before_a_tag_keeps_the_lab_ours_wherever_it_breaks() {
    for after in 0..6 {
        let bench = before_its_tags().await;
        let plan = bench.plan(Choice::Restore("untagged".into())).await;
        bench.fake.set_fault(Some(Fault {
            after,
            loses_answer: true,
        }));
        let broken = bench.apply(&plan, "run").await;
        bench.fake.set_fault(None);
        if broken.code != 0 {
            let resumed = bench.apply(&plan, "run").await;
            assert_eq!(resumed.code, 0, "change {after}: {:?}", resumed.summary);
        }
        let instance = bench.fake.machine(LAB).unwrap().instance;
        let tags = ["stage", "next", "state"].map(|key| instance.tag(key));
        assert_eq!(tags, [Some(LAB), None, None], "change {after}");
    }
}

/// A lab with a snapshot that has other tags: as an instance that was adopted after its snapshot was taken.
async fn before_its_tags() -> Bench {
    let bench = Bench::with_work().await;
    let clear = |config: &[(&str, Option<&str>)]| halolab::backend::ConfigEdit {
        config: config
            .iter()
            .map(|(k, v)| (tag(k), v.map(str::to_owned)))
            .collect(),
        ..Default::default()
    };
    let stage = bench
        .fake
        .machine(LAB)
        .unwrap()
        .instance
        .tag("stage")
        .unwrap()
        .to_owned();
    bench
        .fake
        .edit(
            LAB,
            &clear(&[("stage", None), ("next", Some(LAB)), ("state", Some("building"))]),
        )
        .await
        .unwrap();
    bench.fake.snapshot(LAB, "untagged").await.unwrap();
    bench
        .fake
        .edit(
            LAB,
            &clear(&[("stage", Some(&stage)), ("next", None), ("state", None)]),
        )
        .await
        .unwrap();
    bench
}

#[tokio::test]
async fn what_a_person_added_to_the_profile_stays() {
    let bench = Bench::with_work().await;
    let name = halolab::labs::profile_name(LAB);
    let mut add = |profile: &mut halolab::backend::Profile| {
        profile
            .devices
            .insert("mine".into(), [("type".to_owned(), "none".to_owned())].into());
        profile.config.insert("limits.memory".into(), "1GiB".into());
    };
    assert!(bench.fake.edit_profile(&name, &mut add).await.unwrap());
    for choice in [Choice::Restore("works".into()), Choice::Recreate] {
        let plan = bench.plan(choice.clone()).await;
        assert_eq!(
            bench
                .apply(&plan, &format!("{choice:?}").replace(['(', ')', '"'], "-"))
                .await
                .code,
            0
        );
        let profile = bench.fake.profile(&name).await.unwrap().unwrap();
        assert!(profile.devices.contains_key("mine"), "{choice:?}");
        assert_eq!(
            profile.config.get("limits.memory").map(String::as_str),
            Some("1GiB"),
            "{choice:?}"
        );
    }
}

#[tokio::test]
async fn a_resume_without_the_secret_that_was_given_changes_nothing() {
    let bench = Bench::new();
    let plan = bench.plan(Choice::Create).await;
    stop_before(&bench, &plan, "greet").await;
    let (mut cx, _heard) = bench.context();
    cx.secrets.clear();
    let before = bench.fake.changes();
    let outcome = run::apply(&plan, "run", &cx).await;
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.summary[0].contains("mini-lab/token") && outcome.summary[0].contains("--answers"),
        "{:?}",
        outcome.summary
    );
    assert_eq!(bench.fake.changes(), before);
    assert_eq!(bench.apply(&plan, "run").await.code, 0);
}

#[tokio::test]
async fn a_snapshot_that_someone_took_under_the_planned_name_is_never_deleted() {
    let bench = Bench::with_work().await;
    let plan = bench.plan(Choice::Update).await;
    bench.fake.snapshot(LAB, "before-update-1").await.unwrap();
    for _ in 0..2 {
        assert_ne!(bench.apply(&plan, "run").await.code, 0);
        let machine = bench.fake.machine(LAB).unwrap();
        assert!(machine.saved.iter().any(|s| s.snapshot.name == "before-update-1"));
    }
}

#[tokio::test]
async fn a_replacement_that_is_not_proven_offers_no_way_back_for_the_lab() {
    for (choice, beside) in [
        (Choice::Recreate, "mini-lab-next"),
        (Choice::RestoreAs("works".into(), "mini-copy".into()), "mini-copy"),
    ] {
        let bench = Bench::with_work().await;
        let mut plan = bench.plan(choice.clone()).await;
        for action in &mut plan.labs[0].actions {
            if let plan::Step::Verify { script, .. } = &mut action.step {
                script.push_str("\n# FAKE_FAIL");
            }
        }
        let (cx, mut heard) = bench.context();
        assert_eq!(run::apply(&plan, "run", &cx).await.code, 5, "{choice:?}");
        let mut failed = None;
        while let Ok(event) = heard.try_recv() {
            if let Event::Failed { kept, next, .. } = event {
                failed = Some((kept, next));
            }
        }
        let (kept, next) = failed.unwrap();
        assert_eq!(kept, "mini-lab is as it was");
        assert!(
            !next.contains("undo") && next.contains(&format!("shell {beside}`")),
            "{next}"
        );
        bench.holds_everything().unwrap();
    }
}

/// Carries a plan out up to its proof, as if halolab had been killed there.
async fn until_its_proof(bench: &Bench, plan: &Plan) {
    let mut part = plan.clone();
    let actions = &mut part.labs.first_mut().unwrap().actions;
    let proof = actions
        .iter()
        .position(|a| matches!(a.step, plan::Step::Verify { .. }))
        .unwrap();
    actions.truncate(proof);
    assert_eq!(bench.apply(&part, "run").await.code, 0);
}

/// What a lab shows as its proof.
async fn verdict(bench: &Bench, lab: &str) -> String {
    let found = bench.fake.instance(lab).await.unwrap().unwrap();
    Verdict::line(found.tag("verdict").unwrap_or_default())
}

#[tokio::test]
async fn a_proof_of_before_is_not_shown_as_the_present_one() {
    for (choice, lab) in [
        (Choice::Restore("clean".into()), LAB),
        (Choice::Update, LAB),
        (Choice::RecreateFromClean, LAB),
        (Choice::RestoreAs("clean".into(), "mini-copy".into()), "mini-copy"),
    ] {
        let bench = Bench::with_work().await;
        assert!(!verdict(&bench, LAB).await.starts_with("not proven"));
        let plan = bench.plan(choice.clone()).await;
        until_its_proof(&bench, &plan).await;
        let before = verdict(&bench, lab).await;
        assert!(before.starts_with("not proven since "), "{choice:?}: {before}");
        let resumed = bench.apply(&plan, "run").await;
        assert_eq!(resumed.code, 0, "{choice:?}: {:?}", resumed.summary);
        let proven = verdict(&bench, lab).await;
        assert!(
            !proven.is_empty() && !proven.starts_with("not proven"),
            "{choice:?}: {proven}"
        );
    }
}

#[tokio::test]
async fn a_run_is_not_gone_on_with_on_another_instance() {
    for choice in [
        Choice::Update,
        Choice::Prove,
        Choice::RestoreAs("works".into(), "mini-copy".into()),
    ] {
        let bench = Bench::with_work().await;
        let plan = bench.plan(choice.clone()).await;
        until_its_proof(&bench, &plan).await;
        let _ = bench.fake.power(LAB, Power::Stop { seconds: 0 }).await;
        bench.fake.rename(LAB, "elsewhere").await.unwrap();
        let spec = halolab::backend::InstanceSpec {
            name: LAB.into(),
            profiles: vec![halolab::labs::profile_name(LAB)],
            ..Default::default()
        };
        let progress = halolab::backend::Progress::default();
        bench
            .fake
            .copy("elsewhere", None, &spec, &progress)
            .await
            .unwrap();
        let before = bench.fake.changes();
        let outcome = bench.apply(&plan, "run").await;
        assert_eq!(outcome.code, 3, "{choice:?}: {:?}", outcome.summary);
        assert!(
            outcome.summary[0].contains("someone replaced it") && outcome.summary[0].contains("halolab plan"),
            "{:?}",
            outcome.summary
        );
        assert_eq!(bench.fake.changes(), before, "{choice:?}");
    }
}

#[tokio::test]
async fn a_mark_of_a_lab_of_before_does_not_speak_for_a_new_snapshot() {
    let bench = Bench::with_work().await;
    let fake = bench.fake.as_ref();
    let left = halolab::labs::marks::key(LAB, "left");
    let mut add = |profile: &mut halolab::backend::Profile| {
        let old = r#"{"note":"old","pinned":true,"kind":"safety"}"#;
        profile.config.insert(left.clone(), old.into());
    };
    let profile = halolab::labs::profile_name(LAB);
    fake.edit_profile(&profile, &mut add).await.unwrap();
    let instance = fake.instance(LAB).await.unwrap().unwrap();
    // Forgetting is the first change, the snapshot the second, its mark the third.
    bench.fake.set_fault(Some(Fault {
        after: 2,
        loses_answer: false,
    }));
    let kind = halolab::labs::SnapshotKind::User;
    snapshots::record(fake, &instance, "left", "new", kind)
        .await
        .unwrap_err();
    bench.fake.set_fault(None);
    assert!(snapshots::is_there(fake, LAB, "left").await.unwrap());
    assert!(!snapshots::is_marked(fake, &instance, "left").await.unwrap());
}

fn pinned(plan: &mut Plan, fingerprint: &str) {
    for action in plan.labs.iter_mut().flat_map(|track| &mut track.actions) {
        if let plan::Step::Create { spec } = &mut action.step {
            spec.config.insert(tag("image"), fingerprint.to_owned());
        }
    }
}

#[tokio::test]
async fn a_lab_knows_the_image_that_it_was_made_of_and_takes_only_the_pinned_one() {
    let bench = Bench::new();
    let image = bench.fake.image("lab/bb").await.unwrap().unwrap();
    let mut plan = bench.plan(Choice::Create).await;
    let create = plan
        .actions()
        .find(|a| matches!(a.step, plan::Step::Create { .. }));
    let sentence = create.unwrap().sentence.clone();
    assert!(
        sentence.contains(image.fingerprint.get(..12).unwrap()),
        "{sentence}"
    );

    pinned(&mut plan, &"0".repeat(64));
    let refused = bench.apply(&plan, "refused").await;
    assert_ne!(refused.code, 0);
    let record = journal::record(&bench.home.path().join("runs/refused")).unwrap();
    let said = record.failed.into_values().collect::<String>();
    assert!(
        said.contains(&image.fingerprint) && said.contains(&"0".repeat(64)),
        "{said}"
    );
    assert_eq!(bench.fake.names(), Vec::<String>::new(), "nothing was made of it");

    pinned(&mut plan, &image.fingerprint);
    assert_eq!(bench.apply(&plan, "made").await.code, 0);
    let made = bench.fake.machine(LAB).unwrap().instance;
    assert_eq!(made.tag("image"), Some(image.fingerprint.as_str()));
}
