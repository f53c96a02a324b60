//! A program on a pseudo-terminal of its own, and what its screen shows. Waits for text, never for time.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a text may take to appear on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(2);

struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

/// A program and its terminal.
pub(crate) struct Pty {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Shared,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        ..PtySize::default()
    }
}

impl Pty {
    /// Starts a program.
    pub(crate) fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let cell = |n| NonZeroU16::new(n).unwrap();
        let seen: Shared = Arc::new((
            Mutex::new(Seen {
                parser: vt100::Parser::new(cell(rows), cell(columns), 0),
                bytes: vec![],
                ended: false,
            }),
            Condvar::new(),
        ));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            loop {
                let count = reader.read(&mut buffer).unwrap_or(0);
                let (lock, told) = &*shared;
                let mut seen = lock.lock().unwrap();
                let read = buffer.get(..count).unwrap_or_default();
                seen.parser.process(read);
                seen.bytes.extend_from_slice(read);
                seen.ended = count == 0;
                told.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self {
            writer: pair.master.take_writer().unwrap(),
            master: pair.master,
            child,
            seen,
        }
    }

    /// Types.
    pub(crate) fn send(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Waits until the screen satisfies something; panics with the screen where it never does.
    pub(crate) fn wait(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let (lock, told) = &*self.seen;
        let end = Instant::now() + PATIENCE;
        let mut seen = lock.lock().unwrap();
        while !holds(seen.parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !seen.ended,
                "waited for {what}; the screen is\n{}",
                seen.parser.screen().contents()
            );
            seen = told.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits for a text.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// Waits until a text is gone.
    pub(crate) fn wait_gone(&self, text: &str) {
        self.wait(&format!("{text} to go"), |screen| {
            !screen.contents().contains(text)
        });
    }

    /// Waits for a text, then types.
    pub(crate) fn answer(&mut self, text: &str, keys: &str) {
        self.wait_for(text);
        self.send(keys);
    }

    /// Something out of the screen.
    pub(crate) fn with<T>(&self, read: impl Fn(&vt100::Screen) -> T) -> T {
        read(self.seen.0.lock().unwrap().parser.screen())
    }

    /// The screen.
    pub(crate) fn screen(&self) -> String {
        self.seen.0.lock().unwrap().parser.screen().contents()
    }

    /// All bytes so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().bytes.clone()
    }

    /// Another window size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let cell = |n| NonZeroU16::new(n).unwrap();
        let mut seen = self.seen.0.lock().unwrap();
        seen.parser.screen_mut().set_size(cell(rows), cell(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits until all that the program wrote is on the screen. A child of its own may still hold the terminal.
    fn drain(&self) {
        let (lock, told) = &*self.seen;
        let seen = lock.lock().unwrap();
        let (_seen, _) = told
            .wait_timeout_while(seen, Duration::from_secs(5), |seen| !seen.ended)
            .unwrap();
    }

    /// Waits for the end, and returns the exit code.
    pub(crate) fn end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.drain();
                return status.exit_code();
            }
            assert!(
                Instant::now() < end,
                "it does not end; the screen is\n{}",
                self.screen()
            );
            std::thread::yield_now();
        }
    }

    /// Whether the terminal shows what is typed (ECHO of termios).
    pub(crate) fn echoes(&self) -> bool {
        self.master.get_termios().unwrap().local_flags.bits() & 0o10 != 0
    }

    /// What a screen program must have put back.
    pub(crate) fn assert_given_back(&self) {
        let (lock, told) = &*self.seen;
        let mut seen = lock.lock().unwrap();
        let whole = |screen: &vt100::Screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        };
        let end = Instant::now() + PATIENCE;
        while !whole(seen.parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the terminal was left changed");
            seen = told.wait_timeout(seen, left).unwrap().0;
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test with a home of its own, and no engine but the named one.
pub(crate) fn halolab(home: &std::path::Path, socket: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_halolab"));
    environment(&mut command, home, socket);
    command
}

/// The environment of [`halolab`].
pub(crate) fn environment(command: &mut CommandBuilder, home: &std::path::Path, socket: &str) {
    command.env_clear();
    for name in ["PATH", "HOME", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env("HALOLAB_HOME", home);
    command.env("LXD_SOCKET", socket);
    command.cwd("/");
}
