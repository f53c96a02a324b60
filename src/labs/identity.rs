//! Whether an instance or a snapshot is still the one that the user was shown. Asked right before it is changed: a name
//! tells nothing, as somebody else may have deleted it and made another one under it meanwhile.

use crate::backend::{Backend, Error, Instance};

use super::{SnapshotRow, World};

/// By what a thing is known again. What is empty was not seen, and is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `volatile.uuid` of the instance.
    pub uuid: String,
    /// When the snapshot that is meant was taken, RFC 3339.
    pub taken: String,
}

/// Why a thing is not what was shown.
#[derive(Debug, thiserror::Error)]
pub enum Mistaken {
    /// Another instance has its name.
    #[error(
        "{0} is not the instance that you were shown: someone replaced it; it was not touched, look at `halolab status`"
    )]
    Instance(String),
    /// Another snapshot has its name.
    #[error(
        "{lab}/{snapshot} is not the snapshot that you were shown: someone took it anew; nothing was changed, look at \
         `halolab snapshot list {lab}`"
    )]
    Snapshot {
        /// The lab.
        lab: String,
        /// The snapshot.
        snapshot: String,
    },
    /// It is not there any more.
    #[error(
        "there is no snapshot `{snapshot}` of {lab} any more: someone removed or renamed it; nothing was changed"
    )]
    Gone {
        /// The lab.
        lab: String,
        /// The snapshot.
        snapshot: String,
    },
    /// The daemon does not answer.
    #[error(transparent)]
    Backend(#[from] Error),
}

impl Seen {
    /// An instance as it is shown now.
    pub fn instance(world: &World, lab: &str) -> Self {
        Self {
            uuid: world.instance(lab).map(|i| i.uuid.clone()).unwrap_or_default(),
            taken: String::new(),
        }
    }

    /// The same, and one of its snapshots.
    #[must_use]
    pub fn with(mut self, row: &SnapshotRow) -> Self {
        self.taken.clone_from(&row.created);
        self
    }

    /// Whether an instance is the one that was seen.
    ///
    /// # Errors
    /// It is another one.
    pub fn is(&self, found: &Instance) -> Result<(), Mistaken> {
        if self.uuid.is_empty() || found.uuid == self.uuid {
            return Ok(());
        }
        Err(Mistaken::Instance(found.name.clone()))
    }

    /// Looks whether an instance is still the one that was seen.
    ///
    /// # Errors
    /// It is another one or gone, or the daemon does not answer.
    pub async fn still(&self, backend: &dyn Backend, lab: &str) -> Result<Instance, Mistaken> {
        let found = backend.instance(lab).await?.ok_or_else(|| Error::Missing {
            what: format!("instance `{lab}`"),
        })?;
        self.is(&found)?;
        Ok(found)
    }

    /// Looks whether a snapshot is still the one that was seen.
    ///
    /// # Errors
    /// It is another one or gone, or the daemon does not answer.
    pub async fn still_taken(
        &self,
        backend: &dyn Backend,
        lab: &str,
        snapshot: &str,
    ) -> Result<(), Mistaken> {
        let named = || (lab.to_owned(), crate::log::sanitize(snapshot));
        let Some(found) = backend.find_snapshot(lab, snapshot).await? else {
            let (lab, snapshot) = named();
            return Err(Mistaken::Gone { lab, snapshot });
        };
        if self.taken.is_empty() || found.created == self.taken {
            return Ok(());
        }
        let (lab, snapshot) = named();
        Err(Mistaken::Snapshot { lab, snapshot })
    }
}
