//! The packages that a Spack run has spoken of: who is in work, and who a shortened hash or a bare name means.

use std::collections::{BTreeMap, HashMap};

use super::id::{HASH, SHORT, is_hash};
use crate::progress::{
    event::{Key, State, What, name},
    lock::Lock,
};

/// Packages that are remembered; no run has that many, a hostile log may.
const MOST: usize = 20_000;
/// Of those in work so many are asked whether a name is theirs, the latest first; a build has as many as it has jobs.
const ASKED: usize = 512;

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
    /// Its place among those in work.
    turn: Option<u64>,
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
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    entries: Vec<Entry>,
    short: HashMap<String, Vec<At>>,
    /// Those in work, by when they came into their state: many of them are no reason to look at each.
    active: BTreeMap<u64, At>,
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

    /// Those in work, the one that came into its state last at the end.
    pub(super) fn active(&self) -> impl DoubleEndedIterator<Item = At> + ExactSizeIterator {
        self.active.values().copied()
    }

    /// The one in work, where there is one alone.
    pub(super) fn only_active(&self) -> Option<At> {
        let mut active = self.active();
        let one = active.next()?;
        active.next().is_none().then_some(one)
    }

    /// The package with a whole or shortened hash.
    pub(super) fn find(&self, hash: &str) -> Option<At> {
        let known = self.short.get(hash.get(..SHORT)?)?;
        let fits = |at: &&At| {
            self.entries.get(**at).is_some_and(|e| {
                if hash.starts_with('/') {
                    // No hash but the prefix of a layout without hashes.
                    e.hash == hash
                } else if e.hash.len() < hash.len() {
                    hash.starts_with(&e.hash)
                } else {
                    e.hash.starts_with(hash)
                }
            })
        };
        known.iter().find(fits).copied()
    }

    /// The package in work that a bare name means.
    pub(super) fn active_named(&self, name: &str) -> Option<At> {
        self.best_named(name, self.active().rev().take(ASKED))
    }

    /// The failed package that a bare name means.
    pub(super) fn failed_named(&self, name: &str) -> Option<At> {
        let failed = |at: &At| self.entries.get(*at).is_some_and(|e| e.state == State::Failed);
        self.best_named(name, (0..self.entries.len()).filter(failed))
    }

    /// The package that failed, where one alone did.
    pub(super) fn only_failed(&self) -> Option<At> {
        let mut failed = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.state == State::Failed);
        let (at, _) = failed.next()?;
        failed.next().is_none().then_some(at)
    }

    /// Of those that fit a bare name the one that fits best, and of these the one that was spoken of last.
    fn best_named(&self, name: &str, among: impl Iterator<Item = At>) -> Option<At> {
        let fit = |at: At| {
            let entry = self.entries.get(at)?;
            Some((entry.fits(name)?, entry.touched, at))
        };
        among.filter_map(fit).max().map(|(_, _, at)| at)
    }

    /// The package in work whose name stands as a word in a text.
    pub(super) fn active_in(&self, text: &str) -> Option<At> {
        let mut words = text
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '\'' | '"' | '`'))
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| !word.is_empty());
        words.find_map(|word| {
            self.active().rev().take(ASKED).rev().find(|at| {
                let entry = self.entries.get(*at);
                entry.is_some_and(|e| e.name.as_deref() == Some(word) || e.label == word)
            })
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

    /// Learns which part of a label is the name: a line spoke of it alone. Where the rest does not look like a
    /// version, only a line that also has the whole identifier is believed (`sure`).
    pub(super) fn learn_name(&mut self, at: At, bare: &str, sure: bool, out: &mut Vec<What>) {
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        if entry.name.as_deref() == Some(bare) || (entry.name.is_some() && !sure) {
            return;
        }
        let rest = entry.label.strip_prefix(bare);
        let Some(version) = rest.and_then(|rest| rest.strip_prefix('-')) else {
            return;
        };
        if !sure && !version.starts_with(|c: char| c.is_ascii_digit()) {
            return;
        }
        let version = version.to_owned();
        entry.name = Some(name(bare));
        entry.version = Some(version);
        out.push(entry.named());
    }

    /// Sets a state, and keeps the list of those in work.
    pub(super) fn set(&mut self, at: At, state: State) {
        self.clock += 1;
        let clock = self.clock;
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        entry.state = state;
        entry.touched = clock;
        if let Some(turn) = entry.turn.take() {
            self.active.remove(&turn);
        }
        if state.is_active() {
            entry.turn = Some(clock);
            self.active.insert(clock, at);
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
            turn: None,
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

    /// How well a bare name fits: it is the name, or the label begins with it and a version, or with it and a dash.
    fn fits(&self, bare: &str) -> Option<u8> {
        if let Some(name) = &self.name {
            return (name == bare).then_some(3);
        }
        let rest = self.label.strip_prefix(bare)?.strip_prefix('-')?;
        Some(if rest.starts_with(|c: char| c.is_ascii_digit()) {
            2
        } else {
            1
        })
    }
}
