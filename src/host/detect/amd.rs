//! Graphics processors of AMD, from sysfs alone: ROCm's own tools may be missing, and obey overrides.

use super::super::{
    Root,
    matrix::{AmdGpu, Matrix, PAGE},
};
use super::{Gpu, GpuMemory, KfdNode, kernel, pci::Device};

/// Fills in what only AMD's have.
pub(super) fn gpu(root: &Root, matrix: &Matrix, device: &Device, kfd: &[KfdNode], gpu: Gpu) -> Gpu {
    let known = matrix.amd_gpu(&device.id());
    let place = device.place();
    let nodes: Vec<&KfdNode> = kfd
        .iter()
        .filter(|node| node.is_gpu() && Some(node.place()) == place)
        .collect();
    let first = nodes.first();
    let gfx = first
        .map(|node| node.gfx())
        .or_else(|| discovered(root, matrix, device))
        .or_else(|| known.map(|row| row.gfx.clone()));
    let row = gfx.as_deref().and_then(|gfx| matrix.gfx(gfx));
    let integrated = known
        .map(|row| row.integrated)
        .or_else(|| row.map(|row| row.integrated))
        .unwrap_or(false);
    let counted = nodes.iter().map(|node| node.cus()).fold(0, u64::saturating_add);
    let name = name(known, device, counted);
    let by_name = || known.and_then(|row| row.cus.get(&name)).copied();
    Gpu {
        vendor: "amd".into(),
        gfx,
        product: known.map(|row| row.product.clone()),
        integrated,
        cus: (counted > 0).then_some(counted).or_else(by_name),
        kfd_node: first.map(|node| node.number),
        partitions: first.map(|_| nodes.len() as u64),
        partition_mode: root
            .read(&device.path("current_compute_partition"))
            .filter(|mode| !mode.is_empty() && mode.len() < 8),
        kfd_properties: first.map(|node| node.properties.keys().cloned().collect()),
        mes_firmware: firmware(root, device, "mes"),
        memory: memory(root, device, integrated, first.map_or(0, |node| node.memory)),
        name,
        ..gpu
    }
}

/// Revision before identifier: one identifier covers every Strix Halo. A revision that nobody listed is the product
/// with as many compute units, or the only one there is.
fn name(known: Option<&AmdGpu>, device: &Device, counted: u64) -> String {
    let revision = device.revision.as_deref().unwrap_or_default();
    let by_size = |row: &AmdGpu| {
        row.cus
            .iter()
            .find(|(_, cus)| **cus == counted)
            .map(|(name, _)| name.clone())
    };
    let only = |row: &AmdGpu| {
        let mut names = row.names.values();
        let first = names.next()?;
        names.all(|name| name == first).then(|| first.clone())
    };
    known
        .and_then(|row| {
            row.names
                .get(revision)
                .cloned()
                .or_else(|| by_size(row))
                .or_else(|| only(row))
        })
        .or_else(|| device.listed_name().map(|name| format!("AMD {name}")))
        .unwrap_or_else(|| format!("AMD GPU {}", device.id()))
}

/// The compute target out of the card's own IP discovery table, for a host without KFD.
fn discovered(root: &Root, matrix: &Matrix, device: &Device) -> Option<String> {
    let dies = device.path("ip_discovery/die");
    let die = root.list(&dies).into_iter().next()?;
    let cores = format!("{dies}/{die}/GC");
    let core = root.list(&cores).into_iter().next()?;
    let read = |file: &str| root.read(&format!("{cores}/{core}/{file}"))?.parse::<u64>().ok();
    Some(matrix.gfx_of_ip(read("major")?, read("minor")?, read("revision")?))
}

/// Version of firmware that is running: `0x83` of `0x00000083`.
fn firmware(root: &Root, device: &Device, component: &str) -> Option<String> {
    let text = root.read(&device.path(&format!("fw_version/{component}_fw_version")))?;
    let version = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (version > 0).then(|| format!("{version:#x}"))
}

/// ROCm's pool is the first bank of KFD. Without KFD: what TTM may take if that is more than the card's own memory,
/// else the card's own. Never the sum.
fn memory(root: &Root, device: &Device, integrated: bool, bank: u64) -> GpuMemory {
    let read = |file: &str| root.read(&device.path(file))?.parse::<u64>().ok();
    let vram_bytes = read("mem_info_vram_total");
    if !integrated {
        return GpuMemory {
            kind: "dedicated",
            vram_bytes,
            ..GpuMemory::default()
        };
    }
    let gtt_bytes = read("mem_info_gtt_total");
    let pages = kernel::ttm(root).and_then(|(_, pages)| pages);
    let limit = pages.map(|pages| pages.saturating_mul(PAGE)).or(gtt_bytes);
    let pool = if gtt_bytes > vram_bytes { limit } else { vram_bytes };
    GpuMemory {
        kind: "unified",
        vram_bytes,
        gtt_bytes,
        rocm_pool_bytes: (bank > 0).then_some(bank).or(pool),
        ..GpuMemory::default()
    }
}
