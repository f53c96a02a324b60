//! Whether all services of a workspace came up: waited for as long as something moves, and no longer than a bound.
//!
//! Listening alone is not enough, and neither is supervisor's word: [`super::reports`] asks both. What cannot come any more
//! (a program that supervisor gave up, a container that ends) is not waited for.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{MOST, PATIENCE, ask};
use crate::{
    backend::{Backend, Server, Status},
    workspace::{
        Ledger, Settings, User,
        probe::{Health, Report},
        spec,
    },
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// How many looks at a container that does not run make sure that it ended.
const ENDED: u32 = 2;

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// While nothing changes and no log grows. Supervisor's programs may be silent for two minutes on a busy machine.
    pub silence: Duration,
    /// In all.
    pub all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_mins(2),
            all: Duration::from_mins(10),
        }
    }
}

/// What one look saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The services.
    pub reports: Vec<Report>,
    /// Bytes that all services wrote so far.
    pub written: u64,
    /// How the container is, where it does not run.
    pub ended: Option<String>,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something may still come.
    Wait,
    /// All that is to run answers.
    Well,
    /// It does not come up: why, in words.
    Failed(String),
}

/// Decides, look after look; it has no clock of its own.
#[derive(Clone, Debug)]
pub struct Waiting {
    patience: Patience,
    /// Services that answered before, and may not be missing now.
    needed: BTreeSet<String>,
    moved: Duration,
    last: Option<(Vec<(String, Health)>, u64)>,
    ended: u32,
}

/// Whether a service is as it should be.
pub fn is_well(report: &Report, needed: &BTreeSet<String>) -> bool {
    match report.health {
        Health::Up | Health::Warning => true,
        Health::LeftOut => !needed.contains(&report.service),
        Health::Starting | Health::Down => false,
    }
}

/// The services that are not as they should be, where none may be left out.
pub fn unwell(reports: &[Report]) -> String {
    let none = BTreeSet::new();
    let open = reports.iter().filter(|report| !is_well(report, &none));
    let open: Vec<&str> = open.map(|report| report.service.as_str()).collect();
    open.join(", ")
}

impl Waiting {
    /// Begins; `needed` are services that may not be left out.
    pub fn new(patience: Patience, needed: BTreeSet<String>) -> Self {
        Self {
            patience,
            needed,
            moved: Duration::ZERO,
            last: None,
            ended: 0,
        }
    }

    /// The next look, so long after the beginning.
    pub fn hear(&mut self, now: Duration, look: &Look) -> Verdict {
        if let Some(ended) = &look.ended {
            self.ended += 1;
            if self.ended >= ENDED {
                return Verdict::Failed(format!("its container does not stay up: it is {ended}"));
            }
            return Verdict::Wait;
        }
        let bad: Vec<&Report> = look
            .reports
            .iter()
            .filter(|report| !is_well(report, &self.needed))
            .collect();
        if bad.is_empty() {
            return Verdict::Well;
        }
        let names = |of: &[&Report]| {
            let names: Vec<&str> = of.iter().map(|report| report.service.as_str()).collect();
            names.join(", ")
        };
        let given_up = |report: &&&Report| {
            let program = report.program.as_ref();
            report.health == Health::LeftOut || program.is_some_and(|program| program.state.is_final())
        };
        let lost: Vec<&Report> = bad.iter().filter(given_up).copied().collect();
        if !lost.is_empty() {
            return Verdict::Failed(format!("{} does not come up", names(&lost)));
        }
        let states = look.reports.iter();
        let states = states
            .map(|report| (report.service.clone(), report.health))
            .collect();
        let seen = Some((states, look.written));
        if seen != self.last {
            self.last = seen;
            self.moved = now;
        }
        let (silent, all) = (now.saturating_sub(self.moved), self.patience.all);
        if silent >= self.patience.silence {
            let seconds = silent.as_secs();
            return Verdict::Failed(format!(
                "{} does not answer, and nothing moved for {seconds} s",
                names(&bad)
            ));
        }
        if now >= all {
            return Verdict::Failed(format!(
                "{} does not answer after {} s",
                names(&bad),
                all.as_secs()
            ));
        }
        Verdict::Wait
    }
}

/// How it came out.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The services as they were last seen.
    pub reports: Vec<Report>,
    /// Why it is not well; none where it is.
    pub failed: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why the services of a user are not waited for from here; none where they can be: ports of another machine's loopback
/// are open there alone.
pub fn not_from_here(server: &Server, settings: &Settings, (name, user): (&str, &User)) -> Option<String> {
    let there = !server.is_here() && settings.bind_of(user).is_loopback();
    there.then(|| {
        crate::log::sanitize(&format!(
            "the services of {name} are not waited for: their ports are open on the machine of {} alone; ask there with \
             `halolab workspace status {name}`",
            server.address
        ))
    })
}

/// Looks until it is clear how it comes out; `tell` hears of each look.
pub async fn settle(
    backend: &dyn Backend,
    ground: (&Settings, &Ledger),
    (name, user): (&str, &User),
    mut waiting: Waiting,
    tell: &mut (dyn FnMut(&[Report]) + Send),
) -> Settled {
    let begun = Instant::now();
    let mut seen = vec![];
    loop {
        let look = look(backend, ground, (name, user)).await;
        let verdict = waiting.hear(begun.elapsed(), &look);
        if look.ended.is_none() {
            tell(&look.reports);
            seen = look.reports;
        }
        let failed = match verdict {
            Verdict::Wait => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            Verdict::Well => None,
            Verdict::Failed(why) => Some(why),
        };
        return Settled {
            reports: seen,
            failed,
            took: begun.elapsed(),
        };
    }
}

async fn look(backend: &dyn Backend, ground: (&Settings, &Ledger), (name, user): (&str, &User)) -> Look {
    let lab = spec::lab(name);
    match backend.instance(&lab).await {
        Ok(Some(instance)) if instance.status == Status::Running => {}
        Ok(Some(instance)) => {
            let ended = Some(crate::log::sanitize(&instance.status_text));
            return Look {
                ended,
                ..Look::default()
            };
        }
        Ok(None) => {
            let ended = Some("gone".to_owned());
            return Look {
                ended,
                ..Look::default()
            };
        }
        // The engine may be away for a moment; the reports say it, and the bounds hold.
        Err(_) => {}
    }
    let (reports, written) = tokio::join!(
        super::reports(backend, ground, (name, user)),
        written(backend, &lab)
    );
    Look {
        reports,
        written,
        ended: None,
    }
}

/// Bytes of all logs; nothing where they cannot be seen.
async fn written(backend: &dyn Backend, lab: &str) -> u64 {
    let script = format!("stat -c %s {}/*.log 2>/dev/null", super::FOLDER);
    let Ok((_, said)) = ask(backend, lab, &["/bin/sh", "-c", &script], PATIENCE).await else {
        return 0;
    };
    let said = said.get(..said.len().min(MOST)).unwrap_or_default();
    let text = String::from_utf8_lossy(said);
    let sizes = text.lines().filter_map(|line| line.trim().parse::<u64>().ok());
    sizes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::probe::{
        Inside, judge,
        supervisor::{Program, State},
    };

    const PATIENT: Patience = Patience {
        silence: Duration::from_secs(30),
        all: Duration::from_secs(100),
    };

    fn report(service: &str, health: Health, state: State) -> Report {
        let mut report = judge("ws-anna", &[service], &Inside::default(), &[]).remove(0);
        report.health = health;
        report.program = Some(Program {
            name: service.to_owned(),
            state,
            detail: String::new(),
            uptime: None,
        });
        report
    }

    fn look(reports: Vec<Report>, written: u64) -> Look {
        Look {
            reports,
            written,
            ended: None,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn waits(needed: &[&str]) -> Waiting {
        let needed = needed.iter().map(|name| (*name).to_owned());
        Waiting::new(PATIENT, needed.collect())
    }

    #[test]
    fn it_is_well_only_when_all_answer() {
        let ssh = || report("ssh", Health::Up, State::Running);
        let mut waiting = waits(&["code"]);
        let slow = report("code", Health::Starting, State::Running);
        assert_eq!(
            waiting.hear(seconds(1), &look(vec![ssh(), slow], 0)),
            Verdict::Wait
        );
        let open = report("code", Health::Warning, State::Running);
        assert_eq!(
            waiting.hear(seconds(2), &look(vec![ssh(), open], 0)),
            Verdict::Well
        );
        let left = || report("code", Health::LeftOut, State::Unknown);
        let failed = waiting.hear(seconds(3), &look(vec![ssh(), left()], 0));
        assert_eq!(failed, Verdict::Failed("code does not come up".into()));
        let never = waits(&[]).hear(seconds(3), &look(vec![ssh(), left()], 0));
        assert_eq!(never, Verdict::Well, "it was not there before either");
    }

    #[test]
    fn what_supervisor_gave_up_is_not_waited_for() {
        let fatal = report("code", Health::Down, State::Fatal);
        let again = report("vnc", Health::Down, State::Backoff);
        let seen = look(vec![again, fatal], 0);
        let failed = waits(&[]).hear(seconds(1), &seen);
        assert_eq!(failed, Verdict::Failed("code does not come up".into()));
    }

    #[test]
    fn silence_is_bounded_and_so_is_the_whole() {
        let down = |written| look(vec![report("code", Health::Down, State::Running)], written);
        let mut waiting = waits(&[]);
        for second in [0, 10, 29] {
            assert_eq!(waiting.hear(seconds(second), &down(5)), Verdict::Wait, "{second}");
        }
        let Verdict::Failed(why) = waiting.hear(seconds(30), &down(5)) else {
            panic!("nothing moved")
        };
        assert!(why.contains("nothing moved for 30 s"), "{why}");
        let mut busy = waits(&[]);
        for second in 0..100 {
            let verdict = busy.hear(seconds(second), &down(second));
            assert_eq!(verdict, Verdict::Wait, "its log grows: {second}");
        }
        let Verdict::Failed(why) = busy.hear(seconds(100), &down(100)) else {
            panic!("it has a bound")
        };
        assert!(why.contains("after 100 s"), "{why}");
    }

    #[test]
    fn a_container_that_ends_again_and_again_is_a_failure() {
        let ended = Look {
            ended: Some("restarting".into()),
            ..Look::default()
        };
        let mut waiting = waits(&[]);
        assert_eq!(waiting.hear(seconds(0), &ended), Verdict::Wait);
        let up = look(vec![report("code", Health::Starting, State::Running)], 0);
        assert_eq!(waiting.hear(seconds(1), &up), Verdict::Wait);
        let Verdict::Failed(why) = waiting.hear(seconds(2), &ended) else {
            panic!("twice")
        };
        assert!(why.contains("restarting"), "{why}");
    }
}
