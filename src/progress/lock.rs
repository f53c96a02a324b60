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
    /// Those of them that it needs only while it is built: not where it comes out of a build cache.
    pub needs_to_build: Vec<String>,
    /// Its variants, as Spack chose them: `nccl` is true, `cuda_arch` is a list.
    pub variants: BTreeMap<String, serde_json::Value>,
    /// It is the system's own.
    pub external: bool,
}

/// The packages of a `spack.lock`, by their whole hash. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    packages: Arc<BTreeMap<String, Locked>>,
    roots: Arc<Vec<String>>,
    /// What was asked for, as it is written in the environment.
    asked: Arc<Vec<String>>,
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    roots: Vec<Root>,
    concrete_specs: BTreeMap<String, Spec>,
}

#[derive(Deserialize)]
struct Root {
    hash: String,
    #[serde(default)]
    spec: String,
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
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Need {
    hash: String,
    #[serde(default)]
    parameters: Kinds,
}

#[derive(Default, Deserialize)]
struct Kinds {
    #[serde(default)]
    deptypes: Vec<String>,
}

impl Need {
    /// Not linked with and not run, but only there for the build, or a test.
    fn only_builds(&self) -> bool {
        let kinds = &self.parameters.deptypes;
        !kinds.is_empty() && !kinds.iter().any(|kind| kind == "link" || kind == "run")
    }
}

impl Lock {
    /// Reads the text of a `spack.lock`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        let file: LockFile = serde_json::from_slice(bytes).map_err(|source| LockError::Shape {
            what: "spack.lock",
            source,
        })?;
        let packages = file.concrete_specs.into_iter().map(|(hash, spec)| {
            let to_build = spec.dependencies.iter().filter(|need| need.only_builds());
            let locked = Locked {
                name: name(&spec.name),
                version: name(&spec.version),
                needs_to_build: to_build.map(|need| need.hash.clone()).collect(),
                needs: spec.dependencies.into_iter().map(|need| need.hash).collect(),
                external: spec.external.is_some(),
                variants: spec.parameters,
            };
            (hash, locked)
        });
        Ok(Self {
            packages: Arc::new(packages.collect()),
            asked: Arc::new(file.roots.iter().map(|root| root.spec.clone()).collect()),
            roots: Arc::new(file.roots.into_iter().map(|root| root.hash).collect()),
        })
    }

    /// Hashes of what was asked for by name.
    pub fn roots(&self) -> &[String] {
        &self.roots
    }

    /// How a package was asked for: `py-torch@2.9.0 +cuda +nccl`.
    pub fn asked(&self, package: &str) -> impl Iterator<Item = &str> {
        let is_it = move |spec: &&str| {
            let rest = spec.strip_prefix(package);
            rest.is_some_and(|rest| {
                !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            })
        };
        self.asked.iter().map(|spec| spec.trim()).filter(is_it)
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

    /// The same with more packages that need not be built.
    #[must_use]
    pub fn with<'a>(mut self, hashes: impl IntoIterator<Item = &'a str>) -> Self {
        self.installed
            .extend(hashes.into_iter().map(|hash| (hash.to_owned(), true)));
        self
    }

    /// Whether a package is installed, by its whole hash.
    pub fn holds(&self, hash: &str) -> bool {
        self.installed.get(hash).copied().unwrap_or(false)
    }
}
