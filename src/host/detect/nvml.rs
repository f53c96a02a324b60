//! NVIDIA's management library, opened when it is needed. Behind a trait, for hosts without one.

use nvml_wrapper::{Nvml, enum_wrappers::device::Brand, error::NvmlError};

use super::nvidia::{NvidiaGpu, Report, slot};

/// Where the library is: by name, and where WSL keeps that of Windows.
const LIBRARIES: &[&str] = &["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

/// No machine has more cards than are asked for.
const CARDS: u32 = 256;

/// Whoever can tell of NVIDIA's cards.
pub trait Management: Send + Sync {
    /// What it tells; its `error` where it cannot.
    fn report(&self) -> Report;
}

/// The library of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Library;

/// A machine without the library.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Management for Nothing {
    fn report(&self) -> Report {
        Report::default()
    }
}

impl Management for Library {
    fn report(&self) -> Report {
        let mut last = None;
        for path in LIBRARIES {
            match Nvml::builder().lib_path(path.as_ref()).init() {
                Ok(nvml) => return read(&nvml),
                Err(error) => {
                    let mismatch = matches!(error, NvmlError::LibRmVersionMismatch);
                    let absent = matches!(error, NvmlError::LibloadingError(_));
                    if mismatch || !absent || last.is_none() {
                        last = Some(Report {
                            mismatch,
                            error: Some(error.to_string()),
                            ..Report::default()
                        });
                    }
                    if !absent {
                        break;
                    }
                }
            }
        }
        last.unwrap_or_default()
    }
}

fn read(nvml: &Nvml) -> Report {
    let version = nvml.sys_cuda_driver_version().ok();
    let cuda = version.map(|version| {
        let major = nvml_wrapper::cuda_driver_version_major(version);
        format!("{major}.{}", nvml_wrapper::cuda_driver_version_minor(version))
    });
    let count = nvml.device_count().unwrap_or(0).min(CARDS);
    let gpus = (0..count).filter_map(|index| {
        let device = nvml.device_by_index(index).ok()?;
        let capability = device.cuda_compute_capability().ok();
        Some(NvidiaGpu {
            pci: slot(&device.pci_info().ok()?.bus_id),
            name: device.name().unwrap_or_default(),
            uuid: device.uuid().unwrap_or_default(),
            compute_cap: capability.map_or_else(String::new, |c| format!("{}.{}", c.major, c.minor)),
            vram_mib: device.memory_info().ok().map(|memory| memory.total >> 20),
            brand: device
                .brand()
                .ok()
                .and_then(|brand| word(brand))
                .map(str::to_owned),
            minor: device.minor_number().ok().map(u64::from),
            // It is not supported by most cards: then nobody says.
            mig: device.mig_mode().ok().map(|mode| mode.current == 1),
        })
    });
    Report {
        driver: nvml.sys_driver_version().ok(),
        cuda,
        gpus: gpus.collect(),
        by: "nvml",
        ..Report::default()
    }
}

/// As the image gate writes it; none where only the name of the card tells.
fn word(brand: Brand) -> Option<&'static str> {
    Some(match brand {
        Brand::Quadro => "quadro",
        Brand::Tesla => "tesla",
        Brand::GRID => "grid",
        Brand::GeForce | Brand::GeForceRTX | Brand::Titan | Brand::TitanRTX => "geforce",
        Brand::QuadroRTX => "quadrortx",
        Brand::NvidiaRTX => "nvidiartx",
        Brand::Nvidia => "nvidia",
        Brand::VApps => "vapps",
        Brand::VPC => "vpc",
        Brand::VCS => "vcs",
        Brand::VWS => "vws",
        Brand::CloudGaming | Brand::VGaming => "cloudgaming",
        _ => return None,
    })
}
