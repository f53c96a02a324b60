//! The menu of one lab: what it is, and what can be done with it.
//!
//! ```text
//!  halolab · ai-lab                                                ● LXD 5.0.2
//!  State      ● running
//!  Proof      gfx1151 ok
//!
//!  ▸ Restore…              go back to a snapshot, or copy one: 3 snapshots
//!    Recreate              from fresh packages; the present one is kept
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{Model, menu::MenuItem},
    log::clean,
};

use super::{
    labs,
    widgets::{self, Listing, scrolled},
    words::{column, fit},
};

struct Areas {
    about: Rect,
    list: Rect,
}

fn areas(model: &Model, items: &[MenuItem], body: Rect) -> Areas {
    let rows = u16::try_from(items.len()).unwrap_or(u16::MAX);
    let room = body.height.saturating_sub(rows.saturating_add(2));
    let wanted = model
        .labs
        .get(&model.picker.lab)
        .map_or(0, |lab| labs::about(model, lab, body.width).len());
    let height = room.min(u16::try_from(wanted).unwrap_or(room)).max(1);
    let [_, about, _, list] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(height),
        Constraint::Length(1),
        Constraint::Fill(1),
    ])
    .areas(body);
    Areas { about, list }
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let name = clean(&model.picker.lab).into_owned();
    let body = widgets::surround(model, frame, &name);
    let items = model.menu();
    let areas = areas(model, &items, body);
    if let Some(lab) = model.labs.get(&model.picker.lab) {
        let lines = labs::about(model, lab, areas.about.width);
        scrolled(&model.look, frame, areas.about, lines, 0);
    } else {
        let text = format!(" {name} was removed by someone else; esc goes back.");
        frame.render_widget(Line::styled(text, model.look.styles().warn), areas.about);
    }
    listing(model, &items, areas.list).draw(&model.look, frame, areas.list);
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let items = model.menu();
    let area = areas(model, &items, body).list;
    (listing(model, &items, area), area)
}

fn listing(model: &Model, items: &[MenuItem], area: Rect) -> Listing {
    let (look, styles) = (&model.look, model.look.styles());
    let longest = items.iter().map(|i| i.title.width()).max().unwrap_or(0) + 3;
    let room = usize::from(area.width).saturating_sub(longest + 3);
    let lines = items.iter().enumerate().map(|(index, item)| {
        let line = Line::from(vec![
            Span::styled(column(&look.own(&item.title), longest, ""), styles.text),
            Span::styled(
                fit(&look.own(&clean(&item.line)), room, look.glyphs.more),
                styles.dim,
            ),
        ]);
        (Some(index), line)
    });
    Listing {
        lines: lines.collect(),
        cursor: model.menu_cursor,
        others: None,
    }
}
