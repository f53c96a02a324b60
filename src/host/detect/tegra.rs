//! NVIDIA's systems on chip: their GPU is not on PCI, the device tree names it.

use super::super::{Root, matrix::Matrix};
use super::{Gpu, GpuMemory};

/// The GPU of a Jetson; none on any other machine.
pub(super) fn read(root: &Root, matrix: &Matrix) -> Option<Gpu> {
    let compatible = root.read("/proc/device-tree/compatible")?;
    let known = matrix
        .tegra
        .iter()
        .find(|row| compatible.split('\0').any(|word| word == row.compatible))?;
    let arch = matrix.arch_of_capability(&known.compute_capability);
    let driven = root.has("/sys/module/nvgpu") || root.has("/sys/module/nvidia");
    Some(Gpu {
        vendor: "nvidia".into(),
        driver: driven.then(|| "nvgpu".to_owned()),
        name: known.name.clone(),
        product: Some(known.compatible.replace(',', "-")),
        compute_cap: Some(known.compute_capability.clone()),
        arch: arch.map(|row| row.name.clone()),
        integrated: true,
        brand: Some("nvidia".into()),
        memory: GpuMemory {
            kind: "unified",
            ..GpuMemory::default()
        },
        ..Gpu::default()
    })
}
