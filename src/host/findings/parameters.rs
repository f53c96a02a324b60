//! Kernel parameters and variables that do not do what their user thinks.

use super::{Case, Finding, Severity, gib};
use crate::host::{
    detect::{Gpu, Parameter},
    matrix::PAGE,
};

/// The variable with which ROCm is told a wrong target.
const OVERRIDE: &str = "HSA_OVERRIDE_GFX_VERSION";

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    if case.amd().next().is_none() {
        return iommu(case).into_iter().collect();
    }
    let mut found = vec![];
    found.extend(gtt_size(case));
    found.extend(unknown(case));
    found.extend(not_applied(case));
    found.extend(no_limit(case));
    found.extend(target_override(case));
    found.extend(iommu(case));
    found
}

/// `amdgpu.gttsize`: deprecated, and not what ROCm allocates from.
fn gtt_size(case: &Case<'_>) -> Vec<Finding> {
    let kernel = &case.machine.kernel;
    let asked = kernel
        .asked("amdgpu", "gttsize")
        .filter(|asked| asked.value != "-1");
    let mut found = vec![];
    if kernel.gttsize_mib.is_none() && asked.is_none() {
        return found;
    }
    let seen = asked.map_or_else(
        || format!("amdgpu.gttsize={}", kernel.gttsize_mib.unwrap_or(0)),
        |asked| format!("{} ({})", asked.line(), asked.file),
    );
    found.push(
        Finding::new(
            "amd.param.gttsize_deprecated",
            Severity::Warn,
            seen,
            "The kernel deprecated this parameter, and ROCm does not obey it: ttm.pages_limit decides.",
        )
        .fix("Remove amdgpu.gttsize, and set ttm.pages_limit and ttm.page_pool_size instead.")
        .source("kernel Documentation/gpu/amdgpu/module-parameters; ROCm#5595"),
    );
    let shared = |gpu: &Gpu| {
        gpu.integrated
            .then_some(gpu.memory.gtt_bytes?)
            .zip(kernel.pages_limit)
    };
    let sizes = case.rocm().find_map(shared);
    // A gibibyte is rounding between both units, and what the driver keeps for itself.
    let sizes = sizes
        .map(|(gtt, pages)| (gtt, pages.saturating_mul(PAGE)))
        .filter(|(gtt, ttm)| gtt.abs_diff(*ttm) > 1 << 30);
    found.extend(sizes.map(|(gtt, ttm)| {
        Finding::new(
            "amd.param.gttsize_ttm_mismatch",
            Severity::Warn,
            format!("gttsize gives {} GiB, TTM {} GiB", gib(gtt), gib(ttm)),
            "ROCm gets what TTM gives, graphics what gttsize gives.",
        )
        .fix(format!(
            "Remove amdgpu.gttsize, and boot with ttm.pages_limit={pages} ttm.page_pool_size={pages}",
            pages = gtt / PAGE
        ))
        .source("ROCm#5595")
        .with("gtt", gtt)
        .with("ttm", ttm)
    }));
    found
}

/// A parameter that does not exist: the kernel only logs it.
fn unknown(case: &Case<'_>) -> Option<Finding> {
    let asked = case.machine.kernel.asked("amdgpu", "gtt_size")?;
    Some(
        Finding::new(
            "amd.param.unknown_gtt_size",
            Severity::Warn,
            asked.line(),
            "There is no such parameter: the kernel ignores it.",
        )
        .fix(format!(
            "Remove it from the boot configuration ({}); ttm.pages_limit is meant.",
            asked.file
        ))
        .source("ROCm#5595")
        .with("file", asked.file.as_str()),
    )
}

/// A limit that the boot configuration asks for and that does not run.
fn not_applied(case: &Case<'_>) -> Option<Finding> {
    let kernel = &case.machine.kernel;
    let (module, running) = (kernel.ttm_module.as_deref()?, kernel.pages_limit?);
    let own = kernel.asked(module, "pages_limit");
    let other = if module == "ttm" { "amdttm" } else { "ttm" };
    let asked = own.or_else(|| kernel.asked(other, "pages_limit"))?;
    if asked.value.parse() == Ok(running) {
        return None;
    }
    let (why, fix) = if asked.module == module {
        (
            "The limit that runs is another one: a later word wins, or the initramfs still has the former value.".to_owned(),
            format!("Rebuild the initramfs, and reboot; then look at /sys/module/{module}/parameters/pages_limit."),
        )
    } else {
        (
            format!(
                "Memory is managed by the module {module} here, which ignores {}.*",
                asked.module
            ),
            format!(
                "Write {module}.pages_limit={} instead, or go back to the kernel's own driver.",
                number(asked)
            ),
        )
    };
    Some(
        Finding::new(
            "amd.param.pages_limit_not_applied",
            Severity::Warn,
            format!("{} is asked for, {running} runs", asked.line()),
            why,
        )
        .fix(fix)
        .source("ROCm#6143")
        .with("asked", asked.value.as_str())
        .with("running", running),
    )
}

/// A value for advice: digits only.
fn number(asked: &Parameter) -> String {
    asked
        .value
        .chars()
        .filter(char::is_ascii_digit)
        .take(20)
        .collect()
}

fn no_limit(case: &Case<'_>) -> Option<Finding> {
    case.machine.kernel.no_system_mem_limit.then(|| {
        Finding::new(
            "amd.param.no_system_mem_limit",
            Severity::Info,
            "amdgpu.no_system_mem_limit=Y",
            "It is not needed for a large pool, and lets one program take all memory.",
        )
        .fix("Remove it from the boot configuration.")
    })
}

/// ROCm's own tools obey this variable, and then name a target that the card is not.
fn target_override(case: &Case<'_>) -> Option<Finding> {
    let value = case
        .machine
        .user
        .env
        .get(OVERRIDE)
        .or(case.machine.overridden.as_ref())?;
    Some(
        Finding::new(
            "amd.env.hsa_override",
            Severity::Warn,
            format!("{OVERRIDE}={value}"),
            "ROCm then loads kernels for another GPU, which may crash or compute wrongly.",
        )
        .fix(format!("Remove {OVERRIDE} from the environment (shell profile, /etc/environment, units); it is not needed."))
        .source("ROCm#6143"),
    )
}

/// Faster by a few percent, but the NPU needs the IOMMU.
fn iommu(case: &Case<'_>) -> Option<Finding> {
    let asked = case
        .machine
        .kernel
        .asked("", "amd_iommu")
        .or_else(|| case.machine.kernel.asked("", "iommu"))?;
    let built_in = case
        .amd()
        .filter_map(|gpu| gpu.gfx.as_deref())
        .any(|gfx| case.matrix.gfx(gfx).is_some_and(|row| row.npu));
    let npu = built_in || case.machine.npus.iter().any(|npu| npu.ids.starts_with("1022:"));
    (asked.value == "off" && npu).then(|| {
        Finding::new(
            "amd.npu.iommu_off",
            Severity::Info,
            asked.line(),
            "The driver of the NPU does not start without the IOMMU, and devices may write to any memory.",
        )
        .fix("Remove it from the boot configuration if the NPU is wanted; it costs the GPU 5 to 12 % of its speed.")
        .source("kyuz0/amd-strix-halo-toolboxes#66")
    })
}
