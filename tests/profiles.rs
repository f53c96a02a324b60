//! Each version of a lab has a profile of its own: a lab that runs never feels a replacement that is being built, and
//! an earlier version comes back with the devices that it had. Broken at every change that the runner makes.
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

use common::bench::{Bench, LAB, PRECIOUS};
use halolab::{
    backend::{Backend, Profile, fake::Fault},
    labs::{marks, profile_name},
    plan::{Choice, Plan, Step},
    stage::{Answer, Answers},
};

/// A lab with work, a pinned snapshot, and a device and a setting that a person added to its profile.
async fn lived_in() -> Bench {
    let bench = Bench::with_work().await;
    marks::change(bench.fake.as_ref(), LAB, "works", |mark| {
        mark.pinned = true;
        mark.note = "all is well".into();
    })
    .await
    .unwrap();
    let mut add = |profile: &mut Profile| {
        profile
            .devices
            .insert("mine".into(), [("type".to_owned(), "none".to_owned())].into());
        profile.config.insert("limits.memory".into(), "1GiB".into());
    };
    bench
        .fake
        .edit_profile(&profile_name(LAB), &mut add)
        .await
        .unwrap();
    bench
}

fn blue() -> Answers {
    Answers::from([("colour".to_owned(), Answer::Text("blue".into()))])
}

/// After a recreate with the option that adds the device `shelf`.
async fn recreated() -> Bench {
    let bench = lived_in().await;
    let plan = bench.plan_of(LAB, Choice::Recreate, blue()).await;
    assert_eq!(bench.apply(&plan, "recreate").await.code, 0);
    bench
}

/// Every whole instance has the devices of its version, and a person's own: the one with the work has no shelf, the
/// new one has.
async fn each_has_its_devices(bench: &Bench, place: &str) {
    for name in bench.fake.names() {
        let is_old = bench.fake.machine(&name).unwrap().files.contains_key(PRECIOUS);
        let found = bench.fake.instance(&name).await.unwrap().unwrap();
        if found.tag("state") == Some("building") && !name.ends_with("-next") {
            continue;
        }
        let has = |device: &str| found.expanded_devices.contains_key(device);
        assert_eq!(has("shelf"), !is_old, "{place}: {name}, old: {is_old}");
        assert!(has("mine") && has("always"), "{place}: {name}");
        assert_eq!(
            found.expanded_config.get("limits.memory").map(String::as_str),
            Some("1GiB"),
            "{place}: {name}"
        );
    }
}

async fn mark(bench: &Bench, instance: &str) -> marks::Mark {
    let profile = bench.fake.profile(&profile_name(instance)).await.unwrap();
    marks::read(&profile.unwrap(), instance, "works")
}

/// Breaks a plan at each change, looks, resumes, looks again.
async fn broken_everywhere<F: Future<Output = Bench>>(
    make: impl Fn() -> F,
    plan: impl AsyncFn(&Bench) -> Plan,
    kept: &str,
) {
    let whole = make().await;
    let first = plan(&whole).await;
    let before = whole.fake.changes();
    assert_eq!(whole.apply(&first, "run").await.code, 0);
    let changes = whole.fake.changes() - before;
    assert!(changes > 8, "only {changes} changes");
    for after in 0..changes {
        for loses_answer in [false, true] {
            let place = format!("change {after}, answer lost: {loses_answer}");
            let bench = make().await;
            let plan = plan(&bench).await;
            bench.fake.set_fault(Some(Fault { after, loses_answer }));
            let broken = bench.apply(&plan, "run").await;
            each_has_its_devices(&bench, &place).await;
            bench.fake.set_fault(None);
            if broken.code != 0 {
                let resumed = bench.apply(&plan, "run").await;
                assert_eq!(resumed.code, 0, "{place}: {:?}", resumed.summary);
            }
            each_has_its_devices(&bench, &format!("{place}, resumed")).await;
            bench.holds_everything().unwrap();
            assert_eq!(bench.picture(), whole.picture(), "{place}");
            let mark = mark(&bench, kept).await;
            assert!(mark.pinned && mark.note == "all is well", "{place}");
            let temporary = profile_name(&format!("{LAB}-next"));
            assert_eq!(bench.fake.profile(&temporary).await.unwrap(), None, "{place}");
        }
    }
}

#[tokio::test]
async fn a_recreate_with_other_options_reaches_the_new_lab_only_wherever_it_breaks() {
    let plan = async |bench: &Bench| bench.plan_of(LAB, Choice::Recreate, blue()).await;
    broken_everywhere(lived_in, plan, &format!("{LAB}-prev")).await;
}

#[tokio::test]
async fn an_earlier_version_comes_back_with_its_devices_wherever_that_breaks() {
    let plan = async |bench: &Bench| bench.plan(Choice::BringBack(format!("{LAB}-prev"))).await;
    broken_everywhere(recreated, plan, LAB).await;
}

/// The plan with a step that fails.
fn failing(mut plan: Plan) -> Plan {
    for action in plan.labs.iter_mut().flat_map(|track| &mut track.actions) {
        if let Step::Exec { script, .. } = &mut action.step {
            script.push_str("\n# FAKE_FAIL");
        }
    }
    plan
}

#[tokio::test]
async fn a_recreate_that_fails_leaves_the_labs_profile_as_it_was_and_nothing_behind_once_removed() {
    let temporary = profile_name(&format!("{LAB}-next"));
    for again in [false, true] {
        let bench = lived_in().await;
        let before = bench.fake.profile(&profile_name(LAB)).await.unwrap();
        let plan = failing(bench.plan_of(LAB, Choice::Recreate, blue()).await);
        assert_eq!(bench.apply(&plan, "run").await.code, 5);
        assert_eq!(bench.fake.profile(&profile_name(LAB)).await.unwrap(), before);
        assert!(bench.fake.profile(&temporary).await.unwrap().is_some());
        if again {
            let plan = bench.plan_of(LAB, Choice::Recreate, blue()).await;
            assert_eq!(bench.apply(&plan, "again").await.code, 0);
            each_has_its_devices(&bench, "again").await;
            assert_eq!(bench.fake.names(), [LAB.to_owned(), format!("{LAB}-prev")]);
        } else {
            let next = format!("{LAB}-next");
            let plan = bench.plan_of(&next, Choice::Remove, Answers::new()).await;
            assert_eq!(bench.apply(&plan, "remove").await.code, 0);
            assert_eq!(bench.fake.profile(&profile_name(LAB)).await.unwrap(), before);
        }
        for left in [temporary.clone(), profile_name(&format!("{LAB}-next-2"))] {
            assert_eq!(bench.fake.profile(&left).await.unwrap(), None, "{left}");
        }
    }
}

#[tokio::test]
async fn an_earlier_version_takes_its_profile_along_when_it_is_removed() {
    let bench = recreated().await;
    let prev = format!("{LAB}-prev");
    let plan = bench.plan_of(&prev, Choice::Remove, Answers::new()).await;
    assert_eq!(bench.apply(&plan, "remove").await.code, 0);
    assert_eq!(bench.fake.profile(&profile_name(&prev)).await.unwrap(), None);
    assert!(bench.fake.profile(&profile_name(LAB)).await.unwrap().is_some());
}

#[tokio::test]
async fn where_a_broken_swap_left_no_whole_lab_the_earlier_version_still_comes_back() {
    let prev = format!("{LAB}-prev");
    let mut without = 0;
    for after in 0..40 {
        let bench = lived_in().await;
        let plan = bench.plan_of(LAB, Choice::Recreate, blue()).await;
        bench.fake.set_fault(Some(Fault {
            after,
            loses_answer: true,
        }));
        let broken = bench.apply(&plan, "run").await;
        bench.fake.set_fault(None);
        let whole = |name: &str| {
            let machine = bench.fake.machine(name);
            machine.is_some_and(|m| m.instance.tag("state") != Some("building"))
        };
        if broken.code == 0 || whole(LAB) || !whole(&prev) {
            continue;
        }
        without += 1;
        // A new run: the journal of the broken one is lost.
        let plan = bench.plan(Choice::BringBack(prev.clone())).await;
        let back = bench.apply(&plan, "back").await;
        assert_eq!(back.code, 0, "{after}: {:?}", back.summary);
        assert!(bench.fake.machine(LAB).unwrap().files.contains_key(PRECIOUS));
        each_has_its_devices(&bench, &format!("change {after}")).await;
        assert!(mark(&bench, LAB).await.pinned);
    }
    assert!(without >= 2, "only {without} places leave no whole lab");
}

#[tokio::test]
async fn a_copy_has_a_profile_of_its_own() {
    let bench = lived_in().await;
    let plan = bench
        .plan(Choice::RestoreAs("works".into(), "mini-copy".into()))
        .await;
    assert_eq!(bench.apply(&plan, "copy").await.code, 0);
    let plan = bench.plan_of(LAB, Choice::Recreate, blue()).await;
    assert_eq!(bench.apply(&plan, "recreate").await.code, 0);
    each_has_its_devices(&bench, "copied, then recreated").await;
    assert!(bench.fake.machine("mini-copy").is_some());
}
