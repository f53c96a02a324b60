//! Jobs where something is in the way: full disks, a lab that is frozen or put back, a watcher that is suspended, a
//! terminal that is closed. Nothing hangs, and what is not so is not said.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    jobs::{LONG, build_log, sum, until},
    program::Home,
    pty::halolab,
};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A home with a lab that is set up.
fn lab() -> Option<Home> {
    let home = Home::new(1)?;
    home.ends(0, &["apply", home.lab(), "--yes"]);
    Some(home)
}

fn events(home: &Home, id: &str) -> Vec<Value> {
    let text = fs::read_to_string(home.job(id).join("events.jsonl")).unwrap_or_default();
    text.lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect()
}

fn lxc(home: &Home, arguments: &[&str]) {
    let folder = std::path::Path::new(&home.socket).parent().unwrap();
    let mut command = Command::new("lxc");
    command
        .args(arguments)
        .env("LXD_DIR", folder)
        .env_remove("LXD_SOCKET");
    assert!(command.status().unwrap().success(), "{arguments:?}");
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// A small disk, gone at the end.
struct Small(String);

impl Small {
    fn on(path: &std::path::Path, size: &str) -> Self {
        fs::create_dir_all(path).unwrap();
        let path = path.display().to_string();
        let mut mount = Command::new("mount");
        mount.args([
            "-t",
            "tmpfs",
            "-o",
            &format!("size={size},mode=700"),
            "tmpfs",
            &path,
        ]);
        assert!(mount.status().unwrap().success());
        Self(path)
    }

    fn grow(&self, size: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={size}"), &self.0]);
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}

#[test]
fn each_package_is_told_once_however_often_who_watches_is_killed() {
    let Some(home) = lab() else { return };
    let hash = |c: char| format!("{c}bcdefghijklmnopqrstuvwxyz234567");
    let mut script = String::new();
    for (n, c) in ('a'..='f').enumerate() {
        let _ = write!(
            script,
            "echo '==> Installing lab-{c}-1.0-{h} [{n}/6]'; echo \"==> lab-{c}: Executing phase: 'build'\"; \
             while [ ! -e /go-{c} ]; do sleep 0.1; done; echo '[+] /opt/store/lab-{c}-1.0-{h}'; ",
            h = hash(c),
            n = n + 1
        );
    }
    let id = home.job_run(&(script + "exit 7"));
    for c in 'a'..='f' {
        let mut watcher = home.spawn(&["job", "attach", &id]);
        let begun = format!("lab-{c}");
        until("the package to be told", || {
            events(&home, &id)
                .iter()
                .any(|e| e["ev"] == "pkg" && e["name"].as_str().unwrap().starts_with(&begun))
        });
        watcher.kill().unwrap();
        watcher.wait().unwrap();
        home.inside(home.lab(), &format!("touch /go-{c}"));
    }
    home.ends(7, &["job", "wait", &id]);
    home.ends(7, &["job", "wait", &id]);
    let log = home.copied(&id);
    let all = events(&home, &id);
    let told: Vec<(String, String)> = all
        .iter()
        .filter(|e| e["ev"] == "pkg")
        .map(|e| {
            (
                e["name"].as_str().unwrap().to_owned(),
                e["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for c in 'a'..='f' {
        for state in ["started", "installed"] {
            let count = told
                .iter()
                .filter(|(n, s)| n == &format!("lab-{c} 1.0") && s == state)
                .count();
            assert_eq!(count, 1, "lab-{c} {state}: {told:?}");
        }
    }
    for event in all.iter().filter(|e| e["ev"] == "pkg") {
        let from = usize::try_from(event["off"].as_u64().unwrap()).unwrap();
        assert!(log[from..].starts_with(b"==> Installing lab-"), "{event}");
        if let Some(length) = event["len"].as_u64() {
            let part = &log[from..from + usize::try_from(length).unwrap()];
            let own = hash(event["name"].as_str().unwrap().chars().nth(4).unwrap());
            assert!(part.ends_with(own.as_bytes()), "{event}");
        }
    }
    let count = |kind: &str| all.iter().filter(|e| e["ev"] == kind).count();
    assert_eq!((count("start"), count("exit")), (1, 1), "{all:?}");
    assert_eq!(all.last().unwrap()["ev"], "exit", "nothing follows: {all:?}");
}

#[test]
fn silence_is_told_once_and_its_end_too() {
    let Some(home) = lab() else { return };
    let config = home.folder.path().join("config/config.toml");
    fs::write(config, "[job]\nstuck-minutes = 0\n").unwrap();
    let id = home.job_run(
        "echo first; until [ -e /go ]; do sleep 0.1; done; until [ -e /end ]; do echo on; sleep 0.1; done",
    );
    let mut watcher = home.spawn(&["job", "attach", &id]);
    let warned = |what: &str| {
        events(&home, &id)
            .iter()
            .filter(|e| e["ev"] == "warn" && e["what"] == what)
            .count()
    };
    until("it to be stuck", || warned("stuck") == 1);
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    let mut watcher = home.spawn(&["job", "attach", &id]);
    let heard = home.mirror(&id)["synced_at"].clone();
    until("the next one to hear of it", || {
        home.mirror(&id)["synced_at"] != heard
    });
    assert_eq!(warned("stuck"), 1, "{:?}", events(&home, &id));
    home.inside(home.lab(), "touch /go");
    until("it to be alive", || warned("alive") >= 1);
    home.inside(home.lab(), "touch /end");
    assert!(watcher.wait().unwrap().success());
}

#[test]
fn a_plan_names_the_jobs_that_it_ends_and_they_say_why_they_are_lost() {
    let Some(home) = lab() else { return };
    let lab = home.lab();
    let job = |text: &str| {
        let id = home.job_run(&format!("echo {text}; exec sleep 1000"));
        until("the first line", || {
            home.ends(0, &["job", "logs", &id]).out == format!("{text}\n")
        });
        id
    };
    let ended = |id: &str, why: &str, text: &str| {
        let status = home.job_status(id);
        // A stopped lab keeps what is in it, and its runner may have had the time to say how it ended; what is put back,
        // made anew or removed has nothing to say.
        let state = status["state"].as_str().unwrap();
        assert!(
            state == "lost" || (text == "stopped" && state == "killed"),
            "{status}"
        );
        assert!(status["why"].as_str().unwrap().contains(why), "{status}");
        assert_eq!(home.ends(0, &["job", "logs", id]).out, format!("{text}\n"));
    };
    let id = job("stopped");
    let said = home.ends(3, &["stop", lab]);
    assert!(
        said.err.contains(&id) && said.err.contains("--yes"),
        "{}",
        said.err
    );
    assert_eq!(home.job_status(&id)["state"], "running");
    home.ends(0, &["stop", lab, "--yes"]);
    ended(&id, "the lab was stopped", "stopped");
    home.ends(0, &["start", lab]);

    let id = job("updated");
    let shown = home.ends(0, &["plan", lab, "--choose", "update"]).out;
    assert!(
        shown.contains(&format!("job wait {id}")) && !shown.contains("LOSES"),
        "{shown}"
    );
    home.ends(0, &["update", lab, "--yes"]);
    assert_eq!(home.job_status(&id)["state"], "running", "an update ends nothing");
    home.ends(0, &["job", "stop", &id]);

    for (choice, why) in [
        ("restore:clean", "the lab was restored to clean"),
        ("recreate", "the lab was made anew"),
        ("remove", "the lab was removed"),
    ] {
        let id = job("begun");
        let shown = home.ends(0, &["plan", lab, "--choose", choice]).out;
        assert!(
            shown.lines().any(|l| l.contains("LOSES") && l.contains(&id)),
            "{shown}"
        );
        assert!(
            shown.lines().any(|l| l.contains("DESTROYS") && l.contains(&id)),
            "{shown}"
        );
        home.ends(0, &["apply", lab, "--choose", choice, "--yes"]);
        ended(&id, why, "begun");
    }
}

#[test]
fn a_frozen_lab_is_called_frozen_and_its_job_goes_on_after() {
    let Some(home) = lab() else { return };
    let id = home.job_run("echo first; until [ -e /go ]; do sleep 0.1; done; echo second");
    until("the first line", || {
        home.ends(0, &["job", "logs", &id]).out == "first\n"
    });
    lxc(&home, &["pause", home.lab()]);
    let status = home.job_status(&id);
    assert_eq!(status["frozen"], true, "{status}");
    assert!(
        status["why"].as_str().unwrap().contains("halolab start"),
        "{status}"
    );
    let list = home.ends(0, &["job", "list"]).out;
    assert!(list.contains("frozen") && !list.contains("running"), "{list}");
    home.ends(0, &["start", home.lab()]);
    home.inside(home.lab(), "touch /go");
    home.ends(0, &["job", "wait", &id]);
    assert_eq!(home.copied(&id), b"first\nsecond\n");
}

#[test]
fn a_watcher_that_is_suspended_is_named_and_the_rest_comes_when_it_goes_on() {
    let Some(home) = lab() else { return };
    let id = home.job_run("echo first; until [ -e /go ]; do sleep 0.1; done; echo second");
    let watcher = home.spawn(&["job", "logs", "-f", &id]);
    until("its first line", || home.copied(&id) == b"first\n");
    signal(watcher.id(), Signal::STOP);
    let status = home.job_status(&id);
    let why = status["why"].as_str().unwrap();
    assert!(
        why.contains("suspended") && why.contains(&watcher.id().to_string()),
        "{status}"
    );
    let said = home.run(&["job", "logs", &id]);
    assert_eq!(said.out, "first\n", "what is here can be read");
    assert!(said.err.contains("suspended"), "{}", said.err);
    let mut beside = home.command(&["job", "logs", "-f", &id]);
    let mut beside = beside
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = vec![0; 400];
    let count = beside.stderr.as_mut().unwrap().read(&mut told).unwrap();
    assert!(String::from_utf8_lossy(&told[..count]).contains("suspended"));
    signal(watcher.id(), Signal::CONT);
    home.inside(home.lab(), "touch /go");
    let seen = beside.wait_with_output().unwrap();
    assert_eq!(seen.stdout, b"first\nsecond\n");
    assert_eq!(watcher.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_full_disk_here_ends_the_watching_with_its_reason_and_nothing_else() {
    let Some(home) = lab() else { return };
    let log = build_log(400, 9);
    let small = Small::on(&home.folder.path().join("state"), "512k");
    let text = String::from_utf8_lossy(&log).into_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use halolab::backend::Backend as _;
        let lxd = common::daemon::lxd().await.unwrap();
        lxd.push(home.lab(), "/data.bin", text.as_bytes(), 0o644, (0, 0))
            .await
            .unwrap();
    });
    // It writes on and on meanwhile: the watching must not wait for that.
    let id = home.job_run("cat /data.bin; until [ -e /go ]; do sleep 0.1; done; echo end");
    let said = home.run(&["job", "wait", &id]);
    assert!(
        said.code != 0 && said.err.contains("log.raw"),
        "{} {}",
        said.code,
        said.err
    );
    assert!(said.err.contains("No space left"), "{}", said.err);
    small.grow("64m");
    home.inside(home.lab(), "touch /go");
    home.ends(0, &["job", "wait", &id]);
    let whole = [text.as_bytes(), b"end\n"].concat();
    assert_eq!(sum(&home.copied(&id)), sum(&whole));
}

#[test]
fn no_job_begins_where_this_disk_is_full() {
    let Some(home) = lab() else { return };
    let state = home.folder.path().join("state");
    for room in [0, 4096, 8192, 16384] {
        let small = Small::on(&state, "64k");
        let free = 65536_usize.saturating_sub(room);
        let _ = fs::write(state.join("ballast"), vec![1; free]);
        let said = home.run(&[
            "job",
            "run",
            home.lab(),
            "--name",
            "full",
            "--",
            "sh",
            "-c",
            "echo begun; sleep 1000",
        ]);
        // Either it says that the disk is full, and nothing runs, or it runs and is known.
        if said.code == 0 {
            let id = said.out.trim().to_owned();
            small.grow("8m");
            assert_eq!(home.job_status(&id)["state"], "running");
            home.ends(0, &["job", "stop", &id]);
        } else {
            assert!(said.err.contains("No space left"), "{room}: {}", said.err);
            assert_eq!(
                home.inside(home.lab(), "ps | grep -c '[s]leep 1000$' || true"),
                "0",
                "{room}"
            );
        }
        assert_eq!(
            home.inside(
                home.lab(),
                "ls -d /var/lib/halolab/jobs/*/spec 2>/dev/null || true"
            ),
            ""
        );
    }
}

#[test]
fn a_lab_whose_disk_is_full_takes_no_job_or_one_that_ends_and_keeps_no_command() {
    let Some(home) = lab() else { return };
    home.inside(
        home.lab(),
        "mkdir -p /var/lib/halolab && mount -t tmpfs -o size=64k tmpfs /var/lib/halolab",
    );
    for room in [0, 4, 8, 12, 16, 24, 40] {
        let fill = format!(
            "cd /var/lib/halolab && rm -rf jobs ballast && dd if=/dev/zero of=ballast bs=1k count={} 2>/dev/null; true",
            64 - room
        );
        home.inside(home.lab(), &fill);
        let said = home.run(&[
            "job",
            "run",
            home.lab(),
            "--name",
            "full",
            "--env",
            "TOKEN=canary-one",
            "--",
            "sh",
            "-c",
            "echo ${#TOKEN}",
        ]);
        if said.code == 0 {
            let id = said.out.trim().to_owned();
            let ended = home.run(&["job", "wait", &id]);
            let status = home.job_status(&id);
            let well = status["state"] == "succeeded" && home.copied(&id) == b"10\n";
            let told = ended.code != 0 && ended.err.contains("full");
            assert!(well || told, "{room}: {status} {}", ended.err);
            home.ends(0, &["job", "rm", &id]);
        } else {
            assert!(
                said.err.contains("No space left") || said.err.contains("full"),
                "{room}: {}",
                said.err
            );
        }
        assert_eq!(
            home.inside(home.lab(), "grep -rl c[a]nary- /var/lib/halolab || true"),
            "",
            "{room}"
        );
    }
    home.inside(home.lab(), "rm -f /var/lib/halolab/ballast");
    let id = home.job_run("exit 3");
    home.ends(3, &["job", "wait", &id]);
}

#[test]
fn a_grace_without_end_is_one() {
    let Some(home) = lab() else { return };
    let id = home.job_run("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done");
    until("the job to be ready", || {
        home.ends(0, &["job", "logs", &id]).out == "ready\n"
    });
    home.ends(0, &["job", "stop", &id, "--grace", "4294967295"]);
    assert!(home.copied(&id).ends_with(b"bye\n"));
}

#[test]
fn who_reads_gets_a_log_that_begins_anew_from_its_first_byte() {
    let Some(home) = Home::new(0) else { return };
    let id = halolab::job::JobId::parse("cmd-20261122T101112Z-abcd").unwrap();
    let jobs = home.folder.path().join("state/jobs");
    fs::create_dir_all(&jobs).unwrap();
    let mirror = halolab::job::Mirror::create(&jobs, &id, halolab::job::JobFile::default()).unwrap();
    let status = |attempt: u32, state: &str| {
        format!(
            r#"{{"schema":"halolab.job/1","job":"{id}","container":"lab","state":"{state}","attempt":{attempt},"exit":{{"code":0}},"log":{{"start":0,"bytes":9}}}}"#
        )
    };
    let mut writer = mirror.writer().unwrap().unwrap();
    writer.told(status(1, "running").as_bytes()).unwrap();
    assert!(writer.append(b"the first log"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seen = std::sync::Mutex::new(vec![]);
    runtime.block_on(async {
        let nobody = halolab::backend::fake::Fake::new();
        let mut watch = halolab::job::Watch {
            backend: &nobody,
            mirror: &mirror,
            cancel: tokio_util::sync::CancellationToken::new(),
            patience: None,
            notice: &mut |_| {},
            grown: &mut || {},
        };
        let mut tail = halolab::job::Tail::new(&mirror, 0);
        let watching = watch.to_the_end();
        let reading = async {
            while !seen.lock().unwrap().ends_with(b"than the first") {
                seen.lock().unwrap().extend(tail.more(false).unwrap());
                tokio::task::yield_now().await;
            }
        };
        let writing = async {
            while seen.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            // Its lab was put back, and its next log is longer already when the reader looks again.
            writer.cursor();
            writer.told(status(2, "running").as_bytes()).unwrap();
            assert!(writer.append(b"a second log that is longer than the first"));
            writer.told(status(2, "succeeded").as_bytes()).unwrap();
            let all = fs::read(mirror.log()).unwrap();
            assert!(writer.verify(all.len() as u64, &sum(&all)).unwrap());
        };
        let (ended, (), ()) = tokio::join!(watching, reading, writing);
        assert_eq!(ended.unwrap().attempt, 2);
    });
    let seen = String::from_utf8(seen.into_inner().unwrap()).unwrap();
    assert_eq!(seen, "the first loga second log that is longer than the first");
}

/// Runs the program on a terminal until it has written a text, and closes the terminal; its exit code.
fn closed(command: CommandBuilder, text: &str) -> u32 {
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    while !seen.contains(text) {
        let count = reader.read(&mut buffer).unwrap();
        assert!(count > 0, "{seen}");
        seen += &String::from_utf8_lossy(&buffer[..count]);
    }
    drop((reader, pair.master));
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.exit_code();
        }
        assert!(since.elapsed() < LONG, "it outlives its terminal");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_closed_terminal_ends_who_watches_and_not_the_job() {
    let Some(home) = lab() else { return };
    let id = home.job_run("echo here; until [ -e /go ]; do sleep 0.1; done; echo done; exit 4");
    let words: &[&[&str]] = &[&["job", "attach", &id], &["job", "logs", "-f", &id]];
    for word in words {
        let mut command = halolab(home.folder.path(), &home.socket);
        command.args(*word);
        closed(command, "here");
        // Where SIGHUP is ignored, as by nohup, too.
        let mut command = CommandBuilder::new("sh");
        common::pty::environment(&mut command, home.folder.path(), &home.socket);
        command.args([
            "-c",
            "trap '' HUP; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_halolab"),
        ]);
        command.args(*word);
        closed(command, "here");
    }
    let mut command = halolab(home.folder.path(), &home.socket);
    command.args([
        "job",
        "run",
        home.lab(),
        "--attach",
        "--",
        "sh",
        "-c",
        "echo second; sleep 1000",
    ]);
    closed(command, "second");
    assert_eq!(
        home.inside(home.lab(), "ps | grep -c '[s]leep 1000$'"),
        "1",
        "it goes on"
    );
    assert_eq!(home.job_status(&id)["state"], "running");
    home.inside(home.lab(), "touch /go");
    home.ends(4, &["job", "wait", &id]);
    assert_eq!(home.copied(&id), b"here\ndone\n");
}

#[test]
fn the_end_rings_and_says_so_and_a_hostile_name_does_nothing_else() {
    let Some(home) = lab() else { return };
    let id = home.job_run("until [ -e /go ]; do sleep 0.1; done; exit 5");
    let status = home.job(&id).join("job.json");
    let text = fs::read_to_string(&status).unwrap();
    let hostile = r"x;\u001b]52;c;AAAA\u0007\u009b2J;";
    fs::write(
        &status,
        text.replace(
            &format!("\"lab\": \"{}\"", home.lab()),
            &format!("\"lab\": \"{hostile}\""),
        ),
    )
    .unwrap();
    let mut command = halolab(home.folder.path(), &home.socket);
    command.args(["job", "wait", &id, "--notify"]);
    let mut pty = common::pty::Pty::start(command, 100, 24);
    home.inside(home.lab(), "touch /go");
    assert_eq!(pty.end(), 5);
    let bytes = pty.bytes();
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.contains('\u{7}'), "the bell: {said:?}");
    for begin in ["\u{1b}]9;", "\u{1b}]777;notify;halolab;"] {
        let (_, rest) = said.split_once(begin).unwrap();
        let (text, _) = rest.split_once("\u{1b}\\").unwrap();
        assert!(text.contains(&id) && text.contains("exit code 5"), "{said:?}");
        assert!(!text.contains([';', '\u{7}', '\u{1b}', '\u{9b}']), "{said:?}");
    }
    assert!(!said.contains("\u{1b}]52"), "{said:?}");
}

/// A name that a person gave means that person's job: the one that runs, else the newest.
#[test]
fn a_name_means_a_persons_job_and_the_one_that_runs_first() {
    let Some(home) = lab() else { return };
    let run = |name: &str, script: &str| {
        let arguments = ["job", "run", home.lab(), "--name", name, "--", "sh", "-c", script];
        home.ends(0, &arguments).out.trim().to_owned()
    };
    let logs = |name: &str| home.ends(0, &["job", "logs", name]).out;
    let runs = run("build", "echo runs; exec sleep 1000");
    until("its line", || logs(&runs) == "runs\n");
    // Ids have seconds.
    std::thread::sleep(Duration::from_millis(1100));
    let newer = run("build", "echo newer");
    home.ends(0, &["job", "wait", &newer]);
    assert_eq!(logs("build"), "runs\n");
    home.ends(0, &["job", "stop", "build"]);
    assert_eq!(logs("build"), "newer\n");
    assert_eq!(logs(&runs), "runs\n", "an id is an id");
    // The steps of the stage have ids that begin with this.
    let step = run("step", "echo mine");
    home.ends(0, &["job", "wait", &step]);
    assert_eq!(logs("step"), "mine\n");
    assert_eq!(logs("st"), "mine\n");
    assert!(
        home.ends(0, &["job", "list"]).out.contains(&step),
        "it is no step of a stage"
    );
}

/// Where another halolab puts the lab back or makes it anew, a job would be accepted and lost.
#[test]
fn a_job_is_not_begun_in_a_lab_that_another_halolab_replaces() {
    use halolab::{paths::Paths, run::Lock};
    let Some(home) = lab() else { return };
    let path = Paths::under(home.folder.path()).runtime.join("lock");
    let run = ["job", "run", home.lab(), "--", "true"];
    let lock = Lock::take(&path, "run 20261122-101112345-ab12").unwrap();
    let said = home.ends(8, &run).err;
    let pid = format!("pid {}", std::process::id());
    for part in ["run 20261122-101112345-ab12", &pid, home.lab(), "halolab status"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    drop(lock);
    let lock = Lock::take(&path, &format!("snapshot create {}", home.lab())).unwrap();
    home.ends(0, &run);
    drop(lock);
    home.ends(0, &run);
}

/// A job that is begun between the plan and the yes would be lost without having been named.
#[test]
fn a_plan_is_looked_at_once_more_before_its_first_action() {
    let Some(home) = lab() else { return };
    let mut command = halolab(home.folder.path(), &home.socket);
    command.args(["recreate", home.lab()]);
    let mut pty = common::pty::Pty::start(command, 100, 40);
    pty.wait_for("Type yes");
    let id = home.job_run("exec sleep 1000");
    pty.send("yes\r");
    pty.wait_for("would be lost, too");
    assert_eq!(pty.end(), 3);
    assert!(String::from_utf8_lossy(&pty.bytes()).contains(&id));
    assert_eq!(home.job_status(&id)["state"], "running");
    // Named, it is agreed to.
    home.ends(0, &["recreate", home.lab(), "--yes"]);
    assert_eq!(home.job_status(&id)["state"], "lost");
}

/// What a former job took says how long the same one still takes.
#[test]
fn a_former_jobs_times_give_the_time_that_is_left() {
    let Some(home) = lab() else { return };
    let hash = |letter: &str| letter.repeat(32);
    let package = |name: &str, number: u32, middle: &str| {
        let (hash, name) = (hash(name), format!("lab-{name}"));
        format!(
            "echo '==> Installing {name}-1.0-{hash} [{number}/2]'; echo \"==> {name}: Executing phase: 'build'\"; \
             {middle}; echo '[+] /opt/store/{name}-1.0-{hash}'; "
        )
    };
    let former = Instant::now();
    let first = home.job_run(&(package("a", 1, "sleep 4") + &package("b", 2, "sleep 6")));
    home.ends(0, &["job", "wait", &first]);
    let took = former.elapsed().as_secs() + 1;
    assert!(home.job_status(&first)["eta"].is_null(), "it has ended");
    // Nothing was written while each was built: what ended it has the time after the silence, not before it. Times are
    // those of the runner's beats, a second apart.
    let learnt = fs::read_to_string(home.folder.path().join("state/build-times.json")).unwrap();
    let learnt: Value = serde_json::from_str(&learnt).unwrap();
    for (name, seconds) in [("lab-a", 4.0), ("lab-b", 6.0)] {
        let builds = learnt["packages"][name]["builds"].as_array().unwrap();
        assert_eq!(builds.len(), 1, "{learnt}");
        let total = builds[0]["total"].as_f64().unwrap();
        assert!(
            (seconds - 1.1..former.elapsed().as_secs_f64() + 1.0).contains(&total),
            "{name}: {learnt}"
        );
    }
    let again = home.job_run(&(package("a", 1, "true") + &package("b", 2, "exec sleep 1000")));
    until("the second package", || {
        home.job_status(&again)["progress"] == "1/2"
    });
    let eta = || home.job_status(&again)["eta"].as_u64();
    let begun = Instant::now();
    until("the time that is left", || eta().is_some());
    let left = eta().unwrap();
    assert!(left > 0 || begun.elapsed().as_secs() > 1, "{left} s");
    // One build alone is taken for a quarter more, and one that is late for as late again.
    assert!(
        left <= took * 5 / 4 + begun.elapsed().as_secs() * 2,
        "{left} s after one of {took} s"
    );
    home.ends(0, &["job", "stop", &again]);
}

/// Text that is more than any pipe holds, in lines.
fn long_log(home: &Home) -> String {
    let log = (0..200_000).fold(String::new(), |mut log, n| {
        let _ = writeln!(log, "line {n}");
        log
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use halolab::backend::Backend as _;
        let lxd = common::daemon::lxd().await.unwrap();
        let pushed = lxd
            .push(home.lab(), "/data.txt", log.as_bytes(), 0o644, (0, 0))
            .await;
        pushed.unwrap();
    });
    log
}

/// A pager that is left on its first page has what it reads, and nothing else waits for it.
#[test]
fn a_reader_who_waits_keeps_nobody_and_gets_all_of_it() {
    let Some(home) = lab() else { return };
    let log = long_log(&home);
    let id = home.job_run("cat /data.txt; until [ -e /go ]; do sleep 0.1; done; echo end; exit 3");
    let watches = || {
        let mut command = home.command(&["job", "logs", "-f", &id]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // The first one has the mirror, and each of them waits for its reader.
    let mut first = watches();
    let mut line = [0; 7];
    first.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let mut second = watches();
    let mut gone = watches();
    second.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    until("the copy to be whole", || home.copied(&id).len() == log.len());
    // It still has most of it to show, and hears what it is told.
    signal(second.id(), Signal::INT);
    assert_eq!(second.wait().unwrap().code(), Some(130));
    gone.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    drop(gone.stdout.take());
    assert_eq!(gone.wait().unwrap().code(), Some(0));
    assert_eq!(home.job_status(&id)["state"], "running");
    home.inside(home.lab(), "touch /go");
    home.ends(3, &["job", "wait", &id]);
    assert_eq!(home.job_status(&id)["state"], "failed");
    assert!(first.try_wait().unwrap().is_none(), "it is not at its end");
    let seen = first.wait_with_output().unwrap();
    assert_eq!(seen.status.code(), Some(3));
    let seen = [&line[..], &seen.stdout].concat();
    assert_eq!(sum(&seen), sum(&[log.as_bytes(), b"end\n"].concat()));
    // One that is still halted when its job is forgotten does not keep the job.
    let mut halted = watches();
    halted.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    home.ends(0, &["job", "rm", &id]);
    signal(halted.id(), Signal::TERM);
    assert_eq!(halted.wait().unwrap().code(), Some(143));
}

/// Who comes back hours later wants the end of it, not all of it.
#[test]
fn an_attach_shows_the_last_lines_also_of_a_log_that_nobody_copied() {
    let Some(home) = lab() else { return };
    let log = long_log(&home);
    let id = home.job_run("cat /data.txt; until [ -e /go ]; do sleep 0.1; done; echo end");
    let says = format!("\"bytes\":{},", log.len());
    until("all to be written", || {
        home.inside(home.lab(), &format!("cat /var/lib/halolab/jobs/{id}/status.json"))
            .contains(&says)
    });
    assert_eq!(home.copied(&id).len(), 0, "nobody looked");
    let mut command = home.command(&["job", "attach", &id]);
    let attached = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the copy to be whole", || home.copied(&id).len() == log.len());
    home.inside(home.lab(), "touch /go");
    let seen = attached.wait_with_output().unwrap();
    let shown = String::from_utf8(seen.stdout).unwrap();
    let whole = format!("{log}end\n");
    assert!(
        shown.starts_with("line ") && whole.ends_with(&shown),
        "{}",
        shown.len()
    );
    assert!((8000..9000).contains(&shown.len()), "{}", shown.len());
    let said = String::from_utf8_lossy(&seen.stderr).into_owned();
    assert!(said.contains("its last lines"), "{said}");
    assert_eq!(home.copied(&id), whole.as_bytes());
}

#[test]
fn a_job_that_cannot_be_forgotten_does_not_keep_the_others() {
    let Some(home) = lab() else { return };
    let ended = |text: &str| {
        let id = home.job_run(&format!("echo {text}"));
        home.ends(0, &["job", "wait", &id]);
        std::thread::sleep(Duration::from_millis(1100));
        id
    };
    let ids = [ended("one"), ended("two"), ended("three")];
    // The one in the middle is of another engine, says its file.
    let file = home.job(&ids[1]).join("job.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&home.socket, "/elsewhere/unix.socket")).unwrap();
    let said = home.run(&["job", "rm", "--ended"]);
    assert!(said.code != 0 && said.err.contains("/elsewhere"), "{}", said.err);
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(home.job(id).exists(), at == 1, "{id}");
        assert_eq!(
            said.out.contains(&format!("{id} is forgotten")),
            at != 1,
            "{}",
            said.out
        );
    }
}
