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
