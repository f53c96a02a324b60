//! Where the daemon is: what was named, then what the environment names, then the usual places.

use std::path::{Path, PathBuf};

use super::{Lxd, Trust};
use crate::backend::{Error, Result, error::fold};

/// Sockets in their usual places; the snap's first, because its Debian name may be a stale file.
const USUAL: &[&str] = &[
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket.user",
];

/// Finds and greets the daemon. One that was named and does not answer is an error, never replaced by another.
///
/// # Errors
/// There is none, it may not be used, or it does not answer.
pub async fn connect(named: Option<&str>) -> Result<Lxd> {
    connect_with(named, &Trust::default()).await
}

/// The same with what a remote daemon is to be trusted by.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(named: Option<&str>, trust: &Trust) -> Result<Lxd> {
    if let Some(named) = named.map(str::to_owned).or_else(from_environment) {
        if named.starts_with("https://") {
            return Lxd::connect_https(&named, trust).await;
        }
        let socket = PathBuf::from(named.strip_prefix("unix://").unwrap_or(&named));
        return Lxd::connect_unix(socket).await;
    }
    let there = USUAL.iter().map(Path::new).filter(|p| p.exists());
    let mut first = None;
    for socket in there {
        match Lxd::connect_unix(socket).await {
            Ok(found) => return Ok(found),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| Error::NotFound {
        looked: USUAL.iter().map(|p| (*p).to_owned()).collect(),
    }))
}

fn from_environment() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let below = |folder: String| format!("{}/unix.socket", folder.trim_end_matches('/'));
    set("LXD_SOCKET")
        .or_else(|| set("LXD_DIR").map(below))
        .or_else(|| set("INCUS_SOCKET"))
        .or_else(|| set("INCUS_DIR").map(below))
}

/// The group that may use a socket, by name where the host knows it.
pub(super) fn socket_group(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(meta) = std::fs::metadata(path) else {
        return "lxd".into();
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let gid = meta.gid().to_string();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid).then(|| name.to_owned())
    });
    named.unwrap_or(gid)
}

/// A client could not even be made.
pub(super) fn unusable(address: &str, reason: &str) -> Error {
    Error::Unreachable {
        engine: "lxd".into(),
        address: address.to_owned(),
        reason: fold(reason),
    }
}
