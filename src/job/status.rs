//! What is known of a job: `job.json` (what was asked for) and `status.json` (how it stands).
//!
//! Both are written inside the lab, where anybody may be root: texts are bounded and sanitised when they are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JobId, Progress, SCHEMA, asked::signal_number};

/// How the schema of every version begins: what a newer one adds is kept, and what it left out is empty.
const FAMILY: &str = "halolab.job/";

/// Longest line of a status that is read.
pub(super) const LONGEST: usize = 64 * 1024;
/// Longest text of a status that is kept, in characters.
const TEXT: usize = 300;

/// How a job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was asked for, and its runner has not begun.
    #[default]
    Queued,
    /// Its runner has begun.
    Starting,
    /// Its command runs.
    Running,
    /// It was told to end.
    Stopping,
    /// It ended with 0.
    Succeeded,
    /// It ended with another code.
    Failed,
    /// It was stopped, or a signal ended it.
    Killed,
    /// How it ended is not known: its runner, its lab or its files are gone.
    Lost,
}

impl State {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Killed | Self::Lost)
    }

    /// As in the files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Lost => "lost",
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// Its exit code; none where a signal ended it, or nobody saw its end.
    pub code: Option<i32>,
    /// `SIGKILL`, …
    pub signal: Option<String>,
    /// The kernel killed something of its lab for want of memory while it ran.
    pub oom: bool,
    /// `exit`, `signal`, `stopped` (and `: ` why, where its lab was ended under it), `oom`, `disk-full`, `unseen`; of a lost one why. Empty where all is well.
    pub reason: String,
}

/// What of a job goes on whose command has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Left {
    /// The command's exit code; none where a signal ended it, or nobody saw its end.
    pub code: Option<i32>,
    /// `SIGKILL`, …
    pub signal: Option<String>,
    /// How many processes go on.
    pub processes: u32,
}

impl Left {
    /// For people.
    pub fn words(&self) -> String {
        let how = match (self.code, &self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => signal.clone(),
            (None, None) => "its end was not seen".into(),
        };
        let processes = match self.processes {
            1 => "1 process of it goes on".to_owned(),
            count => format!("{count} processes of it go on"),
        };
        format!("its command ended ({how}), and {processes}")
    }
}

/// Where its output is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// File with the bytes, beside the status.
    pub raw: String,
    /// Where this attempt's output begins in it.
    pub start: u64,
    /// Its length inside the lab, when the status was written.
    pub bytes: u64,
    /// File with the events.
    pub events: String,
    /// Number of the last event.
    pub seq: u64,
    /// How far the lab's index of times was read. Only in the mirror.
    pub times: u64,
}

/// `status.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its id.
    pub job: String,
    /// What it is a job of.
    pub kind: String,
    /// The instance that it runs in.
    pub container: String,
    /// How it stands.
    pub state: State,
    /// How often it was started.
    pub attempt: u32,
    /// Process and group of the command, inside.
    pub pid: Option<u32>,
    /// RFC 3339, by the lab's clock, as all times here.
    pub started_at: String,
    /// When something changed.
    pub updated_at: String,
    /// When its runner was last alive.
    pub heartbeat_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// What of it goes on although its command has ended: it runs until that is over.
    pub left: Option<Left>,
    /// Where its output is.
    pub log: Log,
    /// What its output says of how far it is; only in the mirror.
    pub progress: Progress,
    /// When this host last heard of it; only in the mirror.
    pub synced_at: String,
    /// The mirror's log is whole: size and SHA-256 are those in the lab. Only in the mirror.
    pub whole: bool,
    /// Bytes of its log that its lab still holds, which was stopped under it, as far as they were counted; none where
    /// nothing of it is to be had any more. Only in the mirror.
    pub unfetched: Option<u64>,
    /// How often the log began anew, because the lab was put back: what was read of it before is of another one. Only in
    /// the mirror.
    pub anew: u32,
    /// What a newer version writes.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

impl Status {
    /// Of a job of which nothing was heard.
    pub(super) fn queued(id: &JobId, container: &str) -> Self {
        Self {
            schema: SCHEMA.into(),
            job: id.to_string(),
            kind: id.kind().into(),
            container: container.to_owned(),
            ..Self::default()
        }
    }

    /// A status out of a line that came from a lab; none where it is not one, or of another job.
    pub fn parse(line: &[u8], job: &str) -> Option<Self> {
        if line.len() > LONGEST {
            return None;
        }
        let mut status: Self = serde_json::from_slice(line).ok()?;
        if status.job != job || !status.schema.starts_with(FAMILY) {
            return None;
        }
        status.clean();
        Some(status)
    }

    /// Bounds and sanitises its texts.
    fn clean(&mut self) {
        for text in [
            &mut self.kind,
            &mut self.container,
            &mut self.started_at,
            &mut self.updated_at,
            &mut self.heartbeat_at,
            &mut self.log.raw,
            &mut self.log.events,
            &mut self.progress.phase,
            &mut self.progress.current,
            &mut self.progress.last_error,
            &mut self.synced_at,
        ] {
            *text = short(text);
        }
        self.ended_at = self.ended_at.as_deref().map(short);
        if let Some(exit) = &mut self.exit {
            exit.signal = exit.signal.as_deref().map(short);
            exit.reason = short(&exit.reason);
        }
        if let Some(left) = &mut self.left {
            left.signal = left.signal.as_deref().map(short);
        }
    }

    /// Whether nothing more can be heard of it: it has ended, and its log is here as a whole, or as far as there is one.
    pub fn is_over(&self) -> bool {
        match self.state {
            State::Lost => self.unfetched.is_none(),
            state => state.is_final() && self.whole,
        }
    }

    /// Whether it is how an attempt before this one ended.
    pub(super) fn is_before(&self, attempt: u32) -> bool {
        self.state.is_final() && self.attempt < attempt
    }

    /// Takes over what only this host knows.
    pub(super) fn keep_ours(&mut self, old: &Self) {
        self.progress = old.progress.clone();
        self.log.seq = old.log.seq;
        self.log.times = old.log.times;
        self.anew = old.anew;
        self.unfetched = old.unfetched;
        self.whole = old.whole && self.state.is_final();
    }

    /// The exit code for whoever waits for it: the command's own; 128 and the number of a signal; 1 where it is lost;
    /// never 0 for what was stopped.
    pub fn code(&self) -> u8 {
        let exit = self.exit.clone().unwrap_or_default();
        match (self.state, exit.code, exit.signal) {
            (State::Succeeded, ..) => 0,
            (_, Some(code), _) if code != 0 => u8::try_from(code).unwrap_or(255),
            (_, _, Some(signal)) => 128 + signal_number(&signal),
            (State::Killed, ..) => 143,
            _ => 1,
        }
    }

    /// How it ended, in words, and what of its log is still elsewhere; empty while it runs.
    pub fn ending(&self) -> String {
        match self.elsewhere() {
            Some(rest) => format!("{}; {rest}", self.end()),
            None => self.end(),
        }
    }

    /// What of its log is still in its lab, which was stopped, and how to get it; none where it is all here.
    pub fn elsewhere(&self) -> Option<String> {
        let bytes = self.unfetched.filter(|_| self.state.is_final() && !self.whole)?;
        let lab = short(&self.container);
        let rest = match bytes {
            0 => "parts of its log are".to_owned(),
            bytes => format!("the last {bytes} bytes of its log are"),
        };
        Some(format!(
            "{rest} still in {lab}, which was stopped: they come after `halolab start {lab}`"
        ))
    }

    fn end(&self) -> String {
        let exit = self.exit.clone().unwrap_or_default();
        let how = match (exit.code, &exit.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => signal.clone(),
            (None, None) => String::new(),
        };
        match (self.state, exit.reason.as_str()) {
            (State::Succeeded, _) => "exit code 0".into(),
            (State::Lost, "") => "nobody saw its end".into(),
            (State::Lost, "unseen") => "its end was not seen".into(),
            (State::Lost, why) => why.to_owned(),
            (_, "oom") => format!("{how}, out of memory"),
            (_, "disk-full") => format!("{how}, the disk is full: its log may lack what it wrote then"),
            (_, why) if why.starts_with("stopped") => format!("{why}, {how}"),
            _ => how,
        }
    }
}

/// A text from a lab as we keep it.
pub(super) fn short(text: &str) -> String {
    crate::log::sanitize(text).chars().take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: &str, exit: &str) -> Vec<u8> {
        format!(
            r#"{{"schema":"halolab.job/1","job":"j-1","kind":"j","container":"lab","state":"{state}","attempt":2,"pid":7,"runner":{{"pid":3}},"started_at":"2026-11-22T10:00:00Z","exit":{exit},"log":{{"raw":"log.raw","start":5,"bytes":9}},"new":1}}"#
        )
        .into_bytes()
    }

    #[test]
    fn a_status_is_read_and_what_a_newer_one_says_is_kept() {
        let status = Status::parse(&line("running", "null"), "j-1").unwrap();
        assert_eq!(
            (status.state, status.attempt, status.log.start),
            (State::Running, 2, 5)
        );
        let written = serde_json::to_value(&status).unwrap();
        assert_eq!(
            (&written["new"], &written["runner"]["pid"]),
            (&1.into(), &3.into())
        );
        assert_eq!(
            Status::parse(&line("running", "null"), "j-2"),
            None,
            "of another job"
        );
        assert_eq!(Status::parse(b"{", "j-1"), None);
        assert_eq!(Status::parse(&line("dancing", "null"), "j-1"), None);
        let long = line("running", &format!("{{\"reason\":\"{}\"}}", "x".repeat(LONGEST)));
        assert_eq!(Status::parse(&long, "j-1"), None, "no status is that long");
    }

    #[test]
    fn what_is_hostile_in_a_status_does_not_come_through() {
        let exit = r#"{"code":1,"signal":null,"oom":false,"reason":"\u001b]0;owned\u0007\u202e"}"#;
        let status = Status::parse(&line("failed", exit), "j-1").unwrap();
        let reason = status.exit.unwrap().reason;
        assert!(!reason.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{reason:?}");
    }

    #[test]
    fn each_signal_that_ends_a_command_has_its_code() {
        for (name, number) in [
            ("SIGHUP", 1),
            ("SIGSTKFLT", 16),
            ("SIGVTALRM", 26),
            ("SIGPROF", 27),
            ("SIGIO", 29),
            ("SIGPOLL", 29),
            ("SIGPWR", 30),
            ("SIGRTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("SIGRTMAX-14", 50),
            ("SIGRTMAX", 64),
            ("SIG33", 33),
            // None that there is.
            ("SIG65", 0),
            ("SIGRTMIN+250", 0),
            ("SIGRTMAX-250", 0),
            ("SIG-1", 0),
            ("SIGNONE", 0),
        ] {
            let exit = format!(r#"{{"signal":"{name}","reason":"signal"}}"#);
            let status = Status::parse(&line("killed", &exit), "j-1").unwrap();
            assert_eq!(status.code(), 128 + number, "{name}");
        }
    }

    #[test]
    fn codes_and_words_of_each_end() {
        for (state, exit, code, words) in [
            ("succeeded", r#"{"code":0}"#, 0, "exit code 0"),
            ("failed", r#"{"code":3,"reason":"exit"}"#, 3, "exit code 3"),
            (
                "failed",
                r#"{"code":2,"oom":true,"reason":"oom"}"#,
                2,
                "exit code 2, out of memory",
            ),
            (
                "failed",
                r#"{"code":1,"reason":"disk-full"}"#,
                1,
                "exit code 1, the disk is full: its log may lack what it wrote then",
            ),
            (
                "killed",
                r#"{"signal":"SIGKILL","reason":"oom","oom":true}"#,
                137,
                "SIGKILL, out of memory",
            ),
            (
                "killed",
                r#"{"signal":"SIGSEGV","reason":"signal"}"#,
                139,
                "SIGSEGV",
            ),
            (
                "killed",
                r#"{"code":0,"reason":"stopped"}"#,
                143,
                "stopped, exit code 0",
            ),
            (
                "lost",
                r#"{"reason":"the lab was deleted"}"#,
                1,
                "the lab was deleted",
            ),
            ("running", "null", 1, ""),
        ] {
            let status = Status::parse(&line(state, exit), "j-1").unwrap();
            assert_eq!(
                (status.code(), status.ending().as_str()),
                (code, words),
                "{state} {exit}"
            );
        }
    }
}
