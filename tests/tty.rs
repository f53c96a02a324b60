//! The program on a real pseudo-terminal: it gives the terminal back on every way out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/pty.rs"]
mod pty;

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use portable_pty::CommandBuilder;
use pty::{Pty, environment, halolab};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

/// No engine is there.
const NOBODY: &str = "/nonexistent/halolab-test.socket";

fn start(home: &Path) -> Pty {
    let pty = Pty::start(halolab(home, NOBODY), 80, 24);
    pty.wait_for("this machine");
    pty
}

fn kill(pty: &Pty, signal: Signal) {
    let pid = Pid::from_raw(pty.pid().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn quitting_gives_the_terminal_back() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(home.path());
    pty.answer("q quit", "q");
    assert_eq!(pty.end(), 0);
    pty.assert_given_back();
}

#[rstest]
#[case(Signal::TERM, 143)]
#[case(Signal::HUP, 129)]
#[case(Signal::INT, 130)]
fn a_signal_gives_the_terminal_back(#[case] signal: Signal, #[case] code: u32) {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(home.path());
    // The signal is meant for a program that has its handlers.
    pty.wait_for("does not answer");
    kill(&pty, signal);
    assert_eq!(pty.end(), code);
    pty.assert_given_back();
}

/// The modes of the line are the shell's to see: raw mode would show here.
#[test]
fn the_shell_finds_its_line_as_it_was_after_suspend_and_after_the_end() {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    environment(&mut command, home.path(), NOBODY);
    command.env("PS1", "ready> ");
    let mut pty = Pty::start(command, 80, 24);
    pty.answer("ready> ", &format!("{}\n", env!("CARGO_BIN_EXE_halolab")));
    pty.answer("this machine", "\x1a");
    pty.answer(
        "Stopped",
        "stty -a | tr ' ;' '\\n\\n' | grep -cE '^(icanon|echo|isig|icrnl)$'\n",
    );
    pty.assert_given_back();
    pty.answer("\n4", "fg\n");
    pty.wait("the screen again", |screen| {
        screen.alternate_screen() && screen.contents().contains("this machine")
    });
    pty.send("q");
    pty.wait("the shell", |screen| !screen.alternate_screen());
    pty.send("clear; stty -a | tr ' ;' '\\n\\n' | grep -cE '^(icanon|echo|isig|icrnl)$'\n");
    pty.wait_for("\n4");
    pty.send("exit\n");
    pty.end();
}

#[test]
#[ignore = "run by the test below, on a terminal of its own"]
fn a_screen_that_panics() {
    let _session = halolab::app::terminal::Session::enter(true).unwrap();
    panic!("a mistake of ours");
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_words() {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "a_screen_that_panics", "--nocapture"]);
    environment(&mut command, home.path(), NOBODY);
    let mut pty = Pty::start(command, 80, 24);
    assert_ne!(pty.end(), 0);
    pty.assert_given_back();
    assert!(pty.screen().contains("a mistake of ours"), "{}", pty.screen());
}

/// What a kill leaves is put right by the guard, and the shell goes on where it was.
#[rstest]
#[case::screens("", "this machine")]
#[case::viewer("view /etc/passwd", "root:")]
fn the_terminal_comes_back_even_after_a_kill_that_nobody_can_hear(
    #[case] arguments: &str,
    #[case] shown: &str,
) {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "--noediting", "-i"]);
    environment(&mut command, home.path(), NOBODY);
    command.env("PS1", "ready> ");
    let mut pty = Pty::start(command, 80, 24);
    pty.answer(
        "ready> ",
        &format!("{} {arguments}\n", env!("CARGO_BIN_EXE_halolab")),
    );
    pty.wait("the screen", |screen| {
        screen.alternate_screen() && screen.contents().contains(shown)
    });
    let child = |of: u32| {
        let all = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
        all.split_whitespace()
            .next()
            .and_then(|pid| pid.parse::<u32>().ok())
    };
    let program = child(pty.pid()).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while child(program).is_none() {
        assert!(Instant::now() < end, "there is no guard");
        std::thread::yield_now();
    }
    kill_process(Pid::from_raw(program.cast_signed()).unwrap(), Signal::KILL).unwrap();
    pty.wait_for("halolab was killed");
    // A shell that was quicker than the guard wrote its prompt onto the screen that is gone.
    pty.send("\n");
    pty.wait("the shell", |screen| {
        screen.contents().trim_end().ends_with("ready>")
    });
    pty.assert_given_back();
    let count = "stty -a | tr ' ;' '\\n\\n' | grep -cE '^(icanon|echo|isig|icrnl|opost|ixon|iexten)$'";
    pty.send(&format!("clear; echo modes: $({count})\n"));
    pty.wait_for("modes: 7");
    pty.send("exit\n");
    pty.end();
}

#[test]
fn after_a_quit_nothing_is_left_of_the_guard_and_it_says_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(home.path());
    pty.wait_for("does not answer");
    let children = format!("/proc/{0}/task/{0}/children", pty.pid());
    let guard: i32 = std::fs::read_to_string(children)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    pty.send("q");
    assert_eq!(pty.end(), 0);
    assert!(!pty.screen().contains("killed"), "{}", pty.screen());
    let end = Instant::now() + Duration::from_secs(30);
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{guard}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !gone() {
        assert!(Instant::now() < end, "the guard lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_flood_of_keys_and_a_pasted_megabyte_are_swallowed() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(home.path());
    pty.answer("does not answer", "\r");
    let began = Instant::now();
    pty.send(&"j".repeat(20_000));
    pty.send(&format!("\x1b[200~{}\x1b[201~", "q".repeat(1 << 20)));
    pty.send("q");
    assert_eq!(pty.end(), 0);
    // Two seconds on a quiet machine; this one runs other tests, and the program is not optimised.
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    pty.assert_given_back();
}

#[test]
fn windows_of_every_size_are_drawn() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(home.path());
    for round in 0..100_u16 {
        for (columns, rows) in [(1, 1), (20, 5), (60 + round, 15), (200, 60)] {
            pty.resize(columns, rows);
        }
    }
    pty.resize(50, 20);
    pty.wait_for("60 x 15");
    pty.resize(100, 30);
    pty.wait_for("this machine");
    pty.send("q");
    assert_eq!(pty.end(), 0);
    pty.assert_given_back();
}

#[test]
fn without_a_terminal_it_says_what_to_type_instead() {
    let home = tempfile::tempdir().unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test, without a terminal"
    )]
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"))
        .env("HALOLAB_HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let text = String::from_utf8_lossy(&ended.stderr);
    assert!(text.contains("halolab apply"), "{text}");
}

#[test]
fn no_color_means_no_colour() {
    let home = tempfile::tempdir().unwrap();
    let mut command = halolab(home.path(), NOBODY);
    command.env("NO_COLOR", "1");
    let mut pty = Pty::start(command, 80, 24);
    pty.answer("does not answer", "?");
    pty.answer("keys of this screen", "\x1b");
    pty.wait_gone("keys of this screen");
    pty.send("q");
    pty.end();
    let text = String::from_utf8_lossy(&pty.bytes()).into_owned();
    // What is between an ESC and an m: numbers of colours are 30-49 and 90-107, but 39 and 49 take them off.
    for sequence in text
        .split('\x1b')
        .filter_map(|part| part.strip_prefix('[')?.split_once('m'))
    {
        for number in sequence.0.split(';').filter_map(|n| n.parse::<u8>().ok()) {
            let colour = matches!(number, 30..=38 | 40..=48 | 90..=107);
            assert!(!colour, "{:?}", sequence.0);
        }
    }
}

#[test]
fn sixteen_colours_are_enough_where_the_terminal_says_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut command = halolab(home.path(), NOBODY);
    command.env_remove("COLORTERM");
    let mut pty = Pty::start(command, 80, 24);
    pty.answer("does not answer", "q");
    pty.end();
    let text = String::from_utf8_lossy(&pty.bytes()).into_owned();
    assert!(!text.contains("38;2;") && !text.contains("48;2;"), "true colours");
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit(") ").next().unwrap();
    let fields: Vec<&str> = after.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn an_idle_screen_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(home.path());
    // Where the terminal settled: the engine was looked for, and the host was read.
    pty.answer("does not answer", "?");
    // The last line of the frame: all of it was drawn.
    pty.wait_for("esc close");
    let (ticks, bytes) = (cpu_ticks(pty.pid()), pty.bytes().len());
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
    // A tick is 10 ms: two of them in two seconds are one percent, of an unoptimised program.
    assert!(
        cpu_ticks(pty.pid()) - ticks <= 2,
        "it works while nothing happens"
    );
    // One attempt to find the engine again may say so.
    assert!(pty.bytes().len() - bytes < 2000, "it draws while nothing happens");
    pty.send("\x1b");
    pty.wait_gone("keys of this screen");
    pty.send("q");
    pty.end();
}

#[test]
fn a_terminal_that_is_gone_ends_it_even_where_hangups_are_ignored() {
    let home = tempfile::tempdir().unwrap();
    let note = home.path().join("pid");
    // `script` holds the inner terminal; killed, it takes that away.
    let inner = format!(
        "trap '' HUP; echo $$ > {}; exec {}",
        note.display(),
        env!("CARGO_BIN_EXE_halolab")
    );
    let mut command = CommandBuilder::new("script");
    command.args(["-q", "-c", &inner, "/dev/null"]);
    environment(&mut command, home.path(), NOBODY);
    command.env("SHELL", "/bin/bash");
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_for("does not answer");
    let pid: i32 = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    kill(&pty, Signal::KILL);
    pty.end();
    let end = Instant::now() + Duration::from_secs(20);
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    while !gone() {
        assert!(Instant::now() < end, "it lives on without a terminal");
        std::thread::yield_now();
    }
}
