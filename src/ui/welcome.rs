//! The host's screen: what the machine is, where the engine is, what stands in the way.
//!
//! ```text
//!  halolab · this machine                                          ● LXD 5.0.2
//!
//!  System     Debian 12, kernel 6.18.4
//!  GPU        Radeon 8060S (gfx1151)
//!  Engine     ● LXD 5.0.2 at /var/lib/lxd/unix.socket
//!
//!  Findings
//!    ▲ Docker drops what labs send …
//!
//!  enter  on to the labs
//! ```

use ratatui::{Frame, text::Line};

use crate::{
    app::{Engine, Model},
    host::{Fact, Facts, Severity},
    labs::counted,
    log::clean,
};

use super::{
    widgets::{self, Lines, heading, labelled, point, scrolled, wrap},
    words::bytes,
};

pub(super) fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = widgets::surround(model, frame, "this machine");
    let lines = text(model, area.width);
    scrolled(&model.look, frame, area, lines, model.welcome_scroll);
}

pub(super) fn text(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let mut lines = vec![Line::default()];
    lines.extend(machine(model, width));
    lines.extend(engine(model, width));
    lines.push(Line::default());
    lines.extend(findings(model, width));
    lines.extend(judged(model, width));
    lines.extend(workspaces(model, width));
    let next = match (&model.engine, model.labs.is_first_run()) {
        (Engine::Looking, _) => "The container engine is being looked for; nothing is changed.",
        (Engine::Ready, true) => {
            "Enter: choose what to set up. Nothing happens before you have seen the plan."
        }
        (Engine::Ready, false) => "Enter: on to your labs.",
        (Engine::Absent(_), _) if model.is_asleep() => {
            "Enter: start the engine, then see your labs. The plan is shown before anything happens."
        }
        (Engine::Absent(_), _) => {
            "Enter: choose what to set up. The plan begins with the engine, and is shown before anything happens."
        }
        (Engine::Failed(_), _) => "Enter: look again.",
    };
    let next = Line::styled(format!(" {} {next}", look.glyphs.cursor), styles.accent);
    lines.extend(wrap(&next, width, 3));
    lines
}

fn machine(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let facts = model.facts();
    if facts.is_empty() {
        let text = look.own("Looking at this machine…");
        return vec![Line::styled(format!(" {} {text}", look.glyphs.busy), styles.busy)];
    }
    let rows = [
        ("System", join(&[word(&facts, "os"), kernel(&facts)])),
        (
            "Processor",
            join(&[word(&facts, "cpu_name"), count(&facts, "cpus", "threads")]),
        ),
        ("Memory", size(&facts, "memory")),
        ("GPU", gpu(&facts)),
        ("Free disk", size(&facts, "free_disk")),
    ];
    rows.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .flat_map(|(label, value)| labelled(look, label, &value, styles.text, width))
        .collect()
}

fn gpu(facts: &Facts) -> String {
    let gfx = match word(facts, "gfx") {
        gfx if gfx.is_empty() => gfx,
        gfx => format!("({gfx})"),
    };
    let known = [
        ("gpu_amd", "AMD"),
        ("gpu_nvidia", "NVIDIA"),
        ("gpu_intel", "Intel"),
    ];
    let makers = known
        .iter()
        .filter(|(fact, _)| facts.get(*fact) == Some(&Fact::Bool(true)));
    let makers = makers.map(|(_, name)| *name).collect::<Vec<_>>().join(" and ");
    let name = match word(facts, "gpu_name") {
        name if name.is_empty() => makers.clone(),
        name => name,
    };
    if makers.is_empty() && name.is_empty() {
        return "none found; labs compute on the processor".into();
    }
    [name, gfx].join(" ").trim().to_owned()
}

fn word(facts: &Facts, name: &str) -> String {
    match facts.get(name) {
        Some(Fact::Text(text)) => clean(text).into_owned(),
        _ => String::new(),
    }
}

fn kernel(facts: &Facts) -> String {
    match word(facts, "kernel") {
        text if text.is_empty() => text,
        text => format!("kernel {text}"),
    }
}

fn count(facts: &Facts, name: &str, of: &str) -> String {
    match facts.get(name) {
        Some(Fact::Number(count)) if *count > 0 => format!("{count} {of}"),
        _ => String::new(),
    }
}

fn size(facts: &Facts, name: &str) -> String {
    match facts.get(name) {
        Some(Fact::Number(count)) if *count > 0 => bytes(*count),
        _ => String::new(),
    }
}

fn join(parts: &[String]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|p| !p.is_empty())
        .collect();
    parts.join(", ")
}

fn engine(model: &Model, width: u16) -> Lines {
    let (look, styles, glyphs) = (&model.look, model.look.styles(), &model.look.glyphs);
    let (glyph, text, style) = match &model.engine {
        Engine::Looking => (glyphs.busy, look.own("looking for LXD or Incus…"), styles.busy),
        Engine::Absent(text) => (glyphs.missing, clean(text).into_owned(), styles.warn),
        Engine::Failed(text) => (glyphs.failed, clean(text).into_owned(), styles.error),
        Engine::Ready => {
            let server = model.world.as_ref().and_then(|w| w.server.as_ref());
            let text = server.map_or_else(String::new, |s| {
                format!("{} {} at {}", s.title(), clean(&s.version), clean(&s.address))
            });
            (glyphs.running, text, styles.ok)
        }
    };
    let mut lines = labelled(look, "Engine", &format!("{glyph} {text}"), style, width);
    for pool in model.world.iter().flat_map(|w| &w.pools) {
        let name = clean(&pool.name);
        let used = format!(
            "{name} ({}), {} of {} used",
            clean(&pool.driver),
            bytes(pool.used),
            bytes(pool.total)
        );
        lines.extend(labelled(look, "Pool", &used, styles.text, width));
    }
    lines
}

/// What the look at the machine found, in a line; the screen of its own says more.
fn judged(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let Some(machine) = &model.host_view.machine else {
        return vec![];
    };
    let count = |wanted| {
        let all = machine.report.judgement.findings.iter();
        all.filter(|finding| finding.severity == wanted).count()
    };
    let counts = [
        (count(Severity::Fail), "fail"),
        (count(Severity::Warn), "warn"),
        (count(Severity::Info), "info"),
    ];
    let said: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let (glyph, style) = match counts {
        [(1.., _), ..] => (look.glyphs.failed, styles.error),
        [_, (1.., _), _] => (look.glyphs.warn, styles.warn),
        _ => (look.glyphs.ok, styles.ok),
    };
    let said = if said.is_empty() {
        "nothing found that is wrong".to_owned()
    } else {
        said.join(", ")
    };
    let mut lines = point(glyph, &format!("this machine: {said}; i shows it"), style, width);
    if machine.needs_restart() {
        let text = "a change of the boot configuration counts after a restart; i shows it";
        lines.extend(point(look.glyphs.warn, text, styles.warn, width));
    }
    let broken = |c: &&crate::run::receipt::Open| c.standing == crate::run::receipt::Standing::DoesNotCount;
    for change in machine.changes.iter().filter(broken) {
        let text = format!(
            "restarted, and this does not count: {}; i shows it",
            clean(&change.entry.what)
        );
        lines.extend(point(look.glyphs.failed, &text, styles.error, width));
    }
    lines.push(Line::default());
    lines
}

/// The line of the workspaces: where somebody has one, or could.
fn workspaces(model: &Model, width: u16) -> Lines {
    let (look, styles) = (&model.look, model.look.styles());
    let rows = model.workspace_rows();
    let written = model.book().is_some_and(|book| book.written);
    let (text, style) = match &model.workspaces.book {
        Some(Err(_)) => (
            "Workspaces: workspaces.toml cannot be read; w says why".to_owned(),
            styles.warn,
        ),
        _ if !rows.is_empty() => {
            let running = model.running_users().len();
            let users = counted(rows.len(), "user");
            (
                format!("Workspaces: {users}, {running} running; w shows them"),
                styles.text,
            )
        }
        Some(Ok(_)) if written || model.has_docker() => (
            "Workspaces: nobody has one yet; w, then a adds the first user".to_owned(),
            styles.text,
        ),
        _ => return vec![],
    };
    let mut lines = point(look.glyphs.dot, &text, style, width);
    lines.push(Line::default());
    lines
}

fn findings(model: &Model, width: u16) -> Lines {
    let (look, styles, glyphs) = (&model.look, model.look.styles(), &model.look.glyphs);
    let Some(host) = model.host.as_ref().filter(|h| !h.findings.is_empty()) else {
        return vec![];
    };
    let mut lines = vec![heading(look, "Findings")];
    for finding in &host.findings {
        let (glyph, style) = match finding.severity {
            Severity::Info => (glyphs.dot, styles.text),
            Severity::Warn => (glyphs.warn, styles.warn),
            Severity::Fail => (glyphs.failed, styles.error),
        };
        lines.extend(point(glyph, &look.own(&clean(&finding.text())), style, width));
        if let Some(mend) = &finding.mend {
            let text = format!("mend: {}", clean(mend));
            lines.extend(point(" ", &text, styles.dim, width));
        }
    }
    lines.push(Line::default());
    lines
}
