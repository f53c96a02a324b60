//! GPU drivers that are none: `tests/standins/gpu.c`, compiled for a test.

use std::{path::Path, process::Command};

/// Puts a CUDA driver into a folder; `fault` is how it misbehaves.
pub fn cuda(folder: &Path, fault: &str) {
    compile(folder, "CUDA", "libcuda.so.1", fault);
}

/// Puts HIP and its compiler into a folder.
pub fn hip(folder: &Path, fault: &str) {
    compile(folder, "HIP", "libamdhip64.so", fault);
    compile(folder, "HIP", "libhiprtc.so", fault);
}

fn compile(folder: &Path, kind: &str, name: &str, fault: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins/gpu.c");
    let ended = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-Wno-unused-value"])
        .args([format!("-D{kind}"), format!("-DFAULT=\"{fault}\"")])
        .arg("-o")
        .arg(folder.join(name))
        .arg(source)
        .status()
        .expect("a C compiler is here: install gcc");
    assert!(ended.success(), "tests/standins/gpu.c does not compile");
}
