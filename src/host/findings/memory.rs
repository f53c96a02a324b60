//! How much of the system's memory an integrated GPU may have.

use super::{Case, Finding, Severity, gib, is_unsupported};
use crate::host::detect::Gpu;

const DOCS: &str = "ROCm/rocm-docs system-optimization/rdna3-5.rst";

/// The integrated GPU that ROCm computes on, which shares the system's memory.
pub(super) fn sharing<'a>(case: &Case<'a>) -> Option<&'a Gpu> {
    case.rocm().find(|gpu| {
        let display = gpu
            .pci_class
            .as_deref()
            .is_some_and(|class| class.starts_with("03"));
        gpu.integrated && display && !is_unsupported(case.matrix, gpu)
    })
}

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let Some(gpu) = sharing(case) else {
        return vec![];
    };
    let mut found = vec![];
    found.extend(carve_out(case, gpu));
    found.extend(default_limit(case, gpu));
    found.extend(beyond(case, gpu));
    found
}

/// Memory that was built in: what the system shows, and what the firmware took for the GPU.
pub(super) fn installed(case: &Case<'_>, gpu: &Gpu) -> u64 {
    case.machine
        .host
        .memory()
        .saturating_add(gpu.memory.vram_bytes.unwrap_or(0))
}

fn carve_out(case: &Case<'_>, gpu: &Gpu) -> Option<Finding> {
    let vram = gpu
        .memory
        .vram_bytes
        .filter(|bytes| *bytes >= case.matrix.large_carve_out())?;
    let row = case.matrix.carve_out.first()?;
    let finding = Finding::new(
        "amd.mem.large_carveout",
        Severity::Warn,
        format!("{} GiB are taken from the system by the firmware", gib(vram)),
        "They are lost for everything else, and ROCm's pool cannot grow beyond them: with a small carve-out it takes \
         what it needs from all of the memory.",
    );
    let finding = finding.source(row.source.clone()).with("vram_gib", gib(vram));
    Some(match case.matrix.memory(installed(case, gpu)) {
        Some(size) => finding
            .fix(format!(
                "In the firmware's settings set the GPU's memory (UMA frame buffer) to 0.5 GB, and boot with \
                 ttm.pages_limit={pages} ttm.page_pool_size={pages}",
                pages = size.max_pages
            ))
            .with("suggest_pages_limit", size.max_pages),
        None => finding.fix("In the firmware's settings set the GPU's memory (UMA frame buffer) to 0.5 GB."),
    })
}

/// Nobody chose: the kernel gives half of the memory.
fn default_limit(case: &Case<'_>, gpu: &Gpu) -> Option<Finding> {
    let (gtt, ram) = (gpu.memory.gtt_bytes?, case.machine.host.memory());
    let used = gtt > gpu.memory.vram_bytes.unwrap_or(0);
    let half = ram / 2;
    if case.in_container() || !used || half == 0 || gtt.abs_diff(half) > half / 100 {
        return None;
    }
    let finding = Finding::new(
        "amd.mem.gtt_default",
        Severity::Warn,
        format!("the GPU may have {} of {} GiB", gib(gtt), gib(ram)),
        "This is the kernel's default of half: larger models do not fit although there is memory for them.",
    )
    .source(DOCS)
    .with("gtt_gib", gib(gtt))
    .with("ram_gib", gib(ram));
    let Some(size) = case.matrix.memory(installed(case, gpu)) else {
        return Some(finding.fix(
            "Boot with ttm.pages_limit=N ttm.page_pool_size=N, N = GiB x 262144; leave 8 GiB to the system",
        ));
    };
    Some(
        finding
            .fix(format!(
                "Boot with ttm.pages_limit={pages} ttm.page_pool_size={pages} ({} GiB; {} to start with)",
                size.max_pages / 262_144,
                size.start_pages,
                pages = size.max_pages
            ))
            .with("suggest_pages_limit", size.max_pages)
            .with("start_pages_limit", size.start_pages),
    )
}

/// The pool is counted from the machine's memory, or more than there is.
fn beyond(case: &Case<'_>, gpu: &Gpu) -> Option<Finding> {
    let (pool, ram) = (gpu.memory.rocm_pool_bytes?, case.machine.host.memory());
    let shared = gpu.memory.gtt_bytes > gpu.memory.vram_bytes;
    (shared && ram > 0 && pool > ram).then(|| {
        let why = if case.in_container() {
            "The pool is counted from the host's memory: a lab that fills it is ended by its own limit first."
        } else {
            "The pool is larger than the memory that the system shows: a program that fills it takes the system down."
        };
        Finding::new(
            "amd.mem.pool_exceeds_memtotal",
            Severity::Info,
            format!("ROCm's pool is {} GiB, the memory {} GiB", gib(pool), gib(ram)),
            why,
        )
    })
}
