//! One run at a time: a lock that dies with its process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another halolab works.
    #[error(
        "another halolab is at work ({0}); wait for it, or look with `halolab runs` and `halolab status`"
    )]
    Held(String),
    /// The lock file cannot be used.
    #[error("cannot use the lock {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever looks who holds it has to try nothing then.
        let _ = self.file.set_len(0);
    }
}

/// The other halolab that holds the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// What it does: `run ID`, or the words of a small change.
    pub what: String,
    /// Its process; 0 where it cannot be told.
    pub pid: u32,
    /// Since when, in words.
    pub since: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, pid {}, since {}", self.what, self.pid, self.since)
    }
}

impl Holder {
    /// Out of what [`Lock::take`] writes down.
    pub fn parse(text: &str) -> Self {
        let text = crate::log::sanitize(text.trim());
        let (rest, since) = text.rsplit_once(", since ").unwrap_or((&text, "an unknown time"));
        let (what, pid) = rest.rsplit_once(", pid ").unwrap_or((rest, ""));
        Self {
            what: what.into(),
            pid: pid.parse().unwrap_or(0),
            since: since.into(),
        }
    }

    /// Who holds the lock now; none where nobody does, we do, or it cannot be told.
    pub fn of(path: &Path) -> Option<Self> {
        let mut text = String::new();
        let mut file = File::open(path).ok()?;
        file.read_to_string(&mut text).ok()?;
        let holder = Self::parse(&text);
        let alive = Path::new("/proc").join(holder.pid.to_string()).exists();
        if text.is_empty() || !alive || holder.pid == std::process::id() {
            return None;
        }
        // The number may be another process's by now: only the lock itself knows.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder),
            _ => None,
        }
    }
}

impl Lock {
    /// Takes the lock, and writes down who has it: `run ID`, or the words of a small change.
    ///
    /// # Errors
    /// Another process has it, or the file cannot be used.
    pub fn take(path: &Path, who: &str) -> Result<Self, LockError> {
        let failed = |source| LockError::File {
            path: path.display().to_string(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                let _ = file.read_to_string(&mut who);
                return Err(LockError::Held(crate::log::sanitize(who.trim())));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let now = jiff::Timestamp::now().strftime("%F %T");
        let who = format!("{who}, pid {}, since {now} UTC\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(who.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again() {
        let holder = Holder::parse("taking snapshot a, pid 1 of b, pid 42, since 2026-11-22 05:00:00 UTC\n");
        assert_eq!(
            (holder.what.as_str(), holder.pid, holder.since.as_str()),
            ("taking snapshot a, pid 1 of b", 42, "2026-11-22 05:00:00 UTC")
        );
        assert_eq!(Holder::parse("what ever").pid, 0);
    }

    #[test]
    fn our_own_lock_and_a_free_one_have_no_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(Holder::of(&path), None);
        let lock = Lock::take(&path, "run x").unwrap();
        assert_eq!(Holder::of(&path), None);
        drop(lock);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
