//! The memory planner: how the memory of a machine with an integrated GPU is shared now, and how it could be.

use serde::Serialize;

use super::{Case, memory};
use crate::host::{
    detect::Machine,
    matrix::{Matrix, PAGE},
};

const GIB: u64 = 1 << 30;

/// What the system keeps at least, where the matrix does not know the machine: 8 GiB.
const LEFT_TO_SYSTEM: u64 = 8;

/// How memory is shared between the system and an integrated GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// What people call the GPU.
    pub gpu: String,
    /// Memory that was built in, as far as the system and the firmware show it, in bytes.
    pub installed: u64,
    /// What the firmware took for the GPU (BIOS carve-out), in bytes; lost for the system.
    pub carve_out: u64,
    /// System memory that graphics may map (GTT), in bytes.
    pub gtt: Option<u64>,
    /// TTM's limit (`pages_limit`), in bytes.
    pub limit: Option<u64>,
    /// What ROCm can allocate now, in bytes.
    pub now: Option<u64>,
    /// The kernel's default of half is in force: nobody chose.
    pub is_default: bool,
    /// What to start with, in GiB; none where the matrix does not know this size of machine.
    pub start: Option<u64>,
    /// The most that leaves the system enough, in GiB.
    pub most: u64,
    /// Who says so; none where it is only what is left over.
    pub source: Option<String>,
}

impl Pool {
    /// The planner's figures for a machine; none where no integrated GPU that computes shares the system's memory, or
    /// where this is a container, which has no boot configuration.
    pub fn of(machine: &Machine, matrix: &Matrix) -> Option<Self> {
        let case = Case { machine, matrix };
        let gpu = memory::sharing(&case).filter(|_| !case.in_container() && !machine.host.is_wsl())?;
        let installed = memory::installed(&case, gpu);
        let size = matrix.memory(installed);
        let most = size.map_or_else(
            || (installed / GIB).saturating_sub(LEFT_TO_SYSTEM),
            |size| size.max_pages.saturating_mul(PAGE) / GIB,
        );
        let found = memory::findings(&case);
        (most > 0).then(|| Self {
            gpu: gpu.name.clone(),
            installed,
            carve_out: gpu.memory.vram_bytes.unwrap_or(0),
            gtt: gpu.memory.gtt_bytes,
            limit: machine.kernel.pages_limit.map(|pages| pages.saturating_mul(PAGE)),
            now: gpu.memory.rocm_pool_bytes,
            is_default: found.iter().any(|f| f.id == "amd.mem.gtt_default"),
            start: size.map(|size| size.start_pages.saturating_mul(PAGE) / GIB),
            most,
            source: size.map(|size| size.source.clone()),
        })
    }

    /// What to propose: what the matrix says to start with, or half of the memory.
    pub fn suggestion(&self) -> u64 {
        self.start.unwrap_or(self.installed / GIB / 2).min(self.most)
    }
}
