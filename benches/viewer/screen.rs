//! A program on a pseudo-terminal of 200x60, and what is on its emulated screen at which time.

use std::{
    fs,
    io::{Read as _, Write},
    num::NonZero,
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

pub(crate) const ROWS: u16 = 60;
pub(crate) const COLUMNS: u16 = 200;

struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    bytes: u64,
    last: Instant,
    ended: bool,
    /// The highest number of a line `L=…` that was on the screen, and when it first was.
    numbers: Vec<(u64, Instant)>,
    track: bool,
}

/// The program and its screen.
pub(crate) struct Screen {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    pub(crate) began: Instant,
}

/// Memory and processor time of a process and its children.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Resident memory, in MB (10^6 bytes).
    pub(crate) rss: f64,
    /// Its peak.
    pub(crate) peak: f64,
    /// Processor seconds.
    pub(crate) cpu: f64,
}

impl Screen {
    pub(crate) fn start(argv: &[String]) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(&argv[0]);
        command.args(&argv[1..]);
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LESSHISTFILE", "-");
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let began = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new((
            Mutex::new(Seen {
                parser: vt100::Parser::new(nonzero(ROWS), nonzero(COLUMNS), 0),
                raw: vec![],
                bytes: 0,
                last: began,
                ended: false,
                numbers: vec![],
                track: false,
            }),
            Condvar::new(),
        ));
        // Two threads: an emulator that is still busy must not keep the program from writing.
        let (tell, hear) = mpsc::channel::<(Vec<u8>, Instant)>();
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let _ = tell.send((buffer[..read].to_vec(), Instant::now()));
                if read == 0 {
                    return;
                }
            }
        });
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for (bytes, at) in hear {
                let (lock, bell) = &*shared;
                let mut seen = lock.lock().unwrap();
                if bytes.is_empty() {
                    seen.ended = true;
                } else {
                    seen.take(&bytes, at);
                }
                bell.notify_all();
            }
        });
        Self {
            seen,
            keys,
            child,
            _master: pair.master,
            began,
        }
    }

    pub(crate) fn send(&mut self, keys: &str) -> Instant {
        let now = Instant::now();
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
        now
    }

    /// The time at which the screen first satisfied a condition, within a deadline.
    fn until(&self, deadline: Duration, holds: impl Fn(&Seen) -> bool) -> Option<Instant> {
        let (lock, bell) = &*self.seen;
        let end = Instant::now() + deadline;
        let mut seen = lock.lock().unwrap();
        loop {
            if holds(&seen) {
                return Some(seen.last);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || seen.ended {
                return None;
            }
            seen = bell.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// When a text came to the screen.
    pub(crate) fn wait(&self, text: &str, deadline: Duration) -> Option<Instant> {
        self.until(deadline, |seen| seen.rows().iter().any(|row| row.contains(text)))
    }

    /// When a text came to the last row.
    pub(crate) fn named(&self, text: &str, deadline: Duration) -> Option<Instant> {
        self.until(deadline, |seen| {
            seen.rows().last().is_some_and(|row| row.contains(text))
        })
    }

    /// When so many rows were filled.
    pub(crate) fn filled(&self, rows: usize, deadline: Duration) -> Option<Instant> {
        self.until(deadline, |seen| {
            let full = |row: &&String| !matches!(row.trim(), "" | "~");
            seen.rows().iter().filter(full).count() >= rows
        })
    }

    /// Waits until nothing was written for a while; when the last was.
    pub(crate) fn quiet(&self, silence: Duration, deadline: Duration) -> Instant {
        let end = Instant::now() + deadline;
        loop {
            let last = self.seen.0.lock().unwrap().last;
            let since = last.elapsed();
            if since >= silence || Instant::now() > end {
                return last;
            }
            thread::sleep(silence.saturating_sub(since).min(Duration::from_millis(5)));
        }
    }

    /// The same after a key: what it changes begins to be written first.
    pub(crate) fn settled(&self, sent: Instant, silence: Duration, deadline: Duration) -> Instant {
        self.until(deadline, |seen| seen.last > sent);
        self.quiet(silence, deadline)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.seen.0.lock().unwrap().bytes
    }

    pub(crate) fn raw(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().raw.clone()
    }

    pub(crate) fn track(&self) {
        self.seen.0.lock().unwrap().track = true;
    }

    pub(crate) fn numbers(&self) -> Vec<(u64, Instant)> {
        self.seen.0.lock().unwrap().numbers.clone()
    }

    pub(crate) fn usage(&self) -> Usage {
        self.child.process_id().map(usage).unwrap_or_default()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Seen {
    fn take(&mut self, bytes: &[u8], now: Instant) {
        self.parser.process(bytes);
        self.bytes += bytes.len() as u64;
        self.last = now;
        if self.raw.len() < 8 << 20 {
            self.raw.extend_from_slice(bytes);
        }
        if self.track {
            let highest = self
                .rows()
                .iter()
                .filter_map(|row| number(row))
                .max()
                .unwrap_or(0);
            if self.numbers.last().is_none_or(|(before, _)| highest > *before) {
                self.numbers.push((highest, now));
            }
        }
    }

    fn rows(&self) -> Vec<String> {
        self.parser.screen().rows(0, COLUMNS).collect()
    }
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn number(row: &str) -> Option<u64> {
    row.split_once("L=")?.1.get(..10)?.parse().ok()
}

/// Of a process and its children, from `/proc` (proc(5): `stat` fields 14 to 17 in ticks of 10 ms).
fn usage(pid: u32) -> Usage {
    let mut all = Usage::default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    all.rss = field("VmRSS:").unwrap_or(0.0) * 1.024e-3;
    all.peak = field("VmHWM:").unwrap_or(0.0) * 1.024e-3;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    if let Some((_, rest)) = stat.rsplit_once(") ") {
        let ticks = rest.split(' ').skip(11).take(4);
        all.cpu = ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0;
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|c| c.parse().ok()) {
        let one = usage(child);
        all.rss += one.rss;
        all.peak += one.peak;
        all.cpu += one.cpu;
    }
    all
}
