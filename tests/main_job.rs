//! The main job on a real daemon, through the program: first run, every later-run choice, and what must not happen.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use common::program::Home;

#[test]
fn a_first_run_makes_a_proven_lab_with_a_clean_snapshot() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let plan = home.ends(0, &["plan", lab]);
    assert!(
        plan.out.contains("take the snapshot clean") && plan.out.contains("keeps  models"),
        "{}",
        plan.out
    );
    assert_eq!(home.status(lab)["presence"], "missing", "a plan changes nothing");
    home.ends(0, &["apply", lab, "--dry-run"]);
    assert_eq!(
        home.status(lab)["presence"],
        "missing",
        "a dry run changes nothing"
    );
    home.ends(0, &["apply", lab, "--yes", "--set", "greeting=good morning"]);
    let status = home.status(lab);
    assert_eq!(
        (status["status"].as_str(), status["presence"].as_str()),
        (Some("running"), Some("ours"))
    );
    assert_eq!(status["verdict"], "CPU only: good morning in green");
    assert_eq!(home.snapshots(lab), ["clean"]);
    assert!(
        home.ends(0, &["apply", lab, "--yes"])
            .out
            .contains("Nothing to do"),
        "a second run leaves it alone"
    );
    assert!(
        home.ends(3, &["apply", lab, "--choose", "create", "--yes"])
            .err
            .contains("exists already")
    );
}

#[test]
fn two_labs_are_made_side_by_side_and_json_tells_each_step() {
    let Some(home) = Home::new(2) else { return };
    let (one, two) = (home.labs[0].as_str(), home.labs[1].as_str());
    let said = home.ends(0, &["apply", one, two, "--yes", "--json"]);
    let events: Vec<serde_json::Value> = said
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(
        events
            .iter()
            .all(|e| e["v"] == 1 && e["ts"].is_string() && e["event"].is_string())
    );
    assert_eq!(events.first().unwrap()["event"], "plan");
    let last = events.last().unwrap();
    assert_eq!(
        (last["event"].as_str(), last["code"].as_i64()),
        (Some("done"), Some(0))
    );
    let started: Vec<&str> = events
        .iter()
        .filter(|e| e["event"] == "step-started")
        .filter_map(|e| e["lab"].as_str())
        .collect();
    let first_two = started.iter().position(|l| *l == two).unwrap();
    let last_one = started.iter().rposition(|l| *l == one).unwrap();
    assert!(
        first_two < last_one,
        "the second lab began before the first was done"
    );
}

#[test]
fn a_restore_keeps_the_state_before_it_and_the_data_folder() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    home.inside(lab, "echo mine > /work; echo big > /data/models/model");
    home.ends(0, &["snapshot", "create", lab, "works", "-m", "all is well"]);
    home.inside(lab, "echo broken > /work; echo later > /later");
    // A device that was added after the snapshot goes with a restore; the data mount is in the profile and stays.
    let plan = home.ends(0, &["plan", lab, "--choose", "restore:works"]);
    assert!(
        plan.out.contains("LOSES  everything in") && plan.out.contains("before-restore-1"),
        "{}",
        plan.out
    );
    let refused = home.ends(2, &["apply", lab, "--choose", "restore:works"]);
    assert!(
        refused.err.contains("--yes") && refused.err.contains("--accept-plan"),
        "{}",
        refused.err
    );
    assert_eq!(
        home.inside(lab, "cat /work"),
        "broken",
        "nothing happens without a yes"
    );
    home.ends(0, &["apply", lab, "--choose", "restore:works", "--yes"]);
    assert_eq!(
        home.inside(lab, "cat /work /data/models/model; ls /later 2>/dev/null || true"),
        "mine\nbig"
    );
    assert_eq!(home.snapshots(lab), ["before-restore-1", "works", "clean"]);
    let works = home.status(lab)["snapshots"][1].clone();
    assert_eq!(
        works["note"], "all is well",
        "notes survive a restore to a time before them"
    );
    home.ends(0, &["snapshot", "restore", lab, "before-restore-1", "--yes"]);
    assert_eq!(
        home.inside(lab, "cat /work /later"),
        "broken\nlater",
        "the undo of the restore"
    );
}

#[test]
fn a_plan_is_accepted_by_its_digest_and_no_other() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let plan: serde_json::Value = serde_json::from_str(&home.ends(0, &["plan", lab, "--json"]).out).unwrap();
    let digest = plan["digest"].as_str().unwrap();
    assert!(
        home.ends(3, &["apply", lab, "--accept-plan", "00ff"])
            .err
            .contains("another one")
    );
    assert_eq!(home.status(lab)["presence"], "missing");
    home.ends(0, &["apply", lab, "--accept-plan", digest]);
    assert_eq!(home.status(lab)["presence"], "ours");
}

#[test]
fn a_failed_update_offers_the_way_back_and_it_works() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    home.ends(0, &["update", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /updates"), "1");
    home.inside(lab, "touch /break-update");
    let failed = home.ends(5, &["update", lab, "--yes"]);
    assert!(
        failed.err.contains("broken on purpose"),
        "the cause is said: {}",
        failed.err
    );
    let way_back = format!("halolab apply {lab} --choose restore:before-update-2");
    assert!(failed.err.contains(&way_back), "{}", failed.err);
    let status = home.ends(0, &["status", lab]).out;
    assert!(
        status.contains("half updated") && status.contains(&way_back),
        "{status}"
    );
    assert_eq!(home.status(lab)["updating"], "before-update-2");
    let again = home.ends(5, &["update", lab, "--yes"]);
    assert!(again.err.contains(&way_back), "{}", again.err);
    assert_eq!(
        home.status(lab)["updating"],
        "before-update-2",
        "the way back is to before the first failure"
    );
    home.ends(0, &["apply", lab, "--choose", "restore:before-update-2", "--yes"]);
    assert_eq!(
        home.inside(lab, "cat /updates"),
        "1",
        "the half-done update is gone"
    );
    let status = home.status(lab)["updating"].clone();
    assert!(status.is_null(), "it is whole again: {status}");
}

#[test]
fn a_recreate_keeps_the_old_lab_and_brings_it_back() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let prev = format!("{lab}-prev");
    home.ends(0, &["apply", lab, "--yes", "--set", "colour=blue"]);
    home.inside(lab, "echo mine > /work; echo big > /data/models/model");
    home.ends(0, &["recreate", lab, "--yes"]);
    assert_eq!(
        home.inside(
            lab,
            "cat /greeting; ls /work 2>/dev/null || echo fresh; cat /data/models/model"
        ),
        "hello in blue\nfresh\nbig"
    );
    assert_eq!(home.status(lab)["kept"][0], prev.as_str());
    let version = home.status(lab)["versions"][0].clone();
    assert_eq!(version["verdict"], "CPU only: hello in blue");
    assert!(
        version["created"].as_str().unwrap().starts_with("20"),
        "{version}"
    );
    let status = home.ends(0, &["status", lab]).out;
    assert!(status.contains("earlier version"), "{status}");
    home.ends(
        0,
        &["apply", lab, "--choose", &format!("bring-back:{prev}"), "--yes"],
    );
    assert_eq!(home.inside(lab, "cat /work"), "mine");
    home.ends(0, &["recreate", lab, "--from-clean", "--yes"]);
    assert_eq!(home.inside(lab, "ls /work 2>/dev/null || echo fresh"), "fresh");
    assert_eq!(home.snapshots(lab), ["clean"]);
    home.ends(0, &["remove", &prev, "--yes"]);
    let kept = home.status(lab)["kept"].clone();
    assert!(
        !kept.as_array().unwrap().iter().any(|k| k == prev.as_str()),
        "{kept}"
    );
}

#[test]
fn snapshots_are_copied_pinned_renamed_noted_deleted_and_pruned() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let copy = format!("{lab}-copy");
    home.ends(0, &["apply", lab, "--yes"]);
    home.inside(lab, "echo mine > /work");
    home.ends(0, &["snapshot", "create", lab, "works"]);
    home.ends(
        0,
        &["apply", lab, "--choose", &format!("copy:works:{copy}"), "--yes"],
    );
    assert_eq!(home.inside(&copy, "cat /work"), "mine");
    home.ends(0, &["snapshot", "pin", lab, "works"]);
    assert!(
        home.ends(3, &["snapshot", "rm", lab, "works", "--yes"])
            .err
            .contains("pinned")
    );
    home.ends(0, &["snapshot", "rename", lab, "works", "worked"]);
    home.ends(0, &["snapshot", "note", lab, "worked", "a note"]);
    let row = home.status(lab)["snapshots"][0].clone();
    assert_eq!(
        (
            row["name"].as_str(),
            row["note"].as_str(),
            row["pinned"].as_bool()
        ),
        (Some("worked"), Some("a note"), Some(true))
    );
    home.ends(0, &["snapshot", "unpin", lab, "worked"]);
    home.ends(0, &["snapshot", "rm", lab, "worked", "--yes"]);
    for _ in 0..3 {
        home.ends(0, &["snapshot", "restore", lab, "clean", "--yes"]);
    }
    let preview = home.ends(0, &["snapshot", "prune", lab, "--keep", "1", "--dry-run"]);
    assert!(
        preview.out.contains("before-restore-1") && !preview.out.contains("before-restore-3"),
        "{}",
        preview.out
    );
    assert_eq!(home.snapshots(lab).len(), 4, "a preview deletes nothing");
    home.ends(0, &["snapshot", "prune", lab, "--keep", "1", "--yes"]);
    assert_eq!(home.snapshots(lab), ["before-restore-3", "clean"]);
}

#[test]
fn an_instance_that_is_not_ours_is_never_touched_until_it_is_adopted() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let folder = std::path::Path::new(&home.socket).parent().unwrap();
    let made = std::process::Command::new("lxc")
        .args(["launch", "-q", "lab/bb", lab])
        .env("LXD_DIR", folder)
        .output()
        .unwrap();
    assert!(made.status.success());
    assert_eq!(home.status(lab)["presence"], "foreign");
    for arguments in [
        &["apply", lab, "--yes"][..],
        &["recreate", lab, "--yes"],
        &["update", lab, "--yes"],
        &["remove", lab, "--yes"],
        &["stop", lab],
        &["snapshot", "create", lab],
    ] {
        let said = home.ends(3, arguments);
        assert!(said.err.contains("--choose adopt"), "{arguments:?}: {}", said.err);
    }
    assert_eq!(home.status(lab)["status"], "running");
    home.ends(0, &["apply", lab, "--choose", "adopt", "--yes"]);
    assert_eq!(home.status(lab)["presence"], "ours");
    home.ends(0, &["snapshot", "create", lab, "mine"]);
}

#[test]
fn a_killed_run_is_resumed_and_a_second_one_waits() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    slow(&home);
    let (mut first, _lines) = greeting(&home);
    let second = home.ends(8, &["apply", lab, "--choose", "create", "--yes"]);
    assert!(
        second.err.contains("another halolab") && second.err.contains("pid"),
        "{}",
        second.err
    );
    for small in [
        &["snapshot", "create", lab][..],
        &["snapshot", "note", lab, "clean", "a note"],
        &["snapshot", "rename", lab, "clean", "other"],
        &["stop", lab],
        &["start", lab],
    ] {
        let said = home.ends(8, small);
        assert!(said.err.contains("another halolab"), "{small:?}: {}", said.err);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(home.status(lab)["presence"], "unfinished");
    let half_made = home.ends(3, &["snapshot", "create", lab]);
    assert!(half_made.err.contains("not finished"), "{}", half_made.err);
    assert_eq!(home.snapshots(lab), [""; 0]);
    assert!(home.ends(2, &["runs", "resume"]).err.contains("--yes"));
    home.ends(0, &["runs", "resume", "--yes"]);
    assert_eq!(home.status(lab)["presence"], "ours");
    assert!(
        home.ends(3, &["runs", "resume"])
            .err
            .contains("nothing to resume")
    );
    assert!(home.ends(0, &["runs", "list"]).out.contains("done"));
}

/// Makes the step that greets take four seconds.
fn slow(home: &Home) {
    let stages = home.folder.path().join("config/stages");
    let stage = stages.join(home.lab()).join("stage.toml");
    let text = std::fs::read_to_string(&stage).unwrap();
    let slow = text.replace("echo \"$OPT_GREETING", "sleep 4; echo \"$OPT_GREETING");
    assert_ne!(text, slow);
    std::fs::write(&stage, slow).unwrap();
    home.trust();
}

/// Starts a run and waits until it greets.
fn greeting(home: &Home) -> (std::process::Child, impl Iterator<Item = String> + use<>) {
    let mut child = home
        .command(&["apply", home.lab(), "--yes", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(out).map(Result::unwrap);
    lines.find(|l| l.contains("write the greeting")).unwrap();
    (child, lines)
}

#[test]
fn a_signal_stops_a_run_with_its_own_exit_code() {
    let Some(home) = Home::new(1) else { return };
    slow(&home);
    for (signal, code) in [
        (rustix::process::Signal::TERM, 143),
        (rustix::process::Signal::INT, 130),
        (rustix::process::Signal::HUP, 129),
    ] {
        let (mut child, lines) = greeting(&home);
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let last: serde_json::Value = serde_json::from_str(&lines.last().unwrap()).unwrap();
        assert_eq!(
            (last["event"].as_str(), last["code"].as_i64()),
            (Some("done"), Some(code.into()))
        );
        let runs: serde_json::Value =
            serde_json::from_str(&home.ends(0, &["runs", "list", "--json"]).out).unwrap();
        assert_eq!(runs[0]["code"], code, "the journal says the same");
    }
    home.ends(0, &["runs", "resume", "--yes"]);
    assert_eq!(home.status(home.lab())["presence"], "ours");
}

#[test]
fn the_last_change_is_undone_and_the_undo_too() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    home.ends(0, &["apply", lab, "--yes"]);
    let nothing = home.ends(3, &["undo", lab, "--yes"]);
    assert!(nothing.err.contains("nothing to undo"), "{}", nothing.err);
    home.ends(0, &["update", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /updates"), "1");
    home.ends(2, &["undo", lab]);
    let shown = home.ends(0, &["undo", lab, "--dry-run"]);
    assert!(shown.out.contains("before-update-1"), "{}", shown.out);
    home.ends(0, &["undo", lab, "--yes"]);
    let count = "cat /updates 2>/dev/null || echo none";
    assert_eq!(home.inside(lab, count), "none", "the update is gone");
    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(home.inside(lab, count), "1", "the undo is undone");
    home.ends(0, &["recreate", lab, "--yes"]);
    assert_eq!(home.inside(lab, count), "none");
    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(
        home.inside(lab, count),
        "1",
        "the old lab is back, not a snapshot of it"
    );
    assert!(home.ends(0, &["runs"]).out.contains("done"), "`runs` alone lists");
}

#[test]
fn a_log_is_private_and_says_what_was_done() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(home) = Home::new(1) else { return };
    let log = home.folder.path().join("a.log");
    home.ends(
        0,
        &["apply", home.lab(), "--yes", "--log-file", log.to_str().unwrap()],
    );
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("run ends") && text.contains("code=0"), "{text}");
    assert!(!text.contains("DEBUG") && !text.contains('\u{1b}'), "{text}");
    assert_eq!(
        std::fs::metadata(&log).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let secret = "token-that-nobody-sees";
    home.ends(0, &["stop", home.lab(), "-vv", "--lxd-token", secret]);
    let text = std::fs::read_to_string(home.folder.path().join("state/halolab.log")).unwrap();
    assert!(text.contains("TRACE") && text.contains("PUT"), "{text}");
    assert!(!text.contains(secret), "{text}");
    let refused = home.ends(2, &["status", "--log-file", "/nowhere/a.log"]);
    assert!(refused.err.contains("/nowhere/a.log"), "{}", refused.err);
}

#[test]
fn a_daemon_that_is_not_there_is_said_and_never_replaced() {
    let Some(home) = Home::new(1) else { return };
    let said = home.ends(1, &["status", "--lxd", "/nowhere/unix.socket"]);
    assert!(
        said.err.contains("/nowhere/unix.socket") && said.err.contains("is the path right?"),
        "{}",
        said.err
    );
}

#[test]
fn without_a_terminal_the_screens_say_what_to_type() {
    let Some(home) = Home::new(1) else { return };
    let said = home.ends(2, &[]);
    assert!(
        said.err.contains("need a terminal") && said.err.contains("halolab apply"),
        "{}",
        said.err
    );
}

/// Gives the stage a device that an option decides on, and a step that fails with it while `/break-build` is there.
fn with_shelf(home: &Home) {
    let stages = home.folder.path().join("config/stages");
    let stage = stages.join(home.lab()).join("stage.toml");
    let text = std::fs::read_to_string(&stage).unwrap();
    let broken = "[ \"$OPT_COLOUR\" = green ] || [ ! -e /data/models/break-build ]";
    let text = text.replace(
        "echo \"$OPT_GREETING",
        &format!("{broken} || exit 9; echo \"$OPT_GREETING"),
    );
    let shelf =
        "\n[profile.device.shelf]\nwhen = 'option.colour == \"blue\"'\nconfig = { type = \"none\" }\n";
    std::fs::write(&stage, text + shelf).unwrap();
    home.trust();
}

/// What the daemon's own client says.
fn lxc(home: &Home, arguments: &[&str]) -> String {
    let folder = std::path::Path::new(&home.socket).parent().unwrap();
    let said = std::process::Command::new("lxc")
        .args(arguments)
        .env("LXD_DIR", folder)
        .output()
        .unwrap();
    assert!(said.status.success(), "{arguments:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// Whether an instance has the device, by a profile.
fn has_shelf(home: &Home, instance: &str) -> bool {
    let shown = lxc(home, &["config", "show", "--expanded", instance]);
    shown.split_once("\ndevices:").unwrap().1.contains("shelf")
}

/// A lab with a snapshot, whose recreate with the shelf failed once and then worked.
fn with_and_without_shelf() -> Option<Home> {
    let home = Home::new(1)?;
    with_shelf(&home);
    let lab = home.lab();
    let recreate = [
        "apply",
        lab,
        "--choose",
        "recreate",
        "--yes",
        "--set",
        "colour=blue",
    ];
    home.ends(0, &["apply", lab, "--yes"]);
    home.inside(lab, "echo mine > /work; touch /data/models/break-build");
    home.ends(0, &["snapshot", "create", lab, "works", "-m", "all is well"]);
    home.ends(0, &["snapshot", "pin", lab, "works"]);
    let failed = home.ends(5, &recreate);
    assert!(failed.err.contains("is as it was"), "{}", failed.err);
    assert!(!has_shelf(&home, lab), "the replacement was not proven");
    assert!(has_shelf(&home, &format!("{lab}-next")));
    home.inside(lab, "rm /data/models/break-build");
    home.ends(0, &recreate);
    Some(home)
}

#[test]
fn a_recreate_with_other_options_never_reaches_the_old_lab_whose_devices_come_back_with_it() {
    let Some(home) = with_and_without_shelf() else {
        return;
    };
    let lab = home.lab();
    let (prev, second) = (format!("{lab}-prev"), format!("{lab}-prev-2"));
    assert!(has_shelf(&home, lab) && !has_shelf(&home, &prev));
    home.ends(0, &["apply", lab, "--choose", "restore:clean", "--yes"]);
    assert!(has_shelf(&home, lab), "a restore keeps the profile");
    home.ends(
        0,
        &["apply", lab, "--choose", &format!("bring-back:{prev}"), "--yes"],
    );
    assert_eq!(home.inside(lab, "cat /work"), "mine");
    assert!(!has_shelf(&home, lab) && has_shelf(&home, &second));
    let works = home.status(lab)["snapshots"][0].clone();
    assert_eq!(
        (works["note"].as_str(), works["pinned"].as_bool()),
        (Some("all is well"), Some(true))
    );
    for kept in [&prev, &second] {
        home.ends(0, &["remove", kept, "--yes"]);
    }
    let profiles = lxc(&home, &["profile", "list", "-f", "csv"]);
    let ours: Vec<&str> = profiles.lines().filter(|l| l.contains(lab)).collect();
    assert_eq!(ours.len(), 1, "no profile is left behind: {ours:?}");
}
