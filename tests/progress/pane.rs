//! The pane beside the log, at several widths.

use halolab::{
    progress::{History, Inside, Millis, Reader, Times, Tree, estimate},
    ui::{
        look::Look,
        progress_pane::{Group, Position, ProgressPane, Row, row_at, rows, split, view},
        theme::{Depth, Theme},
    },
};
use ratatui::{Terminal, backend::TestBackend, layout::Rect};

use crate::fixtures::{events, lock, recording, tree};

/// The environment in the middle of a build, with two side by side and a failure.
fn busy() -> (Tree, Millis) {
    let lock = lock("lab");
    let (log, times) = recording("old-pipe-verbose-p2");
    let needle = b"==> lab-xylo: Executing phase: 'build'";
    let cut = log.windows(needle.len()).position(|w| w == needle).unwrap() + needle.len() + 1;
    let mut reader = Reader::new().with_lock(&lock);
    let mut tree = Tree::new().with_lock(&lock);
    for event in reader.feed(&log[..cut], 0) {
        tree.apply(&event, times.at(event.offset));
    }
    let failed = "==> Error: ProcessError: Command exited with status 2:\n\n2 errors found in build log:\n  \
        >> 9     bad.c:4:20: error: 'undefined_name' undeclared\n\nSee build log for details:\n  \
        /s/root/spack-stage-lab-vine-2.3.6-aw6spixtbmnfcf35vevogfd43kfjb7zh/spack-build-out.txt\n\
        ==> Warning: Skipping build of lab-yew-1.0.3-3oilvvz7ujnc4kjmg4muuwyyqs2qbzr2 since \
        lab-vine-2.3.6-aw6spixtbmnfcf35vevogfd43kfjb7zh failed\n";
    let now = times.at(cut as u64 - 1).unwrap() + 83_000;
    for event in reader.feed(failed.as_bytes(), cut as u64) {
        tree.apply(&event, Some(now));
    }
    let xylo = tree
        .packages()
        .iter()
        .find(|p| p.name.as_deref() == Some("lab-xylo"))
        .unwrap()
        .key
        .clone();
    tree.set_inside(&xylo, Some(Inside { done: 45, total: 100 }));
    (tree, now)
}

fn drawn(tree: &Tree, now: Millis, position: &Position, size: (u16, u16), ascii: bool) -> String {
    let mut history = History::default();
    let (log, times) = recording("old-tty-env");
    history.learn(&crate::fixtures::tree(&events(&log), &times), Some(2));
    let pane = ProgressPane {
        tree,
        position,
        left: estimate(tree, &history, Some(2), Some(now)),
        silent: None,
        now: Some(now),
        focus: true,
    };
    let look = Look::new(Theme::plain(), ascii);
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| view(&look, pane, frame.buffer_mut(), Rect::new(0, 0, size.0, size.1)))
        .unwrap();
    terminal.backend().to_string()
}

#[test]
fn from_narrow_to_wide() {
    let (tree, now) = busy();
    let position = Position::default();
    for width in [30, 44, 80] {
        insta::assert_snapshot!(
            format!("progress_pane_{width}"),
            drawn(&tree, now, &position, (width, 12), false)
        );
    }
    insta::assert_snapshot!(
        "progress_pane_ascii",
        drawn(&tree, now, &position, (44, 12), true)
    );
}

#[test]
fn groups_open_and_the_cursor_stays_in_view() {
    let (tree, now) = busy();
    let mut position = Position::default();
    position.toggle(Group::Done);
    position.step(&tree, 100);
    let last = rows(&tree, &position.open).len() - 1;
    assert_eq!(position.cursor, last);
    assert!(matches!(position.row(&tree), Some(Row::Package(_))));
    insta::assert_snapshot!(
        "progress_pane_open",
        drawn(&tree, now, &position, (44, 12), false)
    );
    position.toggle(Group::Done);
    position.step(&tree, 0);
    assert_eq!(position.row(&tree), Some(Row::Group(Group::Done)));
}

#[test]
fn what_failed_is_on_top_and_says_why() {
    let (tree, now) = busy();
    let position = Position::default();
    let Some(Row::Package(at)) = position.row(&tree) else {
        panic!("no package on top")
    };
    assert_eq!(tree.packages()[at].title(), "lab-vine 2.3.6");
    assert!(drawn(&tree, now, &position, (80, 12), false).contains("'undefined_name' undeclared"));
}

#[test]
fn it_takes_the_rows_that_it_needs_and_is_one_line_where_there_is_no_room() {
    let position = Position::default();
    let nothing = Tree::new();
    let ninja = tree(&events(b"[12/345] Building a.o\n"), &Times::default());
    let (build, now) = busy();
    let heights = [&nothing, &ninja, &build].map(|tree| ProgressPane::empty(tree, &position).height());
    assert_eq!(heights[..2], [3, 4]);
    let area = Rect::new(0, 0, 80, 24);
    for (wanted, rows) in [(3, 3), (4, 4), (40, 12)] {
        let (log, pane) = split(area, wanted);
        assert_eq!((log.height, pane.y, pane.height), (24 - rows, 24 - rows, rows));
    }
    assert_eq!(
        split(Rect::new(0, 0, 20, 5), heights[2]).1,
        Rect::new(0, 4, 20, 1)
    );
    let line = |tree: &Tree, width| drawn(tree, now, &position, (width, 1), false);
    assert!(line(&nothing, 30).contains("no progress known yet"));
    assert!(line(&ninja, 40).contains("ninja 12/345 time left unknown"));
    let text = line(&ninja, 20);
    assert!(text.contains("ninja 12/345 time l…"), "{text}");
    // All rows are seen in the height that it asks for.
    let text = drawn(&build, now, &position, (60, heights[2]), false);
    assert!(!text.contains("more ") && !text.contains("above "), "{text}");
}

#[test]
fn an_end_and_a_silence_are_in_the_title() {
    let (running, now) = busy();
    let interrupted = {
        let (log, times) = recording("old-tty-interrupt");
        tree(&events(&log), &times)
    };
    let position = Position::default();
    let titled = |tree: &Tree, silent: Option<&str>| {
        let pane = ProgressPane {
            silent,
            now: Some(now),
            ..ProgressPane::empty(tree, &position)
        };
        let look = Look::new(Theme::plain(), true);
        let mut terminal = Terminal::new(TestBackend::new(44, 8)).unwrap();
        terminal
            .draw(|frame| view(&look, pane, frame.buffer_mut(), Rect::new(0, 0, 44, 8)))
            .unwrap();
        terminal.backend().to_string()
    };
    assert!(titled(&running, None).contains(" time left unknown "));
    assert!(titled(&running, Some("14:32")).contains(" silent since 14:32 "));
    let text = titled(&interrupted, None);
    assert!(
        text.contains(" interrupted ") && !text.contains("unknown"),
        "{text}"
    );
    let done = tree(&events(b"[8/8] Linking a\n"), &Times::default());
    assert!(titled(&done, None).contains(" done "));
}

#[test]
fn steps_without_packages_and_nothing_at_all_are_drawn_too() {
    let log = b"[12/345] Building CXX object src/very/long/path/of/a/file.cc.o\n";
    let ninja = tree(&events(log), &Times::default());
    let position = Position::default();
    insta::assert_snapshot!("progress_pane_ninja", drawn(&ninja, 0, &position, (44, 6), false));
    insta::assert_snapshot!(
        "progress_pane_empty",
        drawn(&Tree::new(), 0, &position, (30, 5), false)
    );
}

#[test]
fn no_size_is_too_small_and_a_theme_colours_states() {
    let (tree, now) = busy();
    let position = Position::default();
    for (width, height) in [(1, 1), (2, 2), (3, 9), (5, 3), (12, 4), (200, 60)] {
        drawn(&tree, now, &position, (width, height), false);
    }
    let theme = Theme::parse("dark", "", Depth::Full).unwrap();
    let error = theme.styles.error.fg;
    let look = Look::new(theme, false);
    let pane = ProgressPane {
        tree: &tree,
        position: &position,
        left: None,
        silent: None,
        now: None,
        focus: false,
    };
    let mut terminal = Terminal::new(TestBackend::new(60, 12)).unwrap();
    let area = Rect::new(0, 0, 60, 12);
    terminal
        .draw(|frame| view(&look, pane, frame.buffer_mut(), area))
        .unwrap();
    let coloured = terminal
        .backend()
        .buffer()
        .content()
        .iter()
        .any(|cell| Some(cell.fg) == error);
    assert!(coloured && error.is_some());
    assert_eq!(row_at(&look, pane, area, 2), Some(0));
    assert_eq!(row_at(&look, pane, area, 0), None);
}

#[test]
fn the_cursor_stays_on_its_package_while_the_build_goes_on() {
    let id = |letter: &str| format!("lab-{letter}-1.0-{}", letter.repeat(32));
    let begin = |letter: &str| format!("==> Installing {} [1/9]\n", id(letter));
    let end = |letter: &str| format!("[+] /s/{}\n", id(letter));
    let first = begin("a") + &begin("b") + &begin("c");
    let second = format!("{first}{}", end("a"));
    let third = format!("{second}{}", end("c"));
    let [first, second, third] = [first, second, third].map(|log| crate::fixtures::tree_of(&log));
    let mut position = Position::default();
    position.step(&first, 2);
    let on = |position: &Position, tree: &Tree| match position.row(tree) {
        Some(Row::Package(at)) => tree.packages()[at].title(),
        Some(Row::Target(at)) => tree.targets()[at].name.clone(),
        Some(Row::Group(group)) => format!("{group:?}"),
        None => "nothing".into(),
    };
    assert_eq!(on(&position, &first), "lab-c-1.0");
    position.follow(&first, &second);
    assert_eq!(on(&position, &second), "lab-c-1.0");
    position.follow(&second, &third);
    assert_eq!(on(&position, &third), "Done");
}

#[test]
fn a_build_without_packages_shows_the_target_that_failed() {
    let log = crate::fixtures::bytes("progress/ninja-fail.log");
    let tree = tree(&events(&log), &Times::default());
    let screen = drawn(&tree, 0, &Position::default(), (60, 8), true);
    for text in [
        " failed ",
        "1 of 2, 1 failed",
        "CMakeFiles/sample.dir/f6.c.o",
        "f6.c:1:25: error:",
    ] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
    assert_eq!(Position::default().row(&tree), Some(Row::Target(0)));
}
