//! Conditions: `when` in a stage, over host facts, options and the image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A condition as written: `option.gpu == "rocm" && host.family == "debian"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Condition(pub String);
