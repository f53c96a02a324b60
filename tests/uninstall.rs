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
    backend::{Instance, Server, lxd::Elsewhere},
    host::made::{Made, engine_name},
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
    let shown = home.ends(3, &["stage", "trust", "host", "--json"]).out;
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
    assert!(again.out.contains("Nothing to take back"), "{}", again.out);
    the_ledger_stays(&home);
}

/// That the lines which stay are halolab's is written down in `state` only.
fn the_ledger_stays(home: &Home) {
    let there = |folder: &str| home.folder.path().join(folder).exists();
    let refused = home.ends(3, &["uninstall", "--yes", "--files", "state,config"]);
    assert!(refused.err.contains("written down"), "{}", refused.err);
    assert!(there("state") && there("config"));
    home.ends(0, &["uninstall", "--yes", "--files", "config"]);
    assert!(there("state") && !there("config"));
}

fn made(kind: &str, rest: &str) -> Made {
    Made {
        kind: kind.into(),
        rest: rest.into(),
        ..Made::default()
    }
}

/// The same on the engine of [`answers`].
fn on(kind: &str, rest: &str) -> Made {
    Made {
        engine: Some(engine_name("lxd", SOCKET)),
        ..made(kind, rest)
    }
}

/// No test's machine has an engine here.
const SOCKET: &str = "/nowhere/unix.socket";

/// A machine whose LXD answers, with an instance.
fn answers(name: &str) -> World {
    let server = Server {
        product: "lxd".into(),
        address: SOCKET.into(),
        ..Server::default()
    };
    let instance = Instance {
        name: name.into(),
        uuid: "u".into(),
        ..Instance::default()
    };
    World {
        server: Some(server),
        instances: vec![instance],
        ..World::default()
    }
}

fn ids(world: &World, wish: &Wish) -> Vec<String> {
    let host = uninstall(world, wish).plan.host;
    host.into_iter().map(|a| a.id).collect()
}

fn all() -> Wish {
    Wish {
        labs: vec!["ai-lab".into()],
        boot: vec![("20261122-1".into(), "more memory".into())],
        made: vec![
            on("pool", "default"),
            made("group", "anna lxd"),
            made("package", "snap lxd"),
            made("package", "apt rsync"),
            made("file", "/snap"),
            made("file", "/etc/sysctl.d/60-halolab.conf"),
            made("teleport", "x"),
        ],
        everywhere: Some(vec!["ai-lab".into()]),
        others: vec![],
    }
}

#[test]
fn the_engine_goes_last_and_only_without_labs() {
    let (world, named) = (answers("ai-lab"), all());
    let stays = Wish {
        labs: vec![],
        ..named.clone()
    };
    let least = ["uninstall/boot-20261122-1", "uninstall/group"];
    assert_eq!(ids(&world, &stays), least);
    let keeps = uninstall(&world, &stays).keeps.join("\n");
    for kept in ["ai-lab", "snap lxd", "/snap", "teleport"] {
        assert!(keeps.contains(kept), "{keeps}");
    }
    let whole = [
        "uninstall/delete-ai-lab",
        "uninstall/boot-20261122-1",
        "uninstall/file",
        "uninstall/pool-default",
        "uninstall/engine",
        "uninstall/group",
    ];
    assert_eq!(ids(&world, &named), whole);
    let planned = uninstall(&world, &named);
    assert!(matches!(&planned.plan.host[0].step, Step::Delete { uuid, .. } if uuid == "u"));
    assert!(planned.plan.host[4].optional);
    assert_eq!(planned.stays, [made("teleport", "x")]);
    let asleep = World {
        asleep: Some("LXD".into()),
        ..World::default()
    };
    assert_eq!(ids(&asleep, &stays), least, "nobody knows whether it holds labs");
}

#[test]
fn what_is_not_provably_of_the_engine_that_answers_stays() {
    let has = |world: &World, wish: &Wish, id: &str| {
        let id = format!("uninstall/{id}");
        ids(world, wish).contains(&id)
    };
    let world = answers("ai-lab");
    // An instance of another project, and an engine that does not show them.
    for everywhere in [Some(vec!["ai-lab".into(), "other/web".into()]), None] {
        let wish = Wish { everywhere, ..all() };
        assert!(!has(&world, &wish, "pool-default") && !has(&world, &wish, "engine"));
    }
    // Another engine of this machine.
    for instances in [Some(vec!["web".to_owned()]), None] {
        let others = vec![Elsewhere {
            address: "/var/lib/incus/unix.socket".into(),
            instances,
        }];
        let wish = Wish { others, ..all() };
        assert!(has(&world, &wish, "pool-default") && !has(&world, &wish, "engine"));
    }
    // The labs are in an LXD, and an empty Incus answers.
    let mut incus = answers("ai-lab");
    if let Some(server) = &mut incus.server {
        server.product = "incus".into();
    }
    assert!(!has(&incus, &all(), "pool-default"));
    let planned = uninstall(&incus, &all());
    assert!(planned.stays.contains(&made("package", "snap lxd")));
    assert!(planned.stays.contains(&made("file", "/snap")));
    // A line that an older halolab wrote, and no engine at all.
    let old = Wish {
        made: vec![made("pool", "default")],
        ..all()
    };
    assert!(!has(&world, &old, "pool-default"));
    let none = Wish {
        labs: vec![],
        everywhere: None,
        ..all()
    };
    let planned = uninstall(&World::default(), &none);
    assert!(planned.stays.contains(&on("pool", "default")));
    assert!(planned.stays.contains(&made("package", "snap lxd")));
}
