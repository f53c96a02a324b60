//! `halolab job stop` and `halolab job rm`.

use crate::job::{self, Mirror, State};

use super::{
    super::{
        Code, Setup, Stop,
        table::{json, note, out},
    },
    engine_of, find,
};

pub(super) async fn stop(setup: &Setup, id: &str, signal: &str, grace: u32) -> Result<Code, Stop> {
    setup.may_change()?;
    let mirror = find(setup, id)?;
    let end = if let Some(end) = job::ended_before(&mirror) {
        end
    } else {
        let backend = engine_of(setup, &mirror).await?;
        job::end(backend.as_ref(), &mirror, signal, grace).await?
    };
    if setup.global.json {
        let (state, before) = (end.status.state, end.before);
        json(&serde_json::json!({
            "v": 1, "id": mirror.id().as_str(), "state": state, "before": before, "why": end.status.ending(),
        }))?;
    } else {
        out(&crate::log::sanitize(&end.words(mirror.id())));
    }
    Ok(Code::OK)
}

pub(super) async fn remove(setup: &Setup, ids: &[String], ended: bool) -> Result<Code, Stop> {
    setup.may_change()?;
    let mirrors: Vec<Mirror> = if ended {
        let all = super::list::look(setup).await;
        let over = all.into_iter().filter(|k| k.status.state.is_final());
        over.map(|k| k.mirror).collect()
    } else {
        let found: Result<_, Stop> = ids.iter().map(|id| find(setup, id)).collect();
        found?
    };
    let (mut removed, mut failed) = (vec![], vec![]);
    for mirror in mirrors {
        match forget(setup, &mirror).await {
            Ok(()) => removed.push(mirror.id().to_string()),
            // The others can be forgotten all the same.
            Err(stop) => failed.push(stop),
        }
    }
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "removed": removed}))?;
    }
    let texts: Vec<&str> = failed.iter().map(|stop| stop.text.as_str()).collect();
    match failed.first() {
        Some(first) => Err(Stop::new(first.code, texts.join("\n"))),
        None => Ok(Code::OK),
    }
}

/// Forgets one job, and says so.
async fn forget(setup: &Setup, mirror: &Mirror) -> Result<(), Stop> {
    let backend = match engine_of(setup, mirror).await {
        Ok(backend) => Some(backend),
        // Its lab may be long gone, and the engine too.
        Err(_) if mirror.status().state == State::Lost => None,
        Err(stop) => return Err(stop),
    };
    if let Some(left) = job::forget(backend.as_deref(), mirror).await? {
        note(&crate::log::sanitize(&left));
    }
    if !setup.global.json {
        out(&format!("{} is forgotten", mirror.id()));
    }
    Ok(())
}
