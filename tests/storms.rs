//! The loop under floods of keys, and storms of keys that must not destroy anything.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/sample/mod.rs"]
mod sample;

use halolab::{
    app::{Effect, Errand, Exit, Model, Msg, Screen, build::Known, model::Dialog, reading::Subject},
    progress::{Reader, Tree},
    stage::trust::Stranger,
};
use proptest::prelude::*;
use sample::{draw, press};

#[tokio::test]
async fn the_loop_takes_twenty_thousand_keys_and_ends() {
    let keys = std::iter::repeat_n("down", 20_000).chain(["q"]);
    let input = futures_util::stream::iter(keys.map(|k| Ok(sample::key(k))));
    let mut model = sample::labs(80, 24);
    let mut screen = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).unwrap();
    let (_sender, mut messages) = tokio::sync::mpsc::channel(8);
    let began = std::time::Instant::now();
    let exit = halolab::app::run(&mut model, &mut screen, input, &mut messages, |_| {})
        .await
        .unwrap();
    assert_eq!(exit, Exit::Done(0));
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_loop_hands_effects_on_and_leaves_for_an_errand() {
    let input = futures_util::stream::iter(["enter", "r", "e"].map(|k| Ok(sample::key(k))));
    let mut model = sample::ready(80, 24);
    let mut screen = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).unwrap();
    let (_sender, mut messages) = tokio::sync::mpsc::channel(8);
    let mut asked = vec![];
    let exit = halolab::app::run(&mut model, &mut screen, input, &mut messages, |e| asked.push(e))
        .await
        .unwrap();
    assert_eq!(asked, vec![Effect::Look]);
    assert_eq!(exit, Exit::Errand(Errand::Shell("ai-lab".into())));
}

/// Keys that mean something somewhere, and some that do not.
fn keys() -> impl Strategy<Value = String> {
    let named = [
        "enter",
        "esc",
        "tab",
        "shift-tab",
        "up",
        "down",
        "left",
        "right",
        "pgup",
        "pgdn",
        "home",
        "end",
        "space",
        "backspace",
        "f1",
        "ctrl-c",
        "ctrl-l",
        "ctrl-z",
        "ctrl-s",
        "ctrl-u",
        "ctrl-d",
    ];
    prop_oneof![
        proptest::sample::select(named.map(str::to_owned).to_vec()),
        proptest::sample::select(
            "abcdefghijklmnopqrstuvwxyzDGMNPRT/?-0123"
                .chars()
                .map(String::from)
                .collect::<Vec<_>>()
        ),
    ]
}

/// What a key press may ask for, given what was on the screen before it.
fn check(before: &Model, effects: &[Effect]) -> Result<(), TestCaseError> {
    for effect in effects {
        match effect {
            Effect::Start(plan, _) => {
                let review = before.review.as_ref();
                prop_assert!(before.screen() == Screen::Review && review.is_some_and(|r| r.apply));
                prop_assert_eq!(Some(plan.digest()), review.map(|r| r.plan.digest()));
            }
            Effect::Do(job) if job.destroys() => {
                let asked = matches!(&before.dialog, Some(Dialog::Confirm(c)) if c.is_yes());
                prop_assert!(asked, "{job:?} without a question");
            }
            Effect::Cancel => {
                let asked = matches!(&before.dialog, Some(Dialog::Confirm(c)) if c.is_yes());
                prop_assert!(asked, "a run was stopped without a question");
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_storm_of_keys_destroys_anything_without_a_question(
        start in 0_usize..8,
        keys in proptest::collection::vec(keys(), 1..120),
        size in proptest::sample::select(vec![(1, 1), (60, 15), (80, 24), (200, 60)]),
    ) {
        let samples = [
            sample::ready, sample::labs, sample::picker, sample::options, sample::review,
            sample::run, sample::result, sample::first_run,
        ];
        let mut model = samples[start](size.0, size.1);
        model.setup.config.keep_safety = 1;
        for key in &keys {
            let before = model.clone();
            let effects = press(&mut model, key);
            check(&before, &effects)?;
            if effects.contains(&Effect::Snapshots("ai-lab".into())) {
                model.update(Msg::Snapshots("ai-lab".into(), Ok(sample::snapshots())));
            }
            if model.done.is_some() {
                prop_assert!(!before.is_running(), "left a run without a question");
                break;
            }
        }
        draw(&model);
    }
}

/// The screens that came last, each with what lies over it.
fn newest() -> Vec<(&'static str, Model)> {
    let failed = sample::failed(80, 24);
    let mut differs = sample::picker(80, 24);
    let effects = press(&mut differs, "D");
    let [Effect::Compare(lab, snapshot)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let of = Subject::Difference(lab.clone(), snapshot.clone());
    let lines = (0..300)
        .map(|n| format!("  + /srv/a very long name of a file that is wider than most windows {n} (1 B)"));
    differs.update(Msg::Compared(of, Ok(lines.collect())));
    press(&mut differs, "pgdn");
    let mut trust = sample::review_create(80, 24);
    let stranger = Stranger {
        id: "ai-lab".into(),
        origin: "/etc/halolab/stages/ai-lab".into(),
        sha256: "ab".repeat(32),
        changed: true,
        lines: (0..80).map(|n| format!("+echo {n}")).collect(),
    };
    trust.strangers.insert("ai-lab".into(), stranger);
    press(&mut trust, "enter");
    assert!(matches!(trust.dialog, Some(Dialog::Text(_))));
    let mut build = sample::run(80, 24);
    let id = "lab-abcd-1.0-".to_owned() + &"labbuild".repeat(4);
    let log = format!(
        "==> Installing {id} [1/4]\n==> lab-abcd: Executing phase: 'build'\n[12/48] Building CXX object main.o\n"
    );
    let (mut reader, mut tree) = (Reader::new(), Tree::new());
    for event in reader.feed(log.as_bytes(), 0) {
        tree.apply(&event, None);
    }
    let known = Known {
        tree: std::sync::Arc::new(tree),
        left: None,
        now: None,
        silent: None,
    };
    build.update(Msg::Build("ai-lab".into(), known));
    press(&mut build, "T tab");
    let mut left = sample::labs(80, 24);
    left.update(Msg::Unfinished(Box::new(failed.run.as_ref().unwrap().record())));
    assert!(matches!(left.dialog, Some(Dialog::Unfinished(_))));
    vec![
        ("failed", failed),
        ("differs", differs),
        ("trust", trust),
        ("build", build),
        ("left", left),
    ]
}

fn resized(model: &mut Model, size: (u16, u16)) -> String {
    sample::tell(model, Msg::Input(crossterm::event::Event::Resize(size.0, size.1)));
    draw(model)
}

/// Whatever the window was in between, the picture is the one of its size at last, and nothing was done.
#[test]
fn a_storm_of_resizes_ends_with_the_right_picture() {
    for (name, model) in newest() {
        let mut stormy = model.clone();
        let wanted = |size| resized(&mut model.clone(), size);
        for step in 0_u16..400 {
            let size = (1 + step.wrapping_mul(7919) % 211, 1 + step.wrapping_mul(104) % 61);
            resized(&mut stormy, size);
        }
        for size in [
            (1, 1),
            (2, 1),
            (1, 60),
            (200, 1),
            (59, 15),
            (60, 14),
            (60, 15),
            (80, 24),
            (200, 60),
            (80, 24),
        ] {
            assert_eq!(resized(&mut stormy, size), wanted(size), "{name} at {size:?}");
        }
        assert_eq!(stormy.stack, model.stack, "{name}");
        assert_eq!(stormy.dialog.is_some(), model.dialog.is_some(), "{name}");
    }
}
