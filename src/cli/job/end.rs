//! `halolab job stop` and `halolab job rm`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    job::{self, Mirror, State, Watch, inside::Inside},
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{json, note, out},
    },
    engine_of, find,
};

/// How long a job that was stopped may take to end after its grace: SIGKILL was sent by then.
const MARGIN: u32 = 20;

pub(super) async fn stop(setup: &Setup, id: &str, signal: &str, grace: u32) -> Result<Code, Stop> {
    setup.may_change()?;
    let mirror = find(setup, id)?;
    let backend = engine_of(setup, &mirror).await?;
    let known = job::Known::of(mirror, Some((backend.as_ref(), &backend.server().await?.address))).await;
    let (mirror, status) = (known.mirror, known.status);
    if status.state.is_final() && status.state != State::Lost {
        note(&format!("{} has ended: {}", mirror.id(), status.ending()));
        return Ok(Code::OK);
    }
    // Of a lost one the command may still run, without its runner.
    match job::stop(backend.as_ref(), &mirror, signal, grace).await {
        Err(error) if status.state == State::Lost => {
            tracing::debug!(%error, "nothing left to stop");
        }
        other => other?,
    }
    let watched = quietly(backend.as_ref(), &mirror);
    let patience = Duration::from_secs(u64::from(grace + MARGIN));
    let Ok(ended) = tokio::time::timeout(patience, watched).await else {
        return Err(Stop::new(
            Code::FAILED,
            format!(
                "{} did not end within {} s, although it was killed; look at it with `halolab job status {}`",
                mirror.id(),
                patience.as_secs(),
                mirror.id()
            ),
        ));
    };
    let status = ended?;
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "id": mirror.id().as_str(), "state": status.state}))?;
    } else {
        out(&crate::log::sanitize(&format!(
            "{} {}: {}",
            mirror.id(),
            status.state.word(),
            status.ending()
        )));
    }
    Ok(Code::OK)
}

/// Watches a job to its end without showing it.
async fn quietly(backend: &dyn Backend, mirror: &Mirror) -> Result<job::Status, job::Error> {
    let mut watch = Watch {
        backend,
        mirror,
        from: u64::MAX,
        cancel: CancellationToken::new(),
        patience: Some(Duration::from_secs(30)),
        notice: &mut |_| {},
    };
    watch.to_the_end(&mut |_| {}).await
}

pub(super) async fn remove(setup: &Setup, ids: &[String], ended: bool) -> Result<Code, Stop> {
    setup.may_change()?;
    let mirrors = if ended {
        let all = super::list::look(setup).await;
        let over = all.into_iter().filter(|k| k.status.state.is_final());
        over.map(|k| k.mirror).collect()
    } else {
        let found: Result<Vec<Mirror>, Stop> = ids.iter().map(|id| find(setup, id)).collect();
        found?
    };
    let mut removed = vec![];
    for mirror in mirrors {
        one(setup, &mirror).await?;
        if !setup.global.json {
            out(&format!("{} is forgotten", mirror.id()));
        }
        removed.push(mirror.id().to_string());
    }
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "removed": removed}))?;
    }
    Ok(Code::OK)
}

/// Removes one job: in the lab only after its log is here as a whole.
async fn one(setup: &Setup, mirror: &Mirror) -> Result<(), Stop> {
    let known = mirror.status();
    if known.state == State::Lost {
        // What is left in a lab that may be gone is removed where it can be.
        if let Ok(backend) = engine_of(setup, mirror).await {
            forget(backend.as_ref(), mirror).await;
        }
        return Ok(mirror.remove()?);
    }
    let backend = engine_of(setup, mirror).await?;
    let address = backend.server().await?.address;
    let known = job::Known::of(mirror.clone(), Some((backend.as_ref(), &address))).await;
    if !known.status.state.is_final() {
        return Err(job::Error::Runs(mirror.id().to_string()).into());
    }
    let status = quietly(backend.as_ref(), mirror).await?;
    if !status.whole && status.state != State::Lost {
        return Err(job::Error::Differs {
            id: mirror.id().to_string(),
            lab: mirror.job.container.clone(),
            why: "it is not here as a whole".into(),
        }
        .into());
    }
    forget(backend.as_ref(), mirror).await;
    Ok(mirror.remove()?)
}

/// Removes a job's files in its lab; a lab that is stopped or gone keeps them.
async fn forget(backend: &dyn Backend, mirror: &Mirror) {
    let name = &mirror.job.container;
    let same = backend
        .instance(name)
        .await
        .ok()
        .flatten()
        .is_some_and(|i| i.uuid == mirror.job.uuid);
    if !same {
        return;
    }
    let inside = Inside {
        id: mirror.id(),
        backend,
        instance: name,
    };
    if let Err(error) = inside.forget().await {
        note(&crate::log::sanitize(&format!(
            "its files in {name} are left there ({}/{}): {error}",
            job::inside::FOLDER,
            mirror.id()
        )));
    }
}
