//! Snapshots.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde_json::json;

use super::{
    Lxd,
    instances::{self, check_known, check_new},
    transport::{About, Ask, segment},
    wire,
};
use crate::backend::{Error, Instance, Result, Snapshot, types::REPLACED};

/// How often a restore is tried where somebody else's change comes first.
const RACES: u32 = 8;

/// The path of a snapshot.
fn path(name: &str, snapshot: &str) -> String {
    format!("{}/snapshots/{}", instances::path(name), segment(snapshot))
}

/// "to {verb} a snapshot", for errors.
fn about(verb: &str, name: &str, snapshot: &str) -> About {
    About::new(
        format!("{verb} snapshot `{snapshot}` of `{name}`"),
        format!("snapshot `{snapshot}` of `{name}`"),
    )
}

/// Instances whose snapshots are asked for one by one: half a millisecond each, where the volumes of 1,000 snapshots
/// take 50 ms (measured).
const FEW: usize = 64;

/// How many of them at a time: more is slower (measured: 50 take 25 ms by four, 50 ms all at once).
const AT_ONCE: usize = 4;

impl Lxd {
    /// The snapshots of one instance, oldest first.
    pub(super) async fn list_snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        let about = instances::about("list the snapshots of", name);
        check_known(name, &about)?;
        let path = format!("{}/snapshots?recursion=1", instances::path(name));
        let told: Vec<wire::Instance> = self.transport.get(&path, &about).await?;
        let mut snapshots: Vec<Snapshot> = told.into_iter().map(Into::into).collect();
        snapshots.sort_by(|a, b| a.created.cmp(&b.created));
        Ok(snapshots)
    }

    /// One snapshot that must be there, with the config, profiles and devices of its time.
    pub(super) async fn read_snapshot(&self, name: &str, snapshot: &str) -> Result<wire::Instance> {
        let about = about("look at", name, snapshot);
        check_known(name, &about)?;
        check_known(snapshot, &about)?;
        self.transport.get(&path(name, snapshot), &about).await
    }

    /// Names of all snapshots, in one call a pool: the volumes on it. Sorted by name; dates are not told here.
    pub(super) async fn list_snapshot_names(&self, of: &[&str]) -> Result<BTreeMap<String, Vec<String>>> {
        let about = About::new("list the snapshots", "list of snapshots");
        let about = &about;
        // Of a few instances each one is asked; of many, the volumes of each pool, theirs and all others', are cheaper.
        let places: Vec<String> = if of.len() <= FEW {
            of.iter()
                .map(|name| format!("{}/snapshots", instances::path(name)))
                .collect()
        } else {
            let pools: Vec<String> = self.transport.get("/1.0/storage-pools", about).await?;
            pools
                .iter()
                .map(|pool| format!("{pool}/volumes/container"))
                .collect()
        };
        let mut asked = Vec::with_capacity(places.len());
        for place in &places {
            asked.push(self.transport.get::<Vec<String>>(place, about));
        }
        let lists: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for list in lists {
            let list = match list {
                Err(Error::Missing { .. }) => continue,
                list => list?,
            };
            for (instance, snapshot) in list.iter().filter_map(|url| snapshot_of(url)) {
                names.entry(instance).or_default().push(snapshot);
            }
        }
        names.retain(|name, _| of.contains(&name.as_str()));
        for snapshots in names.values_mut() {
            snapshots.sort();
            snapshots.dedup();
        }
        Ok(names)
    }

    /// Takes a snapshot.
    pub(super) async fn take_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        let object = format!("snapshot `{snapshot}` of `{name}`");
        let about = About::new(format!("take {object}"), &object);
        check_known(name, &about)?;
        check_new(snapshot, &about)?;
        let body = json!({ "name": snapshot, "stateful": false });
        let path = format!("{}/snapshots", instances::path(name));
        let taken = self
            .transport
            .run(&Ask::with(Method::POST, &path, &body), &about)
            .await;
        match taken {
            // What is missing is the instance.
            Err(Error::Missing { .. }) => Err(Error::Missing {
                what: format!("instance `{name}`"),
            }),
            other => other.map(drop),
        }
    }

    /// Removes a snapshot.
    pub(super) async fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        let about = about("delete", name, snapshot);
        check_known(name, &about)?;
        check_known(snapshot, &about)?;
        let path = path(name, snapshot);
        self.transport
            .run(&Ask::new(Method::DELETE, &path), &about)
            .await
            .map(drop)
    }

    /// Renames a snapshot.
    pub(super) async fn name_snapshot(&self, name: &str, from: &str, to: &str) -> Result<()> {
        let about = about("rename", name, from);
        check_known(name, &about)?;
        check_known(from, &about)?;
        check_new(to, &about)?;
        let body = json!({ "name": to });
        let path = path(name, from);
        let renamed = self
            .transport
            .run(&Ask::with(Method::POST, &path, &body), &about)
            .await;
        match renamed {
            // It is the new name that is taken.
            Err(Error::Exists { .. }) => Err(Error::Exists {
                what: format!("snapshot `{to}` of `{name}`"),
            }),
            other => other.map(drop),
        }
    }

    /// Puts an instance back to a snapshot. A running one is stopped and started by the daemon.
    /// The `ETag` covers `volatile.uuid`: what was looked at is what is changed.
    pub(super) async fn restore_snapshot(&self, name: &str, snapshot: &str, uuid: &str) -> Result<()> {
        let about = about("restore", name, snapshot);
        check_known(name, &about)?;
        check_known(snapshot, &about)?;
        let body = json!({ "restore": snapshot });
        let path = instances::path(name);
        for _ in 0..RACES {
            let (told, etag) = self.transport.get_tagged::<wire::Instance>(&path, &about).await?;
            let found = Instance::from(told);
            if !uuid.is_empty() && found.uuid != uuid {
                return Err(about.no(REPLACED));
            }
            let ask = Ask {
                etag: etag.as_deref(),
                ..Ask::with(Method::PUT, &path, &body)
            };
            match self.transport.run(&ask, &about).await {
                Err(Error::Refused { message, .. }) if message.contains("ETag") => {}
                other => return other.map(drop),
            }
        }
        Err(about.no("somebody else changes the instance all the time"))
    }
}

/// Instance and snapshot of `…/volumes/container/NAME/snapshots/SNAPSHOT`, or of `/1.0/instances/NAME/snapshots/SNAPSHOT`. A cluster adds `?target=MEMBER`.
fn snapshot_of(url: &str) -> Option<(String, String)> {
    let path = url.split('?').next()?;
    let (_, path) = path
        .split_once("/volumes/container/")
        .or_else(|| path.split_once("/1.0/instances/"))?;
    let (instance, snapshot) = path.split_once("/snapshots/")?;
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((plain(instance), plain(snapshot)))
}

#[cfg(test)]
mod tests {
    use super::snapshot_of;

    #[test]
    fn a_pool_lists_its_snapshots_among_other_volumes() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        let of = |rest: &str| snapshot_of(&format!("/1.0/storage-pools/p/volumes/{rest}"));
        assert_eq!(of("container/a/snapshots/s1"), pair("a", "s1"));
        assert_eq!(of("container/a/snapshots/%C3%BCn"), pair("a", "ün"));
        assert_eq!(of("container/a/snapshots/s?target=m1"), pair("a", "s"));
        assert_eq!(of("container/a"), None);
        assert_eq!(of("image/abc"), None);
    }
}
