//! Applies a plan.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{backend::Backend, plan::Plan, stage::Answers};

use super::Event;

/// What every run works with.
#[derive(Clone)]
pub struct Context {
    /// The daemon; none before the host's actions have installed one.
    pub backend: Option<Arc<dyn Backend>>,
    /// Folder of all runs: `$XDG_STATE_HOME/halolab/runs`.
    pub runs: PathBuf,
    /// Values of secret options, by lab.
    pub secrets: BTreeMap<String, Answers>,
    /// Who is told.
    pub events: mpsc::UnboundedSender<Event>,
    /// Stops the run: the action at work is stopped and waited for, nothing further begins.
    pub cancel: CancellationToken,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Run id; its folder below `runs`.
    pub run: String,
    /// Exit code of the program, as in the design.
    pub code: u8,
    /// One sentence a lab.
    pub summary: Vec<String>,
}

/// The log file of one lab (`host` for the host) in a run's folder: `RUN/LAB.log`.
pub fn log_file(runs: &std::path::Path, run: &str, lab: &str) -> PathBuf {
    runs.join(run).join(format!("{lab}.log"))
}

/// Carries the plan out. Never panics and never returns early: what went wrong is in the outcome and the events.
pub async fn apply(plan: &Plan, run: &str, cx: &Context) -> Outcome {
    let _ = (plan, cx);
    Outcome {
        run: run.into(),
        code: 1,
        summary: vec![],
    }
}
