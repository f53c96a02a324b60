//! A pane: one log, where it is looked at, and the page that is shown.

use std::collections::BTreeMap;

use crate::log::{
    page::{Ask, Clock, Landing, Leap, Motion, Page, Spot},
    rules::Level,
};

/// Columns that a sideways key moves at least.
const SIDEWAYS: usize = 16;

/// A window on a log.
#[derive(Clone, Debug, Default)]
pub struct Pane {
    /// Which of the logs.
    pub log: usize,
    /// What is asked of it next.
    pub ask: Ask,
    /// What was answered last.
    pub page: Page,
    /// The page is not what was asked for any more.
    pub stale: bool,
    /// Places with a letter.
    pub marks: BTreeMap<char, u64>,
    /// Where it was before the last jump.
    pub before: Option<Spot>,
    /// Where the selection began.
    pub select: Option<u64>,
    /// The hit that was gone to last.
    pub hit: Option<u64>,
    /// Number of that hit, once it is known.
    pub number: Option<u64>,
    /// The end was followed, and will be again where a way down reaches it.
    pub followed: bool,
    /// It was followed when something was looked for: where there is nothing, it still is.
    resume: bool,
    /// How often its log was begun anew when these places were remembered.
    pub generation: u64,
}

impl Pane {
    /// A pane on a log: at its end where it follows, else at its beginning.
    pub fn new(log: usize, follow: bool) -> Self {
        Self {
            log,
            ask: Ask {
                wrap: true,
                follow,
                forward: true,
                rows: 1,
                columns: 1,
                ..Ask::default()
            },
            stale: true,
            followed: follow,
            ..Self::default()
        }
    }

    /// Its log was cut or replaced: the places that were remembered are other bytes now.
    pub fn begin_anew(&mut self, generation: u64) {
        self.generation = generation;
        self.marks.clear();
        (self.before, self.hit, self.number) = (None, None, None);
        if self.select.take().is_some() {
            self.ask.cursor = None;
        }
    }

    /// Asks for somewhere else.
    pub fn go(&mut self, motion: Motion) {
        self.stale = true;
        let down = matches!(motion, Motion::Rows(1..) | Motion::Cursor(1..));
        match motion {
            Motion::End => self.follow(),
            Motion::Stay => {}
            // Below the end there is nothing: it is still followed.
            _ if down && self.ask.follow && self.ask.cursor.is_none() => return,
            _ => self.leave_end(),
        }
        // Rows add up while a page is being read.
        self.ask.motion = match (self.ask.motion, motion) {
            (Motion::Rows(before), Motion::Rows(by)) => Motion::Rows(before.saturating_add(by)),
            (Motion::Cursor(before), Motion::Cursor(by)) => Motion::Cursor(before.saturating_add(by)),
            (_, motion) => motion,
        };
    }

    /// The same, remembering where it was.
    pub fn jump(&mut self, motion: Motion) {
        self.before = Some(self.ask.spot);
        self.resume = self.ask.follow && matches!(motion, Motion::Hit(_) | Motion::Problem(..));
        self.go(motion);
    }

    /// Stays at the end from now on.
    pub fn follow(&mut self) {
        self.ask.follow = self.select.is_none();
        self.followed |= self.ask.follow;
        self.ask.left_at = None;
        self.stale = true;
    }

    fn leave_end(&mut self) {
        if std::mem::take(&mut self.ask.follow) {
            self.ask.left_at = Some(self.page.len);
        }
    }

    /// A line of rows up or down; while lines are selected, the end of the selection.
    pub fn step(&mut self, by: i64) {
        let motion = if self.ask.cursor.is_some() {
            Motion::Cursor(by)
        } else {
            Motion::Rows(by)
        };
        self.go(motion);
    }

    /// Moves sideways, half a page at a time.
    pub fn sideways(&mut self, right: bool) {
        let by = (self.ask.columns / 2).max(SIDEWAYS);
        self.ask.wrap = false;
        self.ask.left = if right {
            self.ask.left.saturating_add(by)
        } else {
            self.ask.left.saturating_sub(by)
        };
        self.stale = true;
    }

    /// The next way to show times.
    pub fn next_clock(&mut self) {
        self.ask.clock = match self.ask.clock {
            Clock::Hidden => Clock::Absolute,
            Clock::Absolute => Clock::Relative,
            Clock::Relative => Clock::Hidden,
        };
        self.stale = true;
    }

    /// Takes the answer in; returns what is to be said about it.
    pub fn take(&mut self, page: Page, asked: &Ask) -> Option<String> {
        if asked.motion != self.ask.motion || asked.spot != self.ask.spot {
            // Something else was asked for meanwhile; this is shown until that is answered.
            self.page = page;
            return None;
        }
        let said = self.land(&page, asked);
        if let Some((number, at)) = page.number
            && self.hit == Some(at)
        {
            self.number = Some(number);
        }
        self.ask.spot = page.spot;
        self.ask.left = page.left.unwrap_or(self.ask.left);
        if self.ask.cursor.is_some() {
            self.ask.cursor = page.cursor;
        }
        let down = matches!(asked.motion, Motion::Rows(1..));
        if down && page.at_end && self.followed && self.select.is_none() {
            self.follow();
        }
        if self.ask.left_at.is_none() && !self.ask.follow {
            self.ask.left_at = Some(page.len);
        }
        self.page = page;
        said
    }

    fn land(&mut self, page: &Page, asked: &Ask) -> Option<String> {
        let (stay, said) = match page.landing {
            Landing::Pending | Landing::Uncounted => (false, None),
            Landing::Perhaps(at) => {
                self.found(at, asked);
                if let Motion::Hit(leap) = &mut self.ask.motion {
                    leap.shown = Some(at);
                }
                (false, None)
            }
            Landing::Found(at) => {
                self.found(at, asked);
                (true, None)
            }
            Landing::Nowhere => match self.wrapped(page, asked) {
                Some(said) => (false, Some(said)),
                None => (true, nowhere(page, asked)),
            },
            Landing::Timeless => (true, Some("this log tells no times".to_owned())),
            Landing::Outside(first, last) => {
                let span = crate::log::clock::span(first, last);
                (true, Some(format!("the times of this log are {span}")))
            }
            Landing::None => (true, None),
        };
        if stay {
            self.ask.motion = Motion::Stay;
            let nothing = matches!(page.landing, Landing::Nowhere);
            if std::mem::take(&mut self.resume) && nothing {
                self.follow();
            }
        }
        said
    }

    /// A search that found nothing further goes on at the other end, once.
    fn wrapped(&mut self, page: &Page, asked: &Ask) -> Option<String> {
        let Motion::Hit(leap) = asked.motion else {
            return None;
        };
        let worth = page.hits.is_some_and(|h| h.total > 0 || !h.done);
        if leap.wrapped || !worth {
            return None;
        }
        self.ask.motion = Motion::Hit(Leap {
            from: if leap.forward { 0 } else { page.len },
            shown: None,
            wrapped: true,
            ..leap
        });
        self.stale = true;
        let end = if leap.forward { "beginning" } else { "end" };
        Some(format!("went on at the {end}"))
    }

    fn found(&mut self, at: u64, asked: &Ask) {
        if matches!(asked.motion, Motion::Hit(_) | Motion::Problem(..)) {
            if self.hit != Some(at) {
                self.number = None;
            }
            self.hit = Some(at);
        }
    }

    /// The line that is looked at: the end of the selection, the hit where it is in view, else the first one in view.
    pub(super) fn looked_at(&self) -> u64 {
        let in_view = |at: &u64| self.page.rows.iter().any(|r| r.offset == *at);
        self.ask
            .cursor
            .or_else(|| self.hit.filter(in_view))
            .unwrap_or(self.page.spot.offset)
    }

    /// The lines that are selected, first and last.
    pub fn selected(&self) -> Option<(u64, u64)> {
        let (from, to) = (self.select?, self.ask.cursor?);
        Some((from.min(to), from.max(to)))
    }

    /// Begins to select at the hit, where it is in view, else at the top of the page.
    pub fn begin_selection(&mut self) {
        let in_view = |at: &u64| self.page.rows.iter().any(|r| r.offset == *at);
        let at = self
            .hit
            .filter(in_view)
            .or_else(|| self.page.rows.first().map(|r| r.offset));
        let Some(at) = at else { return };
        self.leave_end();
        self.select = Some(at);
        self.ask.cursor = Some(at);
        self.stale = true;
    }

    /// Selects nothing any more.
    pub fn end_selection(&mut self) {
        self.select = None;
        self.ask.cursor = None;
        self.stale = true;
    }
}

/// What to say where nothing is found; nothing where the status says so already.
fn nowhere(page: &Page, asked: &Ask) -> Option<String> {
    let way = |forward| if forward { "below" } else { "above" };
    match asked.motion {
        Motion::Problem(Level::Error, leap) => Some(format!("no error {}", way(leap.forward))),
        Motion::Problem(Level::Warning, leap) => Some(format!("no warning {}", way(leap.forward))),
        Motion::Hit(leap) if page.hits.is_some_and(|h| h.total > 0 || !h.done) => {
            Some(format!("no further hit {}", way(leap.forward)))
        }
        Motion::Hit(_) => None,
        _ => Some("not found".to_owned()),
    }
}
