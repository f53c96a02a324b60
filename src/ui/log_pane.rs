//! The log of a lab: only the lines in view are drawn.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Borders},
};
use unicode_width::UnicodeWidthChar as _;

use crate::{app::run_view::RunView, log::clean};

use super::look::Look;

/// Where the lines go: below the title.
pub(super) fn inside(area: Rect) -> Rect {
    Block::new().borders(Borders::TOP).inner(area)
}

pub(super) fn view(look: &Look, run: &RunView, frame: &mut Frame<'_>, area: Rect) {
    let styles = look.styles();
    let Some(log) = run.log() else { return };
    let inside = inside(area);
    let height = usize::from(inside.height);
    let others = match run.logs.len() {
        0 | 1 => String::new(),
        many => format!(" ({} of {many})", run.shown + 1),
    };
    let state = match log.top {
        None => "following".to_owned(),
        Some(_) => format!("paused {} +{} lines", look.glyphs.dot, log.behind(height)),
    };
    let (title, state) = (
        format!(" log of {}{others} ", clean(&log.lab)),
        format!(" {state} "),
    );
    let badge = if log.top.is_some() {
        styles.warn
    } else {
        styles.dim
    };
    let block = Block::new()
        .borders(Borders::TOP)
        .border_set(look.border())
        .border_style(styles.border)
        .title(Line::styled(title, styles.title))
        .title(Line::styled(state, badge).right_aligned());
    frame.render_widget(block, area);
    if log.page.lines.is_empty() {
        let text = if run.is_running() {
            look.own(" no output yet…")
        } else {
            " no output".into()
        };
        return frame.render_widget(Line::styled(text, styles.dim), inside);
    }
    let rows = rows(look, run, usize::from(inside.width));
    let first = if log.top.is_none() {
        rows.len().saturating_sub(height)
    } else {
        0
    };
    let shown = rows.into_iter().skip(first).take(height);
    for (line, y) in shown.zip(inside.y..) {
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..inside
            },
        );
    }
}

/// The page as rows of the screen.
fn rows(look: &Look, run: &RunView, width: usize) -> Vec<Line<'static>> {
    let Some(log) = run.log() else { return vec![] };
    let needle = run.search.text();
    let skip = log.top.map_or(0, |top| top.saturating_sub(log.page.from));
    let lines = log.page.lines.iter().skip(skip);
    lines
        .flat_map(|line| {
            let line = marked(line, needle, look.styles().matched);
            if run.wrap {
                cut(&line, width, 0)
            } else {
                cut(&line, width, log.left).into_iter().take(1).collect()
            }
        })
        .collect()
}

/// The same line with what was searched for in another style.
fn marked(line: &Line<'static>, needle: &str, style: Style) -> Line<'static> {
    let text: String = line.spans.iter().map(|s| s.content.as_ref()).collect();
    let exact = needle.chars().any(char::is_uppercase);
    let found = if needle.is_empty() {
        None
    } else if exact || !text.is_ascii() {
        text.find(needle)
    } else {
        text.to_ascii_lowercase().find(needle)
    };
    let Some(from) = found else {
        return line.clone();
    };
    let range = from..from + needle.len();
    let mut at = 0;
    let mut spans = vec![];
    for span in &line.spans {
        let mut run = String::new();
        let mut inside = false;
        for c in span.content.chars() {
            let now = range.contains(&at);
            if now != inside && !run.is_empty() {
                let part = if inside { style } else { span.style };
                spans.push(Span::styled(std::mem::take(&mut run), part));
            }
            inside = now;
            run.push(c);
            at += c.len_utf8();
        }
        spans.push(Span::styled(run, if inside { style } else { span.style }));
    }
    Line::from(spans)
}

/// Cuts a line into rows of a width, after `left` columns.
fn cut(line: &Line<'static>, width: usize, left: usize) -> Vec<Line<'static>> {
    let width = width.max(2);
    let mut rows = vec![];
    let mut row: Vec<Span<'static>> = vec![];
    let (mut used, mut passed) = (0, 0);
    for span in &line.spans {
        let mut run = String::new();
        for c in span.content.chars() {
            let wide = c.width().unwrap_or(0);
            passed += wide;
            if passed <= left {
                continue;
            }
            if used + wide > width {
                row.push(Span::styled(std::mem::take(&mut run), span.style));
                rows.push(Line::from(std::mem::take(&mut row)));
                used = 0;
            }
            used += wide;
            run.push(c);
        }
        row.push(Span::styled(run, span.style));
    }
    rows.push(Line::from(row));
    rows
}
