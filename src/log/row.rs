//! One raw line as it is drawn: colours stay, `\r` shows the last state of a progress bar, tabs are laid out, no
//! other sequence survives, and the work is bounded.

use memchr::{memchr, memchr_iter, memchr2, memrchr};
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use vte::{Params, Parser, Perform};

use super::{
    sanitize::{LINE_BYTES, Shown, shown},
    sgr,
};

/// Columns of a log line that are kept where nobody says how many are seen.
pub const LINE_CELLS: usize = 4096;
/// Columns that a line can have: it is at most two blocks long (`super::lines`), and a byte at most eight columns, as a
/// tab is, or a character that is spelled.
pub const MOST_CELLS: usize = 16 * 64 * 1024;
const TAB: usize = 8;
/// Bytes that are decoded before it is asked whether more are seen.
const PIECE: usize = 1024;
/// Longer sequences are no colours.
const SEQUENCE: usize = 128;

/// A decoded line: text that is safe to draw, and its styles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The text, without trailing blanks.
    pub text: String,
    /// Styles in order, each with the byte of the text where it ends.
    pub styles: Vec<(usize, Style)>,
    /// The style in which the next line begins.
    pub after: Style,
    /// There was more than was asked for.
    pub cut: bool,
}

/// Decodes a line, the first `cells` characters of it. `style` is the one that the line before left behind.
pub fn decode(bytes: &[u8], style: Style, cells: usize) -> Decoded {
    let bytes = strip_end(bytes);
    if let Some(decoded) = usual(bytes, style, cells) {
        return decoded;
    }
    printed(bytes, style, cells)
}

/// The same for any line.
fn printed(bytes: &[u8], style: Style, cells: usize) -> Decoded {
    let mut row = Row {
        cells: Vec::with_capacity(bytes.len().min(cells).min(PIECE)),
        style,
        limit: cells,
        ..Row::default()
    };
    // Of a progress bar only the end is seen; the styles before it count all the same.
    let mut bytes = bytes;
    if bytes.len() > LINE_BYTES && memrchr(b'\r', bytes).is_some() {
        let tail = bytes.len() - LINE_BYTES;
        let (before, after) = bytes.split_at(tail);
        let state = memchr(b'\r', after).map(|at| tail + at);
        let (head, state) = bytes.split_at(state.or_else(|| memrchr(b'\r', before)).unwrap_or(0));
        row.style = style_after(head, style);
        bytes = state;
    }
    let returns = memchr(b'\r', bytes).is_some();
    let mut parser = Parser::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(PIECE.min(rest.len()));
        parser.advance(&mut row, piece);
        rest = next;
        if row.full && !returns {
            break;
        }
    }
    let after = style_after(rest, row.style);
    row.finish(after)
}

/// The text of a line for files and pipes: with its tabs and blanks, where nothing was written over.
pub fn text(bytes: &[u8]) -> String {
    let line = strip_end(bytes);
    if memchr2(b'\r', 0x08, line).is_some() {
        return decode(line, Style::default(), MOST_CELLS).text;
    }
    let mut row = Row {
        limit: MOST_CELLS,
        verbatim: true,
        ..Row::default()
    };
    Parser::new().advance(&mut row, line);
    row.finish(Style::default()).text
}

/// One raw line of a log as a line of the screen.
pub fn sanitize_line(bytes: &[u8]) -> Line<'static> {
    let bytes = bytes.get(..LINE_BYTES).unwrap_or(bytes);
    let decoded = decode(bytes, Style::default(), LINE_CELLS);
    let mut from = 0;
    let mut spans = vec![];
    for (end, style) in decoded.styles {
        let text = decoded.text.get(from..end).unwrap_or_default();
        spans.push(Span::styled(text.to_owned(), style));
        from = end;
    }
    Line::from(spans)
}

/// The style after some bytes, of which only the colours are looked at.
pub fn style_after(bytes: &[u8], style: Style) -> Style {
    let mut colours = Colours(style);
    // What comes before the last full reset does not count.
    let reset = memchr::memmem::rfind(bytes, b"\x1b[0m").max(memchr::memmem::rfind(bytes, b"\x1b[m"));
    if let Some(at) = reset {
        colours.0 = Style::default();
        return continued(bytes.get(at + 1..).unwrap_or_default(), colours);
    }
    continued(bytes, colours)
}

fn continued(bytes: &[u8], mut colours: Colours) -> Style {
    for at in memchr_iter(0x1b, bytes) {
        let rest = bytes.get(at..).unwrap_or_default();
        let rest = rest.get(..SEQUENCE).unwrap_or(rest);
        if rest.get(1) != Some(&b'[') {
            continue;
        }
        let body = rest.get(2..).unwrap_or_default();
        let Some(end) = body.iter().position(|b| (0x40..=0x7e).contains(b)) else {
            continue;
        };
        if body.get(end) == Some(&b'm') {
            Parser::new().advance(&mut colours, rest.get(..end + 3).unwrap_or_default());
        }
    }
    colours.0
}

fn strip_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// What nearly all lines are: printable ASCII with colours, that fits. None where there is anything else.
fn usual(bytes: &[u8], style: Style, cells: usize) -> Option<Decoded> {
    let mut colours = Colours(style);
    let mut text = String::with_capacity(bytes.len());
    let mut styles: Vec<(usize, Style)> = vec![];
    let mut rest = bytes;
    loop {
        let (run, sequence) = rest.split_at(memchr(0x1b, rest).unwrap_or(rest.len()));
        if text.len() + run.len() > cells || !run.iter().all(|b| (b' '..=b'~').contains(b)) {
            return None;
        }
        if !run.is_empty() {
            text.push_str(str::from_utf8(run).ok()?);
            let seen = sgr::visible(colours.0);
            match styles.last_mut() {
                Some((end, style)) if *style == seen => *end = text.len(),
                _ => styles.push((text.len(), seen)),
            }
        }
        if sequence.is_empty() {
            break;
        }
        let body = sequence.strip_prefix(b"\x1b[")?;
        let end = body.iter().position(|b| !matches!(b, b'0'..=b'9' | b';'))?;
        if body.get(end) != Some(&b'm') {
            return None;
        }
        let (colour, after) = sequence.split_at(end + 3);
        Parser::new().advance(&mut colours, colour);
        rest = after;
    }
    text.truncate(text.trim_end().len());
    let whole = styles.partition_point(|(end, _)| *end < text.len());
    styles.truncate(if text.is_empty() { 0 } else { whole + 1 });
    if let Some((end, _)) = styles.last_mut() {
        *end = text.len();
    }
    Some(Decoded {
        text,
        styles,
        after: colours.0,
        cut: false,
    })
}

struct Colours(Style);

impl Perform for Colours {
    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if !ignore && intermediates.is_empty() && action == 'm' {
            self.0 = sgr::apply(self.0, params);
        }
    }
}

struct Cell {
    base: char,
    marks: String,
    style: Style,
}

/// A line being printed: cells, and the place where the next one goes.
#[derive(Default)]
struct Row {
    cells: Vec<Cell>,
    at: usize,
    style: Style,
    limit: usize,
    full: bool,
    /// Tabs stay, and blanks at the end.
    verbatim: bool,
}

impl Row {
    fn put(&mut self, base: char) {
        let cell = Cell {
            base,
            marks: String::new(),
            style: sgr::visible(self.style),
        };
        if let Some(slot) = self.cells.get_mut(self.at) {
            *slot = cell;
        } else if self.cells.len() < self.limit {
            self.cells.push(cell);
        } else {
            self.full = true;
            return;
        }
        self.at += 1;
    }

    /// Erases the line, or what is before the place where the next one goes.
    fn blank(&mut self, whole: bool) {
        if whole {
            self.cells.truncate(self.at);
        }
        for cell in self.cells.iter_mut().take(self.at) {
            *cell = Cell {
                base: ' ',
                marks: String::new(),
                style: Style::default(),
            };
        }
    }

    fn last(&mut self) -> Option<&mut Cell> {
        self.at.checked_sub(1).and_then(|i| self.cells.get_mut(i))
    }

    fn finish(self, after: Style) -> Decoded {
        let mut decoded = Decoded {
            after,
            cut: self.full,
            ..Decoded::default()
        };
        let (text, styles) = (&mut decoded.text, &mut decoded.styles);
        let kept = self
            .cells
            .iter()
            .rposition(|c| self.verbatim || !c.base.is_whitespace() || !c.marks.is_empty());
        for cell in self.cells.iter().take(kept.map_or(0, |k| k + 1)) {
            text.push(cell.base);
            text.push_str(&cell.marks);
            match styles.last_mut() {
                Some((end, style)) if *style == cell.style => *end = text.len(),
                _ => styles.push((text.len(), cell.style)),
            }
        }
        decoded
    }
}

impl Perform for Row {
    fn print(&mut self, c: char) {
        if c.is_ascii_graphic() || c == ' ' {
            return self.put(c);
        }
        let (before, marks) = match self.last() {
            Some(cell) => (Some(cell.base), cell.marks.chars().count()),
            None => (None, 0),
        };
        match shown(c, before, marks) {
            Shown::Drop => {}
            Shown::Mark(c) => {
                if let Some(cell) = self.last() {
                    cell.marks.push(c);
                }
            }
            Shown::Cell(c) => self.put(c),
            Shown::Spelled(text) => text.chars().for_each(|c| self.put(c)),
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.at = 0,
            // Spinners go back by one like this.
            0x08 => self.at = self.at.saturating_sub(1),
            b'\t' if self.verbatim => self.put('\t'),
            b'\t' => {
                for _ in 0..TAB - self.at % TAB {
                    self.put(' ');
                }
            }
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        let first = params.iter().next().and_then(|p| p.first()).copied().unwrap_or(0);
        match (action, first) {
            ('m', _) => self.style = sgr::apply(self.style, params),
            ('K', 0) => self.cells.truncate(self.at),
            ('K', 1 | 2) => self.blank(first == 2),
            // Some progress bars go to the first column like this instead of by a carriage return.
            ('G', 0 | 1) => self.at = 0,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// What is quick says the same as what is thorough.
        #[test]
        fn a_usual_line_is_as_any_other(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "text", " ", "  ", "\x1b[31m", "\x1b[0m", "\x1b[m", "\x1b[1;38;5;208m", "\x1b[38;2;1;2;3m", "\x1b[48;5;m",
                    "\x1b[7m", "\x1b[8m", "\x1b[30;40m", "\x1b[99999999m", "\x1b[;;;m", "\x1b[K", "\x1b", "\t", "é",
                ]),
                0..9,
            ),
            first in proptest::sample::select(vec!["", "\x1b[1;33m", "\x1b[8m"]),
            cells in proptest::sample::select(vec![0, 3, 80]),
        ) {
            let (line, style) = (parts.concat(), style_after(first.as_bytes(), Style::default()));
            let (quick, thorough) = (decode(line.as_bytes(), style, cells), printed(line.as_bytes(), style, cells));
            proptest::prop_assert_eq!(quick, thorough, "{:?}", line);
        }
    }

    fn text(bytes: &str) -> String {
        decode(bytes.as_bytes(), Style::default(), 80).text
    }

    #[test]
    fn a_line_that_was_erased_leaves_nothing_behind() {
        assert_eq!(text("downloading 45 % of it\r\x1b[2Kdone\n"), "done");
        assert_eq!(text("downloading 45 % of it\x1b[1G\x1b[2Kdone\n"), "done");
        assert_eq!(text("downloading 45 %\x1b[2K\rdone\n"), "done");
        assert_eq!(text("abc\x1b[1Kdef"), "   def");
        assert_eq!(text("abcdef\r\x1b[Kx"), "x");
    }

    #[test]
    fn a_spinner_shows_its_last_state() {
        assert_eq!(text("working |\x08/\x08-\x08\\\x08 done\n"), "working  done");
        assert_eq!(text("\x08\x08a"), "a");
    }

    #[test]
    fn the_colour_of_an_underline_is_no_other_attribute() {
        let decoded = decode(
            b"\x1b[31;58;2;255;0;1mred\x1b[58;5;7m still\n",
            Style::default(),
            80,
        );
        let red = Style::default().fg(ratatui::style::Color::Red);
        assert_eq!(decoded.styles, [("red still".len(), red)]);
    }
}
