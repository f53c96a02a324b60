//! Container engines that are installed.

use super::{Root, facts::Found};

pub(super) fn probe(root: &Root) -> Found {
    let any = |paths: &[&str]| paths.iter().any(|path| root.has(path));
    let docker = any(&[
        "/usr/bin/dockerd",
        "/usr/sbin/dockerd",
        "/usr/local/bin/dockerd",
        "/snap/bin/docker",
    ]);
    let lxd = any(&[
        "/usr/sbin/lxd",
        "/usr/bin/lxd",
        "/usr/local/bin/lxd",
        "/snap/bin/lxd",
    ]);
    let incus = any(&[
        "/usr/libexec/incus/incusd",
        "/usr/bin/incusd",
        "/usr/sbin/incusd",
        "/opt/incus/bin/incusd",
    ]);
    vec![
        ("docker", docker.into()),
        ("lxd", lxd.into()),
        ("incus", incus.into()),
    ]
}
