//! The help: the keys from the table by which they work.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr as _;

use super::{
    draw::{Palette, frame, put},
    keys::{KEYS, name},
    viewer::Viewer,
};

/// Columns of the widest help.
const WIDTH: u16 = 84;
/// Columns of the names of keys.
const NAMES: usize = 26;

/// How far it can be scrolled.
pub(super) fn most(inside: bool, area: Rect) -> usize {
    let frame = 2;
    let lines = lines(inside, area).len();
    lines.saturating_sub(usize::from(area.height.saturating_sub(frame)))
}

/// Draws it over the panes.
pub(super) fn draw(viewer: &Viewer, scroll: usize, palette: &Palette, buffer: &mut Buffer, area: Rect) {
    let lines = lines(viewer.inside, area);
    let width = WIDTH.min(area.width);
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let height = wanted.min(area.height);
    let place = Rect::new(
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
        width,
        height,
    );
    let inside = frame(buffer, place, " keys ", palette);
    let most = lines.len().saturating_sub(usize::from(inside.height));
    let scroll = scroll.min(most);
    let shown = lines.iter().skip(scroll).take(usize::from(inside.height));
    for ((names, help), y) in shown.zip(inside.y..) {
        let names_room = u16::try_from(NAMES - 1).unwrap_or(0).min(inside.width);
        put(buffer, (inside.x, y), names, palette.key, names_room);
        let at = inside.x + u16::try_from(NAMES).unwrap_or(0);
        put(
            buffer,
            (at, y),
            help,
            palette.text,
            inside.right().saturating_sub(at),
        );
    }
    if most > 0 && height > 0 {
        let text = if scroll < most {
            " j/k: more "
        } else {
            " any key closes "
        };
        let y = place.bottom() - 1;
        put(
            buffer,
            (place.x + 2, y),
            text,
            palette.dim,
            place.width.saturating_sub(4),
        );
    }
}

type HelpLine = (String, String);

/// What it says; of the keys that the screen around the viewer has, nothing.
fn lines(inside: bool, area: Rect) -> Vec<HelpLine> {
    let width = usize::from(WIDTH.min(area.width).saturating_sub(4));
    let leaves = |does| inside && matches!(does, super::Intent::Quit | super::Intent::Build);
    let room = width.saturating_sub(NAMES).max(10);
    let mut lines = vec![];
    for key in KEYS.iter().filter(|key| !leaves(key.does)) {
        let names: Vec<String> = key.chords.iter().copied().map(name).collect();
        let names = fold(names.join(", ").split(' '), NAMES - 1);
        let words = fold(key.help.split(' '), room);
        for at in 0..names.len().max(words.len()) {
            let part = |parts: &[String]| parts.get(at).cloned().unwrap_or_default();
            lines.push((part(&names), part(&words)));
        }
    }
    lines
}

/// Words in lines of a width.
fn fold<'a>(words: impl Iterator<Item = &'a str>, room: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && line.width() + 1 + word.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A style for a row of the page under a selection.
pub(super) fn selected(style: Style, palette: &Palette) -> Style {
    style.patch(palette.selected)
}
