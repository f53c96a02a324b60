//! Machines that nobody captured: rules hold for boards, cards and engines that the fixtures do not have.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/tree.rs"]
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

#[test]
fn cards_of_amd() {
    for (id, class, revision, gfx, simd, name, product) in [
        (
            "1002:744c",
            "030000",
            "c8",
            110_000,
            (192, 2),
            "AMD Radeon RX 7900 XTX",
            "navi-31",
        ),
        (
            "1002:7448",
            "030000",
            "00",
            110_000,
            (192, 2),
            "AMD Radeon Pro W7900",
            "navi-31",
        ),
        (
            "1002:7550",
            "030000",
            "c0",
            120_001,
            (128, 2),
            "AMD Radeon RX 9070 XT",
            "navi-48",
        ),
        (
            "1002:740f",
            "038000",
            "02",
            90_010,
            (416, 4),
            "AMD Instinct MI210",
            "mi210",
        ),
        (
            "1002:74a5",
            "120000",
            "00",
            90_402,
            (1216, 4),
            "AMD Instinct MI325X",
            "mi325x",
        ),
        (
            "1002:75a3",
            "120000",
            "00",
            90_500,
            (1024, 4),
            "AMD Instinct MI355X",
            "mi355x",
        ),
    ] {
        let host = Host::new()
            .pci("0000:03:00.0", id, class, revision, "amdgpu")
            .drm("0000:03:00.0", 0, 128)
            .file(
                "root/sys/bus/pci/devices/0000:03:00.0/mem_info_vram_total",
                "25753026560",
            )
            .kfd(1, 3 << 8, gfx, simd, 128, 25_753_026_560)
            .nodes();
        let value = host.detect();
        expect(&value, "rocm", &[]);
        let gpu = &value["gpus"][0];
        assert_eq!(gpu["name"], name);
        assert_eq!(gpu["product"], product);
        assert_eq!(gpu["cus"], simd.0 / simd.1);
        assert_eq!(
            (gpu["integrated"].as_bool(), gpu["memory"]["kind"].as_str()),
            (Some(false), Some("dedicated"))
        );
        assert_eq!(value["rocm"]["usable"], true);
    }
}

#[test]
fn an_unknown_card_of_amd_is_what_its_discovery_table_says() {
    let host = Host::new()
        .pci("0000:03:00.0", "1002:ffee", "030000", "00", "amdgpu")
        .drm("0000:03:00.0", 0, 128)
        .nodes();
    let base = "root/sys/bus/pci/devices/0000:03:00.0/ip_discovery/die/0/GC/0";
    let host = host
        .file(&format!("{base}/major"), "13")
        .file(&format!("{base}/minor"), "0")
        .file(&format!("{base}/revision"), "1");
    let value = host.detect();
    assert_eq!(value["gpus"][0]["gfx"], "gfx1301");
    assert_eq!(value["gpus"][0]["name"], "AMD GPU 1002:ffee");
    expect(&value, "rocm", &[]);
}

#[test]
fn an_mi300a_in_three_parts_is_one_integrated_card() {
    let mut host = Host::new()
        .pci("0000:01:00.0", "1002:74a0", "120000", "00", "amdgpu")
        .drm("0000:01:00.0", 1, 128)
        .nodes();
    for part in 0..3 {
        host = host.kfd(1 + part, (1 << 8) + part, 90_402, (304, 4), 128 + part, 1 << 35);
    }
    let value = host.detect();
    expect(&value, "rocm", &["amd.partition_mode info"]);
    let gpu = &value["gpus"][0];
    assert_eq!(
        (
            gpu["partitions"].as_u64(),
            gpu["cus"].as_u64(),
            gpu["integrated"].as_bool()
        ),
        (Some(3), Some(228), Some(true))
    );
    assert_eq!(value["findings"][0]["mode"], "TPX");
    assert_eq!(value["rocm"]["agents"], 3);
}

#[test]
fn strix_halo_is_told_by_silicon_and_not_by_names() {
    // another board, another product of the same identifier, an engineering sample's name
    let slot = "root/sys/devices/pci0000:00/0000:00:08.1/0000:c5:00.0";
    let host = Host::like("strix-halo-128-good")
        .file(&format!("{slot}/revision"), "0xd4\n")
        .replace(
            "root/sys/class/kfd/kfd/topology/nodes/1/properties",
            "simd_count 80",
            "simd_count 64",
        )
        .replace(
            "root/proc/cpuinfo",
            "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S",
            "AMD Eng Sample: 100-000001243-50_Y",
        )
        .without("root/sys/class/dmi");
    let value = host.detect();
    expect(&value, "rocm", &[]);
    assert_eq!(value["gpus"][0]["name"], "Radeon 8050S Graphics");
    assert_eq!(
        (
            value["gpus"][0]["cus"].as_u64(),
            value["gpus"][0]["product"].as_str()
        ),
        (Some(32), Some("strix-halo"))
    );

    // a revision that nobody listed yet is told by its size
    let newer = Host::like("strix-halo-128-good")
        .file(&format!("{slot}/revision"), "0xe7\n")
        .detect();
    assert_eq!(newer["gpus"][0]["name"], "Radeon 8060S Graphics");

    // the same with nothing of KFD: the discovery table and the revision are left
    let value = host
        .without("root/sys/class/kfd")
        .replace("dev.index", "/dev/kfd", "/dev/other")
        .detect();
    expect(&value, "rocm", &["dev.kfd.missing fail"]);
    let gpu = &value["gpus"][0];
    assert_eq!(
        (gpu["gfx"].as_str(), gpu["cus"].as_u64()),
        (Some("gfx1151"), Some(32))
    );
    assert_eq!(
        gpu["memory"]["rocm_pool_bytes"], 133_143_986_176_u64,
        "what TTM allows"
    );

    // and a desktop that only has the name
    let value = Host::new()
        .replace(
            "root/proc/cpuinfo",
            "Some CPU",
            "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S",
        )
        .detect();
    expect(&value, "none", &["gpu.none warn"]);
}

#[test]
fn a_large_carve_out_is_said_and_the_limit_of_the_rest_is_not() {
    let slot = "root/sys/devices/pci0000:00/0000:00:08.1/0000:c5:00.0";
    let host = Host::like("strix-halo-128-good")
        .file(&format!("{slot}/mem_info_vram_total"), "103079215104")
        .file(&format!("{slot}/mem_info_gtt_total"), "16638816256")
        .file("root/proc/meminfo", "MemTotal:       32497688 kB\n")
        .file("root/sys/module/amdttm/parameters/pages_limit", "4062211")
        .file("root/sys/module/amdgpu/version", "6.16.13\n")
        .without("root/sys/module/ttm")
        .file(
            "user.json",
            "{\"uid\": 0, \"env\": {\"HSA_OVERRIDE_GFX_VERSION\": \"11.0.3\"}}",
        )
        .replace(
            "root/sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties",
            "133143986176",
            "103079215104",
        );
    let value = host.detect();
    expect(
        &value,
        "rocm",
        &[
            "amd.driver.dkms warn",
            "amd.env.hsa_override warn",
            "amd.mem.large_carveout warn",
            "amd.param.pages_limit_not_applied warn",
        ],
    );
    assert_eq!(value["gpus"][0]["memory"]["rocm_pool_bytes"], 103_079_215_104_u64);
    let all = value["findings"].as_array().unwrap();
    let carve_out = all
        .iter()
        .find(|finding| finding["id"] == "amd.mem.large_carveout")
        .unwrap();
    assert_eq!(carve_out["suggest_pages_limit"], 32_505_856);
}

#[test]
fn parameters_that_many_guides_copy_are_judged_one_by_one() {
    let host = Host::like("strix-halo-128-good")
        .append(
            "root/proc/cmdline",
            " amd_iommu=off amdgpu.gttsize=126976 amdgpu.no_system_mem_limit=Y",
        )
        .file("root/sys/module/amdgpu/parameters/gttsize", "126976\n")
        .file("root/sys/module/amdgpu/parameters/no_system_mem_limit", "Y\n");
    expect(
        &host.detect(),
        "rocm",
        &[
            "amd.npu.iommu_off info",
            "amd.param.gttsize_deprecated warn",
            "amd.param.no_system_mem_limit info",
        ],
    );
    let host = Host::like("strix-halo-128-good")
        .file(
            "root/etc/modprobe.d/ttm.conf",
            "# mine\noptions ttm pages_limit=25165824 \\\n page_pool_size=25165824\n",
        )
        .replace("root/proc/cmdline", "ttm.pages_limit=32505856 ", "");
    let value = host.detect();
    expect(&value, "rocm", &["amd.param.pages_limit_not_applied warn"]);
    assert_eq!(value["findings"][0]["running"], 32_505_856);
    // ROCm 7.2.0 on a kernel without the fix
    let host = Host::like("strix-halo-128-untuned-badfw").file("root/opt/rocm/.info/version", "7.2.0-43\n");
    assert!(findings(&host.detect()).contains("amd.kernel.gfx1151_fix_missing fail"));
}

#[test]
fn other_apus_and_boards_without_rocm() {
    let apu = |id: &str, gfx, gtt: &str| {
        Host::new()
            .pci("0000:c4:00.0", id, "030000", "c1", "amdgpu")
            .drm("0000:c4:00.0", 1, 128)
            .file(
                "root/sys/bus/pci/devices/0000:c4:00.0/mem_info_vram_total",
                "536870912",
            )
            .file("root/sys/bus/pci/devices/0000:c4:00.0/mem_info_gtt_total", gtt)
            .kfd(1, 0xc4 << 8, gfx, (80, 2), 128, 1 << 33)
            .nodes()
    };
    let value = apu("1002:1114", 110_502, "33565657088").detect();
    expect(
        &value,
        "rocm",
        &["amd.mem.gtt_default warn", "gpu.not_strix_halo info"],
    );
    let value = apu("1002:1900", 110_003, "1").detect();
    expect(&value, "rocm", &["gpu.not_strix_halo info"]);
    // 40 compute units, but no Strix Halo
    let value = apu("1002:13fe", 100_103, "1").detect();
    expect(
        &value,
        "none",
        &["amd.gfx.unsupported fail", "gpu.not_strix_halo info"],
    );
    assert_eq!(value["rocm"]["why"][0], "amd.gfx.unsupported");
    // the small GPU of a desktop's processor beside a card that computes is no failure
    let value = apu("1002:164e", 100_306, "1")
        .pci("0000:01:00.0", "10de:2204", "030000", "a1", "nvidia")
        .drm("0000:01:00.0", 0, 129)
        .nvidia("580.95.05", true)
        .detect();
    expect(
        &value,
        "cuda",
        &["amd.gfx.unsupported info", "gpu.not_strix_halo info"],
    );
}

#[test]
fn cards_of_nvidia() {
    for (id, class, driver, open, capability, wanted) in [
        ("10de:2204", "030000", "580.95.05", false, "8.6", &[][..]),
        (
            "10de:2b85",
            "030000",
            "580.95.05",
            true,
            "12.0",
            &["nvidia.arch.not_in_seed_list warn"][..],
        ),
        (
            "10de:2b85",
            "030000",
            "580.95.05",
            false,
            "12.0",
            &[
                "nvidia.arch.not_in_seed_list warn",
                "nvidia.driver.needs_open_module fail",
            ][..],
        ),
        (
            "10de:20b2",
            "030200",
            "550.163.01",
            false,
            "8.0",
            &["nvidia.no_drm info"][..],
        ),
        (
            "10de:2342",
            "030200",
            "570.124.06",
            true,
            "9.0",
            &["nvidia.no_drm info"][..],
        ),
        ("10de:1b06", "030000", "580.95.05", false, "6.1", &[][..]),
        (
            "10de:1db6",
            "030200",
            "535.104.05",
            false,
            "7.0",
            &["nvidia.arch.not_in_seed_list warn", "nvidia.no_drm info"][..],
        ),
        (
            "10de:2204",
            "030000",
            "570.124.06",
            false,
            "8.6",
            &["nvidia.driver.too_old_for_image fail"][..],
        ),
    ] {
        let mut host = Host::new()
            .pci("0000:01:00.0", id, class, "a1", "nvidia")
            .nvidia(driver, open);
        if class == "030000" {
            host = host.drm("0000:01:00.0", 0, 128);
        }
        let value = host.detect();
        expect(&value, "cuda", wanted);
        assert_eq!(value["gpus"][0]["compute_cap"], capability, "{id}");
        assert_eq!(value["cuda"]["open_module"], open);
    }
}

#[test]
fn two_cards_of_different_kind_and_a_gate_that_takes_only_one() {
    let csv = "index, name, uuid, pci.bus_id, driver_version, compute_cap, memory.total [MiB]\n\
               0, NVIDIA A100 80GB PCIe, GPU-1, 00000000:01:00.0, 570.124.06, 8.0, 81920 MiB\n\
               1, NVIDIA GeForce RTX 3090, GPU-2, 00000000:02:00.0, 570.124.06, 8.6, 24576 MiB\n";
    let one = Host::new()
        .pci("0000:01:00.0", "10de:20b5", "030200", "a1", "nvidia")
        .drm("0000:01:00.0", 0, 128)
        .nvidia("570.124.06", true)
        .file("cmd/nvidia-smi-query.csv", csv);
    assert_eq!(
        one.detect()["cuda"]["image_gate_12.9.1"],
        "pass",
        "570 is listed for this brand"
    );
    let value = one
        .pci("0000:02:00.0", "10de:2204", "030000", "a1", "nvidia")
        .drm("0000:02:00.0", 1, 129)
        .detect();
    assert_eq!(value["cuda"]["image_gate_12.9.1"], "fail", "GeForce is not");
    assert_eq!(value["gpus"][1]["memory"]["vram_mib"], 24576);
    expect(&value, "cuda", &["nvidia.driver.too_old_for_image fail"]);
}

#[test]
fn drivers_that_are_not_there_or_do_not_fit() {
    let card = |driver| {
        Host::new()
            .pci("0000:01:00.0", "10de:2684", "030000", "a1", driver)
            .drm("0000:01:00.0", 0, 128)
    };
    let value = card("nouveau").detect();
    expect(&value, "none", &["nvidia.driver.nouveau fail"]);
    assert_eq!(
        (&value["cuda"]["driver"], &value["cuda"]["usable"]),
        (&Value::Null, &Value::Bool(false))
    );
    let value = card("-").detect();
    expect(&value, "none", &["nvidia.driver.missing fail"]);
    let secure = card("-").file(
        "root/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        "\u{6}\0\0\0\u{1}",
    );
    let value = secure.detect();
    assert!(
        value["findings"][0]["why"]
            .as_str()
            .unwrap()
            .contains("Secure boot")
    );
    assert_eq!(value["kernel"]["secure_boot"], true);
    let value = card("vfio-pci").detect();
    expect(&value, "none", &["gpu.reserved_for_vm info"]);
    // updated, and not yet restarted
    let host = card("nvidia")
        .nvidia("580.95.05", true)
        .file("root/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.590.44.01", "");
    let link = host
        .0
        .path()
        .join("root/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
    symlink("libnvidia-ml.so.590.44.01", link).unwrap();
    let value = host.detect();
    expect(&value, "cuda", &["nvidia.driver.library_mismatch fail"]);
    assert_eq!(value["cuda"]["usable"], false);
    // amdgpu did not load
    let value = Host::new()
        .pci("0000:03:00.0", "1002:744c", "030000", "c8", "-")
        .detect();
    expect(&value, "none", &["amd.driver.missing fail"]);
}

#[test]
fn a_jetson_has_no_card_on_pci() {
    let host = Host::new()
        .file("root/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n")
        .file(
            "root/proc/device-tree/compatible",
            "nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0",
        )
        .file(
            "root/proc/device-tree/model",
            "NVIDIA Jetson AGX Orin Developer Kit\0",
        )
        .file("root/sys/module/nvgpu/refcnt", "1");
    let value = host.detect();
    let gpu = &value["gpus"][0];
    assert_eq!(
        (gpu["compute_cap"].as_str(), gpu["pci"].as_str()),
        (Some("8.7"), None)
    );
    assert_eq!(
        (
            value["host"]["arch"].as_str(),
            value["host"]["cpu_vendor"].as_str()
        ),
        (Some("aarch64"), None)
    );
    expect(&value, "cuda", &[]);
}

#[test]
fn intel_and_virtual_displays() {
    let arc = Host::new()
        .pci("0000:03:00.0", "8086:56a0", "030000", "08", "xe")
        .drm("0000:03:00.0", 1, 128)
        .detect();
    expect(&arc, "none", &["gpu.no_compute_stack warn"]);
    assert_eq!(
        (
            arc["gpus"][0]["integrated"].as_bool(),
            arc["gpus"][0]["name"].as_str()
        ),
        (Some(false), Some("DG2 [Arc A770]"))
    );
    let laptop = Host::new()
        .pci("0000:00:02.0", "8086:a7a0", "030000", "04", "i915")
        .drm("0000:00:02.0", 1, 128)
        .pci("0000:01:00.0", "10de:28e0", "030000", "a1", "nvidia")
        .drm("0000:01:00.0", 0, 129)
        .nvidia("580.95.05", true);
    expect(&laptop.detect(), "cuda", &[]);
    for (id, vendor, product, name) in [
        ("15ad:0405", "VMware, Inc.", "VMware7,1", "vmware"),
        ("1414:5353", "Microsoft Corporation", "Virtual Machine", "hyperv"),
        ("1234:1111", "QEMU", "Standard PC (i440FX + PIIX, 1996)", "qemu"),
        ("80ee:beef", "innotek GmbH", "VirtualBox", "virtualbox"),
    ] {
        let value = Host::new()
            .pci("0000:00:0f.0", id, "030000", "00", "vmwgfx")
            .file("root/sys/class/dmi/id/sys_vendor", vendor)
            .file("root/sys/class/dmi/id/product_name", product)
            .file("root/proc/cpuinfo", &cpu("GenuineIntel", 6, 85, "hypervisor"))
            .detect();
        expect(&value, "none", &["gpu.none warn"]);
        assert_eq!(
            (value["virt"]["kind"].as_str(), value["virt"]["id"].as_str()),
            (Some("vm"), Some(name))
        );
    }
    let server = Host::new()
        .pci("0000:c1:00.0", "1a03:2000", "030000", "52", "ast")
        .detect();
    expect(&server, "none", &["gpu.none warn"]);
    assert_eq!(server["virt"]["kind"], "none");
}

#[test]
fn containers_and_windows() {
    let docker = Host::new().file("root/.dockerenv", "").detect();
    assert_eq!(
        (docker["virt"]["kind"].as_str(), docker["virt"]["id"].as_str()),
        (Some("container"), Some("docker"))
    );
    expect(&docker, "none", &["gpu.none warn"]);
    let machine = Host::new()
        .file("root/.dockerenv", "")
        .file("root/proc/2/comm", "kthreadd\n")
        .detect();
    assert_eq!(
        machine["virt"]["kind"], "none",
        "made from a container's image, but it sees kernel threads"
    );
    let lxc = Host::like("strix-halo-inside-lxc")
        .replace("dev.index", "/dev/kfd", "/dev/other")
        .detect();
    expect(
        &lxc,
        "rocm",
        &[
            "amd.mem.pool_exceeds_memtotal info",
            "dev.kfd.missing fail",
            "host.meminfo_is_container_limit info",
        ],
    );
    let unprivileged = Host::like("strix-halo-inside-lxc")
        .file("root/proc/self/uid_map", "0 100000 65536\n")
        .detect();
    assert_eq!(unprivileged["virt"]["privileged"], false);
    // WSL2 with a card of AMD: no nvidia-smi there
    let wsl = Host::like("wsl2-nvidia")
        .without("root/usr")
        .without("cmd")
        .detect();
    expect(&wsl, "unsupported", &["host.wsl2 warn"]);
    assert_eq!((&wsl["cuda"], &wsl["rocm"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_machine_that_says_nothing() {
    let empty = tempfile::tempdir().unwrap();
    let value = detect(empty.path());
    expect(&value, "none", &["gpu.none warn"]);
    assert_eq!(value["schema"], 1);
    assert_eq!(value["host"]["kernel"], Value::Null);
}

#[test]
fn a_tree_that_lost_its_links_is_read_the_same() {
    for host in tree::hosts() {
        let folder = tempfile::tempdir().unwrap();
        copy(&host, folder.path());
        for path in tree::files(folder.path()) {
            if let Ok(target) = fs::read_link(&path) {
                fs::remove_file(&path).unwrap();
                fs::write(&path, target.to_str().unwrap()).unwrap();
            }
        }
        assert_eq!(detect(folder.path()), detect(&host), "{}", host.display());
        assert_eq!(
            detect(&folder.path().join("root")),
            detect(&host),
            "{}",
            host.display()
        );
    }
}

#[test]
fn users_and_groups_decide() {
    let mine = |user: &str| {
        Host::like("strix-halo-kfd-denied")
            .file("user.json", user)
            .detect()
    };
    expect(&mine("{\"uid\": 1000, \"groups\": [993]}"), "rocm", &[]);
    expect(&mine("{\"uid\": 0}"), "rocm", &[]);
    let nobody = mine("not JSON");
    assert!(findings(&nobody).contains("dev.kfd.denied fail"));
    assert_eq!(nobody["rocm"]["usable"], false);
    let fix = mine("{\"uid\": 7, \"name\": \"x; rm -rf /\"}")["findings"][0]["fix"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(fix, "sudo usermod -aG render \"$USER\", then log in again");
}
