//! What is known to fit together, as dated data: drivers, toolkits, images, kernels, firmware, memory sizes.
//!
//! `assets/matrix/*.toml` is in the program, so it works offline. Files in `/etc/halolab/matrix/` and in the user's
//! `matrix/` folder are read after it: a row with the same key replaces ours, another one is added. A file with a
//! mistake is said with its place and left out as a whole.

mod load;
mod look;
mod rows;
pub mod version;

use std::sync::LazyLock;

use serde::Deserialize;

pub use load::{check, overlay};
pub(crate) use look::PAGE;
pub use rows::*;

/// The tables.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Matrix {
    /// The form of the file; 1.
    pub schema: u64,
    /// Graphics processors of AMD.
    pub amd_gpu: Vec<AmdGpu>,
    /// Compute targets of AMD.
    pub amd_gfx: Vec<AmdGfx>,
    /// IP discovery versions whose digits are not the target's.
    pub amd_ip: Vec<AmdIp>,
    /// Neural processors.
    pub npu: Vec<NpuModel>,
    /// Kernels that carry a needed fix; the first that fits counts.
    pub kernel_fix: Vec<KernelFix>,
    /// Firmware that is running.
    pub firmware: Vec<Firmware>,
    /// Firmware that is installed.
    pub firmware_package: Vec<FirmwarePackage>,
    /// ROCm releases on kernels.
    pub rocm: Vec<Rocm>,
    /// Memory sizes.
    pub memory: Vec<Memory>,
    /// BIOS carve-outs.
    pub carve_out: Vec<CarveOut>,
    /// Processors that carry a known GPU.
    pub cpu: Vec<Cpu>,
    /// CUDA toolkits.
    pub cuda: Vec<Cuda>,
    /// Minor-version compatibility.
    pub cuda_compat: Vec<CudaCompat>,
    /// CUDA versions of driver branches.
    pub driver_branch: Vec<DriverBranch>,
    /// What images ask for.
    pub image_gate: Vec<ImageGate>,
    /// What stages compile for.
    pub build: Vec<Build>,
    /// Lines of Python wheels.
    pub wheel: Vec<Wheel>,
    /// Architectures of NVIDIA.
    pub nvidia_arch: Vec<NvidiaArch>,
    /// Systems on chip of NVIDIA.
    pub tegra: Vec<Tegra>,
    /// Display devices that compute nothing.
    pub display: Vec<Display>,
}

/// The files that are in the program.
const SHIPPED: &[(&str, &str)] = &[
    (
        "amd-gpus.toml",
        include_str!("../../../assets/matrix/amd-gpus.toml"),
    ),
    (
        "amd-targets.toml",
        include_str!("../../../assets/matrix/amd-targets.toml"),
    ),
    ("cuda.toml", include_str!("../../../assets/matrix/cuda.toml")),
    (
        "displays.toml",
        include_str!("../../../assets/matrix/displays.toml"),
    ),
    ("nvidia.toml", include_str!("../../../assets/matrix/nvidia.toml")),
    (
        "strix-halo.toml",
        include_str!("../../../assets/matrix/strix-halo.toml"),
    ),
];

static MATRIX: LazyLock<Matrix> = LazyLock::new(|| {
    let mut matrix = Matrix::default();
    for (name, text) in SHIPPED {
        // A test reads each of them, so that none is left out here.
        if let Ok(file) = check(name, text) {
            matrix.merge(file);
        }
    }
    matrix
});

impl Matrix {
    /// What is in the program.
    pub fn shipped() -> &'static Self {
        &MATRIX
    }

    /// The files that are in the program: name and text.
    pub fn files() -> &'static [(&'static str, &'static str)] {
        SHIPPED
    }
}
