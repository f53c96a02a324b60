//! The log of one lab in a run: raw bytes as they came, in a file. The file is the truth; watchers only
//! hear that it grew.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use crate::paths::open_private;

use super::Event;

/// Watchers hear of growth at most this often.
const QUIET: Duration = Duration::from_millis(50);

/// An append-only log file.
#[derive(Debug)]
pub struct Output {
    file: File,
    bytes: u64,
    lab: String,
    events: UnboundedSender<Event>,
    told: Instant,
    /// The last lines of what commands said, for verdicts and error messages: at most 4 KiB.
    tail: Vec<u8>,
}

/// At most so many lines of a check are its result together.
const FEW: usize = 3;

/// Bytes of a command's last output that are kept in memory.
pub(super) const TAIL: usize = 4096;

impl Output {
    /// Opens `LAB.log` to add to it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path, lab: &str, events: UnboundedSender<Event>) -> io::Result<Self> {
        let file = open_private(OpenOptions::new().create(true).append(true), path)?;
        let bytes = file.metadata()?.len();
        let told = Instant::now();
        Ok(Self {
            file,
            bytes,
            lab: lab.to_owned(),
            events,
            told,
            tail: vec![],
        })
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds bytes as they came.
    pub fn write(&mut self, bytes: &[u8]) {
        // A full disk must not stop the command itself; the journal will stop the run at its next line.
        if self.file.write_all(bytes).is_ok() {
            self.bytes += bytes.len() as u64;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL {
            let cut = self.tail.len() - TAIL;
            self.tail.drain(..cut);
        }
        if self.told.elapsed() >= QUIET {
            self.tell();
        }
    }

    /// A line of our own.
    pub fn line(&mut self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
        self.tell();
    }

    /// Says how long the file is.
    pub fn tell(&mut self) {
        self.told = Instant::now();
        let _ = self.events.send(Event::Output {
            lab: self.lab.clone(),
            bytes: self.bytes,
        });
    }

    /// Forgets the tail: what follows is another command's.
    pub fn mark(&mut self) {
        self.tail.clear();
    }

    /// What a command said last, where some of it was added by an earlier attempt.
    pub fn recall(&mut self, end: &[u8]) {
        self.tail = end.to_vec();
    }

    /// The last line with something in it since the last mark, safe to show, at most 300 characters; commands that a
    /// trace shows only where nothing else was said.
    pub fn last_line(&self) -> String {
        let mut said = self.said();
        let own = said.iter().rfind(|line| !line.starts_with("+ ")).cloned();
        // A script that only traces says that at least.
        cut(own.or_else(|| said.pop()).unwrap_or_default())
    }

    /// What a check came to, safe to show, at most 300 characters: its line that says `FAILED`, all that it said where
    /// that is little, else its last line. Commands that a trace shows are not what it says.
    pub fn result(&self) -> String {
        let mut said = self.said();
        said.retain(|line| !line.starts_with("+ "));
        if let Some(failed) = said.iter().rfind(|line| line.starts_with("FAILED")) {
            return cut(failed.clone());
        }
        if said.len() > FEW {
            return cut(said.pop().unwrap_or_default());
        }
        cut(said.join("; "))
    }

    /// The lines with something in them since the last mark, as far as they are kept.
    fn said(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let lines = text
            .lines()
            .map(|line| crate::log::sanitize(line).trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }
}

fn cut(line: String) -> String {
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_came_to_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
        let mut output = Output::open(&folder.path().join("lab.log"), "lab", events).unwrap();
        let mut came_to = |text: &str| {
            output.mark();
            output.write(text.as_bytes());
            output.result()
        };
        assert_eq!(
            came_to("greeting: hello\nversion 3\n"),
            "greeting: hello; version 3"
        );
        let failed = "FAILED: no GPU inside\nThe profile does not pass it: see `halolab doctor`.\n";
        assert_eq!(came_to(failed), "FAILED: no GPU inside");
        assert_eq!(came_to("1\n2\n3\n4\nall 4 are there\n"), "all 4 are there");
        assert_eq!(came_to("+ cat /greeting\nhello\n+ exit 0\n"), "hello");
        assert_eq!(came_to(""), "");
        output.mark();
        output.write(b"+ false\nE: no such package\n+ exit 100\n");
        assert_eq!(output.last_line(), "E: no such package");
    }
}
