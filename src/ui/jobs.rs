//! The jobs: one row each; about the one under the cursor below.
//!
//! ```text
//!  halolab · jobs                                                  ● LXD 5.0.2
//!    lab         name    state         age    progress  output   command
//!  ▸ dev-lab     gromacs ● running     12 min 34/120    2 s      spack install gromacs
//!    dev-lab     cmd     ✘ failed      2 h    5/5                make -j16
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    app::{JobRow, Model},
    job::{JobId, State},
};

use super::{
    widgets::{self, Lines, Listing, labelled, scrolled, scrolled_in_box, titled, wrap},
    words::{age, bytes, clock, column},
};

fn areas(body: Rect) -> [Rect; 3] {
    let details = if body.height >= 16 { 8 } else { 0 };
    Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(details),
    ])
    .areas(body)
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let body = widgets::surround(model, frame, "jobs");
    let [heads, list_area, details] = areas(body);
    let styles = model.look.styles();
    let [lab, name, state, started, progress, output] = widths(heads.width);
    let text = format!(
        "  {}{}{}{}{}{}command",
        column("lab", lab, ""),
        column("name", name, ""),
        column("state", state, ""),
        column("age", started, ""),
        column("progress", progress, ""),
        column("output", output, ""),
    );
    frame.render_widget(Line::styled(text, styles.dim), heads);
    let empty = match &model.jobs.rows {
        None => Some("The jobs are being read…"),
        Some(rows) if rows.is_empty() => {
            Some("No jobs. `halolab job run LAB -- COMMAND` starts one that goes on without a terminal.")
        }
        Some(_) => None,
    };
    if let Some(text) = empty {
        let line = Line::styled(format!("  {}", model.look.own(text)), styles.dim);
        scrolled(&model.look, frame, list_area, wrap(&line, list_area.width, 2), 0);
        return;
    }
    list(model, body).0.draw(&model.look, frame, list_area);
    if let Some(row) = model.jobs.current().filter(|_| details.height > 2) {
        let block = titled(&model.look, &row.id, false);
        let inside = block.inner(details);
        frame.render_widget(block, details);
        scrolled_in_box(
            &model.look,
            frame,
            inside,
            about(model, row, inside.width),
            (0, inside),
        );
    }
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let area = areas(body)[1];
    let rows = model.jobs.rows.iter().flatten().enumerate();
    let lines = rows.map(|(index, job)| (Some(index), row(model, job, area.width)));
    let listing = Listing {
        lines: lines.collect(),
        cursor: model.jobs.cursor,
        others: None,
    };
    (listing, area)
}

/// Widths of lab, name, state, age, progress and output.
fn widths(width: u16) -> [usize; 6] {
    match width {
        0..80 => [10, 8, 12, 8, 8, 7],
        80..120 => [14, 12, 12, 8, 9, 8],
        _ => [18, 20, 12, 8, 10, 9],
    }
}

fn row(model: &Model, job: &JobRow, width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let more = look.glyphs.more;
    let [lab, name, state, started, progress, output] = widths(width);
    // What the user called it is the begin of its id.
    let called = JobId::parse(&job.id).map_or_else(String::new, |id| id.kind().to_owned());
    let (glyph, word, style) = standing(model, job);
    let quiet = job.output_age.map(clock).unwrap_or_default();
    Line::from(vec![
        Span::styled(column(&job.lab, lab - 1, more) + " ", styles.text),
        Span::styled(column(&called, name - 1, more) + " ", styles.text),
        Span::styled(column(&format!("{glyph} {word}"), state, more), style),
        Span::styled(column(&age(&job.created, model.now), started, more), styles.text),
        Span::styled(column(&job.progress, progress, more), styles.text),
        Span::styled(
            column(&quiet, output, more),
            if job.stuck || job.silent {
                styles.warn
            } else {
                styles.text
            },
        ),
        Span::styled(job.title.clone(), styles.dim),
    ])
}

/// Glyph, word and style of how a job stands.
fn standing(model: &Model, job: &JobRow) -> (&'static str, &'static str, Style) {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    match job.state {
        _ if job.frozen => (glyphs.warn, "frozen", styles.warn),
        _ if job.runs() && job.silent => (glyphs.unknown, "running?", styles.warn),
        _ if job.runs() && job.stuck => (glyphs.warn, "stuck", styles.warn),
        State::Queued | State::Starting | State::Running | State::Stopping => {
            (glyphs.running, job.state.word(), styles.ok)
        }
        State::Succeeded => (glyphs.ok, "done", styles.ok),
        State::Failed | State::Killed => (glyphs.failed, job.state.word(), styles.error),
        State::Lost => (glyphs.unknown, "lost", styles.warn),
    }
}

fn about(model: &Model, job: &JobRow, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let (glyph, word, style) = standing(model, job);
    let mut lines = labelled(look, "State", &format!("{glyph} {word}"), style, width);
    let mut add = |label: &str, value: &str, style: Style| {
        if !value.is_empty() {
            lines.extend(labelled(look, label, value, style, width));
        }
    };
    add("Ended", if job.runs() { "" } else { &job.why }, styles.text);
    add("Note", if job.runs() { &job.why } else { "" }, styles.warn);
    let left = job.eta.map(|seconds| format!("about {} left", clock(seconds)));
    add("Left", &left.unwrap_or_default(), styles.text);
    add("Error", &job.error, styles.error);
    add("Log", &bytes(job.bytes), styles.text);
    add("What", &job.title, styles.text);
    lines
}
