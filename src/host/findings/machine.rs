//! The machine as a whole: which GPUs there are, virtual machines, containers, Windows.

use super::{Case, Finding, Severity};
use crate::host::detect::VirtualKind;

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    if case.machine.host.is_wsl() {
        return vec![windows()];
    }
    let mut found = vec![];
    found.extend(gpus(case));
    found.extend(hybrid(case));
    found.extend(hidden(case));
    found.extend(container_memory(case));
    let reserved = case.machine.gpus.iter().filter(|gpu| gpu.is_reserved());
    found.extend(reserved.map(|gpu| {
        Finding::new(
            "gpu.reserved_for_vm",
            Severity::Info,
            format!(
                "{} ({}) is bound to {}",
                gpu.name,
                place(gpu),
                gpu.driver.as_deref().unwrap_or_default()
            ),
            "It is held for a virtual machine, so labs on this host cannot use it.",
        )
        .fix(
            "To give it back, remove its identifier from vfio-pci.ids in the boot configuration, and reboot.",
        )
    }));
    found
}

/// The address of a card, for people.
pub(super) fn place(gpu: &crate::host::detect::Gpu) -> &str {
    gpu.pci.as_deref().unwrap_or("on the chip")
}

fn windows() -> Finding {
    Finding::new(
        "host.wsl2",
        Severity::Warn,
        "Linux runs under Windows (WSL2)",
        "LXD and Incus cannot hand the GPU of Windows to a lab: labs compute on the processor.",
    )
    .fix("For labs with a GPU start this machine with Linux itself.")
    .source("microsoft/WSL#9821")
    .with(
        "hint",
        "GPU comes through /dev/dxg + /usr/lib/wsl/lib; no kfd, no /dev/nvidia*; LXD GPU devices do not work",
    )
}

fn gpus(case: &Case<'_>) -> Option<Finding> {
    let mut real = case
        .machine
        .gpus
        .iter()
        .filter(|gpu| !gpu.display_only)
        .peekable();
    if real.peek().is_none() {
        let seen = case.machine.gpus.first().map_or_else(
            || "no display or compute device on PCI".to_owned(),
            |gpu| format!("only {}, which shows pictures", gpu.name),
        );
        let why = "There is no GPU to compute with: labs are CPU only.";
        let finding = Finding::new("gpu.none", Severity::Warn, seen, why);
        let hint = match case.machine.virt.kind {
            VirtualKind::Vm => "Pass a GPU through to this virtual machine, or go on with CPU labs.",
            VirtualKind::Container => "Pass a GPU through to this container, or go on with CPU labs.",
            VirtualKind::None => {
                "Go on with CPU labs; a GPU that is built in may be off in the firmware's settings."
            }
        };
        return Some(finding.fix(hint));
    }
    let real: Vec<_> = real.collect();
    let computes = real
        .iter()
        .any(|gpu| matches!(gpu.vendor.as_str(), "amd" | "nvidia"));
    (!computes).then(|| {
        let names: Vec<&str> = real.iter().map(|gpu| gpu.name.as_str()).collect();
        Finding::new(
            "gpu.no_compute_stack",
            Severity::Warn,
            names.join(", "),
            "Neither ROCm nor CUDA runs on it: labs are CPU only. Vulkan programs may still use it.",
        )
        .fix("Choose CPU for labs.")
    })
}

fn hybrid(case: &Case<'_>) -> Option<Finding> {
    let both = case.rocm().next().is_some() && case.cuda().next().is_some();
    both.then(|| {
        Finding::new(
            "gpu.hybrid",
            Severity::Info,
            "GPUs of AMD and NVIDIA",
            "A lab uses one of both stacks. The numbers of render nodes do not follow the maker.",
        )
        .fix("Choose ROCm or CUDA when a lab is made; the cards are told apart by their PCI address.")
        .with("vendors", vec!["amd", "nvidia"])
    })
}

/// The processor has a GPU that is not to be seen.
fn hidden(case: &Case<'_>) -> Option<Finding> {
    let host = &case.machine.host;
    let number = |text: &Option<String>| text.as_deref()?.parse::<u64>().ok();
    let (family, model) = (number(&host.cpu_family)?, number(&host.cpu_model)?);
    let vendor = host.cpu_vendor.as_deref()?;
    let known = case
        .matrix
        .cpu
        .iter()
        .find(|row| row.vendor == vendor && row.family == family && row.model == model)?;
    let there = case
        .machine
        .gpus
        .iter()
        .any(|gpu| gpu.ids.as_deref() == Some(known.gpu.as_str()));
    let why = match case.machine.virt.kind {
        VirtualKind::Vm => "VM: host CPU name passed through, iGPU not",
        VirtualKind::Container => "container: the processor is the host's, its GPU is not passed in",
        VirtualKind::None => "The GPU of this processor is not on PCI: it is off in the firmware's settings",
    };
    let id = format!("cpu.{}_but_no_igpu", known.product.replace('-', "_"));
    (!there).then(|| {
        Finding::new(id, Severity::Info, host.cpu_name.clone().unwrap_or_default(), why)
            .source(known.source.clone())
    })
}

/// lxcfs shows the container's limit as the machine's memory. The topology of AMD's driver still has the host's.
fn container_memory(case: &Case<'_>) -> Option<Finding> {
    if !case.in_container() {
        return None;
    }
    let nodes = case.machine.kfd.iter().filter(|node| !node.is_gpu());
    let host = nodes.map(|node| node.memory).fold(0, u64::saturating_add);
    let shown = case.machine.host.memory();
    // LXC mounts lxcfs over the file; elsewhere only the difference tells.
    let limited =
        case.machine.virt.id.as_deref() == Some("lxc") || (host > 0 && host.abs_diff(shown) > host / 100);
    limited.then(|| {
        Finding::new(
            "host.meminfo_is_container_limit",
            Severity::Info,
            format!("{} GiB in /proc/meminfo", super::gib(shown)),
            "Inside a container this is its limit, not the memory of the machine; the GPU's share is counted from the latter.",
        )
    })
}
