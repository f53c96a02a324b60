//! Cards and drivers of NVIDIA's.

use std::os::unix::fs::symlink;

use serde_json::Value;

use super::{Host, expect};

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

/// The lines of wheels that have code for a card, by the facts that forms ask.
#[test]
fn wheels_of_a_line_run_on_the_cards_that_they_have_code_for() {
    for (id, chip, runs) in [
        ("10de:1b06", "Pascal", &["cu126"][..]),
        // 2.11, the last release of the line for CUDA 12.8, dropped Volta.
        ("10de:1db6", "Volta", &["cu126"]),
        ("10de:2204", "Ampere", &["cu126", "cu128", "cu130"]),
        ("10de:2b85", "Blackwell", &["cu128", "cu130"]),
    ] {
        let host = Host::new()
            .pci("0000:01:00.0", id, "030000", "a1", "nvidia")
            .nvidia("580.95.05", true);
        let facts = halolab::host::probe(host.0.path());
        let fits: Vec<&str> = ["cu126", "cu128", "cu130"]
            .into_iter()
            .filter(|line| facts[&format!("unfit_{line}")] == "".into())
            .collect();
        assert_eq!(fits, runs, "{chip}: {facts:?}");
    }
}
