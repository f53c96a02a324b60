//! The runner, broken at every change that it makes: nothing that the user had is lost, and a resumed run ends
//! as an unbroken one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use halolab::{
    backend::{
        Backend, Power,
        fake::{Fake, Fault},
    },
    config::Config,
    host::Facts,
    labs::{World, verdict::Verdict},
    plan::{self, Choice, Plan, Request},
    run::{self, Context, Event, Journal, Outcome, journal},
    stage::{Answer, Answers, BackendKind, Catalog, load},
};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

const LAB: &str = "mini-lab";
const PRECIOUS: &str = "/root/precious";

struct Bench {
    home: TempDir,
    fake: Arc<Fake>,
    catalog: Catalog,
}

impl Bench {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labs");
        let stage = |name: &str| load::read(&root.join(name).join("stage.toml")).unwrap();
        let catalog = Catalog::of(vec![stage("mini-lab"), stage("side-lab")]);
        assert!(
            catalog.iter().all(|s| s.backend == BackendKind::Lxd),
            "no step of these tests may touch the host"
        );
        let fake = Arc::new(Fake::new().with_image("lab/bb"));
        Self {
            home: tempfile::tempdir().unwrap(),
            fake,
            catalog,
        }
    }

    async fn plan(&self, choice: Choice) -> Plan {
        let config = Config {
            data: self.home.path().join("data"),
            ..Config::default()
        };
        let world = World::observe(self.fake.as_ref(), Facts::new(), config, &["lab/bb".into()])
            .await
            .unwrap();
        let request = Request {
            lab: LAB.into(),
            stage: LAB.into(),
            choice,
            answers: Answers::new(),
        };
        plan::plan(&world, &self.catalog, &[request]).unwrap()
    }

    fn context(&self) -> (Context, UnboundedReceiver<Event>) {
        let (events, heard) = unbounded_channel();
        let fake = Arc::clone(&self.fake);
        let secret = Answers::from([("token".into(), Answer::Text("canary-secret".into()))]);
        let cx = Context {
            connect: Arc::new(move || {
                let fake = Arc::clone(&fake);
                Box::pin(async move { Ok(fake as Arc<dyn Backend>) })
            }),
            runs: self.home.path().join("runs"),
            cache: self.home.path().join("cache"),
            secrets: BTreeMap::from([(LAB.into(), secret)]),
            events,
            cancel: CancellationToken::new(),
        };
        (cx, heard)
    }

    async fn apply(&self, plan: &Plan, run: &str) -> Outcome {
        let (cx, _heard) = self.context();
        run::apply(plan, run, &cx).await
    }

    /// A lab with work in it, and a snapshot of earlier work.
    async fn with_work() -> Self {
        let bench = Self::new();
        let outcome = bench.apply(&bench.plan(Choice::Create).await, "first").await;
        assert_eq!(outcome.code, 0, "{:?}", outcome.summary);
        bench
            .fake
            .push(LAB, PRECIOUS, b"earlier", 0o600, (0, 0))
            .await
            .unwrap();
        bench.fake.snapshot(LAB, "works").await.unwrap();
        bench
            .fake
            .push(LAB, PRECIOUS, b"now", 0o600, (0, 0))
            .await
            .unwrap();
        bench
    }

    /// Whether the work of now and the snapshot of earlier work are still somewhere.
    fn holds_everything(&self) -> Result<(), String> {
        let machines = || {
            self.fake
                .names()
                .into_iter()
                .filter_map(|n| self.fake.machine(&n))
        };
        let has =
            |files: &BTreeMap<String, Vec<u8>>, what: &[u8]| files.get(PRECIOUS).is_some_and(|f| f == what);
        let now = machines().any(|m| has(&m.files, b"now") || m.saved.iter().any(|s| has(&s.files, b"now")));
        let earlier = machines().any(|m| {
            m.saved
                .iter()
                .any(|s| s.snapshot.name == "works" && has(&s.files, b"earlier"))
        });
        if now && earlier {
            Ok(())
        } else {
            Err(format!("now: {now}, earlier: {earlier}"))
        }
    }

    /// All that a user sees: instances, what is in them, their snapshots.
    fn picture(&self) -> Vec<String> {
        let line = |name: String| {
            let m = self.fake.machine(&name).unwrap();
            // A resumed restore takes one more safety snapshot, of what may have been done meanwhile.
            let extra = |n: &String| n.starts_with("before-restore-") && n != "before-restore-1";
            let snapshots: Vec<_> = m
                .saved
                .iter()
                .map(|s| s.snapshot.name.clone())
                .filter(|n| !extra(n))
                .collect();
            let tags: Vec<_> = m
                .instance
                .config
                .iter()
                .filter(|(k, v)| {
                    k.starts_with("user.halolab.")
                        && ![".run", ".copied"].iter().any(|e| k.ends_with(e))
                        && !v.is_empty()
                })
                // A verdict has its date in it.
                .map(|(k, v)| (k, Verdict::line(v)))
                .collect();
            format!(
                "{name} {:?} {snapshots:?} {:?} {tags:?}",
                m.instance.status,
                m.files.keys().collect::<Vec<_>>()
            )
        };
        self.fake.names().into_iter().map(line).collect()
    }
}

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
    let mut failed = None;
    while let Ok(event) = heard.try_recv() {
        if let Event::Failed { kept, next, .. } = event {
            failed = Some((kept, next));
        }
    }
    let (kept, next) = failed.unwrap();
    assert!(kept.contains("before-update-1"), "{kept}");
    assert!(next.contains("--choose restore:before-update-1"), "{next}");
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
async fn a_restore_to_a_time_before_a_tag_keeps_the_lab_ours() {
    let bench = Bench::with_work().await;
    // As an instance that was adopted after its snapshot was taken.
    let clear = |config: &[(&str, Option<&str>)]| halolab::backend::ConfigEdit {
        config: config
            .iter()
            .map(|(k, v)| (halolab::labs::tag(k), v.map(str::to_owned)))
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
    let plan = bench.plan(Choice::Restore("untagged".into())).await;
    assert_eq!(bench.apply(&plan, "run").await.code, 0);
    let instance = bench.fake.machine(LAB).unwrap().instance;
    assert_eq!(
        (instance.tag("stage"), instance.tag("next"), instance.tag("state")),
        (Some(stage.as_str()), None, None)
    );
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
