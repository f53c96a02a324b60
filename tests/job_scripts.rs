//! `assets/job/*.sh` by themselves, without a daemon: under this machine's sh and programs, and under `BusyBox` alone.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts shells itself"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const COMMON: &str = include_str!("../assets/job/common.sh");
const ASK: &str = include_str!("../assets/job/ask.sh");
const RUNNER: &str = include_str!("../assets/job/runner.sh");
/// How long anything in here may take on a loaded machine.
const LONG: Duration = Duration::from_mins(1);

/// A machine of its own, as far as the scripts see it.
struct Machine {
    /// Its only job; what is of it is found by that among all processes.
    id: String,
    folder: TempDir,
    path: String,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.path().join("go"), "");
        let _ = self.ask(&["stop", &self.id, "KILL", "0", "dropped"]);
        // Its folder stays until nobody writes there any more.
        let began = Instant::now();
        while self.job().exists() && self.runs() && began.elapsed() < LONG {
            sleep(Duration::from_millis(50));
        }
    }
}

/// One with this machine's programs, and one with those of `BusyBox` alone.
fn machines() -> [Machine; 2] {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let id = || {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("cmd-{}-{count}", std::process::id())
    };
    let plain = Machine {
        id: id(),
        folder: TempDir::new().unwrap(),
        path: "/usr/bin:/bin".into(),
    };
    let folder = TempDir::new().unwrap();
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let mut install = Command::new("busybox");
    install.args(["--install", "-s"]).arg(&programs);
    assert!(install.status().unwrap().success());
    let path = programs.display().to_string();
    let busy = Machine {
        id: id(),
        folder,
        path,
    };
    [plain, busy]
}

impl Machine {
    fn job(&self) -> PathBuf {
        self.folder.path().join("jobs").join(&self.id)
    }

    /// A script with this machine's folders instead of a lab's.
    fn of(&self, script: &str) -> String {
        let folder = self.folder.path().display();
        (COMMON.to_owned() + script)
            .replace("/var/lib/halolab", &folder.to_string())
            .replace("/run/halolab", &format!("{folder}/run-halolab"))
            .replace("/sys/fs/cgroup/memory.events", &format!("{folder}/memory.events"))
    }

    fn asked(&self, script: &str, words: &[&str]) -> Output {
        let shell = self.path.split(':').next_back().unwrap().to_owned() + "/sh";
        let mut command = Command::new(shell);
        command
            .args(["-c", &self.of(script), "halolab-job"])
            .args(words)
            .env_clear()
            .env("PATH", &self.path);
        command.output().unwrap()
    }

    /// Asks: exit code, log, and what is told.
    fn ask(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.asked(ASK, words);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Puts a program of ours before the machine's.
    fn stand_in(&mut self, name: &str, script: &str) {
        let programs = self.folder.path().join("stand-ins");
        fs::create_dir_all(&programs).unwrap();
        let path = programs.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.path = format!("{}:/usr/bin:/bin", programs.display());
    }

    /// Puts the command in, with `$F` as this machine's folder.
    fn put(&self, script: &str) {
        fs::create_dir_all(self.job()).unwrap();
        let folder = self.folder.path().display();
        let spec = format!(
            "ru_cwd=/\nru_exports() {{\nexport F='{folder}' HALOLAB_JOB='{}'\n}}\nset -- sh -c '{}'\n",
            self.id,
            script.replace('\'', "'\\''")
        );
        fs::write(self.job().join("spec"), spec).unwrap();
    }

    fn start(&self, script: &str) {
        self.put(script);
        let runner = self.of(RUNNER);
        let said = self.ask(&["start", &self.id, "1", "cmd", "lab", &runner, "{}"]);
        assert_eq!(said.0, 0, "{}", said.2);
    }

    fn status(&self) -> String {
        fs::read_to_string(self.job().join("status.json")).unwrap_or_default()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.job().join("log.raw")).unwrap_or_default()
    }

    /// Forgets it; the runner may still be there for a moment after its last word.
    fn forget(&self, copied: &str) -> i32 {
        let began = Instant::now();
        loop {
            let code = self.ask(&["forget", &self.id, copied]).0;
            if code != 3 || began.elapsed() > LONG {
                return code;
            }
        }
    }

    /// Until what was started with it is gone.
    fn until_nothing_is_left(&self) {
        let began = Instant::now();
        while self.ask(&["left", &self.id]).0 == 4 {
            assert!(began.elapsed() < LONG);
        }
    }

    fn runs(&self) -> bool {
        self.ask(&["clear", &self.id]).0 == 3
    }

    fn go(&self) {
        fs::write(self.folder.path().join("go"), "").unwrap();
    }

    #[track_caller]
    fn until(&self, holds: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !holds(&self.status()) {
            assert!(
                began.elapsed() < LONG,
                "{}: {} {}",
                self.path,
                self.status(),
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Until it has ended like this.
    #[track_caller]
    fn ends(&self, state: &str) {
        self.until(|status| status.contains(&format!("\"state\":\"{state}\"")));
    }
}

#[test]
fn what_goes_on_without_the_command_keeps_the_job_and_its_code() {
    for machine in machines() {
        machine.start("echo first; (while [ ! -e $F/go ]; do sleep 0.1; done; echo later) & exit 7");
        machine.until(|status| status.contains(r#""left":{"code":7,"signal":null,"processes":"#));
        let status = machine.status();
        assert!(status.contains(r#""state":"running""#), "{status}");
        assert_eq!(
            machine.ask(&["forget", &machine.id, "1000000"]).0,
            3,
            "it still writes"
        );
        machine.go();
        machine.ends("failed");
        let status = machine.status();
        for part in [r#""code":7,"signal":null"#, r#""left":null"#, r#""bytes":12,"#] {
            assert!(status.contains(part), "{part}: {status}");
        }
        assert_eq!(machine.log(), "first\nlater\n");
        assert_eq!(machine.forget("6"), 5, "six bytes of twelve are copied");
        assert_eq!(machine.log(), "first\nlater\n");
        assert_eq!(machine.forget("12"), 0);
        assert!(!machine.job().exists());
    }
}

#[test]
fn a_stop_ends_what_goes_on_without_the_command() {
    for machine in machines() {
        machine.start("(trap '' HUP; echo $$; while :; do sleep 0.1; done) & exit 0");
        machine.until(|status| status.contains(r#""left":{"code":0,"#));
        assert_eq!(machine.ask(&["stop", &machine.id, "TERM", "1", "token"]).0, 0);
        machine.ends("killed");
        assert!(
            machine
                .status()
                .contains(r#""code":0,"signal":null,"oom":false,"reason":"stopped""#)
        );
        assert_eq!(machine.ask(&["left", &machine.id]).0, 0);
    }
}

#[test]
fn a_daemon_does_not_keep_the_job_and_its_log_is_not_thrown_away() {
    for machine in machines() {
        let waits = "while [ ! -e $F/go ]; do sleep 0.1; done";
        machine.start(&format!(
            "setsid sh -c '{waits}; echo later' & (trap '' HUP; {waits}) >/dev/null 2>&1 & echo first"
        ));
        machine.ends("succeeded");
        let began = Instant::now();
        while machine.runs() {
            assert!(began.elapsed() < LONG);
        }
        assert_eq!(
            machine.ask(&["forget", &machine.id, "6"]).0,
            3,
            "one of them writes into the log"
        );
        assert_eq!(machine.ask(&["left", &machine.id]).0, 4, "a stop finds them");
        machine.go();
        machine.until_nothing_is_left();
        assert_eq!(machine.forget("6"), 5);
        assert_eq!(machine.forget("12"), 0);
    }
}

/// A machine with this machine's programs.
fn plain() -> Machine {
    let [plain, _] = machines();
    plain
}

#[test]
fn the_command_finds_no_name_of_the_runner_in_its_environment() {
    for machine in machines() {
        machine.start("env");
        machine.ends("succeeded");
        let log = machine.log();
        let mut names: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name)
            .collect();
        names.retain(|name| !["_", "PWD", "SHLVL", "PATH"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["F", "HALOLAB_JOB"], "{log}");
    }
}

#[test]
fn what_it_removes_it_removes_before_its_name_is_known() {
    let mut machine = plain();
    let late = machine.folder.path().join("late");
    let script = format!(
        "case \"$*\" in *'child stop'*) [ ! -e runner.id ] || : >'{}' ;; esac\nexec /bin/rm \"$@\"",
        late.display()
    );
    machine.stand_in("rm", &script);
    machine.start("true");
    machine.ends("succeeded");
    assert!(!late.exists(), "a stop that was written by then is lost");
}

#[test]
fn a_start_returns_when_the_command_was_read() {
    let mut machine = plain();
    // A disk that is slow to write.
    machine.stand_in("dd", "sleep 1\nexec /bin/dd \"$@\"");
    machine.start("true");
    assert!(!machine.job().join("spec").exists());
}

#[test]
fn a_disk_or_a_memory_is_blamed_only_where_it_was_that() {
    for (script, reason, oom) in [
        (
            "echo checking for ENOSPC... yes; echo error: type mismatch; exit 1",
            "exit",
            false,
        ),
        ("echo 'Error: write: ENOSPC'; exit 1", "disk-full", false),
        ("echo 'cp: No space left on device'; exit 1", "disk-full", false),
        ("echo oom_kill 3 >$F/memory.events; exit 1", "exit", true),
        ("echo oom_kill 3 >$F/memory.events; exit 137", "oom", true),
        ("echo oom_kill 3 >$F/memory.events; kill -9 $$", "oom", true),
    ] {
        let mut machine = plain();
        machine.stand_in("df", "exit 1");
        fs::write(machine.folder.path().join("memory.events"), "oom_kill 2\n").unwrap();
        machine.start(script);
        machine.until(|status| !status.contains(r#""exit":null"#));
        let status = machine.status();
        let said = format!(r#""oom":{oom},"reason":"{reason}""#);
        assert!(status.contains(&said), "{script}: {status}");
    }
}

#[test]
fn a_command_that_nobody_read_is_told_and_can_be_removed() {
    for machine in machines() {
        machine.put("echo secret");
        assert_eq!(machine.ask(&["follow", &machine.id, "0", "0", "0", ""]).2, "c\n");
        assert_eq!(machine.ask(&["clear", &machine.id]).0, 0);
        assert_eq!(machine.ask(&["follow", &machine.id, "0", "0", "0", ""]).2, "n\n");
    }
}

#[test]
fn the_index_of_times_is_told_with_its_places_whatever_is_in_it() {
    for machine in machines() {
        fs::create_dir_all(machine.job()).unwrap();
        let put = |name: &str, text: &str| fs::write(machine.job().join(name), text).unwrap();
        put("log.raw", "1234");
        put("log.raw.times", "1000 1\n17953\n2000 2\n3000");
        put("status.json", "{\"state\":\"succeeded\",\"bytes\":4,}\n");
        let told = |from: &str| {
            let told = machine.ask(&["follow", &machine.id, "0", from, "0", ""]).2;
            let times: Vec<&str> = told.lines().filter(|line| line.starts_with('t')).collect();
            times.join("|")
        };
        assert_eq!(told("0"), "t 7 1000 1|t 13 17953|t 20 2000 2");
        assert_eq!(told("13"), "t 20 2000 2");
        let said = machine.ask(&["follow", &machine.id, "2", "20", "9", ""]);
        assert_eq!(said.2.lines().last(), Some("e 4"));
        // A runner ends what a full disk tore.
        machine.start("echo more");
        machine.ends("succeeded");
        let times = fs::read_to_string(machine.job().join("log.raw.times")).unwrap();
        assert!(times.starts_with("1000 1\n17953\n2000 2\n3000\n"), "{times}");
        for line in times.lines().skip(4) {
            assert!(line.len() > 13 && line.split(' ').count() == 2, "{times}");
        }
    }
}

#[test]
fn a_sum_that_takes_long_says_that_it_lives() {
    let mut machine = plain();
    machine.stand_in("sha256sum", "sleep 3\nexec /usr/bin/sha256sum");
    fs::create_dir_all(machine.job()).unwrap();
    fs::write(machine.job().join("log.raw"), "first\nmore").unwrap();
    let said = machine.ask(&["sum", &machine.id, "6"]).2;
    let sum = "b640e840b19d378660b32fb51ae18d67dccb4a8596a29e7bd72c1b2ae5928f41";
    assert!(said.starts_with("w\n"), "{said}");
    assert!(said.ends_with(&format!("h 6 {sum}  -\n")), "{said}");
}
