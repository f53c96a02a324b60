//! The tries of a test, spread over workers that each have a lab of their own.

use std::{
    collections::{BTreeMap, VecDeque},
    env, panic,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use super::{
    super::program::Home,
    ground::Ground,
    scenario::{ALL, Reference, Scenario},
};

/// How many tries: all, or so many, evenly spread and the same each time.
pub fn amount(smoke: usize) -> Option<usize> {
    match env::var("HALOLAB_TEST_POINTS").as_deref() {
        Ok("full") => None,
        Ok("smoke") | Err(_) => Some(smoke),
        Ok(number) => Some(
            number
                .parse()
                .expect("HALOLAB_TEST_POINTS is smoke, full or a number"),
        ),
    }
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
    if amount(1) == Some(1) {
        all.retain(|s| ["restore", "recreate"].contains(&s.name));
    }
    all
}

/// Labs side by side.
pub struct Workers(Vec<Mutex<Ground>>);

impl Workers {
    /// As many as `HALOLAB_TEST_WORKERS` says, else three; none where tests that need a daemon are left out.
    pub fn new() -> Option<Self> {
        let count = env::var("HALOLAB_TEST_WORKERS")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(3);
        let grounds: Option<Vec<_>> = (0..count).map(|_| Ground::new().map(Mutex::new)).collect();
        grounds.map(Self)
    }

    /// One, on a daemon of its own.
    pub fn on(socket: &Path) -> Self {
        Self(vec![Mutex::new(Ground::on(Home::on(1, socket)))])
    }

    /// Does each piece of work on the next lab that is free.
    pub fn each<T: Send, R: Send>(&self, work: Vec<T>, job: impl Fn(&mut Ground, T) -> R + Sync) -> Vec<R> {
        let queue = Mutex::new(VecDeque::from(work));
        let done = Mutex::new(vec![]);
        thread::scope(|scope| {
            let handles: Vec<_> = self
                .0
                .iter()
                .map(|ground| {
                    scope.spawn(|| {
                        let mut ground = ground.lock().unwrap();
                        loop {
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
        let socket = self.0[0].lock().unwrap().home.socket.clone();
        let mut all = REFERENCES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(socket).or_default();
        let unknown: Vec<_> = scenarios
            .iter()
            .filter(|s| !known.contains_key(s.name))
            .copied()
            .collect();
        known.extend(self.each(unknown, |ground, s| (s.name, s.undisturbed(ground))));
        known.clone()
    }
}

/// By the daemon's socket and the scenario's name.
static REFERENCES: Mutex<BTreeMap<String, BTreeMap<&'static str, Reference>>> = Mutex::new(BTreeMap::new());
