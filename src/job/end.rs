//! Ending jobs, and forgetting those that ended.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Error, Known, Mirror, Result, State, Status, Watch, inside::Inside, order};
use crate::backend::Backend;

/// How long a job that was stopped may take to end after its grace: SIGKILL was sent by then.
const MARGIN: u32 = 20;
/// How long the engine may be away meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells a job to end and waits for it: how it ended. One that has ended is left alone.
///
/// # Errors
/// The engine does not answer, or the job outlives a SIGKILL.
pub async fn end(backend: &dyn Backend, mirror: &Mirror, signal: &str, grace: u32) -> Result<Status> {
    let engine = backend.server().await?.address;
    let known = Known::of(mirror.clone(), Some((backend, &engine))).await;
    let status = known.status;
    if status.state.is_final() && status.state != State::Lost {
        return Ok(status);
    }
    // Of a lost one the command may still run, without its runner.
    match order::stop(backend, mirror, signal, grace).await {
        Err(error) if status.state == State::Lost => {
            tracing::debug!(%error, "nothing left to stop");
            return Ok(status);
        }
        other => other?,
    }
    let patience = Duration::from_secs(u64::from(grace + MARGIN));
    match tokio::time::timeout(patience, quietly(backend, mirror)).await {
        Ok(ended) => ended,
        Err(_) => Err(Error::Undead {
            id: mirror.id().to_string(),
            seconds: patience.as_secs(),
        }),
    }
}

/// Watches a job to its end without showing it.
async fn quietly(backend: &dyn Backend, mirror: &Mirror) -> Result<Status> {
    let mut watch = Watch {
        backend,
        mirror,
        from: u64::MAX,
        cancel: CancellationToken::new(),
        patience: Some(PATIENCE),
        notice: &mut |_| {},
    };
    watch.to_the_end(&mut |_| {}).await
}

/// Forgets a job: in its lab only after its log is here as a whole. Returns why its files stay in the lab; none where
/// they are gone. Without an engine only one that is lost can be forgotten.
///
/// # Errors
/// It still runs; its log is not here as a whole.
pub async fn forget(backend: Option<&dyn Backend>, mirror: &Mirror) -> Result<Option<String>> {
    let lost = mirror.status().state == State::Lost;
    let Some(backend) = backend else {
        if lost {
            mirror.remove()?;
            return Ok(None);
        }
        return Err(differs(mirror, "there is no engine to compare it with"));
    };
    if !lost {
        let engine = backend.server().await?.address;
        let known = Known::of(mirror.clone(), Some((backend, &engine))).await;
        if !known.status.state.is_final() {
            return Err(Error::Runs(mirror.id().to_string()));
        }
        let status = quietly(backend, mirror).await?;
        if !status.whole && status.state != State::Lost {
            return Err(differs(mirror, "it is not here as a whole"));
        }
    }
    let left = inside(backend, mirror).await;
    mirror.remove()?;
    Ok(left)
}

fn differs(mirror: &Mirror, why: &str) -> Error {
    Error::Differs {
        id: mirror.id().to_string(),
        lab: mirror.job.container.clone(),
        why: why.into(),
    }
}

/// Removes a job's files in its lab; a lab that is stopped keeps them, and another one of its name is left alone.
async fn inside(backend: &dyn Backend, mirror: &Mirror) -> Option<String> {
    let name = &mirror.job.container;
    let found = backend.instance(name).await.ok().flatten()?;
    if found.uuid != mirror.job.uuid {
        return None;
    }
    let inside = Inside {
        id: mirror.id(),
        backend,
        instance: name,
    };
    inside.forget().await.err().map(|error| {
        let folder = super::inside::FOLDER;
        format!("its files stay in {name} ({folder}/{}): {error}", mirror.id())
    })
}
