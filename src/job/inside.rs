//! The files and the runner inside a lab: `assets/job/*.sh`, asked through [`Backend::exec`].

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use super::heard::Heard;
#[cfg(fuzzing)]
pub use super::heard::hear;
use super::{Error, JobId, Result, heard::Lines};
use crate::backend::{self, Backend, ExecSpec, Output};

/// Where the jobs of a lab are.
pub const FOLDER: &str = "/var/lib/halolab/jobs";
/// The name under which questions are asked; the daemon in memory knows them by it.
pub const ASKED_AS: &str = "halolab-job";

const RUNNER: &str = concat!(
    include_str!("../../assets/job/common.sh"),
    include_str!("../../assets/job/runner.sh")
);
const ASK: &str = concat!(
    include_str!("../../assets/job/common.sh"),
    include_str!("../../assets/job/ask.sh")
);

/// A question that has no answer in this time gets none.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a job that still runs is tried to be forgotten, and the pause between.
const FORGOTTEN: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// What runs as a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The text of a shell script: it is run by `sh -eu` instead of `argv`.
    pub script: Option<String>,
    /// Environment on top of the engine's. It goes in a file that only root can read and that is removed at once.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: String,
}

/// What became of the wish to forget a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Its files are gone.
    Gone,
    /// It still runs, or something of it still writes.
    Runs,
    /// Its log is longer than the copy: what wrote on when it had ended is still to be fetched.
    Grown,
}

/// A job inside an instance.
#[derive(Clone, Copy)]
pub struct Inside<'a> {
    /// The job.
    pub id: &'a JobId,
    /// The engine.
    pub backend: &'a dyn Backend,
    /// The instance.
    pub instance: &'a str,
}

impl Inside<'_> {
    /// Asks, and hears the whole of a short answer: its exit code and its words.
    async fn answer(&self, words: &[&str]) -> backend::Result<(i32, Vec<u8>)> {
        let mut said = vec![];
        let mut take = |_: u8, bytes: &[u8]| keep(&mut said, bytes);
        let code = self.ask(words, &mut take, &CancellationToken::new()).await?;
        Ok((code, said))
    }

    /// Puts a command in and starts it. False where that job runs already.
    ///
    /// # Errors
    /// The command cannot be given to a program; the lab does not take it; the engine fails.
    pub async fn start(&self, attempt: u32, job: &str, command: &Command) -> Result<bool> {
        self.start_within(PATIENCE, (attempt, job), command).await
    }

    async fn start_within(
        &self,
        patience: Duration,
        (attempt, job): (u32, &str),
        command: &Command,
    ) -> Result<bool> {
        let id = self.id;
        let spec = spec(id, command)?;
        if let Some(script) = &command.script {
            let path = format!("{FOLDER}/{id}/script");
            self.push(&path, script.as_bytes()).await?;
        }
        self.push(&format!("{FOLDER}/{id}/spec"), spec.as_bytes()).await?;
        let attempt = attempt.to_string();
        let words = [
            "start",
            id.as_str(),
            &attempt,
            id.kind(),
            self.instance,
            RUNNER,
            job,
        ];
        // An engine may end a command, and never tell its end: the real state is looked at then.
        let answer = tokio::time::timeout(patience, self.answer(&words)).await;
        let (code, said) = answer.map_err(|_| backend::Error::Timeout {
            engine: "the engine".into(),
            what: format!("begin {id}"),
            after: patience,
        })??;
        match code {
            0 => Ok(true),
            3 => Ok(false),
            _ => Err(Error::NotBegun {
                lab: self.instance.to_owned(),
                why: words_of(&said),
            }),
        }
    }

    /// Hears of a job for at most so many seconds, or until it ended: its log from `bytes` on and its times from
    /// `times` on. With 0 seconds only what is told, without the log.
    ///
    /// # Errors
    /// The engine fails, or the token is cancelled.
    pub async fn follow(
        &self,
        (bytes, times): (u64, u64),
        (seconds, inside): (u32, bool),
        heard: &mut (dyn FnMut(Heard<'_>) + Send),
        cancel: &CancellationToken,
    ) -> backend::Result<()> {
        let id = self.id;
        let (bytes, times, wait) = (bytes.to_string(), times.to_string(), seconds.to_string());
        let inside = if inside { "inside" } else { "" };
        let words = ["follow", id.as_str(), &bytes, &times, &wait, inside];
        let mut lines = Lines::default();
        let mut take = |fd: u8, chunk: &[u8]| match fd {
            1 => heard(Heard::Bytes(chunk)),
            _ => lines.feed(chunk, heard),
        };
        let asked = self.ask(&words, &mut take, cancel);
        let patience = PATIENCE + Duration::from_secs(u64::from(seconds));
        match tokio::time::timeout(patience, asked).await {
            Ok(ended) => ended.map(drop),
            Err(_) => Err(backend::Error::Timeout {
                engine: "the engine".into(),
                what: format!("read the log of {id}"),
                after: patience,
            }),
        }
    }

    /// SHA-256 of so many bytes of the log, in hex, however long it takes, as long as the lab says that it lives; none where
    /// the lab cannot say.
    ///
    /// # Errors
    /// The engine fails, the lab is silent, or the token is cancelled.
    pub async fn sum(&self, bytes: u64, cancel: &CancellationToken) -> backend::Result<Option<String>> {
        let (begun, heard) = (Instant::now(), AtomicU64::new(0));
        let count = bytes.to_string();
        let words = ["sum", self.id.as_str(), &count];
        let (mut sum, mut lines) = (None, Lines::default());
        let mut take = |fd: u8, chunk: &[u8]| {
            heard.store(begun.elapsed().as_secs(), Ordering::Relaxed);
            if fd == 2 {
                lines.feed(chunk, &mut |told| match told {
                    Heard::Sum(length, hex) if length == bytes => sum = Some(hex.to_owned()),
                    _ => {}
                });
            }
        };
        let silence = async {
            loop {
                let since = Duration::from_secs(heard.load(Ordering::Relaxed));
                let quiet = begun.elapsed().saturating_sub(since);
                if quiet > PATIENCE {
                    return;
                }
                tokio::time::sleep(PATIENCE.saturating_sub(quiet) + PAUSE).await;
            }
        };
        tokio::select! {
            asked = self.ask(&words, &mut take, cancel) => asked.map(drop)?,
            () = silence => return Err(backend::Error::Timeout {
                engine: "the engine".into(),
                what: format!("compare the log of {}", self.id),
                after: PATIENCE,
            }),
        }
        Ok(sum)
    }

    /// Reads bytes of the log.
    ///
    /// # Errors
    /// The engine fails, or the token is cancelled.
    pub async fn read(
        &self,
        from: u64,
        count: u64,
        heard: &mut (dyn FnMut(&[u8]) + Send),
        cancel: &CancellationToken,
    ) -> backend::Result<()> {
        let (from, count) = (from.to_string(), count.to_string());
        let words = ["read", self.id.as_str(), &from, &count];
        let mut take = |fd: u8, chunk: &[u8]| {
            if fd == 1 {
                heard(chunk);
            }
        };
        self.ask(&words, &mut take, cancel).await.map(drop)
    }

    /// Asks a job to end: a signal now, and a harder one after the grace. Does not wait for it. True where its runner is
    /// gone and something of it is left: who asks must send the harder one.
    ///
    /// # Errors
    /// The engine fails, or the lab's disk is full.
    pub async fn stop(&self, signal: &str, grace: u32) -> Result<bool> {
        let (grace, token) = (
            grace.to_string(),
            jiff::Timestamp::now().as_nanosecond().to_string(),
        );
        let words = ["stop", self.id.as_str(), signal, &grace, &token];
        let (code, said) = self.answer(&words).await?;
        match code {
            0 => Ok(false),
            4 => Ok(true),
            _ => Err(self.refused("stop", &words_of(&said)).into()),
        }
    }

    /// Whether something of a job runs without its runner.
    ///
    /// # Errors
    /// The engine fails.
    pub async fn is_left(&self) -> backend::Result<bool> {
        Ok(self.order("left").await? == 4)
    }

    /// Removes the files of a job that ended, of whose log so many bytes are copied.
    ///
    /// # Errors
    /// The engine fails, or the lab does not remove them.
    pub async fn forget(&self, copied: u64) -> backend::Result<Forgotten> {
        let copied = copied.to_string();
        // A runner that said its last word may still be there for a moment.
        for _ in 0..FORGOTTEN {
            match self.answer(&["forget", self.id.as_str(), &copied]).await?.0 {
                0 => return Ok(Forgotten::Gone),
                3 => tokio::time::sleep(PAUSE).await,
                5 => return Ok(Forgotten::Grown),
                code => return Err(self.refused("forget", &format!("it ended with {code}"))),
            }
        }
        Ok(Forgotten::Runs)
    }

    /// Removes the command of a job that did not begin; its log stays. False where that cannot be.
    ///
    /// # Errors
    /// The engine fails.
    pub async fn clear(&self) -> backend::Result<bool> {
        Ok(self.order("clear").await? == 0)
    }

    async fn order(&self, verb: &str) -> backend::Result<i32> {
        let never = CancellationToken::new();
        self.ask(&[verb, self.id.as_str()], &mut |_, _| {}, &never).await
    }

    fn refused(&self, what: &str, message: &str) -> backend::Error {
        backend::Error::Refused {
            what: format!("{what} the job {}", self.id),
            message: message.to_owned(),
        }
    }

    async fn push(&self, path: &str, bytes: &[u8]) -> backend::Result<()> {
        self.backend.push(self.instance, path, bytes, 0o600, (0, 0)).await
    }

    async fn ask(
        &self,
        words: &[&str],
        output: Output<'_>,
        cancel: &CancellationToken,
    ) -> backend::Result<i32> {
        let argv = ["/bin/sh", "-c", ASK, ASKED_AS].iter().chain(words);
        let spec = ExecSpec {
            argv: argv.map(|&word| word.to_owned()).collect(),
            cwd: "/".into(),
            ..ExecSpec::default()
        };
        let progress = backend::Progress {
            sink: None,
            cancel: cancel.clone(),
        };
        self.backend.exec(self.instance, &spec, output, &progress).await
    }
}

/// The file that the runner reads and removes: folder, environment and command as shell. The environment is a function,
/// called when nothing of the runner's own is done any more: a variable may have the name of one of the runner's.
fn spec(id: &JobId, command: &Command) -> Result<String> {
    let zero = |what, text: &str| {
        if text.contains('\0') {
            return Err(Error::Zero(what));
        }
        Ok(())
    };
    let mut lines = vec![
        format!("ru_cwd={}", quoted(&command.cwd)),
        "ru_exports() {".into(),
    ];
    zero("folder", &command.cwd)?;
    for (name, value) in &command.env {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(letters) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::Variable(crate::log::sanitize(name)));
        }
        zero("environment", value)?;
        lines.push(format!("export {name}={}", quoted(value)));
    }
    // It is found by this, whatever else is set.
    lines.push(format!("export HALOLAB_JOB={}\n}}", quoted(id.as_str())));
    let script = format!("{FOLDER}/{id}/script");
    let of_script = ["/bin/sh", "-eu", script.as_str()].map(str::to_owned).to_vec();
    let argv = if let Some(text) = &command.script {
        zero("script", text)?;
        &of_script
    } else {
        &command.argv
    };
    for word in argv {
        zero("command", word)?;
    }
    let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    lines.push(format!("set -- {}\n", words.join(" ")));
    Ok(lines.join("\n"))
}

/// A word as a shell takes it whole.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Keeps the first words of a complaint.
fn keep(said: &mut Vec<u8>, bytes: &[u8]) {
    let room = 1000_usize.saturating_sub(said.len());
    said.extend(bytes.iter().take(room));
}

fn words_of(said: &[u8]) -> String {
    let words = crate::log::sanitize(String::from_utf8_lossy(said).trim());
    if words.is_empty() {
        "it did not say why".into()
    } else {
        words
    }
}

#[cfg(test)]
mod tests;
