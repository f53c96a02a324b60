//! Variants that Spack drops without a word: it builds for hours, and the result has no NCCL.

use serde::Serialize;
use serde_json::Value;

use crate::progress::Lock;

/// What a package with CUDA is expected to have, and what is missed without it.
/// Measured: with `py-torch+cuda` alone, Spack 1.1.0 chose `~nccl`, because `cuda_arch` does not spread to NCCL.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("py-torch", "cuda", "PyTorch has no CUDA"),
    ("py-torch", "cudnn", "convolutions are slow"),
    (
        "py-torch",
        "nccl",
        "several GPUs cannot work together (torch.distributed)",
    ),
    ("py-jaxlib", "cuda", "JAX has no CUDA"),
    ("py-jaxlib", "nccl", "several GPUs cannot work together (pmap)"),
];

/// A variant that was meant and is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The package.
    pub package: String,
    /// The variant.
    pub variant: String,
    /// What is missed, as a sentence, and what to write.
    pub text: String,
}

/// What was dropped from an environment that is to have CUDA; what somebody declined by name (`~nccl`) was not.
pub fn dropped(lock: &Lock) -> Vec<Dropped> {
    let mut found = vec![];
    for package in lock.packages().values() {
        let expected = EXPECTED.iter().filter(|(name, ..)| *name == package.name);
        for (name, variant, missed) in expected {
            let without = |variant: &str| lock.asked(name).any(|spec| spec.contains(&format!("~{variant}")));
            let declined = || without(variant) || without("cuda");
            if package.variants.get(*variant) == Some(&Value::Bool(true)) || declined() {
                continue;
            }
            found.push(Dropped {
                package: (*name).to_owned(),
                variant: (*variant).to_owned(),
                text: format!(
                    "{name}@{} was chosen without {variant}: {missed}; write `{name} +{variant}` in spack.yaml",
                    package.version
                ),
            });
        }
    }
    found
}
