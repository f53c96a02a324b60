//! GPUs in a real daemon, with nodes and libraries that only look like theirs: who may open a node inside, and which of
//! the host's libraries are seen, after every change of the lab.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common {
    #![allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        missing_docs,
        clippy::expect_used,
        clippy::indexing_slicing
    )]
    pub mod daemon;
    pub mod program;
    pub mod standin;
}

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use common::{program::Home, standin};
use halolab::stage::Stage;

/// A lab whose stage has more in it, and a folder on this machine for what is passed in.
fn lab_with(more: impl FnOnce(&Path) -> String) -> Option<(Home, PathBuf)> {
    let home = Home::new(1)?;
    let folder = home.folder.path().join("host");
    fs::create_dir(&folder).unwrap();
    for folder in [home.folder.path(), &folder] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let stage = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let mut text = fs::read_to_string(&stage).unwrap();
    text.push_str(&more(&folder));
    // BusyBox needs no C library; our prover does.
    let libraries = format!("/lib/{}-linux-gnu", std::env::consts::ARCH);
    for (number, path) in ["/lib64", &libraries, "/sbin/ldconfig"].into_iter().enumerate() {
        if fs::exists(path).unwrap() {
            let keys = format!(r#"type = "disk", source = "{path}", path = "{path}""#);
            text.push_str(&device(&format!("libc{number}"), &keys));
        }
    }
    fs::write(&stage, text).unwrap();
    home.trust();
    Some((home, folder))
}

fn device(name: &str, keys: &str) -> String {
    format!("\n[profile.device.{name}]\nconfig = {{ {keys} }}\n")
}

/// Nodes that are none of a GPU: the daemon takes them from `/dev` only.
struct Nodes(PathBuf);

impl Nodes {
    fn new() -> Self {
        let folder = PathBuf::from(format!("/dev/{}", common::daemon::unique("nodes")));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One of them, in truth `/dev/zero`, `/dev/urandom`, ...
fn node(nodes: &Nodes, name: &str, minor: u32) -> PathBuf {
    let path = nodes.0.join(name);
    let made = Command::new("mknod")
        .args(["-m", "0600"])
        .arg(&path)
        .args(["c", "1", &minor.to_string()])
        .status();
    assert!(made.unwrap().success(), "mknod needs root");
    path
}

fn shipped(id: &str) -> Stage {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("stages")
        .join(id)
        .join("stage.toml");
    toml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The people of a lab: `lab` is in the group of the devices, `other` is not.
const PEOPLE: &str = r#"
[[step]]
id = "people"
title = "make two users, one in the group of the devices"
run.any.inline = '''
echo 'gpu:x:2990:lab' >>/etc/group
echo 'lab:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd
echo 'other:x:1001:1001::/tmp:/bin/sh' >>/etc/passwd
'''
"#;

/// What the shipped stage passes of an AMD GPU, from nodes of other numbers, and a driver that fits them.
fn amd_devices(nodes: &Nodes, folder: &Path) -> String {
    let devices = shipped("ai-lab").profile.devices;
    let mut text = PEOPLE.to_owned();
    for (name, minor) in [("kfd", 5), ("npu", 9)] {
        let source = node(nodes, name, minor);
        let mut config = devices[name].config.clone();
        config.insert("source".into(), source.display().to_string());
        let keys: Vec<String> = config.iter().map(|(k, v)| format!("{k} = {v:?}")).collect();
        text.push_str(&device(name, &keys.join(", ")));
    }
    // What `type = "gpu"` passes has its own keys for the same.
    let gpu = &devices["gpu-amd"].config;
    let keys = format!(
        r#"type = "unix-char", source = "{}", path = "/dev/dri/renderD128", gid = "{}", mode = "{}""#,
        node(nodes, "render", 8).display(),
        gpu["gid"],
        gpu["mode"]
    );
    text.push_str(&device("render", &keys));
    let driver = folder.join("driver");
    fs::create_dir(&driver).unwrap();
    fs::set_permissions(&driver, fs::Permissions::from_mode(0o755)).unwrap();
    standin::hip(&driver, "");
    text + &device(
        "driver",
        &format!(
            r#"type = "disk", source = "{}", path = "/usr/lib""#,
            driver.display()
        ),
    )
}

#[test]
fn the_group_of_the_lab_opens_amd_nodes_and_nobody_else_does() {
    let inside = ["/dev/kfd", "/dev/accel/accel0", "/dev/dri/renderD128"];
    if std::env::var("HALOLAB_TEST_LXD").is_ok_and(|socket| socket == "skip") {
        return;
    }
    let nodes = Nodes::new();
    let made = lab_with(|folder| amd_devices(&nodes, folder));
    let Some((home, _)) = made else { return };
    let lab = home.lab();
    let check = |after: &str| {
        for node in inside {
            let seen = home.inside(lab, &format!("stat -c '%a %u %g %F' {node}"));
            assert_eq!(seen, "660 0 2990 character special file", "{node} after {after}");
            let opens = |user: &str| {
                let read = format!("su {user} -c 'head -c 1 {node} >/dev/null 2>&1' && echo yes || echo no");
                home.inside(lab, &read)
            };
            assert_eq!(
                (opens("lab"), opens("other")),
                ("yes".to_owned(), "no".to_owned()),
                "{node} after {after}"
            );
        }
        assert_eq!(home.status(lab)["proof"]["grade"], "hip", "after {after}");
    };
    home.ends(0, &["apply", lab, "--yes"]);
    check("the first run");
    home.ends(0, &["stop", lab]);
    home.ends(0, &["start", lab]);
    check("a restart");
    for change in ["restore:clean", "update", "recreate", "recreate:clean"] {
        home.ends(0, &["apply", lab, "--choose", change, "--yes"]);
        check(change);
    }
}

/// A folder as a distribution's: the driver among libraries that a lab must never see.
fn distribution(folder: &Path, driver: &str) {
    for old in fs::read_dir(folder).unwrap() {
        let path = old.unwrap().path();
        if path.is_file() || path.is_symlink() {
            fs::remove_file(path).unwrap();
        }
    }
    standin::cuda(folder, "");
    let name = format!("libcuda.so.{driver}");
    fs::rename(folder.join("libcuda.so.1"), folder.join(&name)).unwrap();
    symlink(&name, folder.join("libcuda.so.1")).unwrap();
    for other in [
        &format!("libnvidia-gpucomp.so.{driver}"),
        "libnvidia-container.so.1",
        "libc.so.6",
        "libstdc++.so.6",
    ] {
        fs::write(folder.join(other), "no library").unwrap();
    }
}

#[test]
fn a_lab_sees_the_drivers_libraries_and_none_beside_them() {
    if std::env::var("HALOLAB_TEST_LXD").is_ok_and(|socket| socket == "skip") {
        return;
    }
    let nodes = Nodes::new();
    let made = lab_with(|folder| {
        let libraries = folder.join("lib");
        fs::create_dir(&libraries).unwrap();
        fs::set_permissions(&libraries, fs::Permissions::from_mode(0o755)).unwrap();
        distribution(&libraries, "580.95.05");
        let mut config = shipped("ai-lab").profile.devices["nvidia-driver"].config.clone();
        config.insert("source".into(), libraries.display().to_string());
        let keys: Vec<String> = config.iter().map(|(k, v)| format!("{k} = {v:?}")).collect();
        let gpu = format!(
            r#"type = "unix-char", source = "{}", path = "/dev/nvidia0""#,
            node(&nodes, "nvidia0", 5).display()
        );
        device("nvidia-driver", &keys.join(", ")) + &device("gpu", &gpu)
    });
    let Some((home, folder)) = made else { return };
    let lab = home.lab();
    let links = |driver: &str| format!("libcuda.so.1\nlibcuda.so.{driver}\nlibnvidia-gpucomp.so.{driver}");
    home.ends(0, &["apply", lab, "--yes"]);
    assert_eq!(home.status(lab)["proof"]["grade"], "cuda");
    assert_eq!(home.inside(lab, "ls /opt/halolab/driver"), links("580.95.05"));
    assert_eq!(
        home.inside(lab, "touch /opt/halolab/host-driver/x 2>&1 || true"),
        "touch: /opt/halolab/host-driver/x: Read-only file system"
    );
    home.ends(0, &["stop", lab]);
    home.ends(0, &["start", lab]);
    home.ends(0, &["prove", lab, "--yes"]);
    // The host's driver is updated: names inside change with it, in an old snapshot too.
    distribution(&folder.join("lib"), "590.48.01");
    home.ends(0, &["prove", lab, "--yes"]);
    assert_eq!(home.inside(lab, "ls /opt/halolab/driver"), links("590.48.01"));
    home.ends(0, &["apply", lab, "--choose", "restore:clean", "--yes"]);
    assert_eq!(home.inside(lab, "ls /opt/halolab/driver"), links("590.48.01"));
    assert_eq!(home.status(lab)["proof"]["grade"], "cuda");
    // Without its libraries the lab starts, and its proof says what is missing.
    fs::remove_dir_all(folder.join("lib")).unwrap();
    home.ends(0, &["stop", lab]);
    home.ends(0, &["start", lab]);
    let said = home.ends(5, &["prove", lab, "--yes"]).err;
    assert!(said.contains("libcuda.so.1"), "{said}");
}

#[test]
fn what_moved_since_the_proof_is_said_and_a_new_proof_ends_it() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(home.status(lab)["proof"]["host"]["kernel"], kernel.trim());
    assert_eq!(home.status(lab)["drift"], serde_json::json!([]));
    // The lab and its snapshot were proven on an older kernel.
    let tag = "user.halolab.verdict";
    let lxc = |arguments: &[&str]| {
        let folder = Path::new(&home.socket).parent().unwrap();
        let mut command = Command::new("lxc");
        command.env("LXD_DIR", folder).env_remove("LXD_SOCKET");
        let ended = command.args(arguments).output().unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        String::from_utf8(ended.stdout).unwrap()
    };
    let old = lxc(&["config", "get", lab, tag])
        .trim()
        .replace(kernel.trim(), "4.4.0-old");
    lxc(&["config", "set", lab, &format!("{tag}={old}")]);
    home.ends(0, &["snapshot", "create", lab, "then"]);
    let status = home.status(lab);
    let moved = serde_json::json!([{"what": "kernel", "was": "4.4.0-old", "now": kernel.trim()}]);
    assert_eq!(status["drift"], moved);
    let drift = |name: &str| {
        let all = home.status(lab)["snapshots"].clone();
        let found = all.as_array().unwrap().iter().find(|row| row["name"] == name);
        found.unwrap()["drift"].clone()
    };
    assert_eq!((drift("then"), drift("clean")), (moved, serde_json::json!([])));
    let line = format!("kernel 4.4.0-old → {} since it was proven", kernel.trim());
    let said = home.ends(0, &["status"]).out;
    assert!(
        said.contains(&format!("{lab}: {line}; type `halolab prove {lab}`")),
        "{said}"
    );
    let said = home.ends(0, &["status", lab]).out;
    assert!(said.contains(&format!("snapshot then: {line}")), "{said}");
    let said = home.run(&["doctor"]).out;
    assert!(
        said.contains(&format!("drift.{lab}")) && said.contains(&line),
        "{said}"
    );
    home.ends(0, &["prove", lab, "--yes"]);
    assert_eq!(home.status(lab)["drift"], serde_json::json!([]));
    assert!(!home.ends(0, &["status"]).out.contains(&format!("{lab}: kernel")));
}
