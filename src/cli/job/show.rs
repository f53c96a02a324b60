//! A log on standard output: raw where it is a file or a pipe, safe text where it is a terminal.

use std::{
    io::{ErrorKind, IsTerminal as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{Code, Stop},
    job::Tail,
    log::document::save::Seen,
};

/// Longest piece of a line that waits for its end.
const PIECE: usize = 64 * 1024;
/// How often it is looked for what another watcher adds.
const LOOK: Duration = Duration::from_millis(100);

/// A job's log on its way to standard output, by a thread of its own: a pager that waits, or a terminal that was halted,
/// keeps that thread and nobody else. What is left of it when the program ends is ended with it.
pub(super) struct Shown {
    thread: Thread,
    last: Arc<AtomicBool>,
    all: oneshot::Receiver<Result<(), Stop>>,
}

impl Shown {
    /// Begins to show. When nobody reads it any more, the token is cancelled.
    pub(super) fn begin(tail: Tail, gone: CancellationToken) -> std::io::Result<Self> {
        let last = Arc::new(AtomicBool::new(false));
        let (tell, all) = oneshot::channel();
        let is_last = Arc::clone(&last);
        let shows = move || {
            let _ = tell.send(show_all(tail, &gone, &is_last));
        };
        let thread = thread::Builder::new().name("log".into()).spawn(shows)?;
        Ok(Self {
            thread: thread.thread().clone(),
            last,
            all,
        })
    }

    /// To be called when there is more to show.
    pub(super) fn nudge(&self) -> impl FnMut() + Send + use<> {
        let thread = self.thread.clone();
        move || thread.unpark()
    }

    /// Nothing is added any more: waits until all of it is shown, or nobody reads it.
    ///
    /// # Errors
    /// The copy of the log cannot be read, or standard output not be written.
    pub(super) async fn all(self) -> Result<(), Stop> {
        self.last.store(true, Ordering::Release);
        self.thread.unpark();
        // A thread that broke down says so by itself.
        self.all.await.unwrap_or(Ok(()))
    }
}

fn show_all(mut tail: Tail, gone: &CancellationToken, is_last: &AtomicBool) -> Result<(), Stop> {
    let mut show = Show::new(gone.clone());
    while !gone.is_cancelled() {
        // Asked before the read: what came before the end is read after.
        let last = is_last.load(Ordering::Acquire);
        let bytes = tail.more(last)?;
        if bytes.is_empty() && last {
            break;
        } else if bytes.is_empty() {
            thread::park_timeout(LOOK);
        } else {
            show.bytes(&bytes);
        }
    }
    show.end()
}

/// Standard output. When nobody reads it any more, or it cannot be written, the token is cancelled.
pub(in crate::cli) struct Show {
    terminal: bool,
    piece: Vec<u8>,
    seen: Seen,
    gone: CancellationToken,
    failed: Option<std::io::Error>,
}

impl Show {
    /// Writes from now on.
    pub(in crate::cli) fn new(gone: CancellationToken) -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            piece: vec![],
            seen: Seen::default(),
            gone,
            failed: None,
        }
    }

    /// Shows the next bytes.
    pub(in crate::cli) fn bytes(&mut self, bytes: &[u8]) {
        let text = if self.terminal {
            self.safe(bytes)
        } else {
            bytes.to_vec()
        };
        self.write(&text);
    }

    /// Shows a last line without its end.
    ///
    /// # Errors
    /// Something could not be written, for another reason than that nobody reads it.
    pub(in crate::cli) fn end(mut self) -> Result<(), Stop> {
        let rest = std::mem::take(&mut self.piece);
        if !rest.is_empty() {
            let mut text = vec![];
            // Memory takes it all.
            let _ = self.seen.write(&mut text, &rest, false);
            self.write(&text);
        }
        match self.failed {
            Some(error) => Err(Stop::new(
                Code::FAILED,
                format!("standard output cannot be written: {error}; the log itself is whole"),
            )),
            None => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut out = std::io::stdout();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            if error.kind() != ErrorKind::BrokenPipe {
                self.failed.get_or_insert(error);
            }
            self.gone.cancel();
        }
    }

    /// Whole lines, and what a progress bar last was; what is cut waits for the rest.
    fn safe(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = vec![];
        for part in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            self.piece.extend_from_slice(part);
            let (is_state, is_line) = (part.ends_with(b"\r"), part.ends_with(b"\n"));
            if !is_state && !is_line && self.piece.len() <= PIECE {
                continue;
            }
            let mut piece = std::mem::take(&mut self.piece);
            if is_state {
                piece.pop();
            }
            // Memory takes it all.
            let _ = self.seen.write(&mut shown, &piece, !is_line);
            if is_state {
                // What the next state of a bar does not cover must go.
                shown.extend_from_slice(b"\x1b[K\r");
            }
        }
        shown
    }
}

/// Tells the terminal that something ended: bell, and the notifications of iTerm2 and others (OSC 9) and of urxvt, foot,
/// VTE and others (OSC 777).
pub(super) fn notify(text: &str) {
    let stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let _ = stderr.lock().write_all(ringing(text).as_bytes());
}

/// What tells this terminal that something ended.
pub(crate) fn ringing(text: &str) -> String {
    notification(text, std::env::var_os("TMUX").is_some())
}

/// What is written to a terminal. tmux keeps what it does not know to itself, unless it is told to hand it on (its
/// `allow-passthrough` decides); the bell it takes itself.
fn notification(text: &str, inside_tmux: bool) -> String {
    let text = crate::log::sanitize(text).replace(';', ",");
    let told = [format!("9;{text}"), format!("777;notify;halolab;{text}")];
    let told = told.map(|told| format!("\x1b]{told}\x1b\\"));
    let handed_on = |told: &String| format!("\x1bPtmux;{}\x1b\\", told.replace('\x1b', "\x1b\x1b"));
    let told = if inside_tmux {
        told.iter().map(handed_on).collect()
    } else {
        told.concat()
    };
    format!("\x07{told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_does_not_come_through_wherever_it_is_cut() {
        let log = "\x1b[31mred\x1b[0m\x1b]0;owned\x07\n10%\r20%\r\nnaïve ✓\u{9b}2J\nlast".as_bytes();
        for cut in 0..log.len() {
            let mut show = Show::new(CancellationToken::new());
            let (one, two) = log.split_at(cut);
            let mut text = show.safe(one);
            text.extend(show.safe(two));
            let text = String::from_utf8(text).unwrap();
            let ours = text.replace("\x1b[K", "");
            assert!(!ours.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{cut}: {text:?}");
            assert!(
                ours.contains("naïve ✓") && ours.contains("20%"),
                "{cut}: {text:?}"
            );
            assert_eq!(show.piece, b"last", "{cut}");
        }
    }

    #[test]
    fn long_lines_come_whole() {
        let log = format!("a\t{}TAIL\n", "x".repeat(200_000));
        let mut show = Show::new(CancellationToken::new());
        let shown: Vec<u8> = log
            .as_bytes()
            .chunks(7777)
            .flat_map(|part| show.safe(part))
            .collect();
        assert!(shown == log.as_bytes(), "{} of {} bytes", shown.len(), log.len());
    }

    #[test]
    fn what_is_told_holds_nothing_but_its_words() {
        let hostile = "x;\x1b]52;c;AAAA\x07\u{9b}2Jy";
        let plain = notification(hostile, false);
        assert_eq!(plain.matches('\x1b').count(), 4, "{plain:?}");
        assert_eq!(plain.matches('\x07').count(), 1, "{plain:?}");
        let tmux = notification(hostile, true);
        assert_eq!(tmux.matches("\x1bPtmux;\x1b\x1b]").count(), 2, "{tmux:?}");
        assert!(!tmux.contains('\u{9b}') && !tmux.contains("52;c"), "{tmux:?}");
    }
}
