//! The names by which we know our own objects on the engine.

/// What a thing is: one of the words below.
pub(super) const KIND: &str = "io.halolab.kind";
/// The instance's identity, ours: it survives renames and restores, which a container's own identifier does not.
pub(super) const UUID: &str = "io.halolab.uuid";
/// When the instance was made (RFC 3339): a restore makes another container of it.
pub(super) const CREATED: &str = "io.halolab.created";
/// The stage, for people.
pub(super) const STAGE: &str = "io.halolab.stage";
/// The name at that time, for people.
pub(super) const NAME: &str = "io.halolab.name";
/// Config, description, profiles and devices of the instance, as JSON: what counts until a record of the container says
/// otherwise.
pub(super) const KEPT: &str = "io.halolab.kept";
/// SHA-256 of what the container was made with out of its config, profiles and devices.
pub(super) const MADE: &str = "io.halolab.made";
/// The paths of the volumes that its devices named, as a JSON list; the other ones the engine made for the image.
pub(super) const NAMED: &str = "io.halolab.named";
/// What the image said that the instance's first container was made from, as JSON.
pub(super) const ORIGIN: &str = "io.halolab.origin";
/// When a snapshot was taken (RFC 3339).
pub(super) const TAKEN: &str = "io.halolab.taken";
/// The content of a record: JSON, deflated, base64 for URLs.
pub(super) const DATA: &str = "io.halolab.data";
/// SHA-256 of the file that an image was imported from.
pub(super) const SHA256: &str = "io.halolab.sha256";

/// A container that is an instance.
pub(super) const INSTANCE: &str = "instance";
/// An image that is a snapshot.
pub(super) const SNAPSHOT: &str = "snapshot";
/// An image that a container was made anew from.
pub(super) const ROOT: &str = "root";

/// The repository of the snapshots of one instance; their names are the tags.
pub(super) fn snapshots_of(uuid: &str) -> String {
    format!("halolab/snapshot-{uuid}")
}

/// The repository of what a container of this instance was made anew from.
pub(super) fn roots_of(uuid: &str) -> String {
    format!("halolab/root-{uuid}")
}

/// A container that is to become `name`.
pub(super) fn new(name: &str) -> String {
    format!("{name}.new")
}

/// A container that was `name` until its replacement is whole.
pub(super) fn old(name: &str) -> String {
    format!("{name}.old")
}

/// How the name of a container ends that is being removed.
pub(super) const GONE: &str = ".gone";

/// A container that is being removed.
pub(super) fn gone(name: &str) -> String {
    format!("{name}{GONE}")
}

/// An identity that nothing else has: 128 random bits, as hexadecimal.
pub(super) fn uuid() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // Each one is keyed by the system's random numbers.
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
