//! `halolab uninstall`: what a script of the host's stage made is written down and taken back, and nothing else; labs
//! stay unless they are named. On a real daemon, by the program itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::fs;

use common::program::Home;
use halolab::{
    backend::Instance,
    host::made::Made,
    labs::World,
    plan::{
        Step,
        uninstall::{Wish, uninstall},
    },
};
use serde_json::Value;

/// A host's stage that makes two files in a folder of the test's, one of which may be there already.
fn host_stage(home: &Home) -> std::path::PathBuf {
    let folder = home.folder.path().join("host");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("before"), "the user's").unwrap();
    fs::write(folder.join("lines"), "first\n").unwrap();
    let stage = home.folder.path().join("config/stages/host");
    fs::create_dir_all(&stage).unwrap();
    let place = folder.display();
    let script = format!(
        "made() {{ echo \"$*\" >>\"$HALOLAB_RECEIPT\"; }}\n\
         for name in before after; do\n  [ -e {place}/$name ] || made file {place}/$name\n  \
         [ -e {place}/$name ] || echo halolab >{place}/$name\ndone\n\
         made line {place}/lines added by halolab\necho 'added by halolab' >>{place}/lines\n"
    );
    let text = format!(
        "version = 1\nid = \"host\"\ntitle = \"Host\"\nsummary = \"Two files\"\nbackend = \"host\"\n\n\
         [[step]]\nid = \"files\"\ntitle = \"Make two files\"\ncheck = {{ inline = \"test -e {place}/after\" }}\n\
         run.any.inline = '''\n{script}'''\n"
    );
    fs::write(stage.join("stage.toml"), text).unwrap();
    let shown = home.ends(0, &["stage", "trust", "host", "--json"]).out;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    home.ends(
        0,
        &[
            "stage",
            "trust",
            "host",
            "--trust",
            shown["sha256"].as_str().unwrap(),
        ],
    );
    folder
}

#[test]
fn it_takes_back_what_was_made_and_keeps_labs_that_are_not_named() {
    let Some(home) = Home::new(2) else { return };
    let folder = host_stage(&home);
    let (gone, kept) = (home.labs[0].clone(), home.labs[1].clone());
    home.ends(0, &["apply", &gone, &kept, "--yes"]);
    assert!(folder.join("after").exists());
    assert_eq!(
        fs::read_to_string(folder.join("lines")).unwrap(),
        "first\nadded by halolab\n"
    );

    // Nobody agreed: nothing happens.
    let shown = home
        .ends(0, &["uninstall", "--with-labs", &gone, "--dry-run", "--json"])
        .out;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let text = shown.to_string();
    assert!(
        text.contains("host/after") && !text.contains("host/before"),
        "{text}"
    );
    assert!(text.contains(&kept), "it says what stays: {text}");
    home.ends(2, &["uninstall", "--with-labs", &gone]);
    home.ends(2, &["uninstall", "--with-labs", "no-such-lab", "--yes"]);
    home.ends(3, &["uninstall", "--yes", "--read-only"]);
    assert!(folder.join("after").exists());
    assert_eq!(home.status(&gone)["status"], "running");

    let cache = home.folder.path().join("cache");
    fs::create_dir_all(&cache).unwrap();
    let digest = shown["digest"].as_str().unwrap();
    home.ends(
        0,
        &[
            "uninstall",
            "--with-labs",
            &gone,
            "--files",
            "cache",
            "--accept-plan",
            digest,
        ],
    );
    assert!(!folder.join("after").exists());
    assert_eq!(fs::read_to_string(folder.join("before")).unwrap(), "the user's");
    assert_eq!(home.status(&gone)["presence"], "missing");
    assert_eq!(home.status(&kept)["status"], "running");
    assert!(!cache.exists(), "named");
    assert!(home.folder.path().join("state").exists() && home.folder.path().join("config").exists());
    // Lines in the files of user ids belong to labs, and one lab is left.
    assert_eq!(
        fs::read_to_string(folder.join("lines")).unwrap(),
        "first\nadded by halolab\n"
    );

    // Once more: nothing is left to do but what was kept.
    let again = home.ends(0, &["uninstall", "--yes"]);
    assert!(again.out.contains("Nothing to do"), "{}", again.out);
    home.ends(0, &["uninstall", "--yes", "--files", "state,config"]);
    assert!(!home.folder.path().join("state").exists() && !home.folder.path().join("config").exists());
}

fn made(kind: &str, rest: &str) -> Made {
    Made {
        kind: kind.into(),
        rest: rest.into(),
    }
}

#[test]
fn the_engine_goes_last_and_only_without_labs() {
    let wish = Wish {
        labs: vec![],
        boot: vec![("20261122-1".into(), "more memory".into())],
        made: vec![
            made("pool", "default"),
            made("group", "anna lxd"),
            made("package", "apt lxd"),
            made("file", "/etc/sysctl.d/60-halolab.conf"),
            made("teleport", "x"),
        ],
    };
    let ids = |world: &World, wish: &Wish| -> Vec<String> {
        uninstall(world, wish)
            .plan
            .host
            .iter()
            .map(|a| a.id.clone())
            .collect()
    };
    let with = World {
        instances: vec![Instance {
            name: "ai-lab".into(),
            uuid: "u".into(),
            ..Instance::default()
        }],
        ..World::default()
    };
    assert_eq!(
        ids(&with, &wish),
        ["uninstall/boot-20261122-1", "uninstall/group"]
    );
    let keeps = uninstall(&with, &wish).keeps.join("\n");
    assert!(
        keeps.contains("ai-lab") && keeps.contains("apt lxd") && keeps.contains("teleport"),
        "{keeps}"
    );
    let named = Wish {
        labs: vec!["ai-lab".into()],
        ..wish.clone()
    };
    let all = [
        "uninstall/delete-ai-lab",
        "uninstall/boot-20261122-1",
        "uninstall/group",
        "uninstall/file",
        "uninstall/pool-default",
        "uninstall/package",
    ];
    assert_eq!(ids(&with, &named), all);
    let first = &uninstall(&with, &named).plan.host[0].step;
    assert!(matches!(first, Step::Delete { uuid, .. } if uuid == "u"));
    let asleep = World {
        asleep: Some("LXD".into()),
        ..World::default()
    };
    assert_eq!(
        ids(&asleep, &wish),
        ids(&with, &wish),
        "nobody knows whether it holds labs"
    );
}
