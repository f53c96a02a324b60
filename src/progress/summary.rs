//! One short line on how far a build is: for agents that watch with few tokens, and for people.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    counts::Counts,
    estimate::Estimate,
    event::{State, Tool},
    package::Package,
    target::Target,
    times::Millis,
    tree::Tree,
};

/// Packages in work that are named.
const CURRENT: usize = 4;

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Version of this document.
    pub v: u32,
    /// Who wrote last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// What goes on: `running`, `done`, `failed`, `interrupted`, or `nothing` where no tool is known.
    pub phase: &'static str,
    /// What the tool does, in its words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doing: String,
    /// How many of what.
    #[serde(flatten)]
    pub counts: Counts,
    /// The packages in work.
    pub current: Vec<Current>,
    /// The packages that failed, and what else could not be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Error>,
    /// What is left, in seconds.
    pub eta: Option<Estimate>,
}

/// A package in work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Current {
    /// Name and version.
    pub name: String,
    /// Hash, as long as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Seconds since it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// How far it is inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
}

/// A package that failed, or something else that could not be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// Name and version.
    pub name: String,
    /// Hash, as long as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its first error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Its place in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// An error of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Error {
    /// Its words.
    pub text: String,
    /// Its place in the log.
    pub offset: u64,
}

impl Summary {
    /// Of a tree, with what is left by [`estimate`](super::estimate()).
    pub fn of(tree: &Tree, eta: Option<Estimate>, now: Option<Millis>) -> Self {
        let counts = tree.counts();
        let doing = tree.sections().last().map(|s| s.doing.clone());
        let current = tree.packages().iter().filter(|p| tree.is_current(p));
        let active = current.filter(|p| p.state.is_active());
        let failed = tree.packages().iter().filter(|p| p.state == State::Failed);
        let failed = failed.map(Failure::of);
        let targets = tree.targets().iter().map(Failure::to_make);
        Self {
            v: 1,
            tool: tree.tool(),
            phase: tree.phase(),
            doing: doing.unwrap_or_default(),
            counts,
            current: active
                .take(CURRENT)
                .map(|package| Current {
                    name: package.title(),
                    hash: hash(package),
                    phase: package.phase().map(str::to_owned),
                    seconds: package.seconds(now).map(super::estimate::whole_seconds),
                    percent: package.inside.map(super::Inside::percent),
                })
                .collect(),
            failures: targets.chain(failed).take(CURRENT).collect(),
            last_error: tree.last_error().map(|note| Error {
                text: note.text.clone(),
                offset: note.offset,
            }),
            eta,
        }
    }

    /// The same without times: two of them differ only where something happened.
    #[must_use]
    pub fn timeless(&self) -> Self {
        let mut summary = self.clone();
        summary.eta = None;
        for current in &mut summary.current {
            current.seconds = None;
        }
        summary
    }

    /// The one line.
    pub fn text(&self) -> String {
        let mut line = self.tool.map_or("no progress known", Tool::name).to_owned();
        if self.tool.is_some() {
            let _ = write!(line, " {}", self.phase);
        }
        let counts = &self.counts;
        match counts.total {
            Some(total) => {
                let _ = write!(line, ", {}/{total}", counts.done);
            }
            None if counts.done > 0 => {
                let _ = write!(line, ", {} done", counts.done);
            }
            None => {}
        }
        for (count, word) in [
            (counts.failed, "failed"),
            (counts.skipped, "skipped"),
            (counts.interrupted, "interrupted"),
        ] {
            if count > 0 {
                let _ = write!(line, ", {count} {word}");
            }
        }
        if self.phase == "running" {
            let current: Vec<_> = self.current.iter().map(Current::text).collect();
            if !current.is_empty() {
                let _ = write!(line, "; {}", current.join(", "));
            } else if !self.doing.is_empty() {
                let _ = write!(line, "; {}", self.doing);
            }
            let eta = self.eta.map_or_else(|| "unknown".to_owned(), Estimate::text);
            let _ = write!(line, "; ETA {eta}");
        }
        match (self.failures.first(), &self.last_error) {
            (Some(failure), _) => {
                let _ = write!(line, "; failed: {}", failure.name);
                for words in [&failure.reason, &failure.error].into_iter().flatten() {
                    let _ = write!(line, ": {}", words.trim_end_matches(':'));
                }
            }
            (None, Some(error)) => {
                let _ = write!(line, "; last error: {}", error.text);
            }
            (None, None) => {}
        }
        line
    }
}

impl Failure {
    /// Of a package.
    pub fn of(package: &Package) -> Self {
        Self {
            name: package.title(),
            hash: hash(package),
            reason: package.reason.clone(),
            error: package.errors.first().map(|note| note.text.clone()),
            log: package.log.clone(),
            offset: package.offset,
        }
    }

    fn to_make(target: &Target) -> Self {
        Self {
            name: target.name.clone(),
            hash: None,
            reason: None,
            error: target.error.clone(),
            log: None,
            offset: Some(target.offset),
        }
    }
}

impl Current {
    fn text(&self) -> String {
        let mut text = self.name.clone();
        if let Some(phase) = &self.phase {
            let _ = write!(text, " ({phase}");
            if let Some(percent) = self.percent {
                let _ = write!(text, " {percent}%");
            }
            if let Some(seconds) = self.seconds {
                let _ = write!(text, " {}:{:02}", seconds / 60, seconds % 60);
            }
            text.push(')');
        }
        text
    }
}

fn hash(package: &Package) -> Option<String> {
    let short = || package.key.clone();
    (package.tool == Tool::Spack).then(|| package.hash.clone().unwrap_or_else(short))
}
