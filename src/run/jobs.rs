//! Jobs in a lab that is about to be changed: which there are, that their last words are fetched before, and that those
//! which end with it say why.

use std::{path::Path, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, Status},
    job::{self, Known, Mirror, Watch},
    labs::Work,
};

/// How long the last bytes of one job's log are fetched before its lab is changed.
const LAST_BYTES: Duration = Duration::from_mins(1);

pub use crate::job::STOPPED;

/// The jobs that run as far as this host knows, without asking their labs.
pub fn under_way(jobs: &Path) -> Vec<Work> {
    running(jobs).iter().map(work).collect()
}

/// The jobs that run, after their labs were asked.
pub async fn ask_under_way(jobs: &Path, backend: &dyn Backend) -> Vec<Work> {
    let mut found = vec![];
    for mirror in running_on(jobs, backend).await {
        let known = Known::of(mirror, Some(backend)).await;
        if !known.status.state.is_final() {
            found.push(work(&known.mirror));
        }
    }
    found
}

fn running(jobs: &Path) -> Vec<Mirror> {
    let known = job::ids(jobs).into_iter();
    let mirrors = known.filter_map(|id| Mirror::open(jobs, &id).ok());
    mirrors.filter(|m| !m.status().state.is_final()).collect()
}

/// Those of this engine: another one knows nothing of them, and must not call them lost.
async fn running_on(jobs: &Path, backend: &dyn Backend) -> Vec<Mirror> {
    let mut found = running(jobs);
    if !found.is_empty() {
        let mut here = std::collections::BTreeMap::new();
        for mirror in &found {
            let engine = &mirror.job.engine;
            if !here.contains_key(engine) {
                here.insert(engine.clone(), backend.is_at(engine).await.unwrap_or(false));
            }
        }
        found.retain(|mirror| here.get(&mirror.job.engine) == Some(&true));
    }
    found
}

fn work(mirror: &Mirror) -> Work {
    Work {
        id: mirror.id().to_string(),
        title: mirror.job.title.clone(),
        instance: mirror.job.container.clone(),
        uuid: mirror.job.uuid.clone(),
    }
}

/// An instance is about to be stopped, put back or removed: fetches the last bytes of its jobs, and remembers why they
/// end. What cannot be fetched or remembered must not keep the user from it.
pub async fn before(jobs: &Path, backend: &dyn Backend, instance: &str, why: &str) -> Vec<Mirror> {
    let mut doomed = running_on(jobs, backend).await;
    doomed.retain(|mirror| mirror.job.container == instance);
    for mirror in &doomed {
        let mut watch = Watch {
            backend,
            mirror,
            cancel: CancellationToken::new(),
            patience: None,
            notice: &mut |_| {},
            grown: &mut || {},
        };
        if let Err(error) = watch.briefly(LAST_BYTES).await {
            tracing::debug!(%error, job = %mirror.id(), "its last bytes are not fetched");
        }
        if let Err(error) = mirror.set_doom(Some(why)) {
            tracing::debug!(%error, job = %mirror.id(), "why it ends is not remembered");
        }
    }
    doomed
}

/// It was done, or was tried: what became of those jobs.
pub async fn after(backend: &dyn Backend, doomed: Vec<Mirror>) {
    for mirror in doomed {
        let found = backend.instance(&mirror.job.container).await.ok().flatten();
        let lives = found.is_some_and(|instance| {
            instance.uuid == mirror.job.uuid && matches!(instance.status, Status::Running | Status::Frozen)
        });
        let known = Known::of(mirror, Some(backend)).await;
        // It goes on after all: what ends it later is something else. One whose lab halted before its runner could say
        // how it ended is still called running here.
        if lives
            && !known.status.state.is_final()
            && known.stale.is_empty()
            && let Err(error) = known.mirror.set_doom(None)
        {
            tracing::debug!(%error, "a job that goes on may say that it was lost");
        }
    }
}
