//! Scripts of stages are jobs: killing halolab does not end them, and a resumed run goes on with the one that runs.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::{fs, path::PathBuf, time::Duration};

use common::{
    jobs::{Numbers, until},
    program::Home,
};
use rustix::process::{Pid, Signal, kill_process};

/// Lines that the long step writes.
const LINES: usize = 60;

/// A home whose lab has a step of some seconds that counts how often it began.
fn slow() -> Option<Home> {
    let home = Home::new(1)?;
    let stage = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let text = fs::read_to_string(&stage).unwrap();
    let script = format!(
        "echo begun >> /count\ni=0\nwhile [ $i -lt {LINES} ]; do i=$((i+1)); echo \"slow $i\"; sleep 0.1; done\n\
         echo \"$OPT_GREETING\" > /greeting"
    );
    let (before, rest) = text.split_once("echo \"$OPT_GREETING in").unwrap();
    let (_, after) = rest.split_once("'''").unwrap();
    fs::write(&stage, format!("{before}{script}\n'''{after}")).unwrap();
    home.trust();
    Some(home)
}

/// The log of the lab in the newest run.
fn log(home: &Home) -> PathBuf {
    let mut runs: Vec<PathBuf> = fs::read_dir(home.folder.path().join("state/runs"))
        .into_iter()
        .flatten()
        .map(|e| e.unwrap().path())
        .collect();
    runs.sort();
    runs.pop().unwrap_or_default().join(format!("{}.log", home.lab()))
}

fn text(home: &Home) -> String {
    String::from_utf8_lossy(&fs::read(log(home)).unwrap_or_default()).into_owned()
}

/// The lines that the step wrote are in the log, each once and in order.
#[track_caller]
fn whole(home: &Home) {
    let text = text(home);
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("slow ")).collect();
    let wanted: Vec<String> = (1..=LINES).map(|i| format!("slow {i}")).collect();
    assert_eq!(lines, wanted, "{text}");
}

#[test]
fn a_run_that_is_killed_again_and_again_runs_its_script_once() {
    let Some(home) = slow() else { return };
    let mut numbers = Numbers(5);
    let mut child = home.spawn(&["apply", home.lab(), "--yes"]);
    until("the step to begin", || text(&home).contains("slow 3\n"));
    for _ in 0..3 {
        child.kill().unwrap();
        child.wait().unwrap();
        let began = text(&home).matches("==> write the greeting").count();
        child = home.spawn(&["runs", "resume", "--yes"]);
        until("the run to go on", || {
            text(&home).matches("==> write the greeting").count() > began
        });
        std::thread::sleep(Duration::from_millis(numbers.next(700)));
    }
    assert!(child.wait().unwrap().success(), "{}", text(&home));
    whole(&home);
    assert_eq!(home.inside(home.lab(), "cat /count /greeting"), "begun\nhello");
    assert_eq!(
        home.inside(home.lab(), "ls /var/lib/halolab/jobs"),
        "",
        "snapshots carry no logs"
    );
}

#[test]
fn a_script_that_ended_while_nobody_looked_is_not_run_again() {
    let Some(home) = slow() else { return };
    let mut child = home.spawn(&["apply", home.lab(), "--yes"]);
    until("the step to begin", || text(&home).contains("slow 3\n"));
    child.kill().unwrap();
    child.wait().unwrap();
    until("the script to end", || {
        home.run(&["shell", home.lab(), "--", "test", "-s", "/greeting"])
            .code
            == 0
    });
    home.ends(0, &["runs", "resume", "--yes"]);
    whole(&home);
    assert_eq!(home.inside(home.lab(), "cat /count"), "begun");
}

#[test]
fn stopping_a_run_ends_its_script() {
    let Some(home) = slow() else { return };
    let mut child = home.spawn(&["apply", home.lab(), "--yes"]);
    until("the step to begin", || text(&home).contains("slow 3\n"));
    kill_process(
        Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(),
        Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let lines = text(&home).matches("slow ").count();
    assert!(lines < LINES, "it was ended in the middle");
    assert_eq!(
        home.inside(home.lab(), "ps | grep -c 'jobs/.*/[s]cript' || true"),
        "0",
        "nothing of it runs"
    );
    home.ends(0, &["runs", "resume", "--yes"]);
    assert_eq!(
        home.inside(home.lab(), "cat /count"),
        "begun\nbegun",
        "it is begun anew"
    );
    assert!(text(&home).ends_with('\n') && text(&home).contains(&format!("slow {LINES}\n")));
}
