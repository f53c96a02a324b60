//! What the user answered: the values of a stage's options.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// Yes or no.
    Bool(bool),
    /// Text, the id of a choice, a size, or a secret.
    Text(String),
    /// The ids of several choices.
    List(Vec<String>),
}

/// The answers for one lab, by option id. `image` and `image_file` are built in.
pub type Answers = BTreeMap<String, Answer>;
