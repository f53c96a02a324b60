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
    // At a fixed address nothing is relocated at every start (measured: 0.4 ms of a viewer that opens in five). What a
    // random address of the program makes harder for others is an overflow of memory, which safe Rust does not have.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux")
        && env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu")
    {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
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
