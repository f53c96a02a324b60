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

use std::time::{Duration, Instant};

use common::faults::{
    disk::{Disk, Harm, named_for},
    ground::Ground,
    picture::{Picture, lost},
    points::{Workers, choose, scenarios},
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
