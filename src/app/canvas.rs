//! Where the viewer draws: two pages of cells, of which the second is made when there is something to compare.
//!
//! ratatui's own terminal makes both before its first frame, which is a fifth of the time until a log is on the screen,
//! and asks each cell of each frame how wide it is, which a viewer that follows pays for 60 times a second. Widgets draw
//! on these pages as on its own.

use std::io::{self, Write as _, stdout};

use ratatui::{
    buffer::{Buffer, Cell, CellWidth as _},
    layout::{Position, Rect},
};

use super::{painter::Pen, terminal::Surface};

/// The terminal shows what lies between these at once, where it can; others ignore them.
const BEGIN_FRAME: &[u8] = b"\x1b[?2026h";
const END_FRAME: &[u8] = b"\x1b[?2026l";
const HIDE_CURSOR: &[u8] = b"\x1b[?25l";
const SHOW_CURSOR: &[u8] = b"\x1b[?25h";
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

static BLANK: Cell = Cell::EMPTY;

/// The terminal, as pages of cells.
#[derive(Debug, Default)]
pub struct Canvas {
    page: Buffer,
    /// The page that the terminal shows.
    shown: Buffer,
    /// Whether it shows that.
    known: bool,
    /// Whether the cursor is to be seen.
    cursor: bool,
    /// A frame's bytes; kept from frame to frame.
    bytes: Vec<u8>,
}

impl Surface for Canvas {
    fn forget(&mut self) -> io::Result<()> {
        self.known = false;
        Ok(())
    }
}

impl Canvas {
    /// Draws a page with one write, which the terminal shows at once; the cursor is shown where the page says.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn draw(&mut self, area: Rect, page: impl FnOnce(&mut Buffer) -> Option<Position>) -> io::Result<()> {
        self.compose(area, page);
        let mut out = stdout().lock();
        out.write_all(&self.bytes)?;
        out.flush()
    }

    fn compose(&mut self, area: Rect, page: impl FnOnce(&mut Buffer) -> Option<Position>) {
        self.known &= self.shown.area == area;
        if self.page.area == area {
            self.page.reset();
        } else {
            self.page = Buffer::empty(area);
        }
        let cursor = page(&mut self.page);
        let out = &mut self.bytes;
        out.clear();
        out.extend_from_slice(BEGIN_FRAME);
        if self.cursor || !self.known {
            out.extend_from_slice(HIDE_CURSOR);
        }
        if !self.known {
            out.extend_from_slice(CLEAR);
        }
        let mut pen = Pen::default();
        changes(self.known.then_some(&self.shown), &self.page, |x, y, cell| {
            pen.put(out, x, y, cell);
        });
        pen.end(out);
        if let Some(at) = cursor {
            Pen::go(out, at.x, at.y);
            out.extend_from_slice(SHOW_CURSOR);
        }
        out.extend_from_slice(END_FRAME);
        std::mem::swap(&mut self.page, &mut self.shown);
        (self.known, self.cursor) = (true, cursor.is_some());
    }
}

/// Hands over the cells that are to be written where the terminal shows this page, or nothing.
fn changes<'a>(before: Option<&Buffer>, after: &'a Buffer, mut put: impl FnMut(u16, u16, &'a Cell)) {
    let width = usize::from(after.area.width).max(1);
    for (y, row) in (after.area.y..).zip(after.content.chunks(width)) {
        let start = usize::from(y - after.area.y) * width;
        let old = before.and_then(|page| page.content.get(start..start + row.len()));
        // Cells that a wide character before them covers, and such that one covered which is no more.
        let (mut covered, mut stale) = (0, 0_u16);
        for ((x, cell), index) in (after.area.x..).zip(row).zip(0..) {
            let was = old.and_then(|row| row.get(index)).unwrap_or(&BLANK);
            let differs = stale > 0 || !same(was, cell);
            stale = stale.saturating_sub(1);
            if covered == 0 && !differs {
                continue;
            }
            stale = stale.max(beyond(was));
            if covered > 0 {
                covered -= 1;
                continue;
            }
            covered = beyond(cell);
            // Where a terminal thinks that it is narrow, nothing old is left beside it.
            for (under, x) in row.iter().skip(index + 1).zip(x + 1..).take(covered.into()) {
                put(x, y, under);
            }
            put(x, y, cell);
        }
    }
}

/// Whether two cells look the same. ratatui's own comparison is a call for each of 12,000 cells of a frame.
fn same(one: &Cell, other: &Cell) -> bool {
    one.symbol() == other.symbol()
        && one.fg == other.fg
        && one.bg == other.bg
        && one.modifier == other.modifier
}

/// How many cells after its own a character takes.
fn beyond(cell: &Cell) -> u16 {
    if cell.symbol().len() == 1 {
        return 0;
    }
    cell.cell_width().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use proptest::prelude::*;
    use ratatui::style::{Color, Modifier, Style};

    use super::*;

    const AREA: Rect = Rect::new(0, 0, 12, 3);

    fn terminal() -> vt100::Parser {
        vt100::Parser::new(NonZero::new(3).unwrap(), NonZero::new(12).unwrap(), 0)
    }

    fn write(page: &mut Buffer, lines: &[(u16, String, Style)]) {
        for ((x, text, style), y) in lines.iter().zip(0..) {
            page.set_stringn(*x, y, text, usize::from(AREA.width - x), *style);
        }
    }

    /// What is seen of each cell: one that was written as blank is as one that never was.
    fn cells(parser: &vt100::Parser) -> Vec<String> {
        let places = (0..AREA.height).flat_map(|y| (0..AREA.width).map(move |x| (y, x)));
        let cells = places.map(|(y, x)| parser.screen().cell(y, x).unwrap());
        let seen = |cell: &vt100::Cell| {
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let (front, back, turned) = (cell.fgcolor(), cell.bgcolor(), cell.inverse());
            let part = cell.is_wide_continuation();
            if part {
                "part".into()
            } else {
                format!("{text} {front:?} {back:?} {turned}")
            }
        };
        cells.map(seen).collect()
    }

    fn lines() -> impl Strategy<Value = Vec<(u16, String, Style)>> {
        let text = proptest::collection::vec(
            proptest::sample::select(vec!["a", "b", " ", "日", "é", "本"]),
            0..9,
        );
        let style = prop_oneof![
            Just(Style::new()),
            Just(Style::new().bg(Color::Blue)),
            Just(Style::new().fg(Color::Red).add_modifier(Modifier::REVERSED)),
        ];
        proptest::collection::vec((0..4_u16, text.prop_map(|t| t.concat()), style), 3)
    }

    proptest! {
        #[test]
        fn the_terminal_shows_the_last_page_whatever_was_before(pages in proptest::collection::vec(lines(), 1..5)) {
            let (mut canvas, mut shown) = (Canvas::default(), terminal());
            for page in &pages {
                canvas.compose(AREA, |buffer| { write(buffer, page); None });
                shown.process(&canvas.bytes);
            }
            let (mut anew, mut wanted) = (Canvas::default(), terminal());
            anew.compose(AREA, |buffer| { write(buffer, pages.last().unwrap()); None });
            wanted.process(&anew.bytes);
            prop_assert_eq!(cells(&shown), cells(&wanted));
        }
    }

    #[test]
    fn a_page_that_is_the_same_writes_nothing_and_a_forgotten_one_all() {
        let page = |buffer: &mut Buffer| {
            write(buffer, &[(0, "same".into(), Style::new())]);
            None
        };
        let mut canvas = Canvas::default();
        canvas.compose(AREA, page);
        let first = canvas.bytes.clone();
        assert!(first.windows(4).any(|w| w == b"same"));
        canvas.compose(AREA, page);
        assert_eq!(canvas.bytes, [BEGIN_FRAME, END_FRAME].concat());
        canvas.forget().unwrap();
        canvas.compose(AREA, page);
        assert_eq!(canvas.bytes, first);
        // Another size is another screen.
        canvas.compose(Rect::new(0, 0, 20, 3), page);
        assert!(canvas.bytes.windows(CLEAR.len()).any(|w| w == CLEAR));
    }

    #[test]
    fn the_cursor_is_where_the_page_wants_it_and_hidden_else() {
        let mut canvas = Canvas::default();
        let mut shown = terminal();
        canvas.compose(AREA, |_| Some(Position::new(5, 2)));
        shown.process(&canvas.bytes);
        assert_eq!(
            (shown.screen().cursor_position(), shown.screen().hide_cursor()),
            ((2, 5), false)
        );
        canvas.compose(AREA, |_| None);
        shown.process(&canvas.bytes);
        assert!(shown.screen().hide_cursor());
    }
}
