//! The options form: one row a field, what is wrong below it, the help of the row at the foot.
//!
//! ```text
//!  halolab · ai-lab: options                                       ● LXD 5.0.2
//!  ▸ Image             ‹ Arch Linux ›
//!    Compute on        ‹ AMD GPU (ROCm) ›
//!    ComfyUI           [x] yes
//!    Root disk         40GiB
//!    Go on             shows the plan
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{
        Model, Screen,
        form::{Form, FormField, Row, Value},
    },
    log::clean,
    plan::planner::HOST,
    stage::{Answer, FieldKind},
};

use super::{
    look::Look,
    widgets::{self, Listing, titled, wrap},
    words::{column, fit},
};

struct Areas {
    list: Rect,
    help: Rect,
}

fn areas(body: Rect) -> Areas {
    let height = if body.height >= 18 { 5 } else { 4 };
    let [_, list, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(height),
    ])
    .areas(body);
    Areas { list, help }
}

fn label_width(width: u16) -> usize {
    if width < 90 { 24 } else { 34 }
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let Some(form) = model.form() else { return };
    let wizard = model.screen() == Screen::Options;
    let asked = model.wizard.picks.iter().filter(|p| p.asks && wizard).count();
    let number = model
        .wizard
        .picks
        .iter()
        .take(model.wizard.at + 1)
        .filter(|p| p.asks)
        .count();
    let of = if asked > 1 {
        format!(" ({number} of {asked})")
    } else {
        String::new()
    };
    let whose = match form.lab.as_str() {
        HOST => "this machine".into(),
        lab => clean(lab),
    };
    let title = format!("{whose}: options{of}");
    let body = widgets::surround(model, frame, &title);
    let areas = areas(body);
    let (listing, area) = list(model, body);
    let typing = typing_line(form, &listing, area);
    listing.draw(&model.look, frame, area);
    if let (Some(at), Row::Field(index, _)) = (typing, form.row())
        && let Some(Value::Line(entry)) = form.fields.get(index).map(|f| &f.value)
    {
        super::dialog::entry(model, entry, true, frame, at);
    }
    help(model, form, frame, areas.help);
}

/// Where the line that is typed into is drawn.
fn typing_line(form: &Form, listing: &Listing, area: Rect) -> Option<Rect> {
    if !form.is_typing() {
        return None;
    }
    let y = (area.y..area.bottom()).find(|y| listing.row_at(area, *y) == Some(form.cursor))?;
    let left = u16::try_from(label_width(area.width)).ok()? + 2;
    let width = area.width.checked_sub(left + 1)?;
    Some(Rect::new(area.x + left, y, width, 1))
}

fn help(model: &Model, form: &Form, frame: &mut Frame<'_>, area: Rect) {
    let styles = model.look.styles();
    let block = titled(&model.look, "help", false);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let text = Line::styled(clean(&form.help()).into_owned(), styles.dim);
    frame.render_widget(Paragraph::new(wrap(&text, inside.width, 0)), inside);
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let area = areas(body).list;
    let mut listing = Listing::default();
    let Some(form) = model.form() else {
        return (listing, area);
    };
    listing.cursor = form.cursor;
    let mut header = None;
    for (index, row) in form.rows().iter().enumerate() {
        if let Row::Item(field, _) = row
            && header != Some(*field)
        {
            header = Some(*field);
            let title = form.fields.get(*field).map_or("", |f| f.field.title.as_str());
            let line = Line::styled(clean(title).into_owned(), model.look.styles().text);
            listing.lines.push((None, line));
        }
        listing
            .lines
            .push((Some(index), row_line(&model.look, form, row, area.width)));
        for line in refusal_lines(&model.look, form, row, area.width) {
            listing.lines.push((None, line));
        }
        for line in error_lines(&model.look, form, row, area.width) {
            listing.lines.push((None, line));
        }
    }
    (listing, area)
}

fn row_line(look: &Look, form: &Form, row: &Row, width: u16) -> Line<'static> {
    let styles = look.styles();
    let label = label_width(width);
    let room = usize::from(width).saturating_sub(label + 3);
    match row {
        Row::Continue => Line::from(vec![
            Span::styled(column(form.button.0, label, ""), styles.accent),
            Span::styled(fit(form.button.1, room, look.glyphs.more), styles.dim),
        ]),
        Row::Item(index, id) => {
            let Some(field) = form.fields.get(*index) else {
                return Line::default();
            };
            let picked = matches!(&field.value, Value::Many(ids) if ids.contains(id));
            let mark = if picked { "[x]" } else { "[ ]" };
            let title = choice_title(field, id);
            Line::styled(
                format!("  {mark} {}", fit(&title, room + label - 8, look.glyphs.more)),
                styles.text,
            )
        }
        Row::Field(index, offered) => {
            let Some(field) = form.fields.get(*index) else {
                return Line::default();
            };
            let title = clean(&field.field.title).into_owned();
            let must = if field.field.required { " *" } else { "" };
            let (text, style) = value(look, form, *index, field, offered);
            Line::from(vec![
                Span::styled(
                    column(&format!("{title}{must}"), label - 1, look.glyphs.more),
                    styles.text,
                ),
                Span::raw(" "),
                Span::styled(fit(&text, room, look.glyphs.more), style),
            ])
        }
    }
}

fn choice_title(field: &FormField, id: &str) -> String {
    let item = field.field.choices.iter().find(|c| c.id == id);
    clean(item.map_or(id, |c| c.title.as_str())).into_owned()
}

/// What a field shows, and in which style.
fn value(look: &Look, form: &Form, index: usize, field: &FormField, offered: &[String]) -> (String, Style) {
    let styles = look.styles();
    match &field.value {
        Value::Flag(true) => ("[x] yes".into(), styles.text),
        Value::Flag(false) => ("[ ] no".into(), styles.text),
        Value::One(_) => {
            let title = form.picked(index, offered).map(|id| choice_title(field, id));
            let title = title.unwrap_or_else(|| match offered {
                [] => "nothing to choose from".into(),
                _ => "please choose".into(),
            });
            let text = format!("{} {title} {}", look.glyphs.left, look.glyphs.right);
            (text, styles.accent)
        }
        Value::Line(entry) if entry.text().is_empty() => {
            let hint = match (&field.field.default, field.field.kind) {
                (Some(Answer::Text(default)), FieldKind::Size) => format!("({})", clean(default)),
                (None, FieldKind::Size) => "(empty; or as 40GiB)".into(),
                _ => "(empty)".into(),
            };
            (hint, styles.dim)
        }
        Value::Line(entry) if field.field.kind == FieldKind::Secret => {
            ("*".repeat(entry.text().width().min(24)), styles.text)
        }
        Value::Line(entry) => (clean(entry.text()).into_owned(), styles.text),
        Value::Many(_) => (String::new(), styles.text),
    }
}

/// What is off here, and why.
fn refusal_lines(look: &Look, form: &Form, row: &Row, width: u16) -> Vec<Line<'static>> {
    let Row::Field(index, _) = row else {
        return vec![];
    };
    let texts = form.refusals(*index).into_iter();
    let lines = texts.flat_map(|text| {
        let text = format!("  {} {}", look.glyphs.warn, clean(&text));
        wrap(
            &Line::styled(text, look.styles().warn),
            width.saturating_sub(2),
            4,
        )
    });
    lines.collect()
}

fn error_lines(look: &Look, form: &Form, row: &Row, width: u16) -> Vec<Line<'static>> {
    let (Row::Field(index, _) | Row::Item(index, _)) = row else {
        return vec![];
    };
    let id = form
        .fields
        .get(*index)
        .map(|f| f.field.id.as_str())
        .unwrap_or_default();
    let Some(error) = form.errors.get(id) else {
        return vec![];
    };
    let text = format!("  {} {}", look.glyphs.failed, clean(error));
    wrap(
        &Line::styled(text, look.styles().error),
        width.saturating_sub(2),
        4,
    )
}
