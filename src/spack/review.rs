//! What an environment comes to before it is built: what is there, what comes out of a cache, what is built.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::progress::{Database, Estimate, History, Lock, Tree, estimate};

/// Where a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is built here.
    ToBuild,
    /// It comes out of a build cache.
    Cached,
    /// It is in the store.
    Installed,
    /// The image has it.
    External,
    /// Only a build that does not happen needs it.
    NotNeeded,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its whole hash.
    pub hash: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Where it comes from.
    pub standing: Standing,
    /// Seconds that its build took on this machine; none where it was never built here.
    pub seconds: Option<f64>,
}

/// What build caches hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    hashes: BTreeSet<String>,
}

/// How many packages stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Built here.
    pub to_build: usize,
    /// Out of a cache.
    pub cached: usize,
    /// In the store.
    pub installed: usize,
    /// The image's.
    pub external: usize,
    /// Not needed.
    pub not_needed: usize,
}

/// What it comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Review {
    /// All packages: what is built first, by name.
    pub rows: Vec<Row>,
    /// How many stand how.
    pub held: Held,
    /// How long the builds take, by this machine's former ones.
    pub left: Option<Estimate>,
    /// Packages to build of which no time is known.
    pub unknown: usize,
}

impl Cache {
    /// Reads what `spack buildcache list --allarch --very-long` prints: lines `HASH NAME@VERSION …` below headings.
    pub fn listed(text: &str) -> Self {
        let hash = |line: &str| {
            let word = line.split_whitespace().next()?;
            is_hash(word).then(|| word.to_owned())
        };
        Self {
            hashes: text.lines().filter_map(hash).collect(),
        }
    }

    /// Reads the names of a file mirror's manifests: `v3/manifests/spec/NAME/NAME-VERSION-HASH.spec.manifest.json`, and
    /// `…-HASH.spec.json[.sig]` of the layout before.
    pub fn files<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let hash = |name: &str| {
            let stem = name.split(".spec.").next()?;
            let (_, hash) = stem.rsplit_once('-')?;
            is_hash(hash).then(|| hash.to_owned())
        };
        Self {
            hashes: names.into_iter().filter_map(hash).collect(),
        }
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.hashes.extend(other.hashes);
        self
    }

    /// Whether a package is in it.
    pub fn holds(&self, hash: &str) -> bool {
        self.hashes.contains(hash)
    }
}

/// Spack's hash of a package: 32 characters of base 32.
fn is_hash(word: &str) -> bool {
    word.len() == 32
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
}

impl Review {
    /// Looks at an environment that was concretized. `jobs` are those of each build: times of others do not count.
    pub fn of(lock: &Lock, database: &Database, cache: &Cache, history: &History, jobs: Option<u32>) -> Self {
        let standings = standings(lock, database, cache);
        let mut rows: Vec<Row> = lock
            .packages()
            .iter()
            .map(|(hash, package)| Row {
                hash: hash.clone(),
                name: package.name.clone(),
                version: package.version.clone(),
                standing: standings
                    .get(hash.as_str())
                    .copied()
                    .unwrap_or(Standing::NotNeeded),
                seconds: history.usual(&package.name, jobs).map(|usual| usual.median),
            })
            .collect();
        rows.sort_by(|a, b| (a.standing, &a.name, &a.hash).cmp(&(b.standing, &b.name, &b.hash)));
        let mut tree = Tree::new().with_lock(lock);
        let settled = rows.iter().filter(|row| row.standing != Standing::ToBuild);
        tree.confirm(&database.clone().with(settled.map(|row| row.hash.as_str())));
        let building = || rows.iter().filter(|row| row.standing == Standing::ToBuild);
        Self {
            held: held(&rows),
            left: estimate(&tree, history, jobs, None),
            unknown: building().filter(|row| row.seconds.is_none()).count(),
            rows,
        }
    }
}

/// What is needed, from the roots down: what is there or cached needs nothing that only its build needed.
fn standings<'a>(lock: &'a Lock, database: &Database, cache: &Cache) -> BTreeMap<&'a str, Standing> {
    let mut found = BTreeMap::new();
    let mut open: Vec<&str> = lock.roots().iter().map(String::as_str).collect();
    while let Some(hash) = open.pop() {
        let Some((hash, package)) = lock.packages().get_key_value(hash) else {
            continue;
        };
        if found.contains_key(hash.as_str()) {
            continue;
        }
        let standing = if package.external {
            Standing::External
        } else if database.holds(hash) {
            Standing::Installed
        } else if cache.holds(hash) {
            Standing::Cached
        } else {
            Standing::ToBuild
        };
        found.insert(hash.as_str(), standing);
        let kept = |need: &&String| match standing {
            Standing::ToBuild => true,
            _ => !package.needs_to_build.contains(need),
        };
        open.extend(package.needs.iter().filter(kept).map(String::as_str));
    }
    found
}

fn held(rows: &[Row]) -> Held {
    let mut held = Held::default();
    for row in rows {
        *match row.standing {
            Standing::ToBuild => &mut held.to_build,
            Standing::Cached => &mut held.cached,
            Standing::Installed => &mut held.installed,
            Standing::External => &mut held.external,
            Standing::NotNeeded => &mut held.not_needed,
        } += 1;
    }
    held
}
