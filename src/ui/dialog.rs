//! Dialogs: the question before something is destroyed, lines of text, the theme picker.
//!
//! ```text
//!  ╭ Remove the snapshot before-update of ai-lab? ─────────╮
//!  │  ▲ loses  the way back to before-update               │
//!  │  ✔ keeps  ai-lab as it is now                         │
//!  │  [▸ Cancel ]  [  Remove ]                             │
//!  ╰───────────────────────────────────────────────────────╯
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Modifier,
    text::{Line, Span},
    widgets::{Block, Clear},
};

use crate::{
    app::{
        Model,
        dialog::{Confirm, Prompt, ThemePicker},
        entry::Entry,
    },
    log::clean,
};

use super::{
    widgets::{Lines, Listing, buttons, popup, scrolled_in_box, wrap},
    words::fit,
};

const WIDTH: u16 = 72;

/// A line that can be typed into; with a cursor where it has the keys.
pub(super) fn entry(model: &Model, entry: &Entry, active: bool, frame: &mut Frame<'_>, area: Rect) {
    let styles = model.look.styles();
    let mut shown = entry.area().clone();
    shown.set_style(styles.input);
    shown.set_cursor_line_style(styles.input);
    shown.set_cursor_style(if active {
        styles.input.add_modifier(Modifier::REVERSED)
    } else {
        styles.input
    });
    frame.render_widget(Clear, area);
    frame.render_widget(Block::new().style(styles.input), area);
    frame.render_widget(&shown, area);
}

pub(super) fn confirm(model: &Model, confirm: &Confirm, frame: &mut Frame<'_>) {
    let (look, styles) = (&model.look, model.look.styles());
    let width = WIDTH.min(frame.area().width.saturating_sub(2));
    let lines = confirm_text(model, confirm, width.saturating_sub(4));
    let foot = if confirm.is_typing() { 4 } else { 2 };
    let tall = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(foot + 2);
    let height = tall.min(frame.area().height.saturating_sub(2));
    let inside = popup(look, frame, &clean(&confirm.title), (width, height));
    let [text, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(foot)]).areas(inside);
    scrolled_in_box(look, frame, text, lines, (confirm.scroll, inside));
    if let Some((name, line)) = &confirm.name {
        let [_, label, row, hint] = Layout::vertical([Constraint::Length(1); 4]).areas(below);
        let ask = Line::from(vec![
            Span::styled("Type the name ", styles.text),
            Span::styled(format!("\"{}\"", clean(name)), styles.accent),
            Span::styled(" to go on:", styles.text),
        ]);
        frame.render_widget(ask, label);
        entry(model, line, true, frame, row);
        let (text, style) = if confirm.is_yes() {
            (format!("enter: {}", confirm.yes), styles.error)
        } else {
            ("esc cancels".to_owned(), styles.dim)
        };
        frame.render_widget(Line::styled(text, style), hint);
    } else {
        let [_, row] = Layout::vertical([Constraint::Length(1); 2]).areas(below);
        let marked = usize::from(confirm.marked);
        frame.render_widget(buttons(look, &[confirm.no, confirm.yes], marked), row);
    }
}

fn confirm_text(model: &Model, confirm: &Confirm, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![];
    for sentence in &confirm.text {
        lines.extend(wrap(
            &Line::styled(clean(sentence).into_owned(), styles.text),
            width,
            0,
        ));
    }
    let mut add = |glyph: &str, word: &str, texts: &[String], style| {
        for text in texts {
            let line = Line::from(vec![
                Span::styled(format!("{glyph} {word}  "), style),
                Span::styled(clean(text).into_owned(), styles.text),
            ]);
            lines.extend(wrap(&line, width, 9));
        }
    };
    add(look.glyphs.warn, "loses", &confirm.loses, styles.error);
    add(look.glyphs.ok, "keeps", &confirm.keeps, styles.ok);
    lines
}

pub(super) fn prompt(model: &Model, prompt: &Prompt, frame: &mut Frame<'_>) {
    let (look, styles) = (&model.look, model.look.styles());
    let width = WIDTH.min(frame.area().width.saturating_sub(2));
    let count = u16::try_from(prompt.lines.len()).unwrap_or(1);
    let inside = popup(look, frame, &clean(&prompt.title), (width, count * 2 + 4));
    let mut y = inside.y;
    for (index, (label, line)) in prompt.lines.iter().enumerate() {
        let active = index == prompt.at;
        let style = if active { styles.accent } else { styles.dim };
        frame.render_widget(
            Line::styled(clean(label).into_owned(), style),
            Rect {
                y,
                height: 1,
                ..inside
            },
        );
        entry(
            model,
            line,
            active,
            frame,
            Rect {
                y: y + 1,
                height: 1,
                ..inside
            },
        );
        y += 2;
    }
    let (text, style) = match &prompt.error {
        Some(error) => (format!("{} {}", look.glyphs.failed, clean(error)), styles.error),
        None => ("enter: ok   esc: cancel".into(), styles.dim),
    };
    let text = fit(&text, inside.width.into(), look.glyphs.more);
    frame.render_widget(
        Line::styled(text, style),
        Rect {
            y: y + 1,
            height: 1,
            ..inside
        },
    );
}

pub(super) fn themes(model: &Model, picker: &ThemePicker, frame: &mut Frame<'_>) {
    let count = u16::try_from(model.themes.len()).unwrap_or(1);
    let size = (34, (count + 2).min(frame.area().height));
    let inside = popup(&model.look, frame, "theme", size);
    let rows = model.themes.iter().enumerate();
    let lines = rows.map(|(index, theme)| {
        let title = fit(&clean(&theme.title), 26, model.look.glyphs.more);
        (Some(index), Line::styled(title, model.look.styles().text))
    });
    let listing = Listing {
        lines: lines.collect(),
        cursor: picker.cursor,
        others: None,
    };
    listing.draw_in_box(&model.look, frame.buffer_mut(), inside, inside);
}
