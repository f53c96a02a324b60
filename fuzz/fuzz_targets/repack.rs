//! Archives of images: repacked or refused, with no path out of the image, and repacking again changes nothing.

#![no_main]

use std::{
    io::Read as _,
    path::{Component, PathBuf},
};

use halolab::backend::docker::fuzzed::repacked;
use libfuzzer_sys::fuzz_target;

type Found = Vec<(PathBuf, u8, Option<PathBuf>, Vec<u8>)>;

/// Paths, kinds, targets and contents; none where it cannot be read.
fn content(bytes: &[u8]) -> Option<Found> {
    let mut found = vec![];
    for entry in tar::Archive::new(bytes).entries().ok()? {
        let mut entry = entry.ok()?;
        let path = entry.path().ok()?.into_owned();
        let link = entry.link_name().ok()?.map(|link| link.into_owned());
        let kind = entry.header().entry_type().as_byte();
        let mut inside = vec![];
        entry.read_to_end(&mut inside).ok()?;
        found.push((path, kind, link, inside));
    }
    Some(found)
}

fuzz_target!(|bytes: &[u8]| {
    // Holes of terabytes are some bytes in the archive: what an engine would write is bounded by its disk, not here.
    if tar::Archive::new(bytes)
        .entries()
        .into_iter()
        .flatten()
        .take(64)
        .any(|entry| entry.is_ok_and(|entry| entry.size() > 1 << 20))
    {
        return;
    }
    let Ok(packed) = repacked(bytes) else { return };
    let all = content(&packed).expect("what is sent can be read");
    for (path, ..) in &all {
        assert!(path.is_relative() && !path.components().any(|c| c == Component::ParentDir), "{path:?}");
        assert!(!path.as_os_str().is_empty());
    }
    // Below `rootfs` again, it comes out the same.
    let mut again = tar::Builder::new(vec![]);
    for (path, kind, link, inside) in &all {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_size(inside.len() as u64);
        let path = PathBuf::from("rootfs").join(path);
        let done = match link {
            Some(link) => again.append_link(&mut header, &path, link),
            None => again.append_data(&mut header, &path, inside.as_slice()),
        };
        if done.is_err() {
            return;
        }
    }
    let Ok(again) = again.into_inner() else { return };
    let twice = repacked(&again).expect("what was sent once can be sent again");
    let paths = |all: Found| all.into_iter().map(|(path, ..)| path).collect::<Vec<_>>();
    assert_eq!(content(&twice).map(paths), Some(paths(all)));
});
