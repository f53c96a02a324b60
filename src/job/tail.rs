//! Reading a job's log out of its mirror, whoever adds to it: a reader who is slow, or waits, holds nobody up.

use super::{Mirror, Result};

/// Bytes that are read at once.
const PART: u64 = 1 << 20;
/// How much of a log's end is shown to who comes back.
const RECENT: u64 = 8 * 1024;

/// Where a reader is in a job's log.
#[derive(Debug)]
pub struct Tail {
    mirror: Mirror,
    /// The byte that is wanted next.
    from: u64,
    /// Which of its logs that is of.
    anew: u32,
    /// Among so many bytes the first line may be cut: it is left out.
    cut: usize,
}

impl Tail {
    /// From a byte on.
    pub fn new(mirror: &Mirror, from: u64) -> Self {
        Self {
            mirror: mirror.clone(),
            from,
            anew: mirror.status().anew,
            cut: 0,
        }
    }

    /// The last lines of a log that is `length` bytes long in the lab, whatever of it is here, and what follows.
    pub fn last_lines(mirror: &Mirror, length: u64) -> Self {
        let from = length.saturating_sub(RECENT);
        let recent = usize::try_from(RECENT).unwrap_or(0);
        Self {
            cut: if from > 0 { recent } else { 0 },
            ..Self::new(mirror, from)
        }
    }

    /// The byte that is wanted next.
    pub fn position(&self) -> u64 {
        self.from
    }

    /// The next bytes, not too many at once; none where no more are here. `last`: nothing is added any more. A log that
    /// began anew is read from its first byte.
    ///
    /// # Errors
    /// The mirror cannot be read.
    pub fn more(&mut self, last: bool) -> Result<Vec<u8>> {
        loop {
            let anew = self.mirror.status().anew;
            if std::mem::replace(&mut self.anew, anew) != anew {
                (self.from, self.cut) = (0, 0);
            }
            let bytes = self.mirror.bytes(self.from, PART)?;
            // The status says so before the first byte of the new log comes.
            if self.mirror.status().anew == anew {
                return Ok(self.whole(bytes, last));
            }
        }
    }

    /// What is to be shown of the bytes that are next.
    fn whole(&mut self, mut bytes: Vec<u8>, last: bool) -> Vec<u8> {
        let line = bytes.iter().take(self.cut).position(|b| *b == b'\n');
        if line.is_none() && bytes.len() < self.cut && !last {
            return vec![];
        }
        self.from += bytes.len() as u64;
        bytes.drain(..line.map_or(0, |at| at + 1));
        self.cut = 0;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobFile, JobId, Status};

    fn mirror(folder: &std::path::Path, log: &[u8]) -> Mirror {
        let mirror = Mirror::create(folder, &JobId::parse("cmd-1-2").unwrap(), JobFile::default()).unwrap();
        mirror.replace("log.raw", log).unwrap();
        mirror
    }

    fn all(tail: &mut Tail) -> Vec<u8> {
        let mut read = vec![];
        loop {
            let bytes = tail.more(true).unwrap();
            if bytes.is_empty() {
                return read;
            }
            read.extend(bytes);
        }
    }

    #[test]
    fn the_last_lines_are_those_of_the_lab_and_begin_with_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let log: Vec<u8> = (0..4000)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect();
        let mirror = mirror(folder.path(), b"");
        let mut tail = Tail::last_lines(&mirror, log.len() as u64);
        // Whoever fetches it comes to the last lines little by little.
        let mut shown = vec![];
        for end in (0..=log.len()).step_by(7) {
            mirror.replace("log.raw", &log[..end]).unwrap();
            shown.extend(tail.more(false).unwrap());
        }
        mirror.replace("log.raw", &log).unwrap();
        shown.extend(all(&mut tail));
        assert!(
            shown.starts_with(b"line ") && log.ends_with(&shown),
            "{}",
            shown.len()
        );
        assert!((8000..=8192).contains(&shown.len()), "{}", shown.len());
        let mut short = Tail::last_lines(&mirror, 6);
        assert!(all(&mut short).starts_with(b"line 0\n"), "all of a short one");
    }

    #[test]
    fn a_long_line_without_an_end_is_shown_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = mirror(folder.path(), &vec![b'x'; 20_000]);
        assert_eq!(all(&mut Tail::last_lines(&mirror, 20_000)).len(), 8192);
        // The lab was put back meanwhile: less is there than it said.
        let mut tail = Tail::last_lines(&mirror, 27_000);
        assert!(
            tail.more(false).unwrap().is_empty(),
            "it waits for the end of the line"
        );
        assert_eq!(all(&mut tail).len(), 1192);
    }

    #[test]
    fn a_log_that_begins_anew_is_read_from_its_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = mirror(folder.path(), b"old log\n");
        let mut tail = Tail::new(&mirror, 0);
        assert_eq!(tail.more(false).unwrap(), b"old log\n");
        let status = Status {
            anew: 1,
            ..mirror.status()
        };
        mirror
            .replace("status.json", &serde_json::to_vec(&status).unwrap())
            .unwrap();
        mirror.replace("log.raw", b"new\n").unwrap();
        assert_eq!(tail.more(false).unwrap(), b"new\n");
        assert!(tail.more(true).unwrap().is_empty());
    }
}
