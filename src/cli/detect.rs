//! `halolab detect`: what this machine is made of, and what that means for labs.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    host::{
        Report,
        detect::{Gpu, Machine},
        findings::{Judgement, Primary},
        matrix::{self, Matrix},
    },
    log::{sanitize, sanitize_text},
    paths::Paths,
    stage::size::human,
};

use super::{
    Code, Global, Stop, doctor,
    table::{foreign_json, note, out},
};

/// Arguments of `detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// Look at this folder instead of /: a tree of files, or a captured host.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub(super) async fn detect(global: &Global, args: DetectArgs) -> Result<Code, Stop> {
    let report = look(args.root.as_deref()).await?;
    if global.json {
        foreign_json(&report)?;
    } else {
        out(&sanitize_text(&text(&report)));
    }
    Ok(Code::OK)
}

/// Looks at a machine, with the user's additions to the matrix; their mistakes are said.
pub(super) async fn look(root: Option<&Path>) -> Result<Report, Stop> {
    if let Some(root) = root.filter(|root| !root.is_dir()) {
        return Err(Stop::usage(format!(
            "{} is not a folder: give the root of a tree, or a captured host",
            sanitize(&root.display().to_string())
        )));
    }
    let matrix = matrix();
    Ok(Report::of(root.unwrap_or_else(|| Path::new("/")), &matrix).await)
}

fn matrix() -> Matrix {
    // Without a home there are no additions; that is no reason to say nothing of the machine.
    let folders = Paths::discover().map_or_else(|_| vec![], |paths| paths.matrix);
    let (matrix, problems) = matrix::overlay(&folders);
    for problem in problems {
        note(&sanitize_text(&format!(
            "warning: this file of the matrix is left out\n{problem}"
        )));
    }
    matrix
}

fn text(report: &Report) -> String {
    let (machine, judgement) = (&report.machine, &report.judgement);
    let mut lines = host(machine);
    lines.extend(machine.gpus.iter().map(|gpu| format!("GPU       {}", card(gpu))));
    lines.extend(machine.npus.iter().map(|npu| {
        let driver = npu.driver.as_deref().unwrap_or("no driver");
        format!("NPU       {}  {}  {driver}", npu.name, npu.pci)
    }));
    lines.extend(stacks(judgement));
    let engines = machine
        .runtimes
        .iter()
        .filter(|runtime| runtime.installed || runtime.socket.is_some());
    lines.extend(engines.map(|engine| {
        let version = engine.version.as_deref().unwrap_or_default();
        let socket = engine.socket.as_deref().map_or_else(
            || "no socket".to_owned(),
            |socket| {
                format!(
                    "{socket} ({})",
                    if engine.access == crate::host::node::Access::Rw {
                        "yours"
                    } else {
                        "not yours"
                    }
                )
            },
        );
        format!("Engine    {} {version}  {socket}", engine.name)
    }));
    let storage = &machine.storage;
    if let (Some(path), Some(free)) = (&storage.path, storage.free_bytes) {
        let kind = storage.filesystem.as_deref().unwrap_or("unknown file system");
        lines.push(format!("Storage   {path}: {} free, {kind}", human(free)));
    }
    if judgement.findings.is_empty() {
        lines.push("\nNothing found that is wrong.".to_owned());
    } else {
        lines.push(String::new());
        lines.extend(judgement.findings.iter().map(doctor::text));
    }
    lines.join("\n")
}

fn host(machine: &Machine) -> Vec<String> {
    let host = &machine.host;
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut lines = vec![
        format!(
            "System    {}, kernel {} ({})",
            or(&host.os_name),
            or(&host.kernel),
            host.arch
        ),
        format!("Processor {}, {} threads", or(&host.cpu_name), host.cpus),
        format!("Memory    {}", human(host.memory())),
    ];
    if let Some(board) = &host.board {
        lines.push(format!("Board     {} {}", board.vendor, board.product));
    }
    let id = machine.virt.id.as_deref().unwrap_or("of unknown kind");
    match machine.virt.kind {
        crate::host::detect::VirtualKind::None => {}
        crate::host::detect::VirtualKind::Vm => lines.push(format!("Virtual   machine, {id}")),
        crate::host::detect::VirtualKind::Container => lines.push(format!("Virtual   container, {id}")),
    }
    lines
}

fn card(gpu: &Gpu) -> String {
    let target = gpu
        .gfx
        .clone()
        .or_else(|| gpu.compute_cap.as_ref().map(|cap| format!("compute {cap}")));
    let memory = gpu
        .memory
        .rocm_pool_bytes
        .or(gpu.memory.vram_bytes)
        .or_else(|| gpu.memory.vram_mib.map(|mib| mib.saturating_mul(1 << 20)));
    let parts = [
        Some(gpu.name.clone()),
        gpu.pci.clone(),
        target,
        memory.map(human),
        Some(gpu.driver.clone().unwrap_or_else(|| "no driver".to_owned())),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn stacks(judgement: &Judgement) -> Vec<String> {
    let state = |usable: bool, why: &[String]| {
        if usable {
            "usable".to_owned()
        } else if why.is_empty() {
            "not usable".to_owned()
        } else {
            format!("not usable: {}", why.join(", "))
        }
    };
    let mut lines = vec![];
    lines.extend(
        judgement
            .rocm
            .as_ref()
            .map(|rocm| format!("ROCm      {}", state(rocm.usable, &rocm.why))),
    );
    lines.extend(judgement.cuda.as_ref().map(|cuda| {
        let driver = cuda.driver.as_deref().unwrap_or("none");
        let version = cuda.cuda_driver.as_deref().unwrap_or("none");
        format!(
            "CUDA      {version}, driver {driver}, {}",
            state(cuda.usable, &cuda.why)
        )
    }));
    let labs = match judgement.primary {
        Primary::Rocm => "ROCm",
        Primary::Cuda => "CUDA",
        Primary::Ask => "ROCm or CUDA, as you choose",
        Primary::None => "the processor only",
        Primary::Unsupported => "the processor only (WSL2)",
    };
    lines.push(format!("Labs use  {labs}"));
    lines
}
