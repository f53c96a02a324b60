//! Functions on the PCI bus.

use super::super::{Root, root::shorten};

/// No machine has more display and compute devices.
const LIMIT: usize = 512;

const DEVICES: &str = "/sys/bus/pci/devices";

/// The names of pci.ids, written by `build.rs`: each line begins after a line break.
const NAMES: &str = include_str!(concat!(env!("OUT_DIR"), "/pci-names.txt"));

/// A function; identifiers in lower-case hexadecimal without `0x`.
#[derive(Clone, Debug)]
pub(super) struct Device {
    /// `0000:c5:00.0`.
    pub(super) slot: String,
    /// Six digits: `038000`.
    pub(super) class: String,
    pub(super) vendor: String,
    pub(super) model: String,
    pub(super) subsystem: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) driver: Option<String>,
}

impl Device {
    /// `1002:1586`.
    pub(super) fn id(&self) -> String {
        format!("{}:{}", self.vendor, self.model)
    }

    /// A file of the device.
    pub(super) fn path(&self, file: &str) -> String {
        format!("{DEVICES}/{}/{file}", self.slot)
    }

    /// Display controllers are class 03 (Strix Halo is 0380, H200 0302); accelerators of AMD class 12 (MI300X).
    /// Class 12 of others is an NPU.
    pub(super) fn is_gpu(&self) -> bool {
        let accelerator = self.class.starts_with("12") && matches!(self.vendor.as_str(), "1002" | "10de");
        self.class.starts_with("03") || accelerator
    }

    /// Signal processing controllers (1180, AMD) and processing accelerators (1200).
    pub(super) fn is_accelerator(&self) -> bool {
        !self.is_gpu() && (self.class.starts_with("12") || self.class.starts_with("1180"))
    }

    /// What pci.ids says.
    pub(super) fn listed_name(&self) -> Option<&'static str> {
        let key = format!("\n{} {} ", self.vendor, self.model);
        let from = memchr::memmem::find(NAMES.as_bytes(), key.as_bytes())? + key.len();
        NAMES.get(from..)?.lines().next()
    }

    /// Domain, bus and device: `(0, 0xc5, 0)`.
    pub(super) fn place(&self) -> Option<(u64, u64, u64)> {
        let (domain, rest) = self.slot.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (device, _) = rest.split_once('.')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        Some((number(domain)?, number(bus)?, number(device)?))
    }
}

/// Display and compute devices, by address.
pub(super) fn read(root: &Root) -> Vec<Device> {
    let slots = root.list(DEVICES).into_iter();
    slots
        .filter_map(|slot| device(root, slot))
        .filter(|device| device.is_gpu() || device.is_accelerator())
        .take(LIMIT)
        .collect()
}

fn device(root: &Root, slot: String) -> Option<Device> {
    let read = |file: &str| hexadecimal(&root.read(&format!("{DEVICES}/{slot}/{file}"))?);
    let class = format!("{:0>6}", read("class")?);
    // Most of the bus is of no interest: its other files need not be read.
    if !(class.starts_with("03") || class.starts_with("12") || class.starts_with("1180")) {
        return None;
    }
    let subsystem = read("subsystem_vendor").zip(read("subsystem_device"));
    Some(Device {
        vendor: read("vendor")?,
        model: read("device")?,
        subsystem: subsystem.map(|(vendor, device)| format!("{vendor}:{device}")),
        revision: read("revision"),
        driver: root
            .link_name(&format!("{DEVICES}/{slot}/driver"))
            .map(|name| shorten(&name)),
        class,
        slot,
    })
}

/// A number as sysfs writes it; none for anything else.
fn hexadecimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).to_lowercase();
    let good = !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    good.then_some(digits)
}
