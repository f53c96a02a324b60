//! Nothing of outside text but letters and colours reaches the terminal, from any source, in any view.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/sample/mod.rs"]
mod sample;

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use halolab::view::{Palette, Screen, Viewer};
use halolab::{
    app::{
        HostSummary, Missing, Model, Msg, Tone,
        machine::{Aim, Machine, Proposed},
    },
    host::{
        Finding, Severity,
        boot::{Change, Proposal, Way},
    },
    labs::Kept,
    log::{Document, document::SharedRules, sanitize, sanitize_line, sanitize_text},
    run::{
        Event, Outcome,
        receipt::{Entry, Open, Standing, State},
    },
};
use proptest::prelude::*;
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use sample::press;
use vte::{Params, Parser, Perform};

struct Hostile {
    id: String,
    class: String,
    want: String,
    bytes: Vec<u8>,
}

/// The corpus, and what is too large to keep in a file.
fn corpus() -> Vec<Hostile> {
    let text = std::fs::read_to_string("tests/fixtures/hostile/hostile.jsonl").unwrap();
    let mut lines: Vec<Hostile> = text
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| value[key].as_str().unwrap().to_owned();
            Hostile {
                id: word("id"),
                class: word("class"),
                want: word("want"),
                bytes: BASE64_STANDARD.decode(word("b64")).unwrap(),
            }
        })
        .collect();
    let large: [(&str, Vec<u8>); 6] = [
        ("1 MiB line", vec![b'A'; 1 << 20]),
        ("256 KiB of colours", b"\x1b[31m\x1b[0m".repeat(28_000)),
        (
            "20000 parameters",
            [b"\x1b[".to_vec(), b"1;".repeat(20_000), b"mx".to_vec()].concat(),
        ),
        (
            "64 KiB title",
            [b"\x1b]0;".to_vec(), vec![b'B'; 65_536], b"\x07x".to_vec()].concat(),
        ),
        ("64 KiB backspaces", vec![8; 65_536]),
        ("300 kB escapes", vec![0x1b; 300_000]),
    ];
    lines.extend(large.map(|(id, bytes)| Hostile {
        id: id.into(),
        class: "size".into(),
        want: "bound".into(),
        bytes,
    }));
    lines
}

/// Watches a terminal: keeps what is none of ours.
#[derive(Default)]
struct Watch {
    refused: Vec<String>,
}

fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl Perform for Watch {
    fn print(&mut self, c: char) {
        if invisible(c) {
            self.refused.push(format!("{c:?}"));
        }
    }

    fn execute(&mut self, byte: u8) {
        self.refused.push(format!("control {byte:#x}"));
    }

    fn hook(&mut self, _: &Params, _: &[u8], _: bool, _: char) {
        self.refused.push("DCS".into());
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        self.refused.push(format!("OSC {params:?}"));
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, action: char) {
        let cursor = intermediates == b"?" && params.iter().all(|p| p == [25]) && matches!(action, 'h' | 'l');
        let ours = intermediates.is_empty() && matches!(action, 'm' | 'H' | 'J' | 'K');
        if !(cursor || ours) {
            self.refused
                .push(format!("CSI {intermediates:?} {params:?} {action}"));
        }
        // Conceal and blink are ways to hide or to shout; ours are never drawn with them.
        if action == 'm' && params.iter().any(|p| matches!(p, [5 | 6 | 8])) && params.len() == 1 {
            self.refused.push("hidden or blinking".into());
        }
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        self.refused.push(format!("ESC {byte:#x}"));
    }
}

/// The bytes that a terminal gets for a model.
fn bytes(model: &Model) -> Vec<u8> {
    let mut out = vec![];
    let area = Rect::new(0, 0, model.size.0, model.size.1);
    let options = TerminalOptions {
        viewport: Viewport::Fixed(area),
    };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut out), options).unwrap();
    terminal.draw(|frame| halolab::ui::view(model, frame)).unwrap();
    drop(terminal);
    out
}

fn refused(model: &Model) -> Vec<String> {
    let mut watch = Watch::default();
    Parser::new().advance(&mut watch, &bytes(model));
    watch.refused
}

/// Puts the text into all that the lists know of labs and the engine.
fn spoil(model: &mut Model, text: &str) {
    let own = || text.to_owned();
    for row in &mut model.labs.rows {
        row.verdict = Some(own());
        row.title = own();
        row.updating = Some(own());
        row.kept = vec![Kept {
            name: own(),
            created: own(),
            verdict: Some(own()),
            replacement: false,
            whole: true,
            run: None,
        }];
    }
    model.labs.rows[3].name = own();
    for state in model.labs.states.values_mut() {
        state.addresses = vec![own()];
    }
    let world = model.world.as_mut().unwrap();
    world.pools[0].name = own();
    world.pools[0].driver = own();
    let server = world.server.as_mut().unwrap();
    (server.version, server.address) = (own(), own());
    model.say(Tone::Bad, own());
}

fn welcome(text: &str) -> Model {
    let mut model = sample::ready(80, 24);
    spoil(&mut model, text);
    let mut summary = HostSummary {
        facts: sample::facts(),
        findings: vec![Finding {
            id: text.into(),
            severity: Severity::Fail,
            seen: text.into(),
            why: text.into(),
            fix: Some(text.into()),
            source: Some(text.into()),
            mend: Some(text.into()),
            script: None,
            details: std::collections::BTreeMap::new(),
        }],
    };
    summary.facts.insert("gpu_name".into(), text.into());
    model.world.as_mut().unwrap().facts = summary.facts.clone();
    model.update(Msg::Host(Box::new(summary)));
    model
}

/// The host's screen of a machine whose every word is this text.
fn host(text: &str, keys: &str) -> Model {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| sample::host_of("strix-halo-128-untuned-badfw"));
    let own = || text.to_owned();
    let mut found = MACHINE.clone();
    let machine = &mut found.report.machine;
    (machine.host.cpu_name, machine.host.os_name, machine.host.kernel) =
        (Some(own()), Some(own()), Some(own()));
    let board = machine.host.board.get_or_insert_default();
    (board.vendor, board.product, board.bios) = (own(), own(), own());
    for gpu in &mut machine.gpus {
        (gpu.name, gpu.driver, gpu.gfx, gpu.pci) = (own(), Some(own()), Some(own()), Some(own()));
    }
    for npu in &mut machine.npus {
        (npu.name, npu.driver, npu.pci) = (own(), Some(own()), own());
    }
    machine.storage.filesystem = Some(own());
    found.report.matrix = own();
    for finding in &mut found.report.judgement.findings {
        (finding.id, finding.seen, finding.why) = (own(), own(), own());
        (finding.fix, finding.source, finding.mend) = (Some(own()), Some(own()), Some(own()));
    }
    let pool = found.pool.as_mut().unwrap();
    (pool.gpu, pool.source) = (own(), Some(own()));
    found.changes = vec![Open {
        entry: entry(text),
        standing: Standing::RestartNeeded,
        undo: Some(own()),
    }];
    found.problem = Some(own());
    let mut model = sample::open_host(found, 80, 24);
    model.host_view.working = Some((own(), 0));
    press(&mut model, keys);
    model
}

fn entry(text: &str) -> Entry {
    let own = || text.to_owned();
    Entry {
        id: own(),
        when: own(),
        what: own(),
        state: State::Done,
        set: vec![(own(), own())],
        removed: vec![own()],
        proposal: proposal(text),
        boot: own(),
        undone: None,
        root: None,
        more: std::collections::BTreeMap::new(),
    }
}

fn proposal(text: &str) -> Proposal {
    Proposal {
        way: Way::Grub,
        changes: vec![Change {
            path: text.into(),
            before: Some(text.into()),
            after: Some(format!("{text}\n{text}")),
        }],
        was: vec![],
        refresh: text.into(),
    }
}

/// A change whose every word is this text.
fn proposed(text: &str) -> Model {
    let mut model = host(text, "");
    model.update(Msg::Proposed(Ok(Box::new(Proposed {
        what: text.into(),
        aim: Aim::TakeBack(Box::new(entry(text))),
        ways: vec![(Way::Grub, Ok(proposal(text))), (Way::Limine, Err(text.into()))],
        at: 0,
        hint: Some(text.into()),
    }))));
    model
}

fn labs(text: &str, keys: &str) -> Model {
    let mut model = sample::labs(80, 24);
    spoil(&mut model, text);
    press(&mut model, keys);
    model
}

fn picker(text: &str, keys: &str) -> Model {
    let own = || text.to_owned();
    let mut rows = sample::snapshots();
    for row in &mut rows {
        (row.name, row.note, row.holds, row.verdict) = (own(), own(), own(), Some(own()));
        (row.created, row.pinned) = (own(), false);
    }
    let mut model = sample::picker(80, 24);
    model.update(Msg::Snapshots("ai-lab".into(), Ok(rows)));
    press(&mut model, keys);
    model
}

/// Every screen, with this text in each place that comes from outside.
fn views(text: &str) -> Vec<(&'static str, Model)> {
    let mut lost = labs(text, "");
    lost.update(Msg::World(Err(Missing {
        text: text.into(),
        absent: false,
        docker: None,
    })));
    let mut broken = sample::picker(80, 24);
    broken.update(Msg::Snapshots("ai-lab".into(), Err(text.into())));
    vec![
        ("welcome", welcome(text)),
        ("host", host(text, "")),
        ("host, memory", host(text, "down")),
        ("host, change", host(text, "down down")),
        ("host, finding", host(text, "down down down")),
        ("host, proposed", proposed(text)),
        ("lost", lost),
        ("menu", labs(text, "enter")),
        ("foreign", labs(text, "down down down enter enter")),
        ("picker", picker(text, "")),
        ("delete", picker(text, "d")),
        ("note", picker(text, "m")),
        ("broken", broken),
        ("review", review(text)),
        ("options", options(text)),
        ("run", run(text)),
        ("result", result(text)),
    ]
}

fn review(text: &str) -> Model {
    let mut model = sample::review(80, 24);
    let track = &mut model.review.as_mut().unwrap().plan.labs[0];
    track.lab = text.into();
    track.loses = vec![text.into()];
    track.keeps = vec![text.into()];
    for action in &mut track.actions {
        (action.sentence, action.command) = (text.into(), text.into());
        action.destroys = Some(text.into());
        action.undo = halolab::plan::Undo::By(text.into());
    }
    model
}

fn options(text: &str) -> Model {
    let mut model = sample::options(80, 24);
    let form = model.wizard.forms.get_mut("ai-lab").unwrap();
    for field in &mut form.fields {
        (field.field.title, field.field.help) = (text.into(), text.into());
        for choice in &mut field.field.choices {
            choice.title = text.into();
        }
        form.errors.insert(field.field.id.clone(), text.into());
    }
    model
}

fn run(text: &str) -> Model {
    let mut model = sample::run(80, 24);
    let progress = Event::Progress {
        id: "ai-lab/base".into(),
        text: text.into(),
        percent: None,
    };
    model.update(Msg::Run(progress));
    model.update(Msg::Run(Event::Verdict {
        lab: "ai-lab".into(),
        verdict: text.into(),
        ok: true,
    }));
    model
}

fn result(text: &str) -> Model {
    let mut model = run(text);
    model.update(Msg::Run(Event::Failed {
        id: text.into(),
        lab: "ai-lab".into(),
        error: text.into(),
        kept: text.into(),
        next: text.into(),
        optional: false,
        cause: Some(halolab::run::causes::Cause {
            id: text.into(),
            is: text.into(),
            mend: text.into(),
            evidence: text.into(),
        }),
    }));
    model.update(Msg::Ended(Outcome {
        run: text.into(),
        // The menu of what can be done names the action, too.
        code: 5,
        summary: vec![text.into()],
    }));
    model
}

#[test]
fn no_view_lets_anything_through() {
    for hostile in corpus() {
        let text = String::from_utf8_lossy(&hostile.bytes).into_owned();
        for (view, model) in views(&text) {
            let refused = refused(&model);
            assert!(refused.is_empty(), "{} in {view}: {refused:?}", hostile.id);
        }
    }
}

/// All that a log with these bytes makes the viewer write: each way to look at it, at several sizes.
fn viewed(bytes: &[u8], wanted: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.log");
    // Bytes of an archive at the beginning would be read as one.
    std::fs::write(&path, [b"a line before\n", bytes, b"\nthe next line\n"].concat()).unwrap();
    let wake: halolab::log::Wake = std::sync::Arc::new(|| {});
    let log = Document::open(&path, &SharedRules::default(), &wake).unwrap();
    let name = String::from_utf8_lossy(bytes).into_owned();
    let mut viewer = Viewer::new(vec![sanitize(&name)], false);
    let mut logs = [log];
    let (palette, mut refused, mut seen) = (
        Palette {
            colours: true,
            ..Palette::default()
        },
        vec![],
        String::new(),
    );
    for (keys, size) in [
        ("", (80, 24)),
        ("w", (200, 60)),
        ("G", (60, 15)),
        ("gr", (80, 24)),
        ("t|", (80, 24)),
    ] {
        for letter in keys.chars() {
            viewer.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
            viewer.read(&mut logs);
        }
        let area = Rect::new(0, 0, size.0, size.1);
        viewer.lay_out(area);
        viewer.read(&mut logs);
        let mut out = vec![];
        let options = TerminalOptions {
            viewport: Viewport::Fixed(area),
        };
        let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut out), options).unwrap();
        let screen = Screen {
            viewer: &viewer,
            palette: &palette,
        };
        terminal
            .draw(|frame| {
                screen.draw(frame.buffer_mut(), area);
            })
            .unwrap();
        drop(terminal);
        let mut watch = Watch::default();
        Parser::new().advance(&mut watch, &out);
        refused.extend(watch.refused);
        let page = &viewer.panes[0].page;
        seen.extend(page.rows.iter().map(|r| r.text.clone()));
    }
    if !seen.contains(wanted) {
        refused.push(format!("{wanted:?} is not seen"));
    }
    refused
}

#[test]
fn no_log_line_lets_anything_through() {
    for hostile in corpus() {
        let refused = viewed(&hostile.bytes, "the next line");
        assert!(refused.is_empty(), "{}: {refused:?}", hostile.id);
    }
}

#[test]
fn harmless_text_stays_and_hidden_characters_are_spelled_out() {
    for hostile in corpus() {
        let text = String::from_utf8_lossy(&hostile.bytes).into_owned();
        let plain = sanitize_line(&hostile.bytes).to_string();
        match hostile.want.as_str() {
            "keep" => assert!(plain.len() > 3, "{}: {plain:?}", hostile.id),
            "bound" => assert!(plain.chars().count() <= 4096 * 9, "{}", hostile.id),
            "visible" => assert!(!plain.is_empty(), "{}: {text:?}", hostile.id),
            _ => {}
        }
        if hostile.class == "legit" {
            assert!(!plain.contains("<U+"), "{}: {plain}", hostile.id);
        }
    }
    assert_eq!(sanitize("ai\u{202e}-lab"), "ai<U+202E>-lab");
    assert_eq!(sanitize("ai\u{ad}-lab"), "ai<U+00AD>-lab");
    assert_eq!(sanitize("a\x1b]52;c;eA==\x07b\nc"), "ab c");
    assert_eq!(sanitize_text("one\x1b]0;never ended\ntwo"), "one\ntwo");
    assert_eq!(sanitize("e\u{301}"), "e\u{301}");
}

#[test]
fn a_progress_bar_shows_its_last_state_and_colours_stay() {
    let line = sanitize_line(b"Get:1 http://mirror  12%\r         \rReading package lists... Done");
    assert_eq!(line.to_string().trim_end(), "Reading package lists... Done");
    let line = sanitize_line(b"\x1b[1;32mok\x1b[m plain\ttab \x1b]8;;http://x\x07link\x1b]8;;\x07");
    assert_eq!(line.to_string(), "ok plain        tab link");
    assert_eq!(line.spans[0].style.fg, Some(ratatui::style::Color::Green));
    let black_on_black = sanitize_line(b"\x1b[30;40mrm -rf /\x1b[m");
    let style = black_on_black.spans[0].style;
    assert_ne!(style.fg, style.bg);
}

proptest! {
    #[test]
    fn cleaning_twice_is_cleaning_once(text in "\\PC*|.*|[\x00-\x20\x7f-\u{a0}\u{200b}-\u{2064}a-c\\[\\];m]{0,60}") {
        let once = sanitize(&text);
        prop_assert_eq!(sanitize(&once), once.clone());
        prop_assert!(!once.chars().any(invisible), "{:?}", once);
        let once = sanitize_text(&text);
        prop_assert_eq!(sanitize_text(&once), once);
    }

    #[test]
    fn any_bytes_are_a_harmless_line(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let line = sanitize_line(&bytes).to_string();
        prop_assert!(!line.chars().any(invisible), "{:?}", line);
        prop_assert_eq!(sanitize_line(line.as_bytes()).to_string(), line);
    }
}
