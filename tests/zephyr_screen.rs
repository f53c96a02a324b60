//! The screens after a build of Zephyr: the menu after one that failed, whose first line does nothing, and what is said of
//! one that ended well.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/sample/mod.rs"]
mod sample;

use halolab::{
    app::{
        Effect, Errand, Model, Msg,
        zephyr::{News, Wish},
    },
    stage::Catalog,
    zephyr::{Broken, Failed},
};
use sample::{draw, press};

fn failed(reasons: usize) -> Failed {
    let broken = |number| Broken {
        title: format!("lab-oak{number}@3.2.7"),
        spec: format!("/b32hash{number}"),
        error: "f3.c:3:10: fatal error: labmissing.h: No such file or directory\u{1b}[2J".into(),
        log: Some("/opt/bazel_cache/spack-stage/out.txt".into()),
    };
    Failed {
        job: "spack-build-1".into(),
        lab: "zephyr".into(),
        entry: "spack-build".into(),
        arguments: vec!["--again".into()],
        broken: (0..reasons).map(broken).collect(),
        last: String::new(),
    }
}

/// The labs' screen with that menu over it.
fn menu(size: (u16, u16), reasons: usize) -> Model {
    let mut model = sample::labs(size.0, size.1);
    model.setup.catalog = Catalog::shipped().into();
    model.update(Msg::Zephyr(News::Failed(Box::new(failed(reasons)))));
    model
}

/// What enter leads to, this many lines below the first one.
fn chosen(model: &mut Model, lines: usize) -> Vec<Effect> {
    (0..lines).for_each(|_| {
        press(model, "down");
    });
    press(model, "enter")
}

#[test]
fn the_menu_says_why_and_its_first_line_does_nothing() {
    for size in [(80, 24), (60, 15), (140, 40)] {
        let mut model = menu(size, 1);
        let text = draw(&model);
        for part in [
            "spack-build in zephyr failed",
            "lab-oak0@3.2.7 was not built",
            "labmissing.h",
            "Leave it",
            "Retry",
            "Go on",
            "Shell",
            "Report",
        ] {
            assert!(text.contains(part), "{size:?} {part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(press(&mut model, "enter"), []);
        assert!(!draw(&model).contains("was not built"), "it is gone");
        let mut model = menu(size, 1);
        assert_eq!(press(&mut model, "esc"), []);
        assert!(!draw(&model).contains("was not built"), "it is gone");
    }
}

#[test]
fn each_line_does_what_it_says() {
    let begun = |lines| {
        let effects = chosen(&mut menu((80, 24), 1), lines);
        let [Effect::Zephyr(Wish::Begin(wanted))] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        assert_eq!(
            (wanted.lab.as_str(), wanted.entry.name.as_str()),
            ("zephyr", "spack-build")
        );
        wanted.arguments.clone()
    };
    assert!(begun(1).is_empty(), "it is concretized already");
    assert_eq!(begun(2), ["--keep-going"]);
    let mut model = menu((80, 24), 1);
    let program = vec![
        "/opt/zephyr/bin/zephyr-build-env".to_owned(),
        "/b32hash0".to_owned(),
    ];
    let shell = Effect::Errand(Errand::Program("zephyr".into(), program.clone()));
    assert_eq!(chosen(&mut model, 3), [shell]);
    // Whoever leaves the shell is asked again.
    model.update(Msg::Returned(
        Errand::Program("zephyr".into(), program),
        Ok(String::new()),
    ));
    assert!(draw(&model).contains("Retry"), "{}", draw(&model));
    assert_eq!(
        chosen(&mut model, 1),
        [Effect::Zephyr(Wish::Bundle("spack-build-1".into()))]
    );
    model.update(Msg::Zephyr(News::Saved("saved as /tmp/x.tar.gz".into())));
    let text = draw(&model);
    assert!(
        text.contains("saved as /tmp/x.tar.gz") && text.contains("Leave it"),
        "{text}"
    );
}

#[test]
fn many_reasons_leave_room_for_what_can_be_done() {
    for size in [(80, 24), (60, 15)] {
        let mut model = menu(size, 12);
        let text = draw(&model);
        assert!(
            text.contains("Leave it") && text.contains("lab-oak0@"),
            "{size:?}\n{text}"
        );
        // Eight shells, and the report as the last line.
        let effects = chosen(&mut model, 40);
        assert!(
            matches!(effects.as_slice(), [Effect::Zephyr(Wish::Bundle(_))]),
            "{effects:?}"
        );
        assert!(draw(&model).contains("Report"), "{}", draw(&model));
    }
}

#[test]
fn what_is_done_meanwhile_goes_before_and_nothing_begins_in_a_session_that_may_not() {
    let mut model = sample::labs(80, 24);
    press(&mut model, "T");
    model.update(Msg::Zephyr(News::Failed(Box::new(failed(1)))));
    assert!(
        !draw(&model).contains("was not built"),
        "the theme picker is open"
    );
    let mut model = menu((80, 24), 1);
    model.setup.read_only = true;
    assert_eq!(chosen(&mut model, 1), []);
}

#[test]
fn what_was_built_is_said_and_the_lab_is_looked_at_anew() {
    let mut model = sample::labs(80, 24);
    let lines = vec!["torch 2.9.0: has CUDA 12.9, and sees no GPU".to_owned()];
    let effects = model.update(Msg::Zephyr(News::Verified(lines, false)));
    assert_eq!(effects, [Effect::Look]);
    assert!(draw(&model).contains("sees no GPU"), "{}", draw(&model));
}
