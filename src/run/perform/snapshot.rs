//! Steps on snapshots: take, restore, delete.

use crate::{
    backend::{Backend, ConfigEdit, Error, Status},
    labs::{SnapshotKind, marks, notes_profile},
};

use super::{DID, Ended, Failure, Hand, SKIPPED, instance::existing};

impl Hand<'_> {
    pub(super) async fn snapshot(
        &mut self,
        name: &str,
        snapshot: &str,
        note: &str,
        kind: SnapshotKind,
    ) -> Ended {
        let backend = self.backend().await?;
        if has(backend, name, snapshot).await? {
            if !self.again {
                return Err(Error::Exists {
                    what: format!("snapshot `{snapshot}` of `{name}`"),
                }
                .into());
            }
            if marked(backend, name, snapshot).await? {
                return SKIPPED;
            }
            // Begun by us and never marked: it may have no volume behind it.
            backend.delete_snapshot(name, snapshot).await?;
        }
        backend.snapshot(name, snapshot).await?;
        let write = |mark: &mut marks::Mark| {
            note.clone_into(&mut mark.note);
            mark.kind = kind;
        };
        match marks::change(backend, name, snapshot, write).await {
            Ok(()) | Err(Error::Missing { .. }) => DID,
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn restore(&mut self, name: &str, snapshot: &str, uuid: &str) -> Ended {
        let backend = self.backend().await?;
        let before = existing(backend, name).await?;
        if !uuid.is_empty() && before.uuid != uuid {
            return Err(Failure::Failed(format!(
                "{name} is not the instance that you were shown: someone else replaced it; nothing was restored, \
                 look at `halolab status`"
            )));
        }
        if before.status == Status::Frozen {
            return Err(Failure::Failed(format!(
                "{name} is frozen; start it or stop it first, then restore"
            )));
        }
        backend.restore(name, snapshot).await?;
        // Measured on LXD 5.0.2: a restore empties the description.
        let after = existing(backend, name).await?;
        if after.description != before.description {
            let edit = ConfigEdit {
                description: Some(before.description),
                ..ConfigEdit::default()
            };
            backend.edit(name, &edit).await?;
        }
        if after.profiles != before.profiles {
            let edit = ConfigEdit {
                profiles: Some(before.profiles),
                ..ConfigEdit::default()
            };
            backend.edit(name, &edit).await?;
        }
        DID
    }

    pub(super) async fn delete_snapshot(&mut self, name: &str, snapshot: &str) -> Ended {
        let backend = self.backend().await?;
        if !has(backend, name, snapshot).await? {
            return SKIPPED;
        }
        let deleted = backend.delete_snapshot(name, snapshot).await;
        // Measured: a full pool answers an error for a deletion that happened.
        if has(backend, name, snapshot).await? {
            deleted?;
        }
        match marks::forget(backend, name, snapshot).await {
            Ok(()) | Err(Error::Missing { .. }) => DID,
            Err(error) => Err(error.into()),
        }
    }
}

async fn has(backend: &dyn Backend, name: &str, snapshot: &str) -> Result<bool, Failure> {
    Ok(backend.snapshots(name).await?.iter().any(|s| s.name == snapshot))
}

async fn marked(backend: &dyn Backend, name: &str, snapshot: &str) -> Result<bool, Failure> {
    let instance = existing(backend, name).await?;
    let Some(profile) = notes_profile(&instance) else {
        return Ok(false);
    };
    let profile = backend.profile(profile).await?;
    Ok(profile.is_some_and(|p| p.config.contains_key(&marks::key(name, snapshot))))
}
