//! Specifications of the Container Device Interface that are on the machine: which names an engine can be asked for.

use serde::Serialize;

use crate::host::{Root, root::shorten};

/// Where engines look, where they do not say.
pub(super) const FOLDERS: &[&str] = &["/etc/cdi", "/var/run/cdi", "/run/cdi"];

/// No specification has more devices than are read.
const DEVICES: usize = 1024;

/// The kind of NVIDIA's GPUs.
pub(super) const NVIDIA: &str = "nvidia.com/gpu";

/// A specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Specification {
    /// Its file.
    pub path: String,
    /// `nvidia.com/gpu`.
    pub kind: String,
    /// The NVIDIA driver whose files it names; none where it names none.
    pub driver: Option<String>,
    /// Its devices.
    pub devices: Vec<Device>,
}

/// A device of a specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Device {
    /// `0`, `GPU-…`, `all`.
    pub name: String,
    /// The nodes that it brings.
    pub nodes: Vec<String>,
}

impl Specification {
    /// What an engine is asked for to get a device.
    pub(super) fn qualified(&self, name: &str) -> String {
        format!("{}={name}", self.kind)
    }
}

/// All specifications below these folders; one that is no text of a kind is left out.
pub(super) fn read(root: &Root, folders: &[String]) -> Vec<Specification> {
    let mut found: Vec<Specification> = vec![];
    for folder in folders {
        for name in root.list(folder) {
            let known = [".yaml", ".json"].iter().any(|end| name.ends_with(end));
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            let text = known.then(|| root.read(&path)).flatten();
            // `/var/run` is a link to `/run` nearly everywhere.
            let same = |old: &Specification| root.find(&old.path) == root.find(&path);
            if let Some(text) = text
                && !found.iter().any(same)
            {
                found.extend(parse(&path, &text));
            }
        }
    }
    found
}

fn parse(path: &str, text: &str) -> Option<Specification> {
    let (kind, devices) = if std::path::Path::new(path)
        .extension()
        .is_some_and(|end| end == "json")
    {
        json(text)?
    } else {
        yaml(text)?
    };
    Some(Specification {
        path: path.to_owned(),
        kind: shorten(&kind),
        driver: driver(text),
        devices,
    })
}

/// The version in the name of the driver's library.
pub(in crate::host) fn driver(text: &str) -> Option<String> {
    text.split("libcuda.so.").skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let version = rest.get(..end.unwrap_or(rest.len()))?.trim_end_matches('.');
        version.contains('.').then(|| version.to_owned())
    })
}

fn json(text: &str) -> Option<(String, Vec<Device>)> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let devices = value.get("devices")?.as_array()?.iter().take(DEVICES);
    let device = |value: &serde_json::Value| {
        let nodes = value.pointer("/containerEdits/deviceNodes");
        let nodes = nodes.and_then(serde_json::Value::as_array).into_iter().flatten();
        let path = |node: &serde_json::Value| Some(shorten(node.get("path")?.as_str()?));
        Some(Device {
            name: shorten(value.get("name")?.as_str()?),
            nodes: nodes.filter_map(path).take(DEVICES).collect(),
        })
    };
    let kind = value.get("kind")?.as_str()?.to_owned();
    Some((kind, devices.filter_map(device).collect()))
}

/// Names and nodes out of YAML in block style, which is how every generator of specifications writes it.
fn yaml(text: &str) -> Option<(String, Vec<Device>)> {
    let mut kind = None;
    let mut devices: Vec<Device> = vec![];
    // Columns of the dash of a device, where we are among them.
    let mut among: Option<Option<usize>> = None;
    for line in text.lines() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        if indent == 0 && !body.starts_with('-') {
            among = (body.trim_end() == "devices:").then_some(None);
            kind = body
                .strip_prefix("kind:")
                .map(scalar)
                .or(kind)
                .filter(|kind: &String| !kind.is_empty());
            continue;
        }
        let Some(column) = among.as_mut() else { continue };
        let item = body.strip_prefix("- ");
        if item.is_some() && column.is_none_or(|column| column == indent) {
            *column = Some(indent);
            if devices.len() == DEVICES {
                break;
            }
            devices.push(Device::default());
        }
        let Some(device) = devices.last_mut() else {
            continue;
        };
        let own = column
            .is_some_and(|column| indent == column.saturating_add(2) || (indent == column && item.is_some()));
        let pair = item.unwrap_or(body);
        if let Some(name) = pair.strip_prefix("name:").filter(|_| own) {
            device.name = scalar(name);
        } else if let Some(path) = pair.strip_prefix("path:")
            && device.nodes.len() < DEVICES
            && path.contains("/dev/")
        {
            device.nodes.push(scalar(path));
        }
    }
    devices.retain(|device| !device.name.is_empty());
    Some((kind?, devices))
}

/// A value without its quotes.
fn scalar(text: &str) -> String {
    shorten(text.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = r#"---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidia-uvm
  hooks:
  - args:
    - nvidia-cdi-hook
    hookName: createContainer
  mounts:
  - containerPath: /usr/lib/libcuda.so.580.95.05
    hostPath: /usr/lib/libcuda.so.580.95.05
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
    - path: /dev/dri/card1
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
  name: GPU-2
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
kind: nvidia.com/gpu
"#;

    #[test]
    fn names_and_nodes_are_read_in_either_form() {
        let read = parse("/etc/cdi/nvidia.yaml", GENERATED).unwrap();
        let names: Vec<&str> = read.devices.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["0", "GPU-2", "all"]);
        assert_eq!(read.devices[0].nodes, ["/dev/nvidia1", "/dev/dri/card1"]);
        assert_eq!(
            (read.kind.as_str(), read.driver.as_deref()),
            (NVIDIA, Some("580.95.05"))
        );
        let indented = GENERATED
            .replace("\n- ", "\n  - ")
            .replace("\n  name", "\n    name");
        assert_eq!(parse("x.yaml", &indented).unwrap().devices[2].name, "all");
        let text = r#"{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{"name":"0","containerEdits":
            {"deviceNodes":[{"path":"/dev/nvidia1"}]}}]}"#;
        let read = parse("/run/cdi/nvidia.json", text).unwrap();
        assert_eq!(read.devices[0].nodes, ["/dev/nvidia1"]);
        assert_eq!(parse("x.json", "{"), None);
        assert_eq!(parse("x.yaml", "devices:\n- name: a\n"), None, "no kind");
    }
}
