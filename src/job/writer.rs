//! Adding to a mirror: bytes, times, status and events, by the one watcher that holds its lock.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::{Error, Exit, Mirror, Progress, Result, STOPPED, State, Status, progress::Reader, tell::Teller};
use crate::{
    paths::{open_private, write_private},
    progress::Plan,
};

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
    teller: Teller,
    /// When the log last grew, and to how many bytes: milliseconds since 1970 by the lab's clock.
    grew: Option<(u64, u64)>,
    status: Status,
    /// None until somebody wants to know how far it is: to read a long log again takes its time.
    reader: Option<Reader>,
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
        let teller = Teller::open(&mirror)?;
        let status = mirror.status();
        Ok(Self {
            grew: mirror.last_time(),
            mirror,
            _lock: lock,
            log,
            bytes,
            asked: bytes,
            times,
            times_bytes,
            teller,
            status,
            reader: None,
            failed: None,
        })
    }

    /// The reader of its progress, which has read what is here.
    fn reader(&mut self) -> Result<&mut Reader> {
        if self.reader.is_none() {
            let folder = self.mirror.folder();
            let state = folder.parent().and_then(Path::parent).unwrap_or(folder);
            let known = fs::read_to_string(folder.join("log.raw.times")).unwrap_or_default();
            let plan = Plan::beside(&self.mirror.log());
            self.reader = Some(Reader::new(state).with_plan(plan).with_times(&known));
            self.read_again(self.status.log.start)?;
        }
        Ok(self
            .reader
            .get_or_insert_with(|| Reader::new(self.mirror.folder())))
    }

    /// Whether the log that is here was read for its progress.
    #[cfg(test)]
    pub(super) fn has_read(&self) -> bool {
        self.reader.is_some()
    }

    /// Reads the log that is here for its progress, from where an attempt begins in it.
    fn read_again(&mut self, start: u64) -> Result<()> {
        let mut from = self.bytes.saturating_sub(RECENT).max(start.min(self.bytes));
        while from < self.bytes {
            let part = self.mirror.bytes(from, PART)?;
            if let Some(reader) = &mut self.reader {
                reader.feed(from, &part);
            }
            from += (part.len() as u64).max(1);
        }
        Ok(())
    }

    /// Bytes of the log that are here.
    pub fn length(&self) -> u64 {
        self.bytes
    }

    /// The lab is asked for what comes after this.
    pub fn cursor(&mut self) -> (u64, u64) {
        self.asked = self.bytes;
        (self.bytes, self.status.log.times)
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

    /// Remembers what the disk said, for [`Writer::check`].
    pub(super) fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    /// Whether the disk does not take any more.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
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
        if let Some(reader) = &mut self.reader {
            reader.feed(self.bytes, bytes);
        }
        self.bytes += bytes.len() as u64;
        true
    }

    /// Adds a line of the lab's index of times, whose next one begins at `next` there; one that is torn is passed over,
    /// and so is one that says less than is known.
    pub fn time(&mut self, next: u64, line: Option<(u64, u64)>) {
        if self.failed.is_some() {
            return;
        }
        if let Some((ms, bytes)) = line
            && let Err(error) = self.add_time(ms, bytes)
        {
            let _ = self.times.set_len(self.times_bytes);
            self.failed = Some(Error::file(self.mirror.folder().join("log.raw.times"))(error));
            return;
        }
        self.status.log.times = next;
    }

    fn add_time(&mut self, ms: u64, bytes: u64) -> io::Result<()> {
        let (then, had) = self.grew.unwrap_or_default();
        if bytes < had || (bytes == had && ms <= then) {
            return Ok(());
        }
        // A clock may be put back; what is found by halving must not.
        let ms = ms.max(then);
        let line = format!("{ms} {bytes}\n");
        self.times.write_all(line.as_bytes())?;
        self.times_bytes += line.len() as u64;
        self.grew = Some((ms, bytes));
        if let Some(reader) = &mut self.reader {
            reader.time(i64::try_from(ms).unwrap_or(i64::MAX), bytes);
        }
        Ok(())
    }

    /// Whether packages are in work that have logs of their own.
    pub(super) fn is_building(&self) -> bool {
        self.reader.as_ref().is_some_and(Reader::is_building)
    }

    /// How far a package is that is built in this stage: a line of its own log.
    pub(super) fn inside(&mut self, stage: &str, step: &str) {
        if let Some(reader) = &mut self.reader {
            reader.inside(stage, step);
        }
    }

    /// Takes a line with a status that came from inside; one that is none changes nothing.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn told(&mut self, line: &[u8]) -> Result<()> {
        let Some(mut status) = Status::parse(line, self.mirror.id().as_str()) else {
            return Ok(());
        };
        let lost = self.status.state == State::Lost && self.status.attempt == status.attempt;
        if lost && !status.state.is_final() {
            // The last word of a runner that is gone: the lab was stopped under it, and runs again.
            return Ok(());
        }
        status.keep_ours(&self.status);
        if let (Some(exit), Some(doom)) = (&mut status.exit, self.mirror.doom())
            && (exit.reason == "stopped" || is_of_an_end(exit))
        {
            // The lab's own end stopped it.
            exit.reason = format!("stopped: {doom}");
        }
        let end = |status: &Status| (status.attempt, status.state, status.exit.clone());
        if status.state.is_final() && end(&status) == end(&self.status) {
            // It ended before; the rest of its log is read for its progress when it is here.
            return Ok(());
        }
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

    /// Nobody will hear of it any more. Where whoever ended its lab said why, that is why.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn lost(&mut self, why: &str) -> Result<()> {
        self.lost_but(why, None)
    }

    /// As [`Writer::lost`], where so many bytes of its log may be had later.
    ///
    /// # Errors
    /// The mirror cannot be written.
    pub fn lost_but(&mut self, why: &str, unfetched: Option<u64>) -> Result<()> {
        self.lost_with_its_lab();
        let known = self.status.exit.take_if(|_| self.status.state == State::Lost);
        self.status.unfetched = unfetched;
        if !self.status.state.is_final() || self.status.state == State::Lost {
            // Why it was lost first is why, also where the rest of its log came later.
            let known = known.map(|exit| exit.reason).filter(|reason| !reason.is_empty());
            let why = known.unwrap_or_else(|| why.to_owned());
            let exit = Exit {
                reason: self.mirror.doom().unwrap_or(why),
                ..Exit::default()
            };
            let status = Status {
                state: State::Lost,
                exit: Some(exit),
                ..self.status.clone()
            };
            self.change(status)?;
        }
        self.finish();
        self.store(true)
    }

    /// Its last word was heard: one that was killed because its lab is put back, made anew or removed is lost with it.
    /// Before that, there would be no reason to fetch the rest of its log.
    fn lost_with_its_lab(&mut self) {
        let Some(doom) = self.mirror.doom().filter(|doom| doom != STOPPED) else {
            return;
        };
        if let (State::Killed, Some(exit)) = (self.status.state, &mut self.status.exit)
            && exit.reason.starts_with("stopped: ")
        {
            self.status.state = State::Lost;
            exit.reason = doom;
        }
    }

    fn change(&mut self, mut status: Status) -> Result<()> {
        self.reader()?;
        let old = std::mem::take(&mut self.status);
        if status.attempt != old.attempt {
            self.reader()?.reset();
            if status.log.start < self.asked {
                // The lab is another one, or was put back: its log begins anew.
                status.anew += 1;
                status.log.times = 0;
                self.begin_anew()?;
            }
            // Its first bytes may have come before the first word about it.
            self.read_again(status.log.start)?;
        }
        let reader = self.reader()?;
        if let Ok(heard) = status.heartbeat_at.parse::<jiff::Timestamp>() {
            reader.lives(heard.as_millisecond());
        }
        reader.learn();
        status.progress = reader.progress();
        status.synced_at = jiff::Timestamp::now().to_string();
        self.tell(&old, &status);
        status.log.seq = self.teller.seq();
        let ended = status.state.is_final() && old.state != status.state;
        self.status = status;
        self.store(ended)
    }

    /// Writes events of what changed.
    fn tell(&mut self, old: &Status, new: &Status) {
        let (attempt, offset) = (new.attempt, self.bytes);
        self.teller.changed(&self.mirror, old, new, offset);
        if let Some(reader) = &self.reader {
            self.teller.packages(attempt, reader.tree());
        }
        if new.state.is_final() {
            return;
        }
        let heard = new.heartbeat_at.parse::<jiff::Timestamp>().ok();
        let heard = heard.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        if let (Some(heard), Some((grew, _))) = (heard, self.grew) {
            self.teller
                .silence(attempt, offset, heard.saturating_sub(grew) / 1000);
        }
        self.teller.heartbeat(new, offset, jiff::Timestamp::now());
    }

    /// It has ended, and its last byte was read: what that means for what it built, and its last event, once.
    pub(super) fn finish(&mut self) {
        let attempt = self.status.attempt;
        if self.teller.has_ended(attempt) {
            return;
        }
        let exit = self.status.exit.clone().unwrap_or_default();
        let old = self.status.clone();
        match self.reader() {
            Ok(reader) => {
                reader.ended(exit.code, exit.signal.is_some());
                reader.learn();
                self.status.progress = reader.progress();
            }
            Err(error) => self.fail(error),
        }
        let new = self.status.clone();
        self.tell(&old, &new);
        self.teller.ended(&new, self.bytes);
        self.status.log.seq = self.teller.seq();
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
            self.lost_with_its_lab();
            self.finish();
            self.status.whole = true;
            self.status.unfetched = None;
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
        (self.status.log.times, self.grew) = (0, None);
        if let Some(reader) = &mut self.reader {
            reader.begin_anew();
        }
        Ok(())
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.status.progress.clone()
    }
}

/// Whether a signal ended it that all get whose machine is stopped.
fn is_of_an_end(exit: &Exit) -> bool {
    let signals = ["SIGTERM", "SIGKILL", "SIGHUP"];
    exit.reason == "signal" && exit.signal.as_deref().is_some_and(|s| signals.contains(&s))
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
