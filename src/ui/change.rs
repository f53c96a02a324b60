//! A change of the machine before it is made: the files as a diff, and what is run afterwards.
//!
//! ```text
//!  ╭ let the GPU use up to 96 GiB of the memory ────────────╮
//!  │ Written in GRUB (1 of 2; w: another place)             │
//!  │ --- /etc/default/grub                                  │
//!  │ -GRUB_CMDLINE_LINUX_DEFAULT="quiet"                    │
//!  │ +GRUB_CMDLINE_LINUX_DEFAULT="quiet ttm.pages_limit=…"  │
//!  │ [▸ Cancel ]  [  Apply ]                                │
//!  ╰────────────────────────────────────────────────────────╯
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::Line,
};

use crate::{
    app::{
        Model,
        dialog::Dialog,
        machine::{Aim, ChangeView, Proposed},
    },
    host::{
        boot::{self, Proposal},
        firewall,
    },
    log::clean,
};

use super::{
    look::Look,
    widgets::{Lines, buttons, popup, positions, scrolled_in_box, wrap},
    window,
    words::fit,
};

/// A diff is wider than a sentence.
const WIDTH: u16 = 110;

/// Rows of the box that are not text: its border, and the buttons with a line before them.
const FRAME: u16 = 4;

fn width(area: Rect) -> u16 {
    WIDTH.min(area.width.saturating_sub(2))
}

/// Rows of text in the box.
fn height(area: Rect, lines: usize) -> u16 {
    let most = area.height.saturating_sub(2 + FRAME);
    u16::try_from(lines).unwrap_or(u16::MAX).min(most)
}

pub(super) fn view(model: &Model, view: &ChangeView, frame: &mut Frame<'_>) {
    let look = &model.look;
    let width = width(frame.area());
    let lines = text(look, &view.proposed, width.saturating_sub(4));
    let size = (width, height(frame.area(), lines.len()) + FRAME);
    let room = usize::from(width).saturating_sub(6);
    let title = fit(&clean(&view.proposed.what), room, look.glyphs.more);
    let inside = popup(look, frame, &title, size);
    let [body, _, row] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(1)]).areas(inside);
    scrolled_in_box(look, frame, body, lines, (view.scroll, inside));
    let names: &[&str] = if view.proposed.can_apply() {
        &["Cancel", "Apply"]
    } else {
        &["Close"]
    };
    frame.render_widget(buttons(look, names, usize::from(view.apply)), row);
}

/// Scroll positions of what is shown, and the rows of a page.
pub(crate) fn rows(model: &Model) -> (usize, usize) {
    let Some(Dialog::Change(view)) = &model.dialog else {
        return (1, 1);
    };
    let area = window(model);
    let count = text(&model.look, &view.proposed, width(area).saturating_sub(4)).len();
    let height = height(area, count);
    (
        positions(count, height),
        usize::from(height).saturating_sub(1).max(1),
    )
}

fn text(look: &Look, proposed: &Proposed, width: u16) -> Lines {
    let styles = look.styles();
    let mut lines = vec![];
    let mut add = |text: &str, style: Style| {
        lines.extend(wrap(&Line::styled(clean(text).into_owned(), style), width, 2));
    };
    add(&format!("This will {}.", proposed.what), styles.text);
    if let Some(hint) = &proposed.hint {
        add(&format!("{} {hint}", look.glyphs.warn), styles.warn);
    }
    if let Some((way, _)) = proposed.ways.get(proposed.at) {
        let count = proposed.ways.len();
        let other = match count {
            0 | 1 => String::new(),
            _ => format!(" ({} of {count} places; w: another one)", proposed.at + 1),
        };
        add(&format!("Written in {}{other}.", way.title()), styles.accent);
    }
    match (&proposed.aim, proposed.proposal()) {
        (Aim::Firewall(bridges), _) => {
            add(
                &format!("For each of: {}. As root:", bridges.join(", ")),
                styles.text,
            );
            for line in firewall::MEND.lines() {
                add(&format!("  {line}"), styles.dim);
            }
        }
        (_, Some(Err(why))) => add(&format!("{} {why}", look.glyphs.failed), styles.error),
        (_, Some(Ok(proposal))) => files(look, proposal, &mut add),
        (_, None) => {}
    }
    lines
}

/// The files as a diff, and what is run afterwards.
fn files(look: &Look, proposal: &Proposal, add: &mut impl FnMut(&str, Style)) {
    let styles = look.styles();
    if proposal.changes.is_empty() {
        let text = "There is nothing to do: the boot configuration is like that already. What it says counts after a \
                    restart of the machine.";
        return add(text, styles.ok);
    }
    for change in &proposal.changes {
        for line in boot::diff(change).lines() {
            let style = match line.as_bytes() {
                [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => styles.accent,
                [b'-', ..] => styles.error,
                [b'+', ..] => styles.ok,
                [b'@', ..] => styles.dim,
                _ => styles.text,
            };
            add(line, style);
        }
    }
    if boot::lacks_refresh(proposal) {
        let text = "No program was found that makes the boot menu or the initial file system anew: do that by hand \
                    afterwards, or the change does not count.";
        add(&format!("{} {text}", look.glyphs.warn), styles.warn);
    } else if proposal.refresh.is_empty() {
        add("Nothing has to be run afterwards.", styles.text);
    } else {
        add("And then, as root:", styles.text);
        for line in proposal.refresh.lines() {
            add(&format!("  $ {line}"), styles.text);
        }
    }
    add(
        "The files as they are now are kept, and u puts them back. It counts after a restart of the machine.",
        styles.dim,
    );
}
