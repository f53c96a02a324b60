//! What all screens are made of: the frame around them, lists, scrolled text, buttons, boxes.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Clear, Padding, Paragraph},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{
        Model, Tone,
        keys::{self, Place},
        model::Engine,
    },
    log::clean,
};

use super::{
    look::Look,
    words::{clock, fit},
};

pub(super) use super::wrap::wrap;

/// Lines to draw.
pub(super) type Lines = Vec<Line<'static>>;

/// The parts of a screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) head: Rect,
    pub(super) body: Rect,
    pub(super) told: Rect,
    pub(super) foot: Rect,
}

/// Splits the window: a line of title, the body, a line or two that tell something, a line of keys.
pub(super) fn parts(model: &Model, area: Rect) -> Parts {
    let told = told_lines(model, area.width).len();
    let told = u16::try_from(told).unwrap_or(0).min(area.height / 3);
    let foot = u16::try_from(foot(model, area).len()).unwrap_or(1);
    let [head, body, told, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(told),
        Constraint::Length(foot),
    ])
    .areas(area);
    Parts {
        head,
        body,
        told,
        foot,
    }
}

/// Draws all but the body, and says where that goes.
pub(super) fn surround(model: &Model, frame: &mut Frame<'_>, title: &str) -> Rect {
    let parts = parts(model, frame.area());
    frame.render_widget(head(model, title, parts.head.width), parts.head);
    frame.render_widget(Paragraph::new(told_lines(model, parts.told.width)), parts.told);
    frame.render_widget(Paragraph::new(foot(model, frame.area())), parts.foot);
    parts.body
}

fn head(model: &Model, title: &str, width: u16) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let width = usize::from(width);
    let (mark, word, style) = engine(model);
    let right = format!("{mark} {word} ");
    let left = look.own(&format!(" halolab · {title}"));
    let left = fit(&left, width.saturating_sub(right.width() + 1), look.glyphs.more);
    let gap = width.saturating_sub(left.width() + right.width());
    Line::from(vec![
        Span::styled(left, styles.title),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, style),
    ])
}

/// Glyph, words and style of where we stand with the engine.
fn engine(model: &Model) -> (&'static str, String, Style) {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let read_only = if model.setup.read_only { " (read-only)" } else { "" };
    match &model.engine {
        Engine::Looking => {
            let waited = model.now.saturating_sub(model.looking_since);
            let text = if waited >= 3 {
                format!("no answer for {waited} s")
            } else {
                model.look.own("looking…")
            };
            (glyphs.busy, text, styles.busy)
        }
        Engine::Ready => {
            let server = model.world.as_ref().and_then(|w| w.server.as_ref());
            let name = server.map_or_else(
                || "engine".to_owned(),
                |s| format!("{} {}", s.title(), clean(&s.version)),
            );
            (glyphs.running, format!("{name}{read_only}"), styles.ok)
        }
        Engine::Absent(_) => (glyphs.missing, "no engine yet".into(), styles.warn),
        Engine::Failed(_) => (glyphs.failed, "engine does not answer".into(), styles.error),
    }
}

/// The lines that tell something: the last notice, which answers a key, a job under way, an engine that is gone.
fn told_lines(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![];
    if let Some(notice) = &model.notice {
        let (glyph, style) = match notice.tone {
            Tone::Good => (look.glyphs.ok, styles.ok),
            Tone::Warning => (look.glyphs.warn, styles.warn),
            Tone::Bad => (look.glyphs.failed, styles.error),
        };
        for (index, line) in crate::log::sanitize_text(&notice.text).lines().enumerate() {
            let mark = if index == 0 { glyph } else { " " };
            let line = Line::styled(format!(" {mark} {line}"), style);
            lines.extend(wrap(&line, width, 3));
        }
        lines.truncate(6);
    }
    if let Some((job, since)) = &model.job {
        let waited = clock(model.now.saturating_sub(*since));
        let text = format!(" {} {} {waited}", look.glyphs.busy, clean(&job.doing()));
        lines.extend(wrap(&Line::styled(text, styles.busy), width, 3));
    }
    if let Some((what, since)) = &model.host_view.working {
        let waited = clock(model.now.saturating_sub(*since));
        let text = format!(" {} {} {waited}", look.glyphs.busy, clean(what));
        lines.extend(wrap(&Line::styled(text, styles.busy), width, 3));
    }
    if let Some(words) = model.other_words() {
        let text = format!(" {} {}", look.glyphs.busy, sentence(&words));
        lines.extend(wrap(&Line::styled(text, styles.busy), width, 3));
    }
    let why = match &model.engine {
        // The first screen has the reason in its own row.
        Engine::Failed(_) if model.screen() == crate::app::model::Screen::Welcome => {
            Some("No answer; r looks again.".into())
        }
        Engine::Failed(text) => Some(format!("{} r looks again.", sentence(text))),
        _ => None,
    };
    let told = match (model.away_words(), why) {
        (Some(away), Some(why)) => Some(format!("{away} (what is shown is from then): {why}")),
        (Some(away), None) => Some(format!("{away}; what is shown is from then.")),
        (None, why) => why,
    };
    if let Some(told) = told {
        let text = format!(" {} {told}", look.glyphs.failed);
        lines.extend(wrap(&Line::styled(text, styles.error), width, 3));
    }
    lines
}

fn sentence(text: &str) -> String {
    let text = clean(text);
    let text = text.trim_end_matches('.');
    let end = if text.ends_with(['?', '!']) { "" } else { "." };
    format!("{text}{end}")
}

/// The keys of this place on one line, or on two where there is room; what does not fit is in the help.
fn foot(model: &Model, area: Rect) -> Lines {
    let styles = model.look.styles();
    let place = Place::of(model);
    let labelled = |keys: &'static [keys::Key]| keys.iter().filter(|k| !k.label.is_empty());
    let hint = |key: &keys::Key| {
        let chord = key.chords.first().copied().map(keys::name).unwrap_or_default();
        (format!(" {chord}"), format!(" {} ", key.label))
    };
    let length = |(chord, label): &(String, String)| chord.width() + label.width();
    let own: Vec<_> = labelled(place.keys()).map(hint).collect();
    // Help and quit always have a place: they are how the rest is found.
    let common: Vec<_> = labelled(place.common()).map(hint).collect();
    let width = usize::from(area.width);
    let mut rows: Vec<Vec<(String, String)>> = vec![vec![]];
    let most = if area.height >= 20 { 2 } else { 1 };
    let reserved: usize = common.iter().map(length).sum();
    let mut used = 0;
    for hint in own {
        let last = rows.len() == most;
        let room = width.saturating_sub(if last { reserved } else { 0 });
        if used + length(&hint) > room {
            if last {
                break;
            }
            rows.push(vec![]);
            used = 0;
        }
        used += length(&hint);
        rows.last_mut().into_iter().for_each(|row| row.push(hint.clone()));
    }
    if used + reserved > width && rows.len() < most {
        rows.push(vec![]);
    }
    rows.last_mut()
        .into_iter()
        .for_each(|row| row.extend(common.iter().cloned()));
    let spans = |row: Vec<(String, String)>| {
        let pairs = row
            .into_iter()
            .flat_map(|(chord, label)| [Span::styled(chord, styles.key), Span::styled(label, styles.dim)]);
        Line::from(pairs.collect::<Vec<_>>())
    };
    rows.into_iter().map(spans).collect()
}

/// A bordered box.
pub(super) fn titled(look: &Look, title: &str, focus: bool) -> Block<'static> {
    let styles = look.styles();
    let border = if focus { styles.focus } else { styles.border };
    Block::bordered()
        .border_set(look.border())
        .border_style(border)
        .title(Span::styled(format!(" {} ", look.own(title)), styles.title))
}

/// A box over the screen, at most as large as it: draws it and says where its inside is.
pub(super) fn popup(look: &Look, frame: &mut Frame<'_>, title: &str, size: (u16, u16)) -> Rect {
    let area = frame.area();
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let area = area.centered(Constraint::Length(width), Constraint::Length(height));
    let block = titled(look, title, true)
        .padding(Padding::horizontal(1))
        .style(look.styles().screen);
    let inside = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inside
}

/// Rows of a list: which row each line belongs to, and the row with the cursor.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) lines: Vec<(Option<usize>, Line<'static>)>,
    pub(super) cursor: usize,
    /// Lines above and below those that were made, where only those in view were.
    pub(super) others: Option<(usize, usize)>,
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
    pub(super) fn of_rows(
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
    pub(super) fn row_at(&self, area: Rect, y: u16) -> Option<usize> {
        if y < area.y || y >= area.bottom() {
            return None;
        }
        let line = self.first(usize::from(area.height)) - self.above() + usize::from(y - area.y);
        self.lines.get(line)?.0
    }

    /// Draws it, the row with the cursor marked.
    pub(super) fn draw(self, look: &Look, frame: &mut Frame<'_>, area: Rect) {
        let first = self.first(usize::from(area.height));
        let (cursor, count, above) = (self.cursor, self.count(), self.above());
        let shown = self
            .lines
            .into_iter()
            .skip(first - above)
            .take(area.height.into());
        for (line, y) in shown.zip(area.y..) {
            let (row, text) = line;
            let at = Rect { y, height: 1, ..area };
            let selected = row == Some(cursor);
            let mark = if selected { look.glyphs.cursor } else { " " };
            let mut spans = vec![Span::raw(format!("{mark} "))];
            spans.extend(text.spans);
            let mut line = Line::from(spans).style(text.style);
            if selected {
                line = over(line, look.styles().selected);
            }
            frame.render_widget(line, at);
            if selected {
                frame.buffer_mut().set_style(at, look.styles().selected);
            }
        }
        more(look, frame, area, first, count);
    }
}

impl Listing {
    /// Draws it without marking a row; the cursor only says what has to be in view.
    pub(super) fn draw_plain(self, look: &Look, frame: &mut Frame<'_>, area: Rect) {
        let first = self.first(usize::from(area.height));
        let count = self.lines.len();
        let shown: Lines = self.lines.into_iter().map(|(_, line)| line).collect();
        let shown: Lines = shown.into_iter().skip(first).take(area.height.into()).collect();
        frame.render_widget(Paragraph::new(shown), area);
        more(look, frame, area, first, count);
    }
}

/// The same line in one style.
fn over(line: Line<'static>, style: Style) -> Line<'static> {
    let spans = line.spans.into_iter().map(|s| Span::styled(s.content, style));
    Line::from(spans.collect::<Vec<_>>())
}

/// Says at the right edge how many lines are above and below.
fn more(look: &Look, frame: &mut Frame<'_>, area: Rect, first: usize, count: usize) {
    let height = usize::from(area.height);
    let below = count.saturating_sub(first + height);
    let mut put = |text: String, y: u16| {
        let width = u16::try_from(text.width()).unwrap_or(0).min(area.width);
        let at = Rect::new(area.right().saturating_sub(width), y, width, 1);
        frame.render_widget(Line::styled(text, look.styles().dim), at);
    };
    if area.height == 0 {
        return;
    }
    if first > 0 {
        put(format!(" {first} above "), area.y);
    }
    if below > 0 {
        put(format!(" {below} more "), area.bottom() - 1);
    }
}

/// Draws lines from a scroll position on, and says how many there are besides.
pub(super) fn scrolled(look: &Look, frame: &mut Frame<'_>, area: Rect, lines: Lines, scroll: usize) {
    let count = lines.len();
    let last = count.saturating_sub(usize::from(area.height));
    let first = scroll.min(last);
    let shown: Lines = lines.into_iter().skip(first).take(area.height.into()).collect();
    frame.render_widget(Paragraph::new(shown), area);
    more(look, frame, area, first, count);
}

/// Scroll positions that lines have in a height.
pub(super) fn positions(lines: usize, height: u16) -> usize {
    lines.saturating_sub(usize::from(height)) + 1
}

/// Buttons side by side; the marked one reversed and in brackets.
pub(super) fn buttons(look: &Look, names: &[&str], marked: usize) -> Line<'static> {
    let styles = look.styles();
    let mut spans = vec![Span::raw(" ")];
    for (index, name) in names.iter().enumerate() {
        let (text, style) = if index == marked {
            (format!("[{} {name} ]", look.glyphs.cursor), styles.selected)
        } else {
            (format!("[  {name} ]"), styles.text)
        };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// A label and a value, the value wrapped under itself.
pub(super) fn labelled(look: &Look, label: &str, value: &str, style: Style, width: u16) -> Lines {
    let head = format!(" {label:<10} ");
    let indent = head.width();
    let line = Line::from(vec![
        Span::styled(head, look.styles().dim),
        Span::styled(value.to_owned(), style),
    ]);
    wrap(&line, width, indent)
}

/// A heading in a text.
pub(super) fn heading(look: &Look, text: &str) -> Line<'static> {
    Line::styled(format!(" {text}"), look.styles().accent)
}

/// A point of a list, wrapped under itself.
pub(super) fn point(glyph: &str, text: &str, style: Style, width: u16) -> Lines {
    let line = Line::from(vec![
        Span::styled(format!("   {glyph} "), style),
        Span::styled(text.to_owned(), style),
    ]);
    wrap(&line, width, 4 + glyph.width())
}
