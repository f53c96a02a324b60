//! The user's terminal handed to a command inside a lab, and taken back whole.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use crossterm::terminal;
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::backend::{Backend, Error, ExecSpec, TtyInput};

/// Whatever the command left on: attributes, hidden cursor, alternate screen, mouse, paste and focus modes.
const RESET: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\r";

struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
        let _ = io::stdout().write_all(RESET);
        let _ = io::stdout().flush();
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
    // Opened anew: reading without blocking must not change the terminal that our parent shares with us.
    let tty = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open("/dev/tty");
    let tty = AsyncFd::register(tty.map_err(broken)?).map_err(broken)?;
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
    let reader = tokio::spawn(read(tty, keys));
    let print = async {
        while let Some(bytes) = shown.recv().await {
            let mut out = io::stdout();
            let _ = out.write_all(&bytes).and_then(|()| out.flush());
        }
    };
    let (code, ()) = tokio::join!(backend.exec_tty(lab, &spec, input, output), print);
    reader.abort();
    code
}

/// Sends keys and window sizes until nobody listens.
async fn read(tty: AsyncFd<File>, keys: mpsc::Sender<TtyInput>) -> io::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut buffer = [0; 4096];
    loop {
        let input = tokio::select! {
            ready = tty.readable() => match ready?.try_io(|tty| tty.get_ref().read(&mut buffer)) {
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(count)) => TtyInput::Bytes(buffer.get(..count).unwrap_or_default().to_vec()),
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => continue,
            },
            _ = resized.recv() => {
                let (columns, rows) = terminal::size()?;
                TtyInput::Resize(columns, rows)
            }
        };
        if keys.send(input).await.is_err() {
            return Ok(());
        }
    }
}
