//! How a model looks. Reads the model, draws, and changes nothing.

pub(crate) mod change;
mod dialog;
mod failed_build;
mod help;
mod host;
mod jobs;
mod labs;
pub mod look;
mod menu;
mod options;
pub mod progress_pane;
mod result;
mod review;
mod run;
pub(crate) mod script;
mod snapshots;
mod text;
pub mod theme;
mod unfinished;
mod welcome;
mod widgets;
pub(crate) mod words;
mod workspaces;
mod wrap;

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Paragraph, Wrap},
};

use crate::app::{
    Model, Screen,
    model::{Dialog, SMALLEST},
};

/// Draws the whole screen.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let styles = model.look.styles();
    frame.render_widget(Block::new().style(styles.screen), frame.area());
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return too_small(model, frame);
    }
    match model.screen() {
        Screen::Welcome => welcome::view(model, frame),
        Screen::Host => host::view(model, frame),
        Screen::Labs => labs::view(model, frame),
        Screen::Menu => menu::view(model, frame),
        Screen::Jobs => jobs::view(model, frame),
        Screen::Workspaces => workspaces::view(model, frame),
        Screen::Ports => workspaces::ports_view(model, frame),
        Screen::Snapshots => snapshots::view(model, frame),
        Screen::Options | Screen::User => options::view(model, frame),
        Screen::Review => review::view(model, frame),
        Screen::Run => run::view(model, frame),
        Screen::Result => result::view(model, frame),
    }
    match &model.dialog {
        Some(Dialog::Confirm(confirm)) => dialog::confirm(model, confirm, frame),
        Some(Dialog::Prompt(prompt)) => dialog::prompt(model, prompt, frame),
        Some(Dialog::Themes(picker)) => dialog::themes(model, picker, frame),
        Some(Dialog::FailedBuild(menu)) => failed_build::view(model, menu, frame),
        Some(Dialog::Unfinished(asked)) => unfinished::view(model, asked, frame),
        Some(Dialog::Script(view)) => script::view(model, view, frame),
        Some(Dialog::Change(view)) => change::view(model, view, frame),
        Some(Dialog::Text(reading)) => text::view(model, reading, frame),
        None => {}
    }
    if let Some(scroll) = model.help {
        help::view(model, scroll, frame);
    }
}

/// What matters most comes first: of a very small window only the first words are seen.
fn too_small(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let running = model.run.as_ref().filter(|_| model.is_running()).map(|run| {
        let (done, all) = run.counts();
        format!("The run goes on: {done} of {all} actions are done. ")
    });
    let keys = match (&model.dialog, &running) {
        (Some(_), _) => "A question waits there.",
        (None, Some(_)) => "q asks whether to stop the run.",
        (None, None) => "q quits.",
    };
    let text = format!(
        "{}halolab needs a window of {} x {}; this one is {} x {}. {keys}",
        running.unwrap_or_default(),
        SMALLEST.0,
        SMALLEST.1,
        area.width,
        area.height
    );
    let text = Paragraph::new(Line::styled(text, model.look.styles().warn)).wrap(Wrap { trim: true });
    frame.render_widget(text, area);
}

fn window(model: &Model) -> Rect {
    Rect::new(0, 0, model.size.0, model.size.1)
}

fn body(model: &Model) -> Rect {
    widgets::parts(model, window(model)).body
}

/// The list row at a place of the window, for the mouse.
pub(crate) fn row_at(model: &Model, x: u16, y: u16) -> Option<usize> {
    if model.is_small() || model.help.is_some() || model.dialog.is_some() {
        return None;
    }
    let body = body(model);
    if let (Screen::Run, Some(run)) = (model.screen(), &model.run) {
        let area = run::areas(run, body).build;
        return if area.contains((x, y).into()) {
            run::build_row(model, run, area, y)
        } else {
            None
        };
    }
    let (listing, area) = match model.screen() {
        Screen::Labs => labs::list(model, body),
        Screen::Host => host::list(model, body),
        Screen::Menu => menu::list(model, body),
        Screen::Jobs => jobs::list(model, body),
        Screen::Workspaces => workspaces::list(model, body),
        Screen::Snapshots => snapshots::list(model, body),
        Screen::Options | Screen::User => options::list(model, body),
        Screen::Result => result::list(model, body),
        _ => return None,
    };
    if x < area.x || x >= area.right() {
        return None;
    }
    listing.row_at(area, y)
}

/// Scroll positions of the host's screen.
pub(crate) fn welcome_rows(model: &Model) -> usize {
    let area = body(model);
    widgets::positions(welcome::text(model, area.width).len(), area.height)
}

/// Scroll positions of the map of ports.
pub(crate) use workspaces::ports_rows;

/// Scroll positions of the host's details, and the rows of a page of them.
pub(crate) fn host_details(model: &Model) -> (usize, usize) {
    host::details(model, body(model))
}

/// Scroll positions of the text that is read.
pub(crate) fn text_rows(model: &Model) -> usize {
    match &model.dialog {
        Some(Dialog::Text(reading)) => text::rows(model, reading),
        _ => 0,
    }
}

/// Scroll positions of the plan.
pub(crate) fn review_rows(model: &Model) -> usize {
    let area = review::text_area(body(model));
    let count = model
        .review
        .as_ref()
        .map_or(0, |r| review::text(model, r, area.width).len());
    widgets::positions(count, area.height)
}

/// The action of the plan that is the first one in view, counted over all of its actions.
pub(crate) fn first_action(model: &Model) -> usize {
    let Some(review) = &model.review else { return 0 };
    let area = review::text_area(body(model));
    let first = |(at, _): &(Option<usize>, Line<'_>)| *at;
    review::tagged(model, review, area.width)
        .iter()
        .skip(review.scroll)
        .find_map(first)
        .unwrap_or(0)
}

/// Scroll positions of the result.
pub(crate) fn result_rows(model: &Model) -> usize {
    let area = result::areas(model, body(model)).text;
    let count = model
        .run
        .as_ref()
        .map_or(0, |r| result::text(model, r, area.width).len());
    widgets::positions(count, area.height)
}

/// Where the logs of the run go.
pub(crate) fn log_area(model: &Model) -> Rect {
    let Some(run) = &model.run else {
        return Rect::default();
    };
    run::areas(run, body(model)).log
}

/// Where the build beside the log is; nothing where it is hidden.
pub(crate) fn build_area(model: &Model) -> Rect {
    let Some(run) = &model.run else {
        return Rect::default();
    };
    run::areas(run, body(model)).build
}
