//! NVIDIA's cards: drivers, CUDA, images.

use std::collections::BTreeMap;

use super::{Case, Cuda, Finding, Severity, blocking, machine::place};
use crate::host::{
    detect::{Gpu, Machine},
    matrix::{
        ImageGate, OpenModule,
        version::{Version, at_least},
    },
};

/// Open drivers without CUDA.
const NO_CUDA: &[&str] = &["nouveau", "nova", "nova_core", "nova-core"];

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut found = vec![];
    if case.nvidia().next().is_none() {
        return found;
    }
    found.extend(without_cuda(case));
    found.extend(unbound(case));
    if case.cuda().next().is_none() {
        return found;
    }
    found.extend(mismatch(case));
    found.extend(too_old(case));
    found.extend(not_compiled_for(case));
    found.extend(wrong_module(case));
    let on_pci = |gpu: &&Gpu| gpu.pci.is_some() && gpu.card.is_none() && gpu.render.is_none();
    found.extend(case.cuda().find(on_pci).map(|gpu| {
        Finding::new(
            "nvidia.no_drm",
            Severity::Info,
            format!("{} ({}) has no node in /dev/dri", gpu.name, place(gpu)),
            "CUDA does not need one; Vulkan and video do.",
        )
        .fix("sudo modprobe nvidia_drm, where graphics are wanted")
    }));
    found.extend(case.cuda().find(|gpu| gpu.mig == Some(true)).map(|gpu| {
        Finding::new(
            "nvidia.mig_mode",
            Severity::Info,
            format!("{} is cut into instances (MIG)", gpu.name),
            "A lab sees an instance only if it is passed in by its own identifier.",
        )
    }));
    found
}

fn without_cuda(case: &Case<'_>) -> Option<Finding> {
    let gpu = case.nvidia().find(|gpu| {
        gpu.driver
            .as_deref()
            .is_some_and(|driver| NO_CUDA.contains(&driver))
    })?;
    let install = match case.machine.host.os.as_deref() {
        Some("ubuntu") => "sudo ubuntu-drivers install",
        Some("debian") => "sudo apt install nvidia-driver (component non-free)",
        Some("fedora") => "sudo dnf install akmod-nvidia xorg-x11-drv-nvidia-cuda (from RPM Fusion)",
        Some("arch") => "sudo pacman -S nvidia-open",
        Some("cachyos") => "sudo chwd -a",
        _ => "Install NVIDIA's driver",
    };
    Some(
        Finding::new(
            "nvidia.driver.nouveau",
            Severity::Fail,
            format!(
                "{} is driven by {}",
                gpu.name,
                gpu.driver.as_deref().unwrap_or_default()
            ),
            "This driver has no CUDA.",
        )
        .fix(format!("{install}, then reboot"))
        .source("NVIDIA driver installation guide"),
    )
}

/// A card that no driver took.
fn unbound(case: &Case<'_>) -> Option<Finding> {
    let gpu = case.nvidia().find(|gpu| gpu.driver.is_none())?;
    let secure = case.machine.kernel.secure_boot == Some(true);
    let loaded = case.machine.kernel.has("nvidia");
    let (why, fix) = if secure && !loaded {
        (
            "Secure boot is on: the kernel refuses a module that is not signed by a key that it knows.",
            "Enrol the key that signed the module (sudo mokutil --import /var/lib/shim-signed/mok/MOK.der), or install \
             the signed modules of the distribution, then reboot.",
        )
    } else if loaded {
        (
            "The module is loaded but did not take the card: its branch may not know this chip.",
            "Look at `journalctl -k | grep -i nvrm`. Maxwell, Pascal and Volta need branch 580 or older, Blackwell the \
             open module of 570 or later.",
        )
    } else {
        (
            "The module is not loaded: CUDA finds no GPU.",
            "Install NVIDIA's driver, then sudo modprobe nvidia",
        )
    };
    let severity = if case.cuda().next().is_some() {
        Severity::Warn
    } else {
        Severity::Fail
    };
    let seen = format!("{} ({}) has no kernel driver", gpu.name, place(gpu));
    Some(Finding::new("nvidia.driver.missing", severity, seen, why).fix(fix))
}

/// A driver that was updated and not yet loaded: nothing of NVIDIA works until then.
fn mismatch(case: &Case<'_>) -> Option<Finding> {
    let driver = case.machine.nvidia.as_ref()?;
    if !driver.mismatch && driver.library.is_none() {
        return None;
    }
    let module = driver.version.as_deref().unwrap_or("of unknown version");
    let library = driver.library.as_deref().unwrap_or("another version");
    Some(
        Finding::new(
            "nvidia.driver.library_mismatch",
            Severity::Fail,
            format!("the kernel module is {module}, the library {library}"),
            "After an update of the driver the old module is still loaded: every CUDA program fails.",
        )
        .fix("Reboot; or, with no program on the GPU: sudo modprobe -r nvidia_uvm nvidia_drm nvidia_modeset nvidia && sudo modprobe nvidia_uvm")
        .source("nvidia-smi: Driver/library version mismatch"),
    )
}

/// The images that stages start from ask for a CUDA version before they start.
fn too_old(case: &Case<'_>) -> Option<Finding> {
    let driver = case.machine.nvidia.as_ref()?;
    let build = case.matrix.build.first()?;
    let gate = case
        .matrix
        .image_gate
        .iter()
        .find(|gate| gate.image == build.toolkit)?;
    let toolkit = case.matrix.toolkit(&build.toolkit)?;
    let cuda = driver.cuda.as_deref()?;
    if passes(case.machine, &case.cuda().collect::<Vec<_>>(), gate) {
        return None;
    }
    let version = driver.version.as_deref().unwrap_or("of unknown version");
    Some(
        Finding::new(
            "nvidia.driver.too_old_for_image",
            Severity::Fail,
            format!("driver {version} brings CUDA {cuda}"),
            format!("Images of CUDA {} refuse to start with it.", gate.image),
        )
        .fix(format!("Update NVIDIA's driver to {} or later", toolkit.driver))
        .source(gate.source.clone())
        .with("driver", version)
        .with("cuda_driver", cuda)
        .with("image_cuda", gate.image.as_str())
        .with("native_needs", toolkit.driver.as_str()),
    )
}

/// Whether an image starts: the driver's CUDA is new enough; or its branch is listed, and every card's brand too.
pub(in crate::host) fn passes(machine: &Machine, cards: &[&Gpu], gate: &ImageGate) -> bool {
    let Some(driver) = &machine.nvidia else {
        return false;
    };
    if driver
        .cuda
        .as_deref()
        .is_some_and(|cuda| at_least(cuda, &gate.cuda_at_least))
    {
        return true;
    }
    let branch = driver
        .version
        .as_deref()
        .and_then(Version::parse)
        .map(|version| version.major());
    let listed = |gpu: &&Gpu| {
        gpu.brand
            .as_ref()
            .is_some_and(|brand| gate.or_brands.contains(brand))
    };
    !cards.is_empty()
        && branch.is_some_and(|branch| gate.or_branches.contains(&branch))
        && cards.iter().all(listed)
}

/// A binary for 8.0 runs on 8.9, but not on 9.0, nor on 7.5.
fn runs(compiled: &str, capability: &str) -> bool {
    match (Version::parse(compiled), Version::parse(capability)) {
        (Some(compiled), Some(have)) => {
            compiled.major() == have.major() && compiled.number(1) <= have.number(1)
        }
        _ => false,
    }
}

/// Cards that what stages compile does not run on.
fn uncovered<'a>(case: &Case<'a>) -> Option<&'a Gpu> {
    let build = case.matrix.build.first()?;
    case.cuda().find(|gpu| {
        let capability = gpu.compute_cap.as_deref();
        capability.is_some_and(|have| {
            !build
                .compute_capabilities
                .iter()
                .any(|compiled| runs(compiled, have))
        })
    })
}

fn not_compiled_for(case: &Case<'_>) -> Option<Finding> {
    let (gpu, build) = (uncovered(case)?, case.matrix.build.first()?);
    let capability = gpu.compute_cap.as_deref().unwrap_or_default();
    let arch = case.matrix.arch_of_capability(capability);
    let last = arch.and_then(|arch| arch.cuda_last.as_deref());
    let fix = match last {
        Some(last) if !at_least(last, &build.toolkit) => {
            format!("CUDA {last} was the last for this card: use an older image, or CPU labs.")
        }
        _ => format!(
            "Add {} to cuda_arch of the stage {}.",
            capability.replace('.', ""),
            build.name
        ),
    };
    Some(
        Finding::new(
            "nvidia.arch.not_in_seed_list",
            Severity::Warn,
            format!("{} is {capability}", gpu.name),
            format!(
                "The stage {} compiles for {}: its programs do not run on this card.",
                build.name,
                build.compute_capabilities.join(", ")
            ),
        )
        .fix(fix)
        .source(build.source.clone())
        .with("compute_cap", capability),
    )
}

/// Blackwell and later have no driver but the open module.
fn wrong_module(case: &Case<'_>) -> Option<Finding> {
    let closed = case.machine.nvidia.as_ref()?.open_module == Some(false);
    let gpu = case.cuda().filter(|_| closed).find(|gpu| {
        let arch = gpu
            .compute_cap
            .as_deref()
            .and_then(|capability| case.matrix.arch_of_capability(capability));
        gpu.pci.is_some() && arch.is_some_and(|arch| arch.open_module == OpenModule::Required)
    })?;
    Some(
        Finding::new(
            "nvidia.driver.needs_open_module",
            Severity::Fail,
            format!("{} with the proprietary module", gpu.name),
            "This chip works only with NVIDIA's open kernel module.",
        )
        .fix("Install the open variant of the driver (nvidia-open, nvidia-driver-580-open), then reboot"),
    )
}

/// Whether CUDA works; none without a card of NVIDIA, and without a driver of Windows.
pub(super) fn cuda(case: &Case<'_>, findings: &[Finding]) -> Option<Cuda> {
    let driver = case.machine.nvidia.clone();
    let windows = case.machine.host.is_wsl();
    if case.nvidia().next().is_none() && (!windows || driver.is_none()) {
        return None;
    }
    let driven = case.cuda().next().is_some() || windows;
    let driver = driver.filter(|_| driven).unwrap_or_default();
    let version = driver.version.clone().unwrap_or_default();
    let why = blocking(findings, &["nvidia.", "dev.nvidia"]);
    let gates = case.matrix.image_gate.iter().map(|gate| {
        let cards: Vec<&Gpu> = case.cuda().collect();
        let word = if passes(case.machine, &cards, gate) {
            "pass"
        } else {
            "fail"
        };
        (format!("image_gate_{}", gate.image), word)
    });
    Some(Cuda {
        usable: !windows && driven && why.is_empty(),
        why,
        toolkit: toolkits(case, &version),
        gates: gates.collect(),
        seed_cuda_arch_ok: driven && uncovered(case).is_none(),
        cuda_driver: driver.cuda,
        open_module: driver.open_module,
        driver_is_windows: windows,
        via: driver.via.filter(|_| windows),
        driver: driver.version,
    })
}

/// Every toolkit by its name, and by the first two numbers for its first release.
fn toolkits(case: &Case<'_>, driver: &str) -> BTreeMap<String, &'static str> {
    let short = |name: &str| name.split('.').take(2).collect::<Vec<_>>().join(".");
    let names = case
        .matrix
        .cuda
        .iter()
        .flat_map(|row| [row.toolkit.clone(), short(&row.toolkit)]);
    names
        .filter_map(|name| {
            let row = case.matrix.toolkit(&name)?;
            Some((name, case.matrix.toolkit_on(row, driver)))
        })
        .collect()
}
