//! The user's terminal handed to a command inside a lab, and taken back whole.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::backend::{Backend, Error, ExecSpec, TtyInput};

use super::guard;

/// How often the reader looks whether it is still wanted; keys are read at once.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Whatever the command left on: attributes, hidden cursor, alternate screen, mouse, paste and focus modes.
const RESET: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\r";

struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        guard::take(guard::Taken::Shell);
        let taken = terminal::enable_raw_mode();
        if taken.is_err() {
            guard::given();
        }
        guard::start();
        taken.map(|()| Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
        let _ = io::stdout().write_all(RESET);
        let _ = io::stdout().flush();
        guard::given();
    }
}

/// Runs a command inside a lab on this terminal until it ends, and returns its exit code.
///
/// # Errors
/// There is no terminal, or the daemon refuses.
pub async fn attach(backend: &dyn Backend, lab: &str, argv: Vec<String>) -> Result<i32, Error> {
    let broken = |source| Error::File {
        path: "/dev/tty".into(),
        source,
    };
    let tty = File::open("/dev/tty").map_err(broken)?;
    let size = terminal::size().map_err(broken)?;
    let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
    let env = [("TERM".to_owned(), term)].into();
    let spec = ExecSpec {
        argv,
        env,
        size,
        ..ExecSpec::default()
    };
    let (keys, input) = mpsc::channel(64);
    let (output, mut shown) = mpsc::channel::<Vec<u8>>(64);
    let _raw = Raw::enter().map_err(broken)?;
    let wanted = Arc::new(AtomicBool::new(true));
    let reader = std::thread::spawn({
        let (keys, wanted) = (keys.clone(), Arc::clone(&wanted));
        move || read(tty, &keys, &wanted)
    });
    let sizes = tokio::spawn(watch_size(keys));
    let print = async {
        while let Some(bytes) = shown.recv().await {
            let mut out = io::stdout();
            let _ = out.write_all(&bytes).and_then(|()| out.flush());
        }
    };
    let (code, ()) = tokio::join!(backend.exec_tty(lab, &spec, input, output), print);
    wanted.store(false, Ordering::Relaxed);
    sizes.abort();
    // It ends within one look; a key that is typed now is ours again.
    let _ = tokio::task::spawn_blocking(move || reader.join()).await;
    code
}

/// Sends keys as they are typed. Polls, because a blocked read would swallow the first key after the command.
fn read(mut tty: File, keys: &mpsc::Sender<TtyInput>, wanted: &AtomicBool) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while wanted.load(Ordering::Relaxed) {
        if poll(&mut [PollFd::new(&tty, PollFlags::IN)], Some(&LOOK))? == 0 {
            continue;
        }
        let count = tty.read(&mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        if count == 0 || keys.blocking_send(TtyInput::Bytes(bytes)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends the window's size each time that it changes.
async fn watch_size(keys: mpsc::Sender<TtyInput>) -> io::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    while resized.recv().await.is_some() {
        let (columns, rows) = terminal::size()?;
        if keys.send(TtyInput::Resize(columns, rows)).await.is_err() {
            break;
        }
    }
    Ok(())
}
