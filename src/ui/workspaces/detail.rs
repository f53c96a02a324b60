//! About one user: how the workspace stands, each service with the way to it, and where the data is.

use std::fmt::Write as _;

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    app::{
        Model,
        workspaces::{Item, Row, Standing},
    },
    log::clean,
    workspace::{
        probe::{Health, Report},
        shown, spec, users,
    },
};

use super::super::{
    widgets::{Lines, Listing, docker_untold, labelled, wrap},
    words::{bytes, column, fit},
};

/// Columns of a service's name.
const NAME: usize = 12;
/// Columns of the way to it, where its state stands beside.
const WAY: usize = 36;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(row) = model.workspace() else { return };
    let mut lines: Vec<(Option<usize>, Line<'static>)> = vec![];
    let width = area.width.saturating_sub(2);
    lines.extend(head(model, row, width).into_iter().map(|line| (None, line)));
    let items = model.workspace_items();
    for (index, item) in items.iter().enumerate().filter(|(_, item)| item.service) {
        lines.extend(
            service(model, row, item, width)
                .into_iter()
                .map(|line| (Some(index), line)),
        );
    }
    for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.service) {
        lines.push((Some(index), folder(model, item, width)));
    }
    lines.extend(foot(model, row, width).into_iter().map(|line| (None, line)));
    let listing = Listing {
        lines,
        cursor: model.workspaces.inside.unwrap_or(usize::MAX),
        others: None,
    };
    listing.draw_in_box(&model.look, frame.buffer_mut(), area, area);
}

/// How it stands, and what it uses.
fn head(model: &Model, row: Row<'_>, width: u16) -> Lines {
    let look = &model.look;
    let (glyph, word, style) = super::state(model, row);
    // Writing to memory does not fail.
    let mut text = format!("{glyph} {word}");
    let looked = model.workspaces.health.get(row.name);
    let state = looked.and_then(|looked| looked.state.as_ref());
    if let Some(state) = state.filter(|_| model.standing(row.name) == Standing::Running) {
        let _ = write!(text, ", {} of memory", bytes(state.memory));
        if let Some(share) = looked.and_then(|looked| looked.share) {
            let _ = write!(text, ", {share} % of a processor");
        }
        let _ = write!(text, ", {} processes", state.processes);
    }
    let notes = row
        .user
        .map(|user| shown::notes(user, row.slot))
        .unwrap_or_default();
    let notes = notes.into_iter().filter(|note| *note != "disabled");
    for note in notes {
        let _ = write!(text, ", {note}");
    }
    if row.user.is_none() {
        text.push_str("; slot and data are kept for who comes back");
    }
    let mut lines = labelled(look, "State", &text, style, width);
    let away = docker_untold(model).filter(|_| model.standing(row.name) == Standing::Unknown);
    if let Some(why) = away {
        lines.extend(labelled(look, "Engine", &clean(why), look.styles().error, width));
    }
    lines
}

/// A service: its state, the way to it, what it said; and what to do about it.
fn service(model: &Model, row: Row<'_>, item: &Item, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let runs = model.standing(row.name) == Standing::Running;
    let report = model.report_of(row.name, &item.name).filter(|_| runs);
    let (glyph, style) = mark(model, report, runs);
    let way = if item.copied.is_empty() {
        "inside alone"
    } else {
        &item.copied
    };
    let said = match report {
        Some(report) => clean(&report.words).into_owned(),
        None if runs => look.own("is asked…"),
        None => String::new(),
    };
    let left = format!(" {glyph} {} ", column(&item.name, NAME - 1, ""));
    let room = usize::from(width).saturating_sub(NAME + 4);
    let way_room = WAY.min(room);
    let mut lines = vec![Line::from(vec![
        Span::styled(left, style),
        Span::styled(column(&clean(way), way_room, look.glyphs.more), styles.text),
        Span::styled(
            format!(
                " {}",
                fit(&said, room.saturating_sub(way_room + 1), look.glyphs.more)
            ),
            styles.dim,
        ),
    ])];
    if let Some(report) = report.filter(|report| matters(report)) {
        let text = format!("{}{}", " ".repeat(NAME + 3), look.own(&clean(&advice(report))));
        lines.extend(wrap(&Line::styled(text, styles.warn), width, NAME + 3));
    }
    lines
}

/// Whether more has to be said than fits on its line.
fn matters(report: &Report) -> bool {
    matches!(report.health, Health::Down | Health::Warning | Health::LeftOut)
}

fn advice(report: &Report) -> String {
    if report.advice.is_empty() {
        return report.words.clone();
    }
    format!("{}: {}", report.words, report.advice)
}

fn mark(model: &Model, report: Option<&Report>, runs: bool) -> (&'static str, Style) {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    match report.map(|report| report.health) {
        Some(Health::Up) => (glyphs.ok, styles.ok),
        Some(Health::Warning) => (glyphs.warn, styles.warn),
        Some(Health::Starting) => (glyphs.busy, styles.busy),
        Some(Health::Down) => (glyphs.failed, styles.error),
        Some(Health::LeftOut) => (glyphs.skipped, styles.dim),
        None if runs => (glyphs.unknown, styles.busy),
        None => (glyphs.missing, styles.dim),
    }
}

fn folder(model: &Model, item: &Item, width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let left = format!("   {} ", column(&item.name, NAME - 1, ""));
    let room = usize::from(width).saturating_sub(NAME + 4);
    Line::from(vec![
        Span::styled(left, styles.dim),
        Span::styled(fit(&clean(&item.copied), room, look.glyphs.more), styles.text),
    ])
}

/// What outlives the container, what is dangerous, and how others get here.
fn foot(model: &Model, row: Row<'_>, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = labelled(
        look,
        "Kept",
        "these folders, secrets and ports: by restart, update, recreate and remove",
        styles.ok,
        width,
    );
    let Some((book, user)) = model.book().zip(row.user) else {
        return lines;
    };
    if let (Some(slot), false) = (row.slot, row.user.is_none()) {
        lines.extend(labelled(
            look,
            "User id",
            &spec::uid(user, slot).to_string(),
            styles.text,
            width,
        ));
    }
    if let Some(until) = &user.gpus_until {
        lines.extend(labelled(
            look,
            "GPUs",
            &clean(&format!("until {until}")),
            styles.text,
            width,
        ));
    }
    for warning in users::warnings(&book.ground.settings, row.name, user) {
        let text = format!("{} {}", look.glyphs.warn, clean(&warning));
        lines.extend(labelled(look, "", &text, styles.warn, width));
    }
    if let Some(tunnel) = shown::tunnel(&book.ground, row.name, user) {
        lines.extend(labelled(look, "", &tunnel, styles.dim, width));
    }
    lines
}
