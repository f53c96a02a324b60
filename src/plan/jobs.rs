//! Jobs that run in the labs of a plan: what it ends of them is said before it is done.

use crate::{
    labs::{Work, World},
    log::{clean, shortened},
};

use super::{Action, Step, Track};

/// Names the jobs that a track ends or works under.
pub(super) fn name(world: &World, track: &mut Track) {
    let mut under = vec![];
    for work in world.under_way() {
        let instance = &work.instance;
        if let Some(action) = track.actions.iter_mut().find(|action| ends(action, instance)) {
            let lost = format!("{}, which runs", title(work));
            action.destroys = Some(match action.destroys.take() {
                Some(before) => format!("{before}; {lost}"),
                None => lost,
            });
            track.loses.push(format!(
                "{}, which runs in {instance}: it ends there; what it wrote until then stays: `halolab job logs {}`",
                title(work),
                work.id
            ));
        } else if track.actions.iter().any(|action| changes(action, instance)) {
            under.push(format!(
                "{} runs in {instance} meanwhile, and finds other packages and files under it; end it first with \
                 `halolab job stop {1}`, or wait for it with `halolab job wait {1}`",
                title(work),
                work.id
            ));
        }
    }
    track.notes.extend(under);
}

pub(super) fn title(work: &Work) -> String {
    let title = shortened(&clean(&work.title), 60);
    format!("the job {} ({title})", work.id)
}

/// Whether an action ends all that runs in an instance.
pub(super) fn ends(action: &Action, instance: &str) -> bool {
    ended(action) == Some(instance)
}

/// Whether an action ends all that runs in some instance.
pub(super) fn is_an_end(action: &Action) -> bool {
    ended(action).is_some()
}

/// The instance in which an action ends all that runs.
fn ended(action: &Action) -> Option<&str> {
    match &action.step {
        Step::Restore { name, .. } | Step::Delete { name, .. } | Step::Retire { name, .. } => Some(name),
        Step::Power { name, power } if *power != crate::backend::Power::Start => Some(name),
        _ => None,
    }
}

/// Whether an action changes an instance while it runs.
fn changes(action: &Action, instance: &str) -> bool {
    matches!(&action.step, Step::Exec { name, .. } if name == instance)
}
