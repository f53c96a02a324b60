//! What halolab knows of the machine that it runs on. Every probe reads under a root (`/`, or a test tree).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
