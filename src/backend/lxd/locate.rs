//! Finds the daemon: a named one must answer, otherwise the usual places are tried.

use std::{
    env,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Lxd, Trust};
use crate::{
    backend::{Error, Result, error::fold},
    host::membership::Relay,
};

/// Where the sockets are: snap, distribution packages of LXD, then Incus for its admins and its users.
const USUAL: &[&str] = &[
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket.user",
];

/// The variables that name a socket, or a folder with one; the first that is set counts.
const VARIABLES: &[&str] = &["LXD_SOCKET", "LXD_DIR", "INCUS_SOCKET", "INCUS_DIR"];

/// Finds the daemon: `named` (a socket or a URL), then the environment, then the usual places. One
/// that is named and does not answer is an error; another is never taken for it.
pub async fn connect(named: Option<&str>) -> Result<Lxd> {
    // Only a URL needs a folder, and says so.
    connect_with(named, &Trust::of_user(None).unwrap_or_default()).await
}

/// The same with certificates in a folder of choice, or with a token for a server that is new.
pub async fn connect_with(named: Option<&str>, trust: &Trust) -> Result<Lxd> {
    let named = named.map(str::to_owned).or_else(from_environment);
    if let Some(named) = &named {
        check_address(named)?;
    }
    match named {
        Some(url) if url.starts_with("https://") => Lxd::connect_https(&url, trust).await,
        Some(socket) => connect_socket(socket_of(&socket)).await,
        None => connect_any(USUAL.iter().map(PathBuf::from)).await,
    }
}

/// Refuses what names neither a socket nor an `https` URL with a host.
///
/// # Errors
/// [`Error::Address`], which says what is allowed.
pub fn check_address(named: &str) -> Result<()> {
    let good = match named.split_once("://") {
        Some(("https", rest)) => !rest.is_empty() && !rest.starts_with(['/', ':']),
        Some(("unix", path)) => !path.is_empty(),
        Some(_) => false,
        // `HOST:8443` is no file, and would be told as one that is not there.
        None => {
            let port = named.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
            });
            let path = named.strip_prefix("unix:").unwrap_or(named);
            !path.trim().is_empty() && (!port || Path::new(named).exists())
        }
    };
    if good {
        return Ok(());
    }
    Err(Error::Address { given: fold(named) })
}

/// The daemon that [`connect`] would find, by the place where it listens, however that is written; without asking it.
pub fn address_of(named: Option<&str>) -> String {
    let named = named.map(str::to_owned).or_else(from_environment);
    if let Some(url) = named.as_ref().filter(|n| n.starts_with("https://")) {
        return url.trim_end_matches('/').to_owned();
    }
    let usual = || USUAL.iter().map(PathBuf::from).find(|place| place.exists());
    let place = named.map(|n| socket_of(&n)).or_else(usual);
    let place = place.map(|place| place.canonicalize().unwrap_or(place));
    place.map_or_else(String::new, |place| place.display().to_string())
}

/// An engine of this machine that is not the one we speak to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its socket.
    pub address: String,
    /// Instances of all its projects; none where it could not be asked.
    pub instances: Option<Vec<String>>,
}

/// The engines in the usual places, and what they hold, except the one behind the socket `known`.
pub async fn elsewhere(known: &str) -> Vec<Elsewhere> {
    let real = |place: &Path| place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let mut looked = vec![real(Path::new(known))];
    let mut found = vec![];
    for place in USUAL.iter().map(Path::new) {
        // A folder that we may not enter may hold a socket.
        let socket = !matches!(place.try_exists(), Ok(false));
        // With its sockets under /run, Incus keeps its database where the other ones are.
        let of_known = known.starts_with("/run/incus/") && place.starts_with("/var/lib/incus");
        let asleep = !socket && !of_known && place.with_file_name("database").exists();
        // The door of Incus for its users leads to the same engine, and makes a project for whoever knocks.
        let users = place.extension().is_some_and(|end| end == "user");
        if users || !(socket || asleep) || looked.contains(&real(place)) {
            continue;
        }
        looked.push(real(place));
        let instances = match connect_socket(place.to_owned()).await {
            Ok(engine) => engine.list_everywhere().await.ok(),
            Err(_) => None,
        };
        found.push(Elsewhere {
            address: place.display().to_string(),
            instances,
        });
    }
    found
}

/// What the environment names.
fn from_environment() -> Option<String> {
    VARIABLES.iter().find_map(|variable| {
        let value = env::var(variable).ok().filter(|value| !value.is_empty())?;
        Some(if variable.ends_with("_DIR") {
            format!("{value}/unix.socket")
        } else {
            value
        })
    })
}

/// A socket of this machine; a new member of its group needs no new login.
async fn connect_socket(socket: PathBuf) -> Result<Lxd> {
    match Lxd::connect_unix(socket.clone()).await {
        Err(Error::Permission { address, group }) => match Relay::open(&socket, &group).await {
            Some(relay) => Lxd::connect_relayed(relay).await,
            None => Err(Error::Permission { address, group }),
        },
        other => other,
    }
}

/// The first of these sockets that answers; else why the best of them did not.
async fn connect_any(places: impl Iterator<Item = PathBuf>) -> Result<Lxd> {
    let mut looked = vec![];
    let mut reasons = vec![];
    for place in places {
        looked.push(place.display().to_string());
        // A folder that we may not enter may hold a socket.
        if matches!(place.try_exists(), Ok(false)) {
            // Sockets under /run are gone after a restart; what the daemon holds is not.
            if place.with_file_name("database").exists() {
                reasons.push(asleep(&place));
            }
            continue;
        }
        match connect_socket(place.clone()).await {
            Ok(found) => return Ok(found),
            Err(Error::Unreachable { reason, .. }) if reason.contains("refused") => {
                reasons.push(asleep(&place));
            }
            Err(error) => reasons.push(error),
        }
    }
    let denied = reasons.iter().position(|e| matches!(e, Error::Permission { .. }));
    if reasons.is_empty() {
        return Err(Error::NotFound { looked });
    }
    Err(reasons.swap_remove(denied.unwrap_or(0)))
}

/// A daemon that has been at work here and does not run.
fn asleep(socket: &Path) -> Error {
    let incus = socket.to_string_lossy().contains("incus");
    Error::Asleep {
        engine: if incus { "Incus" } else { "LXD" }.into(),
        address: socket.display().to_string(),
    }
}

/// A socket as people name it: with `unix:` before it, or only its folder.
fn socket_of(named: &str) -> PathBuf {
    let path = Path::new(named.strip_prefix("unix:").unwrap_or(named));
    if path.is_dir() {
        path.join("unix.socket")
    } else {
        path.to_owned()
    }
}

/// The name of the group that may use a socket; `lxd` where it cannot be told.
pub(super) fn socket_group(socket: &Path) -> String {
    let guess = if socket.to_string_lossy().contains("incus") {
        "incus-admin"
    } else {
        "lxd"
    };
    let Ok(id) = socket.metadata().map(|facts| facts.gid()) else {
        return guess.to_owned();
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    // The superuser's group is no group to join.
    name.filter(|name| name != "root")
        .unwrap_or_else(|| guess.to_owned())
}

/// An address that no client can be made for.
pub(super) fn unusable(address: &str, reason: &str) -> Error {
    Error::Unreachable {
        engine: "lxd".into(),
        address: address.to_owned(),
        reason: fold(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{check_address, connect_any, socket_of};
    use crate::backend::Error;

    #[test]
    fn a_socket_may_be_named_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        assert_eq!(socket_of(name), folder.path().join("unix.socket"));
        assert_eq!(socket_of("unix:/a/b"), Path::new("/a/b"));
    }

    #[test]
    fn only_sockets_and_https_are_addresses() {
        for good in [
            "/a/unix.socket",
            "unix:/a",
            "unix:///a",
            "a",
            "https://x",
            "https://[::1]:8443",
        ] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "unix:",
            "ftp://x",
            "http://x",
            "https://",
            "https:///x",
            "tcp://x:1",
            "host:8443",
        ] {
            let error = check_address(bad).unwrap_err().to_string();
            assert!(error.contains("allowed: a socket"), "{bad}: {error}");
        }
    }

    #[tokio::test]
    async fn a_daemon_that_was_here_and_does_not_run_is_asleep() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("unix.socket");
        std::fs::create_dir(folder.path().join("database")).unwrap();
        let error = connect_any([socket.clone()].into_iter()).await.unwrap_err();
        assert!(matches!(&error, Error::Asleep { .. }), "{error}");
        assert!(error.to_string().contains("`halolab start`"), "{error}");
        // Bound and closed: the file stays, as after a restart.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let error = connect_any([socket].into_iter()).await.unwrap_err();
        assert!(matches!(error, Error::Asleep { .. }), "{error}");
    }

    #[tokio::test]
    async fn no_daemon_anywhere_says_where_we_looked() {
        let places = ["/nowhere/a", "/nowhere/b"].map(PathBuf::from);
        let error = connect_any(places.into_iter()).await.unwrap_err();
        assert!(matches!(&error, Error::NotFound { looked } if looked.len() == 2));
        assert!(error.to_string().contains("/nowhere/a, /nowhere/b"), "{error}");
    }
}
