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
    with_step(&format!(
        "echo begun >> /count\ni=0\nwhile [ $i -lt {LINES} ]; do i=$((i+1)); echo \"slow $i\"; sleep 0.1; done\n\
         echo \"$OPT_GREETING\" > /greeting"
    ))
}

/// A home whose lab has this script as its step.
fn with_step(script: &str) -> Option<Home> {
    let home = Home::new(1)?;
    let stage = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let text = fs::read_to_string(&stage).unwrap();
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

#[test]
fn a_script_whose_runner_is_gone_is_ended_all_the_same() {
    // It is deaf to TERM.
    let script = "trap '' TERM\necho slow 1\nwhile :; do sleep 0.1; done";
    let Some(home) = with_step(script) else { return };
    let mut child = home.spawn(&["apply", home.lab(), "--yes"]);
    until("the step to begin", || text(&home).contains("slow 1\n"));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // Both come to it at once: that the runner is gone, and that it is to stop.
    kill_process(pid, Signal::STOP).unwrap();
    home.inside(
        home.lab(),
        "kill -9 $(cut -d' ' -f1 /var/lib/halolab/jobs/*/runner.id)",
    );
    kill_process(pid, Signal::INT).unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    assert_ne!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        home.inside(home.lab(), "ps | grep -c 'jobs/.*/[s]cript' || true"),
        "0",
        "{}",
        text(&home)
    );
}

#[test]
fn a_script_that_is_lost_does_not_go_on_behind_a_run_that_failed() {
    let script = "trap '' TERM\necho slow 1\nwhile :; do sleep 0.1; done";
    let Some(home) = with_step(script) else { return };
    let mut child = home.spawn(&["apply", home.lab(), "--yes"]);
    until("the step to begin", || text(&home).contains("slow 1\n"));
    home.inside(
        home.lab(),
        "kill -9 $(cut -d' ' -f1 /var/lib/halolab/jobs/*/runner.id)",
    );
    assert_ne!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        home.inside(home.lab(), "ps | grep -c 'jobs/.*/[s]cript' || true"),
        "0",
        "{}",
        text(&home)
    );
}

#[test]
fn old_steps_that_ended_well_are_pruned_and_nothing_else() {
    let Some(home) = slow() else { return };
    let jobs = home.folder.path().join("state/jobs");
    let make = |id: &str, state: &str| {
        let folder = jobs.join(id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("job.json"),
            format!(r#"{{"schema":"halolab.job/1","job":"{id}"}}"#),
        )
        .unwrap();
        let status = format!(r#"{{"schema":"halolab.job/1","job":"{id}","state":"{state}","whole":true}}"#);
        fs::write(folder.join("status.json"), status).unwrap();
    };
    for n in 0..30 {
        make(
            &format!("step-202501{:02}T000000Z-aaaaaaaaaa", n + 1),
            "succeeded",
        );
    }
    make("step-20240101T000000Z-bbbbbbbbbb", "failed");
    make("cmd-20240101T000000Z-cccc", "succeeded");
    // Somebody looks at one of the oldest.
    let lock = fs::File::create(jobs.join("step-20250102T000000Z-aaaaaaaaaa/lock")).unwrap();
    lock.lock().unwrap();
    home.ends(0, &["apply", home.lab(), "--yes"]);
    let left = |id: &str| jobs.join(id).exists();
    assert!(left("step-20240101T000000Z-bbbbbbbbbb") && left("cmd-20240101T000000Z-cccc"));
    assert!(left("step-20250102T000000Z-aaaaaaaaaa"), "it is looked at");
    assert!(!left("step-20250101T000000Z-aaaaaaaaaa") && !left("step-20250103T000000Z-aaaaaaaaaa"));
    assert!(left("step-20250130T000000Z-aaaaaaaaaa"), "the newest stay");
}
