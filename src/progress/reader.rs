//! Bytes of a log in, events out: [`Reader`].

use super::{
    event::{Event, Tool, What, sentence},
    line::{Line, Lines},
    lock::Lock,
    spack::Spack,
    tools::{Tools, docker_ended, docker_output},
};
use crate::log::severity;

/// Reads a log in pieces of any size. The events depend on the bytes alone, not on how they were cut.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    lines: Lines,
    readers: Readers,
}

#[derive(Clone, Debug, Default)]
struct Readers {
    spack: Spack,
    tools: Tools,
    only: Option<Tool>,
    last: Option<Tool>,
    /// The step of a build of Docker's whose output Spack's last line was.
    step: Option<u32>,
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

    /// Where the line begins that did not end yet: no event has a place before it any more.
    pub fn unfinished(&self) -> u64 {
        self.lines.unfinished()
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
        let line = &Line {
            text: without_stamp(line.text),
            ..*line
        };
        if self.only.is_none_or(|only| only == Tool::Spack) && self.of_spack(line, out) {
            return Some(Tool::Spack);
        }
        if line.is_title {
            return None;
        }
        if self.only != Some(Tool::Spack)
            && let Some(tool) = self.tools.read(self.inside(line.text), self.only, out)
        {
            // What runs inside a build of Spack's is not a tool of its own, but how far the package is.
            if self.spack.is_busy() {
                if !tool.is_inner() {
                    out.clear();
                    return None;
                }
                self.give_to_package(out);
            }
            return Some(tool);
        }
        let text = docker_output(line.text).map_or(line.text, |(_, text)| text);
        let severity = severity(text.as_bytes())?;
        let package = self.spack.only_active().map(str::to_owned);
        out.push(What::Note {
            severity,
            text: sentence(text),
            package,
        });
        Some(self.last.or(self.only).unwrap_or(Tool::Other))
    }

    /// What a build tool says inside a package's build: that package fails when Spack says so.
    fn give_to_package(&self, out: &mut Vec<What>) {
        out.retain(|what| !matches!(what, What::End { .. } | What::Target { .. } | What::Interrupted));
        for what in out {
            if let What::Note { package, .. } = what {
                *package = self.spack.only_active().map(str::to_owned);
            }
        }
    }

    /// A line of Spack's, also where Docker runs it.
    fn of_spack(&mut self, line: &Line<'_>, out: &mut Vec<What>) -> bool {
        if line.is_title {
            return self.spack.read(line, out);
        }
        let Some((step, text)) = docker_output(line.text) else {
            if self
                .step
                .is_some_and(|step| docker_ended(line.text) == Some(step))
            {
                // What was in work when the step ended was in work in vain.
                self.step = None;
                self.spack.restarted(out);
                return !out.is_empty();
            }
            return self.step.is_none() && self.spack.read(line, out);
        };
        let read = self.spack.read(&Line { text, ..*line }, out);
        if read {
            self.step = Some(step);
        }
        read
    }

    /// A line without what Docker puts before it, where it is of a build of Spack's.
    fn inside<'a>(&self, text: &'a str) -> &'a str {
        match docker_output(text) {
            Some((step, inside)) if self.step == Some(step) && self.spack.is_busy() => inside,
            _ => text,
        }
    }
}

/// A line without the time that CI services, `docker logs -t` and `kubectl logs --timestamps` put before it:
/// `2026-11-22T10:11:12.1234567Z `.
fn without_stamp(text: &str) -> &str {
    let Some((stamp, rest)) = text.split_once(' ') else {
        return text;
    };
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        0..19 => byte.is_ascii_digit(),
        _ => byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'+' | b'-' | b'Z'),
    };
    let fits = (20..=36).contains(&stamp.len()) && stamp.bytes().enumerate().all(shape);
    if fits { rest } else { text }
}
