//! What the facts of a machine mean for labs, by the matrix. Pure: the same machine and matrix say the same.

mod access;
mod amd;
mod kernel;
mod machine;
mod memory;
mod nvidia;
mod parameters;
mod pool;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    detect::{Gpu, Machine, VirtualKind},
    finding::{Finding, Severity},
    matrix::{Matrix, RocmSupport},
};

pub use access::engine_socket;
pub(super) use nvidia::passes;
pub use pool::Pool;

/// What labs can compute with here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Primary {
    /// AMD's.
    Rocm,
    /// NVIDIA's.
    Cuda,
    /// Both: the user chooses.
    Ask,
    /// The processor only.
    None,
    /// There may be a GPU, but labs cannot have it (WSL2).
    Unsupported,
}

/// Whether ROCm works here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rocm {
    /// Nothing that fails stands in the way.
    pub usable: bool,
    /// Compute targets, each once.
    pub gfx: Vec<String>,
    /// Findings that stand in the way.
    pub why: Vec<String>,
    /// Agents that ROCm will see: one a partition.
    pub agents: u64,
    /// What is not a fault of the hardware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether CUDA works here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cuda {
    /// Nothing that fails stands in the way.
    pub usable: bool,
    /// Findings that stand in the way.
    pub why: Vec<String>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// It is the driver of Windows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub driver_is_windows: bool,
    /// Newest CUDA that the driver runs.
    pub cuda_driver: Option<String>,
    /// Whether it is the open kernel module.
    pub open_module: Option<bool>,
    /// How it runs toolkits: `native`, `minor-compat` or `no`.
    pub toolkit: BTreeMap<String, &'static str>,
    /// Whether images start: `image_gate_12.9.1` is `pass` or `fail`.
    #[serde(flatten)]
    pub gates: BTreeMap<String, &'static str>,
    /// Whether what the stages compile runs on every card.
    pub seed_cuda_arch_ok: bool,
    /// The program that told, under WSL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

/// What the facts mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// ROCm; none without an AMD GPU.
    pub rocm: Option<Rocm>,
    /// CUDA; none without an NVIDIA GPU.
    pub cuda: Option<Cuda>,
    /// What labs can compute with.
    pub primary: Primary,
    /// What is worth a word.
    pub findings: Vec<Finding>,
}

/// A machine, the matrix, and what several rules ask.
pub(super) struct Case<'a> {
    pub(super) machine: &'a Machine,
    pub(super) matrix: &'a Matrix,
}

impl<'a> Case<'a> {
    /// Cards of AMD that could compute.
    pub(super) fn amd(&self) -> impl Iterator<Item = &'a Gpu> {
        self.machine.gpus.iter().filter(|gpu| gpu.vendor == "amd")
    }

    /// Cards of NVIDIA.
    pub(super) fn nvidia(&self) -> impl Iterator<Item = &'a Gpu> {
        self.machine.gpus.iter().filter(|gpu| gpu.vendor == "nvidia")
    }

    /// Cards of AMD that ROCm is built for, or may be, with their driver.
    pub(super) fn rocm(&self) -> impl Iterator<Item = &'a Gpu> {
        let matrix = self.matrix;
        self.amd()
            .filter(move |gpu| gpu.is_driven() && !is_unsupported(matrix, gpu))
    }

    /// Cards of NVIDIA with their driver.
    pub(super) fn cuda(&self) -> impl Iterator<Item = &'a Gpu> {
        self.nvidia().filter(|gpu| gpu.is_driven())
    }

    /// Whether this is inside a container.
    pub(super) fn in_container(&self) -> bool {
        self.machine.virt.kind == VirtualKind::Container
    }

    /// The user's name for a command.
    pub(super) fn user(&self) -> String {
        let name = &self.machine.user.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.is_empty() && name.len() <= 32 && !name.starts_with('-') && name.chars().all(plain) {
            name.clone()
        } else {
            "\"$USER\"".to_owned()
        }
    }
}

/// Whether nobody builds ROCm for it.
pub(super) fn is_unsupported(matrix: &Matrix, gpu: &Gpu) -> bool {
    let row = gpu.gfx.as_deref().and_then(|gfx| matrix.gfx(gfx));
    row.is_some_and(|row| row.rocm == RocmSupport::Unsupported)
}

/// Judges a machine.
pub fn judge(machine: &Machine, matrix: &Matrix) -> Judgement {
    let case = Case { machine, matrix };
    let mut findings = machine::findings(&case);
    // Under Windows no rule about drivers and nodes holds.
    let windows = machine.host.is_wsl();
    if !windows {
        for rules in [
            access::findings,
            amd::findings,
            kernel::findings,
            memory::findings,
            parameters::findings,
            nvidia::findings,
        ] {
            findings.extend(rules(&case));
        }
    }
    // The worst first; of one kind in the order of the rules.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let rocm = amd::rocm(&case, &findings);
    let cuda = nvidia::cuda(&case, &findings);
    let primary = if windows {
        Primary::Unsupported
    } else {
        primary(&case, rocm.as_ref(), cuda.as_ref())
    };
    Judgement {
        rocm,
        cuda,
        primary,
        findings,
    }
}

/// Of two stacks the one that works; both, or neither yet: the user chooses. One alone is it even while something
/// that can be mended stands in its way.
fn primary(case: &Case<'_>, rocm: Option<&Rocm>, cuda: Option<&Cuda>) -> Primary {
    let has_rocm = case.rocm().next().is_some();
    let has_cuda = case.cuda().next().is_some();
    match (has_rocm, has_cuda) {
        (false, false) => Primary::None,
        (true, false) => Primary::Rocm,
        (false, true) => Primary::Cuda,
        (true, true) => {
            let usable = (rocm.is_some_and(|r| r.usable), cuda.is_some_and(|c| c.usable));
            match usable {
                (true, false) => Primary::Rocm,
                (false, true) => Primary::Cuda,
                _ => Primary::Ask,
            }
        }
    }
}

/// Names of findings that fail and are about one stack.
fn blocking(findings: &[Finding], prefixes: &[&str]) -> Vec<String> {
    let about = |id: &str| prefixes.iter().any(|prefix| id.starts_with(prefix));
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Fail && about(&finding.id))
        .map(|finding| finding.id.clone())
        .collect()
}

/// GiB with one digit after the point, as people say sizes.
#[expect(
    clippy::cast_precision_loss,
    reason = "a size for people, rounded to a tenth of a GiB"
)]
pub(super) fn gib(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 30) * 10.0).round() / 10.0
}
