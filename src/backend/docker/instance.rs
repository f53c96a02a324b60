//! What an instance is: a container that has our labels, with what its records say.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use serde::{Deserialize, Serialize};

use super::labels;
use crate::backend::{Instance, Profile, Status, error::fold};

/// Keys and values.
pub(super) type Map = BTreeMap<String, String>;
/// Devices by name.
pub(super) type Devices = BTreeMap<String, Map>;

/// The one pool: the engine's storage.
pub(super) const POOL: &str = "default";
/// The profile that is there without being written.
pub(super) const DEFAULT: &str = "default";

/// The key under which the trait's callers look for an instance's identity.
pub(super) const IDENTITY: &str = "volatile.uuid";

/// What of an instance can change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    pub(super) config: Map,
    pub(super) description: String,
    pub(super) profiles: Vec<String>,
    pub(super) devices: Devices,
}

/// A container as we need it.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// The engine's identifier.
    pub(super) id: String,
    /// Its name now.
    pub(super) name: String,
    /// It is an instance of ours.
    pub(super) ours: bool,
    /// Ours, or the engine's for a container that is not.
    pub(super) uuid: String,
    pub(super) created: String,
    /// The image that it was made from.
    pub(super) image: String,
    /// What it was made with; empty for one that is not ours.
    pub(super) made: String,
    pub(super) kept: Kept,
    pub(super) status: Status,
    pub(super) status_text: String,
    pub(super) started: String,
    /// All of the engine's answer.
    pub(super) told: Box<ContainerInspectResponse>,
}

/// What a container says of itself: labels alone may be its image's, which somebody committed or forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is no instance.
    None,
    /// Its labels say that it is one.
    Labelled,
    /// And so does its annotation, which no image has.
    Annotated,
}

impl Claim {
    /// Out of the engine's answer.
    pub(super) fn of(told: &ContainerInspectResponse) -> Self {
        let labels = told.config.as_ref().and_then(|config| config.labels.as_ref());
        let label = |key: &str| labels.and_then(|labels| labels.get(key));
        if label(labels::KIND).map(String::as_str) != Some(labels::INSTANCE) {
            return Self::None;
        }
        let notes = told
            .host_config
            .as_ref()
            .and_then(|host| host.annotations.as_ref());
        let noted = notes.and_then(|notes| notes.get(labels::UUID));
        if noted.is_some() && noted == label(labels::UUID) {
            Self::Annotated
        } else {
            Self::Labelled
        }
    }
}

impl Container {
    /// Out of the engine's answer, whether it is ours, and the record of the container where there is one.
    pub(super) fn new(told: Box<ContainerInspectResponse>, ours: bool, record: Option<Kept>) -> Self {
        let labels = told
            .config
            .as_ref()
            .and_then(|config| config.labels.clone())
            .unwrap_or_default();
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let id = told.id.clone().unwrap_or_default();
        let created = told.created.as_ref().map(ToString::to_string).unwrap_or_default();
        let state = told.state.as_ref();
        let (status, status_text) = status(state.and_then(|state| state.status));
        let started = state
            .and_then(|state| state.started_at.clone())
            .unwrap_or_default();
        let at_first = || {
            if ours {
                serde_json::from_str(&label(labels::KEPT)).unwrap_or_default()
            } else {
                Kept::default()
            }
        };
        Self {
            name: told
                .name
                .clone()
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            uuid: if ours { label(labels::UUID) } else { id.clone() },
            created: if ours { label(labels::CREATED) } else { created },
            made: if ours { label(labels::MADE) } else { String::new() },
            image: told.image.clone().unwrap_or_default(),
            kept: record.unwrap_or_else(at_first),
            // The engine's zero time.
            started: if started.starts_with("0001-") {
                String::new()
            } else {
                started
            },
            status_text,
            id,
            ours,
            status,
            told,
        }
    }

    /// Whether it runs or is frozen.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.status, Status::Running | Status::Frozen)
    }

    /// Whether the engine calls it running: frozen too, and while it is started again and again.
    pub(super) fn runs(&self) -> bool {
        let state = self.told.state.as_ref();
        let told = state.map(|state| state.running == Some(true) || state.restarting == Some(true));
        self.is_alive() || told == Some(true)
    }

    /// As the trait tells it, under the name that it stands for.
    pub(super) fn instance(&self, name: &str, profiles: &HashMap<String, Profile>) -> Instance {
        let mut config = self.kept.config.clone();
        config.insert(IDENTITY.to_owned(), self.uuid.clone());
        let (mut expanded_config, expanded_devices) = expanded(&self.kept, profiles);
        expanded_config.insert(IDENTITY.to_owned(), self.uuid.clone());
        let env = self.told.config.as_ref().and_then(|config| config.env.as_deref());
        let cuda = super::images::cuda(env.unwrap_or_default());
        expanded_config.extend(cuda.map(|cuda| (super::images::IMAGE_CUDA.to_owned(), cuda)));
        Instance {
            name: name.to_owned(),
            status: self.status,
            status_text: fold(&self.status_text),
            description: self.kept.description.clone(),
            created: self.created.clone(),
            last_used: self.started.clone(),
            uuid: self.uuid.clone(),
            config,
            profiles: self.kept.profiles.clone(),
            devices: self.kept.devices.clone(),
            expanded_config,
            expanded_devices,
            location: String::new(),
            unnamed: super::volumes::unnamed(self),
        }
    }
}

/// Config and devices with the profiles laid under them.
pub(super) fn expanded(kept: &Kept, profiles: &HashMap<String, Profile>) -> (Map, Devices) {
    let (mut config, mut devices) = (Map::new(), Devices::new());
    for profile in kept.profiles.iter().filter_map(|name| profiles.get(name)) {
        config.extend(profile.config.clone());
        devices.extend(profile.devices.clone());
    }
    config.extend(kept.config.clone());
    devices.extend(kept.devices.clone());
    (config, devices)
}

/// The profile `default` as long as nobody wrote it: the engine's storage, and its default network.
pub(super) fn default_profile() -> Profile {
    let map =
        |pairs: &[(&str, &str)]| -> Map { pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect() };
    Profile {
        name: DEFAULT.to_owned(),
        description: "The engine's storage and its default network".to_owned(),
        config: Map::new(),
        devices: [
            (
                "root".to_owned(),
                map(&[("type", "disk"), ("path", "/"), ("pool", POOL)]),
            ),
            ("eth0".to_owned(), map(&[("type", "nic"), ("network", "bridge")])),
        ]
        .into(),
    }
}

fn status(told: Option<ContainerStateStatusEnum>) -> (Status, String) {
    use ContainerStateStatusEnum as Told;
    let Some(told) = told else {
        return (Status::Error, "unknown".to_owned());
    };
    let status = match told {
        Told::RUNNING => Status::Running,
        Told::PAUSED => Status::Frozen,
        Told::CREATED | Told::EXITED | Told::EMPTY => Status::Stopped,
        // It ends and is started again and again; or the engine could not remove it.
        _ => Status::Error,
    };
    (status, told.to_string())
}
