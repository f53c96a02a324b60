//! A file as blocks: what was read lately is kept, a few hundred KiB at most, whatever the size of the file.
//!
//! Read with pread, never mapped: a mapped file that is cut by its writer kills its reader. What can no longer
//! be read counts as empty; [`Blocks::fault`] says why.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use memchr::{memchr, memchr2, memrchr};

use super::room::Room;

/// Bytes of a block. A line that fills whole blocks is cut where they end.
pub const BLOCK: u64 = 64 * 1024;
/// Blocks that are kept.
const KEPT: usize = 6;

/// One block, and what decides where lines are cut.
#[derive(Debug)]
pub struct Block {
    index: u64,
    /// Its bytes; fewer than [`BLOCK`] at the end of the file.
    pub bytes: Room,
    /// There is a line break in it.
    pub newline: bool,
    /// There is a carriage return in it.
    pub carriage: bool,
    used: u64,
}

/// The blocks of a file that is read.
#[derive(Debug)]
pub struct Blocks {
    file: Arc<File>,
    len: u64,
    kept: Vec<Block>,
    clock: u64,
    fault: Option<io::Error>,
    /// Where long lines are cut or not, as found out lately.
    pub(super) cuts: Vec<(u64, bool)>,
}

impl Blocks {
    /// The first `len` bytes of a file.
    pub fn new(file: Arc<File>, len: u64) -> Self {
        Self {
            file,
            len,
            kept: vec![],
            clock: 0,
            fault: None,
            cuts: vec![],
        }
    }

    /// Bytes that are looked at.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file behind it.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The file grew to this size.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.kept.clear();
            self.cuts.clear();
        } else if len > self.len {
            self.kept.retain(|b| b.bytes.len() as u64 == BLOCK);
        }
        self.len = len;
    }

    /// Why something could not be read, told once.
    pub fn fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    /// A block by its number.
    pub fn get(&mut self, index: u64) -> &Block {
        self.clock += 1;
        let at = match self.kept.iter().position(|b| b.index == index) {
            Some(at) => at,
            None => self.load(index),
        };
        // Both ways above end with a place that is there.
        let last = self.kept.len().saturating_sub(1);
        let clock = self.clock;
        self.kept.swap(at, last);
        if let Some(block) = self.kept.last_mut() {
            block.used = clock;
        }
        self.kept.last().unwrap_or(&EMPTY)
    }

    fn load(&mut self, index: u64) -> usize {
        let mut bytes = if self.kept.len() < KEPT {
            Room::new()
        } else {
            let oldest = self.kept.iter().enumerate().min_by_key(|(_, b)| b.used);
            let at = oldest.map_or(0, |(at, _)| at);
            self.kept.swap_remove(at).bytes
        };
        let start = index.saturating_mul(BLOCK);
        self.read_over(start, BLOCK, &mut bytes);
        let newline = memchr(b'\n', &bytes).is_some();
        let carriage = memchr(b'\r', &bytes).is_some();
        self.kept.push(Block {
            index,
            bytes,
            newline,
            carriage,
            used: 0,
        });
        self.kept.len() - 1
    }

    /// Adds `count` bytes from `start` on, as far as there are any.
    pub fn read_into(&mut self, start: u64, count: u64, out: &mut Vec<u8>) {
        let count = count.min(self.len.saturating_sub(start));
        let from = out.len();
        out.resize(from + usize::try_from(count).unwrap_or(0), 0);
        let mut done = from;
        while let Some(room) = out.get_mut(done..).filter(|r| !r.is_empty()) {
            match self.file.read_at(room, start + (done - from) as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fault = Some(error);
                    break;
                }
            }
        }
        out.truncate(done);
    }

    /// The bytes from `start` on, `count` of them as far as there are any, instead of what `out` held.
    pub fn read_over(&mut self, start: u64, count: u64, out: &mut Room) {
        let count = usize::try_from(count.min(self.len.saturating_sub(start))).unwrap_or(0);
        if let Err(error) = out.read(&self.file, start, count) {
            self.fault = Some(error);
        }
    }

    /// Some bytes as they are, however many blocks they lie in.
    pub fn bytes(&mut self, start: u64, end: u64) -> Vec<u8> {
        let end = end.min(self.len);
        let index = start / BLOCK;
        let base = index * BLOCK;
        let mut out = vec![];
        if end <= base + BLOCK {
            let (from, to) = (within(start, base), within(end, base));
            let block = self.get(index);
            let to = to.min(block.bytes.len());
            out.extend_from_slice(block.bytes.get(from..to).unwrap_or_default());
        } else {
            self.read_into(start, end.saturating_sub(start), &mut out);
        }
        out
    }
}

static EMPTY: Block = Block {
    index: u64::MAX,
    bytes: Room::new(),
    newline: false,
    carriage: false,
    used: 0,
};

/// An offset within what begins at `base`.
pub(super) fn within(offset: u64, base: u64) -> usize {
    usize::try_from(offset.saturating_sub(base)).unwrap_or(usize::MAX)
}

/// The first place where a line may end: a line break, and a carriage return where states are lines too.
pub(super) fn first_break(bytes: &[u8], states: bool) -> Option<usize> {
    if states {
        memchr2(b'\n', b'\r', bytes)
    } else {
        memchr(b'\n', bytes)
    }
}

/// The last place where a line may end.
pub(super) fn last_break(bytes: &[u8], states: bool) -> Option<usize> {
    if states {
        memchr::memrchr2(b'\n', b'\r', bytes)
    } else {
        memrchr(b'\n', bytes)
    }
}
