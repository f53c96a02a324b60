//! The journal of a run: one JSON line before and one after each action, on the disk before the next one begins, so that
//! whatever kills us leaves a record of what was begun.

mod id;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::DateTime};
use serde::{Deserialize, Serialize};

use serde_json::Value;

use crate::{
    paths::{open_private, private_folder, write_private},
    plan::{Choice, Plan, Step, planner},
};

pub use id::new_id;

/// Version of the journal's format.
const VERSION: u32 = 1;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// The run, or its continuation, began.
    Opened {
        /// Digest of the plan.
        digest: String,
        /// Process id of the runner.
        pid: u32,
        /// The secrets that it was given, as `LAB/OPTION`; never their values.
        #[serde(default)]
        secrets: Vec<String>,
    },
    /// Written before an action changes anything.
    Started {
        /// The action.
        id: String,
    },
    /// The action ended well.
    Finished {
        /// The action.
        id: String,
        /// It had nothing to do.
        skipped: bool,
    },
    /// The action failed; what it changed is not known.
    Failed {
        /// The action.
        id: String,
        /// Why.
        error: String,
    },
    /// The action looked and did not begin: nothing was changed.
    Blocked {
        /// The action.
        id: String,
        /// Why.
        error: String,
    },
    /// After a failure the user changed the script of an action: it runs this one from now on, in this run only.
    Edited {
        /// The action.
        id: String,
        /// The script; shell text.
        script: String,
    },
    /// After a failure the user left an optional action out.
    LeftOut {
        /// The action.
        id: String,
    },
    /// The run ended.
    Closed {
        /// Exit code.
        code: u8,
    },
    /// A line of a newer version.
    #[serde(other)]
    Unknown,
}

/// One line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    v: u32,
    ts: String,
    #[serde(flatten)]
    entry: Entry,
}

/// A run's folder: `plan.json`, `journal.jsonl`, one `LAB.log` a lab.
#[derive(Debug)]
pub struct Journal {
    file: File,
    entries: Vec<Entry>,
    /// A line may have been written in part: the next one begins anew.
    torn: bool,
}

impl Journal {
    /// Makes the folder of a new run and stores its plan.
    ///
    /// # Errors
    /// The folder cannot be written; nothing was changed then.
    pub fn create(folder: &Path, plan: &Plan) -> io::Result<Self> {
        if let Some(runs) = folder.parent().filter(|runs| !runs.as_os_str().is_empty()) {
            private_folder(runs)?;
        }
        private_folder(folder)?;
        let bytes = serde_json::to_vec_pretty(plan)?;
        write_private(&folder.join("plan.json"), &bytes)?;
        Self::open(folder)
    }

    /// Opens the journal of a run, new or old. A last line that was cut by a crash is left out.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("journal.jsonl");
        let entries = if path.exists() { read(&path)? } else { vec![] };
        let mut file = open_private(OpenOptions::new().create(true).append(true), &path)?;
        if file.metadata()?.len() > 0 {
            // Ends a line that a crash may have cut, be it the only one.
            file.write_all(b"\n")?;
        }
        File::open(folder)?.sync_all()?;
        Ok(Self {
            file,
            entries,
            torn: false,
        })
    }

    /// Adds a line, durably; that an action ended well is durable with the next line. A power cut between the two does
    /// that action again, as one right before the line would have.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn write(&mut self, entry: Entry) -> io::Result<()> {
        let line = Line {
            v: VERSION,
            ts: Timestamp::now().to_string(),
            entry: entry.clone(),
        };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        if self.torn {
            bytes.insert(0, b'\n');
        }
        self.torn = true;
        self.file.write_all(&bytes)?;
        self.torn = false;
        if !matches!(entry, Entry::Finished { .. }) {
            self.file.sync_data()?;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Whether an action is known to have ended well, or was left out by the user.
    pub fn finished(&self, wanted: &str) -> bool {
        self.entries
            .iter()
            .any(|e| matches!(e, Entry::Finished { id, .. } | Entry::LeftOut { id } if id == wanted))
    }

    /// Whether an action was begun, and may have happened without its end having been seen.
    pub fn begun(&self, wanted: &str) -> bool {
        // A start that was blocked changed nothing: what counts is how it was before that start.
        let (mut before, mut now) = (false, false);
        for entry in &self.entries {
            match entry {
                Entry::Started { id } if id == wanted => (before, now) = (now, true),
                Entry::Blocked { id, .. } if id == wanted => now = before,
                Entry::Finished { id, .. } if id == wanted => now = false,
                _ => {}
            }
        }
        now
    }

    /// Whether an action whose id begins like this ended well in an earlier attempt, and not in this one.
    pub fn finished_earlier(&self, prefix: &str) -> bool {
        let now = self
            .entries
            .iter()
            .rposition(|e| matches!(e, Entry::Opened { .. }))
            .unwrap_or(0);
        let earlier = self.entries.iter().take(now);
        earlier
            .into_iter()
            .any(|e| matches!(e, Entry::Finished { id, .. } if id.starts_with(prefix)))
    }

    /// The secrets that an earlier attempt was given, as `LAB/OPTION`.
    pub fn secrets(&self) -> Vec<String> {
        given_secrets(&self.entries)
    }

    /// All lines so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The secrets that any attempt was given, each once.
fn given_secrets(entries: &[Entry]) -> Vec<String> {
    let given = entries.iter().filter_map(|e| match e {
        Entry::Opened { secrets, .. } => Some(secrets.clone()),
        _ => None,
    });
    let once: BTreeSet<String> = given.flatten().collect();
    once.into_iter().collect()
}

/// Reads the lines of a journal. A line that a crash cut is left out, whatever bytes it ends with, and so is one of a form
/// that is not known; what follows it counts.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    Ok(parse(&fs::read(path)?))
}

/// The same out of its bytes.
pub fn parse(bytes: &[u8]) -> Vec<Entry> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let parsed = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    parsed.map(|line| line.entry).collect()
}

/// A run that is on disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// Exit code; none where it never ended.
    pub code: Option<u8>,
    /// Actions of the plan that are done or were left out by the user: the one count that is shown anywhere.
    pub finished: usize,
    /// The last failure that nothing mended since.
    pub error: Option<String>,
    /// The secrets that it was given, as `LAB/OPTION`; never their values.
    pub secrets: Vec<String>,
    /// Ids of the actions that were begun.
    #[serde(skip)]
    pub begun: BTreeSet<String>,
    /// Ids of the actions that ended well, or were left out by the user.
    #[serde(skip)]
    pub done: BTreeSet<String>,
    /// Why actions failed that did not end well since, by their id.
    #[serde(skip)]
    pub failed: BTreeMap<String, String>,
    /// It waited for a restart of the machine, which has been: whether what it waited for counts now.
    #[serde(skip)]
    pub restarted: Option<bool>,
}

impl Record {
    /// Actions that are done, and all of them.
    pub fn counts(&self) -> (usize, usize) {
        (self.finished, self.plan.actions().count())
    }

    /// When it began, as its id says: `2026-11-22 05:00 UTC`; the id itself where it says nothing.
    pub fn date(&self) -> String {
        let time = self
            .id
            .get(..13)
            .map(|begin| DateTime::strptime("%Y%m%d-%H%M", begin));
        match time {
            Some(Ok(time)) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            _ => self.id.clone(),
        }
    }
}

/// All runs, newest first. A folder that cannot be read is left out and left alone.
pub fn records(runs: &Path) -> Vec<Record> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let mut found: Vec<Record> = entries.filter_map(|e| record(&e.path())).collect();
    found.sort_by(|a, b| b.id.cmp(&a.id));
    found
}

/// A plan as it was written. Steps and choices that only a newer halolab knows are shown as what they are called; such
/// a plan is never carried out here.
fn read_plan(bytes: &[u8]) -> Option<Plan> {
    if let Ok(plan) = serde_json::from_slice(bytes) {
        return Some(plan);
    }
    let mut told: Value = serde_json::from_slice(bytes).ok()?;
    let version = told.get("version").and_then(Value::as_u64)?;
    if version <= u64::from(planner::VERSION) {
        return None;
    }
    for track in told.get_mut("labs")?.as_array_mut()? {
        let choice = track.get_mut("choice")?;
        if serde_json::from_value::<Choice>(choice.clone()).is_err() {
            *choice = serde_json::to_value(Choice::Skip).ok()?;
        }
        track
            .get_mut("actions")?
            .as_array_mut()?
            .iter_mut()
            .for_each(known);
    }
    told.get_mut("host")?.as_array_mut()?.iter_mut().for_each(known);
    serde_json::from_value(told).ok()
}

/// Puts a step that can be read in the place of one that cannot.
fn known(action: &mut Value) {
    let Some(step) = action.get_mut("step") else {
        return;
    };
    if serde_json::from_value::<Step>(step.clone()).is_err() {
        let what = step.to_string();
        *step = serde_json::json!({ "unknown": { "what": what } });
    }
}

/// One run.
pub fn record(folder: &Path) -> Option<Record> {
    let plan = fs::read(folder.join("plan.json")).ok()?;
    let journal = fs::read(folder.join("journal.jsonl")).unwrap_or_default();
    record_of(folder, &plan, &journal)
}

/// The record of a run in a folder, out of the bytes of its plan and journal.
pub fn record_of(folder: &Path, plan: &[u8], journal: &[u8]) -> Option<Record> {
    let mut plan = read_plan(plan)?;
    let entries = parse(journal);
    let code = entries.iter().rev().find_map(|e| match e {
        Entry::Closed { code } => Some(Some(*code)),
        Entry::Opened { .. } => Some(None),
        _ => None,
    });
    let failed = failures(&entries);
    let error = entries.iter().rev().find_map(|e| match e {
        Entry::Failed { id, error } | Entry::Blocked { id, error } if failed.contains_key(id) => {
            Some(error.clone())
        }
        _ => None,
    });
    let done: BTreeSet<String> = entries
        .iter()
        .filter_map(|e| match e {
            Entry::Finished { id, .. } | Entry::LeftOut { id } => Some(id.clone()),
            _ => None,
        })
        .collect();
    for entry in &entries {
        if let Entry::Edited { id, script } = entry {
            plan.edit(id, script);
        }
    }
    let begun = entries.iter().filter_map(|e| match e {
        Entry::Started { id } => Some(id.clone()),
        _ => None,
    });
    let begun = begun.collect();
    Some(Record {
        id: folder.file_name()?.to_str()?.to_owned(),
        folder: folder.to_owned(),
        finished: plan.actions().filter(|a| done.contains(&a.id)).count(),
        plan,
        code: code.flatten(),
        error,
        secrets: given_secrets(&entries),
        begun,
        failed,
        done,
        restarted: None,
    })
}

/// Why actions failed that did not end well since, by their id.
fn failures(entries: &[Entry]) -> BTreeMap<String, String> {
    let mut failed = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::Failed { id, error } | Entry::Blocked { id, error } => {
                failed.insert(id.clone(), error.clone());
            }
            Entry::Finished { id, .. } | Entry::LeftOut { id } => {
                failed.remove(id);
            }
            _ => {}
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash within a letter of two bytes once hid all that was written after it, so that a resumed run did again what
    /// was done.
    #[test]
    fn a_line_that_was_cut_within_a_letter_hides_nothing_after_it() {
        let whole = br#"{"v":1,"ts":"","entry":"started","id":"a"}"#;
        let cut = "{\"v\":1,\"ts\":\"\",\"entry\":\"failed\",\"id\":\"b\",\"error\":\"\u{e4}".as_bytes();
        let cut = cut.get(..cut.len() - 1).unwrap();
        let after = br#"{"v":1,"ts":"","entry":"finished","id":"a","skipped":false}"#;
        let journal = [whole, cut, after].map(<[u8]>::to_vec).join(&b'\n');
        let id = || "a".to_owned();
        let finished = Entry::Finished {
            id: id(),
            skipped: false,
        };
        assert_eq!(parse(&journal), [Entry::Started { id: id() }, finished]);
    }
}
