//! The loop of the viewer: waits for something to happen, then draws once. What happens first is shown at once, what
//! follows at 60 frames a second, and at fewer where frames are dear.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{self, Event, KeyCode, KeyEvent, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;
use rustix::{
    process::{Signal, getpid, kill_process},
    time::{ClockId, clock_gettime},
};

use crate::{
    app::{
        canvas::Canvas,
        guard,
        terminal::{Session, Surface as _, send},
    },
    cli::Code,
    log::{Document, document::SharedRules, rules::Rules, watch::Watch},
    ui::{look::Look, progress_pane},
    view::{Effect, Palette, Screen, Viewer},
};

mod aside;
mod former;

use aside::{Aside, Ended};

use super::{
    build::{Build, Did},
    ears::Ears,
    hands, lean,
    news::News,
};

/// Between two frames at least.
const FRAME: Duration = Duration::from_millis(16);
/// And at most, however dear they are.
const SLOW_FRAME: Duration = Duration::from_millis(33);
/// Frames may cost this share of a processor: one twentieth.
const SHARE: u32 = 20;
/// And this share of the time, where it is the terminal that is slow.
const WAITING: u32 = 2;
/// Between two keys of a storm of keys.
const KEY_FRAME: Duration = Duration::from_millis(4);
/// Files that nobody tells of are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// After so much silence, and not more often than each second, what is not needed now is given back.
const SILENCE: Duration = Duration::from_millis(100);

/// crossterm looks at nothing at all where it is given no time; given less than a millisecond, it does not wait.
const AT_ONCE: Duration = Duration::from_micros(100);

/// The viewer at work.
pub(super) struct Serving {
    viewer: Viewer,
    logs: Vec<Document>,
    watch: Watch,
    session: Session<Canvas>,
    look: Look,
    palette: Palette,
    ears: Ears,
    area: Rect,
    /// The build beside the log, and where it is.
    build: Option<Build>,
    beside: Rect,
    /// Where durations of former builds are.
    memory: Option<PathBuf>,
    /// What is told of the first log.
    news: Option<Arc<News>>,
    aside: Aside,
    /// Something changed since the last frame, and whether it was a key.
    dirty: bool,
    keyed: bool,
    /// Files may have changed since the last look.
    changed: bool,
    next_frame: Instant,
    painted: Instant,
    /// When memory was last given back.
    rested: Option<Instant>,
    /// Logs that were asked for; behind them are those whose names other files have now.
    given: usize,
    /// How many of these gave way.
    kept: usize,
}

impl Serving {
    pub(super) fn new(
        viewer: Viewer,
        logs: Vec<Document>,
        session: Session<Canvas>,
        look: Look,
        ears: Ears,
    ) -> Self {
        let now = Instant::now();
        Self {
            viewer,
            watch: Watch::of(&logs),
            given: logs.len(),
            kept: 0,
            logs,
            session,
            palette: look.palette(),
            look,
            ears,
            area: Rect::default(),
            build: None,
            beside: Rect::default(),
            memory: None,
            news: None,
            aside: Aside::default(),
            dirty: true,
            keyed: false,
            changed: false,
            next_frame: now,
            painted: now,
            rested: None,
        }
    }

    /// Serves until the user leaves; returns the exit code.
    pub(super) fn run(&mut self, rules: &SharedRules, folders: Vec<PathBuf>) -> io::Result<u8> {
        self.paint()?;
        // All that is not needed for the first frame comes after it.
        guard::start();
        for log in &mut self.logs {
            log.count();
        }
        self.load_rules(Arc::clone(rules), folders);
        loop {
            let now = Instant::now();
            let due = if self.keyed {
                self.painted + KEY_FRAME
            } else {
                self.next_frame
            };
            if self.dirty && now >= due {
                let keyed = self.keyed;
                self.paint()?;
                // Of keys that came together the last ones may lie in crossterm's own buffer.
                if keyed && let Some(code) = self.take_keys()? {
                    return Ok(code);
                }
                continue;
            }
            let most = if self.dirty {
                Some(due.saturating_duration_since(now))
            } else {
                self.rest(now)
            };
            // That files changed is known: to hear it again for each line would cost more than the frame.
            let watch = if self.changed { None } else { Some(&mut self.watch) };
            let heard = self.ears.listen(watch, most)?;
            if let Some(code) = heard.end {
                self.give_up();
                return Ok(code);
            }
            let by_clock = self.watch.is_deaf() && !self.dirty && self.painted.elapsed() >= LOOK;
            if by_clock {
                self.watch.renew();
            }
            // Pipes and archives tell by their threads that they grew.
            self.changed |= heard.files || heard.threads || by_clock;
            self.dirty |= heard.files || by_clock || heard.threads || heard.window;
            if heard.threads {
                self.viewer.spoil();
                self.take_ended()?;
                self.take_news()?;
            }
            if heard.window {
                // Of a storm of sizes only the last one is seen, while the terminal lost what it showed.
                self.session.surface.forget()?;
            }
            if heard.stop {
                self.suspend()?;
            }
            if heard.keys
                && let Some(code) = self.take_keys()?
            {
                return Ok(code);
            }
        }
    }

    /// How long may be waited; after some silence the memory is given back that is not needed now.
    fn rest(&mut self, now: Instant) -> Option<Duration> {
        let look = self.watch.is_deaf().then_some(LOOK);
        if self.rested.is_some_and(|rested| rested >= self.painted) {
            return look;
        }
        let often = self.rested.map(|rested| rested + LOOK);
        let due = (self.painted + SILENCE).max(often.unwrap_or(now));
        if now < due {
            let wait = due.saturating_duration_since(now);
            return Some(look.map_or(wait, |look| look.min(wait)));
        }
        lean::give_back();
        self.rested = Some(now);
        look
    }

    /// Durations of former builds are in this file.
    pub(super) fn remember(&mut self, memory: Option<PathBuf>) {
        self.memory = memory;
    }

    /// Listens to what is told of the first log.
    pub(super) fn hear(&mut self, news: Arc<News>) {
        news.listen(self.ears.wake());
        self.news = Some(news);
    }

    fn take_news(&mut self) -> io::Result<()> {
        let Some(told) = self.news.as_ref().and_then(|news| news.take()) else {
            return Ok(());
        };
        self.viewer.standing = told.standing;
        self.viewer.message = told.said.or_else(|| self.viewer.message.take());
        match told.ring {
            Some(text) => send(crate::cli::ringing(&text).as_bytes()),
            None => Ok(()),
        }
    }

    /// Shows the build that a log is of.
    pub(super) fn show_build(&mut self, index: usize, focus: bool) {
        if let Some(log) = self.logs.get(index) {
            let mut build = Build::of(index, log, self.memory.as_deref(), self.ears.wake());
            build.focus = focus;
            self.build = Some(build);
            self.viewer.spoil();
        }
    }

    /// Shows the build of a log, or hides it.
    fn turn_build(&mut self, index: usize) {
        match &self.build {
            Some(build) if build.log == index => {
                self.build = None;
                self.viewer.spoil();
            }
            _ => self.show_build(index, true),
        }
    }

    /// Where no pane shows the log any more whose build is beside it, the build of the log that is shown is.
    fn turn_build_along(&mut self) {
        let shown = |log| self.viewer.panes.iter().any(|pane| pane.log == log);
        let beside = self.build.as_ref().filter(|build| !shown(build.log));
        if let (Some(build), Some(pane)) = (beside, self.viewer.pane()) {
            self.show_build(pane.log, build.focus);
        }
    }

    /// Tab goes round: from the last pane to the build, and from there to the first one.
    fn enters_build(&mut self, key: KeyEvent) -> bool {
        let last = self.viewer.focus + 1 >= self.viewer.panes.len();
        let tab = key.code == KeyCode::Tab && !self.viewer.is_typing() && self.viewer.help.is_none();
        let Some(build) = self.build.as_mut().filter(|build| tab && last && !build.focus) else {
            return false;
        };
        build.focus = true;
        true
    }

    /// A key, where the build has the keys; false where it is for the log.
    fn build_key(&mut self, key: KeyEvent) -> bool {
        let asked = self.viewer.is_typing() || self.viewer.help.is_some();
        let Some(build) = self.build.as_mut().filter(|build| build.focus && !asked) else {
            return self.enters_build(key);
        };
        match build.key(key) {
            Did::Nothing => return false,
            Did::Left => {
                if key.code == KeyCode::Tab && self.viewer.panes.len() > 1 {
                    self.viewer.focus = 0;
                    self.viewer.spoil();
                }
            }
            Did::Moved => {}
            Did::Go(offset) => {
                let log = build.log;
                self.viewer.show_place(log, offset);
            }
        }
        true
    }

    /// Tells the build that its log grew; one whose log was replaced begins anew.
    fn tell_build(&mut self) {
        let Some(build) = &self.build else { return };
        let log = self.logs.get(build.log);
        if log.is_some_and(|log| !build.hear(log)) {
            self.show_build(build.log, build.focus);
        }
    }

    /// Until that is done nothing is coloured.
    fn load_rules(&mut self, rules: SharedRules, folders: Vec<PathBuf>) {
        self.begin(move || {
            let (found, problems) = Rules::load(&folders);
            let _ = rules.set(found);
            Ended::Ruled(problems)
        });
    }

    /// Looks at the files, reads what is to be shown, and draws it.
    fn paint(&mut self) -> io::Result<()> {
        let (began, worked) = (Instant::now(), processor_time());
        self.turn_build_along();
        if std::mem::take(&mut self.changed) {
            let mut former = vec![];
            for (index, log) in self.logs.iter_mut().enumerate() {
                if log.look() {
                    self.viewer.spoil_log(index);
                    former.extend(log.take_former());
                }
            }
            for log in former {
                self.keep(log);
            }
            self.tell_build();
        }
        let (width, height) = size()?;
        let whole = Rect::new(0, 0, width, height);
        let (area, beside) = match &mut self.build {
            Some(build) => {
                build.refresh();
                progress_pane::split(whole, build.height())
            }
            None => (whole, Rect::default()),
        };
        (self.area, self.beside) = (area, beside);
        self.viewer.lay_out(self.area);
        self.viewer.read(&mut self.logs);
        let screen = Screen {
            viewer: &self.viewer,
            palette: &self.palette,
        };
        let (build, look) = (self.build.as_ref(), &self.look);
        self.session.surface.draw(whole, |page| {
            if let Some(build) = build {
                build.draw(look, page, beside);
            }
            screen.draw(page, area)
        })?;
        (self.dirty, self.keyed) = (false, false);
        self.painted = Instant::now();
        let work = processor_time().saturating_sub(worked) * SHARE;
        let wait = self.painted.duration_since(began) * WAITING;
        self.next_frame = began + work.max(wait).clamp(FRAME, SLOW_FRAME);
        Ok(())
    }

    fn take_keys(&mut self) -> io::Result<Option<u8>> {
        while event::poll(AT_ONCE)? {
            let effects = match event::read()? {
                Event::Key(key) if (key.is_press() || key.is_repeat()) && self.build_key(key) => vec![],
                Event::Key(key) if key.is_press() || key.is_repeat() => self.viewer.key(key),
                Event::Paste(text) => {
                    self.viewer.paste(&text);
                    vec![]
                }
                Event::Mouse(mouse) => {
                    self.mouse(mouse);
                    vec![]
                }
                Event::Resize(..) => vec![],
                Event::Key(_) | Event::FocusGained | Event::FocusLost => continue,
            };
            (self.dirty, self.keyed) = (true, true);
            for effect in effects {
                if effect == Effect::Quit {
                    if self.may_leave() {
                        let flawed = self.logs.iter().any(|log| log.flaw().is_some());
                        return Ok(Some(if flawed { Code::FAILED.0 } else { 0 }));
                    }
                    continue;
                }
                self.perform(effect)?;
            }
            // A motion begins where the last one ended.
            self.viewer.read(&mut self.logs);
        }
        Ok(None)
    }

    fn mouse(&mut self, mouse: MouseEvent) {
        let in_build = self.beside.contains((mouse.column, mouse.row).into());
        match &mut self.build {
            Some(build) if in_build && self.viewer.help.is_none() => {
                build.mouse(mouse, &self.look, self.beside);
            }
            build => {
                if let (Some(build), MouseEventKind::Down(_)) = (build, mouse.kind) {
                    build.focus = false;
                }
                self.viewer.mouse(mouse, self.area);
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Quit => {}
            Effect::Build(log) => self.turn_build(log),
            Effect::Suspend => self.suspend()?,
            Effect::Redraw => self.session.surface.forget()?,
            Effect::Copy(log, range) => {
                if let Some(log) = self.logs.get_mut(log) {
                    let (text, cut) = hands::lines(log, range);
                    send(hands::clipboard(&text).as_bytes())?;
                    self.viewer.take_copied(&text, cut);
                }
            }
            Effect::Save(save) => self.save(save),
            Effect::Open(opening) => self.open(&opening),
        }
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.session.lend();
        let _ = kill_process(getpid(), Signal::STOP);
        self.session.take_back()?;
        (self.dirty, self.changed) = (true, true);
        Ok(())
    }
}

/// Columns and rows of the terminal. crossterm opens it anew for each answer; it is asked where this one says nothing.
fn size() -> io::Result<(u16, u16)> {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Ok((size.ws_col, size.ws_row)),
        _ => crossterm::terminal::size(),
    }
}

/// What this thread used of a processor.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}
