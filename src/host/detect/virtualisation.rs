//! Whether this is a virtual machine, a container, or Linux under Windows.

use serde::Serialize;

use super::super::Root;
use super::System;

/// What kind of machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A real one.
    #[default]
    None,
    /// A virtual one, WSL2 too.
    Vm,
    /// A container; what runs it is not asked.
    Container,
}

/// Virtual machine or container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Virtual {
    /// What kind of machine.
    pub kind: Kind,
    /// `qemu`, `vmware`, `wsl2`, `lxc`, `docker`, ...; none where nobody says.
    pub id: Option<String>,
    /// Container: whether its root is the host's; none where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
}

pub(super) fn read(root: &Root, host: &System) -> Virtual {
    if let Some(id) = container(root) {
        let id = (!id.is_empty()).then_some(id);
        return Virtual {
            kind: Kind::Container,
            id,
            privileged: privileged(root),
        };
    }
    if host.is_wsl() {
        return Virtual {
            kind: Kind::Vm,
            id: Some("wsl2".to_owned()),
            privileged: None,
        };
    }
    let known = machine(root, host);
    if host.has_hypervisor || known.is_some() {
        return Virtual {
            kind: Kind::Vm,
            id: known.map(str::to_owned),
            privileged: None,
        };
    }
    Virtual::default()
}

/// What runs the container that we are in: empty where it does not say, none outside of one.
pub(super) fn container(root: &Root) -> Option<String> {
    let named = |text: String| {
        let word: String = text
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .take(32)
            .collect();
        word.to_lowercase()
    };
    if let Some(text) = root.read("/run/systemd/container") {
        return Some(named(text)).filter(|name| name != "wsl");
    }
    let environment = root.read("/proc/1/environ").unwrap_or_default();
    let by_init = environment
        .split(['\0', ' '])
        .find_map(|pair| pair.strip_prefix("container="))
        .map(|name| named(name.to_owned()))
        .filter(|name| name != "wsl");
    by_init.or_else(|| {
        let marks = [
            ("/.dockerenv", "docker"),
            ("/run/.containerenv", "podman"),
            ("/dev/lxd/sock", "lxc"),
            ("/dev/incus/sock", "lxc"),
            ("/dev/.lxc-boot-id", "lxc"),
        ];
        // A virtual machine made from a container's image keeps its marks; kernel threads are not seen in a container.
        let threads = root.read("/proc/2/comm").is_some_and(|name| name == "kthreadd");
        marks
            .iter()
            .filter(|_| !threads)
            .find(|(path, _)| root.has(path) || root.node(path).is_some())
            .map(|(_, name)| (*name).to_owned())
    })
}

/// Whether user 0 is user 0 of the host: then the whole range is mapped to itself.
fn privileged(root: &Root) -> Option<bool> {
    let text = root.read("/proc/self/uid_map")?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(inside)), Some(Ok(outside))) => Some(inside == 0 && outside == 0),
        _ => None,
    }
}

/// The hypervisor, by what the firmware says, or the device tree.
fn machine(root: &Root, host: &System) -> Option<&'static str> {
    let board = host.board.clone().unwrap_or_default();
    let has = |word: &str| board.vendor.contains(word) || board.product.contains(word);
    let exactly = |word: &str| board.product == word;
    let known = [
        (has("QEMU"), "qemu"),
        (has("VMware"), "vmware"),
        (has("VirtualBox") || has("innotek"), "virtualbox"),
        (
            board.vendor == "Microsoft Corporation" && exactly("Virtual Machine"),
            "hyperv",
        ),
        (has("Xen") || exactly("HVM domU"), "xen"),
        (has("Amazon EC2"), "amazon"),
        (has("Google Compute Engine"), "google"),
        (has("Parallels"), "parallels"),
        (has("OpenStack"), "openstack"),
        (has("DigitalOcean"), "digitalocean"),
        (has("Bochs"), "bochs"),
        (exactly("KVM") || has("KVM Virtual Machine"), "kvm"),
        (has("Apple Virtualization"), "apple"),
    ];
    let by_board = known.iter().find(|(is, _)| *is).map(|(_, name)| *name);
    // Bare metal of a cloud has its maker's board too: there the processor must say that it is virtual.
    let cloud = matches!(by_board, Some("amazon" | "google" | "openstack" | "digitalocean"));
    let by_board = by_board.filter(|_| !cloud || host.has_hypervisor || host.arch == "aarch64");
    let tree = || {
        root.read("/proc/device-tree/hypervisor/compatible")
            .map(|_| "kvm")
    };
    let xen = || (root.read("/sys/hypervisor/type")? == "xen").then_some("xen");
    by_board.or_else(tree).or_else(xen)
}
