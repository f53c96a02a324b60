//! Recorded logs, and how they are read.

use std::{fs, io::Read as _, path::PathBuf};

use halolab::progress::{Event, Lock, Reader, Times, Tree};

pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The bytes of a file below `tests/fixtures`, unpacked where it is packed.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let raw = fs::read(folder(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    if !name.ends_with(".gz") {
        return raw;
    }
    let mut out = vec![];
    flate2::read::GzDecoder::new(raw.as_slice())
        .read_to_end(&mut out)
        .unwrap();
    out
}

pub(crate) fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap()
}

/// All events of a log, read as a whole.
pub(crate) fn events(log: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new();
    let mut events = reader.feed(log, 0);
    events.extend(reader.finish());
    events
}

/// A tree of events, with the times of an index.
pub(crate) fn tree(events: &[Event], times: &Times) -> Tree {
    let mut tree = Tree::new();
    for event in events {
        tree.apply(event, times.at(event.offset));
    }
    tree
}

/// The tree of a text without times.
pub(crate) fn tree_of(text: &str) -> Tree {
    tree(&events(text.as_bytes()), &Times::default())
}

/// A recording of Spack: its log and the times of it.
pub(crate) fn recording(name: &str) -> (Vec<u8>, Times) {
    let log = bytes(&format!("spack/{name}.log.gz"));
    let times = Times::parse(&text(&format!("spack/{name}.times.gz")));
    (log, times)
}

pub(crate) fn lock(name: &str) -> Lock {
    Lock::parse(&bytes(&format!("spack/{name}.spack.lock.gz"))).unwrap()
}
