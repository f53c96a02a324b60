//! What must not be seen, locked out, left asleep or written through: against a real daemon.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::program::Home;
use halolab::run::{
    Lock,
    lock::{Daemon, Scope},
};

const CANARY: &str = "canary-7f3a91c2";

/// All files below a folder, and all folders.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(tree(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Processes whose command line or environment holds a text.
fn processes_with(text: &str) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(text) {
                found.push(format!("{}/{file}", entry.path().display()));
            }
        }
    }
    found
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(2);
    while !holds() {
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The stage's step takes some seconds, and fails after it read its secret.
fn slow_stage(home: &Home, last: &str) {
    let file = home
        .folder
        .path()
        .join("config/stages")
        .join(home.lab())
        .join("stage.toml");
    let text = fs::read_to_string(&file).unwrap();
    let wait = format!("echo greeting line 0\nsleep 4\n{last}\nfor i in");
    fs::write(file, text.replace("for i in", &wait)).unwrap();
    home.trust();
}

fn answers(home: &Home) -> PathBuf {
    let file = home.folder.path().join("answers.toml");
    fs::write(&file, format!("[{}]\ntoken = \"{CANARY}\"\n", home.lab())).unwrap();
    file
}

/// Starts the program with a mask for the rights of files.
fn start(home: &Home, umask: &str, arguments: &[&str]) -> Child {
    let known = home.command(arguments);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("umask {umask}; exec \"$0\" \"$@\""));
    command.arg(known.get_program()).args(known.get_args());
    for (name, value) in known.get_envs() {
        command.env(name, value.unwrap());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// No file below a folder holds the canary, however it is packed.
fn assert_nowhere_below(folder: &Path) {
    for path in tree(folder) {
        let Ok(bytes) = fs::read(&path) else { continue };
        let bytes = if path.extension().is_some_and(|e| e == "gz") {
            let mut text = vec![];
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut text)
                .unwrap();
            text
        } else {
            bytes
        };
        assert!(
            !String::from_utf8_lossy(&bytes).contains(CANARY),
            "{}",
            path.display()
        );
    }
}

/// Files are 0600 and folders 0700.
fn assert_private(folder: &Path) {
    for path in tree(folder) {
        let found = fs::symlink_metadata(&path).unwrap();
        let wanted = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(found.mode() & 0o777, wanted, "{}", path.display());
    }
}

#[test]
fn a_secret_is_nowhere_but_in_the_lab_while_its_script_runs() {
    let Some(home) = Home::new(1) else { return };
    let lab = home.lab().to_owned();
    slow_stage(&home, "cp \"$SECRET_TOKEN\" /tmp/seen; exit 3");
    let file = answers(&home);
    let log = home.folder.path().join("all.log");
    let arguments = [
        "apply",
        &lab,
        "--yes",
        "--json",
        "-vv",
        "--log-file",
        log.to_str().unwrap(),
        "--answers",
        file.to_str().unwrap(),
    ];
    let child = start(&home, "000", &arguments);
    let runs = home.folder.path().join("state/runs");
    let says = |text: &str| {
        tree(&runs)
            .iter()
            .any(|f| fs::read_to_string(f).is_ok_and(|t| t.contains(text)))
    };
    until("the script", || says("greeting line 0"));
    assert_eq!(processes_with(CANARY), Vec::<String>::new());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        ended.status.code(),
        Some(5),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    fs::remove_file(file).unwrap();
    assert_eq!(home.inside(&lab, "cat /tmp/seen"), CANARY, "the script had it");
    let left = "ls -a /root /var/lib/halolab/jobs/* 2>/dev/null; grep -rl canary- /root /var/lib/halolab || echo none";
    assert!(home.inside(&lab, left).ends_with("none"));
    home.ends(0, &["runs", "bundle"]);
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!String::from_utf8_lossy(said).contains(CANARY));
    }
    let shown = home.ends(0, &["runs", "show"]);
    assert!(
        shown.out.contains("What can be done:") && shown.out.contains("FAILED"),
        "{}",
        shown.out
    );
    assert_nowhere_below(home.folder.path());
    let folder = Path::new(&home.socket).parent().unwrap();
    let config = Command::new("lxc")
        .args(["config", "show", &lab, "--expanded"])
        .env("LXD_DIR", folder)
        .output();
    let config = String::from_utf8(config.unwrap().stdout).unwrap();
    assert!(
        config.contains("user.halolab.stage") && !config.contains(CANARY),
        "{config}"
    );
    assert_private(&home.folder.path().join("state"));
    assert_private(&home.folder.path().join("run"));
}

#[test]
fn a_mask_that_takes_everything_from_everybody_changes_nothing() {
    let Some(home) = Home::new(1) else { return };
    let child = start(&home, "777", &["apply", home.lab(), "--yes"]);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_private(&home.folder.path().join("state"));
}

#[test]
fn a_link_in_place_of_a_file_of_ours_is_refused_before_anything_is_changed() {
    let Some(home) = Home::new(1) else { return };
    let target = home.folder.path().join("precious");
    fs::write(&target, "kept").unwrap();
    let state = home.folder.path().join("state");
    let runs = state.join("runs");
    fs::create_dir_all(&state).unwrap();
    symlink(home.folder.path(), &runs).unwrap();
    let said = home.ends(3, &["apply", home.lab(), "--yes"]);
    let all = format!("{}{}", said.out, said.err);
    assert!(
        all.contains("symbolic link") && all.contains("nothing was changed"),
        "{all}"
    );
    fs::remove_file(&runs).unwrap();
    let lock = home.folder.path().join("run/lock");
    let _ = fs::remove_file(&lock);
    symlink(&target, &lock).unwrap();
    home.ends(3, &["apply", home.lab(), "--yes"]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    assert_eq!(home.status(home.lab())["presence"], "missing");
}

#[test]
fn labs_are_locked_by_themselves_and_the_owner_is_said() {
    let Some(home) = Home::new(2) else { return };
    let (one, two) = (home.labs[0].clone(), home.labs[1].clone());
    home.ends(0, &["apply", &one, &two, "--yes"]);
    let lock = home.folder.path().join("run/lock");
    let socket = Path::new(&home.socket).canonicalize().unwrap();
    let scope = Scope::labs(&Daemon::at(socket.display().to_string()), [one.as_str()]);
    let held = Lock::take_for(&lock, &scope, "run of-somebody-else").unwrap();
    let said = home.ends(8, &["snapshot", "create", &one, "mine"]);
    let owner = format!("run of-somebody-else, pid {}", std::process::id());
    assert!(
        said.err.contains(&owner) && said.err.contains("since 20"),
        "{}",
        said.err
    );
    home.ends(0, &["snapshot", "create", &two, "mine"]);
    home.ends(0, &["update", &two, "--yes"]);
    drop(held);
    home.ends(0, &["snapshot", "create", &one, "mine"]);
    // A lock that a process left behind that was killed says nothing: only the kernel does.
    let stale = format!(
        "run gone, pid {}, since 2026-01-01 00:00:00 UTC\n",
        std::process::id()
    );
    fs::write(&lock, stale).unwrap();
    home.ends(0, &["snapshot", "create", &one, "another"]);
}

#[test]
fn the_machine_stays_awake_for_a_run_and_no_longer_however_it_ends() {
    let Some(home) = Home::new(1) else { return };
    slow_stage(&home, "");
    let programs = home.folder.path().join("bin");
    fs::create_dir_all(&programs).unwrap();
    let note = home.folder.path().join("awake");
    let stand_in = programs.join("systemd-inhibit");
    let text = format!(
        "#!/bin/sh\necho \"$$ $*\" > {}\nwhile [ \"${{1#--}}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n",
        note.display()
    );
    fs::write(&stand_in, text).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let start = || {
        let _ = fs::remove_file(&note);
        let mut command = home.command(&["apply", home.lab(), "--choose", "create", "--yes"]);
        command
            .env("PATH", &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let said = || fs::read_to_string(&note).unwrap_or_default();
    let pid = || said().split(' ').next().unwrap_or_default().to_owned();
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let mut killed = start();
    until("it to be held off", || said().ends_with('\n') && lives());
    assert!(
        said().contains("--what=sleep") && said().contains("--who=halolab"),
        "{}",
        said()
    );
    killed.kill().unwrap();
    killed.wait().unwrap();
    until("sleep after a kill", || !lives());
    let mut whole = start();
    until("it to be held off", || said().ends_with('\n') && lives());
    whole.wait().unwrap();
    until("sleep after the end", || !lives());
}
