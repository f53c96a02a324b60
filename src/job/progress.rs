//! How far a job is, by what it wrote: the seam to [`crate::progress`]. A [`Reader`] is fed the bytes of the log with
//! their offsets, in order, and the times at which they came, and tells a [`Progress`] at any time.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::progress::{self, Fold, History, HistoryError, Inside, Millis, Package, Plan, Summary, Tree};

/// Packages whose own logs are told of at most.
const MOST: usize = 8;

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
    /// How far packages are inside, out of their own logs, by their keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inside: BTreeMap<String, Inside>,
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
        let name = |current: &progress::Current| match current.percent {
            Some(percent) => format!("{} {percent}%", current.name),
            None => current.name.clone(),
        };
        let current: Vec<String> = summary.current.iter().map(name).collect();
        let phase = summary.current.first().and_then(|c| c.phase.clone());
        let counts = &summary.counts;
        // Of a target that could not be made, what it is and its own error say more than the tool's last words.
        let target = summary.failures.iter().find(|f| f.hash.is_none());
        let target = target.and_then(|f| Some(format!("{}: {}", f.name, f.error.as_ref()?)));
        let last_error = target.or_else(|| summary.last_error.map(|error| error.text));
        Self {
            phase: phase.unwrap_or(summary.doing),
            // Nothing of nothing is no progress.
            done: (counts.total.is_some() || counts.done > 0).then(|| counts.done.into()),
            total: counts.total.map(u64::from),
            current: current.join(", "),
            last_error: last_error.unwrap_or_default(),
            eta: summary.eta.and_then(|eta| eta.high),
            inside: BTreeMap::new(),
        }
    }
}

/// Reads progress out of a log.
#[derive(Debug)]
pub struct Reader {
    fold: Fold,
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
        let mut fold = Fold::default();
        // The lab says when after what.
        fold.set_indexed(true);
        Self {
            fold,
            history: History::load(&memory).unwrap_or_default(),
            memory,
            learnt: 0,
        }
    }

    /// The same for a build of which it is known what there is to do.
    #[must_use]
    pub fn with_plan(mut self, plan: Option<Plan>) -> Self {
        self.fold = std::mem::take(&mut self.fold).with_plan(plan);
        self
    }

    /// Takes the next bytes of the log; `offset` is where they begin.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        self.fold.feed(offset, bytes);
    }

    /// At this time the log had so many bytes.
    pub fn time(&mut self, at: Millis, bytes: u64) {
        self.fold.time(at, bytes);
    }

    /// Its runner lives, and this is its time: times that are not told by now will not be.
    pub fn lives(&mut self, at: Millis) {
        self.fold.wait(at, true);
    }

    /// The times of what was written before.
    #[must_use]
    pub fn with_times(mut self, text: &str) -> Self {
        self.fold.read_times(text);
        self
    }

    /// The job ended, by a signal or not, and all that it wrote was taken.
    pub fn ended(&mut self, code: Option<i32>, killed: bool) {
        self.fold.ended(code, killed);
    }

    /// Whether packages are in work that have logs of their own.
    pub fn is_building(&self) -> bool {
        self.active().any(|package| package.stage().is_some())
    }

    /// How far a package is that is built in this stage: `line` is of its own log, as `[12/345]` or `[ 45%]`.
    pub fn inside(&mut self, stage: &str, line: &str) {
        // What follows the hash is Spack's own.
        let of_it = |p: &&Package| p.stage().is_some_and(|begin| stage.starts_with(&begin));
        let Some(key) = self.active().find(of_it).map(|package| package.key.clone()) else {
            return;
        };
        // The lab sends the counter alone.
        let events = progress::Reader::new().feed(format!("{line} building\n").as_bytes(), 0);
        if let Some(inside) = events.iter().find_map(progress::Event::inside) {
            self.fold.set_inside(&key, inside);
        }
    }

    fn active(&self) -> impl Iterator<Item = &Package> {
        let packages = self.fold.tree().packages().iter();
        packages.filter(|package| package.state.is_active())
    }

    /// Packages, and what became of each.
    pub fn tree(&self) -> &Tree {
        self.fold.tree()
    }

    /// How far it is now.
    pub fn progress(&self) -> Progress {
        let inside = self.active().filter_map(|p| Some((p.key.clone(), p.inside?)));
        Progress {
            inside: inside.take(MOST).collect(),
            ..self.fold.summary(&self.history).into()
        }
    }

    /// Remembers how long each package took that was finished since.
    pub fn learn(&mut self) {
        let done = self.fold.tree().counts().done;
        if std::mem::replace(&mut self.learnt, done) == done {
            return;
        }
        if let Err(error) = self.remember() {
            tracing::warn!(%error, "the durations of this build are not remembered");
        }
    }

    /// Adds to what others have remembered meanwhile; what cannot be read is not written over.
    fn remember(&mut self) -> Result<(), HistoryError> {
        let tree = self.fold.tree();
        let ((), history) = History::change(&self.memory, |history| ((), history.learn(tree, None)))?;
        self.history = history;
        Ok(())
    }

    /// A new attempt begins anew.
    pub fn reset(&mut self) {
        self.fold.restart();
        self.learnt = 0;
    }

    /// The log begins anew, and its times with it.
    pub fn begin_anew(&mut self) {
        self.reset();
        self.fold.forget_times();
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
    fn a_package_is_as_far_as_its_own_log_says() {
        let state = tempfile::tempdir().unwrap();
        let mut reader = fed(state.path(), LOG, 0);
        assert!(reader.is_building());
        let stage = "spack-stage-lab-b-1.0-bbcdefghijklmnopqrstuvwxyz234567";
        for (stage, line) in [
            (stage, "[12/48]"),
            ("spack-stage-other-1.0-x", "[1/2]"),
            (stage, "nonsense"),
        ] {
            reader.inside(stage, line);
        }
        assert!(
            reader.progress().current.ends_with("25%"),
            "{:?}",
            reader.progress()
        );
        reader.inside(&format!("{stage}-a1b2"), "[ 45%]");
        let progress = reader.progress();
        assert!(progress.current.ends_with("45%"), "{progress:?}");
        assert_eq!(progress.inside.len(), 1);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
    }

    #[test]
    fn output_of_no_tool_is_no_progress() {
        let state = tempfile::tempdir().unwrap();
        let progress = fed(state.path(), "hello\nworld\n", 3).progress();
        assert_eq!(progress, Progress::default());
        assert_eq!(progress.percent(), None);
    }
}
