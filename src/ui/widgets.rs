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
        model::{Engine, Screen},
    },
    backend::Server,
    log::clean,
};

use super::{
    look::Look,
    words::{clock, fit},
};

mod listing;

pub(super) use super::wrap::wrap;
pub(super) use listing::{Listing, scrolled, scrolled_in_box};

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

/// Whether what is on the screen is of Docker alone: whatever another engine says is no answer there.
fn needs_docker(model: &Model) -> bool {
    matches!(model.screen(), Screen::Workspaces | Screen::Ports | Screen::User)
}

/// Why Docker is not there, where the last lines do not tell it already.
pub(super) fn docker_untold(model: &Model) -> Option<&str> {
    model
        .docker_away()
        .filter(|_| !matches!(model.engine, Engine::Failed(_)))
}

/// Glyph, words and style of where we stand with the engine.
fn engine(model: &Model) -> (&'static str, String, Style) {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let read_only = if model.setup.read_only { " (read-only)" } else { "" };
    let named = |server: &Server| format!("{} {}{read_only}", server.title(), clean(&server.version));
    // One that is all there is counts everywhere.
    let of_docker = needs_docker(model);
    if (of_docker || matches!(model.engine, Engine::Absent(_))) && !model.is_stale() {
        let docker = model.world.as_ref().and_then(|world| world.docker.as_ref());
        if let Some(server) = docker.and_then(|docker| docker.server.as_ref()) {
            return (glyphs.running, named(server), styles.ok);
        }
        if of_docker && model.docker_away().is_some() {
            return (glyphs.failed, "no Docker".into(), styles.error);
        }
    }
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
            let name = server.map_or_else(|| format!("engine{read_only}"), named);
            (glyphs.running, name, styles.ok)
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
        Engine::Failed(_) if model.screen() == Screen::Welcome => Some("No answer; r looks again.".into()),
        Engine::Failed(_) if needs_docker(model) => model
            .docker_away()
            .map(|why| format!("{} r looks again.", sentence(why))),
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
