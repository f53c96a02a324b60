//! Trees of files that stand for machines. Not every test needs all of it.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "an expectation would fail where all of it is used"
)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use halolab::host::{Report, detect::nvml::Nothing, matrix::Matrix};
use serde_json::Value;

/// The captured hosts, by name.
pub(crate) fn hosts() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("tests/fixtures/hosts")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.json").exists())
        .collect();
    found.sort();
    found
}

/// What is printed for a machine.
pub(crate) fn detect(root: &Path) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(Report::with(root, Matrix::shipped(), Arc::new(Nothing)));
    serde_json::to_value(report).unwrap()
}

/// Copies a folder with its links.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = entry.map(|e| (e.path(), to.join(e.file_name()))).unwrap();
        let kind = fs::symlink_metadata(&entry).unwrap();
        if kind.is_symlink() {
            symlink(fs::read_link(&entry).unwrap(), &target).unwrap();
        } else if kind.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

/// Every file and link below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
