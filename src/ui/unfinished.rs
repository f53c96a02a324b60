//! The question about a run that was not finished.
//!
//! ```text
//!  ╭ A run was not finished ───────────────────────────────╮
//!  │  Of 2026-11-22 05:00 UTC: 5 of its 12 actions are done│
//!  │  ai-lab: it stopped at "install the packages".        │
//!  │  ✔ keeps  the unfinished ai-lab                       │
//!  │  [▸ Leave it ]  [  Go on ]  [  Undo… ]                │
//!  ╰───────────────────────────────────────────────────────╯
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    text::{Line, Span},
};

use crate::{
    app::{Model, resume::Unfinished},
    host::boot::mend::sentence,
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
    let title = match asked.record.restarted {
        Some(_) => "A run waited for the restart",
        None => "A run was not finished",
    };
    let inside = popup(look, frame, title, (width, height));
    let [body, _, row] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inside);
    scrolled(look, frame, body, lines, 0);
    let names: Vec<String> = asked.buttons().into_iter().map(|n| look.own(n)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    frame.render_widget(buttons(look, &names, asked.marked), row);
}

/// What the run waited for, and whether it counts now.
fn after_restart(model: &Model, asked: &Unfinished, counts: bool, width: u16) -> Lines {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let record = &asked.record;
    let wish = record.plan.awaits().map(|(wish, ..)| sentence(wish));
    let what = wish.unwrap_or_default();
    let what = what.trim_end_matches(", from the next start on");
    let labs: Vec<&str> = record.plan.labs.iter().map(|t| t.lab.as_str()).collect();
    let (glyph, text, style) = if counts {
        let text = format!("The machine was restarted, and the change counts: {what}.");
        (glyphs.ok, text, styles.ok)
    } else {
        let text = format!(
            "The machine was restarted, and the change does NOT count: {what}. The run cannot go on before it does; \
             `halolab doctor` says more. Chosen anew, the lab is made without it."
        );
        (glyphs.failed, text, styles.error)
    };
    let mut lines = wrap(
        &Line::styled(format!("{glyph} {}", clean(&text)), style),
        width,
        2,
    );
    let (done, all) = record.counts();
    let open = all.saturating_sub(done);
    let text = format!("Next: {open} more actions, for {}.", labs.join(", "));
    lines.extend(wrap(
        &Line::styled(clean(&text).into_owned(), styles.text),
        width,
        0,
    ));
    lines
}

fn text(model: &Model, asked: &Unfinished, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![];
    if let Some(counts) = asked.record.restarted {
        lines.extend(after_restart(model, asked, counts, width));
    }
    let (done, all) = asked.record.counts();
    let text = format!(
        "Of {}: {done} of its {all} actions are done.",
        asked.record.date()
    );
    lines.extend(wrap(
        &Line::styled(clean(&text).into_owned(), styles.text),
        width,
        0,
    ));
    let stops = asked.stops().into_iter();
    for stop in stops.filter(|_| asked.record.restarted.is_none()) {
        let who = if stop.lab == "host" {
            "this machine"
        } else {
            stop.lab.as_str()
        };
        let text = format!("{who}: it stopped at \"{}\".", stop.at);
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
    if let Some(error) = &asked.record.error {
        let why = Line::from(vec![
            Span::styled(format!("{} failed ", look.glyphs.failed), styles.error),
            Span::styled(clean(error).into_owned(), styles.text),
        ]);
        lines.extend(wrap(&why, width, 9));
    }
    for lost in asked.losses() {
        let lost = Line::from(vec![
            Span::styled(format!("{} loses  ", look.glyphs.warn), styles.error),
            Span::styled(clean(&lost).into_owned(), styles.text),
        ]);
        lines.extend(wrap(&lost, width, 9));
    }
    if asked.can_trace() {
        let text = "Verbose: go on, and the log shows each command of the script that failed.";
        lines.extend(wrap(&Line::styled(text, styles.dim), width, 0));
    }
    let text = format!(
        "Left alone, it stays as it is, and in the menu of its lab; `halolab runs show {}` says more.",
        asked.record.id
    );
    lines.extend(wrap(
        &Line::styled(clean(&text).into_owned(), styles.dim),
        width,
        0,
    ));
    lines
}
