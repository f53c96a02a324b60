//! The packages that a Spack run has spoken of: who is in work, and who a shortened hash or a bare name means.

use std::collections::HashMap;

use super::id::{HASH, SHORT, is_hash};
use crate::progress::{
    event::{Key, State, What, name},
    lock::Lock,
};

/// Packages that are remembered; no run has that many, a hostile log may.
const MOST: usize = 20_000;

/// One package.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) hash: String,
    pub(super) label: String,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) state: State,
    pub(super) phase: String,
    pub(super) from_cache: bool,
    /// Its child process says that it is installed.
    pub(super) child_done: bool,
    /// When it was spoken of last.
    pub(super) touched: u64,
}

/// Index of an entry.
pub(super) type At = usize;

/// What was said of a package's name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) hash: &'a str,
    pub(super) label: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) version: Option<&'a str>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Vec<Entry>,
    short: HashMap<String, Vec<At>>,
    active: Vec<At>,
    clock: u64,
    lock: Option<Lock>,
}

impl Registry {
    pub(super) fn set_lock(&mut self, lock: &Lock) {
        self.lock = Some(lock.clone());
    }

    pub(super) fn get(&self, at: At) -> Option<&Entry> {
        self.entries.get(at)
    }

    pub(super) fn get_mut(&mut self, at: At) -> Option<&mut Entry> {
        self.entries.get_mut(at)
    }

    /// Those in work, the one spoken of last at the end.
    pub(super) fn active(&self) -> &[At] {
        &self.active
    }

    /// The one in work, where there is one alone.
    pub(super) fn only_active(&self) -> Option<At> {
        match self.active.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The package with a whole or shortened hash.
    pub(super) fn find(&self, hash: &str) -> Option<At> {
        let known = self.short.get(hash.get(..SHORT)?)?;
        let fits = |at: &&At| {
            self.entries.get(**at).is_some_and(|e| {
                if e.hash.len() < hash.len() {
                    hash.starts_with(&e.hash)
                } else {
                    e.hash.starts_with(hash)
                }
            })
        };
        known.iter().find(fits).copied()
    }

    /// The package in work that a bare name means; of several the one that was spoken of last.
    pub(super) fn active_named(&self, name: &str) -> Option<At> {
        let named = |at: &&At| self.entries.get(**at).is_some_and(|e| e.is_named(name));
        self.active
            .iter()
            .filter(named)
            .max_by_key(|at| self.entries.get(**at).map(|e| e.touched))
            .copied()
    }

    /// The package of that bare name that was spoken of last, in work or not.
    pub(super) fn last_named(&self, name: &str) -> Option<At> {
        let named = self.entries.iter().enumerate().filter(|(_, e)| e.is_named(name));
        named.max_by_key(|(_, e)| e.touched).map(|(at, _)| at)
    }

    /// The package in work whose name stands as a word in a text.
    pub(super) fn active_in(&self, text: &str) -> Option<At> {
        let mut words = text
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '\'' | '"' | '`'))
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| !word.is_empty());
        words.find_map(|word| {
            self.active
                .iter()
                .find(|at| {
                    self.entries
                        .get(**at)
                        .is_some_and(|e| e.name.as_deref() == Some(word) || e.label == word)
                })
                .copied()
        })
    }

    /// The package that a line speaks of, new or known; what was learnt of its name goes to `out`.
    pub(super) fn package(&mut self, said: Said<'_>, out: &mut Vec<What>) -> Option<At> {
        let resolved = self.lock.as_ref().and_then(|lock| lock.resolve(said.hash));
        let (hash, mut said_name, mut said_version) = match resolved {
            Some((hash, name, version)) => (hash.to_owned(), Some(name.to_owned()), Some(version.to_owned())),
            None => (said.hash.to_owned(), said.name.map(name), said.version.map(name)),
        };
        let found = self.find(&hash);
        let at = match found {
            Some(at) => at,
            None => self.add(&hash, &name(said.label))?,
        };
        self.clock += 1;
        let clock = self.clock;
        let entry = self.entries.get_mut(at)?;
        entry.touched = clock;
        let learnt = (entry.name.is_none() && said_name.is_some())
            || (entry.hash.len() < hash.len())
            || found.is_none()
            || (entry.label.is_empty() && !said.label.is_empty());
        if learnt {
            entry.name = entry.name.take().or_else(|| said_name.take());
            entry.version = entry.version.take().or_else(|| said_version.take());
            if entry.hash.len() < hash.len() {
                entry.hash = hash;
            }
            if entry.label.is_empty() {
                entry.label = name(said.label);
            }
            out.push(entry.named());
        }
        Some(at)
    }

    /// Learns which part of a label is the name: a line spoke of it alone.
    pub(super) fn learn_name(&mut self, at: At, bare: &str, out: &mut Vec<What>) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        if entry.name.is_some() {
            return;
        }
        let version = entry
            .label
            .strip_prefix(bare)
            .and_then(|rest| rest.strip_prefix('-'));
        let Some(version) = version.map(str::to_owned) else {
            return;
        };
        entry.name = Some(name(bare));
        entry.version = Some(version);
        out.push(entry.named());
    }

    /// Sets a state, and keeps the list of those in work.
    pub(super) fn set(&mut self, at: At, state: State) {
        self.clock += 1;
        let clock = self.clock;
        let Some(entry) = self.entries.get_mut(at) else { return };
        entry.state = state;
        entry.touched = clock;
        self.active.retain(|other| *other != at);
        if state.is_active() {
            self.active.push(at);
        }
    }

    fn add(&mut self, hash: &str, label: &str) -> Option<At> {
        if self.entries.len() >= MOST {
            return None;
        }
        let at = self.entries.len();
        let short = hash.get(..SHORT)?.to_owned();
        self.short.entry(short).or_default().push(at);
        self.entries.push(Entry {
            key: hash.to_owned(),
            hash: hash.to_owned(),
            label: label.to_owned(),
            name: None,
            version: None,
            state: State::Waiting,
            phase: String::new(),
            from_cache: false,
            child_done: false,
            touched: self.clock,
        });
        Some(at)
    }
}

impl Entry {
    fn named(&self) -> What {
        What::Named {
            package: self.key.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            label: self.label.clone(),
            hash: is_hash(&self.hash, HASH).then(|| self.hash.clone()),
        }
    }

    fn is_named(&self, bare: &str) -> bool {
        match &self.name {
            Some(name) => name == bare,
            None => self
                .label
                .strip_prefix(bare)
                .is_some_and(|rest| rest.starts_with('-')),
        }
    }
}
