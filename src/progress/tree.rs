//! What the events come to: packages with their states, sections, notes, counts. Times come from the caller.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::{
    event::{Event, Key, State, Tool, What},
    lock::{Database, Lock},
    package::{Inside, Note, Package},
    section::{Section, Sections},
    target::{Target, Targets},
    times::Millis,
};
use crate::log::Severity;

/// Packages that are kept; no build has that many, a hostile log may.
const PACKAGES: usize = 20_000;
/// Errors and warnings that are kept, the last ones.
const NOTES: usize = 100;
/// Errors of one package that are kept, the first ones.
const ERRORS: usize = 5;

/// How the build itself ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Exit {
    fn is_ok(self) -> bool {
        self.code == Some(0) && self.signal.is_none()
    }
}

/// A build, as far as its log tells.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    packages: Vec<Package>,
    index: HashMap<Key, usize>,
    sections: Sections,
    notes: VecDeque<Note>,
    errors: u64,
    warnings: u64,
    last_error: Option<Note>,
    /// Packages in work, by tool.
    active: HashMap<Tool, usize>,
    most_active: usize,
    interrupted: bool,
    targets: Targets,
    /// What the tool said of its end.
    said: Option<bool>,
    exit: Option<Exit>,
    pub(super) has_lock: bool,
    started: Option<Millis>,
}

impl Tree {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that knows from a `spack.lock` what there is to do, and who needs whom.
    #[must_use]
    pub fn with_lock(mut self, lock: &Lock) -> Self {
        for (hash, locked) in lock.packages() {
            let Some(package) = self.package(hash, Tool::Spack) else {
                break;
            };
            package.name = Some(locked.name.clone());
            package.version = Some(locked.version.clone());
            package.label = format!("{}-{}", locked.name, locked.version);
            package.hash = Some(hash.clone());
            package.needs.clone_from(&locked.needs);
            if locked.external {
                package.state = State::External;
            }
        }
        self.has_lock = true;
        self
    }

    /// Takes an event, and when its line was written.
    pub fn apply(&mut self, event: &Event, at: Option<Millis>) {
        self.started = self.started.or(at);
        self.goes_on(event);
        if let Some(key) = event.what.package()
            && let Some(package) = self.package(key, event.tool)
        {
            package.offset = package.offset.or(Some(event.offset));
            package.end = Some(event.offset.saturating_add(event.length));
            package.learn(event, at);
        }
        match &event.what {
            What::State {
                package,
                state,
                reason,
                elapsed,
            } => {
                if let Some(section) = self.sections.of(event, at) {
                    section.doing.clear();
                }
                self.state(package, (*state, reason.clone(), *elapsed), at);
            }
            What::Note {
                severity,
                text,
                package,
            } => self.note(Note {
                severity: *severity,
                text: text.clone(),
                offset: event.offset,
                package: package.clone(),
            }),
            What::Step { done, total, .. } if event.tool.is_inner() && self.active_of(Tool::Spack) > 0 => {
                self.inside(*done, *total);
            }
            What::Count { .. } | What::Step { .. } | What::Doing { .. } => {
                if let Some(section) = self.sections.of(event, at) {
                    section.take(&event.what, at);
                }
            }
            What::Owner { package, from } => self.own(package, *from),
            What::Interrupted => self.interrupted = true,
            What::Target { name } => {
                let what = (event.tool, name.as_str(), event.offset);
                self.targets.failed(what, self.last_error.as_ref());
            }
            What::End { ok } => {
                self.said = Some(*ok);
                self.targets.ended(event.offset);
                self.over(event.tool, *ok, at);
                if let Some(section) = self.sections.of(event, at) {
                    section.end(*ok);
                }
            }
            What::Begin => self.sections.begin(event.tool),
            What::Named { .. }
            | What::Phase { .. }
            | What::Took { .. }
            | What::Log { .. }
            | What::Prefix { .. } => {}
        }
    }

    /// Whoever works again after a tool said that it ended, as the next command of a script does, is not at the end.
    /// Of Spack only a package that begins counts: it speaks of what it did.
    fn goes_on(&mut self, event: &Event) {
        let works = match &event.what {
            What::State { state, .. } => state.is_active(),
            What::Begin | What::Count { .. } | What::Step { .. } | What::Doing { .. } => {
                event.tool != Tool::Spack
            }
            _ => false,
        };
        let inside = event.tool.is_inner() && self.active_of(Tool::Spack) > 0;
        if works && self.said.is_some() && !inside {
            (self.said, self.interrupted) = (None, false);
            self.targets.restart(event.offset);
        }
    }

    /// The build's process ended. What was in work then is interrupted; after a signal also what an orphan finished
    /// later, because nobody wrote it into Spack's database.
    pub fn ended(&mut self, exit: Exit, at: Option<Millis>) {
        self.exit = Some(exit);
        self.active.clear();
        let orphaned = |package: &Package| match (package.ended, at) {
            (Some(ended), Some(at)) => exit.signal.is_some() && ended > at,
            _ => false,
        };
        for package in &mut self.packages {
            let made = matches!(package.state, State::Installed | State::Cached);
            if package.state.is_active() {
                package.leave(at, None);
                package.ended = at;
                package.state = State::Interrupted;
                package.reason = Some("the build ended meanwhile".into());
            } else if package.tool == Tool::Spack && made && orphaned(package) {
                package.state = State::Interrupted;
                package.reason = Some(ORPHAN.into());
            } else if exit.is_ok() && package.state == State::Waiting && package.tool == Tool::Spack {
                package.state = State::Present;
            }
        }
    }

    /// Compares with Spack's database, which alone proves that something is installed.
    pub fn confirm(&mut self, database: &Database) {
        for package in &mut self.packages {
            let Some(hash) = &package.hash else { continue };
            package.state = match (package.state, database.holds(hash)) {
                (State::Installed | State::Cached | State::Present, false) => {
                    package.reason = Some("it is not in Spack's database".into());
                    State::Interrupted
                }
                (State::Interrupted, true) => State::Installed,
                (State::Waiting, true) => State::Present,
                (state, _) => state,
            };
        }
    }

    /// Sets how far a package is inside, out of its own log.
    pub fn set_inside(&mut self, key: &str, inside: Option<Inside>) {
        if let Some(package) = self.index.get(key).and_then(|at| self.packages.get_mut(*at)) {
            package.inside = inside;
        }
    }

    /// All packages, in the order in which they were spoken of.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// A package by its key.
    pub fn get(&self, key: &str) -> Option<&Package> {
        self.index.get(key).and_then(|at| self.packages.get(*at))
    }

    /// The parts of the log by tool.
    pub fn sections(&self) -> &[Section] {
        self.sections.list()
    }

    /// Whether a package is one of those that the last part of the log is about: those of Spack all are.
    pub fn is_current(&self, package: &Package) -> bool {
        self.sections.is_current(package)
    }

    /// The last errors and warnings: errors before warnings, each with the nearest to the end first. What a build
    /// died of is near its end.
    pub fn notes(&self) -> Vec<&Note> {
        let mut notes: Vec<_> = self.notes.iter().collect();
        notes.sort_by_key(|note| std::cmp::Reverse((note.severity, note.offset)));
        notes
    }

    /// Errors and warnings that were seen.
    pub fn noted(&self) -> (u64, u64) {
        (self.errors, self.warnings)
    }

    /// The last error.
    pub fn last_error(&self) -> Option<&Note> {
        self.last_error.as_ref()
    }

    /// What could not be made and is no package.
    pub fn targets(&self) -> &[Target] {
        self.targets.list()
    }

    /// Somebody stopped it.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// What is known of its end: the exit of its process, else what the tool said.
    pub fn is_ok(&self) -> Option<bool> {
        self.exit.map(Exit::is_ok).or(self.said)
    }

    /// The exit of its process.
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// When its first line was written.
    pub fn started(&self) -> Option<Millis> {
        self.started
    }

    /// The most packages that were in work at one time: the builds side by side.
    pub fn side_by_side(&self) -> usize {
        self.most_active.max(1)
    }

    /// The tool that wrote last.
    pub fn tool(&self) -> Option<Tool> {
        self.sections().last().map(|section| section.tool)
    }

    fn package(&mut self, key: &str, tool: Tool) -> Option<&mut Package> {
        let at = match self.index.get(key) {
            Some(at) => *at,
            None if self.packages.len() >= PACKAGES => return None,
            None => {
                self.packages.push(Package::new(key, tool));
                self.index.insert(key.to_owned(), self.packages.len() - 1);
                self.packages.len() - 1
            }
        };
        self.packages.get_mut(at)
    }

    fn state(&mut self, key: &str, what: (State, Option<String>, Option<u32>), at: Option<Millis>) {
        let (mut state, mut reason, elapsed) = what;
        let killed = self.exit.is_some_and(|exit| exit.signal.is_some());
        if killed && matches!(state, State::Installed | State::Cached) {
            (state, reason) = (State::Interrupted, Some(ORPHAN.into()));
        }
        let Some(package) = self.index.get(key).and_then(|at| self.packages.get_mut(*at)) else {
            return;
        };
        let tool = package.tool;
        let begins = state.is_active() && !package.state.is_active();
        let active = self.active.entry(tool).or_default();
        if begins {
            *active += 1;
            package.begin(at, elapsed);
        } else if package.state.is_active() && !state.is_active() {
            *active = active.saturating_sub(1);
        }
        package.elapsed = elapsed.or(package.elapsed);
        package.reason = reason.or_else(|| package.reason.take());
        if state.is_final() && !package.state.is_final() {
            package.leave(at, elapsed);
            package.ended = at;
            package.inside = None;
        }
        package.state = state;
        package.section = self.sections.number();
        if begins {
            // Something begins again: it is another run, in the same log.
            (self.exit, self.said, self.interrupted) = (None, None, false);
            self.needed(key);
            self.most_active = self.most_active.max(self.active_of(tool));
        }
    }

    /// What a package that begins needs is there, even where the log says nothing of it.
    fn needed(&mut self, key: &str) {
        let mut open = self.get(key).map(|p| p.needs.clone()).unwrap_or_default();
        while let Some(hash) = open.pop() {
            let Some(package) = self.index.get(&hash).and_then(|at| self.packages.get_mut(*at)) else {
                continue;
            };
            if package.state == State::Waiting {
                package.state = State::Present;
                open.extend(package.needs.iter().cloned());
            }
        }
    }

    fn active_of(&self, tool: Tool) -> usize {
        self.active.get(&tool).copied().unwrap_or(0)
    }

    fn inside(&mut self, done: u32, total: Option<u32>) {
        let Some(total) = total else { return };
        // Of several side by side nobody can tell whose it is.
        if self.active_of(Tool::Spack) != 1 {
            return;
        }
        let mut packages = self.packages.iter_mut().rev();
        if let Some(one) = packages.find(|p| p.tool == Tool::Spack && p.state.is_active()) {
            one.inside = Some(Inside { done, total });
        }
    }

    fn note(&mut self, note: Note) {
        match note.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if note.severity == Severity::Error {
            let package = note.package.as_ref().and_then(|key| self.index.get(key));
            if let Some(package) = package.and_then(|at| self.packages.get_mut(*at))
                && package.errors.len() < ERRORS
            {
                package.errors.push(note.clone());
            }
            self.targets.note(&note);
            self.last_error = Some(note.clone());
        }
        if self.notes.len() >= NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
    }

    /// Errors of before get their package.
    fn own(&mut self, key: &str, from: u64) {
        let Some(package) = self.index.get(key).and_then(|at| self.packages.get_mut(*at)) else {
            return;
        };
        for note in self
            .notes
            .iter_mut()
            .filter(|n| n.offset >= from && n.package.is_none())
        {
            note.package = Some(key.to_owned());
            if note.severity == Severity::Error && package.errors.len() < ERRORS {
                package.errors.push(note.clone());
            }
        }
    }

    /// A tool has ended: what it had in work then was given up, or turned out not to be needed.
    fn over(&mut self, tool: Tool, ok: bool, at: Option<Millis>) {
        // Spack's own reader says what becomes of each.
        if tool == Tool::Spack {
            return;
        }
        self.active.remove(&tool);
        let open = self.packages.iter_mut();
        for package in open.filter(|p| p.tool == tool && p.state.is_active()) {
            package.leave(at, None);
            package.ended = at;
            (package.state, package.reason) = if ok {
                (State::Skipped, Some("it was not needed in the end".into()))
            } else {
                (State::Interrupted, Some("it was given up".into()))
            };
        }
    }
}

const ORPHAN: &str = "its build went on after Spack was gone; it is not in Spack's database";
