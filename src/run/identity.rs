//! Whether a lab is still the instance that a plan was made for. Looked at once, before its track begins or goes on.

use crate::plan::{Action, Plan, Step};

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
            Ok(Some(found)) if found.uuid != track.uuid && found.tag("run") != Some(worker.run) => {
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
