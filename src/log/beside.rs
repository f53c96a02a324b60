//! The index of times beside a log (`FILE.times`), and whether it is believed: what wrote it may be long gone while the
//! log goes on, was cut, or is another one of the same name.

use std::{
    fs::{File, Metadata},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Its lines come each second in which the log grows: one that stays behind for longer is not written any more.
const BEHIND: Duration = Duration::from_secs(10);
/// Bytes at its end that hold its last line.
const LAST: u64 = 128;

/// What is known of an index.
#[derive(Debug, Default)]
pub struct Beside {
    path: Option<PathBuf>,
    file: Option<File>,
    /// The copy of a job's log has its times at once, and its bytes little by little.
    of_job: bool,
    /// One that is of another log, and how long it was then: only one that begins anew is looked at again.
    stale: Option<((u64, u64), u64)>,
    behind: bool,
}

impl Beside {
    /// Of a log, where it has a path.
    pub fn of(log: Option<&Path>) -> Self {
        let path = log.map(|log| {
            let mut name = log.as_os_str().to_owned();
            name.push(".times");
            PathBuf::from(name)
        });
        let status = |log: &Path| log.ends_with("log.raw") && log.with_file_name("status.json").exists();
        Self {
            path,
            of_job: log.is_some_and(status),
            ..Self::default()
        }
    }

    /// Looks whether it is there and to be believed, by what the log is now.
    pub fn judge(&mut self, log: &Metadata) {
        let found = self.path.as_ref().and_then(|path| {
            let file = File::open(path).ok()?;
            Some((file.metadata().ok()?, file))
        });
        let Some((index, file)) = found else {
            (self.file, self.stale, self.behind) = (None, None, false);
            return;
        };
        let (id, length) = ((index.dev(), index.ino()), index.len());
        let was = self
            .stale
            .is_some_and(|(known, then)| known == id && length >= then);
        let last = last_of(&file, length);
        let stale = was || !self.of_job && is_stale(log, &index, last);
        self.stale = stale.then(|| self.stale.filter(|_| was).unwrap_or((id, length)));
        self.behind = !self.of_job
            && last.is_none_or(|bytes| bytes < log.len())
            && is_later(log.modified(), index.modified());
        self.file = Some(file);
    }

    /// The index, where it is of this log.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref().filter(|_| self.stale.is_none())
    }

    /// Whether it says when all of the log was written: what comes next will be in it, too.
    pub fn follows(&self) -> bool {
        self.file().is_some() && !self.behind
    }
}

/// Whether the index is of another log: it knows of more bytes than there are, or it is older than the file.
fn is_stale(log: &Metadata, index: &Metadata, last: Option<u64>) -> bool {
    if last.is_some_and(|bytes| bytes > log.len()) {
        return true;
    }
    // Of two that were copied somewhere the dates of before may be kept; both are new there then.
    is_later(log.modified(), index.modified())
        && is_later(log.created(), index.modified())
        && is_later(log.created(), index.created())
}

/// Whether one time is known to be well after another one.
fn is_later(one: std::io::Result<SystemTime>, other: std::io::Result<SystemTime>) -> bool {
    let (Ok(one), Ok(other)) = (one, other) else {
        return false;
    };
    one.duration_since(other).is_ok_and(|by| by > BEHIND)
}

/// How long the log was by the last line of the index.
fn last_of(index: &File, length: u64) -> Option<u64> {
    let from = length.saturating_sub(LAST);
    let mut bytes = vec![0; usize::try_from(length - from).ok()?];
    index.read_exact_at(&mut bytes, from).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.get(..=text.rfind('\n')?)?;
    whole.lines().last()?.split_once(' ')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Pair(tempfile::TempDir);

    impl Pair {
        /// A log of 100 bytes whose index, and all of whose times, are an hour old.
        fn new() -> Self {
            let pair = Self(tempfile::tempdir().unwrap());
            fs::write(pair.log(), [b'x'; 100]).unwrap();
            fs::write(pair.index(), "1000 50\n2000 100\n").unwrap();
            for path in [pair.log(), pair.index()] {
                let hour = SystemTime::now() - Duration::from_hours(1);
                File::options()
                    .append(true)
                    .open(path)
                    .unwrap()
                    .set_modified(hour)
                    .unwrap();
            }
            pair
        }
        fn log(&self) -> PathBuf {
            self.0.path().join("a.log")
        }
        fn index(&self) -> PathBuf {
            self.0.path().join("a.log.times")
        }
        fn judged(&self, beside: &mut Beside) -> (bool, bool) {
            beside.judge(&fs::metadata(self.log()).unwrap());
            (beside.file().is_some(), beside.follows())
        }
    }

    #[test]
    fn one_that_is_not_written_any_more_says_nothing_of_what_came_after() {
        let pair = Pair::new();
        let mut beside = Beside::of(Some(&pair.log()));
        assert_eq!(pair.judged(&mut beside), (true, true));
        fs::write(pair.log(), [b'x'; 200]).unwrap();
        assert_eq!(pair.judged(&mut beside), (true, false), "the log grew alone");
        fs::write(pair.index(), "1000 50\n2000 100\n3000 200\n").unwrap();
        assert_eq!(pair.judged(&mut beside), (true, true), "both did");
    }

    #[test]
    fn one_of_a_log_that_was_cut_is_not_believed_again_before_it_begins_anew() {
        let pair = Pair::new();
        let mut beside = Beside::of(Some(&pair.log()));
        fs::write(pair.log(), [b'y'; 10]).unwrap();
        assert_eq!(pair.judged(&mut beside), (false, false));
        fs::write(pair.log(), [b'y'; 300]).unwrap();
        assert_eq!(pair.judged(&mut beside), (false, false), "it is longer now");
        fs::write(pair.index(), "9000 300\n").unwrap();
        assert_eq!(pair.judged(&mut beside), (true, true), "the index is, too");
    }

    #[test]
    fn the_copy_of_a_jobs_log_has_its_times_before_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.raw");
        fs::write(&log, "abc").unwrap();
        fs::write(folder.path().join("log.raw.times"), "1000 50\n").unwrap();
        fs::write(folder.path().join("status.json"), "{}").unwrap();
        let mut beside = Beside::of(Some(&log));
        beside.judge(&fs::metadata(&log).unwrap());
        assert!(beside.follows());
    }

    #[test]
    fn one_that_comes_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "abc").unwrap();
        let mut beside = Beside::of(Some(&log));
        beside.judge(&fs::metadata(&log).unwrap());
        assert!(beside.file().is_none() && !beside.follows());
        fs::write(folder.path().join("a.log.times"), "1000 3\n").unwrap();
        beside.judge(&fs::metadata(&log).unwrap());
        assert!(beside.follows());
    }
}
