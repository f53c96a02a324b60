//! An update of a workspace on the screens, from the plan that was agreed to until its services answer.

use crate::{
    app::{
        dialog::{Confirm, Dialog, Then},
        model::{Model, Review},
        msg::{Effect, Tone},
        workspaces::{Roll, Waited, WayBack, Wish},
    },
    labs::stand::Stand,
    plan::{Choice, Plan},
    workspace::{
        services::{answering, settle::is_well},
        shown::{came_back, kept_by_update},
        spec,
    },
};

/// Codes of a run that carried out less than its plan.
const NOT_MADE: [u8; 3] = [1, 4, 5];

impl Model {
    /// The update that a plan is; the way back of one stays a part of it.
    pub(in crate::app) fn roll_of(&mut self, plan: &Plan) -> Option<Roll> {
        let former = self.workspaces.roll.take();
        let [track] = plan.labs.as_slice() else {
            return None;
        };
        let user = spec::user_of(&track.lab)?;
        self.book()?.ground.settings.users.get(user)?;
        match &track.choice {
            Choice::BringBack(_) => former.filter(|roll| roll.user == user && roll.failed.is_some()),
            Choice::Recreate => {
                let before = Stand::of(self.world.as_ref()?, &track.lab);
                let known = self.workspaces.health.get(user).filter(|_| before.running);
                Some(Roll {
                    user: user.to_owned(),
                    needed: known.map(|looked| answering(&looked.reports)).unwrap_or_default(),
                    before,
                    waits: false,
                    failed: None,
                })
            }
            _ => None,
        }
    }

    /// A plan has ended, with this code: what it made is waited for, or what was before comes back.
    pub(in crate::app) fn after_update(&mut self, code: u8) -> Vec<Effect> {
        let Some(mut roll) = self.workspaces.roll.take() else {
            return vec![];
        };
        if code != 0 && !NOT_MADE.contains(&code) {
            // Somebody stopped it, or it was not begun.
            return vec![];
        }
        if code == 0 {
            return self.wait_for(roll);
        }
        if roll.failed.is_some() {
            self.say(Tone::Bad, came_back(&roll.user, false, false));
            return vec![];
        }
        roll.failed = Some("it could not be made anew from the image".into());
        self.go_back(roll)
    }

    fn wait_for(&mut self, mut roll: Roll) -> Vec<Effect> {
        self.say(Tone::Good, format!("{}: its services are waited for", roll.user));
        let wish = Wish::Wait(roll.user.clone(), roll.needed.clone());
        roll.waits = true;
        self.workspaces.roll = Some(roll);
        vec![Effect::Workspaces(wish)]
    }

    fn go_back(&mut self, roll: Roll) -> Vec<Effect> {
        let why = roll.failed.as_deref().unwrap_or_default();
        let text = format!(
            "{}: the update failed: {why}; the container of before comes back",
            roll.user
        );
        self.say(Tone::Bad, text);
        let wish = Wish::Return(roll.user.clone(), roll.before.clone(), Box::new(self.facts()));
        self.workspaces.roll = Some(roll);
        vec![Effect::Workspaces(wish)]
    }

    /// The services of a user came up, or did not.
    pub(in crate::app) fn take_waited(&mut self, user: &str, waited: Waited) -> Vec<Effect> {
        let ours = |roll: &mut Roll| roll.user == user && roll.waits;
        let Some(mut roll) = self.workspaces.roll.take_if(ours) else {
            return vec![];
        };
        roll.waits = false;
        self.workspaces.asked = 0;
        let settled = match waited {
            Ok(settled) => settled,
            Err(why) => {
                self.say(Tone::Warning, why);
                return vec![];
            }
        };
        let well = settled.failed.is_none();
        if roll.failed.is_some() {
            let tone = if well { Tone::Warning } else { Tone::Bad };
            self.say(tone, self.with_kept(&roll, came_back(user, true, well)));
            return vec![];
        }
        let Some(why) = settled.failed else {
            let seconds = settled.took.as_secs_f32();
            let text = format!("{user}: all services answer, after {seconds:.1} s");
            self.say(Tone::Good, self.with_kept(&roll, text));
            return vec![];
        };
        let unwell = settled.reports.iter().filter(|r| !is_well(r, &roll.needed));
        let said: Vec<String> = unwell.map(|r| format!("{}: {}", r.service, r.words)).collect();
        roll.failed = Some(if said.is_empty() {
            why
        } else {
            format!("{why} ({})", said.join("; "))
        });
        self.go_back(roll)
    }

    /// With what the update kept beside the workspace.
    fn with_kept(&self, roll: &Roll, text: String) -> String {
        let now = self
            .world
            .as_ref()
            .map(|world| Stand::of(world, &spec::lab(&roll.user)));
        let kept = now.map(|now| {
            now.kept
                .difference(&roll.before.kept)
                .cloned()
                .collect::<Vec<_>>()
        });
        let kept = kept.unwrap_or_default().into_iter();
        let lines: Vec<String> = std::iter::once(text)
            .chain(kept.map(|name| kept_by_update(&name)))
            .collect();
        lines.join("\n")
    }

    /// The way back is known: its plan was agreed to with that of the update.
    pub(in crate::app) fn take_way_back(&mut self, user: &str, way: WayBack) -> Vec<Effect> {
        let Some(roll) = self.workspaces.roll.take_if(|roll| roll.user == user) else {
            return vec![];
        };
        match way {
            Ok(None) => self.wait_for(roll),
            Ok(Some(plan)) if !self.is_running() => {
                self.workspaces.roll = Some(roll);
                self.wizard.picks.clear();
                self.review = Some(Review {
                    plan: *plan,
                    scroll: 0,
                    apply: true,
                    goes_on: None,
                });
                self.start_run()
            }
            Ok(Some(_)) => {
                self.say(Tone::Bad, came_back(user, false, false));
                vec![]
            }
            Err(why) => {
                let text = format!("{}\n{why}", came_back(user, false, false));
                self.say(Tone::Bad, text);
                vec![]
            }
        }
    }

    /// Who leaves before the services answer is asked: nobody would bring the container of before back.
    pub(in crate::app) fn ask_to_leave_roll(&mut self, code: u8) -> bool {
        let Some(roll) = self.workspaces.roll.as_ref().filter(|_| !self.is_running()) else {
            return false;
        };
        let title = format!("Leave before the services of {} answer?", roll.user);
        let mut confirm = Confirm::new(title, "Leave", Then::Quit(code));
        confirm.no = "Stay";
        confirm.text = vec![format!(
            "Whether the update went well is not known yet. Without halolab the container of before does not come back by \
             itself: `halolab workspace status {}` says how the services are, `halolab undo {}` brings it back.",
            roll.user,
            spec::lab(&roll.user)
        )];
        confirm.keeps = vec!["the new container, and the one of before".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
        true
    }
}
