//! Embeds anew when a stage or a theme is added (the macro that embeds them sees changed files, not new ones), and
//! writes the names of PCI devices as plain text, a line each: `10de 2330 GH100 [H100 SXM5 80GB]`. Says how to link.

use std::{env, error::Error, fmt::Write as _, fs, path::Path, process::Command};

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
        link_unwinder();
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

/// Takes what unwinds after a panic into the program where the compiler has it as an archive: a library less to load at
/// every start. Elsewhere the shared one is loaded, as usual.
#[expect(clippy::disallowed_methods, reason = "nothing draws while this is built")]
fn link_unwinder() {
    let same = env::var("HOST") == env::var("TARGET");
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let found = asked.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    let path = found.unwrap_or_default();
    if let (true, Some(folder), true) = (same, Path::new(&path).parent(), Path::new(&path).is_absolute()) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:+whole-archive=gcc_eh");
    }
}
