//! `events.jsonl` of the mirror: what happened to a job, one line each, for whoever watches with few words. Each line is
//! one write: `{"v":1,"seq":7,"t":"…","attempt":1,"ev":"exit","off":5120,…}`; `off` is the place in `log.raw`.
//!
//! Of each kind at most so many are written ([`most`]); the last of them says `"last":true`.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::paths::open_private;

use super::{Error, Result};

/// Bytes of the file that are read: with [`most`] it does not get that long.
const LARGEST: u64 = 32 << 20;

/// How many lines of a kind a file has at most: packages are many, the others are few.
fn most(event: &str) -> u32 {
    if event == "pkg" { 8192 } else { 1024 }
}

/// The file, open to add to it.
#[derive(Debug)]
pub(super) struct Events {
    file: File,
    seq: u64,
    counts: BTreeMap<String, u32>,
    last: Option<Timestamp>,
}

impl Events {
    /// Opens it, with what is in it; a last line that was cut is ended, so that the next one is whole.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Value>)> {
        let open = || {
            let mut file = open_private(OpenOptions::new().read(true).create(true).append(true), path)?;
            let mut text = vec![];
            io::Read::by_ref(&mut file).take(LARGEST).read_to_end(&mut text)?;
            if text.last().is_some_and(|byte| *byte != b'\n') {
                file.write_all(b"\n")?;
            }
            let lines = text.split(|b| *b == b'\n');
            let known: Vec<Value> = lines.filter_map(|l| serde_json::from_slice(l).ok()).collect();
            let mut events = Self {
                file,
                seq: 0,
                counts: BTreeMap::new(),
                last: None,
            };
            for line in &known {
                events.seq = line["seq"].as_u64().unwrap_or(0).max(events.seq);
                events.last = line["t"].as_str().and_then(|t| t.parse().ok()).or(events.last);
                let kind = line["ev"].as_str().unwrap_or_default();
                *events.counts.entry(kind.to_owned()).or_default() += 1;
            }
            Ok((events, known))
        };
        open().map_err(Error::file(path))
    }

    /// Number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// When the last one was written, by this host's clock.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Adds one, unless there are too many of its kind. A full disk must not end the watching: the bytes of the log say
    /// so soon enough.
    pub(super) fn add(&mut self, event: &str, attempt: u32, offset: u64, more: Value) {
        let count = self.counts.entry(event.to_owned()).or_default();
        if *count >= most(event) {
            return;
        }
        *count += 1;
        let is_last = *count == most(event);
        self.seq += 1;
        let now = Timestamp::now();
        self.last = Some(now);
        let mut line = Map::new();
        for (key, value) in [
            ("v", json!(1)),
            ("seq", json!(self.seq)),
            ("t", json!(now.to_string())),
            ("attempt", json!(attempt)),
            ("ev", json!(event)),
            ("off", json!(offset)),
        ] {
            line.insert(key.into(), value);
        }
        if let Value::Object(more) = more {
            line.extend(more);
        }
        if is_last {
            line.insert("last".into(), json!(true));
        }
        let _ = self
            .file
            .write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_closed_and_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let (mut events, _) = Events::open(&path).unwrap();
        events.add("start", 1, 0, json!({ "argv": ["make"] }));
        events.add("heartbeat", 1, 10, Value::Null);
        drop(events);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"v":1,"seq":99,"t":"20"#).unwrap();
        let (mut events, known) = Events::open(&path).unwrap();
        assert_eq!(known.len(), 2);
        events.add("exit", 2, 20, json!({ "code": 0 }));
        assert_eq!(events.seq(), 3);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Option<Value>> = text.lines().map(|l| serde_json::from_str(l).ok()).collect();
        assert_eq!(lines.iter().filter(|l| l.is_none()).count(), 1, "{text}");
        let last = lines[3].as_ref().unwrap();
        assert_eq!(
            (&last["ev"], &last["seq"], &last["off"], &last["attempt"]),
            (&json!("exit"), &json!(3), &json!(20), &json!(2))
        );
    }

    #[test]
    fn a_job_that_changes_for_ever_fills_no_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for _ in 0..3 {
            // Whoever goes on counts what is there.
            let (mut events, _) = Events::open(&path).unwrap();
            for n in 0..700 {
                events.add("phase", 1, n, json!({ "phase": "x" }));
            }
        }
        let (mut events, known) = Events::open(&path).unwrap();
        assert_eq!(known.len(), 1024);
        assert_eq!(
            known.iter().filter(|line| line["last"] == true).count(),
            1,
            "it is said"
        );
        events.add("exit", 1, 9, Value::Null);
        assert_eq!(
            Events::open(&path).unwrap().1.len(),
            1025,
            "the end is told all the same"
        );
    }
}
