//! A proxy on a unix socket in front of the daemon's: it logs each call, and does to one of them what a rule says.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{UnixListener, UnixStream},
    runtime::Runtime,
};

use super::http::{Request, answer, read_head, read_request, with_wrong_length};

/// A call by what it is and the how manyth of its kind it is, with the lab's name and the numbers of operations left
/// out: the same in each run of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// 1 is the first of its kind.
    pub nth: usize,
}

impl Call {
    /// Whether it changes something.
    pub fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// Whether it waits for a change.
    pub fn waits(&self) -> bool {
        self.path.starts_with("/1.0/operations/") && self.path.ends_with("/wait")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} #{}", self.method, self.path, self.nth)
    }
}

/// When in the life of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The daemon never hears of it.
    Before,
    /// The daemon has it, and the client is gone before it answers.
    Sent,
    /// The daemon has answered, and the client is gone before it hears.
    After,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Before, Self::Sent, Self::After];
}

/// Called at a call, once.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// Told of each call that changes something, before the daemon hears of it.
pub type Watcher = Arc<dyn Fn(&Call) + Send + Sync>;

/// What is done to a call.
#[derive(Clone)]
pub enum Act {
    /// The hook is called, then the connection is closed.
    Cut(Phase, Hook),
    /// The hook is called, and the call goes on.
    Tell(Phase, Hook),
    /// It is late by this long.
    Delay(Duration),
    /// The daemon does it, and the answer never comes.
    Hang,
    /// The daemon never hears of it, and 500 comes back.
    Status500,
    /// The daemon does it, and the answer makes no sense.
    Garbage,
    /// The daemon does it, and half of the answer comes.
    Truncated,
    /// The daemon does it, and the answer says a length that is not its own.
    WrongLength,
}

#[derive(Default)]
struct Shared {
    /// What names are replaced by in paths.
    names: Vec<(String, String)>,
    seen: BTreeMap<(String, String), usize>,
    calls: Vec<Call>,
    rule: Option<(Call, Act)>,
    /// The same for the so manyth call that changes something or waits.
    nth: Option<(usize, Act)>,
    hit: bool,
    watcher: Option<Watcher>,
    /// Hooks that have not returned.
    hooks: usize,
}

/// The proxy; it ends with its value.
pub struct Proxy {
    /// Where it listens.
    pub socket: PathBuf,
    shared: Arc<Mutex<Shared>>,
    _runtime: Runtime,
}

impl Proxy {
    /// Listens at `socket` for `upstream`. `names` are replaced in the paths of calls.
    pub fn start(socket: &Path, upstream: &Path, names: Vec<(String, String)>) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            names,
            ..Shared::default()
        }));
        let _ = std::fs::remove_file(socket);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(socket).unwrap()
        };
        let (of, to) = (Arc::clone(&shared), upstream.to_owned());
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (of, to) = (Arc::clone(&of), to.clone());
                tokio::spawn(async move {
                    // Whoever hangs up has ended the call.
                    let _ = serve(client, &to, &of).await;
                });
            }
        });
        Self {
            socket: socket.to_owned(),
            shared,
            _runtime: runtime,
        }
    }

    /// Counts anew, and does this to a call; with none it only counts.
    pub fn arm(&self, rule: Option<(Call, Act)>) {
        let mut shared = self.shared.lock().unwrap();
        shared.seen.clear();
        shared.calls.clear();
        (shared.rule, shared.nth, shared.hit) = (rule, None, false);
    }

    /// Counts anew, and does this to the `nth` call that changes something or waits for a change.
    pub fn arm_nth(&self, nth: usize, act: Act) {
        self.arm(None);
        self.shared.lock().unwrap().nth = Some((nth, act));
    }

    /// Who is told of each change from now on.
    pub fn watch(&self, watcher: Option<Watcher>) {
        self.shared.lock().unwrap().watcher = watcher;
    }

    /// The calls since then, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().unwrap().calls.clone()
    }

    /// Waits until what was called at a call has returned.
    pub fn rest(&self) {
        while self.shared.lock().unwrap().hooks > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the call of the rule came.
    pub fn was_hit(&self) -> bool {
        self.shared.lock().unwrap().hit
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Shared {
    /// Writes a call down; what is to be done to it.
    fn enter(&mut self, request: &Request) -> Option<Act> {
        let path = self.shown(&request.path);
        let count = self
            .seen
            .entry((request.method.clone(), path.clone()))
            .or_default();
        *count += 1;
        let call = Call {
            method: request.method.clone(),
            path,
            nth: *count,
        };
        self.calls.push(call.clone());
        if let Some(watcher) = self.watcher.as_ref().filter(|_| call.changes()) {
            watcher(&call);
        }
        let counted = self.calls.iter().filter(|c| c.changes() || c.waits()).count();
        let here = |nth: &mut (usize, Act)| nth.0 == counted;
        let act = match self.rule.take_if(|(wanted, _)| *wanted == call) {
            Some((_, act)) => act,
            None => self.nth.take_if(here)?.1,
        };
        self.hit = true;
        Some(act)
    }

    /// A path without its query, in which secrets are, and without what differs from run to run.
    fn shown(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap_or_default();
        let words = path.split('/').map(|word| {
            if word.len() == 36 && word.matches('-').count() == 4 {
                return "*".to_owned();
            }
            let names = self.names.iter();
            names.fold(word.to_owned(), |word, (from, to)| {
                word.replace(from.as_str(), to)
            })
        });
        words.collect::<Vec<_>>().join("/")
    }
}

async fn call(hook: Hook, shared: &Mutex<Shared>) {
    shared.lock().unwrap().hooks += 1;
    let _ = tokio::task::spawn_blocking(move || hook()).await;
    shared.lock().unwrap().hooks -= 1;
}

async fn serve(mut client: UnixStream, upstream: &Path, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else {
        return Ok(());
    };
    let act = shared.lock().unwrap().enter(&request);
    match &act {
        Some(Act::Cut(Phase::Before, hook)) => {
            call(Arc::clone(hook), shared).await;
            return Ok(());
        }
        Some(Act::Tell(Phase::Before, hook)) => call(Arc::clone(hook), shared).await,
        Some(Act::Delay(by)) => tokio::time::sleep(*by).await,
        Some(Act::Status500) => {
            let body = r#"{"type":"error","error":"injected: the database is locked","error_code":500}"#;
            return client.write_all(&answer("500 Internal Server Error", body)).await;
        }
        _ => {}
    }
    let mut daemon = UnixStream::connect(upstream).await?;
    daemon.write_all(&request.last_of_its_connection()).await?;
    match &act {
        Some(Act::Cut(Phase::Sent, hook)) => {
            call(Arc::clone(hook), shared).await;
            return Ok(());
        }
        Some(Act::Tell(Phase::Sent, hook)) => call(Arc::clone(hook), shared).await,
        _ => {}
    }
    if request.upgrade {
        return stream(client, daemon, act, shared).await;
    }
    let mut bytes = vec![];
    let mut one = [0; 1];
    tokio::select! {
        read = daemon.read_to_end(&mut bytes) => drop(read?),
        // The daemon sees that too, as without us.
        _ = client.read(&mut one) => return Ok(()),
    }
    give(client, bytes, act, shared).await
}

/// Hands an answer on, as far as the rule lets it.
async fn give(
    mut client: UnixStream,
    bytes: Vec<u8>,
    act: Option<Act>,
    shared: &Mutex<Shared>,
) -> std::io::Result<()> {
    let bytes = match act {
        Some(Act::Cut(Phase::After, hook)) => {
            call(hook, shared).await;
            return Ok(());
        }
        Some(Act::Tell(Phase::After, hook)) => {
            call(hook, shared).await;
            bytes
        }
        Some(Act::Hang) => return hang(client).await,
        Some(Act::Garbage) => answer("200 OK", "{\"type\":\"sync\",\u{1b}]0;x\u{7}"),
        Some(Act::Truncated) => bytes[..bytes.len() / 2].to_vec(),
        Some(Act::WrongLength) => with_wrong_length(&bytes),
        _ => bytes,
    };
    client.write_all(&bytes).await?;
    client.shutdown().await
}

/// Says nothing until the client leaves.
async fn hang(mut client: UnixStream) -> std::io::Result<()> {
    let mut one = [0; 1];
    client.read(&mut one).await.map(drop)
}

/// A websocket: bytes both ways, as far as the rule lets them.
async fn stream(
    mut client: UnixStream,
    mut daemon: UnixStream,
    act: Option<Act>,
    shared: &Mutex<Shared>,
) -> std::io::Result<()> {
    if matches!(act, Some(Act::Hang)) {
        return hang(client).await;
    }
    let mut head = vec![];
    if read_head(&mut daemon, &mut head).await?.is_none() {
        return client.write_all(&head).await;
    }
    match act {
        Some(Act::Cut(Phase::After, hook)) => {
            call(hook, shared).await;
            return Ok(());
        }
        Some(Act::Tell(Phase::After, hook)) => call(hook, shared).await,
        Some(Act::Garbage | Act::WrongLength) => {
            return client.write_all(&answer("200 OK", "no websocket")).await;
        }
        Some(Act::Truncated) => {
            client.write_all(&head).await?;
            let few = copy_bidirectional(&mut client, &mut daemon);
            return match tokio::time::timeout(Duration::from_millis(50), few).await {
                Ok(done) => done.map(drop),
                Err(_) => Ok(()),
            };
        }
        _ => {}
    }
    client.write_all(&head).await?;
    copy_bidirectional(&mut client, &mut daemon).await.map(drop)
}
