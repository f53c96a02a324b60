//! The labs: one row each, with its state, proof, snapshots and use; details beside it where there is room.
//!
//! ```text
//!  halolab · labs                                                  ● LXD 5.0.2
//!    name        state         snapshots  disk      memory    proof
//!  ▸ ai-lab      ● running     3          12.1 GiB  1.1 GiB   ✔ gfx1151 ok
//!    dev-lab     · not made    [ ]
//! ```

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    app::{Engine, Model},
    backend::Engine as LabEngine,
    labs::{Lab, Presence, drift},
    log::clean,
};

use super::{
    widgets::{self, Lines, Listing, labelled, scrolled, scrolled_in_box, titled, wrap},
    words::{bytes, column, date},
};

/// From this width on, the details have a place of their own.
const WIDE: u16 = 110;

struct Areas {
    heads: Rect,
    list: Rect,
    details: Rect,
}

fn areas(body: Rect) -> Areas {
    let [table, details] = if body.width >= WIDE {
        Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(body)
    } else {
        let height = if body.height >= 18 { 8 } else { 0 };
        Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas(body)
    };
    let [heads, list] = Layout::vertical([Constraint::Length(2), Constraint::Fill(1)]).areas(table);
    Areas { heads, list, details }
}

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let first = model.labs.is_first_run();
    let title = if first { "choose labs" } else { "labs" };
    let body = widgets::surround(model, frame, title);
    let areas = areas(body);
    let styles = model.look.styles();
    let hint = Line::styled(format!("  {}", hint(model)), styles.accent);
    frame.render_widget(
        hint,
        Rect {
            height: 1,
            ..areas.heads
        },
    );
    let heads = Line::styled(heads(model, areas.heads.width), styles.dim);
    frame.render_widget(
        heads,
        Rect {
            y: areas.heads.y + 1,
            height: 1,
            ..areas.heads
        },
    );
    if model.labs.rows.is_empty() {
        let text = match &model.engine {
            Engine::Looking => model.look.own("The container engine is being looked for…"),
            _ => "There is no stage to make a lab from; see `halolab stage list`.".into(),
        };
        let lines = wrap(
            &Line::styled(format!("  {text}"), styles.dim),
            areas.list.width,
            2,
        );
        scrolled(&model.look, frame, areas.list, lines, 0);
    } else {
        list(model, body).0.draw(&model.look, frame, areas.list);
    }
    if areas.details.height > 2 {
        details(model, frame, areas.details);
    }
}

/// What to do here.
fn hint(model: &Model) -> String {
    let unended = model.world.as_ref().and_then(|world| world.unended.first());
    if let Some(run) = unended.filter(|_| model.labs.marked.is_empty()) {
        return format!("Unfinished run of {}: u goes on, undoes or leaves it.", run.date);
    }
    match (model.labs.marked.len(), model.labs.is_first_run()) {
        (0, true) => "Mark with space what is to be set up, then press enter.".into(),
        (0, false) => match model.jobs.running() {
            0 => String::new(),
            1 => "1 job runs: tab shows it.".into(),
            many => format!("{many} jobs run: tab shows them."),
        },
        (1, _) => "1 marked: enter goes on to its options.".into(),
        (many, _) => format!("{many} marked: enter goes on to their options."),
    }
}

/// The rows, and where they are drawn.
pub(super) fn list(model: &Model, body: Rect) -> (Listing, Rect) {
    let area = areas(body).list;
    let rows = &model.labs.rows;
    let widths = widths(model, area.width);
    let make = |index: usize| {
        rows.get(index)
            .map_or_else(Line::default, |lab| row(model, lab, widths))
    };
    let listing = Listing::of_rows(rows.len(), model.labs.cursor, area, make);
    (listing, area)
}

/// Widths of name, state, snapshots, disk and memory; what is 0 is left out.
fn widths(model: &Model, width: u16) -> [usize; 5] {
    let names = model.labs.rows.iter().map(|lab| clean(&lab.name).width());
    let longest = names.max().unwrap_or(0);
    let half = model.labs.rows.iter().any(|lab| lab.updating.is_some());
    let state = if half { 15 } else { 14 };
    let name = (longest + 2).clamp(14, if width < 70 { 24 } else { 32 });
    match (width, name) {
        (0..=69, _) => [name, state, 5, 0, 0],
        // A name that can be read whole is worth more than what the details say too.
        (70..=89, 21..) => [name, state, 5, 0, 10],
        (70..=89, _) => [name, state, 5, 10, 10],
        _ => [name, 15, 10, 12, 12],
    }
}

fn heads(model: &Model, width: u16) -> String {
    let [name, state, snapshots, disk, memory] = widths(model, width);
    let count = if snapshots < 9 { "snap" } else { "snapshots" };
    format!(
        "      {}{}{}{}{}about",
        column("name", name, ""),
        column("state", state, ""),
        column(count, snapshots, ""),
        column("disk", disk, ""),
        column("memory", memory, ""),
    )
}

/// Glyph, word and style of a lab's state as it is now: unknown while the engine is away.
fn state_now(model: &Model, lab: &Lab) -> (&'static str, &'static str, Style) {
    let world = model.world.as_ref();
    let away = world.is_some_and(|world| world.is_unknown(lab));
    if model.is_stale() || away {
        return (model.look.glyphs.unknown, "unknown", model.look.styles().dim);
    }
    model.look.state(lab)
}

fn row(model: &Model, lab: &Lab, widths: [usize; 5]) -> Line<'static> {
    let (look, styles) = (&model.look, model.look.styles());
    let [name, state, snapshots, disk, memory] = widths;
    let more = look.glyphs.more;
    let (glyph, word, style) = state_now(model, lab);
    let plain = if model.is_stale() { styles.dim } else { styles.text };
    let live = model.labs.states.get(&lab.name);
    let mark = match (lab.presence, model.labs.marked.contains(&lab.name)) {
        (Presence::Missing, true) => "[x] ",
        (Presence::Missing, false) => "[ ] ",
        _ => "    ",
    };
    let count = match lab.presence {
        Presence::Ours => lab.snapshots.to_string(),
        _ => String::new(),
    };
    let used = live.and_then(|s| s.disk).map(bytes).unwrap_or_default();
    let ram = live.map(|s| bytes(s.memory)).unwrap_or_default();
    let away = model.world.as_ref().and_then(|world| world.lab_away(lab.engine));
    let proof = match lab.presence {
        Presence::Missing if away.is_some() => format!("no {} here", lab.engine.title()),
        Presence::Missing => clean(&lab.title).into_owned(),
        _ => lab
            .verdict
            .as_deref()
            .map(|v| clean(v).into_owned())
            .unwrap_or_default(),
    };
    Line::from(vec![
        Span::styled(mark, styles.accent),
        Span::styled(column(&clean(&lab.name), name - 1, more) + " ", plain),
        Span::styled(column(&format!("{glyph} {word}"), state, more), style),
        Span::styled(column(&count, snapshots, more), plain),
        Span::styled(column(&used, disk, ""), plain),
        Span::styled(column(&ram, memory, ""), plain),
        Span::styled(
            proof,
            if lab.proof_failed() {
                styles.error
            } else {
                styles.dim
            },
        ),
    ])
}

fn details(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(lab) = model.labs.current() else {
        return;
    };
    let block = titled(&model.look, &clean(&lab.name), false);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    scrolled_in_box(
        &model.look,
        frame,
        inside,
        about(model, lab, inside.width),
        (0, inside),
    );
}

/// What is known of a lab: state, stage, proof, addresses, use, kept copies, what survives.
pub(super) fn about(model: &Model, lab: &Lab, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let (glyph, word, style) = state_now(model, lab);
    let word = match look.state(lab) {
        (_, before, _) if model.is_stale() => {
            format!("{word}; {before} when last seen, {}", model.last_seen())
        }
        _ => word.to_owned(),
    };
    let stage = model.setup.catalog.get(&lab.stage);
    let mut lines = labelled(look, "State", &format!("{glyph} {word}"), style, width);
    let mut add = |label: &str, value: &str| {
        if !value.is_empty() {
            let failed = label == "Proof" && lab.proof_failed();
            let style = if failed { styles.error } else { styles.text };
            lines.extend(labelled(look, label, value, style, width));
        }
    };
    add("Engine", &clean(&docker_words(model, lab)));
    add("Stage", &clean(&lab.title));
    if let (Presence::Missing, Some(stage)) = (lab.presence, stage) {
        add("What", &clean(&stage.summary));
    }
    if lab.presence == Presence::Foreign {
        add(
            "Note",
            "an instance of this name that halolab did not make; it is not touched",
        );
    }
    let back = lab.updating.as_deref().map(clean);
    let back = back.map(|back| format!("its update did not end; {back} is as it was before it"));
    add("Note", &back.unwrap_or_default());
    add("Proof", &lab.verdict.as_deref().map(clean).unwrap_or_default());
    add("Moved", &moved(model, lab));
    if let Some(state) = model.labs.states.get(&lab.name) {
        add("Address", &clean(&state.addresses.join(", ")));
        let disk = state
            .disk
            .map_or_else(|| "disk unknown".to_owned(), |d| format!("{} disk", bytes(d)));
        add("Uses", &format!("{disk}, {} memory", bytes(state.memory)));
    }
    if let Some(instance) = &lab.instance {
        add("Made", &date(&instance.created));
    }
    let versions = lab.kept.iter().filter(|k| k.is_version());
    let kept = versions.map(|k| clean(&k.name).into_owned());
    add("Kept", &kept.collect::<Vec<_>>().join(", "));
    let open = model.world.as_ref().map_or(&[][..], |world| &world.unended);
    for beside in lab.kept.iter().filter_map(|k| k.beside(&lab.name, open)) {
        add("Beside", &clean(&beside));
    }
    let mounts = stage.iter().flat_map(|s| &s.mounts);
    let mounts: Vec<String> = mounts.map(|m| clean(&m.title).into_owned()).collect();
    add("Outlives", &mounts.join(", "));
    let unnamed = lab.instance.iter().flat_map(|instance| &instance.unnamed);
    let unnamed: Vec<&str> = unnamed.map(|volume| volume.path.as_str()).collect();
    if !unnamed.is_empty() {
        let text = format!("{} (volumes of its image: in no snapshot)", unnamed.join(", "));
        add("Volumes", &clean(&text));
    }
    lines
}

/// Which Docker a lab of it is on, or why it is not there; empty for labs of the engine that the first screen names.
fn docker_words(model: &Model, lab: &Lab) -> String {
    let Some(world) = model.world.as_ref().filter(|_| lab.engine == LabEngine::Docker) else {
        return String::new();
    };
    let server = world.docker.as_ref().and_then(|docker| docker.server.as_ref());
    let here = server.map(|s| format!("{} {} at {}", s.title(), s.version, s.address));
    here.or_else(|| world.lab_away(lab.engine).map(str::to_owned))
        .unwrap_or_default()
}

/// What is another than at a lab's proof; empty where nothing is.
fn moved(model: &Model, lab: &Lab) -> String {
    let moved = model
        .world
        .as_ref()
        .map(|world| world.moved(lab))
        .unwrap_or_default();
    if moved.is_empty() {
        return String::new();
    }
    let look = &model.look;
    let text = format!("{} {} since it was proven", look.glyphs.warn, drift::text(&moved));
    look.own(&clean(&text))
}
