//! How many packages or steps of a [`Tree`] are done.

use serde::Serialize;

use super::{
    event::{State, Tool},
    tree::Tree,
};

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Those that can be used; steps that are done.
    pub done: u32,
    /// All of them, where that is known.
    pub total: Option<u32>,
    /// Those in work.
    pub active: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that were not begun because of it.
    pub skipped: u32,
    /// Those that were begun and not ended.
    pub interrupted: u32,
}

impl Tree {
    /// What goes on: `running`, `done`, `failed`, `interrupted`, or `nothing` where no tool is known.
    pub fn phase(&self) -> &'static str {
        let interrupted = self.is_interrupted();
        match self.is_ok() {
            Some(true) => "done",
            Some(false) if interrupted || self.exit().is_some_and(|e| e.signal.is_some()) => "interrupted",
            Some(false) => "failed",
            None if interrupted => "interrupted",
            None if self.tool().is_none() => "nothing",
            None => self.counts().phase(),
        }
    }

    /// It is done, failed or interrupted: nothing is to be waited for.
    pub fn is_over(&self) -> bool {
        !matches!(self.phase(), "running" | "nothing")
    }

    /// Counts of the tool that wrote last.
    pub fn counts(&self) -> Counts {
        let Some(section) = self.sections().last() else {
            let count = |packages: usize| u32::try_from(packages).ok();
            let done = self.packages().iter().filter(|p| p.state.is_good()).count();
            return Counts {
                done: count(done).unwrap_or(u32::MAX),
                total: count(self.packages().len()).filter(|_| self.has_lock),
                ..Counts::default()
            };
        };
        let mut counts = Counts::default();
        let mut known = 0_u32;
        for package in self.packages().iter().filter(|p| self.is_current(p)) {
            known += 1;
            counts.done += u32::from(package.state.is_good());
            counts.active += u32::from(package.state.is_active());
            counts.failed += u32::from(package.state == State::Failed);
            counts.skipped += u32::from(package.state == State::Skipped);
            counts.interrupted += u32::from(package.state == State::Interrupted);
        }
        if known == 0 {
            (counts.done, counts.total) = section.step();
            return counts;
        }
        let (said, total) = section.count();
        let ended = counts.failed + counts.skipped + counts.interrupted;
        counts.done = counts.done.max(said.unwrap_or(0).saturating_sub(ended));
        counts.total = if section.tool == Tool::Spack {
            // Several installs in one log each count their own.
            let least = if self.has_lock { Some(0) } else { None };
            total.or(least).map(|total| total.max(known))
        } else {
            total
        };
        counts
    }
}

impl Counts {
    /// A tool that has reached its total, with nothing in work, has ended as far as the log can tell.
    fn phase(&self) -> &'static str {
        let bad = self.failed + self.skipped + self.interrupted;
        let reached = self.total.is_some_and(|all| self.done + bad >= all);
        match (self.active == 0 && reached, bad) {
            (false, _) => "running",
            (true, 0) => "done",
            (true, _) => "failed",
        }
    }
}
