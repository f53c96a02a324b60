//! `halolab view` on a terminal, and without one: what it shows while files grow, are cut, replaced and go away,
//! and how it ends.

#![expect(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

#[path = "common/pty.rs"]
mod pty;

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use portable_pty::CommandBuilder;
use pty::{Pty, environment, halolab};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

const NOBODY: &str = "/nonexistent/halolab-test/unix.socket";

fn start(home: &Path, arguments: &[&str]) -> Pty {
    let mut command = halolab(home, NOBODY);
    command.arg("view");
    command.args(arguments);
    command.cwd(home);
    Pty::start(command, 80, 24)
}

fn add(path: &Path, text: &str) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn numbered(count: usize) -> String {
    (1..=count).map(|n| format!("line number {n}\n")).collect()
}

#[test]
fn it_follows_what_is_cut_replaced_and_gone() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("build.log");
    add(&log, &numbered(100));
    let mut pty = start(home.path(), &["-f", "build.log"]);
    pty.wait_for("line number 100");
    pty.wait_for("following");
    add(&log, "one more\n");
    pty.wait_for("one more");
    pty.wait_for("of 101");
    // Up: it stays where it is, and counts.
    pty.send("k");
    pty.wait_gone("following");
    add(&log, "two\nthree\n");
    pty.wait_for("+2 new");
    pty.send("G");
    pty.wait_for("three");
    File::create(&log).unwrap();
    pty.wait_for("was cut");
    add(&log, "after the cut\n");
    pty.wait_for("after the cut");
    std::fs::rename(&log, home.path().join("build.log.1")).unwrap();
    pty.wait_for("no file has this name");
    add(&log, "a new file\n");
    pty.wait_for("a new file");
    pty.wait_for("was replaced");
    // What was rotated away is one more log, and its writer may still have it open.
    add(&home.path().join("build.log.1"), "its last words\n");
    pty.send(":n\r");
    pty.wait_for("after the cut");
    add(&log, "more of the new file\n");
    pty.wait_for("its last words");
    pty.wait_for("build.log before");
    pty.send(":n\r");
    pty.wait_for("more of the new file");
    std::fs::remove_file(&log).unwrap();
    pty.wait_for("no file has this name");
    pty.send("q");
    assert_eq!(pty.end(), 0);
    pty.assert_given_back();
}

#[test]
fn the_build_beside_its_log_grows_with_it_and_leads_to_its_lines() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("build.log");
    let id = |name: &str| {
        format!(
            "{name}-1.0-{}",
            name.replace('-', "").repeat(8).get(..32).unwrap()
        )
    };
    let (first, second) = (id("lab-abcd"), id("lab-efgh"));
    add(
        &log,
        &format!("==> Installing {first} [1/3]\n==> lab-abcd: Executing phase: 'build'\n"),
    );
    add(&log, &numbered(100));
    add(
        &log,
        &format!("[+] /opt/store/{first}\n==> Installing {second} [2/3]\n"),
    );
    let mut pty = start(home.path(), &["build.log"]);
    pty.wait_for("Installing lab-abcd");
    pty.send("T");
    pty.wait_for("1 of 3");
    add(&log, "==> lab-efgh: Executing phase: 'configure'\n");
    add(&log, &numbered(100));
    pty.wait_for("configure");
    pty.send("\r");
    pty.wait_for("Installing lab-efgh");
    add(&log, &format!("[+] /opt/store/{second}\n"));
    pty.wait_for("2 of 3");
    // The log has the keys again, and the pane stays; then it has them, and goes.
    pty.send("\t");
    pty.send("g");
    pty.wait_for("Installing lab-abcd");
    pty.wait_for("2 of 3");
    // It takes the keys back, and another key hides it.
    pty.send("\t\x1b[B\r");
    pty.wait_for("Installing lab-");
    pty.send("T");
    pty.wait_gone("2 of 3");
    pty.send("T");
    pty.wait_for("2 of 3");
    pty.send("q");
    assert_eq!(pty.end(), 0);
    pty.assert_given_back();
}

#[test]
fn it_searches_filters_and_saves() {
    let home = tempfile::tempdir().unwrap();
    let mut text = numbered(3000);
    text.push_str("a nee\x1b[31mdle\x1b[0m in colours\n");
    text.push_str(&numbered(3000));
    add(&home.path().join("build.log"), &text);
    std::fs::write(home.path().join("there.txt"), "mine").unwrap();
    let mut pty = start(home.path(), &["build.log"]);
    pty.answer("of 6,001", "/needle\r");
    pty.wait_for("a needle in colours");
    pty.wait_for("hit 1 of 1");
    pty.send("&number 77\r");
    pty.wait_for("22 lines");
    pty.send("sthere.txt\r");
    pty.answer("write over it?", "n");
    pty.answer("nothing was written", "sout.txt\r");
    pty.wait_for("bytes are in out.txt");
    pty.send("q");
    assert_eq!(pty.end(), 0);
    assert_eq!(
        std::fs::read_to_string(home.path().join("there.txt")).unwrap(),
        "mine"
    );
    let saved = std::fs::read_to_string(home.path().join("out.txt")).unwrap();
    assert_eq!(saved.lines().count(), 22);
    assert!(saved.lines().all(|l| l.contains("number 77")));
}

#[test]
fn copying_uses_the_clipboard_of_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), &numbered(9));
    let mut pty = start(home.path(), &["a.log"]);
    pty.answer("of 9", "vjy");
    pty.wait_for("2 lines went to the terminal's clipboard");
    let bytes = String::from_utf8_lossy(&pty.bytes()).into_owned();
    // "line number 1\nline number 2\n"
    assert!(bytes.contains("\x1b]52;c;bGluZSBudW1iZXIgMQpsaW5lIG51bWJlciAyCg==\x07"));
    pty.send("q");
    pty.end();
}

#[test]
fn another_program_gets_the_terminal_and_a_copy_that_goes_with_it() {
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("pager.sh");
    std::fs::write(
        &script,
        "echo \"$2\" > seen; ls -l \"$2\" >> seen; cat \"$2\"; read answer\n",
    )
    .unwrap();
    add(&home.path().join("a.log"), "\x1b]0;title\x07shown\n");
    let mut command = halolab(home.path(), NOBODY);
    command.args(["view", "a.log"]);
    command.cwd(home.path());
    command.env("PAGER", format!("sh {} -x", script.display()));
    command.env("TMPDIR", home.path());
    let mut pty = Pty::start(command, 80, 24);
    pty.answer("line 1 of 1", "o");
    // Outside the alternate screen: the program has the terminal.
    pty.wait("the pager", |s| {
        !s.alternate_screen() && s.contents().contains("shown")
    });
    pty.send("\n");
    pty.wait("the viewer", |s| {
        s.alternate_screen() && s.contents().contains("line 1 of 1")
    });
    pty.send("q");
    assert_eq!(pty.end(), 0);
    let seen = std::fs::read_to_string(home.path().join("seen")).unwrap();
    let path = seen.lines().next().unwrap();
    assert!(seen.contains("-rw-------"), "{seen}");
    assert!(!Path::new(path).exists(), "the copy stays behind");
}

/// What is no archive and is called one is said, on the screen and by the exit code; a text of that name is shown.
#[test]
fn a_false_archive_is_said() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("bad.gz"), [0, 159, 146, 150, 7, 200, 10]).unwrap();
    std::fs::write(home.path().join("text.gz"), "a text all the same\n").unwrap();
    let mut pty = start(home.path(), &["bad.gz"]);
    pty.wait_for("broken: no gzip archive, shown as it is");
    pty.send("q");
    assert_eq!(pty.end(), 1);
    let plain = |name: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"));
        let output = command
            .args(["view", name])
            .current_dir(home.path())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = plain("bad.gz");
    assert_eq!(code, Some(1));
    assert!(said.contains("bad.gz: broken: no gzip archive"), "{said}");
    assert_eq!(plain("text.gz"), (Some(0), String::new()));
    std::fs::write(home.path().join("cut.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    assert_eq!(plain("cut.gz").0, Some(1));
}

/// A log with its index: all of it was there at one time of the past.
fn indexed(home: &Path, text: &str, hours: u64) {
    let now = std::time::SystemTime::now();
    let then = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() - u128::from(hours) * 3_600_000;
    add(&home.join("build.log"), text);
    let index = home.join("build.log.times");
    add(&index, &format!("{then} {}\n", text.len()));
    let then = std::time::UNIX_EPOCH + Duration::from_millis(u64::try_from(then).unwrap());
    for path in [index, home.join("build.log")] {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    }
}

#[test]
fn an_index_that_is_not_written_any_more_says_no_times_of_what_comes() {
    let home = tempfile::tempdir().unwrap();
    indexed(home.path(), "a line of the past\n", 50);
    let mut pty = start(home.path(), &["-f", "build.log"]);
    pty.answer("line 1 of 1", "t");
    pty.wait("its time", |s| {
        s.contents().contains(": a line") || s.contents().contains(" a line")
    });
    let time = |line: &str| {
        let screen = pty.screen();
        let row = screen.lines().find(|row| row.contains(line)).unwrap_or_default();
        row.split_once(line)
            .map(|(time, _)| time.trim().to_owned())
            .unwrap_or_default()
    };
    let past = time("a line of the past");
    assert!(!past.is_empty(), "{}", pty.screen());
    add(&home.path().join("build.log"), "a line of today\n");
    pty.wait_for("a line of today");
    let now = time("a line of today");
    assert!(!now.is_empty() && now != past, "{past} {now}");
    // Another log of the same name: the index knows more bytes than there are.
    std::fs::write(home.path().join("build.log"), "new\n").unwrap();
    pty.wait_for("was cut");
    assert_eq!(time("new"), "", "{}", pty.screen());
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn another_program_begins_at_the_line_that_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let less = home.path().join("less");
    let script = "#!/bin/sh\necho \"$@\" >> seen; sed -n \"${2#+}p\" \"$3\" >> seen\n";
    std::fs::write(&less, script).unwrap();
    std::fs::set_permissions(&less, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // What is a bar on the way to one line is one line of the copy.
    add(
        &home.path().join("a.log"),
        &("10 %\r20 %\r30 %\n".to_owned() + &numbered(200)),
    );
    let seen = || std::fs::read_to_string(home.path().join("seen")).unwrap_or_default();
    let mut command = halolab(home.path(), NOBODY);
    command.args(["view", "a.log"]);
    command.cwd(home.path());
    command.env("PAGER", format!("{} -R", less.display()));
    command.env("EDITOR", format!("{} -x", less.display()));
    command.env("TMPDIR", home.path());
    let mut pty = Pty::start(command, 80, 24);
    pty.answer("line 1 of 201", ":101\r");
    pty.answer("line 101 of 201", "o");
    pty.wait("the pager", |_| seen().lines().count() == 2);
    pty.answer("line 101 of 201", "/number 150\r");
    pty.answer("hit 1 of 1", "O");
    pty.wait("the editor", |_| seen().lines().count() == 4);
    pty.answer("hit 1 of 1", "&number 1[0-9]0\r");
    pty.answer("only number 1[0-9]0: 10 lines", "o");
    pty.wait("the pager", |_| seen().lines().count() == 6);
    pty.send("q");
    assert_eq!(pty.end(), 0);
    let seen = seen();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines[0].starts_with("-R +101 /"), "{seen}");
    assert_eq!(lines[1], "line number 100");
    assert!(lines[2].starts_with("-x +151 /"), "{seen}");
    assert_eq!(lines[3], "line number 150");
    assert_eq!(
        lines[5], "line number 150",
        "of those that the filter shows: {seen}"
    );
}

#[test]
fn looking_for_what_is_not_there_goes_on_following_and_old_notes_go() {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), &numbered(100));
    let mut pty = start(home.path(), &["-f", "a.log"]);
    pty.answer("following", "e");
    pty.wait_for("no error below");
    pty.wait_for("following");
    pty.answer("following", "/nowhere\r");
    pty.wait_for("not found");
    pty.wait_for("following");
    std::fs::write(home.path().join("a.log"), numbered(50)).unwrap();
    pty.answer("was cut", "k");
    pty.wait_gone("was cut");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn without_a_name_a_pipe_is_read_and_of_several_files_those_that_are_there() {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), "one line\n");
    let ran = |arguments: &[&str], input: &[u8]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"));
        command
            .args(arguments)
            .current_dir(home.path())
            .env("HALOLAB_HOME", home.path());
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        let ended = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ended.status.code(), text(ended.stdout), text(ended.stderr))
    };
    assert_eq!(ran(&["view"], b"piped\n").1, "piped\n");
    let (code, out, said) = ran(&["view", "nowhere.log", "a.log"], b"");
    assert_eq!((code, out.as_str()), (Some(2), "one line\n"));
    assert!(said.contains("nowhere.log cannot be read"), "{said}");
    let spack = b"==> Error: ProcessError: Command exited with status 2:\n";
    assert!(ran(&["progress"], spack).1.contains("failed"));
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(spack).unwrap();
    std::fs::write(home.path().join("b.log.gz"), packed.finish().unwrap()).unwrap();
    assert!(ran(&["progress", "b.log.gz"], b"").1.contains("failed"));
    let mut pty = Pty::start(halolab_view(home.path()), 80, 24);
    pty.wait_for("no log is named, and nothing is piped in");
    assert_eq!(pty.end(), 2);
}

fn halolab_view(home: &Path) -> CommandBuilder {
    let mut command = halolab(home, NOBODY);
    command.args(["view"]);
    command
}

/// Nobody says of these logs how their process ended, and their last line is not the one of an end.
#[rstest]
#[case::failed("==> Error: ProcessError: Command exited with status 2:\n", "failed")]
#[case::interrupted("==> Error: Keyboard interrupt.\n", "interrupted")]
#[case::nobody_knows("[12/48] Building CXX object a.o\n", "silent since 2")]
fn of_a_build_that_is_gone_no_clock_runs(#[case] end: &str, #[case] said: &str) {
    let home = tempfile::tempdir().unwrap();
    let id = "lab-abcd-1.0-".to_owned() + &"labbuild".repeat(4);
    let begin = format!("==> Installing {id} [1/1]\n==> lab-abcd: Executing phase: 'build'\n");
    indexed(home.path(), &(begin + end), 50);
    let mut pty = start(home.path(), &["-b", "build.log"]);
    pty.wait_for(said);
    pty.wait_gone("50:0");
    pty.wait_gone("time left");
    // It goes on all the same where somebody writes, though nobody adds to the index.
    let again = format!("==> Installing {id} [1/1]\n==> lab-abcd: Executing phase: 'install'\n");
    add(&home.path().join("build.log"), &again);
    pty.wait_for("time left unknown");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

/// The file that is wrong is named with the place, wherever it would have been used, and the log is shown.
#[test]
fn a_mistake_in_the_rules_is_said_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let rules = home.path().join("config/log");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("x.toml"), "schema = 1\nbad = [\n").unwrap();
    add(&home.path().join("a.log"), "one line\n");
    let said = "config/log/x.toml:2:8: ";
    let ended = plain(home.path(), &["a.log"]).wait_with_output().unwrap();
    assert_eq!(ended.stdout, b"one line\n");
    let warning = String::from_utf8(ended.stderr).unwrap();
    assert!(
        warning.contains(said) && warning.contains("2 | bad = ["),
        "{warning}"
    );
    let mut command = halolab(home.path(), NOBODY);
    command.args(["view", "a.log"]);
    command.cwd(home.path());
    let mut pty = Pty::start(command, 200, 24);
    pty.wait_for("one line");
    pty.wait_for(said);
    pty.send("q");
    assert_eq!(pty.end(), 0);
    let mut command = halolab(home.path(), NOBODY);
    command.arg("config");
    let mut pty = Pty::start(command, 200, 60);
    pty.wait_for(said);
    assert_eq!(pty.end(), 0);
}

/// The build beside the log is the one of the log that is shown.
#[test]
fn the_build_goes_along_to_another_log() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("one.log"), "[12/48] Building one\n").unwrap();
    std::fs::write(home.path().join("two.log"), "Collecting six\n").unwrap();
    let mut pty = start(home.path(), &["-b", "one.log", "two.log"]);
    pty.wait_for("12 of 48");
    pty.send(".");
    pty.wait_for("six");
    pty.wait_for(" pip ");
    pty.send(".");
    pty.wait_for("12 of 48");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

#[test]
fn a_pipe_and_archives_are_shown() {
    let home = tempfile::tempdir().unwrap();
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gz.write_all(numbered(5000).as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    std::fs::write(home.path().join("old.log.gz"), &gz).unwrap();
    std::fs::write(home.path().join("cut.gz"), &gz[..gz.len() / 2]).unwrap();
    std::fs::write(
        home.path().join("old.log.zst"),
        zstd::encode_all(numbered(5000).as_bytes(), 1).unwrap(),
    )
    .unwrap();
    let mut pty = start(home.path(), &["old.log.gz", "old.log.zst", "cut.gz"]);
    pty.wait_for("of 5,000");
    pty.send("G\t");
    pty.wait_for("2 of 3");
    pty.wait_for("of 5,000");
    pty.send("\t");
    pty.wait_for("broken after what is shown");
    pty.send("q");
    assert_eq!(pty.end(), 1);

    let program = env!("CARGO_BIN_EXE_halolab");
    let mut command = CommandBuilder::new("sh");
    command.args([
        "-c",
        &format!("(echo first; sleep 0.2; echo ended) | {program} view -"),
    ]);
    environment(&mut command, home.path(), NOBODY);
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_for("first");
    pty.wait_for("ended");
    pty.answer("of 2", "q");
    pty.end();
}

#[test]
fn a_line_of_100_mb_and_its_neighbours_are_shown_at_once() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("long.log");
    let file = File::create(&path).unwrap();
    file.write_all_at(b"before\n", 0).unwrap();
    file.set_len(100 << 20).unwrap();
    file.write_all_at(b"\nafter\n", 100 << 20).unwrap();
    let mut pty = start(home.path(), &["long.log"]);
    pty.wait_for("before");
    pty.send("G");
    pty.wait_for("after");
    pty.send("gw");
    pty.wait_for("before");
    pty.wait_for("unwrapped");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

#[rstest]
#[case(Signal::TERM, 143)]
#[case(Signal::HUP, 129)]
#[case(Signal::INT, 130)]
fn a_signal_gives_the_terminal_back(#[case] signal: Signal, #[case] code: u32) {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), "text\n");
    let mut pty = start(home.path(), &["-f", "a.log"]);
    pty.wait_for("of 1");
    let pid = i32::try_from(pty.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    assert_eq!(pty.end(), code);
    pty.assert_given_back();
}

#[test]
fn windows_of_every_size_are_drawn() {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), &numbered(500));
    let mut pty = start(home.path(), &["a.log"]);
    pty.answer("of 500", "|");
    for (columns, rows) in [(200, 60), (1, 1), (2, 2), (60, 15), (500, 3), (3, 100), (80, 24)] {
        pty.resize(columns, rows);
        pty.send("jkwhqr");
    }
    pty.send("xG");
    pty.wait_for("line number 500");
    pty.send("q");
    assert_eq!(pty.end(), 0);
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn an_idle_viewer_writes_nothing_and_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), &numbered(500));
    let mut pty = start(home.path(), &["-f", "a.log"]);
    pty.wait_for("following");
    pty.wait_for("of 500");
    let rest = |time| std::thread::park_timeout(time);
    // Until the rules are loaded, which colour nothing here.
    let mut before = (0, 0);
    while before != (pty.bytes().len(), cpu_ticks(pty.pid())) {
        before = (pty.bytes().len(), cpu_ticks(pty.pid()));
        rest(Duration::from_secs(1));
    }
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        rest(end.saturating_duration_since(Instant::now()));
    }
    assert_eq!(before, (pty.bytes().len(), cpu_ticks(pty.pid())));
    pty.send("q");
    pty.end();
}

#[test]
fn a_terminal_that_is_gone_ends_it_even_where_hangups_are_ignored() {
    let home = tempfile::tempdir().unwrap();
    add(&home.path().join("a.log"), "here it is\n");
    let note = home.path().join("pid");
    // `script` holds the inner terminal; killed, it takes that away.
    let inner = format!(
        "trap '' HUP; echo $$ > {}; exec {} view -f a.log",
        note.display(),
        env!("CARGO_BIN_EXE_halolab")
    );
    let mut command = CommandBuilder::new("script");
    command.args(["-q", "-c", &inner, "/dev/null"]);
    environment(&mut command, home.path(), NOBODY);
    command.env("SHELL", "/bin/bash");
    command.cwd(home.path());
    let mut pty = Pty::start(command, 80, 24);
    pty.wait_for("here it is");
    let pid: i32 = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    let outer = i32::try_from(pty.pid()).unwrap();
    kill_process(Pid::from_raw(outer).unwrap(), Signal::KILL).unwrap();
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

fn plain(home: &Path, arguments: &[&str]) -> Child {
    #[expect(
        clippy::disallowed_methods,
        reason = "no terminal and no deadline are meant here"
    )]
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"));
    command
        .arg("view")
        .args(arguments)
        .current_dir(home)
        .env("HALOLAB_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn without_a_terminal_the_text_is_written_without_its_sequences() {
    let home = tempfile::tempdir().unwrap();
    add(
        &home.path().join("a.log"),
        "\x1b[31mred\x1b[0m\t1\r\nblanks  \x1b[K \n 10%\r 20%\nlast \x1b]52;c;eA==\x07word",
    );
    let ended = plain(home.path(), &["a.log"]).wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(
        String::from_utf8(ended.stdout).unwrap(),
        "red\t1\nblanks   \n 20%\nlast word\n"
    );
    let ended = plain(home.path(), &["nowhere.log"]).wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("nowhere.log cannot be read"), "{said}");
}

/// As `cat`: one log after the other, and what cannot be read is said when all others are written.
#[test]
fn without_a_terminal_logs_are_written_one_after_the_other() {
    let home = tempfile::tempdir().unwrap();
    let old = numbered(200_000);
    let mut archive = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    archive.write_all(old.as_bytes()).unwrap();
    std::fs::write(home.path().join("old.log.gz"), archive.finish().unwrap()).unwrap();
    add(&home.path().join("new.log"), "the new one\n");
    let child = plain(home.path(), &["nowhere.log", "old.log.gz", "new.log"]);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stdout == (old + "the new one\n").into_bytes());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("nowhere.log cannot be read"), "{said}");
}

/// A bar of 10 MB is one line all the same: what it was last.
#[test]
fn without_a_terminal_a_long_progress_bar_is_its_last_state() {
    let home = tempfile::tempdir().unwrap();
    let states: String = (0..400_000)
        .map(|n| format!("\rprogress {n:06} of many things"))
        .collect();
    add(&home.path().join("a.log"), &format!("before\n{states}\nafter\n"));
    let ended = plain(home.path(), &["a.log"]).wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(ended.stdout).unwrap(),
        "before\nprogress 399999 of many things\nafter\n"
    );
}

/// What a reader has had of a pipe takes no room on the disk.
#[test]
fn without_a_terminal_a_pipe_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"));
    command.args(["view", "-"]).env("HALOLAB_HOME", home.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![];
        out.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut input = child.stdin.take().unwrap();
    let text = "y".repeat(63) + "\n";
    let part = text.repeat(1 << 14);
    for _ in 0..48 {
        input.write_all(part.as_bytes()).unwrap();
    }
    let fds = format!("/proc/{}/fd", child.id());
    let kept = || -> u64 {
        let fds = std::fs::read_dir(&fds).unwrap().flatten();
        let nameless = fds.filter(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains("(deleted)"))
        });
        nameless
            .filter_map(|fd| std::fs::metadata(fd.path()).ok())
            .map(|known| std::os::unix::fs::MetadataExt::blocks(&known) * 512)
            .sum()
    };
    let patience = Instant::now();
    while kept() > 20 << 20 && patience.elapsed() < Duration::from_mins(3) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(kept() <= 20 << 20, "{} bytes of 48 MiB are kept", kept());
    drop(input);
    assert!(reader.join().unwrap().unwrap().len() == 48 << 20);
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_terminal_it_follows_until_the_reader_goes_away() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("a.log");
    add(&log, &numbered(30));
    let mut child = plain(home.path(), &["-f", "a.log"]);
    let mut out = child.stdout.take().unwrap();
    let mut seen = String::new();
    let mut read = |until: &str| {
        while !seen.contains(until) {
            let mut bytes = [0; 4096];
            let count = out.read(&mut bytes).unwrap();
            assert!(count > 0, "it ended: {seen}");
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        seen.clone()
    };
    assert!(!read("number 30\n").contains("number 20\n"));
    add(&log, "more\n");
    read("more\n");
    // What was written right before the file was put away is not lost, nor what has its name then.
    add(&log, "last of the old\n");
    std::fs::rename(&log, home.path().join("a.log.1")).unwrap();
    add(&log, "first of the new\n");
    assert!(read("first of the new\n").contains("last of the old\n"));
    drop(out);
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("a.log is another file now"), "{said}");
}

#[test]
fn without_a_terminal_a_pipe_that_is_followed_ends_with_its_last_line() {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"));
    command.args(["view", "-f", "-"]).env("HALOLAB_HOME", home.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a\nb").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "a\nb\n");
}

/// The folder of a link tells nothing of what it leads to, and a folder that is made anew is another one.
#[test]
fn a_log_behind_a_link_or_in_a_new_folder_is_found_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("logs");
    std::fs::create_dir(&folder).unwrap();
    let log = folder.join("a.log");
    add(&log, "the first\n");
    std::os::unix::fs::symlink(&log, home.path().join("current.log")).unwrap();
    let mut pty = start(home.path(), &["-f", "current.log"]);
    pty.wait_for("the first");
    std::fs::rename(&log, folder.join("a.log.1")).unwrap();
    pty.wait_for("no file has this name");
    add(&log, "the second\n");
    pty.wait_for("the second");
    add(&log, "and it goes on\n");
    pty.wait_for("and it goes on");
    std::fs::remove_dir_all(&folder).unwrap();
    pty.wait_for("no file has this name");
    std::fs::create_dir(&folder).unwrap();
    add(&log, "the third\n");
    pty.wait_for("the third");
    add(&log, "with more\n");
    pty.wait_for("with more");
    pty.send("q");
    assert_eq!(pty.end(), 0);
    pty.assert_given_back();
}

/// The help of a verb begins with what it is for, and its own options come before those of all.
#[test]
fn the_help_of_a_verb_begins_with_its_own() {
    for (verb, own) in [
        ("view", "--follow"),
        ("apply", "--choose"),
        ("progress", "--lock"),
        ("status", "--help"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_halolab"));
        let output = command.args([verb, "--help"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let heading = text.find("Options of every verb:").unwrap();
        assert!(text.find(own).unwrap() < heading, "{text}");
        assert!(text.find("--log-file").unwrap() > heading, "{text}");
        assert!(!text.starts_with("Options"), "{text}");
    }
}
