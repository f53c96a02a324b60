//! The plan before anything happens: what is lost and kept, and each action with its command and undo.
//!
//! ```text
//!  halolab · plan                                                  ● LXD 5.0.2
//!  ai-lab: restore before-update                        2 actions, about 4 s
//!    loses   what was changed since
//!    keeps   models, caches
//!    1. take the snapshot safety-3 of ai-lab                           1 s
//!       $ lxc snapshot ai-lab safety-3        undo: remove it
//!
//!   [▸ Cancel ]   [  Apply ]
//! ```

use std::collections::BTreeSet;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{Model, model::Review},
    labs::counted,
    log::clean,
    plan::{Action, Choice, Track, Undo},
};

use super::{
    look::Look,
    widgets::{self, Lines, buttons, heading, point, scrolled, wrap},
    words::{bytes, estimate},
};

pub(super) fn text_area(body: Rect) -> Rect {
    let [text, _] = Layout::vertical([Constraint::Fill(1), Constraint::Length(3)]).areas(body);
    text
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let body = widgets::surround(model, frame, "plan");
    let (look, styles) = (&model.look, model.look.styles());
    let Some(review) = &model.review else { return };
    let area = text_area(body);
    let lines = text(model, review, area.width);
    scrolled(look, frame, area, lines, review.scroll);
    let foot = Rect {
        y: area.bottom(),
        height: body.bottom() - area.bottom(),
        ..body
    };
    let [rule, total, row] = Layout::vertical([Constraint::Length(1); 3]).areas(foot);
    let border = look.border().horizontal_top.repeat(rule.width.into());
    frame.render_widget(Line::styled(border, styles.border), rule);
    let count = review.plan.actions().count();
    let none = BTreeSet::new();
    let done = review.done().unwrap_or(&none);
    let ended = review.plan.actions().filter(|a| done.contains(&a.id)).count();
    let begins = match ended {
        0 => "Nothing has happened yet.".to_owned(),
        ended => format!("{ended} of them done, not done again."),
    };
    let says = format!(
        " {}, about {}. {begins}",
        counted(count, "action"),
        estimate(review.plan.seconds_but(done))
    );
    frame.render_widget(Line::styled(says, styles.text), total);
    let marked = usize::from(review.apply);
    frame.render_widget(buttons(look, &["Cancel", "Apply"], marked), row);
}

/// Lines, each with the action that it is about, counted over all actions of the plan.
pub(super) type Tagged = Vec<(Option<usize>, Line<'static>)>;

pub(super) fn text(model: &Model, review: &Review, width: u16) -> Lines {
    let lines = tagged(model, review, width).into_iter();
    lines.map(|(_, line)| line).collect()
}

pub(super) fn tagged(model: &Model, review: &Review, width: u16) -> Tagged {
    let look = &model.look;
    let plan = &review.plan;
    let none = BTreeSet::new();
    let done = review.done().unwrap_or(&none);
    let mut lines: Tagged = vec![];
    lines.extend(offer(model, width).into_iter().map(|line| (None, line)));
    if !plan.host.is_empty() {
        lines.push((None, heading(look, "This machine, first")));
        lines.extend(actions(look, (&plan.host, done), 0, width));
        lines.push((None, Line::default()));
    }
    let mut before = plan.host.len();
    for track in &plan.labs {
        lines.push((None, track_head(look, track, width)));
        lines.extend(losses(look, track, width).into_iter().map(|line| (None, line)));
        lines.extend(actions(look, (&track.actions, done), before, width));
        lines.push((None, Line::default()));
        before += track.actions.len();
    }
    if plan.labs.len() > 1 {
        let text = " The labs are worked on side by side.";
        lines.push((None, Line::styled(text, look.styles().dim)));
    }
    lines
}

/// The offer to give the GPU more memory first; what is chosen unless somebody says so is to leave it.
fn offer(model: &Model, width: u16) -> Lines {
    let (Some(pool), Some(review)) = (model.tuning_offer(), &model.review) else {
        return vec![];
    };
    let (look, styles) = (&model.look, model.look.styles());
    let text = if review.plan.is_tuned() {
        "The machine's boot configuration is changed first (v shows how), and the run stops there for a restart. t: leave it as it is"
            .to_owned()
    } else {
        format!(
            "The GPU may have {} of the memory, the kernel's default. t: first give it up to {} GiB; the run then stops \
             until this machine was restarted, and goes on after it",
            pool.now.map_or_else(|| "half".into(), bytes),
            model.chosen_gib(pool)
        )
    };
    let mut lines = point(look.glyphs.warn, &text, styles.warn, width);
    lines.push(Line::default());
    lines
}

/// What was chosen, in words.
pub(super) fn chosen(choice: &Choice) -> String {
    match choice {
        Choice::Create => "create".into(),
        Choice::Restore(snapshot) => format!("restore {}", clean(snapshot)),
        Choice::RestoreAs(snapshot, name) => format!("copy {} to {}", clean(snapshot), clean(name)),
        Choice::Recreate => "recreate from fresh packages".into(),
        Choice::RecreateFromClean => "recreate from clean".into(),
        Choice::BringBack(kept) => format!("bring back {}", clean(kept)),
        Choice::Update => "update".into(),
        Choice::Renew => "renew limits, ports and devices".into(),
        Choice::SetAside => "set aside".into(),
        Choice::Remove => "remove".into(),
        Choice::Adopt => "adopt".into(),
        Choice::Prove => "prove".into(),
        Choice::Skip => "skip".into(),
    }
}

fn track_head(look: &Look, track: &Track, width: u16) -> Line<'static> {
    let styles = look.styles();
    let left = format!(" {}: {}", clean(&track.lab), chosen(&track.choice));
    let seconds = track.actions.iter().map(|a| a.seconds).sum();
    let right = format!(
        "{}, {} ",
        counted(track.actions.len(), "action"),
        estimate(seconds)
    );
    let gap = usize::from(width).saturating_sub(left.width() + right.width());
    Line::from(vec![
        Span::styled(left, styles.accent),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, styles.dim),
    ])
}

/// The table of what is lost and what is kept.
fn losses(look: &Look, track: &Track, width: u16) -> Lines {
    let styles = look.styles();
    let row = |label: &str, text: &str, style| {
        let line = Line::from(vec![
            Span::styled(format!("   {label} "), style),
            Span::styled(clean(text).into_owned(), styles.text),
        ]);
        wrap(&line, width, 4 + label.width())
    };
    let mut lines = vec![];
    for note in &track.notes {
        lines.extend(row(&format!("{} note", look.glyphs.warn), note, styles.warn));
    }
    for loss in &track.loses {
        lines.extend(row(&format!("{} loses", look.glyphs.warn), loss, styles.error));
    }
    for kept in &track.keeps {
        lines.extend(row(&format!("{} keeps", look.glyphs.ok), kept, styles.ok));
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines
}

/// The lines of some actions, of which some are done, `before` of which others come.
fn actions(look: &Look, actions: (&[Action], &BTreeSet<String>), before: usize, width: u16) -> Tagged {
    let (actions, done) = actions;
    let mut lines = vec![];
    for (index, action) in actions.iter().enumerate() {
        let of_it = if done.contains(&action.id) {
            let text = format!("{:>2}. done: {}", index + 1, clean(&action.sentence));
            point(look.glyphs.ok, &text, look.styles().dim, width)
        } else {
            action_lines(look, index + 1, action, width)
        };
        let of_it = of_it.into_iter();
        lines.extend(of_it.map(|line| (Some(before + index), line)));
    }
    lines
}

fn action_lines(look: &Look, number: usize, action: &Action, width: u16) -> Lines {
    let styles = look.styles();
    let optional = if action.optional { " (optional)" } else { "" };
    let head = Line::from(vec![
        Span::styled(format!("  {number:>2}. "), styles.dim),
        Span::styled(clean(&action.sentence).into_owned(), styles.text),
        Span::styled(format!("{optional}  {}", estimate(action.seconds)), styles.dim),
    ]);
    let mut lines = wrap(&head, width, 6);
    let detail = |text: String, style| wrap(&Line::styled(format!("      {text}"), style), width, 8);
    lines.extend(detail(format!("$ {}", clean(&action.command)), styles.dim));
    if let Some(destroys) = &action.destroys {
        let text = format!("{} destroys {}", look.glyphs.warn, clean(destroys));
        lines.extend(detail(text, styles.error));
    }
    match &action.undo {
        Undo::Nothing => {}
        Undo::By(how) => lines.extend(detail(format!("undo: {}", clean(how)), styles.dim)),
        Undo::Never => lines.extend(point(look.glyphs.warn, "cannot be undone", styles.warn, width)),
    }
    lines
}
