//! What a build is to do, put beside its log right before it begins: how far it is, and how long it still takes, follow
//! from it where Spack itself does not say of how many.

use crate::{
    backend::Backend,
    job::Mirror,
    progress::{History, Plan},
    spack::Standing,
};

use super::{
    Entry, Error,
    comes::{Comes, Files},
};

/// Asks the lab of a job what its build comes to by now, and keeps that with the job. Without it the build is only told
/// of with less.
pub async fn keep_plan(backend: &dyn Backend, entry: &Entry, mirror: &Mirror) {
    if !entry.is_build() {
        return;
    }
    if let Err(error) = keep(backend, entry, mirror).await {
        tracing::warn!(%error, job = %mirror.id(), "of how many packages this build is one is not known");
    }
}

async fn keep(backend: &dyn Backend, entry: &Entry, mirror: &Mirror) -> Result<(), Error> {
    let files = Files::of(backend, &mirror.job.container, entry).await?;
    let (comes, _) = Comes::of(&files, &mut History::default())?;
    let settled = comes.review.rows.into_iter();
    let settled = settled.filter(|row| row.standing != Standing::ToBuild);
    let text = Plan::text(&files.lock, settled.map(|row| row.hash).collect())?;
    Ok(mirror.replace(Plan::FILE, &text)?)
}
