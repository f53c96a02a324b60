//! The labs: what the daemon holds, seen through the stages. Decided from tags on the daemon, never
//! from a local file.
//!
//! Tags on an instance: `user.halolab.{stage,version,generation,run,verdict,answers,image,copied}`; `state =
//! building` until it is whole; `updating = SNAPSHOT` from the begin of an update to its proven end;
//! `kept = LAB` on an earlier version that a recreate kept; `next = LAB` on a replacement that is being built;
//! `adopted` on an instance that we did not make. Notes and
//! pins of snapshots are on the lab's profile, because a restore throws instance config away.
//! `verdict` is JSON, see [`verdict`].

mod both;
pub mod compare;
pub mod drift;
pub mod expiry;
pub mod gpus;
pub mod identity;
pub mod marks;
mod observe;
pub mod sizes;
pub mod snapshots;
pub mod stand;
pub mod verdict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    backend::{Away, Engine, ImageInfo, Instance, Network, Pool, Profile, Server, Status, types::TAG},
    config::Config,
    host::Facts,
    stage::Catalog,
};

pub use observe::{kept_sizes, snapshot_rows, states};
use verdict::Verdict;

/// The tag with the fingerprint of the image that an instance was made of.
pub const IMAGE: &str = "image";

/// The tag of a lab whose update began and did not end well yet; its value is the snapshot of before.
pub const UPDATING: &str = "updating";

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
    /// Where it is, or would be.
    pub engine: Engine,
    /// How it stands to us.
    pub presence: Presence,
    /// The instance, where there is one.
    pub instance: Option<Instance>,
    /// Number of its snapshots.
    pub snapshots: usize,
    /// The proof stored on it, as a line.
    pub verdict: Option<String>,
    /// Earlier versions that a recreate kept: `NAME-prev`, ...
    pub kept: Vec<Kept>,
    /// An update began and did not end well, or is under way: the snapshot of before.
    pub updating: Option<String>,
}

impl Lab {
    /// Whether the proof that is stored on it failed.
    pub fn proof_failed(&self) -> bool {
        let stored = self.instance.as_ref().and_then(|i| i.tag("verdict"));
        stored.is_some_and(Verdict::failed)
    }
}

/// An instance that stands beside a lab and could take its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The instance's name.
    pub name: String,
    /// When it was set aside or made, RFC 3339.
    pub created: String,
    /// The proof stored on it.
    pub verdict: Option<String>,
    /// It is a replacement that never took its place, and no earlier version.
    pub replacement: bool,
    /// It was made to its end.
    pub whole: bool,
    /// The run that made it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Kept {
    /// Whether it is an earlier version, whole: something to go back to.
    pub fn is_version(&self) -> bool {
        self.whole && !self.replacement
    }

    /// What it is where it is no earlier version, with what to type; none where it is one. `open` are the runs that can
    /// be gone on with.
    pub fn beside(&self, lab: &str, open: &[Unended]) -> Option<String> {
        if self.is_version() {
            return None;
        }
        let run = self.run.as_deref().unwrap_or_default();
        let by = if run.is_empty() {
            String::new()
        } else {
            format!(" by the run {run}")
        };
        let remove = format!("remove it with `halolab remove {}`", self.name);
        Some(match (self.whole, open.iter().any(|u| u.run == run)) {
            (true, _) => format!(
                "{0}: built whole{by}, and never put in the place of {lab}; do that with `halolab apply {lab} --choose \
                 bring-back:{0}`, or {remove}",
                self.name
            ),
            (false, true) => format!(
                "{}: half-made{by}; go on with `halolab runs resume {run}`, or {remove}",
                self.name
            ),
            (false, false) => format!("{}: half-made{by}; {remove}", self.name),
        })
    }
}

/// A run that ended before its work was done, and that nothing came after: it can be gone on with, undone, or left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unended {
    /// The run.
    pub run: String,
    /// When it began: `2026-11-22 05:00 UTC`.
    pub date: String,
    /// The labs that it did not finish; none where it stopped before any.
    pub labs: Vec<String>,
    /// Where it stopped, as a sentence.
    pub at: String,
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// The state right after set-up.
    Clean,
    /// Taken by halolab before it changed something.
    Safety,
    /// Taken by the user, or by another tool.
    #[default]
    User,
}

/// One row of the snapshot picker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// It is from before an update that did not end well: never pruned, deleted or renamed until then.
    #[serde(default)]
    pub way_back: bool,
    /// Why it was taken.
    pub kind: SnapshotKind,
    /// The proof of the lab at that time, as a line.
    pub verdict: Option<String>,
    /// The same in its parts; none where a halolab of before wrote a line only.
    #[serde(default)]
    pub proof: Option<Verdict>,
    /// What it holds, in words: stage version and image.
    pub holds: String,
}

/// A job that runs in an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The instance.
    pub instance: String,
    /// `volatile.uuid` of that instance.
    pub uuid: String,
}

/// Everything that the planner looks at.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The engine whose part of the world this is; LXD's holds the others.
    pub engine: Engine,
    /// What Docker holds; none where it is not there or was not looked at.
    pub docker: Option<Box<Self>>,
    /// Why that engine's part is not here, in words and with what to type; empty where it is here.
    pub away: String,
    /// The same of Docker; none where it is here, or was not looked at.
    pub docker_away: Option<Away>,
    /// The daemon; none where there is none yet.
    pub server: Option<Server>,
    /// `LXD` or `Incus` where it is installed and does not run: what it holds is not known before it does.
    pub asleep: Option<String>,
    /// When it was looked at; none where nothing may count as over.
    pub now: Option<jiff::Timestamp>,
    /// Host facts.
    pub facts: Facts,
    /// The configuration.
    pub config: Config,
    /// All instances.
    pub instances: Vec<Instance>,
    /// Names of the snapshots of our instances, sorted, by instance.
    pub snapshots: BTreeMap<String, Vec<String>>,
    /// When snapshots were taken, by instance, as far as it was asked: RFC 3339.
    pub taken: BTreeMap<String, BTreeMap<String, String>>,
    /// Storage pools.
    pub pools: Vec<Pool>,
    /// Managed bridges.
    pub networks: Vec<Network>,
    /// The profile `default` and ours, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// Local images, by alias.
    pub images: BTreeMap<String, ImageInfo>,
    /// Jobs that were not known to have ended; whoever made the world says which.
    pub jobs: Vec<Work>,
    /// Runs that were left before their end, newest first; whoever made the world says which.
    pub unended: Vec<Unended>,
}

impl World {
    /// An instance by name, of whichever engine.
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.part_with(name).own(name)
    }

    /// The jobs that run: those of instances that are there and were not stopped.
    pub fn under_way(&self) -> impl Iterator<Item = &Work> {
        let runs = |work: &&Work| {
            let found = self.instance(&work.instance);
            found.is_some_and(|i| i.uuid == work.uuid && matches!(i.status, Status::Running | Status::Frozen))
        };
        self.jobs.iter().filter(runs)
    }

    /// Names of the snapshots of one of our instances, sorted.
    pub fn snapshots_of(&self, name: &str) -> &[String] {
        let names = self.part_with(name).snapshots.get(name);
        names.map_or(&[], Vec::as_slice)
    }

    /// When a snapshot was taken; empty where it was not asked.
    pub fn taken(&self, lab: &str, snapshot: &str) -> &str {
        let taken = self.taken.get(lab).and_then(|all| all.get(snapshot));
        taken.map_or("", String::as_str)
    }

    /// The snapshot of before an update that did not end well, where it is still there.
    pub fn way_back(&self, lab: &str) -> Option<&str> {
        let back = self.instance(lab)?.tag(UPDATING)?;
        let there = self.snapshots_of(lab).iter().any(|s| s == back);
        there.then_some(back)
    }

    /// How a name stands to us.
    pub fn presence(&self, name: &str) -> Presence {
        self.instance(name).map_or(Presence::Missing, presence)
    }

    /// The rows of the labs list: one a stage, then copies that carry our tag.
    pub fn labs(&self, catalog: &Catalog) -> Vec<Lab> {
        let stages = catalog.iter().filter(|s| s.backend.makes_labs());
        let rows = stages.map(|s| self.lab(&s.id, (&s.id, &s.title), s.backend.into()));
        let copies = self.all_instances().filter_map(|(engine, i)| {
            let stage = i.tag("stage")?;
            let hidden = i.tag("kept").is_some() || i.tag("next").is_some();
            let listed = catalog.get(&i.name).is_some_and(|s| s.backend.makes_labs());
            if hidden || listed {
                return None;
            }
            let title = catalog.get(stage).map_or(stage, |s| s.title.as_str());
            Some(self.lab(&i.name, (stage, title), engine))
        });
        rows.chain(copies).collect()
    }

    /// The row of one lab; none where neither a stage nor a tagged instance has that name.
    pub fn find(&self, catalog: &Catalog, name: &str) -> Option<Lab> {
        if let Some(lab) = self.labs(catalog).into_iter().find(|l| l.name == name) {
            return Some(lab);
        }
        let instance = self.instance(name)?;
        let stage = instance.tag("stage")?;
        let title = catalog.get(stage).map_or(stage, |s| s.title.as_str());
        Some(self.lab(name, (stage, title), self.part_with(name).engine))
    }

    fn lab(&self, name: &str, (stage, title): (&str, &str), engine: Engine) -> Lab {
        let instance = self.instance(name).cloned();
        let tagged = instance
            .as_ref()
            .and_then(|i| i.tag("stage"))
            .unwrap_or(stage)
            .to_owned();
        Lab {
            name: name.to_owned(),
            stage: tagged,
            title: title.to_owned(),
            engine: if instance.is_some() {
                self.part_with(name).engine
            } else {
                engine
            },
            presence: instance.as_ref().map_or(Presence::Missing, presence),
            snapshots: self.snapshots_of(name).len(),
            verdict: instance
                .as_ref()
                .and_then(|i| i.tag("verdict"))
                .map(Verdict::line),
            kept: self.kept(name),
            updating: instance.as_ref().and_then(|i| i.tag(UPDATING)).map(str::to_owned),
            instance,
        }
    }

    /// The GPUs that a lab will have once a profile is written: those of the profile, what a person added to the
    /// profile that is there, and the instance's own.
    pub fn gpus(&self, lab: &str, planned: &Profile) -> gpus::Gpus {
        let mut devices = planned.devices.clone();
        let mut config = planned.config.clone();
        if let Some(found) = self.profiles.get(&planned.name) {
            let listed = |list: &str, key: &String| {
                let names = found.config.get(&tag(list)).map_or("", String::as_str);
                names.split(' ').any(|name| name == key)
            };
            let added = found.devices.iter().filter(|(name, _)| !listed("devices", name));
            devices.extend(added.map(|(name, device)| (name.clone(), device.clone())));
            let added = found.config.iter().filter(|(key, _)| !listed("settings", key));
            config.extend(added.map(|(key, value)| (key.clone(), value.clone())));
        }
        if let Some(instance) = self.instance(lab) {
            let adopted = instance.tag("adopted").is_some();
            let (own, keys) = if adopted {
                (&instance.expanded_devices, &instance.expanded_config)
            } else {
                (&instance.devices, &instance.config)
            };
            devices.extend(own.clone());
            config.extend(keys.clone());
        }
        gpus::Gpus::of(&devices, &config)
    }

    /// Earlier versions of a lab that a recreate kept, and replacements that never took its place.
    pub fn kept(&self, name: &str) -> Vec<Kept> {
        let of = |i: &&Instance| i.tag("kept") == Some(name) || i.tag("next") == Some(name);
        let kept = |i: &Instance| Kept {
            name: i.name.clone(),
            created: i.created.clone(),
            verdict: i.tag("verdict").map(Verdict::line),
            replacement: i.tag("kept").is_none(),
            whole: presence(i) == Presence::Ours,
            run: i.tag("run").map(str::to_owned),
        };
        let all = self.all_instances().map(|(_, i)| i);
        all.filter(of).map(kept).collect()
    }
}

fn presence(instance: &Instance) -> Presence {
    match (instance.tag("stage"), instance.tag("state")) {
        (None, _) => Presence::Foreign,
        (Some(_), Some("building")) => Presence::Unfinished,
        (Some(_), _) => Presence::Ours,
    }
}

/// A number with its word: `1 snapshot`, `2 snapshots`, `0 snapshots`.
pub fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// Name of the profile of a lab: its devices, its mounts and the notes of its snapshots.
pub fn profile_name(lab: &str) -> String {
    format!("halolab-{lab}")
}

/// The profile of an instance that holds its notes: the first of ours.
pub fn notes_profile(instance: &Instance) -> Option<&str> {
    instance
        .profiles
        .iter()
        .map(String::as_str)
        .find(|p| p.starts_with("halolab-"))
}

/// The full config key of a tag.
pub fn tag(key: &str) -> String {
    format!("{TAG}{key}")
}
