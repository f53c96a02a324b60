//! The operating system: distribution, kernel, init, container or WSL, and room on disk.

use std::collections::BTreeMap;

use super::{Root, facts::Found};
use crate::stage::Family;

pub(super) fn probe(root: &Root) -> Found {
    let release = os_release(root);
    let get = |key: &str| release.get(key).cloned().unwrap_or_default();
    let kernel = root.read("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        ("family", family(&get("ID"), &get("ID_LIKE")).name().into()),
        ("os", get("PRETTY_NAME").into()),
        ("os_id", get("ID").into()),
        ("suite", get("VERSION_CODENAME").into()),
        ("wsl", kernel.to_lowercase().contains("microsoft").into()),
        ("kernel", kernel.into()),
        ("arch", architecture(root).into()),
        ("systemd", root.has("/run/systemd/system").into()),
        ("container", in_container(root).into()),
        ("proxy", proxy(root).into()),
        ("free_disk", free_disk(root).into()),
    ]
}

fn os_release(root: &Root) -> BTreeMap<String, String> {
    let text = root
        .read("/etc/os-release")
        .or_else(|| root.read("/usr/lib/os-release"))
        .unwrap_or_default();
    let unquote = |value: &str| value.trim().trim_matches(['"', '\'']).to_owned();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), unquote(value)))
        .collect()
}

/// The family by `ID`, then by `ID_LIKE` of os-release(5).
fn family(id: &str, like: &str) -> Family {
    std::iter::once(id)
        .chain(like.split_whitespace())
        .find_map(|word| match word {
            "arch" | "archarm" | "cachyos" | "manjaro" | "endeavouros" => Some(Family::Arch),
            "debian" | "ubuntu" | "raspbian" | "linuxmint" | "pop" => Some(Family::Debian),
            "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "nobara" => Some(Family::Fedora),
            "suse" | "opensuse" | "opensuse-tumbleweed" | "opensuse-leap" | "sles" => Some(Family::Suse),
            _ => None,
        })
        .unwrap_or(Family::Any)
}

/// As the kernel names it. A tree of files does not say, except in the name of its ELF loader.
fn architecture(root: &Root) -> &'static str {
    if root.is_live() {
        std::env::consts::ARCH
    } else if root.has("/lib/ld-linux-aarch64.so.1") {
        "aarch64"
    } else {
        "x86_64"
    }
}

/// systemd writes `/run/systemd/container` inside; LXC, Docker and Podman leave their own marks.
fn in_container(root: &Root) -> bool {
    let environment = root.read("/proc/1/environ").unwrap_or_default();
    [
        "/run/systemd/container",
        "/.dockerenv",
        "/run/.containerenv",
        "/dev/.lxc-boot-id",
    ]
    .iter()
    .any(|mark| root.has(mark))
        || environment.split('\0').any(|pair| pair.starts_with("container="))
}

/// The proxy of our own environment, for labs. One with a password in it is not handed on: it would be in every plan.
fn proxy(root: &Root) -> String {
    let names = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];
    let value = names
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    value
        .filter(|value| root.is_live() && !value.contains('@'))
        .unwrap_or_default()
}

/// Free bytes where storage pools are kept; 0 for a tree of files.
fn free_disk(root: &Root) -> u64 {
    let places = [
        "/var/snap/lxd/common/lxd",
        "/var/lib/lxd",
        "/var/lib/incus",
        "/var/lib",
        "/",
    ];
    let place = places.iter().find_map(|place| root.find(place));
    place
        .filter(|_| root.is_live())
        .and_then(|place| rustix::fs::statvfs(&place).ok())
        .map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derivative_belongs_to_the_family_it_names() {
        assert_eq!(family("cachyos", ""), Family::Arch);
        assert_eq!(family("neon", "ubuntu debian"), Family::Debian);
        assert_eq!(family("amzn", "centos rhel fedora"), Family::Fedora);
        assert_eq!(family("opensuse-slowroll", "opensuse suse"), Family::Suse);
        assert_eq!(family("void", ""), Family::Any);
    }
}
