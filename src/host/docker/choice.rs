//! Which GPUs are wanted.

use thiserror::Error;

use crate::host::detect::{Gpu, Machine};

/// Which GPUs a container is to get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// What labs compute with here; two kinds of GPU are asked about.
    #[default]
    Usual,
    /// Every GPU that computes.
    All,
    /// None at all.
    None,
    /// These, by address, UUID (of a card, or of a MIG instance) or maker.
    These(Vec<String>),
}

/// A GPU that is not here.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "there is no GPU `{given}` here; there are: {known}. Type `halolab detect --docker --gpu all`, `none` or one of them"
)]
pub struct Unknown {
    given: String,
    known: String,
}

/// Makers whose GPUs compute.
const MAKERS: &[&str] = &["amd", "nvidia", "intel"];

impl Choice {
    /// Out of words: `all`, `none`, or some GPUs. No word is the usual.
    pub fn of(words: &[String]) -> Self {
        let is = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
        if words.is_empty() {
            Self::Usual
        } else if is("all") {
            Self::All
        } else if is("none") {
            Self::None
        } else {
            Self::These(words.to_vec())
        }
    }

    /// The GPUs that it names; of the usual all that compute.
    ///
    /// # Errors
    /// One of them is not here.
    pub(super) fn gpus<'a>(&self, machine: &'a Machine) -> Result<Vec<&'a Gpu>, Unknown> {
        let computing = || {
            let all = machine.gpus.iter();
            all.filter(|gpu| !gpu.display_only && MAKERS.contains(&gpu.vendor.as_str()))
        };
        let Self::These(words) = self else {
            return Ok(if *self == Self::None {
                vec![]
            } else {
                computing().collect()
            });
        };
        let mut found: Vec<&Gpu> = vec![];
        for word in words {
            if is_slice(word) && machine.gpus.iter().any(|gpu| may_hold(gpu, word)) {
                continue;
            }
            let same: Vec<&Gpu> = computing().filter(|gpu| is(gpu, word)).collect();
            if same.is_empty() {
                return Err(Unknown {
                    given: word.clone(),
                    known: known(&computing().collect::<Vec<_>>()),
                });
            }
            for gpu in same {
                if !found.iter().any(|old| std::ptr::eq(*old, gpu)) {
                    found.push(gpu);
                }
            }
        }
        Ok(found)
    }
}

impl Choice {
    /// The instances of cut GPUs (MIG) that are named, each as it was written.
    pub(super) fn slices(&self) -> Vec<String> {
        match self {
            Self::These(words) => words.iter().filter(|word| is_slice(word)).cloned().collect(),
            _ => vec![],
        }
    }
}

/// Whether a word is the identifier of a MIG instance, as `nvidia-smi -L` prints it: `MIG-` and a UUID; of drivers before 470
/// `MIG-GPU-UUID/INSTANCE/COMPUTE`.
fn is_slice(word: &str) -> bool {
    let Some(rest) = word.strip_prefix("MIG-") else {
        return false;
    };
    let Some(old) = rest.strip_prefix("GPU-") else {
        return is_uuid(rest);
    };
    let mut parts = old.split('/');
    let uuid = parts.next().is_some_and(is_uuid);
    let numbers: Vec<&str> = parts.collect();
    let is_number =
        |text: &&str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    uuid && numbers.len() == 2 && numbers.iter().all(is_number)
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// Whether a GPU may hold an instance: one of NVIDIA that is not known to be whole, and the one that the identifier names
/// where it names one.
fn may_hold(gpu: &Gpu, slice: &str) -> bool {
    let cut = gpu.vendor == "nvidia" && gpu.is_driven() && gpu.mig != Some(false);
    let card = slice
        .strip_prefix("MIG-")
        .filter(|rest| rest.starts_with("GPU-"))
        .and_then(|rest| rest.split('/').next());
    let same = |card: &str| {
        let uuid = gpu.uuid.as_deref();
        uuid.is_none_or(|uuid| uuid.eq_ignore_ascii_case(card))
    };
    cut && card.is_none_or(same)
}

/// Whether a word names this GPU. People leave out the domain of an address, and NVIDIA writes it with eight digits.
fn is(gpu: &Gpu, word: &str) -> bool {
    let word = word.to_lowercase();
    let pci = gpu.pci.as_deref().is_some_and(|pci| {
        let short = pci.strip_prefix("0000:").unwrap_or(pci);
        word == pci || word == short || word == format!("0000{pci}")
    });
    let uuid = gpu.uuid.as_ref().is_some_and(|uuid| uuid.to_lowercase() == word);
    pci || uuid || gpu.vendor == word
}

fn known(gpus: &[&Gpu]) -> String {
    let name = |gpu: &&Gpu| {
        let id = gpu.pci.as_deref().or(gpu.uuid.as_deref()).unwrap_or(&gpu.vendor);
        format!("{id} ({})", gpu.name)
    };
    let names: Vec<String> = gpus.iter().map(name).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
