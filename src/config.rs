//! The user's settings: `config.toml`, system-wide under the user's. Flag > environment > file > default.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Name of the theme.
    pub theme: String,
    /// Only ASCII characters on the screen.
    pub ascii: bool,
    /// Take mouse events.
    pub mouse: bool,
    /// Socket or URL of the daemon.
    pub lxd: Option<String>,
    /// Folder for data mounts: `DATA/LAB/MOUNT`.
    pub data: PathBuf,
    /// Storage pool for labs; none is the default profile's.
    pub pool: Option<String>,
    /// Image servers by name, as stages name them.
    pub remotes: BTreeMap<String, Remote>,
    /// Safety snapshots kept a lab when pruning.
    pub keep_safety: usize,
}

/// An image server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Remote {
    /// URL for LXD.
    pub lxd: Option<String>,
    /// URL for Incus.
    pub incus: Option<String>,
    /// File with a certificate authority for it (PEM).
    #[serde(default)]
    pub certificate: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let remote = |lxd: Option<&str>, incus: Option<&str>| Remote {
            lxd: lxd.map(Into::into),
            incus: incus.map(Into::into),
            certificate: None,
        };
        let both = |url| remote(Some(url), Some(url));
        Self {
            theme: "dark".into(),
            ascii: false,
            mouse: true,
            lxd: None,
            data: PathBuf::from("/srv/halolab"),
            pool: None,
            // images.linuxcontainers.org serves Incus only since 2024; LXD has its own server.
            remotes: BTreeMap::from([
                (
                    "images".into(),
                    remote(
                        Some("https://images.lxd.canonical.com"),
                        Some("https://images.linuxcontainers.org"),
                    ),
                ),
                ("ubuntu".into(), both("https://cloud-images.ubuntu.com/releases")),
            ]),
            keep_safety: 3,
        }
    }
}
