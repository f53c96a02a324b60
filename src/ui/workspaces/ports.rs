//! The map of all ports, what stands in their way, and what all users together come to.
//!
//! ```text
//!  halolab · ports of workspaces                               ● Docker 28.5.2
//!  user      slot ssh    vnc    novnc  code   jupyter tensorb rdp
//!  anna      0    10022  10000! 10001  10002  10003   10004   -
//!  ! anna: port 10000 for vnc: something listens on 127.0.0.1 there already
//! ```

use ratatui::{
    Frame,
    style::Style,
    text::{Line, Span},
};

use crate::{
    app::{
        Model,
        workspaces::{Book, Standing},
    },
    log::clean,
    workspace::{Service, gpus::Hold, shown},
};

use super::super::{
    body,
    widgets::{self, Lines, heading, point, positions, scrolled, wrap},
    words::{bytes, column},
};

/// Columns of a user's name and slot.
const USER: usize = 12;
const SLOT: usize = 5;

pub(in crate::ui) fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = widgets::surround(model, frame, "ports of workspaces");
    let lines = text(model, area.width);
    scrolled(&model.look, frame, area, lines, model.workspaces.scroll);
}

/// Scroll positions of it.
pub(crate) fn rows(model: &Model) -> usize {
    let area = body(model);
    positions(text(model, area.width).len(), area.height)
}

fn text(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let Some(book) = model.book() else {
        return vec![Line::styled(
            look.own(" workspaces.toml is being read…"),
            styles.dim,
        )];
    };
    let ground = &book.ground;
    // Who runs is known by the engine; while it is away a socket of theirs looks like somebody else's.
    let running = |user: &str| matches!(model.standing(user), Standing::Running | Standing::Unknown);
    let collisions = ground.collisions(&running);
    let mut lines = vec![Line::styled(heads(width), styles.dim)];
    for row in shown::map(ground, &collisions) {
        lines.push(ports(model, &row, width));
    }
    lines.push(Line::default());
    let said = shown::below_map(ground, &collisions);
    for text in &said {
        let style = match text.as_bytes() {
            [b'!', ..] => styles.error,
            [b'?', ..] => styles.warn,
            _ => styles.text,
        };
        lines.extend(wrap(&Line::styled(format!(" {}", clean(text)), style), width, 3));
    }
    if collisions.is_empty() {
        let text = format!("{} nothing stands in the way of a port", look.glyphs.ok);
        lines.push(Line::styled(format!(" {text}"), styles.ok));
    }
    let settings = &ground.settings;
    let every = format!(
        "Each user has {} ports from {} on, opened at {}.",
        settings.block, settings.base_port, settings.bind
    );
    lines.extend(wrap(&Line::styled(format!(" {every}"), styles.dim), width, 1));
    lines.push(Line::default());
    lines.extend(together(model, book, width));
    lines
}

fn room(width: u16) -> usize {
    (usize::from(width).saturating_sub(USER + SLOT + 1) / Service::ALL.len()).min(14)
}

fn heads(width: u16) -> String {
    let room = room(width);
    let services: String = Service::ALL
        .iter()
        .map(|service| column(service.name(), room - 1, "") + " ")
        .collect();
    format!(
        " {}{}{services}",
        column("user", USER, ""),
        column("slot", SLOT, "")
    )
}

fn ports(model: &Model, row: &[String], width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let widths = [USER, SLOT].into_iter().chain(std::iter::repeat(room(width)));
    let cell = |(text, width): (&String, usize)| {
        let style: Style = match text.as_bytes() {
            [.., b'!'] => styles.error,
            [.., b'?'] => styles.warn,
            b"-" => styles.dim,
            _ => styles.text,
        };
        Span::styled(column(&clean(text), width - 1, look.glyphs.more) + " ", style)
    };
    let mut spans = vec![Span::raw(" ")];
    spans.extend(row.iter().zip(widths).map(cell));
    Line::from(spans)
}

/// What all users may take together, and who holds which GPU.
fn together(model: &Model, book: &Book, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let sums = &book.sums;
    let mut lines = vec![heading(look, "Together")];
    let most = if sums.unlimited.is_empty() {
        bytes(sums.most)
    } else {
        "all".to_owned()
    };
    let text = format!(
        "memory: {} reserved, {most} at most, of {}; processors: {} of {}",
        bytes(sums.reserved),
        bytes(sums.machine.memory),
        sums.cpus,
        sums.machine.cpus
    );
    lines.extend(point(look.glyphs.dot, &text, styles.text, width));
    for (gpu, holds) in &book.holds.gpus {
        let holds: Vec<String> = holds.iter().map(hold).collect();
        let text = format!("GPU {gpu}: {}", holds.join(", "));
        lines.extend(point(look.glyphs.dot, &clean(&text), styles.text, width));
    }
    let wrong = sums.wrong.iter().chain(&book.holds.conflicts);
    for text in wrong {
        lines.extend(point(look.glyphs.failed, &clean(text), styles.error, width));
    }
    for text in &sums.over {
        lines.extend(point(look.glyphs.warn, &clean(text), styles.warn, width));
    }
    lines
}

fn hold(hold: &Hold) -> String {
    match &hold.until {
        Some(day) if hold.over => format!("{} (over since {day})", hold.user),
        Some(day) => format!("{} until {day}", hold.user),
        None => hold.user.clone(),
    }
}
