//! The question about a run that was not finished.
//!
//! ```text
//!  ╭ A run was not finished ───────────────────────────────╮
//!  │  ai-lab: 5 of 12 actions are done; it stopped at      │
//!  │  "install the packages"                               │
//!  │  ✔ keeps  the unfinished ai-lab                       │
//!  │  [▸ Leave it ]  [  Continue ]  [  Take it back… ]     │
//!  ╰───────────────────────────────────────────────────────╯
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    text::{Line, Span},
};

use crate::{
    app::{Model, resume::Unfinished},
    log::clean,
};

use super::widgets::{Lines, buttons, popup, scrolled, wrap};

const WIDTH: u16 = 72;

pub(super) fn view(model: &Model, asked: &Unfinished, frame: &mut Frame<'_>) {
    let look = &model.look;
    let width = WIDTH.min(frame.area().width.saturating_sub(2));
    let lines = text(model, asked, width.saturating_sub(4));
    let tall = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4);
    let height = tall.min(frame.area().height.saturating_sub(2));
    let inside = popup(look, frame, "A run was not finished", (width, height));
    let [body, _, row] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inside);
    scrolled(look, frame, body, lines, 0);
    let names: Vec<String> = asked.buttons().into_iter().map(|n| look.own(n)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    frame.render_widget(buttons(look, &names, asked.marked), row);
}

fn text(model: &Model, asked: &Unfinished, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![];
    for stop in asked.stops() {
        let who = if stop.lab == "host" {
            "this machine"
        } else {
            stop.lab.as_str()
        };
        let (done, all) = stop.done;
        let text = format!(
            "{who}: {done} of {all} actions are done; it stopped at \"{}\".",
            stop.at
        );
        lines.extend(wrap(
            &Line::styled(clean(&text).into_owned(), styles.text),
            width,
            0,
        ));
        let kept = Line::from(vec![
            Span::styled(format!("{} keeps  ", look.glyphs.ok), styles.ok),
            Span::styled(clean(&stop.kept).into_owned(), styles.text),
        ]);
        lines.extend(wrap(&kept, width, 9));
    }
    for lost in asked.losses() {
        let lost = Line::from(vec![
            Span::styled(format!("{} loses  ", look.glyphs.warn), styles.error),
            Span::styled(clean(&lost).into_owned(), styles.text),
        ]);
        lines.extend(wrap(&lost, width, 9));
    }
    let text = format!(
        "Left alone, it stays as it is; `halolab runs show {}` says more.",
        asked.record.id
    );
    lines.extend(wrap(
        &Line::styled(clean(&text).into_owned(), styles.dim),
        width,
        0,
    ));
    lines
}
