//! At each call by which the program writes what it remembers it is killed, the write is torn, or the disk fails:
//! nothing is unreadable, and it goes on and ends as if nothing had happened.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints its table, and starts the program itself"
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
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::faults::{
    disk::{Disk, Harm, named_for},
    ground::Ground,
    picture::{Picture, lost},
    points::{Workers, choose, scenarios, telling},
    proxy::Call,
    scenario::{LONG, Scenario, tail},
    table::{Row, Table, Verdict},
    trial::{converges, judge_run},
};

/// A harm at a call of a scenario.
struct Point {
    scenario: Scenario,
    harm: Harm,
    call: String,
}

impl Point {
    fn key(&self) -> (String, String) {
        (
            self.scenario.name.into(),
            format!("{:?} {}", self.harm, self.call),
        )
    }
}

/// Each harm at each call by which undisturbed runs write below the home, in an order in which a run that is stopped
/// before its end has tried some of everything.
fn points(workers: &Workers, disk: &Disk, scenarios: &[Scenario]) -> Vec<Point> {
    let calls = workers.each(scenarios.to_vec(), |ground, scenario| {
        ground.reset(scenario.from);
        let (ran, calls, _) = disk.run(ground, &scenario.arguments(ground), None, LONG);
        assert_eq!(ran.code, Some(0), "{}: {}", scenario.name, ran.said);
        (scenario, calls)
    });
    let mut points = vec![];
    for (scenario, calls) in calls {
        assert!(
            calls.len() > 20,
            "{}: it writes nothing: {calls:?}",
            scenario.name
        );
        for call in calls {
            points.extend(Harm::ALL.map(|harm| Point {
                scenario,
                harm,
                call: call.clone(),
            }));
        }
    }
    println!("{} points", points.len());
    let mut numbered: Vec<_> = points.into_iter().enumerate().collect();
    numbered.sort_by_key(|(number, _)| number.wrapping_mul(7919) % 1_000_003);
    numbered.into_iter().map(|(_, point)| point).collect()
}

fn tried(ground: &mut Ground, disk: &Disk, point: &Point, end: &Picture) -> (Verdict, Vec<String>) {
    let Point { scenario, harm, call } = point;
    ground.reset(scenario.from);
    let at = named_for(ground, call);
    let (ran, _, hit) = disk.run(ground, &scenario.arguments(ground), Some((*harm, &at)), LONG);
    if !hit {
        return (Verdict::NotHit, vec![]);
    }
    if harm.kills() {
        ground.settle();
        if ran.code.is_some() {
            return (Verdict::NotHit, vec![format!("it ended with {:?}", ran.code)]);
        }
        let mut wrong = vec![];
        if scenario.keeps {
            wrong.extend(lost(ground).map(|what| format!("at the kill {what} is lost")));
        }
        let words = ["status", ground.lab()].map(str::to_owned);
        let status = ground.run(&words, Duration::from_secs(30));
        if status.code != Some(0) {
            wrong.push(format!("status {:?}: {}", status.code, tail(&status.said)));
        }
        return converges(ground, scenario, &wrong, end);
    }
    let told = ran.code == Some(0) || ran.said.contains(harm.said());
    let (verdict, notes) = judge_run(ground, &ran, scenario, end);
    if !told && verdict == Verdict::Ok {
        let why = format!("{:?} without a reason: {}", ran.code, tail(&ran.said));
        return (Verdict::Lied, vec![why]);
    }
    (verdict, notes)
}

#[test]
fn whatever_it_writes_when_it_is_killed_or_the_disk_fails_it_goes_on() {
    let Some(workers) = Workers::new() else { return };
    let disk = Disk::new();
    let mut wanted = scenarios();
    wanted.retain(|s| ["create", "restore", "recreate"].contains(&s.name));
    let references = workers.references(&wanted);
    let points = points(&workers, &disk, &wanted);
    let table = Table::new("local writes");
    workers.each(choose(&table, points, 4, Point::key), |ground, point| {
        let began = Instant::now();
        let (verdict, notes) = tried(ground, &disk, &point, &references[point.scenario.name].end);
        let (scenario, point) = point.key();
        table.add(Row {
            scenario,
            point,
            verdict,
            notes,
            seconds: began.elapsed().as_secs_f32(),
        });
    });
    table.end();
}

/// A call by which something that was there is gone, or is something else: what is removed, renamed, put back or rewritten.
fn destroys(call: &Call) -> bool {
    const KINDS: [&str; 5] = ["instances", "profiles", "images", "networks", "storage-pools"];
    let words: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let of_something = match words.as_slice() {
        [_, "instances", _, "snapshots", _] => true,
        [_, kind, _] => KINDS.contains(kind),
        _ => false,
    };
    of_something && ["DELETE", "PUT", "PATCH", "POST"].contains(&call.method.as_str())
}

/// A call that destroys, and what the disk did not hold yet when it came.
type Destroyed = (String, Option<String>);

/// Why a call may not be made yet, as the journal below a home and the calls by which it was written say; none where what
/// is begun stands in it, on the disk.
fn unwritten(home: &Path, calls: &Path) -> Option<String> {
    let runs = fs::read_dir(home.join("state/runs"))
        .into_iter()
        .flatten()
        .flatten();
    let journals = runs.map(|run| run.path().join("journal.jsonl"));
    let Some(newest) = journals.filter(|file| file.exists()).max() else {
        return Some("there is no journal".to_owned());
    };
    let text = fs::read_to_string(newest).unwrap_or_default();
    let (mut begun, mut ended) = (0, 0);
    for line in text.lines() {
        begun += usize::from(line.contains(r#""entry":"started""#));
        ended += usize::from(line.contains(r#""entry":"finished""#));
    }
    if begun <= ended {
        return Some(format!("{begun} actions are begun and {ended} ended"));
    }
    let calls = fs::read_to_string(calls).unwrap_or_default();
    let last = calls.lines().rfind(|call| call.contains("journal.jsonl"));
    let last = last.unwrap_or("no write").to_owned();
    (!last.starts_with("sync ")).then_some(last)
}

#[test]
fn nothing_is_destroyed_before_the_journal_that_says_so_is_on_the_disk() {
    let Some(workers) = Workers::new() else { return };
    let disk = Disk::new();
    let mut wanted = telling();
    // A snapshot is removed by one call, which no run is needed for.
    wanted.retain(|s| s.name != "create" && !s.name.starts_with("snapshot"));
    let table = Table::new("order");
    workers.each(wanted, |ground, scenario| {
        let began = Instant::now();
        ground.reset(scenario.from);
        let seen: Arc<Mutex<Vec<Destroyed>>> = Arc::default();
        let (found, home, calls) = (
            Arc::clone(&seen),
            ground.home.folder.path().to_owned(),
            disk.log(ground),
        );
        ground.proxy.watch(Some(Arc::new(move |call: &Call| {
            if destroys(call) {
                let why = unwritten(&home, &calls);
                found.lock().unwrap().push((call.to_string(), why));
            }
        })));
        let (ran, _, _) = disk.run(ground, &scenario.arguments(ground), None, LONG);
        ground.proxy.watch(None);
        assert_eq!(ran.code, Some(0), "{}: {}", scenario.name, ran.said);
        let seen = seen.lock().unwrap();
        assert!(!seen.is_empty(), "{}: it destroys nothing", scenario.name);
        let notes: Vec<String> = seen
            .iter()
            .filter_map(|(call, why)| Some(format!("{call}: {}", why.as_ref()?)))
            .collect();
        println!(
            "{}: {} calls that destroy something, {} before their line",
            scenario.name,
            seen.len(),
            notes.len()
        );
        table.add(Row {
            scenario: scenario.name.into(),
            point: format!("{} calls", seen.len()),
            verdict: if notes.is_empty() {
                Verdict::Ok
            } else {
                Verdict::Differs
            },
            notes,
            seconds: began.elapsed().as_secs_f32(),
        });
    });
    table.end();
}
