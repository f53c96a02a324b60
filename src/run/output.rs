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

    /// The last line with something in it since the last mark, safe to show, at most 300 characters.
    pub fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let last = text
            .lines()
            .rev()
            .map(crate::log::sanitize)
            .find(|l| !l.trim().is_empty());
        last.unwrap_or_default().trim().chars().take(300).collect()
    }
}
