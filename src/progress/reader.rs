//! Bytes of a log in, events out: [`Reader`].

use super::{
    event::{Event, Tool, What, sentence},
    line::{Line, Lines},
    lock::Lock,
    spack::Spack,
    tools::{Tools, docker_output},
};
use crate::log::severity;

/// Reads a log in pieces of any size. The events depend on the bytes alone, not on how they were cut.
#[derive(Debug, Default)]
pub struct Reader {
    lines: Lines,
    readers: Readers,
}

#[derive(Debug, Default)]
struct Readers {
    spack: Spack,
    tools: Tools,
    only: Option<Tool>,
    last: Option<Tool>,
}

impl Reader {
    /// A reader that finds out by itself who writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader of one tool's lines only.
    pub fn of(tool: Tool) -> Self {
        Self {
            readers: Readers {
                only: Some(tool),
                ..Readers::default()
            },
            ..Self::default()
        }
    }

    /// Resolves names, versions and shortened hashes by a `spack.lock`.
    #[must_use]
    pub fn with_lock(mut self, lock: &Lock) -> Self {
        self.readers.spack.set_lock(lock);
        self
    }

    /// Takes the bytes that begin at an offset of the log. Bytes that were taken before are passed over; where some
    /// are left out, the line in which we come is not read. A log that begins anew needs a new reader.
    pub fn feed(&mut self, bytes: &[u8], offset: u64) -> Vec<Event> {
        let mut events = vec![];
        let Self { lines, readers } = self;
        lines.feed(bytes, offset, &mut |line| readers.read(&line, &mut events));
        events
    }

    /// The build was begun again, and goes on in the same log: what was in work is interrupted.
    pub fn restarted(&mut self) -> Vec<Event> {
        let mut out = vec![];
        self.readers.spack.restarted(&mut out);
        self.at_end(out)
    }

    fn at_end(&self, out: Vec<What>) -> Vec<Event> {
        let event = |what| Event {
            offset: self.lines.position(),
            length: 0,
            tool: Tool::Spack,
            what,
        };
        out.into_iter().map(event).collect()
    }

    /// The log ends here: its last line counts without a line feed, and an error without a package gets one.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = vec![];
        let Self { lines, readers } = self;
        lines.finish(&mut |line| readers.read(&line, &mut events));
        let mut out = vec![];
        readers.spack.finish(&mut out);
        events.extend(self.at_end(out));
        events
    }

    /// The offset of the byte that is wanted next.
    pub fn position(&self) -> u64 {
        self.lines.position()
    }
}

impl Readers {
    fn read(&mut self, line: &Line<'_>, events: &mut Vec<Event>) {
        let mut out = vec![];
        if let Some(tool) = self.of_line(line, &mut out) {
            self.last = Some(tool);
            let (offset, length) = (line.offset, line.length);
            events.extend(out.into_iter().map(|what| Event {
                offset,
                length,
                tool,
                what,
            }));
        }
    }

    fn of_line(&mut self, line: &Line<'_>, out: &mut Vec<What>) -> Option<Tool> {
        if self.only.is_none_or(|only| only == Tool::Spack) && self.spack.read(line, out) {
            return Some(Tool::Spack);
        }
        if line.is_title {
            return None;
        }
        if self.only != Some(Tool::Spack)
            && let Some(tool) = self.tools.read(line.text, self.only, out)
        {
            // What runs inside a build of Spack's is not a tool of its own, but how far the package is.
            if self.spack.is_busy() && !tool.is_inner() {
                out.clear();
                return None;
            }
            return Some(tool);
        }
        let text = docker_output(line.text).unwrap_or(line.text);
        let severity = severity(text.as_bytes())?;
        let package = self.spack.only_active().map(str::to_owned);
        out.push(What::Note {
            severity,
            text: sentence(text),
            package,
        });
        Some(self.last.or(self.only).unwrap_or(Tool::Other))
    }
}
