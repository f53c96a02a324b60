//! A daemon in memory with a lab, runs against it, and what a user would see of it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use halolab::{
    backend::{Backend, fake::Fake},
    config::Config,
    host::Facts,
    labs::{World, verdict::Verdict},
    plan::{self, Choice, Plan, Request},
    run::{self, Context, Event, Outcome},
    stage::{Answer, Answers, BackendKind, Catalog, load},
};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// The lab.
pub const LAB: &str = "mini-lab";
/// Two more devices of the profile: one always, one by an option.
const SHELF: &str = r#"
[profile.device.always]
config = { type = "none" }

[profile.device.shelf]
when = 'option.colour == "blue"'
config = { type = "none" }
"#;
/// The work in it.
pub const PRECIOUS: &str = "/root/precious";

/// A daemon in memory, a home, and two small labs.
pub struct Bench {
    pub home: TempDir,
    pub fake: Arc<Fake>,
    catalog: Catalog,
}

impl Bench {
    pub fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labs");
        let home = tempfile::tempdir().unwrap();
        let stage = |name: &str| {
            // A device that an option decides on: what a change of options does to a profile.
            let text = std::fs::read_to_string(root.join(name).join("stage.toml")).unwrap();
            let file = home.path().join(format!("{name}.toml"));
            std::fs::write(&file, text + SHELF).unwrap();
            load::read(&file).unwrap()
        };
        let catalog = Catalog::of(vec![stage("mini-lab"), stage("side-lab")]);
        assert!(
            catalog.iter().all(|s| s.backend == BackendKind::Lxd),
            "no step of these tests may touch the host"
        );
        let fake = Arc::new(Fake::new().with_image("lab/bb"));
        Self { home, fake, catalog }
    }

    pub async fn plan(&self, choice: Choice) -> Plan {
        self.plan_of(LAB, choice, Answers::new()).await
    }

    pub async fn world(&self) -> World {
        let config = Config {
            data: self.home.path().join("data"),
            ..Config::default()
        };
        World::observe(self.fake.as_ref(), Facts::new(), config, &["lab/bb".into()])
            .await
            .unwrap()
    }

    pub async fn plan_of(&self, lab: &str, choice: Choice, answers: Answers) -> Plan {
        let world = self.world().await;
        let request = Request {
            lab: lab.into(),
            stage: LAB.into(),
            choice,
            answers,
        };
        plan::plan(&world, &self.catalog, &[request]).unwrap()
    }

    pub fn context(&self) -> (Context, UnboundedReceiver<Event>) {
        let (events, heard) = unbounded_channel();
        let fake = Arc::clone(&self.fake);
        let secret = Answers::from([("token".into(), Answer::Text("canary-secret".into()))]);
        let cx = Context {
            connect: Arc::new(move |_| {
                let fake = Arc::clone(&fake);
                Box::pin(async move { Ok(fake as Arc<dyn Backend>) })
            }),
            runs: self.home.path().join("runs"),
            cache: self.home.path().join("cache"),
            secrets: BTreeMap::from([(LAB.into(), secret)]),
            events,
            cancel: CancellationToken::new(),
            stop_code: run::StopCode::default(),
        };
        (cx, heard)
    }

    pub async fn apply(&self, plan: &Plan, run: &str) -> Outcome {
        let (cx, _heard) = self.context();
        run::apply(plan, run, &cx).await
    }

    /// A lab with work in it, and a snapshot of earlier work.
    pub async fn with_work() -> Self {
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
    pub fn holds_everything(&self) -> Result<(), String> {
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
    pub fn picture(&self) -> Vec<String> {
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
                "{name} {:?} {:?} {snapshots:?} {:?} {tags:?}",
                m.instance.status,
                m.instance.profiles,
                m.files.keys().collect::<Vec<_>>()
            )
        };
        self.fake.names().into_iter().map(line).collect()
    }
}
