//! Steps: the only ways in which halolab changes the machine.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    backend::{ConfigEdit, Instance, InstanceSpec, Power, Profile, RemoteImage, docker::Build, types::TAG},
    host::{
        boot::{Proposal, Wish},
        made::Made,
    },
    labs::{SnapshotKind, UPDATING, expiry::Expired, tag},
};

/// One change of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Runs a script on the host, through sudo where not root, unless its check holds.
    HostScript {
        /// Shell text.
        script: String,
        /// Exits 0 where there is nothing to do.
        check: Option<String>,
        /// Environment.
        env: BTreeMap<String, String>,
    },
    /// Changes the boot configuration, with a receipt.
    TuneBoot {
        /// What for, as a sentence.
        what: String,
        /// What the parameters become.
        wish: Wish,
        /// The files, as the user saw them.
        proposal: Proposal,
        /// The tree whose files they are; none for the running machine.
        root: Option<PathBuf>,
    },
    /// Goes on only where the kernel runs with these parameters: until then the run ends with "restart needed".
    AwaitRestart {
        /// What the parameters are to be.
        wish: Wish,
        /// The boot in which this was planned.
        boot: String,
        /// The tree that stands for the machine; none for the running one.
        root: Option<PathBuf>,
    },
    /// Takes a change of the boot configuration back.
    UndoBoot {
        /// Its id in the receipt.
        id: String,
    },
    /// Takes back what halolab made on this machine, and forgets it.
    Revert {
        /// What was made.
        made: Vec<Made>,
        /// Shell text, run as root.
        script: String,
    },
    /// What only a newer halolab knows; never carried out.
    Unknown {
        /// The step, as it was written.
        what: String,
    },
    /// Removes an image that halolab fetched or built.
    DeleteImage {
        /// The local alias.
        alias: String,
    },
    /// Removes a storage pool that halolab made, if nothing is on it.
    DeletePool {
        /// Its name.
        name: String,
    },
    /// Removes a bridge that halolab made, if nothing is on it.
    DeleteNetwork {
        /// Its name.
        name: String,
    },
    /// Waits until the daemon answers and is ready.
    WaitDaemon {
        /// Seconds.
        seconds: u32,
    },
    /// Makes a storage pool.
    CreatePool {
        /// Its name.
        name: String,
        /// `btrfs`, `zfs` or `dir`.
        driver: String,
        /// Bytes of the loop file; none for drivers without one.
        size: Option<u64>,
    },
    /// Makes a managed bridge with NAT.
    CreateNetwork {
        /// Its name.
        name: String,
    },
    /// Makes or replaces a profile. What a person added to the one that is there stays.
    PutProfile {
        /// What the stage says of it.
        profile: Profile,
        /// The profile whose additions it takes over, where that is another one.
        over: Option<String>,
    },
    /// Gives a profile the devices and settings of another one, as they are by then. Notes of snapshots stay where
    /// they are.
    CopyProfile {
        /// From this profile.
        from: String,
        /// To this one, made where it is not there.
        to: String,
    },
    /// Removes a profile, unless an instance uses it.
    DeleteProfile {
        /// The profile.
        name: String,
    },
    /// Makes host folders for data mounts.
    MakeDataFolders {
        /// The folders.
        folders: Vec<PathBuf>,
    },
    /// Gives data folders that are new and empty to what an instance sees as `root`. Others keep their owner.
    OwnDataFolders {
        /// The instance, whose id map says who its `root` is on the host.
        name: String,
        /// The folders.
        folders: Vec<PathBuf>,
    },
    /// Fetches an image from a simplestreams server.
    PullImage {
        /// The server and the alias there.
        source: RemoteImage,
        /// The local alias.
        alias: String,
        /// File with a certificate authority for the server (PEM); none is the system's.
        certificate: Option<PathBuf>,
        /// Asks the server for a newer one even if the alias exists here.
        refresh: bool,
    },
    /// Builds an image from the distribution's package sources and imports it.
    Bootstrap {
        /// `debian`, `ubuntu`, `arch`.
        distribution: String,
        /// `bookworm`, ...
        suite: String,
        /// Packages on top of the base.
        packages: Vec<String>,
        /// The local alias.
        alias: String,
        /// Builds a new one even if the alias exists here.
        refresh: bool,
    },
    /// Builds an image out of a stage's files.
    BuildImage {
        /// What to build; its folder is filled with the files right before.
        build: Build,
        /// The files, by path: the text that was agreed to.
        files: BTreeMap<String, String>,
    },
    /// Imports an image file.
    ImportImage {
        /// The file.
        file: PathBuf,
        /// The local alias.
        alias: String,
        /// SHA-256 that the file must have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
    /// Makes an instance, stopped, tagged as ours and unfinished.
    Create {
        /// What to make.
        spec: InstanceSpec,
    },
    /// Copies an instance with its snapshots, or one snapshot of it.
    Copy {
        /// From this instance.
        from: String,
        /// From this snapshot of it; none for the instance with all its snapshots.
        snapshot: Option<String>,
        /// What to make.
        spec: InstanceSpec,
    },
    /// Starts or stops an instance.
    Power {
        /// The instance.
        name: String,
        /// Start or stop.
        power: Power,
    },
    /// Waits until the instance has an address and can resolve names.
    WaitNetwork {
        /// The instance.
        name: String,
        /// Seconds.
        seconds: u32,
    },
    /// Gives the instance the host's certificate authorities, so that HTTPS works behind a company's proxy.
    PushCertificates {
        /// The instance.
        name: String,
    },
    /// Runs a script inside an instance.
    Exec {
        /// The instance.
        name: String,
        /// Shell text.
        script: String,
        /// Environment.
        env: BTreeMap<String, String>,
        /// Secret options to hand over as files: option ids; the values never enter a plan.
        secrets: Vec<String>,
    },
    /// Runs a verify script inside an instance and stores the verdict on it.
    Verify {
        /// The instance.
        name: String,
        /// Shell text; its last line of output is the verdict.
        script: String,
        /// Environment.
        env: BTreeMap<String, String>,
    },
    /// Runs a kernel on every GPU that is passed into an instance, and stores the verdict on it.
    Prove {
        /// The instance.
        name: String,
    },
    /// Takes a snapshot.
    Snapshot {
        /// The instance.
        name: String,
        /// The snapshot.
        snapshot: String,
        /// A note for people.
        note: String,
        /// Why it is taken.
        kind: SnapshotKind,
    },
    /// Puts an instance back to a snapshot, and its description, profiles and notes after it.
    Restore {
        /// The instance.
        name: String,
        /// The snapshot.
        snapshot: String,
        /// `volatile.uuid` that the instance must have, or nothing is done.
        uuid: String,
        /// What the restore must leave as it is; none in the plans of older halolabs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<Keep>,
        /// When the snapshot was taken: another one of its name is not meant. Empty where it was not seen.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        taken: String,
    },
    /// Removes safety snapshots whose days are over; those that are not what was shown any more stay.
    Expire {
        /// The instance.
        name: String,
        /// The snapshots.
        snapshots: Vec<Expired>,
    },
    /// Changes tags, profiles or the description of an instance.
    Edit {
        /// The instance.
        name: String,
        /// The change.
        edit: ConfigEdit,
        /// `volatile.uuid` that it must have; empty for one that this plan made itself.
        uuid: String,
    },
    /// Removes an instance with its snapshots.
    Delete {
        /// The instance.
        name: String,
        /// `volatile.uuid` that it must have; empty for one that this plan made itself.
        uuid: String,
        /// This instance must exist first, whole, with every snapshot of this one.
        only_if: Option<String>,
    },
    /// Removes an earlier version whose days are over; one that is pinned, runs, or is none any more, stays.
    Retire {
        /// The instance.
        name: String,
        /// `volatile.uuid` that it must have.
        uuid: String,
    },
}

impl Step {
    /// The shell text that it runs, where it runs one.
    pub fn script(&self) -> Option<&str> {
        match self {
            Self::HostScript { script, .. } | Self::Exec { script, .. } | Self::Verify { script, .. } => {
                Some(script)
            }
            _ => None,
        }
    }

    pub(super) fn script_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::HostScript { script, .. } | Self::Exec { script, .. } | Self::Verify { script, .. } => {
                Some(script)
            }
            _ => None,
        }
    }

    /// The instance in which it does something, that it finds by the name alone. What removes, edits or puts back
    /// compares by itself what it is.
    pub fn acts_on(&self) -> Option<&str> {
        match self {
            Self::Power { name, .. }
            | Self::PushCertificates { name }
            | Self::OwnDataFolders { name, .. }
            | Self::Exec { name, .. }
            | Self::Verify { name, .. }
            | Self::Prove { name }
            | Self::Snapshot { name, .. }
            | Self::Copy { from: name, .. } => Some(name),
            _ => None,
        }
    }

    /// The instance inside of which it runs a script or a proof.
    pub fn inside(&self) -> Option<&str> {
        match self {
            Self::Exec { name, .. } | Self::Verify { name, .. } | Self::Prove { name } => Some(name),
            _ => None,
        }
    }
}

/// What a restore throws away and must not. In the plan, so that a run that is killed right after the restore still
/// knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Our tags, by their full config key, without those that belong to what is inside.
    pub tags: BTreeMap<String, String>,
    /// The description.
    pub description: String,
    /// The profiles.
    pub profiles: Vec<String>,
}

impl Keep {
    /// Of an instance as it is now.
    pub fn of(instance: &Instance) -> Self {
        let ours = instance.config.iter().filter(|(key, _)| is_kept(key));
        Self {
            tags: ours.map(|(k, v)| (k.clone(), v.clone())).collect(),
            description: instance.description.clone(),
            profiles: instance.profiles.clone(),
        }
    }
}

/// Whether a config key is a tag of ours that outlives a restore; the proof, and that an update began, belong to what
/// is inside.
pub fn is_kept(key: &str) -> bool {
    key.starts_with(TAG) && ![tag("verdict"), tag(UPDATING)].iter().any(|inside| inside == key)
}
