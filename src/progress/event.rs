//! What readers say: one thing that a place of the log tells.

use serde::{Deserialize, Serialize};

use super::package::Inside;
use crate::log::{Severity, sanitize};

/// Characters of a name that are kept; longer ones are not names.
const NAME: usize = 200;
/// Characters of a sentence that are kept.
const SENTENCE: usize = 400;

/// Which tool wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the tool's name")]
pub enum Tool {
    Spack,
    Docker,
    Pip,
    Uv,
    Apt,
    Dnf,
    Pacman,
    Cargo,
    Meson,
    Ninja,
    Make,
    /// None that we know.
    #[value(skip)]
    Other,
}

impl Tool {
    /// Its name, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spack => "spack",
            Self::Docker => "docker",
            Self::Pip => "pip",
            Self::Uv => "uv",
            Self::Apt => "apt",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Cargo => "cargo",
            Self::Meson => "meson",
            Self::Ninja => "ninja",
            Self::Make => "make",
            Self::Other => "output",
        }
    }

    /// Whether it runs inside the build of one package: its progress is that package's.
    pub fn is_inner(self) -> bool {
        matches!(self, Self::Meson | Self::Ninja | Self::Make)
    }
}

/// What became of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// Being fetched or unpacked.
    Fetching,
    /// Being built.
    Building,
    /// Being put in place.
    Installing,
    /// Built and installed.
    Installed,
    /// Installed out of a build cache.
    Cached,
    /// It was there already.
    Present,
    /// The system's own.
    External,
    /// It failed.
    Failed,
    /// Not begun, because another one failed.
    Skipped,
    /// Begun, and nobody knows that it ended well.
    Interrupted,
}

impl State {
    /// In work now.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Fetching | Self::Building | Self::Installing)
    }

    /// Nothing more will come of it in this run.
    pub fn is_final(self) -> bool {
        !self.is_active() && self != Self::Waiting
    }

    /// It can be used.
    pub fn is_good(self) -> bool {
        matches!(
            self,
            Self::Installed | Self::Cached | Self::Present | Self::External
        )
    }

    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetching => "fetching",
            Self::Building => "building",
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Cached => "from cache",
            Self::Present => "was there",
            Self::External => "external",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Interrupted => "interrupted",
        }
    }
}

/// How a package is told from others: for Spack its hash, as long as it was known first.
pub type Key = String;

/// One thing that the log tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// First byte in the log.
    pub offset: u64,
    /// Bytes in the log.
    pub length: u64,
    /// Who wrote it.
    pub tool: Tool,
    /// What it says.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// How far a build tool is: in a package's own log, how far the package is inside.
    pub fn inside(&self) -> Option<Inside> {
        match self.what {
            What::Step {
                done,
                total: Some(total),
                ..
            } if self.tool.is_inner() => Some(Inside { done, total }),
            _ => None,
        }
    }
}

/// What a place of the log says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// What is known of a package's name.
    Named {
        /// Which.
        package: Key,
        /// Name, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Version, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Name and version as they were written, where nobody says where one ends.
        label: String,
        /// The whole hash.
        #[serde(skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
    },
    /// A package came into a state.
    State {
        /// Which.
        package: Key,
        /// The state.
        state: State,
        /// Why: the error, or who failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Seconds since it began, where the tool says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        elapsed: Option<u32>,
    },
    /// A package came into a phase.
    Phase {
        /// Which.
        package: Key,
        /// The phase.
        phase: String,
        /// Seconds since the package began, where the tool says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        elapsed: Option<u32>,
    },
    /// How long a package took, as the tool measured it.
    Took {
        /// Which.
        package: Key,
        /// Phases and seconds.
        phases: Vec<(String, f64)>,
        /// Seconds of all.
        total: f64,
    },
    /// Where a package's own log is.
    Log {
        /// Which.
        package: Key,
        /// The file, where the build runs.
        path: String,
    },
    /// Where a package was put.
    Prefix {
        /// Which.
        package: Key,
        /// The folder, where the build runs.
        path: String,
    },
    /// How far the tool says that it is with its packages.
    Count {
        /// Ended ones, where it says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u32>,
        /// All of them.
        total: u32,
    },
    /// One of many steps.
    Step {
        /// Which one.
        done: u32,
        /// Of how many; none where nobody knows.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
        /// What it is.
        text: String,
    },
    /// The tool begins anew: its packages and counts of before are of an earlier run of it.
    Begin,
    /// What the tool as a whole does now.
    Doing {
        /// In its words.
        text: String,
    },
    /// An error or a warning.
    Note {
        /// How bad.
        severity: Severity,
        /// Its words.
        text: String,
        /// Whose, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        package: Option<Key>,
    },
    /// The errors from an offset on, whose package nobody said, are of this one.
    Owner {
        /// Which.
        package: Key,
        /// The first byte of them.
        from: u64,
    },
    /// Something could not be made that is no package: a target of ninja or make, a crate, a step of Docker.
    Target {
        /// What it is called.
        name: String,
    },
    /// Somebody stopped it.
    Interrupted,
    /// The tool says that it is at its end.
    End {
        /// It ended well.
        ok: bool,
    },
}

impl What {
    /// The package that it is about.
    pub(super) fn package(&self) -> Option<&str> {
        match self {
            Self::Named { package, .. }
            | Self::State { package, .. }
            | Self::Phase { package, .. }
            | Self::Took { package, .. }
            | Self::Log { package, .. }
            | Self::Prefix { package, .. }
            | Self::Owner { package, .. } => Some(package),
            Self::Note { package, .. } => package.as_deref(),
            Self::Count { .. }
            | Self::Step { .. }
            | Self::Doing { .. }
            | Self::Begin
            | Self::Target { .. }
            | Self::Interrupted
            | Self::End { .. } => None,
        }
    }
}

/// A name out of the log: safe to show, and not too long.
pub(super) fn name(text: &str) -> String {
    cut(&sanitize(text.trim()), NAME)
}

/// A sentence out of the log: safe to show, and not too long.
pub(super) fn sentence(text: &str) -> String {
    cut(&sanitize(text.trim()), SENTENCE)
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => text.get(..at).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}
