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
///
/// A virtual machine that was made from a container's image keeps that image's marks, and its first process may keep the
/// image's `container=`: kernel threads, and a root that is a whole disk, tell that the marks are old.
pub(super) fn container(root: &Root) -> Option<String> {
    let named = |text: &str| {
        let word: String = text
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .take(32)
            .collect();
        word.to_lowercase()
    };
    // Only the first namespace of processes has kernel threads.
    let threads = root.read("/proc/2/comm").is_some_and(|name| name == "kthreadd");
    let engine = engine(root);
    if threads {
        // A container may share the machine's processes; its groups of control or its root then tell.
        return engine.map(str::to_owned);
    }
    let environment = root.read("/proc/1/environ").unwrap_or_default();
    let told = root.read("/run/systemd/container").or_else(|| {
        let mut pairs = environment.split(['\0', ' ']);
        pairs
            .find_map(|pair| pair.strip_prefix("container="))
            .map(str::to_owned)
    });
    if let Some(name) = told.map(|text| named(&text)) {
        return Some(name).filter(|name| name != "wsl");
    }
    let marks = [
        ("/.dockerenv", "docker"),
        ("/run/.containerenv", "podman"),
        ("/dev/lxd/sock", "lxc"),
        ("/dev/incus/sock", "lxc"),
        ("/dev/.lxc-boot-id", "lxc"),
    ];
    let there = |path: &str| root.has(path) || root.node(path).is_some();
    // Files of an image; sockets and nodes are of now.
    let image = |path: &str| !path.starts_with("/dev/");
    let on_disk = on_a_disk(root);
    let mark = marks
        .iter()
        .find(|(path, _)| there(path) && !(on_disk && image(path)));
    mark.map(|(_, name)| *name).or(engine).map(str::to_owned)
}

/// The engine that the groups of control of this process, or the layers of its root, name.
fn engine(root: &Root) -> Option<&'static str> {
    let groups = root.read("/proc/self/cgroup").unwrap_or_default();
    let mount = root_mount(root).unwrap_or_default();
    let layers = mount.split_once(" - ").map_or("", |(_, options)| options);
    let known = [
        ("/docker/", "/overlay2/", "docker"),
        ("/docker-", "/io.containerd.", "docker"),
        ("/libpod-", "/containers/storage/", "podman"),
        ("/kubepods", "/kubelet/", "kubernetes"),
        ("/lxc.payload", "/lxc/", "lxc"),
    ];
    let in_group = |word: &str| groups.lines().any(|line| line.contains(word));
    // A daemon's own machine names its folder only in mounts below; here it is what `/` is made of.
    let overlay = layers.starts_with("overlay ") || layers.starts_with("fuse.");
    let is = |(group, layer, _): &&(&str, &str, &str)| in_group(group) || (overlay && layers.contains(layer));
    known.iter().find(is).map(|(_, _, name)| *name)
}

/// The line of what is mounted as `/`; the last one covers those before it.
fn root_mount(root: &Root) -> Option<String> {
    let text = root.read("/proc/self/mountinfo")?;
    let is = |line: &&str| line.split(' ').nth(4) == Some("/");
    text.lines().rev().find(is).map(str::to_owned)
}

/// Whether `/` is the whole of a disk's file system, which no engine of images gives its containers.
fn on_a_disk(root: &Root) -> bool {
    root_mount(root).is_some_and(|line| {
        let (place, options) = line.split_once(" - ").unwrap_or_default();
        let whole = place.split(' ').nth(3) == Some("/");
        let source = options.split(' ').nth(1).unwrap_or_default();
        whole && source.starts_with("/dev/")
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
    by_board
        .or_else(tree)
        .or_else(xen)
        .or_else(|| without_board(root).filter(|_| host.has_hypervisor))
}

/// A small virtual machine has no board: its ACPI tables name who made them, its clocks whose guest it is.
fn without_board(root: &Root) -> Option<&'static str> {
    let table = root
        .read_bytes("/sys/firmware/acpi/tables/DSDT")
        .unwrap_or_default();
    // Bytes 10 to 15 of a table's header are its maker. Source: ACPI specification 6.5, 5.2.6.
    if table.get(10..16) == Some(b"FIRECK") {
        return Some("firecracker");
    }
    let clocks = root.read("/sys/devices/system/clocksource/clocksource0/available_clocksource")?;
    let known = [
        ("kvm-clock", "kvm"),
        ("hyperv_clocksource_tsc_page", "hyperv"),
        ("xen", "xen"),
    ];
    let has = |name: &str| clocks.split_whitespace().any(|clock| clock == name);
    known.iter().find(|(clock, _)| has(clock)).map(|(_, name)| *name)
}
