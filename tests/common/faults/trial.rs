//! The moments at which something is done to a run, and what came of it.

use std::{collections::BTreeMap, time::Instant};

use super::{
    ground::{Ground, Ran},
    picture::{Difference, Picture, lost},
    points::{Workers, scenarios},
    proxy::{Call, Phase},
    scenario::{Reference, Scenario, tail},
    table::{Row, Verdict},
};

/// A moment of a scenario, and what is done then.
#[derive(Clone, Debug)]
pub struct Point<T> {
    pub scenario: Scenario,
    pub call: Call,
    pub what: T,
    /// How manyth it is.
    pub number: usize,
}

/// Calls that change something or wait for that: only in them is there something half done.
pub fn counts(call: &Call) -> bool {
    call.changes() || call.waits()
}

/// Each of these at each such call of all scenarios, as the undisturbed runs show them.
pub fn points<T: Clone>(
    workers: &Workers,
    scenarios: Vec<Scenario>,
    wanted: impl Fn(&Call) -> bool,
    what: &[T],
) -> (Vec<Point<T>>, BTreeMap<&'static str, Reference>) {
    let references = workers.references(&scenarios);
    let mut points = vec![];
    // What is asked about the lab of another test is another one each time.
    let of_others = |call: &Call| call.path.contains("hl-test-");
    for scenario in scenarios {
        let calls = references[scenario.name].calls.iter();
        for call in calls.filter(|call| wanted(call) && !of_others(call)) {
            for what in what {
                points.push(Point {
                    scenario,
                    call: call.clone(),
                    what: what.clone(),
                    number: points.len(),
                });
            }
        }
    }
    println!("{} points", points.len());
    // A run that is stopped before its end has tried some of everything.
    points.sort_by_key(|point| point.number.wrapping_mul(7919) % 1_000_003);
    (points, references)
}

/// Each phase of each call in which something is half done.
pub fn phases(workers: &Workers) -> (Vec<Point<Phase>>, BTreeMap<&'static str, Reference>) {
    points(workers, scenarios(), counts, &Phase::ALL)
}

/// What a try came to: what was wrong on the way, and how its end differs from what it should be.
pub fn judge(wrong: &[String], difference: &Difference) -> (Verdict, Vec<String>) {
    let mut notes = wrong.to_vec();
    notes.extend(difference.missing.iter().map(|name| format!("missing {name}")));
    notes.extend(difference.extra.iter().map(|name| format!("left over {name}")));
    notes.extend(difference.other.iter().cloned());
    let verdict = match difference {
        _ if !wrong.is_empty() => Verdict::Lost,
        d if !d.missing.is_empty() => Verdict::Lost,
        d if !d.extra.is_empty() => Verdict::Orphan,
        d if !d.other.is_empty() => Verdict::Differs,
        _ => Verdict::Ok,
    };
    (verdict, notes)
}

/// Goes on until it ended well, and compares with how it should end.
pub fn converges(
    ground: &Ground,
    scenario: &Scenario,
    wrong: &[String],
    end: &Picture,
) -> (Verdict, Vec<String>) {
    let went = scenario.go_on(ground);
    let (verdict, mut notes) = judge(wrong, &end.compare(&Picture::of(ground)));
    match went {
        Ok(_) => (verdict, notes),
        Err(said) => {
            notes.insert(0, said);
            (Verdict::Stuck, notes)
        }
    }
}

/// Whether a run that did not end well says why and what to type next.
fn says_what_next(ran: &Ran) -> bool {
    ran.said.contains("`halolab") || ran.said.contains("`sudo")
}

/// What a run with a fault in it came to, and then what goes on with it.
pub fn judge_run(ground: &Ground, ran: &Ran, scenario: &Scenario, end: &Picture) -> (Verdict, Vec<String>) {
    ground.proxy.arm(None);
    ground.settle();
    let mut wrong = vec![];
    if scenario.keeps {
        wrong.extend(lost(ground).map(|what| format!("{what} is lost")));
    }
    if ran.hung {
        return (Verdict::Hung, vec![tail(&ran.said)]);
    }
    if ran.code == Some(0) {
        let (verdict, mut notes) = judge(&wrong, &end.compare(&Picture::of(ground)));
        return match verdict {
            Verdict::Ok => (verdict, notes),
            Verdict::Lost if !wrong.is_empty() => (verdict, notes),
            // It is not as it should be, and it said that it is.
            _ => {
                notes.insert(0, format!("it ended with 0: {}", tail(&ran.said)));
                (Verdict::Lied, notes)
            }
        };
    }
    if ran.said.contains("panicked") || !says_what_next(ran) {
        return (
            Verdict::Lied,
            vec![format!("it ended with {:?}: {}", ran.code, tail(&ran.said))],
        );
    }
    converges(ground, scenario, &wrong, end)
}

impl<T: std::fmt::Debug> Point<T> {
    /// Scenario and point, as they are in the table.
    pub fn key(&self) -> (String, String) {
        (
            self.scenario.name.into(),
            format!("{:?} {}", self.what, self.call),
        )
    }

    /// Tries it, and says what came of it.
    pub fn row(&self, try_it: impl FnOnce() -> (Verdict, Vec<String>)) -> Row {
        let began = Instant::now();
        let (verdict, notes) = try_it();
        let (scenario, point) = self.key();
        Row {
            scenario,
            point,
            verdict,
            notes,
            seconds: began.elapsed().as_secs_f32(),
        }
    }
}
