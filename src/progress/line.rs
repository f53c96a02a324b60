//! The bytes of a log as lines of plain text, whatever the pieces are in which they come.
//!
//! A line ends at a line feed; a carriage return or a move of the cursor ends a state of it, which is handed out as a
//! line of its own, because progress is written like that. Colours and every other escape sequence are dropped. Of a
//! line only its first bytes are kept, so that memory stays bounded.

/// Bytes of a line that are kept: more than the longest path and a sentence around it.
const KEPT: usize = 16 * 1024;
/// Bytes of a window title that are kept.
const TITLE: usize = 256;

/// One line, or one state of it.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Its text, without control functions.
    pub(crate) text: &'a str,
    /// Where its first byte is in the log.
    pub(crate) offset: u64,
    /// Bytes of it in the log, without its end.
    pub(crate) length: u64,
    /// It was no line but the title of the window.
    pub(crate) is_title: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Intermediate,
    Control,
    Title,
    TitleEscape,
    Ignored,
    IgnoredEscape,
}

/// Cuts bytes into lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// The byte that comes next; none before the first one.
    next: Option<u64>,
    start: u64,
    kept: Vec<u8>,
    title: Vec<u8>,
    state: State,
    /// We came in the middle of a line: it is nobody's.
    skip: bool,
}

impl Lines {
    /// Takes the bytes at an offset of the log. Those that were taken already are passed over; after a gap the rest
    /// of the line is not read.
    pub(crate) fn feed(&mut self, bytes: &[u8], offset: u64, sink: &mut impl FnMut(Line<'_>)) {
        let mut bytes = bytes;
        let mut at = offset;
        match self.next {
            Some(next) if offset < next => {
                let seen = usize::try_from(next - offset).unwrap_or(usize::MAX);
                bytes = bytes.get(seen..).unwrap_or_default();
                at = next;
            }
            Some(next) if offset > next => self.restart(offset, true),
            Some(_) => {}
            None => self.restart(offset, offset > 0),
        }
        while let Some(byte) = bytes.first().copied() {
            if self.state == State::Text {
                let plain = memchr::memchr3(b'\n', b'\r', 0x1b, bytes).unwrap_or(bytes.len());
                let (text, rest) = bytes.split_at(plain);
                self.keep(text);
                at += plain as u64;
                bytes = rest;
                let Some(byte) = bytes.first() else { break };
                self.text(*byte, at, sink);
            } else {
                self.escaped(byte, at, sink);
            }
            at += 1;
            bytes = bytes.get(1..).unwrap_or_default();
        }
        self.next = Some(at.max(self.next.unwrap_or(0)));
    }

    /// The log ends here: its last line may have no line feed.
    pub(crate) fn finish(&mut self, sink: &mut impl FnMut(Line<'_>)) {
        let end = self.next.unwrap_or(0);
        self.state = State::Text;
        self.end(end, end, sink);
    }

    /// The byte that is wanted next.
    pub(crate) fn position(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// Where the line begins that did not end yet.
    pub(crate) fn unfinished(&self) -> u64 {
        self.start
    }

    fn restart(&mut self, offset: u64, skip: bool) {
        *self = Self {
            next: Some(offset),
            start: offset,
            skip,
            ..Self::default()
        };
    }

    fn keep(&mut self, text: &[u8]) {
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(text.get(..room).unwrap_or(text));
    }

    fn text(&mut self, byte: u8, at: u64, sink: &mut impl FnMut(Line<'_>)) {
        if byte == 0x1b {
            self.state = State::Escape;
        } else {
            self.end(at, at + 1, sink);
        }
    }

    /// Ends a state of the line at `end`; the next one begins at `next`.
    fn end(&mut self, end: u64, next: u64, sink: &mut impl FnMut(Line<'_>)) {
        if !self.skip && !self.kept.is_empty() {
            let text = String::from_utf8_lossy(&self.kept);
            let text: std::borrow::Cow<'_, str> = if text.contains(|c: char| c.is_control() && c != '\t') {
                text.chars().filter(|c| !c.is_control() || *c == '\t').collect()
            } else {
                text
            };
            if !text.trim().is_empty() {
                sink(Line {
                    text: &text,
                    offset: self.start,
                    length: end.saturating_sub(self.start),
                    is_title: false,
                });
            }
        }
        self.kept.clear();
        self.start = next;
        self.skip = false;
    }

    /// One byte inside an escape sequence. A line end is one wherever it stands: a sequence that nobody ended must
    /// not swallow the log.
    fn escaped(&mut self, byte: u8, at: u64, sink: &mut impl FnMut(Line<'_>)) {
        if matches!(byte, b'\n' | b'\r') {
            self.state = State::Text;
            return self.text(byte, at, sink);
        }
        self.state = match (self.state, byte) {
            (State::TitleEscape, b'\\') | (State::Title, 0x07) => {
                self.title_ends(at, sink);
                State::Text
            }
            (State::IgnoredEscape, b'\\') | (State::Ignored, 0x07) => State::Text,
            (State::Title, 0x1b) => State::TitleEscape,
            (State::Ignored, 0x1b) => State::IgnoredEscape,
            (State::Title, _) => {
                if self.title.len() < TITLE {
                    self.title.push(byte);
                }
                State::Title
            }
            (State::Ignored, _) => State::Ignored,
            (_, 0x1b) => State::Escape,
            (State::Control, _) => self.control(byte, at, sink),
            (State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Intermediate | State::Text, _) => State::Text,
            (State::Escape | State::TitleEscape | State::IgnoredEscape, _) => self.introduced(byte, at, sink),
        };
    }

    fn introduced(&mut self, byte: u8, at: u64, sink: &mut impl FnMut(Line<'_>)) -> State {
        match byte {
            // The cursor goes back to where it was saved: apt draws its bar at the foot like that.
            b'8' => {
                self.end(at + 1, at + 1, sink);
                State::Text
            }
            b'[' => State::Control,
            b']' => {
                self.title.clear();
                State::Title
            }
            b'P' | b'X' | b'^' | b'_' | b'k' => State::Ignored,
            0x20..=0x2f => State::Intermediate,
            _ => State::Text,
        }
    }

    fn control(&mut self, byte: u8, at: u64, sink: &mut impl FnMut(Line<'_>)) -> State {
        match byte {
            0x20..=0x3f => State::Control,
            // The cursor went to another row or to the first column: what was written stands.
            b'A' | b'B' | b'E' | b'F' | b'G' | b'H' | b'd' | b'f' | b'u' => {
                self.end(at + 1, at + 1, sink);
                State::Text
            }
            _ => State::Text,
        }
    }

    fn title_ends(&mut self, at: u64, sink: &mut impl FnMut(Line<'_>)) {
        let title = String::from_utf8_lossy(&self.title);
        let Some(text) = title.strip_prefix("0;").or_else(|| title.strip_prefix("2;")) else {
            return;
        };
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        if !self.skip && !text.is_empty() {
            sink(Line {
                text: &text,
                offset: self.start,
                length: (at + 1).saturating_sub(self.start),
                is_title: true,
            });
        }
    }
}
