//! The one place that starts programs of the host: own process group, no standard input, a deadline,
//! output streamed as it arrives, cancelling ends the whole group. Root is asked for through `sudo -n`.

mod error;

use std::{collections::BTreeMap, io, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, ChildStdout},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub use error::Error;
use error::LONGEST_SCRIPT;

/// Takes output as it arrives: 1 is standard output, 2 standard error; chunks are split anywhere.
pub type Output<'a> = &'a mut (dyn FnMut(u8, &[u8]) + Send);

/// How long a group has between the polite signal and the last one.
const GRACE: Duration = Duration::from_secs(5);

/// How long output is still read once the program has ended: a daemon that it left behind may hold the pipe.
const DRAIN: Duration = Duration::from_millis(300);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Command {
    /// What it does, for people: "install LXD".
    pub what: String,
    /// The program, searched on PATH.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables on top of ours.
    pub environment: BTreeMap<String, String>,
    /// Needs root: runs through `sudo -n` where we are not.
    pub root: bool,
    /// It is stopped after this long.
    pub deadline: Duration,
}

impl Command {
    /// A program as the user, with a deadline of 30 seconds.
    pub fn new<I: IntoIterator<Item = S>, S: Into<String>>(program: &str, arguments: I) -> Self {
        Self {
            what: program.to_owned(),
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            root: false,
            deadline: Duration::from_secs(30),
        }
    }

    /// A POSIX shell script as root, run with `set -eu`, with a deadline of an hour.
    pub fn script(what: &str, text: &str, environment: BTreeMap<String, String>) -> Self {
        Self {
            what: what.to_owned(),
            environment,
            root: true,
            deadline: Duration::from_hours(1),
            ..Self::new("sh", ["-eu", "-c", text])
        }
    }

    /// A script that only looks whether there is anything to do: as the user, so that looking needs no password.
    pub fn check(what: &str, text: &str, environment: BTreeMap<String, String>) -> Self {
        Self {
            root: false,
            deadline: Duration::from_mins(1),
            ..Self::script(what, text, environment)
        }
    }

    /// Runs it and answers its exit code, 128 + n for a signal. `output` gets what it writes, as it arrives.
    pub async fn run(&self, output: Output<'_>, cancel: &CancellationToken) -> Result<i32, Error> {
        if let Some(size) = self
            .arguments
            .iter()
            .map(String::len)
            .find(|size| *size > LONGEST_SCRIPT)
        {
            return Err(Error::TooLong {
                what: self.what.clone(),
                size,
            });
        }
        let sudo = self.root && !rustix::process::geteuid().is_root();
        if sudo {
            may_sudo(&self.what).await?;
        }
        self.run_through(sudo, output, cancel).await
    }

    async fn run_through(
        &self,
        sudo: bool,
        output: Output<'_>,
        cancel: &CancellationToken,
    ) -> Result<i32, Error> {
        let mut group = self.start(sudo)?;
        let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
        let mut pipes = Pipes { out, err };
        let deadline = Instant::now() + self.deadline;
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Cancelled { what: self.what.clone() }),
            () = tokio::time::sleep_until(deadline) => {
                Err(Error::Deadline { what: self.what.clone(), after: self.deadline })
            }
            code = follow(&mut group.child, &mut pipes, output) => {
                code.map_err(|source| Error::Lost { what: self.what.clone(), source })
            }
        };
        if ended.is_err() {
            group.end().await;
        }
        group.gone = true;
        ended
    }

    /// Runs it and answers what it wrote to standard output; another exit code than 0 is an error.
    pub async fn read(&self) -> Result<String, Error> {
        let (mut out, mut err) = (vec![], vec![]);
        let mut output = |fd: u8, bytes: &[u8]| {
            if fd == 1 {
                out.extend(bytes);
            } else {
                err.extend(bytes);
            }
        };
        let code = self.run(&mut output, &CancellationToken::new()).await?;
        if code != 0 {
            let text = last_lines(&String::from_utf8_lossy(&err), 5);
            return Err(Error::Failed {
                what: self.what.clone(),
                code,
                text,
            });
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Whether it ends well; how it fails does not matter.
    pub async fn succeeds(&self) -> bool {
        self.run(&mut |_, _| {}, &CancellationToken::new())
            .await
            .is_ok_and(|code| code == 0)
    }

    /// The same as a line to type.
    pub fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        let line: Vec<String> = words.map(|word| quote(word)).collect();
        let sudo = if self.root && !rustix::process::geteuid().is_root() {
            "sudo "
        } else {
            ""
        };
        format!("{sudo}{}", line.join(" "))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn start(&self, sudo: bool) -> Result<Group, Error> {
        let mut command = if sudo {
            // sudo drops our environment; `env` puts what the script needs back whatever its policy is
            let pairs = self
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            let mut command = tokio::process::Command::new("sudo");
            command.args(["-n", "--", "env"]).args(pairs).arg(&self.program);
            command
        } else {
            tokio::process::Command::new(&self.program)
        };
        let child = command
            .args(&self.arguments)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start {
                program: self.program.clone(),
                source,
            })?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Group {
            child,
            id,
            sudo,
            gone: false,
        })
    }
}

/// Whether a command that needs root would have to ask for a password: then the screen is left for `sudo -v` first.
pub async fn needs_password() -> bool {
    !rustix::process::geteuid().is_root() && matches!(may_sudo("").await, Err(Error::Password { .. }))
}

async fn may_sudo(what: &str) -> Result<(), Error> {
    let ask = Command::new("sudo", ["-n", "true"]);
    match ask
        .run_through(false, &mut |_, _| {}, &CancellationToken::new())
        .await
    {
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::Password {
            what: what.to_owned(),
        }),
        Err(Error::Start { .. }) => Err(Error::NoSudo {
            what: what.to_owned(),
        }),
        Err(error) => Err(error),
    }
}

/// A running program and all that it started, except what made a session of its own.
struct Group {
    child: Child,
    id: Option<Pid>,
    sudo: bool,
    gone: bool,
}

impl Group {
    /// Ends it: politely, then not.
    async fn end(&mut self) {
        self.signal(Signal::TERM).await;
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL).await;
            // A process that not even this ends is stuck in the kernel; waiting longer would not help.
            let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        } else {
            // the leader went; what it left behind in its group goes too
            self.signal(Signal::KILL).await;
        }
    }

    async fn signal(&self, signal: Signal) {
        let Some(id) = self.id else { return };
        if self.sudo {
            // sudo runs as root: only root may signal it, and it hands the signal on
            let group = format!("-{}", id.as_raw_pid());
            let kill = [
                "-n",
                "kill",
                "-s",
                if signal == Signal::KILL { "KILL" } else { "TERM" },
                "--",
                &group,
            ];
            let kill = Command::new("sudo", kill);
            // Refused: then it is no longer ours to end, and the wait below ends by its own deadline.
            let _ = Box::pin(kill.run_through(false, &mut |_, _| {}, &CancellationToken::new())).await;
        } else {
            // An empty group is what we want.
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    /// Someone stopped waiting for us: leave nothing running that nobody watches.
    fn drop(&mut self) {
        if let (false, Some(id)) = (self.gone, self.id) {
            let _ = kill_process_group(id, Signal::TERM);
        }
    }
}

struct Pipes {
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
}

impl Pipes {
    /// The next bytes of either pipe; none once both are closed.
    async fn next(&mut self, buffers: &mut (Vec<u8>, Vec<u8>)) -> io::Result<Option<u8>> {
        loop {
            let (out, err) = (self.out.as_mut(), self.err.as_mut());
            let (fd, count) = match (out, err) {
                (None, None) => return Ok(None),
                (Some(out), None) => (1, out.read_buf(&mut buffers.0).await?),
                (None, Some(err)) => (2, err.read_buf(&mut buffers.1).await?),
                (Some(out), Some(err)) => tokio::select! {
                    count = out.read_buf(&mut buffers.0) => (1, count?),
                    count = err.read_buf(&mut buffers.1) => (2, count?),
                },
            };
            match (fd, count) {
                (1, 0) => self.out = None,
                (_, 0) => self.err = None,
                (fd, _) => return Ok(Some(fd)),
            }
        }
    }
}

/// Hands output on until the program has ended, and what is still in the pipes then.
async fn follow(child: &mut Child, pipes: &mut Pipes, output: Output<'_>) -> io::Result<i32> {
    let mut buffers = (Vec::with_capacity(16 * 1024), Vec::with_capacity(16 * 1024));
    let mut hand_on = |fd: u8, buffers: &mut (Vec<u8>, Vec<u8>)| {
        let buffer = if fd == 1 { &mut buffers.0 } else { &mut buffers.1 };
        output(fd, buffer);
        buffer.clear();
    };
    let mut open = true;
    let status = loop {
        tokio::select! {
            biased;
            read = pipes.next(&mut buffers), if open => match read? {
                Some(fd) => hand_on(fd, &mut buffers),
                None => open = false,
            },
            status = child.wait() => break status?,
        }
    };
    while open {
        match tokio::time::timeout(DRAIN, pipes.next(&mut buffers)).await {
            Ok(Ok(Some(fd))) => hand_on(fd, &mut buffers),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(None)) | Err(_) => open = false,
        }
    }
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    Ok(status
        .code()
        .or_else(|| signal.map(|signal| 128 + signal))
        .unwrap_or(-1))
}

/// The last `count` lines that are not empty, joined by ` | `.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or_default()
        .join(" | ")
}

/// A word as a shell reads it back.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
