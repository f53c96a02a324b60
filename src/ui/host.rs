//! The host's screen: the machine, the GPU's memory, what halolab changed, and the findings as one list, with the details
//! of the chosen row under it, or beside it where there is room.
//!
//! ```text
//!  halolab · this machine                                          ● LXD 5.0.2
//!  ▸ · machine  AMD RYZEN AI MAX+ 395, 125.1 GiB
//!    ━ memory   the GPU may have 62.8 of 125.1 GiB
//!    ✖ fail     amd.fw.mes_bad  MES 0x83 is running
//!    ▲ warn     amd.mem.gtt_default  the GPU may have 62.8 of 125.6 GiB
//!  ╭ amd.mem.gtt_default ──────────────────────────────────────────────────╮
//!  │ Seen       …                                                          │
//!  │ Why        …                                                          │
//!  ╰───────────────────────────────────────────────────────────────────────╯
//! ```

mod machine;
mod memory;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    app::{Model, machine::Row},
    host::{Finding, Severity},
    log::clean,
    run::receipt::{Open, Standing},
};

use super::{
    look::Look,
    widgets::{self, Lines, Listing, labelled, scrolled_in_box, titled},
    words::{column, date, fit},
};

/// From this width on, the details have a place of their own.
const WIDE: u16 = 110;

/// Columns of the word that says what a row is.
const WORD: usize = 8;

struct Areas {
    list: Rect,
    details: Rect,
}

fn areas(model: &Model, body: Rect) -> Areas {
    let [list, details] = if body.width >= WIDE {
        Layout::horizontal([Constraint::Fill(2), Constraint::Fill(3)]).areas(body)
    } else {
        let rows = u16::try_from(model.host_rows().len()).unwrap_or(u16::MAX);
        let height = rows.clamp(3, (body.height * 2 / 5).max(3));
        Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(body)
    };
    Areas { list, details }
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let body = widgets::surround(model, frame, "this machine");
    let areas = areas(model, body);
    let look = &model.look;
    list(model, body).0.draw(look, frame, areas.list);
    let title = fit(
        &title(model),
        usize::from(areas.details.width).saturating_sub(6),
        look.glyphs.more,
    );
    let block = titled(look, &title, false);
    let inside = block.inner(areas.details);
    frame.render_widget(block, areas.details);
    let lines = about(model, inside.width);
    scrolled_in_box(look, frame, inside, lines, (model.host_view.scroll, inside));
}

/// Scroll positions of the details, and the rows of a page of them.
pub(super) fn details(model: &Model, body: Rect) -> (usize, usize) {
    let area = areas(model, body).details;
    let (width, height) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    let count = about(model, width).len();
    (
        widgets::positions(count, height),
        usize::from(height).saturating_sub(1).max(1),
    )
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let area = areas(model, body).list;
    let rows = model.host_rows();
    let last = rows.len().saturating_sub(1);
    let lines = rows
        .iter()
        .enumerate()
        .map(|(index, one)| (Some(index), row(model, *one, area.width)));
    let listing = Listing {
        lines: lines.collect(),
        cursor: model.host_view.cursor.min(last),
        others: None,
    };
    (listing, area)
}

fn row(model: &Model, row: Row, width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let (glyph, word, text, style) = match row {
        Row::Machine => (look.glyphs.dot, "machine", machine::short(model), styles.text),
        Row::Memory => (look.glyphs.bar_full, "memory", memory::short(model), styles.text),
        Row::Change(index) => match change(model, index) {
            Some(change) => {
                let (glyph, word, style) = standing(look, change.standing);
                (glyph, word, clean(&change.entry.what).into_owned(), style)
            }
            None => return Line::default(),
        },
        Row::Finding(index) => match model.findings().get(index) {
            Some(finding) => {
                let (glyph, word, style) = severity(look, finding.severity);
                (glyph, word, in_a_line(finding), style)
            }
            None => return Line::default(),
        },
    };
    let room = usize::from(width).saturating_sub(WORD + 5);
    Line::from(vec![
        Span::styled(format!("{glyph} {}", column(word, WORD, "")), style),
        Span::styled(fit(&text, room, look.glyphs.more), styles.text),
    ])
}

fn in_a_line(finding: &Finding) -> String {
    let text = if finding.seen.is_empty() {
        &finding.why
    } else {
        &finding.seen
    };
    format!("{}  {}", clean(&finding.id), clean(text))
}

fn change(model: &Model, index: usize) -> Option<&Open> {
    model.host_view.machine.as_ref()?.changes.get(index)
}

/// Glyph, word and style of a severity.
pub(super) fn severity(look: &Look, severity: Severity) -> (&'static str, &'static str, Style) {
    let styles = look.styles();
    match severity {
        Severity::Fail => (look.glyphs.failed, "fail", styles.error),
        Severity::Warn => (look.glyphs.warn, "warn", styles.warn),
        Severity::Info => (look.glyphs.dot, "info", styles.text),
    }
}

fn standing(look: &Look, standing: Standing) -> (&'static str, &'static str, Style) {
    let styles = look.styles();
    match standing {
        Standing::RestartNeeded | Standing::UndoRestartNeeded => (look.glyphs.warn, "restart", styles.warn),
        Standing::Counts => (look.glyphs.ok, "changed", styles.ok),
        Standing::Replaced => (look.glyphs.skipped, "changed", styles.dim),
        Standing::Unfinished | Standing::DoesNotCount => (look.glyphs.failed, "changed", styles.error),
    }
}

fn title(model: &Model) -> String {
    match model.host_row() {
        Row::Machine => "machine".into(),
        Row::Memory => "the GPU's memory".into(),
        Row::Change(index) => {
            change(model, index).map_or_else(String::new, |c| clean(&c.entry.id).into_owned())
        }
        Row::Finding(index) => {
            let findings = model.findings();
            findings
                .get(index)
                .map_or_else(String::new, |f| clean(&f.id).into_owned())
        }
    }
}

/// All about the chosen row.
fn about(model: &Model, width: u16) -> Lines {
    match model.host_row() {
        Row::Machine => machine::about(model, width),
        Row::Memory => memory::about(model, width),
        Row::Change(index) => change(model, index).map_or_else(Vec::new, |c| about_change(model, c, width)),
        Row::Finding(index) => {
            let findings = model.findings();
            let finding = findings.get(index);
            finding.map_or_else(Vec::new, |f| about_finding(model, f, width))
        }
    }
}

fn about_finding(model: &Model, finding: &Finding, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let (glyph, word, style) = severity(look, finding.severity);
    let mut lines = vec![];
    let mut add = |label: &str, value: &str, style: Style| {
        if !value.is_empty() {
            lines.extend(labelled(look, label, &clean(value), style, width));
        }
    };
    let seen = format!("{glyph} {word}: {}", clean(&finding.seen));
    add("Seen", &seen, style);
    add("Why", &finding.why, styles.text);
    add("Fix", finding.fix.as_deref().unwrap_or_default(), styles.text);
    let mend = match (model.mend_of(finding), finding.severity) {
        (Some((what, _)), _) => format!("enter: {what}; shown as a change first"),
        (None, Severity::Info) if finding.fix.is_none() => "nothing has to be done".into(),
        (None, _) => "only you can do this; halolab cannot".into(),
    };
    add("Mend", &mend, styles.accent);
    add(
        "Source",
        finding.source.as_deref().unwrap_or_default(),
        styles.dim,
    );
    lines
}

fn about_change(model: &Model, change: &Open, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let (glyph, _, style) = standing(look, change.standing);
    let entry = &change.entry;
    let mut lines = vec![];
    let mut add = |label: &str, value: &str, style: Style| {
        if !value.is_empty() {
            lines.extend(labelled(look, label, &clean(value), style, width));
        }
    };
    add("State", &format!("{glyph} {}", change.standing.words()), style);
    add("What", &entry.what, styles.text);
    add("Made", &date(&entry.when), styles.text);
    let set = entry.set.iter().map(|(name, value)| format!("{name}={value}"));
    add("Sets", &set.collect::<Vec<_>>().join(" "), styles.text);
    add("Removes", &entry.removed.join(" "), styles.dim);
    add("Files", &change.files().join(", "), styles.text);
    let next = match change.standing {
        Standing::RestartNeeded | Standing::UndoRestartNeeded => "restart this machine",
        Standing::DoesNotCount => {
            "r looks again; rebuild the initramfs, and look for a later word in the boot configuration"
        }
        Standing::Unfinished => "u puts back what was changed",
        Standing::Counts | Standing::Replaced => "",
    };
    add("Next", next, styles.accent);
    if let Some(undo) = &change.undo {
        add(
            "Undo",
            &format!("u, or `{undo}`; the inverse is shown first"),
            styles.accent,
        );
    }
    lines
}
