//! Everything but a kill that can go wrong between the program and a real daemon, and on the machine: answers that are
//! late, cut, wrong or never come, a daemon that dies in each call, signals, a second halolab, full disks.
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
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::faults::{
    daemon::Daemon,
    ground::Ground,
    points::{Workers, choose, telling},
    proxy::{Act, Call, Hook, Phase},
    scenario::{ALL, LONG, Reference, tail},
    table::{Table, Verdict},
    trial::{Point, converges, counts, judge_run, points},
};
use rustix::process::Signal;

/// How long a fault may hold a run up: a call ends after a minute at most (`backend::lxd::deadlines`), and a script may
/// be looked for for a while.
const DEADLINE: Duration = Duration::from_secs(90);
/// So many times shorter are the program's deadlines where an answer never comes: what it says and does then is tried,
/// not how long a minute is.
const HURRY: u32 = 4;

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    DropBefore,
    DropAfter,
    Status500,
    Garbage,
    Truncated,
    WrongLength,
    Hang,
    Delay,
}

const FAULTS: [Fault; 8] = [
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::Status500,
    Fault::Garbage,
    Fault::Truncated,
    Fault::WrongLength,
    Fault::Hang,
    Fault::Delay,
];

impl Fault {
    fn act(self) -> Act {
        let nothing: Hook = Arc::new(|| {});
        match self {
            Self::DropBefore => Act::Cut(Phase::Before, nothing),
            Self::DropAfter => Act::Cut(Phase::After, nothing),
            Self::Status500 => Act::Status500,
            Self::Garbage => Act::Garbage,
            Self::Truncated => Act::Truncated,
            Self::WrongLength => Act::WrongLength,
            Self::Hang => Act::Hang,
            Self::Delay => Act::Delay(Duration::from_millis(1500)),
        }
    }
}

fn disturbed<T>(
    ground: &mut Ground,
    point: &Point<T>,
    act: Act,
    references: &std::collections::BTreeMap<&'static str, Reference>,
) -> (Verdict, Vec<String>) {
    ground.reset(point.scenario.from);
    let hangs = matches!(act, Act::Hang);
    ground.proxy.arm(Some((point.call.clone(), act)));
    let words = point.scenario.arguments(ground);
    let ran = if hangs {
        let limit = DEADLINE / HURRY + LONG / 3;
        ground.run_with(&words, limit, |c| {
            c.env("HALOLAB_TEST_HURRY", HURRY.to_string());
        })
    } else {
        ground.run(&words, DEADLINE + LONG / 4)
    };
    ground.proxy.rest();
    if !ground.proxy.was_hit() {
        return (Verdict::NotHit, vec![]);
    }
    if hangs && !ran.said.contains(" has not answered for ") {
        return (
            Verdict::Lied,
            vec![format!("it waited and did not say so: {}", tail(&ran.said))],
        );
    }
    judge_run(
        ground,
        &ran,
        &point.scenario,
        &references[point.scenario.name].end,
    )
}

#[test]
fn no_answer_of_the_daemon_hangs_it_or_makes_it_lie() {
    let Some(workers) = Workers::new() else { return };
    let named = std::env::var("HALOLAB_TEST_FAULT").unwrap_or_default();
    let is_named = |fault: &Fault| named.is_empty() || named.split(',').any(|n| n == format!("{fault:?}"));
    let faults: Vec<Fault> = FAULTS.into_iter().filter(is_named).collect();
    let (points, references) = points(&workers, telling(), |_| true, &faults);
    let table = Table::new("answers");
    workers.each(choose(&table, points, 6, Point::key), |ground, point| {
        table.add(point.row(|| disturbed(ground, &point, point.what.act(), &references)));
    });
    table.end();
}

#[test]
fn a_signal_in_any_call_ends_it_and_it_goes_on() {
    let Some(workers) = Workers::new() else { return };
    let signals = [Signal::TERM, Signal::HUP, Signal::INT];
    let (points, references) = points(&workers, telling(), counts, &signals);
    let table = Table::new("signals");
    workers.each(choose(&table, points, 3, Point::key), |ground, point| {
        let act = Act::Tell(Phase::Sent, ground.signaller(point.what));
        table.add(point.row(|| disturbed(ground, &point, act, &references)));
    });
    table.end();
}

#[test]
fn stopped_by_ctrl_z_it_goes_on_when_it_is_let() {
    let Some(workers) = Workers::new() else { return };
    let (points, references) = points(&workers, telling(), counts, &["TSTP"]);
    let table = Table::new("ctrl-z");
    workers.each(choose(&table, points, 2, Point::key), |ground, point| {
        let (stop, go) = (ground.signaller(Signal::TSTP), ground.signaller(Signal::CONT));
        let hook: Hook = Arc::new(move || {
            stop();
            std::thread::sleep(Duration::from_millis(700));
            go();
        });
        table.add(point.row(|| disturbed(ground, &point, Act::Tell(Phase::Sent, hook), &references)));
    });
    table.end();
}

/// Exit code and words.
type Answer = (Option<i32>, String);

#[test]
fn a_second_halolab_is_told_who_is_at_work_and_touches_nothing() {
    let Some(workers) = Workers::new() else { return };
    let (points, references) = points(&workers, telling(), counts, &["second"]);
    let table = Table::new("two at once");
    workers.each(choose(&table, points, 2, Point::key), |ground, point| {
        let second: Arc<Mutex<Option<Answer>>> = Arc::default();
        let words = point.scenario.arguments(ground);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // By another address than the first: a daemon is known by what it says that it is.
        let command = Mutex::new(ground.home.command(&words));
        let told = Arc::clone(&second);
        let hook: Hook = Arc::new(move || {
            let out = command.lock().unwrap().output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            *told.lock().unwrap() = Some((out.status.code(), said));
        });
        table.add(point.row(|| {
            let (verdict, mut notes) = disturbed(ground, &point, Act::Tell(Phase::Sent, hook), &references);
            let second = second.lock().unwrap().take();
            match (verdict, second) {
                (Verdict::Ok, Some((Some(8), said))) if said.contains("pid") => (verdict, notes),
                // What is there by now is not what it could work on: it changed nothing either.
                (Verdict::Ok, Some((Some(2 | 3), _))) => (verdict, notes),
                (Verdict::Ok, Some((code, said))) => (
                    Verdict::Lied,
                    vec![format!("the second: {code:?} {}", tail(&said))],
                ),
                (verdict, second) => {
                    notes.push(format!("the second: {second:?}"));
                    (verdict, notes)
                }
            }
        }));
    });
    table.end();
}

/// What halolab says where the daemon's own record is broken, typed as it stands.
fn repaired(ground: &Ground, said: &str) -> bool {
    let commands = said
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|c| c.starts_with("sudo "));
    let mut done = false;
    for command in commands {
        let ran = Command::new("sh")
            .args(["-c", &command.replace("sudo ", "")])
            .env("LXD_DIR", &ground.folder)
            .output();
        done |= ran.unwrap().status.success();
    }
    done
}

#[test]
fn a_daemon_that_dies_in_any_call_costs_nothing() {
    let Some(daemon) = Daemon::start("4GiB") else {
        return;
    };
    let workers = Workers::on(&daemon.socket());
    let (points, references) = points(&workers, telling(), Call::changes, &[15_u64, 60]);
    let table = Table::new("daemon killed");
    workers.each(choose(&table, points, 2, Point::key), |ground, point| {
        let act = Act::Cut(Phase::Sent, daemon.killer(Duration::from_millis(point.what)));
        table.add(point.row(|| {
            let (verdict, mut notes) = disturbed(ground, &point, act, &references);
            if verdict != Verdict::Stuck || !repaired(ground, &notes.join(" ")) {
                return (verdict, notes);
            }
            let end = &references[point.scenario.name].end;
            match converges(ground, &point.scenario, &[], end) {
                (Verdict::Ok, _) => (Verdict::Named, notes),
                (verdict, more) => {
                    notes.extend(more);
                    (verdict, notes)
                }
            }
        }));
    });
    table.end();
}

/// Scenario and room, as they are in the table.
fn room_key((scenario, room): &(common::faults::scenario::Scenario, u64)) -> (String, String) {
    (scenario.name.into(), format!("{room} bytes free"))
}

/// A file that leaves so many bytes of a file system free.
fn fill(folder: &Path, free: u64) {
    let file = folder.join("filler");
    let _ = fs::remove_file(&file);
    let space = rustix::fs::statvfs(folder).unwrap();
    let fills = (space.f_bavail * space.f_frsize).saturating_sub(free);
    let file = fs::File::create(file).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, fills.max(1)).unwrap();
}

/// Where the program keeps what it remembers, on a file system of its own that has little room.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn new(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at)
            .status();
        assert!(mounted.unwrap().success());
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_state_disk_is_said_and_nothing_is_half_known() {
    let Some(workers) = Workers::new() else { return };
    let wanted: Vec<_> = ALL
        .iter()
        .filter(|s| ["restore", "recreate"].contains(&s.name))
        .copied()
        .collect();
    let references = workers.references(&wanted);
    // In steps of a page: from nothing at all to what a run needs.
    let rooms = (0..32_u64).map(|pages| pages * 4096);
    let tries: Vec<_> = rooms
        .flat_map(|room| wanted.iter().map(move |s| (*s, room)))
        .collect();
    let table = Table::new("state disk full");
    workers.each(choose(&table, tries, 3, room_key), |ground, (scenario, room)| {
        let began = Instant::now();
        ground.reset(scenario.from);
        let disk = SmallDisk::new(&ground.home.folder.path().join("state"));
        ground.home.trust();
        fill(&disk.0, room);
        let ran = ground.run(&scenario.arguments(ground), DEADLINE);
        let told = ran.code == Some(0) || ran.said.contains("No space left");
        let _ = fs::remove_file(disk.0.join("filler"));
        let (mut verdict, mut notes) = judge_run(ground, &ran, &scenario, &references[scenario.name].end);
        if !told && verdict == Verdict::Ok {
            (verdict, notes) = (
                Verdict::Lied,
                vec![format!("{:?}: {}", ran.code, tail(&ran.said))],
            );
        }
        table.add(common::faults::table::Row {
            scenario: scenario.name.into(),
            point: room_key(&(scenario, room)).1,
            verdict,
            notes,
            seconds: began.elapsed().as_secs_f32(),
        });
    });
    table.end();
}

#[test]
fn a_full_pool_is_said_and_nothing_is_lost() {
    let Some(daemon) = Daemon::start("600MiB") else {
        return;
    };
    let workers = Workers::on(&daemon.socket());
    let wanted: Vec<_> = telling().into_iter().filter(|s| s.keeps).collect();
    let references = workers.references(&wanted);
    let rooms = [0_u64, 256 * 1024, 2 << 20];
    let tries: Vec<_> = rooms
        .iter()
        .flat_map(|room| wanted.iter().map(move |s| (*s, *room)))
        .collect();
    let table = Table::new("pool full");
    workers.each(choose(&table, tries, 2, room_key), |ground, (scenario, room)| {
        let began = Instant::now();
        ground.reset(scenario.from);
        let filler = daemon.pool().join("custom/filler");
        let _ = Command::new("dd")
            .args(["if=/dev/zero", "bs=256K"])
            .arg(format!("of={}", filler.display()))
            .output();
        let _ = Command::new("sync").arg("-f").arg(&filler).output();
        if room > 0 {
            let file = fs::OpenOptions::new().write(true).open(&filler).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length.saturating_sub(room)).unwrap();
            file.sync_all().unwrap();
        }
        let ran = ground.run(&scenario.arguments(ground), DEADLINE);
        fs::remove_file(&filler).unwrap();
        let _ = Command::new("sync").arg("-f").arg(daemon.pool()).output();
        let (verdict, notes) = judge_run(ground, &ran, &scenario, &references[scenario.name].end);
        table.add(common::faults::table::Row {
            scenario: scenario.name.into(),
            point: room_key(&(scenario, room)).1,
            verdict,
            notes,
            seconds: began.elapsed().as_secs_f32(),
        });
    });
    table.end();
}
