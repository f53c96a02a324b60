//! The prover against drivers that are none: ones that work, refuse, lie, hang and crash; and the real Vulkan loader
//! with a driver that calculates on the CPU.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common {
    #![allow(
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        missing_docs,
        clippy::expect_used
    )]
    pub mod standin;
}

use std::{
    fs,
    process::{Command, Output},
    time::{Duration, Instant},
};

use common::standin;
use halolab::{labs::verdict::Verdict, prove::Report};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with drivers, and the program that finds them there.
struct Machine(TempDir);

impl Machine {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cuda(fault: &str) -> Self {
        let machine = Self::empty();
        standin::cuda(machine.0.path(), fault);
        machine
    }

    fn hip(fault: &str) -> Self {
        let machine = Self::empty();
        standin::hip(machine.0.path(), fault);
        machine
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_halolab"))
            .arg("prove")
            .args(arguments)
            .env("LD_LIBRARY_PATH", self.0.path())
            .env("HALOLAB_HOME", self.0.path())
            // What would hide a GPU, or make it lie about itself, is not believed.
            .env("CUDA_VISIBLE_DEVICES", "")
            .env("HSA_OVERRIDE_GFX_VERSION", "11.0.0")
            .output()
            .unwrap()
    }

    /// The report, and the exit code.
    fn report(&self, arguments: &[&str]) -> (Value, i32) {
        let ended = self.run(&[arguments, &["--json"]].concat());
        let report = serde_json::from_slice(&ended.stdout).unwrap();
        (report, ended.status.code().unwrap())
    }
}

#[test]
fn every_device_runs_the_kernel_and_is_described() {
    let (report, code) = Machine::cuda("").report(&["--gpu", "cuda"]);
    assert_eq!((&report["grade"], code), (&"cuda".into(), 0));
    assert_eq!(report["v"], 1);
    let cuda = &report["interfaces"][0];
    assert_eq!(
        (&cuda["outcome"], &cuda["runtime"]),
        (&"ran".into(), &"CUDA 12.8".into())
    );
    assert_eq!(cuda["devices"].as_array().unwrap().len(), 2);
    let second = &cuda["devices"][1];
    assert_eq!(second["arch"], "sm_90");
    assert_eq!(second["pci"], "0000:c1:00.0");
    assert_eq!(second["uuid"], "GPU-11111111-1111-1111-1111-111111111111");
    assert_eq!(second["memory"], 141_u64 << 30);
    assert_eq!(second["checked"], 1 << 20);
    assert!(second["kernel_ms"].as_f64().unwrap() > 0.0);
    assert!(!report["kernel"].as_str().unwrap().is_empty());
}

#[test]
fn hip_is_compiled_for_the_target_of_each_device() {
    let (report, code) = Machine::hip("").report(&["--gpu", "hip"]);
    assert_eq!((&report["grade"], code), (&"hip".into(), 0), "{report}");
    let hip = &report["interfaces"][0];
    assert_eq!(hip["runtime"], "HIP 6.4.43484");
    assert_eq!(hip["devices"][1]["arch"], "gfx90a");
    assert_eq!(hip["devices"][1]["checked"], 1 << 20);
}

#[test]
fn auto_finds_what_there_is() {
    let (report, _) = Machine::cuda("").report(&[]);
    assert_eq!(report["grade"], "cuda");
    let apis: Vec<&Value> = report["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["api"])
        .collect();
    assert_eq!(
        apis,
        ["cuda", "hip"],
        "the lower grade is not asked for where a higher one is reached"
    );
    let (report, _) = Machine::hip("").report(&[]);
    assert_eq!(report["grade"], "hip");
}

/// Measured on an H200 of which a toolkit had left half of a HIP behind.
#[test]
fn half_of_another_vendors_library_is_no_failure() {
    let machine = Machine::cuda("");
    standin::hip(machine.0.path(), "");
    fs::remove_file(machine.0.path().join("libhiprtc.so")).unwrap();
    let (report, code) = machine.report(&[]);
    assert_eq!((&report["grade"], code), (&"cuda".into(), 0), "{report}");
    assert_eq!(report["interfaces"][1]["outcome"], "absent");
}

#[rstest]
#[case::h200(include_str!("fixtures/prove/nvidia-h200.json"), "NVIDIA H200")]
// Half of a HIP was there, too.
#[case::h100(include_str!("fixtures/prove/nvidia-h100.json"), "NVIDIA H100 80GB HBM3")]
fn what_a_real_gpu_reported_becomes_a_verdict(#[case] text: &str, #[case] name: &str) {
    let report: Report = serde_json::from_str(text).unwrap();
    let verdict = Verdict::of(&report, "20261122-081348000-h100");
    assert!(verdict.ok);
    assert_eq!(verdict.driver, "580.159.04");
    assert_eq!(verdict.to_string(), format!("cuda sm_90 on {name}"));
    assert_eq!(Verdict::read(&verdict.stored()), Some(verdict));
}

#[rstest]
#[case::no_device("no-device", "cuInit", 100, "CUDA_ERROR_NO_DEVICE", "ls -l /dev/nvidia")]
#[case::unknown("unknown", "cuInit", 999, "CUDA_ERROR_UNKNOWN", "sudo modprobe nvidia_uvm")]
#[case::mismatch(
    "mismatch",
    "cuInit",
    803,
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
    "restart the machine"
)]
#[case::none("none", "counting the devices", 0, "no device", "/dev/nvidia")]
#[case::crash("crash", "cuInit", 11, "ended by signal 11", "dmesg")]
#[case::exit("exit", "cuInit", 0, "ended with 0", "dmesg")]
fn a_driver_that_does_not_start_is_named(
    #[case] fault: &str,
    #[case] call: &str,
    #[case] number: i64,
    #[case] error: &str,
    #[case] next: &str,
) {
    let (report, code) = Machine::cuda(fault).report(&["--gpu", "cuda"]);
    assert_eq!((&report["grade"], code), (&"failed".into(), 1));
    let problem = &report["interfaces"][0]["problem"];
    assert_eq!(
        (&problem["call"], &problem["code"]),
        (&call.into(), &number.into())
    );
    let holds = |key: &str, part: &str| problem[key].as_str().unwrap().contains(part);
    assert!(holds("error", error) && holds("next", next), "{problem}");
}

#[rstest]
#[case::memory("memory", 2, "CUDA_ERROR_OUT_OF_MEMORY")]
#[case::compiler("jit", 218, "CUDA_ERROR_INVALID_PTX: ptxas application ptx input")]
#[case::ecc("ecc", 214, "CUDA_ERROR_ECC_UNCORRECTABLE")]
#[case::lie("lie", 0, "1048576 of 1048576 elements are wrong")]
fn a_kernel_that_does_not_run_fails_its_device(
    #[case] fault: &str,
    #[case] number: i64,
    #[case] error: &str,
) {
    let (report, code) = Machine::cuda(fault).report(&["--gpu", "cuda"]);
    assert_eq!((&report["grade"], code), (&"failed".into(), 1));
    for device in report["interfaces"][0]["devices"].as_array().unwrap() {
        assert_eq!(device["problem"]["code"], number);
        assert!(
            device["problem"]["error"].as_str().unwrap().starts_with(error),
            "{device}"
        );
        assert_eq!(device["checked"], 0);
    }
}

#[test]
fn one_wrong_bit_on_the_second_gpu_is_a_failure() {
    let (report, code) = Machine::cuda("one-bit").report(&["--gpu", "cuda"]);
    assert_eq!((&report["grade"], code), (&"failed".into(), 1));
    let devices = &report["interfaces"][0]["devices"];
    assert!(devices[0]["problem"].is_null());
    let error = devices[1]["problem"]["error"].as_str().unwrap();
    assert!(
        error.starts_with("1 of 1048576 elements are wrong; element 1048575"),
        "{error}"
    );
}

#[rstest]
#[case::at_once("hang", "cuInit", 0)]
#[case::later("hang-second", "the kernel on device 1", 1)]
fn a_driver_that_hangs_ends_at_the_deadline(#[case] fault: &str, #[case] call: &str, #[case] before: usize) {
    let clock = Instant::now();
    let (report, code) = Machine::cuda(fault).report(&["--gpu", "cuda", "--deadline", "1"]);
    assert!(clock.elapsed() < Duration::from_secs(100));
    assert_eq!((&report["grade"], code), (&"failed".into(), 1));
    let cuda = &report["interfaces"][0];
    assert!(
        cuda["problem"]["call"].as_str().unwrap().starts_with(call),
        "{cuda}"
    );
    assert_eq!(cuda["problem"]["error"], "no answer within 1 s");
    assert_eq!(
        cuda["devices"].as_array().unwrap().len(),
        before,
        "what was proven before stays"
    );
}

#[test]
fn hip_fails_with_the_words_of_its_compiler() {
    let (report, _) = Machine::hip("compile").report(&["--gpu", "hip"]);
    let problem = &report["interfaces"][0]["devices"][0]["problem"];
    assert_eq!(problem["call"], "hiprtcCompileProgram");
    assert_eq!(
        problem["error"],
        "HIPRTC_ERROR_COMPILATION: error: invalid target"
    );
    let machine = Machine::hip("");
    fs::remove_file(machine.0.path().join("libhiprtc.so")).unwrap();
    let (report, _) = machine.report(&["--gpu", "hip"]);
    let problem = &report["interfaces"][0]["problem"];
    assert_eq!(problem["call"], "dlopen libhiprtc.so", "{report}");
}

#[test]
fn without_a_gpu_it_is_honestly_the_cpu() {
    let machine = Machine::empty();
    let (report, code) = machine.report(&["--inside"]);
    assert_eq!((&report["grade"], code), (&"cpu-only".into(), 0), "{report}");
    let (report, code) = machine.report(&["--gpu", "cuda"]);
    assert_eq!(
        (&report["grade"], code),
        (&"failed".into(), 1),
        "asked for, and not here"
    );
    let next = &report["interfaces"][0]["problem"]["next"];
    assert!(next.as_str().unwrap().contains("install NVIDIA's driver"));
}

#[test]
fn a_driver_cannot_paint_on_the_terminal() {
    let said = Machine::cuda("").run(&["--gpu", "cuda"]).stdout;
    let text = String::from_utf8(said).unwrap();
    assert!(
        text.contains("Stand-in 0") && text.contains("1048576 elements right"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_broken_library_is_told_from_none() {
    let machine = Machine::empty();
    fs::write(machine.0.path().join("libcuda.so.1"), "no library").unwrap();
    let (report, _) = machine.report(&["--gpu", "cuda"]);
    let problem = &report["interfaces"][0]["problem"];
    assert!(
        problem["meaning"].as_str().unwrap().contains("cannot be loaded"),
        "{problem}"
    );
}

/// Mesa's lavapipe calculates on the CPU: the real loader and the real shader, but no GPU, and never taken for one.
#[test]
fn vulkan_runs_the_shader_and_counts_no_processor() {
    let machine = Machine::empty();
    let (report, code) = machine.report(&["--gpu", "vulkan", "--admit-cpu"]);
    assert_eq!(
        (&report["grade"], code),
        (&"vulkan".into(), 0),
        "install libvulkan1 and mesa-vulkan-drivers: {report}"
    );
    let vulkan = &report["interfaces"][0];
    assert!(vulkan["runtime"].as_str().unwrap().starts_with("Vulkan 1."));
    assert!(
        vulkan["devices"]
            .as_array()
            .unwrap()
            .iter()
            .all(|d| d["checked"] == 1 << 20),
        "{vulkan}"
    );
    let (report, code) = machine.report(&["--gpu", "vulkan"]);
    let gpus = report["interfaces"][0]["devices"].as_array().unwrap();
    if gpus.is_empty() {
        assert_eq!((&report["grade"], code), (&"failed".into(), 1));
    }
    assert!(
        gpus.iter()
            .all(|d| !d["name"].as_str().unwrap().contains("llvmpipe"))
    );
}
