//! A daemon that answers as a test tells it to, for what a real one cannot be made to do.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use halolab::backend::{Result, lxd::Lxd};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `GET /1.0/instances?recursion=1`.
    pub(crate) line: String,
    /// Its headers, in lower case, a line each.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) enum Reply {
    /// A status and JSON.
    Json(u16, Value),
    /// A status, more headers, and JSON.
    Tagged(u16, &'static str, Value),
    /// Bytes, whatever they are.
    Raw(&'static [u8]),
    /// Nothing, for ever.
    Hang,
    /// The connection is closed without a word.
    Hangup,
    /// The daemon dies: this connection and the socket go.
    Die,
}

/// Answers one request, given how many of the same line came before it.
pub(crate) type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// The daemon.
pub(crate) struct Scripted {
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A yes.
pub(crate) fn yes(metadata: impl Into<Value>) -> Reply {
    let metadata = metadata.into();
    Reply::Json(
        200,
        json!({ "type": "sync", "status": "Success", "status_code": 200, "metadata": metadata }),
    )
}

/// A no.
pub(crate) fn no(code: u16, error: &str) -> Reply {
    Reply::Json(
        code,
        json!({ "type": "error", "error_code": code, "error": error, "metadata": null }),
    )
}

/// An operation that was started, with the URL that is given for it.
pub(crate) fn started(id: &str, url: &str) -> Reply {
    let metadata = json!({ "id": id, "status_code": 103, "err": "", "metadata": null });
    Reply::Json(
        202,
        json!({ "type": "async", "status_code": 100, "operation": url, "metadata": metadata }),
    )
}

/// An operation as a wait for it answers.
pub(crate) fn operation(id: &str, status: u16, error: &str) -> Reply {
    yes(json!({ "id": id, "status_code": status, "err": error, "metadata": null }))
}

/// Who answers.
pub(crate) fn server() -> Reply {
    yes(json!({
        "api_extensions": [], "auth": "trusted",
        "environment": { "server": "lxd", "server_version": "0", "storage_supported_drivers": null },
    }))
}

impl Scripted {
    /// Begins to answer.
    pub(crate) fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("unix.socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let seen = Arc::new(Mutex::new(vec![]));
        let script: Arc<Script> = Arc::new(script);
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            let (dead, mut death) = tokio::sync::mpsc::channel::<()>(1);
            loop {
                tokio::select! {
                    _ = death.recv() => break,
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { break };
                        tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&all), dead.clone()));
                    }
                }
            }
            let _ = std::fs::remove_file(socket);
        });
        Self { folder, seen }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("unix.socket")
    }

    /// A client that waits five seconds for a call, which is long on a busy machine, and a second for a
    /// slice of an operation.
    pub(crate) async fn client(&self) -> Result<Lxd> {
        Lxd::connect_unix_within(self.socket(), Duration::from_secs(5), Duration::from_secs(1)).await
    }

    /// What came in so far, without the greeting.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|s| s.line != "GET /1.0").cloned().collect()
    }

    /// The lines of it.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|s| s.line).collect()
    }
}

/// Answers on one connection.
async fn serve(
    mut stream: UnixStream,
    script: Arc<Script>,
    all: Arc<Mutex<Vec<Seen>>>,
    dead: tokio::sync::mpsc::Sender<()>,
) {
    while let Some(seen) = read(&mut stream).await {
        let earlier = {
            let mut all = all.lock().unwrap();
            let earlier = all.iter().filter(|s| s.line == seen.line).count();
            all.push(seen.clone());
            earlier
        };
        let (status, headers, body) = match script(&seen, earlier) {
            Reply::Json(status, body) => (status, "", body),
            Reply::Tagged(status, headers, body) => (status, headers, body),
            Reply::Raw(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Reply::Hang => return std::future::pending().await,
            Reply::Hangup => return,
            Reply::Die => {
                let _ = dead.send(()).await;
                return;
            }
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request; none at the end of the connection.
async fn read(stream: &mut UnixStream) -> Option<Seen> {
    let mut bytes = vec![];
    let head = loop {
        let byte = stream.read_u8().await.ok()?;
        bytes.push(byte);
        if bytes.ends_with(b"\r\n\r\n") {
            break String::from_utf8_lossy(&bytes).into_owned();
        }
    };
    let line = head.lines().next()?.rsplit_once(' ')?.0.to_owned();
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { line, head, body })
}
