//! `events.jsonl` of the mirror: what happened to a job, one line each, for whoever watches with few words. Each line is
//! one write: `{"v":1,"seq":7,"t":"…","attempt":1,"ev":"exit","off":5120,…}`; `off` is the place in `log.raw`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::paths::open_private;

use super::{Error, Result};

/// Bytes at the end of the file in which the last line is looked for: a line has at most some hundred.
const END: u64 = 16 * 1024;

/// The file, open to add to it.
#[derive(Debug)]
pub(super) struct Events {
    file: File,
    seq: u64,
}

impl Events {
    /// Opens it; a last line that was cut is ended, so that the next one is whole.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = || {
            let mut file = open_private(OpenOptions::new().read(true).create(true).append(true), path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
            let mut end = vec![];
            io::Read::by_ref(&mut file).take(END).read_to_end(&mut end)?;
            if end.last().is_some_and(|byte| *byte != b'\n') {
                file.write_all(b"\n")?;
            }
            let seq = last_seq(&end);
            Ok(Self { file, seq })
        };
        open().map_err(Error::file(path))
    }

    /// Number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Adds one. A full disk must not end the watching: the bytes of the log say so soon enough.
    pub(super) fn add(&mut self, event: &str, attempt: u32, offset: u64, more: Value) {
        self.seq += 1;
        let mut line = Map::new();
        for (key, value) in [
            ("v", json!(1)),
            ("seq", json!(self.seq)),
            ("t", json!(jiff::Timestamp::now().to_string())),
            ("attempt", json!(attempt)),
            ("ev", json!(event)),
            ("off", json!(offset)),
        ] {
            line.insert(key.into(), value);
        }
        if let Value::Object(more) = more {
            line.extend(more);
        }
        let _ = self
            .file
            .write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}

/// The number in the last line that can be read.
fn last_seq(bytes: &[u8]) -> u64 {
    let lines = bytes.split(|b| *b == b'\n').rev();
    let mut seqs = lines.filter_map(|l| serde_json::from_slice::<Value>(l).ok()?.get("seq")?.as_u64());
    seqs.next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_closed_and_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut events = Events::open(&path).unwrap();
        events.add("start", 1, 0, json!({ "argv": ["make"] }));
        events.add("heartbeat", 1, 10, Value::Null);
        drop(events);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"v":1,"seq":99,"t":"20"#).unwrap();
        let mut events = Events::open(&path).unwrap();
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
}
