//! The labs: what the daemon holds, seen through the stages. Decided from tags on the daemon, never from a local file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    backend::{Backend, Error, ImageInfo, Instance, InstanceState, Network, Pool, Profile, Server},
    config::Config,
    host::Facts,
    stage::Catalog,
};

/// How a lab stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// There is no instance of that name: first run.
    Missing,
    /// An instance that we made, whole.
    Ours,
    /// An instance that we began to make and did not finish.
    Unfinished,
    /// An instance of that name that we did not make: never touched unless adopted.
    Foreign,
}

/// One row of the labs list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lab {
    /// The instance's name.
    pub name: String,
    /// Id of its stage.
    pub stage: String,
    /// Title of its stage.
    pub title: String,
    /// How it stands to us.
    pub presence: Presence,
    /// The instance, where there is one.
    pub instance: Option<Instance>,
    /// Number of its snapshots.
    pub snapshots: usize,
    /// The proof stored on it.
    pub verdict: Option<String>,
    /// Earlier versions that a recreate kept: `NAME-prev`, ...
    pub kept: Vec<String>,
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// The state right after set-up.
    Clean,
    /// Taken by halolab before it changed something.
    Safety,
    /// Taken by the user.
    User,
}

/// One row of the snapshot picker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// Its name.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// Bytes it holds alone; none where the pool cannot tell.
    pub size: Option<u64>,
    /// What a person wrote about it.
    pub note: String,
    /// Never pruned.
    pub pinned: bool,
    /// Why it was taken.
    pub kind: SnapshotKind,
    /// The proof of the lab at that time.
    pub verdict: Option<String>,
    /// What it holds, in words: stage version and image.
    pub holds: String,
}

/// Everything that the planner looks at.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The daemon; none where there is none yet.
    pub server: Option<Server>,
    /// Host facts.
    pub facts: Facts,
    /// The configuration.
    pub config: Config,
    /// All instances.
    pub instances: Vec<Instance>,
    /// Snapshot names, by instance, oldest first.
    pub snapshots: BTreeMap<String, Vec<String>>,
    /// Storage pools.
    pub pools: Vec<Pool>,
    /// Managed bridges.
    pub networks: Vec<Network>,
    /// Our profiles, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// Local images, by alias.
    pub images: BTreeMap<String, ImageInfo>,
}

impl World {
    /// Looks at the daemon and the host.
    pub async fn observe(backend: &dyn Backend, facts: Facts, config: Config) -> Result<Self, Error> {
        let _ = (backend, facts, config);
        Ok(Self::default())
    }

    /// The rows of the labs list: one a stage, then copies and earlier versions that carry our tag.
    pub fn labs(&self, catalog: &Catalog) -> Vec<Lab> {
        let _ = catalog;
        vec![]
    }
}

/// The snapshots of one lab, newest first, with notes and pins.
pub async fn snapshot_rows(backend: &dyn Backend, lab: &str) -> Result<Vec<SnapshotRow>, Error> {
    let _ = (backend, lab);
    Ok(vec![])
}

/// Live facts of the running labs, by name.
pub async fn states(backend: &dyn Backend, labs: &[Lab]) -> BTreeMap<String, InstanceState> {
    let _ = (backend, labs);
    BTreeMap::new()
}
