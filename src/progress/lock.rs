//! What Spack wrote of the packages: `spack.lock` (who needs whom), and the database (who is really installed).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;

use super::event::name;

/// A file of Spack's that says something else than expected.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// No JSON, or not of that shape.
    #[error("this is no {what} of Spack: {source}; look at the file, or leave the option away")]
    Shape {
        /// Which file.
        what: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// One package of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Hashes of what it needs directly.
    pub needs: Vec<String>,
    /// It is the system's own.
    pub external: bool,
}

/// The packages of a `spack.lock`, by their whole hash. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    packages: Arc<BTreeMap<String, Locked>>,
}

#[derive(Deserialize)]
struct LockFile {
    concrete_specs: BTreeMap<String, Spec>,
}

#[derive(Deserialize)]
struct Spec {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    dependencies: Vec<Need>,
    #[serde(default)]
    external: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Need {
    hash: String,
}

impl Lock {
    /// Reads the text of a `spack.lock`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        let file: LockFile = serde_json::from_slice(bytes).map_err(|source| LockError::Shape {
            what: "spack.lock",
            source,
        })?;
        let packages = file.concrete_specs.into_iter().map(|(hash, spec)| {
            let locked = Locked {
                name: name(&spec.name),
                version: name(&spec.version),
                needs: spec.dependencies.into_iter().map(|need| need.hash).collect(),
                external: spec.external.is_some(),
            };
            (hash, locked)
        });
        Ok(Self {
            packages: Arc::new(packages.collect()),
        })
    }

    /// All packages, by hash.
    pub fn packages(&self) -> &BTreeMap<String, Locked> {
        &self.packages
    }

    /// Whole hash, name and version of the package with a whole or shortened hash; none where two fit.
    pub fn resolve(&self, hash: &str) -> Option<(&str, &str, &str)> {
        let mut fits = self
            .packages
            .range(hash.to_owned()..)
            .take_while(|(whole, _)| whole.starts_with(hash));
        let (whole, locked) = fits.next()?;
        fits.next()
            .is_none()
            .then_some((whole, &locked.name, &locked.version))
    }
}

/// Which packages Spack's database holds as installed: the only proof that one is.
#[derive(Clone, Debug, Default)]
pub struct Database {
    installed: HashMap<String, bool>,
}

#[derive(Deserialize)]
struct IndexFile {
    database: Index,
}

#[derive(Deserialize)]
struct Index {
    installs: HashMap<String, Install>,
}

#[derive(Deserialize)]
struct Install {
    #[serde(default)]
    installed: bool,
}

impl Database {
    /// Reads the text of `.spack-db/index.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        let file: IndexFile = serde_json::from_slice(bytes).map_err(|source| LockError::Shape {
            what: "database index",
            source,
        })?;
        let installs = file.database.installs.into_iter();
        Ok(Self {
            installed: installs
                .map(|(hash, install)| (hash, install.installed))
                .collect(),
        })
    }

    /// Whether a package is installed, by its whole hash.
    pub fn holds(&self, hash: &str) -> bool {
        self.installed.get(hash).copied().unwrap_or(false)
    }
}
