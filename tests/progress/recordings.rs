//! Every recording of Spack, beside what an independent reader, Spack's own reports and its database say.

use std::collections::BTreeMap;

use halolab::progress::{Database, Exit, Reader, State, Summary, Times, Tree, What};
use serde::Deserialize;

use crate::fixtures::{bytes, events, lock, recording, text, tree};

#[derive(Deserialize)]
struct Expected {
    exit: i32,
    total: Option<u32>,
    /// By short hash.
    states: BTreeMap<String, String>,
    logs: BTreeMap<String, String>,
    took: BTreeMap<String, String>,
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_slice(&bytes("spack/expected.json")).unwrap()
}

/// When the recorder sent a signal to Spack alone, which ended it at once.
fn killed_at(name: &str) -> Option<i64> {
    match name {
        "old-pipe-sigterm" => Some(1_795_300_016_020),
        "new13-pipe-sigterm" => Some(1_795_300_022_081),
        _ => None,
    }
}

fn replayed(name: &str, exit: i32) -> (Tree, Times) {
    let (log, times) = recording(name);
    let mut tree = tree(&events(&log), &times);
    let signal = (exit < 0).then_some(-exit);
    let code = (exit >= 0).then_some(exit);
    tree.ended(Exit { code, signal }, killed_at(name).or_else(|| times.last()));
    (tree, times)
}

/// As if nobody ever said how the process ended: what stands in the log is enough.
#[rstest::rstest]
#[case("old-tty-interrupt", "interrupted")]
#[case("old-pipe-sigint", "interrupted")]
#[case("old-pipe-bad-compile", "failed")]
#[case("old-pipe-bad-sum", "failed")]
#[case("old-pipe-bad-link", "failed")]
#[case("old-pipe-bad-fetch", "failed")]
#[case("concretize-nover", "failed")]
#[case("concretize-nopkg", "failed")]
#[case("concretize-novariant", "failed")]
#[case("concretize-badsyntax", "failed")]
#[case("concretize-docs", "failed")]
fn a_log_that_ends_says_how(#[case] name: &str, #[case] phase: &str) {
    let (log, _) = recording(name);
    let mut fold = halolab::progress::Fold::default();
    fold.feed(0, &log);
    let tree = fold.as_ended();
    assert_eq!(tree.phase(), phase);
    assert!(tree.is_over() && tree.counts().active == 0, "no clock runs");
    assert_eq!(fold.as_ended().phase(), phase, "nothing was read twice");
}

fn word(state: State) -> &'static str {
    match state {
        State::Installed => "installed",
        State::Cached => "cached",
        State::Present => "present",
        State::External => "external",
        State::Failed => "failed",
        State::Skipped => "skipped",
        State::Interrupted => "interrupted",
        other => other.word(),
    }
}

fn states(tree: &Tree) -> BTreeMap<String, String> {
    let packages = tree.packages().iter();
    packages
        .map(|p| (p.key[..7].to_owned(), word(p.state).to_owned()))
        .collect()
}

#[test]
fn every_recording_ends_in_the_states_that_an_independent_reader_found() {
    let all = expected();
    assert_eq!(all.len(), 49, "recordings are missing");
    for (name, expected) in &all {
        let (tree, _) = replayed(name, expected.exit);
        assert_eq!(states(&tree), expected.states, "{name}");
        let counts = tree.counts();
        if let Some(total) = expected.total {
            assert_eq!(counts.total, Some(total), "{name}");
        }
        if !expected.states.is_empty() {
            assert_eq!(tree.is_ok(), Some(expected.exit == 0), "{name}");
        }
        for (hash, log) in &expected.logs {
            let package = tree.packages().iter().find(|p| p.key.starts_with(hash)).unwrap();
            assert_eq!(package.log.as_ref(), Some(log), "{name}");
        }
        for (hash, took) in &expected.took {
            let package = tree.packages().iter().find(|p| p.key.starts_with(hash)).unwrap();
            let seconds: f64 = took
                .split_whitespace()
                .map(|part| {
                    let number: f64 = part[..part.len() - 1].parse().unwrap();
                    number * if part.ends_with('m') { 60.0 } else { 1.0 }
                })
                .sum();
            assert!((package.took.unwrap() - seconds).abs() < 0.001, "{name}: {took}");
        }
    }
}

#[test]
fn the_whole_environment_has_38_packages_and_34_of_them_are_built() {
    for name in ["old-tty-env", "old-pipe-verbose-p2"] {
        let (tree, _) = replayed(name, 0);
        let counts = tree.counts();
        assert_eq!(
            (counts.done, counts.total, counts.failed),
            (38, Some(38), 0),
            "{name}"
        );
        let built = tree.packages().iter().filter(|p| p.state == State::Installed);
        assert_eq!(built.count(), 34, "{name}");
    }
}

#[test]
fn what_is_installed_is_what_the_database_holds() {
    let database = Database::parse(&bytes("spack/index.json.gz")).unwrap();
    let (mut tree, _) = replayed("old-tty-env", 0);
    let before = states(&tree);
    tree.confirm(&database);
    assert_eq!(states(&tree), before, "the database confirms all of it");
    // The recipe that an orphan finished is in no database.
    let (mut tree, _) = replayed("old-pipe-sigterm", 0);
    let slow = |tree: &Tree| {
        tree.packages()
            .iter()
            .find(|p| p.key.starts_with("vyhkzee"))
            .unwrap()
            .state
    };
    assert_eq!(
        slow(&tree),
        State::Installed,
        "without the signal nobody could tell"
    );
    tree.confirm(&database);
    assert_eq!(slow(&tree), State::Interrupted);
}

#[test]
fn names_and_versions_are_those_of_spack_itself() {
    let found: serde_json::Value = serde_json::from_slice(&bytes("spack/find.json.gz")).unwrap();
    let mut real: BTreeMap<String, (String, String)> = BTreeMap::new();
    for spec in found.as_array().unwrap() {
        let field = |key: &str| spec[key].as_str().unwrap().to_owned();
        real.insert(field("hash"), (field("name"), field("version")));
    }
    let (tree, _) = replayed("old-tty-env", 0);
    let mut checked = 0;
    for package in tree.packages() {
        let hash = package.hash.clone().unwrap();
        let (name, version) = &real[&hash];
        assert_eq!(package.label, format!("{name}-{version}"));
        if let Some(known) = &package.name {
            assert_eq!((known, package.version.as_ref()), (name, Some(version)));
            checked += 1;
        }
    }
    assert_eq!(checked, 34, "each package that was built named itself");
}

#[test]
fn the_reports_that_spack_writes_at_its_end_name_the_same_failure() {
    let junit = text("spack/junit-fail.xml.gz");
    let (tree, _) = replayed("old-pipe-junit-fail", 1);
    let failed: Vec<_> = tree
        .packages()
        .iter()
        .filter(|p| p.state == State::Failed)
        .collect();
    assert_eq!(failed.len(), 1);
    assert!(junit.contains(failed[0].name.as_ref().unwrap()));
    assert!(junit.contains(failed[0].hash.as_ref().unwrap()));
    assert!(junit.contains("failures=\"1\""));
    let skipped = junit.matches("<skipped />").count();
    let there = |s: State| matches!(s, State::Present | State::External);
    assert_eq!(tree.packages().iter().filter(|p| there(p.state)).count(), skipped);
    assert!(
        failed[0]
            .reason
            .as_ref()
            .unwrap()
            .starts_with("ProcessError: Command exited with status 1")
    );
    assert!(
        failed[0].errors[0]
            .text
            .starts_with("CMake Error at CMakeLists.txt:3")
    );
    let (tree, _) = replayed("old-pipe-cdash-fail", 1);
    let failed = tree.packages().iter().find(|p| p.state == State::Failed).unwrap();
    let report = text("spack/cdash-build.xml");
    assert!(
        report.contains("CMake Error at CMakeLists.txt:3") && failed.errors[0].text.contains("CMake Error")
    );
}

#[test]
fn a_lock_gives_names_totals_and_what_was_there() {
    let lock = lock("lab");
    assert_eq!(lock.packages().len(), 38);
    let (log, times) = recording("old-pipe-noop");
    let mut reader = Reader::new().with_lock(&lock);
    let mut tree = Tree::new().with_lock(&lock);
    for event in reader.feed(&log, 0) {
        tree.apply(&event, times.at(event.offset));
    }
    tree.ended(
        Exit {
            code: Some(0),
            signal: None,
        },
        times.last(),
    );
    assert_eq!((tree.counts().done, tree.counts().total), (38, Some(38)));
    assert_eq!(tree.packages().len(), 38, "no package is there twice");
    assert!(tree.packages().iter().all(|p| p.name.is_some()));
    let externals = tree.packages().iter().filter(|p| p.state == State::External);
    assert_eq!(externals.count(), 4);
}

#[test]
fn names_with_dashes_in_the_version_are_told_by_the_lock() {
    let lock = lock("zephyr");
    assert_eq!(lock.packages().len(), 253);
    let (hash, locked) = lock.packages().iter().find(|(_, l)| l.name == "cudnn").unwrap();
    assert!(locked.version.contains('-') && locked.external);
    let line = format!("[+] /usr (external cudnn-{}-{hash})\n", locked.version);
    let mut reader = Reader::new().with_lock(&lock);
    let events = reader.feed(line.as_bytes(), 0);
    let named = events.iter().find_map(|e| match &e.what {
        What::Named { name, version, .. } => Some((name.clone().unwrap(), version.clone().unwrap())),
        _ => None,
    });
    assert_eq!(named, Some(("cudnn".into(), locked.version.clone())));
}

#[test]
fn durations_out_of_the_index_are_those_that_spack_measured() {
    let (tree, _) = replayed("old-tty-env", 0);
    for package in tree.packages().iter().filter(|p| p.state == State::Installed) {
        let seen = (package.ended.unwrap() - package.started.unwrap()) as f64 / 1000.0;
        let took = package.took.unwrap();
        // Spack's own clock begins a little later and ends before the database is written.
        assert!(
            seen + 0.2 > took && seen < took + 6.0,
            "{}: {seen} {took}",
            package.label
        );
        assert!(package.phases.iter().filter(|p| p.seconds.is_some()).count() >= 2);
    }
    // The new installer says no times: its elapsed seconds and ours agree.
    let (tree, _) = replayed("new13-pipe", 0);
    let juniper = tree
        .packages()
        .iter()
        .find(|p| p.name.as_deref() == Some("lab-juniper"))
        .unwrap();
    let seconds = juniper.seconds(None).unwrap();
    assert!((seconds - 103.0).abs() < 3.0, "{seconds}");
    let build = juniper.phases.iter().find(|p| p.name == "build").unwrap();
    assert!((build.seconds.unwrap() - 18.0).abs() < 2.0, "{build:?}");
}

#[test]
fn a_package_leads_to_its_lines() {
    let (log, times) = recording("old-pipe-verbose-p2");
    let tree = tree(&events(&log), &times);
    let maple = tree
        .packages()
        .iter()
        .find(|p| p.name.as_deref() == Some("lab-maple"))
        .unwrap();
    let from = usize::try_from(maple.offset.unwrap()).unwrap();
    let to = usize::try_from(maple.end.unwrap()).unwrap();
    assert!(log[from..].starts_with(b"==> No binary for lab-maple-1.0.6-"));
    assert!(log[..to].ends_with(b"/lab-maple/1.0.6-qi5dy2m"));
    for phase in &maple.phases {
        let at = usize::try_from(phase.offset).unwrap();
        assert!(at >= from && at < to && log[at..].starts_with(b"==> "));
    }
}

#[test]
fn a_terminal_that_is_redrawn_gives_each_change_once() {
    let (log, _) = recording("new13-tty-env");
    assert!(log.len() > 2_000_000);
    let events = events(&log);
    assert!(events.len() < 600, "{} events", events.len());
    let (log, _) = recording("new13-tty-bad-multi");
    let tree = tree(&crate::fixtures::events(&log), &Times::default());
    let failed: Vec<_> = tree
        .packages()
        .iter()
        .filter(|p| p.state == State::Failed)
        .collect();
    assert!(failed.iter().all(|p| p.log.as_ref().unwrap().ends_with(".log")));
    assert_eq!(failed.iter().filter(|p| p.hash.is_some()).count(), 2);
}

#[test]
fn the_flood_of_a_build_changes_nothing_but_its_package() {
    let log = bytes("spack/old-tty-flood-verbose-cut.log.gz");
    let tree = tree(&events(&log), &Times::default());
    assert_eq!(tree.packages().len(), 1);
    assert_eq!(tree.packages()[0].state, State::Installed);
    assert_eq!(tree.packages()[0].name.as_deref(), Some("lab-flood"));
}

#[test]
fn one_line_says_how_far_it_is() {
    let (log, times) = recording("old-tty-env");
    let phase = b"lab-maple: Executing phase: 'build'";
    let half = log.windows(phase.len()).position(|w| w == phase).unwrap() + phase.len() + 2;
    let mut reader = Reader::new();
    let mut tree = Tree::new();
    for event in reader.feed(&log[..half], 0) {
        tree.apply(&event, times.at(event.offset));
    }
    let now = times.at(half as u64 - 1);
    let summary = Summary::of(&tree, None, now);
    insta::assert_snapshot!(summary.text(), @"spack running, 20/38; lab-maple 1.0.6 (build 0:01); ETA unknown");
    assert!(serde_json::to_string(&summary).unwrap().len() < 600);
    let (tree, times) = replayed("old-pipe-bad-compile", 1);
    let summary = Summary::of(&tree, None, times.last());
    insta::assert_snapshot!(summary.text(), @"spack failed, 6/7, 1 failed; failed: lab-bad-compile 1.0.0: ProcessError: Command exited with status 2: bad.c:4:20: error: 'undefined_name' undeclared (first use in this fu");
}
