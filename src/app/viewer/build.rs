//! The build beside its log: a thread of its own reads the log for progress, so that the pages never wait for it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Frame, layout::Rect};

use crate::{
    job::Status,
    log::{Document, Wake},
    progress::{Estimate, Fold, History, Millis, Times, Tree},
    ui::{
        look::Look,
        progress_pane::{self, Position, ProgressPane, Row},
    },
};

/// Bytes that are read at a time.
const PART: usize = 256 * 1024;
/// A longer index of times is not read.
const TIMES: u64 = 64 << 20;
/// The end of a job is looked for this often, because it is written beside the log and not into it.
const LOOK: Duration = Duration::from_secs(1);
/// With fewer columns the pane is below the log.
const WIDE: u16 = 90;

/// What is known of the build.
#[derive(Default)]
struct Known {
    tree: Tree,
    left: Option<Estimate>,
    now: Option<Millis>,
}

/// What a key did to the pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// It is not one of its keys.
    Nothing,
    /// It moved, opened or closed something.
    Moved,
    /// To this place in the log.
    Go(u64),
    /// The log has the keys again.
    Left,
    /// The pane is to be closed.
    Closed,
}

/// The pane, and the thread behind it, which ends with it.
pub(super) struct Build {
    /// The log that it is about.
    pub(super) log: usize,
    /// It has the keys.
    pub(super) focus: bool,
    generation: u64,
    position: Position,
    known: Arc<Mutex<Known>>,
    grown: mpsc::Sender<()>,
}

impl Build {
    /// Begins to read a log. Without a thread the pane stays empty.
    pub(super) fn of(index: usize, log: &Document, memory: Option<&Path>, wake: Wake) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let (grown, heard) = mpsc::channel();
        let mut worker = Worker {
            file: Arc::clone(log.handle()),
            path: log.path().map(Path::to_owned),
            offset: 0,
            fold: Fold::default(),
            history: memory
                .and_then(|path| History::load(path).ok())
                .unwrap_or_default(),
            known: Arc::clone(&known),
            wake,
        };
        let _ = thread::Builder::new()
            .name("build".into())
            .spawn(move || worker.work(&heard));
        Self {
            log: index,
            focus: true,
            generation: log.generation(),
            position: Position::default(),
            known,
            grown,
        }
    }

    /// The log may have grown; false where it is another one now.
    pub(super) fn hear(&self, log: &Document) -> bool {
        let _ = self.grown.send(());
        log.generation() == self.generation
    }

    /// What is left of an area for the log, and the pane's own.
    pub(super) fn split(area: Rect) -> (Rect, Rect) {
        if area.width >= WIDE {
            let width = (area.width / 3).clamp(30, 64);
            let log = Rect {
                width: area.width - width,
                ..area
            };
            return (
                log,
                Rect {
                    x: area.x + log.width,
                    width,
                    ..area
                },
            );
        }
        let height = area.height / 2;
        let log = Rect {
            height: area.height - height,
            ..area
        };
        (
            log,
            Rect {
                y: area.y + log.height,
                height,
                ..area
            },
        )
    }

    pub(super) fn draw(&self, look: &Look, frame: &mut Frame<'_>, area: Rect) {
        let known = lock(&self.known);
        progress_pane::view(look, self.pane(&known), frame, area);
    }

    fn pane<'a>(&'a self, known: &'a Known) -> ProgressPane<'a> {
        ProgressPane {
            tree: &known.tree,
            position: &self.position,
            left: known.left,
            now: known.now,
            focus: self.focus,
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Did {
        let known = lock(&self.known);
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.position.step(&known.tree, -1),
            KeyCode::Down | KeyCode::Char('j') => self.position.step(&known.tree, 1),
            KeyCode::PageUp => self.position.step(&known.tree, -10),
            KeyCode::PageDown => self.position.step(&known.tree, 10),
            KeyCode::Char('T') => return Did::Closed,
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Esc => {
                self.focus = false;
                return Did::Left;
            }
            KeyCode::Enter | KeyCode::Char(' ') => match self.position.row(&known.tree) {
                Some(Row::Group(group)) => self.position.toggle(group),
                Some(Row::Package(at)) => {
                    let place = known.tree.packages().get(at).and_then(|package| package.offset);
                    return place.map_or(Did::Moved, Did::Go);
                }
                None => {}
            },
            _ => return Did::Nothing,
        }
        Did::Moved
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread: reads what is new, folds it, tells.
struct Worker {
    file: Arc<File>,
    path: Option<PathBuf>,
    offset: u64,
    fold: Fold,
    history: History,
    known: Arc<Mutex<Known>>,
    wake: Wake,
}

impl Worker {
    fn work(&mut self, heard: &mpsc::Receiver<()>) {
        let mut buffer = vec![0; PART];
        loop {
            self.read_times();
            while let Ok(count @ 1..) = self.file.read_at(&mut buffer, self.offset) {
                self.fold
                    .feed(self.offset, buffer.get(..count).unwrap_or_default());
                self.offset += count as u64;
                if matches!(heard.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                    return;
                }
            }
            let runs = self.look_at_job();
            self.tell();
            let next = if runs {
                heard.recv_timeout(LOOK)
            } else {
                heard.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            };
            if next == Err(mpsc::RecvTimeoutError::Disconnected) {
                return;
            }
            while heard.try_recv().is_ok() {}
        }
    }

    /// The index beside the log; without one, a log that grows while it is looked at has the times of the looks.
    fn read_times(&mut self) {
        let beside = self.path.as_ref().map(|path| {
            let mut name = path.clone().into_os_string();
            name.push(".times");
            PathBuf::from(name)
        });
        let known = beside.filter(|path| fs::metadata(path).is_ok_and(|m| m.len() < TIMES));
        if let Some(text) = known.and_then(|path| fs::read_to_string(path).ok()) {
            self.fold.set_times(Times::parse(&text));
        } else if let Ok(length) = self.file.metadata().map(|m| m.len()) {
            // When the part that was there before was written, nobody knows.
            if self.offset > 0 && length > self.offset {
                self.fold.time(now(), length);
            }
        }
    }

    /// What the job says whose log it is; whether it still runs.
    fn look_at_job(&mut self) -> bool {
        let folder = self.path.as_ref().filter(|path| path.ends_with("log.raw"));
        let Some(folder) = folder.and_then(|path| path.parent()) else {
            return false;
        };
        let id = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let told = fs::read(folder.join("status.json")).ok();
        let Some(status) = told.and_then(|line| Status::parse(&line, &id)) else {
            return false;
        };
        for (key, inside) in &status.progress.inside {
            self.fold.set_inside(key, *inside);
        }
        // What comes after a state that is final are the last bytes of the log.
        if !status.is_over() {
            return true;
        }
        if self.fold.tree().exit().is_none() {
            let exit = status.exit.unwrap_or_default();
            self.fold.ended(exit.code, exit.signal.is_some());
        }
        false
    }

    fn tell(&self) {
        let over = self.fold.is_over();
        let last = self.fold.last();
        let now = if over { last } else { last.map(|_| now()) };
        let left = self.fold.left(&self.history, now).filter(|_| !over);
        *lock(&self.known) = Known {
            tree: self.fold.tree().clone(),
            left,
            now,
        };
        (self.wake)();
    }
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
