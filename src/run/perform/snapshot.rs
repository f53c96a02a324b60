//! Steps on snapshots: take and restore.

use std::collections::BTreeMap;

use crate::{
    backend::{Backend, ConfigEdit, Error, Instance, Status, types::TAG},
    labs::{SnapshotKind, UPDATING, snapshots, tag},
};

use super::{
    DID, Ended, Failure, Hand, SKIPPED,
    instance::{existing, same},
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

    pub(super) async fn restore(&mut self, name: &str, snapshot: &str, uuid: &str) -> Ended {
        let backend = self.backend().await?;
        let before = existing(backend, name).await?;
        same(&before, uuid)?;
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
        backend.restore(name, snapshot).await?;
        self.put_back(backend, &before).await?;
        DID
    }

    /// What a restore throws away and must not: description, profiles and our tags. Measured on LXD 5.0.2.
    async fn put_back(&self, backend: &dyn Backend, before: &Instance) -> Result<(), Failure> {
        let after = existing(backend, &before.name).await?;
        let ours = |i: &Instance| -> BTreeMap<String, String> {
            i.config
                .iter()
                .filter(|(k, _)| k.starts_with(TAG))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        let (was, is) = (ours(before), ours(&after));
        // These belong to what is inside, and so to the snapshot.
        let inside = [tag("verdict"), tag(UPDATING)];
        let mut config: BTreeMap<_, _> = was.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
        config.extend(
            is.keys()
                .filter(|k| !was.contains_key(*k))
                .map(|k| (k.clone(), None)),
        );
        config.retain(|key, _| !inside.contains(key));
        config.retain(|k, v| is.get(k) != v.as_ref());
        let edit = ConfigEdit {
            config,
            description: (after.description != before.description).then(|| before.description.clone()),
            profiles: (after.profiles != before.profiles).then(|| before.profiles.clone()),
        };
        if edit != ConfigEdit::default() {
            backend.edit(&before.name, &edit).await?;
        }
        Ok(())
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
