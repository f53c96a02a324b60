//! Embeds anew when a stage or a theme is added (the macro that embeds them sees changed files, not new ones), and
//! writes the names of PCI devices as plain text, a line each: `10de 2330 GH100 [H100 SXM5 80GB]`. Says how to link.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    for folder in ["stages", "themes", "assets"] {
        if Path::new(folder).exists() {
            println!("cargo:rerun-if-changed={folder}");
        }
    }
    // At a fixed address nothing is relocated at every start: half a millisecond of a viewer that opens in five.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    let mut names = String::from("\n");
    for vendor in pci_ids::Vendors::iter() {
        for device in vendor.devices() {
            writeln!(names, "{:04x} {:04x} {}", vendor.id(), device.id(), device.name())?;
        }
    }
    let folder = env::var("OUT_DIR")?;
    fs::write(Path::new(&folder).join("pci-names.txt"), names)?;
    Ok(())
}
