//! `--plain`: the questions, answered over a pipe and on a terminal that knows no cursor.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;
#[path = "common/tree.rs"]
mod tree;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

use common::{
    program::{Home, Said},
    pty,
};
use pty::Pty;

/// Runs a command with these lines as its whole input.
fn answer(mut command: Command, lines: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it read all is one of the things that are tested.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn plain(home: &Home, lines: &str) -> Said {
    answer(home.command(&["--plain"]), lines)
}

fn ends(home: &Home, code: i32, lines: &str) -> Said {
    let said = plain(home, lines);
    assert_eq!(said.code, code, "{lines:?}\n{}\n{}", said.out, said.err);
    said
}

/// The number of a line that begins with a word.
fn number(said: &Said, word: &str) -> String {
    let find = |line: &str| {
        let (number, rest) = line.trim().split_once(". ")?;
        rest.starts_with(word).then(|| number.to_owned())
    };
    let found = said.out.lines().filter_map(find).next_back();
    assert!(found.is_some(), "no {word} in\n{}", said.out);
    found.unwrap()
}

/// The answers of a first run up to the question whether to apply.
fn first_answers(home: &Home) -> Vec<String> {
    let lab = number(&ends(home, 130, ""), home.lab());
    [lab.as_str(), "1", "", "good morning", "2", "secret-token"]
        .map(str::to_owned)
        .to_vec()
}

fn lines(answers: &[String]) -> String {
    answers.join("\n") + if answers.is_empty() { "" } else { "\n" }
}

/// Chooses an entry of the menu of the first lab by its word, then answers on.
fn choose(home: &Home, code: i32, entry: &str, more: &str) -> Said {
    let lab = number(&ends(home, 130, ""), home.lab());
    let menu = ends(home, 130, &format!("{lab}\n"));
    let entry = number(&menu, entry);
    ends(home, code, &format!("{lab}\n{entry}\n{more}"))
}

#[test]
fn the_first_run_and_the_later_ones_go_by_numbers() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let answers = first_answers(&home);
    let made = ends(&home, 0, &(lines(&answers) + "y\n"));
    assert!(made.out.contains("Nothing has happened yet"), "{}", made.out);
    assert!(made.err.contains("write the greeting"), "{}", made.err);
    assert!(
        !made.out.contains("secret-token") && !made.err.contains("secret-token"),
        "{}\n{}",
        made.out,
        made.err
    );
    assert_eq!(home.inside(lab, "cat /greeting"), "good morning in blue");
    assert_eq!(home.snapshots(lab), ["clean"]);

    choose(&home, 0, "Update", "y\n");
    assert_eq!(home.inside(lab, "cat /updates"), "1");
    // A snapshot is taken, noted, pinned, and the lab put back to `clean`.
    let list = choose(&home, 130, "Restore", "");
    let new = number(&list, "Take a new snapshot");
    choose(
        &home,
        0,
        "Restore",
        &format!("{new}\nNot A Name\nmine\nworks well\n"),
    );
    let list = choose(&home, 130, "Restore", "");
    let (mine, clean) = (number(&list, "mine"), number(&list, "clean"));
    let pinned = choose(&home, 0, "Restore", &format!("{mine}\n4\n"));
    assert!(pinned.out.contains("mine is pinned"), "{}", pinned.out);
    let kept = choose(&home, 1, "Restore", &format!("{mine}\n6\ny\n"));
    assert!(kept.out.contains("is pinned"), "{}", kept.out);
    let put_back = choose(&home, 0, "Restore", &format!("{clean}\n1\ns\ny\n"));
    assert!(
        put_back.out.contains("\"snapshot\": \"clean\""),
        "the steps to the letter\n{}",
        put_back.out
    );
    assert_eq!(home.inside(lab, "cat /updates 2>/dev/null; echo gone"), "gone");
    // Not the name, then the name.
    choose(&home, 7, "Remove", "something else\n");
    choose(&home, 0, "Remove", &format!("{lab}\ny\n"));
    assert_eq!(home.status(lab)["presence"], "missing");
}

#[test]
fn the_end_of_the_input_cancels_wherever_it_comes() {
    let Some(home) = Home::new(1) else { return };
    let answers = first_answers(&home);
    for end in 0..=answers.len() {
        let said = ends(&home, 130, &lines(&answers[..end]));
        assert!(said.out.contains("nothing was changed"), "{}", said.out);
    }
    for no in ["n", "", "q"] {
        let said = ends(&home, 7, &format!("{}{no}\n", lines(&answers)));
        assert!(said.out.contains("Nothing was changed"), "{}", said.out);
    }
    ends(&home, 0, "q\n");
    assert_eq!(home.status(home.lab())["presence"], "missing");
    assert!(home.ends(0, &["runs", "list", "--json"]).out.trim() == "[]");
}

#[test]
fn what_does_not_fit_is_asked_again() {
    let Some(home) = Home::new(2) else { return };
    let first = ends(&home, 130, "none\n99\n-1\n\n");
    assert_eq!(
        first.out.matches("Please type a number from 1 to").count(),
        4,
        "{}",
        first.out
    );
    // Two labs at once: the options of both, then one plan.
    let (one, two) = (number(&first, &home.labs[0]), number(&first, &home.labs[1]));
    let both = ends(&home, 130, &format!("{one},{two}\n\n\n9\n2\n\n\n-\n\n\nmaybe\n"));
    for lab in &home.labs {
        assert!(both.out.contains(&format!("Options of {lab}")), "{}", both.out);
    }
    assert!(
        both.out.contains("from 1 to 2") && both.out.contains("Please type y"),
        "{}",
        both.out
    );
}

#[test]
fn nothing_is_changed_under_read_only_and_nobody_is_asked_without_input() {
    let Some(home) = Home::new(1) else { return };
    let answers = lines(&first_answers(&home)) + "y\n";
    let said = answer(home.command(&["--plain", "--read-only"]), &answers);
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    for flag in ["--json", "--no-input"] {
        assert_eq!(answer(home.command(&["--plain", flag]), &answers).code, 2);
    }
    assert_eq!(home.status(home.lab())["presence"], "missing");
}

#[test]
fn an_engine_that_does_not_answer_ends_it_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_halolab"));
    command
        .arg("--plain")
        .env("HALOLAB_HOME", folder.path())
        .env("LXD_SOCKET", "/nonexistent/halolab-test.socket");
    let said = answer(command, "1\n");
    assert_eq!(said.code, 1, "{}\n{}", said.out, said.err);
    assert!(
        said.err.contains("/nonexistent/halolab-test.socket"),
        "{}",
        said.err
    );
}

#[test]
fn a_terminal_without_a_cursor_gets_the_questions_and_shows_no_secret() {
    let Some(home) = Home::new(1) else { return };
    let answers = first_answers(&home);
    let mut command = pty::halolab(home.folder.path(), &home.socket);
    command.env("TERM", "dumb");
    let mut pty = Pty::start(command, 80, 60);
    for answer in &answers[..5] {
        pty.wait("a question", |screen| {
            let text = screen.contents();
            text.trim_end().ends_with(':') && text.lines().last().is_some_and(|l| l.contains(['[', 'q', 'N']))
        });
        let before = pty.screen();
        pty.send(&format!("{answer}\n"));
        pty.wait("what comes next", |screen| screen.contents() != before);
    }
    pty.wait_for("not shown");
    pty.send("hf_secret\n");
    pty.wait_for("Apply?");
    assert!(!pty.screen().contains("hf_secret"), "{}", pty.screen());
    assert!(!pty.bytes().contains(&0x1b), "no control sequences");
    pty.send("\u{3}");
    assert_eq!(pty.end(), 130);
    assert_eq!(home.status(home.lab())["presence"], "missing");
}

#[rstest]
#[case::ctrl_c(None, 130)]
#[case::terminate(Some(Signal::TERM), 143)]
#[case::hangup(Some(Signal::HUP), 129)]
fn whatever_ends_a_hidden_question_the_terminal_shows_again_what_is_typed(
    #[case] signal: Option<Signal>,
    #[case] code: u32,
) {
    let Some(home) = Home::new(1) else { return };
    let answers = first_answers(&home);
    let mut command = pty::halolab(home.folder.path(), &home.socket);
    command.arg("--plain");
    let mut pty = Pty::start(command, 80, 60);
    assert!(pty.echoes());
    pty.wait_for("Number of a lab");
    // A line each, as fast as they come: they are read when they are asked for.
    pty.send(&(answers[..5].join("\n") + "\n"));
    pty.wait_for("not shown");
    assert!(!pty.echoes());
    match signal {
        None => pty.send("\u{3}"),
        Some(signal) => kill_process(Pid::from_raw(pty.pid().cast_signed()).unwrap(), signal).unwrap(),
    }
    assert_eq!(pty.end(), code);
    assert!(pty.echoes());
}

/// As if the program had been killed before it closed the journal of its newest run.
fn never_closed(home: &Home) -> String {
    let runs: serde_json::Value =
        serde_json::from_str(&home.ends(0, &["runs", "list", "--json"]).out).unwrap();
    let id = runs[0]["id"].as_str().unwrap().to_owned();
    let said = home.ends(0, &["runs", "show", &id]).out;
    let folder = said
        .lines()
        .find_map(|l| l.strip_prefix("logs: "))
        .unwrap()
        .to_owned();
    let path = std::path::Path::new(&folder).join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    // Neither closed, nor is the removal in it done.
    let open: Vec<&str> = text
        .lines()
        .filter(|l| !l.contains("\"closed\"") && !l.contains("\"finished\""))
        .collect();
    std::fs::write(&path, open.join("\n") + "\n").unwrap();
    id
}

#[test]
fn a_run_that_was_not_finished_is_offered_first_and_left_alone_by_enter() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    home.ends(0, &["remove", lab, "--yes"]);
    let id = never_closed(&home);
    let left = ends(&home, 0, "\nq\n");
    assert!(
        left.out.contains(&format!("The run {id} of ")) && left.out.contains("was not finished"),
        "{}",
        left.out
    );
    assert!(
        left.out.contains("Going on LOSES") && left.out.contains("Labs:"),
        "{}",
        left.out
    );
    // A removal goes on only after its name.
    let other = ends(&home, 7, "2\nnot the name\nq\n");
    assert!(
        other.out.contains("Type the name") && !other.out.contains("Apply?"),
        "{}",
        other.out
    );
    let asked = ends(&home, 7, &format!("2\n{lab}\nn\nq\n"));
    assert!(
        asked.out.contains("Apply?") && asked.out.contains("DESTROYS"),
        "{}",
        asked.out
    );
}

#[test]
fn another_halolab_at_work_can_be_waited_for() {
    let Some(home) = Home::new(1) else { return };
    let answers = lines(&first_answers(&home)) + "y\n";
    let lock = home.folder.path().join("run/lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = std::fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    let who = format!("run other, pid {}, since now\n", std::process::id());
    std::fs::write(&lock, who).unwrap();
    let said = ends(&home, 8, &(answers.clone() + "n\nq\n"));
    assert!(
        said.out.contains("Another halolab is at work: run other"),
        "{}",
        said.out
    );
    let waits = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(4));
        drop(held);
    });
    let said = ends(&home, 0, &(answers + "y\ny\nq\n"));
    waits.join().unwrap();
    assert_eq!(
        said.out.matches("Nothing has happened yet").count(),
        2,
        "{}",
        said.out
    );
    assert_eq!(home.status(home.lab())["presence"], "ours");
}

#[test]
fn an_engine_that_sleeps_is_started_by_the_first_plan() {
    if std::env::var("HALOLAB_TEST_LXD").is_ok_and(|socket| socket == "skip") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    // What an LXD that does not run leaves, in a file system of its own.
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs none /var/lib && mkdir -p /var/lib/lxd/database && exec \"$0\" --plain")
        .arg(env!("CARGO_BIN_EXE_halolab"))
        .env("HALOLAB_HOME", home.path());
    for name in ["LXD_SOCKET", "LXD_DIR", "INCUS_SOCKET", "INCUS_DIR"] {
        command.env_remove(name);
    }
    let said = answer(command, "n\n");
    assert_eq!(said.code, 7, "{}\n{}", said.out, said.err);
    assert!(
        said.out.contains("LXD is installed and does not run"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("Apply?") && said.err.contains("halolab start"),
        "{}\n{}",
        said.out,
        said.err
    );
}

/// A machine whose GPU shares the memory, at the kernel's default, with GRUB.
fn untuned(home: &Home) -> std::path::PathBuf {
    let host = home.folder.path().join("machine");
    tree::copy(
        std::path::Path::new("tests/fixtures/hosts/strix-halo-128-untuned-badfw"),
        &host,
    );
    let grub = host.join("root/etc/default/grub");
    std::fs::create_dir_all(grub.parent().unwrap()).unwrap();
    std::fs::write(&grub, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n").unwrap();
    let boot = host.join("root/proc/sys/kernel/random/boot_id");
    std::fs::create_dir_all(boot.parent().unwrap()).unwrap();
    std::fs::write(boot, "first\n").unwrap();
    host
}

#[test]
fn the_memory_of_the_gpu_is_asked_about_before_a_lab_with_one_is_made() {
    let Some(home) = Home::new(1) else { return };
    let host = untuned(&home);
    let run = |code: i32, lines: &str| {
        let mut command = home.command(&["--plain"]);
        command.env("HALOLAB_TEST_ROOT", &host);
        let said = answer(command, lines);
        assert_eq!(said.code, code, "{lines:?}\n{}\n{}", said.out, said.err);
        said
    };
    let answers = lines(&first_answers(&home));
    let question = "Give the GPU more memory first";
    let without = run(7, &format!("{answers}n\n"));
    assert!(
        !without.out.contains(question),
        "a lab without a GPU\n{}",
        without.out
    );

    let stage = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let mut text = std::fs::read_to_string(&stage).unwrap();
    text.push_str("\n[profile.device.gpu]\nconfig = { type = \"gpu\" }\n");
    std::fs::write(&stage, text).unwrap();
    home.trust();
    let kept = run(7, &format!("{answers}\nn\n"));
    assert!(
        kept.out.contains(question) && kept.out.contains("the kernel's default"),
        "{}",
        kept.out
    );
    assert!(
        !kept.out.contains("pages_limit"),
        "no is the proposal\n{}",
        kept.out
    );
    // Where it is written is up to the machine.
    let written = || {
        let files = tree::files(&host.join("root/etc")).into_iter();
        files
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect::<String>()
    };
    let told = run(7, &format!("{answers}y\n9999\n88\nn\n"));
    assert!(told.out.contains("whole number from 1 to"), "{}", told.out);
    assert!(!written().contains("pages_limit"), "a plan changes nothing");

    let done = run(6, &format!("{answers}y\n88\ny\n"));
    let limit = format!("pages_limit={}", 88 * 262_144);
    assert!(written().contains(&limit), "{}", written());
    let said = done.out + &done.err;
    assert!(said.contains("restart this machine"), "{said}");
    assert_eq!(
        home.status(home.lab())["presence"],
        "missing",
        "no lab was touched"
    );
}

/// What a failed run says and asks, with these answers to its menu.
fn failed(more: &str) -> Option<(Home, Said)> {
    failed_then(5, more)
}

fn failed_then(code: i32, more: &str) -> Option<(Home, Said)> {
    let home = Home::new(1)?;
    let stage = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let text = std::fs::read_to_string(&stage).unwrap();
    let broken = "echo 'E: Unable to locate package gti'; exit 100\nfor i in";
    std::fs::write(&stage, text.replace("for i in", broken)).unwrap();
    home.trust();
    let said = ends(&home, code, &(lines(&first_answers(&home)) + "y\n" + more));
    Some((home, said))
}

#[test]
fn a_run_that_failed_says_why_and_asks_what_now_without_doing_anything_by_itself() {
    let Some((home, said)) = failed("\nq\n") else {
        return;
    };
    for text in [
        "likely  a package of that name",
        "line    E: Unable to locate",
        "1. Leave it",
        "Undo",
    ] {
        assert!(said.out.contains(text), "{text} in\n{}", said.out);
    }
    assert_eq!(home.status(home.lab())["presence"], "unfinished");
    let report = number(&said, "Save a report");
    let Some((home, said)) = failed(&format!("{report}\n\nq\n")) else {
        return;
    };
    assert!(said.out.contains("which only you can read"), "{}", said.out);
    let reports = home.folder.path().join("state/reports");
    assert_eq!(std::fs::read_dir(reports).unwrap().count(), 1);
    let back = number(&said, "Undo");
    let Some((home, said)) = failed_then(0, &format!("{back}\ny\nq\n")) else {
        return;
    };
    assert!(said.out.contains("DESTROYS"), "{}", said.out);
    assert_eq!(home.status(home.lab())["presence"], "missing");
}
