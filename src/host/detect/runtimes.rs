//! Container engines: whether they are installed, which version, and whether the user may talk to them.

use serde::Serialize;

use super::super::{
    Root,
    node::{Access, Identity},
};

use super::Package;

/// A container engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// `lxd`, `incus`, `docker` or `podman`.
    pub name: &'static str,
    /// The daemon's program is there.
    pub installed: bool,
    /// Its version, where the file system tells.
    pub version: Option<String>,
    /// Its socket, where it is there.
    pub socket: Option<String>,
    /// What the user may do with the socket.
    pub access: Access,
}

impl super::Machine {
    /// Puts a socket in force in the place of the usual one of its engine. One that is on another machine is none of
    /// this one's.
    pub(in crate::host) fn speaks_to(&mut self, address: &str) {
        let known = |r: &Runtime| r.socket.as_deref() == Some(address);
        if !address.starts_with('/') || self.runtimes.iter().any(known) {
            return;
        }
        let name = if address.contains("incus") { "incus" } else { "lxd" };
        let root = Root::new(std::path::Path::new("/"));
        let access = Identity::of(&root).access(&root, address);
        if let Some(engine) = self.runtimes.iter_mut().find(|r| r.name == name) {
            engine.socket = Some(address.to_owned());
            engine.access = access;
        }
    }
}

struct Engine {
    name: &'static str,
    programs: &'static [&'static str],
    sockets: &'static [&'static str],
    packages: &'static [&'static str],
    snap: Option<&'static str>,
}

const ENGINES: &[Engine] = &[
    Engine {
        name: "lxd",
        programs: &[
            "/usr/sbin/lxd",
            "/usr/bin/lxd",
            "/usr/local/bin/lxd",
            "/snap/bin/lxd",
        ],
        sockets: &[
            "/var/snap/lxd/common/lxd/unix.socket",
            "/var/lib/lxd/unix.socket",
            "/run/lxd.socket",
        ],
        packages: &["lxd"],
        snap: Some("lxd"),
    },
    Engine {
        name: "incus",
        programs: &[
            "/usr/libexec/incus/incusd",
            "/usr/bin/incusd",
            "/usr/sbin/incusd",
            "/opt/incus/bin/incusd",
        ],
        sockets: &["/var/lib/incus/unix.socket", "/run/incus/unix.socket"],
        packages: &["incus", "incus-base"],
        snap: None,
    },
    Engine {
        name: "docker",
        programs: &[
            "/usr/bin/dockerd",
            "/usr/sbin/dockerd",
            "/usr/local/bin/dockerd",
            "/snap/bin/docker",
        ],
        sockets: &["/run/docker.sock", "/var/run/docker.sock"],
        packages: &["docker-ce", "docker.io", "docker", "moby-engine"],
        snap: Some("docker"),
    },
    Engine {
        name: "podman",
        programs: &["/usr/bin/podman", "/usr/local/bin/podman"],
        sockets: &["/run/podman/podman.sock"],
        packages: &["podman"],
        snap: None,
    },
];

pub(super) fn read(root: &Root, user: &Identity, packages: &[Package]) -> Vec<Runtime> {
    ENGINES
        .iter()
        .map(|engine| runtime(root, user, packages, engine))
        .collect()
}

/// Whether an engine's program is there.
pub(in crate::host) fn is_installed(root: &Root, name: &str) -> bool {
    let engines = ENGINES.iter().filter(|engine| engine.name == name);
    engines
        .flat_map(|engine| engine.programs)
        .any(|path| root.has(path))
}

fn runtime(root: &Root, user: &Identity, packages: &[Package], engine: &Engine) -> Runtime {
    let socket = engine.sockets.iter().find(|path| root.has(path));
    Runtime {
        name: engine.name,
        installed: is_installed(root, engine.name),
        version: version(root, packages, engine),
        access: socket.map_or(Access::Missing, |path| user.access(root, path)),
        socket: socket.map(|path| (*path).to_owned()),
    }
}

/// By the snap's description, else by the package.
fn version(root: &Root, packages: &[Package], engine: &Engine) -> Option<String> {
    let snap = engine.snap.and_then(|name| {
        let text = root.read(&format!("/snap/{name}/current/meta/snap.yaml"))?;
        let version = text.lines().find_map(|line| line.strip_prefix("version:"))?;
        Some(
            version
                .trim()
                .trim_matches(['\'', '"'])
                .chars()
                .take(64)
                .collect(),
        )
    });
    let package = || {
        let mut found = engine
            .packages
            .iter()
            .filter_map(|name| packages.iter().find(|p| p.name == *name));
        found.next().map(|package| package.version.clone())
    };
    snap.or_else(package)
}
