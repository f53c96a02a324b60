//! What this machine is made of: one probe a file, all of them below a root.
//!
//! [`outside`] asks what no file tells (NVML, `nvidia-smi`, the package database of RPM); [`look`] reads files, and
//! never fails: what cannot be read is unknown.

mod amd;
mod cards;
mod display;
mod kernel;
mod kfd;
mod npu;
mod nvidia;
pub mod nvml;
mod outside;
mod packages;
mod pci;
mod runtimes;
mod storage;
mod system;
mod tegra;
mod virtualisation;

use std::collections::BTreeMap;

use serde::Serialize;

pub use cards::{Gpu, GpuMemory};
pub use kernel::{Kernel, Parameter};
pub use kfd::KfdNode;
pub use npu::Npu;
pub use nvidia::{Driver as NvidiaDriver, NvidiaGpu, Report as NvidiaReport};
pub use outside::{Outside, outside};
pub use packages::Package;
pub use runtimes::Runtime;
pub use storage::Storage;
pub(super) use system::read_os_release;
pub use system::{Board, System};
pub use virtualisation::{Kind as VirtualKind, Virtual};

use super::{
    Root,
    matrix::{Matrix, version::is_dotted},
    node::{self, Access, Identity},
};

/// Everything that is known of a machine, before anything is judged.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// System, processor and memory.
    pub host: System,
    /// Virtual machine or container.
    pub virt: Virtual,
    /// Graphics processors and other display devices, by PCI address.
    pub gpus: Vec<Gpu>,
    /// Neural processors.
    pub npus: Vec<Npu>,
    /// NVIDIA's driver; none without it.
    pub nvidia: Option<NvidiaDriver>,
    /// Nodes of the compute topology, with processors.
    #[serde(skip)]
    pub kfd: Vec<KfdNode>,
    /// Kernel modules, their parameters, and what the boot configuration asks for.
    pub kernel: Kernel,
    /// Firmware packages.
    pub firmware: Vec<Package>,
    /// ROCm that is installed on the host itself.
    #[serde(rename = "rocm_installed")]
    pub rocm: Option<String>,
    /// A target that ROCm's own tools were told, and that no card has.
    #[serde(skip)]
    pub overridden: Option<String>,
    /// LXD, Incus, Docker, Podman.
    pub runtimes: Vec<Runtime>,
    /// File system of the labs.
    pub storage: Storage,
    /// Device nodes, and what the user may do with them.
    pub access: BTreeMap<String, Access>,
    /// Groups by number, for advice.
    #[serde(skip)]
    pub groups: BTreeMap<u32, String>,
    /// Owning group of the nodes.
    #[serde(skip)]
    pub node_groups: BTreeMap<String, u32>,
    /// Who will run the work.
    pub user: Identity,
}

/// Looks at a machine.
pub fn look(root: &Root, matrix: &Matrix, outside: &Outside) -> Machine {
    let host = System::read(root);
    let virt = virtualisation::read(root, &host);
    let kfd = kfd::read(root);
    let devices = pci::read(root);
    let nvidia = nvidia::driver(root, matrix, outside);
    let mut gpus = cards::gpus(root, matrix, &devices, &kfd, &outside.nvidia);
    gpus.extend(tegra::read(root, matrix));
    let mut packages = packages::read(root, outside);
    let npus = npu::read(root, matrix, &devices);
    let user = Identity::of(root);
    let paths = nodes(root, &gpus);
    let access = paths
        .iter()
        .map(|path| (path.clone(), user.access(root, path)))
        .collect();
    let node_groups = paths
        .iter()
        .filter_map(|path| Some((path.clone(), root.node(path)?.gid)))
        .collect();
    let groups = node::groups(root);
    Machine {
        kernel: kernel::read(root, &host),
        rocm: rocm(root),
        overridden: overridden(root, outside, &gpus),
        runtimes: runtimes::read(root, &user, &packages),
        firmware: {
            packages.retain(|package| packages::FIRMWARE.contains(&package.name.as_str()));
            packages
        },
        storage: storage::read(root),
        groups: groups
            .into_iter()
            .rev()
            .map(|group| (group.gid, group.name))
            .collect(),
        host,
        virt,
        gpus,
        npus,
        nvidia,
        kfd,
        access,
        node_groups,
        user,
    }
}

/// The nodes that work on a GPU or NPU may need, whether they are there or not.
fn nodes(root: &Root, gpus: &[Gpu]) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/dev/kfd",
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
        "/dev/dxg",
    ]
    .map(str::to_owned)
    .to_vec();
    let below = |folder: &str, prefix: &str| -> Vec<String> {
        let names = root.nodes(folder).into_iter();
        names
            .filter(|name| name.strip_prefix(prefix).is_some_and(is_number))
            .map(|name| format!("{folder}/{name}"))
            .collect()
    };
    let render = below("/dev/dri", "renderD");
    if render.is_empty() && below("/dev/dri", "card").is_empty() {
        paths.push("/dev/dri".to_owned());
    }
    paths.extend(
        gpus.iter()
            .filter_map(|gpu| Some(format!("/dev/dri/{}", gpu.render.as_ref()?))),
    );
    paths.extend(render);
    let accelerators = below("/dev/accel", "accel");
    paths.extend(if accelerators.is_empty() {
        vec!["/dev/accel/accel0".to_owned()]
    } else {
        accelerators
    });
    paths.extend(below("/dev", "nvidia"));
    paths.sort();
    paths.dedup();
    paths
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The release of ROCm in its usual folder.
fn rocm(root: &Root) -> Option<String> {
    let text = root.read("/opt/rocm/.info/version")?;
    let word = text.split_whitespace().next()?.split('-').next()?.to_owned();
    is_dotted(&word).then_some(word)
}

/// What makes ROCm see another target: a line of `/etc/environment`, or what its own tool printed.
fn overridden(root: &Root, outside: &Outside, gpus: &[Gpu]) -> Option<String> {
    let text = root.read("/etc/environment").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("HSA_OVERRIDE_GFX_VERSION="));
    let real = |name: &str| gpus.iter().any(|gpu| gpu.gfx.as_deref() == Some(name));
    let told = outside.rocminfo.as_deref().unwrap_or_default();
    let wrong = || {
        told.split_whitespace()
            .find(|word| word.starts_with("gfx") && word.len() < 12 && !real(word))
    };
    let value = line.map(|value| value.trim_matches('"')).or_else(wrong)?;
    Some(value.chars().take(32).collect())
}
