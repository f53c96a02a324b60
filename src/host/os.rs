//! The distribution: its family, its init, and the proxy that is set.

use super::{
    Root,
    detect::{Machine, read_os_release},
    facts::Found,
};
use crate::stage::Family;

pub(super) fn probe(root: &Root, machine: &Machine) -> Found {
    let release = read_os_release(root);
    let get = |key: &str| release.get(key).cloned().unwrap_or_default();
    vec![
        ("family", family(&get("ID"), &get("ID_LIKE")).name().into()),
        ("os", machine.host.os_name.clone().unwrap_or_default().into()),
        ("os_id", get("ID").into()),
        ("suite", get("VERSION_CODENAME").into()),
        ("systemd", root.has("/run/systemd/system").into()),
        ("proxy", proxy(root).into()),
    ]
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
