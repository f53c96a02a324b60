//! A run: the actions of each lab with their marks on the left, the live log on the right.
//!
//! ```text
//!  halolab · run                          3 of 9 · 1:12           ● LXD 5.0.2
//!  ai-lab: create        │ log of ai-lab ─────────────────────────── following
//!   ✔ create     0.9 s   │ Get:1 http://deb.debian.org bookworm …
//!   ▶ packages   0:42    │ …
//!   · snapshot           │
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Borders},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{
        Model,
        run_view::{Mark, RunView},
    },
    log::clean,
    plan::{Action, Track},
    progress::Tree,
    view,
};

use super::{
    look::Look,
    progress_pane::{self, Position, ProgressPane},
    review::chosen,
    widgets::{self, Listing},
    words::{clock, fit, took},
};

pub(super) struct Areas {
    steps: Rect,
    pub(super) log: Rect,
    /// The build beside the log; nothing where it is hidden.
    pub(super) build: Rect,
}

pub(super) fn areas(run: &RunView, body: Rect) -> Areas {
    let [bar, body] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(body);
    let _ = bar;
    if run.zoomed {
        return with_build(run, Rect { height: 0, ..body }, body);
    }
    let [steps, log] = if body.width >= 76 {
        let width = (body.width / 3).clamp(30, 60);
        Layout::horizontal([Constraint::Length(width), Constraint::Fill(1)]).areas(body)
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(body)
    };
    with_build(run, steps, log)
}

fn with_build(run: &RunView, steps: Rect, log: Rect) -> Areas {
    let (log, build) = if run.build.shown {
        let pane = run.shown().and_then(|lab| run.build.pane(lab, None));
        let (tree, position) = (Tree::new(), Position::default());
        progress_pane::split(
            log,
            pane.unwrap_or_else(|| ProgressPane::empty(&tree, &position))
                .height(),
        )
    } else {
        (log, Rect::default())
    };
    Areas { steps, log, build }
}

/// The row of the build at a line of the screen.
pub(super) fn build_row(model: &Model, run: &RunView, area: Rect, y: u16) -> Option<usize> {
    let pane = run.build.pane(run.shown()?, None)?;
    progress_pane::row_at(&model.look, pane, area, y)
}

fn build(model: &Model, run: &RunView, frame: &mut Frame<'_>, area: Rect) {
    if area.is_empty() {
        return;
    }
    let seconds = i64::try_from(model.now).unwrap_or(0);
    let now = run.is_running().then(|| seconds.saturating_mul(1000));
    let (tree, position) = (Tree::new(), Position::default());
    let nothing = ProgressPane {
        focus: run.build.focus,
        ..ProgressPane::empty(&tree, &position)
    };
    let pane = run.shown().and_then(|lab| run.build.pane(lab, now));
    progress_pane::view(&model.look, pane.unwrap_or(nothing), frame.buffer_mut(), area);
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let body = widgets::surround(model, frame, "run");
    let look = &model.look;
    let Some(run) = &model.run else { return };
    let bar = Rect { height: 1, ..body };
    frame.render_widget(progress(model, run, bar.width), bar);
    let areas = areas(run, body);
    if areas.steps.height > 0 {
        steps(model, run, frame, areas.steps);
    }
    let palette = look.palette();
    let screen = view::Screen {
        viewer: &run.viewer,
        palette: &palette,
    };
    build(model, run, frame, areas.build);
    let typing = screen.draw(frame.buffer_mut(), areas.log);
    if let Some(at) = typing.filter(|_| model.dialog.is_none() && model.help.is_none()) {
        frame.set_cursor_position(at);
    }
}

/// How far the run is: a bar, counts and a clock.
fn progress(model: &Model, run: &RunView, width: u16) -> Line<'static> {
    let (glyphs, styles) = (&model.look.glyphs, model.look.styles());
    let (done, all) = run.counts();
    let elapsed = run.ended.unwrap_or(model.now).saturating_sub(run.began);
    let (word, style) = match (&run.outcome, run.stopping) {
        (Some(outcome), _) if outcome.code == 0 => ("done", styles.ok),
        (Some(_), _) => ("ended with a failure", styles.error),
        (None, true) => ("stopping", styles.warn),
        (None, false) => ("running", styles.busy),
    };
    let dot = glyphs.dot;
    let text = format!(" {word} {dot} {done} of {all} actions {dot} {} ", clock(elapsed));
    let room = usize::from(width).saturating_sub(text.width() + 1);
    let full = (room * done).checked_div(all).unwrap_or(0);
    Line::from(vec![
        Span::styled(text, style),
        Span::styled(glyphs.bar_full.repeat(full), styles.ok),
        Span::styled(glyphs.bar_empty.repeat(room - full), styles.border),
    ])
}

/// The lab, what is done with it, and its verdict.
fn title(model: &Model, run: &RunView, track: &Track, width: usize) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let head = format!(" {}: {}", clean(&track.lab), chosen(&track.choice));
    let head = fit(&head, width, look.glyphs.more);
    let room = width.saturating_sub(head.width());
    let Some((verdict, ok)) = run.verdicts.get(&track.lab) else {
        return Line::styled(head, styles.accent);
    };
    let verdict = format!(" {} {}", look.glyphs.dot, clean(verdict));
    let style = if *ok { styles.accent } else { styles.error };
    Line::from(vec![
        Span::styled(head, styles.accent),
        Span::styled(fit(&verdict, room, look.glyphs.more), style),
    ])
}

fn steps(model: &Model, run: &RunView, frame: &mut Frame<'_>, area: Rect) {
    let look = &model.look;
    let beside = area.width < frame.area().width;
    let block = Block::new()
        .borders(if beside { Borders::RIGHT } else { Borders::NONE })
        .border_set(look.border())
        .border_style(look.styles().border);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = vec![];
    let mut current = 0;
    let mut add = |title: Line<'static>, actions: &[Action], lines: &mut Vec<Line<'static>>| {
        lines.push(title);
        for action in actions {
            let state = run.state(&action.id);
            if matches!(state.mark, Mark::Running | Mark::Failed) {
                current = lines.len();
            }
            lines.extend(action_lines(model, run, action, usize::from(inside.width)));
        }
    };
    if !run.plan.host.is_empty() {
        let title = Line::styled(" this machine", look.styles().accent);
        add(title, &run.plan.host, &mut lines);
    }
    for track in &run.plan.labs {
        add(
            title(model, run, track, inside.width.into()),
            &track.actions,
            &mut lines,
        );
    }
    let lines = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| (Some(index), line));
    let listing = Listing {
        lines: lines.collect(),
        cursor: current,
        others: None,
    };
    listing.draw_plain(look, frame, inside);
}

fn mark(look: &Look, mark: Mark) -> (&'static str, Style) {
    let (glyphs, styles) = (&look.glyphs, look.styles());
    match mark {
        Mark::Waiting => (glyphs.waiting, styles.dim),
        Mark::Running => (glyphs.busy, styles.busy),
        Mark::Done => (glyphs.ok, styles.ok),
        Mark::Skipped => (glyphs.skipped, styles.dim),
        Mark::Failed => (glyphs.failed, styles.error),
    }
}

fn action_lines(model: &Model, run: &RunView, action: &Action, width: usize) -> Vec<Line<'static>> {
    let (look, styles) = (&model.look, model.look.styles());
    let state = run.state(&action.id);
    let (glyph, style) = mark(look, state.mark);
    let time = match state.mark {
        Mark::Running => clock(model.now.saturating_sub(state.began)),
        Mark::Done => took(state.millis),
        Mark::Skipped => "was done".into(),
        Mark::Failed => "failed".into(),
        Mark::Waiting => String::new(),
    };
    let room = width.saturating_sub(time.width() + 5);
    let sentence = fit(&clean(&action.sentence), room, look.glyphs.more);
    let gap = room.saturating_sub(sentence.width());
    let text = if state.mark == Mark::Waiting {
        styles.dim
    } else {
        styles.text
    };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!(" {glyph} "), style),
        Span::styled(sentence, text),
        Span::raw(" ".repeat(gap + 1)),
        Span::styled(format!("{time} "), styles.dim),
    ])];
    if let (Mark::Running, Some((words, percent))) = (state.mark, &state.progress) {
        let percent = percent.map(|p| format!("{p} % ")).unwrap_or_default();
        let text = format!("   {percent}{}", clean(words));
        lines.push(Line::styled(fit(&text, width, look.glyphs.more), styles.busy));
    }
    lines
}
