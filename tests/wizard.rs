//! A first run and every later-run entry, typed into the screens on a pseudo-terminal, against a real daemon.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common {
    #![allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        missing_docs,
        clippy::expect_used,
        reason = "each test file uses a part of it"
    )]
    pub mod daemon;
    pub mod program;
    pub mod pty;
}

use common::{program::Home, pty::Pty};
use portable_pty::CommandBuilder;

const ENTER: &str = "\r";
const ESC: &str = "\x1b";
const DOWN: &str = "\x1b[B";
const TAB: &str = "\t";

fn screens(home: &Home) -> Pty {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_halolab"));
    command.env("HALOLAB_HOME", home.folder.path());
    command.env("HALOLAB_DATA", home.folder.path().join("data"));
    command.env("LXD_SOCKET", &home.socket);
    command.env("TERM", "xterm-256color");
    Pty::start(command, 100, 30)
}

/// From the labs list to the menu of the lab: its row is found by its name.
fn open(pty: &mut Pty, lab: &str) {
    pty.answer("on to your labs", ENTER);
    pty.wait_for(lab);
    for _ in 0..20 {
        let here = |s: &str| {
            s.lines()
                .any(|l| l.trim_start().starts_with('▸') && l.contains(lab))
        };
        if here(&pty.screen()) {
            break;
        }
        let before = pty.screen();
        pty.send(DOWN);
        pty.wait("the cursor to move", |s| s.contents() != before);
    }
    pty.send(ENTER);
    pty.wait_for("Skip");
}

/// Picks a line of the menu by its word.
fn pick(pty: &mut Pty, word: &str) {
    for _ in 0..12 {
        let here = |s: &str| {
            s.lines().any(|l| {
                l.trim_start()
                    .strip_prefix("▸ ")
                    .is_some_and(|l| l.starts_with(word))
            })
        };
        if here(&pty.screen()) {
            break;
        }
        let before = pty.screen();
        pty.send(DOWN);
        pty.wait("the cursor to move", |s| s.contents() != before);
    }
    pty.send(ENTER);
}

/// Agrees to the plan on the screen, whichever button has the focus, and waits for the result.
fn agree(pty: &mut Pty) {
    pty.wait_for("Nothing has happened yet");
    if pty.screen().contains("[▸ Cancel ]") {
        pty.send(TAB);
        pty.wait_for("[▸ Apply ]");
    }
    pty.send(ENTER);
    pty.wait_for("halolab · result");
}

#[test]
fn a_first_run_through_the_wizard_makes_a_lab() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let mut pty = screens(&home);
    open(&mut pty, lab);
    pick(&mut pty, "Create");
    pty.wait_for("Greeting");
    pty.send(DOWN);
    pty.send(" world");
    pty.wait_for("hello world");
    pty.send("\x13");
    pty.wait_for("create the instance");
    pty.wait_for("Nothing has happened yet");
    // Back loses nothing that was typed.
    pty.send(ESC);
    pty.wait_for("hello world");
    pty.send("\x13");
    agree(&mut pty);
    pty.wait_for("CPU only: hello world in green");
    pty.wait_for(&format!("halolab shell {lab}"));
    pty.send("q");
    assert_eq!(pty.end(), 0);
    assert_eq!(home.snapshots(lab), ["clean"]);
    assert_eq!(home.inside(lab, "cat /greeting"), "hello world in green");
}

#[test]
fn every_later_run_entry_works_from_the_menu() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    home.inside(lab, "echo mine > /work");
    home.ends(0, &["snapshot", "create", lab, "works"]);
    home.inside(lab, "echo broken > /work");

    let mut pty = screens(&home);
    open(&mut pty, lab);
    // Restore: one key does nothing, Cancel has the focus, and Apply restores.
    pick(&mut pty, "Restore");
    pty.wait_for("works");
    pty.send(ENTER);
    pty.wait_for("before-restore-1");
    pty.wait_for("[▸ Cancel ]");
    assert_eq!(
        home.inside(lab, "cat /work"),
        "broken",
        "nothing was restored yet"
    );
    agree(&mut pty);
    assert_eq!(home.inside(lab, "cat /work"), "mine");

    // Update, recreate at once, and bring back.
    for (word, script, says) in [
        ("Update", "cat /updates", "1"),
        (
            "Recreate from clean",
            "ls /work 2>/dev/null || echo fresh",
            "fresh",
        ),
        ("Bring back", "cat /work", "mine"),
        ("Recreate", "ls /work 2>/dev/null || echo fresh", "fresh"),
    ] {
        pty.send(ENTER);
        pty.wait_for("halolab · labs");
        pty.send(ENTER);
        pty.wait_for("Skip");
        pick(&mut pty, word);
        if word == "Recreate" {
            // From fresh packages: the options are asked again, with the former answers.
            pty.wait_for("hello");
            pty.send("\x13");
        }
        agree(&mut pty);
        pty.wait_for("done");
        assert_eq!(home.inside(lab, script), says, "{word}");
    }

    // Skip leaves everything alone.
    pty.send(ENTER);
    pty.wait_for("halolab · labs");
    pty.send(ENTER);
    pty.wait_for("Skip");
    pick(&mut pty, "Skip");
    pty.wait_for("halolab · labs");

    // Stop and start.
    pty.send(ENTER);
    pty.wait_for("Skip");
    pick(&mut pty, "Stop");
    pty.wait("the lab to stop", |_| home.status(lab)["status"] == "stopped");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn the_shell_is_entered_and_the_screens_come_back() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    let mut pty = screens(&home);
    open(&mut pty, lab);
    pick(&mut pty, "Shell");
    pty.wait("the shell", |s| !s.alternate_screen());
    pty.send("echo in-$((40 + 2)) > /from-shell; stty size\r");
    pty.wait_for("30 100");
    pty.resize(120, 40);
    pty.send("stty size\r");
    pty.wait_for("40 120");
    pty.send("exit\r");
    pty.wait_for("Skip");
    assert_eq!(home.inside(lab, "cat /from-shell"), "in-42");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn removing_a_lab_asks_for_its_name() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab().to_owned();
    home.ends(0, &["apply", &lab, "--yes"]);
    let mut pty = screens(&home);
    open(&mut pty, &lab);
    pick(&mut pty, "Remove");
    pty.wait_for("Type the name");
    pty.send("wrong\r");
    pty.send(ESC);
    pty.wait_gone("Type the name");
    assert_eq!(home.status(&lab)["presence"], "ours");
    pty.send(ENTER);
    pty.wait_for("Type the name");
    pty.send(&format!("{lab}\r"));
    agree(&mut pty);
    assert_eq!(home.status(&lab)["presence"], "missing");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}
