//! What one action of the plan runs, to the letter, over the plan.
//!
//! ```text
//!  ╭ 3 of 12: install the base packages ───────────────────╮
//!  │ $ lxc exec ai-lab -- sh -eu  # the script base         │
//!  │ Runs inside ai-lab as root, with `sh -eu`.             │
//!  │ The script:                                            │
//!  │     pacman -Syu --noconfirm …                          │
//!  ╰───────────────────────────────────────────────────────╯
//! ```

use ratatui::{Frame, layout::Rect, text::Line};

use crate::{
    app::{Model, dialog::ScriptView},
    log::clean,
    plan::{Action, script::exact},
};

use super::{
    widgets::{Lines, popup, scrolled_in_box, wrap},
    window,
    words::fit,
};

/// Rows of the window that are left to the screen below: its title and its keys.
const LEFT: u16 = 3;

fn size(area: Rect) -> (u16, u16) {
    (area.width, area.height.saturating_sub(LEFT))
}

/// Inside of the box: without its border and padding.
fn inside(area: Rect) -> (u16, u16) {
    let (width, height) = size(area);
    (width.saturating_sub(4), height.saturating_sub(2))
}

pub(super) fn view(model: &Model, view: &ScriptView, frame: &mut Frame<'_>) {
    let Some((action, count)) = shown(model, view) else {
        return;
    };
    let look = &model.look;
    let title = format!("{} of {count}: {}", view.at + 1, clean(&action.sentence));
    let title = fit(
        &title,
        usize::from(frame.area().width).saturating_sub(6),
        look.glyphs.more,
    );
    let area = popup(look, frame, &title, size(frame.area()));
    scrolled_in_box(
        look,
        frame,
        area,
        text(model, action, area.width),
        (view.scroll, area),
    );
}

fn shown<'a>(model: &'a Model, view: &ScriptView) -> Option<(&'a Action, usize)> {
    let plan = &model.review.as_ref()?.plan;
    Some((plan.actions().nth(view.at)?, plan.actions().count()))
}

fn text(model: &Model, action: &Action, width: u16) -> Lines {
    let styles = model.look.styles();
    let command = Line::styled(format!("$ {}", clean(&action.command)), styles.accent);
    let mut lines = wrap(&command, width, 2);
    for line in exact(action) {
        let indent = line.len() - line.trim_start().len();
        let style = if indent > 0 { styles.text } else { styles.dim };
        let line = Line::styled(clean(&line).into_owned(), style);
        // What goes on in the next row is further in than any line of its own.
        lines.extend(wrap(&line, width, (indent + 4).min(usize::from(width) / 2)));
    }
    lines
}

/// Scroll positions of what is shown.
pub(crate) fn rows(model: &Model, view: &ScriptView) -> usize {
    let (width, height) = inside(window(model));
    let count = shown(model, view).map_or(0, |(action, _)| text(model, action, width).len());
    super::widgets::positions(count, height)
}
