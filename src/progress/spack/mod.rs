//! What `spack install` prints, in its three dialects; which one it is the lines themselves say.
//!
//! | dialect | Spack | a line |
//! |---|---|---|
//! | old | to 1.1 | `==> Installing NAME-VERSION-HASH [n/m]`, `[+] PREFIX` |
//! | new | from 1.2 | `[ ] HASH7 NAME@VERSION build (1m23s)` |
//! | experimental | 1.1 with `config:installer:new` | `HASH7 NAME@VERSION: staging` |
//!
//! On a terminal the new one redraws its lines many times a second: only changes become events.

mod failure;
mod id;
mod new;
mod old;
mod registry;
mod summary;

use super::{
    event::{State, What, name, sentence},
    line::Line,
    lock::Lock,
};
use crate::log::Severity;
use failure::Block;
use registry::{At, Registry, Said};
use summary::Part;

/// Why a package of an earlier run is interrupted.
const ENDED: &str = "the build ended meanwhile";

/// Which installer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Old,
    New,
    Experimental,
}

/// Reads the lines of one Spack run after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Spack {
    registry: Registry,
    dialect: Option<Dialect>,
    /// An error whose package is not known yet, or whose log is still to come.
    block: Option<Block>,
    /// The package whose child said "Successfully installed" last: the next line says how long it took.
    installed_last: Option<At>,
    interrupted: bool,
    /// Where the line begins that is being read.
    offset: u64,
    /// "The following packages failed to install" was said.
    lists_failed: bool,
    count: Option<(u32, u32)>,
    /// The last `n` of `[n/m]` (to 1.1): it only grows in a run.
    place: u32,
    /// The package that was announced last, where it had failed before.
    failed_before: Option<At>,
    /// What failed in this run, in this order (from 1.2).
    failures: Vec<At>,
    /// A part of the log of one of these.
    part: Option<Part>,
}

impl Spack {
    pub(super) fn set_lock(&mut self, lock: &Lock) {
        self.registry.set_lock(lock);
    }

    /// Whether a package is in work: what other tools print now is inside its build.
    pub(super) fn is_busy(&self) -> bool {
        self.registry.active().len() > 0
    }

    /// The one package in work, where there is one alone.
    pub(super) fn only_active(&self) -> Option<&str> {
        let at = self.registry.only_active()?;
        self.registry.get(at).map(|entry| entry.key.as_str())
    }

    /// Whether it was seen at all.
    pub(super) fn is_known(&self) -> bool {
        self.dialect.is_some()
    }

    /// Reads a line; false where it is none of Spack's.
    pub(super) fn read(&mut self, line: &Line<'_>, out: &mut Vec<What>) -> bool {
        let text = line.text;
        self.offset = line.offset;
        if line.is_title {
            return self.title(text, out);
        }
        // The terminal echoes the key that shows the build output before the next line.
        let text = match text.trim_start_matches('v') {
            rest if rest.len() < text.len() && (rest.starts_with("[+] /") || rest.starts_with("==> ")) => {
                rest
            }
            _ => text,
        };
        if let Some(rest) = text.strip_prefix("==> ") {
            return self.message(rest, out);
        }
        match text.as_bytes().first() {
            Some(b'[') => self.bracket(text, out),
            Some(b' ') => self.of_part(text, out) || self.indented(text, out),
            Some(b'P') => self.header(text, out),
            Some(b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') => {
                self.experimental(text, out)
                    || self.failed_list(text, out)
                    || self.found(text)
                    || self.part(text)
                    || self.glued(text, out)
            }
            Some(b'S' | b'T' | b'>') => {
                self.of_part(text, out) || self.context(text, out) || self.glued(text, out)
            }
            _ => self.glued(text, out),
        }
    }

    /// No more will come.
    pub(super) fn finish(&mut self, out: &mut Vec<What>) {
        self.close_block(out);
        if self.interrupted {
            self.interrupt_all(out);
        }
    }

    /// The run of before is gone: what it had in work is interrupted.
    pub(super) fn restarted(&mut self, out: &mut Vec<What>) {
        self.close_block(out);
        self.interrupt_all(out);
        (self.interrupted, self.installed_last, self.lists_failed) = (false, None, false);
        (self.failed_before, self.part) = (None, None);
        self.failures.clear();
        self.place = 0;
    }

    fn interrupt_all(&mut self, out: &mut Vec<What>) {
        let active: Vec<_> = self.registry.active().collect();
        for at in active {
            self.set(at, State::Interrupted, (Some(ENDED.into()), None), out);
        }
    }

    /// A line of another dialect counts only while nothing is in work: build output may look like anything.
    fn speaks(&mut self, dialect: Dialect) -> bool {
        if self.dialect.is_some_and(|now| now != dialect) && self.is_busy() {
            return false;
        }
        self.dialect = Some(dialect);
        true
    }

    fn bracket(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        if let Some(prefix) = text.strip_prefix("[+] /") {
            let path = text.get(4..).unwrap_or(prefix);
            return self.speaks(Dialect::Old) && self.installed(path, out);
        }
        self.state_line(text, out) || self.glued(text, out)
    }

    /// Window titles: `Spack: Installing NAME [n/m]` (old), `Spack: D/T - J jobs` (new).
    fn title(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let Some(rest) = text.strip_prefix("Spack: ") else {
            return false;
        };
        if let Some((_, counter)) = rest.rsplit_once('[') {
            let counter = counter.strip_suffix(']').and_then(pair);
            if let Some((_, total)) = counter {
                self.counted(None, total, out);
            }
        } else if let Some((done, total)) = rest.split_whitespace().next().and_then(pair) {
            self.counted(Some(done), total, out);
        }
        true
    }

    /// `Progress: D/T  +/-: …` on a terminal (new).
    fn header(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let Some(rest) = text.strip_prefix("Progress: ") else {
            return self.glued(text, out);
        };
        let mut words = rest.splitn(2, "  ");
        let counter = words.next().and_then(pair);
        let Some((done, total)) = counter else {
            return false;
        };
        self.counted(Some(done), total, out);
        true
    }

    fn counted(&mut self, done: Option<u32>, total: u32, out: &mut Vec<What>) {
        let now = (done.unwrap_or(u32::MAX), total);
        if self.count != Some(now) {
            self.count = Some(now);
            out.push(What::Count { done, total });
        }
    }

    /// Puts a package into a state, and says so where that is new.
    fn set(&mut self, at: At, state: State, detail: (Option<String>, Option<u32>), out: &mut Vec<What>) {
        let Some(entry) = self.registry.get(at) else {
            return;
        };
        let (reason, elapsed) = detail;
        if entry.state == state && reason.is_none() {
            return;
        }
        let package = entry.key.clone();
        self.registry.set(at, state);
        out.push(What::State {
            package,
            state,
            reason,
            elapsed,
        });
    }

    /// Begins a package; one that ended in an earlier run begins anew.
    fn begin(&mut self, at: At, state: State, elapsed: Option<u32>, out: &mut Vec<What>) {
        let Some(entry) = self.registry.get_mut(at) else {
            return;
        };
        if entry.state.is_final() {
            entry.phase.clear();
            entry.from_cache = false;
            entry.child_done = false;
        }
        if !entry.state.is_active() {
            self.set(at, state, (None, elapsed), out);
        }
    }

    fn phase(&mut self, at: At, phase: &str, elapsed: Option<u32>, out: &mut Vec<What>) {
        let phase = name(phase);
        let Some(entry) = self.registry.get_mut(at) else {
            return;
        };
        if entry.phase == phase {
            return;
        }
        entry.phase.clone_from(&phase);
        let package = entry.key.clone();
        out.push(What::Phase {
            package,
            phase,
            elapsed,
        });
    }

    /// Where a finished package is put: an interrupted Spack does not write it into its database.
    fn complete(&mut self, at: At, elapsed: Option<u32>, out: &mut Vec<What>) {
        let Some(entry) = self.registry.get(at) else {
            return;
        };
        if entry.state.is_final() && entry.state != State::Interrupted {
            return;
        }
        let begun = entry.state.is_active() || entry.child_done;
        let state = match (begun, self.interrupted) {
            (true, true) => State::Interrupted,
            (true, false) if entry.from_cache => State::Cached,
            (true, false) => State::Installed,
            (false, _) => State::Present,
        };
        let reason = (state == State::Interrupted)
            .then(|| "stopped; what was built is not in Spack's database".to_owned());
        self.set(at, state, (reason, elapsed), out);
    }

    fn note(&self, severity: Severity, text: &str, package: Option<At>, out: &mut Vec<What>) {
        let package = package.and_then(|at| self.registry.get(at));
        out.push(What::Note {
            severity,
            text: sentence(text),
            package: package.map(|entry| entry.key.clone()),
        });
    }

    /// The package of a whole identifier, new or known.
    fn of_id(&mut self, text: &str, out: &mut Vec<What>) -> Option<At> {
        let (label, hash) = id::package_id(text)?;
        let said = Said {
            hash,
            label,
            ..Said::default()
        };
        self.registry.package(said, out)
    }

    /// The package whose stage a text names.
    fn of_stage(&mut self, text: &str, out: &mut Vec<What>) -> Option<At> {
        let (label, hash) = id::of_stage(text)?;
        if label.is_empty() {
            return self.registry.find(hash);
        }
        let said = Said {
            hash,
            label,
            ..Said::default()
        };
        self.registry.package(said, out)
    }
}

/// `n/m`.
fn pair(text: &str) -> Option<(u32, u32)> {
    let (done, total) = text.trim().split_once('/')?;
    let number = |text: &str| text.trim().parse().ok();
    Some((number(done)?, number(total)?))
}
