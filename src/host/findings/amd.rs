//! AMD's cards: drivers, targets, firmware, partitions.

use super::{Case, Finding, Rocm, Severity, blocking, is_unsupported, machine::place};
use crate::host::detect::Gpu;

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut found = vec![];
    for gpu in case.amd() {
        found.extend(driver(case, gpu));
        found.extend(target(case, gpu));
        found.extend(other_product(gpu));
        found.extend(partitions(gpu));
        found.extend(running_firmware(case, gpu));
    }
    found.extend(installed_firmware(case));
    found.extend(foreign_driver(case));
    once(found)
}

/// Several cards of one kind have one finding.
fn once(found: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = vec![];
    for finding in found {
        if !kept
            .iter()
            .any(|other| other.id == finding.id && other.severity == finding.severity)
        {
            kept.push(finding);
        }
    }
    kept
}

/// A card that amdgpu does not drive.
fn driver(case: &Case<'_>, gpu: &Gpu) -> Option<Finding> {
    if gpu.is_driven() || gpu.is_reserved() || is_unsupported(case.matrix, gpu) {
        return None;
    }
    let seen = match &gpu.driver {
        None => format!("{} ({}) has no kernel driver", gpu.name, place(gpu)),
        Some(driver) => format!("{} ({}) is driven by {driver}", gpu.name, place(gpu)),
    };
    let severity = if case.rocm().next().is_some() || case.cuda().next().is_some() {
        Severity::Warn
    } else {
        Severity::Fail
    };
    Some(
        Finding::new("amd.driver.missing", severity, seen, "Without amdgpu neither ROCm nor Vulkan can use it.")
            .fix("sudo modprobe amdgpu; if that fails, update the kernel and linux-firmware, and remove `nomodeset` and \
                  `blacklist amdgpu`"),
    )
}

/// A target that ROCm is not built for stands in the way only where nothing else computes.
fn target(case: &Case<'_>, gpu: &Gpu) -> Option<Finding> {
    let gfx = gpu.gfx.as_deref()?;
    if !is_unsupported(case.matrix, gpu) {
        return None;
    }
    let other = case.rocm().next().is_some() || case.cuda().next().is_some();
    let severity = if other { Severity::Info } else { Severity::Fail };
    let row = case.matrix.gfx(gfx)?;
    Some(
        Finding::new(
            "amd.gfx.unsupported",
            severity,
            format!("{} is {gfx}", gpu.name),
            "ROCm has no kernels for this target; an override makes programs crash or compute wrongly.",
        )
        .fix("Use Vulkan programs on it, and CPU labs.")
        .source(row.source.clone())
        .with("gfx", gfx),
    )
}

/// Chips that share names, or the NPU's identifier, with Strix Halo.
fn other_product(gpu: &Gpu) -> Option<Finding> {
    let display = gpu
        .pci_class
        .as_deref()
        .is_some_and(|class| class.starts_with("03"));
    let product = gpu.product.as_deref().unwrap_or("unknown");
    let gfx = gpu.gfx.as_deref()?;
    (gpu.integrated && display && product != "strix-halo").then(|| {
        Finding::new(
            "gpu.not_strix_halo",
            Severity::Info,
            format!("{} is {product} ({gfx})", gpu.name),
            "It shares memory with the processor as Strix Halo does, but advice and binaries for gfx1151 do not fit it.",
        )
        .with("gfx", gfx)
    })
}

/// One card that is cut into several agents.
fn partitions(gpu: &Gpu) -> Option<Finding> {
    let count = gpu.partitions.filter(|count| *count > 1)?;
    let mode = gpu.partition_mode.clone().unwrap_or_else(|| {
        match count {
            2 => "DPX",
            3 => "TPX",
            4 => "QPX",
            _ => "CPX",
        }
        .to_owned()
    });
    Some(
        Finding::new(
            "amd.partition_mode",
            Severity::Info,
            format!("{mode}, {count} partitions"),
            "ROCm sees several small GPUs instead of one; each has its own render node and its share of the memory.",
        )
        .fix("sudo amd-smi set --compute-partition SPX makes it one GPU again")
        .with("mode", mode)
        .with("partitions", count),
    )
}

fn running_firmware(case: &Case<'_>, gpu: &Gpu) -> Option<Finding> {
    let (gfx, version) = (gpu.gfx.as_deref()?, gpu.mes_firmware.as_deref()?);
    let bad = case.matrix.bad_firmware("mes", version, gfx)?;
    Some(
        Finding::new(
            bad.finding.clone(),
            Severity::Fail,
            version,
            "This MES firmware hangs the GPU, or faults in memory, under compute work.",
        )
        .fix("Update linux-firmware to 20260110 or later (or go back to 20251111), rebuild the initramfs, and reboot.")
        .source(bad.source.clone()),
    )
}

fn installed_firmware(case: &Case<'_>) -> Option<Finding> {
    let targets: Vec<&str> = case.amd().filter_map(|gpu| gpu.gfx.as_deref()).collect();
    let (package, bad) = case.machine.firmware.iter().find_map(|package| {
        let bad = targets
            .iter()
            .find_map(|gfx| case.matrix.bad_package(&package.version, gfx))?;
        Some((package, bad))
    })?;
    let fixed = bad.fixed_in.as_deref().unwrap_or("a later release");
    Some(
        Finding::new(
            bad.finding.clone(),
            Severity::Warn,
            format!("{} {}", package.name, package.version),
            "The next boot loads firmware from this release, which hangs the GPU under compute work.",
        )
        .fix(format!("{}, at least {fixed}, then reboot", update(case)))
        .source(bad.source.clone()),
    )
}

/// How this distribution updates the firmware.
fn update(case: &Case<'_>) -> &'static str {
    match case.machine.host.os.as_deref() {
        Some("fedora" | "nobara" | "bazzite") => "sudo dnf upgrade linux-firmware amd-gpu-firmware",
        Some("arch" | "cachyos" | "endeavouros" | "manjaro") => "sudo pacman -Syu",
        Some("ubuntu" | "debian" | "linuxmint" | "pop") => "sudo apt update && sudo apt upgrade",
        _ => "Update linux-firmware",
    }
}

/// amdgpu-dkms instead of the kernel's own driver.
fn foreign_driver(case: &Case<'_>) -> Option<Finding> {
    let kernel = &case.machine.kernel;
    let separate = kernel.dkms_version().is_some() || kernel.ttm_module.as_deref() == Some("amdttm");
    let any = case.amd().next().is_some();
    if !separate || !any {
        return None;
    }
    let halo = case.amd().any(|gpu| gpu.product.as_deref() == Some("strix-halo"));
    let severity = if halo { Severity::Warn } else { Severity::Info };
    let version = kernel.dkms_version().unwrap_or("of unknown version");
    let finding = Finding::new(
        "amd.driver.dkms",
        severity,
        format!("amdgpu {version}, not the kernel's own"),
        if halo {
            "On Strix Halo this driver faults in memory; it also reads amdttm.* instead of ttm.* parameters."
        } else {
            "The driver was installed beside the kernel (amdgpu-dkms)."
        },
    );
    let finding = if halo {
        finding.fix("sudo apt purge amdgpu-dkms, then reboot into the kernel's own driver")
    } else {
        finding
    };
    Some(finding.source("ROCm#6146, ROCm#5890").with("version", version))
}

/// Whether ROCm works; none without a card of AMD.
pub(super) fn rocm(case: &Case<'_>, findings: &[Finding]) -> Option<Rocm> {
    case.amd().next()?;
    if case.machine.host.is_wsl() {
        return None;
    }
    let mut gfx: Vec<String> = vec![];
    for target in case.amd().filter_map(|gpu| gpu.gfx.clone()) {
        if !gfx.contains(&target) {
            gfx.push(target);
        }
    }
    let why = blocking(findings, &["amd.", "dev.kfd", "dev.render"]);
    let only_rights = !why.is_empty()
        && why
            .iter()
            .all(|id| id.starts_with("dev.") && id.ends_with(".denied"));
    Some(Rocm {
        usable: why.is_empty() && case.rocm().next().is_some(),
        gfx,
        agents: case
            .amd()
            .map(|gpu| gpu.partitions.unwrap_or(0))
            .fold(0, u64::saturating_add),
        why,
        note: only_rights
            .then(|| "usable as root: judge by the identity that will run the workload".to_owned()),
    })
}
