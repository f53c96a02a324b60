//! What the screens know of a run: the mark of each action, and a window on each lab's log.

use std::collections::BTreeMap;

use crate::{
    plan::Plan,
    run::{Event, Outcome},
};

use super::{
    entry::Entry,
    msg::{Effect, LogPage},
};

/// Exit code of a run that can be gone on with.
const RESUMABLE: u8 = 5;
/// Columns that a sideways key moves.
const SIDEWAYS: usize = 16;

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
}

/// A run on the screen.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that a key turns")]
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
    /// One log a lab; `host` first where the host has actions.
    pub logs: Vec<LogPane>,
    /// The log that is shown.
    pub shown: usize,
    /// The user asked it to stop.
    pub stopping: bool,
    /// The program ends after it.
    pub then_quit: bool,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The search line has the keys.
    pub typing: bool,
    /// What is searched for.
    pub search: Entry,
    /// The log takes the whole screen.
    pub zoomed: bool,
    /// Long lines are wrapped.
    pub wrap: bool,
    /// First line of the result that is shown.
    pub scroll: usize,
    /// The user chose which log is shown.
    pub picked: bool,
}

impl RunView {
    /// A run about to begin.
    pub fn new(plan: Plan, now: u64) -> Self {
        let host = (!plan.host.is_empty()).then(|| "host".to_owned());
        let labs = host.into_iter().chain(plan.labs.iter().map(|t| t.lab.clone()));
        Self {
            logs: labs.map(LogPane::new).collect(),
            plan,
            id: None,
            began: now,
            ended: None,
            actions: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            failures: vec![],
            shown: 0,
            stopping: false,
            then_quit: false,
            outcome: None,
            typing: false,
            search: Entry::default(),
            zoomed: false,
            wrap: true,
            scroll: 0,
            picked: false,
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

    /// The state of an action.
    pub fn state(&self, id: &str) -> ActionState {
        self.actions.get(id).cloned().unwrap_or_default()
    }

    /// Actions that ended, and all of them.
    pub fn counts(&self) -> (usize, usize) {
        let ended = |s: &&ActionState| !matches!(s.mark, Mark::Waiting | Mark::Running);
        (
            self.actions.values().filter(ended).count(),
            self.plan.actions().count(),
        )
    }

    /// The log that is shown.
    pub fn log(&self) -> Option<&LogPane> {
        self.logs.get(self.shown)
    }

    /// The same, to change it.
    pub fn log_mut(&mut self) -> Option<&mut LogPane> {
        self.logs.get_mut(self.shown)
    }

    /// Takes in an event; `rows` is how many lines a screen has.
    pub fn hear(&mut self, event: Event, now: u64, rows: usize) -> Option<Effect> {
        match event {
            Event::Plan { run, .. } => self.id = Some(run),
            Event::StepStarted { id, lab, .. } => {
                let state = self.actions.entry(id).or_default();
                state.mark = Mark::Running;
                state.began = now;
                self.follow_lab(&lab);
                return self.log_mut().and_then(|log| log.wish(rows));
            }
            Event::Progress { id, text, percent } => {
                self.actions.entry(id).or_default().progress = Some((text, percent));
            }
            Event::Output { lab, bytes } => {
                let shown = self.shown;
                let (index, log) = self.logs.iter_mut().enumerate().find(|(_, l)| l.lab == lab)?;
                log.bytes = bytes;
                return if index == shown { log.wish(rows) } else { None };
            }
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
            } => {
                self.actions.entry(id.clone()).or_default().mark = Mark::Failed;
                self.failures.push(Failure {
                    id,
                    lab,
                    error,
                    kept,
                    next,
                    optional,
                });
            }
            Event::Done { .. } => {}
        }
        None
    }

    /// Until the user picks a log, one of a lab that is being worked on is shown.
    fn follow_lab(&mut self, lab: &str) {
        let shown = self.log().map(|l| format!("{}/", l.lab)).unwrap_or_default();
        let at_work =
            |(id, state): (&String, &ActionState)| state.mark == Mark::Running && id.starts_with(&shown);
        if !self.picked
            && !self.actions.iter().any(at_work)
            && let Some(index) = self.logs.iter().position(|l| l.lab == lab)
        {
            self.shown = index;
        }
    }
}

/// A window on a log.
#[derive(Clone, Debug, Default)]
pub struct LogPane {
    /// The lab.
    pub lab: String,
    /// Bytes in the file, as last told.
    pub bytes: u64,
    /// The page that was read last.
    pub page: LogPage,
    /// The first line to show; none follows the end.
    pub top: Option<usize>,
    /// Columns that are scrolled away, where lines are not wrapped.
    pub left: usize,
    /// The line that a search found last.
    pub hit: Option<usize>,
    /// What the last search said, where it found nothing.
    pub missed: bool,
    /// A read is under way.
    asked: bool,
    /// More was told while it was.
    stale: bool,
}

impl LogPane {
    /// A log that nothing is known of yet.
    pub fn new(lab: String) -> Self {
        Self {
            lab,
            ..Self::default()
        }
    }

    /// Asks for the lines to show, unless a read is under way: then once more after it.
    pub fn wish(&mut self, rows: usize) -> Option<Effect> {
        if self.asked {
            self.stale = true;
            return None;
        }
        self.asked = true;
        Some(Effect::Page(self.lab.clone(), self.top, rows))
    }

    /// Takes a page in.
    pub fn take(&mut self, page: LogPage, rows: usize) -> Option<Effect> {
        self.page = page;
        self.asked = false;
        if std::mem::take(&mut self.stale) {
            self.wish(rows)
        } else {
            None
        }
    }

    /// Lines after the last one that is shown, while not following.
    pub fn behind(&self, height: usize) -> usize {
        let shown = self.top.map_or(self.page.total, |top| top + height);
        self.page.total.saturating_sub(shown)
    }

    /// Moves by lines; back at the end it follows again.
    pub fn scroll(&mut self, by: isize, height: usize) {
        let last = self.page.total.saturating_sub(height);
        let now = self.top.unwrap_or(last);
        let next = now.saturating_add_signed(by);
        self.top = (next < last || by < 0 && last > 0).then_some(next.min(last));
    }

    /// Moves sideways.
    pub fn sideways(&mut self, right: bool) {
        self.left = if right {
            (self.left + SIDEWAYS).min(crate::log::sanitize::LINE_CELLS)
        } else {
            self.left.saturating_sub(SIDEWAYS)
        };
    }

    /// Goes to a line that a search found.
    pub fn go_to(&mut self, line: Option<usize>, height: usize) {
        self.missed = line.is_none();
        let Some(line) = line else { return };
        self.hit = Some(line);
        let last = self.page.total.saturating_sub(height);
        self.top = Some(line.saturating_sub(height / 3).min(last));
    }

    /// Where the next search begins.
    pub fn search_from(&self, forward: bool) -> usize {
        match (self.hit, forward) {
            (Some(hit), true) => hit + 1,
            (Some(hit), false) => hit,
            (None, true) => self.top.unwrap_or(0),
            (None, false) => self.page.total,
        }
    }
}
