//! How long it will still take: by this machine's former builds, with builds side by side and who waits for whom.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::{
    event::{State, Tool},
    history::{History, Usual},
    package::Package,
    times::Millis,
    tree::Tree,
};

/// Known builds that it takes to guess at unknown ones.
const ENOUGH: usize = 3;

/// What is left, as a range of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// At least so many seconds.
    pub low: u64,
    /// At most so many, where anything can be said of that.
    pub high: Option<u64>,
    /// Packages of which nothing is known.
    pub unknown: usize,
}

/// What is left of one package.
#[derive(Clone, Copy, Debug)]
struct Left {
    low: f64,
    high: Option<f64>,
    known: bool,
}

/// What is left of a build; none where nothing can be said.
pub fn estimate(tree: &Tree, history: &History, jobs: Option<u32>, now: Option<Millis>) -> Option<Estimate> {
    if tree.is_ok().is_some() && tree.exit().is_some() {
        return None;
    }
    let section = tree.sections().last();
    if section.is_some_and(|section| section.tool != Tool::Spack) {
        let (low, high) = section?.left()?;
        return Some(Estimate {
            low: whole_seconds(low),
            high: Some(whole_seconds(high)),
            unknown: 0,
        });
    }
    let open: Vec<&Package> = tree
        .packages()
        .iter()
        .filter(|p| p.tool == Tool::Spack && !p.state.is_final())
        .collect();
    let counts = tree.counts();
    let ended = counts.done + counts.failed + counts.skipped + counts.interrupted;
    let Some(total) = counts.total else {
        // Spack from 1.2 on does not say of how many: what is in work is the least that is left.
        let left: Vec<Left> = open.iter().map(|p| left(p, history, jobs, now)).collect();
        return left.iter().any(|l| l.known).then(|| Estimate {
            low: whole_seconds(schedule(&open, &left, tree.side_by_side(), |l| l.low)),
            high: None,
            unknown: left.iter().filter(|l| !l.known).count(),
        });
    };
    let all = usize::try_from(total.saturating_sub(ended)).unwrap_or(usize::MAX);
    let nameless = all.saturating_sub(open.len());
    let left: Vec<Left> = open.iter().map(|p| left(p, history, jobs, now)).collect();
    let unknown = left.iter().filter(|l| !l.known).count() + nameless;
    if all == 0 || left.iter().all(|l| !l.known) {
        return None;
    }
    let longest = longest(tree, history);
    let side = tree.side_by_side();
    let low = schedule(&open, &left, side, |l| l.low);
    let high = if unknown == 0 {
        Some(schedule(&open, &left, side, |l| l.high.unwrap_or(l.low)))
    } else {
        longest.map(|longest| {
            let named = schedule(&open, &left, side, |l| l.high.unwrap_or(longest));
            let rest = u32::try_from(nameless).map_or(f64::MAX, f64::from);
            let side = u32::try_from(side).map_or(1.0, f64::from);
            named + rest * longest / side
        })
    };
    Some(Estimate {
        low: whole_seconds(low),
        high: high.map(whole_seconds),
        unknown,
    })
}

impl Estimate {
    /// As people read it: `5-9 min`, `at least 5 min`.
    pub fn text(self) -> String {
        let Some(high) = self.high else {
            return format!("at least {}", spoken(self.low));
        };
        let (low, high) = (rough(self.low), rough(high));
        if low == high {
            return format!("about {}", spoken(low));
        }
        match (unit(low), unit(high)) {
            (a, b) if a == b => format!("{}-{}", low / a.0, spoken(high)),
            _ => format!("{} to {}", spoken(low), spoken(high)),
        }
    }
}

fn left(package: &Package, history: &History, jobs: Option<u32>, now: Option<Millis>) -> Left {
    let usual = package.name.as_deref().and_then(|name| history.usual(name, jobs));
    let Some(Usual { low, high, median }) = usual else {
        return Left {
            low: 0.0,
            high: None,
            known: false,
        };
    };
    // One build alone says less than it seems.
    let (low, high) = if low < high {
        (low, high)
    } else {
        (median * 0.8, median * 1.25)
    };
    let spent = match package.state {
        State::Waiting => 0.0,
        _ => package.seconds(now).unwrap_or(0.0),
    };
    // Later than ever before: it may end at once, or take as long again as it is late.
    let late = (spent - high).max(0.0);
    Left {
        low: (low - spent).max(0.0),
        high: Some((high - spent).max(late)),
        known: true,
    }
}

/// A long build of this machine: what an unknown package may take.
fn longest(tree: &Tree, history: &History) -> Option<f64> {
    let here = tree.packages().iter().filter(|p| p.state == State::Installed);
    let mut totals: Vec<f64> = here
        .filter_map(|p| p.seconds(None))
        .chain(history.totals())
        .collect();
    totals.retain(|total| total.is_finite());
    if totals.len() < ENOUGH {
        return None;
    }
    totals.sort_by(f64::total_cmp);
    totals.get(totals.len() * 9 / 10).copied()
}

/// When all are done, with so many side by side, each after what it needs. Those in work go first, then those that
/// most depends on.
fn schedule(open: &[&Package], left: &[Left], side: usize, cost: impl Fn(&Left) -> f64) -> f64 {
    let cost: Vec<f64> = left.iter().map(&cost).collect();
    let by_hash: HashMap<&str, usize> = open
        .iter()
        .enumerate()
        .filter_map(|(at, p)| Some((p.hash.as_deref()?, at)))
        .collect();
    let needs: Vec<Vec<usize>> = open
        .iter()
        .map(|p| {
            p.needs
                .iter()
                .filter_map(|hash| by_hash.get(hash.as_str()).copied())
                .collect()
        })
        .collect();
    let path = critical(&needs, &cost);
    let mut order: Vec<usize> = (0..open.len()).collect();
    order.sort_by(|a, b| {
        let active = |at: &usize| open.get(*at).is_some_and(|p| p.state.is_active());
        let length = |at: &usize| path.get(*at).copied().unwrap_or(0.0);
        active(b).cmp(&active(a)).then(length(b).total_cmp(&length(a)))
    });
    Queue::new(&needs, &order).run(&cost, side)
}

/// Packages that wait for their turn; each is looked at when it is ready, however many there are.
struct Queue {
    /// Who waits for whom.
    users: Vec<Vec<usize>>,
    /// How many it still waits for.
    missing: Vec<usize>,
    /// Its turn among those that are ready.
    turns: Vec<usize>,
    ready: BTreeSet<(usize, usize)>,
    /// Those that wait for others.
    waits: BTreeSet<(usize, usize)>,
}

impl Queue {
    fn new(needs: &[Vec<usize>], order: &[usize]) -> Self {
        let (mut users, mut turns) = (vec![vec![]; needs.len()], vec![0; needs.len()]);
        for (turn, at) in order.iter().enumerate() {
            if let Some(slot) = turns.get_mut(*at) {
                *slot = turn;
            }
        }
        for (user, needs) in needs.iter().enumerate() {
            for need in needs {
                if let Some(users) = users.get_mut(*need) {
                    users.push(user);
                }
            }
        }
        let missing: Vec<usize> = needs.iter().map(Vec::len).collect();
        let all = turns.iter().zip(&missing).enumerate();
        let (ready, waits): (Vec<_>, Vec<_>) = all
            .map(|(at, (turn, missing))| (*missing, (*turn, at)))
            .partition(|(missing, _)| *missing == 0);
        let set = |list: Vec<(usize, (usize, usize))>| list.into_iter().map(|(_, one)| one).collect();
        Self {
            users,
            missing,
            ready: set(ready),
            waits: set(waits),
            turns,
        }
    }

    /// When the last one ends.
    fn run(mut self, cost: &[f64], side: usize) -> f64 {
        // Of numbers that are not below zero the bits have the order of the numbers.
        let mut running: BTreeSet<(u64, usize)> = BTreeSet::new();
        let mut clock = 0.0_f64;
        loop {
            while running.len() < side {
                // A circle in a broken lock would wait for ever.
                let stuck = running.is_empty() && self.ready.is_empty();
                let next = self.ready.pop_first();
                let Some((_, at)) = next.or_else(|| if stuck { self.waits.pop_first() } else { None }) else {
                    break;
                };
                let end = clock + cost.get(at).copied().unwrap_or(0.0).max(0.0);
                running.insert((end.to_bits(), at));
            }
            let Some((end, at)) = running.pop_first() else {
                return clock;
            };
            clock = clock.max(f64::from_bits(end));
            self.ended(at);
        }
    }

    fn ended(&mut self, at: usize) {
        for user in self.users.get(at).cloned().unwrap_or_default() {
            let Some(missing) = self.missing.get_mut(user) else {
                continue;
            };
            *missing = missing.saturating_sub(1);
            let place = (self.turns.get(user).copied().unwrap_or(0), user);
            if *missing == 0 && self.waits.remove(&place) {
                self.ready.insert(place);
            }
        }
    }
}

/// For each the time until the last one that waits for it is done.
fn critical(needs: &[Vec<usize>], cost: &[f64]) -> Vec<f64> {
    let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut missing = vec![0_usize; needs.len()];
    for (user, needs) in needs.iter().enumerate() {
        for need in needs {
            users.entry(*need).or_default().push(user);
            if let Some(count) = missing.get_mut(*need) {
                *count += 1;
            }
        }
    }
    let mut path = cost.to_vec();
    let mut open: Vec<usize> = (0..needs.len())
        .filter(|at| missing.get(*at) == Some(&0))
        .collect();
    while let Some(at) = open.pop() {
        let below = path.get(at).copied().unwrap_or(0.0);
        for need in needs.get(at).map_or(&[][..], Vec::as_slice) {
            if let (Some(length), Some(own)) = (path.get_mut(*need), cost.get(*need)) {
                *length = length.max(own + below);
            }
            if let Some(count) = missing.get_mut(*need) {
                *count -= 1;
                if *count == 0 {
                    open.push(*need);
                }
            }
        }
    }
    path
}

/// Seconds as a whole number, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded below by zero and above by a century"
)]
pub fn whole_seconds(seconds: f64) -> u64 {
    seconds.clamp(0.0, 3.2e9).ceil() as u64
}

/// Seconds and name of the unit in which a time is spoken of.
fn unit(seconds: u64) -> (u64, &'static str) {
    match seconds {
        0..90 => (1, "s"),
        90..7200 => (60, "min"),
        _ => (3600, "h"),
    }
}

fn rough(seconds: u64) -> u64 {
    let (size, _) = unit(seconds);
    (seconds + size / 2) / size * size
}

fn spoken(seconds: u64) -> String {
    let (size, name) = unit(seconds);
    format!("{} {name}", (seconds + size / 2) / size)
}
