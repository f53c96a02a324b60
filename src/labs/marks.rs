//! Marks: what we know of a snapshot beyond the daemon's record. Kept on the lab's profile as
//! `user.halolab.snapshot.INSTANCE.SNAPSHOT`, written only after the snapshot's operation ended well.

use std::collections::BTreeMap;

use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Error, Profile};

use super::{SnapshotKind, notes_profile, tag};

/// What we know of one snapshot. Unknown keys of a newer version are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// What a person wrote.
    pub note: String,
    /// Never pruned.
    pub pinned: bool,
    /// Why it was taken.
    pub kind: SnapshotKind,
    /// When it was taken, RFC 3339; empty for those of older halolabs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub taken: String,
    /// Keys of a newer version.
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

/// The config key of a mark.
pub fn key(instance: &str, snapshot: &str) -> String {
    tag(&format!("snapshot.{instance}.{snapshot}"))
}

/// The mark of a snapshot; an unreadable one counts as none, and is left where it is.
pub fn read(profile: &Profile, instance: &str, snapshot: &str) -> Mark {
    let text = profile.config.get(&key(instance, snapshot));
    text.and_then(|t| serde_json::from_str(t).ok())
        .unwrap_or_default()
}

/// Changes the mark of a snapshot.
///
/// # Errors
/// The instance is not there, has no profile of ours, or the daemon refuses.
pub async fn change(
    backend: &dyn Backend,
    instance: &str,
    snapshot: &str,
    change: impl FnOnce(&mut Mark) + Send,
) -> Result<(), Error> {
    let profile = profile_of(backend, instance).await?;
    let mut mark = read(&profile, instance, snapshot);
    let before = mark.taken.clone();
    change(&mut mark);
    if mark.taken != before {
        mark.taken = after(&mark.taken, &others(&profile, instance, snapshot));
    }
    let text = serde_json::to_string(&mark).unwrap_or_default();
    edit(backend, instance, |config| {
        config.insert(key(instance, snapshot), text.clone());
    })
    .await
}

/// When the other snapshots of an instance were taken.
fn others(profile: &Profile, instance: &str, snapshot: &str) -> Vec<String> {
    let of_instance = key(instance, "");
    let names = profile
        .config
        .keys()
        .filter_map(|key| key.strip_prefix(&of_instance));
    let others = names.filter(|name| *name != snapshot);
    others.map(|name| read(profile, instance, name).taken).collect()
}

/// A time that is later than all others: which of two snapshots is the newer one must not depend on a clock that was set
/// back in between. What is later expires later, too.
fn after(taken: &str, others: &[String]) -> String {
    let newest = others
        .iter()
        .filter_map(|other| other.parse::<Timestamp>().ok())
        .max();
    let least = newest.and_then(|newest| newest.checked_add(Span::new().milliseconds(1)).ok());
    match (taken.parse::<Timestamp>(), least) {
        (Ok(taken), Some(least)) if taken < least => least.to_string(),
        _ => taken.to_owned(),
    }
}

/// Moves the mark of a renamed snapshot.
///
/// # Errors
/// As [`change`].
pub async fn rename(backend: &dyn Backend, instance: &str, from: &str, to: &str) -> Result<(), Error> {
    edit(backend, instance, |config| {
        if let Some(mark) = config.remove(&key(instance, from)) {
            config.insert(key(instance, to), mark);
        }
    })
    .await
}

/// Forgets the mark of one snapshot that is gone.
///
/// # Errors
/// As [`change`].
pub async fn forget(backend: &dyn Backend, instance: &str, snapshot: &str) -> Result<(), Error> {
    edit(backend, instance, |config| {
        config.remove(&key(instance, snapshot));
    })
    .await
}

/// Forgets the marks of snapshots that are gone: whoever deleted them may have been killed before their marks went, and
/// such a mark would speak for the next snapshot of its name.
///
/// # Errors
/// As [`change`].
pub async fn forget_gone(backend: &dyn Backend, instance: &str) -> Result<(), Error> {
    let profile = profile_of(backend, instance).await?;
    let names = backend.snapshot_names(&[instance]).await?;
    let there = names.get(instance).map_or(&[][..], Vec::as_slice);
    let prefix = tag(&format!("snapshot.{instance}."));
    let gone = |key: &String| {
        let snapshot = key.strip_prefix(&prefix);
        snapshot.is_some_and(|name| !there.iter().any(|there| there == name))
    };
    if !profile.config.keys().any(gone) {
        return Ok(());
    }
    edit(backend, instance, |config| config.retain(|key, _| !gone(key))).await
}

/// Gives the copy `to` of an instance the marks of `from`, each in the profile that its instance uses.
///
/// # Errors
/// As [`change`].
pub async fn copy(backend: &dyn Backend, from: &str, to: &str) -> Result<(), Error> {
    let source = profile_of(backend, from).await?;
    let old = tag(&format!("snapshot.{from}."));
    let new = tag(&format!("snapshot.{to}."));
    let moved: Vec<_> = source
        .config
        .iter()
        .filter_map(|(k, v)| Some((format!("{new}{}", k.strip_prefix(&old)?), v.clone())))
        .collect();
    edit(backend, to, |config| {
        config.retain(|k, _| !k.starts_with(&new));
        config.extend(moved.clone());
    })
    .await
}

/// Forgets all marks of an instance that is gone, in the profile it used.
///
/// # Errors
/// The daemon refuses.
pub async fn forget_all(backend: &dyn Backend, profile: &str, instance: &str) -> Result<(), Error> {
    let prefix = tag(&format!("snapshot.{instance}."));
    let mut forget = |profile: &mut Profile| profile.config.retain(|k, _| !k.starts_with(&prefix));
    backend.edit_profile(profile, &mut forget).await.map(drop)
}

/// The profile of ours that an instance uses.
async fn profile_of(backend: &dyn Backend, instance: &str) -> Result<Profile, Error> {
    let missing = |what: String| Error::Missing { what };
    let found = backend.instance(instance).await?;
    let found = found.ok_or_else(|| missing(format!("instance `{instance}`")))?;
    let name = notes_profile(&found).ok_or_else(|| {
        missing(format!(
            "halolab profile on `{instance}`; adopt it first: `halolab apply {instance} --choose adopt`"
        ))
    })?;
    backend
        .profile(name)
        .await?
        .ok_or_else(|| missing(format!("profile `{name}`")))
}

async fn edit(
    backend: &dyn Backend,
    instance: &str,
    mut change: impl FnMut(&mut BTreeMap<String, String>) + Send,
) -> Result<(), Error> {
    let profile = profile_of(backend, instance).await?;
    let mut change = |profile: &mut Profile| change(&mut profile.config);
    backend.edit_profile(&profile.name, &mut change).await.map(drop)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::after;
    use crate::labs::expiry;

    proptest! {
        /// A clock that is set back or forward between snapshots changes neither their order, nor lets one go early.
        #[test]
        fn marks_sort_by_their_order_whatever_the_clock_says(
            clock in proptest::collection::vec(1_750_000_000_000..1_782_000_000_000_i64, 1..12)
        ) {
            let mut all: Vec<String> = vec![];
            for now in clock {
                let now = Timestamp::from_millisecond(now).unwrap();
                let taken = after(&now.to_string(), &all);
                let time: Timestamp = taken.parse().unwrap();
                prop_assert!(time >= now);
                prop_assert!(all.iter().all(|other| other.parse::<Timestamp>().unwrap() < time));
                prop_assert!(expiry::end(&taken, 14) >= expiry::end(&now.to_string(), 14));
                all.push(taken);
            }
        }
    }
}
