//! The plan before anything happens.

use crate::{
    app::{
        dialog::{Dialog, ScriptView},
        keys::Intent,
        model::{Model, Review, Screen},
        msg::{Effect, Errand, Tone},
        resume::GoesOn,
        run_view::RunView,
        update::moved,
    },
    host::Fact,
    plan::{Choice, Step},
};

impl Model {
    pub(in crate::app) fn on_review(&mut self, intent: Intent) -> Vec<Effect> {
        let rows = crate::ui::review_rows(self);
        let page = self.page();
        let Some(review) = &mut self.review else {
            self.back();
            return vec![];
        };
        match intent {
            Intent::Scripts => {
                let at = crate::ui::first_action(self);
                self.dialog = Some(Dialog::Script(ScriptView { at, scroll: 0 }));
            }
            Intent::Tune => return self.tune_first(),
            Intent::Diff => {
                let restored = review.plan.labs.iter().find_map(|t| match &t.choice {
                    Choice::Restore(snapshot) => Some((t.lab.clone(), snapshot.clone())),
                    _ => None,
                });
                if let Some((lab, snapshot)) = restored {
                    return self.compare_with(&lab, &snapshot);
                }
            }
            Intent::Next => review.apply = !review.apply,
            Intent::Enter if review.apply => return self.apply(),
            Intent::Enter | Intent::Back => self.leave_review(),
            _ => review.scroll = moved(review.scroll, intent, rows, page),
        }
        vec![]
    }

    pub(in crate::app) fn on_script(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(Dialog::Script(mut view)) = self.dialog else {
            return vec![];
        };
        let count = self.review.as_ref().map_or(0, |r| r.plan.actions().count());
        let at = match intent {
            Intent::Back => {
                self.dialog = None;
                return vec![];
            }
            Intent::Next => (view.at + 1).min(count.saturating_sub(1)),
            Intent::Previous => view.at.saturating_sub(1),
            _ => view.at,
        };
        let rows = crate::ui::script::rows(self, &view);
        view.scroll = moved(view.scroll, intent, rows, self.page());
        if at != view.at {
            view = ScriptView { at, scroll: 0 };
        }
        self.dialog = Some(Dialog::Script(view));
        vec![]
    }

    /// Cancel: the plan is thrown away, the choices and forms behind it stay.
    fn leave_review(&mut self) {
        self.review = None;
        self.workspaces.removal = None;
        self.others.waiting = false;
        self.back();
    }

    /// Apply: at once, or after sudo has asked for its password where the plan needs root.
    pub(in crate::app) fn apply(&mut self) -> Vec<Effect> {
        if self.is_running() {
            self.say(Tone::Warning, "another plan is being carried out");
            return vec![];
        }
        if self.refuse_stale() || self.ask_to_wait() || self.ask_to_trust() {
            return vec![];
        }
        let root = self.facts().get("root") == Some(&Fact::Bool(true));
        let needs_root = |review: &Review| review.plan.actions().any(|a| is_for_root(&a.step));
        if !root && self.review.as_ref().is_some_and(needs_root) {
            return vec![Effect::Errand(Errand::Sudo)];
        }
        self.start_run()
    }

    /// Starts what is under review.
    pub(in crate::app) fn start_run(&mut self) -> Vec<Effect> {
        let Some(review) = self.review.take() else {
            return vec![];
        };
        let secrets = self.wizard.picks.iter().filter(|p| p.asks).filter_map(|pick| {
            let secrets = self.wizard.forms.get(&pick.lab)?.secrets();
            (!secrets.is_empty()).then(|| (pick.lab.clone(), secrets))
        });
        let secrets = secrets.collect();
        self.workspaces.roll = match review.goes_on {
            None => self.roll_of(&review.plan),
            Some(_) => None,
        };
        self.run = Some(RunView::new(review.plan.clone(), self.now));
        self.stack = self.lists();
        self.stack.push(Screen::Run);
        self.resume.begun.clone_from(&review.goes_on);
        if let Some(GoesOn { run, secrets, .. }) = review.goes_on {
            return vec![Effect::Resume(run, Box::new(review.plan), secrets)];
        }
        vec![Effect::Start(Box::new(review.plan), secrets)]
    }
}

/// Whether the runner does a step as root of this machine.
fn is_for_root(step: &Step) -> bool {
    matches!(
        step,
        Step::HostScript { .. }
            | Step::TuneBoot { root: None, .. }
            | Step::MakeDataFolders { .. }
            | Step::Bootstrap { .. }
    )
}
