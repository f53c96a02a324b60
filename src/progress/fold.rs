//! A log as far as it was read: bytes and times in, the tree out. Whoever reads a log for progress keeps one of these.

use super::{
    ahead::Plan,
    estimate::{Estimate, estimate},
    held::Held,
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
    /// An index follows the bytes: what they say waits for its time.
    indexed: bool,
    held: Held,
    /// What there is to do, where that is known.
    plan: Option<Plan>,
}

impl Fold {
    /// One that knows what there is to do.
    #[must_use]
    pub fn with_plan(mut self, plan: Option<Plan>) -> Self {
        self.plan = plan;
        self.restart();
        self
    }

    /// The next bytes of the log; `offset` is where they begin.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let events = self.lines.feed(bytes, offset);
        self.held.add(events);
        self.settle();
        // Whole lines are not asked about again.
        let wanted = self.held.first().unwrap_or(u64::MAX);
        self.times.forget(self.lines.unfinished().min(wanted));
    }

    /// Whether an index beside the log follows its bytes, so that what they say waits for its time.
    pub fn set_indexed(&mut self, indexed: bool) {
        self.indexed = indexed;
        self.settle();
    }

    /// Whether something waits for its time.
    pub fn is_waiting(&self) -> bool {
        self.held.first().is_some()
    }

    /// The time that it is for who reads: what has waited for too long gets the time at which it came, where that is
    /// when it was written (`live`).
    pub fn wait(&mut self, now: Millis, live: bool) {
        while let Some((event, at)) = self.held.late(&self.times, now, live) {
            self.tree.apply(&event, at);
        }
    }

    /// At this time the log had so many bytes.
    pub fn time(&mut self, at: Millis, bytes: u64) {
        self.times.add(at, bytes);
        self.settle();
    }

    /// More of the index beside the log: when what was written. Returns how many bytes of it were whole lines.
    pub fn read_times(&mut self, text: &str) -> usize {
        let read = self.times.read(text);
        self.settle();
        read
    }

    /// The index begins anew.
    pub fn forget_times(&mut self) {
        self.times = Times::default();
    }

    /// The process that wrote it ended; no bytes follow.
    pub fn ended(&mut self, code: Option<i32>, killed: bool) {
        let events = self.lines.finish();
        self.held.add(events);
        while let Some((event, at)) = self.held.last(&self.times) {
            self.tree.apply(&event, at);
        }
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
        (self.lines, self.tree, self.held) = (Reader::new(), Tree::new(), Held::default());
        if let Some(plan) = &self.plan {
            self.lines = Reader::new().with_lock(&plan.lock);
            self.tree = Tree::new().with_lock(&plan.lock);
            self.tree.confirm(&plan.settled);
        }
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

    /// Takes what needs not wait.
    fn settle(&mut self) {
        loop {
            let next = match self.held.timed(&self.times) {
                None if !self.indexed => self.held.last(&self.times),
                timed => timed,
            };
            let Some((event, at)) = next else { return };
            self.tree.apply(&event, at);
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
    #[test]
    fn what_comes_after_a_long_silence_gets_the_time_after_it() {
        const MINUTES: Millis = 60_000;
        let hash = "abcdefghijklmnopqrstuvwxyz234567";
        let begin = format!("==> Installing lab-a-1.0-{hash} [1/1]\n==> lab-a: Executing phase: 'build'\n");
        let end = format!("[+] /opt/store/lab-a-1.0-{hash}\n");
        let mut fold = Fold::default();
        fold.set_indexed(true);
        fold.feed(0, begin.as_bytes());
        fold.time(MINUTES, begin.len() as u64);
        assert_eq!(fold.tree().counts().active, 1);
        // The bytes are here, and the line of the index that says when is not yet.
        fold.feed(begin.len() as u64, end.as_bytes());
        assert_eq!(fold.tree().counts().done, 0, "it waits for its time");
        assert!(fold.is_waiting());
        fold.time(41 * MINUTES, (begin.len() + end.len()) as u64);
        let package = fold.tree().packages().first().unwrap();
        assert_eq!(
            (package.started, package.ended),
            (Some(MINUTES), Some(41 * MINUTES))
        );
        assert_eq!(package.seconds(None), Some(2400.0));
        assert!(!fold.is_waiting());
    }

    #[test]
    fn what_has_no_time_in_the_end_is_told_all_the_same() {
        let log = b"==> Installing lab-a-1.0-abcdefghijklmnopqrstuvwxyz234567 [1/1]\n";
        let mut fold = Fold::default();
        fold.set_indexed(true);
        fold.feed(0, log);
        assert_eq!(fold.tree().counts().active, 0);
        fold.wait(1000, true);
        fold.wait(60_000, true);
        assert_eq!(fold.tree().packages().first().unwrap().started, Some(1000));
        fold.restart();
        fold.feed(0, log);
        fold.ended(None, true);
        assert_eq!(fold.tree().packages().len(), 1);
    }
}
