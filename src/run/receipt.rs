//! The receipt: what halolab changed of the machine's own files, with what was in them, so that it can be taken back.
//!
//! `receipt.json` in the state folder; written before the first file is touched and after the last one. The exact files
//! of before are in `changes/ID/` beside it.

mod inverse;
mod standing;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    host::{
        Root,
        boot::{self, BootError, Change, Proposal, Wish},
        command::{self, Command, quote},
    },
    paths::{FileError, private_folder, write_private},
};

use inverse::inverse;
pub use standing::{Open, Standing, in_force};

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
    /// The boot in which it was made (`/proc/sys/kernel/random/boot_id`): in a later one it counts.
    pub boot: String,
    /// The boot in which it was taken back: in a later one that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<String>,
    /// The tree whose files were changed; none for the running machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// What a newer halolab wrote.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
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
            boot: self.boot(),
            undone: None,
            root: self.tree(),
            more: BTreeMap::new(),
        });
        self.write(&receipt)?;
        let made = self.carry_out(&id, what, proposal).await;
        if let Some(entry) = receipt.entries.last_mut() {
            match &made {
                Ok(()) => entry.state = State::Done,
                Err(ReceiptError::Meanwhile(_)) => entry.state = State::Undone,
                // Nothing was touched, or all of it was put back.
                Err(_) if self.is_as_before(proposal) => entry.state = State::Undone,
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
        let open = |e: &&Entry| e.state != State::Undone && self.is_of_this_root(e);
        let found = receipt
            .entries
            .iter()
            .rev()
            .filter(open)
            .find(|e| id.is_none_or(|id| e.id == id));
        let Some(entry) = found.cloned() else {
            let known: Vec<&str> = receipt
                .entries
                .iter()
                .filter(open)
                .map(|e| e.id.as_str())
                .collect();
            return Err(ReceiptError::Unknown {
                id: id.unwrap_or("any").to_owned(),
                known: if known.is_empty() {
                    "none".into()
                } else {
                    known.join(", ")
                },
            });
        };
        let proposal = inverse(&self.root, &entry)?;
        Ok((entry, proposal))
    }

    /// Takes a change back.
    ///
    /// # Errors
    /// As for making one.
    pub async fn undo(&self, entry: &Entry, proposal: &Proposal) -> Result<(), ReceiptError> {
        let what = format!("take back: {}", entry.what);
        self.carry_out(&format!("{}-undo", entry.id), &what, proposal)
            .await?;
        let mut receipt = self.read()?;
        for known in receipt.entries.iter_mut().filter(|e| e.id == entry.id) {
            known.state = State::Undone;
            known.undone = Some(self.boot());
        }
        self.write(&receipt)
    }

    /// The tree whose files are changed; none for the running machine.
    fn tree(&self) -> Option<PathBuf> {
        (!self.root.is_live()).then(|| self.root.base().to_owned())
    }

    fn is_of_this_root(&self, entry: &Entry) -> bool {
        entry.root == self.tree()
    }

    /// This boot.
    pub fn boot(&self) -> String {
        self.root.read(crate::host::BOOT_ID).unwrap_or_default()
    }

    fn is_as_before(&self, proposal: &Proposal) -> bool {
        let root = &self.root;
        proposal
            .changes
            .iter()
            .all(|c| boot::exact(root, &c.path).is_ok_and(|now| now == c.before))
    }

    async fn carry_out(&self, id: &str, what: &str, proposal: &Proposal) -> Result<(), ReceiptError> {
        let folder = self.folder.join("changes").join(id);
        private_folder(&folder)?;
        let script = self.script(&folder, &proposal.changes, Direction::Forth)?;
        let (code, said) = self.run(what, &script).await?;
        if code == MEANWHILE {
            return Err(ReceiptError::Meanwhile(said));
        }
        let mut why = said;
        if code == 0 {
            if proposal.refresh.is_empty() {
                return Ok(());
            }
            let (code, said) = self.run(what, &proposal.refresh).await?;
            if code == 0 {
                return Ok(());
            }
            why = format!("`{}` ended with {code}: {said}", proposal.refresh);
        }
        let back = self.script(&folder, &proposal.changes, Direction::Back)?;
        let (code, _) = self.run(what, &back).await?;
        let kept = if code == 0 && self.is_as_before(proposal) {
            "the files are as they were".to_owned()
        } else {
            format!("what was in the files is in {}", folder.display())
        };
        Err(ReceiptError::Failed {
            what: what.to_owned(),
            why,
            kept,
        })
    }

    async fn run(&self, what: &str, script: &str) -> Result<(i32, String), ReceiptError> {
        let mut command = Command::script(what, script, BTreeMap::new());
        command.root = self.root.is_live();
        let mut said = vec![];
        let code = command
            .run(
                &mut |_, bytes| said.extend_from_slice(bytes),
                &CancellationToken::new(),
            )
            .await?;
        let text = String::from_utf8_lossy(&said);
        Ok((code, crate::log::sanitize(&command::last_lines(&text, 3))))
    }

    /// A script that looks whether the files are as they were seen, and then replaces each one by renaming.
    fn script(&self, folder: &Path, changes: &[Change], direction: Direction) -> Result<String, FileError> {
        let mut looks = String::new();
        let mut puts = String::new();
        for (index, change) in changes.iter().enumerate() {
            let side = |name: &str, text: &Option<String>| -> Result<String, FileError> {
                let Some(text) = text else { return Ok("''".into()) };
                let path = folder.join(format!("{index}.{name}"));
                write_private(&path, text.as_bytes())?;
                Ok(quote(&path.display().to_string()))
            };
            let (old, new) = (side("before", &change.before)?, side("after", &change.after)?);
            let path = self.root.base().join(change.path.trim_start_matches('/'));
            let path = quote(&path.display().to_string());
            match direction {
                Direction::Forth => {
                    looks.extend(["look ", &old, " ", &path, "\n"]);
                    puts.extend(["put ", &new, " ", &path, "\n"]);
                }
                Direction::Back => puts.extend(["put ", &old, " ", &path, "\n"]),
            }
        }
        Ok(format!("{FUNCTIONS}{looks}{puts}sync\n"))
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Forth,
    Back,
}

/// Exit code of a script that found a file changed.
const MEANWHILE: i32 = 93;

/// A file is replaced by renaming a whole new one over it, with the owner and mode of the old one; a link stays a link.
const FUNCTIONS: &str = r#"look() {
  if [ -n "$1" ]; then
    cmp -s "$1" "$2" || { echo "$2 was changed meanwhile"; exit 93; }
  elif [ -e "$2" ]; then
    echo "$2 has appeared meanwhile"; exit 93
  fi
}
put() {
  if [ -z "$1" ]; then rm -f "$2"; return; fi
  mkdir -p "$(dirname "$2")"
  file=$(readlink -f "$2")
  new="$file.halolab-new"
  rm -f "$new"
  if [ -e "$file" ]; then cp -p "$file" "$new" 2>/dev/null || cp "$file" "$new"; else : > "$new"; chmod 644 "$new"; fi
  cat "$1" > "$new"
  sync "$new"
  mv -f "$new" "$file"
}
"#;
