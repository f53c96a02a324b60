//! Writes a part of a log, or what a filter lets through, to a file; as it is, or as it is seen.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::log::{
    blocks::Blocks,
    lines::Lines,
    matcher::Matcher,
    room::Room,
    row,
    scan::{SPAN, search},
};

/// Bytes that are written at a time.
const CHUNK: usize = 256 * 1024;
/// A sequence that is longer than this is not put together again where a line is cut.
const SEQUENCE: usize = 128;

/// A copy of a log for another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it is.
    pub path: PathBuf,
    /// The line of it that was looked at, counted from 1.
    pub line: u64,
}

/// A save that is ready to be done.
#[derive(Debug)]
pub struct Saving {
    blocks: Blocks,
    filter: Option<(Matcher, usize)>,
    /// From where on, and the line that is the last one.
    range: (u64, u64),
    /// As it is in the file, sequences and all.
    pub raw: bool,
    /// A place in the log whose line is to be known afterwards.
    pub mark: u64,
    /// Lines that were written, and of them the one with that place or the last before it.
    lines: u64,
    marked: u64,
    /// Whoever sets it stops it: what was written is removed.
    pub given_up: Arc<AtomicBool>,
}

impl Saving {
    pub(super) fn new(file: Arc<File>, len: u64, filter: Option<(Matcher, usize)>) -> Self {
        Self {
            blocks: Blocks::new(file, len),
            filter,
            range: (0, len),
            raw: false,
            mark: 0,
            lines: 0,
            marked: 1,
            given_up: Arc::default(),
        }
    }

    /// Only the lines from the one that begins at `from` to the one at `to`, that one included.
    pub fn limit(&mut self, from: u64, to: u64) {
        let end = Lines::new(&mut self.blocks, false).end_of(to);
        self.range = (from, end);
    }

    /// Writes to a file of ours alone, which has its name once all of it is there. Returns the bytes that were written.
    ///
    /// # Errors
    /// The file is there and `over` is not set, it is none, or it cannot be written.
    pub fn write_to(mut self, path: &Path, over: bool) -> io::Result<u64> {
        if let Ok(there) = fs::metadata(path) {
            let log = self.blocks.file().metadata()?;
            if (there.dev(), there.ino()) == (log.dev(), log.ino()) {
                return Err(io::Error::other("that is the log itself; name another file"));
            }
            if !there.is_file() {
                return Err(io::Error::other("that is no file; name another one"));
            }
            if !over {
                return Err(ErrorKind::AlreadyExists.into());
            }
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".halolab-{}", std::process::id()));
        let beside = path.with_file_name(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&beside)?;
        let written = self.write(file).and_then(|bytes| {
            put(&beside, path, over)?;
            Ok(bytes)
        });
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// Which of the lines that were written is the one with the mark, counted from 1.
    pub fn marked(&self) -> u64 {
        self.marked
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
        let (mut bytes, mut seen) = (vec![], Seen::default());
        while at < to {
            bytes.clear();
            let next = if self.raw {
                (at + CHUNK as u64).min(to)
            } else {
                Lines::new(&mut self.blocks, false).end_of(at).min(to)
            };
            self.blocks.read_into(at, next - at, &mut bytes);
            if let Some(fault) = self.blocks.fault() {
                return Err(fault);
            }
            if (bytes.len() as u64) < next - at {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the log was cut while it was saved",
                ));
            }
            if self.given_up.load(Ordering::Relaxed) {
                return Err(ErrorKind::Interrupted.into());
            }
            if self.raw {
                out.write_all(&bytes)?;
            } else {
                let goes_on = next < to && !bytes.ends_with(b"\n");
                seen.write(out, &bytes, goes_on)?;
                if at <= self.mark {
                    self.marked = self.lines + 1;
                }
                self.lines += u64::from(!goes_on);
            }
            at = next;
        }
        Ok(())
    }

    fn write_hits(&mut self, out: &mut impl Write, matcher: &Matcher, context: usize) -> io::Result<()> {
        let (mut bytes, mut scratch) = (Room::new(), vec![]);
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

/// Lines as they are seen, one after the other. A long one comes in pieces (`crate::log::lines`): what a cut goes
/// through is kept for the next one.
#[derive(Debug, Default)]
pub struct Seen {
    kept: Vec<u8>,
}

impl Seen {
    /// Writes a line, or a piece of one that goes on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, out: &mut impl Write, piece: &[u8], goes_on: bool) -> io::Result<()> {
        self.kept.extend_from_slice(piece);
        if goes_on && let Some(state) = memchr::memrchr(b'\r', &self.kept) {
            // More states of a progress bar come: only the last one of all is a line.
            self.kept.drain(..state);
            return Ok(());
        }
        let whole = if goes_on {
            self.kept.len() - unfinished(&self.kept)
        } else {
            self.kept.len()
        };
        let line = self.kept.get(..whole).unwrap_or_default();
        out.write_all(row::text(line).as_bytes())?;
        if !goes_on {
            out.write_all(b"\n")?;
        }
        self.kept.drain(..whole);
        Ok(())
    }
}

/// Bytes at the end that belong to a character or a sequence that is not whole.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes
        .get(bytes.len().saturating_sub(SEQUENCE)..)
        .unwrap_or_default();
    if let Some(at) = memchr::memrchr(0x1b, tail) {
        let ended = |b: &u8| (0x40..=0x7e).contains(b) && *b != b'[';
        if !tail.get(at + 1..).unwrap_or_default().iter().any(ended) {
            return tail.len() - at;
        }
    }
    match tail.utf8_chunks().last() {
        Some(chunk) if !chunk.invalid().is_empty() && is_begun(chunk.invalid()) => chunk.invalid().len(),
        _ => 0,
    }
}

/// Whether these bytes are the beginning of a character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Gives a file its name.
fn put(beside: &Path, path: &Path, over: bool) -> io::Result<()> {
    if over {
        return fs::rename(beside, path);
    }
    // Not by a rename, which would replace what came meanwhile.
    match fs::hard_link(beside, path) {
        Ok(()) => fs::remove_file(beside),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // Some file systems have no links.
        Err(_) if !path.exists() => fs::rename(beside, path),
        Err(error) => Err(error),
    }
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
