//! The viewer's screens and keys, on logs of a few kinds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use halolab::{
    log::{Document, Wake, document::SharedRules, page::Landing, rules::Rules},
    ui::{
        look::Look,
        theme::{Depth, Theme},
    },
    view::{Effect, Palette, Screen, Viewer, viewer::Save},
};
use ratatui::{Terminal, backend::TestBackend, layout::Rect};
use rstest::rstest;

/// How long a thread may take on a loaded machine before a test counts as hanging.
const PATIENCE: Duration = Duration::from_mins(2);

struct Bench {
    viewer: Viewer,
    logs: Vec<Document>,
    palette: Palette,
    size: (u16, u16),
    folder: tempfile::TempDir,
}

fn palette(depth: Depth, ascii: bool) -> Palette {
    Look::new(Theme::load(None, "dark", depth).unwrap(), ascii).palette()
}

impl Bench {
    fn new(texts: &[(&str, &str)], size: (u16, u16)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = SharedRules::default();
        rules.set(Rules::load(&[]).0).unwrap();
        let wake: Wake = Arc::new(|| {});
        let open = |(name, text): &(&str, &str)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let mut log = Document::open(&path, &rules, &wake).unwrap();
            log.count();
            log
        };
        let logs: Vec<Document> = texts.iter().map(open).collect();
        let names = texts.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut bench = Self {
            viewer: Viewer::new(names, false),
            logs,
            palette: palette(Depth::Full, false),
            size,
            folder,
        };
        bench.settle();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads until nothing is being counted or searched any more.
    fn settle(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.viewer.lay_out(Rect::new(0, 0, self.size.0, self.size.1));
            self.viewer.spoil();
            self.viewer.read(&mut self.logs);
            let done = self.viewer.panes.iter().all(|pane| {
                let page = &pane.page;
                let counted = page.lines.is_some() && page.hits.is_none_or(|h| h.done);
                let landed = matches!(page.landing, Landing::None | Landing::Found(_) | Landing::Nowhere);
                counted && landed && page.filtered.is_none_or(|h| h.done)
            });
            if done {
                return;
            }
            assert!(Instant::now() < end, "never settled");
            thread::yield_now();
        }
    }

    /// Presses keys; `~` is enter, `^` escape.
    fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut all = vec![];
        for letter in keys.chars() {
            let code = match letter {
                '~' => KeyCode::Enter,
                '^' => KeyCode::Esc,
                '\t' => KeyCode::Tab,
                letter => KeyCode::Char(letter),
            };
            all.extend(self.viewer.key(KeyEvent::new(code, KeyModifiers::NONE)));
            self.settle();
        }
        all
    }

    fn draw(&self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        let screen = Screen {
            viewer: &self.viewer,
            palette: &self.palette,
        };
        terminal
            .draw(|frame| {
                screen.draw(frame.buffer_mut(), Rect::new(0, 0, self.size.0, self.size.1));
            })
            .unwrap();
        terminal.backend().to_string()
    }

    fn status(&self) -> String {
        self.draw().lines().last().unwrap().to_owned()
    }
}

fn build(lines: usize) -> String {
    let line = |n: usize| match n % 40 {
        7 => format!("zoo.c:{n}:5: warning: unused variable 'x' [-Wunused-variable]\n"),
        23 => format!("zoo.c:{n}:9: error: expected ';' before '}}' token\n"),
        31 => format!(
            "\x1b[1;32m==>\x1b[0m lab-zoo: Successfully installed part {n} of the stack, which is a rather long name for one\n"
        ),
        _ => format!("[{n}/{lines}] Building CXX object src/CMakeFiles/zoo.dir/part_{n}.cc.o\n"),
    };
    (1..=lines).map(line).collect()
}

#[rstest]
#[case::top("top", "")]
#[case::end("end", "G")]
#[case::hit("hit", "/installed~n")]
#[case::prompt("prompt", "/instal")]
#[case::filtered("filtered", "&error~c")]
#[case::unwrapped("unwrapped", "w/installed~")]
#[case::selecting("selecting", "vjjj")]
#[case::saving("saving", "s")]
#[case::beside("beside", "|G")]
#[case::below("below", "SG")]
#[case::help("help", "h")]
fn screen(#[case] name: &str, #[case] keys: &str) {
    for size in [(80, 24), (200, 60), (60, 15)] {
        let text = build(500);
        let mut bench = Bench::new(
            &[("build.log", text.as_str()), ("other.log", "the other log\n")],
            size,
        );
        bench.press(keys);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), bench.draw());
    }
}

#[test]
fn ascii_screens_have_no_other_characters_and_no_colour_means_none() {
    let text = build(100);
    let mut bench = Bench::new(&[("build.log", &text), ("other.log", "x\n")], (80, 24));
    bench.palette = palette(Depth::Mono, true);
    for keys in ["", "|w", "h", "^&error~", "/", "^s"] {
        bench.press(keys);
        let screen = bench.draw();
        assert!(screen.is_ascii(), "{keys}: {screen}");
    }
    bench.press("^");
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let screen = Screen {
        viewer: &bench.viewer,
        palette: &bench.palette,
    };
    terminal
        .draw(|frame| {
            screen.draw(frame.buffer_mut(), Rect::new(0, 0, 80, 24));
        })
        .unwrap();
    let coloured = |c: &ratatui::buffer::Cell| {
        c.fg != ratatui::style::Color::Reset || c.bg != ratatui::style::Color::Reset
    };
    assert!(!terminal.backend().buffer().content().iter().any(coloured));
}

#[test]
fn errors_and_warnings_are_gone_through_in_both_directions() {
    let text = build(200);
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    let hit = |bench: &Bench| {
        let pane = bench.viewer.pane().unwrap();
        let row = pane
            .page
            .rows
            .iter()
            .find(|r| Some(r.offset) == pane.hit)
            .unwrap();
        row.text.clone()
    };
    bench.press("e");
    assert!(hit(&bench).contains("zoo.c:23:9: error"));
    bench.press("e");
    assert!(hit(&bench).contains("zoo.c:63:9: error"));
    bench.press("E");
    assert!(hit(&bench).contains("zoo.c:23:9: error"));
    bench.press("A");
    assert!(hit(&bench).contains("zoo.c:7:5: warning"));
    bench.press("A");
    assert!(bench.status().contains("no warning above"));
}

#[test]
fn lines_shares_marks_and_the_place_before_are_gone_to() {
    let text = build(1000);
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    bench.press("120~");
    assert!(bench.status().contains("line 120 of 1,000"), "{}", bench.status());
    bench.press("ma:50%~");
    assert!(bench.status().contains("line 50"), "{}", bench.status());
    bench.press("'a");
    assert!(bench.status().contains("line 120 of 1,000"));
    bench.press("''");
    assert!(bench.status().contains("line 50"));
    bench.press("'q");
    assert!(bench.status().contains("no place is marked q"));
    bench.press(":whatever~");
    assert!(bench.status().contains("go to what?"));
    bench.press(":12:30~");
    assert!(bench.status().contains("this log tells no times"));
}

#[test]
fn a_selection_is_copied_saved_and_opened_as_it_is_seen() {
    let text = build(100);
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    let first = text.find('\n').unwrap() as u64 + 1;
    let lines = bench.press("jvjjy");
    let third = text.match_indices('\n').nth(2).unwrap().0 as u64 + 1;
    assert_eq!(lines, [Effect::Copy(0, (first, third))]);
    let saves = bench.press("vjsout.log\t~");
    let save = Save {
        log: 0,
        path: "out.log".into(),
        raw: true,
        over: false,
        range: Some((first, text.match_indices('\n').nth(1).unwrap().0 as u64 + 1)),
        filter: None,
    };
    assert_eq!(saves, [Effect::Save(Box::new(save.clone()))]);
    // The file is there: nothing is written before a yes.
    bench.viewer.take_saved(&save, Err(("it is there".into(), true)));
    assert!(bench.status().contains("write over it?"));
    assert_eq!(bench.press("n"), []);
    bench.viewer.take_saved(&save, Err(("it is there".into(), true)));
    let over = Save { over: true, ..save };
    assert_eq!(bench.press("y"), [Effect::Save(Box::new(over))]);
    let opened = bench.press("^&error~O");
    let [Effect::Open(opened)] = opened.as_slice() else {
        unreachable!("{opened:?}")
    };
    assert!(opened.editor && opened.range.is_none());
    assert_eq!(opened.filter.as_ref().unwrap().query.text, "error");
}

#[test]
fn panes_have_their_own_place_and_size_and_the_keys_go_to_one() {
    let text = build(300);
    let mut bench = Bench::new(&[("build.log", &text), ("other.log", "other\n")], (100, 30));
    bench.press("|");
    let logs: Vec<usize> = bench.viewer.panes.iter().map(|p| p.log).collect();
    assert_eq!(logs, [0, 1], "the other log is shown beside");
    bench.press("\t");
    assert_eq!(bench.viewer.focus, 0);
    bench.press("G");
    assert!(bench.viewer.panes[0].page.at_end);
    let before = bench.viewer.places(Rect::new(0, 0, 100, 30))[0].1.width;
    bench.press("++");
    assert!(bench.viewer.places(Rect::new(0, 0, 100, 30))[0].1.width > before);
    bench.press("z");
    assert_eq!(bench.viewer.places(Rect::new(0, 0, 100, 30)).len(), 1);
    bench.press("zx");
    assert_eq!(bench.viewer.panes.len(), 1);
    assert_eq!(bench.viewer.pane().unwrap().log, 1);
}

#[test]
fn what_follows_stops_with_a_move_and_counts_what_comes() {
    let text = build(100);
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    bench.press("G");
    assert!(bench.status().contains("following"));
    bench.press("k");
    std::fs::write(bench.path("build.log"), text.clone() + &build(34)).unwrap();
    bench.logs[0].look();
    bench.settle();
    assert!(bench.status().contains("+34 new"), "{}", bench.status());
    bench.press("F");
    assert!(bench.status().contains("following") && bench.draw().contains("[34/34]"));
}

#[test]
fn places_of_a_log_that_was_replaced_are_forgotten() {
    let text = build(100);
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    bench.press("30~ma50~/error~v");
    assert!(bench.viewer.pane().unwrap().select.is_some());
    std::fs::write(bench.path("build.log"), "another log\n".repeat(90)).unwrap();
    bench.logs[0].look();
    bench.settle();
    let pane = bench.viewer.pane().unwrap();
    assert_eq!((pane.select, pane.hit, pane.before), (None, None, None));
    bench.press("'a");
    assert!(
        bench.status().contains("no place is marked a"),
        "{}",
        bench.status()
    );
}

#[test]
fn the_end_is_still_followed_where_progress_is_shown_in_all_its_states() {
    let mut text = build(50);
    text.push_str(&"[ 1%]\r[ 2%]\r[ 3%]\r[ 4%] of it\n".repeat(30));
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    bench.press("G");
    for _ in 0..2 {
        bench.press("r");
        let status = bench.status();
        assert!(
            status.contains("following") && status.contains(" end "),
            "{status}"
        );
    }
}

#[test]
fn a_time_that_the_log_does_not_have_is_said() {
    let text =
        "2024-02-28 20:00:00 begins\n2024-02-28 20:10:00 goes on\n2024-02-28 20:20:00 ends\n".to_owned();
    let text = text + &"and more\n".repeat(40);
    let mut bench = Bench::new(&[("build.log", &text)], (80, 24));
    bench.press(":12:30~");
    let status = bench.status();
    assert!(
        status.contains("the times of this log are 2024-02-28 20:00:00 to 20:20:00"),
        "{status}"
    );
    assert!(bench.draw().contains("20:00:00 begins"), "it stays where it is");
    bench.press(":20:05~");
    assert!(bench.draw().contains("20:10:00 goes on"));
    assert!(!bench.draw().contains("20:00:00 begins"));
}

#[test]
fn a_pane_below_leaves_the_one_beside_where_it_is() {
    let text = build(300);
    let mut bench = Bench::new(&[("build.log", &text), ("other.log", "other\n")], (100, 30));
    let area = Rect::new(0, 0, 100, 30);
    let places = |bench: &Bench| -> Vec<(u16, u16, u16, u16)> {
        let places = bench.viewer.places(area).into_iter();
        places.map(|(_, p)| (p.x, p.y, p.width, p.height)).collect()
    };
    bench.press("|");
    assert_eq!(places(&bench), [(0, 0, 50, 30), (50, 0, 50, 30)]);
    bench.press("S");
    assert_eq!(
        places(&bench),
        [(0, 0, 50, 30), (50, 0, 50, 15), (50, 15, 50, 15)]
    );
    assert_eq!(bench.viewer.focus, 2);
    bench.press("+++");
    assert!(bench.viewer.places(area)[2].1.height > 15, "higher, not wider");
    assert_eq!(bench.viewer.places(area)[0].1.width, 50);
    bench.press("\t|");
    assert_eq!(bench.viewer.focus, 1, "the new column is right of the first pane");
    assert_eq!(bench.viewer.panes.len(), 4);
    assert_eq!(
        places(&bench).iter().map(|p| p.0).collect::<Vec<_>>(),
        [0, 33, 66, 66]
    );
    bench.press("xxx");
    assert_eq!(places(&bench).len(), 1);
    bench.press("x");
    assert_eq!(bench.viewer.panes.len(), 1, "the last one stays");
}

/// A hit in a line of many rows, or far to the right, is brought into view; unwrapped the page moves sideways for it.
#[test]
fn a_hit_within_a_long_line_is_on_the_screen() {
    for (before, after) in [(3_010, 1_000), (90_010, 1_000), (400_010, 10)] {
        let text = format!("first\n{}needle{}\nlast\n", "y".repeat(before), "z".repeat(after));
        for keys in ["/needle~", "w/needle~", "wG/needle~"] {
            let mut bench = Bench::new(&[("a.log", &text)], (80, 24));
            bench.press(keys);
            assert!(
                bench.draw().contains("needle"),
                "{before} {keys}: {}",
                bench.draw()
            );
            assert!(
                bench.status().contains("1 hit") || bench.status().contains("hit 1 of 1"),
                "{}",
                bench.status()
            );
        }
    }
}

#[test]
fn what_is_no_pattern_is_said_and_can_be_mended() {
    let mut bench = Bench::new(&[("a.log", "a(b\nc\n")], (80, 24));
    for letter in "/a(b".chars() {
        bench
            .viewer
            .key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
    }
    bench
        .viewer
        .key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL));
    bench.press("~");
    let message = bench.viewer.message.clone().unwrap();
    assert!(message.contains("no pattern: unclosed group"), "{message}");
    assert!(bench.viewer.prompt.is_some(), "what was typed is still there");
    bench
        .viewer
        .key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL));
    bench.press("~");
    assert!(
        bench.status().contains("1 hit") || bench.status().contains("hit 1 of 1"),
        "{}",
        bench.status()
    );
    bench.press("/nowhere~");
    assert_eq!(
        bench.status().matches("not found").count(),
        1,
        "{}",
        bench.status()
    );
}

/// A long message takes rows of the log; a wide character at the edge leaves room for the mark of what goes on.
#[test]
fn long_messages_and_wide_characters_are_whole() {
    let text = format!("8 {}\n", "\u{65e5}".repeat(60));
    let mut bench = Bench::new(&[("a.log", &text)], (80, 24));
    bench.viewer.message = Some(format!(
        "/nope/{} cannot be written: no such folder",
        "x".repeat(90)
    ));
    let drawn = bench.draw();
    assert!(
        drawn.contains("/nope/xxx") && drawn.contains("cannot be written: no such folder"),
        "{drawn}"
    );
    bench.press("w");
    let first = bench.draw().lines().next().unwrap().to_owned();
    assert!(first.contains('\u{203a}'), "{first}");
}

#[test]
fn a_number_and_a_key_go_there_as_in_less() {
    let mut bench = Bench::new(&[("a.log", &build(200)), ("b.log", "other\n")], (80, 24));
    for (keys, status) in [
        ("120G", "line 120 of 200"),
        ("10j", "line 130 of 200"),
        ("5k", "line 125 of 200"),
        ("7g", "line 7 of 200"),
        // What is typed on is a time or a share.
        ("50%~", "line 102 of 200"),
        ("7g:n~", "b.log (2 of 2)"),
        (":p~", "a.log (1 of 2)"),
    ] {
        bench.press(keys);
        assert!(bench.status().contains(status), "{keys}: {}", bench.status());
    }
}
