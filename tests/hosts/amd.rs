//! Cards, boards and settings of AMD's.

use super::{Host, expect, findings};

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
