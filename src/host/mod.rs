//! What halolab knows of the machine that it runs on, and the only place where it runs the machine's programs.
//! Every probe reads under a root (`/`, or a test tree); one file a probe.

pub mod boot;
pub mod bootstrap;
pub mod certificates;
pub mod command;
pub mod detect;
pub mod docker;
pub mod facts;
mod finding;
pub mod findings;
pub mod firewall;
mod fitting;
pub mod made;
pub mod matrix;
pub mod membership;
pub mod node;
mod os;
pub mod passthrough;
pub mod reach;
mod report;
mod root;
pub mod storage;
pub mod subnet;
mod user;
pub mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use facts::{KNOWN, probe};
pub use finding::{Finding, Severity};
pub use report::Report;
pub use root::Root;

/// The file that names the boot: another one after each restart.
pub const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// For tests: a tree of files, or a captured host, that stands for this machine where its boot configuration and its
/// memory are looked at and changed.
const TEST_ROOT: &str = "HALOLAB_TEST_ROOT";

/// The folder that stands for `/`.
pub fn folder() -> std::path::PathBuf {
    std::env::var_os(TEST_ROOT).map_or_else(|| "/".into(), Into::into)
}

/// A fact's value in conditions and in the environment of scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// Yes or no.
    Bool(bool),
    /// A whole number, bytes for sizes.
    Number(u64),
    /// Text.
    Text(String),
}

/// Host facts by name, as conditions see them: `host.family`, `host.gpu_amd`, ...
pub type Facts = BTreeMap<String, Fact>;

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Fact {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl From<String> for Fact {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Fact {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}
