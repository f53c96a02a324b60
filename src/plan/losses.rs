//! What a plan would destroy of what is there: told when it is made, and compared right before its first action.

use std::collections::BTreeMap;

use crate::labs::World;

use super::{Action, Plan, Step, jobs};

/// What would be lost: jobs, instances and their snapshots, by what they are known by, each in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(BTreeMap<String, String>);

impl Losses {
    /// What the actions that are not `done` would destroy now.
    pub fn of(plan: &Plan, world: &World, done: impl Fn(&str) -> bool) -> Self {
        let mut found = BTreeMap::new();
        let labs = plan.labs.iter().flat_map(|track| &track.actions);
        for action in labs.filter(|action| !done(&action.id)) {
            for work in world.under_way() {
                if jobs::ends(action, &work.instance) {
                    let words = format!("{}, which runs in {}", jobs::title(work), work.instance);
                    found.insert(format!("job {}", work.id), words);
                }
            }
            let Some(instance) = destroyed(action).and_then(|name| world.instance(name)) else {
                continue;
            };
            let name = &instance.name;
            found.insert(
                format!("instance {name} {}", instance.uuid),
                format!("{name}, which was replaced by another one of its name"),
            );
            // A restore leaves the snapshots as they are, and a copy that must be whole has them.
            let stays = match &action.step {
                Step::Delete { only_if, .. } => only_if.is_some(),
                Step::Restore { .. } => true,
                _ => false,
            };
            for snapshot in world.snapshots_of(name).iter().filter(|_| !stays) {
                let shown = crate::log::sanitize(snapshot);
                let words = format!("the snapshot {shown} of {name}");
                found.insert(format!("snapshot {name}/{snapshot}"), words);
            }
        }
        Self(found)
    }

    /// What would be lost now and was not said then, in words.
    pub fn more_than(&self, said: &Self) -> Vec<String> {
        let new = self.0.iter().filter(|(key, _)| !said.0.contains_key(*key));
        new.map(|(_, words)| words.clone()).collect()
    }

    /// The jobs among it, in words.
    pub fn jobs(&self) -> Vec<String> {
        let jobs = self.0.iter().filter(|(key, _)| key.starts_with("job "));
        jobs.map(|(_, words)| words.clone()).collect()
    }
}

impl Plan {
    /// Whether actions that are not `done` end what runs in an instance.
    pub fn ends_in(&self, instance: &str, done: impl Fn(&str) -> bool) -> bool {
        let mut actions = self.labs.iter().flat_map(|track| &track.actions);
        actions.any(|action| !done(&action.id) && jobs::ends(action, instance))
    }

    /// Whether anything of what is there can be lost by it at all.
    pub fn may_lose(&self) -> bool {
        let mut actions = self.labs.iter().flat_map(|track| &track.actions);
        actions.any(|action| destroyed(action).is_some() || jobs::is_an_end(action))
    }
}

/// The instance that an action destroys.
fn destroyed(action: &Action) -> Option<&str> {
    match &action.step {
        Step::Restore { name, .. } | Step::Delete { name, .. } | Step::Retire { name, .. } => Some(name),
        _ => None,
    }
}
