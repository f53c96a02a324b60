//! Neural processors.

use serde::Serialize;

use super::super::{Root, matrix::Matrix};
use super::pci::Device;

/// A neural processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Npu {
    /// `0000:c6:00.1`.
    pub pci: String,
    /// `1022:17f0`: shared by Strix Halo, Strix Point and Krackan.
    pub ids: String,
    /// Tells them apart.
    pub revision: Option<String>,
    /// What people call it.
    pub name: String,
    /// Chip by revision.
    pub product: Option<String>,
    /// Kernel driver.
    pub driver: Option<String>,
    /// Its device node.
    pub node: Option<String>,
}

/// All of them, by address.
pub(super) fn read(root: &Root, matrix: &Matrix, devices: &[Device]) -> Vec<Npu> {
    let nodes: Vec<String> = root
        .nodes("/dev/accel")
        .into_iter()
        .filter(|name| name.starts_with("accel"))
        .collect();
    let drivers = devices
        .iter()
        .filter(|device| device.is_accelerator() && device.driver.is_some())
        .count();
    let found = devices.iter().filter(|device| device.is_accelerator());
    found
        .filter(|device| matrix.npu(&device.id()).is_some() || device.class.starts_with("12"))
        .map(|device| {
            let known = matrix.npu(&device.id());
            let own = root.list(&device.path("accel")).into_iter().next();
            // sysfs says whose node it is; where it does not, one driver and one node belong together.
            let only = || {
                (drivers == 1 && nodes.len() == 1)
                    .then(|| nodes.first().cloned())
                    .flatten()
            };
            let node = device.driver.as_ref().and_then(|_| own.or_else(only));
            let listed = || device.listed_name().unwrap_or("Accelerator").to_owned();
            let revision = device.revision.clone();
            Npu {
                pci: device.slot.clone(),
                ids: device.id(),
                name: known.map_or_else(listed, |row| row.name.clone()),
                product: known.and_then(|row| row.products.get(revision.as_deref()?).cloned()),
                revision,
                driver: device.driver.clone(),
                node: node.map(|name| format!("/dev/accel/{name}")),
            }
        })
        .collect()
}
