//! Small jobs: one change on the daemon each, and its mark.

use std::path::Path;

use crate::{
    backend::{self, Backend, Power},
    labs::{
        SnapshotKind,
        identity::Seen,
        marks,
        snapshots::{self, SnapshotError},
    },
    log::sanitize_text,
    plan::without,
    run,
};

use super::msg::Job;

/// Seconds given to a clean stop.
const STOP_SECONDS: u32 = 30;

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Backend(#[from] backend::Error),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("{removed} of {all} removed; {name} was not: {cause}")]
    Partly {
        removed: usize,
        all: usize,
        name: String,
        #[source]
        cause: SnapshotError,
    },
}

/// Does a job, with the lock held; `jobs` is the folder of all jobs; says what was done, or why not.
pub(crate) async fn perform(backend: &dyn Backend, jobs: &Path, job: &Job) -> Result<String, String> {
    let doomed = match job {
        Job::Stop(lab, seen) if seen.still(backend, lab).await.is_ok() => {
            run::jobs::before(jobs, backend, lab, run::jobs::STOPPED).await
        }
        _ => vec![],
    };
    let done = attempt(backend, job).await;
    run::jobs::after(backend, doomed).await;
    done.map_err(|error| sanitize_text(&error.to_string()))
}

async fn attempt(backend: &dyn Backend, job: &Job) -> Result<String, JobError> {
    Ok(match job {
        Job::Start(lab) => {
            backend.power(lab, Power::Start).await?;
            format!("{lab} runs")
        }
        Job::Stop(lab, seen) => {
            seen.still(backend, lab).await.map_err(SnapshotError::from)?;
            let seconds = STOP_SECONDS;
            backend.power(lab, Power::Stop { seconds }).await?;
            format!("{lab} is stopped")
        }
        Job::NewSnapshot(lab, name, note) => {
            snapshots::take(backend, lab, name, note, SnapshotKind::User).await?;
            let of = backend.instance(lab).await.ok().flatten();
            let outside = of.and_then(|instance| instance.not_in_snapshots());
            let rest = outside.map_or_else(String::new, |what| {
                format!("; it does not hold what is in {what}")
            });
            format!("snapshot {name} of {lab} taken{rest}")
        }
        Job::Note(lab, name, note) => {
            marks::change(backend, lab, name, |m| m.note.clone_from(note)).await?;
            format!("note of {name} written")
        }
        Job::Pin(lab, name, on) => {
            marks::change(backend, lab, name, |m| m.pinned = *on).await?;
            if *on {
                format!("{name} is pinned: it is never pruned")
            } else {
                format!("{name} is not pinned any more")
            }
        }
        Job::RenameSnapshot(lab, from, to, seen) => {
            snapshots::rename(backend, lab, (from, to), seen).await?;
            format!("{from} is {to} now{}", without(from))
        }
        Job::DeleteSnapshots(lab, names) => return delete_all(backend, lab, names).await,
    })
}

async fn delete_all(backend: &dyn Backend, lab: &str, names: &[(String, Seen)]) -> Result<String, JobError> {
    for (removed, (name, seen)) in names.iter().enumerate() {
        if let Err(cause) = snapshots::delete(backend, lab, name, seen).await {
            return Err(JobError::Partly {
                removed,
                all: names.len(),
                name: name.clone(),
                cause,
            });
        }
    }
    Ok(match names {
        [(name, _)] => format!("snapshot {name} of {lab} removed"),
        _ => format!("{} snapshots of {lab} removed", names.len()),
    })
}
