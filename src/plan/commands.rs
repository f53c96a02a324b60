//! The same as a command of the engine's own client. What Docker has no command for is said as the nearest that it has,
//! with what it stands for.

use crate::backend::{Engine, InstanceSpec};

/// Commands of one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commands<'a> {
    /// `lxc`, `incus`, `docker` or `podman`.
    pub(super) client: &'a str,
    pub(super) engine: Engine,
}

/// The repository of a lab's snapshots; the number is the lab's identity, which a plan does not know of a new one.
fn snapshot_image(snapshot: &str) -> String {
    format!("halolab/snapshot-ID:{snapshot}")
}

impl Commands<'_> {
    fn is_docker(self) -> bool {
        self.engine == Engine::Docker
    }

    /// What Docker cannot change of a container is an image without files, whose label is the content.
    fn record(self, kind: &str, name: &str) -> String {
        format!(
            "{} import --change 'LABEL io.halolab.data=…' empty.tar halolab/{kind}:{name}",
            self.client
        )
    }

    pub(super) fn write_profile(self, name: &str) -> String {
        if self.is_docker() {
            self.record("profile", name)
        } else {
            format!("{} profile edit {name}", self.client)
        }
    }

    pub(super) fn copy_profile(self, from: &str, to: &str) -> String {
        if self.is_docker() {
            format!(
                "{}  # what halolab/profile:{from} says",
                self.record("profile", to)
            )
        } else {
            format!("{} profile copy {from} {to}", self.client)
        }
    }

    pub(super) fn delete_profile(self, name: &str) -> String {
        if self.is_docker() {
            format!("{} rmi halolab/profile:{name}", self.client)
        } else {
            format!("{} profile delete {name}", self.client)
        }
    }

    pub(super) fn create(self, spec: &InstanceSpec) -> String {
        let (client, name, image) = (self.client, &spec.name, &spec.image);
        if self.is_docker() {
            let profiles = spec.profiles.join(" and ");
            return format!("{client} create --name {name} {image}  # with what {profiles} says");
        }
        format!(
            "{client} init {image} {name} --profile {}",
            spec.profiles.join(" --profile ")
        )
    }

    pub(super) fn copy(self, from: &str, snapshot: Option<&str>, to: &str) -> String {
        let client = self.client;
        match (self.is_docker(), snapshot) {
            (true, Some(snapshot)) => format!("{client} create --name {to} {}", snapshot_image(snapshot)),
            (true, None) => format!(
                "{client} create --name {to} $({client} commit {from})  # and its snapshots, by their images"
            ),
            (false, Some(snapshot)) => format!("{client} copy {from}/{snapshot} {to}"),
            (false, None) => format!("{client} copy {from} {to}"),
        }
    }

    pub(super) fn stop(self, name: &str) -> String {
        let word = if self.is_docker() { "--time" } else { "--timeout" };
        if self.is_docker() {
            format!("{} stop {word} 30 {name}", self.client)
        } else {
            format!("{} stop {name} {word} 30", self.client)
        }
    }

    /// What a command inside is given to.
    pub(super) fn exec(self, name: &str) -> String {
        let end = if self.is_docker() { "" } else { " --" };
        format!("{} exec {name}{end}", self.client)
    }

    pub(super) fn push(self, name: &str, path: &str) -> String {
        if self.is_docker() {
            format!("{} cp … {name}:{path}", self.client)
        } else {
            format!("{} file push … {name}{path}", self.client)
        }
    }

    pub(super) fn snapshot(self, name: &str, snapshot: &str) -> String {
        if self.is_docker() {
            format!("{} commit {name} {}", self.client, snapshot_image(snapshot))
        } else {
            format!("{} snapshot {name} {snapshot}", self.client)
        }
    }

    pub(super) fn restore(self, name: &str, snapshot: &str) -> String {
        if self.is_docker() {
            format!(
                "{} create --name {name}.new {}  # which then takes the place of {name}",
                self.client,
                snapshot_image(snapshot)
            )
        } else {
            format!("{} restore {name} {snapshot}", self.client)
        }
    }

    pub(super) fn delete_snapshot(self, name: &str, snapshot: &str) -> String {
        if self.is_docker() {
            format!("{} rmi {}", self.client, snapshot_image(snapshot))
        } else {
            format!("{} delete {name}/{snapshot}", self.client)
        }
    }

    pub(super) fn edit(self, name: &str, keys: &str) -> String {
        if self.is_docker() {
            format!("{}  # {keys}", self.record("config", name))
        } else {
            format!("{} config set {name} {keys}", self.client)
        }
    }

    pub(super) fn delete(self, name: &str) -> String {
        if self.is_docker() {
            format!("{} rm {name}  # and the images of its snapshots", self.client)
        } else {
            format!("{} delete {name}", self.client)
        }
    }
}
