//! The shape of `stage.toml`. Unknown keys are refused with the allowed ones; `halolab stage schema`
//! prints this file as a JSON schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{answers::Answer, condition::Condition};

/// One thing that halolab can set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stage {
    /// Version of this format; 1.
    pub version: u32,
    /// Name of the stage, and of its lab unless the user chooses another: `[a-z0-9][a-z0-9-]*`.
    pub id: String,
    /// The menu line.
    pub title: String,
    /// One sentence below the menu line.
    pub summary: String,
    /// Place in the menu; lower comes first.
    #[serde(default)]
    pub order: u32,
    /// Where it runs.
    pub backend: BackendKind,
    /// What it needs of the machine.
    #[serde(default)]
    pub needs: Needs,
    /// Images to start from; the first whose condition holds is the default.
    #[serde(default, rename = "image")]
    pub images: Vec<Image>,
    /// What the user can choose: the fields of its form.
    #[serde(default, rename = "option")]
    pub options: Vec<Field>,
    /// Config and devices of its profile, which survives every restore.
    #[serde(default)]
    pub profile: ProfileSpec,
    /// Host folders that outlive the instance: outside snapshots, restore and recreate.
    #[serde(default, rename = "mount")]
    pub mounts: Vec<Mount>,
    /// Where those folders are, as `ROOT/LAB/MOUNT`: the name of an option of kind `folder`. The data folder of all labs
    /// without it, and where it is empty.
    #[serde(default)]
    pub mounts_root: Option<String>,
    /// What a first run does, in order.
    #[serde(default, rename = "step")]
    pub steps: Vec<StageStep>,
    /// What an update does.
    #[serde(default, rename = "update")]
    pub updates: Vec<StageStep>,
    /// What proves that it works; run after create, update and restore.
    #[serde(default, rename = "verify")]
    pub verifies: Vec<StageStep>,
    /// Script files of its folder, by file name. Not part of the TOML.
    #[serde(skip)]
    #[schemars(skip)]
    pub files: BTreeMap<String, String>,
    /// The text of its `stage.toml`, for its hash. Not part of the TOML.
    #[serde(skip)]
    #[schemars(skip)]
    pub text: String,
    /// Where it was read from, for `stage list`. Not part of the TOML.
    #[serde(skip)]
    #[schemars(skip)]
    pub origin: String,
}

/// Where a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// A system container of LXD or Incus.
    Lxd,
    /// A container of Docker or Podman.
    Docker,
    /// The host itself: its steps have a `check` and are skipped when it holds.
    Host,
}

impl BackendKind {
    /// Whether its stages make labs.
    pub fn makes_labs(self) -> bool {
        self != Self::Host
    }
}

/// A distribution family: which package manager its scripts speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Arch, `CachyOS`, Manjaro: pacman.
    Arch,
    /// Debian, Ubuntu: apt.
    Debian,
    /// Fedora, RHEL: dnf.
    Fedora,
    /// openSUSE: zypper.
    Suse,
    /// Any: the script does not care. Also what an image of an unknown family is.
    Any,
}

impl Family {
    /// As written in conditions and in the environment of scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arch => "arch",
            Self::Debian => "debian",
            Self::Fedora => "fedora",
            Self::Suse => "suse",
            Self::Any => "any",
        }
    }
}

/// What a stage needs of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Needs {
    /// Room on the storage pool, as `40GiB`.
    #[serde(default)]
    pub disk: Option<String>,
    /// Memory of the host, as `16GiB`; less is a warning.
    #[serde(default)]
    pub memory: Option<String>,
}

/// An image to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// Short name, used in answers: `image = "debian"`.
    pub id: String,
    /// The line in the form.
    pub title: String,
    /// Which scripts it takes.
    pub family: Family,
    /// Where it comes from.
    pub source: ImageSource,
    /// SHA-256 of the one image that is taken, as daemons know it (`lxc image info`); another one is refused before an
    /// instance is made of it. For a file it is the file's own. Not for what is built here.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// Offered only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ImageSource {
    /// A simplestreams server of the configuration (`[remotes.NAME]`), and an alias there.
    Remote {
        /// Name of the remote in the configuration.
        remote: String,
        /// Alias on that server.
        alias: String,
    },
    /// Built here from the distribution's own package sources, without any image server.
    Bootstrap {
        /// `debian`, `ubuntu` or `arch`.
        distribution: String,
        /// Release, as `bookworm`; empty for a rolling one.
        suite: String,
        /// Packages on top of the base.
        #[serde(default)]
        packages: Vec<String>,
    },
    /// An image that the daemon has already, by alias.
    Local {
        /// The alias.
        alias: String,
    },
    /// A unified image file (`.tar.gz`, `.tar.xz`) on this machine; the path is the answer `image_file`. For Docker also
    /// a root file system as `.tar` or `.tar.gz`.
    File {},
    /// Of a registry; Docker only.
    Registry {
        /// As `docker pull` takes it: `debian:bookworm-slim`, or `HOST/NAME:TAG`.
        reference: String,
    },
    /// Built here out of the files of the stage's own folder; Docker only.
    Build {
        /// The file that says how; empty is `Dockerfile`.
        #[serde(default)]
        dockerfile: String,
        /// Values of its `ARG`s; `${option.ID}` and `${host.FACT}` are filled in, and what is empty then is left out.
        #[serde(default)]
        arguments: BTreeMap<String, String>,
        /// The network of its steps: `host` or `none`; empty is the engine's own choice.
        #[serde(default)]
        network: String,
    },
}

/// A field of the options form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Field {
    /// Name in answers, conditions (`option.ID`) and the environment of scripts (`OPT_ID`): `[a-z][a-z0-9_]*`.
    pub id: String,
    /// The label.
    pub title: String,
    /// One or two sentences for the help line.
    #[serde(default)]
    pub help: String,
    /// What can be typed or picked.
    pub kind: FieldKind,
    /// What it is before the user says otherwise; for `choice` also a fact of the host, as `${host.compute}`.
    #[serde(default)]
    pub default: Option<Answer>,
    /// Where this holds there is no default: the user has to choose. For `choice`.
    #[serde(default)]
    pub ask: Option<Condition>,
    /// What can be picked: for `choice` and `multi`.
    #[serde(default)]
    pub choices: Vec<ChoiceItem>,
    /// Asked only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Must not be left empty.
    #[serde(default)]
    pub required: bool,
    /// Smallest size, as `1GiB`: for `size`.
    #[serde(default)]
    pub min: Option<String>,
    /// Largest size: for `size`.
    #[serde(default)]
    pub max: Option<String>,
}

/// The kinds of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// The absolute path of a folder of this machine, which need not be there yet; or empty.
    Folder,
    /// Yes or no.
    Bool,
    /// One of `choices`.
    Choice,
    /// Any of `choices`.
    Multi,
    /// A line of text that is never shown, logged or put on a command line.
    Secret,
    /// A size in bytes, as `20GiB`.
    Size,
}

/// One thing to pick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChoiceItem {
    /// Name in answers.
    pub id: String,
    /// The line in the form; `${host.FACT}` is filled in.
    pub title: String,
    /// One sentence; `${host.FACT}` is filled in.
    #[serde(default)]
    pub help: String,
    /// Offered only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Said where it is not offered, as `${host.unfit_cu130}`: a fact that is empty says nothing.
    #[serde(default)]
    pub why_not: String,
}

/// Config and devices of a lab's profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProfileSpec {
    /// Instance config keys, as `"security.nesting" = "true"`.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Config keys that are set only where a condition holds, in groups by name.
    #[serde(default, rename = "setting")]
    pub settings: BTreeMap<String, Setting>,
    /// Devices by name.
    #[serde(default, rename = "device")]
    pub devices: BTreeMap<String, Device>,
}

/// Config keys of a profile that depend on a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// Set only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// The keys, as `"nvidia.runtime" = "true"`.
    pub config: BTreeMap<String, String>,
}

/// A device of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// Passed only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// The daemon's own keys, as `type = "gpu"`.
    pub config: BTreeMap<String, String>,
}

/// A host folder inside the lab that outlives the instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mount {
    /// Name of the device, and of the folder below the data folder.
    pub id: String,
    /// What it holds, for people: "models", "package caches".
    pub title: String,
    /// Where it appears inside.
    pub path: String,
    /// Mounted only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// The folder of this machine, where it is not below the data folder.
    #[serde(default)]
    pub source: Option<String>,
    /// Nothing inside can write to it.
    #[serde(default)]
    pub read_only: bool,
}

/// A step of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StageStep {
    /// Name in the journal and in `--json`.
    pub id: String,
    /// What it does, as a sentence without a full stop.
    pub title: String,
    /// Done only where this holds.
    #[serde(default)]
    pub when: Option<Condition>,
    /// The script per distribution family; `any` for all others.
    pub run: BTreeMap<Family, Script>,
    /// Host stage only: exits 0 where there is nothing left to do.
    #[serde(default)]
    pub check: Option<Script>,
    /// About how long it takes, in seconds, on a usual line and disk.
    #[serde(default)]
    pub seconds: u32,
    /// Secret options whose value it reads, from files named in `SECRET_ID`.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Its failure is reported, and the run goes on.
    #[serde(default)]
    pub optional: bool,
}

impl StageStep {
    /// The script for a family.
    pub fn script(&self, family: Family) -> Option<&Script> {
        self.run.get(&family).or_else(|| self.run.get(&Family::Any))
    }
}

/// A script: POSIX sh, run with `set -eu`, safe to run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Script {
    /// A file of the stage's folder.
    File(String),
    /// The text itself.
    Inline(String),
}
