//! Facts out of trees of files, and programs that misbehave.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path, time::Duration};

use halolab::host::{
    self, Fact,
    command::{Command, Error},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A tree of files: (path, text).
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn text(facts: &host::Facts, name: &str) -> String {
    match facts.get(name) {
        Some(Fact::Text(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

const STRIX_HALO: &[(&str, &str)] = &[
    (
        "etc/os-release",
        "ID=cachyos\nID_LIKE=arch\nPRETTY_NAME=\"CachyOS\"\n",
    ),
    ("etc/group", "root:x:0:\nrender:x:989:me\n"),
    ("proc/sys/kernel/osrelease", "7.1.3-1-cachyos\n"),
    (
        "proc/cpuinfo",
        "processor\t: 0\nmodel name\t: AMD RYZEN AI MAX+ 395 w/ Radeon 8060S\nsiblings\t: 32\n",
    ),
    ("proc/meminfo", "MemTotal:       130491700 kB\nMemFree: 1 kB\n"),
    ("run/systemd/system/x", ""),
    ("dev/kfd", ""),
    ("dev/accel/accel0", ""),
    ("usr/bin/incusd", ""),
    (
        "sys/class/kfd/kfd/topology/nodes/0/properties",
        "cpu_cores_count 32\ngfx_target_version 0\n",
    ),
    (
        "sys/class/kfd/kfd/topology/nodes/1/properties",
        "simd_count 80\ngfx_target_version 110501\n",
    ),
    ("sys/bus/pci/devices/0000:c5:00.0/class", "0x038000\n"),
    ("sys/bus/pci/devices/0000:c5:00.0/vendor", "0x1002\n"),
    ("sys/bus/pci/devices/0000:c5:00.0/device", "0x1586\n"),
    ("sys/bus/pci/devices/0000:c5:00.0/revision", "0xc1\n"),
    // its network card
    ("sys/bus/pci/devices/0000:01:00.0/class", "0x020000\n"),
    ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x8086\n"),
    ("sys/bus/pci/devices/0000:01:00.0/device", "0x125c\n"),
];

#[test]
fn a_strix_halo_box_is_seen_as_one() {
    let root = tree(STRIX_HALO);
    let facts = host::probe(root.path());
    assert_eq!(text(&facts, "family"), "arch");
    assert_eq!(text(&facts, "os"), "CachyOS");
    assert_eq!(text(&facts, "gfx"), "gfx1151");
    assert_eq!(text(&facts, "gpu_name"), "Radeon 8060S Graphics");
    assert_eq!(text(&facts, "cpu_name"), "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S");
    for (name, value) in [
        ("gpu_amd", true),
        ("gpu_nvidia", false),
        ("gpu_intel", false),
        ("kfd", true),
        ("npu", true),
        ("systemd", true),
        ("incus", true),
        ("lxd", false),
        ("docker", false),
        ("container", false),
        ("wsl", false),
    ] {
        assert_eq!(facts.get(name), Some(&Fact::Bool(value)), "{name}");
    }
    for (name, value) in [
        ("cpus", 32),
        ("memory", 130_491_700 * 1024),
        ("render_gid", 989),
        ("free_disk", 0),
    ] {
        assert_eq!(facts.get(name), Some(&Fact::Number(value)), "{name}");
    }
}

#[test]
fn accelerators_without_a_display_class_count() {
    let root = tree(&[
        (
            "etc/os-release",
            "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n",
        ),
        ("run/systemd/container", "lxc"),
        ("proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2"),
        ("sys/bus/pci/devices/0000:00:06.0/class", "0x030200"),
        ("sys/bus/pci/devices/0000:00:06.0/vendor", "0x10de"),
        ("sys/bus/pci/devices/0000:00:06.0/device", "0x2335"),
        (
            "proc/driver/nvidia/gpus/0000:00:06.0/information",
            "Model: \t\t NVIDIA H200\nIRQ: 1\n",
        ),
        ("sys/bus/pci/devices/0000:01:00.0/class", "0x120000"),
        ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x1002"),
        ("sys/bus/pci/devices/0000:01:00.0/device", "0x74a1"),
        (
            "sys/bus/pci/devices/0000:01:00.0/ip_discovery/die/0/GC/0/major",
            "9",
        ),
        (
            "sys/bus/pci/devices/0000:01:00.0/ip_discovery/die/0/GC/0/minor",
            "4",
        ),
        (
            "sys/bus/pci/devices/0000:01:00.0/ip_discovery/die/0/GC/0/revision",
            "3",
        ),
        // an NPU of Intel, which computes nothing for us
        ("sys/bus/pci/devices/0000:02:00.0/class", "0x120000"),
        ("sys/bus/pci/devices/0000:02:00.0/vendor", "0x8086"),
        ("sys/bus/pci/devices/0000:02:00.0/device", "0x7d1d"),
    ]);
    let facts = host::probe(root.path());
    assert_eq!(text(&facts, "family"), "debian");
    assert_eq!(text(&facts, "suite"), "noble");
    assert_eq!(text(&facts, "gfx"), "gfx942");
    assert_eq!(text(&facts, "gpu_name"), "NVIDIA H200");
    for (name, value) in [
        ("gpu_amd", true),
        ("gpu_nvidia", true),
        ("gpu_intel", false),
        ("wsl", true),
        ("container", true),
    ] {
        assert_eq!(facts.get(name), Some(&Fact::Bool(value)), "{name}");
    }
}

#[test]
fn every_known_fact_is_there_even_on_an_empty_or_broken_machine() {
    let empty = tree(&[]);
    let broken = tree(STRIX_HALO);
    for (path, _) in STRIX_HALO {
        fs::write(broken.path().join(path), [0xff, 0xfe, b'\n', 0]).unwrap();
    }
    for root in [Path::new("/"), empty.path(), broken.path()] {
        let facts = host::probe(root);
        let names: Vec<&str> = facts.keys().map(String::as_str).collect();
        assert_eq!(names, host::KNOWN, "below {}", root.display());
    }
}

#[test]
fn a_link_out_of_the_tree_is_not_followed() {
    let secret = tree(&[("os-release", "ID=debian\n")]);
    let root = tree(&[("etc/x", "")]);
    symlink(
        secret.path().join("os-release"),
        root.path().join("etc/os-release"),
    )
    .unwrap();
    assert_eq!(text(&host::probe(root.path()), "family"), "any");
}

#[test]
fn the_running_machine_has_memory_processors_and_room() {
    let facts = host::probe(Path::new("/"));
    for name in ["cpus", "memory", "free_disk"] {
        assert!(
            matches!(facts.get(name), Some(Fact::Number(1..))),
            "{name}: {:?}",
            facts.get(name)
        );
    }
    assert_eq!(
        facts.get("root"),
        Some(&Fact::Bool(rustix::process::geteuid().is_root()))
    );
}

fn shell(text: &str) -> Command {
    let mut command = Command::script(
        "test",
        text,
        BTreeMap::from([("WORD".into(), "a 'b'\n$c".into())]),
    );
    command.root = false;
    command.deadline = Duration::from_secs(20);
    command
}

#[tokio::test]
async fn output_arrives_while_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard");
    let mut seen = vec![];
    let mut output = |fd: u8, bytes: &[u8]| {
        seen.push((fd, bytes.to_vec()));
        fs::write(&heard, "").unwrap();
    };
    // It goes on only once its first word was heard.
    let command = shell(&format!(
        "printf %s \"$WORD\"; while [ ! -e {} ]; do sleep 0.05; done; echo end >&2; exit 7",
        heard.display()
    ));
    let code = command.run(&mut output, &CancellationToken::new()).await.unwrap();
    assert_eq!(code, 7);
    assert_eq!(seen, [(1, b"a 'b'\n$c".to_vec()), (2, b"end\n".to_vec())]);
}

#[tokio::test]
async fn nothing_waits_for_input_and_errors_carry_the_last_words() {
    assert_eq!(shell("cat; echo done").read().await.unwrap(), "done\n");
    let error = shell("echo first; echo why >&2; false; echo never")
        .read()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Failed { code: 1, text, .. } if text == "why"),
        "{error}"
    );
    let error = Command::new("halolab-no-such-program", ["x"])
        .read()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("halolab-no-such-program"), "{error}");
    assert_eq!(
        shell("kill -KILL $$")
            .run(&mut |_, _| {}, &CancellationToken::new())
            .await
            .unwrap(),
        137
    );
}

/// Whether a process is there and not only waiting to be buried.
fn alive(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.lines().any(|line| line.starts_with("State:\tZ"))
}

#[tokio::test]
async fn cancelling_ends_the_grandchildren_too() {
    let mut pids = String::new();
    let cancel = CancellationToken::new();
    let command = shell("trap '' TERM; (sleep 100 & echo $!; wait) & echo $!; wait; sleep 100");
    let started = Instant::now();
    let stop = cancel.clone();
    let mut output = |_: u8, bytes: &[u8]| {
        pids.push_str(std::str::from_utf8(bytes).unwrap());
        if pids.lines().count() == 2 {
            stop.cancel();
        }
    };
    let error = command.run(&mut output, &cancel).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_mins(1));
    assert_eq!(pids.lines().count(), 2);
    tokio::time::sleep(Duration::from_millis(100)).await;
    for pid in pids.lines() {
        assert!(!alive(pid), "{pid} lives");
    }
}

#[tokio::test]
async fn a_deadline_ends_it() {
    let mut command = shell("sleep 100");
    command.deadline = Duration::from_millis(200);
    let error = command.read().await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn a_daemon_that_keeps_the_pipe_is_not_waited_for_and_survives() {
    let started = Instant::now();
    let pid = shell("setsid -f sh -c 'echo $$; exec sleep 300'; sleep 0.3")
        .read()
        .await
        .unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(100),
        "{:?}",
        started.elapsed()
    );
    let pid = pid.trim();
    assert!(alive(pid), "the daemon did not survive");
    assert!(shell(&format!("kill {pid}")).succeeds().await);
}

#[tokio::test]
async fn dropping_the_future_leaves_nothing_running() {
    let pids = tempfile::NamedTempFile::new().unwrap();
    let command = shell(&format!("echo $$ >{}; sleep 100", pids.path().display()));
    let pid = || fs::read_to_string(pids.path()).unwrap();
    let up = async {
        while !pid().ends_with('\n') {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = command.succeeds() => panic!("ended: {ended}"),
        () = up => {}
    }
    for _ in 0..500 {
        if !alive(pid().trim()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} lives", pid());
}

#[tokio::test]
async fn a_script_that_the_kernel_would_refuse_is_named() {
    let error = shell(&format!(": {}", "x".repeat(200_000)))
        .read()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
}

#[test]
fn a_command_can_be_typed_as_shown() {
    let command = Command::new("apt-get", ["install", "it's", "a b", ""]);
    assert_eq!(command.line(), r"apt-get install 'it'\''s' 'a b' ''");
}
