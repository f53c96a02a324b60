//! The same tools in other places: one after the other in one log, inside Docker, with times before their lines, with a
//! terminal's bar at the foot.

use std::fmt::Write as _;

use halolab::progress::{History, Inside, State, Summary, Times, Tool, Tree, estimate};
use rstest::rstest;

use crate::fixtures::{bytes, events, recording, tree, tree_of};

const A: &str = "ttzpb4xm6vxalkclyjyxzylgovt7zydp";
const B: &str = "rw6e6rom6vxalkclyjyxzylgovt7zydp";

fn summary(tree: &Tree) -> String {
    Summary::of(tree, None, None).text()
}

fn counted(tree: &Tree) -> (u32, Option<u32>) {
    let counts = tree.counts();
    (counts.done, counts.total)
}

fn state(tree: &Tree, hash: &str) -> State {
    let found = tree.packages().iter().find(|p| p.key.starts_with(&hash[..7]));
    found.unwrap().state
}

/// Two packages of which the second fails, as the old installer prints it.
fn failing(last: &str) -> String {
    format!(
        "==> Installing lab-a-1.0-{A} [1/4]\n==> Installing lab-b-2.0-{B} [2/4]\n\
         ==> lab-b: Executing phase: 'build'\n==> Error: ProcessError: Command exited with status 2:\n    'make' '-j2'\n\
         1 error found in build log:\n  >> 2    x.c:1:10: fatal error: nope.h: No such file or directory\n\
         See build log for details:\n  /s/spack-stage-lab-b-2.0-{B}/spack-build-out.txt\n\n{last}"
    )
}

#[test]
fn each_install_of_a_script_counts_its_own() {
    let apt = |names: &[&str], ready: usize| {
        let mut log = format!(
            "Reading package lists...\n0 upgraded, {} newly installed, 0 to remove and 0 not upgraded.\n",
            names.len()
        );
        for name in names {
            writeln!(log, "Unpacking {name} (1.0) ...").unwrap();
        }
        for name in names.iter().take(ready) {
            writeln!(log, "Setting up {name} (1.0) ...").unwrap();
        }
        log
    };
    let tree = tree_of(&(apt(&["a", "b", "c"], 3) + &apt(&["d", "e"], 1)));
    assert_eq!(counted(&tree), (1, Some(2)));
    assert_eq!(summary(&tree), "apt running, 1/2; e 1.0; ETA unknown");
    let shown: Vec<_> = tree.packages().iter().filter(|p| tree.is_current(p)).collect();
    assert_eq!(shown.len(), 2, "those of the first install are over");
    // What comes between does not make one of two.
    let tree = tree_of(&(apt(&["a", "b"], 1) + "Collecting six\n" + "Setting up b (1.0) ...\n"));
    assert_eq!(counted(&tree), (2, Some(2)));
    let pacman = |count: u32, name: &str| {
        format!(
            "Packages ({count}) {name}-1\n(1/{count}) installing {name}  [####] 100%\n\
             (2/{count}) installing {name}-more  [##--]  20%\n"
        )
    };
    let tree = tree_of(&(pacman(17, "a") + &pacman(2, "x")));
    assert_eq!(counted(&tree), (1, Some(2)));
}

#[test]
fn what_pip_found_and_did_not_need_is_not_in_work_for_ever() {
    let log = "Collecting torch\nCollecting foo<3 (from torch)\nCollecting dropped>=1 (from foo<3)\n\
               Collecting foo<3 (from torch)\nInstalling collected packages: foo, torch\n\
               Successfully installed foo-2.8 torch-2.9.0+cu129\n";
    let tree = tree_of(log);
    assert_eq!(summary(&tree), "pip done, 2 done, 1 skipped");
    let tree = tree_of(&format!("{log}Collecting requests\n"));
    assert_eq!(summary(&tree), "pip running; requests; ETA unknown");
    let failed = "Collecting foo\n  Building wheel for foo (pyproject.toml): started\n\
                  ERROR: Failed to build installable wheels for some pyproject.toml based projects (foo)\n";
    let tree = tree_of(failed);
    assert_eq!((tree.is_ok(), tree.counts().active), (Some(false), 0));
}

#[test]
fn the_bar_at_the_foot_of_apt_hides_no_package() {
    let bar = |percent: u32| {
        format!("\x1b7\x1b[24;0f\x1b[42m\x1b[30mProgress: [ {percent}%]\x1b[49m\x1b[39m [##........] \x1b8")
    };
    let log = format!(
        "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.\r\n{}Unpacking a (1.0) ...\r\n\
         {}Unpacking b:amd64 (2:1.0~rc1+b1) ...\r\n{}Setting up a (1.0) ...\r\n",
        bar(0),
        bar(20),
        bar(40)
    );
    let tree = tree_of(&log);
    assert_eq!(summary(&tree), "apt running, 1/2; b 2:1.0~rc1+b1; ETA unknown");
}

#[rstest]
#[case("[12/48 3.4s] Building C object x.o")]
#[case("[ 12/48 @ 2.5/s : 4.8s ] Building C object x.o")]
#[case("[12/48|25%] Building C object x.o")]
fn ninja_counts_as_it_was_told_to(#[case] line: &str) {
    assert_eq!(counted(&tree_of(&format!("{line}\n"))), (12, Some(48)));
}

#[test]
fn steps_that_are_printed_out_of_order_are_no_new_beginning() {
    let mut log = String::new();
    let mut times = Times::default();
    // Side by side: 2, 1, 4, 3, …
    for n in 0_u32..60 {
        writeln!(log, "[ {}%] Building C object x{n}.o", (n ^ 1) + 1).unwrap();
        times.add(i64::from(n) * 1000, log.len() as u64);
    }
    let tree = tree(&events(log.as_bytes()), &times);
    assert_eq!(counted(&tree), (60, Some(100)));
    let left = estimate(&tree, &History::default(), None, times.last()).unwrap();
    assert!(left.low >= 35 && left.high.unwrap() <= 45, "{left:?}");
    // Another project begins at its first step.
    let tree = tree_of(&format!("{log}[  3%] Building C object y.o\n"));
    assert_eq!(counted(&tree), (3, Some(100)));
}

#[test]
fn an_install_that_ends_with_its_first_failure_has_nothing_in_work() {
    let end = "==> Error: Terminating after first install failure: ProcessError: Command exited with status 2:\n    'make'\n";
    let tree = tree_of(&failing(end));
    assert_eq!(
        (state(&tree, A), state(&tree, B)),
        (State::Interrupted, State::Failed)
    );
    assert_eq!(Summary::of(&tree, None, None).phase, "failed");
    let failure = Summary::of(&tree, None, None).failures.remove(0);
    assert!(
        failure
            .log
            .unwrap()
            .ends_with(&format!("{B}/spack-build-out.txt"))
    );
}

#[rstest]
#[case::crlf("", "\r")]
#[case::ci("2026-11-22T10:11:12.1234567Z ", "")]
#[case::kubectl("2026-11-22T10:11:12.123+01:00 ", "\r")]
#[case::docker("#9 12.345 ", "")]
#[case::coloured("\x1b[0m", "\x1b[0m")]
fn what_stands_around_each_line_does_not_matter(#[case] before: &str, #[case] after: &str) {
    let plain = failing(
        "==> Error: Installation request failed.  Refer to reported errors for failing package(s).\n",
    );
    let around: String = plain.lines().map(|l| format!("{before}{l}{after}\n")).collect();
    let (plain, around) = (tree_of(&plain), tree_of(&around));
    let text = summary(&plain);
    assert!(
        text.contains("nope.h") && text.starts_with("spack failed"),
        "{text}"
    );
    assert_eq!(summary(&around), text);
    let log = |tree: &Tree| tree.packages().last().unwrap().log.clone().unwrap();
    assert_eq!(log(&around), log(&plain));
}

/// Every recording on pipes, as Docker would show it.
#[rstest]
#[case("old-pipe-bad-dep")]
#[case("old-pipe-junit-fail")]
#[case("old-pipe-zoo-verbose")]
#[case("new13-pipe")]
#[case("new11-pipe")]
fn a_build_inside_docker_is_the_same_build(#[case] name: &str) {
    let (log, _) = recording(name);
    let log = String::from_utf8_lossy(&log).replace('\r', "");
    let lines = log.split_inclusive('\n').filter(|line| !line.trim().is_empty());
    let inside: String = lines.map(|line| format!("#12 3.210 {line}")).collect();
    let states =
        |tree: &Tree| -> Vec<_> { tree.packages().iter().map(|p| (p.key.clone(), p.state)).collect() };
    let (plain, docker) = (
        tree_of(&log),
        tree_of(&format!("#12 [5/7] RUN spack install\n{inside}")),
    );
    assert_eq!(states(&docker), states(&plain), "{name}");
    assert_eq!(docker.tool(), Some(Tool::Spack));
}

#[test]
fn a_step_of_docker_that_ends_leaves_nothing_of_its_build_in_work() {
    let log = format!(
        "#9 [5/7] RUN spack install\n#9 1.0 ==> Installing lab-a-1.0-{A} [1/2]\n\
         #9 2.0 ==> lab-a: Executing phase: 'build'\n#9 3.0 [12/48] Building C object x.o\n"
    );
    let tree = tree_of(&log);
    assert_eq!(tree.packages()[0].inside, Some(Inside { done: 12, total: 48 }));
    let end = "#9 ERROR: process \"/bin/sh -c spack install\" did not complete successfully: exit code: 137\n\
               ERROR: failed to solve: process \"/bin/sh -c spack install\" did not complete successfully: exit code: 137\n";
    let tree = tree_of(&(log + end));
    assert_eq!(state(&tree, A), State::Interrupted);
    assert_eq!(tree.is_ok(), Some(false));
}

#[test]
fn prefixes_without_hashes_are_each_a_package_of_its_own() {
    let tree = tree_of("[+] /opt/foo/1.1\n[+] /opt/foo/1.1.1\n[+] /opt/foobar/2\n[+] /opt/foo/1.1\n");
    assert_eq!(tree.packages().len(), 3);
}

/// `--no-cache` prints no "No binary for".
#[rstest]
#[case::stopped("==> Error: Keyboard interrupt.\n", 1)]
#[case::killed("", 1)]
#[case::killed_and_begun_elsewhere("", 2)]
fn a_run_that_is_begun_again_without_a_cache_is_another_run(#[case] between: &str, #[case] first: u32) {
    let begin = |name: &str, hash: &str, n: u32| {
        format!("==> Installing {name}-1.0-{hash} [{n}/3]\n==> {name}: Executing phase: 'build'\n")
    };
    let mut log = begin("lab-a", A, 1);
    if first == 2 {
        log = begin("lab-b", B, 2) + between + &begin("lab-a", A, 1);
        assert_eq!(state(&tree_of(&log), B), State::Interrupted);
        return;
    }
    log += between;
    log += &begin("lab-a", A, 1);
    writeln!(
        log,
        "==> lab-a: Successfully installed lab-a-1.0-{A}\n[+] /s/lab-a-1.0-{A}"
    )
    .unwrap();
    let tree = tree_of(&log);
    assert_eq!(state(&tree, A), State::Installed);
    assert_eq!(
        tree.packages()[0].phases.len(),
        2,
        "those of the run before are gone"
    );
}

#[test]
fn two_installs_in_one_log_are_never_more_than_all() {
    let first: String = ["a", "b", "c", "d", "e"]
        .map(|letter| format!("[+] /s/lab-{letter}-1.0-{}\n", letter.repeat(32)))
        .concat();
    let tree = tree_of(&format!("{first}==> Installing lab-a-1.0-{B} [1/1]\n"));
    let (done, total) = counted(&tree);
    assert!(done < total.unwrap(), "{done} of {total:?}");
}

#[test]
fn without_a_total_what_is_in_work_is_the_least_that_is_left() {
    let built = format!(
        "[ ] {a} lab-a@1.0 starting\n[ ] {a} lab-a@1.0 build (1s)\n[+] {a} lab-a@1.0 /s/lab-a-1.0-{A} (2m)\n",
        a = &A[..7]
    );
    let mut times = Times::default();
    times.add(0, 10);
    times.add(120_000, built.len() as u64);
    let mut history = History::default();
    assert!(history.learn(&tree(&events(built.as_bytes()), &times), None));
    let now = format!("[ ] {a} lab-a@1.0 starting\n", a = &A[..7]);
    let mut times = Times::default();
    times.add(0, now.len() as u64);
    let tree = tree(&events(now.as_bytes()), &times);
    let left = estimate(&tree, &history, None, Some(10_000)).unwrap();
    assert_eq!((left.high, left.unknown), (None, 0));
    assert!((60..=120).contains(&left.low), "{left:?}");
}

#[test]
fn tools_that_take_turns_for_ever_keep_their_counts() {
    let mut log = String::new();
    for n in 1..=400 {
        writeln!(
            log,
            "[{n}/500] Building C object x.o\n[ 45%] Building C object y.o"
        )
        .unwrap();
    }
    log += "[401/500] Building C object x.o\n";
    let tree = tree_of(&log);
    assert_eq!(
        (tree.tool(), counted(&tree)),
        (Some(Tool::Ninja), (401, Some(500)))
    );
    let apt = String::from_utf8(bytes("progress/apt-install.log")).unwrap();
    assert_eq!(
        tree_of(&(log + &apt)).tool(),
        Some(Tool::Apt),
        "though there were many sections before"
    );
}
