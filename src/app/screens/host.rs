//! The host's screen: moving over the findings, choosing a size of the GPU's pool, and the change of the boot
//! configuration from its diff to its end.

use crate::{
    app::{
        dialog::Dialog,
        keys::Intent,
        machine::{Agreed, Aim, ChangeView, Machine, Proposed, Row},
        model::{Model, Screen},
        msg::{Effect, Errand, Tone},
        update::moved,
    },
    host::{Fact, boot::mend},
    run::receipt::Standing,
};

/// GiB of one step with the arrow keys.
const STEP: u64 = 4;

impl Model {
    pub(in crate::app) fn open_host(&mut self) -> Vec<Effect> {
        self.open(Screen::Host);
        vec![]
    }

    pub(in crate::app) fn on_host(&mut self, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Back => self.back(),
            Intent::Retry => {
                self.host_view.looking = true;
                return vec![Effect::LookAtMachine, Effect::Look];
            }
            Intent::Left => self.resize_pool(|gib| gib.saturating_sub(STEP)),
            Intent::Right => self.resize_pool(|gib| gib + STEP),
            Intent::Less => self.resize_pool(|gib| gib.saturating_sub(1)),
            Intent::More => self.resize_pool(|gib| gib + 1),
            Intent::Enter => return self.mend_current(),
            Intent::Undo => return self.undo_current(),
            Intent::PageUp | Intent::PageDown => {
                let (rows, page) = crate::ui::host_details(self);
                self.host_view.scroll = moved(self.host_view.scroll, intent, rows, page);
            }
            _ => {
                let count = self.host_rows().len();
                self.host_view.cursor = moved(self.host_view.cursor, intent, count, 1);
                self.host_view.scroll = 0;
            }
        }
        vec![]
    }

    fn resize_pool(&mut self, to: impl Fn(u64) -> u64) {
        let pool = self.host_view.machine.as_ref().and_then(|m| m.pool.as_ref());
        let Some(pool) = pool.filter(|_| self.host_row() == Row::Memory) else {
            return;
        };
        let gib = to(self.chosen_gib(pool)).clamp(1, pool.most);
        self.host_view.gib = Some(gib);
    }

    fn mend_current(&mut self) -> Vec<Effect> {
        let Some(machine) = &self.host_view.machine else {
            return vec![];
        };
        let (what, aim) = match self.host_row() {
            Row::Machine => {
                self.say(Tone::Good, "choose a finding or the GPU's memory; enter mends it");
                return vec![];
            }
            Row::Memory => {
                let Some(pool) = &machine.pool else { return vec![] };
                let wish = mend::of_size(&machine.report.machine.kernel, self.chosen_gib(pool));
                (mend::sentence(&wish), Aim::Make(wish))
            }
            Row::Change(_) => {
                self.say(Tone::Good, "u takes this change back; its inverse is shown first");
                return vec![];
            }
            Row::Finding(index) => {
                let findings = self.findings();
                let Some(finding) = findings.get(index) else {
                    return vec![];
                };
                let Some(mend) = self.mend_of(finding) else {
                    let text = if finding.fix.is_some() {
                        "halolab cannot mend this itself; what to do is under Fix"
                    } else {
                        "there is nothing to mend here"
                    };
                    self.say(Tone::Warning, text);
                    return vec![];
                };
                mend
            }
        };
        vec![Effect::Propose(what, aim)]
    }

    fn undo_current(&mut self) -> Vec<Effect> {
        let Some(machine) = &self.host_view.machine else {
            return vec![];
        };
        // On another row it is the newest one that is meant.
        let at = match self.host_row() {
            Row::Change(at) => Some(at),
            _ => machine.changes.iter().rposition(|c| c.undo.is_some()),
        };
        let change = at.and_then(|at| machine.changes.get(at));
        let Some(change) = change.filter(|c| c.undo.is_some()) else {
            self.say(Tone::Good, "there is no change that could be taken back");
            return vec![];
        };
        let entry = Box::new(change.entry.clone());
        vec![Effect::Propose(
            format!("take back: {}", entry.what),
            Aim::TakeBack(entry),
        )]
    }

    pub(in crate::app) fn take_machine(&mut self, machine: Box<Machine>) -> Vec<Effect> {
        self.host_view.looking = false;
        if let Some(problem) = &machine.problem {
            self.say(Tone::Warning, problem.clone());
        }
        // The change may have been taken back since: then nothing waits for a restart.
        if !machine
            .changes
            .iter()
            .any(|change| change.standing == Standing::RestartNeeded)
        {
            self.restart = None;
        }
        self.host_view.machine = Some(machine);
        let last = self.host_rows().len().saturating_sub(1);
        self.host_view.cursor = self.host_view.cursor.min(last);
        self.offer_unfinished();
        vec![]
    }

    pub(in crate::app) fn take_proposed(&mut self, proposed: Result<Box<Proposed>, String>) -> Vec<Effect> {
        let for_plan = std::mem::take(&mut self.host_view.tuning);
        match proposed {
            Ok(proposed) if for_plan => self.begin_with(&proposed),
            Ok(proposed) if self.dialog.is_none() && self.screen() == Screen::Host => {
                self.dialog = Some(Dialog::Change(Box::new(ChangeView {
                    proposed: *proposed,
                    apply: false,
                    scroll: 0,
                })));
            }
            // Whoever asked has gone elsewhere since.
            Ok(_) => {}
            Err(why) => self.say(Tone::Bad, why),
        }
        vec![]
    }

    pub(in crate::app) fn on_change(&mut self, intent: Intent) -> Vec<Effect> {
        let (rows, page) = crate::ui::change::rows(self);
        let Some(Dialog::Change(view)) = &mut self.dialog else {
            return vec![];
        };
        match intent {
            Intent::Next => view.apply = !view.apply && view.proposed.can_apply(),
            Intent::Place if view.proposed.ways.len() > 1 => {
                view.proposed.at = (view.proposed.at + 1) % view.proposed.ways.len();
                (view.apply, view.scroll) = (false, 0);
            }
            Intent::Place => {}
            Intent::Enter if view.apply => return self.agree_to_change(),
            Intent::Enter | Intent::Back => self.dialog = None,
            _ => view.scroll = moved(view.scroll, intent, rows, page),
        }
        vec![]
    }

    fn agree_to_change(&mut self) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_busy(&[]) {
            self.dialog = None;
            return vec![];
        }
        let Some(Dialog::Change(view)) = self.dialog.take() else {
            return vec![];
        };
        let proposed = view.proposed;
        let proposal = proposed.proposal().and_then(|p| p.as_ref().ok()).cloned();
        self.host_view.pending = Some(Box::new(Agreed {
            what: proposed.what,
            aim: proposed.aim,
            proposal,
        }));
        let root = self.facts().get("root") == Some(&Fact::Bool(true));
        let live = self.host_view.machine.as_ref().is_none_or(|m| m.tree.is_none());
        if live && !root {
            return vec![Effect::Errand(Errand::Sudo)];
        }
        self.start_change()
    }

    /// Begins the change that was agreed to, now that root is ours.
    pub(in crate::app) fn start_change(&mut self) -> Vec<Effect> {
        let Some(agreed) = self.host_view.pending.take() else {
            return vec![];
        };
        self.host_view.working = Some((agreed.what.clone(), self.now));
        vec![Effect::Change(agreed)]
    }

    pub(in crate::app) fn take_changed(&mut self, ended: Result<String, String>) -> Vec<Effect> {
        self.host_view.working = None;
        match ended {
            Ok(text) => self.say(Tone::Good, text),
            Err(text) => self.say(Tone::Bad, text),
        }
        self.host_view.looking = true;
        vec![Effect::LookAtMachine, Effect::Look]
    }

    /// Says so where the boot configuration is being written: leaving waits for its end.
    pub(in crate::app) fn refuse_to_leave(&mut self) -> bool {
        let working = self.host_view.working.is_some();
        if working {
            let text = "not now: the boot configuration is being written; wait for its end";
            self.say(Tone::Warning, text);
        }
        working
    }
}
