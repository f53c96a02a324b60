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
        // Whole lines are not asked about again.
        self.times.forget(self.lines.unfinished());
    }

    /// At this time the log had so many bytes.
    pub fn time(&mut self, at: Millis, bytes: u64) {
        self.times.add(at, bytes);
    }

    /// More of the index beside the log: when what was written. Returns how many bytes of it were whole lines.
    pub fn read_times(&mut self, text: &str) -> usize {
        self.times.read(text)
    }

    /// The index begins anew.
    pub fn forget_times(&mut self) {
        self.times = Times::default();
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

    /// What comes of it if no byte follows: of the last error it is known then whose it is.
    pub fn as_ended(&self) -> Tree {
        let mut tree = self.tree.clone();
        for event in self.lines.clone().finish() {
            tree.apply(&event, self.times.at(event.offset));
        }
        tree
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the fuzzer `spack`: a line that came in two pieces got the time of its end.
    #[test]
    fn a_log_has_the_same_times_wherever_it_was_cut() {
        let log = b"Using Python 3.11.7 environment at: v2\nResolved 3 packages in 2.56s\n   Building docopt==0.6.2\n      \
            Built docopt==0.6.2\nPrepared 3 packages in 1.82s\nInstalled 3 packages in 2ms\n + docopt==0.6.2\n";
        for cut in 0..log.len() {
            let times = format!("1000 {cut}\n2000 {}\n", log.len());
            let (one, two) = log.split_at(cut);
            let mut whole = Fold::default();
            let mut pieces = Fold::default();
            whole.read_times(&times);
            pieces.read_times(&times);
            whole.feed(0, log);
            pieces.feed(0, one);
            pieces.feed(cut as u64, two);
            let told = |fold: &Fold| format!("{:?}", fold.tree().packages());
            assert_eq!(told(&whole), told(&pieces), "cut at {cut}");
        }
    }
}
