//! How far a job is, by what it wrote. This is the one seam to the parsers of build tools: a [`Reader`] is fed the bytes
//! of the log with their offsets, in order, and tells a [`Progress`] at any time.
//!
//! What is read here is what many tools have in common: `[12/340]` and `37%`, and lines that speak of an error.

use serde::{Deserialize, Serialize};

use super::status::short;

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What it does now; empty where its output does not say.
    pub phase: String,
    /// How many are done.
    pub done: Option<u64>,
    /// Of how many.
    pub total: Option<u64>,
    /// What it works on.
    pub current: String,
    /// The last line that spoke of an error.
    pub last_error: String,
    /// Seconds that are left, where they can be told.
    pub eta: Option<u64>,
}

impl Progress {
    /// Parts of a hundred; none where it is not known.
    pub fn percent(&self) -> Option<u8> {
        let (done, total) = (self.done?, self.total.filter(|total| *total > 0)?);
        u8::try_from(done.min(total).saturating_mul(100) / total).ok()
    }

    /// Guesses what is left from what it took so far, in seconds.
    pub fn guess_eta(&mut self, elapsed: u64) {
        self.eta = match (self.done, self.total) {
            (Some(done), Some(total)) if done > 0 && done <= total => {
                Some(elapsed.saturating_mul(total - done) / done)
            }
            _ => None,
        };
    }
}

/// Longest line that is looked at: what is longer is no line of progress.
const LINE: usize = 4096;

/// Reads progress out of a log.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    progress: Progress,
}

impl Reader {
    /// Takes the next bytes of the log; `offset` is where they begin.
    pub fn feed(&mut self, _offset: u64, bytes: &[u8]) {
        for part in bytes.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend(part.iter().take(room));
            if part.ends_with(b"\n") || part.ends_with(b"\r") {
                let line = std::mem::take(&mut self.line);
                self.read(&String::from_utf8_lossy(&line));
            }
        }
    }

    /// How far it is now.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// A new attempt begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn read(&mut self, line: &str) {
        if let Some((done, total)) = counted(line) {
            (self.progress.done, self.progress.total) = (Some(done), Some(total));
        } else if let Some(percent) = percent(line) {
            (self.progress.done, self.progress.total) = (Some(percent), Some(100));
        }
        if is_error(line) {
            self.progress.last_error = short(line.trim());
        }
    }
}

/// `[12/340]`.
fn counted(line: &str) -> Option<(u64, u64)> {
    line.match_indices('[').find_map(|(at, _)| {
        let (inside, _) = line.get(at + 1..)?.split_once(']')?;
        let (done, total) = inside.split_once('/')?;
        let (done, total): (u64, u64) = (done.trim().parse().ok()?, total.trim().parse().ok()?);
        (total > 0 && done <= total).then_some((done, total))
    })
}

/// `37%`, `37.5%`.
fn percent(line: &str) -> Option<u64> {
    line.match_indices('%').find_map(|(at, _)| {
        let before = line.get(..at)?;
        let start = before
            .rfind(|c: char| !c.is_ascii_digit() && c != '.')
            .map_or(0, |i| i + 1);
        let start = if before.is_char_boundary(start) {
            start
        } else {
            return None;
        };
        let whole = before.get(start..)?.split('.').next()?;
        whole.parse().ok().filter(|percent| *percent <= 100)
    })
}

fn is_error(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    [
        "error:",
        "fatal:",
        "fatal error",
        "==> error",
        "failed:",
        "traceback (most recent",
    ]
    .iter()
    .any(|mark| lower.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_percents_and_errors_are_read_wherever_the_bytes_are_cut() {
        let log = "\x1b[32m[3/40]\x1b[0m Building a.o\nx: error: no such file é\n[7] 25%\r[7] 50%\rfoo [9/0] [a/b]\n";
        for cut in 0..log.len() {
            let mut reader = Reader::default();
            let (one, two) = log.as_bytes().split_at(cut);
            reader.feed(0, one);
            reader.feed(cut as u64, two);
            let progress = reader.progress();
            assert_eq!((progress.done, progress.total), (Some(50), Some(100)), "{cut}");
            assert_eq!(progress.last_error, "x: error: no such file é");
        }
    }

    #[test]
    fn what_is_left_follows_from_what_it_took() {
        let mut progress = Progress {
            done: Some(25),
            total: Some(100),
            ..Progress::default()
        };
        progress.guess_eta(60);
        assert_eq!((progress.eta, progress.percent()), (Some(180), Some(25)));
        progress.done = Some(0);
        progress.guess_eta(60);
        assert_eq!(progress.eta, None, "nothing is known before the first one");
    }

    #[test]
    fn lines_without_end_cost_nothing() {
        let mut reader = Reader::default();
        for _ in 0..100 {
            reader.feed(0, &[b'x'; 10_000]);
        }
        assert!(reader.line.len() <= LINE);
        assert_eq!(reader.progress(), Progress::default());
        assert_eq!(percent("ä%"), None);
        assert_eq!(percent("150%"), None);
    }
}
