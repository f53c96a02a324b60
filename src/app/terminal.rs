//! The terminal: taken on entering, given back whole on every way out.
//!
//! Ways out: quit, error (the session's drop), panic (the hook), SIGTERM, SIGHUP and SIGINT (told to the
//! loop, which leaves), Ctrl-Z and SIGTSTP (given back, stopped, taken again), SIGKILL (by the guard).

use std::{
    io::{self, BufWriter, Stdout, Write, stdout},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
use ratatui::{Frame, Terminal, layout::Rect};

use super::{guard, painter::Painter};

/// One write a frame instead of one a kilobyte.
const FRAME_BYTES: usize = 128 * 1024;
/// The terminal shows what lies between these at once, where it can; others ignore them.
const BEGIN_FRAME: &[u8] = b"\x1b[?2026h";
const END_FRAME: &[u8] = b"\x1b[?2026l";

/// Whether the terminal is ours, so that it is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The way to the terminal: a frame is held back until it is whole.
#[derive(Debug)]
pub struct Output {
    out: BufWriter<Stdout>,
    held: Arc<AtomicBool>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.out.flush()
        }
    }
}

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Session {
    /// Where frames are drawn.
    pub terminal: Terminal<Painter<Output>>,
    mouse: bool,
    held: Arc<AtomicBool>,
}

impl Session {
    /// Takes the terminal.
    pub fn enter(mouse: bool) -> io::Result<Self> {
        hook_panics();
        take(mouse)?;
        let held = Arc::new(AtomicBool::new(false));
        let out = Output {
            out: BufWriter::with_capacity(FRAME_BYTES, stdout()),
            held: Arc::clone(&held),
        };
        match Terminal::new(Painter::new(out)) {
            Ok(terminal) => Ok(Self {
                terminal,
                mouse,
                held,
            }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Draws a frame with one write, which the terminal shows at once.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.backend_mut().write_all(BEGIN_FRAME)?;
        self.held.store(true, Ordering::Relaxed);
        let drawn = self.terminal.draw(render).map(|_| ());
        self.held.store(false, Ordering::Relaxed);
        drawn?;
        self.terminal.backend_mut().write_all(END_FRAME)?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Sends something that is no frame.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.terminal.backend_mut().write_all(bytes)?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Gives the terminal to something else for a while.
    pub fn lend(&mut self) {
        restore();
    }

    /// Takes it back; everything is drawn anew.
    pub fn take_back(&mut self) -> io::Result<()> {
        take(self.mouse)?;
        self.redraw()
    }

    /// Forgets what was drawn, so that the next frame draws all of it.
    pub fn redraw(&mut self) -> io::Result<()> {
        // Not `clear`: that asks the terminal where its cursor is, and waits for the answer among the keys.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
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

impl Drop for Session {
    fn drop(&mut self) {
        restore();
    }
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
