//! What can be lost by mistake is not: undo of a restore, a lab that was set aside, snapshots that changed behind our
//! back, comparisons that are killed, stages from elsewhere. On a real daemon, by the program itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::{
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use common::program::Home;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A home with a lab that was made.
fn made() -> Option<Home> {
    let home = Home::new(1)?;
    home.ends(0, &["apply", home.lab(), "--yes"]);
    Some(home)
}

/// What the daemon's own client says, which knows nothing of halolab.
fn lxc_said(home: &Home, arguments: &[&str]) -> std::process::Output {
    let folder = std::path::Path::new(&home.socket).parent().unwrap();
    Command::new("lxc")
        .args(arguments)
        .env("LXD_DIR", folder)
        .env_remove("LXD_SOCKET")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

/// Whether it did it.
fn lxc_may(home: &Home, arguments: &[&str]) -> bool {
    lxc_said(home, arguments).status.success()
}

fn lxc(home: &Home, arguments: &[&str]) -> String {
    let said = lxc_said(home, arguments);
    assert!(
        said.status.success(),
        "lxc {arguments:?}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    String::from_utf8_lossy(&said.stdout).into_owned()
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    serde_json::from_str(&home.ends(0, arguments).out).unwrap()
}

#[test]
fn undo_after_a_restore_brings_back_files_settings_devices_and_description() {
    let Some(home) = made() else { return };
    let lab = home.lab();
    home.inside(lab, "echo mine > /root/work");
    lxc(&home, &["config", "set", lab, "user.mine=yes"]);
    lxc(&home, &["config", "device", "add", lab, "extra", "none"]);
    let whole = lxc(&home, &["query", &format!("/1.0/instances/{lab}")]);
    let mut body: Value = serde_json::from_str(&whole).unwrap();
    body["description"] = "what I wrote".into();
    lxc(
        &home,
        &[
            "query",
            "-X",
            "PUT",
            "--wait",
            "-d",
            &body.to_string(),
            &format!("/1.0/instances/{lab}"),
        ],
    );

    home.ends(0, &["snapshot", "restore", lab, "clean", "--yes"]);
    assert_eq!(home.inside(lab, "cat /root/work 2>/dev/null; true"), "");
    let now = || -> Value {
        serde_json::from_str(&lxc(&home, &["query", &format!("/1.0/instances/{lab}")])).unwrap()
    };
    assert!(
        now()["config"]["user.mine"].is_null(),
        "the daemon takes it back too"
    );
    assert!(now()["devices"]["extra"].is_null());
    assert_eq!(now()["description"], "what I wrote", "a restore leaves it");

    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /root/work"), "mine");
    assert_eq!(now()["config"]["user.mine"], "yes");
    assert_eq!(now()["devices"]["extra"]["type"], "none");
    assert_eq!(now()["description"], "what I wrote");
    let rows = json(&home, &["snapshot", "list", lab, "--json"]);
    let safety: Vec<&Value> = rows["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["kind"] == "safety")
        .collect();
    assert_eq!(safety.len(), 2, "{rows}");
    assert!(safety.iter().all(|row| row["kept_to"].is_string()), "{rows}");
}

#[test]
fn a_lab_that_is_set_aside_comes_back_whole() {
    let Some(home) = made() else { return };
    let lab = home.lab();
    home.inside(lab, "echo mine > /root/work");
    home.ends(0, &["snapshot", "create", lab, "works", "-m", "all of it"]);
    home.ends(0, &["remove", lab, "--keep", "--yes"]);
    assert_eq!(home.status(lab)["presence"], "missing");
    home.ends(0, &["undo", lab, "--yes"]);
    assert_eq!(home.inside(lab, "cat /root/work"), "mine");
    let rows = json(&home, &["snapshot", "list", lab, "--json"]);
    let works = rows["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == "works")
        .cloned();
    assert_eq!(works.unwrap()["note"], "all of it");
}

/// The first file of a comparison; new folders stand before files.
fn first_file(told: &Value) -> &Value {
    let files = told["files"].as_array().unwrap();
    let is_file = |f: &&Value| !f["path"].as_str().unwrap().ends_with('/');
    &files.iter().find(is_file).unwrap()["path"]
}

#[test]
fn a_comparison_tells_what_changed_and_leaves_nothing() {
    let Some(home) = made() else { return };
    let lab = home.lab();
    home.inside(
        lab,
        "echo mine > /root/work; rm /etc/shadow; echo more >> /etc/passwd; mkdir -p /srv/new/empty; \
         printf x > \"/srv/two
lines\"; echo nameserver 192.0.2.9 > /etc/resolv.conf",
    );
    lxc(&home, &["config", "set", lab, "user.mine=yes"]);
    let told = json(&home, &["snapshot", "diff", lab, "--json"]);
    assert_eq!(told["from"], "clean");
    let file = |path: &str| {
        let files = told["files"].as_array().unwrap();
        files
            .iter()
            .find(|f| f["path"] == path)
            .map(|f| f["change"].clone())
    };
    assert_eq!(file("/root/work").unwrap(), "added");
    assert_eq!(file("/etc/shadow").unwrap(), "removed");
    assert_eq!(file("/etc/passwd").unwrap(), "changed");
    assert_eq!(
        file("/srv/new/empty/").unwrap(),
        "added",
        "a new folder, empty as it is"
    );
    assert_eq!(file("/srv/two\nlines").unwrap(), "added", "a name in two lines");
    assert_eq!(file("/etc/resolv.conf"), None, "the engine writes it");
    let deep = json(&home, &["snapshot", "diff", lab, "--deep", "--json"]);
    assert_eq!(deep["count"], told["count"], "a copy costs nothing here");
    assert_eq!(told["config"][0]["name"], "user.mine");
    assert_eq!(first_file(&told), "/root/work", "one's own comes first");
    assert_eq!(home.status(lab)["status"], "running", "it was not stopped");

    // A stopped lab, and two snapshots.
    home.ends(0, &["snapshot", "create", lab, "later"]);
    home.ends(0, &["stop", lab]);
    let stopped = json(&home, &["snapshot", "diff", lab, "clean", "--json"]);
    // Only what was done here: the lab itself writes a file when its network is there, some time or other.
    let done = |told: &Value| {
        let files = told["files"].as_array().unwrap();
        let of = |path: &&str| files.iter().any(|f| f["path"] == **path);
        ["/root/work", "/etc/shadow", "/etc/passwd"]
            .iter()
            .filter(|path| of(path))
            .count()
    };
    assert_eq!(done(&stopped), 3, "{stopped}");
    let two = json(&home, &["snapshot", "diff", lab, "clean", "later", "--json"]);
    assert_eq!(done(&two), 3, "{two}");
    let same = json(&home, &["snapshot", "diff", lab, "later", "--json"]);
    assert_eq!(
        same["count"]["added"].as_u64().unwrap() + same["count"]["removed"].as_u64().unwrap(),
        0,
        "{same}"
    );
    assert!(!lxc(&home, &["list", "-f", "csv", "-c", "nd"]).contains("halolab looks into it"));
}

/// The copies that this process made, by what the daemon says of them.
fn copies(home: &Home, process: u32) -> Vec<String> {
    let all: Value = serde_json::from_str(&lxc(home, &["query", "/1.0/instances?recursion=1"])).unwrap();
    let mine = |i: &&Value| {
        let owner = i["config"]["user.halolab.temporary"].as_str().unwrap_or_default();
        owner.split(' ').nth(2) == Some(process.to_string().as_str())
    };
    let names = all.as_array().unwrap().iter().filter(mine);
    names.map(|i| i["name"].as_str().unwrap().to_owned()).collect()
}

/// Starts a comparison, and waits until its copy is there.
fn comparing(home: &Home) -> Child {
    let child = home
        .command(&["snapshot", "diff", home.lab(), "clean"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while copies(home, child.id()).is_empty() {
        assert!(Instant::now() < until, "no copy was made");
        sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_comparison_that_is_killed_is_cleaned_up_by_the_next_start_and_one_that_is_stopped_by_itself() {
    let Some(home) = made() else { return };
    // Makes the look take its time.
    home.inside(
        home.lab(),
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i > /root/$i; done",
    );
    let mut killed = comparing(&home);
    let process = killed.id();
    killed.kill().unwrap();
    killed.wait().unwrap();
    // What the daemon was asked for goes on without us.
    sleep(Duration::from_secs(2));
    // The start of another test's program may have been the next one.
    assert!(copies(&home, process).len() <= 1);
    home.ends(0, &["status"]);
    assert!(copies(&home, process).is_empty(), "the next start removes it");

    let mut stopped = comparing(&home);
    let process = stopped.id();
    kill_process(Pid::from_child(&stopped), Signal::INT).unwrap();
    assert_eq!(stopped.wait().unwrap().code(), Some(130));
    assert!(copies(&home, process).is_empty(), "it removed it itself");
}

#[test]
fn what_changed_behind_our_back_is_not_restored_or_deleted() {
    let Some(home) = made() else { return };
    let lab = home.lab();
    home.ends(0, &["snapshot", "create", lab, "works"]);
    home.inside(lab, "echo newer > /root/work");
    // Planned for one snapshot; by then another one has its name.
    let plan = json(&home, &["plan", lab, "--choose", "restore:works", "--json"]);
    let digest = plan["digest"].as_str().unwrap();
    lxc(&home, &["delete", &format!("{lab}/works")]);
    lxc(&home, &["snapshot", lab, "works"]);
    let said = home.ends(
        3,
        &["apply", lab, "--choose", "restore:works", "--accept-plan", digest],
    );
    assert!(said.err.contains("the plan is another one now"), "{}", said.err);
    // And between check and call: the run's own first step gives the time.
    let folder = home.folder.path().join("state/runs");
    let mut run = home
        .command(&["apply", lab, "--choose", "restore:works", "--yes"])
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !newest_journal(&folder).contains("before-restore-1") {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(2));
    }
    // LXD refuses what meets a snapshot that is half made ("record count doesn't match"): the other one's then, or ours.
    while !lxc_may(&home, &["delete", &format!("{lab}/works")]) {
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(50));
    }
    lxc(&home, &["snapshot", lab, "works"]);
    let code = run.wait().unwrap().code().unwrap();
    let kept = home.inside(lab, "cat /root/work");
    // Whoever was first: either it was restored before, or nothing was.
    assert!([0, 1, 5].contains(&code), "{code}");
    if code != 0 {
        assert_eq!(kept, "newer");
    }

    // Another instance under the name.
    let plan = json(&home, &["plan", lab, "--choose", "remove", "--json"]);
    let digest = plan["digest"].as_str().unwrap();
    lxc(&home, &["copy", lab, &format!("{lab}-other")]);
    lxc(&home, &["delete", "-f", lab]);
    lxc(&home, &["move", &format!("{lab}-other"), lab]);
    let said = home.ends(3, &["apply", lab, "--choose", "remove", "--accept-plan", digest]);
    assert!(said.err.contains("the plan is another one now"), "{}", said.err);
}

fn newest_journal(folder: &std::path::Path) -> String {
    let mut runs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .collect();
    runs.sort();
    let newest = runs.pop().unwrap_or_default();
    std::fs::read_to_string(newest.join("journal.jsonl")).unwrap_or_default()
}

#[test]
fn a_stage_from_elsewhere_runs_only_once_its_text_is_trusted() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab();
    let file = home
        .folder
        .path()
        .join("config/stages")
        .join(lab)
        .join("stage.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("echo \"$OPT_GREETING", "echo evil; echo \"$OPT_GREETING"),
    )
    .unwrap();
    let said = home.ends(3, &["apply", lab, "--yes"]);
    assert!(
        said.err.contains("was changed since you trusted it"),
        "{}",
        said.err
    );
    assert_eq!(home.status(lab)["presence"], "missing");
    let looked = home.ends(3, &["stage", "trust", lab]);
    assert!(looked.out.contains("echo evil"), "it is shown: {}", looked.out);
    assert!(
        looked
            .err
            .contains(&format!("halolab stage trust {lab} --trust ")),
        "{}",
        looked.err
    );
    let shown: Value = serde_json::from_str(&home.ends(3, &["stage", "trust", lab, "--json"]).out).unwrap();
    assert_eq!(
        (&shown["trusted"], &shown["changed"]),
        (&false.into(), &true.into())
    );
    assert!(shown["text"].to_string().contains('+'), "{shown}");
    assert!(shown["text"].to_string().contains("echo evil"), "{shown}");
    home.ends(3, &["apply", lab, "--yes", "--trust", &"0".repeat(64)]);
    let plan = json(&home, &["plan", lab, "--json"]);
    assert_eq!(plan["untrusted"][0]["id"], lab);
    home.ends(
        0,
        &[
            "apply",
            lab,
            "--yes",
            "--trust",
            shown["sha256"].as_str().unwrap(),
        ],
    );
    // What needs none of its text is possible all the same.
    std::fs::write(&file, text.replace("order = 50", "order = 51")).unwrap();
    home.ends(0, &["remove", lab, "--yes"]);
}
