//! The image of workspaces: what a choice of profiles comes to, and one image that is really built and started.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may wait for a child"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use halolab::workspace::image::{
    Base, Choice, Gpu, HAS, ImageError, Recipe, default_name, estimate, profiles, recipe, resolve, told,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn choice(names: &[&str]) -> Choice {
    Choice {
        profiles: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Choice::default()
    }
}

fn ids(names: &[&str]) -> Vec<&'static str> {
    let found = resolve(&choice(names).profiles).unwrap();
    found.iter().map(|profile| profile.id.as_str()).collect()
}

#[test]
fn each_profile_is_whole() {
    assert_eq!(profiles().len(), 11);
    let known = [
        "ssh",
        "vnc",
        "novnc",
        "code",
        "jupyter",
        "tensorboard",
        "rdp",
        "dind",
    ];
    let mut brought = BTreeSet::new();
    let mut before = BTreeSet::new();
    for profile in profiles() {
        let id = profile.id.as_str();
        let folder = root().join("assets/workspace").join(id);
        assert!(folder.join("build/install.sh").exists(), "{id}");
        assert!(profile.megabytes > 0 && profile.seconds > 0, "{id}");
        for needed in &profile.needs {
            assert!(before.contains(needed.as_str()), "{id} is built before {needed}");
        }
        before.insert(id);
        for service in &profile.services {
            assert!(known.contains(&service.as_str()), "{service}");
            assert!(brought.insert(service.as_str()), "{service} is of two profiles");
            let program = folder.join(format!("root/etc/workspace/programs/{service}.conf"));
            let text = fs::read_to_string(program).unwrap();
            // the probes find a service's program by its name
            assert!(text.contains(&format!("[program:{service}]\n")), "{service}");
        }
    }
    assert_eq!(brought, known.into());
}

#[test]
fn what_a_profile_needs_comes_with_it_in_the_order_of_the_build() {
    assert_eq!(ids(&[]), ["base"]);
    assert_eq!(ids(&["develop"]), ["base", "code", "notebook", "develop"]);
    assert_eq!(
        ids(&["ml", "desktop", "base"]),
        ["base", "screen", "notebook", "desktop", "ml"]
    );
    let error = recipe(&choice(&["notbook"]), "x").unwrap_err();
    assert!(
        matches!(&error, ImageError::Unknown { near: Some(near), .. } if near == "notebook"),
        "{error}"
    );
    let error = resolve(&["\x1b[2Jx".to_owned()]).unwrap_err().to_string();
    assert!(!error.contains('\x1b') && error.contains("base, code"), "{error}");
}

#[test]
fn size_and_time_are_known_before_the_build() {
    let small = estimate(&choice(&[])).unwrap();
    let large = estimate(&choice(&["code", "screen", "notebook", "docker"])).unwrap();
    assert!(small.measured && large.measured && small.megabytes < large.megabytes);
    let text = large.to_string();
    assert!(
        text.starts_with("about 2.") && text.ends_with("min on two busy cores"),
        "{text}"
    );
    let archive = Choice {
        code_server: Some(format!("https://x/a.tar.gz#sha256={}", "0".repeat(64))),
        ..choice(&["code"])
    };
    assert!(estimate(&archive).unwrap().seconds < estimate(&choice(&["code"])).unwrap().seconds);
    let of = |gpu| {
        estimate(&Choice {
            gpu,
            ..choice(&["ml"])
        })
        .unwrap()
    };
    assert!(of(Gpu::Cpu).megabytes < of(Gpu::Cuda).megabytes && !of(Gpu::Cpu).measured);
    assert!(of(Gpu::Cpu).to_string().ends_with("partly estimated"));
}

#[test]
fn the_recipe_has_what_was_chosen_and_its_content_follows_from_it() {
    let made = recipe(&choice(&["screen"]), &default_name()).unwrap();
    let dockerfile = &made.files["Dockerfile"];
    for part in [
        "FROM ${BASE}",
        "RUN sh /opt/workspace/build/base/install.sh",
        "COPY screen/root/ /opt/workspace/files/screen/",
        "\nENTRYPOINT [\"/usr/bin/tini\", \"--\", \"/usr/local/sbin/workspace-init\"]",
    ] {
        assert!(dockerfile.contains(part), "{part} is not in:\n{dockerfile}");
    }
    assert!(!dockerfile.contains("notebook") && !made.files.keys().any(|name| name.starts_with("ml/")));
    // each folder that is copied has something in it
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let from = line.split(' ').next().unwrap();
        assert!(made.files.keys().any(|name| name.starts_with(from)), "{from}");
    }
    assert_eq!(made.build.arguments["BASE"], "debian:bookworm");
    assert_eq!(made.build.labels[HAS], "base,screen");
    assert_eq!(made.services(), ["ssh", "vnc", "novnc"]);
    assert!(made.made(&made.build.labels));
    let (version, has) = told(&made.build.labels).unwrap();
    assert_eq!((version.as_str(), has.len()), (env!("CARGO_PKG_VERSION"), 2));

    let same = recipe(&choice(&["base", "screen"]), "another:1").unwrap();
    assert_eq!(made.content, same.content, "a name is none of the content");
    let gpu = Choice {
        gpu: Gpu::Cuda,
        ..choice(&["screen"])
    };
    assert_eq!(
        recipe(&gpu, "x").unwrap().content,
        made.content,
        "nothing computes in it"
    );
    for other in [
        choice(&["notebook"]),
        Choice {
            base: Base::Ubuntu,
            ..choice(&["screen"])
        },
        Choice {
            authorities: vec!["-----BEGIN".into()],
            ..choice(&["screen"])
        },
    ] {
        assert_ne!(recipe(&other, "x").unwrap().content, made.content);
    }
}

#[test]
fn what_would_be_more_than_a_name_is_refused() {
    for name in ["", "-x", "a b", "a\nRUN rm", "$(x)", "a;b"] {
        let choice = Choice {
            base: Base::Image(name.into()),
            ..choice(&[])
        };
        assert!(
            matches!(recipe(&choice, "x"), Err(ImageError::Base(_))),
            "{name:?}"
        );
    }
    assert_eq!(Base::named("lab/debian:latest").reference(), "lab/debian:latest");
    let sum = "a".repeat(64);
    for archive in [
        "https://x/a.tar.gz".to_owned(),
        format!("http://x/a.tar.gz#sha256={sum}"),
        format!("https://x/a.tar.gz#sha256={sum}0"),
    ] {
        let choice = Choice {
            code_server: Some(archive.clone()),
            ..choice(&["code"])
        };
        assert!(
            matches!(recipe(&choice, "x"), Err(ImageError::Archive)),
            "{archive}"
        );
    }
}

fn scripts() -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![root().join("assets/workspace")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap_or_default();
            if first.starts_with("#!") || first.contains("shellcheck shell=sh") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn each_script_is_one_of_a_plain_shell() {
    let scripts = scripts();
    assert!(scripts.len() > 20, "{}", scripts.len());
    for script in &scripts {
        let text = fs::read_to_string(script).unwrap();
        let shell = if text.starts_with("#!/bin/bash") {
            "bash"
        } else {
            "sh"
        };
        let ran = Command::new(shell).arg("-n").arg(script).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let Ok(ran) = Command::new("shellcheck")
        .args(["-x", "-S", "style"])
        .args(&scripts)
        .output()
    else {
        return;
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn each_downloaded_package_of_python_has_its_sum() {
    for profile in ["notebook", "code", "develop"] {
        let file = root().join(format!("assets/workspace/{profile}/build/requirements.txt"));
        let text = fs::read_to_string(file).unwrap();
        let mut names = text.lines().peekable();
        while let Some(line) = names.next() {
            assert!(line.contains("==") && line.ends_with('\\'), "{line}");
            let mut sums = 0;
            while names
                .next_if(|line| line.trim_start().starts_with("--hash=sha256:"))
                .is_some()
            {
                sums += 1;
            }
            assert!(sums > 0, "{line}");
        }
    }
}

/// Writes the recipe's files as the runner does.
fn write(recipe: &Recipe, folder: &Path) {
    for (name, text) in &recipe.files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[path = "workspace_image/real.rs"]
mod real;
