//! What a build of Spack is to do, beside its log: from 1.2 on Spack says neither of how many packages, nor what waits.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lock::{Database, Lock, LockError};

/// A larger file is none of ours: a lock of 253 packages has 1 MiB.
const LARGEST: u64 = 64 << 20;

/// A `spack.lock`, and which of its packages are not built.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All packages.
    pub lock: Lock,
    /// What is there, or comes from elsewhere.
    pub settled: Database,
}

#[derive(Deserialize, Serialize)]
struct Text<'a> {
    v: u32,
    settled: Vec<String>,
    #[serde(borrow)]
    lock: &'a RawValue,
}

impl Plan {
    /// The name of its file, in the folder of a job.
    pub const FILE: &'static str = "spack.json";

    /// The text of the file.
    ///
    /// # Errors
    /// The lock is no JSON.
    pub fn text(lock: &[u8], settled: Vec<String>) -> Result<Vec<u8>, LockError> {
        let shape = |source| LockError::Shape {
            what: "spack.lock",
            source,
        };
        let lock = serde_json::from_slice(lock).map_err(shape)?;
        serde_json::to_vec(&Text { v: 1, settled, lock }).map_err(shape)
    }

    /// Reads that text; none where it is of another kind.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: Text<'_> = serde_json::from_slice(text)
            .ok()
            .filter(|text: &Text<'_>| text.v == 1)?;
        Some(Self {
            lock: Lock::parse(text.lock.get().as_bytes()).ok()?,
            settled: Database::default().with(text.settled.iter().map(String::as_str)),
        })
    }

    /// The one in the folder of a job's log; none where none is there.
    pub fn beside(log: &Path) -> Option<Self> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = vec![];
            let file = File::open(log.with_file_name(Self::FILE))?;
            file.take(LARGEST).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        Self::parse(&read().ok()?)
    }
}
