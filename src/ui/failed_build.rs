//! The menu after a build that failed: why, and what can be done; the first line does nothing.
//!
//! ```text
//!  ╭ spack-build in zephyr failed ─────────────────────────╮
//!  │ ✖ zlib@1.3 was not built: bad.c:5: error: expected ';'│
//!  │ ✔ keeps  what is installed: it is not built again     │
//!  │                                                       │
//!  │ ▸ Leave it   what is installed stays                  │
//!  │   Retry      what is installed is not built again     │
//!  ╰───────────────────────────────────────────────────────╯
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    text::{Line, Span},
};

use crate::app::{Model, zephyr::FailedBuild};

use super::widgets::{Lines, Listing, popup, scrolled_in_box, wrap};

const WIDTH: u16 = 76;
/// Columns of a way's word.
const WORD: usize = 10;

pub(super) fn view(model: &Model, menu: &FailedBuild, frame: &mut Frame<'_>) {
    let look = &model.look;
    let width = WIDTH.min(frame.area().width.saturating_sub(2));
    let lines = text(model, menu, width.saturating_sub(4));
    let rows = menu.rows();
    let ways = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let tall = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let most = frame.area().height.saturating_sub(2);
    let height = tall.saturating_add(ways).saturating_add(3).min(most);
    let title = format!("{} in {} failed", menu.failed.entry, menu.failed.lab);
    let title = crate::log::sanitize(&title);
    let inside = popup(look, frame, &title, (width, height));
    // The ways matter most: of a long list of reasons there is the rest by scrolling.
    let reasons = tall.min(3);
    let ways = ways.min(inside.height.saturating_sub(reasons + 1).max(3));
    let [above, _, below] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(ways),
    ])
    .areas(inside);
    scrolled_in_box(look, frame, above, lines, (menu.scroll, above));
    let styles = look.styles();
    let rows = rows.into_iter().enumerate().map(|(index, (title, line))| {
        let spans = vec![
            Span::styled(format!("{title:<WORD$} "), styles.text),
            Span::styled(line, styles.dim),
        ];
        (Some(index), Line::from(spans))
    });
    let listing = Listing {
        lines: rows.collect(),
        cursor: menu.cursor,
        others: None,
    };
    listing.draw(look, frame, below);
}

fn text(model: &Model, menu: &FailedBuild, width: u16) -> Lines {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let mut lines = vec![];
    for reason in menu.text() {
        let line = Line::from(vec![
            Span::styled(format!("{} ", glyphs.failed), styles.error),
            Span::styled(reason, styles.text),
        ]);
        lines.extend(wrap(&line, width, 2));
    }
    let kept = Line::from(vec![
        Span::styled(format!("{} keeps  ", glyphs.ok), styles.ok),
        Span::styled("what is installed: it is not built again", styles.text),
    ]);
    lines.extend(wrap(&kept, width, 9));
    lines
}
