//! Whether a lab is still the instance that a plan was made for. Looked at before any track begins or goes on, and again
//! before each action that finds its instance by the name.

use crate::{
    backend::{Error, Instance},
    plan::{Action, Plan, Step, Track},
};

use super::apply::Worker;

/// Why no track is begun or gone on with: a lab is neither what the plan was made for nor what this run put in its
/// place. Most steps look only at the name.
pub(super) async fn replaced(plan: &Plan, worker: &Worker<'_>) -> Option<String> {
    for track in plan.labs.iter().filter(|t| !t.uuid.is_empty()) {
        let ended = |a: &Action| worker.finished(&a.id);
        if track.actions.iter().all(ended) {
            continue;
        }
        // A restore that was begun looks by itself.
        let restores = |a: &Action| matches!(a.step, Step::Restore { .. }) && worker.begun(&a.id);
        if track.actions.iter().any(restores) {
            continue;
        }
        let lab = &track.lab;
        let found = match worker.backend(track.engine()).await {
            Ok(backend) => backend.instance(lab).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(Some(found)) if !is_meant(&found, track, worker) => {
                return Some(format!(
                    "{lab} is not the instance that this plan was made for, someone replaced it; look at it with \
                     `halolab status {lab}`, and make your choice anew with `halolab plan {lab} --choose …`"
                ));
            }
            Ok(_) => {}
            Err(error) => return Some(error.to_string()),
        }
    }
    None
}

/// Whether an instance is what a track was planned for, or what this run put in its place.
fn is_meant(found: &Instance, track: &Track, worker: &Worker<'_>) -> bool {
    found.uuid == track.uuid || found.tag("run") == Some(worker.run)
}

/// Why an action of a lab is not begun: its name leads to another instance by now. That a lab is gone, the action says.
pub(super) async fn replaced_since(
    lab: &str,
    step: &Step,
    worker: &Worker<'_>,
) -> Result<Option<String>, Error> {
    let Some(track) = worker.track(lab).filter(|_| step.acts_on() == Some(lab)) else {
        return Ok(None);
    };
    let found = worker.backend(track.engine()).await?.instance(lab).await?;
    Ok(found.and_then(|found| replaced_by(&found, lab, worker)))
}

/// The same of an instance that was just looked at.
pub(super) fn replaced_by(found: &Instance, lab: &str, worker: &Worker<'_>) -> Option<String> {
    let known = |track: &&Track| found.name == lab && !track.uuid.is_empty();
    let track = worker.track(lab).filter(known)?;
    (!is_meant(found, track, worker)).then(|| {
        format!(
            "{lab} is not the instance any more that this run began with: someone replaced it; nothing more was done to it, \
             look at it with `halolab status {lab}`"
        )
    })
}
