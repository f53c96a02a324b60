//! Carries a plan out: journals each action before and after, streams output to a log file, tells whoever watches.

mod advice;
pub mod aftermath;
pub mod apply;
pub mod bundle;
pub mod causes;
mod certificates;
mod identity;
mod inhibit;
pub mod jobs;
pub mod journal;
pub mod lock;
pub mod output;
mod perform;
pub mod receipt;
mod stop_code;
mod track;
pub mod unfinished;

pub use crate::backend::Connect;
pub use apply::{Context, Outcome, RESTART, apply, log_file, log_name};
pub use journal::{Entry, Journal};
pub use lock::Lock;
pub use stop_code::StopCode;

use serde::{Deserialize, Serialize};

/// What a run tells whoever watches it. One JSON line each in `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began.
    Plan {
        /// Run id.
        run: String,
        /// Digest of the plan.
        digest: String,
        /// Number of actions.
        actions: usize,
    },
    /// An action began.
    StepStarted {
        /// The action's id.
        id: String,
        /// The lab; `host` for the host.
        lab: String,
        /// Its sentence.
        sentence: String,
    },
    /// How far an action is.
    Progress {
        /// The action's id.
        id: String,
        /// The daemon's or the script's words.
        text: String,
        /// Where known.
        percent: Option<u8>,
    },
    /// The daemon keeps an action waiting, or answered at last.
    Late {
        /// The action's id.
        id: String,
        /// The lab; `host` for the host.
        lab: String,
        /// Who, for how long, with what, and until when it is waited for.
        text: String,
    },
    /// Output was added to the lab's log. The file is the truth; this only says that it grew.
    Output {
        /// The lab.
        lab: String,
        /// Size of the log in bytes.
        bytes: u64,
    },
    /// An action ended well.
    StepFinished {
        /// The action's id.
        id: String,
        /// Milliseconds.
        millis: u64,
        /// It had nothing to do.
        skipped: bool,
    },
    /// A lab was proven, or not.
    Verdict {
        /// The lab.
        lab: String,
        /// The verdict, as a line.
        verdict: String,
        /// Whether it is a proof; a halolab of before did not say.
        #[serde(default = "yes")]
        ok: bool,
    },
    /// An action failed.
    Failed {
        /// The action's id.
        id: String,
        /// The lab.
        lab: String,
        /// What failed and why.
        error: String,
        /// What was kept.
        kept: String,
        /// The next command to type.
        next: String,
        /// The action is optional, and the run goes on.
        optional: bool,
        /// Why, as far as its output tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<causes::Cause>,
    },
    /// The run ended.
    Done {
        /// Exit code of the program, as in the design.
        code: u8,
        /// One sentence a lab.
        summary: Vec<String>,
    },
}

fn yes() -> bool {
    true
}
