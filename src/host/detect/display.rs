//! Intel's graphics processors, and devices of makers that we know nothing of.

use super::{Gpu, GpuMemory, pci::Device};

/// Intel's: Vulkan and Level Zero, but neither ROCm nor CUDA.
pub(super) fn intel(device: &Device, gpu: Gpu) -> Gpu {
    let name = device.listed_name().unwrap_or("Intel GPU").to_owned();
    // Integrated ones have sat at this place since the first of them; cards are behind a bridge.
    let integrated = device.slot.ends_with(":00:02.0");
    let kind = if integrated { "unified" } else { "dedicated" };
    Gpu {
        vendor: "intel".into(),
        name,
        integrated,
        memory: GpuMemory {
            kind,
            ..GpuMemory::default()
        },
        ..gpu
    }
}

/// Someone else's.
pub(super) fn other(device: &Device, gpu: Gpu) -> Gpu {
    let name = device
        .listed_name()
        .map_or_else(|| format!("Display device {}", device.id()), str::to_owned);
    let maker = match device.vendor.as_str() {
        "1af4" => "virtio",
        "1414" => "microsoft",
        "15ad" => "vmware",
        "80ee" => "virtualbox",
        "1a03" => "aspeed",
        "102b" => "matrox",
        _ => "other",
    };
    Gpu {
        vendor: maker.into(),
        name,
        is_virtual: matches!(maker, "virtio" | "microsoft" | "vmware" | "virtualbox"),
        display_only: maker != "other",
        ..gpu
    }
}
