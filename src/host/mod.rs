//! What halolab knows of the machine that it runs on, and the only place where it runs the machine's programs.
//! Every probe reads under a root (`/`, or a test tree); one file a probe.

pub mod bootstrap;
pub mod certificates;
pub mod command;
mod cpu;
pub mod facts;
pub mod firewall;
mod gpu;
pub mod membership;
mod os;
pub mod reach;
mod root;
mod runtimes;
pub mod storage;
pub mod subnet;
mod user;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use facts::{KNOWN, probe};
pub use root::Root;

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

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Works worse, or may break.
    Warn,
    /// Cannot be expected to work.
    Fail,
}

/// Something about the machine that a person should know, and its mend where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name: `network.forward_dropped`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what it breaks, as sentences.
    pub text: String,
    /// What the mend does, as a sentence; none where only a person can mend it.
    pub mend: Option<String>,
    /// Shell text of the mend; safe to run again.
    pub script: Option<String>,
}
