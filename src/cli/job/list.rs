//! `halolab job list` and `halolab job status`.

use std::sync::Arc;

use crate::{
    backend::Backend,
    job::{Glance, Known, State},
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{age, bytes, duration, foreign_json, note, out, table},
    },
    find,
};

pub(super) async fn list(setup: &Setup, all: bool) -> Result<Code, Stop> {
    let known: Vec<Known> = look(setup).await;
    let shown: Vec<&Known> = known
        .iter()
        .filter(|k| all || !k.mirror.id().is_step() || k.status.state != State::Succeeded)
        .collect();
    let stuck = setup.config.job.stuck_minutes;
    if setup.global.json {
        let lines: Vec<Glance> = shown.iter().map(|k| k.glance(stuck)).collect();
        foreign_json(&serde_json::json!({"v": 1, "jobs": lines}))?;
        return Ok(Code::OK);
    }
    if shown.is_empty() {
        note("no jobs; start one with `halolab job run LAB -- COMMAND`");
        return Ok(Code::OK);
    }
    let rows: Vec<_> = shown.iter().map(|k| row(k, stuck)).collect();
    out(&table(
        &[
            "JOB",
            "LAB",
            "STATE",
            "AGE",
            "PROGRESS",
            "LOG",
            "LAST OUTPUT, OR END",
            "WHAT",
        ],
        &rows,
    ));
    Ok(Code::OK)
}

fn row(known: &Known, stuck: u64) -> Vec<String> {
    let glance = known.glance(stuck);
    let word = known.word();
    let state = match (glance.stuck, known.is_silent()) {
        (_, true) => format!("{word}?"),
        (true, _) => format!("{word}, stuck"),
        _ => word.to_owned(),
    };
    let last = match glance.output_age.filter(|_| !known.frozen) {
        Some(seconds) => {
            let ago = format!("{} ago", duration(u32::try_from(seconds).unwrap_or(u32::MAX)));
            match &known.status.left {
                Some(left) => format!("{ago}; {}", left.words()),
                None => ago,
            }
        }
        None if glance.why.is_empty() && glance.bytes == 0 && glance.code.is_none() => "none yet".into(),
        None => glance.why.clone(),
    };
    let title = crate::log::shortened(&crate::log::clean(&known.mirror.job.title), 60);
    vec![
        glance.id,
        glance.lab,
        state,
        age(&known.mirror.job.created_at),
        glance.progress,
        bytes(Some(glance.bytes)),
        last,
        title,
    ]
}

pub(super) async fn status(setup: &Setup, id: Option<&str>) -> Result<Code, Stop> {
    let stuck = setup.config.job.stuck_minutes;
    let known = if let Some(id) = id {
        let mirror = find(setup, id)?;
        vec![Known::of(mirror, engine(setup).await.as_deref()).await]
    } else {
        let mut all = look(setup).await;
        all.retain(|k| !k.status.state.is_final());
        all
    };
    for one in &known {
        let glance = one.glance(stuck);
        if setup.global.json {
            foreign_json(&glance)?;
        } else {
            out(&crate::log::sanitize(&line(&glance, one)));
        }
    }
    if known.is_empty() && !setup.global.json {
        note("no job runs");
    }
    Ok(Code::OK)
}

/// A job as one line for people.
fn line(glance: &Glance, known: &Known) -> String {
    let mut parts = vec![glance.id.clone(), glance.lab.clone(), known.word().to_owned()];
    parts.extend(
        [&glance.phase, &glance.progress]
            .into_iter()
            .filter(|t| !t.is_empty())
            .cloned(),
    );
    let seconds = |s: u64| duration(u32::try_from(s).unwrap_or(u32::MAX));
    if let Some(eta) = glance.eta {
        parts.push(format!("about {} left", seconds(eta)));
    }
    if let Some(age) = glance.output_age {
        let stuck = if glance.stuck { "STUCK: " } else { "" };
        parts.push(format!("{stuck}last output {} ago", seconds(age)));
    }
    if known.is_silent() {
        parts.push("no word from its runner".into());
    }
    if !glance.why.is_empty() {
        parts.push(glance.why.clone());
    }
    if !glance.last_error.is_empty() {
        parts.push(format!("last error: {}", glance.last_error));
    }
    parts.join(" · ")
}

/// The engine; none where none answers, which is said.
async fn engine(setup: &Setup) -> Option<Arc<dyn Backend>> {
    match setup.backend().await {
        Ok(engine) => Some(engine),
        Err(error) => {
            note(&crate::log::sanitize(&format!(
                "what was heard last is shown: {error}"
            )));
            None
        }
    }
}

pub(super) async fn look(setup: &Setup) -> Vec<Known> {
    let jobs = setup.jobs();
    if crate::job::ids(&jobs).is_empty() {
        return vec![];
    }
    Known::all(&jobs, engine(setup).await.as_deref()).await
}
