//! What a build comes to: its packages, how long, how much disk, and what is odd about it.

use serde::Serialize;
use serde_json::Value;

use crate::{
    backend::{self, Backend},
    progress::{Database, History, Lock},
    spack::{Cache, Dropped, Review, Standing, dropped},
};

use super::Entry;

/// Where a lab's environment is.
pub(super) const ENVIRONMENT: &str = "/opt/zephyr_config/spack";
/// Where the database of what is installed is.
const DATABASE: &str = "/opt/spack_store/.spack-db/index.json";

/// What a build comes to, before it is agreed to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comes {
    /// Version of this document.
    pub v: u32,
    /// The lab.
    pub lab: String,
    /// What would be run.
    pub entrypoint: String,
    /// Packages, and where each comes from.
    #[serde(flatten)]
    pub review: Review,
    /// `cuda_arch=89,90`; empty where nothing of it is built for GPUs.
    pub cuda_arch: String,
    /// Something of it is built for NVIDIA's GPUs.
    pub for_gpus: bool,
    /// The disk.
    pub disk: Disk,
    /// What was asked for and is not there.
    pub dropped: Vec<Dropped>,
    /// What else is to be said, in sentences.
    pub notes: Vec<String>,
}

/// How much disk it takes, by what the same packages took here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Bytes of the packages whose size is known.
    pub needed: u64,
    /// Packages whose size is not known.
    pub unknown: usize,
    /// Bytes that are free.
    pub free: Option<u64>,
}

/// What the lab has of it, as text.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// `spack.lock`.
    pub lock: Vec<u8>,
    /// The database's index; empty where nothing is installed.
    pub database: Vec<u8>,
    /// What build caches hold.
    pub cached: String,
    /// `FOLDER KIB`, a prefix a line.
    pub sizes: String,
}

impl Files {
    /// Those of a lab, for an entrypoint that was concretized.
    pub(super) async fn of(backend: &dyn Backend, lab: &str, entry: &Entry) -> Result<Self, backend::Error> {
        let folder = match entry.name.as_str() {
            "spack-install" => format!("{ENVIRONMENT}-next"),
            _ => ENVIRONMENT.to_owned(),
        };
        // A file that need not be there.
        let maybe = async |file: &str| match backend.pull(lab, file).await {
            Err(backend::Error::Missing { .. }) => Ok(vec![]),
            read => read,
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self {
            lock: backend.pull(lab, &format!("{folder}/spack.lock")).await?,
            database: maybe(DATABASE).await?,
            cached: text(maybe(&format!("{folder}/cached")).await?),
            sizes: text(maybe(&format!("{ENVIRONMENT}/sizes")).await?),
        })
    }
}

impl Comes {
    /// Puts it together. `history` takes over the sizes of what is installed; true where it is to be written again.
    ///
    /// # Errors
    /// The lock or the database is none of Spack's.
    pub fn of(files: &Files, history: &mut History) -> Result<(Self, bool), crate::progress::LockError> {
        let lock = Lock::parse(&files.lock)?;
        let database = if files.database.is_empty() {
            Database::default()
        } else {
            Database::parse(&files.database)?
        };
        let cache = Cache::listed(&files.cached).and(Cache::files(files.cached.lines().map(str::trim)));
        let learned = learn(&files.sizes, &lock, &database, history);
        let review = Review::of(&lock, &database, &cache, history, None);
        let mut disk = Disk::default();
        for row in review.rows.iter().filter(|row| comes(row.standing)) {
            match history.size(&row.name) {
                Some(bytes) => disk.needed = disk.needed.saturating_add(bytes),
                None => disk.unknown += 1,
            }
        }
        let comes = Self {
            v: 1,
            lab: String::new(),
            entrypoint: String::new(),
            cuda_arch: String::new(),
            for_gpus: lock.packages().values().any(|package| {
                let variant = |name: &str| package.variants.get(name);
                variant("cuda") == Some(&Value::Bool(true))
            }),
            dropped: dropped(&lock),
            notes: vec![],
            review,
            disk,
        };
        Ok((comes, learned))
    }

    /// Whether nothing is built or fetched.
    pub fn is_done(&self) -> bool {
        self.review.held.to_build == 0 && self.review.held.cached == 0
    }
}

/// Whether a package comes onto the disk.
fn comes(standing: Standing) -> bool {
    matches!(standing, Standing::ToBuild | Standing::Cached)
}

/// Takes over how large what is installed is, by name.
fn learn(sizes: &str, lock: &Lock, database: &Database, history: &mut History) -> bool {
    let mut new = false;
    for line in sizes.lines() {
        let Some((folder, kib)) = line.split_once(' ') else {
            continue;
        };
        let hash = folder.rsplit_once('-').map_or("", |(_, hash)| hash);
        let Some((whole, name, _)) = lock.resolve(hash).filter(|_| hash.len() >= 7) else {
            continue;
        };
        let bytes = kib.parse::<u64>().ok().and_then(|kib| kib.checked_mul(1024));
        if let Some(bytes) = bytes.filter(|_| database.holds(whole)) {
            new |= history.learn_size(name, bytes);
        }
    }
    new
}
