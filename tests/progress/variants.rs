//! Forms that were not recorded: written by hand after Spack's source, and what a hostile log may hold.

use halolab::progress::{Exit, Reader, State, Summary, Times, Tree, What};
use rstest::rstest;

use crate::fixtures::{events, tree, tree_of};

const A: &str = "ttzpb4xm6vxalkclyjyxzylgovt7zydp";
const B: &str = "rw6e6rom6vxalkclyjyxzylgovt7zydp";
const C: &str = "xzqrlapm6vxalkclyjyxzylgovt7zydp";

fn state(tree: &Tree, hash: &str) -> State {
    let found = tree.packages().iter().find(|p| p.key.starts_with(&hash[..7]));
    found
        .unwrap_or_else(|| panic!("{hash} is not in {:?}", tree.packages()))
        .state
}

fn reason(tree: &Tree, hash: &str) -> String {
    let found = tree.packages().iter().find(|p| p.key.starts_with(&hash[..7]));
    found.unwrap().reason.clone().unwrap_or_default()
}

#[test]
fn a_package_that_is_announced_after_it_failed_has_failed() {
    // Spack 1.1 into a pipe, with `--fail-fast`: the line with the counter comes once the package has ended.
    let log = format!(
        "==> lab-juniper: Successfully installed lab-juniper-2.3.0-{A}\n[+] /s/lab-juniper-2.3.0-{a}\n\
         ==> Installing lab-juniper-2.3.0-{A} [19/38]\n\
         ==> No binary for lab-oak-3.2.7-{B} found: installing from source\n==> No patches needed for lab-oak\n\
         ==> lab-oak: Executing phase: 'build'\n==> Error: ProcessError: Command exited with status 2:\n    '/usr/bin/make' '-j2'\n\n\
         1 error found in build log:\n  >> 7     f1.c:3:10: fatal error: labmissing.h: No such file or directory\n\n\
         See build log for details:\n  /stage/spack-stage-lab-oak-3.2.7-{B}/spack-build-out.txt\n\n\
         ==> Warning: Skipping build of lab-quince-1.4.8-{C} since lab-oak-3.2.7-{B} failed\n\
         ==> Error: Terminating after first install failure: ProcessError: Command exited with status 2:\n    '/usr/bin/make' '-j2'\n\
         ==> Installing lab-oak-3.2.7-{B} [20/38]\n",
        a = &A[..7],
    );
    let tree = tree_of(&log);
    assert_eq!(
        (state(&tree, B), state(&tree, C)),
        (State::Failed, State::Skipped)
    );
    // The next run in the same log builds it again.
    let again = format!("{log}==> No binary for lab-oak-3.2.7-{B} found: installing from source\n");
    assert_eq!(state(&tree_of(&again), B), State::Fetching);
}

#[test]
fn several_failures_of_the_new_installer_on_pipes() {
    let tree = tree_of(&format!(
        "[ ] {a} lab-bad-cmake@1.0.0 staging\n[ ] {b} lab-bad-link@1.0.0 staging (2s)\n\
         [ ] {a} lab-bad-cmake@1.0.0 install (3s)\n\
         [x] {a} lab-bad-cmake@1.0.0 failed: /s/root/spack-stage-lab-bad-cmake-1.0.0-{A}-hex1l1rf.log (4s)\n\
         [ ] {b} lab-bad-link@1.0.0 build (1h02m)\n\
         [x] {b} lab-bad-link@1.0.0 failed: /s/root/spack-stage-lab-bad-link-1.0.0-{B}-qex2q6rf.log (1h03m)\n\
         [+] {c} lab-kapok@3.10.5 /s/store/lab-kapok/3.10.5-{c} (29s)\n\
         -- lines 2 to 29 --\n  ==> lab-bad-cmake: Executing phase: 'install'\n\
         > CMake Error at CMakeLists.txt:3 (find_package):\n  [+] {c} not@1 a state line\n\
         ==> Error: The following packages failed to install:\n\
         lab-bad-cmake@1.0.0/{A}: /s/root/spack-stage-lab-bad-cmake-1.0.0-{A}-hex1l1rf.log\n\
         lab-bad-link@1.0.0/{B}: /s/root/spack-stage-lab-bad-link-1.0.0-{B}-qex2q6rf.log\n",
        a = &A[..7],
        b = &B[..7],
        c = &C[..7],
    ));
    assert_eq!(tree.packages().len(), 3);
    assert_eq!(state(&tree, A), State::Failed);
    assert_eq!(state(&tree, B), State::Failed);
    assert_eq!(state(&tree, C), State::Installed);
    let link = tree
        .packages()
        .iter()
        .find(|p| p.name.as_deref() == Some("lab-bad-link"))
        .unwrap();
    assert_eq!(link.hash.as_deref(), Some(B));
    assert_eq!(link.seconds(None), Some(3780.0));
    assert!(link.log.as_ref().unwrap().ends_with("-qex2q6rf.log"));
    assert_eq!(tree.is_ok(), Some(false));
    assert!(
        tree.last_error().unwrap().text.starts_with("The following")
            || tree.last_error().unwrap().text.starts_with("CMake")
    );
}

/// As Spack 1.2.0 wrote it of a download that failed beside a package in work: no line of it is marked, and none says whose
/// it is.
#[test]
fn why_packages_failed_is_in_the_summary_of_the_new_installer_also_where_others_are_in_work() {
    let tree = tree_of(&format!(
        "[e] {c} gmake@4.3 /usr (0s)\n[ ] {d} lab-zoo@1.0.0 staging (0s)\n[ ] {a} compiler-wrapper@1.1.0 staging (0s)\n\
         [ ] {b} lab-oak@3.2.7 build (9s)\n\
         [x] {a} compiler-wrapper@1.1.0 failed: /s/root/spack-stage-compiler-wrapper-1.1.0-{A}-hh_3p4xv.log (1s)\n\
         [x] {b} lab-oak@3.2.7 failed: /s/root/spack-stage-lab-oak-3.2.7-{B}-x.log (10s)\n\
         -- lines 1 to 12 --\n  Traceback (most recent call last):\n\
         \x20   File \"/opt/spack_src/lib/spack/spack/package_base.py\", line 1679, in do_stage\n\
         \x20     self.do_fetch(mirror_only)\n\
         \x20 spack.error.FetchError: All fetchers failed for spack-stage-compiler-wrapper-1.1.0-{A}\n\
         \x20     https://mirror.example/a0.tar.gz: DetailedURLError: GET https://mirror.example/a0.tar.gz errored\n\
         -- lines 3 to 9 --\n  cc -c f3.c\n> f3.c:3:10: error: expected ';' before '}}' token\n\
         -- lines 40 to 59 --\n  make: *** [Makefile:6: f3.o] Error 1\n\
         ==> Error: The following packages failed to install:\n\
         compiler-wrapper@1.1.0/{A}: /s/root/spack-stage-compiler-wrapper-1.1.0-{A}-hh_3p4xv.log\n\
         lab-oak@3.2.7/{B}: /s/root/spack-stage-lab-oak-3.2.7-{B}-x.log\n",
        a = &A[..7],
        b = &B[..7],
        c = &C[..7],
        d = "gx47tsd",
    ));
    let errors = |name: &str| {
        let mut all = tree.packages().iter();
        let package = all.find(|p| p.name.as_deref() == Some(name)).unwrap();
        let errors = package.errors.iter().map(|e| e.text.clone());
        errors.collect::<Vec<_>>().join("|")
    };
    assert!(errors("compiler-wrapper").starts_with("spack.error.FetchError: All fetchers failed"));
    assert_eq!(
        errors("lab-oak"),
        "f3.c:3:10: error: expected ';' before '}' token"
    );
    assert_eq!(errors("lab-zoo"), "");
    let zoo = tree
        .packages()
        .iter()
        .find(|p| p.name.as_deref() == Some("lab-zoo"));
    assert_eq!(zoo.unwrap().state, State::Interrupted);
}

#[test]
fn a_state_that_follows_on_unfinished_build_output_is_read() {
    let (a, b) = (&A[..7], &B[..7]);
    let tree = tree_of(&format!(
        "[ ] {a} lab-zoo@1.0.0 install\nno newline at the end[+] {a} lab-zoo@1.0.0 /s/lab-zoo/1.0.0-{a} (4s)\n\
         a line that says [+] {b} lab-other@1.0 /s/x\n"
    ));
    assert_eq!(
        tree.packages().len(),
        1,
        "only packages in work count inside of a line"
    );
    assert_eq!(state(&tree, A), State::Installed);
}

/// `-v` of the new installer: every nasty byte of a build between the lines of states, and no line end before the last.
#[test]
fn build_output_of_every_kind_hides_no_state() {
    for name in ["lab-zoo.new", "lab-zoo.old"] {
        let a = &A[..7];
        let mut log =
            format!("[ ] {a} lab-zoo@1.0.0 staging\n[ ] {a} lab-zoo@1.0.0 install (1s)\n").into_bytes();
        log.extend(crate::fixtures::bytes(&format!("spack/build-{name}.log.gz")));
        log.extend(format!("[+] {a} lab-zoo@1.0.0 /s/lab-zoo/1.0.0-{a} (4s)\n").bytes());
        let tree = tree(&events(&log), &Times::default());
        assert_eq!(state(&tree, A), State::Installed, "{name}");
        let spack = tree
            .packages()
            .iter()
            .filter(|p| p.tool == halolab::progress::Tool::Spack);
        assert_eq!(spack.count(), 1, "{name}");
    }
}

#[rstest]
#[case::found("fetching from build cache", "relocating", State::Cached)]
#[case::not_found("fetching from build cache", "no binary available", State::Installed)]
#[case::built("staging", "build", State::Installed)]
fn what_comes_out_of_a_cache_is_not_built(#[case] first: &str, #[case] then: &str, #[case] end: State) {
    let a = &A[..7];
    let tree = tree_of(&format!(
        "[ ] {a} lab-zoo@1.0.0 {first}\n[ ] {a} lab-zoo@1.0.0 {then} (1s)\n[+] {a} lab-zoo@1.0.0 /s/z (4s)\n"
    ));
    assert_eq!(state(&tree, A), end);
}

#[test]
fn two_builds_side_by_side_fail_each_with_its_own_error() {
    let tree = tree_of(&format!(
        "==> No binary for lab-a-1.0-{A} found: installing from source\n==> Installing lab-a-1.0-{A} [1/3]\n\
         ==> No binary for lab-b-2.0-{B} found: installing from source\n==> Installing lab-b-2.0-{B} [2/3]\n\
         ==> lab-a: Executing phase: 'build'\n==> lab-b: Executing phase: 'build'\n\
         ==> Error: ProcessError: Command exited with status 2:\n    '/usr/bin/make' '-j2'\n\
         ==> lab-b: Executing phase: 'install'\n\
         2 errors found in build log:\n  >> 9     bad.c:4:20: error: 'x' undeclared\n\
         See build log for details:\n  /s/root/spack-stage-lab-a-1.0-{A}/spack-build-out.txt\n\n\
         ==> Warning: Skipping build of lab-c-3.0-{C} since lab-a-1.0-{A} failed\n\
         ==> Error: FetchError: All fetchers failed for spack-stage-lab-b-2.0-{B}\n\
         ==> Error: lab-c-3.0-{C}: Package was not installed\n\
         ==> Error: Installation request failed.  Refer to reported errors for failing package(s).\n"
    ));
    assert_eq!(state(&tree, A), State::Failed);
    assert!(
        reason(&tree, A).starts_with("ProcessError"),
        "{}",
        reason(&tree, A)
    );
    assert_eq!(state(&tree, B), State::Failed);
    assert!(reason(&tree, B).starts_with("FetchError"));
    assert_eq!(
        (state(&tree, C), reason(&tree, C)),
        (State::Skipped, "lab-a".into())
    );
}

#[test]
fn an_error_without_a_log_goes_to_who_is_named_or_was_spoken_of_last() {
    let begin = format!(
        "==> Installing lab-a-1.0-{A} [1/3]\n==> Installing lab-b-2.0-{B} [2/3]\n\
         ==> lab-a: Executing phase: 'build'\n==> lab-b: Executing phase: 'build'\n"
    );
    let named = tree_of(&format!(
        "{begin}==> Error: InstallError: Install failed for lab-a.  Nothing was installed!\n"
    ));
    assert_eq!(
        (state(&named, A), state(&named, B)),
        (State::Failed, State::Building)
    );
    let last = tree_of(&format!(
        "{begin}==> Error: ProcessError: Command exited with status -9:\n"
    ));
    assert_eq!(
        (state(&last, A), state(&last, B)),
        (State::Building, State::Failed)
    );
}

#[test]
fn a_name_that_begins_like_another_one_is_told_apart() {
    let tree = tree_of(&format!(
        "==> Installing py-jax-0.7.0-{A} [1/2]\n==> Installing py-jax-lib-main-{B} [2/2]\n\
         ==> py-jax: Executing phase: 'install'\n\
         ==> py-jax-lib: Successfully installed py-jax-lib-main-{B}\n[+] /s/py-jax-lib-main-{B}\n"
    ));
    assert_eq!(
        (state(&tree, A), state(&tree, B)),
        (State::Building, State::Installed)
    );
    let titles: Vec<_> = tree
        .packages()
        .iter()
        .map(halolab::progress::Package::title)
        .collect();
    assert_eq!(titles, ["py-jax 0.7.0", "py-jax-lib main"]);
}

#[test]
fn the_layout_of_the_store_does_not_matter() {
    for prefix in [
        format!("/s/lab-a/1.0-{}", &A[..7]),
        format!("/s/linux-x86_64_v3/lab-a-1.0-{A}"),
        format!("/s/__spack_path_placeholder__/__spack_pa/linux/lab-a-1.0-{A}"),
        "/software/lab-a/1.0".to_owned(),
    ] {
        let tree = tree_of(&format!(
            "==> Installing lab-a-1.0-{A} [1/1]\n==> lab-a: Executing phase: 'install'\n\
             ==> lab-a: Successfully installed lab-a-1.0-{A}\n  Stage: 0.07s.  Install: 1h 2m 3.45s.  Total: 1h 2m 4s\n[+] {prefix}\n"
        ));
        assert_eq!(tree.packages().len(), 1, "{prefix}");
        assert_eq!(state(&tree, A), State::Installed);
        assert_eq!(tree.packages()[0].took, Some(3724.0));
    }
}

#[test]
fn a_package_out_of_a_cache_is_not_begun_again_by_its_late_line() {
    let tree = tree_of(&format!(
        "==> Fetching https://mirror.example/blobs/sha256:bb37\n==> Extracting lab-a-1.0-{A} from binary cache\n\
         ==> lab-a: Successfully installed lab-a-1.0-{A}\n  Search: 0.00s.  Fetch: 0.54s.  Total: 0.66s\n\
         [+] /s/lab-a/1.0-{a}\n==> Installing lab-a-1.0-{A} [2/34]\n",
        a = &A[..7]
    ));
    assert_eq!(state(&tree, A), State::Cached);
    assert_eq!(tree.counts().total, Some(34));
}

#[test]
fn the_word_of_a_child_is_not_the_word_of_spack() {
    let child = format!(
        "==> Installing lab-a-1.0-{A} [1/1]\n==> lab-a: Successfully installed lab-a-1.0-{A}\n  Install: 20.21s.  Total: 20.81s\n"
    );
    let mut tree = tree_of(&child);
    assert_eq!(state(&tree, A), State::Fetching, "not before Spack says [+]");
    tree.ended(
        Exit {
            code: None,
            signal: Some(15),
        },
        None,
    );
    assert_eq!(state(&tree, A), State::Interrupted);
    // The orphan goes on after the signal.
    for event in events(format!("[+] /s/lab-a/1.0-{}\n", &A[..7]).as_bytes()) {
        tree.apply(&event, None);
    }
    assert_eq!(state(&tree, A), State::Interrupted);
}

#[test]
fn another_run_in_the_same_log_begins_anew() {
    let a = &A[..7];
    let tree = tree_of(&format!(
        "==> Installing lab-a-1.0-{A} [1/1]\n==> lab-a: Executing phase: 'build'\n==> Error: Keyboard interrupt.\n\
         ==> No binary for lab-a-1.0-{A} found: installing from source\n==> Installing lab-a-1.0-{A} [1/1]\n\
         ==> lab-a: Executing phase: 'build'\n==> lab-a: Successfully installed lab-a-1.0-{A}\n  Total: 2.00s\n[+] /s/lab-a/1.0-{a}\n"
    ));
    assert_eq!(state(&tree, A), State::Installed);
    assert_eq!(Summary::of(&tree, None, None).phase, "done");
}

#[test]
fn a_run_that_was_killed_and_begun_again_leaves_nothing_in_work() {
    let first = format!(
        "==> Installing lab-a-1.0-{A} [1/2]\n==> lab-a: Executing phase: 'build'\n\
         ==> Installing lab-b-1.0-{B} [2/2]\n==> lab-b: Executing phase: 'build'\n"
    );
    let second = format!("==> No binary for lab-a-1.0-{A} found: installing from source\n");
    let mut reader = Reader::new();
    let mut tree = Tree::new();
    for event in reader
        .feed(first.as_bytes(), 0)
        .into_iter()
        .chain(reader.restarted())
    {
        tree.apply(&event, None);
    }
    assert_eq!(
        (state(&tree, A), state(&tree, B)),
        (State::Interrupted, State::Interrupted)
    );
    for event in reader.feed(second.as_bytes(), first.len() as u64) {
        tree.apply(&event, None);
    }
    assert_eq!(
        (state(&tree, A), state(&tree, B)),
        (State::Fetching, State::Interrupted)
    );
    // Without being told, the same package begins anew by its own line.
    let tree = tree_of(&format!("{first}{second}"));
    assert_eq!(
        (state(&tree, A), tree.packages()[0].phase()),
        (State::Fetching, None)
    );
}

#[test]
fn build_output_that_looks_like_another_dialect_is_not_believed() {
    let tree = tree_of(&format!(
        "==> Installing lab-a-1.0-{A} [1/2]\n==> lab-a: Executing phase: 'build'\n\
         [+] {b} fake@1.0 /s/fake (3s)\n{b} fake@1.0: finished\nabcdefg fake@1.0: finished\n[x] {b} fake@1.0 failed\n",
        b = &B[..7]
    ));
    assert_eq!(tree.packages().len(), 1);
    assert_eq!(state(&tree, A), State::Building);
    // Without any Spack in it, such a line is none of Spack's.
    assert_eq!(
        tree_of("deadbee image@sha256: finished\nfeedbac x@1: pulling\n")
            .packages()
            .len(),
        0
    );
    assert_eq!(
        tree_of("deadbee image@1: staging\nfeedbac x@1: build\n")
            .packages()
            .len(),
        2
    );
}

#[test]
fn names_out_of_a_log_reach_nobody_as_they_are() {
    let hostile = format!(
        "==> Installing \u{202e}evil\u{200b}-1.0-{A} [1/1]\n==> Error: \u{202e}txt: \u{1b}]52;c;aGk=\u{7}x\n\
         [ ] {b} a@\u{202e}1.0 build\u{1b}[2J\n==> Waiting for {long}-{C}\n",
        b = &B[..7],
        long = "x".repeat(100_000)
    );
    let events = events(hostile.as_bytes());
    assert!(!events.is_empty());
    let all = serde_json::to_string(&events).unwrap();
    assert!(!all.contains('\u{202e}') && !all.contains("\\u001b") && !all.contains('\u{200b}'));
    assert!(all.len() < 4000, "{} bytes", all.len());
}

/// Twice as many packages in work take about twice as long, not four times.
#[test]
fn many_packages_in_work_are_read_and_estimated_in_time_that_grows_with_their_number() {
    let hash = |n: usize| -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..32)
            .map(|place| char::from(letters[(n >> (5 * (place % 6))) % 32]))
            .collect()
    };
    let took = |count: usize| {
        let line = |n: usize| format!("[ ] {} lab-{n}@1.0 staging\n", &hash(n)[..7]);
        let log: String = (0..count).map(line).collect();
        let best = (0..3).map(|_| {
            let begun = std::time::Instant::now();
            let tree = tree_of(&log);
            assert_eq!(tree.side_by_side(), count);
            begun.elapsed()
        });
        best.min().unwrap()
    };
    let (few, many) = (took(2_000), took(16_000));
    assert!(many < few * 24, "{few:?} for 2,000 and {many:?} for 16,000");
}

#[test]
fn a_log_of_packages_without_end_stays_bounded() {
    let mut reader = Reader::new();
    let mut tree = Tree::new();
    let mut offset = 0;
    let letters: Vec<char> = "abcdefghijklmnopqrstuvwxyz234567".chars().collect();
    for number in 0..60_000_usize {
        let hash: String = (0..32)
            .map(|at| letters[(number >> (5 * (at % 4))) % 32])
            .collect();
        let line = format!("==> Installing p-{number}-{hash} [1/60000]\n");
        for event in reader.feed(line.as_bytes(), offset) {
            tree.apply(&event, None);
        }
        offset += line.len() as u64;
    }
    assert_eq!(tree.packages().len(), 20_000);
}

#[test]
fn a_circle_of_needs_and_a_broken_lock_end() {
    let text = format!(
        r#"{{"concrete_specs":{{"{A}":{{"name":"a","version":"1","dependencies":[{{"name":"b","hash":"{B}"}}]}},
            "{B}":{{"name":"b","version":"1","dependencies":[{{"name":"a","hash":"{A}"}}]}}}}}}"#
    );
    let lock = halolab::progress::Lock::parse(text.as_bytes()).unwrap();
    let mut tree = Tree::new().with_lock(&lock);
    for event in events(format!("[ ] {} a@1 build\n", &A[..7]).as_bytes()) {
        tree.apply(&event, Some(0));
    }
    let history = halolab::progress::History::default();
    assert_eq!(halolab::progress::estimate(&tree, &history, None, Some(1)), None);
    assert!(halolab::progress::Lock::parse(b"{}").is_err());
    assert!(halolab::progress::Lock::parse(b"[1]").is_err());
}

#[test]
fn a_running_package_says_where_its_own_log_is() {
    let old = tree_of(&format!("==> Installing lab-a-1.0-{A} [1/1]\n"));
    assert_eq!(
        old.packages()[0].stage().unwrap(),
        format!("spack-stage-lab-a-1.0-{A}")
    );
    let new = tree_of(&format!("[ ] {} lab-a@1.0 build\n", &A[..7]));
    assert_eq!(
        new.packages()[0].stage().unwrap(),
        format!("spack-stage-lab-a-1.0-{}", &A[..7])
    );
    let path = tree_of("[+] /opt/../../etc/passwd\n");
    assert_eq!(path.packages()[0].stage(), None);
    let inner = events(b"[12/48] Building C object x.o\n");
    assert_eq!(inner[0].inside().unwrap().percent(), 25);
}

#[test]
fn debug_times_are_no_hindrance() {
    let tree = tree_of(&format!(
        "==> [2026-11-21-23:46:48.172187, 4711] Installing lab-a-1.0-{A} [1/1]\n\
         ==> [2026-11-21-23:46:49.115189] lab-a: Executing phase: 'install'\n\
         ==> [2026-11-21-23:46:50.671054] 12: lab-a: Successfully installed lab-a-1.0-{A}\n[+] /s/lab-a/1.0-{}\n",
        &A[..7]
    ));
    assert_eq!(state(&tree, A), State::Installed);
}

#[test]
fn warnings_errors_and_the_view_are_told() {
    let log = format!(
        "==> Warning: Configured mirror x is missing layout.json\n==> Installing lab-a-1.0-{A} [1/1]\n\
         ==> Error: Exception occurred in writer daemon!\n==> Updating view at /s/view\n"
    );
    let tree = tree(&events(log.as_bytes()), &Times::default());
    assert_eq!(tree.noted(), (1, 1));
    assert_eq!(state(&tree, A), State::Fetching, "that error is of no package");
    assert_eq!(tree.sections()[0].doing, "updating the view /s/view");
    let notes = events(b"==> Error: failed to concretize `x` for the following reasons:\n");
    assert!(matches!(notes[0].what, What::Note { .. }));
}
