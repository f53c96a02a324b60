//! One package of a [`Tree`](super::Tree).

use serde::{Deserialize, Serialize};

use super::{
    event::{Event, Key, State, Tool, What},
    times::Millis,
};
use crate::log::Severity;

/// Phases of one package that are kept.
const PHASES: usize = 64;

/// An error or a warning of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Note {
    /// How bad.
    pub severity: Severity,
    /// Its words, safe to show.
    pub text: String,
    /// Where it is in the log.
    pub offset: u64,
    /// The package, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Key>,
}

/// A phase of a package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// Name.
    pub name: String,
    /// Where it begins in the log.
    pub offset: u64,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Millis>,
    /// Seconds of the package when it began, as the tool says.
    #[serde(skip)]
    pub began_at: Option<u32>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// How far a package is inside, as its build tool says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// Steps done.
    pub done: u32,
    /// Steps in all.
    pub total: u32,
}

impl Inside {
    /// 0 to 100.
    pub fn percent(self) -> u32 {
        u32::try_from(u64::from(self.done) * 100 / u64::from(self.total.max(1))).unwrap_or(100)
    }
}

/// A package and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Package {
    /// How it is told from others.
    pub key: Key,
    /// Who works on it.
    pub tool: Tool,
    /// Name, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// As it was written.
    pub label: String,
    /// The whole hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// What became of it.
    pub state: State,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its phases, the current one last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Millis>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Millis>,
    /// How long it took, as the tool measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<f64>,
    /// How far it is inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// Its own log, as a path where the build runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Where it was put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Its first byte in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The end of its last line in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// Its errors, at most five.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Note>,
    /// Hashes of what it needs, where the lock is known.
    #[serde(skip)]
    pub needs: Vec<String>,
    /// Seconds since it began, as the tool said last.
    #[serde(skip)]
    pub(super) elapsed: Option<u32>,
}

impl Package {
    pub(super) fn new(key: &str, tool: Tool) -> Self {
        Self {
            key: key.to_owned(),
            tool,
            name: None,
            version: None,
            label: key.to_owned(),
            hash: None,
            state: State::Waiting,
            reason: None,
            phases: vec![],
            started: None,
            ended: None,
            took: None,
            inside: None,
            log: None,
            prefix: None,
            offset: None,
            end: None,
            errors: vec![],
            needs: vec![],
            elapsed: None,
        }
    }

    /// Name and version as people read them.
    pub fn title(&self) -> String {
        match (&self.name, &self.version) {
            (Some(name), Some(version)) => format!("{name} {version}"),
            (Some(name), None) => name.clone(),
            (None, _) => self.label.clone(),
        }
    }

    /// How the folder of its stage begins (Spack to 1.1, with `spack-build-0N-PHASE-out.txt` in it) and the file of its
    /// log (from 1.2, `.log` at its end), below the folder of `config:build_stage`.
    pub fn stage(&self) -> Option<String> {
        let hash = self.hash.as_deref().unwrap_or(&self.key);
        let is_plain = |text: &str| !text.contains('/') && !text.starts_with('.');
        let fits = self.tool == Tool::Spack && is_plain(hash) && is_plain(&self.label);
        fits.then(|| format!("spack-stage-{}-{hash}", self.label))
    }

    /// The current phase.
    pub fn phase(&self) -> Option<&str> {
        self.phases.last().map(|phase| phase.name.as_str())
    }

    /// Seconds that it took, or takes until now.
    pub fn seconds(&self, now: Option<Millis>) -> Option<f64> {
        if let Some(took) = self.took {
            return Some(took);
        }
        let end = if self.state.is_active() { now } else { self.ended };
        match (self.started, end) {
            (Some(started), Some(end)) => Some(seconds(started, end)),
            _ => self.elapsed.map(f64::from),
        }
    }

    /// Takes what an event says of this package, besides its state.
    pub(super) fn learn(&mut self, event: &Event, at: Option<Millis>) {
        match &event.what {
            What::Named {
                name,
                version,
                label,
                hash,
                ..
            } => {
                self.name = name.clone().or_else(|| self.name.take());
                self.version = version.clone().or_else(|| self.version.take());
                self.hash = hash.clone().or_else(|| self.hash.take());
                self.label.clone_from(label);
            }
            What::Phase { phase, elapsed, .. } => self.enter(phase, event.offset, at, *elapsed),
            What::Took { phases, total, .. } => self.measured(phases, *total),
            What::Log { path, .. } => self.log = Some(path.clone()),
            What::Prefix { path, .. } => self.prefix = Some(path.clone()),
            _ => {}
        }
    }

    /// It begins, maybe once more.
    pub(super) fn begin(&mut self, at: Option<Millis>, elapsed: Option<u32>) {
        if self.state.is_final() {
            self.phases.clear();
            self.errors.clear();
            (self.reason, self.log, self.took, self.inside) = (None, None, None, None);
        }
        self.ended = None;
        self.started = at.map(|at| at - i64::from(elapsed.unwrap_or(0)) * 1000);
    }

    fn enter(&mut self, phase: &str, offset: u64, at: Option<Millis>, elapsed: Option<u32>) {
        self.leave(at, elapsed);
        self.inside = None;
        if self.phases.len() < PHASES {
            self.phases.push(Phase {
                name: phase.to_owned(),
                offset,
                started: at,
                began_at: elapsed,
                seconds: None,
            });
        }
    }

    /// The current phase ends.
    pub(super) fn leave(&mut self, at: Option<Millis>, elapsed: Option<u32>) {
        self.elapsed = elapsed.or(self.elapsed);
        let Some(phase) = self.phases.last_mut().filter(|p| p.seconds.is_none()) else {
            return;
        };
        phase.seconds = match (phase.started, at, phase.began_at, elapsed) {
            (Some(started), Some(at), _, _) => Some(seconds(started, at)),
            (_, _, Some(began), Some(ends)) => Some(f64::from(ends.saturating_sub(began))),
            _ => None,
        };
    }

    /// What the tool measured counts more than what we saw.
    fn measured(&mut self, phases: &[(String, f64)], total: f64) {
        self.took = Some(total);
        for (name, seconds) in phases {
            if let Some(phase) = self.phases.iter_mut().find(|phase| phase.name == *name) {
                phase.seconds = Some(*seconds);
            } else if self.phases.len() < PHASES {
                // Before the current one, which is the last.
                let at = self.phases.len().saturating_sub(1);
                let phase = Phase {
                    name: name.clone(),
                    offset: self.offset.unwrap_or(0),
                    started: None,
                    began_at: None,
                    seconds: Some(*seconds),
                };
                self.phases.insert(at, phase);
            }
        }
    }
}

/// Seconds between two times; none below zero, clocks are set back.
pub(super) fn seconds(from: Millis, to: Millis) -> f64 {
    std::time::Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0)).as_secs_f64()
}
