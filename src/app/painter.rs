//! How changed cells become bytes.
//!
//! ratatui's own way hands each cell to the formatter by itself; all but this is left to it on the screens. The viewer
//! draws on a [`Canvas`](super::canvas::Canvas).

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};

/// Draws cells on a terminal.
#[derive(Debug)]
pub struct Painter<W: Write> {
    terminal: CrosstermBackend<W>,
    /// A frame's bytes; kept from frame to frame.
    bytes: Vec<u8>,
}

impl<W: Write> Painter<W> {
    /// Draws on the terminal behind this.
    pub const fn new(out: W) -> Self {
        Self {
            terminal: CrosstermBackend::new(out),
            bytes: vec![],
        }
    }
}

impl<W: Write> Write for Painter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.terminal.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.terminal)
    }
}

impl<W: Write> Backend for Painter<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.bytes.clear();
        paint(&mut self.bytes, content);
        self.terminal.write_all(&self.bytes)
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.terminal.append_lines(lines)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.terminal.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.terminal.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.terminal.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.terminal.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        self.terminal.clear_region(kind)
    }

    fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.terminal.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.terminal)
    }
}

/// What a cell looks like.
type Looks = (Color, Color, Modifier);

const PLAIN: Looks = (Color::Reset, Color::Reset, Modifier::empty());

/// Writes the cells at their places, and leaves the terminal plain.
fn paint<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = (u16, u16, &'a Cell)>) {
    let mut pen = Pen::default();
    for (x, y, cell) in cells {
        pen.put(out, x, y, cell);
    }
    pen.end(out);
}

/// Writes cells of one frame.
#[derive(Debug)]
pub(super) struct Pen {
    /// Where the terminal writes next.
    next: Option<(u16, u16)>,
    looks: Looks,
}

impl Default for Pen {
    fn default() -> Self {
        Self {
            next: None,
            looks: PLAIN,
        }
    }
}

impl Pen {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, x: u16, y: u16, cell: &Cell) {
        if self.next != Some((x, y)) {
            Self::go(out, x, y);
        }
        // Terminals do not agree on how wide some characters are: after one the place is said anew.
        self.next = Some((x.saturating_add(1), y));
        let wanted = (cell.fg, cell.bg, cell.modifier);
        if wanted != self.looks {
            look(out, wanted);
            self.looks = wanted;
        }
        out.extend_from_slice(cell.symbol().as_bytes());
    }

    /// Leaves the terminal plain.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        if self.looks != PLAIN {
            look(out, PLAIN);
        }
    }

    /// Goes to a place.
    pub(super) fn go(out: &mut Vec<u8>, x: u16, y: u16) {
        out.extend_from_slice(b"\x1b[");
        number(out, y.saturating_add(1));
        out.push(b';');
        number(out, x.saturating_add(1));
        out.push(b'H');
    }
}

/// Says all of it: what was before does not matter. Codes: ECMA-48, 8.3.117; colours beyond eight as in xterm.
fn look(out: &mut Vec<u8>, (front, back, modifier): Looks) {
    const CODES: [(Modifier, u16); 9] = [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::SLOW_BLINK, 5),
        (Modifier::RAPID_BLINK, 6),
        (Modifier::REVERSED, 7),
        (Modifier::HIDDEN, 8),
        (Modifier::CROSSED_OUT, 9),
    ];
    out.extend_from_slice(b"\x1b[0");
    for (one, code) in CODES {
        if modifier.contains(one) {
            argument(out, code);
        }
    }
    colour(out, front, 0);
    colour(out, back, 10);
    out.push(b'm');
}

/// A colour of the text, or ten codes further that of the ground.
fn colour(out: &mut Vec<u8>, colour: Color, ground: u16) {
    let code = match colour {
        Color::Reset => return,
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Indexed(_) | Color::Rgb(..) => 38,
    };
    argument(out, code + ground);
    // Writing to memory does not fail.
    let _ = match colour {
        Color::Indexed(index) => write!(out, ";5;{index}"),
        Color::Rgb(red, green, blue) => write!(out, ";2;{red};{green};{blue}"),
        _ => Ok(()),
    };
}

fn argument(out: &mut Vec<u8>, value: u16) {
    out.push(b';');
    number(out, value);
}

fn number(out: &mut Vec<u8>, value: u16) {
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or(0);
    for unit in [10_000, 1000, 100, 10] {
        if value >= unit {
            out.push(digit(value / unit));
        }
    }
    out.push(digit(value));
}

#[cfg(test)]
mod tests {
    use ratatui::{buffer::Buffer, layout::Rect, style::Style};

    use super::*;

    fn nonzero(number: u16) -> std::num::NonZero<u16> {
        std::num::NonZero::new(number).unwrap()
    }

    fn painted(before: &Buffer, after: &Buffer) -> Vec<u8> {
        let mut out = vec![];
        paint(&mut out, before.diff_iter(after));
        out
    }

    #[test]
    fn what_was_drawn_is_what_a_terminal_shows() {
        let area = Rect::new(0, 0, 12, 3);
        let (blank, mut page) = (Buffer::empty(area), Buffer::empty(area));
        let bold = Style::new().fg(Color::Indexed(208)).bg(Color::Rgb(1, 2, 3));
        page.set_string(1, 0, "plain", Style::new());
        page.set_string(
            0,
            1,
            "日本 x",
            bold.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        );
        page.set_string(3, 2, "red", Style::new().fg(Color::LightRed).bg(Color::Blue));
        let mut parser = vt100::Parser::new(nonzero(3), nonzero(12), 0);
        parser.process(&painted(&blank, &page));
        let screen = parser.screen();
        assert_eq!(screen.contents(), " plain\n日本 x\n   red");
        let cell = |row, column| screen.cell(row, column).unwrap();
        assert_eq!(cell(0, 1).fgcolor(), vt100::Color::Default);
        assert_eq!(cell(1, 0).fgcolor(), vt100::Color::Idx(208));
        assert_eq!(cell(1, 0).bgcolor(), vt100::Color::Rgb(1, 2, 3));
        assert!(cell(1, 0).bold() && cell(1, 5).inverse() && !cell(2, 3).bold());
        assert_eq!(cell(2, 3).fgcolor(), vt100::Color::Idx(9));
        assert_eq!(cell(2, 3).bgcolor(), vt100::Color::Idx(4));
        // What comes after a frame is plain.
        parser.process(b"\x1b[1;1Hx");
        assert_eq!(
            parser.screen().cell(0, 0).unwrap().bgcolor(),
            vt100::Color::Default
        );
    }

    #[test]
    fn only_what_changed_is_written() {
        let area = Rect::new(0, 0, 12, 3);
        let (mut page, mut other) = (Buffer::empty(area), Buffer::empty(area));
        page.set_string(0, 1, "one two", Style::new());
        other.set_string(0, 1, "one TWO", Style::new());
        assert_eq!(painted(&page, &page), b"");
        assert_eq!(painted(&page, &other), b"\x1b[2;5HTWO");
    }
}
