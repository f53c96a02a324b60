//! Lines of which some are in view: lists with a cursor, and texts that scroll. What does not fit says so: a line by
//! its last character, lines that are not shown by their number.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget as _},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    super::{look::Look, words::fit},
    Lines,
};

/// Rows of a list: which row each line belongs to, and the row with the cursor.
#[derive(Debug, Default)]
pub(in crate::ui) struct Listing {
    pub(in crate::ui) lines: Vec<(Option<usize>, Line<'static>)>,
    pub(in crate::ui) cursor: usize,
    /// Lines above and below those that were made, where only those in view were.
    pub(in crate::ui) others: Option<(usize, usize)>,
}

/// The first line that is shown in a height, so that the lines `from` to `to` are in view.
fn first_in_view(from: usize, to: usize, count: usize, height: usize) -> usize {
    let centred = from.saturating_sub(height / 2);
    centred
        .max((to + 1).saturating_sub(height))
        .min(count.saturating_sub(height))
}

impl Listing {
    /// A list of `count` rows of a line each, of which only those in view are made: a frame costs as much as it shows.
    pub(in crate::ui) fn of_rows(
        count: usize,
        cursor: usize,
        area: Rect,
        mut make: impl FnMut(usize) -> Line<'static>,
    ) -> Self {
        let height = usize::from(area.height);
        let at = if cursor < count { cursor } else { 0 };
        let first = first_in_view(at, at, count, height);
        let last = (first + height).min(count);
        Self {
            lines: (first..last).map(|index| (Some(index), make(index))).collect(),
            cursor,
            others: Some((first, count - last)),
        }
    }

    /// How many lines are not made above those that are.
    fn above(&self) -> usize {
        self.others.map_or(0, |(above, _)| above)
    }

    /// All lines, made or not.
    fn count(&self) -> usize {
        self.lines.len() + self.others.map_or(0, |(above, below)| above + below)
    }

    /// The first line that is shown in a height, so that the cursor is in view.
    fn first(&self, height: usize) -> usize {
        if let Some((above, _)) = self.others {
            return above;
        }
        let at = |want: &(Option<usize>, Line<'static>)| want.0 == Some(self.cursor);
        let from = self.lines.iter().position(at).unwrap_or(0);
        let to = self.lines.iter().rposition(at).unwrap_or(0);
        first_in_view(from, to, self.lines.len(), height)
    }

    /// The row at a line of the area.
    pub(in crate::ui) fn row_at(&self, area: Rect, y: u16) -> Option<usize> {
        if y < area.y || y >= area.bottom() {
            return None;
        }
        let line = self.first(usize::from(area.height)) - self.above() + usize::from(y - area.y);
        self.lines.get(line)?.0
    }

    /// Draws it, the row with the cursor marked.
    pub(in crate::ui) fn draw(self, look: &Look, frame: &mut Frame<'_>, area: Rect) {
        let rest = Rest::beside(look, area, self.first(usize::from(area.height)), self.count());
        self.draw_rows(look, frame.buffer_mut(), area, &rest);
    }

    /// The same in a box, whose border says how many rows are not shown.
    pub(in crate::ui) fn draw_in_box(self, look: &Look, page: &mut Buffer, area: Rect, inside: Rect) {
        let rest = Rest::below(
            look,
            area,
            inside,
            (self.first(usize::from(area.height)), self.count()),
        );
        self.draw_rows(look, page, area, &rest);
    }

    fn draw_rows(self, look: &Look, page: &mut Buffer, area: Rect, rest: &Rest) {
        let skipped = self.first(usize::from(area.height)) - self.above();
        let cursor = self.cursor;
        let shown = self.lines.into_iter().skip(skipped).take(area.height.into());
        for ((row, text), y) in shown.zip(area.y..) {
            let at = Rect { y, height: 1, ..area };
            let selected = row == Some(cursor);
            let mark = if selected { look.glyphs.cursor } else { " " };
            let mut spans = vec![Span::raw(format!("{mark} "))];
            spans.extend(text.spans);
            let mut line = Line::from(spans).style(text.style);
            if selected {
                line = over(line, look.styles().selected);
            }
            cut(line, rest.room(at), look.glyphs.more).render(at, page);
            if selected {
                page.set_style(at, look.styles().selected);
            }
        }
        rest.draw(look, page);
    }

    /// Draws it without marking a row; the cursor only says what has to be in view.
    pub(in crate::ui) fn draw_plain(self, look: &Look, frame: &mut Frame<'_>, area: Rect) {
        let first = self.first(usize::from(area.height));
        let lines = self.lines.into_iter().map(|(_, line)| line).collect();
        scrolled(look, frame, area, lines, first);
    }
}

/// The same line in one style.
fn over(line: Line<'static>, style: Style) -> Line<'static> {
    let spans = line.spans.into_iter().map(|s| Span::styled(s.content, style));
    Line::from(spans.collect::<Vec<_>>())
}

/// A line cut to a width, `more` at its end where text was left out.
fn cut(line: Line<'static>, width: usize, more: &str) -> Line<'static> {
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    if text.trim_end().width() <= width {
        return line;
    }
    let mut rest = text.as_str();
    let mut used = 0;
    let mut spans = vec![];
    for span in line.spans {
        let wide = span.width();
        if used + wide + more.width() > width {
            let style = span.style;
            spans.push(Span::styled(fit(rest, width.saturating_sub(used), more), style));
            break;
        }
        used += wide;
        rest = rest.get(span.content.len()..).unwrap_or_default();
        spans.push(span);
    }
    Line { spans, ..line }
}

/// How many lines are above and below those that are shown, and where that is said.
#[derive(Debug, Default)]
struct Rest(Vec<(String, Rect)>);

impl Rest {
    /// At the right end of the first and the last line, which make room for it.
    fn beside(look: &Look, area: Rect, first: usize, count: usize) -> Self {
        if area.is_empty() {
            return Self::default();
        }
        let (above, below) = hidden(area, first, count);
        let mut said = vec![];
        // On a line alone there is room for one of them.
        if above > 0 && (area.height > 1 || below == 0) {
            said.push((format!("  {} {above} above ", look.glyphs.up), area.y));
        }
        if below > 0 {
            let text = format!("  {} {below} more ", look.glyphs.down);
            said.push((text, area.bottom() - 1));
        }
        let place = |(text, y): (String, u16)| {
            let at = right(&text, area, y);
            (text, at)
        };
        Self(said.into_iter().map(place).collect())
    }

    /// In the border of a box.
    fn below(look: &Look, area: Rect, inside: Rect, (first, count): (usize, usize)) -> Self {
        let text = match hidden(area, first, count) {
            (0, 0) => return Self::default(),
            (above, 0) => format!(" {above} above "),
            (0, below) => format!(" {below} more "),
            (above, below) => format!(" {above} above {} {below} more ", look.glyphs.dot),
        };
        let at = right(&text, inside, inside.bottom());
        Self(vec![(text, at)])
    }

    /// Columns that a line has for itself.
    fn room(&self, at: Rect) -> usize {
        let taken = self.0.iter().filter(|(_, place)| place.y == at.y);
        usize::from(at.width).saturating_sub(taken.map(|(text, _)| text.width()).sum())
    }

    fn draw(&self, look: &Look, page: &mut Buffer) {
        for (text, at) in &self.0 {
            Line::styled(text.as_str(), look.styles().dim).render(*at, page);
        }
    }
}

/// Lines above and below those in view.
fn hidden(area: Rect, first: usize, count: usize) -> (usize, usize) {
    (first, count.saturating_sub(first + usize::from(area.height)))
}

/// The right end of a row.
fn right(text: &str, area: Rect, y: u16) -> Rect {
    let width = u16::try_from(text.width()).unwrap_or(0).min(area.width);
    Rect::new(area.right() - width, y, width, 1)
}

/// Draws lines from a scroll position on, and says how many there are besides.
pub(in crate::ui) fn scrolled(look: &Look, frame: &mut Frame<'_>, area: Rect, lines: Lines, scroll: usize) {
    let first = first_of(area, lines.len(), scroll);
    let rest = Rest::beside(look, area, first, lines.len());
    draw(look, frame, area, (lines, first), &rest);
}

/// The same in a box, whose border says how many there are besides.
pub(in crate::ui) fn scrolled_in_box(
    look: &Look,
    frame: &mut Frame<'_>,
    area: Rect,
    lines: Lines,
    (scroll, inside): (usize, Rect),
) {
    let first = first_of(area, lines.len(), scroll);
    let rest = Rest::below(look, area, inside, (first, lines.len()));
    draw(look, frame, area, (lines, first), &rest);
}

fn first_of(area: Rect, count: usize, scroll: usize) -> usize {
    scroll.min(count.saturating_sub(usize::from(area.height)))
}

fn draw(look: &Look, frame: &mut Frame<'_>, area: Rect, (lines, first): (Lines, usize), rest: &Rest) {
    let shown = lines.into_iter().skip(first).take(area.height.into());
    let fitted = |(line, y)| cut(line, rest.room(Rect { y, ..area }), look.glyphs.more);
    let shown: Lines = shown.zip(area.y..).map(fitted).collect();
    frame.render_widget(Paragraph::new(shown), area);
    rest.draw(look, frame.buffer_mut());
}
