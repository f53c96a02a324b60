//! Intel, virtual machines, containers, Windows, and users.

use std::fs;

use serde_json::Value;

use super::{Host, cpu, expect, findings, tree, tree::copy, tree::detect};

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

/// The mounts of a machine, or of a container.
fn mounts(root: &str) -> String {
    format!("22 27 0:21 / /proc rw,relatime - proc proc rw\n{root}\n30 27 0:30 / /run rw - tmpfs tmpfs rw\n")
}

#[test]
fn a_virtual_machine_of_a_containers_image_is_none() {
    const DISK: &str = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard";
    const LAYERS: &str =
        "27 1 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/docker/overlay2/ab/diff";
    let kind = |host: &Host| {
        let value = host.detect();
        let word = |key: &str| value["virt"][key].as_str().unwrap_or_default().to_owned();
        (word("kind"), word("id"))
    };
    let is = |kind: &str, id: &str| (kind.to_owned(), id.to_owned());
    let guest = || {
        Host::new()
            .file("root/.dockerenv", "")
            .file("root/proc/cpuinfo", &cpu("AuthenticAMD", 25, 1, "hypervisor"))
            .file(
                "root/sys/devices/system/clocksource/clocksource0/available_clocksource",
                "tsc kvm-clock\n",
            )
    };
    let seen = || {
        guest()
            .file("root/proc/2/comm", "kthreadd\n")
            .file("root/proc/self/mountinfo", &mounts(DISK))
    };
    assert_eq!(kind(&seen()), is("vm", "kvm"));
    // Images of Fedora and of UBI say `ENV container=oci`, and the first process of the machine still has it.
    assert_eq!(
        kind(&seen().file("root/proc/1/environ", "PATH=/bin\0container=oci\0")),
        is("vm", "kvm")
    );
    let firecracker = seen().file(
        "root/sys/firmware/acpi/tables/DSDT",
        "DSDTS\u{1}\0\0\u{2}wFIRECKFCVMDSDT",
    );
    assert_eq!(kind(&firecracker), is("vm", "firecracker"));
    // Processes of others may be hidden (hidepid=2): then the disk tells.
    assert_eq!(
        kind(&guest().file("root/proc/self/mountinfo", &mounts(DISK))),
        is("vm", "kvm")
    );
    // A container in that machine is one: the processor's word is the same there.
    let inside = guest().file("root/proc/self/mountinfo", &mounts(LAYERS));
    assert_eq!(kind(&inside), is("container", "docker"));
    // Also where it shares the machine's processes, and where only its groups of control tell.
    let shares = guest()
        .file("root/proc/2/comm", "kthreadd\n")
        .file("root/proc/self/mountinfo", &mounts(LAYERS));
    assert_eq!(kind(&shares), is("container", "docker"));
    let groups = Host::new()
        .file("root/proc/2/comm", "kthreadd\n")
        .file("root/proc/self/cgroup", "1:cpu:/docker/0123\n");
    assert_eq!(kind(&groups), is("container", "docker"));
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
