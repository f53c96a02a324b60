//! Performs effects: each one a task that answers by a message over a bounded channel.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{self, Backend, Engines, late},
    cli::Global,
    config::{Config, set_theme},
    host::Facts,
    labs::{World, snapshot_rows},
    log::sanitize_text,
    paths::Paths,
    plan::Plan,
    progress::History,
    run::{
        self, Connect, Context, Event, Lock, Outcome, StopCode, journal,
        lock::{Daemon, Holder, LockError, Scope},
        unfinished,
    },
    stage::{Answers, BackendKind, Catalog, Stage},
};

use super::{
    build::{Builds, Tell},
    guard,
    inventory::look,
    logs::Logs,
    msg::{Effect, Msg, Outdated},
    stages,
    workspaces::Wish,
};

/// How long a run may take to end its action when the program is told to end.
const LAST_ACTION: Duration = Duration::from_mins(1);
/// How long a comparison may take to clean up; the next start does what is left.
const LAST_LOOK: Duration = Duration::from_secs(10);
/// Exit code where something stood in the way before any change.
const BLOCKED: u8 = 3;
/// Between two looks at whether another halolab is at work.
const OTHERS: Duration = Duration::from_secs(1);

/// What effects work with.
#[derive(Clone)]
pub struct Surroundings {
    /// Finds the daemon.
    pub connect: Connect,
    /// The stages.
    pub catalog: Arc<Catalog>,
    /// The settings.
    pub config: Config,
    /// Our folders.
    pub paths: Paths,
    /// Folder of all runs.
    pub runs: PathBuf,
    /// The lock of runs.
    pub lock: PathBuf,
    /// The daemon, as locks name it.
    pub daemon: Daemon,
    /// `/`, or the tree of files that a test shows as the machine.
    pub root: PathBuf,
    /// Exit code of a run that is stopped by a signal.
    pub stop_code: StopCode,
    /// Options of every verb, for the viewer.
    pub global: Global,
}

/// Performs effects.
pub struct Performer {
    shared: Arc<Shared>,
    run: Option<(CancellationToken, JoinHandle<()>)>,
    change: Option<JoinHandle<()>>,
    compare: Option<(CancellationToken, JoinHandle<()>)>,
}

pub(super) struct Shared {
    pub(super) around: Surroundings,
    pub(super) messages: mpsc::Sender<Msg>,
    pub(super) engines: Engines,
    pub(super) look: Notify,
    pub(super) logs: Mutex<Logs>,
    /// The stages as they were read last.
    pub(super) catalog: Mutex<Arc<Catalog>>,
}

impl Performer {
    /// A performer that answers over `messages`; begins to look at the host and the engine.
    pub fn new(around: Surroundings, messages: mpsc::Sender<Msg>) -> Self {
        let shared = Arc::new(Shared {
            catalog: Mutex::new(Arc::clone(&around.catalog)),
            engines: Engines::new(Arc::clone(&around.connect)),
            around,
            messages,
            look: Notify::new(),
            logs: Mutex::default(),
        });
        tokio::spawn(look(Arc::clone(&shared)));
        let told = Arc::clone(&shared);
        tokio::task::spawn_blocking(move || {
            let around = &told.around;
            if let Some(record) = unfinished::find(&around.runs, &around.lock, &around.daemon) {
                told.tell_blocking(Msg::Unfinished(Box::new(record)));
            }
        });
        tokio::spawn(watch_others(Arc::clone(&shared)));
        tokio::spawn(stages::watch(Arc::clone(&shared)));
        tokio::spawn(Arc::clone(&shared).look_at_machine());
        tokio::spawn(Arc::clone(&shared).workspaces(Wish::Read));
        Self {
            shared,
            run: None,
            change: None,
            compare: None,
        }
    }

    /// Performs an effect; returns at once.
    pub fn perform(&mut self, effect: Effect) {
        let shared = Arc::clone(&self.shared);
        match effect {
            Effect::Look => self.shared.look.notify_one(),
            Effect::FindRun(id) => {
                tokio::task::spawn_blocking(move || shared.find_run(&id));
            }
            Effect::Amend(id, change) => {
                tokio::task::spawn_blocking(move || shared.amend(&id, &change));
            }
            Effect::Bundle(id, secrets) => {
                tokio::spawn(async move { shared.bundle(&id, secrets).await });
            }
            Effect::LookAtMachine => {
                tokio::spawn(shared.look_at_machine());
            }
            Effect::Propose(what, aim) => {
                tokio::task::spawn_blocking(move || shared.propose(what, aim));
            }
            Effect::Change(agreed) => self.change = Some(tokio::spawn(shared.change(*agreed))),
            Effect::Snapshots(lab) => {
                tokio::spawn(async move { shared.snapshots(lab).await });
            }
            Effect::Compare(lab, snapshot) => self.compare(lab, snapshot),
            Effect::StopCompare => self.stop_compare(),
            Effect::Trust(stage) => {
                tokio::task::spawn_blocking(move || shared.trust(&stage));
            }
            Effect::Start(plan, secrets) => {
                let id = journal::new_id(&plan, &self.shared.around.runs);
                self.start(id, *plan, secrets);
            }
            Effect::Resume(id, plan, secrets) => self.start(id, *plan, secrets),
            Effect::Cancel => self.run.iter().for_each(|(cancel, _)| cancel.cancel()),
            Effect::Do(job) => {
                tokio::spawn(async move { shared.job(job).await });
            }
            Effect::Turn(lab, pane, asked) => {
                tokio::task::spawn_blocking(move || shared.turn(&lab, pane, asked));
            }
            Effect::HandOut(lab, what) => {
                tokio::task::spawn_blocking(move || shared.hand_out(&lab, what));
            }
            Effect::Jobs(wish) => {
                tokio::spawn(async move { shared.about_jobs(wish).await });
            }
            Effect::Zephyr(wish) => {
                tokio::spawn(async move { Box::pin(shared.zephyr(wish)).await });
            }
            Effect::Workspaces(wish) => {
                tokio::spawn(async move { Box::pin(shared.workspaces(wish)).await });
            }
            Effect::SaveTheme(name) => {
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = set_theme(&shared.around.paths, &name) {
                        shared.tell_blocking(Msg::Said(sanitize_text(&error.to_string())));
                    }
                });
            }
            // The loop does these itself.
            Effect::Errand(_) => {}
        }
    }

    fn compare(&mut self, lab: String, snapshot: String) {
        self.stop_compare();
        let cancel = CancellationToken::new();
        let look = Arc::clone(&self.shared).compare(lab, snapshot, cancel.clone());
        self.compare = Some((cancel, tokio::spawn(look)));
    }

    fn stop_compare(&self) {
        if let Some((cancel, _)) = &self.compare {
            cancel.cancel();
        }
    }

    fn start(&mut self, id: String, plan: Plan, secrets: BTreeMap<String, Answers>) {
        let cancel = CancellationToken::new();
        let run = Arc::clone(&self.shared).start(id, plan, secrets, cancel.clone());
        self.run = Some((cancel, tokio::spawn(run)));
    }

    /// Folder of all jobs.
    pub fn jobs(&self) -> PathBuf {
        self.shared.jobs()
    }

    /// How a job's log is shown.
    pub(super) fn viewing(&self) -> super::job_view::Viewing {
        let around = &self.shared.around;
        super::job_view::Viewing {
            global: around.global.clone(),
            stuck: around.config.job.stuck_minutes,
            notify: around.config.notify,
        }
    }

    /// What effects share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The daemon, for a shell.
    pub async fn backend(&self) -> backend::Result<Arc<dyn Backend>> {
        self.shared.backend().await
    }

    /// The same, for something that is on the engine at this address; an error in words.
    pub(super) async fn backend_for(&self, address: &str) -> Result<Arc<dyn Backend>, String> {
        self.shared.engines.all_for(address).await
    }

    /// Brings a run to a safe end before the program leaves.
    pub async fn finish(mut self, messages: mpsc::Receiver<Msg>) {
        // Nobody reads them any more: who waits to send one goes on.
        drop(messages);
        if let Some((cancel, handle)) = self.run.take() {
            cancel.cancel();
            let _ = timeout(LAST_ACTION, handle).await;
        }
        // The copy that it looks into is removed.
        if let Some((cancel, handle)) = self.compare.take() {
            cancel.cancel();
            let _ = timeout(LAST_LOOK, handle).await;
        }
        // A boot configuration that is half written is worse than a wait.
        if let Some(handle) = self.change.take() {
            let _ = handle.await;
        }
    }
}

impl Shared {
    pub(super) async fn tell(&self, msg: Msg) {
        // Without a reader the program is ending.
        let _ = self.messages.send(msg).await;
    }

    pub(super) fn tell_blocking(&self, msg: Msg) {
        let _ = self.messages.blocking_send(msg);
    }

    /// What answers for all labs, connected to where it is not yet.
    pub(super) async fn backend(&self) -> backend::Result<Arc<dyn Backend>> {
        self.engines.all().await
    }

    /// Whether the user wants labs of Docker.
    pub(super) fn wants_docker(&self) -> bool {
        let named = self.around.global.docker.is_some();
        let theirs = |stage: &Stage| stage.backend == BackendKind::Docker && !stage.is_shipped();
        named || self.stages().iter().any(theirs)
    }

    async fn snapshots(&self, lab: String) {
        let rows = match self.backend().await {
            Ok(backend) => snapshot_rows(backend.as_ref(), &lab).await,
            Err(error) => Err(error),
        };
        let rows = rows.map_err(|error| sanitize_text(&error.to_string()));
        self.tell(Msg::Snapshots(lab, rows)).await;
    }

    /// Says on the screen that the daemon keeps us waiting.
    pub(super) fn listener(&self) -> late::Listener {
        let messages = self.messages.clone();
        // Where nobody has time to read it, the next one says the same.
        let tell = move |said: &str| drop(messages.try_send(Msg::Said(said.to_owned())));
        late::Listener::new(tell, CancellationToken::new(), false)
    }

    async fn start(
        self: Arc<Self>,
        id: String,
        plan: Plan,
        secrets: BTreeMap<String, Answers>,
        cancel: CancellationToken,
    ) {
        let ended = |code, text: String| Outcome {
            run: id.clone(),
            code,
            summary: vec![text],
        };
        let scope = Scope::of(&plan, &self.around.daemon);
        let lock = match Lock::take_for(&self.around.lock, &scope, &format!("run {id}")) {
            Ok(lock) => lock,
            Err(LockError::Held(who)) => {
                self.tell(Msg::Busy(Holder::parse(&who))).await;
                return;
            }
            Err(error) => {
                self.tell(Msg::Ended(ended(BLOCKED, error.to_string()))).await;
                return;
            }
        };
        if self.is_outdated(&plan, &id).await {
            return;
        }
        {
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            *logs = Logs {
                run: id.clone(),
                open: BTreeMap::new(),
                rules: Arc::clone(&logs.rules),
            };
            let (rules, paths) = (Arc::clone(&logs.rules), self.around.paths.clone());
            let told = Arc::clone(&self);
            tokio::task::spawn_blocking(move || told.load_rules(&rules, &paths));
        }
        self.tell(Msg::Started(id.clone())).await;
        guard::say(&format!(
            "halolab was killed; the run {id} is not finished: start halolab again, or type `halolab runs resume {id}`"
        ));
        let (events, heard) = mpsc::unbounded_channel();
        let builds = Builds::new(
            self.around.runs.join(&id),
            History::path(&self.around.paths.state),
            self.tell_builds(),
        );
        let forward = tokio::spawn(forward(heard, self.messages.clone(), builds));
        let cx = Context {
            connect: Arc::clone(&self.around.connect),
            runs: self.around.runs.clone(),
            cache: self.around.paths.cache.clone(),
            secrets,
            events,
            cancel,
            stop_code: self.around.stop_code.clone(),
        };
        let outcome = Box::pin(run::apply(&plan, &id, &cx)).await;
        drop((cx, lock));
        guard::say("");
        // Every event is told before the end is.
        let _ = forward.await;
        self.tell(Msg::Ended(outcome)).await;
    }

    /// Looks once more right before a run, now that nobody else can change anything: whether more would be lost than was
    /// said, which is told. An engine that does not answer is the run's to say.
    async fn is_outdated(&self, plan: &Plan, id: &str) -> bool {
        if !plan.may_lose() {
            return false;
        }
        let Ok(world) = self.observe(Facts::default()).await else {
            return false;
        };
        let losses = unfinished::losses_now(plan, &world, &self.around.runs, id);
        let more = losses.more_than(&plan.losses);
        let changed = !more.is_empty();
        if changed {
            let told = Outdated { world, losses, more };
            self.tell(Msg::Outdated(Box::new(told))).await;
        }
        changed
    }

    /// Looks at the engines with what runs in their labs, as a plan needs it.
    pub(super) async fn observe(&self, facts: Facts) -> backend::Result<World> {
        let backend = self.backend().await?;
        let aliases = crate::plan::aliases(&self.stages(), &[]);
        let (config, wanted) = (self.around.config.clone(), self.wants_docker());
        let mut world = World::observe_all(&self.engines, facts, config, &aliases, wanted).await?;
        world.jobs = run::jobs::ask_under_way(&self.jobs(), backend.as_ref()).await;
        Ok(world)
    }

    /// How threads that read logs for builds tell of them.
    fn tell_builds(&self) -> Tell {
        let messages = self.messages.clone();
        Arc::new(move |lab: &str, known| messages.blocking_send(Msg::Build(lab.to_owned(), known)).is_ok())
    }
}

/// Tells when another halolab begins or ends to work.
async fn watch_others(shared: Arc<Shared>) {
    let mut told = None;
    while !shared.messages.is_closed() {
        let path = shared.around.lock.clone();
        let found = tokio::task::spawn_blocking(move || Holder::of(&path)).await;
        let found = found.unwrap_or_default();
        if found != told {
            told.clone_from(&found);
            shared.tell(Msg::Other(found)).await;
        }
        tokio::time::sleep(OTHERS).await;
    }
}

/// Passes events on; that a log grew is told once for all that wait.
async fn forward(mut heard: mpsc::UnboundedReceiver<Event>, messages: mpsc::Sender<Msg>, mut builds: Builds) {
    while let Some(event) = heard.recv().await {
        let mut batch = vec![event];
        while let Ok(event) = heard.try_recv() {
            batch.push(event);
        }
        let mut grown = BTreeMap::new();
        for event in batch {
            builds.hear(&event);
            if let Event::Output { lab, bytes } = event {
                grown.insert(lab, bytes);
            } else if messages.send(Msg::Run(event)).await.is_err() {
                return;
            }
        }
        for (lab, bytes) in grown {
            if messages
                .send(Msg::Run(Event::Output { lab, bytes }))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}
