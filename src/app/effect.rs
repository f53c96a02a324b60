//! Performs effects: each one a task that answers by a message over a bounded channel.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{self, Backend},
    config::{Config, set_theme},
    host::{self, Facts, Finding},
    labs::{World, snapshot_rows, states},
    log::{LogView, sanitize, sanitize::LINE_BYTES, sanitize_line, sanitize_text},
    paths::Paths,
    plan::{self, Plan},
    run::{self, Connect, Context, Event, Lock, Outcome, journal, log_file},
    stage::{Answers, Catalog},
};

use super::{
    jobs,
    msg::{Effect, HostSummary, Job, LogPage, Missing, Msg},
};

/// Waits between two attempts to reach an engine that does not answer: 1, 2, 4, ... seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Changes on the daemon come in bursts; the lists are read once after each.
const BURST: Duration = Duration::from_millis(300);
/// How long a run may take to end its action when the program is told to end.
const LAST_ACTION: Duration = Duration::from_secs(60);
/// Exit code where another halolab is at work.
const LOCKED: u8 = 8;

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
}

/// Performs effects.
pub struct Performer {
    shared: Arc<Shared>,
    run: Option<(CancellationToken, JoinHandle<()>)>,
}

struct Shared {
    around: Surroundings,
    messages: mpsc::Sender<Msg>,
    backend: AsyncMutex<Option<Arc<dyn Backend>>>,
    look: Notify,
    logs: Mutex<Logs>,
}

/// The logs of the run that is shown.
#[derive(Default)]
struct Logs {
    run: String,
    open: BTreeMap<String, LogView>,
}

impl Performer {
    /// A performer that answers over `messages`; begins to look at the host and the engine.
    pub fn new(around: Surroundings, messages: mpsc::Sender<Msg>) -> Self {
        let shared = Arc::new(Shared {
            around,
            messages,
            backend: AsyncMutex::new(None),
            look: Notify::new(),
            logs: Mutex::default(),
        });
        tokio::spawn(look(Arc::clone(&shared)));
        Self { shared, run: None }
    }

    /// Performs an effect; returns at once.
    pub fn perform(&mut self, effect: Effect) {
        let shared = Arc::clone(&self.shared);
        match effect {
            Effect::Look => self.shared.look.notify_one(),
            Effect::Snapshots(lab) => {
                tokio::spawn(async move { shared.snapshots(lab).await });
            }
            Effect::Start(plan, secrets) => {
                let cancel = CancellationToken::new();
                let handle = tokio::spawn(shared.start(*plan, secrets, cancel.clone()));
                self.run = Some((cancel, handle));
            }
            Effect::Cancel => {
                if let Some((cancel, _)) = &self.run {
                    cancel.cancel();
                }
            }
            Effect::Do(job) => {
                tokio::spawn(async move { shared.job(job).await });
            }
            Effect::Page(lab, from, rows) => {
                tokio::task::spawn_blocking(move || shared.page(&lab, from, rows));
            }
            Effect::Find {
                lab,
                needle,
                from,
                forward,
            } => {
                tokio::task::spawn_blocking(move || {
                    let found = shared.with_log(&lab, |log| log.find(&needle, from, forward));
                    shared.tell_blocking(Msg::Found(lab, found.flatten()));
                });
            }
            Effect::SaveTheme(name) => {
                let _ = tokio::task::spawn_blocking(move || set_theme(&shared.around.paths, &name));
            }
            // The loop does these itself.
            Effect::Errand(_) => {}
        }
    }

    /// The daemon, for a shell.
    pub async fn backend(&self) -> backend::Result<Arc<dyn Backend>> {
        self.shared.backend().await
    }

    /// Brings a run to a safe end before the program leaves.
    pub async fn finish(mut self, messages: mpsc::Receiver<Msg>) {
        // Nobody reads them any more: who waits to send one goes on.
        drop(messages);
        if let Some((cancel, handle)) = self.run.take() {
            cancel.cancel();
            let _ = timeout(LAST_ACTION, handle).await;
        }
    }
}

impl Shared {
    async fn tell(&self, msg: Msg) {
        // Without a reader the program is ending.
        let _ = self.messages.send(msg).await;
    }

    fn tell_blocking(&self, msg: Msg) {
        let _ = self.messages.blocking_send(msg);
    }

    async fn backend(&self) -> backend::Result<Arc<dyn Backend>> {
        let mut held = self.backend.lock().await;
        if let Some(backend) = held.as_ref() {
            return Ok(Arc::clone(backend));
        }
        let found = (self.around.connect)().await?;
        *held = Some(Arc::clone(&found));
        Ok(found)
    }

    async fn snapshots(&self, lab: String) {
        let rows = match self.backend().await {
            Ok(backend) => snapshot_rows(backend.as_ref(), &lab).await,
            Err(error) => Err(error),
        };
        let rows = rows.map_err(|error| sanitize_text(&error.to_string()));
        self.tell(Msg::Snapshots(lab, rows)).await;
    }

    async fn job(&self, job: Job) {
        let result = match Lock::take(&self.around.lock, &job.doing()) {
            Ok(_lock) => match self.backend().await {
                Ok(backend) => jobs::perform(backend.as_ref(), &job).await,
                Err(error) => Err(sanitize_text(&error.to_string())),
            },
            Err(error) => Err(error.to_string()),
        };
        self.tell(Msg::Done(job, result)).await;
    }

    async fn start(
        self: Arc<Self>,
        plan: Plan,
        secrets: BTreeMap<String, Answers>,
        cancel: CancellationToken,
    ) {
        let id = journal::new_id(&plan);
        let ended = |code, text: String| Outcome {
            run: id.clone(),
            code,
            summary: vec![text],
        };
        let lock = match Lock::take(&self.around.lock, &format!("run {id}")) {
            Ok(lock) => lock,
            Err(error) => {
                self.tell(Msg::Ended(ended(LOCKED, error.to_string()))).await;
                return;
            }
        };
        {
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            *logs = Logs {
                run: id.clone(),
                open: BTreeMap::new(),
            };
        }
        self.tell(Msg::Started(id.clone())).await;
        let (events, heard) = mpsc::unbounded_channel();
        let forward = tokio::spawn(forward(heard, self.messages.clone()));
        let cx = Context {
            connect: Arc::clone(&self.around.connect),
            runs: self.around.runs.clone(),
            cache: self.around.paths.cache.clone(),
            secrets,
            events,
            cancel,
        };
        let outcome = Box::pin(run::apply(&plan, &id, &cx)).await;
        drop((cx, lock));
        // Every event is told before the end is.
        let _ = forward.await;
        self.tell(Msg::Ended(outcome)).await;
    }

    fn with_log<T>(&self, lab: &str, read: impl FnOnce(&mut LogView) -> std::io::Result<T>) -> Option<T> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if !logs.open.contains_key(lab) {
            let path = log_file(&self.around.runs, &logs.run, lab);
            logs.open.insert(lab.to_owned(), LogView::open(&path).ok()?);
        }
        let log = logs.open.get_mut(lab)?;
        log.refresh().ok()?;
        read(log).ok()
    }

    fn page(&self, lab: &str, from: Option<usize>, rows: usize) {
        let page = self.with_log(lab, |log| {
            let total = log.lines();
            let from = from.unwrap_or_else(|| total.saturating_sub(rows));
            let raw = log.read(from..from + rows, LINE_BYTES)?;
            Ok(LogPage {
                lab: lab.to_owned(),
                total,
                from,
                lines: raw.iter().map(|line| sanitize_line(line)).collect(),
            })
        });
        // A log that is not there yet is an empty one.
        let page = page.unwrap_or_else(|| LogPage {
            lab: lab.to_owned(),
            ..LogPage::default()
        });
        self.tell_blocking(Msg::Page(page));
    }
}

/// Passes events on; that a log grew is told once for all that wait.
async fn forward(mut heard: mpsc::UnboundedReceiver<Event>, messages: mpsc::Sender<Msg>) {
    while let Some(event) = heard.recv().await {
        let mut batch = vec![event];
        while let Ok(event) = heard.try_recv() {
            batch.push(event);
        }
        let mut grown = BTreeMap::new();
        for event in batch {
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

/// How long an image server may take to answer before the form says that it does not.
const SERVER_WAIT: Duration = Duration::from_secs(1);

/// Looks at the host once, then at the engine: at first, when asked, and when something changed there.
async fn look(shared: Arc<Shared>) {
    let probed = tokio::task::spawn_blocking(|| host::probe(std::path::Path::new("/"))).await;
    let mut facts = probed.unwrap_or_default();
    let summary = HostSummary {
        facts: facts.clone(),
        findings: vec![],
    };
    shared.tell(Msg::Host(Box::new(summary))).await;
    let servers = shared.around.config.servers();
    host::reach::look(&mut facts, &servers, SERVER_WAIT).await;
    let mut wait = Duration::from_secs(1);
    loop {
        match observe(&shared, &facts).await {
            Ok((backend, changes)) => {
                wait = Duration::from_secs(1);
                if !until_changed(&shared, &facts, backend, changes).await {
                    return;
                }
            }
            Err(missing) => {
                let absent = missing.absent;
                *shared.backend.lock().await = None;
                shared.tell(Msg::World(Err(missing))).await;
                if absent {
                    shared.look.notified().await;
                } else {
                    let _ = timeout(wait, shared.look.notified()).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
        if shared.messages.is_closed() {
            return;
        }
    }
}

type Changes = Option<mpsc::Receiver<()>>;

async fn observe(shared: &Shared, facts: &Facts) -> Result<(Arc<dyn Backend>, Changes), Missing> {
    let backend = match shared.backend().await {
        Ok(backend) => backend,
        Err(error @ backend::Error::NotFound { .. }) => {
            let world = World::without_daemon(facts.clone(), shared.around.config.clone());
            shared.tell(Msg::World(Ok(Box::new(world)))).await;
            return Err(missing(&error, true));
        }
        Err(error) => return Err(missing(&error, false)),
    };
    let changes = backend.watch().await.ok();
    show_world(shared, facts, backend.as_ref())
        .await
        .map_err(|error| missing(&error, false))?;
    Ok((backend, changes))
}

fn missing(error: &backend::Error, absent: bool) -> Missing {
    Missing {
        text: sanitize(&error.to_string()),
        absent,
    }
}

/// Reads the lists and tells them: first what is quick, then live facts and findings.
async fn show_world(shared: &Shared, facts: &Facts, backend: &dyn Backend) -> backend::Result<()> {
    let around = &shared.around;
    let aliases = plan::aliases(&around.catalog, &[]);
    let world = World::observe(backend, facts.clone(), around.config.clone(), &aliases).await?;
    let labs = world.labs(&around.catalog);
    let found = world.clone();
    shared.tell(Msg::World(Ok(Box::new(world)))).await;
    shared.tell(Msg::States(states(backend, &labs).await)).await;
    let findings = findings(&found).await;
    if !findings.is_empty() {
        let summary = HostSummary {
            facts: facts.clone(),
            findings,
        };
        shared.tell(Msg::Host(Box::new(summary))).await;
    }
    Ok(())
}

/// What stands in the way of labs on this host, as far as it can be seen without rights.
async fn findings(world: &World) -> Vec<Finding> {
    let Some(server) = &world.server else {
        return vec![];
    };
    // A question for a password would land in the middle of the screen.
    if host::command::needs_password().await {
        return vec![];
    }
    let mut found = vec![];
    for bridge in world.networks.iter().filter(|n| n.managed && n.kind == "bridge") {
        if let Ok(Some(finding)) = host::firewall::check(&server.firewall, &bridge.name).await {
            found.push(finding);
        }
    }
    found
}

/// Reads the lists again each time that something changed, until the connection is lost; false where
/// nobody listens any more.
async fn until_changed(shared: &Shared, facts: &Facts, backend: Arc<dyn Backend>, changes: Changes) -> bool {
    let mut changes = changes;
    loop {
        let again = tokio::select! {
            () = shared.look.notified() => true,
            alive = changed(&mut changes) => alive,
            () = shared.messages.closed() => return false,
        };
        if !again || show_world(shared, facts, backend.as_ref()).await.is_err() {
            // The next look connects anew and says what is wrong.
            *shared.backend.lock().await = None;
            return true;
        }
    }
}

/// Waits for the end of a burst of changes; false where the connection is lost.
async fn changed(changes: &mut Changes) -> bool {
    let Some(receiver) = changes else {
        return std::future::pending().await;
    };
    if receiver.recv().await.is_none() {
        return false;
    }
    tokio::time::sleep(BURST).await;
    while receiver.try_recv().is_ok() {}
    true
}
