//! Graphics processors of NVIDIA: the driver's files under `/proc` first, NVML or `nvidia-smi` for what they lack.

use serde::Serialize;

use super::super::{
    Root,
    matrix::{Matrix, version::is_dotted},
    root::shorten,
};
use super::{Gpu, GpuMemory, Outside, pci::Device};

/// Where libraries of the driver are.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/nvidia",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
];

/// A card, as NVML or `nvidia-smi` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NvidiaGpu {
    /// `0000:01:00.0`.
    pub pci: String,
    /// What the driver calls it.
    pub name: String,
    /// Its identifier.
    pub uuid: String,
    /// `8.9`.
    pub compute_cap: String,
    /// Memory.
    pub vram_mib: Option<u64>,
    /// As the image gate calls it; none where only the name tells.
    pub brand: Option<String>,
    /// Number of `/dev/nvidiaN`.
    pub minor: Option<u64>,
    /// Whether it is cut into instances.
    pub mig: Option<bool>,
}

/// What NVML or `nvidia-smi` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Driver.
    pub driver: Option<String>,
    /// Newest CUDA that the driver runs.
    pub cuda: Option<String>,
    /// Cards, in the driver's order.
    pub gpus: Vec<NvidiaGpu>,
    /// `nvml` or `nvidia-smi`; empty where neither told anything.
    pub by: &'static str,
    /// The library and the kernel's module are of different versions.
    pub mismatch: bool,
    /// Why NVML told nothing.
    pub error: Option<String>,
}

/// The driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// Version of the kernel's module; under WSL, of the Windows driver.
    pub version: Option<String>,
    /// Whether it is the open module; none where nobody says.
    pub open_module: Option<bool>,
    /// Newest CUDA that it runs.
    pub cuda: Option<String>,
    /// Version of the libraries, where it is not the module's.
    pub library: Option<String>,
    /// NVML itself says that both do not fit.
    pub mismatch: bool,
    /// Under WSL: the program that told.
    pub via: Option<String>,
    /// Why NVML told nothing.
    pub error: Option<String>,
}

impl Report {
    /// Reads what `nvidia-smi --query-gpu=... --format=csv` prints; columns by their names.
    pub fn parse(csv: &str) -> Option<Self> {
        let mut lines = csv.lines().filter(|line| line.contains(','));
        let heading: Vec<&str> = lines.next()?.split(',').map(str::trim).collect();
        let column = |name: &str| {
            heading
                .iter()
                .position(|head| head.split(' ').next() == Some(name))
        };
        let mut report = Self {
            by: "nvidia-smi",
            ..Self::default()
        };
        for line in lines.take(256) {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let cell = |name: &str| {
                let text = cells.get(column(name)?)?;
                (!text.is_empty() && !text.starts_with('[')).then(|| shorten(text))
            };
            report.driver = report
                .driver
                .or_else(|| cell("driver_version").filter(|text| is_dotted(text)));
            report.gpus.push(NvidiaGpu {
                pci: slot(&cell("pci.bus_id").unwrap_or_default()),
                name: cell("name").unwrap_or_default(),
                uuid: cell("uuid").unwrap_or_default(),
                compute_cap: cell("compute_cap")
                    .filter(|text| is_dotted(text))
                    .unwrap_or_default(),
                vram_mib: cell("memory.total").and_then(|text| text.split(' ').next()?.parse().ok()),
                ..NvidiaGpu::default()
            });
        }
        (!report.gpus.is_empty()).then_some(report)
    }

    /// Takes the CUDA version out of the heading of `nvidia-smi`, or of `nvidia-smi --version`.
    pub fn add_version(&mut self, text: &str) {
        let after = text.split("CUDA Version").nth(1).unwrap_or_default();
        let word = after
            .trim_start_matches([' ', ':', '\t'])
            .split([' ', '|', '\n'])
            .next();
        self.cuda = self
            .cuda
            .take()
            .or_else(|| word.filter(|word| is_dotted(word)).map(str::to_owned));
    }
}

/// A PCI address as sysfs writes it: NVIDIA's domains have eight digits.
pub(super) fn slot(bus: &str) -> String {
    let text = bus.to_lowercase();
    match text.split_once(':') {
        Some((domain, rest)) if domain.len() == 8 && domain.starts_with("0000") => {
            format!("{}:{rest}", domain.get(4..).unwrap_or(domain))
        }
        _ => text,
    }
}

/// The driver; none where nothing of it is there.
pub(super) fn driver(root: &Root, matrix: &Matrix, outside: &Outside) -> Option<Driver> {
    let report = &outside.nvidia;
    let module = root.read("/proc/driver/nvidia/version");
    let line = module
        .as_deref()
        .and_then(|text| text.lines().find(|line| line.contains("NVRM")));
    let version = line
        .and_then(|line| {
            line.split_whitespace()
                .find(|word| word.contains('.') && is_dotted(word))
        })
        .map(str::to_owned)
        .or_else(|| {
            root.read("/sys/module/nvidia/version")
                .filter(|text| is_dotted(text))
        });
    let via = windows_program(root);
    let told = report.driver.clone();
    if version.is_none() && told.is_none() && report.error.is_none() {
        return None;
    }
    let library = library(root).filter(|library| version.as_ref().is_some_and(|version| library != version));
    let current = version.clone().or(told);
    let cuda = report.cuda.clone();
    let by_branch = || {
        current
            .as_deref()
            .and_then(|version| matrix.cuda_of_driver(version))
            .map(str::to_owned)
    };
    Some(Driver {
        cuda: cuda.or_else(by_branch),
        version: current,
        open_module: line.map(|line| line.contains("Open Kernel Module")),
        library,
        mismatch: report.mismatch,
        via,
        error: report.error.clone(),
    })
}

/// The Windows driver's program; a captured host has only a list of its folder.
fn windows_program(root: &Root) -> Option<String> {
    let folder = "/usr/lib/wsl/lib";
    let program = format!("{folder}/nvidia-smi");
    let listed = || {
        let list = root.read(&format!("{folder}/.listing")).unwrap_or_default();
        list.lines().any(|line| line.trim() == "nvidia-smi")
    };
    (root.has(&program) || listed()).then_some(program)
}

/// Version of the driver's library, by the name of its file. Several: that which the plain name leads to.
fn library(root: &Root) -> Option<String> {
    LIBRARIES.iter().find_map(|folder| {
        let real = root.find(&format!("{folder}/libnvidia-ml.so.1"))?;
        let name = real.file_name()?.to_str()?;
        let version = name.strip_prefix("libnvidia-ml.so.")?;
        (version.contains('.') && is_dotted(version)).then(|| version.to_owned())
    })
}

/// Fills in what only NVIDIA's have.
pub(super) fn gpu(root: &Root, matrix: &Matrix, device: &Device, report: &Report, gpu: Gpu) -> Gpu {
    let information = root
        .read(&format!("/proc/driver/nvidia/gpus/{}/information", device.slot))
        .unwrap_or_default();
    let field = |key: &str| {
        let lines = information.lines().filter_map(|line| line.split_once(':'));
        let mut values = lines
            .filter(|(name, _)| name.trim() == key)
            .map(|(_, value)| shorten(value.trim()));
        values
            .next()
            .filter(|value| !value.is_empty() && !value.contains('?'))
    };
    let told = report.gpus.iter().find(|card| card.pci == device.slot);
    let text = |pick: fn(&NvidiaGpu) -> &String| told.map(pick).filter(|text| !text.is_empty()).cloned();
    let listed = device.listed_name();
    let name = text(|card| &card.name)
        .or_else(|| field("Model"))
        .or_else(|| listed.map(|name| format!("NVIDIA {}", marketing(name))))
        .unwrap_or_else(|| format!("NVIDIA GPU {}", device.id()));
    let told_capability = text(|card| &card.compute_cap);
    let by_chip = listed.and_then(|name| matrix.arch_of_chip(name));
    let arch = told_capability
        .as_deref()
        .and_then(|capability| matrix.arch_of_capability(capability))
        .or(by_chip);
    // Grace Blackwell and Thor share their memory with the processor.
    let integrated = listed.is_some_and(|name| {
        name.starts_with("GB20B") || name.starts_with("TA1090") || name.starts_with("GB10B")
    });
    let kind = if integrated { "unified" } else { "dedicated" };
    let brand = told
        .and_then(|card| card.brand.clone())
        .unwrap_or_else(|| brand(&name).to_owned());
    Gpu {
        vendor: "nvidia".into(),
        compute_cap: told_capability.or_else(|| arch.map(|row| row.compute_capability.clone())),
        arch: arch.map(|row| row.name.clone()),
        integrated,
        nvidia_minor: field("Device Minor")
            .and_then(|text| text.parse().ok())
            .or_else(|| told.and_then(|card| card.minor)),
        uuid: text(|card| &card.uuid).or_else(|| field("GPU UUID")),
        brand: Some(brand),
        mig: told.and_then(|card| card.mig),
        memory: GpuMemory {
            kind,
            vram_mib: told.and_then(|card| card.vram_mib),
            ..GpuMemory::default()
        },
        name,
        ..gpu
    }
}

/// `GeForce RTX 4090` of `AD102 [GeForce RTX 4090]`.
fn marketing(listed: &str) -> &str {
    let inside = listed.split_once('[').map(|(_, rest)| rest.trim_end_matches(']'));
    inside.unwrap_or(listed)
}

/// The image gate's word, by name: it takes cards of data centres and workstations with older drivers, GeForce never.
fn brand(name: &str) -> &'static str {
    let has = |word: &str| name.contains(word);
    if has("GeForce") || has("TITAN") {
        "geforce"
    } else if has("Quadro RTX") {
        "quadrortx"
    } else if has("Quadro") {
        "quadro"
    } else if has("GRID") {
        "grid"
    } else if has("RTX") {
        "nvidiartx"
    } else if has("Tesla") {
        "tesla"
    } else {
        "nvidia"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_by_the_names_of_its_columns() {
        let csv = "uuid, index, pci.bus_id, memory.total [MiB], compute_cap, driver_version, name\n\
                   GPU-1, 0, 00000000:65:00.0, 24564 MiB, 8.9, 580.95.05, NVIDIA GeForce RTX 4090\n\
                   GPU-2, 1, 00000001:C1:00.0, [N/A], 9.0, 580.95.05, NVIDIA H200\ncut";
        let report = Report::parse(csv).unwrap();
        assert_eq!(report.driver.as_deref(), Some("580.95.05"));
        let [first, second] = report.gpus.as_slice() else {
            panic!("{report:?}")
        };
        assert_eq!(
            (first.pci.as_str(), first.vram_mib),
            ("0000:65:00.0", Some(24564))
        );
        assert_eq!((second.pci.as_str(), second.vram_mib), ("0001:c1:00.0", None));
        assert_eq!(
            Report::parse("NVIDIA-SMI has failed because it couldn't communicate"),
            None
        );
    }

    #[test]
    fn the_heading_names_cuda() {
        for text in [
            "| Driver Version: 525.147.05   CUDA Version: 12.0     |",
            "CUDA Version        : 12.0\n",
            "CUDA Version: 12.0",
        ] {
            let mut report = Report::default();
            report.add_version(text);
            assert_eq!(report.cuda.as_deref(), Some("12.0"), "{text}");
        }
    }
}
