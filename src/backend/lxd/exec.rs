//! Commands inside an instance, with their output as it comes and their exit code.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Lxd,
    instances::{self, check_known},
    operation::cancelled,
    transport::{About, Ask},
    websocket::Socket,
    wire::Operation,
};
use crate::backend::{
    ExecSpec, Instance, Output, Progress, Result, Status,
    signal::{self, KILL, MARK},
};

/// How long a stopped command may clean up, and how long output may lag behind the end.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A command that the daemon holds ready until its sockets are connected.
pub(super) struct Ready {
    pub(super) id: String,
    /// Secrets of the sockets: `0`, `1`, `2`, `control`.
    secrets: BTreeMap<String, String>,
    /// `HALOLAB_EXEC=…`.
    pub(super) mark: String,
}

/// What `POST /1.0/instances/NAME/exec` says about its sockets.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sockets {
    fds: BTreeMap<String, String>,
}

impl Ready {
    /// The path of one socket. It carries a secret: never log it.
    pub(super) fn socket(&self, name: &str) -> String {
        let secret = self.secrets.get(name).map_or("", String::as_str);
        format!("/1.0/operations/{}/websocket?secret={secret}", self.id)
    }
}

/// "to run a command in an instance", for errors.
pub(super) fn about(name: &str, spec: &ExecSpec) -> About {
    let program = spec.argv.first().map_or("nothing", String::as_str);
    About::new(
        format!("run `{program}` in `{name}`"),
        format!("instance `{name}`"),
    )
}

impl Lxd {
    /// Runs a command without a terminal; its standard input is empty.
    pub(super) async fn run_command(
        &self,
        name: &str,
        spec: &ExecSpec,
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<i32> {
        let about = about(name, spec);
        let ready = self.prepare(name, spec, &about, None).await?;
        let transport = &self.transport;
        let paths = ["control", "0", "1", "2"].map(|socket| ready.socket(socket));
        let [control, input, out, err] = &paths;
        let (control, mut input, out, err) = tokio::try_join!(
            transport.websocket(control, &about),
            transport.websocket(input, &about),
            transport.websocket(out, &about),
            transport.websocket(err, &about),
        )?;
        // An empty text frame is the end of a stream; a command that is over already has closed it.
        let _ = input.send(Message::text("")).await;
        let mut streams = Streams {
            out: Some(out),
            err: Some(err),
        };
        let operation = {
            let reading = self.read_until_end(&ready, &about, &mut streams, output);
            tokio::select! {
                operation = reading => Some(operation?),
                () = progress.cancel.cancelled() => None,
            }
        };
        let Some(operation) = operation else {
            self.stop_command(name, &ready, &about, control).await?;
            return Err(cancelled(&about));
        };
        self.exit_code(&operation, &about, output)
    }

    /// Refuses what would hang, then lets the daemon make the command ready.
    pub(super) async fn prepare(
        &self,
        name: &str,
        spec: &ExecSpec,
        about: &About,
        terminal: Option<(u16, u16)>,
    ) -> Result<Ready> {
        check_known(name, about)?;
        let instance = Instance::from(self.read_instance(name).await?);
        match instance.status {
            Status::Running => {}
            // It would never answer, and no deadline of the daemon's would end that.
            Status::Frozen => {
                return Err(about.no(format!("it is frozen; thaw it with `halolab start {name}`")));
            }
            _ => {
                return Err(about.no(format!(
                    "it is {}; start it with `halolab start {name}`",
                    instance.status_text.to_lowercase()
                )));
            }
        }
        let mark = signal::mark();
        let path = format!("{}/exec", instances::path(name));
        let body = request(spec, &mark, terminal);
        let reply = self
            .transport
            .ask(&Ask::with(Method::POST, &path, &body), about)
            .await?;
        let started = self.transport.started(&reply, about)?;
        let sockets: Sockets = serde_json::from_value(started.metadata)
            .map_err(|e| self.transport.protocol(about, &e.to_string()))?;
        Ok(Ready {
            id: started.id,
            secrets: sockets.fds,
            mark: format!("{MARK}={mark}"),
        })
    }

    /// Hands output on until the operation ended and nothing is left to read.
    async fn read_until_end(
        &self,
        ready: &Ready,
        about: &About,
        streams: &mut Streams,
        output: &mut (dyn FnMut(u8, &[u8]) + Send),
    ) -> Result<Operation> {
        let wait = self.transport.wait(&ready.id, about);
        tokio::pin!(wait);
        let mut ended: Option<Operation> = None;
        let mut last = Instant::now();
        loop {
            tokio::select! {
                (fd, chunk) = streams.next() => {
                    last = Instant::now();
                    match chunk {
                        Some(bytes) => output(fd, &bytes),
                        None if streams.ended() => if let Some(operation) = ended {
                            return Ok(operation);
                        },
                        None => {}
                    }
                }
                operation = &mut wait, if ended.is_none() => {
                    let operation = operation?;
                    if streams.ended() {
                        return Ok(operation);
                    }
                    last = Instant::now();
                    ended = Some(operation);
                }
                // A stream that never says that it ended.
                () = sleep_until(last + GRACE), if ended.is_some() => {
                    return Ok(ended.unwrap_or_default());
                }
            }
        }
    }

    /// Stops a command and everything that it started: politely, then by force. When this returns it
    /// has ended, or it is one that not even a KILL ends.
    async fn stop_command(
        &self,
        name: &str,
        ready: &Ready,
        about: &About,
        mut control: Socket,
    ) -> Result<()> {
        for (signal, number) in [("TERM", 15), ("KILL", 9)] {
            let order = json!({ "command": "signal", "signal": number });
            // A command that ended meanwhile has closed its socket.
            let _ = control.send(Message::text(order.to_string())).await;
            self.signal_all(name, signal, &ready.mark).await;
            if let Ok(ended) = timeout(GRACE, self.transport.wait(&ready.id, about)).await {
                return ended.map(drop);
            }
        }
        Ok(())
    }

    /// Signals everything that carries a mark. Where the instance has no shell only the direct child is reached.
    pub(super) async fn signal_all(&self, name: &str, signal: &str, mark: &str) {
        let about = About::new(
            format!("stop a command in `{name}`"),
            format!("instance `{name}`"),
        );
        let body = json!({
            "command": ["sh", "-c", KILL, "sh", signal, mark],
            "wait-for-websocket": false,
            "interactive": false,
        });
        let path = format!("{}/exec", instances::path(name));
        let ask = Ask::with(Method::POST, &path, &body);
        match timeout(GRACE, self.transport.run(&ask, &about)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a command may go on"),
            Err(_) => tracing::warn!(name, "a command may go on: signalling it took too long"),
        }
    }

    /// The exit code. Not being found or not being executable are failed operations for the
    /// daemons, and exit codes for everybody else.
    pub(super) fn exit_code(
        &self,
        operation: &Operation,
        about: &About,
        output: &mut (dyn FnMut(u8, &[u8]) + Send),
    ) -> Result<i32> {
        let told = operation.metadata.get("return").and_then(Value::as_i64);
        let code = match (operation.status_code, operation.err.as_str()) {
            (200, _) => told.and_then(|code| i32::try_from(code).ok()),
            (_, "Command not found") => Some(127),
            (_, "Command not executable") => Some(126),
            (_, error) => return Err(about.refused(0, error)),
        };
        if matches!(code, Some(126 | 127)) && !operation.err.is_empty() {
            output(2, format!("{}\n", operation.err).as_bytes());
        }
        code.ok_or_else(|| {
            self.transport
                .protocol(about, "a command that ended without an exit code")
        })
    }
}

/// The body of an exec request.
fn request(spec: &ExecSpec, mark: &str, terminal: Option<(u16, u16)>) -> Value {
    let mut env = spec.env.clone();
    env.insert(MARK.into(), mark.to_owned());
    if terminal.is_some() {
        env.entry("TERM".into())
            .or_insert_with(|| "xterm-256color".into());
    }
    let (width, height) = terminal.unwrap_or_default();
    json!({
        "command": spec.argv,
        "environment": env,
        "wait-for-websocket": true,
        "interactive": terminal.is_some(),
        "width": width,
        "height": height,
        "user": spec.uid,
        // A user's own group has its number on every distribution that we know.
        "group": spec.uid,
        "cwd": spec.cwd,
    })
}

/// Standard output and standard error; none once one ended.
struct Streams {
    out: Option<Socket>,
    err: Option<Socket>,
}

impl Streams {
    /// Whether both ended.
    fn ended(&self) -> bool {
        self.out.is_none() && self.err.is_none()
    }

    /// The next chunk of either; none at the end of one. Never ready after the end of both.
    async fn next(&mut self) -> (u8, Option<Vec<u8>>) {
        tokio::select! {
            chunk = chunk(&mut self.out) => (1, chunk),
            chunk = chunk(&mut self.err) => (2, chunk),
        }
    }
}

/// The next chunk of a stream; none at its end, after which it is dropped.
async fn chunk(stream: &mut Option<Socket>) -> Option<Vec<u8>> {
    let Some(socket) = stream else {
        return std::future::pending().await;
    };
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Some(bytes.into()),
            Some(Ok(Message::Text(text))) if !text.is_empty() => return Some(text.as_bytes().to_vec()),
            Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => {
                *stream = None;
                return None;
            }
            Some(Ok(_)) => {}
        }
    }
}
