//! Commands inside an instance, with their output as it comes and their exit code; with a terminal of their own too.

use std::{pin::Pin, time::Duration};

use bollard::{
    container::LogOutput,
    exec::{StartExecOptions, StartExecResults},
    models::{ExecConfig, ExecInspectResponse},
    query_parameters::ResizeExecOptions,
};
use futures_util::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{Docker, call::cancelled};
use crate::backend::{
    ExecSpec, Output, Progress, Result, Status, TtyInput,
    about::About,
    signal::{self, KILL, MARK},
};

/// How long a stopped command may clean up, and how long its end may lag behind its output.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at whether a command ended.
const LOOK: Duration = Duration::from_millis(50);
/// How often a terminal's first size is set: its program must be there for it.
const SIZES: u32 = 20;

type Answers = Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, bollard::errors::Error>> + Send>>;
type Keys = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that runs.
struct Running {
    /// The engine's identifier of it.
    id: String,
    /// Its container.
    container: String,
    /// `HALOLAB_EXEC=…`.
    mark: String,
}

/// "to run a command in an instance", for errors.
fn about(name: &str, spec: &ExecSpec) -> About {
    let program = spec.argv.first().map_or("nothing", String::as_str);
    About::new(
        format!("run `{program}` in `{name}`"),
        format!("instance `{name}`"),
    )
}

impl Docker {
    /// Runs a command without a terminal; its standard input is empty.
    pub(super) async fn run_command(
        &self,
        name: &str,
        spec: &ExecSpec,
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<i32> {
        let about = about(name, spec);
        let (running, mut answers, _) = self.begin(name, spec, &about, false).await?;
        let whole = tokio::select! {
            read = self.read_all(&running, &mut answers, &about, output) => { read?; true }
            () = progress.cancel.cancelled() => false,
        };
        if !whole {
            self.stop_command(&running, &about).await?;
            return Err(cancelled(&about));
        }
        self.exit_code(&running, &about).await
    }

    /// Begins a command in a container that runs.
    async fn begin(
        &self,
        name: &str,
        spec: &ExecSpec,
        about: &About,
        tty: bool,
    ) -> Result<(Running, Answers, Keys)> {
        let container = self.existing(name, about).await?;
        match container.status {
            Status::Running => {}
            Status::Frozen => {
                return Err(about.no(format!("it is frozen; thaw it with `halolab start {name}`")));
            }
            _ => {
                return Err(about.no(format!(
                    "it is {}; start it with `halolab start {name}`",
                    container.status_text
                )));
            }
        }
        let mark = format!("{MARK}={}", signal::mark());
        let request = request(spec, &mark, tty);
        let id = self
            .call(about, self.api.create_exec(&container.id, request))
            .await?
            .id;
        let options = StartExecOptions {
            detach: false,
            tty,
            output_capacity: Some(64 << 10),
        };
        match self.call(about, self.api.start_exec(&id, Some(options))).await? {
            StartExecResults::Attached { output, input } => {
                let container = container.id;
                Ok((Running { id, container, mark }, output, input))
            }
            StartExecResults::Detached => Err(self.protocol(about, "a command without its output")),
        }
    }

    /// Hands output on until there is none left. A command whose child keeps its output open has ended all the same.
    async fn read_all(
        &self,
        running: &Running,
        answers: &mut Answers,
        about: &About,
        output: Output<'_>,
    ) -> Result<()> {
        loop {
            match timeout(GRACE, answers.next()).await {
                Ok(Some(piece)) => match piece.map_err(|error| self.said(about, &error))? {
                    LogOutput::StdErr { message } => output(2, &message),
                    piece => output(1, piece.as_ref()),
                },
                Ok(None) => return Ok(()),
                Err(_) => {
                    if self.look(&running.id, about).await?.running == Some(false) {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn look(&self, id: &str, about: &About) -> Result<ExecInspectResponse> {
        self.call(about, self.api.inspect_exec(id)).await
    }

    /// The exit code, which the engine knows a moment after the output has ended.
    async fn exit_code(&self, running: &Running, about: &About) -> Result<i32> {
        self.ended(running, about)
            .await?
            .and_then(|code| i32::try_from(code).ok())
            .ok_or_else(|| self.protocol(about, "a command that ended without an exit code"))
    }

    /// The code of a command that has ended; none for one that has not within the grace.
    async fn ended(&self, running: &Running, about: &About) -> Result<Option<i64>> {
        let until = Instant::now() + GRACE;
        loop {
            let told = self.look(&running.id, about).await?;
            if told.running == Some(false) {
                return Ok(told.exit_code);
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            sleep(LOOK).await;
        }
    }

    /// Stops a command and everything that it started: politely, then by force.
    async fn stop_command(&self, running: &Running, about: &About) -> Result<()> {
        for signal in ["TERM", "KILL"] {
            self.signal_all(running, signal, about).await;
            if self.ended(running, about).await?.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Signals everything that carries the mark. The engine itself cannot signal a command.
    async fn signal_all(&self, running: &Running, signal: &str, about: &About) {
        let words = ["sh", "-c", KILL, "sh", signal, &running.mark];
        let request = ExecConfig {
            cmd: Some(words.map(str::to_owned).to_vec()),
            user: Some("0:0".to_owned()),
            ..ExecConfig::default()
        };
        let detached = StartExecOptions {
            detach: true,
            ..StartExecOptions::default()
        };
        let sent = async {
            let made = self
                .call(about, self.api.create_exec(&running.container, request))
                .await?;
            self.call(about, self.api.start_exec(&made.id, Some(detached)))
                .await
        };
        if let Err(error) = sent.await {
            tracing::warn!(%error, "a command may go on");
        }
    }

    /// Runs a command on a terminal of its own.
    pub(super) async fn run_terminal(
        &self,
        name: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32> {
        let about = about(name, spec);
        let (running, answers, keys) = self.begin(name, spec, &about, true).await?;
        for _ in 0..SIZES {
            // Refused until the program is there.
            if self.resize(&running.id, spec.size).await {
                break;
            }
            sleep(LOOK).await;
        }
        self.converse(&running, (answers, keys), input, &output).await;
        // A program whose terminal was closed from our side does not always hear of it.
        for signal in ["HUP", "KILL"] {
            if let Some(code) = self.ended(&running, &about).await? {
                return Ok(i32::try_from(code).unwrap_or(-1));
            }
            self.signal_all(&running, signal, &about).await;
        }
        self.exit_code(&running, &about).await
    }

    /// Whether the size could be set.
    async fn resize(&self, id: &str, (columns, rows): (u16, u16)) -> bool {
        if columns == 0 || rows == 0 {
            return true;
        }
        let options = ResizeExecOptions {
            h: i32::from(rows),
            w: i32::from(columns),
        };
        matches!(
            timeout(GRACE, self.api.resize_exec(id, options)).await,
            Ok(Ok(()))
        )
    }

    /// Carries keys in and bytes out until either side ends.
    async fn converse(
        &self,
        running: &Running,
        (mut answers, mut keys): (Answers, Keys),
        mut input: mpsc::Receiver<TtyInput>,
        output: &mpsc::Sender<Vec<u8>>,
    ) {
        let mut typing = true;
        // What was typed and is not sent yet: a program that reads nothing must not keep its output from us.
        let mut unsent: Vec<u8> = vec![];
        loop {
            tokio::select! {
                piece = answers.next() => match piece {
                    Some(Ok(piece)) => if output.send(piece.into_bytes().to_vec()).await.is_err() {
                        return;
                    },
                    Some(Err(_)) | None => return,
                },
                sent = keys.write(&unsent), if !unsent.is_empty() => match sent {
                    Ok(length @ 1..) => {
                        unsent.drain(..length.min(unsent.len()));
                        if !matches!(timeout(GRACE, keys.flush()).await, Ok(Ok(()))) {
                            return;
                        }
                    }
                    _ => return,
                },
                typed = input.recv(), if typing && unsent.is_empty() => match typed {
                    Some(TtyInput::Bytes(bytes)) => unsent = bytes,
                    Some(TtyInput::Resize(columns, rows)) => {
                        self.resize(&running.id, (columns, rows)).await;
                    }
                    None => typing = false,
                },
                () = output.closed() => return,
            }
        }
    }
}

/// What is to be run.
fn request(spec: &ExecSpec, mark: &str, tty: bool) -> ExecConfig {
    let mut env: Vec<String> = spec
        .env
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    env.push(mark.to_owned());
    if tty && !spec.env.contains_key("TERM") {
        env.push("TERM=xterm-256color".to_owned());
    }
    ExecConfig {
        attach_stdin: Some(tty),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(tty),
        cmd: Some(spec.argv.clone()),
        env: Some(env),
        // A user's own group has its number on every distribution that we know.
        user: Some(format!("{0}:{0}", spec.uid)),
        working_dir: (!spec.cwd.is_empty()).then(|| spec.cwd.clone()),
        ..ExecConfig::default()
    }
}
