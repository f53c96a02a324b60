//! What the program does around a build of Spack in a lab, by the program itself on the private daemon of `tests/run.sh`,
//! with a stand-in for Spack inside: what it comes to, consent, failures, build caches, the check of what was built.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::zombie_processes,
    reason = "a test fails by panicking, and kills and waits for what it started at moments of chance"
)]

mod common;

use std::{io::Read, path::Path, process::Stdio, time::Duration};

use common::{
    docking::Home,
    jobs::{Numbers, build_log, sum, writer},
};
use halolab::progress::Plan;
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
    // There is no Python to be asked, and what has just been built is not told to be built first.
    assert!(
        built.err.contains("there is no Python in") && !built.err.contains("first"),
        "{}",
        built.err
    );
    let jobs = std::fs::read_dir(home.folder.path().join("state/jobs")).unwrap();
    let mut logs = jobs.map(|entry| entry.unwrap().path().join("log.raw"));
    let plan = logs.find_map(|log| Plan::beside(&log)).unwrap();
    assert_eq!(
        plan.lock.packages().len(),
        4,
        "what there was to do is beside its log"
    );
    let after = review(&home, lab);
    assert_eq!(
        (&after["held"]["installed"], &after["held"]["to_build"]),
        (&3.into(), &0.into()),
        "{after}"
    );
    sizes_and_more(&home, lab);
}

fn sizes_and_more(home: &Home, lab: &str) {
    // Another one knows how large they were.
    home.inside(lab, "rm -r /opt/spack_store/app-* /opt/spack_store/.spack-db");
    let again = review(home, lab);
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

#[test]
fn a_build_that_failed_says_why_and_what_to_type_and_goes_on_where_it_was() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes", "--set", "cuda_arch=8.9"]);
    knob(&home, lab, "break", "app");
    let failed = build(&home, 1, lab, &["--yes"]);
    assert!(failed.err.contains("the reason is here"), "{}", failed.err);
    for typed in [
        "-- --keep-going`",
        "build-env --lab",
        "zephyr bundle spack-build-",
    ] {
        assert!(failed.err.contains(typed), "{typed}: {}", failed.err);
    }
    let built = || home.inside(lab, "ls /opt/spack_store | sed 's/-1.0.*//' | xargs");
    assert_eq!(built(), "lib tool", "it ended with the first that failed");
    // What does not need it is built, and what is there is not built again.
    let more = build(&home, 1, lab, &["--yes", "--", "--keep-going"]);
    assert!(!more.out.contains("Installing lib"), "{}", more.out);
    assert_eq!(built(), "lib py-torch tool");
    // The report has the package's own log, and no secret of it.
    let file = home.folder.path().join("report.tar.gz");
    home.ends(
        0,
        &["zephyr", "bundle", "--lab", lab, "--to", file.to_str().unwrap()],
    );
    let text = unpacked(&file);
    assert!(
        text.contains("the reason is here") && text.contains("\"spack-build\""),
        "{text}"
    );
    assert!(!text.contains("hunter2secret"), "{text}");
    mended(&home, lab);
}

/// All files of an archive.
fn unpacked(file: &Path) -> String {
    let bytes = std::fs::File::open(file).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let mut text = String::new();
    for entry in archive.entries().unwrap() {
        entry.unwrap().read_to_string(&mut text).unwrap();
    }
    text
}

fn mended(home: &Home, lab: &str) {
    // A program in the environment of the build.
    let inside = home.ends(
        0,
        &[
            "zephyr",
            "run",
            "build-env",
            "--lab",
            lab,
            "--",
            "app",
            "cat",
            "spack-build-out.txt",
        ],
    );
    assert!(
        inside.out.contains("the reason is here"),
        "{} {}",
        inside.out,
        inside.err
    );
    knob(home, lab, "break", "");
    let rest = build(home, 0, lab, &["--yes"]);
    assert!(
        rest.out.contains("Installing app") && !rest.out.contains("Installing tool"),
        "{}",
        rest.out
    );
    let none = home.run(&["zephyr", "bundle", "--lab", lab]);
    assert_eq!(none.code, 2, "the last one ended well: {}", none.err);
}

#[test]
fn a_build_cache_is_filled_and_saves_the_building() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    let cache = home.folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let folder = format!("cache_folder={}", cache.display());
    home.ends(
        0,
        &["apply", lab, "--yes", "--set", "cuda_arch=8.9", "--set", &folder],
    );
    build(&home, 0, lab, &["--yes"]);
    let pushed = home.ends(0, &["zephyr", "run", "spack-push", "--lab", lab]);
    assert!(
        pushed.out.contains("Pushed app@1.0") && pushed.out.contains("is in folder"),
        "{}",
        pushed.out
    );
    assert_eq!(
        std::fs::read_dir(cache.join("v3/manifests/spec"))
            .unwrap()
            .count(),
        4
    );
    // A store that is lost is fetched, and not built: what only a build needs is not needed either.
    home.inside(lab, "rm -rf /opt/spack_store/* /opt/spack_store/.spack-db");
    let after = review(&home, lab);
    assert_eq!(
        (
            &after["held"]["cached"],
            &after["held"]["to_build"],
            &after["held"]["not_needed"]
        ),
        (&3.into(), &0.into(), &1.into()),
        "{after}"
    );
    let told = home.inside(lab, "cat /opt/zephyr_config/spack/machine.yaml");
    assert!(told.contains("file:///opt/zephyr_mirror"), "{told}");
}

#[test]
fn what_was_built_says_whether_it_sees_the_gpu_and_that_is_the_verdict() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes", "--set", "cuda_arch=8.9"]);
    let nothing = home.run(&["zephyr", "verify", "--lab", lab]);
    assert_eq!(nothing.code, 3, "{}", nothing.err);
    assert!(nothing.err.contains("run spack-build first"), "{}", nothing.err);
    // A Python that says what it is told to, in the place of the one that Spack would build.
    let python = "mkdir -p /opt/spack_store/views/x/bin /opt/zephyr_config/standin; cd /opt/spack_store/views/x/bin; \
                  printf '#!/bin/sh\\ncat /opt/zephyr_config/standin/python\\n' >python3; chmod 755 python3";
    home.inside(lab, python);
    let says = |ok: bool, said: &str| {
        let line = format!(
            r#"{{"schema":1,"checks":[{{"name":"torch","version":"2.9.0","ok":{ok},"said":"{said}"}}]}}"#
        );
        knob(&home, lab, "python", &line);
    };
    let proof = || home.status(lab)["verdict"].to_string();
    says(false, "has CUDA 12.9, and sees no GPU");
    let blind = home.ends(1, &["zephyr", "verify", "--lab", lab]);
    assert!(
        blind.out.contains("torch 2.9.0: has CUDA 12.9, and sees no GPU"),
        "{}",
        blind.out
    );
    assert!(proof().contains("FAILED: torch 2.9.0"), "{}", proof());
    // A build asks by itself.
    says(true, "NVIDIA H200; a product of matrices is right; NCCL is there");
    let built = build(&home, 0, lab, &["--yes"]);
    assert!(built.err.contains("NVIDIA H200"), "{}", built.err);
    assert!(
        proof().contains("NCCL is there") && !proof().contains("FAILED"),
        "{}",
        proof()
    );
    knob(&home, lab, "python", "no JSON at all");
    let odd = home.run(&["zephyr", "verify", "--lab", lab]);
    assert!(odd.code == 3 && odd.err.contains("no JSON at all"), "{}", odd.err);
    assert!(
        proof().contains("NCCL is there"),
        "what was proven stays: {}",
        proof()
    );
}

#[test]
fn images_that_were_made_in_docker_stay_unless_they_are_named() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes"]);
    let shown = home.ends(0, &["uninstall", "--dry-run", "--keep-program"]).out;
    let line = shown
        .lines()
        .find(|line| line.contains("made in Docker"))
        .unwrap();
    assert!(line.contains("--with-images"), "{shown}");
    let names = line.split("in Docker, ").nth(1).unwrap();
    let image = names.split([',', ':']).next().unwrap().trim();
    let image = names
        .split_whitespace()
        .find(|word| word.starts_with(image))
        .unwrap();
    let image = image.trim_end_matches([',', ':']);
    let strange = home.run(&["uninstall", "--with-images", "lab/bb", "--yes", "--keep-program"]);
    assert!(
        strange.code == 2 && strange.err.contains(image),
        "{}",
        strange.err
    );
    home.ends(0, &["remove", lab, "--yes"]);
    let gone = home.ends(
        0,
        &["uninstall", "--with-images", image, "--yes", "--keep-program"],
    );
    assert!(
        gone.out.contains(&format!("removed the image {image}")),
        "{} {}",
        gone.out,
        gone.err
    );
    let again = home.ends(0, &["uninstall", "--dry-run", "--keep-program"]).out;
    assert!(!again.contains(image), "{again}");
}

/// How often halolab is killed: a few times in the suite, `HALOLAB_TEST_KILLS=100` for the figure.
fn kills() -> u64 {
    let given = std::env::var("HALOLAB_TEST_KILLS").ok();
    given.and_then(|number| number.parse().ok()).unwrap_or(6)
}

/// The job of `run-job`, once it runs; empty before.
fn begun(home: &Home) -> String {
    let jobs = std::fs::read_dir(home.folder.path().join("state/jobs"));
    let names = jobs.into_iter().flatten().filter_map(Result::ok);
    let mut names = names.map(|entry| entry.file_name().into_string().unwrap());
    let runs = |id: &String| home.run(&["job", "status", id]).out.contains("running");
    let found = names.find(|name| name.starts_with("run-job-"));
    found.filter(runs).unwrap_or_default()
}

#[test]
fn killing_halolab_at_random_loses_no_byte_of_what_an_entrypoint_writes() {
    let Some(home) = Home::new(STAGES) else { return };
    let lab = home.labs[0].as_str();
    home.ends(0, &["apply", lab, "--yes"]);
    let log = build_log(300 + 20 * kills(), 5);
    let data = home.folder.path().join("data").join(lab);
    std::fs::write(data.join("config/data.bin"), &log).unwrap();
    // As long as there were not kills enough it goes on step by step, however slow the machine is.
    let script = writer("/opt/zephyr_config/data.bin", log.len(), 20)
        .replace("sleep 0.03", "[ -e /opt/zephyr_config/enough ] || sleep 0.2");
    let words = [
        "zephyr", "run", "run-job", "--lab", lab, "--", "sh", "-c", &script,
    ];
    let watch = |words: &[&str]| {
        let mut command = home.command(words);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut numbers, mut done, mut id) = (Numbers(23), 0, String::new());
    let mut first = watch(&words);
    while done < kills() {
        let mut watcher = (!id.is_empty()).then(|| watch(&["job", "attach", &id]));
        std::thread::sleep(Duration::from_millis(50 + numbers.next(700)));
        let Some(watcher) = &mut watcher else {
            id = begun(&home);
            // It is killed as soon as its job runs.
            if !id.is_empty() {
                first.kill().unwrap();
                first.wait().unwrap();
                done += 1;
            }
            continue;
        };
        if watcher.try_wait().unwrap().is_some() {
            break;
        }
        watcher.kill().unwrap();
        watcher.wait().unwrap();
        done += 1;
    }
    std::fs::write(data.join("config/enough"), b"").unwrap();
    home.ends(0, &["job", "wait", &id]);
    assert!(done >= kills(), "only {done} kills: the job was over too soon");
    let status = std::fs::read(data.join("jobs/run-job.status")).unwrap();
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status["state"], "succeeded");
    let durable = std::fs::read(data.join("jobs").join(status["log"].as_str().unwrap())).unwrap();
    let copy = std::fs::read(home.folder.path().join("state/jobs").join(&id).join("log.raw")).unwrap();
    let written = (log.len(), sum(&log));
    assert_eq!((durable.len(), sum(&durable)), written, "after {done} kills");
    assert_eq!(
        (copy.len(), sum(&copy)),
        written,
        "the copy of {id} after {done} kills"
    );
}
