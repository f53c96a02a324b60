//! A machine in words: the rows that `halolab detect` prints and that the host's screen shows.

use super::{
    detect::{Gpu, Machine, Runtime, VirtualKind},
    findings::{Judgement, Primary},
    node::Access,
};

/// Labels and texts; a row without a label belongs to the one before it.
pub type Rows = Vec<(&'static str, String)>;

/// What a machine is made of and what labs compute with; `size` says bytes for people.
pub fn rows(machine: &Machine, judgement: &Judgement, size: fn(u64) -> String) -> Rows {
    let mut rows = system(machine, size);
    rows.extend(machine.gpus.iter().map(|gpu| ("GPU", card(machine, gpu, size))));
    rows.extend(machine.npus.iter().map(|npu| {
        let driver = npu.driver.as_deref().unwrap_or("no driver");
        ("NPU", format!("{}, {driver}, {}", npu.name, npu.pci))
    }));
    rows.push(("Labs use", labs_use(judgement)));
    rows.extend(stacks(judgement).into_iter().map(|text| ("", text)));
    let engines = machine.runtimes.iter();
    let engines = engines.filter(|runtime| runtime.installed || runtime.socket.is_some());
    rows.extend(engines.map(|runtime| ("Engine", engine(runtime))));
    let storage = &machine.storage;
    if let Some(path) = &storage.path {
        let kind = storage.filesystem.as_deref().unwrap_or("unknown file system");
        let free = storage.free_bytes.map(|free| format!("{} free, ", size(free)));
        rows.push(("Storage", format!("{path}: {}{kind}", free.unwrap_or_default())));
    }
    rows
}

fn system(machine: &Machine, size: fn(u64) -> String) -> Rows {
    let host = &machine.host;
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut rows = vec![
        (
            "Processor",
            format!("{}, {} threads", or(&host.cpu_name), host.cpus),
        ),
        ("Memory", size(host.memory())),
        ("System", or(&host.os_name)),
        ("Kernel", format!("{} ({})", or(&host.kernel), host.arch)),
    ];
    if let Some(board) = &host.board {
        let bios = match board.bios.as_str() {
            "" => String::new(),
            bios => format!(", BIOS {bios}"),
        };
        rows.push(("Board", format!("{} {}{bios}", board.vendor, board.product)));
    }
    let id = machine.virt.id.as_deref().unwrap_or("of unknown kind");
    match machine.virt.kind {
        VirtualKind::None => {}
        VirtualKind::Vm => rows.push(("Virtual", format!("machine, {id}"))),
        VirtualKind::Container => rows.push(("Virtual", format!("container, {id}"))),
    }
    rows
}

/// Name, target, memory, driver and address of a card.
fn card(machine: &Machine, gpu: &Gpu, size: fn(u64) -> String) -> String {
    let target = gpu.gfx.clone();
    let target = target.or_else(|| Some(format!("compute {}", gpu.compute_cap.as_ref()?)));
    let memory = &gpu.memory;
    let own = memory.vram_bytes;
    let own = own.or_else(|| memory.vram_mib.map(|mib| mib.saturating_mul(1 << 20)));
    let pool = memory
        .rocm_pool_bytes
        .or(own)
        .filter(|bytes| *bytes > 0)
        .map(size);
    let version = match gpu.vendor.as_str() {
        "nvidia" => machine.nvidia.as_ref().and_then(|driver| driver.version.clone()),
        _ => None,
    };
    let driver = match (gpu.driver.as_deref(), version) {
        (Some(name), Some(version)) => format!("driver {name} {version}"),
        (Some(name), None) => format!("driver {name}"),
        (None, _) => "no driver".to_owned(),
    };
    let parts = [
        Some(gpu.name.clone()),
        target,
        pool,
        Some(driver),
        gpu.pci.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn labs_use(judgement: &Judgement) -> String {
    match judgement.primary {
        Primary::Rocm => "ROCm",
        Primary::Cuda => "CUDA",
        Primary::Ask => "ROCm or CUDA, as you choose",
        Primary::None => "the processor only",
        Primary::Unsupported => "the processor only (WSL2)",
    }
    .to_owned()
}

/// What stands in the way of each stack.
fn stacks(judgement: &Judgement) -> Vec<String> {
    let state = |name: &str, usable: bool, why: &[String]| match (usable, why.is_empty()) {
        (true, _) => format!("{name} is usable"),
        (false, true) => format!("{name} is not usable"),
        (false, false) => format!("{name} is not usable: {}", why.join(", ")),
    };
    let rocm = judgement.rocm.as_ref();
    let rocm = rocm.map(|rocm| state("ROCm", rocm.usable, &rocm.why));
    let cuda = judgement.cuda.as_ref().map(|cuda| {
        let version = cuda.cuda_driver.as_deref().unwrap_or("of unknown version");
        state(&format!("CUDA {version}"), cuda.usable, &cuda.why)
    });
    rocm.into_iter().chain(cuda).collect()
}

fn engine(runtime: &Runtime) -> String {
    let version = runtime.version.as_deref().unwrap_or_default();
    let socket = match (&runtime.socket, runtime.access) {
        (None, _) => "no socket".to_owned(),
        (Some(socket), Access::Rw) => format!("{socket} (yours)"),
        (Some(socket), _) => format!("{socket} (not yours)"),
    };
    format!("{} {version}, {socket}", runtime.name)
}
