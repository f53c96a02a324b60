//! `halolab progress`: how far a build is, out of its log alone.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use tokio::sync::Notify;

use crate::{
    log::{
        beside::Beside,
        source::{Change, Source},
    },
    paths::Paths,
    progress::{Event, Held, History, Lock, Millis, Reader, Summary, Times, Tool, Tree, estimate},
};

use super::{
    Code, Global, Stop,
    table::{is_read, json, note, out},
};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// How often a growing log is looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// A longer file is no lock or index of ours.
const LIMIT: u64 = 256 * 1024 * 1024;

const HELP: &str = "\
The build of a log is done, failed, interrupted or still running as the tools in it say: a log without the last line
of its tool is running.

Exit: 0 done, or running and nothing failed so far; 1 failed or interrupted, or the log cannot be read; 2 usage.

Examples:
  halolab progress build.log --json
  halolab progress -f build.log                  a line for each change, until the tool ends
  halolab progress build.log.gz                  .gz and .zst too
  make -j8 2>&1 | halolab progress -f -";

/// Arguments of `progress`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ProgressArgs {
    /// The log of a build, beside it `FILE.times` where there is one; `-`, or nothing behind a pipe, is the standard input.
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    file: PathBuf,
    /// Go on while the log grows, with a line for each change.
    #[arg(short, long)]
    follow: bool,
    /// Print each event with its place in the log instead, as JSON lines.
    #[arg(long)]
    events: bool,
    /// When which byte was written: lines of `EPOCH_MS BYTE_OFFSET`.
    #[arg(long, value_name = "FILE")]
    times: Option<PathBuf>,
    /// The `spack.lock`: names, dependencies and the total.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Read the lines of this tool only.
    #[arg(long, value_enum)]
    tool: Option<Tool>,
    /// Remember how long the packages of this log took, for estimates; only where it was built on this machine.
    #[arg(long)]
    learn: bool,
    /// Jobs of each build (`-j`), for estimates.
    #[arg(long, value_name = "N")]
    jobs: Option<u32>,
}

/// When what was written, read as far as it is.
struct Index {
    path: PathBuf,
    times: Times,
    /// Bytes of the file that were read: whole lines.
    read: u64,
}

/// A log being read.
struct Session {
    reader: Reader,
    tree: Tree,
    times: Option<Index>,
    /// What waits for its time.
    held: Held,
    /// All was read that was there before us.
    live: bool,
    history: History,
    history_file: PathBuf,
    args: ProgressArgs,
}

pub(super) async fn progress(global: Global, args: ProgressArgs) -> Result<Code, Stop> {
    if args.learn && global.read_only {
        return Err(Stop::blocked(
            "--learn writes a file, and --read-only forbids it; leave one of them away",
        ));
    }
    super::view::refuse_terminal("progress", [&args.file])?;
    let mut log = Log::open(&args.file)?;
    let mut session = Session::new(args)?;
    let mut last = String::new();
    loop {
        session.follow_times()?;
        let ended = session.read(&log)?;
        session.learn()?;
        if !ended && !session.args.follow {
            log.wait().await;
            continue;
        }
        if ended {
            session.finish()?;
        }
        if !session.args.events {
            let summary = session.summary();
            let line = if global.json {
                serde_json::to_string(&summary).unwrap_or_default()
            } else {
                summary.text()
            };
            // The time that passes is no news.
            let news = summary.timeless().text();
            if !session.args.follow && global.json {
                json(&summary)?;
            } else if news != last {
                out(&line);
            }
            last = news;
        }
        // A pipe tells its end itself; more may follow what a tool says of its own.
        let over = !log.is_pipe()
            && session.held.first().is_none()
            && session.tree.sections().last().is_some_and(|s| s.ended);
        if ended || over {
            log.flaw()?;
            return Ok(session.code());
        }
        if !is_read() {
            return Ok(session.code());
        }
        log.wait().await;
        session.look(&mut log)?;
    }
}

impl Session {
    fn new(args: ProgressArgs) -> Result<Self, Stop> {
        let lock = match &args.lock {
            Some(path) => Some(Lock::parse(&bounded(path)?).map_err(Stop::blocked)?),
            None => None,
        };
        let paths = Paths::discover().map_err(Stop::blocked)?;
        let history_file = History::path(&paths.state);
        let history = match History::load(&history_file) {
            Ok(history) => history,
            // What cannot be read is not written over.
            Err(error) if args.learn => return Err(Stop::blocked(error)),
            Err(error) => {
                note(&format!("warning: {error}"));
                History::default()
            }
        };
        let mut session = Self {
            reader: Reader::new(),
            tree: Tree::new(),
            times: None,
            held: Held::default(),
            live: false,
            history,
            history_file,
            args,
        };
        session.begin(lock.as_ref());
        session.load_times()?;
        Ok(session)
    }

    fn begin(&mut self, lock: Option<&Lock>) {
        self.held = Held::default();
        self.reader = self.args.tool.map_or_else(Reader::new, Reader::of);
        self.tree = Tree::new();
        if let Some(lock) = lock {
            self.reader = std::mem::take(&mut self.reader).with_lock(lock);
            self.tree = Tree::new().with_lock(lock);
        }
    }

    /// The index that was named, or the one beside the log; a live log without one gets the times at which we look.
    fn load_times(&mut self) -> Result<(), Stop> {
        let beside = || {
            let mut name = self.args.file.clone().into_os_string();
            name.push(".times");
            let mut beside = Beside::of(Some(&self.args.file));
            beside.judge(&std::fs::metadata(&self.args.file).ok()?);
            // One that is of another log says nothing of this one.
            beside.file().map(|_| PathBuf::from(name))
        };
        let Some(path) = self.args.times.clone().or_else(beside) else {
            return Ok(());
        };
        let mut index = Index {
            path,
            times: Times::default(),
            read: 0,
        };
        index.read_on()?;
        self.times = Some(index);
        Ok(())
    }

    /// What was added to the index since; what it says of bytes that were read is not asked about again.
    fn follow_times(&mut self) -> Result<(), Stop> {
        match &mut self.times {
            _ if !self.args.follow => Ok(()),
            Some(index) => {
                index.read_on()?;
                while let Some((event, at)) = self.held.timed(&index.times) {
                    self.tree.apply(&event, at);
                }
                while let Some((event, at)) = self.held.late(&index.times, now(), self.live) {
                    self.tree.apply(&event, at);
                }
                let wanted = self.held.first().unwrap_or(u64::MAX);
                index.times.forget(self.reader.position().min(wanted));
                Ok(())
            }
            None => self.load_times(),
        }
    }

    /// Reads what is there; true where nothing will follow: without `--follow`, and at the end of a pipe.
    fn read(&mut self, log: &Log) -> Result<bool, Stop> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let at = self.reader.position();
            // Asked before the read: what came before the end is read after.
            let complete = log.source.is_complete();
            let read = log
                .source
                .handle()
                .read_at(&mut buffer, at)
                .map_err(|error| unreadable(&self.args.file, &error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                self.live = true;
                return Ok(complete && (log.is_pipe() || !self.args.follow));
            };
            let events = self.reader.feed(bytes, at);
            self.take(events, self.args.follow && !log.is_pipe())?;
            log.source.forget_before(self.reader.position());
            if log.is_pipe() && self.args.follow {
                // What came is shown as it comes.
                return Ok(false);
            }
        }
    }

    fn learn(&mut self) -> Result<(), Stop> {
        if self.args.learn && self.history.learn(&self.tree, self.args.jobs) {
            self.history.save(&self.history_file).map_err(Stop::blocked)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stop> {
        let events = self.reader.finish();
        self.take(events, false)
    }

    /// Takes what was read; `waits` where the index beside the log says later when it was written.
    fn take(&mut self, events: Vec<Event>, waits: bool) -> Result<(), Stop> {
        for event in events.iter().filter(|_| self.args.events) {
            let line = serde_json::to_string(event).map_err(|e| Stop::new(Code::FAILED, e))?;
            out(&line);
        }
        let Some(index) = &self.times else {
            for event in &events {
                self.tree.apply(event, self.args.follow.then(now));
            }
            return Ok(());
        };
        self.held.add(events);
        let timed = |held: &mut Held| {
            if waits {
                held.timed(&index.times)
            } else {
                held.last(&index.times)
            }
        };
        while let Some((event, at)) = timed(&mut self.held) {
            self.tree.apply(&event, at);
        }
        Ok(())
    }

    fn summary(&self) -> Summary {
        let now = match &self.times {
            Some(index) if !self.args.follow => index.times.last(),
            _ => self.args.follow.then(now),
        };
        let eta = estimate(&self.tree, &self.history, self.args.jobs, now);
        Summary::of(&self.tree, eta, now)
    }

    /// Looks what became of the log: one that was cut, or whose name another file has now, begins anew.
    fn look(&mut self, log: &mut Log) -> Result<(), Stop> {
        let said = match log.source.look() {
            Change::None | Change::Grown => return Ok(()),
            Change::Cut => "was cut; what follows is from its beginning on",
            Change::Replaced => "is another file now; what follows is from its beginning on",
            Change::Gone => "has gone; waiting for it",
            Change::Back => "is back",
        };
        note(&format!("{} {said}", log.source.name()));
        if said.ends_with("beginning on") {
            let lock = match &self.args.lock {
                Some(path) => Some(Lock::parse(&bounded(path)?).map_err(Stop::blocked)?),
                None => None,
            };
            self.begin(lock.as_ref());
            self.times = None;
        }
        Ok(())
    }

    fn code(&self) -> Code {
        let failed = matches!(self.tree.phase(), "failed" | "interrupted") || self.tree.counts().failed > 0;
        if failed { Code::FAILED } else { Code::OK }
    }
}

impl Index {
    fn read_on(&mut self) -> Result<(), Stop> {
        let failed = |error: io::Error| unreadable(&self.path, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length < self.read {
            // It begins anew, with its log.
            (self.times, self.read) = (Times::default(), 0);
        }
        if length == self.read {
            return Ok(());
        }
        let mut bytes = vec![];
        file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
        let whole = self.times.read(&String::from_utf8_lossy(&bytes));
        self.read += u64::try_from(whole).unwrap_or(0);
        Ok(())
    }
}

/// The log: a file that may grow, an archive, or a pipe.
struct Log {
    source: Source,
    more: Arc<Notify>,
}

impl Log {
    fn open(path: &Path) -> Result<Self, Stop> {
        let more = Arc::new(Notify::new());
        let told = Arc::clone(&more);
        let source = Source::open(path, &(Arc::new(move || told.notify_one()) as _));
        let source = source.map_err(|error| Stop::new(Code::FAILED, error))?;
        Ok(Self { source, more })
    }

    /// Pipes and archives have an end.
    fn is_pipe(&self) -> bool {
        self.source.path().is_none()
    }

    /// Until there may be more.
    async fn wait(&self) {
        tokio::select! {
            () = self.more.notified() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }

    /// An archive that breaks is said after what is in it.
    fn flaw(&self) -> Result<(), Stop> {
        match self.source.note() {
            Some(note) => Err(Stop::new(Code::FAILED, format!("{}: {note}", self.source.name()))),
            None => Ok(()),
        }
    }
}

fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

fn bounded(path: &Path) -> Result<Vec<u8>, Stop> {
    let failed = |error: io::Error| unreadable(path, &error);
    let mut bytes = vec![];
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Stop {
    let path = crate::log::sanitize(&path.display().to_string());
    Stop::new(
        Code::FAILED,
        format!(
            "{path} cannot be read: {error}; give the log file of a build, as in `halolab progress log.raw`"
        ),
    )
}
