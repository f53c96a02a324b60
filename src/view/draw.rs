//! Draws the panes into cells; nothing is laid out that is not seen.
//!
//! ```text
//! ==> installed package 23 of 60          │ [ 12%] Building CXX object
//! ==> installed package 24 of 60          │ [ 13%] Building CXX object
//! ai-lab  line 23 of 60  following        │ dev-lab  line 1 of 9  12 %  hit 3 of 1,204
//! ```

use std::ops::Range;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Color, Style},
};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::log::{
    page::{Row, Tag},
    rules::Tint,
};

use super::{help, pane::Pane, status, viewer::Viewer};

/// The styles that the viewer is drawn with.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each is named after the style of the theme")]
pub struct Palette {
    pub text: Style,
    pub dim: Style,
    pub title: Style,
    pub border: Style,
    pub key: Style,
    pub input: Style,
    pub matched: Style,
    pub selected: Style,
    pub ok: Style,
    pub warn: Style,
    pub error: Style,
    pub accent: Style,
    /// The status of a pane.
    pub status: Style,
    /// The status of the pane that has the keys.
    pub focus: Style,
    /// Only ASCII characters of our own.
    pub ascii: bool,
    /// The colours of the log are shown.
    pub colours: bool,
}

/// The viewer on a part of the screen.
#[derive(Debug)]
pub struct Screen<'a> {
    /// What is drawn.
    pub viewer: &'a Viewer,
    /// With what.
    pub palette: &'a Palette,
}

impl Screen<'_> {
    /// Draws; returns where the cursor is, where something is typed.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect) -> Option<Position> {
        let (viewer, palette) = (self.viewer, self.palette);
        let mut cursor = None;
        for (index, place) in viewer.places(area) {
            let Some(pane) = viewer.panes.get(index) else {
                continue;
            };
            let text = viewer.text_area(place, area);
            draw_rows(pane, palette, buffer, text);
            if text.right() < place.right() {
                divide(palette, buffer, text.right(), place);
            }
            let line = Rect {
                y: text.bottom(),
                height: place.height.min(1),
                width: text.width,
                ..place
            };
            cursor = status::draw(viewer, index, palette, buffer, line).or(cursor);
        }
        if let Some(scroll) = viewer.help {
            help::draw(viewer, scroll, palette, buffer, area);
            return None;
        }
        cursor
    }
}

fn divide(palette: &Palette, buffer: &mut Buffer, x: u16, place: Rect) {
    let bar = if palette.ascii { "|" } else { "│" };
    for y in place.y..place.bottom() {
        put(buffer, (x, y), bar, palette.border, 1);
    }
}

fn draw_rows(pane: &Pane, palette: &Palette, buffer: &mut Buffer, area: Rect) {
    if pane.page.rows.is_empty() && area.height > 0 {
        let text = match (&pane.ask.filter, pane.page.filtered) {
            (Some(_), Some(hits)) if !hits.done => "searching for lines that pass the filter",
            (Some(_), _) => "no line passes the filter; & and enter shows all",
            _ if pane.page.len == 0 => "nothing is in it yet",
            _ => "",
        };
        put(
            buffer,
            (area.x + 1, area.y),
            text,
            palette.dim,
            area.width.saturating_sub(1),
        );
        return;
    }
    let selected = pane.selected();
    let gutter = u16::try_from(pane.page.gutter).unwrap_or(0).min(area.width);
    for (row, y) in pane.page.rows.iter().zip(area.y..area.bottom()) {
        if gutter > 0 {
            let time = row.time.as_deref().unwrap_or_default();
            put(buffer, (area.x, y), time, palette.dim, gutter);
        }
        let text = Rect::new(area.x + gutter, y, area.width - gutter, 1);
        let hit = pane.hit == Some(row.offset);
        draw_row(row, hit, palette, buffer, text);
        if row.more && text.width > 0 {
            let more = if palette.ascii { ">" } else { "›" };
            // A wide character may stand there: half of it cannot be seen.
            let wide = (text.right() - 1).checked_sub(1).filter(|x| *x >= text.x);
            if let Some(cell) = wide.and_then(|x| buffer.cell_mut((x, y)))
                && cell.symbol().width() > 1
            {
                cell.set_symbol(" ");
            }
            put(buffer, (text.right() - 1, y), more, palette.dim, 1);
        }
        if selected.is_some_and(|(from, to)| (from..=to).contains(&row.offset)) {
            for x in area.x..area.right() {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.set_style(help::selected(cell.style(), palette));
                }
            }
        }
    }
}

fn draw_row(row: &Row, hit: bool, palette: &Palette, buffer: &mut Buffer, area: Rect) {
    let mut from = 0;
    let mut x = area.x;
    for piece in &row.pieces {
        let style = match piece.tag {
            Tag::Text => own(piece.style, palette),
            Tag::Match if hit => palette.matched.patch(palette.selected),
            Tag::Match => palette.matched,
            Tag::Tinted(Tint::Error) => palette.error,
            Tag::Tinted(Tint::Warn) => palette.warn,
            Tag::Tinted(Tint::Ok) => palette.ok,
            Tag::Tinted(Tint::Accent) => palette.accent,
            Tag::Tinted(Tint::Dim) => palette.dim,
        };
        let text = row.text.get(from..piece.end).unwrap_or_default();
        from = piece.end;
        x = put(buffer, (x, area.y), text, style, area.right().saturating_sub(x));
    }
}

/// A style of the log, on a screen that may have no colours.
fn own(style: Style, palette: &Palette) -> Style {
    if palette.colours {
        return style;
    }
    let plain = |colour: Option<Color>| colour.filter(|_| false);
    Style {
        fg: plain(style.fg),
        bg: plain(style.bg),
        ..style
    }
}

/// Writes safe text into cells, as far as it fits; returns the column after it.
pub(super) fn put(buffer: &mut Buffer, (x, y): (u16, u16), text: &str, style: Style, room: u16) -> u16 {
    let end = x.saturating_add(room);
    let mut at = x;
    if text.is_ascii() {
        // Nearly all that builds write: each byte is a character of one column.
        for byte in 0..text.len().min(usize::from(room)) {
            let Some(cell) = buffer.cell_mut((at, y)) else {
                break;
            };
            cell.set_symbol(text.get(byte..=byte).unwrap_or_default())
                .set_style(style);
            at += 1;
        }
        return at;
    }
    for glyph in glyphs(text) {
        let symbol = text.get(glyph).unwrap_or_default();
        let width = u16::try_from(symbol.width()).unwrap_or(0);
        if at + width > end {
            break;
        }
        let Some(cell) = buffer.cell_mut((at, y)) else {
            break;
        };
        cell.set_symbol(symbol).set_style(style);
        for hidden in at + 1..at + width {
            if let Some(cell) = buffer.cell_mut((hidden, y)) {
                cell.reset();
            }
        }
        at += width;
    }
    at
}

/// Each character that takes columns, with the marks on it.
fn glyphs(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (from, _) = rest.next()?;
        while rest.next_if(|(_, c)| c.width().unwrap_or(0) == 0).is_some() {}
        let end = rest.peek().map_or(text.len(), |(at, _)| *at);
        Some(from..end)
    })
}

/// A frame with a title; returns what is inside.
pub(super) fn frame(buffer: &mut Buffer, area: Rect, title: &str, palette: &Palette) -> Rect {
    let [corner_tl, corner_tr, corner_bl, corner_br, across, down] = if palette.ascii {
        ["+", "+", "+", "+", "-", "|"]
    } else {
        ["╭", "╮", "╰", "╯", "─", "│"]
    };
    let (right, bottom) = (area.right().saturating_sub(1), area.bottom().saturating_sub(1));
    for y in area.y..area.bottom() {
        for x in area.x..area.right() {
            let symbol = match (x == area.x, x == right, y == area.y, y == bottom) {
                (true, _, true, _) => corner_tl,
                (_, true, true, _) => corner_tr,
                (true, _, _, true) => corner_bl,
                (_, true, _, true) => corner_br,
                (true, ..) | (_, true, ..) => down,
                (_, _, true, _) | (.., true) => across,
                _ => " ",
            };
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
                cell.set_symbol(symbol)
                    .set_style(palette.text.patch(palette.border));
            }
        }
    }
    put(
        buffer,
        (area.x + 2, area.y),
        title,
        palette.title,
        area.width.saturating_sub(4),
    );
    Rect::new(
        area.x + 2,
        area.y + 1,
        area.width.saturating_sub(4),
        area.height.saturating_sub(2),
    )
}
