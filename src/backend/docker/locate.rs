//! Where an engine that speaks Docker's API listens: as named, by `DOCKER_HOST`, by Docker's context, else the usual
//! sockets of Docker and Podman.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::backend::{Error, Result, error::fold};

/// Sockets of Docker and of Podman, in the order in which they are tried.
const SOCKETS: &[&str] = &[
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
];
/// The same below the user's runtime folder.
const OWN: &[&str] = &["docker.sock", "podman/podman.sock"];

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// As the user named it.
    pub given: Option<String>,
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// `DOCKER_TLS_VERIFY` is set: addresses are of engines behind TLS, which we do not speak.
    pub tls: bool,
    /// Docker's configuration folder.
    pub settings: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
    /// The usual sockets; for tests.
    pub sockets: Vec<PathBuf>,
}

impl Places {
    /// Those of this process.
    pub fn usual(given: Option<&str>) -> Self {
        let text = |key: &str| env::var(key).ok().filter(|value| !value.is_empty());
        Self {
            given: given.map(str::to_owned),
            host: text("DOCKER_HOST"),
            context: text("DOCKER_CONTEXT"),
            tls: text("DOCKER_TLS_VERIFY").is_some(),
            settings: text("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(text("HOME")?).join(".docker"))),
            runtime: text("XDG_RUNTIME_DIR").map(PathBuf::from),
            sockets: SOCKETS.iter().map(PathBuf::from).collect(),
        }
    }

    /// The address to connect to: `unix://PATH` or `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// [`Error::Address`] for what is no address, [`Error::NotFound`] where no socket is.
    pub fn address(&self) -> Result<String> {
        if let Some(given) = self.given.as_ref().or(self.host.as_ref()) {
            return Self::plain(check(given)?, self.tls);
        }
        if let Some((context, tls)) = self.context()? {
            return Self::plain(check(&context)?, tls);
        }
        let own = self
            .runtime
            .iter()
            .flat_map(|folder| OWN.iter().map(move |name| folder.join(name)));
        let all: Vec<PathBuf> = self.sockets.iter().cloned().chain(own).collect();
        let found = all.iter().find(|path| path.exists());
        found
            .map(|path| format!("unix://{}", path.display()))
            .ok_or_else(|| Error::NoDocker {
                looked: all.iter().map(|path| path.display().to_string()).collect(),
            })
    }

    /// Refuses what would be asked without its TLS.
    fn plain(address: String, tls: bool) -> Result<String> {
        if tls && address.starts_with("tcp://") {
            return Err(Error::DockerAddress {
                given: format!("{} behind TLS", fold(&address)),
            });
        }
        Ok(address)
    }

    /// The endpoint of the context in force, and whether it is behind TLS; none for Docker's own default.
    fn context(&self) -> Result<Option<(String, bool)>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Settings {
            current_context: Option<String>,
        }
        let Some(folder) = &self.settings else {
            return Ok(None);
        };
        let current = || {
            let text = fs::read_to_string(folder.join("config.json")).ok()?;
            serde_json::from_str::<Settings>(&text).ok()?.current_context
        };
        let Some(name) = self.context.clone().or_else(current) else {
            return Ok(None);
        };
        if name.is_empty() || name == "default" {
            return Ok(None);
        }
        let id = hex::encode(Sha256::digest(&name));
        let tls = folder.join("contexts/tls").join(&id).exists();
        let file = folder.join("contexts/meta").join(id).join("meta.json");
        let text = fs::read_to_string(&file).map_err(|source| Error::File {
            path: file.display().to_string(),
            source,
        })?;
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let host = told
            .pointer("/Endpoints/docker/Host")
            .and_then(|host| host.as_str());
        host.map(|host| Some((host.to_owned(), tls)))
            .ok_or_else(|| Error::Protocol {
                engine: "docker".to_owned(),
                what: format!("read the context `{}`", fold(&name)),
                reason: format!("{} names no endpoint", file.display()),
            })
    }
}

/// An address that we can speak to: a socket's path counts as one.
fn check(given: &str) -> Result<String> {
    let wrong = || Error::DockerAddress { given: fold(given) };
    if given.starts_with('/') {
        return Ok(format!("unix://{given}"));
    }
    match given.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(given.to_owned()),
        Some(("tcp" | "http", host)) if !host.trim_end_matches('/').is_empty() => {
            Ok(format!("tcp://{}", host.trim_end_matches('/')))
        }
        _ => Err(wrong()),
    }
}

/// Whether whoever connects to a socket may have to wait for the engine's start: systemd listens for it, which tells the
/// process that opened the socket, or it is Podman's, which ends when nobody asks. One that refuses is nothing to wait for.
pub(super) async fn starts_by_asking(address: &str) -> bool {
    let Some(path) = address.strip_prefix("unix://") else {
        return false;
    };
    let Ok(socket) = tokio::net::UnixStream::connect(path).await else {
        return false;
    };
    let real = fs::canonicalize(path).unwrap_or_default();
    let listener = socket.peer_cred().ok().and_then(|who| who.pid());
    let name = listener.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    real.to_string_lossy().contains("podman") || name.is_some_and(|name| name.trim() == "systemd")
}

/// The group that may use a socket, for the hint to join it.
pub(super) fn group_of(address: &str) -> String {
    let path = Path::new(address.strip_prefix("unix://").unwrap_or(address));
    let Ok(id) = path.metadata().map(|facts| facts.gid()) else {
        return "docker".to_owned();
    };
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Places, check, starts_by_asking};
    use crate::backend::Error;

    #[tokio::test]
    async fn only_an_engine_that_is_started_by_being_asked_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let address = |name: &str| format!("unix://{}", at(name).display());
        std::fs::create_dir(at("podman")).unwrap();
        let podman = tokio::net::UnixListener::bind(at("podman/podman.sock")).unwrap();
        let _docker = tokio::net::UnixListener::bind(at("engine.sock")).unwrap();
        std::os::unix::fs::symlink(at("podman/podman.sock"), at("docker.sock")).unwrap();
        for (name, wanted) in [
            ("podman/podman.sock", true),
            ("docker.sock", true),
            ("engine.sock", false),
            ("none.sock", false),
        ] {
            assert_eq!(starts_by_asking(&address(name)).await, wanted, "{name}");
        }
        drop(podman);
        assert!(!starts_by_asking(&address("docker.sock")).await, "it refuses");
        assert!(!starts_by_asking("tcp://podman:2375").await);
    }

    #[test]
    fn addresses_of_engines_are_told_from_what_is_none() {
        assert_eq!(check("/run/docker.sock").unwrap(), "unix:///run/docker.sock");
        assert_eq!(check("http://host:2375/").unwrap(), "tcp://host:2375");
        for bad in [
            "",
            "host",
            "ssh://me@host",
            "unix://relative",
            "tcp://",
            "npipe:////x",
        ] {
            let error = check(bad).unwrap_err();
            assert!(matches!(error, Error::DockerAddress { .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn what_is_named_comes_before_a_context_and_that_before_the_usual_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let mut places = Places {
            settings: Some(folder.path().to_path_buf()),
            runtime: Some(folder.path().to_path_buf()),
            ..Places::default()
        };
        let error = places.address().unwrap_err().to_string();
        assert!(
            error.contains("docker.sock") && error.contains("podman.sock"),
            "{error}"
        );
        std::fs::write(&socket, "").unwrap();
        assert_eq!(places.address().unwrap(), format!("unix://{}", socket.display()));
        // The folder's name is the SHA-256 of the context's name, as Docker's own client makes it.
        let id = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("far"));
        let meta = folder.path().join("contexts/meta").join(id);
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2375"}}}"#,
        )
        .unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
        assert_eq!(places.address().unwrap(), "tcp://far:2375");
        places.context = Some("default".into());
        assert_eq!(places.address().unwrap(), format!("unix://{}", socket.display()));
        places.host = Some("tcp://near:1".into());
        assert_eq!(places.address().unwrap(), "tcp://near:1");
        places.tls = true;
        let error = places.address().unwrap_err().to_string();
        assert!(
            error.contains("tcp://near:1 behind TLS") && error.contains("ssh"),
            "{error}"
        );
        places.given = Some("/x.sock".into());
        assert_eq!(places.address().unwrap(), "unix:///x.sock");
    }
}
