//! The proof gate on a real daemon: a lab with a GPU counts only after a kernel ran in it. The GPU is a device node
//! that is none, with a driver to fit; the program is put into the lab, run and taken out as on a real one.
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

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use common::{program::Home, standin};
use serde_json::Value;

/// A lab with a GPU that is none, and the folder on this machine that holds its driver.
fn gpu_lab(libc: bool) -> Option<(Home, PathBuf)> {
    let home = Home::new(1)?;
    let driver = home.folder.path().join("driver");
    fs::create_dir(&driver).unwrap();
    for folder in [home.folder.path(), &driver] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    standin::cuda(&driver, "");
    let stage = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let mut text = fs::read_to_string(&stage).unwrap().replace("CPU only: ", "");
    let mut device = |name: &str, config: &str| {
        let lines = format!("\n[profile.device.{name}]\nconfig = {{ {config} }}\n");
        text.push_str(&lines);
    };
    device(
        "gpu",
        r#"type = "unix-char", source = "/dev/null", path = "/dev/nvidia0""#,
    );
    device(
        "driver",
        &format!(
            r#"type = "disk", source = "{}", path = "/usr/lib""#,
            driver.display()
        ),
    );
    if libc {
        // BusyBox needs none; our program does.
        let machine = std::env::consts::ARCH;
        for folder in ["/lib64".to_owned(), format!("/lib/{machine}-linux-gnu")] {
            if fs::exists(&folder).unwrap() {
                let name = folder.replace(['/', '_'], "");
                device(
                    &name,
                    &format!(r#"type = "disk", source = "{folder}", path = "{folder}""#),
                );
            }
        }
    }
    fs::write(&stage, text).unwrap();
    home.trust();
    Some((home, driver))
}

fn proof(home: &Home) -> Value {
    home.status(home.lab())["proof"].clone()
}

fn snapshot(home: &Home, name: &str) -> Value {
    let all = home.status(home.lab())["snapshots"].clone();
    let found = all.as_array().unwrap().iter().find(|s| s["name"] == name);
    found.unwrap().clone()
}

/// Behind our back: said at once, and proven no more.
fn gpu_taken_away(home: &Home) {
    let lab = home.lab();
    let socket = PathBuf::from(std::env::var("HALOLAB_TEST_LXD").unwrap());
    let mut client = std::process::Command::new("lxc");
    client.env("LXD_DIR", socket.parent().unwrap());
    let profile = format!("halolab-{lab}");
    let taken = client
        .args(["profile", "device", "remove", &profile, "gpu"])
        .status();
    assert!(taken.unwrap().success());
    // Said before anybody asks for a proof: by the list, for programs, and by the doctor.
    let drift = home.status(lab)["drift"].clone();
    assert_eq!(drift[0]["what"], "GPU that is passed in", "{drift}");
    let said = home.ends(0, &["status"]).out;
    let next = format!("since it was proven; type `halolab prove {lab}`");
    assert!(
        said.contains("GPU that is passed in") && said.contains(&next),
        "{said}"
    );
    let doctor = home.run(&["doctor"]).out;
    assert!(doctor.contains(&format!("WARN  drift.{lab}")), "{doctor}");
    home.ends(0, &["prove", lab, "--yes"]);
    assert_eq!(home.status(lab)["drift"], serde_json::json!([]));
    assert_eq!(
        proof(home)["grade"],
        "cpu-only",
        "what was taken away is proven no more"
    );
}

#[test]
fn every_change_proves_the_gpu_again_and_each_snapshot_keeps_its_proof() {
    let Some((home, _)) = gpu_lab(true) else {
        return;
    };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    let first = proof(&home);
    assert_eq!(
        (&first["ok"], &first["grade"]),
        (&true.into(), &"cuda".into()),
        "{first}"
    );
    assert_eq!(first["gpus"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&first["gpus"][0]["arch"], &first["runtime"]),
        (&"sm_90".into(), &"CUDA 12.8".into())
    );
    assert_eq!(
        first["checks"][0]["said"], "hello in green",
        "the stage's own check is kept beside it"
    );
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(first["kernel"], kernel.trim());
    assert_eq!(home.status(lab)["verdict"], "cuda 2 x sm_90; hello in green");
    assert_eq!(
        snapshot(&home, "clean")["proof"],
        first,
        "the snapshot carries the proof of its time"
    );
    assert_eq!(
        home.inside(lab, "ls -A /root"),
        "",
        "the prover is taken out again"
    );

    for change in ["restore:clean", "update", "recreate"] {
        let plan = home.ends(0, &["plan", lab, "--choose", change]).out;
        assert!(plan.contains("run a kernel on each GPU"), "{change}: {plan}");
        home.ends(0, &["apply", lab, "--choose", change, "--yes"]);
        let again = proof(&home);
        assert_eq!(
            (&again["ok"], &again["grade"]),
            (&true.into(), &"cuda".into()),
            "{change}"
        );
        assert_ne!(again["run"], first["run"], "{change} proves anew");
    }

    gpu_taken_away(&home);
}

#[test]
fn a_restore_whose_proof_fails_keeps_the_lab_and_offers_the_way_back() {
    let Some((home, driver)) = gpu_lab(true) else {
        return;
    };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    standin::cuda(&driver, "lie");
    let failed = home
        .ends(5, &["apply", lab, "--choose", "restore:clean", "--yes"])
        .err;
    assert!(failed.contains("elements are wrong"), "{failed}");
    assert!(
        failed.contains("the state before is the snapshot before-restore-1")
            && failed.contains("prove again with `halolab runs resume")
            && failed.contains(&format!("take it back with `halolab undo {lab}`")),
        "{failed}"
    );
    let bad = proof(&home);
    assert_eq!((&bad["ok"], &bad["grade"]), (&false.into(), &"failed".into()));
    assert!(
        home.status(lab)["verdict"]
            .as_str()
            .unwrap()
            .starts_with("FAILED: comparing the result")
    );
    assert_eq!(home.status(lab)["status"], "running", "the restored lab is kept");
    assert_eq!(
        snapshot(&home, "clean")["proof"]["ok"],
        true,
        "a snapshot keeps its own proof"
    );

    // Mended, the run goes on where it stopped: at the proof.
    standin::cuda(&driver, "");
    home.ends(0, &["runs", "resume", "--yes"]);
    assert_eq!(proof(&home)["ok"], true);

    // Proving again changes the verdict alone, and needs the lab neither running nor changed.
    let before = home.snapshots(lab);
    home.inside(lab, "echo left > /root/.halolab-prove-1");
    home.ends(0, &["stop", lab]);
    standin::cuda(&driver, "one-bit");
    let failed = home.ends(5, &["prove", lab, "--yes"]).err;
    assert!(
        failed.contains("1 of 1048576 elements are wrong") && !failed.contains("undo"),
        "{failed}"
    );
    assert_eq!(proof(&home)["ok"], false);
    standin::cuda(&driver, "");
    home.ends(0, &["prove", lab, "--yes"]);
    assert_eq!((&proof(&home)["ok"], home.snapshots(lab)), (&true.into(), before));
    assert_eq!(
        home.inside(lab, "ls -A /root"),
        "",
        "nor what a killed halolab left is there"
    );
}

#[test]
fn a_lab_whose_gpu_does_not_work_is_never_whole() {
    let Some((home, driver)) = gpu_lab(true) else {
        return;
    };
    let lab = home.lab();
    standin::cuda(&driver, "no-device");
    let said = home.ends(5, &["apply", lab, "--yes"]).err;
    assert!(
        said.contains("CUDA_ERROR_NO_DEVICE (100)") && said.contains("ls -l /dev/nvidia"),
        "{said}"
    );
    let status = home.status(lab);
    assert_eq!(
        (&status["presence"], &status["proof"]["ok"]),
        (&"unfinished".into(), &false.into())
    );
    assert!(home.snapshots(lab).is_empty(), "nothing unproven becomes `clean`");
    assert_eq!(
        home.inside(lab, "ls -A /root"),
        "",
        "the prover is taken out also then"
    );
    fs::remove_file(driver.join("libcuda.so.1")).unwrap();
    let said = home.ends(5, &["apply", lab, "--choose", "create", "--yes"]).err;
    assert!(said.contains("NVIDIA container toolkit"), "{said}");
}

#[test]
fn a_lab_that_cannot_run_the_prover_says_why() {
    let Some((home, _)) = gpu_lab(false) else { return };
    let said = home.ends(5, &["apply", home.lab(), "--yes"]).err;
    assert!(said.contains("has no glibc"), "{said}");
}

#[test]
fn a_lab_without_a_gpu_is_honestly_cpu_only() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    assert!(!home.ends(0, &["plan", lab]).out.contains("run a kernel"));
    home.ends(0, &["apply", lab, "--yes"]);
    let proof = proof(&home);
    assert_eq!(
        (&proof["ok"], &proof["grade"]),
        (&true.into(), &"cpu-only".into()),
        "{proof}"
    );
    assert!(proof["date"].is_string() && !proof["kernel"].as_str().unwrap().is_empty());
    assert_eq!(home.status(lab)["verdict"], "CPU only: hello in green");
}
