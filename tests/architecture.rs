//! Dependencies point one way, as ARCHITECTURE.md says; pure modules do no I/O; files stay small.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    let mut folders = vec![root.join(folder)];
    let file = root.join(format!("{folder}.rs"));
    if file.exists() {
        found.push((file.clone(), fs::read_to_string(file).unwrap()));
    }
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// Lines of code of a folder that match, as `file: line`.
fn offenders(folder: &str, forbidden: &[&str]) -> Vec<String> {
    let mut found = vec![];
    for (path, text) in sources(folder) {
        // Grouped imports are written below one `use crate::{`: each module is then at the start of a line.
        let grouped: Vec<String> = forbidden
            .iter()
            .filter_map(|f| f.strip_prefix("crate::"))
            .map(|m| format!("    {m}"))
            .collect();
        let bad = text.lines().filter(|line| {
            let code = line.split("//").next().unwrap_or_default();
            let starts = |m: &String| {
                code.strip_prefix(m.as_str())
                    .is_some_and(|rest| rest.starts_with("::") || rest.starts_with(','))
            };
            forbidden.iter().any(|f| code.contains(f)) || grouped.iter().any(starts)
        });
        found.extend(bad.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    found
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of folders")]
fn lower_layers_do_not_know_upper_ones() {
    for (folder, forbidden) in [
        (
            "host",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::labs",
            ][..],
        ),
        (
            "prove",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::labs",
                "crate::stage",
            ],
        ),
        (
            "stage",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::labs",
            ],
        ),
        (
            "workspace",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::labs",
            ],
        ),
        (
            "log",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::view",
            ],
        ),
        (
            "view",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::labs",
                "crate::stage",
                "crate::host",
                "crate::config",
            ],
        ),
        (
            "spack",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::labs",
                "crate::stage",
            ],
        ),
        (
            "progress",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::backend",
                "crate::labs",
                "crate::stage",
                "crate::host",
                "crate::prove",
                "crate::config",
            ],
        ),
        (
            "backend",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::labs",
            ],
        ),
        (
            "labs",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
            ],
        ),
        (
            "job",
            &[
                "crate::app",
                "crate::ui",
                "crate::cli",
                "crate::run",
                "crate::plan",
                "crate::labs",
                "crate::stage",
                "backend::lxd",
            ],
        ),
        ("plan", &["crate::app", "crate::ui", "crate::cli", "crate::run"]),
        ("run", &["crate::app", "crate::ui", "crate::cli"]),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        if path.exists() || path.with_extension("rs").exists() {
            assert_eq!(
                offenders(folder, forbidden),
                Vec::<String>::new(),
                "{folder} knows too much"
            );
        }
    }
}

#[test]
fn the_planner_and_the_drawing_touch_nothing() {
    let io = [
        "std::fs",
        "tokio::spawn",
        "tokio::fs",
        "std::net",
        "std::process",
        ".await",
        "Instant::now",
        "Timestamp::now",
    ];
    assert_eq!(offenders("plan", &io), Vec::<String>::new());
    assert_eq!(offenders("view", &io), Vec::<String>::new());
    assert_eq!(offenders("spack", &io), Vec::<String>::new());
    // Progress is folded from bytes that somebody else read; only the times of former builds, and what a build is to do,
    // are files of its own.
    let read: Vec<String> = offenders(
        "progress",
        &[&io[..], &["std::{fs", "fs::", "File::open"]].concat(),
    )
    .into_iter()
    .filter(|line| !line.contains("/progress/history.rs: ") && !line.contains("/progress/ahead.rs: "))
    .collect();
    assert_eq!(read, Vec::<String>::new());
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = sources("")
        .into_iter()
        .filter(|(_, text)| text.lines().count() > 450)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

/// A driver is C code that may do anything, and pages are given back by address: what does so is in two places, and each
/// call says why it is sound.
#[test]
fn only_the_calls_into_gpu_drivers_and_into_memory_are_unsafe() {
    for (path, text) in sources("") {
        let allowed =
            path.components().any(|part| part.as_os_str() == "ffi") || path.ends_with("app/viewer/lean.rs");
        let (mut safety, mut bad) = (false, vec![]);
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            safety |= line.trim_start().starts_with("// SAFETY:") || line.contains("# Safety");
            let calls = code.contains("unsafe {") || code.contains("unsafe fn ");
            if calls && (!allowed || !safety) {
                bad.push(format!("{}: {}", path.display(), line.trim()));
            }
            // A reason is for what follows it at once.
            safety &= !line.trim_end().ends_with(['}', ';']) || calls;
            if calls {
                safety = false;
            }
        }
        assert_eq!(bad, Vec::<String>::new());
    }
}
