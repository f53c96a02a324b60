//! Lines by byte offset: no index is needed to find the line before or after a place.
//!
//! A line without an end is cut at whole blocks, so that every question is answered by looking at a few blocks:
//! at a block's end, if the block has neither line break nor carriage return; and every 4 MiB, if there is no line
//! break in them (a progress bar, whose states belong together). What lies before a cut decides about it, so that a
//! file that grows keeps its lines.

use memchr::memchr;

use super::blocks::{BLOCK, Blocks, first_break, last_break, within};

/// A line of states of a progress bar is cut after this many bytes.
const LONGEST: u64 = 64 * BLOCK;
/// Bytes that are read at a time to find out whether it is.
const LOOK: u64 = 4 * BLOCK;
/// Answers that are remembered.
const REMEMBERED: usize = 16;

/// Where lines begin and end.
#[derive(Debug)]
pub struct Lines<'a> {
    blocks: &'a mut Blocks,
    /// Each state of a progress bar is a line of its own.
    states: bool,
}

impl<'a> Lines<'a> {
    /// The lines of a file.
    pub fn new(blocks: &'a mut Blocks, states: bool) -> Self {
        Self { blocks, states }
    }

    /// Where the line begins that holds this byte; past the end, the last line.
    pub fn start_of(&mut self, at: u64) -> u64 {
        let mut end = at.min(self.blocks.len().saturating_sub(1));
        if end > 0 && end.is_multiple_of(BLOCK) && self.is_cut(end) {
            return end;
        }
        while end > 0 {
            let index = (end - 1) / BLOCK;
            let base = index * BLOCK;
            let mut to = within(end, base);
            loop {
                let bytes = &self.blocks.get(index).bytes;
                let to_now = to.min(bytes.len());
                let Some(found) = last_break(bytes.get(..to_now).unwrap_or_default(), self.states) else {
                    break;
                };
                if self.ends_line(base + found as u64) {
                    return base + found as u64 + 1;
                }
                to = found;
            }
            if base > 0 && self.is_cut(base) {
                return base;
            }
            end = base;
        }
        0
    }

    /// Where the next line begins; none where this is the last one.
    pub fn next(&mut self, start: u64) -> Option<u64> {
        let next = self.end_of(start);
        (next < self.blocks.len()).then_some(next)
    }

    /// Where the line ends that begins at `start`, its line break included.
    pub fn end_of(&mut self, start: u64) -> u64 {
        let len = self.blocks.len();
        let mut at = start;
        while at < len {
            let index = at / BLOCK;
            let base = index * BLOCK;
            let mut from = within(at, base);
            loop {
                let block = self.blocks.get(index);
                let Some(found) = first_break(block.bytes.get(from..).unwrap_or_default(), self.states)
                else {
                    break;
                };
                let place = base + (from + found) as u64;
                if self.ends_line(place) {
                    return place + 1;
                }
                from += found + 1;
            }
            at = base + BLOCK;
            if at < len && self.is_cut(at) {
                return at;
            }
        }
        len
    }

    /// `count` lines up, and how many that were.
    pub fn back(&mut self, start: u64, count: usize) -> (u64, usize) {
        let mut at = start;
        for done in 0..count {
            if at == 0 {
                return (0, done);
            }
            at = self.start_of(at - 1);
        }
        (at, count)
    }

    /// `count` lines down, and how many that were.
    pub fn forward(&mut self, start: u64, count: usize) -> (u64, usize) {
        let mut at = start;
        for done in 0..count {
            match self.next(at) {
                Some(next) => at = next,
                None => return (at, done),
            }
        }
        (at, count)
    }

    /// Where the last line begins.
    pub fn last(&mut self) -> u64 {
        let end = self.blocks.len();
        if end == 0 { 0 } else { self.start_of(end - 1) }
    }

    /// Whether a line break or carriage return at this place ends a line: `\r\n` ends one, not two.
    fn ends_line(&mut self, place: u64) -> bool {
        let base = place / BLOCK * BLOCK;
        let here = self.blocks.get(place / BLOCK);
        if here.bytes.get(within(place, base)) != Some(&b'\r') {
            return true;
        }
        let next = place + 1;
        let base = next / BLOCK * BLOCK;
        self.blocks.get(next / BLOCK).bytes.get(within(next, base)) != Some(&b'\n')
    }

    /// Whether a line that has no end is cut at this end of a block.
    fn is_cut(&mut self, at: u64) -> bool {
        let before = self.blocks.get(at / BLOCK - 1);
        if before.newline {
            return false;
        }
        if !before.carriage {
            return true;
        }
        if self.states || !at.is_multiple_of(LONGEST) {
            return false;
        }
        if let Some((_, cut)) = self.blocks.cuts.iter().find(|(place, _)| *place == at) {
            return *cut;
        }
        let cut = !self.has_newline(at - LONGEST, at);
        if self.blocks.cuts.len() >= REMEMBERED {
            self.blocks.cuts.remove(0);
        }
        self.blocks.cuts.push((at, cut));
        cut
    }

    fn has_newline(&mut self, from: u64, to: u64) -> bool {
        let mut bytes = vec![];
        let mut end = to;
        while end > from {
            let start = end.saturating_sub(LOOK).max(from);
            bytes.clear();
            self.blocks.read_into(start, end - start, &mut bytes);
            if memchr(b'\n', &bytes).is_some() {
                return true;
            }
            end = start;
        }
        false
    }
}
