//! What the program does around a build of Spack in a lab, by the program itself on the private daemon of `tests/run.sh`,
//! with a stand-in for Spack inside: what it comes to, consent, failures, build caches, the check of what was built.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::docking::Home;
use serde_json::Value;

const STAGES: &[&str] = &["docker-labs/spack-lab"];

/// What a build comes to, as the document says it.
fn review(home: &Home, lab: &str) -> Value {
    let said = home.ends(
        0,
        &["zephyr", "run", "spack-build", "--lab", lab, "--review", "--json"],
    );
    serde_json::from_str(&said.out).unwrap()
}

/// Tells the stand-in how to behave; an empty word takes it back.
fn knob(home: &Home, lab: &str, name: &str, word: &str) {
    let script =
        format!("mkdir -p /opt/zephyr_config/standin; printf %s '{word}' >/opt/zephyr_config/standin/{name}");
    home.inside(lab, &script);
}

fn build(home: &Home, code: i32, lab: &str, more: &[&str]) -> common::program::Said {
    let mut words = vec!["zephyr", "run", "spack-build", "--lab", lab];
    words.extend(more);
    home.ends(code, &words)
}

#[test]
fn a_build_is_shown_before_it_begins_and_only_what_is_missing_is_built() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes", "--set", "cuda_arch=8.9"]);
    let before = review(&home, lab);
    assert_eq!(before["held"]["to_build"], 4, "{before}");
    assert_eq!(
        (&before["left"], &before["disk"]["unknown"]),
        (&Value::Null, &4.into())
    );
    assert!(before["disk"]["free"].as_u64().unwrap() > 0);
    assert!(
        before["cuda_arch"].as_str().unwrap().starts_with("cuda_arch=89"),
        "{before}"
    );
    assert_eq!(
        home.inside(lab, "ls /opt/spack_store | wc -l"),
        "0",
        "nothing was built"
    );
    // Without a yes nothing begins, and what to type is said.
    let refused = build(&home, 2, lab, &[]);
    assert!(
        refused.err.contains("--yes") && refused.err.contains("--review"),
        "{}",
        refused.err
    );
    assert!(
        refused.out.contains("4 to build") && refused.out.contains("app@1.0"),
        "{}",
        refused.out
    );
    let built = build(&home, 0, lab, &["--yes"]);
    assert!(built.out.contains("Installing app-1.0"), "{}", built.out);
    let after = review(&home, lab);
    assert_eq!(
        (&after["held"]["installed"], &after["held"]["to_build"]),
        (&3.into(), &0.into()),
        "{after}"
    );
    // Another one knows how large they were.
    home.inside(lab, "rm -r /opt/spack_store/app-* /opt/spack_store/.spack-db");
    let again = review(&home, lab);
    assert_eq!(again["disk"]["unknown"], 0, "{again}");
    assert!(again["disk"]["needed"].as_u64().unwrap() >= 64 << 10, "{again}");
    // What is added is tried beside the environment, and nothing of it is there before the yes.
    let more = home.ends(
        0,
        &[
            "zephyr",
            "run",
            "spack-install",
            "--lab",
            lab,
            "--review",
            "--json",
            "--",
            "extra",
        ],
    );
    assert!(more.out.contains("\"extra\""), "{}", more.out);
    assert_eq!(
        home.inside(lab, "grep -c extra /opt/zephyr_config/spack/spack.yaml || true"),
        "0"
    );
    home.ends(
        0,
        &[
            "zephyr",
            "run",
            "spack-install",
            "--lab",
            lab,
            "--yes",
            "--",
            "extra",
        ],
    );
    assert_eq!(
        home.inside(lab, "ls -d /opt/spack_store/extra-1.0-* | wc -l"),
        "1"
    );
}

#[test]
fn nccl_that_was_dropped_stops_a_build_that_nobody_looks_at() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes", "--set", "cuda_arch=8.9,120"]);
    knob(&home, lab, "nccl", "false");
    assert_eq!(review(&home, lab)["dropped"][0]["variant"], "nccl");
    let stopped = build(&home, 3, lab, &["--yes"]);
    assert!(
        stopped.err.contains("py-torch +nccl") && stopped.err.contains("--accept-dropped"),
        "{}",
        stopped.err
    );
    assert!(stopped.out.contains("MISSING"), "{}", stopped.out);
    build(&home, 0, lab, &["--yes", "--accept-dropped"]);
    // What Spack cannot work out is shown with its reason, and nothing is built.
    knob(&home, lab, "unsolvable", "py-torch conflicts with the moon");
    let unsolved = build(&home, 1, lab, &["--yes", "--", "--again"]);
    assert!(
        unsolved.err.contains("conflicts with the moon")
            && unsolved.err.contains("halolab job logs spack-plan-"),
        "{}",
        unsolved.err
    );
}

#[test]
fn gpus_that_the_toolkit_does_not_know_are_refused_with_the_one_that_does() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes", "--set", "cuda_arch=99"]);
    let refused = build(&home, 3, lab, &["--yes"]);
    assert!(refused.err.contains("cuda_arch"), "{}", refused.err);
    assert!(home.inside(lab, "ls /opt/spack_store").is_empty());
}
