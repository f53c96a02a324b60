//! What is around a run: memory that gets short, a machine that wants to sleep, and other users.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts programs itself"
)]

mod common;

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use common::{daemon, docking, jobs::until, program::Home};
use halolab::{
    host::findings::engine_socket,
    run::lock::{Daemon, Lock, Scope},
};

/// Who is not root, and has no name of a person.
const NOBODY: u32 = 65534;

/// Takes memory until somebody ends it.
const EATS: &str = r#"awk 'BEGIN { s = "0123456789abcdef"; while (1) s = s s }'"#;

#[test]
fn a_job_that_the_kernel_kills_for_want_of_memory_is_told_from_one_that_somebody_kills() {
    let Some(home) = docking::Home::new(&["docker-labs/box-lab"]) else {
        return;
    };
    let lab = home.labs[0].clone();
    home.ends(0, &["apply", &lab, "--yes"]);
    // By the engine itself, as a person would.
    let limited = Command::new("docker")
        .args(["--host", &format!("unix://{}", home.docker)])
        .args(["update", "--memory=96m", "--memory-swap=96m", &lab])
        .output()
        .unwrap();
    assert!(
        limited.status.success(),
        "{}",
        String::from_utf8_lossy(&limited.stderr)
    );
    let ended = |script: &str| -> (serde_json::Value, String) {
        let words = ["job", "run", &lab, "--", "sh", "-c", script];
        let id = home.ends(0, &words).out.trim().to_owned();
        let said = home.run(&["job", "wait", &id]).err;
        let file = home
            .folder
            .path()
            .join("state/jobs")
            .join(&id)
            .join("status.json");
        let status: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        (status["exit"].clone(), said)
    };
    let is =
        |exit: &serde_json::Value, reason: &str, oom: bool| exit["reason"] == reason && exit["oom"] == oom;
    let (exit, said) = ended(&format!("exec {EATS}"));
    assert!(is(&exit, "oom", true) && exit["signal"] == "SIGKILL", "{exit}");
    assert!(said.contains("out of memory"), "{said}");
    // The same where a shell tells it on as 137.
    let (exit, _) = ended(&format!("{EATS}; exit $?"));
    assert!(is(&exit, "oom", true) && exit["code"] == 137, "{exit}");
    let (exit, said) = ended("kill -9 $$");
    assert!(is(&exit, "signal", false), "{exit}");
    assert!(!said.contains("out of memory"), "{said}");
    // What was killed inside a command that goes on is said, and is no reason of its own.
    let (exit, _) = ended(&format!("{EATS}; exit 3"));
    assert!(is(&exit, "exit", true) && exit["code"] == 3, "{exit}");
}

/// A bus of systemd's kind with a stand-in for logind on it; none where the programs are not here.
struct Logind {
    folder: tempfile::TempDir,
    processes: Vec<Child>,
}

impl Logind {
    fn start() -> Option<Self> {
        let missing = ["dbus-daemon", "systemd-inhibit", "python3"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_err());
        if let Some(missing) = missing {
            eprintln!("left out: {missing} is not here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>\
             <allow user=\"*\"/></policy></busconfig>",
            at("bus").display()
        );
        fs::write(at("bus.conf"), config).unwrap();
        let mut logind = Self {
            processes: vec![],
            folder,
        };
        let bus = logind.folder.path().join("bus");
        let mut command = Command::new("dbus-daemon");
        command
            .arg(format!(
                "--config-file={}",
                logind.folder.path().join("bus.conf").display()
            ))
            .args(["--nofork", "--nopidfile"]);
        logind.begin(command);
        until("the bus", || bus.exists());
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins/logind.py"))
            .args([&bus, &logind.log()]);
        logind.begin(command);
        until("the stand-in", || logind.said().contains("ready\n"));
        Some(logind)
    }

    fn begin(&mut self, mut command: Command) {
        let silent = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.processes.push(silent.spawn().unwrap());
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn count(&self, what: &str) -> usize {
        self.said().lines().filter(|line| line.starts_with(what)).count()
    }

    /// A program that finds this bus for the machine's.
    fn with<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let address = format!("unix:path={}", self.folder.path().join("bus").display());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", address)
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn logind_holds_sleep_off_for_a_run_and_no_longer_however_it_ends() {
    let Some(home) = Home::new(1) else { return };
    let Some(logind) = Logind::start() else { return };
    let start = || {
        let mut command = home.command(&["apply", home.lab(), "--choose", "create", "--yes"]);
        let quiet = logind
            .with(&mut command)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        quiet.spawn().unwrap()
    };
    let mut killed = start();
    until("sleep to be held off", || logind.count("held") == 1);
    assert!(
        logind.said().contains("held sleep halolab block: the run "),
        "{}",
        logind.said()
    );
    assert_eq!(logind.count("let go"), 0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    until("sleep after a kill", || logind.count("let go") == 1);
    home.ends(0, &["runs", "resume", "--yes"]);
    let mut whole = home.command(&["update", home.lab(), "--yes"]);
    assert!(logind.with(&mut whole).output().unwrap().status.success());
    until("sleep after the end", || logind.count("let go") == 2);
    assert_eq!(logind.count("held"), 2);
}

/// The program, a home and a folder that another user has.
struct Other {
    folder: tempfile::TempDir,
    socket: String,
    group: u32,
}

impl Other {
    fn of(home: &Home) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("halolab");
        fs::copy(env!("CARGO_BIN_EXE_halolab"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["home", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            chown(folder.path().join(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(folder.path(), Some(NOBODY), None).unwrap();
        Self {
            folder,
            socket: home.socket.clone(),
            group: fs::metadata(&home.socket).unwrap().gid(),
        }
    }

    /// Runs it as a member of the group whose members may use the engine's socket.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let ended = Command::new(self.folder.path().join("halolab"))
            .args(arguments)
            .env("HALOLAB_HOME", self.folder.path().join("home"))
            .env("HALOLAB_DATA", self.folder.path().join("data"))
            .env("HOME", self.folder.path())
            .env("LXD_SOCKET", &self.socket)
            .env_remove("XDG_RUNTIME_DIR")
            .current_dir("/")
            .uid(NOBODY)
            .gid(self.group)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

#[tokio::test]
async fn another_user_is_kept_from_a_lab_that_is_worked_on_and_is_told_that_the_socket_is_root() {
    let Some(home) = Home::new(1) else { return };
    home.ends(0, &["apply", home.lab(), "--yes"]);
    let other = Other::of(&home);
    let (_, report) = other.run(&["doctor", "--json"]);
    assert!(report.contains("engine.socket_is_root"), "{report}");
    assert!(
        !home
            .run(&["doctor", "--json"])
            .out
            .contains("engine.socket_is_root"),
        "root is root"
    );
    let daemon = Daemon::at(home.socket.clone());
    daemon.answered(daemon::lxd().await.unwrap().identity());
    let ours = home.folder.path().join("mine/lock");
    let held = Lock::take_for(&ours, &Scope::labs(&daemon, [home.lab()]), "run of-somebody-else").unwrap();
    let words = ["snapshot", "create", home.lab(), "theirs"];
    let (code, said) = other.run(&words);
    assert_eq!(code, Some(8), "{said}");
    assert!(
        said.contains("another halolab is at work") && said.contains(&format!("pid {}", std::process::id())),
        "{said}"
    );
    assert!(!home.snapshots(home.lab()).contains(&"theirs".to_owned()));
    drop(held);
    let (code, said) = other.run(&words);
    assert_eq!(code, Some(0), "{said}");
    assert!(home.snapshots(home.lab()).contains(&"theirs".to_owned()));
}

#[test]
fn the_finding_names_the_group_of_the_engine_and_only_a_socket_of_this_machine_has_one() {
    for (engine, group) in [("LXD", "lxd"), ("Incus", "incus-admin")] {
        let finding = engine_socket(engine, "/var/lib/x/unix.socket", false).unwrap();
        let finding = serde_json::to_string(&finding).unwrap();
        assert!(
            finding.contains("engine.socket_is_root")
                && finding.contains(&format!("gpasswd -d $USER {group}")),
            "{finding}"
        );
        assert!(
            engine_socket(engine, "/var/lib/x/unix.socket", true).is_none(),
            "root is root"
        );
        assert!(
            engine_socket(engine, "https://box:8443", false).is_none(),
            "a certificate is shown elsewhere"
        );
    }
}
