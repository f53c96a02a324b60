//! Taking, renaming and deleting snapshots with their marks, and which ones may be pruned.

use crate::backend::{Backend, Error, Instance};

use super::{
    Presence, SnapshotKind, SnapshotRow, UPDATING,
    expiry::Expired,
    identity::{Mistaken, Seen},
    marks, notes_profile, presence,
};

/// Why a snapshot was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The instance is not ours.
    #[error(
        "there is an instance `{0}` that halolab did not make, and it is not touched; take it over as it is with \
         `halolab apply {0} --choose adopt`, or rename it"
    )]
    Foreign(String),
    /// The lab is half made; a snapshot of it would be a way back to nothing whole.
    #[error(
        "`{0}` was begun and not finished, and no snapshot is taken of it; go on with `halolab runs resume`, or make \
         it anew with `halolab apply {0} --choose create`"
    )]
    Unfinished(String),
    /// It is kept from deletion.
    #[error("{lab}/{snapshot} is pinned; `halolab snapshot unpin {lab} {snapshot}` first")]
    Pinned {
        /// The lab.
        lab: String,
        /// The snapshot.
        snapshot: String,
    },
    /// It is the way back of an update that did not end well.
    #[error(
        "{lab}/{snapshot} is the way back of an update of {lab} that did not end well, and is kept as it is until \
         then; update once more with `halolab update {lab}`, or go back first with `halolab undo {lab}`"
    )]
    WayBack {
        /// The lab.
        lab: String,
        /// The snapshot.
        snapshot: String,
    },
    /// It is another one than the user was shown.
    #[error(transparent)]
    Mistaken(#[from] Mistaken),
    /// The daemon refused.
    #[error(transparent)]
    Backend(#[from] Error),
}

/// How far the date of a snapshot and of its mark may lie apart, in seconds: a slow pool takes its time.
const SAME_SECONDS: i64 = 600;

/// Takes a snapshot of a whole lab of ours, and writes its note.
///
/// # Errors
/// The lab is not there, not ours or not whole, or the daemon refuses.
pub async fn take(
    backend: &dyn Backend,
    lab: &str,
    snapshot: &str,
    note: &str,
    kind: SnapshotKind,
) -> Result<(), SnapshotError> {
    let instance = backend.instance(lab).await?.ok_or_else(|| Error::Missing {
        what: format!("instance `{lab}`"),
    })?;
    match presence(&instance) {
        Presence::Foreign => return Err(SnapshotError::Foreign(lab.into())),
        Presence::Unfinished => return Err(SnapshotError::Unfinished(lab.into())),
        Presence::Ours | Presence::Missing => {}
    }
    record(backend, &instance, snapshot, note, kind).await?;
    if notes_profile(&instance).is_none() && !note.is_empty() {
        // Says why there is no place for the note.
        marks::change(backend, lab, snapshot, |mark| note.clone_into(&mut mark.note)).await?;
    }
    Ok(())
}

/// Takes a snapshot of any instance and then marks it; one without a profile of ours has no place for marks.
///
/// # Errors
/// The daemon refuses.
pub async fn record(
    backend: &dyn Backend,
    instance: &Instance,
    snapshot: &str,
    note: &str,
    kind: SnapshotKind,
) -> Result<(), Error> {
    // One that is left of an instance of before would speak for a snapshot that was never taken to its end.
    if is_marked(backend, instance, snapshot).await? {
        if backend.find_snapshot(&instance.name, snapshot).await?.is_some() {
            let what = format!("snapshot `{snapshot}` of `{}`", instance.name);
            return Err(Error::Exists { what });
        }
        marks::forget(backend, &instance.name, snapshot).await?;
    }
    backend.snapshot(&instance.name, snapshot).await?;
    if notes_profile(instance).is_none() {
        return Ok(());
    }
    let write = |mark: &mut marks::Mark| {
        note.clone_into(&mut mark.note);
        mark.kind = kind;
        mark.taken = jiff::Timestamp::now().to_string();
    };
    marks::change(backend, &instance.name, snapshot, write).await
}

/// Whether a snapshot of ours was taken to its end: the mark is written last.
///
/// # Errors
/// The daemon does not answer.
pub async fn is_marked(backend: &dyn Backend, instance: &Instance, snapshot: &str) -> Result<bool, Error> {
    let Some(profile) = notes_profile(instance) else {
        return Ok(false);
    };
    let profile = backend.profile(profile).await?;
    Ok(profile.is_some_and(|p| p.config.contains_key(&marks::key(&instance.name, snapshot))))
}

/// Renames a snapshot with its mark.
///
/// # Errors
/// It is the way back of an update, it is not the one that was seen, the name is taken, or the daemon refuses.
pub async fn rename(
    backend: &dyn Backend,
    lab: &str,
    (from, to): (&str, &str),
    seen: &Seen,
) -> Result<(), SnapshotError> {
    let instance = seen.still(backend, lab).await?;
    not_way_back(Some(&instance), lab, from)?;
    seen.still_taken(backend, lab, from).await?;
    backend.rename_snapshot(lab, from, to).await?;
    Ok(marks::rename(backend, lab, from, to).await?)
}

/// Deletes a snapshot with its mark. A pinned one is refused, by its mark of now and not of when it was listed.
///
/// # Errors
/// It is pinned or the way back of an update, it is not the one that was seen, or the daemon refuses.
pub async fn delete(
    backend: &dyn Backend,
    lab: &str,
    snapshot: &str,
    seen: &Seen,
) -> Result<(), SnapshotError> {
    let instance = seen.still(backend, lab).await?;
    not_way_back(Some(&instance), lab, snapshot)?;
    if is_pinned(backend, Some(&instance), lab, snapshot).await? {
        return Err(SnapshotError::Pinned {
            lab: lab.into(),
            snapshot: snapshot.into(),
        });
    }
    seen.still_taken(backend, lab, snapshot).await?;
    let deleted = backend.delete_snapshot(lab, snapshot).await;
    // Measured: a full pool answers an error for a deletion that happened.
    if is_there(backend, lab, snapshot).await? {
        deleted?;
    }
    Ok(marks::forget_gone(backend, lab).await?)
}

/// Forgets the marks that a deletion left which was killed before its end. A lab without a profile of ours has none.
///
/// # Errors
/// The daemon does not answer.
pub async fn tidy(backend: &dyn Backend, lab: &str) -> Result<(), Error> {
    match marks::forget_gone(backend, lab).await {
        Err(Error::Missing { .. }) => Ok(()),
        other => other,
    }
}

/// Whether an instance has a snapshot. By names only: the whole of 20 snapshots takes the daemon 80 ms, their names 2
/// (measured).
///
/// # Errors
/// The daemon does not answer.
pub async fn is_there(backend: &dyn Backend, lab: &str, snapshot: &str) -> Result<bool, Error> {
    let names = backend.snapshot_names(&[lab]).await?;
    Ok(names
        .get(lab)
        .is_some_and(|names| names.iter().any(|n| n == snapshot)))
}

/// Refuses the snapshot that a lab's tag `updating` names.
fn not_way_back(instance: Option<&Instance>, lab: &str, snapshot: &str) -> Result<(), SnapshotError> {
    if instance.and_then(|i| i.tag(UPDATING)) != Some(snapshot) {
        return Ok(());
    }
    Err(SnapshotError::WayBack {
        lab: lab.into(),
        snapshot: snapshot.into(),
    })
}

async fn is_pinned(
    backend: &dyn Backend,
    instance: Option<&Instance>,
    lab: &str,
    snapshot: &str,
) -> Result<bool, Error> {
    let Some(name) = instance.and_then(notes_profile) else {
        return Ok(false);
    };
    let profile = backend.profile(name).await?;
    Ok(profile.is_some_and(|p| marks::read(&p, lab, snapshot).pinned))
}

/// Removes a safety snapshot whose days are over; false where it is not the one that was meant, or must stay: what was
/// shown is not what is there any more, and nobody was asked about that.
///
/// # Errors
/// The daemon does not answer or refuses.
pub async fn expire(backend: &dyn Backend, lab: &str, gone: &Expired) -> Result<bool, SnapshotError> {
    let Some(instance) = backend.instance(lab).await? else {
        return Ok(false);
    };
    let Some(profile) = notes_profile(&instance) else {
        return Ok(false);
    };
    let profile = backend.profile(profile).await?.unwrap_or_default();
    let mark = marks::read(&profile, lab, &gone.snapshot);
    let same = mark.kind == SnapshotKind::Safety && !mark.pinned && mark.taken == gone.taken;
    let Some(found) = backend.find_snapshot(lab, &gone.snapshot).await?.filter(|_| same) else {
        return Ok(false);
    };
    // The mark is written right after the snapshot was taken: one under the same name that is much younger is another.
    let second = |time: &str| time.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    let near = |a: i64, b: i64| (a - b).abs() <= SAME_SECONDS;
    if !matches!((second(&found.created), second(&mark.taken)), (Ok(a), Ok(b)) if near(a, b)) {
        return Ok(false);
    }
    let seen = Seen {
        uuid: instance.uuid,
        taken: found.created,
    };
    match delete(backend, lab, &gone.snapshot, &seen).await {
        Ok(()) => Ok(true),
        Err(SnapshotError::Pinned { .. } | SnapshotError::WayBack { .. } | SnapshotError::Mistaken(_)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Of snapshots, newest first: the safety snapshots beyond the newest `keep`. Pinned ones, the way back of an
/// update, `clean` and the user's own are never in it.
pub fn prunable(rows: &[SnapshotRow], keep: usize) -> Vec<&SnapshotRow> {
    let safety = rows
        .iter()
        .filter(|r| r.kind == SnapshotKind::Safety && !r.pinned && !r.way_back);
    safety.skip(keep).collect()
}
