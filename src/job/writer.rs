//! Adding to a mirror: bytes, times, status and events, by the one watcher that holds its lock.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Error, Exit, Mirror, Progress, Result, State, Status, events::Events, progress::Reader};
use crate::paths::{open_private, write_private};

/// How much of a log's end is read again for its progress: a build's whole log as a rule (measured: 250 packages of
/// Spack write less than 1 MB, and a second of reading is 40 MB).
const RECENT: u64 = 32 << 20;
/// Bytes of it that are in memory at a time.
const PART: u64 = 1 << 20;

/// The right to add to a mirror, as long as it lives.
#[derive(Debug)]
pub struct Writer {
    mirror: Mirror,
    _lock: File,
    log: File,
    bytes: u64,
    /// How many there were when the lab was asked for more.
    asked: u64,
    times: File,
    times_bytes: u64,
    events: Events,
    status: Status,
    reader: Reader,
    /// What the disk said when bytes could not be added.
    failed: Option<Error>,
}

impl Writer {
    /// Opens what is there; `lock` is held as long as it lives.
    pub(super) fn open(mirror: Mirror, lock: File) -> Result<Self> {
        let append = |name: &str| -> Result<(File, u64)> {
            let path = mirror.folder().join(name);
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            let opened = open_private(&mut options, &path).and_then(|f| Ok((f.metadata()?.len(), f)));
            opened
                .map(|(length, file)| (file, length))
                .map_err(Error::file(path))
        };
        let (log, bytes) = append("log.raw")?;
        let (times, _) = append("log.raw.times")?;
        let times_bytes = whole_lines(&mirror.folder().join("log.raw.times"), &times)?;
        let events = Events::open(&mirror.folder().join("events.jsonl"))?;
        let status = mirror.status();
        let state = mirror.folder().parent().and_then(Path::parent);
        let known = fs::read_to_string(mirror.folder().join("log.raw.times")).unwrap_or_default();
        let mut reader = Reader::new(state.unwrap_or_else(|| mirror.folder())).with_times(&known);
        let mut from = bytes.saturating_sub(RECENT).max(status.log.start.min(bytes));
        while from < bytes {
            let part = mirror.bytes(from, PART)?;
            reader.feed(from, &part);
            from += (part.len() as u64).max(1);
        }
        Ok(Self {
            mirror,
            _lock: lock,
            log,
            bytes,
            asked: bytes,
            times,
            times_bytes,
            events,
            status,
            reader,
            failed: None,
        })
    }

    /// Bytes of the log that are here.
    pub fn length(&self) -> u64 {
        self.bytes
    }

    /// The lab is asked for what comes after this.
    pub fn cursor(&mut self) -> (u64, u64) {
        self.asked = self.bytes;
        (self.bytes, self.times_bytes)
    }

    /// What was heard last.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The error that adding met, once.
    ///
    /// # Errors
    /// The disk is full or gone.
    pub fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Adds bytes; false where the disk did not take them, and then none of those after them either.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        if self.failed.is_some() {
            return false;
        }
        if let Err(error) = self.log.write_all(bytes) {
            // What did not fit as a whole is fetched again: the length that is there counts.
            let _ = self.log.set_len(self.bytes);
            self.failed = Some(Error::file(self.mirror.log())(error));
            return false;
        }
        self.reader.feed(self.bytes, bytes);
        self.bytes += bytes.len() as u64;
        true
    }

    /// Adds a line to the times.
    pub fn time(&mut self, ms: u64, bytes: u64) {
        let line = format!("{ms} {bytes}\n");
        if self.times.write_all(line.as_bytes()).is_ok() {
            self.times_bytes += line.len() as u64;
        }
        self.reader.time(i64::try_from(ms).unwrap_or(i64::MAX), bytes);
    }

    /// Takes a line with a status that came from inside; one that is none changes nothing.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn told(&mut self, line: &[u8]) -> Result<()> {
        let Some(mut status) = Status::parse(line, self.mirror.id().as_str()) else {
            return Ok(());
        };
        status.keep_ours(&self.status);
        self.change(status)
    }

    /// Its runner has begun; nothing more is known of it yet.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn began(&mut self) -> Result<()> {
        if self.status.state == State::Queued {
            self.status.state = State::Starting;
            self.store(false)?;
        }
        Ok(())
    }

    /// Nobody will hear of it any more.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn lost(&mut self, why: &str) -> Result<()> {
        if self.status.state.is_final() && self.status.state != State::Lost {
            return Ok(());
        }
        let exit = Exit {
            reason: why.into(),
            ..Exit::default()
        };
        let status = Status {
            state: State::Lost,
            exit: Some(exit),
            ..self.status.clone()
        };
        self.change(status)
    }

    fn change(&mut self, mut status: Status) -> Result<()> {
        let old = std::mem::take(&mut self.status);
        if status.attempt != old.attempt {
            self.reader.reset();
            if status.log.start < self.asked {
                // The lab is another one, or was put back: its log begins anew.
                self.begin_anew()?;
            }
        }
        if status.state.is_final() && !old.state.is_final() {
            let exit = status.exit.clone().unwrap_or_default();
            self.reader.ended(exit.code, exit.signal.is_some());
        }
        self.reader.learn();
        status.progress = self.reader.progress();
        status.synced_at = jiff::Timestamp::now().to_string();
        self.tell(&old, &status);
        status.log.seq = self.events.seq();
        let ended = status.state.is_final() && old.state != status.state;
        self.status = status;
        self.store(ended)
    }

    /// Writes events of what changed.
    fn tell(&mut self, old: &Status, new: &Status) {
        let (attempt, offset) = (new.attempt, self.bytes);
        let mut add = |event: &str, more: Value| self.events.add(event, attempt, offset, more);
        if new.attempt != old.attempt {
            add(
                "start",
                json!({ "title": self.mirror.job.title, "container": self.mirror.job.container }),
            );
        }
        if new.progress.phase != old.progress.phase {
            add("phase", json!({ "phase": new.progress.phase }));
        }
        if new.progress.last_error != old.progress.last_error && !new.progress.last_error.is_empty() {
            add("error", json!({ "text": new.progress.last_error }));
        }
        if new.state == State::Stopping && old.state != State::Stopping {
            add("signal", Value::Null);
        }
        if new.state.is_final() && old.state != new.state {
            let exit = new.exit.clone().unwrap_or_default();
            if exit.reason == "disk-full" {
                add("disk", Value::Null);
            }
            add("exit", json!({ "state": new.state, "exit": exit }));
        }
    }

    /// Writes the status; durably where nothing comes after it.
    fn store(&self, durable: bool) -> Result<()> {
        let path = self.mirror.folder().join("status.json");
        let mut text = serde_json::to_vec(&self.status)
            .map_err(io::Error::from)
            .map_err(Error::file(&path))?;
        text.push(b'\n');
        if durable {
            self.log.sync_data().map_err(Error::file(self.mirror.log()))?;
            return Ok(write_private(&path, &text)?);
        }
        // Once a second; what a power cut takes of it is heard again.
        self.mirror.replace("status.json", &text)
    }

    /// Compares the copy with the lab's size and SHA-256; remembers that it is whole where they are the same.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn verify(&mut self, bytes: u64, sum: &str) -> Result<bool> {
        let path = self.mirror.log();
        let hash = || -> io::Result<String> {
            let mut file = File::open(&path)?.take(bytes);
            let mut hash = Sha256::new();
            let mut part = vec![0_u8; 256 * 1024];
            loop {
                let count = file.read(&mut part)?;
                if count == 0 {
                    return Ok(hex::encode(hash.finalize()));
                }
                hash.update(part.get(..count).unwrap_or_default());
            }
        };
        let same = self.bytes >= bytes && hash().map_err(Error::file(&path))? == sum;
        if same && !self.status.whole {
            self.status.whole = true;
            self.store(true)?;
        }
        Ok(same)
    }

    /// Forgets the bytes that are here: they are fetched anew.
    ///
    /// # Errors
    /// The files cannot be cut.
    pub fn begin_anew(&mut self) -> Result<()> {
        let cut = |file: &File| file.set_len(0);
        cut(&self.log).map_err(Error::file(self.mirror.log()))?;
        cut(&self.times).map_err(Error::file(self.mirror.folder().join("log.raw.times")))?;
        (self.bytes, self.times_bytes, self.asked) = (0, 0, 0);
        self.reader.reset();
        Ok(())
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.reader.progress()
    }
}

/// Cuts a torn last line of the times off; what is left is a copy of the lab's first lines.
fn whole_lines(path: &Path, file: &File) -> Result<u64> {
    let text = fs::read(path).map_err(Error::file(path))?;
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1) as u64;
    if whole < text.len() as u64 {
        file.set_len(whole).map_err(Error::file(path))?;
    }
    Ok(whole)
}
