//! How far a job is, by what it wrote: the seam to [`crate::progress`]. A [`Reader`] is fed the bytes of the log with
//! their offsets, in order, and the times at which they came, and tells a [`Progress`] at any time.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    paths::open_private,
    progress::{self, Exit, History, HistoryError, Millis, Summary, Times, Tree, estimate},
};

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What it does now; empty where its output does not say.
    pub phase: String,
    /// How many are done.
    pub done: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
    /// What it works on.
    pub current: String,
    /// The last line that spoke of an error.
    pub last_error: String,
    /// Seconds that are left at most, where they can be told.
    pub eta: Option<u64>,
}

impl Progress {
    /// Parts of a hundred; none where it is not known.
    pub fn percent(&self) -> Option<u8> {
        let (done, total) = (self.done?, self.total.filter(|total| *total > 0)?);
        u8::try_from(done.min(total).saturating_mul(100) / total).ok()
    }
}

impl From<Summary> for Progress {
    fn from(summary: Summary) -> Self {
        let current: Vec<String> = summary.current.iter().map(|c| c.name.clone()).collect();
        let phase = summary.current.first().and_then(|c| c.phase.clone());
        let counts = &summary.counts;
        Self {
            phase: phase.unwrap_or(summary.doing),
            // Nothing of nothing is no progress.
            done: (counts.total.is_some() || counts.done > 0).then(|| counts.done.into()),
            total: counts.total.map(u64::from),
            current: current.join(", "),
            last_error: summary.last_error.map(|error| error.text).unwrap_or_default(),
            eta: summary.eta.and_then(|eta| eta.high),
        }
    }
}

/// Reads progress out of a log.
#[derive(Debug)]
pub struct Reader {
    lines: progress::Reader,
    tree: Tree,
    times: Times,
    history: History,
    /// Where the durations of packages are remembered.
    memory: PathBuf,
    /// Packages that were done when they were last remembered.
    learnt: u32,
}

impl Reader {
    /// A reader that knows this machine's former builds; `state` is our state folder. What cannot be read of them is
    /// no reason to stop a job: it is only not estimated then.
    pub fn new(state: &Path) -> Self {
        let memory = History::path(state);
        Self {
            lines: progress::Reader::new(),
            tree: Tree::new(),
            times: Times::default(),
            history: History::load(&memory).unwrap_or_default(),
            memory,
            learnt: 0,
        }
    }

    /// Takes the next bytes of the log; `offset` is where they begin.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        for event in self.lines.feed(bytes, offset) {
            self.tree.apply(&event, self.times.at(event.offset));
        }
    }

    /// At this time the log had so many bytes.
    pub fn time(&mut self, at: Millis, bytes: u64) {
        self.times.add(at, bytes);
    }

    /// The times of what was written before.
    #[must_use]
    pub fn with_times(mut self, text: &str) -> Self {
        self.times = Times::parse(text);
        self
    }

    /// The job ended, by a signal or not.
    pub fn ended(&mut self, code: Option<i32>, killed: bool) {
        for event in self.lines.finish() {
            self.tree.apply(&event, self.times.at(event.offset));
        }
        // Which signal it was makes no difference to what is installed.
        let signal = killed.then_some(15);
        self.tree.ended(Exit { code, signal }, self.times.last());
    }

    /// How far it is now.
    pub fn progress(&self) -> Progress {
        let now = self.times.last();
        let left = estimate(&self.tree, &self.history, None, now);
        Summary::of(&self.tree, left, now).into()
    }

    /// Remembers how long each package took that was finished since.
    pub fn learn(&mut self) {
        let done = self.tree.counts().done;
        if std::mem::replace(&mut self.learnt, done) == done {
            return;
        }
        if let Err(error) = self.remember() {
            tracing::warn!(%error, "the durations of this build are not remembered");
        }
    }

    /// Adds to what others have remembered meanwhile; what cannot be read is not written over.
    fn remember(&mut self) -> Result<(), HistoryError> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        let lock = open_private(&mut options, &self.memory.with_extension("lock"));
        // Where no lock can be had, two builds that end together lose one of their durations.
        let _held = lock.and_then(|file| file.lock().map(|()| file));
        let mut history = History::load(&self.memory)?;
        if history.learn(&self.tree, None) {
            history.save(&self.memory)?;
        }
        self.history = history;
        Ok(())
    }

    /// A new attempt begins anew.
    pub fn reset(&mut self) {
        self.lines = progress::Reader::new();
        self.tree = Tree::new();
        self.learnt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
==> Installing lab-a-1.0-abcdefghijklmnopqrstuvwxyz234567 [1/2]
==> lab-a: Executing phase: 'build'
[+] /opt/store/lab-a-1.0-abcdefghijklmnopqrstuvwxyz234567
==> Installing lab-b-1.0-bbcdefghijklmnopqrstuvwxyz234567 [2/2]
==> lab-b: Executing phase: 'configure'
";

    fn fed(state: &Path, log: &str, cut: usize) -> Reader {
        // Half a minute a line.
        let lines = log.split_inclusive('\n').scan(0, |bytes, line| {
            *bytes += line.len();
            Some(*bytes)
        });
        let times: Vec<String> = (1..)
            .zip(lines)
            .map(|(n, bytes)| format!("{} {bytes}\n", n * 30_000))
            .collect();
        let mut reader = Reader::new(state).with_times(&times.concat());
        let (one, two) = log.as_bytes().split_at(cut);
        reader.feed(0, one);
        reader.feed(cut as u64, two);
        reader
    }

    #[test]
    fn a_build_is_read_wherever_its_bytes_are_cut() {
        let state = tempfile::tempdir().unwrap();
        for cut in 0..LOG.len() {
            let progress = fed(state.path(), LOG, cut).progress();
            assert_eq!((progress.done, progress.total), (Some(1), Some(2)), "{cut}");
            assert_eq!(progress.phase, "configure", "{cut}");
            assert!(progress.current.contains("lab-b"), "{progress:?}");
        }
    }

    #[test]
    fn what_took_how_long_is_remembered_for_the_next_time() {
        let state = tempfile::tempdir().unwrap();
        let whole = format!("{LOG}[+] /opt/store/lab-b-1.0-bbcdefghijklmnopqrstuvwxyz234567\n");
        let mut first = fed(state.path(), &whole, 0);
        first.ended(Some(0), false);
        first.learn();
        assert!(History::path(state.path()).exists());
        assert_eq!(first.progress().eta, None, "nothing is left");
        let again = fed(state.path(), LOG, 0);
        assert!(again.progress().eta.is_some(), "{:?}", again.progress());
    }

    #[test]
    fn output_of_no_tool_is_no_progress() {
        let state = tempfile::tempdir().unwrap();
        let progress = fed(state.path(), "hello\nworld\n", 3).progress();
        assert_eq!(progress, Progress::default());
        assert_eq!(progress.percent(), None);
    }
}
