//! The kernel's fixes that a target needs, and the ROCm release that is installed beside it.

use super::{Case, Finding, Severity};
use crate::host::matrix::{Fit, KernelFix, version::Version};

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let kernel = case.machine.host.kernel.as_deref().unwrap_or_default();
    let os = case.machine.host.os.as_deref().unwrap_or_default();
    let judged = case.rocm().find_map(|gpu| {
        let gfx = gpu.gfx.as_deref()?;
        let fix = case.matrix.kernel_fix(gfx, os, kernel)?;
        // Without its properties nothing is known: version strings of distributions lie.
        let fixed = gpu.kfd_properties.as_ref()?.contains(&fix.property);
        Some((gfx, fix, fixed))
    });
    let Some((gfx, fix, fixed)) = judged else {
        return vec![];
    };
    let fit = case
        .machine
        .rocm
        .as_deref()
        .and_then(|version| fit(case, gfx, version, fixed));
    let mut found = vec![];
    if !fixed {
        found.push(missing(case, fix, kernel, fit == Some(Fit::Bad)));
    }
    if fixed && fit == Some(Fit::Bad) {
        found.push(old_rocm(case));
    }
    found
}

fn missing(case: &Case<'_>, fix: &KernelFix, kernel: &str, bad_rocm: bool) -> Finding {
    let suffix = fix.suffix.as_deref().unwrap_or_default();
    let seen = if suffix.is_empty() {
        plain(kernel)
    } else {
        kernel.to_owned()
    };
    let need = format!("{}{suffix}", fix.minimum);
    let severity = if bad_rocm { Severity::Fail } else { Severity::Warn };
    let why = if bad_rocm {
        "The kernel lacks fixes for this GPU, and the ROCm release that is installed does not work without them."
    } else {
        "The kernel lacks fixes for this GPU: compute work may hang or fault, and newer ROCm releases ask for them."
    };
    let how = match case.machine.host.os.as_deref() {
        Some("ubuntu") if suffix == "-oem" => "sudo apt install linux-oem-24.04, then reboot",
        Some("ubuntu") => "sudo apt install linux-generic-hwe-24.04, then reboot",
        Some("fedora") => "sudo dnf upgrade kernel, then reboot",
        Some("arch" | "cachyos") => "sudo pacman -Syu, then reboot",
        _ => "Install a newer kernel, and reboot",
    };
    Finding::new("amd.kernel.gfx1151_fix_missing", severity, seen, why)
        .fix(format!("{how}: {need} or later"))
        .source(fix.source.clone())
        .with("need", need)
}

/// Only the version's own three numbers.
fn plain(kernel: &str) -> String {
    let version = Version::parse(kernel).unwrap_or_default();
    format!(
        "{}.{}.{}",
        version.number(0),
        version.number(1),
        version.number(2)
    )
}

/// How a ROCm release and a kernel with or without the fix go together.
fn fit(case: &Case<'_>, gfx: &str, version: &str, fixed: bool) -> Option<Fit> {
    let have = Version::parse(version)?;
    let named = |text: &str| {
        let count = text.split('.').count();
        Version::parse(text) == Some(have.first(count))
    };
    let row = case.matrix.rocm.iter().find(|row| {
        row.gfx.iter().any(|target| target == gfx) && row.versions.iter().any(|text| named(text))
    })?;
    Some(if fixed { row.fixed_kernel } else { row.old_kernel })
}

fn old_rocm(case: &Case<'_>) -> Finding {
    Finding::new(
        "amd.rocm.kernel_mismatch",
        Severity::Warn,
        format!("ROCm {} on this host", case.machine.rocm.as_deref().unwrap_or_default()),
        "This release does not work with the kernel's fixes for this GPU. Labs bring their own ROCm and are not concerned.",
    )
    .fix("Use ROCm 7.2.1 or later.")
    .source("ROCm/rocm-docs system-optimization/rdna3-5.rst")
}
