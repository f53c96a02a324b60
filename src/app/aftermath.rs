//! After a failed run: the menu of its result, whose first line does nothing.

use crate::{
    run::{
        aftermath::{Amendment, Way, difference},
        journal::Record,
        unfinished::ways_back,
    },
    stage::Answer,
};

use super::{
    dialog::{Confirm, Dialog, Then},
    model::{Model, Pick},
    msg::{Effect, Errand, Tone},
};

impl Model {
    /// What can be done with the run whose result is shown; empty where it did not fail.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let Some(run) = self.run.as_ref().filter(|run| run.can_go_on()) else {
            return vec![];
        };
        let world = self.world.as_ref();
        let back = world.is_some_and(|world| !ways_back(&run.record(), world).is_empty());
        run.ways(back)
    }

    pub(super) fn choose_way(&mut self, way: Way) -> Vec<Effect> {
        let Some(run) = &self.run else { return vec![] };
        let Some(id) = run.id.clone() else { return vec![] };
        let labs: Vec<String> = run.plan.labs.iter().map(|t| t.lab.clone()).collect();
        match &way {
            Way::Leave => {
                self.back_to_labs();
                return vec![];
            }
            Way::Shell(name) => return vec![Effect::Errand(Errand::Shell(name.clone()))],
            Way::Bundle => {
                self.say(Tone::Good, "saving a report of this run");
                return vec![Effect::Bundle(id, self.secrets_of_run())];
            }
            _ if self.refuse_read_only() || self.refuse_stale() || self.refuse_busy(&labs) => return vec![],
            _ => {}
        }
        match way {
            Way::Verbose(action) => self.amend(id, Amendment::Trace(action)),
            Way::LeaveOut(actions) => self.amend(id, Amendment::LeaveOut(actions)),
            // What the journal says counts: its script may have been edited before.
            way => {
                self.resume.meant = Some(way);
                vec![Effect::FindRun(id)]
            }
        }
    }

    /// A run was looked for with this in mind.
    pub(super) fn go_the_way(&mut self, way: &Way, record: Box<Record>) -> Vec<Effect> {
        match way {
            Way::Undo => {
                let Some(world) = &self.world else { return vec![] };
                let pick = |(lab, stage, choice)| Pick {
                    lab,
                    stage,
                    choice,
                    asks: false,
                };
                let picks: Vec<Pick> = ways_back(&record, world).into_iter().map(pick).collect();
                if picks.is_empty() {
                    self.say(Tone::Warning, "there is nothing left to undo");
                    return vec![];
                }
                self.begin(picks)
            }
            Way::Edit(action) => {
                let found = record.plan.actions().find(|a| a.id == *action);
                let script = found.and_then(|a| a.step.script()).unwrap_or_default();
                let errand = Errand::Edit(record.id.clone(), action.clone(), script.to_owned());
                vec![Effect::Errand(errand)]
            }
            _ => self.go_on_with(record),
        }
    }

    /// Changes a run, and goes on with it.
    pub(super) fn amend(&mut self, run: String, change: Amendment) -> Vec<Effect> {
        self.resume.meant = Some(Way::Retry);
        vec![Effect::Amend(run, change)]
    }

    /// The editor was left: what was changed is shown before it counts.
    pub(super) fn take_edited(
        &mut self,
        (run, id): (String, String),
        before: &str,
        edited: Result<String, String>,
    ) -> Vec<Effect> {
        match edited {
            Err(text) => self.say(Tone::Bad, text),
            Ok(script) if script == before => {
                self.say(Tone::Good, "the script is as it was; nothing was done");
            }
            Ok(script) => {
                let text = difference(before, &script);
                let then = Then::Amend(run, Amendment::Edit { id, script });
                let mut confirm = Confirm::new("Go on with this change?".into(), "Use it and retry", then);
                confirm.text = text;
                confirm.keeps =
                    vec!["the stage as it is: the change is in the journal of this run only".into()];
                self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
            }
        }
        vec![]
    }

    /// A report was saved, or not.
    pub(super) fn take_bundled(&mut self, saved: Result<String, String>) -> Vec<Effect> {
        match saved {
            Ok(text) => self.say(Tone::Good, text),
            Err(text) => self.say(Tone::Bad, text),
        }
        vec![]
    }

    /// The values of secrets that this session knows, to be kept out of a report.
    fn secrets_of_run(&self) -> Vec<String> {
        let text = |answer: Answer| match answer {
            Answer::Text(text) => Some(text),
            _ => None,
        };
        let typed = self
            .wizard
            .forms
            .values()
            .flat_map(|form| form.secrets().into_values());
        let given = self
            .resume
            .begun
            .iter()
            .flat_map(|goes_on| goes_on.secrets.values());
        let given = given.flat_map(|answers| answers.values().cloned());
        typed.chain(given).filter_map(text).collect()
    }
}
