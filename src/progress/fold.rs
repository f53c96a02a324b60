//! A log as far as it was read: bytes and times in, the tree out. Whoever reads a log for progress keeps one of these.

use super::{
    estimate::{Estimate, estimate},
    history::History,
    package::Inside,
    reader::Reader,
    summary::Summary,
    times::{Millis, Times},
    tree::{Exit, Tree},
};

/// What was read of a log, folded.
#[derive(Debug, Default)]
pub struct Fold {
    lines: Reader,
    tree: Tree,
    times: Times,
}

impl Fold {
    /// The next bytes of the log; `offset` is where they begin.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let events = self.lines.feed(bytes, offset);
        self.apply(&events);
    }

    /// At this time the log had so many bytes.
    pub fn time(&mut self, at: Millis, bytes: u64) {
        self.times.add(at, bytes);
    }

    /// When what was written, as an index beside the log says.
    pub fn set_times(&mut self, times: Times) {
        self.times = times;
    }

    /// The process that wrote it ended; no bytes follow.
    pub fn ended(&mut self, code: Option<i32>, killed: bool) {
        let events = self.lines.finish();
        self.apply(&events);
        // Which signal it was makes no difference to what is installed.
        let signal = killed.then_some(15);
        self.tree.ended(Exit { code, signal }, self.times.last());
    }

    /// How far a package in work is inside, out of its own log.
    pub fn set_inside(&mut self, key: &str, inside: Inside) {
        if self
            .tree
            .get(key)
            .is_some_and(|package| package.state.is_active())
        {
            self.tree.set_inside(key, Some(inside));
        }
    }

    /// Another log, or another attempt, begins; the times go on.
    pub fn restart(&mut self) {
        (self.lines, self.tree) = (Reader::new(), Tree::new());
    }

    /// The offset of the byte that is wanted next.
    pub fn position(&self) -> u64 {
        self.lines.position()
    }

    /// What was built of it.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last time that is known.
    pub fn last(&self) -> Option<Millis> {
        self.times.last()
    }

    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.tree.exit().is_some() || self.tree.is_ok().is_some()
    }

    /// What is left of it at a time.
    pub fn left(&self, history: &History, now: Option<Millis>) -> Option<Estimate> {
        estimate(&self.tree, history, None, now)
    }

    /// How far it was at the last time that is known.
    pub fn summary(&self, history: &History) -> Summary {
        let now = self.last();
        Summary::of(&self.tree, self.left(history, now), now)
    }

    fn apply(&mut self, events: &[super::Event]) {
        for event in events {
            self.tree.apply(event, self.times.at(event.offset));
        }
    }
}
