//! Applies a plan: the host's actions first, then the labs side by side, each action journaled before and after.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::join_all;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{self, Backend, Connect, Engine},
    plan::{Choice, Plan, Step, Track, planner},
    stage::Answers,
};

use super::{
    Entry, Event, Journal,
    advice::advice,
    identity,
    inhibit::Awake,
    stop_code::StopCode,
    track::{End, track},
};

/// Exit code of a run that goes on after a restart of the machine.
pub const RESTART: u8 = 6;

/// What every run works with.
#[derive(Clone)]
pub struct Context {
    /// Finds the engines.
    pub connect: Connect,
    /// Folder of all runs: `$XDG_STATE_HOME/halolab/runs`.
    pub runs: PathBuf,
    /// Folder for built images: `$XDG_CACHE_HOME/halolab`.
    pub cache: PathBuf,
    /// Values of secret options, by lab.
    pub secrets: BTreeMap<String, Answers>,
    /// Who is told.
    pub events: mpsc::UnboundedSender<Event>,
    /// Stops the run: the action at work is stopped and waited for, nothing further begins.
    pub cancel: CancellationToken,
    /// Exit code of a run that is stopped.
    pub stop_code: StopCode,
}

impl Context {
    /// Folder of all jobs: `$XDG_STATE_HOME/halolab/jobs`.
    pub fn jobs(&self) -> PathBuf {
        self.runs.with_file_name("jobs")
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Run id; its folder below `runs`.
    pub run: String,
    /// Exit code of the program, as in the design.
    pub code: u8,
    /// One sentence a lab.
    pub summary: Vec<String>,
}

/// The log file of one lab (`host` for the host) in a run's folder: `RUN/LAB.log`.
pub fn log_file(runs: &Path, run: &str, lab: &str) -> PathBuf {
    runs.join(run).join(log_name(lab))
}

/// The name of that file. A lab's name may be a daemon's word: what of it could leave the folder does not.
pub fn log_name(lab: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    format!("{}.log", lab.chars().map(plain).collect::<String>())
}

/// What the actions of a run share.
pub(super) struct Worker<'a> {
    pub(super) cx: &'a Context,
    pub(super) run: &'a str,
    plan: &'a Plan,
    journal: Mutex<Journal>,
    lxd: OnceCell<Arc<dyn Backend>>,
    docker: OnceCell<Arc<dyn Backend>>,
}

impl Worker<'_> {
    /// What is done with a lab.
    pub(super) fn track(&self, lab: &str) -> Option<&Track> {
        self.plan.labs.iter().find(|track| track.lab == lab)
    }

    /// What was chosen for a lab.
    pub(super) fn choice(&self, lab: &str) -> Option<&Choice> {
        self.track(lab).map(|track| &track.choice)
    }

    /// An engine, found when it is first needed.
    pub(super) async fn backend(&self, engine: Engine) -> Result<&dyn Backend, backend::Error> {
        let held = match engine {
            Engine::Lxd => &self.lxd,
            Engine::Docker => &self.docker,
        };
        let found = held.get_or_try_init(|| (self.cx.connect)(engine)).await?;
        Ok(found.as_ref())
    }

    pub(super) fn tell(&self, event: Event) {
        log(self.run, &event);
        // A closed screen must not stop an installation.
        let _ = self.cx.events.send(event);
    }

    pub(super) fn journal<T>(&self, with: impl FnOnce(&mut Journal) -> T) -> T {
        with(&mut self.journal.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an action is known to have ended well.
    pub(super) fn finished(&self, id: &str) -> bool {
        self.journal(|j| j.finished(id))
    }

    /// Whether an earlier attempt of this run began the action and did not see its end.
    pub(super) fn begun(&self, id: &str) -> bool {
        self.journal(|j| j.begun(id))
    }

    /// Whether an action was begun, however it ended.
    pub(super) fn touched(&self, id: &str) -> bool {
        self.begun(id) || self.finished(id)
    }

    /// Whether an action whose id begins like this ended well in an earlier attempt of this run.
    pub(super) fn finished_earlier(&self, prefix: &str) -> bool {
        self.journal(|j| j.finished_earlier(prefix))
    }
}

/// Logs that something happened. Why it failed is only in the journal: a script may have said a secret.
fn log(run: &str, event: &Event) {
    match event {
        Event::Plan { digest, actions, .. } => tracing::info!(run, digest, actions, "run begins"),
        Event::StepStarted { id, .. } => tracing::info!(run, id, "action begins"),
        Event::StepFinished { id, millis, skipped } => {
            tracing::info!(run, id, millis, skipped, "action ends");
        }
        Event::Failed { id, optional, .. } => tracing::warn!(run, id, optional, "action failed"),
        Event::Done { code, .. } => tracing::info!(run, code, "run ends"),
        Event::Verdict { lab, .. } => tracing::info!(run, lab, "verdict stored"),
        Event::Late { .. } | Event::Progress { .. } | Event::Output { .. } => {}
    }
}

/// Carries the plan out, or on from where its journal ends. Never panics and never returns early: what
/// went wrong is in the outcome and the events.
pub async fn apply(plan: &Plan, run: &str, cx: &Context) -> Outcome {
    let journal = match open_journal(plan, run, cx) {
        Ok(journal) => journal,
        Err(why) => {
            let summary = vec![format!("nothing was changed: {why}")];
            let _ = cx.events.send(Event::Done {
                code: 3,
                summary: summary.clone(),
            });
            return Outcome {
                run: run.into(),
                code: 3,
                summary,
            };
        }
    };
    let worker = Worker {
        cx,
        run,
        plan,
        journal: Mutex::new(journal),
        lxd: OnceCell::new(),
        docker: OnceCell::new(),
    };
    let actions = plan.actions().count();
    worker.tell(Event::Plan {
        run: run.into(),
        digest: plan.digest(),
        actions,
    });
    let _awake = Awake::keep(run);
    let (code, summary) = match identity::replaced(plan, &worker).await {
        None => tracks(plan, &worker).await,
        Some(why) => (3, vec![format!("nothing was changed: {why}")]),
    };
    let _ = worker.journal(|j| j.write(Entry::Closed { code }));
    worker.tell(Event::Done {
        code,
        summary: summary.clone(),
    });
    Outcome {
        run: run.into(),
        code,
        summary,
    }
}

/// The journal of a new run, or of one that goes on with all the secrets that it had.
fn open_journal(plan: &Plan, run: &str, cx: &Context) -> Result<Journal, String> {
    let folder = cx.runs.join(run);
    if plan.version > planner::VERSION {
        return Err("this run was planned by a newer halolab, and only that one can go on with it".into());
    }
    let failed = |error: std::io::Error| {
        format!(
            "the journal in {} cannot be written: {error}; mend that, then give the same `halolab` command again",
            folder.display()
        )
    };
    let old = folder.join("plan.json").exists();
    let opened = if old {
        Journal::open(&folder)
    } else {
        Journal::create(&folder, plan)
    };
    let mut journal = opened.map_err(failed)?;
    let (digest, pid, secrets) = (plan.digest(), std::process::id(), given_secrets(plan, cx));
    if let Some(lacking) = journal.secrets().iter().find(|s| !secrets.contains(s)) {
        return Err(format!(
            "this run was given the secret {lacking}, which is never stored; give it again with `--answers FILE`"
        ));
    }
    journal
        .write(Entry::Opened { digest, pid, secrets })
        .map_err(failed)?;
    Ok(journal)
}

/// The secrets that a plan's actions take and that were given, as `LAB/OPTION`.
fn given_secrets(plan: &Plan, cx: &Context) -> Vec<String> {
    let mut given = vec![];
    for track in &plan.labs {
        for action in &track.actions {
            let Step::Exec { secrets, .. } = &action.step else {
                continue;
            };
            let there = secrets
                .iter()
                .filter(|id| cx.secrets.get(&track.lab).is_some_and(|s| s.contains_key(*id)));
            given.extend(there.map(|id| format!("{}/{id}", track.lab)));
        }
    }
    given.sort_unstable();
    given.dedup();
    given
}

async fn tracks(plan: &Plan, worker: &Worker<'_>) -> (u8, Vec<String>) {
    match track(worker, "host", &plan.host, None).await {
        End::Well => {}
        End::Failed { .. } => return (5, vec!["the preparation failed; no lab was touched".into()]),
        End::Restart => {
            let text = format!(
                "restart this machine; then `halolab`, or `halolab runs resume {}`, goes on",
                worker.run
            );
            return (RESTART, vec![text]);
        }
        End::Cancelled => {
            return (
                worker.cx.stop_code.get(),
                vec!["stopped before any lab was touched".into()],
            );
        }
    }
    let ends = join_all(
        plan.labs
            .iter()
            .map(|t| track(worker, &t.lab, &t.actions, Some(t))),
    )
    .await;
    let mut code = 0;
    let mut summary = vec![];
    for (track, end) in plan.labs.iter().zip(ends) {
        let (its_code, sentence) = match end {
            End::Well => (0, format!("{}: {}", track.lab, done(track))),
            End::Failed { index } => {
                let what = track.actions.get(index).map_or("", |a| a.sentence.as_str());
                (
                    5,
                    format!(
                        "{}: the step \"{what}\" failed; {}",
                        track.lab,
                        advice(track, index, worker.run).next
                    ),
                )
            }
            End::Restart => (RESTART, format!("{}: restart this machine", track.lab)),
            End::Cancelled => (
                worker.cx.stop_code.get(),
                format!(
                    "{}: stopped; go on with `halolab runs resume {}`",
                    track.lab, worker.run
                ),
            ),
        };
        code = code.max(its_code);
        summary.push(sentence);
    }
    (code, summary)
}

/// What can be done with a lab whose track ended well.
fn done(track: &Track) -> String {
    match &track.choice {
        Choice::SetAside => format!("set aside; `halolab undo {}` brings it back", track.lab),
        Choice::Remove => "removed".into(),
        Choice::Adopt => "taken over as it is".into(),
        Choice::RestoreAs(_, name) => format!("copied; enter the copy with `halolab shell {name}`"),
        _ => format!("done; enter it with `halolab shell {}`", track.lab),
    }
}
