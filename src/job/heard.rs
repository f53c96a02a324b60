//! What is heard from inside a lab: the lines that `assets/job/ask.sh` tells.

use super::status::LONGEST;

/// What is heard from inside.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The next bytes of the log.
    Bytes(&'a [u8]),
    /// A line with a status, as it came.
    Status(&'a [u8]),
    /// A line of the index of times: where the next one begins in it, and how long the log was when (milliseconds since
    /// 1970 by the lab's clock, bytes); none where it is torn.
    Time(u64, Option<(u64, u64)>),
    /// It has ended, and this is how long its log is.
    Ended(u64),
    /// SHA-256 of the whole log: its length, and hex.
    Sum(u64, &'a str),
    /// How far a package is, out of its own log: the name of its stage, and `[12/345]` or `[ 45%]`.
    Inside(&'a str, &'a str),
    /// Its runner is gone, and no status says why.
    Gone,
    /// There is no such job.
    NoJob,
    /// Its command lies there, and no runner is there that could have read it.
    Unbegun,
}

/// Lines of what is told, out of chunks; one that is too long is left out.
#[derive(Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Takes the next chunk.
    pub(super) fn feed(&mut self, chunk: &[u8], heard: &mut (dyn FnMut(Heard<'_>) + Send)) {
        for part in chunk.split_inclusive(|b| *b == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            if self.line.len() + text.len() > LONGEST {
                self.too_long = true;
            } else {
                self.line.extend_from_slice(text);
            }
            if ends {
                let line = std::mem::take(&mut self.line);
                if let Some(told) = told(&line).filter(|_| !self.too_long) {
                    heard(told);
                }
                self.too_long = false;
            }
        }
    }
}

fn told(line: &[u8]) -> Option<Heard<'_>> {
    let numbers = |text: &str| -> Option<(u64, u64)> {
        let (one, two) = text.split_once(' ')?;
        Some((one.parse().ok()?, two.parse().ok()?))
    };
    match line {
        b"x" => Some(Heard::Gone),
        b"n" => Some(Heard::NoJob),
        [b's', b' ', status @ ..] => Some(Heard::Status(status)),
        b"c" => Some(Heard::Unbegun),
        [b't', b' ', rest @ ..] => {
            let (next, line) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
            Some(Heard::Time(next.parse().ok()?, numbers(line)))
        }
        [b'e', b' ', rest @ ..] => Some(Heard::Ended(std::str::from_utf8(rest).ok()?.parse().ok()?)),
        [b'i', b' ', rest @ ..] => {
            let (stage, step) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
            Some(Heard::Inside(stage, step))
        }
        [b'h', b' ', rest @ ..] => {
            let (bytes, sum) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
            Some(Heard::Sum(bytes.parse().ok()?, sum.split_whitespace().next()?))
        }
        _ => None,
    }
}

/// Hears bytes of the lab's second stream, cut at a place, for the fuzzer.
#[cfg(fuzzing)]
pub fn hear(bytes: &[u8], cut: usize) -> Vec<String> {
    let mut said = vec![];
    let mut lines = Lines::default();
    let (one, two) = bytes.split_at(cut.min(bytes.len()));
    for part in [one, two] {
        lines.feed(part, &mut |heard| said.push(format!("{heard:?}")));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_wherever_it_is_cut() {
        let text = b"s {\"a\":1}\nt 17 1795345838000 12\nnoise\nh 12 abcd  -\nt x y\nt 23 1795\nx\nn\n";
        for cut in 0..text.len() {
            let mut said = vec![];
            let mut lines = Lines::default();
            let (one, two) = text.split_at(cut);
            for part in [one, two] {
                lines.feed(part, &mut |h| said.push(format!("{h:?}")));
            }
            assert_eq!(said.len(), 6, "{cut}: {said:?}");
            assert_eq!(said[1], "Time(17, Some((1795345838000, 12)))");
            assert_eq!(said[2], "Sum(12, \"abcd\")");
        }
    }

    #[test]
    fn a_flood_without_lines_is_not_kept() {
        let mut lines = Lines::default();
        let mut heard = 0;
        for _ in 0..100 {
            lines.feed(&[b's'; 4096], &mut |_| heard += 1);
        }
        assert!(lines.line.len() <= LONGEST);
        lines.feed(b"\nx\n", &mut |_| heard += 1);
        assert_eq!(heard, 1, "the line after it counts");
    }
}
