//! The disk that labs will live on.

use serde::Serialize;

use super::super::{Root, root::shorten};

/// Where storage pools are kept, the most special first.
const PLACES: &[&str] = &[
    "/var/snap/lxd/common/lxd",
    "/var/lib/lxd",
    "/var/lib/incus",
    "/var/lib",
    "/",
];

/// The file system of the labs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// The folder that was looked at.
    pub path: Option<String>,
    /// Its file system, by the mount table: `btrfs`, `ext4`, ...
    pub filesystem: Option<String>,
    /// Bytes in all; none for a tree of files.
    pub total_bytes: Option<u64>,
    /// Bytes that are free; none for a tree of files.
    pub free_bytes: Option<u64>,
    /// Whether the kernel has ZFS.
    pub zfs: bool,
    /// Whether the kernel has btrfs now, without loading anything.
    pub btrfs: bool,
}

pub(super) fn read(root: &Root) -> Storage {
    let path = PLACES.iter().find(|place| root.has(place));
    let sizes = path
        .filter(|_| root.is_live())
        .and_then(|place| rustix::fs::statvfs(*place).ok());
    let filesystems = root.read("/proc/filesystems").unwrap_or_default();
    let has = |name: &str| {
        filesystems
            .lines()
            .any(|line| line.split_whitespace().last() == Some(name))
    };
    Storage {
        filesystem: path.and_then(|place| mounted(root, place)),
        path: path.map(|place| (*place).to_owned()),
        total_bytes: sizes
            .as_ref()
            .map(|sizes| sizes.f_blocks.saturating_mul(sizes.f_frsize)),
        free_bytes: sizes
            .as_ref()
            .map(|sizes| sizes.f_bavail.saturating_mul(sizes.f_frsize)),
        zfs: has("zfs"),
        btrfs: has("btrfs"),
    }
}

/// The type of the deepest mount that holds a folder; of several at one place the last.
fn mounted(root: &Root, folder: &str) -> Option<String> {
    let text = root.read("/proc/self/mountinfo")?;
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.to_owned();
        let inside = point == "/"
            || folder
                .strip_prefix(&point)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        inside.then(|| (point.len(), shorten(right.split(' ').next().unwrap_or_default())))
    };
    let deepest = text.lines().filter_map(mount).max_by_key(|(depth, _)| *depth);
    deepest.map(|(_, kind)| kind)
}
