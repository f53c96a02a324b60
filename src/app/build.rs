//! How far a build is, read out of its log off the loop: what the viewer's thread and those of a run are made of.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    log::beside::Beside,
    progress::{Estimate, Exit, Fold, History, Inside, Millis, Plan, Tree},
    run::Event,
};

use jiff::{Timestamp, tz::TimeZone};

/// Bytes that are read at a time.
const PART: usize = 256 * 1024;
/// A longer piece of an index of times is not read at once.
const TIMES: u64 = 16 << 20;
/// What the log of a run holds at most when it is first heard of.
const FRESH: u64 = 4096;
/// Between two tellings at least: packages do not change more often, and lines do not count.
const QUIET: Duration = Duration::from_millis(200);
/// While something is in work its time left is told anew this often.
const LOOK: Duration = Duration::from_secs(1);

/// A log that did not grow for so long is read as one that ends there, until it grows again.
const SETTLED: Duration = Duration::from_secs(3);
/// A log that did not grow for so long, of whose writer nothing is known, is one of a build that may be gone.
const SILENT: Duration = Duration::from_mins(5);
const DAY: Duration = Duration::from_hours(24);

/// What is known of a build.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The build.
    pub tree: Arc<Tree>,
    /// What is left.
    pub left: Option<Estimate>,
    /// When that was known, or when a build that is over wrote its last line.
    pub now: Option<Millis>,
    /// Since when nothing was written, where nobody knows whether the build still runs: a time, or a day of before.
    pub silent: Option<String>,
}

/// Reads one log.
pub(super) struct Follower {
    file: Arc<File>,
    /// The index of times beside it, and how much of it was read.
    beside: Beside,
    read: u64,
    offset: u64,
    /// Nobody knows when what was there before us was written.
    late: bool,
    /// Not all was read that is there.
    behind: bool,
    /// It is known that the build goes on, however long it says nothing.
    pub(super) lives: bool,
    fold: Fold,
    history: History,
}

impl Follower {
    /// Of a log, with the index beside `path` where one is, and the durations of former builds.
    pub(super) fn new(file: Arc<File>, path: Option<&Path>, memory: Option<&Path>) -> Self {
        let history = memory.and_then(|path| History::load(path).ok());
        Self {
            late: file.metadata().is_ok_and(|found| found.len() > 0),
            file,
            beside: Beside::of(path),
            read: 0,
            offset: 0,
            behind: true,
            lives: false,
            fold: Fold::default().with_plan(path.and_then(Plan::beside)),
            history: history.unwrap_or_default(),
        }
    }

    /// Reads what is new, for a while; true where there is more.
    pub(super) fn read(&mut self) -> bool {
        let began = Instant::now();
        let indexed = self.read_index();
        self.fold.set_indexed(indexed);
        self.fold.wait(now(), !self.late);
        let mut buffer = vec![0; PART];
        while began.elapsed() < QUIET {
            let Ok(count @ 1..) = self.file.read_at(&mut buffer, self.offset) else {
                (self.late, self.behind) = (false, false);
                return false;
            };
            let at = match (indexed, self.late) {
                (true, _) => None,
                (false, false) => Some(now()),
                // It was written at some time, and after what an index says that is not written any more.
                (false, true) => self.beside.file().and_then(|_| self.written()),
            };
            let begin = self.offset;
            self.offset += count as u64;
            if let Some(at) = at {
                self.fold.time(at, self.offset);
            }
            self.fold.feed(begin, buffer.get(..count).unwrap_or_default());
        }
        self.behind = true;
        true
    }

    /// Reads on in the index of times; whether there is one that goes on with the log.
    fn read_index(&mut self) -> bool {
        if let Ok(log) = self.file.metadata() {
            self.beside.judge(&log);
        }
        let index = self.beside.file();
        let length = index.map(|file| file.metadata().map_or(0, |found| found.len()));
        if self.read > length.unwrap_or(0) {
            // The job began anew, and the log with it.
            self.read = 0;
            self.fold.forget_times();
        }
        let (Some(file), Some(length)) = (index, length) else {
            return false;
        };
        let wanted = usize::try_from((length - self.read).min(TIMES)).unwrap_or(0);
        let mut bytes = vec![0; wanted];
        if file.read_exact_at(&mut bytes, self.read).is_ok() {
            self.read += self.fold.read_times(&String::from_utf8_lossy(&bytes)) as u64;
        }
        self.beside.follows()
    }

    /// When the log was written last.
    fn written(&self) -> Option<Millis> {
        let written = self.file.metadata().and_then(|found| found.modified());
        written.ok().and_then(millis)
    }

    /// The process behind it ended, with a code or by a signal.
    pub(super) fn end(&mut self, exit: Exit) {
        self.fold.ended(exit.code, exit.signal.is_some());
    }

    /// How far a package in work is inside, out of its own log.
    pub(super) fn set_inside(&mut self, key: &str, inside: Inside) {
        self.fold.set_inside(key, inside);
    }

    /// Whether it was told how the process ended.
    pub(super) fn has_ended(&self) -> bool {
        self.fold.tree().exit().is_some()
    }

    /// Whether time goes by for something, or something waits for its time.
    pub(super) fn is_busy(&self) -> bool {
        self.fold.is_waiting() || self.fold.last().is_some() && self.fold.tree().counts().active > 0
    }

    /// What is known now.
    pub(super) fn known(&self) -> Known {
        let silence = self.silence();
        let tree = if silence >= SETTLED {
            self.fold.as_ended()
        } else {
            self.fold.tree().clone()
        };
        let over = tree.is_over();
        let last = self.fold.last();
        let silent = (!over && silence >= SILENT && tree.tool().is_some()).then(|| since(silence));
        let stands = over || silent.is_some();
        let now = if stands { last } else { last.map(|_| now()) };
        Known {
            tree: Arc::new(tree),
            left: self.fold.left(&self.history, now).filter(|_| !stands),
            now,
            silent,
        }
    }

    /// For how long the log said nothing, where that tells something.
    fn silence(&self) -> Duration {
        if self.lives || self.behind {
            return Duration::ZERO;
        }
        let told = self.fold.last();
        // An index that is not written any more knows nothing of what came after.
        let last = match told.filter(|_| self.beside.follows() || self.beside.file().is_none()) {
            Some(last) => last,
            None => told.max(self.written()).unwrap_or_default(),
        };
        Duration::from_millis(u64::try_from(now().saturating_sub(last)).unwrap_or(0))
    }

    /// When to look again though the log does not grow: because a clock goes on, or a silence begins to count.
    pub(super) fn rest(&self, known: &Known) -> Option<Duration> {
        if self.lives {
            return Some(LOOK);
        }
        let silence = self.silence();
        let tree = &known.tree;
        if tree.is_over() || known.silent.is_some() {
            None
        } else if known.now.is_some() && tree.counts().active > 0 {
            Some(LOOK)
        } else if silence < SETTLED {
            Some(SETTLED.saturating_sub(silence))
        } else {
            tree.tool().map(|_| SILENT.saturating_sub(silence))
        }
    }
}

fn now() -> Millis {
    millis(SystemTime::now()).unwrap_or_default()
}

fn millis(time: SystemTime) -> Option<Millis> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// When a silence began, as people say it.
fn since(silence: Duration) -> String {
    let began = Timestamp::now() - silence;
    let form = if silence < DAY { "%H:%M" } else { "%Y-%m-%d" };
    began.to_zoned(TimeZone::system()).strftime(form).to_string()
}

/// What a thread that reads a log of a run hears.
enum Heard {
    /// It grew.
    Grown,
    /// The action ended whose output it has.
    Ended(Exit),
}

/// Told by the threads of a run: the lab, and what is known of its build. False where nobody listens any more.
pub(super) type Tell = Arc<dyn Fn(&str, Known) -> bool + Send + Sync>;

/// The logs of a run, each read by a thread of its own, which ends when the run does.
pub(super) struct Builds {
    /// The folder of the run.
    folder: PathBuf,
    memory: PathBuf,
    tell: Tell,
    threads: BTreeMap<String, mpsc::Sender<Heard>>,
    /// The actions at work, with their labs.
    at_work: BTreeMap<String, String>,
}

impl Builds {
    /// Of the run in a folder.
    pub(super) fn new(folder: PathBuf, memory: PathBuf, tell: Tell) -> Self {
        Self {
            folder,
            memory,
            tell,
            threads: BTreeMap::new(),
            at_work: BTreeMap::new(),
        }
    }

    /// Hears what happens in the run; never waits.
    pub(super) fn hear(&mut self, event: &Event) {
        let ended = |code| Exit { code, signal: None };
        match event {
            Event::StepStarted { id, lab, .. } => {
                self.at_work.insert(id.clone(), lab.clone());
            }
            Event::Output { lab, .. } => self.send(lab, Heard::Grown),
            Event::StepFinished { id, .. } => {
                if let Some(lab) = self.at_work.remove(id) {
                    self.send(&lab, Heard::Ended(ended(Some(0))));
                }
            }
            Event::Failed { id, lab, .. } => {
                self.at_work.remove(id);
                self.send(lab, Heard::Ended(ended(Some(1))));
            }
            // What is still at work then was stopped.
            Event::Done { .. } => {
                let stopped = Exit {
                    code: None,
                    signal: Some(15),
                };
                for lab in std::mem::take(&mut self.at_work).into_values() {
                    self.send(&lab, Heard::Ended(stopped));
                }
            }
            Event::Plan { .. } | Event::Progress { .. } | Event::Late { .. } | Event::Verdict { .. } => {}
        }
    }

    fn send(&mut self, lab: &str, heard: Heard) {
        if let Some(thread) = self.threads.get(lab) {
            let _ = thread.send(heard);
            return;
        }
        let path = self.folder.join(crate::run::log_name(lab));
        let Ok(file) = File::open(&path) else { return };
        let (sender, receiver) = mpsc::channel();
        let (memory, tell, name) = (self.memory.clone(), Arc::clone(&self.tell), lab.to_owned());
        // Without a thread nothing is shown of the build; the run goes on.
        let _ = thread::Builder::new().name("build".into()).spawn(move || {
            let mut follower = Follower::new(Arc::new(file), None, Some(&memory));
            // It was begun a moment ago, unless the run goes on with an earlier one.
            follower.lives = true;
            follower.late &= follower.file.metadata().is_ok_and(|found| found.len() > FRESH);
            follow(follower, &receiver, |known| tell(&name, known));
        });
        let _ = sender.send(heard);
        self.threads.insert(lab.to_owned(), sender);
    }
}

/// Reads a log as it grows, until nobody tells of it or nobody listens.
fn follow(mut follower: Follower, heard: &mpsc::Receiver<Heard>, tell: impl Fn(Known) -> bool) {
    loop {
        let next = if follower.is_busy() {
            heard.recv_timeout(LOOK)
        } else {
            heard.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
        };
        let mut news = match next {
            Ok(news) => vec![news],
            Err(mpsc::RecvTimeoutError::Timeout) => vec![],
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        // What comes close together is read together.
        let until = Instant::now() + QUIET;
        while let Ok(more) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            news.push(more);
        }
        while follower.read() {
            if !tell(follower.known()) {
                return;
            }
        }
        for ended in news {
            if let Heard::Ended(exit) = ended {
                follower.end(exit);
            }
        }
        if !tell(follower.known()) {
            return;
        }
    }
}

/// What the job says whose log a path is, where it is one's: its folder and its name.
pub(super) fn job_of(path: &Path) -> Option<(PathBuf, String)> {
    let folder = path.ends_with("log.raw").then(|| path.parent()).flatten()?;
    let id = folder.file_name()?.to_string_lossy().into_owned();
    fs::metadata(folder.join("status.json")).ok()?;
    Some((folder.to_owned(), id))
}
