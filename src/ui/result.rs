//! How a run ended: a sentence a lab, how to get in, what was kept, what to type next.
//!
//! ```text
//!  halolab · result                                                ● LXD 5.0.2
//!  ✔ done in 3:20
//!  ai-lab
//!    ✔ ai-lab is ready
//!    proof   gfx1151 ok
//!    enter   halolab shell ai-lab
//! ```
//!
//! Below the result of a run that failed is what can be done about it; at first the line that does nothing is marked.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{
        Model,
        run_view::{Failure, RunView},
    },
    log::clean,
    plan::Choice,
    run::RESTART,
};

use super::{
    review::chosen,
    widgets::{self, Lines, Listing, heading, labelled, point, scrolled, wrap},
    words::{clock, column, fit},
};

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let body = widgets::surround(model, frame, "result");
    let Some(run) = &model.run else { return };
    let areas = areas(model, body);
    let lines = text(model, run, areas.text.width);
    scrolled(&model.look, frame, areas.text, lines, run.scroll);
    if areas.menu.height == 0 {
        return;
    }
    let title = heading(&model.look, "What now?");
    frame.render_widget(title, areas.title);
    list(model, body).0.draw(&model.look, frame, areas.menu);
}

pub(super) struct Areas {
    pub(super) text: Rect,
    title: Rect,
    menu: Rect,
}

/// The menu is right below the text, which has at least half of the height.
pub(super) fn areas(model: &Model, body: Rect) -> Areas {
    let rows = u16::try_from(model.ways().len()).unwrap_or(u16::MAX);
    let rows = rows.min((body.height / 2).saturating_sub(1));
    let title = u16::from(rows > 0);
    let room = body.height.saturating_sub(rows + title);
    let lines = model
        .run
        .as_ref()
        .map_or(0, |run| text(model, run, body.width).len());
    let lines = if rows > 0 {
        u16::try_from(lines).unwrap_or(room)
    } else {
        room
    };
    let [text, title, menu, _] = Layout::vertical([
        Constraint::Length(lines.min(room)),
        Constraint::Length(title),
        Constraint::Length(rows),
        Constraint::Fill(1),
    ])
    .areas(body);
    Areas { text, title, menu }
}

/// What can be done, and where it is drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let area = areas(model, body).menu;
    let (look, styles) = (&model.look, model.look.styles());
    let (ways, run) = (model.ways(), model.run.as_ref());
    let record = run.map(RunView::record);
    let longest = ways.iter().map(|w| w.title().width()).max().unwrap_or(0) + 2;
    let room = usize::from(area.width).saturating_sub(longest + 3);
    let lines = ways.iter().enumerate().map(|(index, way)| {
        let line = record.as_ref().map(|record| way.line(record)).unwrap_or_default();
        let line = Line::from(vec![
            Span::styled(column(&look.own(way.title()), longest, ""), styles.text),
            Span::styled(fit(&look.own(&clean(&line)), room, look.glyphs.more), styles.dim),
        ]);
        (Some(index), line)
    });
    let listing = Listing {
        lines: lines.collect(),
        cursor: run.map_or(0, |run| run.way),
        others: None,
    };
    (listing, area)
}

pub(super) fn text(model: &Model, run: &RunView, width: u16) -> Lines {
    let (look, styles, glyphs) = (&model.look, model.look.styles(), &model.look.glyphs);
    let Some(outcome) = &run.outcome else {
        return vec![];
    };
    let elapsed = clock(run.ended.unwrap_or(model.now).saturating_sub(run.began));
    let (glyph, word, style) = match outcome.code {
        0 => (glyphs.ok, "done", styles.ok),
        3 => (glyphs.failed, "blocked before anything was changed", styles.error),
        5 => (glyphs.warn, "not finished; it can be resumed", styles.warn),
        RESTART => (glyphs.warn, "waits for a restart of this machine", styles.warn),
        8 => (glyphs.warn, "not begun", styles.warn),
        _ if run.stopping => (glyphs.warn, "stopped", styles.warn),
        _ => (glyphs.failed, "failed", styles.error),
    };
    let mut lines = vec![
        Line::default(),
        Line::styled(format!(" {glyph} {word} after {elapsed}"), style),
    ];
    for sentence in &outcome.summary {
        lines.extend(point(glyphs.dot, &clean(sentence), styles.text, width));
    }
    lines.push(Line::default());
    for failure in run.failures.iter().filter(|f| f.lab == "host") {
        lines.extend(failed(model, run, failure, width));
        lines.push(Line::default());
    }
    for track in &run.plan.labs {
        lines.push(heading(
            look,
            &format!("{}: {}", clean(&track.lab), chosen(&track.choice)),
        ));
        let failures: Vec<_> = run.failures.iter().filter(|f| f.lab == track.lab).collect();
        for failure in &failures {
            lines.extend(failed(model, run, failure, width));
        }
        if let Some((verdict, ok)) = run.verdicts.get(&track.lab) {
            let style = if *ok { styles.ok } else { styles.error };
            lines.extend(labelled(look, "  proof", &clean(verdict), style, width));
        }
        if outcome.code == 0 && !matches!(track.choice, Choice::Remove | Choice::SetAside | Choice::Skip) {
            let lab = match &track.choice {
                Choice::RestoreAs(_, name) => name,
                _ => &track.lab,
            };
            let command = format!("halolab shell {}", clean(lab));
            lines.extend(labelled(look, "  enter", &command, styles.accent, width));
        }
        // A plan's promise; of a track that failed only what really happened is said.
        let broken = failures.iter().any(|f| !f.optional);
        for kept in track.keeps.iter().filter(|_| !broken) {
            lines.extend(labelled(look, "  kept", &clean(kept), styles.text, width));
        }
        lines.push(Line::default());
    }
    let log = format!("halolab runs show {}", clean(&outcome.run));
    lines.extend(labelled(look, "This run", &log, styles.dim, width));
    if !run.can_go_on() {
        let next = Line::styled(format!(" {} Enter: to the labs.", glyphs.cursor), styles.accent);
        lines.extend(wrap(&next, width, 3));
    }
    lines
}

fn failed(model: &Model, run: &RunView, failure: &Failure, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let (word, style) = if failure.optional {
        ("left out, as it is optional", styles.warn)
    } else {
        ("failed", styles.error)
    };
    let action = run.plan.actions().find(|a| a.id == failure.id);
    let sentence = action.map_or(failure.id.as_str(), |a| a.sentence.as_str());
    let text = format!("{}: {word}", clean(sentence));
    let mut lines = point(look.glyphs.failed, &text, style, width);
    for part in crate::log::sanitize_text(&failure.error).lines() {
        lines.extend(labelled(look, "  why", part, styles.text, width));
    }
    if let Some(cause) = &failure.cause {
        lines.extend(labelled(look, "  likely", &clean(&cause.is), styles.warn, width));
        if !failure.error.contains(&cause.evidence) {
            lines.extend(labelled(
                look,
                "  line",
                &clean(&cause.evidence),
                styles.dim,
                width,
            ));
        }
        lines.extend(labelled(look, "  mend", &clean(&cause.mend), styles.text, width));
    }
    if !failure.kept.is_empty() {
        lines.extend(labelled(
            look,
            "  kept",
            &clean(&failure.kept),
            styles.text,
            width,
        ));
    }
    if !failure.next.is_empty() {
        lines.extend(labelled(
            look,
            "  next",
            &clean(&failure.next),
            styles.accent,
            width,
        ));
    }
    lines
}
