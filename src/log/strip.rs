//! Text without its sequences, fast: for searching, where a colour within a phrase must not hide it.

use memchr::{memchr, memchr2, memchr3};

/// Where the sequence ends that begins with the escape at `at`. A line break ends every sequence.
pub fn after_sequence(bytes: &[u8], at: usize) -> usize {
    let Some(kind) = bytes.get(at + 1) else {
        return bytes.len();
    };
    let body = bytes.get(at + 2..).unwrap_or_default();
    let from = at + 2;
    match kind {
        b'[' => match body.iter().position(|b| (0x40..=0x7e).contains(b) || *b == b'\n') {
            Some(end) if body.get(end) == Some(&b'\n') => from + end,
            Some(end) => from + end + 1,
            None => bytes.len(),
        },
        b']' | b'P' | b'X' | b'^' | b'_' => match memchr3(0x07, 0x1b, b'\n', body) {
            Some(end) if body.get(end) == Some(&0x07) => from + end + 1,
            Some(end) if body.get(end..end + 2) == Some(b"\x1b\\") => from + end + 2,
            Some(end) => from + end,
            None => bytes.len(),
        },
        0x20..=0x2f => match body.iter().position(|b| !(0x20..=0x2f).contains(b)) {
            Some(end) if body.get(end) == Some(&b'\n') => from + end,
            Some(end) => from + end + 1,
            None => bytes.len(),
        },
        b'\n' | 0x1b => at + 1,
        _ => from,
    }
}

/// Adds the text of some bytes to `out`; line breaks stay, so that lines keep their numbers.
pub fn strip(bytes: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        let Some(next) = memchr2(0x1b, b'\r', rest) else {
            out.extend_from_slice(rest);
            return;
        };
        out.extend_from_slice(rest.get(..next).unwrap_or_default());
        let place = at + next;
        at = if bytes.get(place) == Some(&0x1b) {
            after_sequence(bytes, place)
        } else {
            // A state of a progress bar is a word of its own; the end of a line is none.
            if bytes.get(place + 1) != Some(&b'\n') {
                out.push(b' ');
            }
            place + 1
        };
    }
}

/// Whether the text from `at` on begins with `needle`, sequences within it left out.
pub fn begins_with(bytes: &[u8], mut at: usize, needle: &[u8], fold: bool) -> bool {
    for wanted in needle {
        while bytes.get(at) == Some(&0x1b) {
            at = after_sequence(bytes, at);
        }
        let same = bytes
            .get(at)
            .is_some_and(|b| b == wanted || fold && b.eq_ignore_ascii_case(wanted));
        if !same {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether there is any sequence in it.
pub fn has_sequences(bytes: &[u8]) -> bool {
    memchr(0x1b, bytes).is_some()
}
