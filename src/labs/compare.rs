//! What differs between a snapshot and the present, or between two snapshots: packages, files, settings, devices.
//!
//! Neither the daemon nor its storage drivers tell it. So both sides are looked at from inside by the same script
//! (`assets/compare/look.sh`), and the lists are compared here. A running lab is looked at where it runs, without
//! stopping it. A snapshot is looked at in a copy of it that lives for seconds ([`copy`]): on btrfs and ZFS it shares
//! everything (measured on LXD 5.0.2: 130 ms to copy, 260 ms to start, 800 ms to remove). On a pool where a copy is a
//! full one the files are compared only on demand.

pub mod copy;
mod list;
mod words;

use std::collections::BTreeMap;

use futures_util::future::join;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Error, Instance, Snapshot, types::TAG};

use list::List;
pub use words::text;

/// Files that are told at most; the most important ones first, all of them counted.
pub const MOST_FILES: usize = 1000;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The lab.
    pub lab: String,
    /// The older side: a snapshot.
    pub from: String,
    /// The newer side: another snapshot, or the present.
    pub to: Option<String>,
    /// Compare files even where that takes a full copy.
    pub deep: bool,
}

/// What happened to a thing on the way from the older side to the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only the newer side has it.
    Added,
    /// Only the older side has it.
    Removed,
    /// Both have it, and it is another one.
    Changed,
}

/// A thing that is not the same on both sides: a package, a setting, a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What manages it: `dpkg`, `pip`, `config`, `devices`, ...
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub change: Change,
    /// Its version or value on the older side.
    pub before: Option<String>,
    /// The same on the newer side.
    pub after: Option<String>,
}

/// A file that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// What happened to it.
    pub change: Change,
    /// Bytes on the older side.
    pub before: Option<u64>,
    /// Bytes on the newer side.
    pub after: Option<u64>,
}

/// How many files are not the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Only on the newer side.
    pub added: usize,
    /// Only on the older side.
    pub removed: usize,
    /// On both, and not the same.
    pub changed: usize,
}

/// All that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Version of this document; 1.
    pub v: u32,
    /// The lab.
    pub lab: String,
    /// The older side.
    pub from: String,
    /// The newer side; none is the present.
    pub to: Option<String>,
    /// Packages.
    pub packages: Vec<Item>,
    /// Settings of the instance.
    pub config: Vec<Item>,
    /// Devices of the instance.
    pub devices: Vec<Item>,
    /// How many files differ; none where they were not compared.
    pub count: Option<Count>,
    /// The most important of them.
    pub files: Vec<FileChange>,
    /// What else there is to know, in sentences.
    pub notes: Vec<String>,
}

/// Compares two sides.
///
/// # Errors
/// A side is not there, the daemon does not answer, or it was cancelled. Whatever the end, the copies are removed.
pub async fn compare(
    backend: &dyn Backend,
    question: &Question,
    cancel: &CancellationToken,
) -> Result<Difference, Error> {
    let lab = &question.lab;
    let missing = |what: String| Error::Missing { what };
    let now = backend.instance(lab).await?;
    let now = now.ok_or_else(|| missing(format!("instance `{lab}`")))?;
    let side = |name: String| async move {
        let found = backend.find_snapshot(lab, &name).await?;
        found.ok_or_else(|| missing(format!("snapshot `{name}` of `{lab}`")))
    };
    let from = side(question.from.clone()).await?;
    let to = match &question.to {
        Some(name) => Some(side(name.clone()).await?),
        None => None,
    };
    let (config, devices) = match &to {
        Some(to) => (&to.config, &to.devices),
        None => (&now.config, &now.devices),
    };
    let mut difference = Difference {
        v: 1,
        lab: lab.clone(),
        from: question.from.clone(),
        to: question.to.clone(),
        packages: vec![],
        config: items("config", &settings(&from.config), &settings(config)),
        devices: items("devices", &flat(&from.devices), &flat(devices)),
        count: None,
        files: vec![],
        notes: vec!["no snapshot holds the description; a restore leaves the present one".into()],
    };
    if !question.deep && !copies_are_cheap(backend, &now).await? {
        difference.notes.push(
            "packages and files were not compared: on this storage pool that takes a full copy of the snapshot; \
             `--deep` compares them all the same"
                .into(),
        );
        return Ok(difference);
    }
    let (old, new) = both_sides(backend, &now, (&from, to.as_ref()), cancel).await?;
    add_lists(&mut difference, &old, &new);
    Ok(difference)
}

/// Looks at both sides at the same time.
async fn both_sides(
    backend: &dyn Backend,
    now: &Instance,
    (from, to): (&Snapshot, Option<&Snapshot>),
    cancel: &CancellationToken,
) -> Result<(List, List), Error> {
    // Each removes its copy before it ends: neither is dropped on its way because the other failed.
    let both = cancel.child_token();
    let side = |snapshot| {
        let both = both.clone();
        async move {
            let looked = copy::look(backend, now, snapshot, &both).await;
            if looked.is_err() {
                both.cancel();
            }
            looked
        }
    };
    let (old, new) = join(side(Some(from)), side(to)).await;
    Ok((old?, new?))
}

fn add_lists(difference: &mut Difference, old: &List, new: &List) {
    for kind in list::MANAGERS {
        difference
            .packages
            .extend(items(kind, old.packages(kind), new.packages(kind)));
    }
    let (count, files) = list::files(old, new);
    difference.count = Some(count);
    let all = files.len();
    difference.files = files.into_iter().take(MOST_FILES).collect();
    if all > MOST_FILES {
        difference.notes.push(format!(
            "{all} files differ; the {MOST_FILES} most important are told"
        ));
    }
    difference.notes.push(
        "left out: temporary files, caches, and what the engine writes into each instance (/etc/hostname, \
         /etc/resolv.conf, /etc/machine-id)"
            .into(),
    );
    if !old.whole || !new.whole {
        difference
            .notes
            .push("a list of files was cut, because it is too long: not all that differs is told".into());
    }
}

/// Whether a copy shares what it is made of, so that it costs no time and no room.
async fn copies_are_cheap(backend: &dyn Backend, instance: &Instance) -> Result<bool, Error> {
    // A container is layers over layers, whatever the storage below is.
    if instance.pool().is_none() {
        return Ok(true);
    }
    let pools = backend.pools().await?;
    let pool = pools.iter().find(|p| Some(p.name.as_str()) == instance.pool());
    Ok(pool.is_none_or(|p| matches!(p.driver.as_str(), "btrfs" | "zfs" | "ceph")))
}

/// What a person, or a stage, set: not what the daemon and halolab keep there for themselves.
fn settings(config: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let shown = |key: &str| !["volatile.", "image.", TAG].iter().any(|p| key.starts_with(p));
    let kept = config.iter().filter(|(key, _)| shown(key));
    kept.map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Devices with their settings in one line each.
fn flat(devices: &BTreeMap<String, BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let line = |device: &BTreeMap<String, String>| {
        let pairs = device.iter().map(|(k, v)| format!("{k}={v}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    devices.iter().map(|(name, d)| (name.clone(), line(d))).collect()
}

/// The names whose values are not the same.
fn items(kind: &'static str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Item> {
    let mut found = vec![];
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (before, after) = (old.get(name).cloned(), new.get(name).cloned());
        let change = match (&before, &after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (before, after) if before == after => continue,
            _ => Change::Changed,
        };
        found.push(Item {
            kind,
            name: name.clone(),
            change,
            before,
            after,
        });
    }
    found
}
