//! Graphics processors and other display devices on PCI.

use serde::Serialize;

use super::super::{
    Root,
    matrix::{DisplayKind, Matrix},
};
use super::{KfdNode, NvidiaReport, amd, display, nvidia, pci::Device};

/// A graphics processor, or something that only shows pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gpu {
    /// `0000:c5:00.0`; none where it is not on PCI.
    pub pci: Option<String>,
    /// `amd`, `nvidia`, `intel`, or its maker.
    pub vendor: String,
    /// `1002:1586`.
    pub ids: Option<String>,
    /// Maker and model of the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// Tells products of one identifier apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Four digits: `0380`.
    pub pci_class: Option<String>,
    /// Kernel driver.
    pub driver: Option<String>,
    /// What people call it.
    pub name: String,
    /// AMD's compute target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gfx: Option<String>,
    /// NVIDIA's compute capability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_cap: Option<String>,
    /// NVIDIA's architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Short name of the chip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Shares the system's memory.
    pub integrated: bool,
    /// Of a virtual machine.
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
    /// Only shows pictures: of a virtual machine, or of a management controller.
    pub display_only: bool,
    /// Compute units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cus: Option<u64>,
    /// `card1`.
    pub card: Option<String>,
    /// `renderD128`.
    pub render: Option<String>,
    /// Its first node in the compute topology.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kfd_node: Option<u64>,
    /// How many nodes it has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u64>,
    /// How it is cut: `SPX`, `CPX`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_mode: Option<String>,
    /// Names of its first node's properties: a fixed kernel writes one more.
    #[serde(skip)]
    pub kfd_properties: Option<Vec<String>>,
    /// MES firmware that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mes_firmware: Option<String>,
    /// Number of `/dev/nvidiaN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvidia_minor: Option<u64>,
    /// NVIDIA's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// As the image gate calls it: `geforce`, `tesla`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Whether it is cut into instances; none where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mig: Option<bool>,
    /// Its memory.
    pub memory: GpuMemory,
}

/// Memory of a graphics processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GpuMemory {
    /// `unified`, `dedicated` or `none`.
    pub kind: &'static str,
    /// Its own memory, or the BIOS's carve-out for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vram_bytes: Option<u64>,
    /// The same as NVIDIA counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vram_mib: Option<u64>,
    /// System memory that it may map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtt_bytes: Option<u64>,
    /// What ROCm can allocate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rocm_pool_bytes: Option<u64>,
}

/// Drivers that hold a device for a virtual machine.
pub(crate) const RESERVING: &[&str] = &["vfio-pci", "pci-stub", "xen-pciback"];

impl Gpu {
    /// Whether a kernel driver that computes is bound to it.
    pub fn is_driven(&self) -> bool {
        match self.vendor.as_str() {
            "amd" => self.driver.as_deref() == Some("amdgpu"),
            "nvidia" => matches!(self.driver.as_deref(), Some("nvidia" | "nvgpu")),
            _ => self.driver.is_some(),
        }
    }

    /// Whether it is held for a virtual machine.
    pub fn is_reserved(&self) -> bool {
        self.driver
            .as_deref()
            .is_some_and(|driver| RESERVING.contains(&driver))
    }
}

/// All display devices, by address.
pub(super) fn gpus(
    root: &Root,
    matrix: &Matrix,
    devices: &[Device],
    kfd: &[KfdNode],
    report: &NvidiaReport,
) -> Vec<Gpu> {
    let cards = devices.iter().filter(|device| device.is_gpu());
    cards
        .map(|device| {
            let gpu = common(root, device);
            if let Some(known) = matrix.display(&device.id()) {
                return Gpu {
                    vendor: known.vendor.clone(),
                    name: known.name.clone(),
                    is_virtual: known.kind == DisplayKind::Virtual,
                    display_only: true,
                    ..gpu
                };
            }
            match device.vendor.as_str() {
                "1002" => amd::gpu(root, matrix, device, kfd, gpu),
                "10de" => nvidia::gpu(root, matrix, device, report, gpu),
                "8086" => display::intel(device, gpu),
                _ => display::other(device, gpu),
            }
        })
        .collect()
}

/// What every device has.
fn common(root: &Root, device: &Device) -> Gpu {
    let drm = root.list(&device.path("drm"));
    let first = |prefix: &str| drm.iter().find(|name| name.starts_with(prefix)).cloned();
    Gpu {
        pci: Some(device.slot.clone()),
        ids: Some(device.id()),
        subsystem: device.subsystem.clone().filter(|id| id != "0000:0000"),
        revision: device.revision.clone(),
        pci_class: device.class.get(..4).map(str::to_owned),
        driver: device.driver.clone(),
        card: first("card"),
        render: first("renderD"),
        memory: GpuMemory {
            kind: "none",
            ..GpuMemory::default()
        },
        ..Gpu::default()
    }
}
