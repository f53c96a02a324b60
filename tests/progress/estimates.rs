//! Times of former builds, and what they say of what is left.

use std::{fs, os::unix::fs::PermissionsExt as _};

use halolab::progress::{Estimate, Fold, History, Lock, Plan, Reader, State, Times, Tree, estimate};

use crate::fixtures::{bytes, events, lock, recording, tree};

fn built() -> (History, Tree, Times) {
    let (log, times) = recording("old-tty-env");
    let tree = tree(&events(&log), &times);
    let mut history = History::default();
    assert!(history.learn(&tree, Some(2)));
    (history, tree, times)
}

#[test]
fn only_what_was_built_here_counts_and_counts_once() {
    let (mut history, tree, _) = built();
    assert_eq!(
        tree.packages()
            .iter()
            .filter(|p| p.state == State::Installed)
            .count(),
        34
    );
    assert!(
        !history.learn(&tree, Some(2)),
        "the same log again teaches nothing"
    );
    let maple = history.builds("lab-maple");
    assert_eq!(maple.len(), 1);
    assert_eq!(maple[0].jobs, Some(2));
    assert!(maple[0].phases["build"] > 1.0);
    assert!(history.builds("gcc").is_empty(), "an external takes no time");
    for (name, state) in [
        ("old-tty-install-from-oci", State::Cached),
        ("old-tty-interrupt", State::Interrupted),
    ] {
        let (log, times) = recording(name);
        let mut tree = crate::fixtures::tree(&events(&log), &times);
        tree.ended(
            halolab::progress::Exit {
                code: Some(2),
                signal: None,
            },
            times.last(),
        );
        assert!(tree.packages().iter().any(|p| p.state == state), "{name}");
        assert!(!History::default().learn(&tree, None), "{name}");
    }
}

#[test]
fn spacks_own_times_are_taken_over() {
    let mut history = History::default();
    assert!(
        history
            .import(&bytes("spack/ncurses.install_times.json"))
            .unwrap()
    );
    assert!(
        history
            .import(&bytes("spack/lab-elm.install_times.json"))
            .unwrap()
    );
    assert!(
        !history
            .import(&bytes("spack/lab-elm.install_times.json"))
            .unwrap()
    );
    let ncurses = history.usual("ncurses", Some(8)).unwrap();
    assert!(
        (ncurses.median - 1192.846).abs() < 0.01,
        "other jobs are better than nothing"
    );
    assert!(
        !history
            .import(br#"{"name":"x","total":3.0,"cache":true}"#)
            .unwrap()
    );
    assert!(history.import(b"{}").is_err());
}

#[test]
fn the_file_keeps_what_a_newer_version_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = History::path(folder.path());
    assert!(History::load(&path).unwrap().usual("a", None).is_none());
    fs::write(
        &path,
        r#"{"version":7,"later":[1],"packages":{"a":{"note":"x","builds":[{"total":3.0,"gpu":true}]}}}"#,
    )
    .unwrap();
    let mut history = History::load(&path).unwrap();
    history
        .import(&bytes("spack/ncurses.install_times.json"))
        .unwrap();
    history.save(&path).unwrap();
    let saved: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(saved["version"], 7);
    assert_eq!(saved["later"][0], 1);
    assert_eq!(saved["packages"]["a"]["builds"][0]["gpu"], true);
    assert_eq!(saved["packages"]["a"]["note"], "x");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, "{ torn").unwrap();
    let error = History::load(&path).unwrap_err().to_string();
    assert!(error.contains("move it away"), "{error}");
}

#[test]
fn the_last_few_builds_count() {
    let mut history = History::default();
    for (number, total) in [100.0, 10.0, 12.0, 14.0, 11.0, 13.0].into_iter().enumerate() {
        let times = format!(r#"{{"name":"a","total":{total},"hash":"{number}"}}"#);
        history.import(times.as_bytes()).unwrap();
    }
    let usual = history.usual("a", None).unwrap();
    assert_eq!(
        (usual.low, usual.median, usual.high),
        (10.0, 12.0, 14.0),
        "the oldest one is forgotten"
    );
}

/// The environment until a place of its log, with its lock.
fn halfway(lock: &Lock, share: f64) -> (Tree, i64, f64) {
    let (log, times) = recording("old-tty-env");
    let mut reader = Reader::new().with_lock(lock);
    let mut tree = Tree::new().with_lock(lock);
    let start = times.at(0).unwrap();
    let end = times.last().unwrap();
    let now = start + ((end - start) as f64 * share) as i64;
    let cut = (0..log.len())
        .find(|at| times.at(*at as u64).unwrap() > now)
        .unwrap();
    for event in reader.feed(&log[..cut], 0) {
        tree.apply(&event, times.at(event.offset));
    }
    (tree, now, (end - now) as f64 / 1000.0)
}

#[test]
fn an_estimate_by_the_same_build_of_before_holds_the_truth() {
    let (history, _, _) = built();
    let lock = lock("lab");
    for share in [0.2, 0.5, 0.8] {
        let (tree, now, left) = halfway(&lock, share);
        let estimate = estimate(&tree, &history, Some(2), Some(now)).unwrap();
        let (low, high) = (estimate.low as f64, estimate.high.unwrap() as f64);
        assert!(
            low < left * 1.05 && left < high * 1.25,
            "{share}: {left} is not in {low} to {high}"
        );
        assert!(
            high < left * 2.0 && low > left * 0.5,
            "{share}: {left} is far from {low} to {high}"
        );
        assert_eq!(estimate.unknown, 0);
    }
}

#[test]
fn nothing_is_said_where_nothing_is_known() {
    let lock = lock("lab");
    let (tree, now, _) = halfway(&lock, 0.5);
    assert_eq!(estimate(&tree, &History::default(), Some(2), Some(now)), None);
    // Where a part is known: at least that.
    let mut history = History::default();
    history.import(br#"{"name":"lab-stack","total":40.0}"#).unwrap();
    let mut early = Tree::new().with_lock(&lock);
    for event in events(b"==> Installing lab-alder-1.0.0-p7ly7davtrrnq4sywditsguoxtyo5z3k [1/38]\n") {
        early.apply(&event, Some(0));
    }
    let part = estimate(&early, &history, None, Some(0)).unwrap();
    assert_eq!((part.low, part.high), (32, None));
    assert!(part.unknown > 20);
    assert_eq!(part.text(), "at least 32 s");
}

#[test]
fn builds_side_by_side_take_less_time_and_wait_for_what_they_need() {
    let hash = |letter: &str| letter.repeat(32);
    let (a, b, c, d) = (hash("a"), hash("b"), hash("c"), hash("d"));
    let need = |name: &str, hash: &str| format!(r#"{{"name":"{name}","hash":"{hash}"}}"#);
    let lock = format!(
        r#"{{"concrete_specs":{{"{a}":{{"name":"a","version":"1"}},"{b}":{{"name":"b","version":"1"}},
        "{c}":{{"name":"c","version":"1"}},
        "{d}":{{"name":"d","version":"1","dependencies":[{},{},{}]}}}}}}"#,
        need("a", &a),
        need("b", &b),
        need("c", &c)
    );
    let lock = Lock::parse(lock.as_bytes()).unwrap();
    let mut history = History::default();
    for name in ["a", "b", "c", "d"] {
        // Two builds that took the same: the range is a point.
        for number in 0..2 {
            let total = 100.0 + f64::from(number);
            history
                .import(format!(r#"{{"name":"{name}","total":{total},"hash":"{number}"}}"#).as_bytes())
                .unwrap();
        }
    }
    let run = |log: &str| {
        let mut tree = Tree::new().with_lock(&lock);
        for event in events(log.as_bytes()) {
            tree.apply(&event, Some(0));
        }
        estimate(&tree, &history, None, Some(0)).unwrap()
    };
    let one = format!("==> Installing a-1-{a} [1/4]\n");
    let two = format!("{one}==> Installing b-1-{b} [2/4]\n");
    let three = format!("{two}==> Installing c-1-{c} [3/4]\n");
    assert_eq!(run(&one).low, 400);
    assert_eq!(run(&two).low, 300);
    assert_eq!(run(&three).low, 200, "the last one waits for all three");
}

/// From 1.2 on Spack says neither of how many packages, nor what waits.
#[test]
fn the_plan_beside_a_log_says_of_how_many_and_how_long() {
    let (a, b, c) = ("a".repeat(32), "b".repeat(32), "c".repeat(32));
    let lock = format!(
        r#"{{"concrete_specs":{{"{a}":{{"name":"a","version":"1"}},"{c}":{{"name":"c","version":"1"}},
        "{b}":{{"name":"b","version":"1","dependencies":[{{"name":"a","hash":"{a}"}}]}}}}}}"#
    );
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.raw");
    assert!(Plan::beside(&log).is_none());
    let text = Plan::text(lock.as_bytes(), vec![c]).unwrap();
    fs::write(folder.path().join(Plan::FILE), text).unwrap();
    let mut history = History::default();
    for name in ["a", "b"] {
        for number in 0..2 {
            let total = 100.0 + f64::from(number);
            let built = format!(r#"{{"name":"{name}","total":{total},"hash":"{number}"}}"#);
            history.import(built.as_bytes()).unwrap();
        }
    }
    let mut fold = Fold::default().with_plan(Plan::beside(&log));
    let counts = |fold: &Fold| (fold.tree().counts().done, fold.tree().counts().total);
    let low = |fold: &Fold| fold.left(&history, Some(0)).map(|left| left.low);
    assert_eq!((counts(&fold), low(&fold)), ((1, Some(3)), Some(200)));
    let one =
        b"[ ] aaaaaaa a@1 staging (1s)\n[ ] aaaaaaa a@1 build (1s)\n[+] aaaaaaa a@1 /s/a-1-aaaaaaa (1m40s)\n";
    fold.feed(0, one);
    assert_eq!((counts(&fold), low(&fold)), ((2, Some(3)), Some(100)));
    fold.feed(one.len() as u64, b"[ ] bbbbbbb b@1 staging (1s)\n");
    assert_eq!(fold.tree().get(&b).map(|p| p.state), Some(State::Fetching));
    assert_eq!(fold.tree().packages().len(), 3, "it is the package of the plan");
    fold.restart();
    assert_eq!(counts(&fold), (1, Some(3)), "another attempt has the same to do");
}

#[test]
fn steps_are_estimated_by_their_speed() {
    let mut tree = Tree::new();
    let mut reader = Reader::new();
    let history = History::default();
    let mut log = String::new();
    for step in 1..=50 {
        let line = format!("[{step}/100] Building {step}\n");
        let at = log.len() as u64;
        log.push_str(&line);
        for event in reader.feed(line.as_bytes(), at) {
            tree.apply(&event, Some(i64::from(step) * 2000));
        }
        if step == 2 {
            assert_eq!(estimate(&tree, &history, None, None), None, "too early to say");
        }
    }
    let left = estimate(&tree, &history, None, None).unwrap();
    assert_eq!((left.low, left.high), (100, Some(100)));
}

#[test]
fn ranges_are_spoken_in_one_unit() {
    let text = |low, high| {
        Estimate {
            low,
            high,
            unknown: 0,
        }
        .text()
    };
    assert_eq!(text(300, Some(540)), "5-9 min");
    assert_eq!(text(30, Some(540)), "30 s to 9 min");
    assert_eq!(text(305, Some(310)), "about 5 min");
    assert_eq!(text(7200, Some(10_800)), "2-3 h");
    assert_eq!(text(40, None), "at least 40 s");
}
