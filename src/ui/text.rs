//! A text over the screen: what differs from a snapshot, or a stage that is to be looked at before it may run.
//!
//! ```text
//!  ╭ ai-lab: since before-update-1 ────────────────────────╮
//!  │ Packages (2):                                          │
//!  │   + dpkg vim:amd64 9.1                                 │
//!  │ Files: 3 new, 0 gone, 1 changed                        │
//!  ╰───────────────────────────────────────────────────────╯
//! ```

use ratatui::{Frame, layout::Rect, text::Line};

use crate::{
    app::{Model, reading::Reading},
    log::clean,
};

use super::{
    widgets::{Lines, popup, positions, scrolled_in_box, wrap},
    window,
    words::fit,
};

/// Rows of the window that are left to the screen below: its title and its keys.
const LEFT: u16 = 3;

fn size(area: Rect) -> (u16, u16) {
    (area.width, area.height.saturating_sub(LEFT))
}

pub(super) fn view(model: &Model, reading: &Reading, frame: &mut Frame<'_>) {
    let look = &model.look;
    let room = usize::from(frame.area().width).saturating_sub(6);
    let title = fit(&clean(&reading.title), room, look.glyphs.more);
    let area = popup(look, frame, &title, size(frame.area()));
    scrolled_in_box(
        look,
        frame,
        area,
        text(model, reading, area.width),
        (reading.scroll, area),
    );
}

fn text(model: &Model, reading: &Reading, width: u16) -> Lines {
    let styles = model.look.styles();
    let Some(lines) = &reading.lines else {
        let busy = model
            .look
            .own("looking into the snapshot and the lab… esc stops it");
        return wrap(&Line::styled(busy, styles.busy), width, 0);
    };
    let mut shown = vec![];
    for line in lines {
        let style = match line.trim_start().as_bytes() {
            [b'+', ..] => styles.ok,
            [b'-', ..] => styles.error,
            [b'~', ..] => styles.accent,
            _ => styles.text,
        };
        let indent = line.len() - line.trim_start().len();
        let line = Line::styled(clean(line).into_owned(), style);
        shown.extend(wrap(&line, width, (indent + 4).min(usize::from(width) / 2)));
    }
    shown
}

/// Scroll positions of what is shown.
pub(crate) fn rows(model: &Model, reading: &Reading) -> usize {
    let (width, height) = size(window(model));
    let count = text(model, reading, width.saturating_sub(4)).len();
    positions(count, height.saturating_sub(2))
}
