//! After a failure: what failed and why, what was kept, and what can be done about it.

use std::{io, path::Path};

use serde::Serialize;

use crate::plan::{Action, Step, planner::HOST};

use super::{
    advice::advice,
    apply::log_file,
    causes::{self, Cause},
    journal::{Entry, Journal, Record, record},
    lock::{Daemon, Lock, LockError, Scope},
};

/// First line of a script that shows each of its commands before it runs.
const TRACE: &str = "set -x # retried verbosely: each command is shown\n";

/// An action that failed and did not end well since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The lab; `host` for the host.
    pub lab: String,
    /// The action.
    pub id: String,
    /// The action as a sentence.
    pub sentence: String,
    /// Why it failed.
    pub error: String,
    /// Why, as far as its output tells.
    pub cause: Option<Cause>,
    /// What was kept.
    pub kept: String,
    /// The run went on without it.
    pub optional: bool,
}

/// What failed in a run, in the order of its plan; its logs are read for the causes.
pub fn failures(record: &Record) -> Vec<Failed> {
    let runs = record.folder.parent().unwrap_or_else(|| Path::new("."));
    let failed = |lab: &str, action: &Action, kept: String| {
        let error = record.failed.get(&action.id)?.clone();
        let log = log_file(runs, &record.id, lab);
        Some(Failed {
            lab: lab.to_owned(),
            id: action.id.clone(),
            sentence: action.sentence.clone(),
            cause: causes::of_action(&error, &log, &action.sentence),
            error,
            kept,
            optional: action.optional,
        })
    };
    let host = record.plan.host.iter();
    let mut all: Vec<Failed> = host
        .filter_map(|a| failed(HOST, a, "no lab was touched".into()))
        .collect();
    for track in &record.plan.labs {
        let actions = track.actions.iter().enumerate();
        let kept = |index| advice(track, index, &record.id).kept;
        all.extend(actions.filter_map(|(index, a)| failed(&track.lab, a, kept(index))));
    }
    all
}

/// What can be done after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing: it can be done later.
    Leave,
    /// Go on: what failed again, and what is left.
    Retry,
    /// The same; the script of this action shows each of its commands.
    Verbose(String),
    /// Change the script of this action, and go on.
    Edit(String),
    /// Go on without these optional actions.
    LeaveOut(Vec<String>),
    /// Take back what was done to the labs that failed, through a plan.
    Undo,
    /// Look inside this instance.
    Shell(String),
    /// Save what others need to find out why, without secrets.
    Bundle,
}

impl Way {
    /// A word or two.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Leave => "Leave it",
            Self::Retry => "Retry",
            Self::Verbose(_) => "Retry verbose",
            Self::Edit(_) => "Edit the step…",
            Self::LeaveOut(_) => "Skip",
            Self::Undo => "Undo…",
            Self::Shell(_) => "Shell",
            Self::Bundle => "Save a report",
        }
    }

    /// What comes of it.
    pub fn line(&self, record: &Record) -> String {
        let sentence = |id: &String| {
            let action = record.plan.actions().find(|a| a.id == *id);
            action.map_or_else(|| id.clone(), |a| a.sentence.clone())
        };
        match self {
            Self::Leave => "nothing is changed; it can be gone on with later".into(),
            Self::Retry => "what failed again, and what is left; what is done stays done".into(),
            Self::Verbose(_) => "the same, and the log shows each command of the script".into(),
            Self::Edit(id) => format!("change the script of \"{}\" for this run", sentence(id)),
            Self::LeaveOut(ids) => {
                let all: Vec<String> = ids.iter().map(sentence).collect();
                format!("go on without what is optional: {}", all.join(", "))
            }
            Self::Undo => "undo what it did to the lab that failed; shows the plan first".into(),
            Self::Shell(name) => format!("look inside {name}"),
            Self::Bundle => "plan, journal, logs and this machine in one file, without secrets".into(),
        }
    }

    /// What to type for it.
    pub fn command(&self, run: &str) -> Option<String> {
        Some(match self {
            Self::Leave => return None,
            Self::Retry => format!("halolab runs resume {run}"),
            Self::Verbose(_) => format!("halolab runs resume {run} --trace"),
            Self::Edit(_) => format!("halolab runs edit {run}"),
            Self::LeaveOut(_) => format!("halolab runs resume {run} --skip-optional"),
            Self::Undo => format!("halolab runs undo {run}"),
            Self::Shell(name) => format!("halolab shell {name}"),
            Self::Bundle => format!("halolab runs bundle {run}"),
        })
    }
}

/// What can be done after a run failed; the first one does nothing. `back` says whether something would take it back.
pub fn ways(record: &Record, back: bool) -> Vec<Way> {
    let failed: Vec<&Action> = record
        .plan
        .actions()
        .filter(|a| record.failed.contains_key(&a.id))
        .collect();
    let mut all = vec![Way::Leave, Way::Retry];
    // What stopped the run comes before what it went on without.
    let first = failed.iter().find(|a| !a.optional).or_else(|| failed.first());
    if let Some(action) = first
        && let Some(script) = action.step.script()
    {
        // A script that is given secrets would show them.
        if !script.starts_with(TRACE) && !has_secrets(&action.step) {
            all.push(Way::Verbose(action.id.clone()));
        }
        all.push(Way::Edit(action.id.clone()));
    }
    let optional = failed.iter().filter(|a| a.optional);
    let optional: Vec<String> = optional.map(|a| a.id.clone()).collect();
    if !optional.is_empty() {
        all.push(Way::LeaveOut(optional));
    }
    if back {
        all.push(Way::Undo);
    }
    if let Some(name) = first.and_then(|a| a.step.inside()) {
        all.push(Way::Shell(name.to_owned()));
    }
    all.push(Way::Bundle);
    all
}

fn has_secrets(step: &Step) -> bool {
    matches!(step, Step::Exec { secrets, .. } if !secrets.is_empty())
}

/// A change of a run by the user, after it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// The script of this action shows each of its commands.
    Trace(String),
    /// An action runs another script.
    Edit {
        /// The action.
        id: String,
        /// Shell text.
        script: String,
    },
    /// These optional actions are left out.
    LeaveOut(Vec<String>),
}

/// Why a run cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// Another halolab is at work.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Its journal cannot be written.
    #[error("the journal of the run {run} cannot be written: {source}; nothing was changed")]
    Journal {
        /// The run.
        run: String,
        /// Why.
        source: io::Error,
    },
    /// It is not there, or not readable.
    #[error("there is no run {0}; see `halolab runs`")]
    Missing(String),
    /// That action cannot be changed so.
    #[error("the action {0} is not optional, runs no script, or is given secrets; nothing was changed")]
    Unfit(String),
}

/// Writes a change of a run into its journal; returns the run as it is then.
///
/// # Errors
/// The run or the action does not fit, another halolab is at work, or the disk is full.
pub fn amend(
    runs: &Path,
    lock: &Path,
    daemon: &Daemon,
    run: &str,
    change: &Amendment,
) -> Result<Record, AmendError> {
    let missing = || AmendError::Missing(run.to_owned());
    let folder = runs.join(run);
    let found = record(&folder).ok_or_else(missing)?;
    let scope = Scope::of(&found.plan, daemon);
    let _lock = Lock::take_for(lock, &scope, &format!("changing run {run}"))?;
    let found = record(&folder).ok_or_else(missing)?;
    let entries = entries(&found, change)?;
    let failed = |source| AmendError::Journal {
        run: run.to_owned(),
        source,
    };
    let mut journal = Journal::open(&folder).map_err(failed)?;
    for entry in entries {
        journal.write(entry).map_err(failed)?;
    }
    drop(journal);
    record(&folder).ok_or_else(missing)
}

fn entries(record: &Record, change: &Amendment) -> Result<Vec<Entry>, AmendError> {
    let unfit = |id: &String| AmendError::Unfit(id.clone());
    let action = |id: &String| {
        let open = |a: &&Action| a.id == *id && !record.done.contains(id);
        record.plan.actions().find(open).ok_or_else(|| unfit(id))
    };
    let edited = |id: &String, script: String| Entry::Edited {
        id: id.clone(),
        script,
    };
    match change {
        Amendment::Trace(id) => {
            let step = &action(id)?.step;
            let script = step.script().filter(|_| !has_secrets(step));
            let script = script.ok_or_else(|| unfit(id))?;
            if script.starts_with(TRACE) {
                return Ok(vec![]);
            }
            Ok(vec![edited(id, format!("{TRACE}{script}"))])
        }
        Amendment::Edit { id, script } => {
            let before = action(id)?.step.script().ok_or_else(|| unfit(id))?;
            let same = before == script;
            Ok(if same {
                vec![]
            } else {
                vec![edited(id, script.clone())]
            })
        }
        Amendment::LeaveOut(ids) => {
            let left = |id: &String| {
                let action = action(id)?;
                let fits = action.optional.then(|| Entry::LeftOut { id: id.clone() });
                fits.ok_or_else(|| unfit(id))
            };
            ids.iter().map(left).collect()
        }
    }
}

/// What an edit changes, as lines of a diff.
pub fn difference(before: &str, after: &str) -> Vec<String> {
    let diff = similar::TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(2).to_string();
    text.lines().map(crate::log::sanitize).collect()
}
