//! The status of a pane: which log, where in it, what is searched for. Or what is being asked.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};
use unicode_width::UnicodeWidthStr as _;

use crate::log::page::{Hits, Motion, Page};

use super::{
    draw::{Palette, put},
    pane::Pane,
    prompt::Prompt,
    viewer::Viewer,
};

/// Columns that a long note leaves for where in the log the page is.
const PLACE: u16 = 24;
/// A note that is cut to less than this tells nothing.
const SHORT: u16 = 14;

/// Draws it; returns where the cursor is, where something is typed.
pub(super) fn draw(
    viewer: &Viewer,
    index: usize,
    palette: &Palette,
    buffer: &mut Buffer,
    line: Rect,
) -> Option<Position> {
    let pane = viewer.panes.get(index)?;
    let focused = index == viewer.focus;
    let base = if focused { palette.focus } else { palette.status };
    fill(buffer, line, base);
    if line.height == 0 {
        return None;
    }
    if let Some(prompt) = viewer.prompt.as_ref().filter(|_| focused) {
        return Some(ask(prompt, palette, buffer, line));
    }
    if focused && let Some(marks) = viewer.letter {
        let text = if marks {
            " mark with which letter?"
        } else {
            " to which mark?"
        };
        put(buffer, (line.x, line.y), text, base, line.width);
        return None;
    }
    let mut x = line.x;
    if let Some(message) = viewer.message.as_ref().filter(|_| focused) {
        x = tell(message, palette, buffer, line, base);
    }
    let parts = parts(viewer, pane, palette);
    let note = note(viewer, pane, palette);
    for (index, part) in parts.iter().enumerate() {
        let (text, style) = part;
        let mut room = line.right().saturating_sub(x);
        // Of what does not fit the name and a note are cut, and the rest is left out.
        if index > 0 && Some(part) == note.as_ref() {
            room = room.saturating_sub(PLACE.min(room / 2));
            if room < SHORT && text.width() + 2 > usize::from(room) {
                continue;
            }
        } else if text.width() + 2 > usize::from(room) && index > 0 {
            continue;
        }
        x = put(
            buffer,
            (x, line.y),
            &format!(" {text} "),
            base.patch(*style),
            room,
        );
    }
    let hint = if viewer.panes.len() > 1 {
        "tab pane  h help "
    } else {
        "h help "
    };
    let width = u16::try_from(hint.width()).unwrap_or(0);
    if focused && line.right().saturating_sub(x) > width + 1 {
        put(
            buffer,
            (line.right() - width, line.y),
            hint,
            base.patch(palette.dim),
            width,
        );
    }
    None
}

/// What is told; a long text takes rows of the log above it. Returns where it ends.
fn tell(message: &str, palette: &Palette, buffer: &mut Buffer, line: Rect, base: Style) -> u16 {
    let text = own(message, palette);
    let rows = crate::log::page::rows_of(&text, usize::from(line.width).saturating_sub(2));
    let above = u16::try_from(rows.len() - 1)
        .unwrap_or(0)
        .min(line.y - buffer.area.y);
    let style = base.patch(palette.warn);
    let mut end = line.x;
    for (row, y) in rows.into_iter().zip(line.y - above..=line.y) {
        fill(buffer, Rect { y, height: 1, ..line }, base);
        let text = format!(" {} ", text.get(row).unwrap_or_default().trim_start());
        end = put(buffer, (line.x, y), &text, style, line.width);
    }
    end
}

fn fill(buffer: &mut Buffer, line: Rect, style: Style) {
    for y in line.y..line.bottom() {
        for x in line.x..line.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.set_symbol(" ").set_style(style);
            }
        }
    }
}

fn ask(prompt: &Prompt, palette: &Palette, buffer: &mut Buffer, line: Rect) -> Position {
    fill(buffer, line, palette.input);
    let label = prompt.label();
    let from = put(
        buffer,
        (line.x, line.y),
        label,
        palette.input.patch(palette.key),
        line.width,
    );
    let text = prompt.entry.text();
    // The cursor stays in view.
    let before: String = text.chars().take(prompt.entry.cursor()).collect();
    let room = usize::from(line.right().saturating_sub(from)).max(1);
    let skip = (before.width() + 1).saturating_sub(room);
    let seen = crate::log::page::window_of(text, skip, room);
    let end = put(
        buffer,
        (from, line.y),
        text.get(seen).unwrap_or_default(),
        palette.input,
        line.right().saturating_sub(from),
    );
    let hint = prompt.hint();
    let width = u16::try_from(hint.width()).unwrap_or(0);
    if line.right().saturating_sub(end) > width + 2 {
        put(
            buffer,
            (line.right() - width - 1, line.y),
            hint,
            palette.input.patch(palette.dim),
            width,
        );
    }
    let column = from + u16::try_from(before.width().min(room - 1)).unwrap_or(0);
    Position::new(column.min(line.right().saturating_sub(1)), line.y)
}

/// The parts of the status, what matters most first.
fn parts(viewer: &Viewer, pane: &Pane, palette: &Palette) -> Vec<(String, Style)> {
    let page = &pane.page;
    let plain = Style::default();
    let name = viewer.names.get(pane.log).map(String::as_str).unwrap_or_default();
    let name = match viewer.names.len() {
        0 | 1 => name.to_owned(),
        many => format!("{name} ({} of {many})", pane.log + 1),
    };
    let mut parts = vec![(name, plain)];
    let found = hits(pane);
    // What was just asked for stands before what was told long ago.
    parts.extend(found.map(|text| (text, palette.accent)));
    parts.extend(note(viewer, pane, palette));
    if pane.selected().is_some() {
        parts.push(("selecting: y copies, s saves".into(), palette.key));
    }
    if pane.ask.follow {
        parts.push(("following".into(), palette.ok));
    } else if page.new_lines > 0 && !page.at_end {
        parts.push((format!("+{} new", thousands(page.new_lines)), palette.warn));
    } else if pane.followed {
        parts.push(("paused".into(), palette.warn));
    }
    if let Some(filter) = &pane.ask.filter {
        let lines = page.filtered.map(count).unwrap_or_default();
        let text = crate::log::sanitize(&filter.query.typed());
        parts.push((format!("only {text}: {lines}"), palette.accent));
    }
    parts.push((place(page), plain));
    parts.push((share(page), plain));
    if pane.ask.states {
        parts.push(("all states".into(), plain));
    }
    if !pane.ask.wrap {
        let text = match pane.ask.left {
            0 => "unwrapped".to_owned(),
            left => format!("from column {}", thousands(left as u64 + 1)),
        };
        parts.push((text, plain));
    }
    parts
}

/// What is to be known of the log: how what writes it stands, or what became of the file.
fn note(viewer: &Viewer, pane: &Pane, palette: &Palette) -> Option<(String, Style)> {
    if let Some(standing) = viewer.standing.as_ref().filter(|_| pane.log == 0) {
        let style = if standing.well { palette.ok } else { palette.warn };
        return Some((own(&standing.text, palette), style));
    }
    let note = pane.page.note.as_ref()?;
    Some((own(note, palette), palette.warn))
}

/// Which line is the first one in view, of how many.
fn place(page: &Page) -> String {
    match (page.line, page.lines) {
        _ if page.len == 0 => "empty".into(),
        (Some(line), Some(lines)) => format!("line {} of {}", thousands(line), thousands(lines)),
        (Some(line), None) => format!("line {}, counting...", thousands(line)),
        (None, _) => "counting...".into(),
    }
}

/// How much of the log lies above the end of the page.
fn share(page: &Page) -> String {
    if page.len == 0 || page.at_end {
        return "end".into();
    }
    let percent = u128::from(page.bottom) * 100 / u128::from(page.len.max(1));
    format!("{percent} %")
}

fn count(hits: Hits) -> String {
    let lines = if hits.total == 1 { "line" } else { "lines" };
    if hits.done {
        format!("{} {lines}", thousands(hits.total))
    } else {
        format!("{} {lines}, {} %...", thousands(hits.total), hits.percent)
    }
}

fn hits(pane: &Pane) -> Option<String> {
    let hits = pane.page.hits?;
    let total = thousands(hits.total);
    let more = if hits.done { "" } else { "..." };
    if let Motion::Hit(leap) = pane.ask.motion
        && leap.shown.is_none()
    {
        return Some(format!("searching, {} %", hits.percent));
    }
    Some(match (pane.hit, pane.number) {
        _ if hits.total == 0 && hits.done => "not found".into(),
        (Some(_), Some(number)) => format!("hit {} of {total}{more}", thousands(number)),
        _ if hits.total == 1 => format!("1 hit{more}"),
        _ => format!("{total} hits{more}"),
    })
}

/// A number as people read it: 1,204.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Our own text in the characters of this terminal.
fn own(text: &str, palette: &Palette) -> String {
    if palette.ascii {
        text.replace('…', "...").replace(['·', '–', '—'], "-")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::page::Leap;

    #[test]
    fn a_search_says_how_far_it_is_until_there_is_a_hit() {
        let mut pane = Pane::new(0, false);
        assert_eq!(hits(&pane), None);
        let of = |total, done, percent| Some(Hits { total, done, percent });
        let leap = |shown| {
            Motion::Hit(Leap {
                from: 0,
                forward: true,
                shown,
                wrapped: false,
            })
        };
        pane.ask.motion = leap(None);
        pane.page.hits = of(0, false, 12);
        assert_eq!(hits(&pane).unwrap(), "searching, 12 %");
        pane.ask.motion = leap(Some(5));
        pane.page.hits = of(3, false, 40);
        assert_eq!(hits(&pane).unwrap(), "3 hits...");
        pane.page.hits = of(0, true, 100);
        assert_eq!(hits(&pane).unwrap(), "not found");
    }
}
