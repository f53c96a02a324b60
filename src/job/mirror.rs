//! What is known of a job on this host: `jobs/ID/{job.json,status.json,log.raw,log.raw.times,events.jsonl,lock}`.
//!
//! `log.raw` is a copy of the lab's, byte for byte as far as it goes: its own length is the cursor for whoever goes on.
//! One watcher at a time adds to it, and writes its status: the one that holds the lock; others read what it adds. What
//! is asked for meanwhile has files of its own: `attempt` (which one was asked for last) and `doom`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Error, JobFile, JobId, Result, SCHEMA, State, Status, Writer};
use crate::{
    backend::Backend,
    paths::{open_private, private_folder, write_private},
};

/// Largest `job.json` and `status.json` that are read.
const LARGEST: u64 = 4 << 20;

/// Why its lab is being ended, for the one who finds that the job is lost.
const DOOM: &str = "doom";
/// Which attempt was asked for last, where it is not the first: how an earlier one ended is not how it stands.
const ATTEMPT: &str = "attempt";

/// A job as this host knows it.
#[derive(Clone, Debug)]
pub struct Mirror {
    id: JobId,
    folder: PathBuf,
    /// What was asked for.
    pub job: JobFile,
}

impl Mirror {
    /// Makes the folder of a new job; another one's is not taken over.
    ///
    /// # Errors
    /// There is one ([`Error::Taken`]), or it cannot be written.
    pub fn create_new(jobs: &Path, id: &JobId, job: JobFile) -> Result<Self> {
        private_folder(jobs)?;
        let folder = jobs.join(id.as_str());
        match fs::create_dir(&folder) {
            Ok(()) => Self::create(jobs, id, job),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Taken(id.to_string())),
            Err(error) => Err(Error::file(folder)(error)),
        }
    }

    /// Makes the folder of a job, or takes over that of an earlier attempt.
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
        if let Err(error) = write_private(&folder.join("job.json"), &bytes) {
            // Only where nothing is in it.
            let _ = fs::remove_dir(&folder);
            return Err(error.into());
        }
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

    /// What was heard of it last; queued where nothing was, or not of the attempt that was asked for last.
    pub fn status(&self) -> Status {
        let text = read(&self.folder.join("status.json")).unwrap_or_default();
        match Status::parse(&text, self.id.as_str()) {
            Some(status) if status.is_before(self.asked_for()) => Status {
                state: State::Queued,
                exit: None,
                ended_at: None,
                whole: false,
                unfetched: None,
                ..status
            },
            Some(status) => status,
            None => Status::queued(&self.id, &self.job.container),
        }
    }

    /// Which attempt was asked for last; 0 where it is the first.
    pub fn asked_for(&self) -> u32 {
        let text = read(&self.folder.join(ATTEMPT)).unwrap_or_default();
        let number = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        number.unwrap_or(0)
    }

    /// An attempt is asked for, or was not begun after all. Whoever watches meanwhile has the status, and may write how
    /// the one before it ended.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_asked_for(&self, attempt: Option<u32>) -> Result<()> {
        self.set(ATTEMPT, attempt.map(|attempt| format!("{attempt}\n")).as_deref())
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
        self.last_time().map(|(ms, _)| ms)
    }

    /// The last line of the index of times: milliseconds since 1970, bytes.
    pub(super) fn last_time(&self) -> Option<(u64, u64)> {
        let mut file = File::open(self.folder.join("log.raw.times")).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(128))).ok()?;
        let mut end = String::new();
        file.take(128).read_to_string(&mut end).ok()?;
        let (ms, bytes) = end.lines().last()?.split_once(' ')?;
        Some((ms.parse().ok()?, bytes.parse().ok()?))
    }

    /// The right to add to it; none while another watcher has it.
    ///
    /// # Errors
    /// Its files cannot be used.
    pub fn writer(&self) -> Result<Option<Writer>> {
        let path = self.folder.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let lock = open_private(&mut options, &path).map_err(Error::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::file(path)(error)),
        }
        // Who has it is said to others; the lock alone decides.
        let named = lock
            .set_len(0)
            .and_then(|()| (&lock).write_all(format!("{}\n", std::process::id()).as_bytes()));
        if let Err(error) = named {
            tracing::debug!(%error, "the holder of the lock is not named");
        }
        Writer::open(self.clone(), lock).map(Some)
    }

    /// That the watcher who has the lock is suspended, and adds nothing; none where it is at work or gone.
    pub fn suspended(&self) -> Option<Error> {
        let text = read(&self.folder.join("lock")).ok()?;
        let pid: u32 = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.starts_with(['T', 't']).then(|| Error::Suspended {
            id: self.id.to_string(),
            pid,
        })
    }

    /// What ends its lab is about to be done, and why; none where it was not done after all. A job that is lost then says
    /// so, whoever finds out.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_doom(&self, why: Option<&str>) -> Result<()> {
        self.set(DOOM, why)
    }

    fn set(&self, name: &str, text: Option<&str>) -> Result<()> {
        let path = self.folder.join(name);
        match text {
            Some(text) => self.replace(name, text.as_bytes()),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(error)),
                _ => Ok(()),
            },
        }
    }

    /// Why it is lost, as whoever ended its lab said.
    pub fn doom(&self) -> Option<String> {
        let text = read(&self.folder.join(DOOM)).ok()?;
        let text = super::status::short(&String::from_utf8_lossy(&text));
        (!text.is_empty()).then_some(text)
    }

    /// Replaces a small file as a whole, without waiting for the disk: a kill leaves the old one or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        // Each has a name of its own: two that write at once leave one of both.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let fresh = format!(".{name}.{}.{count}.new", std::process::id());
        let (path, fresh) = (self.folder.join(name), self.folder.join(fresh));
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            open_private(&mut options, &fresh)?.write_all(bytes)?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&fresh);
            Error::file(&path)(error)
        })
    }

    /// Whether this engine is the one that it runs on: what another one does not know is not lost.
    ///
    /// # Errors
    /// It is another one ([`Error::Elsewhere`]), or does not answer.
    pub async fn compare_engine(&self, backend: &dyn Backend) -> Result<()> {
        if backend.is_at(&self.job.engine).await? {
            return Ok(());
        }
        let address = backend.server().await?.address;
        Err(Error::Elsewhere {
            id: self.id.to_string(),
            engine: crate::log::sanitize(&self.job.engine),
            address,
        })
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

/// The job with this id; of those with this name the one that runs, else the newest; or the only one whose id begins
/// like this. Steps of stages are meant by their ids only, where a person's job fits, too.
///
/// # Errors
/// There is none, or there are several.
pub fn find(jobs: &Path, text: &str) -> Result<Mirror> {
    let all = ids(jobs);
    if let Some(id) = all.iter().find(|id| id.as_str() == text) {
        return Mirror::open(jobs, id);
    }
    let named = all.iter().filter(|id| !id.is_step() && id.kind() == text);
    let named = named.filter_map(|id| Mirror::open(jobs, id).ok());
    // The sort keeps the newest first.
    if let Some(mirror) = named.min_by_key(|mirror| mirror.status().state.is_final()) {
        return Ok(mirror);
    }
    let mut begin: Vec<&JobId> = all
        .iter()
        .filter(|id| !text.is_empty() && id.as_str().starts_with(text))
        .collect();
    if begin.iter().any(|id| !id.is_step()) {
        begin.retain(|id| !id.is_step());
    }
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

#[cfg(test)]
mod tests;
