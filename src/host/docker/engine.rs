//! What a container engine says of itself: its version, its runtimes, where it looks for CDI specifications.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::host::{
    Root,
    detect::Machine,
    matrix::version::{Version, at_least},
    node::Access,
    root::shorten,
};

/// An engine that hangs must not keep the facts from the user.
const WAIT: Duration = Duration::from_secs(5);

/// Names of a list that are read.
const NAMES: usize = 256;

/// The first Docker Engine with CDI, and the first that has it without being told.
/// Source: release notes of Docker Engine 25.0 and 28.2.
const CDI: &str = "25.0";
const CDI_BY_ITSELF: &str = "28.2";

/// The first Docker Engine that says which CDI devices it found; one that found none leaves the list out.
/// Source: history of the Engine API, 1.50; the empty one was seen on 28.5.2.
const DISCOVERS: &str = "28.2";

/// The first Podman whose `--device` takes a CDI name.
const PODMAN_CDI: &str = "4.1";

/// Which engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Docker Engine.
    #[default]
    Docker,
    /// Podman, also behind Docker's socket.
    Podman,
}

impl Kind {
    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// A container engine.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing that an engine says of itself"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// Which one.
    pub kind: Kind,
    /// It is on this machine.
    pub installed: bool,
    /// Where it listens.
    pub socket: Option<String>,
    /// It told the rest itself; else files did.
    pub answered: bool,
    /// Why it did not, where it was asked.
    pub silent: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Runtimes that are registered: `runc`, `nvidia`.
    pub runtimes: Vec<String>,
    /// Whether it takes CDI names; none where nobody knows.
    pub cdi: Option<bool>,
    /// Where it looks for CDI specifications; empty where it does not say.
    pub cdi_folders: Vec<String>,
    /// CDI devices that it found; none where it does not say.
    pub discovered: Option<Vec<String>>,
    /// It runs without root: groups of the host are not its containers'.
    pub rootless: bool,
    /// It gives containers other user and group numbers.
    pub remapped: bool,
    /// `SELinux` confines its containers.
    pub selinux: bool,
}

/// What an engine answers to `GET /info`, or why it does not.
pub type Answer = Result<Value, String>;

/// Asks the engine of this machine; on a captured host what was recorded. None where there is no socket to ask.
pub async fn ask(root: &Root, machine: &Machine) -> Option<Answer> {
    if !root.is_live() {
        let text = root.recorded("docker-info.json")?;
        return Some(serde_json::from_str(&text).map_err(|error| error.to_string()));
    }
    let socket = socket(root, machine)?;
    Some(get(socket.into(), "info").await)
}

/// Where the engine listens: what its own programs are told, else where it is by default.
fn socket(root: &Root, machine: &Machine) -> Option<String> {
    let told = root
        .is_live()
        .then(|| std::env::var("DOCKER_HOST").ok())
        .flatten();
    if let Some(told) = told.filter(|told| !told.is_empty()) {
        return told.strip_prefix("unix://").map(str::to_owned);
    }
    let docker = machine.runtimes.iter().find(|runtime| runtime.name == "docker");
    docker?.socket.clone()
}

async fn get(socket: PathBuf, path: &str) -> Answer {
    let words = |error: reqwest::Error| {
        let mut text = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = error.to_string();
            cause = error.source();
        }
        text
    };
    // A client cannot be built without a provider of TLS, which this socket does not need.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .timeout(WAIT)
        .build()
        .map_err(words)?;
    let answer = client.get(format!("http://docker/{path}")).send().await;
    let answer = answer.map_err(words)?.error_for_status().map_err(words)?;
    answer.json().await.map_err(words)
}

impl Engine {
    /// Out of what it answered, else out of files.
    pub fn of(root: &Root, machine: &Machine, answer: Option<&Answer>) -> Self {
        let found = |name: &str| machine.runtimes.iter().find(|runtime| runtime.name == name);
        let here = |name: &str| found(name).is_some_and(|r| r.installed || r.socket.is_some());
        let silent = match answer {
            Some(Ok(info)) => {
                let told = Self::told(info);
                return Self {
                    installed: true,
                    socket: socket(root, machine),
                    ..told
                };
            }
            Some(Err(why)) => Some(shorten(why)),
            None => None,
        };
        let kind = if here("podman") && !here("docker") {
            Kind::Podman
        } else {
            Kind::Docker
        };
        let runtime = found(kind.program());
        let settled = Self {
            kind,
            installed: here(kind.program()),
            socket: socket(root, machine),
            silent: silent.or_else(|| {
                let denied = runtime.is_some_and(|r| r.access == Access::Denied);
                denied.then(|| "its socket is not yours".to_owned())
            }),
            // Debian's epoch is no part of the version.
            version: runtime.and_then(|r| Some(r.version.as_deref()?.rsplit(':').next()?.to_owned())),
            ..Self::default()
        };
        match kind {
            Kind::Docker => settled.by_settings(root),
            Kind::Podman => Self {
                cdi: settled.version.as_deref().map(|v| at_least(v, PODMAN_CDI)),
                rootless: machine.user.uid != 0,
                ..settled
            },
        }
    }

    /// What `/etc/docker/daemon.json` says.
    fn by_settings(mut self, root: &Root) -> Self {
        let settings: Value = root
            .read("/etc/docker/daemon.json")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let is = |pointer: &str| settings.pointer(pointer).and_then(Value::as_bool);
        self.runtimes = keys(settings.get("runtimes"));
        self.cdi_folders = texts(settings.get("cdi-spec-dirs"));
        self.remapped = settings
            .get("userns-remap")
            .and_then(Value::as_str)
            .is_some_and(|name| !name.is_empty());
        self.selinux = is("/selinux-enabled").unwrap_or(false);
        let switched_on = is("/features/cdi").or_else(|| is("/experimental").filter(|yes| *yes));
        self.cdi = self.version.as_deref().and_then(Version::parse).map(|version| {
            let since = |first: &str| Version::parse(first).is_some_and(|first| version >= first);
            since(CDI) && switched_on.unwrap_or_else(|| since(CDI_BY_ITSELF))
        });
        self
    }

    fn told(info: &Value) -> Self {
        let text = |key: &str| info.get(key).and_then(Value::as_str).map(shorten);
        // Only Podman's answer names what it builds images with.
        let podman = info.get("BuildahVersion").is_some();
        let version = text("ServerVersion").filter(|version| !version.is_empty());
        let folders = texts(info.get("CDISpecDirs"));
        let options = texts(info.get("SecurityOptions"));
        let has = |name: &str| {
            let is = |option: &String| option.split(',').any(|part| part == format!("name={name}"));
            options.iter().any(is)
        };
        let discovered = info.get("DiscoveredDevices").and_then(Value::as_array);
        let says = !podman && version.as_deref().is_some_and(|v| at_least(v, DISCOVERS));
        Self {
            kind: if podman { Kind::Podman } else { Kind::Docker },
            answered: true,
            runtimes: keys(info.get("Runtimes")),
            cdi: if podman {
                version.as_deref().map(|v| at_least(v, PODMAN_CDI))
            } else {
                Some(!folders.is_empty())
            },
            cdi_folders: folders,
            discovered: (says || discovered.is_some()).then(|| {
                let id = |one: &Value| Some(shorten(one.get("ID")?.as_str()?));
                let all = discovered.into_iter().flatten();
                all.filter_map(id).take(NAMES).collect()
            }),
            rootless: has("rootless") || info.get("Rootless").and_then(Value::as_bool) == Some(true),
            remapped: has("userns"),
            selinux: has("selinux"),
            version,
            ..Self::default()
        }
    }

    /// `Docker 28.2.2`, for people.
    pub fn name(&self) -> String {
        let name = match self.kind {
            Kind::Docker => "Docker",
            Kind::Podman => "Podman",
        };
        match &self.version {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }
}

fn keys(value: Option<&Value>) -> Vec<String> {
    let map = value.and_then(Value::as_object);
    let names = map.into_iter().flat_map(|map| map.keys());
    names.take(NAMES).map(|name| shorten(name)).collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).take(NAMES).map(shorten).collect()
}
