//! What the user sees: every screen at four sizes.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "common/sample/mod.rs"]
mod sample;

use halolab::{
    app::{Missing, Model, Msg, build::Known},
    progress::{Estimate, Reader, Tree},
    run::{Event, Outcome},
};
use rstest::rstest;
use sample::{draw, press};

type Sample = fn(u16, u16) -> Model;

fn absent(width: u16, height: u16) -> Model {
    let mut model = sample::fresh(width, height);
    model.update(Msg::Host(Box::new(sample::host())));
    let mut world = sample::empty_world();
    world.server = None;
    world.pools = vec![];
    model.update(Msg::World(Ok(Box::new(world))));
    model.update(Msg::World(Err(Missing {
        text: "no LXD or Incus was found; halolab installs one".into(),
        absent: true,
        docker: None,
    })));
    model
}

fn lost(width: u16, height: u16) -> Model {
    let mut model = sample::labs(width, height);
    model.update(Msg::World(Err(Missing {
        text: "no answer from lxd at /var/lib/lxd/unix.socket: connection refused; is its service running? try `systemctl start lxd`, then `halolab status`".into(),
        absent: false,
    docker: None,
    })));
    model
}

/// A lab whose update failed, with an earlier version beside it.
fn half_updated(width: u16, height: u16) -> Model {
    let mut model = sample::labs(width, height);
    let mut world = sample::world();
    let tags = [("updating", "update-1"), ("verdict", "FAILED: no GPU inside")];
    for (key, value) in tags {
        let config = &mut world.instances.first_mut().unwrap().config;
        config.insert(halolab::labs::tag(key), value.into());
    }
    let prev = world.instances.get_mut(1).unwrap();
    prev.config
        .insert(halolab::labs::tag("verdict"), "gfx1151 ok, ROCm 7.13".into());
    model.update(Msg::World(Ok(Box::new(world))));
    model
}

/// A lab that was proven on another kernel and driver than run now.
fn moved(width: u16, height: u16) -> Model {
    let mut model = sample::ready(width, height);
    let mut world = sample::world();
    let verdict = r#"{"v":1,"ok":true,"grade":"hip","date":"2026-11-10T08:20:00Z","kernel":"6.18.2-1-cachyos",
        "host":{"kernel":"6.18.2-1-cachyos","firmware":"0x80"}}"#;
    let config = &mut world.instances.first_mut().unwrap().config;
    config.insert(halolab::labs::tag("verdict"), verdict.into());
    world.facts.insert("mes_firmware".into(), "0x83".into());
    let mut host = sample::host();
    host.findings = world.drift(&world.labs(&sample::catalog()));
    model.update(Msg::Host(Box::new(host)));
    model.update(Msg::World(Ok(Box::new(world))));
    model
}

/// Its snapshots, proven when it was made.
fn moved_snapshots(width: u16, height: u16) -> Model {
    let mut model = pressed(moved, "enter s")(width, height);
    let mut rows = sample::snapshots();
    for row in &mut rows {
        let verdict = r#"{"v":1,"ok":true,"grade":"hip","date":"","kernel":"6.18.2-1-cachyos"}"#;
        row.proof = halolab::labs::verdict::Verdict::read(verdict);
    }
    model.update(Msg::Snapshots("ai-lab".into(), Ok(rows)));
    model
}

/// The options of the lab that is shipped, on a captured machine.
fn options_on(machine: &'static str) -> impl Fn(u16, u16) -> Model {
    move |width, height| {
        let folder = std::path::Path::new("tests/fixtures/hosts").join(machine);
        let mut model = sample::fresh(width, height);
        model.setup.catalog = std::sync::Arc::new(halolab::stage::Catalog::shipped());
        let mut host = sample::host();
        host.facts = halolab::host::probe(&folder);
        let mut world = sample::empty_world();
        world.facts.clone_from(&host.facts);
        model.update(Msg::Host(Box::new(host)));
        model.update(Msg::World(Ok(Box::new(world))));
        press(&mut model, "enter enter enter");
        model
    }
}

/// A run whose script builds packages.
fn building(width: u16, height: u16) -> Model {
    let mut model = sample::run(width, height);
    build(&mut model, 3);
    model
}

/// Tells how far a build of four packages is, whose first `lines` lines came ten seconds apart.
fn build(model: &mut Model, lines: usize) {
    let id = |name: &str| {
        format!(
            "{name}-1.0-{}",
            name.replace('-', "").repeat(8).get(..32).unwrap()
        )
    };
    let (first, second) = (id("lab-abcd"), id("lab-efgh"));
    let log = [
        format!("==> Installing {first} [1/4]\n[+] /opt/store/{first}\n"),
        format!("==> Installing {second} [2/4]\n"),
        "==> lab-efgh: Executing phase: 'build'\n[12/48] Building CXX object main.o\n".to_owned(),
        format!("[+] /opt/store/{second}\n"),
    ];
    let (mut reader, mut tree, mut at) = (Reader::new(), Tree::new(), 0);
    let now = i64::try_from(model.now).unwrap() * 1000;
    for (text, n) in log.iter().take(lines).zip(0..) {
        let time = now - 30_000 + n * 10_000;
        for event in reader.feed(text.as_bytes(), at) {
            tree.apply(&event, Some(time));
        }
        at += text.len() as u64;
    }
    let left = Some(Estimate {
        low: 300,
        high: Some(540),
        unknown: 0,
    });
    let known = Known {
        tree: std::sync::Arc::new(tree),
        left,
        now: Some(now),
        silent: None,
    };
    sample::tell(model, Msg::Build("ai-lab".into(), known));
}

#[test]
fn the_build_appears_once_and_never_over_what_the_user_chose() {
    let shown = |model: &Model| draw(model).contains("left ");
    let mut model = sample::run(80, 24);
    assert!(!shown(&model));
    build(&mut model, 1);
    assert!(!shown(&model), "nothing is in work");
    build(&mut model, 3);
    let text = draw(&model);
    assert!(text.contains("5-9 min left") && text.contains("1 of 4"), "{text}");
    // The log has the keys, until tab.
    press(&mut model, "w");
    assert!(!model.run.as_ref().unwrap().viewer.pane().unwrap().ask.wrap);
    press(&mut model, "T");
    assert!(!shown(&model));
    build(&mut model, 3);
    assert!(!shown(&model), "it was hidden");
    press(&mut model, "T");
    assert!(shown(&model));
    // Who hid it before it came, or looks at another log, or has no room, is left alone.
    let mut model = sample::run(80, 24);
    press(&mut model, "T T");
    build(&mut model, 3);
    assert!(!shown(&model));
    let mut model = sample::run(60, 15);
    build(&mut model, 3);
    assert!(!shown(&model), "the log would be four lines");
    press(&mut model, "T");
    assert!(shown(&model), "unless it is asked for");
}

#[test]
fn enter_on_a_package_leads_to_its_lines_and_tab_goes_round() {
    let mut model = building(80, 24);
    press(&mut model, "tab enter");
    let run = model.run.as_ref().unwrap();
    let pane = run.viewer.pane().unwrap();
    let offset = run.build.pane("ai-lab", None).unwrap().tree.packages()[1]
        .offset
        .unwrap();
    assert!(
        pane.ask.spot.offset <= offset && !pane.ask.follow && run.picked,
        "{:?}",
        pane.ask
    );
    assert!(draw(&model).contains("its lines"), "the build has the keys still");
    press(&mut model, "tab");
    let run = model.run.as_ref().unwrap();
    assert_eq!((run.shown(), run.build.focus), (Some("dev-lab"), false));
    // Of that lab nothing is known, and that is what is said.
    assert!(draw(&model).contains("no progress known yet"), "{}", draw(&model));
}

fn pressed(base: Sample, keys: &'static str) -> impl Fn(u16, u16) -> Model {
    move |width, height| {
        let mut model = base(width, height);
        press(&mut model, keys);
        model
    }
}

#[rstest]
#[case::looking("looking", sample::fresh)]
#[case::welcome("welcome", sample::ready)]
#[case::absent("welcome_absent", absent)]
#[case::lost("labs_lost", lost)]
#[case::labs("labs", sample::labs)]
#[case::first_run("labs_first_run", pressed(sample::first_run, "space down"))]
#[case::menu("menu", pressed(sample::labs, "enter"))]
#[case::menu_missing("menu_missing", pressed(sample::labs, "down enter"))]
#[case::menu_unfinished("menu_unfinished", pressed(sample::labs, "down down enter"))]
#[case::menu_foreign("menu_foreign", pressed(sample::labs, "down down down enter"))]
#[case::half_updated("labs_half_updated", half_updated)]
#[case::menu_half_updated("menu_half_updated", pressed(half_updated, "enter"))]
#[case::moved("welcome_moved", moved)]
#[case::labs_moved("labs_moved", pressed(moved, "enter"))]
#[case::menu_moved("menu_moved", pressed(moved, "enter enter"))]
#[case::snapshots_moved("snapshots_moved", moved_snapshots)]
#[case::options_ask("options_ask", options_on("hybrid-strix-halo-rtx4090"))]
#[case::options_off("options_off", options_on("nvidia-rtx4090-525"))]
#[case::snapshots("snapshots", sample::picker)]
#[case::filter("snapshots_filter", pressed(sample::picker, "/ v i d e o"))]
#[case::options("options", pressed(sample::options, "down down"))]
#[case::options_wrong(
    "options_wrong",
    pressed(
        sample::options,
        "down down down backspace backspace backspace backspace backspace down"
    )
)]
#[case::review("review", sample::review)]
#[case::review_create("review_create", sample::review_create)]
#[case::script("script", pressed(sample::review_create, "v n n"))]
#[case::run("run", sample::run)]
#[case::run_paused("run_paused", pressed(sample::run, "pgup w"))]
#[case::run_zoomed("run_zoomed", pressed(sample::run, "z"))]
#[case::run_build("run_build", building)]
#[case::run_build_keys("run_build_keys", pressed(building, "tab down down"))]
#[case::run_build_help("run_build_help", pressed(building, "tab f1"))]
#[case::run_stop("run_stop", pressed(sample::run, "esc"))]
#[case::result("result", sample::result)]
#[case::failed("result_failed", sample::failed)]
#[case::delete("dialog_delete", pressed(sample::picker, "d"))]
#[case::prune("dialog_prune", prune)]
#[case::remove("dialog_remove", pressed(sample::labs, "enter end enter a i"))]
#[case::copy("dialog_copy", pressed(sample::picker, "c"))]
#[case::new("dialog_new", pressed(sample::picker, "n enter"))]
#[case::themes("themes", pressed(sample::labs, "T down"))]
#[case::help("help", pressed(sample::picker, "?"))]
fn screen(#[case] name: &str, #[case] sample: impl Fn(u16, u16) -> Model) {
    for (width, height) in [(60, 15), (80, 24), (120, 40), (200, 60)] {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), draw(&sample(width, height)));
    }
}

fn prune(width: u16, height: u16) -> Model {
    let mut model = sample::picker(width, height);
    model.setup.config.keep_safety = 1;
    press(&mut model, "P");
    model
}

#[rstest]
#[case(20, 5)]
#[case(59, 24)]
#[case(80, 14)]
#[case(1, 1)]
fn a_small_window_says_what_it_needs_and_still_quits(#[case] width: u16, #[case] height: u16) {
    let mut model = sample::labs(width, height);
    // At one cell there is no room for words; it must only not fail.
    let screen = draw(&model);
    if width > 40 {
        assert!(screen.contains("60 x 15"), "{screen}");
    }
    press(&mut model, "enter");
    assert_eq!(model.done, None);
    press(&mut model, "q");
    assert_eq!(model.done, Some(0));
}

#[rstest]
#[case(20, 5)]
#[case(59, 24)]
#[case(80, 14)]
fn a_window_that_is_made_small_in_a_run_says_that_the_run_goes_on(#[case] width: u16, #[case] height: u16) {
    let resize = |columns, rows| Msg::Input(crossterm::event::Event::Resize(columns, rows));
    let mut model = sample::run(80, 24);
    model.update(resize(width, height));
    let words = |model: &Model| {
        draw(model)
            .replace(['"', '\n'], " ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(
        words(&model).contains("The run goes on: 4 of"),
        "{}",
        draw(&model)
    );
    press(&mut model, "q");
    assert_eq!(model.done, None, "a run is asked about");
    if width > 20 {
        assert!(
            words(&model).contains("A question waits there."),
            "{}",
            draw(&model)
        );
    }
    model.update(resize(80, 24));
    assert!(draw(&model).contains("Keep on"), "{}", draw(&model));
}

#[rstest]
#[case(sample::ready as Sample)]
#[case(sample::labs as Sample)]
#[case(sample::picker as Sample)]
#[case(sample::options as Sample)]
#[case(sample::review as Sample)]
#[case(sample::run as Sample)]
#[case(sample::failed as Sample)]
#[case(moved as Sample)]
fn ascii_screens_have_no_other_characters(#[case] sample: Sample) {
    for (width, height) in [(60, 15), (80, 24), (200, 60)] {
        let mut model = sample(width, height);
        model.look = halolab::ui::look::Look::new(model.look.theme.clone(), true);
        for keys in ["", "?", "esc T"] {
            press(&mut model, keys);
            let screen = draw(&model);
            assert!(screen.is_ascii(), "{screen}");
        }
    }
}

/// The colour of the first cell of a text on the screen.
fn colour(model: &Model, text: &str) -> ratatui::style::Color {
    let (width, height) = model.size;
    let mut screen = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
    screen.draw(|frame| halolab::ui::view(model, frame)).unwrap();
    let cells = screen.backend().buffer();
    let row = |y: u16| -> String { (0..width).map(|x| cells[(x, y)].symbol()).collect() };
    let place = |y: u16| Some((row(y).find(text)?, y));
    let (at, y) = (0..height).find_map(place).unwrap();
    let before = row(y)[..at].chars().count();
    cells[(u16::try_from(before).unwrap(), y)].fg
}

#[test]
fn leaving_after_a_run_that_waits_for_a_restart_says_so() {
    let ended = |code, text: &str| {
        let mut model = sample::run(80, 24);
        model.update(Msg::Ended(Outcome {
            run: "run".into(),
            code,
            summary: vec![text.into()],
        }));
        model
    };
    let how = "restart this machine; then `halolab runs resume run` goes on";
    let mut model = ended(6, how);
    assert_eq!(model.restart.as_deref(), Some(how));
    let shown = draw(&model);
    assert!(
        shown.contains("waits for a restart") && !shown.contains("failed"),
        "{shown}"
    );
    press(&mut model, "q");
    assert_eq!(model.done, Some(6));
    let mut model = ended(0, "ai-lab: ready");
    press(&mut model, "q");
    assert_eq!((model.done, model.restart), (Some(0), None));
}

#[test]
fn a_failed_proof_is_never_shown_as_a_good_one() {
    let verdict = |ok| {
        Msg::Run(Event::Verdict {
            lab: "ai-lab".into(),
            verdict: "FAILED: no GPU".into(),
            ok,
        })
    };
    let bad = sample::run(80, 24).look.styles().error.fg.unwrap();
    for (ok, wrong) in [(true, false), (false, true)] {
        let mut model = sample::run(80, 24);
        model.update(verdict(ok));
        assert_eq!(colour(&model, "FAILED: no") == bad, wrong, "run, {ok}");
        model.update(Msg::Ended(Outcome {
            run: "run".into(),
            code: 5,
            summary: vec![],
        }));
        assert_eq!(colour(&model, "FAILED: no") == bad, wrong, "result, {ok}");
    }
    let mut model = sample::labs(120, 40);
    let mut world = sample::world();
    let lab = world.instances.iter_mut().find(|i| i.name == "ai-lab").unwrap();
    lab.config
        .insert("user.halolab.verdict".into(), "FAILED: no GPU".into());
    model.update(Msg::World(Ok(Box::new(world))));
    // The row with the cursor has the cursor's colours.
    press(&mut model, "down");
    assert_eq!(colour(&model, "FAILED: no"), bad, "labs");
}

#[test]
fn a_lab_with_something_to_prove_can_be_proven_again_and_others_cannot() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "enter");
    let has = |model: &Model| draw(model).contains("Prove ");
    assert!(!has(&model), "{}", draw(&model));
    let mut world = sample::world();
    let lab = world.instances.iter_mut().find(|i| i.name == "ai-lab").unwrap();
    let gpu = [("type".to_owned(), "gpu".to_owned())].into();
    lab.expanded_devices.insert("gpu".into(), gpu);
    model.update(Msg::World(Ok(Box::new(world))));
    assert!(has(&model), "{}", draw(&model));
}

#[test]
fn an_adoption_on_another_machine_promises_no_data_folders() {
    for (address, promised) in [
        ("/var/lib/lxd/unix.socket", true),
        ("https://10.0.0.1:8443", false),
    ] {
        let mut model = sample::labs(80, 24);
        let mut stages: Vec<_> = model.setup.catalog.iter().cloned().collect();
        let mount = halolab::stage::Mount {
            id: "models".into(),
            title: "Models".into(),
            path: "/models".into(),
            when: None,
            source: None,
            read_only: false,
        };
        stages.iter_mut().find(|s| s.id == "mine").unwrap().mounts = vec![mount];
        model.setup.catalog = halolab::stage::Catalog::of(stages).into();
        let mut world = sample::world();
        world.server.as_mut().unwrap().address = address.into();
        model.update(Msg::World(Ok(Box::new(world))));
        press(&mut model, "down down down enter");
        let drawn = draw(&model);
        assert!(drawn.contains("Adopt"), "{drawn}");
        assert_eq!(drawn.contains("data folders"), promised, "{drawn}");
    }
}
