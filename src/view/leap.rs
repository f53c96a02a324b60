//! Ways that end at something that is found: hits, errors, warnings, marks.

use crate::log::{
    page::{Leap, Motion, Spot},
    rules::Level,
};

use super::{pane::Pane, viewer::Viewer};

impl Pane {
    /// Where the search goes on: behind what was found, where that is in view, else at the edge of the page.
    fn leap(&self, forward: bool) -> Leap {
        let rows = &self.page.rows;
        let in_view = |at: &u64| rows.iter().any(|r| r.offset == *at);
        let from = match (self.hit.filter(in_view), forward) {
            (Some(hit), true) => hit + 1,
            (Some(hit), false) => hit,
            (None, true) if self.ask.spot.row > 0 => self.ask.spot.offset + 1,
            (None, true) => self.ask.spot.offset,
            (None, false) => self.page.bottom.max(self.ask.spot.offset),
        };
        Leap {
            from,
            forward,
            shown: None,
            wrapped: false,
        }
    }

    pub(super) fn leap_to_hit(&mut self, forward: bool) {
        let leap = self.leap(forward);
        self.jump(Motion::Hit(leap));
    }

    fn leap_to_problem(&mut self, level: Level, forward: bool) {
        let leap = self.leap(forward);
        self.jump(Motion::Problem(level, leap));
    }
}

impl Viewer {
    /// The next hit in the direction of the search, or against it.
    pub(super) fn next_hit(&mut self, along: bool) {
        let Some(pane) = self.pane_mut() else { return };
        if pane.ask.search.is_none() {
            self.message = Some("nothing is searched for yet: / begins".into());
            return;
        }
        let forward = pane.ask.forward == along;
        pane.leap_to_hit(forward);
    }

    pub(super) fn next_problem(&mut self, level: Level, forward: bool) {
        if let Some(pane) = self.pane_mut() {
            pane.leap_to_problem(level, forward);
        }
    }

    /// The letter after `m` or `'`.
    pub(super) fn take_letter(&mut self, letter: char, marks: bool) {
        let Some(pane) = self.pane_mut() else { return };
        if marks {
            pane.marks.insert(letter, pane.ask.spot.offset);
            self.message = Some(format!("this place is marked {letter}"));
            return;
        }
        let target = if letter == '\'' {
            pane.before.map(|spot| spot.offset)
        } else {
            pane.marks.get(&letter).copied()
        };
        match target {
            Some(at) => pane.jump(Motion::Offset(at)),
            None => self.message = Some(format!("no place is marked {letter}")),
        }
    }

    /// Shows a place of a log in the pane that has the keys: what a list beside it points at.
    pub fn show_place(&mut self, log: usize, offset: u64) {
        self.show_log(log);
        if let Some(pane) = self.pane_mut() {
            pane.before = Some(Spot::at(pane.ask.spot.offset));
            pane.go(Motion::Offset(offset));
        }
    }
}
