//! An instance that takes a lab's name behind our back, in the middle of a run, is left alone. On a real daemon, by the
//! program itself; the daemon's own client does the rest.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its table, and starts programs itself"
)]

mod common {
    #[allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason
    )]
    pub(super) mod daemon;
    pub(super) mod faults;
    #[allow(
        dead_code,
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason
    )]
    pub(super) mod program;
    pub(super) mod raw;
}

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use common::faults::{
    ground::Ground,
    points::{Workers, choose, scenarios},
    proxy::{Act, Call, Hook, Phase},
    scenario::{LONG, tail},
    table::{Table, Verdict},
    trial::{Point, points},
};
use halolab::backend::{Backend as _, Status};

/// The lab goes elsewhere, and somebody else's instance takes its name; its uuid, or none where the daemon refuses.
fn replace_behind_our_back(lab: &str, folder: &Path) -> Option<String> {
    let lxc = |words: &[&str]| {
        let mut command = Command::new("lxc");
        command
            .args(words)
            .env("LXD_DIR", folder)
            .env_remove("LXD_SOCKET");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let aside = format!("{lab}-moved");
    lxc(&["stop", "-f", lab]);
    let moved = lxc(&["move", lab, &aside]).status.success();
    if !moved || !lxc(&["init", "lab/bb", lab]).status.success() {
        return None;
    }
    lxc(&["snapshot", lab, "works"]);
    lxc(&["start", lab]);
    let uuid = lxc(&["config", "get", lab, "volatile.uuid"]).stdout;
    Some(String::from_utf8_lossy(&uuid).trim().to_owned())
}

/// Why somebody else's instance is not as it was; none where it is.
fn touched(ground: &Ground, uuid: &str) -> Option<String> {
    let Some(found) = ground.wait(ground.lxd.instance(ground.lab())).unwrap() else {
        return Some("it is gone".into());
    };
    if found.uuid != uuid {
        return Some("it is another one".into());
    }
    if found.status != Status::Running {
        return Some(format!("it is {}", found.status_text));
    }
    let taken = ground.wait(ground.lxd.snapshots(ground.lab())).unwrap();
    let names: Vec<&str> = taken.iter().map(|s| s.name.as_str()).collect();
    let inside = ground.disk(ground.lab());
    let written = ["updates", "greeting"].map(|file| inside.join(file).exists());
    if names != ["works"] || written != [false, false] {
        return Some(format!("{names:?} {written:?}"));
    }
    let ours = found.config.keys().find(|key| key.starts_with("user.halolab"));
    ours.map(|key| format!("it has {key}"))
}

#[test]
fn an_instance_that_took_the_labs_name_behind_our_back_is_left_alone() {
    let Some(workers) = Workers::new() else { return };
    let mut wanted = scenarios();
    wanted.retain(|s| ["restore", "recreate:clean", "update", "remove"].contains(&s.name));
    // Between two actions: what comes after a look and is one call with it cannot be kept apart by anybody.
    let (points, _) = points(&workers, wanted, Call::waits, &["replaced"]);
    let table = Table::new("behind our back");
    workers.each(choose(&table, points, 4, Point::key), |ground, point| {
        table.add(point.row(|| {
            ground.reset(point.scenario.from);
            let uuid: Arc<Mutex<Option<String>>> = Arc::default();
            let (told, lab, folder) = (Arc::clone(&uuid), ground.lab().to_owned(), ground.folder.clone());
            let hook: Hook = Arc::new(move || *told.lock().unwrap() = replace_behind_our_back(&lab, &folder));
            ground
                .proxy
                .arm(Some((point.call.clone(), Act::Tell(Phase::After, hook))));
            let ran = ground.run(&point.scenario.arguments(ground), LONG);
            ground.proxy.rest();
            ground.proxy.arm(None);
            ground.settle();
            let Some(uuid) = uuid.lock().unwrap().take() else {
                return (Verdict::NotHit, vec![]);
            };
            match touched(ground, &uuid) {
                Some(how) => (Verdict::Lost, vec![how, tail(&ran.said)]),
                // With 0 where all was done before.
                None => (Verdict::Ok, vec![tail(&ran.said)]),
            }
        }));
    });
    table.end();
}
