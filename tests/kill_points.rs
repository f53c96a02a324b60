//! The program is killed at every call that it makes to a real daemon, and gone on with: nothing is lost, nothing is
//! left over, and it ends as if nothing had happened.
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

use std::time::Duration;

use common::faults::{
    ground::Ground,
    picture::{Picture, is_as_before, lost},
    points::{Workers, choose, choose_half},
    proxy::{Act, Phase},
    scenario::{LONG, tail},
    table::{Row, Table, Verdict},
    trial::{Point, converges, phases},
};

/// Runs a scenario and kills it; what is wrong right then, or that the moment never came.
fn kill(ground: &mut Ground, point: &Point<Phase>) -> Result<Vec<String>, ()> {
    ground.reset(point.scenario.from);
    let act = Act::Cut(point.what, ground.killer());
    ground.proxy.arm(Some((point.call.clone(), act)));
    let ran = ground.run(&point.scenario.arguments(ground), LONG);
    let hit = ground.proxy.was_hit() && ran.code.is_none() && !ran.hung;
    ground.proxy.arm(None);
    if !hit {
        return Err(());
    }
    ground.settle();
    let mut wrong = vec![];
    if point.scenario.keeps {
        wrong.extend(lost(ground).map(|what| format!("at the kill {what} is lost")));
    }
    // Leaving it as it is must be possible too.
    let words = ["status", ground.lab()].map(str::to_owned);
    let status = ground.run(&words, Duration::from_secs(30));
    if status.code != Some(0) {
        wrong.push(format!("status {:?}: {}", status.code, tail(&status.said)));
    }
    Ok(wrong)
}

/// Tries one point; `between` comes after the kill and before what goes on.
fn recovers(ground: &mut Ground, point: &Point<Phase>, end: &Picture, between: impl Fn(&Ground)) -> Row {
    point.row(|| match kill(ground, point) {
        Err(()) => (Verdict::NotHit, vec![]),
        Ok(wrong) => {
            between(ground);
            converges(ground, &point.scenario, &wrong, end)
        }
    })
}

#[test]
fn whatever_call_it_is_killed_at_it_goes_on_and_ends_as_if_it_had_not_been() {
    let Some(workers) = Workers::new() else { return };
    let (points, references) = phases(&workers);
    let table = Table::new("killed");
    workers.each(choose(&table, points, 20, Point::key), |ground, point| {
        let end = &references[point.scenario.name].end;
        table.add(recovers(ground, &point, end, |_| {}));
    });
    table.end();
}

#[test]
fn killed_again_while_it_goes_on_it_still_ends_as_if_it_had_not_been() {
    let Some(workers) = Workers::new() else { return };
    let (points, references) = phases(&workers);
    let table = Table::new("killed twice");
    workers.each(choose_half(&table, points, 4, Point::key), |ground, point| {
        let end = &references[point.scenario.name].end;
        let again = |ground: &Ground| {
            let Some(words) = point.scenario.next(ground) else {
                return;
            };
            // Where it is killed the second time is known only by the calls that it makes then.
            let act = Act::Cut(Phase::ALL[point.number / 7 % 3], ground.killer());
            ground.proxy.arm_nth(1 + point.number % 7, act);
            ground.run(&words, LONG);
            ground.proxy.arm(None);
            ground.settle();
        };
        table.add(recovers(ground, &point, end, again));
    });
    table.end();
}

#[test]
fn whatever_call_it_is_killed_at_undo_leaves_the_lab_as_it_was() {
    let Some(workers) = Workers::new() else { return };
    let (mut points, _) = phases(&workers);
    points.retain(|p| ["restore", "recreate", "recreate:clean", "update"].contains(&p.scenario.name));
    let table = Table::new("killed and undone");
    workers.each(choose_half(&table, points, 4, Point::key), |ground, point| {
        table.add(point.row(|| match kill(ground, &point) {
            Err(()) => (Verdict::NotHit, vec![]),
            Ok(wrong) if !wrong.is_empty() => (Verdict::Lost, wrong),
            Ok(_) => undone(ground),
        }));
    });
    table.end();
}

/// Takes back what was begun, as the program says it.
fn undone(ground: &Ground) -> (Verdict, Vec<String>) {
    let words = ["undo", ground.lab(), "--yes"].map(str::to_owned);
    let ran = ground.run(&words, LONG);
    ground.settle();
    if ran.code == Some(3) && ran.said.contains("nothing to undo") {
        // It was only stopped, if at all.
        ground.home.ends(0, &["start", ground.lab()]);
    } else if ran.code != Some(0) {
        return (Verdict::Stuck, vec![tail(&ran.said)]);
    }
    match is_as_before(ground) {
        Ok(()) => (Verdict::Ok, vec![]),
        Err(why) => (Verdict::Lost, vec![why]),
    }
}
