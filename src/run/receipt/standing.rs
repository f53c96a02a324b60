//! Where a change stands: what counts only after a restart, and whether it counts since then.

use serde::Serialize;

use crate::host::{Root, boot};

use super::{Entry, Keeper, ReceiptError, State};

/// Where a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It was begun, and its end was not seen.
    Unfinished,
    /// It counts after a restart of the machine.
    RestartNeeded,
    /// It counts.
    Counts,
    /// The machine was restarted, and the kernel runs with something else.
    DoesNotCount,
    /// A later change sets the same parameters.
    Replaced,
    /// It was taken back, which counts after a restart of the machine.
    UndoRestartNeeded,
}

impl Standing {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unfinished => "was begun and did not end",
            Self::RestartNeeded => "counts after a restart",
            Self::Counts => "counts since the restart",
            Self::DoesNotCount => "does NOT count although the machine was restarted",
            Self::Replaced => "a later change took its place",
            Self::UndoRestartNeeded => "taken back; that counts after a restart",
        }
    }

    /// Whether the machine has to be restarted for it.
    pub fn needs_restart(self) -> bool {
        matches!(self, Self::RestartNeeded | Self::UndoRestartNeeded)
    }
}

/// A change that still matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The change.
    pub entry: Entry,
    /// Where it stands.
    pub standing: Standing,
    /// What takes it back; none where it was taken back.
    pub undo: Option<String>,
}

impl Open {
    /// The files that it changed.
    pub fn files(&self) -> Vec<&str> {
        let changes = &self.entry.proposal.changes;
        changes.iter().map(|change| change.path.as_str()).collect()
    }

    /// For programs: all but the texts of the files.
    pub fn document(&self) -> serde_json::Value {
        let entry = &self.entry;
        serde_json::json!({
            "id": entry.id,
            "when": entry.when,
            "what": entry.what,
            "standing": self.standing,
            "restart_needed": self.standing.needs_restart(),
            "set": entry.set,
            "removed": entry.removed,
            "way": entry.proposal.way,
            "files": self.files(),
            "undo": self.undo,
        })
    }
}

impl Keeper {
    /// The changes that still matter, oldest first: those that were not taken back, and those whose taking back needs a
    /// restart to count.
    ///
    /// # Errors
    /// The receipt cannot be read.
    pub fn open(&self) -> Result<Vec<Open>, ReceiptError> {
        let mut entries = self.read()?.entries;
        entries.retain(|entry| self.is_of_this_root(entry));
        let boot = self.boot();
        let stand = |(index, entry): (usize, &Entry)| {
            let later = entries.iter().skip(index + 1);
            let mut later = later.filter(|l| l.state == State::Done);
            let replaced = later.any(|l| l.set.iter().any(|(name, _)| sets(entry, name)));
            standing(&self.root, entry, &boot, replaced)
        };
        let standings: Vec<Option<Standing>> = entries.iter().enumerate().map(stand).collect();
        let both = entries.into_iter().zip(standings);
        let open = both.filter_map(|(entry, standing)| {
            let undone = entry.state == State::Undone;
            let undo = (!undone).then(|| format!("halolab doctor --undo {}", entry.id));
            let standing = standing?;
            Some(Open {
                entry,
                standing,
                undo,
            })
        });
        Ok(open.collect())
    }
}

fn sets(entry: &Entry, name: &str) -> bool {
    entry.set.iter().any(|(own, _)| own == name)
}

/// None where it does not matter any more.
fn standing(root: &Root, entry: &Entry, boot: &str, replaced: bool) -> Option<Standing> {
    match entry.state {
        State::Begun => Some(Standing::Unfinished),
        State::Undone => {
            let now = entry.undone.as_deref() == Some(boot);
            // What never counted needs no restart to be gone.
            (now && entry.boot != boot).then_some(Standing::UndoRestartNeeded)
        }
        State::Done if replaced => Some(Standing::Replaced),
        State::Done if entry.boot == boot => Some(Standing::RestartNeeded),
        State::Done if in_force(root, &entry.set, &entry.removed) => Some(Standing::Counts),
        State::Done => Some(Standing::DoesNotCount),
    }
}

/// Whether the running kernel has these parameters, and was not given those.
pub fn in_force(root: &Root, set: &[(String, String)], removed: &[String]) -> bool {
    let line = root.read("/proc/cmdline").unwrap_or_default();
    let runs = |name: &str| {
        let (module, parameter) = name.split_once('.')?;
        let plain = |text: &str| text.replace('-', "_");
        root.read(&format!(
            "/sys/module/{}/parameters/{}",
            plain(module),
            plain(parameter)
        ))
    };
    let set_is = |(name, value): &(String, String)| match runs(name) {
        Some(running) => running == *value,
        None => boot::value(&line, name) == Some(value),
    };
    set.iter().all(set_is) && removed.iter().all(|name| boot::value(&line, name).is_none())
}
