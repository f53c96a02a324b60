//! The receipt: what halolab changed of the machine's own files, with what was in them, so that it can be taken back.
//!
//! `receipt.json` in the state folder; written before the first file is touched and after the last one. The exact files
//! of before are in `changes/ID/` beside it.

mod files;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    host::{
        Root,
        boot::{self, BootError, Change, Proposal, Wish},
        command,
    },
    paths::{FileError, private_folder, write_private},
};

use files::{Files, is_as_before};

/// Version of the file's format.
const VERSION: u32 = 1;

/// How far a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Files may have been changed.
    Begun,
    /// All of it was done.
    Done,
    /// It was taken back.
    Undone,
}

/// One change of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, unique.
    pub id: String,
    /// RFC 3339.
    pub when: String,
    /// What it is for, as a sentence.
    pub what: String,
    /// How far it came.
    pub state: State,
    /// The parameters that it set, with their values.
    pub set: Vec<(String, String)>,
    /// The parameters that it removed.
    pub removed: Vec<String>,
    /// The files, and what makes them count.
    pub proposal: Proposal,
    /// The root whose files they are.
    #[serde(default = "live")]
    pub root: PathBuf,
    /// The boot in which it was made (`/proc/sys/kernel/random/boot_id`): in a later one it counts.
    pub boot: String,
    /// What a newer halolab wrote.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

impl Entry {
    /// Whether another change is about the same files or parameters.
    fn meets(&self, other: &Self) -> bool {
        let files = |e: &Self| {
            e.proposal
                .changes
                .iter()
                .map(|c| c.path.clone())
                .collect::<Vec<_>>()
        };
        let names = |e: &Self| e.names();
        files(self).iter().any(|f| files(other).contains(f))
            || names(self).iter().any(|n| names(other).contains(n))
    }

    /// The parameters that it is about.
    fn names(&self) -> Vec<String> {
        let set = self.set.iter().map(|(name, _)| name.clone());
        set.chain(self.removed.clone()).collect()
    }
}

fn live() -> PathBuf {
    "/".into()
}

/// All changes, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    version: u32,
    /// The changes.
    pub entries: Vec<Entry>,
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

/// Why a change was not made or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The boot configuration cannot be read.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The receipt or the files beside it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The receipt is not one.
    #[error("{path} is not a receipt of halolab ({source}); nothing was changed. Move it away to go on")]
    Broken {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The receipt cannot be read.
    #[error("{path} cannot be read: {source}; nothing was changed")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program could not be run.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file was changed by somebody between the look and the change.
    #[error("nothing was changed: {0}; look again with `halolab doctor`")]
    Meanwhile(String),
    /// The files could not be written, or what makes them count failed.
    #[error("{what}: {why}; {kept}")]
    Failed {
        /// What was tried.
        what: String,
        /// What the program said.
        why: String,
        /// How the files are now.
        kept: String,
    },
    /// A newer change sets the same.
    #[error(
        "nothing was changed: {later} came after {id} and changes the same; take it back first: `halolab doctor --undo {later}`"
    )]
    Later {
        /// What was asked for.
        id: String,
        /// The newer change.
        later: String,
    },
    /// There is nothing of that name to take back.
    #[error("there is no change `{id}` that could be taken back; there are: {known}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
}

/// Where the receipt is kept, and the root whose files it changes.
#[derive(Clone, Debug)]
pub struct Keeper {
    folder: PathBuf,
    root: Root,
}

impl Keeper {
    /// `state` is the state folder; `root` is `/`, or a tree in a test.
    pub fn new(state: &Path, root: &Path) -> Self {
        Self {
            folder: state.to_path_buf(),
            root: Root::new(root),
        }
    }

    /// All changes.
    ///
    /// # Errors
    /// The receipt cannot be read.
    pub fn read(&self) -> Result<Receipt, ReceiptError> {
        let path = self.folder.join("receipt.json");
        let name = path.display().to_string();
        match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| ReceiptError::Broken { path: name, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Receipt {
                version: VERSION,
                entries: vec![],
                more: BTreeMap::new(),
            }),
            Err(source) => Err(ReceiptError::Read { path: name, source }),
        }
    }

    fn write(&self, receipt: &Receipt) -> Result<(), ReceiptError> {
        private_folder(&self.folder)?;
        let bytes = serde_json::to_vec_pretty(receipt).unwrap_or_default();
        Ok(write_private(&self.folder.join("receipt.json"), &bytes)?)
    }

    /// Makes a change, and answers its name. Where making it count fails, the files are put back.
    ///
    /// # Errors
    /// A file was changed meanwhile, cannot be written, or the boot configuration cannot be made anew.
    pub async fn make(&self, what: &str, wish: &Wish, proposal: &Proposal) -> Result<String, ReceiptError> {
        let mut receipt = self.read()?;
        let now = jiff::Timestamp::now();
        let count = receipt.entries.len() + 1;
        let id = format!("{}-{count}", now.strftime("%Y%m%d"));
        receipt.entries.push(Entry {
            id: id.clone(),
            when: now.to_string(),
            what: what.into(),
            state: State::Begun,
            set: wish.set.clone(),
            removed: wish.remove.clone(),
            proposal: proposal.clone(),
            root: self.root.base().to_owned(),
            boot: self.boot(),
            more: BTreeMap::new(),
        });
        self.write(&receipt)?;
        let made = self.files(&id, what).replace(proposal).await;
        if let Some(entry) = receipt.entries.last_mut() {
            match &made {
                Ok(()) => entry.state = State::Done,
                Err(ReceiptError::Meanwhile(_)) => entry.state = State::Undone,
                // Nothing was touched, or all of it was put back.
                Err(_) if is_as_before(&self.root, proposal) => entry.state = State::Undone,
                Err(_) => {}
            }
        }
        self.write(&receipt)?;
        made.map(|()| id)
    }

    /// What taking a change back would do to the files. The newest one where none is named.
    ///
    /// # Errors
    /// There is no such change, or a file cannot be read.
    pub fn inverse(&self, id: Option<&str>) -> Result<(Entry, Proposal), ReceiptError> {
        let receipt = self.read()?;
        let open = |e: &&Entry| e.state != State::Undone && e.root == self.root.base();
        let mut newer: Vec<&Entry> = vec![];
        for entry in receipt.entries.iter().rev().filter(open) {
            if id.is_some_and(|id| entry.id != id) {
                newer.push(entry);
                continue;
            }
            if let Some(later) = newer.iter().find(|later| later.meets(entry)) {
                return Err(ReceiptError::Later {
                    id: entry.id.clone(),
                    later: later.id.clone(),
                });
            }
            return Ok((entry.clone(), inverse(&self.root, entry)?));
        }
        let known: Vec<&str> = newer.iter().map(|e| e.id.as_str()).collect();
        Err(ReceiptError::Unknown {
            id: id.unwrap_or("any").to_owned(),
            known: if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            },
        })
    }

    /// Takes a change back.
    ///
    /// # Errors
    /// As for making one.
    pub async fn undo(&self, entry: &Entry, proposal: &Proposal) -> Result<(), ReceiptError> {
        let what = format!("take back: {}", entry.what);
        self.files(&format!("{}-undo", entry.id), &what)
            .replace(proposal)
            .await?;
        let mut receipt = self.read()?;
        for known in receipt.entries.iter_mut().filter(|e| e.id == entry.id) {
            known.state = State::Undone;
        }
        self.write(&receipt)
    }

    fn files<'a>(&'a self, id: &str, what: &'a str) -> Files<'a> {
        Files {
            root: &self.root,
            folder: self.folder.join("changes").join(id),
            what,
        }
    }

    /// This boot.
    pub fn boot(&self) -> String {
        self.root
            .read("/proc/sys/kernel/random/boot_id")
            .unwrap_or_default()
    }
}

/// What takes a change back: a file that is as we left it gets its old text, one that has its old text stays; of one that
/// was changed since (or that a new kernel brought), only our parameters go, and the old ones come back.
fn inverse(root: &Root, entry: &Entry) -> Result<Proposal, BootError> {
    let mut exact = vec![];
    for change in &entry.proposal.changes {
        let now = boot::exact(root, &change.path)?;
        if now == change.after || now == change.before {
            exact.push(Change {
                path: change.path.clone(),
                before: now,
                after: change.before.clone(),
            });
        }
    }
    let was = &entry.proposal.was;
    let is_new = |name: &String| !was.iter().any(|(known, _)| known == name);
    // What an untouched file gets back need not be said again elsewhere.
    let is_back = |name: &str| {
        let option = name.rsplit('.').next().unwrap_or(name);
        exact
            .iter()
            .any(|c| c.after.as_deref().is_some_and(|text| text.contains(option)))
    };
    let wish = Wish {
        set: was.iter().filter(|(name, _)| !is_back(name)).cloned().collect(),
        remove: entry.names().into_iter().filter(is_new).collect(),
    };
    let is_rest = |c: &Change| !exact.iter().any(|e| e.path == c.path);
    let rest = if exact.len() == entry.proposal.changes.len() {
        // Where all files are ours, others are looked through for what we set, and none is told what it was.
        let remove = entry.names();
        boot::propose(root, &Wish { set: vec![], remove }, Some(entry.proposal.way))?
    } else {
        boot::propose(root, &wish, Some(entry.proposal.way))?
    };
    let changes: Vec<Change> = exact
        .iter()
        .filter(|c| c.before != c.after)
        .cloned()
        .chain(rest.changes.into_iter().filter(is_rest))
        .collect();
    Ok(Proposal {
        way: entry.proposal.way,
        refresh: boot::refresh(root, &changes),
        changes,
        was: vec![],
    })
}
