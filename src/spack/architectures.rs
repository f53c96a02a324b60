//! For which GPUs Spack compiles: `cuda_arch`.

use crate::host::matrix::{Matrix, version::Version};

/// First compute capabilities of Blackwell, for machines whose GPUs are not known: the default list has the cards before.
const NEWEST: &[&str] = &["10.0", "12.0"];

/// Which GPUs are compiled for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Those of this machine.
    Detected,
    /// All that the toolkit and the stage's list know: for a store that other machines use too.
    Everything,
    /// These, as `8.9` or as Spack writes them, `89`.
    These(Vec<String>),
}

/// What is compiled for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Architectures {
    /// Compute capabilities, `8.9`, oldest first.
    pub capabilities: Vec<String>,
    /// What was left out, or chosen without being asked for, in sentences.
    pub notes: Vec<String>,
}

/// Why it cannot be compiled for these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// No compute capability.
    #[error("`{0}` is no compute capability: write it as 8.9, or as 89")]
    Unknown(String),
    /// This toolkit cannot.
    #[error("CUDA {toolkit} cannot compile for {capability}: {why}")]
    Unfit {
        /// The toolkit.
        toolkit: String,
        /// The compute capability.
        capability: String,
        /// Which toolkit can.
        why: String,
    },
    /// Nothing is left.
    #[error("there is nothing to compile for; name compute capabilities, as 8.9, or choose all")]
    Nothing,
}

impl Architectures {
    /// As Spack writes it: `cuda_arch=80,90`.
    pub fn variant(&self) -> String {
        let short: Vec<String> = self.capabilities.iter().map(|c| c.replace('.', "")).collect();
        format!("cuda_arch={}", short.join(","))
    }
}

/// Chooses what is compiled for.
///
/// `present` are the compute capabilities of the machine's GPUs, `listed` those of the stage's own list.
///
/// # Errors
/// What was asked for by name and does not fit the toolkit is refused with the reason. GPUs of the machine that it does
/// not know are left out with a note as long as one is left.
pub fn choose(
    wish: &Wish,
    present: &[&str],
    listed: &[String],
    toolkit: &str,
    matrix: &Matrix,
) -> Result<Architectures, WishError> {
    let mut found = Architectures::default();
    let all = || {
        let newest = NEWEST.iter().map(|c| (*c).to_owned());
        listed.iter().cloned().chain(newest).collect::<Vec<_>>()
    };
    let (candidates, strict) = match wish {
        Wish::These(these) => (
            these.iter().map(|c| dotted(c)).collect::<Result<Vec<_>, _>>()?,
            true,
        ),
        Wish::Detected if !present.is_empty() => (present.iter().map(|c| (*c).to_owned()).collect(), false),
        Wish::Detected => {
            found.notes.push(
                "no NVIDIA GPU is seen here: it is compiled for all known ones, and each multiplies the time"
                    .to_owned(),
            );
            (all(), false)
        }
        Wish::Everything => (all(), false),
    };
    let mut refused = None;
    for capability in candidates {
        match fits(&capability, toolkit, matrix) {
            Ok(()) => found.capabilities.push(capability),
            Err(error) if strict => return Err(error),
            Err(error) => {
                found.notes.push(format!("{error}; it is left out"));
                refused = refused.or(Some(error));
            }
        }
    }
    found.capabilities.sort_by_key(|c| Version::parse(c));
    found.capabilities.dedup();
    if found.capabilities.is_empty() {
        return Err(refused.unwrap_or(WishError::Nothing));
    }
    Ok(found)
}

/// `8.9` out of `8.9` or `89`; the last digit is the minor number. Suffixes (`90a`) are refused: code for one card alone.
fn dotted(text: &str) -> Result<String, WishError> {
    let unknown = || WishError::Unknown(text.chars().take(20).collect());
    let text = text.trim();
    let digits = |t: &str| !t.is_empty() && t.len() <= 3 && t.bytes().all(|b| b.is_ascii_digit());
    if let Some((major, minor)) = text.split_once('.') {
        return if digits(major) && digits(minor) && minor.len() == 1 {
            Ok(text.to_owned())
        } else {
            Err(unknown())
        };
    }
    if !digits(text) || text.len() < 2 {
        return Err(unknown());
    }
    let (major, minor) = text.split_at(text.len() - 1);
    Ok(format!("{major}.{minor}"))
}

fn fits(capability: &str, toolkit: &str, matrix: &Matrix) -> Result<(), WishError> {
    let arch = matrix
        .arch_of_capability(capability)
        .ok_or_else(|| WishError::Unknown(capability.to_owned()))?;
    let unfit = |why: String| {
        Err(WishError::Unfit {
            toolkit: toolkit.to_owned(),
            capability: capability.to_owned(),
            why,
        })
    };
    // A toolkit's release belongs to its line: 12.9.1 compiles for what 12.9 was the last or the first for.
    let line = Version::parse(toolkit).map(|v| v.first(2));
    let line_of = |row: &Option<String>| row.as_deref().and_then(Version::parse).map(|v| v.first(2));
    match (line_of(&arch.cuda_first), line_of(&arch.cuda_last), &line) {
        (Some(first), _, Some(line)) if *line < first => unfit(format!(
            "{} needs CUDA {} or later",
            arch.name,
            arch.cuda_first.as_deref().unwrap_or_default()
        )),
        (_, Some(last), Some(line)) if *line > last => unfit(format!(
            "CUDA {} was the last for {}",
            arch.cuda_last.as_deref().unwrap_or_default(),
            arch.name
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(wish: &Wish, present: &[&str], toolkit: &str) -> Result<Architectures, WishError> {
        let listed = ["6.1", "7.5", "8.0", "8.6", "8.9", "9.0"].map(str::to_owned);
        choose(wish, present, &listed, toolkit, Matrix::shipped())
    }

    #[test]
    fn the_gpus_of_the_machine_decide_once_each_and_in_order() {
        let found = ask(&Wish::Detected, &["9.0", "8.9", "9.0"], "12.9.1");
        let found = found.unwrap_or_default();
        assert_eq!(found.variant(), "cuda_arch=89,90");
        assert!(found.notes.is_empty());
    }

    #[test]
    fn without_a_gpu_all_are_compiled_for_with_blackwell_and_that_is_said() {
        let found = ask(&Wish::Detected, &[], "12.9.1").unwrap_or_default();
        assert_eq!(found.variant(), "cuda_arch=61,75,80,86,89,90,100,120");
        assert_eq!(found.notes.len(), 1);
    }

    #[test]
    fn what_the_toolkit_cannot_is_left_out_or_refused_with_the_one_that_can() {
        let old = ask(&Wish::Everything, &[], "13.0.2").unwrap_or_default();
        assert_eq!(old.variant(), "cuda_arch=75,80,86,89,90,100,120");
        assert!(
            old.notes.iter().any(|n| n.contains("12.9 was the last")),
            "{:?}",
            old.notes
        );
        let new = ask(&Wish::Everything, &[], "12.6.3").unwrap_or_default();
        assert_eq!(new.variant(), "cuda_arch=61,75,80,86,89,90");
        let these = |list: &[&str]| Wish::These(list.iter().map(|c| (*c).to_owned()).collect());
        let refused = ask(&these(&["8.9", "120"]), &[], "12.6.3").map_err(|e| e.to_string());
        assert!(refused.is_err_and(|e| e.contains("12.0") && e.contains("12.8")));
        assert_eq!(
            ask(&these(&["89", "12.0"]), &[], "12.9.1")
                .unwrap_or_default()
                .variant(),
            "cuda_arch=89,120"
        );
        let alone = ask(&Wish::Detected, &["6.1"], "13.0.2").map_err(|e| e.to_string());
        assert!(alone.is_err_and(|e| e.contains("12.9 was the last")));
    }

    #[test]
    fn what_is_no_capability_is_said_so() {
        for wrong in ["", "x", "9", "90a", "8.9.1", "8.", "99999", "1.2.3", "\u{1b}[2J"] {
            let refused = ask(&Wish::These(vec![wrong.to_owned()]), &[], "12.9.1");
            assert!(
                matches!(refused, Err(WishError::Unknown(_))),
                "{wrong:?} {refused:?}"
            );
        }
        assert_eq!(ask(&Wish::These(vec![]), &[], "12.9.1"), Err(WishError::Nothing));
    }
}
