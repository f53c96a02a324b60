//! What is known of a job on this host: `jobs/ID/{job.json,status.json,log.raw,log.raw.times,events.jsonl,lock}`.
//!
//! `log.raw` is a copy of the lab's, byte for byte as far as it goes: its own length is the cursor for whoever goes on.
//! One watcher at a time adds to it, the one that holds the lock; others read what it adds.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Error, Exit, JobFile, JobId, Progress, Result, SCHEMA, State, Status, events::Events, progress::Reader,
};
use crate::paths::{private_folder, write_private};

/// Largest `job.json` and `status.json` that are read.
const LARGEST: u64 = 4 << 20;
/// How much of a log's end is read again for its progress.
const RECENT: u64 = 64 * 1024;

/// A job as this host knows it.
#[derive(Clone, Debug)]
pub struct Mirror {
    id: JobId,
    folder: PathBuf,
    /// What was asked for.
    pub job: JobFile,
}

impl Mirror {
    /// Makes the folder of a new job, or takes over that of an earlier attempt.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(jobs: &Path, id: &JobId, job: JobFile) -> Result<Self> {
        let folder = jobs.join(id.as_str());
        private_folder(&folder)?;
        let job = JobFile {
            schema: SCHEMA.into(),
            job: id.to_string(),
            kind: id.kind().into(),
            ..job
        };
        let bytes = serde_json::to_vec_pretty(&job)
            .map_err(io::Error::from)
            .map_err(Error::file(&folder))?;
        write_private(&folder.join("job.json"), &bytes)?;
        Ok(Self {
            id: id.clone(),
            folder,
            job,
        })
    }

    /// A job that is known here.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(jobs: &Path, id: &JobId) -> Result<Self> {
        let folder = jobs.join(id.as_str());
        let path = folder.join("job.json");
        let text = read(&path).map_err(Error::file(&path))?;
        let job = serde_json::from_slice(&text)
            .map_err(io::Error::from)
            .map_err(Error::file(&path))?;
        Ok(Self {
            id: id.clone(),
            folder,
            job,
        })
    }

    /// Its id.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The copy of its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log.raw")
    }

    /// What was heard of it last; queued where nothing was.
    pub fn status(&self) -> Status {
        let text = read(&self.folder.join("status.json")).unwrap_or_default();
        Status::parse(&text, self.id.as_str()).unwrap_or_else(|| Status {
            schema: SCHEMA.into(),
            job: self.id.to_string(),
            kind: self.id.kind().into(),
            container: self.job.container.clone(),
            ..Status::default()
        })
    }

    /// Bytes of the log that are here.
    pub fn length(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |m| m.len())
    }

    /// Bytes of the log from an offset on, at most `most`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn bytes(&self, from: u64, most: u64) -> Result<Vec<u8>> {
        if from >= self.length() {
            return Ok(vec![]);
        }
        let read = || -> io::Result<Vec<u8>> {
            let mut file = match File::open(self.log()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
                other => other?,
            };
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = vec![];
            file.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(Error::file(self.log()))
    }

    /// When the log last grew: milliseconds since 1970 by the lab's clock.
    pub fn last_growth(&self) -> Option<u64> {
        let mut file = File::open(self.folder.join("log.raw.times")).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(128))).ok()?;
        let mut end = String::new();
        file.take(128).read_to_string(&mut end).ok()?;
        end.lines().last()?.split(' ').next()?.parse().ok()
    }

    /// The right to add to it; none while another watcher has it.
    ///
    /// # Errors
    /// Its files cannot be used.
    pub fn writer(&self) -> Result<Option<Writer>> {
        let path = self.folder.join("lock");
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let lock = options.open(&path).map_err(Error::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::file(path)(error)),
        }
        Writer::open(self.clone(), lock).map(Some)
    }

    /// Replaces a small file as a whole, without waiting for the disk: a kill leaves the old one or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, fresh) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&fresh)?.write_all(bytes)?;
            fs::rename(&fresh, &path)
        };
        write().map_err(Error::file(&path))
    }

    /// Removes it from this host.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(Error::file(&self.folder))
    }
}

/// Reads a small file; one that is too large is cut, and then no JSON.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Ids of all jobs that are known here, newest first.
pub fn ids(jobs: &Path) -> Vec<JobId> {
    let entries = fs::read_dir(jobs).into_iter().flatten().flatten();
    let names = entries.filter(|e| e.path().join("job.json").is_file());
    let mut found: Vec<JobId> = names
        .filter_map(|e| JobId::parse(e.file_name().to_str()?))
        .collect();
    found.sort_by(|a, b| b.when().cmp(a.when()).then_with(|| b.cmp(a)));
    found
}

/// The job with this id, or the only one whose id begins like this.
///
/// # Errors
/// There is none, or there are several.
pub fn find(jobs: &Path, text: &str) -> Result<Mirror> {
    let all = ids(jobs);
    if let Some(id) = all.iter().find(|id| id.as_str() == text) {
        return Mirror::open(jobs, id);
    }
    let begin: Vec<&JobId> = all
        .iter()
        .filter(|id| !text.is_empty() && id.as_str().starts_with(text))
        .collect();
    let id = crate::log::sanitize(text);
    match begin.as_slice() {
        [one] => Mirror::open(jobs, one),
        [] => Err(Error::Unknown {
            id,
            ids: all.iter().map(ToString::to_string).collect(),
        }),
        many => Err(Error::Ambiguous {
            id,
            ids: many.iter().map(ToString::to_string).collect(),
        }),
    }
}

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
    fn open(mirror: Mirror, lock: File) -> Result<Self> {
        let append = |name: &str| -> Result<(File, u64)> {
            let path = mirror.folder.join(name);
            let mut options = OpenOptions::new();
            options.create(true).append(true).mode(0o600);
            let opened = options.open(&path).and_then(|f| Ok((f.metadata()?.len(), f)));
            opened
                .map(|(length, file)| (file, length))
                .map_err(Error::file(path))
        };
        let (log, bytes) = append("log.raw")?;
        let (times, _) = append("log.raw.times")?;
        let times_bytes = whole_lines(&mirror.folder.join("log.raw.times"), &times)?;
        let events = Events::open(&mirror.folder.join("events.jsonl"))?;
        let status = mirror.status();
        let mut reader = Reader::default();
        let from = bytes.saturating_sub(RECENT).max(status.log.start.min(bytes));
        reader.feed(from, &mirror.bytes(from, RECENT)?);
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
    }

    /// Takes a line with a status that came from inside; one that is none changes nothing.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn told(&mut self, line: &[u8]) -> Result<()> {
        let Some(mut status) = Status::parse(line, self.mirror.id.as_str()) else {
            return Ok(());
        };
        status.keep_ours(&self.status);
        self.change(status)
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
        status.progress = self.reader.progress();
        status.progress.guess_eta(elapsed(&status));
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
        let path = self.mirror.folder.join("status.json");
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
        cut(&self.times).map_err(Error::file(self.mirror.folder.join("log.raw.times")))?;
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

/// Seconds between its begin and the last word of it.
fn elapsed(status: &Status) -> u64 {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let (Some(begin), Some(now)) = (time(&status.started_at), time(&status.heartbeat_at)) else {
        return 0;
    };
    u64::try_from(now.as_second() - begin.as_second()).unwrap_or(0)
}
