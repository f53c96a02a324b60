//! Jobs on a real daemon: whatever is killed, not a byte of their output is lost; how they ended is told apart.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program itself"
)]

mod common;

use std::{
    fs,
    io::Read as _,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use common::{
    daemon,
    jobs::{Numbers, build_log, sum, until, writer},
    program::Home,
};
use halolab::backend::Backend as _;
use rustix::process::{Pid, Signal, kill_process};

/// A home with a lab that is set up.
fn lab() -> Option<Home> {
    let home = Home::new(1)?;
    home.ends(0, &["apply", home.lab(), "--yes"]);
    Some(home)
}

/// Puts a file into a lab.
fn push(home: &Home, path: &str, bytes: &[u8]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let lxd = daemon::lxd().await.unwrap();
        lxd.push(home.lab(), path, bytes, 0o644, (0, 0)).await.unwrap();
    });
}

/// The engine's own client.
fn lxc(home: &Home, arguments: &[&str]) {
    let folder = std::path::Path::new(&home.socket).parent().unwrap();
    let mut command = std::process::Command::new("lxc");
    command
        .args(arguments)
        .env("LXD_DIR", folder)
        .env_remove("LXD_SOCKET");
    assert!(command.status().unwrap().success(), "{arguments:?}");
}

fn signal(child: &std::process::Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn killing_who_watches_loses_not_a_byte() {
    let Some(home) = lab() else { return };
    let log = build_log(1500, 7);
    assert!(log.len() > 4_000_000, "{}", log.len());
    push(&home, "/data.bin", &log);
    // Slow until there were kills enough, however slow the machine is.
    let script = writer("/data.bin", log.len(), 14).replace("sleep 0.03", "[ -e /enough ] || sleep 0.3");
    let id = home.job_run(&script);
    let (mut kills, mut numbers) = (0, Numbers(11));
    while home.mirror(&id)["whole"] != true && kills < 25 {
        let mut watcher = home.spawn(&["job", "attach", &id]);
        // Each fifth time a second one watches beside it, and outlives it.
        let mut beside = (kills % 5 == 4).then(|| home.spawn(&["job", "logs", "-f", &id]));
        std::thread::sleep(Duration::from_millis(150 + numbers.next(900)));
        if watcher.try_wait().unwrap().is_none() {
            watcher.kill().unwrap();
            kills += 1;
            if kills == 15 {
                push(&home, "/enough", b"");
            }
        }
        watcher.wait().unwrap();
        if let Some(beside) = &mut beside {
            std::thread::sleep(Duration::from_millis(numbers.next(500)));
            beside.kill().unwrap();
            beside.wait().unwrap();
        }
    }
    assert!(kills >= 15, "only {kills} kills");
    home.ends(0, &["job", "wait", &id]);
    let copy = home.copied(&id);
    assert_eq!(
        (copy.len(), sum(&copy)),
        (log.len(), sum(&log)),
        "after {kills} kills"
    );
    let shown = home.command(&["job", "logs", &id]).output().unwrap().stdout;
    assert_eq!(sum(&shown), sum(&log), "what is shown into a pipe is raw");
    let events = fs::read_to_string(home.job(&id).join("events.jsonl")).unwrap();
    let events: Vec<serde_json::Value> = events
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect();
    let seqs: Vec<u64> = events.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    assert_eq!(
        (&events[0]["ev"], &events.last().unwrap()["ev"]),
        (&"start".into(), &"exit".into())
    );
    let times = fs::read_to_string(home.job(&id).join("log.raw.times")).unwrap();
    let inside = home.inside(
        home.lab(),
        &format!("cat /var/lib/halolab/jobs/{id}/log.raw.times"),
    );
    assert_eq!(times.trim(), inside, "the times are the lab's");
    let ends: Vec<u64> = times
        .lines()
        .map(|l| l.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(
        ends.is_sorted() && ends.len() > 5 && *ends.last().unwrap() == log.len() as u64,
        "{ends:?}"
    );
}

#[test]
fn a_closed_terminal_ends_only_the_watching() {
    let Some(home) = lab() else { return };
    let id = home.job_run("echo line 1; until [ -e /go ]; do sleep 0.1; done; echo line 2; exit 4");
    for (with, code) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = home.command(&["job", "attach", &id]);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut watcher = command.spawn().unwrap();
        let mut line = [0; 7];
        watcher.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        signal(&watcher, with);
        let ended = watcher.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(
            said.contains(&format!("halolab job attach {id}"))
                && said.contains(&format!("halolab job stop {id}")),
            "{said}"
        );
    }
    home.inside(home.lab(), "touch /go");
    home.ends(4, &["job", "wait", &id]);
    assert_eq!(home.copied(&id), b"line 1\nline 2\n");
}

#[test]
fn two_watchers_see_the_same_whole_log() {
    let Some(home) = lab() else { return };
    let log = build_log(300, 3);
    push(&home, "/data.bin", &log);
    let id = home.job_run(&writer("/data.bin", log.len(), 4));
    let watch = || {
        let mut command = home.command(&["job", "logs", "-f", &id]);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let both = [watch(), watch(), watch()];
    let read = both.map(|child| std::thread::spawn(move || child.wait_with_output().unwrap().stdout));
    for seen in read {
        assert_eq!(sum(&seen.join().unwrap()), sum(&log));
    }
    assert_eq!(
        sum(&home.copied(&id)),
        sum(&log),
        "both together added each byte once"
    );
}

#[test]
fn how_a_job_ended_is_told_apart() {
    let Some(home) = lab() else { return };
    let ends = |code: i32, script: &str| {
        let id = home.job_run(script);
        home.ends(code, &["job", "wait", &id]);
        let status = home.mirror(&id);
        let exit = &status["exit"];
        (
            status["state"].as_str().unwrap().to_owned(),
            exit["code"].as_i64(),
            exit["signal"].as_str().map(str::to_owned),
            exit["reason"].as_str().unwrap().to_owned(),
        )
    };
    let killed =
        |signal: &str, why: &str| ("killed".to_owned(), None, Some(signal.to_owned()), why.to_owned());
    let failed = |code: i64, why: &str| ("failed".to_owned(), Some(code), None, why.to_owned());
    assert_eq!(
        ends(0, "true"),
        ("succeeded".to_owned(), Some(0), None, String::new())
    );
    assert_eq!(ends(3, "exit 3"), failed(3, "exit"));
    assert_eq!(
        ends(137, "exit 137"),
        failed(137, "exit"),
        "a code is not a signal"
    );
    assert_eq!(ends(137, "kill -9 $$"), killed("SIGKILL", "signal"));
    assert_eq!(ends(139, "kill -SEGV $$"), killed("SIGSEGV", "signal"));
    let full =
        "mkdir -p /full; mount -t tmpfs -o size=64k tmpfs /full; dd if=/dev/zero of=/full/x bs=1k count=100";
    assert_eq!(ends(1, full), failed(1, "disk-full"));
    let missing = home.ends(0, &["job", "run", home.lab(), "--", "no-such-program"]);
    home.ends(127, &["job", "wait", missing.out.trim()]);
    let id = home.job_run("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.1; done");
    until("the job to be ready", || {
        home.ends(0, &["job", "logs", &id]).out.contains("ready")
    });
    home.ends(0, &["job", "stop", &id]);
    let status = home.job_status(&id);
    assert_eq!(
        (&status["state"], &status["code"]),
        (&"killed".into(), &143.into()),
        "{status}"
    );
    assert!(home.ends(0, &["job", "logs", &id]).out.contains("asked"));
    let id = home.job_run("trap '' TERM; sleep 1000 & sleep 1000; sleep 1000");
    home.ends(0, &["job", "stop", &id, "--grace", "1"]);
    assert_eq!(
        home.mirror(&id)["exit"]["signal"],
        "SIGKILL",
        "the grace has an end"
    );
    assert_eq!(
        home.inside(home.lab(), "ps | grep -c '[s]leep 1000$' || true"),
        "0"
    );
}

#[test]
fn a_stop_waits_for_all_of_it_whatever_its_variables_are_called() {
    let Some(home) = lab() else { return };
    let script = "echo $log $dir $id $ru_cwd; trap 'exit 0' TERM
        (trap 'sleep 1; echo slow; exit' TERM; while :; do sleep 0.1; done) &
        (trap '' TERM; while :; do sleep 0.1; done) &
        echo ready; while :; do sleep 0.1; done";
    let names = [
        "log=/x",
        "dir=/y",
        "id=z",
        "ru_cwd=w",
        "IFS=/",
        "line=",
        "HALOLAB_JOB=no",
    ];
    let mut words = vec!["job", "run", home.lab()];
    words.extend(names.iter().flat_map(|name| ["--env", name]));
    words.extend(["--", "sh", "-c", script]);
    let id = home.ends(0, &words).out.trim().to_owned();
    until("the job to be ready", || {
        home.ends(0, &["job", "logs", &id]).out == "/x /y z w\nready\n"
    });
    home.ends(0, &["job", "stop", &id, "--grace", "3"]);
    let log = home.ends(0, &["job", "logs", &id]).out;
    assert!(log.ends_with("slow\n"), "{log}");
    assert_eq!(home.mirror(&id)["whole"], true);
    let left = "grep -lsxzF HALOLAB_JOB=$ID /proc/[0-9]*/environ | wc -l".replace("$ID", &id);
    assert_eq!(home.inside(home.lab(), &left).trim(), "0");
}

#[test]
fn a_job_whose_runner_was_killed_is_neither_forgotten_nor_left_running() {
    let Some(home) = lab() else { return };
    let id = home.job_run("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    until("the job to be ready", || {
        home.ends(0, &["job", "logs", &id]).out == "ready\n"
    });
    let folder = format!("/var/lib/halolab/jobs/{id}");
    home.inside(
        home.lab(),
        &format!("read -r pid start <{folder}/runner.id; kill -9 $pid"),
    );
    until("it to be lost", || home.job_status(&id)["state"] == "lost");
    let said = home.run(&["job", "rm", &id]);
    assert!(said.code != 0 && said.err.contains("still runs"), "{}", said.err);
    home.ends(0, &["job", "stop", &id, "--grace", "1"]);
    home.inside(home.lab(), &format!("echo later >>{folder}/log.raw"));
    assert_eq!(
        home.ends(0, &["job", "rm", &id]).out.trim(),
        format!("{id} is forgotten")
    );
    assert_eq!(
        home.inside(home.lab(), &format!("ls -d {folder} 2>/dev/null || true")),
        ""
    );
}

#[test]
fn want_of_memory_is_told_apart() {
    let Some(home) = lab() else { return };
    lxc(
        &home,
        &[
            "config",
            "set",
            home.lab(),
            "limits.memory=48MiB",
            "limits.memory.swap=false",
        ],
    );
    let id = home.job_run("echo eats; x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}");
    let ended = home.run(&["job", "wait", &id]);
    let status = home.mirror(&id);
    assert_eq!(
        (&status["exit"]["oom"], &status["exit"]["reason"]),
        (&true.into(), &"oom".into()),
        "{status}"
    );
    assert!(
        ended.code != 0 && ended.err.contains("out of memory"),
        "{} {}",
        ended.code,
        ended.err
    );
}

#[test]
fn a_job_whose_lab_is_stopped_or_deleted_is_lost_and_its_log_is_kept() {
    let Some(home) = lab() else { return };
    let lab = home.lab();
    let id = home.job_run("echo before; sleep 1000");
    until("the first line", || {
        home.ends(0, &["job", "logs", &id]).out == "before\n"
    });
    lxc(&home, &["stop", "--force", lab]);
    let said = home.ends(1, &["job", "wait", &id]);
    assert!(said.err.contains("stopped while it ran"), "{}", said.err);
    home.ends(0, &["start", lab]);
    let second = home.job_run("echo again; sleep 1000");
    until("its first line", || {
        home.ends(0, &["job", "logs", &second]).out == "again\n"
    });
    home.ends(0, &["remove", lab, "--yes"]);
    let status = home.job_status(&second);
    assert!(
        status["why"].as_str().unwrap().contains("the lab was removed"),
        "{status}"
    );
    assert_eq!(home.ends(0, &["job", "logs", &second]).out, "again\n");
    home.ends(0, &["job", "rm", "--ended"]);
    assert!(home.ends(0, &["job", "list", "--all"]).err.contains("no jobs"));
}

#[test]
fn a_restored_lab_says_that_its_job_is_lost() {
    let Some(home) = lab() else { return };
    let id = home.job_run("echo here; sleep 1000");
    until("the first line", || {
        home.ends(0, &["job", "logs", &id]).out == "here\n"
    });
    home.ends(0, &["apply", home.lab(), "--choose", "restore:clean", "--yes"]);
    let status = home.job_status(&id);
    assert_eq!(status["state"], "lost", "{status}");
    assert!(status["why"].as_str().unwrap().contains("restored"), "{status}");
    assert_eq!(home.ends(0, &["job", "logs", &id]).out, "here\n");
}

#[test]
fn silence_progress_and_errors_are_in_one_short_line() {
    let Some(home) = lab() else { return };
    fs::write(
        home.folder.path().join("config/config.toml"),
        "[job]\nstuck-minutes = 0\n",
    )
    .unwrap();
    let id = home.job_run("echo '[3/12] building'; echo 'x.c:1: error: no \x1b]0;owned\x07such'; sleep 1000");
    until("it to be called stuck", || home.job_status(&id)["stuck"] == true);
    let said = home.ends(0, &["job", "status", "--json"]).out;
    assert!(said.len() < 400 && said.lines().count() == 1, "{said}");
    let status: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&status["id"], &status["progress"]),
        (&id.clone().into(), &"3/12".into())
    );
    assert!(
        status["last_error"].as_str().unwrap().contains("error: no"),
        "{status}"
    );
    let list = home.ends(0, &["job", "list"]).out;
    assert!(list.contains("stuck") && list.contains("3/12"), "{list}");
    assert!(
        !(said + &list).contains(['\u{1b}', '\u{7}']),
        "nothing acts on a terminal"
    );
    assert!(home.ends(3, &["job", "rm", &id]).err.contains("job stop"));
    let unknown = home.ends(2, &["job", "stop", "nope"]).err;
    assert!(unknown.contains(&id), "{unknown}");
    assert!(
        home.ends(3, &["--read-only", "job", "stop", &id])
            .err
            .contains("read-only")
    );
    home.ends(0, &["job", "stop", id.get(..10).unwrap(), "--grace", "1"]);
    home.ends(0, &["job", "rm", &id]);
    assert_eq!(
        home.inside(home.lab(), "ls /var/lib/halolab/jobs"),
        "",
        "its files in the lab are gone"
    );
}

#[test]
fn a_lab_that_lies_about_its_job_breaks_nothing() {
    let Some(home) = lab() else { return };
    let id = home.job_run("sleep 1000");
    let folder = format!("/var/lib/halolab/jobs/{id}");
    // A status without sense, while its runner is gone.
    home.inside(
        home.lab(),
        &format!("kill -9 $(cut -d' ' -f1 {folder}/runner.id); printf '\\033]0;x\\007{{\"state\":' > {folder}/status.json"),
    );
    let status = home.job_status(&id);
    assert_eq!(status["state"], "lost", "{status}");
    // Its command still runs: a stop reaches it without its runner.
    assert_eq!(home.inside(home.lab(), "ps | grep -c '[s]leep 1000$'"), "1");
    home.run(&["job", "stop", &id]);
    assert_eq!(
        home.inside(home.lab(), "ps | grep -c '[s]leep 1000$' || true"),
        "0"
    );
}

#[test]
fn secrets_are_in_no_file() {
    let Some(home) = lab() else { return };
    let mut command = home.command(&[
        "job",
        "run",
        home.lab(),
        "--env",
        "TOKEN",
        "--env",
        "OTHER=canary-two",
        "--",
        "sh",
        "-c",
        "echo ${#TOKEN} ${#OTHER}; sleep 2",
    ]);
    let started = command.env("TOKEN", "canary-one").output().unwrap();
    let id = String::from_utf8(started.stdout).unwrap().trim().to_owned();
    let inside = home.inside(
        home.lab(),
        "grep -rl c[a]nary- /var/lib/halolab /run /tmp /root; ps | grep -v grep | grep c[a]nary || true",
    );
    assert_eq!(inside, "", "in the lab");
    home.ends(0, &["job", "wait", &id]);
    assert_eq!(home.copied(&id), b"10 10\n");
    for entry in fs::read_dir(home.job(&id)).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("canary"), "{}", path.display());
    }
    assert!(
        fs::read_to_string(home.job(&id).join("job.json"))
            .unwrap()
            .contains("TOKEN"),
        "the name is known"
    );
}

#[test]
fn looking_while_jobs_begin_calls_none_lost() {
    let Some(home) = lab() else { return };
    let (looks, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                home.ends(0, &["job", "list", "--all"]);
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut code = 0;
        while code < 6 || looks.load(Ordering::Relaxed) < 6 {
            let id = home.job_run(&format!("exit {}", code % 7));
            let ended = home.run(&["job", "wait", &id]);
            if ended.code != code % 7 {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(ended.code, code % 7, "{}", ended.err);
            code += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_job_that_has_ended_says_so_when_it_is_stopped_also_without_an_engine() {
    let Some(mut home) = lab() else { return };
    let id = home.job_run("echo here; exit 3");
    home.ends(3, &["job", "wait", &id]);
    let said = home.ends(0, &["job", "stop", &id]).out;
    assert_eq!(
        said.trim(),
        format!("{id} had ended before, so nothing was stopped: failed: exit code 3")
    );
    let mine = std::mem::replace(&mut home.socket, "/nonexistent/unix.socket".into());
    let said = home.ends(0, &["job", "stop", &id, "--json"]).out;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["before"], true, "{said}");
    assert_eq!(
        (&said["state"], &said["why"]),
        (&"failed".into(), &"exit code 3".into())
    );
    home.socket = mine;
    // Nobody watched the end of this one.
    let id = home.job_run("exit 4");
    until("its end in the lab", || {
        home.job_status(&id)["state"] != "running"
    });
    assert!(
        home.ends(0, &["job", "stop", &id])
            .out
            .contains("had ended before")
    );
    let id = home.job_run("sleep 1000");
    let said = home.ends(0, &["job", "stop", &id, "--json"]).out;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["before"], &said["state"]),
        (&false.into(), &"killed".into())
    );
}

#[test]
fn a_log_that_is_fetched_anew_has_its_times_too() {
    let Some(home) = lab() else { return };
    let id = home.job_run("echo one; sleep 3; echo two; sleep 3; echo three; sleep 2");
    until("its first line", || {
        home.ends(0, &["job", "logs", &id]).out.contains("one")
    });
    // As after a power cut of this host.
    fs::write(home.job(&id).join("log.raw"), "ONE\n").unwrap();
    home.ends(0, &["job", "wait", &id]);
    assert_eq!(home.copied(&id), b"one\ntwo\nthree\n");
    let times = fs::read_to_string(home.job(&id).join("log.raw.times")).unwrap();
    let inside = home.inside(
        home.lab(),
        &format!("cat /var/lib/halolab/jobs/{id}/log.raw.times"),
    );
    assert_eq!(times.trim(), inside);
    assert!(times.lines().last().unwrap().ends_with(" 14"), "{times}");
}
