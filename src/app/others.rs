//! Another halolab at work: who it is, and waiting for its end before a plan is begun.

use crate::run::lock::{Daemon, Holder, Scope};

use super::{
    dialog::{Confirm, Dialog, Then},
    model::{Model, Review, Screen},
    msg::{Effect, Outdated, Tone},
};

/// What is known of other halolabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The one that is at work.
    pub holder: Option<Holder>,
    /// The plan under review waits for its end.
    pub waiting: bool,
    /// It has ended, and the plan waits for a new look.
    pub ended: bool,
}

impl Model {
    /// The line that tells of another halolab; none where there is none.
    pub(crate) fn other_words(&self) -> Option<String> {
        let holder = self.others.holder.as_ref()?;
        let waits = if self.others.waiting {
            "; waiting for its end, then the plan is made anew"
        } else {
            ""
        };
        Some(format!("another halolab is at work: {holder}{waits}"))
    }

    pub(in crate::app) fn take_holder(&mut self, holder: Option<Holder>) -> Vec<Effect> {
        let ended = self.others.holder.is_some() && holder.is_none();
        self.others.holder = holder;
        if !ended {
            return vec![];
        }
        if let Some(Dialog::Confirm(confirm)) = &self.dialog
            && confirm.then == Then::Wait
        {
            self.dialog = None;
            self.others.waiting = true;
        }
        if std::mem::take(&mut self.others.waiting) && self.screen() == Screen::Review {
            self.others.ended = true;
        }
        // Whatever the other one did, the lists say it.
        vec![Effect::Look]
    }

    /// The run was not begun: another halolab was faster. Its plan is under review again.
    pub(in crate::app) fn take_busy(&mut self, holder: Holder) -> Vec<Effect> {
        if self.review_again() {
            self.others.holder = Some(holder);
            self.ask_to_wait();
        }
        vec![]
    }

    /// The run was not begun: more would be lost than its plan says. The plan is made anew and shown.
    pub(in crate::app) fn take_outdated(&mut self, outdated: Outdated) -> Vec<Effect> {
        let facts = self.world.as_ref().map(|world| world.facts.clone());
        if !self.review_again() {
            return vec![];
        }
        let mut world = outdated.world;
        world.facts = facts.unwrap_or_default();
        self.world = Some(world);
        match &mut self.review {
            Some(review) if review.goes_on.is_some() => review.plan.losses = outdated.losses,
            _ => self.plan_again(),
        }
        if let Some(review) = &mut self.review {
            review.apply = false;
            let text = format!("not begun: {} would be lost, too", outdated.more.join("; "));
            self.say(Tone::Warning, text);
        }
        // What is shown elsewhere comes with the facts.
        vec![Effect::Look]
    }

    /// The plan of a run that was not begun is under review again; false where there was none.
    fn review_again(&mut self) -> bool {
        let Some(run) = self.run.take() else {
            return false;
        };
        self.review = Some(Review {
            apply: !run.plan.takes(),
            plan: run.plan,
            scroll: 0,
            goes_on: self.resume.begun.take(),
        });
        self.stack = vec![Screen::Welcome, Screen::Labs];
        if self.form().is_some() {
            self.open(Screen::Options);
        }
        self.open(Screen::Review);
        true
    }

    /// Asks whether to wait, where another halolab is at work on what the plan under review changes; says whether it is.
    pub(in crate::app) fn ask_to_wait(&mut self) -> bool {
        let scope = self
            .review
            .as_ref()
            .map(|r| Scope::of(&r.plan, &Daemon::default()));
        let scope = scope.unwrap_or_default();
        let Some(holder) = self.others.holder.as_ref().filter(|h| h.is_in_the_way_of(&scope)) else {
            return false;
        };
        let mut confirm = Confirm::new("Another halolab is at work".into(), "Wait", Then::Wait);
        confirm.no = "Leave it";
        confirm.text = vec![
            format!("It does: {}.", holder.what),
            format!("It is process {}, since {}.", holder.pid, holder.since),
            "Nothing of this plan was begun. After a wait it is made anew, from what is there then, and shown again."
                .into(),
        ];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
        true
    }

    pub(in crate::app) fn wait_for_other(&mut self) {
        self.others.waiting = self.others.holder.is_some();
    }

    /// Says so where another halolab is at work on these labs; on anything, where there are none.
    pub(in crate::app) fn refuse_busy(&mut self, labs: &[String]) -> bool {
        let scope = Scope::labs(&Daemon::default(), labs.iter().cloned());
        if !self
            .others
            .holder
            .as_ref()
            .is_some_and(|h| h.is_in_the_way_of(&scope))
        {
            return false;
        }
        let Some(words) = self.other_words() else {
            return false;
        };
        self.say(Tone::Warning, format!("not now: {words}; wait for its end"));
        true
    }
}
