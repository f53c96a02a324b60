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
    _file: File,
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
        Ok(Self { _file: file })
    }
}
