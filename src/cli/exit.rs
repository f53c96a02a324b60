//! How the program ends: exit codes, and errors that carry one.

use std::fmt::Display;

use crate::{
    labs::{identity::Mistaken, snapshots::SnapshotError},
    run::lock::LockError,
};

/// Exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u8);

impl Code {
    /// All well.
    pub const OK: Self = Self(0);
    /// It failed.
    pub const FAILED: Self = Self(1);
    /// The command line is wrong.
    pub const USAGE: Self = Self(2);
    /// Something stood in the way; nothing was changed.
    pub const BLOCKED: Self = Self(3);
    /// Done; it counts after a restart of the machine.
    pub const REBOOT: Self = Self(6);
    /// The user said no.
    pub const DECLINED: Self = Self(7);
    /// Another halolab is at work.
    pub const LOCKED: Self = Self(8);
}

/// An error with its exit code. The text says what failed, why, and what to type next.
#[derive(Debug)]
pub struct Stop {
    /// The code.
    pub code: Code,
    /// The text.
    pub text: String,
}

impl Stop {
    /// An error with a code.
    pub fn new(code: Code, text: impl Display) -> Self {
        Self {
            code,
            text: text.to_string(),
        }
    }

    /// Nothing was changed.
    pub fn blocked(text: impl Display) -> Self {
        Self::new(Code::BLOCKED, text)
    }

    /// The command line is wrong.
    pub fn usage(text: impl Display) -> Self {
        Self::new(Code::USAGE, text)
    }
}

impl From<crate::backend::Error> for Stop {
    fn from(error: crate::backend::Error) -> Self {
        let code = match error {
            crate::backend::Error::Address { .. } => Code::USAGE,
            _ => Code::FAILED,
        };
        let mut text = error.to_string();
        // An engine's own words say nothing of what to type next.
        if !text.contains("`halolab") && !text.contains("`sudo") {
            text.push_str("; see how it is now with `halolab status`, then try again");
        }
        Self::new(code, text)
    }
}

impl From<crate::plan::PlanError> for Stop {
    fn from(error: crate::plan::PlanError) -> Self {
        match &error {
            crate::plan::PlanError::Answer { source, .. } if source.complaint.unanswered => {
                Self::usage(error)
            }
            _ => Self::blocked(error),
        }
    }
}

impl From<LockError> for Stop {
    fn from(error: LockError) -> Self {
        let code = match error {
            LockError::Held(_) => Code::LOCKED,
            LockError::File { .. } => Code::BLOCKED,
        };
        Self::new(code, error)
    }
}

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Backend(error) | SnapshotError::Mistaken(Mistaken::Backend(error)) => error.into(),
            error => Self::blocked(error),
        }
    }
}

impl From<Mistaken> for Stop {
    fn from(error: Mistaken) -> Self {
        SnapshotError::from(error).into()
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::FAILED, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Answers, Catalog, answers};

    #[test]
    fn a_choice_that_only_the_user_can_make_is_a_matter_of_usage() {
        let catalog = Catalog::shipped();
        let stage = catalog.get("ai-lab").unwrap();
        let facts = [
            ("compute", "ask".into()),
            ("gpu_amd", true.into()),
            ("gpu_nvidia", true.into()),
        ];
        let facts = facts.map(|(name, fact)| (name.to_owned(), fact)).into();
        let stop = |given: &[(&str, &str)]| {
            let given = given
                .iter()
                .map(|(k, v)| ((*k).to_owned(), crate::stage::Answer::Text((*v).into())));
            let given: Answers = given.collect();
            let source = answers::resolve(stage, &given, &facts).unwrap_err();
            let lab = "ai-lab".to_owned();
            Stop::from(crate::plan::PlanError::Answer { lab, source })
        };
        let asked = stop(&[]);
        assert_eq!(asked.code, Code::USAGE);
        assert!(
            asked.text.contains("--set gpu=rocm, --set gpu=cuda"),
            "{}",
            asked.text
        );
        assert_eq!(stop(&[("gpu", "quantum")]).code, Code::BLOCKED);
    }
}
