//! Breaking lines of styled text.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthChar as _;

use super::widgets::Lines;

/// Breaks a line at words (letters where a word is longer than the width); what follows is indented.
pub(super) fn wrap(line: &Line<'_>, width: u16, indent: usize) -> Lines {
    let width = usize::from(width).max(8);
    let indent = indent.min(width / 2);
    let cells: Vec<(char, Style)> = line
        .spans
        .iter()
        .flat_map(|s| s.content.chars().map(|c| (c, line.style.patch(s.style))))
        .collect();
    let mut lines = vec![];
    let mut rest = cells.as_slice();
    loop {
        let pad = if lines.is_empty() { 0 } else { indent };
        let (head, tail) = split(rest, width - pad);
        let mut spans = vec![Span::raw(" ".repeat(pad))];
        for run in head.chunk_by(|a, b| a.1 == b.1) {
            let text: String = run.iter().map(|(c, _)| *c).collect();
            let style = run.first().map(|(_, s)| *s).unwrap_or_default();
            spans.push(Span::styled(text, style));
        }
        lines.push(Line::from(spans));
        if tail.is_empty() {
            return lines;
        }
        rest = tail;
    }
}

/// A character and how it is drawn.
type Letter = (char, Style);

/// Cells of one line, and the rest.
fn split(cells: &[Letter], width: usize) -> (&[Letter], &[Letter]) {
    let mut used = 0;
    let fits = cells
        .iter()
        .position(|(c, _)| {
            used += c.width().unwrap_or(0);
            used > width
        })
        .unwrap_or(cells.len());
    if fits == cells.len() {
        return (cells, &[]);
    }
    let head = cells.get(..fits).unwrap_or(cells);
    let space = head.iter().rposition(|(c, _)| *c == ' ').filter(|at| *at > 0);
    let next_is_space = cells.get(fits).is_some_and(|(c, _)| *c == ' ');
    let cut = match space {
        _ if next_is_space => fits,
        Some(at) if head.iter().take(at).any(|(c, _)| *c != ' ') => at,
        _ => fits.max(1),
    };
    let tail = cells.get(cut..).unwrap_or(&[]);
    let gap = tail.iter().take_while(|(c, _)| *c == ' ').count();
    (cells.get(..cut).unwrap_or(cells), tail.get(gap..).unwrap_or(&[]))
}
