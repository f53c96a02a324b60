//! Steps on snapshots: take and restore.

use std::collections::BTreeMap;

use crate::{
    backend::{Backend, ConfigEdit, Error, Instance, Status},
    labs::{
        SnapshotKind,
        expiry::{ASIDE, Expired},
        identity::Seen,
        marks, notes_profile, snapshots, tag,
    },
    plan::step::Keep,
};

use super::{
    DID, Ended, Failure, Hand, SKIPPED,
    instance::{existing, same, stale},
};

impl Hand<'_> {
    pub(super) async fn snapshot(
        &mut self,
        name: &str,
        snapshot: &str,
        note: &str,
        kind: SnapshotKind,
    ) -> Ended {
        let backend = self.backend().await?;
        let instance = existing(backend, name).await?;
        if snapshots::is_there(backend, name, snapshot).await? {
            if !self.again {
                let what = format!("snapshot `{snapshot}` of `{name}`");
                return Err(Failure::Blocked(Error::Exists { what }.to_string()));
            }
            if snapshots::is_marked(backend, &instance, snapshot).await? {
                return SKIPPED;
            }
            // Begun by us and never marked: it may have no volume behind it.
            backend.delete_snapshot(name, snapshot).await?;
        }
        snapshots::record(backend, &instance, snapshot, note, kind).await?;
        DID
    }

    pub(super) async fn restore(
        &mut self,
        name: &str,
        (snapshot, taken): (&str, &str),
        uuid: &str,
        keep: Option<&Keep>,
    ) -> Ended {
        let backend = self.backend().await?;
        let before = existing(backend, name).await?;
        if let Err(replaced) = same(&before, uuid)
            && !(self.again && is_from(backend, &before, snapshot).await?)
        {
            return Err(replaced);
        }
        if before.status == Status::Frozen {
            return Err(Failure::Blocked(format!(
                "{name} is frozen; start it or stop it first, then restore"
            )));
        }
        if self
            .worker
            .finished_earlier(&format!("{}/snapshot-{name}-before-", self.lab))
        {
            // The planned safety snapshot is of an earlier attempt, and work may have been done since.
            self.save_again(backend, &before, snapshot).await?;
        }
        let seen = Seen {
            uuid: String::new(),
            taken: taken.to_owned(),
        };
        seen.still_taken(backend, name, snapshot).await?;
        backend.restore(name, snapshot, &before.uuid).await?;
        // After a kill between the two, what is there now is what the restore left.
        let mut keep = keep.cloned().unwrap_or_else(|| Keep::of(&before));
        // The snapshot may bring the uuid of the instance that this one was copied from: by this it is known all the same.
        keep.tags.insert(tag("run"), self.worker.run.to_owned());
        put_back(backend, name, &keep, snapshot).await?;
        DID
    }

    pub(super) async fn expire(&mut self, name: &str, gone: &[Expired]) -> Ended {
        let backend = self.backend().await?;
        let mut removed = 0;
        for one in gone {
            let shown = crate::log::sanitize(&one.snapshot);
            match snapshots::expire(backend, name, one).await {
                Ok(true) => removed += 1,
                Ok(false) => self
                    .output
                    .line(&format!("    {shown} stays: it is not what was shown any more")),
                Err(error) => return Err(Failure::Failed(error.to_string())),
            }
        }
        if removed == 0 { SKIPPED } else { DID }
    }

    /// Removes an earlier version, unless somebody needs it by now.
    pub(super) async fn retire(&mut self, name: &str, uuid: &str) -> Ended {
        let backend = self.backend().await?;
        if let Some(found) = backend.instance(name).await?
            && let Some(why) = needed(backend, &found).await?
        {
            self.output.line(&format!("    {name} stays: {why}"));
            return SKIPPED;
        }
        self.delete(name, uuid, None).await
    }

    /// Takes one more safety snapshot under a name that is free.
    async fn save_again(
        &mut self,
        backend: &dyn Backend,
        lab: &Instance,
        target: &str,
    ) -> Result<(), Failure> {
        let taken = backend.snapshots(&lab.name).await?;
        let free = |n: &String| !taken.iter().any(|s| s.name == *n);
        let snapshot = (1..=u32::MAX)
            .map(|n| format!("before-restore-{n}"))
            .find(free)
            .unwrap_or_default();
        self.output.line(&format!(
            "    taking {snapshot} first: time has passed since the run began"
        ));
        let note = format!("before the resumed restore of {}", crate::log::sanitize(target));
        snapshots::record(backend, lab, &snapshot, &note, SnapshotKind::Safety).await?;
        Ok(())
    }
}

/// Why an earlier version must stay.
async fn needed(backend: &dyn Backend, found: &Instance) -> Result<Option<&'static str>, Failure> {
    if found.tag("kept").is_none() || found.tag(ASIDE).is_some() {
        return Ok(Some("it is no earlier version any more"));
    }
    if found.status != Status::Stopped {
        return Ok(Some("it runs"));
    }
    let profile = match notes_profile(found) {
        Some(profile) => backend.profile(profile).await?,
        None => None,
    };
    let Some(profile) = profile else { return Ok(None) };
    let snapshots = backend.snapshots(&found.name).await?;
    let pinned = snapshots
        .iter()
        .any(|s| marks::read(&profile, &found.name, &s.name).pinned);
    Ok(pinned.then_some("a snapshot of it is pinned"))
}

/// Whether an instance is what a restore of this snapshot leaves: a copy's snapshots have the uuid of the instance that
/// it was copied from, and the daemon restores that too. After a kill between the two this is all that is known.
async fn is_from(backend: &dyn Backend, found: &Instance, snapshot: &str) -> Result<bool, Failure> {
    let taken = backend.snapshots(&found.name).await?;
    let mut same = taken.iter().filter(|s| s.name == snapshot);
    let uuid = same.find_map(|s| s.config.get("volatile.uuid"));
    Ok(uuid.is_some_and(|uuid| *uuid == found.uuid))
}

/// Puts back what a restore throws away and must not: description, profiles and our tags. Measured on LXD 5.0.2. The
/// proof that came with the snapshot is not of what is there now.
async fn put_back(backend: &dyn Backend, name: &str, keep: &Keep, snapshot: &str) -> Result<(), Failure> {
    let after = existing(backend, name).await?;
    let is = Keep::of(&after);
    let gone = is.tags.keys().filter(|k| !keep.tags.contains_key(*k));
    let mut config: BTreeMap<String, Option<String>> = gone.map(|k| (k.clone(), None)).collect();
    let missing = keep.tags.iter().filter(|(k, v)| is.tags.get(*k) != Some(v));
    config.extend(missing.map(|(k, v)| (k.clone(), Some(v.clone()))));
    config.extend(stale(&after, &format!("the restore of {snapshot}")));
    let edit = ConfigEdit {
        config,
        description: (is.description != keep.description).then(|| keep.description.clone()),
        profiles: (is.profiles != keep.profiles).then(|| keep.profiles.clone()),
    };
    if edit != ConfigEdit::default() {
        backend.edit(name, &edit).await?;
    }
    Ok(())
}
