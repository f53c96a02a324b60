//! The facts that conditions may name, out of what the probes found.

use std::path::Path;

use super::{
    Fact, Facts, Root, certificates,
    detect::{self, Gpu, Machine, Outside, VirtualKind},
    findings, fitting,
    matrix::Matrix,
    node, os, passthrough, user,
};

/// Every fact that a condition may name. All of them are always there: what is unknown is `false`, 0 or empty.
pub const KNOWN: &[&str] = &[
    "amdgpu_driver",
    "arch",
    "compute",
    "container",
    "cpu_name",
    "cpus",
    "cuda_line",
    "daemon",
    "daemon_gpu_cdi",
    "daemon_nvidia_runtime",
    "docker",
    "docker_gpu",
    "docker_gpu_why",
    "extra_ca",
    "family",
    "free_disk",
    "gfx",
    "gpu_addresses",
    "gpu_amd",
    "gpu_intel",
    "gpu_name",
    "gpu_nvidia",
    "in_group",
    "incus",
    "kernel",
    "kfd",
    "lxd",
    "memory",
    "mes_firmware",
    "npu",
    "nvidia_cdi",
    "nvidia_cdi_driver",
    "nvidia_container_cli",
    "nvidia_cuda",
    "nvidia_driver",
    "nvidia_libraries",
    "nvidia_way",
    "os",
    "os_id",
    "pool",
    "proxy",
    "render_gid",
    "rocm",
    "root",
    "suite",
    "systemd",
    "unfit_cu126",
    "unfit_cu128",
    "unfit_cu130",
    "unfit_cuda",
    "user",
    "wsl",
];

/// Looks at the machine below `root`, at files alone. Never fails: what cannot be read is unknown.
pub fn probe(root: &Path) -> Facts {
    let extra = !certificates::added(root).is_empty();
    let root = Root::new(root);
    let matrix = Matrix::shipped();
    let machine = detect::look(&root, matrix, &Outside::default());
    let found = [
        system(&machine),
        cards(&root, &machine),
        engines(&machine),
        os::probe(&root, &machine),
        user::probe(&root),
        drivers(&machine),
        passthrough::probe(&root),
    ];
    let found = found.into_iter().flatten();
    let primary = findings::judge(&machine, matrix).primary;
    let mut facts: Facts = found
        .chain([
            ("extra_ca", extra.into()),
            ("compute", fitting::compute(primary).into()),
        ])
        .map(|(name, fact)| (name.to_owned(), fact))
        .chain(fitting::probe(&machine, matrix))
        .collect();
    daemon(&mut facts, None, false);
    facts
}

/// Fills in what the daemon decides: its `api_extensions`, none without one, and whether it has a pool.
pub fn daemon(facts: &mut Facts, extensions: Option<&[String]>, pool: bool) {
    let has = |name: &str| extensions.is_some_and(|all| all.iter().any(|known| known == name));
    let found = [
        ("daemon", extensions.is_some()),
        ("daemon_gpu_cdi", has("gpu_cdi")),
        ("daemon_nvidia_runtime", has("nvidia_runtime")),
        ("pool", pool),
    ];
    facts.extend(found.map(|(name, yes)| (name.to_owned(), yes.into())));
    let way = passthrough::way(facts);
    facts.insert("nvidia_way".to_owned(), way.into());
}

/// What a proof stands on, beside the kernel.
fn drivers(machine: &Machine) -> Found {
    let nvidia = machine.nvidia.clone().unwrap_or_default();
    let firmware = machine.gpus.iter().find_map(|gpu| gpu.mes_firmware.clone());
    let amdgpu = machine.kernel.dkms_version().map(str::to_owned);
    let texts = [
        ("amdgpu_driver", amdgpu),
        ("mes_firmware", firmware),
        ("nvidia_cuda", nvidia.cuda),
        ("nvidia_driver", nvidia.version),
        ("rocm", machine.rocm.clone()),
    ];
    texts
        .map(|(name, text)| (name, text.unwrap_or_default().into()))
        .to_vec()
}

/// What a probe found, by name.
pub(super) type Found = Vec<(&'static str, Fact)>;

fn system(machine: &Machine) -> Found {
    let host = &machine.host;
    vec![
        ("arch", host.arch.into()),
        ("container", (machine.virt.kind == VirtualKind::Container).into()),
        ("cpu_name", host.cpu_name.clone().unwrap_or_default().into()),
        ("cpus", host.cpus.into()),
        ("free_disk", machine.storage.free_bytes.unwrap_or(0).into()),
        ("kernel", host.kernel.clone().unwrap_or_default().into()),
        ("memory", host.memory().into()),
        ("wsl", host.is_wsl().into()),
    ]
}

fn cards(root: &Root, machine: &Machine) -> Found {
    let has = |vendor: &str| machine.gpus.iter().any(|gpu| gpu.vendor == vendor);
    let render = node::groups(root)
        .into_iter()
        .find(|group| group.name == "render");
    let gfx = machine.gpus.iter().find_map(|gpu| gpu.gfx.clone());
    // A tree without a PCI bus may still have the topology of AMD's driver.
    let topology = || {
        machine
            .kfd
            .iter()
            .find(|node| node.is_gpu())
            .map(detect::KfdNode::gfx)
    };
    vec![
        ("gpu_addresses", addresses(&machine.gpus).into()),
        ("gpu_amd", has("amd").into()),
        ("gpu_nvidia", (has("nvidia") || machine.nvidia.is_some()).into()),
        ("gpu_intel", has("intel").into()),
        (
            "gpu_name",
            best(&machine.gpus)
                .map_or_else(String::new, |gpu| gpu.name.clone())
                .into(),
        ),
        ("gfx", gfx.or_else(topology).unwrap_or_default().into()),
        ("kfd", root.node("/dev/kfd").is_some().into()),
        ("npu", root.node("/dev/accel/accel0").is_some().into()),
        (
            "render_gid",
            render.map_or(0, |group| u64::from(group.gid)).into(),
        ),
    ]
}

/// Where the cards are that compute, with spaces between: `0000:c5:00.0`.
fn addresses(gpus: &[Gpu]) -> String {
    let computing = gpus.iter().filter(|gpu| !gpu.display_only && gpu.is_driven());
    let all: Vec<&str> = computing.filter_map(|gpu| gpu.pci.as_deref()).collect();
    all.join(" ")
}

/// The card that a lab would compute on: AMD and NVIDIA before Intel before the rest.
fn best(gpus: &[Gpu]) -> Option<&Gpu> {
    gpus.iter().min_by_key(|gpu| match gpu.vendor.as_str() {
        "amd" | "nvidia" => 0,
        "intel" => 1,
        _ => 2,
    })
}

fn engines(machine: &Machine) -> Found {
    let installed = |name: &str| {
        machine
            .runtimes
            .iter()
            .any(|runtime| runtime.name == name && runtime.installed)
    };
    vec![
        ("docker", installed("docker").into()),
        // The engine itself is asked later.
        ("docker_gpu", "".into()),
        ("docker_gpu_why", "".into()),
        ("incus", installed("incus").into()),
        ("lxd", installed("lxd").into()),
    ]
}
