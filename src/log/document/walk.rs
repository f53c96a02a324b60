//! From line to line: all of them, or those that pass a filter.

use crate::log::{
    blocks::Blocks,
    lines::Lines,
    scan::{Next, Scan},
};

/// Goes from line to line.
pub(super) struct Walk<'a> {
    pub(super) blocks: &'a mut Blocks,
    pub(super) states: bool,
    /// What lines pass, with how many around them.
    pub(super) filter: Option<(&'a mut Scan, usize)>,
    /// Something lies in what was not searched yet.
    pub(super) unknown: bool,
}

impl Walk<'_> {
    pub(super) fn lines(&mut self) -> Lines<'_> {
        let states = self.states && self.filter.is_none();
        Lines::new(self.blocks, states)
    }

    /// The line after this one.
    pub(super) fn next(&mut self, at: u64) -> Option<u64> {
        let next = self.lines().next(at)?;
        self.at_or_after(next)
    }

    /// The line before this one.
    pub(super) fn back(&mut self, at: u64) -> Option<u64> {
        let before = at.checked_sub(1)?;
        let before = self.lines().start_of(before);
        self.at_or_before(before)
    }

    /// This line, or the first one after it that is shown.
    pub(super) fn at_or_after(&mut self, at: u64) -> Option<u64> {
        let Some(context) = self.context() else {
            return Some(at);
        };
        if self.is_near(at, context) {
            return Some(at);
        }
        let hit = self.hit(at, true)?;
        let (first, _) = self.lines().back(hit, context);
        Some(first.max(at))
    }

    /// This line, or the last one before it that is shown.
    pub(super) fn at_or_before(&mut self, at: u64) -> Option<u64> {
        let Some(context) = self.context() else {
            return Some(at);
        };
        if self.is_near(at, context) {
            return Some(at);
        }
        let hit = self.hit(at, false)?;
        let (last, _) = self.lines().forward(hit, context);
        Some(last.min(at))
    }

    /// The first line that is shown.
    pub(super) fn first(&mut self) -> Option<u64> {
        if self.blocks.is_empty() {
            return None;
        }
        self.at_or_after(0)
    }

    /// The last one.
    pub(super) fn last(&mut self) -> Option<u64> {
        if self.blocks.is_empty() {
            return None;
        }
        let last = self.lines().last();
        self.at_or_before(last)
    }

    fn context(&self) -> Option<usize> {
        self.filter.as_ref().map(|(_, context)| *context)
    }

    /// Whether a hit is at this line or so many lines around it.
    fn is_near(&mut self, at: u64, context: usize) -> bool {
        if context == 0 {
            return self.hit(at, true) == Some(at);
        }
        let (first, _) = self.lines().back(at, context);
        let (last, _) = self.lines().forward(at, context);
        self.hit(first, true).is_some_and(|hit| hit <= last)
    }

    fn hit(&mut self, from: u64, forward: bool) -> Option<u64> {
        let (scan, _) = self.filter.as_mut()?;
        match scan.next(self.blocks, from, forward) {
            Next::At(at) => Some(at),
            Next::Nowhere => None,
            Next::Unknown => {
                self.unknown = true;
                None
            }
        }
    }
}
