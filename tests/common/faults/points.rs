//! The tries of a test, spread over workers that each have a lab of their own.

use std::{
    collections::{BTreeMap, VecDeque},
    env, panic,
    path::Path,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use super::{
    super::program::Home,
    ground::Ground,
    scenario::{ALL, Reference, Scenario},
    table::Table,
};

/// How many tries `HALOLAB_TEST_POINTS` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// A few, evenly spread.
    Smoke,
    Full,
    /// All that are not written down as clean yet, so that a full run can be spread over several sittings.
    Rest,
    Number(usize),
}

fn wanted() -> Wanted {
    match env::var("HALOLAB_TEST_POINTS").as_deref() {
        Ok("full") => Wanted::Full,
        Ok("rest") => Wanted::Rest,
        Ok("smoke") | Err(_) => Wanted::Smoke,
        Ok(number) => Wanted::Number(
            number
                .parse()
                .expect("HALOLAB_TEST_POINTS is smoke, full, rest or a number"),
        ),
    }
}

/// Those of a test's tries that are asked for: `smoke` of them, all, so many, or those that its table does not show as
/// clean yet. `key` says the scenario and the point as they are in the table.
pub fn choose<T>(table: &Table, all: Vec<T>, smoke: usize, key: impl Fn(&T) -> (String, String)) -> Vec<T> {
    match wanted() {
        Wanted::Smoke => sample(all, Some(smoke)),
        Wanted::Number(number) => sample(all, Some(number)),
        Wanted::Full => all,
        Wanted::Rest => {
            let count = all.len();
            let clean = table.clean();
            let rest: Vec<T> = all
                .into_iter()
                .filter(|point| !clean.contains(&key(point)))
                .collect();
            println!("{}: {} of {count} points are left", table.name(), rest.len());
            table.may_be_empty();
            rest
        }
    }
}

/// The same for a test that tries half of the points where all are asked for, because the other half shows the same.
pub fn choose_half<T>(
    table: &Table,
    all: Vec<T>,
    smoke: usize,
    key: impl Fn(&T) -> (String, String),
) -> Vec<T> {
    let half = all.len() / 2;
    choose(table, sample(all, Some(half)), smoke, key)
}

/// So many of them, evenly spread; none is all.
pub fn sample<T>(all: Vec<T>, amount: Option<usize>) -> Vec<T> {
    let Some(amount) = amount.filter(|a| *a < all.len()) else {
        return all;
    };
    let count = all.len();
    let chosen: Vec<usize> = (0..amount).map(|i| (2 * i + 1) * count / (2 * amount)).collect();
    let numbered = all.into_iter().enumerate();
    numbered
        .filter(|(i, _)| chosen.contains(i))
        .map(|(_, point)| point)
        .collect()
}

/// The scenarios that are asked for: all, or those that `HALOLAB_TEST_SCENARIO` names, with commas between.
pub fn scenarios() -> Vec<Scenario> {
    let wanted = env::var("HALOLAB_TEST_SCENARIO").unwrap_or_default();
    let named = |s: &&Scenario| wanted.is_empty() || wanted.split(',').any(|name| name == s.name);
    ALL.iter().filter(named).copied().collect()
}

/// The same; of a few tries only those whose undisturbed runs are worth their time.
pub fn telling() -> Vec<Scenario> {
    let mut all = scenarios();
    if matches!(wanted(), Wanted::Smoke | Wanted::Number(1)) {
        all.retain(|s| ["restore", "recreate"].contains(&s.name));
    }
    all
}

/// Labs side by side.
pub struct Workers(Arc<Vec<Mutex<Ground>>>);

/// Those of the private daemon, as long as a test has them: to put a lab together takes longer than to try a point.
static SHARED: Mutex<Weak<Vec<Mutex<Ground>>>> = Mutex::new(Weak::new());

impl Workers {
    /// As many as `HALOLAB_TEST_WORKERS` says, else three; none where tests that need a daemon are left out.
    pub fn new() -> Option<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grounds) = shared.upgrade() {
            return Some(Self(grounds));
        }
        let count = env::var("HALOLAB_TEST_WORKERS")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(3);
        let grounds: Option<Vec<_>> = (0..count).map(|_| Ground::new().map(Mutex::new)).collect();
        let grounds = Arc::new(grounds?);
        *shared = Arc::downgrade(&grounds);
        Some(Self(grounds))
    }

    /// One, on a daemon of its own.
    pub fn on(socket: &Path) -> Self {
        Self(Arc::new(vec![Mutex::new(Ground::on(Home::on(1, socket)))]))
    }

    /// Does each piece of work on the next lab that is free. A sitting may have an end: nothing is begun more than
    /// `HALOLAB_TEST_MINUTES` after the process's first piece of work.
    pub fn each<T: Send, R: Send>(&self, work: Vec<T>, job: impl Fn(&mut Ground, T) -> R + Sync) -> Vec<R> {
        self.until(is_over, work, job)
    }

    fn until<T: Send, R: Send>(
        &self,
        over: fn() -> bool,
        work: Vec<T>,
        job: impl Fn(&mut Ground, T) -> R + Sync,
    ) -> Vec<R> {
        let queue = Mutex::new(VecDeque::from(work));
        let done = Mutex::new(vec![]);
        thread::scope(|scope| {
            let handles: Vec<_> = self
                .0
                .iter()
                .map(|ground| {
                    scope.spawn(|| {
                        // Whatever a failed test left: it is put back before each try.
                        let mut ground = ground.lock().unwrap_or_else(PoisonError::into_inner);
                        while !over() {
                            let next = queue.lock().unwrap().pop_front();
                            let Some(next) = next else { break };
                            let result = job(&mut ground, next);
                            done.lock().unwrap().push(result);
                        }
                    })
                })
                .collect();
            for handle in handles {
                if let Err(why) = handle.join() {
                    panic::resume_unwind(why);
                }
            }
        });
        done.into_inner().unwrap()
    }

    /// How each scenario ends undisturbed; found out once for all tests on one daemon.
    pub fn references(&self, scenarios: &[Scenario]) -> BTreeMap<&'static str, Reference> {
        let first = self.0[0].lock().unwrap_or_else(PoisonError::into_inner);
        let socket = first.home.socket.clone();
        drop(first);
        let mut all = REFERENCES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(socket).or_default();
        let unknown: Vec<_> = scenarios
            .iter()
            .filter(|s| !known.contains_key(s.name))
            .copied()
            .collect();
        known.extend(self.until(|| false, unknown, |ground, s| (s.name, s.undisturbed(ground))));
        known.clone()
    }
}

/// Whether the time of this sitting is over.
fn is_over() -> bool {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let minutes = env::var("HALOLAB_TEST_MINUTES").ok();
    let minutes: Option<u64> = minutes.map(|m| m.parse().expect("HALOLAB_TEST_MINUTES is a number"));
    let spent = BEGAN.elapsed();
    minutes.is_some_and(|minutes| spent >= Duration::from_mins(minutes))
}

/// By the daemon's socket and the scenario's name.
static REFERENCES: Mutex<BTreeMap<String, BTreeMap<&'static str, Reference>>> = Mutex::new(BTreeMap::new());
