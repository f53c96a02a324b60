//! `halolab progress`, as it is typed.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::fixtures::{bytes, recording, text};

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halolab"));
    command
        .arg("progress")
        .env("HALOLAB_HOME", home)
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    command(home).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A recording as files: the log, and its times beside it.
fn files(home: &Path, name: &str) -> String {
    let log = home.join(name);
    fs::write(&log, recording(name).0).unwrap();
    fs::write(
        home.join(format!("{name}.times")),
        text(&format!("spack/{name}.times.gz")),
    )
    .unwrap();
    log.to_str().unwrap().to_owned()
}

#[test]
fn it_prints_one_line_or_one_document() {
    let home = tempfile::tempdir().unwrap();
    let log = files(home.path(), "old-pipe-bad-dep");
    let output = run(home.path(), &[&log]);
    assert_eq!(output.status.code(), Some(1), "a build that failed");
    assert_eq!(said(&output).lines().count(), 1);
    assert!(
        said(&output).starts_with("spack failed, 6/8, 1 failed, 1 skipped; failed: lab-bad-compile 1.0.0: ")
    );
    let document: Value = serde_json::from_str(&said(&run(home.path(), &[&log, "--json"]))).unwrap();
    assert_eq!(document["failures"][0]["name"], "lab-bad-compile 1.0.0");
    let offset = usize::try_from(document["failures"][0]["offset"].as_u64().unwrap()).unwrap();
    assert!(recording("old-pipe-bad-dep").0[offset..].starts_with(b"==> No binary for lab-bad-compile"));
    let events = said(&run(home.path(), &[&log, "--events"]));
    assert!(
        events
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
            && events.lines().count() > 10
    );
}

#[test]
fn what_it_learns_it_uses() {
    let home = tempfile::tempdir().unwrap();
    let log = files(home.path(), "old-tty-env");
    assert_eq!(run(home.path(), &[&log]).status.code(), Some(0));
    let history = home.path().join("state/build-times.json");
    assert!(!history.exists(), "only with --learn");
    let refused = Command::new(env!("CARGO_BIN_EXE_halolab"))
        .args(["--read-only", "progress", &log, "--learn"])
        .env("HALOLAB_HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(
        run(home.path(), &[&log, "--learn", "--jobs", "2"]).status.code(),
        Some(0)
    );
    assert!(history.exists());
    // The same build once more, in its middle.
    let (whole, _) = recording("old-tty-env");
    let half = home.path().join("half");
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let lock = home.path().join("spack.lock");
    fs::write(&lock, bytes("spack/lab.spack.lock.gz")).unwrap();
    let times = format!("{log}.times");
    let arguments = [
        half.to_str().unwrap(),
        "--lock",
        lock.to_str().unwrap(),
        "--times",
        &times,
        "--jobs",
        "2",
    ];
    let line = said(&run(home.path(), &arguments));
    assert!(
        line.starts_with("spack running, ") && line.contains(" min"),
        "{line}"
    );
    fs::write(&history, "{ torn").unwrap();
    let output = run(home.path(), &[&log, "--learn"]);
    assert_eq!(
        output.status.code(),
        Some(3),
        "what cannot be read is not written over"
    );
    assert_eq!(fs::read_to_string(&history).unwrap(), "{ torn");
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["/nonexistent/log.raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be read"));
}

#[test]
fn it_follows_a_log_that_grows_until_the_tool_ends() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("growing");
    fs::write(&log, "Collecting six\n").unwrap();
    let mut child = command(home.path())
        .args([log.to_str().unwrap(), "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("pip running"));
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(b"Installing collected packages: six\nSuccessfully installed six-1.17.0\n")
        .unwrap();
    assert!(lines.next().unwrap().unwrap().starts_with("pip done, 1 done"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A log that is put away is read on in the file that has its name then; nothing is written for a reader that has gone.
#[test]
fn it_goes_along_to_the_next_file_and_ends_with_its_reader() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("turned");
    fs::write(&log, "Collecting six\n").unwrap();
    let mut child = command(home.path())
        .args([log.to_str().unwrap(), "-f"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("pip running"));
    fs::rename(&log, home.path().join("turned.1")).unwrap();
    fs::write(&log, "[1/2] Building C object a.o\n").unwrap();
    assert!(lines.next().unwrap().unwrap().starts_with("ninja running"));
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("is another file now"), "{said}");
}

/// What is piped in is read like a file; the exit code tells failed from done.
#[test]
fn it_reads_what_is_piped_in() {
    let home = tempfile::tempdir().unwrap();
    let say = |arguments: &[&str], log: &[u8]| {
        let mut child = command(home.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(log).unwrap();
        child.wait_with_output().unwrap()
    };
    let failed = say(&["-"], &bytes("progress/ninja-fail.log"));
    assert_eq!(failed.status.code(), Some(1));
    let line = "ninja failed, 1/2; failed: CMakeFiles/sample.dir/f6.c.o: /build/sample/f6.c:1:25: error: ";
    assert!(said(&failed).starts_with(line), "{}", said(&failed));
    let done = say(&["-", "-f"], &bytes("progress/pip.log"));
    assert_eq!(done.status.code(), Some(0));
    assert!(
        said(&done)
            .lines()
            .last()
            .unwrap()
            .starts_with("pip done, 3 done")
    );
}

/// The index beside a log that grows is read on, not anew: here it is changed where it was read already, and grows.
#[test]
fn the_index_of_a_growing_log_is_read_once() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("growing");
    let times = home.path().join("growing.times");
    let add = |path: &Path, text: &str| {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    add(&times, "1000 40\n");
    add(&log, "Collecting six\n");
    let mut child = command(home.path())
        .args([log.to_str().unwrap(), "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("pip running"));
    let read = || {
        let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
        let calls = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        calls.unwrap().parse::<u64>().unwrap()
    };
    // A big index is read when it comes, and then not each time again.
    let big: String = (0..200_000_u64)
        .map(|at| format!("{} {}\n", 2000 + at, 50 + at))
        .collect();
    add(&times, &big);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while read() < big.len() as u64 && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let before = read();
    std::thread::sleep(std::time::Duration::from_millis(1700));
    let again = read() - before;
    assert!(again < big.len() as u64 / 2, "{again} bytes were read again");
    add(
        &log,
        "Installing collected packages: six\nSuccessfully installed six-1.17.0\n",
    );
    assert!(lines.next().unwrap().unwrap().starts_with("pip done"));
    child.wait().unwrap();
}
