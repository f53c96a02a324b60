//! The build beside its log: a thread of its own reads the log for progress, so that the pages never wait for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crossterm::event::{KeyCode, KeyEvent, MouseEvent, MouseEventKind};
use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    app::build::{Follower, Known, job_of},
    job::Status,
    log::{Document, Wake},
    progress::{Exit, Tree},
    ui::{
        look::Look,
        progress_pane::{self, Position, ProgressPane, Row},
    },
};

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
}

/// The pane, and the thread behind it, which ends with it.
pub(super) struct Build {
    /// The log that it is about.
    pub(super) log: usize,
    /// It has the keys.
    pub(super) focus: bool,
    generation: u64,
    position: Position,
    /// What the position is of.
    seen: Arc<Tree>,
    known: Arc<Mutex<Known>>,
    grown: mpsc::Sender<()>,
}

impl Build {
    /// Begins to read a log. Without a thread the pane stays empty.
    pub(super) fn of(index: usize, log: &Document, memory: Option<&Path>, wake: Wake) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let (grown, heard) = mpsc::channel();
        let mut worker = Worker {
            follower: Follower::new(Arc::clone(log.handle()), log.path(), memory),
            job: log.path().and_then(job_of),
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
            seen: Arc::default(),
            known,
            grown,
        }
    }

    /// The log may have grown; false where it is another one now.
    pub(super) fn hear(&self, log: &Document) -> bool {
        let _ = self.grown.send(());
        log.generation() == self.generation
    }

    /// The build may have gone on: the cursor stays on its row.
    pub(super) fn refresh(&mut self) {
        let now = Arc::clone(&lock(&self.known).tree);
        self.position.follow(&self.seen, &now);
        self.seen = now;
    }

    /// Rows of the pane that show all of it.
    pub(super) fn height(&self) -> u16 {
        self.pane(&lock(&self.known)).height()
    }

    pub(super) fn draw(&self, look: &Look, page: &mut Buffer, area: Rect) {
        let known = lock(&self.known);
        progress_pane::view(look, self.pane(&known), page, area);
    }

    fn pane<'a>(&'a self, known: &'a Known) -> ProgressPane<'a> {
        ProgressPane {
            tree: &known.tree,
            position: &self.position,
            left: known.left,
            silent: known.silent.as_deref(),
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
                Some(Row::Target(at)) => {
                    let place = known.tree.targets().get(at).map(|target| target.offset);
                    return place.map_or(Did::Moved, Did::Go);
                }
                None => {}
            },
            _ => return Did::Nothing,
        }
        Did::Moved
    }
}

impl Build {
    /// Takes the mouse: the wheel moves the cursor, a click puts it on a row.
    pub(super) fn mouse(&mut self, mouse: MouseEvent, look: &Look, area: Rect) {
        let known = lock(&self.known);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.position.step(&known.tree, -3),
            MouseEventKind::ScrollDown => self.position.step(&known.tree, 3),
            MouseEventKind::Down(_) => {
                let row = progress_pane::row_at(look, self.pane(&known), area, mouse.row);
                self.focus = true;
                self.position.cursor = row.unwrap_or(self.position.cursor);
            }
            _ => {}
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread: reads what is new, folds it, tells.
struct Worker {
    follower: Follower,
    job: Option<(PathBuf, String)>,
    known: Arc<Mutex<Known>>,
    wake: Wake,
}

impl Worker {
    fn work(&mut self, heard: &mpsc::Receiver<()>) {
        loop {
            while self.follower.read() {
                self.tell();
                if matches!(heard.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                    return;
                }
            }
            self.follower.lives = self.look_at_job();
            let next = match self.tell() {
                Some(rest) => heard.recv_timeout(rest),
                None => heard.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            };
            if next == Err(mpsc::RecvTimeoutError::Disconnected) {
                return;
            }
            while heard.try_recv().is_ok() {}
        }
    }

    /// What the job says whose log it is; whether it still runs.
    fn look_at_job(&mut self) -> bool {
        let Some((folder, id)) = &self.job else {
            return false;
        };
        let told = fs::read(folder.join("status.json")).ok();
        let Some(status) = told.and_then(|line| Status::parse(&line, id)) else {
            return false;
        };
        for (key, inside) in &status.progress.inside {
            self.follower.set_inside(key, *inside);
        }
        // What comes after a state that is final are the last bytes of the log.
        if !status.is_over() {
            return true;
        }
        if !self.follower.has_ended() {
            let exit = status.exit.unwrap_or_default();
            self.follower.end(Exit {
                code: exit.code,
                // Which signal it was makes no difference to what is installed.
                signal: exit.signal.map(|_| 15),
            });
        }
        false
    }

    /// Tells what is known; returns when to look again, whatever happens.
    fn tell(&self) -> Option<Duration> {
        let known = self.follower.known();
        let rest = self.follower.rest(&known);
        *lock(&self.known) = known;
        (self.wake)();
        rest
    }
}
