//! Names of jobs: `<kind>-<UTC yyyymmddThhmmssZ>-<16 hex>`, so that they sort by time within a kind.

use std::{
    fmt,
    hash::{BuildHasher as _, Hasher as _},
};

use sha2::{Digest as _, Sha256};

use super::{Error, Result};
use crate::backend::types::is_name;

/// The kind of a stage's step.
pub(super) const STEP: &str = "step";
/// Hexadecimal digits at the end of a step's id.
const STEP_DIGITS: usize = 10;
/// Longest kind: an id is a file's name, and a column of a table.
const KIND: usize = 40;

/// The id of a job. It is a name of a folder here and inside the lab: only letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(String);

impl JobId {
    /// A new one of this kind.
    ///
    /// # Errors
    /// The kind cannot be part of a file's name.
    pub fn new(kind: &str) -> Result<Self> {
        if !is_name(kind) || kind.len() > KIND {
            return Err(Error::Name(crate::log::sanitize(kind)));
        }
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let random = std::hash::RandomState::new().build_hasher().finish();
        Ok(Self(format!("{kind}-{now}-{random:016x}")))
    }

    /// The one of an action of a run: the same each time that it is asked for, so that a resumed run finds it. More
    /// digits than others have, because a run has many actions in the same second.
    pub fn of_step(run: &str, action: &str) -> Self {
        let digest = Sha256::digest(format!("{run}\n{action}"));
        let digest = hex::encode(digest.get(..STEP_DIGITS / 2).unwrap_or_default());
        let when: String = run.chars().filter(char::is_ascii_digit).take(14).collect();
        let (day, time) = when.split_at_checked(8).unwrap_or((&when, ""));
        Self(format!("{STEP}-{day}T{time}Z-{digest}"))
    }

    /// An id that is a plain name; none for anything that could be a path.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let fits = (1..=80).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-');
        fits.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is a job of: what stands before its time.
    pub fn kind(&self) -> &str {
        let end = self
            .0
            .rmatch_indices('-')
            .nth(1)
            .map_or(self.0.len(), |(at, _)| at);
        self.0.get(..end).unwrap_or_default()
    }

    /// Whether it is a step of a stage: a person may call a job by the same name.
    pub fn is_step(&self) -> bool {
        self.kind() == STEP && self.0.rsplit('-').next().map(str::len) == Some(STEP_DIGITS)
    }

    /// When it was made, as text that sorts.
    pub fn when(&self) -> &str {
        self.0.rsplit('-').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_their_kind_and_time() {
        let id = JobId::new("spack-build").unwrap();
        assert_eq!((id.kind(), id.when().len()), ("spack-build", 16));
        assert_eq!(JobId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.as_str().rsplit('-').next().map(str::len), Some(16));
        for bad in ["", "A", "a b", "../x", "-a", "ü", &"x".repeat(41)] {
            assert!(matches!(JobId::new(bad), Err(Error::Name(_))), "{bad}");
        }
        for bad in ["", "../x", "a/b", ".", "a b", "a\u{1b}"] {
            assert_eq!(JobId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_step_has_the_same_id_each_time_and_no_other_has_it() {
        let id = JobId::of_step("20261122-101112345-ab12", "ai-lab/exec-3");
        assert_eq!(id, JobId::of_step("20261122-101112345-ab12", "ai-lab/exec-3"));
        assert_ne!(id, JobId::of_step("20261122-101112345-ab12", "ai-lab/exec-4"));
        assert_ne!(id, JobId::of_step("20261122-101112346-ab12", "ai-lab/exec-3"));
        assert!(id.as_str().starts_with("step-20261122T101112Z-"), "{id}");
        assert!(id.is_step() && JobId::parse(id.as_str()).is_some());
        assert!(!JobId::new("step").unwrap().is_step(), "a person's");
        assert!(
            JobId::parse(JobId::of_step("first", "x").as_str()).is_some(),
            "any run's name"
        );
    }
}
