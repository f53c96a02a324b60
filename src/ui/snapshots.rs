//! The snapshot picker: name, age, size, proof and note; below it all that is known of the one marked.
//!
//! ```text
//!  halolab · snapshots of ai-lab                                   ● LXD 5.0.2
//!    name              age      size      kind     note
//!  ▸ ★ before-update   3 h      412 MiB   safety   before update
//!      clean           12 d     unknown   clean
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};

use crate::{
    app::Model,
    labs::{SnapshotKind, SnapshotRow, World, drift, expiry, verdict::Verdict},
    log::clean,
};

use super::{
    widgets::{self, Lines, Listing, labelled, scrolled, scrolled_in_box, titled, wrap},
    words::{age, bytes, column, date},
};

const WIDE: u16 = 110;

struct Areas {
    heads: Rect,
    list: Rect,
    filter: Rect,
    details: Rect,
}

fn areas(model: &Model, body: Rect) -> Areas {
    let [table, details] = if body.width >= WIDE {
        Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(body)
    } else {
        let height = if body.height >= 18 { 8 } else { 5 };
        Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas(body)
    };
    let filtered = model.picker.typing || !model.picker.filter.text().is_empty();
    let [heads, list, filter] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(u16::from(filtered)),
    ])
    .areas(table);
    Areas {
        heads,
        list,
        filter,
        details,
    }
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let (look, styles) = (&model.look, model.look.styles());
    let lab = clean(&model.picker.lab).into_owned();
    let body = widgets::surround(model, frame, &format!("snapshots of {lab}"));
    let areas = areas(model, body);
    frame.render_widget(Line::styled(heads(areas.heads.width), styles.dim), areas.heads);
    let empty = match &model.picker.rows {
        None => Some((look.own("reading the snapshots…"), styles.busy)),
        Some(Err(error)) => Some((clean(error).into_owned(), styles.error)),
        Some(Ok(rows)) if rows.is_empty() => {
            Some(("there is no snapshot yet; n takes one".to_owned(), styles.dim))
        }
        Some(Ok(_)) if model.picker.shown().is_empty() => {
            Some(("no snapshot has this text".to_owned(), styles.dim))
        }
        Some(Ok(_)) => None,
    };
    match empty {
        Some((text, style)) => {
            let lines = wrap(&Line::styled(format!("  {text}"), style), areas.list.width, 2);
            scrolled(look, frame, areas.list, lines, 0);
        }
        None => list(model, body).0.draw(look, frame, areas.list),
    }
    if areas.filter.height > 0 {
        filter(model, frame, areas.filter);
    }
    details(model, frame, areas.details);
}

fn filter(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let styles = model.look.styles();
    let [label, line] = Layout::horizontal([Constraint::Length(9), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Line::styled(" filter: ", styles.key), label);
    super::dialog::entry(model, &model.picker.filter, model.picker.typing, frame, line);
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let area = areas(model, body).list;
    let shown = model.picker.shown();
    let make = |index: usize| {
        shown
            .get(index)
            .map_or_else(Line::default, |row| line(model, row, area.width))
    };
    let listing = Listing::of_rows(shown.len(), model.picker.cursor, area, make);
    (listing, area)
}

/// Widths of name, age, size and kind.
fn widths(width: u16) -> [usize; 4] {
    match width {
        0..=69 => [20, 8, 10, 8],
        _ => [26, 8, 10, 8],
    }
}

fn heads(width: u16) -> String {
    let [name, age, size, kind] = widths(width);
    format!(
        "    {}{}{}{}note",
        column("name", name, ""),
        column("age", age, ""),
        column("size", size, ""),
        column("kind", kind, ""),
    )
}

fn kind(row: &SnapshotRow) -> &'static str {
    match row.kind {
        SnapshotKind::Clean => "clean",
        SnapshotKind::Safety => "safety",
        SnapshotKind::User => "yours",
    }
}

fn size(row: &SnapshotRow) -> String {
    row.size.map_or_else(|| "unknown".into(), bytes)
}

fn line(model: &Model, row: &SnapshotRow, width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let [name, time, bytes, what] = widths(width);
    let more = look.glyphs.more;
    let pin = if row.pinned { look.glyphs.pinned } else { " " };
    Line::from(vec![
        Span::styled(format!("{pin} "), styles.key),
        Span::styled(column(&clean(&row.name), name - 1, more) + " ", styles.text),
        Span::styled(column(&age(&row.created, model.now), time, more), styles.text),
        Span::styled(column(&size(row), bytes, more), styles.text),
        Span::styled(column(kind(row), what, more), styles.dim),
        Span::styled(clean(&row.note).into_owned(), styles.dim),
    ])
}

fn details(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(row) = model.picker.current() else {
        return;
    };
    let block = titled(&model.look, &clean(&row.name), false);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    scrolled_in_box(
        &model.look,
        frame,
        inside,
        about(model, row, inside.width),
        (0, inside),
    );
}

/// Why there is no size, and how full the pool is instead.
fn unknown_size(model: &Model) -> String {
    let room = model
        .world
        .as_ref()
        .and_then(|world| world.room(&model.picker.lab, false));
    room.map_or_else(
        || "unknown: this pool does not count it".into(),
        |room| {
            let why = room.why_unknown().unwrap_or_default();
            clean(&format!("{}; unknown for one snapshot: {why}", room.filling())).into_owned()
        },
    )
}

fn about(model: &Model, row: &SnapshotRow, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![];
    let said = row.verdict.as_deref();
    let failed = match &row.proof {
        Some(proof) => !proof.ok,
        None => said.is_some_and(Verdict::failed),
    };
    let mut add = |label: &str, value: &str| {
        if !value.is_empty() {
            let bad = label == "Proof" && failed;
            let style = if bad { styles.error } else { styles.text };
            lines.extend(labelled(look, label, value, style, width));
        }
    };
    add("Holds", &clean(&row.holds));
    add("Proof", &said.map_or_else(|| "none stored".into(), clean));
    let now = model.world.as_ref().map(World::ground).unwrap_or_default();
    let moved = row
        .proof
        .as_ref()
        .map(|proof| drift::moved(proof, &now))
        .unwrap_or_default();
    if !moved.is_empty() {
        let text = format!("{} {} since then", look.glyphs.warn, drift::text(&moved));
        add("Moved", &look.own(&clean(&text)));
    }
    let pinned = if row.pinned { "; pinned" } else { "" };
    let until = expiry::of_row(row, model.setup.config.keep_days);
    let until = until.map(|date| format!("; kept to {date}")).unwrap_or_default();
    add("Taken", &format!("{}{pinned}{until}", date(&row.created)));
    let bytes = match row.size {
        Some(count) => format!("{} that no other snapshot holds", bytes(count)),
        None => unknown_size(model),
    };
    add("Size", &bytes);
    add("Note", &clean(&row.note));
    lines
}
