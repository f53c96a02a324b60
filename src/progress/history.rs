//! How long packages took on this machine: a file of our own, because Spack 1.2 keeps no times.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{event::State, package::Package, times::Millis, tree::Tree};
use crate::paths::{FileError, open_private, write_private};

/// The version that we write.
const VERSION: u32 = 1;
/// Builds of a package that are kept.
const BUILDS: usize = 5;
/// Packages that are kept, those that were built last.
const PACKAGES: usize = 5000;
/// A longer file is none of ours.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}; estimates begin anew if you move it away", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what we write.
    #[error("{} is no history of builds: {source}; estimates begin anew if you move it away", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// No times of Spack's.
    #[error("this is no install_times.json of Spack: {0}")]
    Import(serde_json::Error),
}

/// One build of a package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Jobs of the build tool (`-j`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    /// Seconds in all.
    pub total: f64,
    /// Seconds a phase.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<String, f64>,
    /// Hash of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// What a newer halolab wrote.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Builds {
    #[serde(default)]
    builds: Vec<Build>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(default)]
    packages: BTreeMap<String, Builds>,
    /// Bytes of packages that were installed here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sizes: BTreeMap<String, u64>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            version: VERSION,
            packages: BTreeMap::new(),
            sizes: BTreeMap::new(),
            other: Map::new(),
        }
    }
}

/// How long packages took, by name.
#[derive(Clone, Debug, Default)]
pub struct History {
    file: File,
}

#[derive(Deserialize)]
struct Imported {
    name: String,
    total: f64,
    #[serde(default)]
    cache: bool,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    phases: Vec<ImportedPhase>,
}

#[derive(Deserialize)]
struct ImportedPhase {
    name: String,
    seconds: f64,
}

/// Seconds of a package by its former builds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// The shortest of the last few.
    pub low: f64,
    /// The median of the last few.
    pub median: f64,
    /// The longest of the last few.
    pub high: f64,
}

impl History {
    /// The file in the state folder.
    pub fn path(state: &Path) -> PathBuf {
        state.join("build-times.json")
    }

    /// Reads the file; none is an empty history.
    pub fn load(path: &Path) -> Result<Self, HistoryError> {
        let failed = |source| HistoryError::Read {
            path: path.to_owned(),
            source,
        };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
            Ok(found) if found.len() > LIMIT => {
                return Err(failed(io::Error::other("it is too long")));
            }
            Ok(_) => {}
        }
        let bytes = fs::read(path).map_err(failed)?;
        let file = serde_json::from_slice(&bytes).map_err(|source| HistoryError::Shape {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { file })
    }

    /// Writes the file as a whole, readable by its owner only.
    pub fn save(&self, path: &Path) -> Result<(), HistoryError> {
        let bytes = serde_json::to_vec(&self.file).map_err(|source| HistoryError::Shape {
            path: path.to_owned(),
            source,
        })?;
        Ok(write_private(path, &bytes)?)
    }

    /// Takes over what a tree has that was built here from its source and ended well; what was taken over before
    /// counts once. Tells whether anything is new.
    pub fn learn(&mut self, tree: &Tree, jobs: Option<u32>) -> bool {
        let mut new = false;
        for package in tree.packages() {
            new |= self.learn_package(package, jobs);
        }
        new
    }

    fn learn_package(&mut self, package: &Package, jobs: Option<u32>) -> bool {
        let (State::Installed, Some(name)) = (package.state, &package.name) else {
            return false;
        };
        // Where a line of its begin is missing there is no time.
        let Some(total) = package.seconds(None).filter(|s| s.is_finite() && *s > 0.0) else {
            return false;
        };
        let known = package
            .phases
            .iter()
            .filter_map(|p| Some((p.name.clone(), p.seconds?)));
        let build = Build {
            at: package.ended,
            jobs,
            total: rounded(total),
            phases: known.map(|(name, seconds)| (name, rounded(seconds))).collect(),
            hash: package.hash.clone(),
            other: Map::new(),
        };
        self.add(name, build)
    }

    /// Takes over the `install_times.json` of a prefix. Those of a build cache do not count.
    pub fn import(&mut self, bytes: &[u8]) -> Result<bool, HistoryError> {
        let times: Imported = serde_json::from_slice(bytes).map_err(HistoryError::Import)?;
        let sane = times.total.is_finite() && times.total > 0.0;
        if times.cache || !sane {
            return Ok(false);
        }
        let phases = times.phases.into_iter();
        let build = Build {
            total: rounded(times.total),
            phases: phases
                .map(|p| (super::event::name(&p.name), rounded(p.seconds)))
                .collect(),
            hash: times.hash,
            ..Build::default()
        };
        Ok(self.add(&super::event::name(&times.name), build))
    }

    /// The former builds of a package.
    pub fn builds(&self, name: &str) -> &[Build] {
        self.file.packages.get(name).map_or(&[], |known| &known.builds)
    }

    /// What a package usually takes: by the last few builds with as many jobs, else by the last few.
    pub fn usual(&self, name: &str, jobs: Option<u32>) -> Option<Usual> {
        let builds = self.builds(name);
        let same: Vec<_> = builds
            .iter()
            .filter(|b| jobs.is_some() && b.jobs == jobs)
            .map(|b| b.total)
            .collect();
        let all = || builds.iter().map(|b| b.total).collect();
        let mut totals: Vec<f64> = if same.is_empty() { all() } else { same };
        totals.retain(|total| total.is_finite() && *total >= 0.0);
        totals.sort_by(f64::total_cmp);
        let (low, high) = (*totals.first()?, *totals.last()?);
        let median = *totals.get(totals.len() / 2)?;
        Some(Usual { low, median, high })
    }

    /// Bytes that a package took when it was installed here last.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.file.sizes.get(name).copied()
    }

    /// Remembers how large a package is; tells whether that is new.
    pub fn learn_size(&mut self, name: &str, bytes: u64) -> bool {
        let full = self.file.sizes.len() >= PACKAGES && !self.file.sizes.contains_key(name);
        !full && self.file.sizes.insert(name.to_owned(), bytes) != Some(bytes)
    }

    /// Changes the file, together with others who do; what cannot be read is not written over. `change` tells whether
    /// anything is new.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn change<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> (T, bool),
    ) -> Result<(T, Self), HistoryError> {
        let mut options = fs::OpenOptions::new();
        options.create(true).write(true).truncate(false);
        let lock = open_private(&mut options, &path.with_extension("lock"));
        // Where no lock can be had, two builds that end together lose one of their durations.
        let _held = lock.and_then(|file| file.lock().map(|()| file));
        let mut history = Self::load(path)?;
        let (value, new) = change(&mut history);
        if new {
            history.save(path)?;
        }
        Ok((value, history))
    }

    /// The last total of each package that is known.
    pub fn totals(&self) -> impl Iterator<Item = f64> {
        let last = |known: &Builds| known.builds.last().map(|build| build.total);
        self.file.packages.values().filter_map(last)
    }

    fn add(&mut self, name: &str, build: Build) -> bool {
        let known = self.file.packages.entry(name.to_owned()).or_default();
        let same = |other: &Build| {
            other.hash == build.hash
                && (other.at.is_some() && other.at == build.at || (other.total - build.total).abs() < 0.05)
        };
        if known.builds.iter().any(same) {
            return false;
        }
        known.builds.push(build);
        known.builds.sort_by_key(|build| build.at.unwrap_or(Millis::MIN));
        let over = known.builds.len().saturating_sub(BUILDS);
        known.builds.drain(..over);
        if self.file.packages.len() > PACKAGES {
            let last = |(_, b): &(&String, &Builds)| b.builds.last().and_then(|b| b.at);
            let oldest = self
                .file
                .packages
                .iter()
                .min_by_key(last)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.file.packages.remove(&oldest);
            }
        }
        true
    }
}

/// Milliseconds are exact enough.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
