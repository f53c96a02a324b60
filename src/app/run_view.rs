//! What the screens know of a run: the mark of each action, and a window on each lab's log.

use std::{collections::BTreeMap, path::PathBuf};

use ratatui::layout::Rect;

use crate::{
    log::clean,
    plan::Plan,
    run::{
        Event, Outcome,
        aftermath::{self, Way},
        causes::Cause,
        journal::Record,
    },
    view::Viewer,
};

use super::{
    build_view::BuildView,
    msg::{Effect, Turned},
};

/// Exit code of a run that can be gone on with.
const RESUMABLE: u8 = 5;

/// How far an action is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Not yet begun.
    #[default]
    Waiting,
    /// Under way.
    Running,
    /// Worked.
    Done,
    /// Had nothing to do.
    Skipped,
    /// Did not work.
    Failed,
}

/// One action's mark and clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionState {
    /// How far it is.
    pub mark: Mark,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// How long it took.
    pub millis: u64,
    /// The last words about it, and percent where known.
    pub progress: Option<(String, Option<u8>)>,
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The action.
    pub id: String,
    /// The lab.
    pub lab: String,
    /// What failed and why.
    pub error: String,
    /// What was kept.
    pub kept: String,
    /// The next command to type.
    pub next: String,
    /// The run went on.
    pub optional: bool,
    /// Why, as far as its output tells.
    pub cause: Option<Cause>,
}

/// A run on the screen.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct RunView {
    /// The plan that was approved.
    pub plan: Plan,
    /// Run id, once there is one.
    pub id: Option<String>,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// When it ended.
    pub ended: Option<u64>,
    /// Marks, by action.
    pub actions: BTreeMap<String, ActionState>,
    /// Verdicts as lines, by lab, and whether each is a proof.
    pub verdicts: BTreeMap<String, (String, bool)>,
    /// What failed, in order.
    pub failures: Vec<Failure>,
    /// The labs that have a log; `host` first where the host has actions.
    pub labs: Vec<String>,
    /// Their logs on the screen.
    pub viewer: Viewer,
    /// A page is being read.
    reading: bool,
    /// The user asked it to stop.
    pub stopping: bool,
    /// The program ends after it.
    pub then_quit: bool,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The log takes the whole screen.
    pub zoomed: bool,
    /// First line of the result that is shown.
    pub scroll: usize,
    /// What of what can be done after a failure is marked.
    pub way: usize,
    /// The user chose which log is shown.
    pub picked: bool,
    /// The build beside the log.
    pub build: BuildView,
}

impl RunView {
    /// A run about to begin.
    pub fn new(plan: Plan, now: u64) -> Self {
        let host = (!plan.host.is_empty()).then(|| "host".to_owned());
        let labs = host.into_iter().chain(plan.labs.iter().map(|t| t.lab.clone()));
        let labs: Vec<String> = labs.collect();
        let names = labs.iter().map(|lab| clean(lab).into_owned()).collect();
        let mut viewer = Viewer::new(names, true);
        viewer.inside = true;
        Self {
            labs,
            viewer,
            reading: false,
            plan,
            id: None,
            began: now,
            ended: None,
            actions: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            failures: vec![],
            stopping: false,
            then_quit: false,
            outcome: None,
            zoomed: false,
            scroll: 0,
            way: 0,
            picked: false,
            build: BuildView::default(),
        }
    }

    /// Whether it is still going on.
    pub fn is_running(&self) -> bool {
        self.outcome.is_none()
    }

    /// Whether it ended in a way that leaves something to go on with.
    pub fn can_go_on(&self) -> bool {
        self.outcome
            .as_ref()
            .is_some_and(|outcome| outcome.code == RESUMABLE)
    }

    /// The run as its journal tells it, as far as the screens know it.
    pub fn record(&self) -> Record {
        let marked = |wanted: &[Mark]| {
            let ids = self
                .actions
                .iter()
                .filter(|(_, state)| wanted.contains(&state.mark));
            ids.map(|(id, _)| id.clone()).collect()
        };
        let failed = self.failures.iter().map(|f| (f.id.clone(), f.error.clone()));
        Record {
            id: self.id.clone().unwrap_or_default(),
            folder: PathBuf::new(),
            plan: self.plan.clone(),
            code: self.outcome.as_ref().map(|outcome| outcome.code),
            finished: self.counts().0,
            error: None,
            secrets: vec![],
            begun: marked(&[Mark::Running, Mark::Done, Mark::Skipped, Mark::Failed]),
            done: marked(&[Mark::Done, Mark::Skipped]),
            failed: failed.collect(),
            restarted: None,
        }
    }

    /// What can be done now that it failed; empty where nothing has to be. `back` says whether something would take it
    /// back.
    pub fn ways(&self, back: bool) -> Vec<Way> {
        if self.can_go_on() {
            aftermath::ways(&self.record(), back)
        } else {
            vec![]
        }
    }

    /// The state of an action.
    pub fn state(&self, id: &str) -> ActionState {
        self.actions.get(id).cloned().unwrap_or_default()
    }

    /// Actions that are done or were left out, and all of them: as the journal counts them, so a failed one is not done.
    pub fn counts(&self) -> (usize, usize) {
        let done = |s: &&ActionState| matches!(s.mark, Mark::Done | Mark::Skipped);
        (
            self.actions.values().filter(done).count(),
            self.plan.actions().count(),
        )
    }

    /// The lab whose log has the keys.
    pub fn shown(&self) -> Option<&str> {
        let pane = self.viewer.pane()?;
        self.labs.get(pane.log).map(String::as_str)
    }

    /// Whether an action of a lab is at work.
    pub fn is_at_work(&self, lab: &str) -> bool {
        let of_lab = |id: &str| id.strip_prefix(lab).is_some_and(|rest| rest.starts_with('/'));
        let mut actions = self.actions.iter();
        actions.any(|(id, state)| state.mark == Mark::Running && of_lab(id))
    }

    /// The log of a lab changed.
    pub fn spoil(&mut self, lab: &str) {
        if let Some(log) = self.labs.iter().position(|l| l == lab) {
            self.viewer.spoil_log(log);
        }
    }

    /// Asks for what is to be shown and is not there, unless a page is being read: then once more after it.
    pub fn wish(&mut self, area: Rect) -> Vec<Effect> {
        self.viewer.lay_out(area);
        if self.reading || !self.viewer.is_stale() {
            return vec![];
        }
        let asks = self.viewer.asks();
        let labs = &self.labs;
        let turn = |(pane, log, ask): (usize, usize, _)| {
            let lab = labs.get(log)?.clone();
            Some(Effect::Turn(lab, pane, Box::new(ask)))
        };
        let effects: Vec<Effect> = asks.into_iter().filter_map(turn).collect();
        self.reading = !effects.is_empty();
        effects
    }

    /// Takes a page in.
    pub fn take(&mut self, turned: Turned) {
        self.reading = false;
        self.viewer.take(turned.pane, *turned.page, &turned.asked);
    }

    /// Takes in an event.
    pub fn hear(&mut self, event: Event, now: u64) {
        match event {
            Event::Plan { run, .. } => self.id = Some(run),
            Event::StepStarted { id, lab, .. } => {
                let state = self.actions.entry(id).or_default();
                state.mark = Mark::Running;
                state.began = now;
                self.follow_lab(&lab);
            }
            Event::Progress { id, text, percent } => {
                self.actions.entry(id).or_default().progress = Some((text, percent));
            }
            Event::Late { id, text, .. } => {
                let state = self.actions.entry(id).or_default();
                let percent = state.progress.as_ref().and_then(|(_, percent)| *percent);
                state.progress = Some((text, percent));
            }
            Event::Output { lab, .. } => self.spoil(&lab),
            Event::StepFinished { id, millis, skipped } => {
                let state = self.actions.entry(id).or_default();
                state.mark = if skipped { Mark::Skipped } else { Mark::Done };
                state.millis = millis;
            }
            Event::Verdict { lab, verdict, ok } => {
                self.verdicts.insert(lab, (verdict, ok));
            }
            Event::Failed {
                id,
                lab,
                error,
                kept,
                next,
                optional,
                cause,
            } => {
                self.actions.entry(id.clone()).or_default().mark = Mark::Failed;
                self.failures.push(Failure {
                    id,
                    lab,
                    error,
                    kept,
                    next,
                    optional,
                    cause,
                });
            }
            Event::Done { .. } => {}
        }
    }

    /// Until the user picks a log, one of a lab that is being worked on is shown.
    fn follow_lab(&mut self, lab: &str) {
        let shown = self.shown().map(|lab| format!("{lab}/")).unwrap_or_default();
        let at_work =
            |(id, state): (&String, &ActionState)| state.mark == Mark::Running && id.starts_with(&shown);
        if !self.picked
            && !self.actions.iter().any(at_work)
            && let Some(index) = self.labs.iter().position(|l| l == lab)
        {
            self.viewer.show_log(index);
        }
    }
}
