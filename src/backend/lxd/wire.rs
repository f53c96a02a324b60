//! What LXD and Incus write on the wire. Either may leave a field out or send `null` where it has nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

use crate::backend::types;

/// String maps, as config is.
pub(super) type Map = BTreeMap<String, String>;
/// Devices by name.
pub(super) type Devices = BTreeMap<String, Map>;

/// Reads `null` as the type's default.
fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Around every answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) operation: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) error_code: u16,
    #[serde(deserialize_with = "lenient")]
    pub(super) error: String,
    pub(super) metadata: Option<Box<RawValue>>,
}

/// Something that takes long. Status codes: 103 running, 104 cancelling, 105 pending, 200 success,
/// 400 failure, 401 cancelled.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    pub(super) id: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) status_code: u16,
    #[serde(deserialize_with = "lenient")]
    pub(super) err: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) metadata: Value,
}

impl Operation {
    /// Whether nothing more will come of it.
    pub(super) fn ended(&self) -> bool {
        self.status_code >= 200
    }
}

/// A message of the events websocket.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) metadata: Value,
}

/// `GET /1.0`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    #[serde(deserialize_with = "lenient")]
    pub(super) api_extensions: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) auth: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) environment: Environment,
}

/// What a trusted client is told about the server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Environment {
    server: String,
    server_version: String,
    server_pid: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    server_clustered: bool,
    #[serde(deserialize_with = "lenient")]
    firewall: String,
    #[serde(deserialize_with = "lenient")]
    certificate_fingerprint: String,
    #[serde(deserialize_with = "lenient")]
    project: String,
    #[serde(deserialize_with = "lenient")]
    storage_supported_drivers: Vec<Driver>,
}

/// A storage driver. LXD 5.0 writes `Name`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Driver {
    #[serde(alias = "Name")]
    name: String,
}

impl Server {
    /// In our own words.
    pub(super) fn into_server(self, address: &str, local: bool) -> types::Server {
        let told = self.environment;
        let identity = match told.certificate_fingerprint.as_str() {
            "" => String::new(),
            fingerprint if told.project.is_empty() => format!("{fingerprint}/default"),
            fingerprint => format!("{fingerprint}/{}", told.project),
        };
        types::Server {
            product: if told.server.is_empty() {
                "lxd".into()
            } else {
                told.server
            },
            version: told.server_version,
            address: address.to_owned(),
            trusted: self.auth == "trusted",
            clustered: told.server_clustered,
            firewall: told.firewall,
            extensions: self.api_extensions,
            storage_drivers: told
                .storage_supported_drivers
                .into_iter()
                .map(|d| d.name)
                .collect(),
            pid: told.server_pid.filter(|_| local),
            identity,
        }
    }
}

/// An instance, also a snapshot of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Instance {
    pub(super) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) status: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) status_code: u16,
    #[serde(deserialize_with = "lenient")]
    pub(super) description: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) created_at: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) last_used_at: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) config: Map,
    #[serde(deserialize_with = "lenient")]
    pub(super) profiles: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) devices: Devices,
    #[serde(deserialize_with = "lenient")]
    pub(super) expanded_config: Map,
    #[serde(deserialize_with = "lenient")]
    pub(super) expanded_devices: Devices,
    #[serde(deserialize_with = "lenient")]
    pub(super) location: String,
    /// Only of a snapshot; -1 or 0 where the pool cannot tell.
    #[serde(deserialize_with = "lenient")]
    size: i64,
}

/// A date, or nothing where the daemon means "never" (year 1 or 1970).
fn date(text: String) -> String {
    if text.starts_with("0001-") || text.starts_with("1970-") {
        String::new()
    } else {
        text
    }
}

impl From<Instance> for types::Instance {
    fn from(told: Instance) -> Self {
        Self {
            status: match told.status_code {
                102 => types::Status::Stopped,
                // 103 running, 106 starting, 107 stopping, 111 thawed.
                103 | 106 | 107 | 111 => types::Status::Running,
                109 | 110 => types::Status::Frozen,
                _ => types::Status::Error,
            },
            uuid: told.config.get("volatile.uuid").cloned().unwrap_or_default(),
            name: told.name,
            status_text: told.status,
            description: told.description,
            created: told.created_at,
            last_used: date(told.last_used_at),
            config: told.config,
            profiles: told.profiles,
            devices: told.devices,
            expanded_config: told.expanded_config,
            expanded_devices: told.expanded_devices,
            location: told.location,
            unnamed: vec![],
        }
    }
}

impl From<Instance> for types::Snapshot {
    fn from(told: Instance) -> Self {
        Self {
            // LXD 5.0 sends the bare name, some versions INSTANCE/NAME.
            name: told.name.rsplit('/').next().unwrap_or_default().to_owned(),
            created: told.created_at,
            size: u64::try_from(told.size).ok().filter(|size| *size > 0),
            config: told.config,
            devices: told.devices,
        }
    }
}

/// `GET /1.0/instances/NAME/state`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    #[serde(deserialize_with = "lenient")]
    cpu: Use,
    #[serde(deserialize_with = "lenient")]
    disk: BTreeMap<String, Use>,
    #[serde(deserialize_with = "lenient")]
    memory: Use,
    #[serde(deserialize_with = "lenient")]
    network: BTreeMap<String, Interface>,
    #[serde(deserialize_with = "lenient")]
    processes: i64,
}

/// Bytes in use; some versions send `null` or -1 for unknown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Use {
    #[serde(deserialize_with = "lenient")]
    usage: i64,
}

/// A network interface inside.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Interface {
    #[serde(deserialize_with = "lenient")]
    addresses: Vec<Address>,
}

/// One of its addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    family: String,
    #[serde(rename = "address")]
    text: String,
    scope: String,
}

impl From<State> for types::InstanceState {
    fn from(told: State) -> Self {
        let global = |family: &str| -> Vec<String> {
            told.network
                .values()
                .flat_map(|interface| &interface.addresses)
                .filter(|a| a.scope == "global" && a.family == family)
                .map(|a| a.text.clone())
                .collect()
        };
        let addresses = [global("inet"), global("inet6")].concat();
        let bytes = |known: &Use| u64::try_from(known.usage).ok().filter(|usage| *usage > 0);
        Self {
            addresses,
            memory: bytes(&told.memory).unwrap_or_default(),
            disk: told.disk.get("root").and_then(bytes),
            processes: told.processes.max(0),
            processor: u64::try_from(told.cpu.usage).unwrap_or_default(),
        }
    }
}

/// A local image.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Image {
    pub(super) fingerprint: String,
    size: u64,
    #[serde(deserialize_with = "lenient")]
    uploaded_at: String,
    #[serde(deserialize_with = "lenient")]
    properties: Map,
    #[serde(deserialize_with = "lenient")]
    pub(super) aliases: Vec<Alias>,
}

/// A name of an image. In a list under an image only `name` is filled.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Alias {
    pub(super) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) target: String,
}

impl From<Image> for types::ImageInfo {
    fn from(told: Image) -> Self {
        Self {
            fingerprint: told.fingerprint,
            size: told.size,
            uploaded: told.uploaded_at,
            properties: told.properties,
        }
    }
}

/// A profile.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    name: String,
    #[serde(deserialize_with = "lenient")]
    description: String,
    #[serde(deserialize_with = "lenient")]
    config: Map,
    #[serde(deserialize_with = "lenient")]
    devices: Devices,
}

impl From<Profile> for types::Profile {
    fn from(told: Profile) -> Self {
        Self {
            name: told.name,
            description: told.description,
            config: told.config,
            devices: told.devices,
        }
    }
}

/// A storage pool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) driver: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) status: String,
}

/// `GET /1.0/storage-pools/NAME/resources`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    #[serde(deserialize_with = "lenient")]
    pub(super) space: Space,
}

/// Bytes of a pool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Space {
    #[serde(deserialize_with = "lenient")]
    pub(super) used: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) total: u64,
}

/// A network.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Network {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(deserialize_with = "lenient")]
    managed: bool,
    #[serde(deserialize_with = "lenient")]
    config: Map,
}

impl From<Network> for types::Network {
    fn from(told: Network) -> Self {
        Self {
            ipv4: told.config.get("ipv4.address").cloned().unwrap_or_default(),
            name: told.name,
            kind: told.kind,
            managed: told.managed,
        }
    }
}
