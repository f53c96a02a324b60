//! Writes a part of a log, or what a filter lets through, to a file; as it is, or as it is seen.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use crate::log::{
    blocks::{BLOCK, Blocks},
    lines::Lines,
    matcher::Matcher,
    row::decode,
    scan::{SPAN, search},
};

/// Bytes that are written at a time.
const CHUNK: usize = 256 * 1024;

/// A save that is ready to be done.
#[derive(Debug)]
pub struct Saving {
    blocks: Blocks,
    filter: Option<(Matcher, usize)>,
    /// From where on, and the line that is the last one.
    range: (u64, u64),
    /// As it is in the file, sequences and all.
    pub raw: bool,
}

impl Saving {
    pub(super) fn new(file: Arc<File>, len: u64, filter: Option<(Matcher, usize)>) -> Self {
        Self {
            blocks: Blocks::new(file, len),
            filter,
            range: (0, len),
            raw: false,
        }
    }

    /// Only the lines from the one that begins at `from` to the one at `to`, that one included.
    pub fn limit(&mut self, from: u64, to: u64) {
        let end = Lines::new(&mut self.blocks, false).end_of(to);
        self.range = (from, end);
    }

    /// Writes to a new file of ours alone, or over one that is there. Returns the bytes that were written.
    ///
    /// # Errors
    /// The file is there and `over` is not set, or it cannot be written.
    pub fn write_to(mut self, path: &Path, over: bool) -> io::Result<u64> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        if !over {
            return self.write(options.open(path)?);
        }
        if let (Ok(there), Ok(log)) = (fs::metadata(path), self.blocks.file().metadata())
            && (there.dev(), there.ino()) == (log.dev(), log.ino())
        {
            return Err(io::Error::other("that is the log itself; name another file"));
        }
        // What is there stays until all of the new one is written.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".halolab-{}", std::process::id()));
        let beside = path.with_file_name(name);
        let written = options
            .open(&beside)
            .and_then(|file| self.write(file))
            .and_then(|bytes| fs::rename(&beside, path).map(|()| bytes));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// Writes it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, out: impl Write) -> io::Result<u64> {
        let mut out = Counted {
            out: BufWriter::with_capacity(CHUNK, out),
            bytes: 0,
        };
        match self.filter.take() {
            Some((matcher, context)) => self.write_hits(&mut out, &matcher, context)?,
            None => self.write_range(&mut out, self.range)?,
        }
        out.flush()?;
        Ok(out.bytes)
    }

    fn write_range(&mut self, out: &mut impl Write, (from, to): (u64, u64)) -> io::Result<()> {
        let mut at = from;
        let mut bytes = vec![];
        while at < to {
            bytes.clear();
            let next = if self.raw {
                (at + CHUNK as u64).min(to)
            } else {
                Lines::new(&mut self.blocks, false).end_of(at).min(to)
            };
            self.blocks.read_into(at, next - at, &mut bytes);
            if bytes.is_empty() {
                return Ok(());
            }
            if self.raw {
                out.write_all(&bytes)?;
            } else {
                write_seen(out, &bytes)?;
            }
            at = next;
        }
        Ok(())
    }

    fn write_hits(&mut self, out: &mut impl Write, matcher: &Matcher, context: usize) -> io::Result<()> {
        let (mut bytes, mut scratch) = (vec![], vec![]);
        let mut written = self.range.0;
        for span in self.range.0 / SPAN..self.range.1.div_ceil(SPAN) {
            for hit in search(matcher, &mut self.blocks, span, &mut bytes, &mut scratch) {
                if hit < self.range.0 || hit >= self.range.1 {
                    continue;
                }
                let mut lines = Lines::new(&mut self.blocks, false);
                let first = lines.back(hit, context).0.max(written);
                let last = lines.forward(hit, context).0;
                let end = lines.end_of(last).min(self.range.1);
                if end > first {
                    self.write_range(out, (first, end))?;
                    written = end;
                }
            }
        }
        Ok(())
    }
}

/// A line as it is seen.
///
/// # Errors
/// It cannot be written.
pub fn write_seen(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let cells = usize::try_from(BLOCK).unwrap_or(usize::MAX);
    let decoded = decode(line, ratatui::style::Style::default(), cells);
    out.write_all(decoded.text.as_bytes())?;
    // A line without an end that is cut goes on without one.
    if line.ends_with(b"\n") || (line.len() as u64) < BLOCK {
        out.write_all(b"\n")?;
    }
    Ok(())
}

struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
