//! A run that changes the boot configuration first, stops for the restart, and goes on after it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common {
    #![allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        missing_docs
    )]
    pub mod bench;
}

use std::{fs, path::Path};

use common::bench::{Bench, LAB};
use halolab::{
    backend::Backend as _,
    host::{
        BOOT_ID, Root,
        boot::{self, Way, Wish},
    },
    plan::{Choice, Plan, Step, Tuning},
    run::{
        journal::{self, Record},
        lock::Daemon,
        receipt::{Keeper, Standing},
        unfinished,
    },
};
use rstest::rstest;

const GRUB: &str = "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n";
const PAGES: &str = "25165824";

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn grub(root: &Path) -> String {
    fs::read_to_string(root.join("etc/default/grub")).unwrap()
}

/// A machine whose kernel runs with its default, in its first boot.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "/etc/default/grub", GRUB);
    put(root.path(), BOOT_ID, "first\n");
    put(root.path(), "/sys/module/ttm/parameters/pages_limit", "5\n");
    root
}

/// The restart, after which the kernel runs with this limit.
fn restart(root: &Path, pages: &str) {
    put(root, BOOT_ID, "second\n");
    put(root, "/sys/module/ttm/parameters/pages_limit", pages);
}

/// A lab that begins with a change of the machine.
async fn tuned(bench: &Bench, root: &Path) -> Plan {
    let wish = Wish {
        set: vec![("ttm.pages_limit".into(), PAGES.into())],
        remove: vec!["amdgpu.gttsize".into()],
    };
    let mut plan = bench.plan(Choice::Create).await;
    plan.tune(&Tuning {
        proposal: boot::propose(&Root::new(root), &wish, Some(Way::Grub)).unwrap(),
        wish,
        boot: "first".into(),
        root: Some(root.canonicalize().unwrap()),
    });
    assert!(plan.is_tuned());
    plan
}

fn offered(bench: &Bench) -> Option<Record> {
    let home = bench.home.path();
    unfinished::find(&home.join("runs"), &home.join("lock"), &Daemon::default())
}

fn standing(bench: &Bench, root: &Path) -> Standing {
    let open = Keeper::new(bench.home.path(), root).open().unwrap();
    open.first().unwrap().standing
}

#[tokio::test]
async fn the_run_goes_on_after_the_restart() {
    let (bench, root) = (Bench::new(), machine());
    let plan = tuned(&bench, root.path()).await;
    let outcome = bench.apply(&plan, "run").await;
    assert_eq!(outcome.code, 6, "{:?}", outcome.summary);
    assert!(
        outcome.summary.concat().contains("restart this machine"),
        "{:?}",
        outcome.summary
    );
    assert!(grub(root.path()).contains(PAGES));
    assert_eq!(standing(&bench, root.path()), Standing::RestartNeeded);
    assert_eq!(
        bench.fake.instances().await.unwrap().len(),
        0,
        "no lab was touched"
    );

    // In the same boot it is not offered, and going on with it says the same again.
    assert_eq!(offered(&bench), None);
    assert_eq!(bench.apply(&plan, "run").await.code, 6);

    restart(root.path(), PAGES);
    let record = offered(&bench).unwrap();
    assert_eq!((record.id.as_str(), record.restarted), ("run", Some(true)));
    assert_eq!(standing(&bench, root.path()), Standing::Counts);
    let outcome = bench.apply(&record.plan, "run").await;
    assert_eq!(outcome.code, 0, "{:?}", outcome.summary);
    assert!(bench.fake.instance(LAB).await.unwrap().is_some());
    assert_eq!(offered(&bench), None);
    let entries = Keeper::new(bench.home.path(), root.path())
        .read()
        .unwrap()
        .entries;
    assert_eq!(entries.len(), 1, "it was changed once");
}

#[tokio::test]
async fn a_change_that_does_not_count_after_the_restart_is_said_and_nothing_goes_on() {
    let (bench, root) = (Bench::new(), machine());
    let plan = tuned(&bench, root.path()).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 6);
    restart(root.path(), "5");
    assert_eq!(offered(&bench).unwrap().restarted, Some(false));
    assert_eq!(standing(&bench, root.path()), Standing::DoesNotCount);
    let outcome = bench.apply(&plan, "run").await;
    assert_eq!(outcome.code, 5, "{:?}", outcome.summary);
    let why = journal::record(&bench.home.path().join("runs/run"))
        .unwrap()
        .error
        .unwrap();
    assert!(
        why.contains(&format!("ttm.pages_limit={PAGES}")) && why.contains("halolab doctor"),
        "{why}"
    );
    assert!(bench.fake.instance(LAB).await.unwrap().is_none());
}

#[tokio::test]
async fn a_boot_configuration_that_changed_since_the_plan_is_not_touched() {
    let (bench, root) = (Bench::new(), machine());
    let plan = tuned(&bench, root.path()).await;
    let mine = "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet mine=1\"\n";
    put(root.path(), "/etc/default/grub", mine);
    assert_eq!(bench.apply(&plan, "run").await.code, 5);
    assert_eq!(grub(root.path()), mine);
}

#[tokio::test]
async fn what_a_killed_attempt_left_half_done_is_put_back_and_done_anew() {
    let (bench, root) = (Bench::new(), machine());
    let plan = tuned(&bench, root.path()).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 6);
    // As a kill right after the first file leaves it: the receipt says begun, the journal has no end.
    let receipt = bench.home.path().join("receipt.json");
    let text = fs::read_to_string(&receipt).unwrap();
    fs::write(&receipt, text.replace("\"done\"", "\"begun\"")).unwrap();
    let file = bench.home.path().join("runs/run/journal.jsonl");
    let lines = fs::read_to_string(&file).unwrap();
    let begun: Vec<&str> = lines.lines().take(2).collect();
    fs::write(&file, begun.join("\n") + "\n").unwrap();
    assert_eq!(bench.apply(&plan, "run").await.code, 6);
    assert_eq!(grub(root.path()).matches(PAGES).count(), 1);
    let open = Keeper::new(bench.home.path(), root.path()).open().unwrap();
    let standings: Vec<Standing> = open.iter().map(|o| o.standing).collect();
    assert_eq!(standings, [Standing::RestartNeeded]);
}

#[rstest]
#[case(true, 2)]
#[case(false, 1)]
#[tokio::test]
async fn a_plan_takes_the_change_in_and_out(#[case] changes: bool, #[case] more: usize) {
    let (bench, root) = (Bench::new(), machine());
    let plain = bench.plan(Choice::Create).await;
    if !changes {
        let line = format!("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet ttm.pages_limit={PAGES}\"\n");
        put(root.path(), "/etc/default/grub", &line);
    }
    let mut plan = tuned(&bench, root.path()).await;
    assert_eq!(plan.host.len(), plain.host.len() + more);
    assert!(matches!(
        plan.host.get(more - 1).unwrap().step,
        Step::AwaitRestart { .. }
    ));
    plan.untune();
    assert_eq!(plan, plain);
}
