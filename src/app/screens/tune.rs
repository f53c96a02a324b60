//! The offer to give the GPU more memory before a lab is made: the plan then begins with that change.

use crate::{
    app::{
        machine::{Aim, Proposed},
        model::Model,
        msg::{Effect, Tone},
    },
    host::{boot::mend, findings::Pool},
    plan::Tuning,
};

impl Model {
    /// The planner of the GPU's memory, where the plan under review makes a lab with a GPU whose memory is at the
    /// kernel's default, on an engine of this machine.
    pub(crate) fn tuning_offer(&self) -> Option<&Pool> {
        let review = self.review.as_ref().filter(|review| review.goes_on.is_none())?;
        let pool = self.host_view.machine.as_ref()?.pool.as_ref()?;
        let server = self.world.as_ref().and_then(|world| world.server.as_ref());
        let here = server.is_none_or(|server| server.address.starts_with('/'));
        (here && pool.is_default && review.plan.makes_a_gpu_lab()).then_some(pool)
    }

    /// Lets the plan begin with the change, or takes it out again.
    pub(in crate::app) fn tune_first(&mut self) -> Vec<Effect> {
        let Some(pool) = self.tuning_offer() else {
            return vec![];
        };
        let gib = self.chosen_gib(pool);
        if let Some(review) = self.review.as_mut().filter(|review| review.plan.is_tuned()) {
            review.plan.untune();
            review.scroll = 0;
            return vec![];
        }
        let Some(machine) = &self.host_view.machine else {
            return vec![];
        };
        let wish = mend::of_size(&machine.report.machine.kernel, gib);
        self.host_view.tuning = true;
        vec![Effect::Propose(mend::sentence(&wish), Aim::Make(wish))]
    }

    /// The change is known: the plan under review begins with it.
    pub(in crate::app) fn begin_with(&mut self, proposed: &Proposed) {
        let (Some(review), Some(machine)) = (&mut self.review, &self.host_view.machine) else {
            return;
        };
        let (Aim::Make(wish), Some(proposal), None) = (&proposed.aim, proposed.proposal(), &proposed.hint)
        else {
            let why = proposed.hint.clone().unwrap_or_default();
            self.say(Tone::Bad, format!("not possible here: {why}"));
            return;
        };
        match proposal {
            Ok(proposal) => {
                review.plan.tune(&Tuning {
                    wish: wish.clone(),
                    proposal: proposal.clone(),
                    boot: machine.boot.clone(),
                    root: machine.tree.clone(),
                });
                // It is another plan now: to be read before it is agreed to.
                (review.scroll, review.apply) = (0, false);
            }
            Err(why) => {
                let why = why.clone();
                self.say(Tone::Bad, why);
            }
        }
    }
}
