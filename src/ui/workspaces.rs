//! The workspaces: one row a user; about the one under the cursor below, or beside it where there is room.
//!
//! ```text
//!  halolab · workspaces                                        ● Docker 28.5.2
//!    user        state           slot ports        services memory       cpus gpus
//!  ▸ anna        ● running       0    10000-10022  ✔ 6/6    2GiB to 8GiB 2    all
//!    bob         · not made yet  1    10100-10122           all          all  -
//! ```

mod detail;
mod ports;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    app::{
        Model,
        workspaces::{Row, Standing},
    },
    log::clean,
    workspace::{probe::Health, shown},
};

use super::{
    widgets::{self, Lines, Listing, scrolled, titled, wrap},
    words::column,
};

pub(crate) use ports::rows as ports_rows;
pub(super) use ports::view as ports_view;

/// From this width on, the details stand beside the table.
const WIDE: u16 = 150;

struct Areas {
    heads: Rect,
    list: Rect,
    details: Rect,
}

fn areas(body: Rect, count: usize) -> Areas {
    let [table, details] = if body.width >= WIDE {
        Layout::horizontal([Constraint::Fill(11), Constraint::Fill(9)]).areas(body)
    } else {
        // As many rows as there are users, as long as most of the details can be seen.
        let wanted = u16::try_from(count.max(2)).unwrap_or(u16::MAX).saturating_add(1);
        let most = if body.height >= 18 {
            body.height.saturating_sub(13).max(body.height * 2 / 5)
        } else {
            body.height
        };
        Layout::vertical([Constraint::Length(wanted.min(most)), Constraint::Fill(1)]).areas(body)
    };
    let [heads, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(table);
    Areas { heads, list, details }
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let body = widgets::surround(model, frame, "workspaces");
    let rows = model.workspace_rows();
    let areas = areas(body, rows.len());
    let styles = model.look.styles();
    if rows.is_empty() {
        let lines = nobody(model, body.width);
        scrolled(&model.look, frame, body, lines, 0);
        return;
    }
    let heads = Line::styled(heads(areas.heads.width), styles.dim);
    frame.render_widget(heads, areas.heads);
    list(model, body).0.draw(&model.look, frame, areas.list);
    if areas.details.height > 2 {
        let name = rows.get(model.workspaces.cursor).map_or("", |row| row.name);
        let block = titled(&model.look, &clean(name), model.workspaces.inside.is_some());
        let inside = block.inner(areas.details);
        frame.render_widget(block, areas.details);
        detail::draw(model, frame, inside);
    }
}

/// What is said where nobody has a workspace.
fn nobody(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![Line::default()];
    let mut say = |text: &str, style: Style| {
        let line = Line::styled(format!("  {}", look.own(text)), style);
        lines.extend(wrap(&line, width, 2));
    };
    match &model.workspaces.book {
        None => say("workspaces.toml is being read…", styles.dim),
        Some(Err(why)) => {
            say(&format!("{} {}", look.glyphs.failed, clean(why)), styles.error);
            say(
                "Mend the file in an editor; it is read again by itself.",
                styles.text,
            );
        }
        Some(Ok(book)) => {
            say(
                "Nobody has a workspace yet: a container for each user, which behaves like a machine of their own.",
                styles.text,
            );
            say(
                &format!("{} a adds the first user.", look.glyphs.cursor),
                styles.accent,
            );
            let root = book.ground.settings.root.display().to_string();
            say(
                &format!(
                    "Their data will be in {}; o changes that, and which ports they have.",
                    clean(&root)
                ),
                styles.dim,
            );
        }
    }
    if let Some(why) = widgets::docker_untold(model) {
        say(&format!("{} {}", look.glyphs.warn, clean(why)), styles.warn);
    }
    lines
}

/// Widths of user, state, slot, ports, services, memory, processors and GPUs; what is 0 is left out.
fn widths(width: u16) -> [usize; 8] {
    match width {
        0..70 => [12, 15, 5, 0, 10, 12, 5, 0],
        70..100 => [10, 15, 5, 12, 9, 13, 5, 9],
        _ => [16, 17, 5, 13, 13, 16, 6, 16],
    }
}

fn heads(width: u16) -> String {
    let names = [
        "user", "state", "slot", "ports", "services", "memory", "cpus", "gpus",
    ];
    let cells = names.iter().zip(widths(width));
    let cells: String = cells
        .filter(|(_, width)| *width > 0)
        .map(|(name, width)| column(name, width, ""))
        .collect();
    format!("  {cells}")
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let rows = model.workspace_rows();
    let area = areas(body, rows.len()).list;
    let make = |index: usize| {
        rows.get(index)
            .map_or_else(Line::default, |row| line(model, *row, area.width))
    };
    let listing = Listing::of_rows(rows.len(), model.workspaces.cursor, area, make);
    (listing, area)
}

fn line(model: &Model, row: Row<'_>, width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let (glyph, word, style) = state(model, row);
    let book = model.book();
    let of_user = |make: &dyn Fn(&crate::workspace::User) -> String| row.user.map(make).unwrap_or_default();
    let ports = of_user(&|user| {
        book.map(|book| shown::span(&shown::published(&book.ground, row.name, user)))
            .unwrap_or_default()
    });
    let (services, service_style) = services(model, row);
    let plain = if row.user.is_some() {
        styles.text
    } else {
        styles.dim
    };
    let cells = [
        (clean(row.name).into_owned(), plain),
        (format!("{glyph} {word}"), style),
        (
            row.slot.map_or_else(|| "-".into(), |slot| slot.to_string()),
            plain,
        ),
        (ports, plain),
        (services, service_style),
        (of_user(&shown::memory), plain),
        (of_user(&shown::cpus), plain),
        (of_user(&shown::gpus), plain),
    ];
    let cells = cells
        .into_iter()
        .zip(widths(width))
        .filter(|(_, width)| *width > 0);
    let spans = cells.map(|((text, style), width)| {
        let text = column(&clean(&text), width.saturating_sub(1), look.glyphs.more);
        Span::styled(text + " ", style)
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// Glyph, words and style of how a workspace stands.
fn state(model: &Model, row: Row<'_>) -> (&'static str, String, Style) {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let standing = model.standing(row.name);
    let disabled = row.user.is_some_and(|user| user.disabled);
    let word = standing.word();
    let (glyph, style) = match standing {
        Standing::Running => (glyphs.running, styles.ok),
        Standing::Stopped => (glyphs.stopped, styles.text),
        Standing::Unmade | Standing::Gone => (glyphs.missing, styles.dim),
        Standing::Missing | Standing::Unfinished => (glyphs.unfinished, styles.warn),
        Standing::Foreign => (glyphs.foreign, styles.warn),
        Standing::Broken => (glyphs.broken, styles.error),
        Standing::Unknown => (glyphs.unknown, styles.dim),
    };
    match standing {
        Standing::Running if disabled => (glyphs.running, "disabled, runs".into(), styles.warn),
        _ if disabled => (glyphs.skipped, "disabled".into(), styles.dim),
        _ => (glyph, word.to_owned(), style),
    }
}

/// How many services answer; nothing where nothing runs.
fn services(model: &Model, row: Row<'_>) -> (String, Style) {
    let (look, styles) = (&model.look, model.look.styles());
    if model.standing(row.name) != Standing::Running {
        return (String::new(), styles.dim);
    }
    let Some(looked) = model.workspaces.health.get(row.name) else {
        return (look.own("asked…"), styles.busy);
    };
    let count = |wanted: &[Health]| {
        looked
            .reports
            .iter()
            .filter(|r| wanted.contains(&r.health))
            .count()
    };
    let all = looked.reports.len() - count(&[Health::LeftOut]);
    let up = count(&[Health::Up, Health::Warning]);
    let (glyph, style) = if count(&[Health::Down]) > 0 {
        (look.glyphs.failed, styles.error)
    } else if up < all {
        (look.glyphs.busy, styles.busy)
    } else if count(&[Health::Warning]) > 0 {
        (look.glyphs.warn, styles.warn)
    } else {
        (look.glyphs.ok, styles.ok)
    };
    (format!("{glyph} {up}/{all}"), style)
}
