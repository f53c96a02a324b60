//! Small jobs: one change on the daemon each, and its mark. After an error the real state is read again
//! before anything is said, as daemons answer errors for what happened.

use crate::{
    backend::{Backend, Error, Power},
    labs::marks,
    log::sanitize_text,
};

use super::msg::Job;

/// Seconds given to a clean stop.
const STOP_SECONDS: u32 = 30;

/// Does a job; says what was done, or why not.
pub(super) async fn perform(backend: &dyn Backend, job: &Job) -> Result<String, String> {
    let done = match job {
        Job::Start(lab) => backend
            .power(lab, Power::Start)
            .await
            .map(|()| format!("{lab} runs")),
        Job::Stop(lab) => stop(backend, lab).await.map(|()| format!("{lab} is stopped")),
        Job::NewSnapshot(lab, name, note) => create(backend, lab, name, note)
            .await
            .map(|()| format!("snapshot {name} of {lab} taken")),
        Job::Note(lab, name, note) => marks::change(backend, lab, name, |m| m.note.clone_from(note))
            .await
            .map(|()| format!("note of {name} written")),
        Job::Pin(lab, name, on) => marks::change(backend, lab, name, |m| m.pinned = *on)
            .await
            .map(|()| {
                if *on {
                    format!("{name} is pinned: it is never pruned")
                } else {
                    format!("{name} is not pinned any more")
                }
            }),
        Job::RenameSnapshot(lab, from, to) => rename(backend, lab, from, to)
            .await
            .map(|()| format!("{from} is {to} now")),
        Job::DeleteSnapshots(lab, names) => return delete_all(backend, lab, names).await,
    };
    done.map_err(|error| sanitize_text(&error.to_string()))
}

async fn stop(backend: &dyn Backend, lab: &str) -> Result<(), Error> {
    let clean = backend
        .power(
            lab,
            Power::Stop {
                seconds: STOP_SECONDS,
            },
        )
        .await;
    if clean.is_ok() {
        return clean;
    }
    // What does not answer a clean stop has no init that would: nothing is gained by asking again.
    backend.power(lab, Power::Stop { seconds: 0 }).await
}

async fn create(backend: &dyn Backend, lab: &str, name: &str, note: &str) -> Result<(), Error> {
    backend.snapshot(lab, name).await?;
    marks::change(backend, lab, name, |m| note.clone_into(&mut m.note)).await
}

async fn rename(backend: &dyn Backend, lab: &str, from: &str, to: &str) -> Result<(), Error> {
    backend.rename_snapshot(lab, from, to).await?;
    marks::rename(backend, lab, from, to).await
}

async fn delete_all(backend: &dyn Backend, lab: &str, names: &[String]) -> Result<String, String> {
    let mut removed = 0;
    for name in names {
        if let Err(error) = delete(backend, lab, name).await {
            let error = sanitize_text(&error.to_string());
            return Err(format!(
                "{removed} of {} removed; {name} was not: {error}",
                names.len()
            ));
        }
        removed += 1;
    }
    Ok(match names {
        [name] => format!("snapshot {name} of {lab} removed"),
        _ => format!("{removed} snapshots of {lab} removed"),
    })
}

async fn delete(backend: &dyn Backend, lab: &str, name: &str) -> Result<(), Error> {
    let deleted = backend.delete_snapshot(lab, name).await;
    let there = backend.snapshots(lab).await?.iter().any(|s| s.name == name);
    if there {
        deleted?;
    }
    marks::forget(backend, lab, name).await
}
