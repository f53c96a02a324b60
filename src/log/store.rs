//! A log file with a sparse index: any window of lines of a file of any size, at a few bytes of memory
//! per 64 KiB. The file may grow meanwhile; [`LogView::refresh`] takes in what was added.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// Bytes of the file per index entry.
const BLOCK: usize = 64 * 1024;
/// Lines that are searched at a time.
const SEARCH: usize = 1000;

/// A log file being read.
#[derive(Debug)]
pub struct LogView {
    path: PathBuf,
    file: File,
    inode: u64,
    /// Complete lines before each block.
    before: Vec<usize>,
    /// Bytes that were counted.
    counted: u64,
    /// Complete lines in them.
    newlines: usize,
    /// The counted bytes end in the middle of a line.
    open_line: bool,
}

impl LogView {
    /// Opens a log and counts its lines.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let inode = file.metadata()?.ino();
        let mut view = Self {
            path: path.to_owned(),
            file,
            inode,
            before: vec![],
            counted: 0,
            newlines: 0,
            open_line: false,
        };
        view.count()?;
        Ok(view)
    }

    /// Takes in what was added since; a file that was cut or replaced is read from its start.
    pub fn refresh(&mut self) -> io::Result<()> {
        let now = std::fs::metadata(&self.path)?;
        if now.ino() != self.inode || now.len() < self.counted {
            *self = Self::open(&self.path)?;
        }
        self.count()
    }

    /// Number of lines, an unfinished last one included.
    pub fn lines(&self) -> usize {
        self.newlines + usize::from(self.open_line)
    }

    /// Bytes that were taken in.
    pub fn bytes(&self) -> u64 {
        self.counted
    }

    /// The raw lines of a range, without their line breaks. What lies past the end is left out; of a
    /// line longer than `cap` bytes only the first `cap` are returned.
    pub fn read(&self, range: Range<usize>, cap: usize) -> io::Result<Vec<Vec<u8>>> {
        let end = range.end.min(self.lines());
        if range.start >= end {
            return Ok(vec![]);
        }
        let block = self
            .before
            .partition_point(|n| *n <= range.start)
            .saturating_sub(1);
        let line = self.before.get(block).copied().unwrap_or(0);
        let mut offset = (block * BLOCK) as u64;
        // A block that begins in the middle of the first wanted line: its start lies in an earlier block.
        if line == range.start && block > 0 && !self.ends_line(offset)? {
            offset = self.line_start_before(block)?;
        }
        self.collect(offset, line, range.start..end, cap)
    }

    /// The next line from `from` on (or the last one before it) whose visible text holds `needle`;
    /// upper and lower case differ only where the needle has upper case.
    pub fn find(&self, needle: &str, from: usize, forward: bool) -> io::Result<Option<usize>> {
        let exact = needle.chars().any(char::is_uppercase);
        let holds = |raw: &Vec<u8>| {
            let text = super::sanitize_line(raw).to_string();
            text.contains(needle) || (!exact && text.to_lowercase().contains(needle))
        };
        let mut at = from;
        loop {
            let range = if forward {
                at..at + SEARCH
            } else {
                at.saturating_sub(SEARCH)..at
            };
            let lines = self.read(range.clone(), super::sanitize::LINE_BYTES)?;
            let found = if forward {
                lines.iter().position(holds)
            } else {
                lines.iter().rposition(holds)
            };
            if let Some(index) = found {
                return Ok(Some(range.start + index));
            }
            if (forward && range.end >= self.lines()) || range.start == 0 && !forward {
                return Ok(None);
            }
            at = if forward { range.end } else { range.start };
        }
    }

    fn ends_line(&self, offset: u64) -> io::Result<bool> {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, offset - 1)?;
        Ok(byte == *b"\n")
    }

    /// Offset of the start of the line that reaches into `block`.
    fn line_start_before(&self, block: usize) -> io::Result<u64> {
        let mut buffer = vec![0; BLOCK];
        for earlier in (0..block).rev() {
            let offset = (earlier * BLOCK) as u64;
            self.file.read_exact_at(&mut buffer, offset)?;
            if let Some(at) = buffer.iter().rposition(|b| *b == b'\n') {
                return Ok(offset + at as u64 + 1);
            }
        }
        Ok(0)
    }

    fn collect(
        &self,
        mut offset: u64,
        mut line: usize,
        range: Range<usize>,
        cap: usize,
    ) -> io::Result<Vec<Vec<u8>>> {
        let mut lines: Vec<Vec<u8>> = vec![];
        let mut current: Vec<u8> = vec![];
        let mut buffer = vec![0; BLOCK];
        while offset < self.counted && line < range.end {
            let want = usize::try_from(self.counted - offset).unwrap_or(BLOCK).min(BLOCK);
            let Some(part) = buffer.get_mut(..want) else { break };
            self.file.read_exact_at(part, offset)?;
            offset += want as u64;
            for piece in part.split_inclusive(|b| *b == b'\n') {
                let (text, ended) = match piece.strip_suffix(b"\n") {
                    Some(text) => (text, true),
                    None => (piece, false),
                };
                if range.contains(&line) {
                    let room = cap.saturating_sub(current.len()).min(text.len());
                    current.extend_from_slice(text.get(..room).unwrap_or(text));
                }
                if ended {
                    if range.contains(&line) {
                        lines.push(std::mem::take(&mut current));
                    }
                    line += 1;
                }
            }
        }
        if range.contains(&line) && lines.len() < range.len() {
            lines.push(current);
        }
        Ok(lines)
    }

    fn count(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        let mut buffer = vec![0; BLOCK];
        while self.counted < size {
            let into = usize::try_from(self.counted % BLOCK as u64).unwrap_or(0);
            if into == 0 {
                self.before.push(self.newlines);
            }
            let Some(part) = buffer.get_mut(..BLOCK - into) else {
                break;
            };
            let read = self.file.read_at(part, self.counted)?;
            let Some(part) = part.get(..read).filter(|p| !p.is_empty()) else {
                break;
            };
            self.newlines += memchr::memchr_iter(b'\n', part).count();
            self.open_line = part.last() != Some(&b'\n');
            self.counted += read as u64;
        }
        Ok(())
    }
}
