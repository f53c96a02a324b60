//! Which slot each user has, and so which ports and which user id: written down, and never given to anybody else while
//! something of the user is there.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::paths::{FileError, open_private, private_folder, write_private};

/// Version of the file.
const VERSION: u32 = 1;

/// More slots than these have no ports.
const MOST: u32 = 65_536;

/// User ids of workspaces begin here: above those of people, below those of name spaces.
pub const FIRST_UID: u32 = 20_001;

/// The slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    version: u32,
    slots: BTreeMap<String, Entry>,
    /// What a newer halolab wrote.
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

/// What a user has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    slot: u32,
    since: String,
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

/// A ledger that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read.
    #[error(
        "the ledger of slots {} cannot be read ({reason}), and without it users would get each other's ports; put it back \
         from a backup, or remove it once nobody has a workspace", path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A newer one.
    #[error("the ledger of slots {} is of a newer halolab (version {version}); take that one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// All slots are taken, or stand in somebody's way.
    #[error(
        "no block of ports is free; look at `halolab workspace ports`, lower `block` or `base-port`, or delete the data of \
         users who are gone (`halolab workspace remove USER --delete-data USER`)"
    )]
    Full,
    /// It cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            version: VERSION,
            slots: BTreeMap::new(),
            more: BTreeMap::new(),
        }
    }
}

impl Ledger {
    /// Reads it; an empty one where there is none.
    ///
    /// # Errors
    /// It is there, and cannot be understood.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        let broken = |reason: String| LedgerError::Broken {
            path: path.to_owned(),
            reason,
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken(error.to_string())),
        };
        let ledger: Self = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        if ledger.version > VERSION {
            return Err(LedgerError::Newer {
                path: path.to_owned(),
                version: ledger.version,
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        match ledger.slots.iter().find(|(_, entry)| !seen.insert(entry.slot)) {
            Some((user, entry)) => Err(broken(format!(
                "{user} and another user have the slot {}",
                entry.slot
            ))),
            None => Ok(ledger),
        }
    }

    /// Writes it as a whole, and waits until it is on the disk.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        if let Some(folder) = path.parent() {
            private_folder(folder)?;
        }
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_private(path, &bytes)
    }

    /// A user's slot.
    pub fn slot(&self, user: &str) -> Option<u32> {
        self.slots.get(user).map(|entry| entry.slot)
    }

    /// The user id that goes with a slot.
    pub fn uid(slot: u32) -> u32 {
        FIRST_UID.saturating_add(slot)
    }

    /// Who has a slot, by name.
    pub fn users(&self) -> impl Iterator<Item = (&str, u32)> {
        self.slots.iter().map(|(name, entry)| (name.as_str(), entry.slot))
    }

    /// Gives a user a slot: the one that they have, else the lowest that `fits` and nobody has. Whoever does not `stay`,
    /// for whom there is neither an entry nor data any more, is forgotten first.
    ///
    /// # Errors
    /// There is none.
    pub fn assign(
        &mut self,
        user: &str,
        now: &str,
        stays: &dyn Fn(&str) -> bool,
        fits: &dyn Fn(u32) -> bool,
    ) -> Result<u32, LedgerError> {
        if let Some(slot) = self.slot(user) {
            return Ok(slot);
        }
        self.slots.retain(|name, _| stays(name));
        let taken: std::collections::BTreeSet<u32> = self.slots.values().map(|entry| entry.slot).collect();
        let slot = (0..MOST)
            .find(|slot| !taken.contains(slot) && fits(*slot))
            .ok_or(LedgerError::Full)?;
        let entry = Entry {
            slot,
            since: now.to_owned(),
            more: BTreeMap::new(),
        };
        self.slots.insert(user.to_owned(), entry);
        Ok(slot)
    }

    /// Forgets a user, whose data was deleted.
    pub fn release(&mut self, user: &str) {
        self.slots.remove(user);
    }
}

/// Held while the settings and the ledger are changed together: two who add a user at once get two slots.
#[derive(Debug)]
pub struct Guard(#[expect(dead_code, reason = "held, not read")] File);

impl Guard {
    /// Waits for whoever holds it.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn take(ledger: &Path) -> io::Result<Self> {
        if let Some(folder) = ledger.parent() {
            private_folder(folder)?;
        }
        let path = ledger.with_extension("lock");
        let file = open_private(OpenOptions::new().write(true).create(true).truncate(false), &path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slot_is_kept_as_long_as_there_is_data() {
        let mut ledger = Ledger::default();
        for user in ["a", "b", "c"] {
            ledger.assign(user, "now", &|_| true, &|_| true).unwrap();
        }
        // b is gone, and left data behind: nobody gets its ports.
        assert_eq!(ledger.assign("d", "now", &|_| true, &|_| true).unwrap(), 3);
        assert_eq!(
            ledger.assign("b", "now", &|_| true, &|_| true).unwrap(),
            1,
            "who comes back has it again"
        );
        // Now the data is gone, too.
        assert_eq!(
            ledger.assign("e", "now", &|name| name != "b", &|_| true).unwrap(),
            1
        );
        ledger.release("a");
        assert_eq!(ledger.assign("f", "now", &|_| true, &|_| true).unwrap(), 0);
    }

    #[test]
    fn it_is_read_as_it_was_written_and_a_broken_one_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("workspaces/ledger.json");
        assert_eq!(Ledger::read(&path).unwrap(), Ledger::default());
        let mut ledger = Ledger::default();
        ledger
            .assign("anna", "2026-11-23", &|_| true, &|slot| slot > 4)
            .unwrap();
        ledger.write(&path).unwrap();
        assert_eq!(Ledger::read(&path).unwrap(), ledger);
        for (text, part) in [
            ("{", "cannot be read"),
            (r#"{"version":2,"slots":{}}"#, "newer"),
            (
                r#"{"version":1,"slots":{"a":{"slot":1,"since":""},"b":{"slot":1,"since":""}}}"#,
                "another user",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Ledger::read(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let newer = r#"{"version":1,"slots":{"a":{"slot":7,"since":"","colour":"red"}},"more":1}"#;
        std::fs::write(&path, newer).unwrap();
        let ledger = Ledger::read(&path).unwrap();
        ledger.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("colour") && text.contains("more"), "{text}");
    }

    #[derive(Clone, Debug)]
    enum Act {
        Add(u8),
        Delete(u8),
    }

    proptest! {
        #[test]
        fn no_two_have_one_slot_and_nobody_moves(
            acts in proptest::collection::vec((0u8..12, any::<bool>()), 1..60),
            bad in proptest::collection::btree_set(0u32..20, 0..6),
        ) {
            let mut ledger = Ledger::default();
            let mut data: BTreeSet<String> = BTreeSet::new();
            for (number, add) in acts {
                let act = if add { Act::Add(number) } else { Act::Delete(number) };
                let before: Vec<_> = ledger.users().map(|(n, s)| (n.to_owned(), s)).collect();
                match act {
                    Act::Add(number) => {
                        let user = format!("u{number}");
                        data.insert(user.clone());
                        let known = data.clone();
                        let slot = ledger
                            .assign(&user, "now", &|name| known.contains(name), &|slot| !bad.contains(&slot))
                            .unwrap();
                        prop_assert!(!bad.contains(&slot));
                    }
                    Act::Delete(number) => {
                        let user = format!("u{number}");
                        data.remove(&user);
                        ledger.release(&user);
                    }
                }
                let slots: BTreeSet<u32> = ledger.users().map(|(_, slot)| slot).collect();
                prop_assert_eq!(slots.len(), ledger.users().count());
                for (name, slot) in before.iter().filter(|(name, _)| data.contains(name)) {
                    prop_assert_eq!(ledger.slot(name), Some(*slot));
                }
            }
        }
    }
}
