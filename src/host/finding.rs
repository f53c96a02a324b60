//! What is worth a word about a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// What was seen: a value, or a sentence.
    pub seen: String,
    /// What it breaks, as sentences.
    pub why: String,
    /// What to do, with the exact commands; none where nothing needs to be done.
    pub fix: Option<String>,
    /// Who says so.
    pub source: Option<String>,
    /// What the mend does that halolab itself can do, as a sentence; none where only a person can.
    pub mend: Option<String>,
    /// Shell text of the mend; safe to run again.
    pub script: Option<String>,
    /// Values for programs.
    #[serde(flatten)]
    pub details: BTreeMap<String, Value>,
}

impl Finding {
    /// Something that was seen, and why it matters.
    pub fn new(
        id: impl Into<String>,
        severity: Severity,
        seen: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            severity,
            seen: seen.into(),
            why: why.into(),
            fix: None,
            source: None,
            mend: None,
            script: None,
            details: BTreeMap::new(),
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Says who says so.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a value for programs.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// What was seen and what it breaks, as one text for people.
    pub fn text(&self) -> String {
        match (self.seen.is_empty(), self.why.is_empty()) {
            (true, _) => self.why.clone(),
            (_, true) => self.seen.clone(),
            _ => format!("{}: {}", self.seen, self.why),
        }
    }
}
