//! What an engine is told of GPUs: the part of Docker's create body, and the same as arguments and for compose.

use serde::{Deserialize, Serialize};

/// The keys of `HostConfig` of Docker's `POST /containers/create` that let GPUs in; nothing else of it.
/// Source: Docker Engine API 1.41 to 1.57, schemas `HostConfig`, `DeviceMapping`, `DeviceRequest`, `Mount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// Device nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// What the engine's device drivers bring in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_requests: Vec<DeviceRequest>,
    /// Groups of the container's first process, as numbers: a name is looked up in the image's `/etc/group`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    /// Folders of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Exceptions from the engine's confinement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// `host` where the engine would give the container other user and group numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
}

/// A device node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Device {
    /// The node.
    pub path_on_host: String,
    /// Where the container sees it.
    pub path_in_container: String,
    /// `rwm`, or less.
    pub cgroup_permissions: String,
}

/// A request to one of the engine's device drivers. It never has a `Count`: that says how many, not which, and the
/// CDI driver refuses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceRequest {
    /// `cdi` or `nvidia`.
    pub driver: String,
    /// CDI names, or UUIDs.
    #[serde(rename = "DeviceIDs")]
    pub device_ids: Vec<String>,
    /// Any of these lists of what the driver must be able to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Vec<String>>,
}

/// A folder of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `bind`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// On the host.
    pub source: String,
    /// In the container.
    pub target: String,
    /// Not to be written.
    pub read_only: bool,
}

impl Device {
    /// A node at its own place.
    pub(super) fn of(path: &str) -> Self {
        Self {
            path_on_host: path.to_owned(),
            path_in_container: path.to_owned(),
            cgroup_permissions: "rwm".to_owned(),
        }
    }

    /// As one word: of a compose file, and of `--device`.
    pub fn text(&self) -> String {
        if self.path_on_host == self.path_in_container {
            self.path_on_host.clone()
        } else {
            format!("{}:{}", self.path_on_host, self.path_in_container)
        }
    }
}

impl DeviceRequest {
    /// The capabilities for compose, which refuses a reservation without one, whatever its driver makes of it.
    pub fn named(&self) -> Vec<&str> {
        let all = self.capabilities.iter().flatten();
        let named: Vec<&str> = all.map(String::as_str).collect();
        if named.is_empty() { vec!["gpu"] } else { named }
    }
}

impl HostConfig {
    /// Nothing is let in.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a node once.
    pub(super) fn node(&mut self, path: &str) {
        let device = Device::of(path);
        if !self.devices.contains(&device) {
            self.devices.push(device);
        }
    }

    /// Adds a group once.
    pub(super) fn group(&mut self, gid: u32) {
        let gid = gid.to_string();
        if !self.group_add.contains(&gid) {
            self.group_add.push(gid);
        }
    }

    /// The same for `docker run` or `podman run`, one word each.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec![];
        let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
        for request in &self.device_requests {
            match request.driver.as_str() {
                "cdi" => request
                    .device_ids
                    .iter()
                    .for_each(|name| add("--device", name.clone())),
                _ => add("--gpus", gpus(request)),
            }
        }
        for device in &self.devices {
            add("--device", device.text());
        }
        for gid in &self.group_add {
            add("--group-add", gid.clone());
        }
        for mount in &self.mounts {
            add("--mount", mount.text());
        }
        for option in &self.security_opt {
            add("--security-opt", option.clone());
        }
        if let Some(mode) = &self.userns_mode {
            add("--userns", mode.clone());
        }
        words
    }

    /// The same as what is below a service of a compose file; empty where nothing is let in.
    pub fn compose(&self) -> String {
        let mut lines = vec![];
        let list = |lines: &mut Vec<String>, key: &str, values: Vec<String>| {
            if !values.is_empty() {
                lines.push(format!("{key}:"));
                lines.extend(values.into_iter().map(|value| format!("  - {}", quoted(&value))));
            }
        };
        let devices = self.devices.iter().map(Device::text);
        list(&mut lines, "devices", devices.collect());
        list(&mut lines, "group_add", self.group_add.clone());
        if !self.mounts.is_empty() {
            lines.push("volumes:".to_owned());
        }
        for mount in &self.mounts {
            lines.push(format!("  - type: {}", mount.kind));
            lines.push(format!("    source: {}", quoted(&mount.source)));
            lines.push(format!("    target: {}", quoted(&mount.target)));
            lines.push(format!("    read_only: {}", mount.read_only));
        }
        list(&mut lines, "security_opt", self.security_opt.clone());
        if let Some(mode) = &self.userns_mode {
            lines.push(format!("userns_mode: {}", quoted(mode)));
        }
        if !self.device_requests.is_empty() {
            lines.extend(
                ["deploy:", "  resources:", "    reservations:", "      devices:"].map(str::to_owned),
            );
        }
        for request in &self.device_requests {
            let ids: Vec<String> = request.device_ids.iter().map(|id| quoted(id)).collect();
            let capabilities = request.named();
            lines.push(format!("        - driver: {}", request.driver));
            lines.push(format!("          device_ids: [{}]", ids.join(", ")));
            lines.push(format!("          capabilities: [{}]", capabilities.join(", ")));
        }
        lines.join("\n")
    }
}

impl Mount {
    fn text(&self) -> String {
        let Self {
            kind, source, target, ..
        } = self;
        let end = if self.read_only { ",readonly" } else { "" };
        format!("type={kind},source={source},target={target}{end}")
    }
}

/// The value of `--gpus`, which is a line of CSV: what has a comma in it stands in quotes.
fn gpus(request: &DeviceRequest) -> String {
    // The program adds `gpu` itself.
    let all = request.capabilities.iter().flatten();
    let more: Vec<&str> = all.map(String::as_str).filter(|name| *name != "gpu").collect();
    let mut fields = vec![
        format!("driver={}", request.driver),
        format!("device={}", request.device_ids.join(",")),
    ];
    if !more.is_empty() {
        fields.push(format!("capabilities={}", more.join(",")));
    }
    let quoted = fields.into_iter().map(|field| {
        if field.contains(',') {
            format!("\"{field}\"")
        } else {
            field
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}

/// Text that YAML takes for text, and not for a number.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Words for a shell; what is no plain word stands in quotes.
pub fn shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let word = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
