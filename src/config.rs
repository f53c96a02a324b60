//! The user's settings: `config.toml`, system-wide under the user's. Flag > environment > file > default.

mod layers;

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use serde::{Deserialize, Serialize};
use toml_edit::DocumentMut;

pub use layers::{ConfigError, Origin, Settings};

use crate::{
    document::read_text,
    paths::{Paths, write_private},
};

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
    /// Days for which safety snapshots and earlier versions are kept; 0 is for ever.
    pub keep_days: u32,
    /// Tell the terminal (bell, notification) when a job that is watched has ended.
    pub notify: bool,
    /// Jobs.
    pub job: JobConfig,
}

/// Settings of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct JobConfig {
    /// Minutes without output after which a job is called stuck.
    pub stuck_minutes: u64,
}

impl Default for JobConfig {
    fn default() -> Self {
        Self { stuck_minutes: 10 }
    }
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

impl Config {
    /// Image servers by name, with one address each.
    pub fn servers(&self) -> Vec<(String, String)> {
        let address = |r: &Remote| r.lxd.clone().or_else(|| r.incus.clone());
        self.remotes
            .iter()
            .filter_map(|(name, r)| Some((name.clone(), address(r)?)))
            .collect()
    }
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
            keep_days: 14,
            notify: false,
            job: JobConfig::default(),
        }
    }
}

/// Writes the theme into the user's `config.toml`; all else in it, comments too, stays.
pub fn set_theme(paths: &Paths, name: &str) -> Result<(), ConfigError> {
    if !layers::is_theme_name(name) {
        return Err(ConfigError::Theme(name.to_owned()));
    }
    let path = paths.config_file();
    // Many keep their dotfiles elsewhere: their link stays one, and the file behind it is written.
    let path = fs::canonicalize(&path).unwrap_or(path);
    let text = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        _ => read_text(&path)?,
    };
    let mut document: DocumentMut =
        text.parse()
            .map_err(|error: toml_edit::TomlError| ConfigError::Edit {
                path: path.clone(),
                message: error.message().to_owned(),
            })?;
    match document.get_mut("theme").and_then(|item| item.as_value_mut()) {
        Some(value) => {
            let comments = value.decor().clone();
            *value = name.into();
            *value.decor_mut() = comments;
        }
        None => {
            document.insert("theme", toml_edit::value(name));
        }
    }
    Ok(write_private(&path, document.to_string().as_bytes())?)
}
