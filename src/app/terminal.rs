//! The terminal: taken on entering, given back whole on every way out.
//!
//! Ways out: quit, error (the session's drop), panic (the hook), SIGTERM, SIGHUP and SIGINT (told to the
//! loop, which leaves), Ctrl-Z and SIGTSTP (given back, stopped, taken again), SIGKILL (by the guard).

use std::{
    io::{self, BufWriter, Stdout, Write, stdout},
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor::{MoveTo, Show},
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    style::ResetColor,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
    },
};
use ratatui::{Terminal, layout::Rect};

use super::{canvas::Canvas, guard, painter::Painter};

/// One write a frame instead of one a kilobyte.
const FRAME_BYTES: usize = 128 * 1024;

/// Whether the terminal is ours, so that it is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What draws on the terminal.
pub trait Surface {
    /// Forgets what was drawn, so that the next frame draws all of it.
    fn forget(&mut self) -> io::Result<()>;
}

/// The screens' own.
pub type Frames = Terminal<Painter<BufWriter<Stdout>>>;

impl Surface for Frames {
    fn forget(&mut self) -> io::Result<()> {
        // Not `clear`: that asks the terminal where its cursor is, and waits for the answer among the keys.
        let size = self.size()?;
        self.resize(Rect::new(0, 0, size.width, size.height))
    }
}

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Session<S> {
    /// Where is drawn.
    pub surface: S,
    mouse: bool,
}

impl Session<Frames> {
    /// Takes the terminal for the screens.
    pub fn enter(mouse: bool) -> io::Result<Self> {
        let out = BufWriter::with_capacity(FRAME_BYTES, stdout());
        Self::take(mouse, || Terminal::new(Painter::new(out)))
    }
}

impl Session<Canvas> {
    /// Takes the terminal for a viewer.
    pub fn view(mouse: bool) -> io::Result<Self> {
        Self::take(mouse, || Ok(Canvas::default()))
    }
}

impl<S: Surface> Session<S> {
    fn take(mouse: bool, surface: impl FnOnce() -> io::Result<S>) -> io::Result<Self> {
        hook_panics();
        take(mouse)?;
        match surface() {
            Ok(surface) => Ok(Self { surface, mouse }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Gives the terminal to something else for a while.
    pub fn lend(&mut self) {
        restore();
    }

    /// Takes it back; everything is drawn anew.
    pub fn take_back(&mut self) -> io::Result<()> {
        take(self.mouse)?;
        self.surface.forget()
    }

    /// Takes mouse events, or leaves them to the terminal.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        }
    }
}

impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        restore();
    }
}

/// Sends something that is no frame.
pub fn send(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn take(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    guard::take(guard::Taken::Screen);
    let taken = enable_raw_mode().and_then(|()| {
        execute!(
            stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Clear(ClearType::All),
            MoveTo(0, 0)
        )?;
        if mouse {
            execute!(stdout(), EnableMouseCapture)?;
        }
        Ok(())
    });
    if taken.is_err() {
        restore();
    }
    taken
}

/// Gives the terminal back. Does nothing where it is not ours; never fails, as there is nobody to tell.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    let _ = execute!(
        out,
        DisableMouseCapture,
        DisableBracketedPaste,
        ResetColor,
        LeaveAlternateScreen,
        Show
    );
    let _ = out.flush();
    let _ = disable_raw_mode();
    guard::given();
}

/// A panic gives the terminal back first, so that its words are read on a whole screen.
fn hook_panics() {
    static HOOKED: AtomicBool = AtomicBool::new(false);
    if HOOKED.swap(true, Ordering::SeqCst) {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}
