//! Installed packages that matter: firmware, which the next boot will load from, and container engines.

use std::io::{BufRead as _, BufReader, Read as _};

use serde::Serialize;

use super::super::Root;
use super::Outside;

/// Packages that carry firmware of AMD's GPUs, by distribution.
pub(super) const FIRMWARE: &[&str] = &[
    "linux-firmware",
    "linux-firmware-amdgpu",
    "firmware-amd-graphics",
    "amd-gpu-firmware",
    "kernel-firmware-amdgpu",
];

/// Packages of container engines.
const ENGINES: &[&str] = &[
    "lxd",
    "incus",
    "incus-base",
    "docker-ce",
    "docker.io",
    "docker",
    "moby-engine",
    "podman",
];

/// No machine has more packages of these names.
const PACKAGES: usize = 64;

/// No package database is read further.
const LIMIT: u64 = 64 << 20;

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, without an epoch.
    pub version: String,
}

/// What the databases of pacman, dpkg and RPM say; the last only as far as it was asked.
pub(super) fn read(root: &Root, outside: &Outside) -> Vec<Package> {
    let mut found = pacman(root);
    found.extend(outside.rpm.as_deref().map(rpm).unwrap_or_default());
    found.extend(dpkg(root));
    found.truncate(PACKAGES);
    found
}

fn wanted() -> impl Iterator<Item = &'static str> {
    FIRMWARE.iter().chain(ENGINES).copied()
}

/// Arch: a folder a package, `NAME-VERSION-RELEASE`.
fn pacman(root: &Root) -> Vec<Package> {
    let folders = root.list("/var/lib/pacman/local");
    folders.iter().filter_map(|folder| package(folder)).collect()
}

/// Fedora, openSUSE: `NAME-VERSION-RELEASE.ARCH`.
fn rpm(text: &str) -> Vec<Package> {
    text.lines()
        .take(16)
        .filter_map(|line| package(line.trim()))
        .collect()
}

/// Name and version of a text in which both are joined.
fn package(text: &str) -> Option<Package> {
    wanted().find_map(|name| {
        let version = text.strip_prefix(name)?.strip_prefix('-')?;
        version
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| Package {
                name: name.to_owned(),
                version: without_epoch(version),
            })
    })
}

/// Debian: paragraphs with `Package:` and `Version:`. The file is long, so it is read line by line.
fn dpkg(root: &Root) -> Vec<Package> {
    let Some(file) = root.open("/var/lib/dpkg/status") else {
        return vec![];
    };
    let mut found = vec![];
    let mut name: Option<&str> = None;
    let mut lines = BufReader::with_capacity(256 * 1024, file.take(LIMIT));
    let mut line = vec![];
    while found.len() < PACKAGES
        && lines
            .by_ref()
            .take(64 * 1024)
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
    {
        if let Some(rest) = line.strip_prefix(b"Package: ") {
            let text = rest.trim_ascii();
            name = wanted().find(|known| known.as_bytes() == text);
        } else if let (Some(known), Some(rest)) = (name, line.strip_prefix(b"Version: ")) {
            found.push(Package {
                name: known.to_owned(),
                version: without_epoch(&String::from_utf8_lossy(rest.trim_ascii())),
            });
            name = None;
        }
        line.clear();
    }
    found
}

fn without_epoch(version: &str) -> String {
    let rest = version.split_once(':').map_or(version, |(_, rest)| rest);
    rest.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_name_and_not_by_a_longer_one() {
        let found = rpm("linux-firmware-20251125-1.fc43.noarch\npackage amd-gpu-firmware is not installed\n");
        assert_eq!(
            found,
            [Package {
                name: "linux-firmware".into(),
                version: "20251125-1.fc43.noarch".into()
            }]
        );
        assert_eq!(package("linux-firmware-whence-20251125-1"), None);
        assert_eq!(
            package("linux-firmware-amdgpu-1:20260622-1").unwrap().version,
            "20260622-1"
        );
    }
}
