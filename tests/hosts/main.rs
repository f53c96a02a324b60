//! Machines that nobody captured: rules hold for boards, cards and engines that the fixtures do not have.
#![expect(
    clippy::unwrap_used,
    clippy::too_many_arguments,
    clippy::too_many_lines,
    reason = "a test fails by panicking; tables of machines"
)]

mod amd;
mod nvidia;
mod others;
#[path = "../common/tree.rs"]
mod tree;

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;
use tree::{copy, detect};

/// A machine in the making.
struct Host(tempfile::TempDir);

impl Host {
    /// A PC with Debian and an ordinary processor.
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.file("root/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian\"\n")
            .file("root/etc/group", "root:x:0:\nvideo:x:44:\nrender:x:106:\n")
            .file("root/proc/sys/kernel/osrelease", "6.18.9\n")
            .file("root/proc/cpuinfo", &cpu("AuthenticAMD", 25, 97, ""))
            .file("root/proc/meminfo", "MemTotal:       65557924 kB\n")
            .file("dev.index", "")
            .file(
                "user.json",
                "{\"uid\": 1000, \"gid\": 1000, \"groups\": [1000, 106]}",
            )
    }

    /// A captured one.
    fn like(name: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        copy(&Path::new("tests/fixtures/hosts").join(name), host.0.path());
        host
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn without(self, path: &str) -> Self {
        let path = self.0.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    fn append(self, path: &str, text: &str) -> Self {
        let old = fs::read_to_string(self.0.path().join(path)).unwrap();
        self.file(path, &format!("{old}{text}"))
    }

    fn replace(self, path: &str, from: &str, to: &str) -> Self {
        let old = fs::read_to_string(self.0.path().join(path)).unwrap();
        assert!(old.contains(from), "{path} has no {from}");
        self.file(path, &old.replace(from, to))
    }

    /// A function on the bus; driver `-` is none.
    fn pci(self, slot: &str, id: &str, class: &str, revision: &str, driver: &str) -> Self {
        let (vendor, device) = id.split_once(':').unwrap();
        let base = format!("root/sys/bus/pci/devices/{slot}");
        let host = self
            .file(&format!("{base}/vendor"), &format!("0x{vendor}\n"))
            .file(&format!("{base}/device"), &format!("0x{device}\n"))
            .file(&format!("{base}/class"), &format!("0x{class}\n"))
            .file(&format!("{base}/revision"), &format!("0x{revision}\n"));
        if driver != "-" {
            let link = host.0.path().join(&base).join("driver");
            symlink(format!("../../../bus/pci/drivers/{driver}"), link).unwrap();
        }
        host
    }

    /// A node of the compute topology.
    fn kfd(self, number: u32, location: u32, gfx: u32, simd: (u32, u32), minor: u32, bytes: u64) -> Self {
        let base = format!("root/sys/class/kfd/kfd/topology/nodes/{number}");
        let text = format!(
            "simd_count {}\nsimd_per_cu {}\ngfx_target_version {gfx}\nvendor_id 4098\nlocation_id {location}\n\
             domain 0\ndrm_render_minor {minor}\ncwsr_size 1\n",
            simd.0, simd.1
        );
        self.file(&format!("{base}/properties"), &text).file(
            &format!("{base}/mem_banks/0/properties"),
            &format!("size_in_bytes {bytes}\n"),
        )
    }

    fn nvidia(self, version: &str, open: bool) -> Self {
        let line = if open {
            "NVIDIA UNIX Open Kernel Module for x86_64 "
        } else {
            "NVIDIA UNIX x86_64 Kernel Module "
        };
        self.file(
            "root/proc/driver/nvidia/version",
            &format!("NVRM version: {line} {version}  Release Build\n"),
        )
        .append(
            "dev.index",
            "/dev/nvidia0\tc\t195\t0\t0666\t0\t0\n/dev/nvidiactl\tc\t195\t255\t0666\t0\t0\n\
                 /dev/nvidia-uvm\tc\t511\t0\t0666\t0\t0\n",
        )
    }

    /// Nodes for AMD's cards that the user may use.
    fn nodes(self) -> Self {
        self.append(
            "dev.index",
            "/dev/kfd\tc\t237\t0\t0660\t0\t106\n/dev/dri/renderD128\tc\t226\t128\t0660\t0\t106\n",
        )
    }

    fn drm(self, slot: &str, card: u32, render: u32) -> Self {
        let base = format!("root/sys/bus/pci/devices/{slot}/drm");
        self.file(&format!("{base}/card{card}/dev"), "")
            .file(&format!("{base}/renderD{render}/dev"), "")
    }

    fn detect(&self) -> Value {
        detect(self.0.path())
    }
}

fn cpu(vendor: &str, family: u32, model: u32, flags: &str) -> String {
    format!(
        "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: Some CPU\nflags\t\t: fpu {flags}\n"
    )
}

/// Findings as `id severity`.
fn findings(value: &Value) -> BTreeSet<String> {
    let all = value["findings"].as_array().unwrap().iter();
    all.map(|f| {
        format!(
            "{} {}",
            f["id"].as_str().unwrap(),
            f["severity"].as_str().unwrap()
        )
    })
    .collect()
}

#[track_caller]
fn expect(value: &Value, primary: &str, wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(
        (value["primary"].as_str().unwrap(), findings(value)),
        (primary, wanted)
    );
}
