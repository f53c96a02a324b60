//! What a daemon knows, in the words of the field. Strings here come from outside: they are shown
//! through [`crate::log::sanitize`] only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The prefix of the config keys by which we know our own objects.
pub const TAG: &str = "user.halolab.";

/// What is said where another instance has the name of the one that was meant.
pub(crate) const REPLACED: &str =
    "it is another instance by now: someone replaced it, and it was not touched";

/// A daemon that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// `lxd`, `incus`, `docker` or `podman`.
    pub product: String,
    /// Its version, for people; decisions use `extensions`.
    pub version: String,
    /// Where it was reached: a socket path or a URL.
    pub address: String,
    /// Whether we may use it.
    pub trusted: bool,
    /// Whether it is a cluster member.
    pub clustered: bool,
    /// The firewall driver it chose at start (`nftables`, `xtables`).
    pub firewall: String,
    /// Its `api_extensions`; of Docker `api_VERSION` and what it says that it can.
    #[serde(skip)]
    pub extensions: Vec<String>,
    /// Its storage drivers.
    pub storage_drivers: Vec<String>,
    /// Process id of the daemon, where it is on this host.
    pub pid: Option<u32>,
    /// What it is, wherever it is reached: SHA-256 of its certificate, a slash, and the project that we see. Empty where it
    /// does not say.
    #[serde(default)]
    pub identity: String,
}

impl Server {
    /// Whether the daemon has an API extension.
    pub fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|e| e == extension)
    }

    /// Whether it is reached by a socket of this machine.
    pub fn is_here(&self) -> bool {
        self.address.starts_with('/') || self.address.starts_with("unix://")
    }

    /// Whether it speaks Docker's API.
    pub fn is_docker(&self) -> bool {
        matches!(self.product.as_str(), "docker" | "podman")
    }

    /// The product's name as people write it.
    pub fn title(&self) -> &'static str {
        match self.product.as_str() {
            "incus" => "Incus",
            "docker" => "Docker",
            "podman" => "Podman",
            _ => "LXD",
        }
    }

    /// The product's own command-line client, for the commands that a plan shows.
    pub fn client(&self) -> &'static str {
        match self.product.as_str() {
            "incus" => "incus",
            "docker" => "docker",
            "podman" => "podman",
            _ => "lxc",
        }
    }
}

/// Whether an instance runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs.
    Running,
    /// It is stopped.
    #[default]
    Stopped,
    /// It is frozen: nothing inside answers.
    Frozen,
    /// The daemon cannot tell, or says that it is broken.
    Error,
}

/// An instance as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub status: Status,
    /// The daemon's word for the status.
    pub status_text: String,
    /// What a person wrote about it.
    pub description: String,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339; empty if never started.
    pub last_used: String,
    /// `volatile.uuid`: survives renames; checked before a destructive call.
    pub uuid: String,
    /// Instance config, without profiles.
    pub config: BTreeMap<String, String>,
    /// Names of its profiles, in order.
    pub profiles: Vec<String>,
    /// Its own devices, without profiles.
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
    /// Config with its profiles laid under it.
    pub expanded_config: BTreeMap<String, String>,
    /// Devices with its profiles laid under them.
    pub expanded_devices: BTreeMap<String, BTreeMap<String, String>>,
    /// Cluster member.
    pub location: String,
    /// Volumes that no device named: an image asked for them. Docker only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unnamed: Vec<Unnamed>,
}

/// A volume that the engine made for a container because its image asks for one. It outlives the container, and neither a
/// snapshot nor a copy has what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unnamed {
    /// Its name, which the engine made up.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// The instance cannot write it.
    pub read_only: bool,
}

impl Unnamed {
    /// Place and name, for people.
    pub fn title(&self) -> String {
        crate::log::sanitize(&format!("{} (the volume {})", self.path, self.name))
    }
}

impl Instance {
    /// One of our tags, as `stage` for `user.halolab.stage`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.config
            .get(&format!("{TAG}{key}"))
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    /// Folders of the machine and volumes that are mounted in it, which no snapshot of it holds, as a list for people; none
    /// where it has none.
    pub fn not_in_snapshots(&self) -> Option<String> {
        let sources = self
            .expanded_devices
            .values()
            .filter_map(|device| device.get("source"));
        let folders = sources.filter(|source| source.starts_with('/')).cloned();
        let all: BTreeSet<String> = folders.chain(self.unnamed.iter().map(Unnamed::title)).collect();
        (!all.is_empty()).then(|| all.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// The pool of its root disk.
    pub fn pool(&self) -> Option<&str> {
        let root = self
            .expanded_devices
            .values()
            .find(|d| d.get("path").is_some_and(|p| p == "/"))?;
        root.get("pool").map(String::as_str)
    }
}

/// Live facts of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceState {
    /// Global IPv4 and IPv6 addresses, IPv4 first.
    pub addresses: Vec<String>,
    /// Bytes of memory in use.
    pub memory: u64,
    /// Bytes of root disk in use; none where the pool cannot tell.
    pub disk: Option<u64>,
    /// Processes inside.
    pub processes: i64,
    /// Nanoseconds of processors' time since its start; 0 where nobody says.
    pub processor: u64,
}

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name, without the instance's.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// Bytes it holds alone; none where the pool cannot tell (btrfs without quotas, dir).
    pub size: Option<u64>,
    /// Instance config at that time.
    pub config: BTreeMap<String, String>,
    /// The instance's own devices at that time, without profiles.
    #[serde(default)]
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
}

impl Snapshot {
    /// One of our tags at the time of the snapshot.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.config
            .get(&format!("{TAG}{key}"))
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }
}

/// What to make an instance from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// Its name.
    pub name: String,
    /// Local image alias or fingerprint; not used by a copy.
    pub image: String,
    /// Profiles, in order.
    pub profiles: Vec<String>,
    /// Config keys; a copy lays them over the source's.
    pub config: BTreeMap<String, String>,
    /// Devices; a copy takes the source's and lays these over them.
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
    /// What a person reads about it.
    pub description: String,
    /// A copy is made without the snapshots of its source.
    #[serde(default, skip_serializing_if = "is_false")]
    pub instance_only: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A change of an instance's config: `None` removes a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEdit {
    /// Keys to set or remove.
    pub config: BTreeMap<String, Option<String>>,
    /// A new description.
    pub description: Option<String>,
    /// The new list of profiles.
    pub profiles: Option<Vec<String>>,
}

/// Start or stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Start it.
    Start,
    /// Ask it to stop, and stop it by force after the time is up.
    Stop {
        /// Seconds given to a clean stop; 0 stops by force at once.
        seconds: u32,
    },
}

/// A command inside an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program and arguments; no shell unless named.
    pub argv: Vec<String>,
    /// Environment on top of the daemon's.
    pub env: BTreeMap<String, String>,
    /// Numeric user; 0 is root.
    pub uid: u32,
    /// Working directory; empty is the daemon's choice.
    pub cwd: String,
    /// Columns and rows of a terminal; only for `exec_tty`.
    pub size: (u16, u16),
}

/// What a person types into a terminal inside an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TtyInput {
    /// Keys, as bytes.
    Bytes(Vec<u8>),
    /// The window is now this many columns and rows.
    Resize(u16, u16),
}

/// A local image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// SHA-256 that the daemon knows it by.
    pub fingerprint: String,
    /// Bytes.
    pub size: u64,
    /// RFC 3339.
    pub uploaded: String,
    /// `os`, `release`, `description`, ...
    pub properties: BTreeMap<String, String>,
}

/// An image on a simplestreams server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteImage {
    /// URL of the server.
    pub server: String,
    /// Alias there.
    pub alias: String,
    /// PEM of a certificate authority to trust for this server; none is the system's.
    pub certificate: Option<String>,
    /// The fingerprints that are accepted; none is whatever the server has. Another image is not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
}

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What a person reads about it.
    pub description: String,
    /// Config keys.
    pub config: BTreeMap<String, String>,
    /// Devices.
    pub devices: BTreeMap<String, BTreeMap<String, String>>,
}

/// A storage pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// `btrfs`, `zfs`, `dir`, ...
    pub driver: String,
    /// Bytes in use.
    pub used: u64,
    /// Bytes in all.
    pub total: u64,
    /// `Created`, or what is wrong.
    pub status: String,
}

/// A managed bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// `bridge`, ...
    pub kind: String,
    /// Whether the daemon manages it.
    pub managed: bool,
    /// `ipv4.address`.
    pub ipv4: String,
}

/// Who hears of a long operation, and what stops it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Text (`rootfs: 31%`), and percent where known.
    pub sink: Option<mpsc::UnboundedSender<(String, Option<u8>)>>,
    /// Cancelled by the user.
    pub cancel: CancellationToken,
}

impl Progress {
    /// Tells whoever listens.
    pub fn say(&self, text: impl Into<String>, percent: Option<u8>) {
        if let Some(sink) = &self.sink {
            // A closed screen must not stop an operation.
            let _ = sink.send((text.into(), percent));
        }
    }
}

/// Whether a text is a SHA-256 in small hexadecimal digits, by which daemons know images.
pub fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The beginning of a fingerprint, as it is shown.
pub fn short_fingerprint(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

/// Whether a name is one that we make: 1 to 63 of `a-z`, `0-9` and `-`, not beginning with `-`. It
/// must be a host name for the daemon, one path segment for us, and typable for people.
pub fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(letters) && !name.starts_with('-')
}
