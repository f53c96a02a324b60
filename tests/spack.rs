//! What Spack is told, and what its answer comes to: on a lock file that Spack 1.1.0 wrote for the shipped environment.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, io::Read, path::Path};

use flate2::read::GzDecoder;
use halolab::{
    progress::{Database, History, Lock},
    spack::{Architectures, Cache, ENVIRONMENT, Image, Machine, Mirror, Review, Standing, dropped},
};
use serde_json::{Value, json};

fn lock_text() -> String {
    let bytes = std::fs::read("tests/fixtures/spack/zephyr.spack.lock.gz").unwrap();
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

fn lock() -> Lock {
    Lock::parse(lock_text().as_bytes()).unwrap()
}

fn hash_of(lock: &Lock, name: &str) -> String {
    let mut found = lock.packages().iter().filter(|(_, package)| package.name == name);
    found.next().unwrap().0.clone()
}

fn database(hashes: &[&str]) -> Database {
    let installs: serde_json::Map<String, Value> = hashes
        .iter()
        .map(|hash| ((*hash).to_owned(), json!({"installed": true})))
        .collect();
    let text = json!({"database": {"installs": installs}}).to_string();
    Database::parse(text.as_bytes()).unwrap()
}

fn history() -> History {
    History::load(Path::new("/nowhere/history.json")).unwrap()
}

/// A small environment: app needs lib and, to be built, tool; tool needs, to run, part.
fn small() -> Lock {
    let hash = |letter: &str| letter.repeat(32);
    let need =
        |letter: &str, kinds: &[&str]| json!({"hash": hash(letter), "parameters": {"deptypes": kinds}});
    let text = json!({
        "roots": [{"hash": hash("a"), "spec": "app"}],
        "concrete_specs": {
            hash("a"): {"name": "app", "version": "1", "dependencies": [need("b", &["build", "link"]), need("c", &["build"])]},
            hash("b"): {"name": "lib", "version": "1"},
            hash("c"): {"name": "tool", "version": "1", "dependencies": [need("d", &["run"])]},
            hash("d"): {"name": "part", "version": "1"},
        }
    });
    Lock::parse(text.to_string().as_bytes()).unwrap()
}

fn standing(review: &Review, name: &str) -> Standing {
    review.rows.iter().find(|row| row.name == name).unwrap().standing
}

#[test]
fn all_is_built_but_what_the_image_has() {
    let lock = lock();
    let review = Review::of(&lock, &Database::default(), &Cache::default(), &history(), None);
    assert_eq!(review.rows.len(), 253);
    assert_eq!((review.held.external, review.held.to_build), (4, 249));
    assert_eq!(standing(&review, "cuda"), Standing::External);
    assert_eq!(review.unknown, 249, "nothing was ever built here");
    assert_eq!(review.left, None);
}

#[test]
fn what_only_a_build_needs_is_not_needed_once_that_is_there_or_cached() {
    let lock = small();
    let (a, b) = ("a".repeat(32), "b".repeat(32));
    let ask = |database: &Database, cache: &Cache| Review::of(&lock, database, cache, &history(), None);
    let nothing = ask(&Database::default(), &Cache::default());
    assert_eq!(nothing.held.to_build, 4);
    let cached = ask(
        &Database::default(),
        &Cache::listed(&format!("-- linux --\n{a} app@1\n")),
    );
    assert_eq!(
        (standing(&cached, "app"), standing(&cached, "lib")),
        (Standing::Cached, Standing::ToBuild)
    );
    assert_eq!(
        (standing(&cached, "tool"), standing(&cached, "part")),
        (Standing::NotNeeded, Standing::NotNeeded)
    );
    let there = ask(&database(&[&a, &b]), &Cache::default());
    assert_eq!(
        (there.held.installed, there.held.not_needed, there.held.to_build),
        (2, 2, 0)
    );
}

#[test]
fn a_build_cache_is_known_by_its_list_and_by_its_files() {
    let hash = "dbmciigmvd5y2e3wlmzcdvgem72qvzqv";
    let listed =
        format!("==> 1 cached build\n-- linux-debian12-x86_64_v3 / no compilers --\n{hash} py-jax@0.7.0\n\n");
    assert!(Cache::listed(&listed).holds(hash));
    let files = Cache::files([
        "py-jax-0.7.0-dbmciigmvd5y2e3wlmzcdvgem72qvzqv.spec.manifest.json",
        "linux-debian12-x86_64_v3-gcc-13.3.0-nccl-2.28.7-1-vpxcslr2vpxcslr2vpxcslr2vpxcslr2.spec.json.sig",
        "index.manifest.json",
        "../../etc/passwd-.spec.",
    ]);
    assert!(files.holds(hash) && files.holds("vpxcslr2vpxcslr2vpxcslr2vpxcslr2"));
    assert_eq!(files, Cache::default().and(files.clone()));
}

#[test]
fn times_of_former_builds_say_how_long_it_takes() {
    let lock = small();
    let mut history = history();
    for (name, letter, seconds) in [
        ("app", "a", 60.0),
        ("lib", "b", 30.0),
        ("tool", "c", 10.0),
        ("part", "d", 5.0),
    ] {
        let times =
            json!({"name": name, "hash": letter.repeat(32), "total": seconds, "cache": false, "phases": []});
        assert!(history.import(times.to_string().as_bytes()).unwrap(), "{name}");
    }
    let review = Review::of(&lock, &Database::default(), &Cache::default(), &history, None);
    assert_eq!(review.unknown, 0);
    let left = review.left.unwrap();
    assert!(left.low <= 105 && left.high.unwrap() >= 90, "{left:?}");
    let part = Review::of(
        &lock,
        &Database::default(),
        &Cache::listed(&"b".repeat(32)),
        &history,
        None,
    );
    assert!(
        part.left.unwrap().high < left.high,
        "what is cached is not waited for"
    );
}

#[test]
fn variants_that_are_not_there_are_named_with_what_to_write() {
    assert_eq!(dropped(&lock()), []);
    let mut text: Value = serde_json::from_str(&lock_text()).unwrap();
    let torch = hash_of(&lock(), "py-torch");
    text["concrete_specs"][&torch]["parameters"]["nccl"] = json!(false);
    let found = dropped(&Lock::parse(text.to_string().as_bytes()).unwrap());
    assert_eq!(found.len(), 1);
    assert!(found[0].text.contains("`py-torch +nccl`"), "{}", found[0].text);
}

#[test]
fn the_machines_file_is_what_spack_was_tried_with() {
    let machine = Machine {
        architectures: Some(Architectures {
            capabilities: vec!["8.0".into(), "9.0".into()],
            notes: vec![],
        }),
        target: "x86_64_v3".into(),
        jobs: 16,
        image: Image {
            cuda: Some(("12.9.1".into(), "/usr/local/cuda-12.9".into())),
            cudnn: Some(("9.10.2.21-12".into(), "/usr".into())),
            gcc: Some(("13.3.0".into(), "/usr".into())),
            fortran: true,
        },
        mirrors: vec![Mirror::new("store", "file:///opt/spack_store/.buildcache", true).unwrap()],
        slim: true,
    };
    let text = machine.text();
    let (head, rest) = text.split_once('\n').unwrap();
    assert!(head.starts_with("# "));
    let file: Value = serde_json::from_str(rest).unwrap();
    assert_eq!(
        file["packages"]["nccl"]["require"],
        json!(["+cuda cuda_arch=80,90"])
    );
    assert_eq!(
        file["packages"]["py-torch"]["require"],
        json!(["+cuda ~mkldnn cuda_arch=80,90"])
    );
    assert_eq!(file["packages"]["py-pandas"]["require"], json!(["~performance"]));
    assert_eq!(file["packages"]["cuda"]["externals"][0]["spec"], "cuda@12.9.1");
    assert_eq!(
        file["packages"]["gcc"]["externals"][0]["extra_attributes"]["compilers"]["fortran"],
        "/usr/bin/gfortran"
    );
    assert_eq!(file["mirrors"]["store"]["autopush"], true);
    assert_eq!(file["concretizer"]["reuse"], true);
    let plain: Value = serde_json::from_str(Machine::default().text().split_once('\n').unwrap().1).unwrap();
    assert_eq!(
        plain["packages"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["all"]
    );
}

#[test]
fn the_environment_includes_the_machines_file_and_asks_for_nccl_by_name() {
    let lines: BTreeSet<&str> = ENVIRONMENT.lines().map(str::trim).collect();
    assert!(lines.contains("- machine.yaml"));
    let roots = ["py-torch@", "py-jaxlib@"].map(|root| {
        lines
            .iter()
            .find(|line| line.starts_with(&format!("- {root}")))
            .copied()
            .unwrap()
    });
    assert!(
        roots
            .iter()
            .all(|root| root.contains("+nccl") && !root.contains("cuda_arch")),
        "{roots:?}"
    );
}

#[test]
fn addresses_of_mirrors_hold_no_password_and_lead_somewhere() {
    for good in [
        "file:///srv/cache",
        "oci://registry.lan:5000/zephyr/cache",
        "oci+http://127.0.0.1:5055/lab/cache",
    ] {
        assert!(Mirror::new("team", good, false).is_ok(), "{good}");
    }
    let team = |url: &str| Mirror::new("team", url, false).unwrap();
    let signed = |mirror: Mirror| {
        let machine = Machine {
            mirrors: vec![mirror],
            ..Machine::default()
        };
        let file: Value = serde_json::from_str(machine.text().split_once('\n').unwrap().1).unwrap();
        file["mirrors"]["team"]["signed"].as_bool().unwrap()
    };
    assert!(signed(team("https://cache.lan/x")) && signed(team("s3://bucket/x")));
    assert!(!signed(team("https://cache.lan/x").without_signatures()));
    assert!(!signed(team("file:///srv/cache")) && !signed(team("oci://registry.lan/x")));
    assert_eq!(team("oci://registry.lan/x").warning(), None);
    let warning = team("oci+http://registry.lan/x").warning().unwrap();
    assert!(warning.contains("without TLS"), "{warning}");
    for bad in [
        "",
        "file://relative",
        "http://plain",
        "oci://user:secret@host/x",
        "https://a b",
        "https://a\nb",
    ] {
        assert!(Mirror::new("team", bad, false).is_err(), "{bad}");
    }
    assert!(Mirror::new("a b", "file:///x", false).is_err() && Mirror::new("", "file:///x", false).is_err());
}
