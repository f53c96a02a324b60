//! The log of a job in the viewer, while what it writes is fetched behind it; and what else the screens do with jobs.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    cli::Global,
    job::{self, Known, Mirror, State, Watch},
    log::sanitize,
};

use super::{
    effect::Shared,
    job_list::JobRow,
    msg::{JobWish, Msg},
    viewer::{self, Request},
};

/// How often it is looked whether a job that has just begun has a log.
const LOOK: Duration = Duration::from_millis(50);

/// Shows a job's log on the user's terminal until they leave; the job goes on.
///
/// # Errors
/// There is no terminal, or the job is not known; or what came last could not be fetched, which is said when they leave.
pub(super) async fn show(backend: &dyn Backend, jobs: &Path, id: &str, global: Global) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| sanitize(&error.to_string());
    let mirror = job::find(jobs, id).map_err(|e| words(&e))?;
    let request = Request {
        files: vec![mirror.log()],
        title: Some(id.to_owned()),
        follow: true,
        build: mirror.status().progress.total.is_some(),
        global,
    };
    let viewing = async {
        while !mirror.log().exists() {
            tokio::time::sleep(LOOK).await;
        }
        let shown = tokio::task::spawn_blocking(move || viewer::start(&request)).await;
        shown.map_or(Ok(()), |ended| {
            ended.map(drop).map_err(|stop| sanitize(&stop.text))
        })
    };
    // What keeps it from being fetched, until more of it comes.
    let wrong: Mutex<Option<String>> = Mutex::default();
    let set = |why: Option<String>| *wrong.lock().unwrap_or_else(PoisonError::into_inner) = why;
    let watching = async {
        let mut watch = Watch {
            backend,
            mirror: &mirror,
            cancel: CancellationToken::new(),
            patience: None,
            notice: &mut |why| set(Some(sanitize(why))),
            grown: &mut || set(None),
        };
        match watch.to_the_end().await {
            // What is here of it may still be shown; where nothing is, nothing will come.
            Err(error) if mirror.length() == 0 => return Err(words(&error)),
            Err(error) => set(Some(words(&error))),
            Ok(_) => set(None),
        }
        Ok(())
    };
    tokio::pin!(viewing);
    tokio::select! {
        shown = &mut viewing => shown?,
        watched = watching => {
            watched?;
            viewing.await?;
        }
    }
    match wrong.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(why) => Err(format!("{id} was not shown to its end: {why}")),
        None => Ok(()),
    }
}

/// The signal that a stop on the screen begins with, and the seconds before SIGKILL.
const STOP: (&str, u32) = ("TERM", 10);

impl Shared {
    /// Does what is wished about jobs.
    pub(super) async fn about_jobs(&self, wish: JobWish) {
        match wish {
            JobWish::List => self.list_jobs().await,
            JobWish::Stop(id) => self.stop_job(&id).await,
            JobWish::Forget => self.forget_jobs().await,
        }
    }

    /// Reads the jobs; steps that ended well are in their runs.
    async fn list_jobs(&self) {
        let jobs = self.jobs();
        let known = if job::ids(&jobs).is_empty() {
            vec![]
        } else {
            let backend = self.backend().await.ok();
            let address = match &backend {
                Some(backend) => backend.server().await.ok().map(|server| server.address),
                None => None,
            };
            let engine = backend.as_deref().zip(address.as_deref());
            Known::all(&jobs, engine).await
        };
        let minutes = self.around.config.job.stuck_minutes;
        let shown = known
            .iter()
            .filter(|k| !k.mirror.id().is_step() || k.status.state != State::Succeeded);
        let rows = shown.map(|k| JobRow::of(k, minutes)).collect();
        self.tell(Msg::Jobs(rows)).await;
    }

    /// Stops a job and waits for its end.
    async fn stop_job(&self, id: &str) {
        let stopped = async {
            let mirror = job::find(&self.jobs(), id)?;
            let backend = self.backend().await?;
            let status = job::end(backend.as_ref(), &mirror, STOP.0, STOP.1).await?;
            Ok::<_, job::Error>(format!("{id} {}: {}", status.state.word(), status.ending()))
        };
        let done = stopped.await.map_err(|error| sanitize(&error.to_string()));
        self.tell(Msg::JobDone(done)).await;
    }

    /// Forgets the jobs that ended.
    async fn forget_jobs(&self) {
        let jobs = self.jobs();
        let mirrors = job::ids(&jobs)
            .into_iter()
            .filter_map(|id| Mirror::open(&jobs, &id).ok());
        let ended = mirrors.filter(|m| m.status().state.is_final());
        let forgotten = async {
            let backend = self.backend().await.ok();
            let mut count = 0;
            let mut left = String::new();
            for mirror in ended {
                match job::forget(backend.as_deref(), &mirror).await {
                    Ok(None) => count += 1,
                    Ok(Some(why)) => {
                        count += 1;
                        left = format!("; {why}");
                    }
                    // The others can be forgotten all the same.
                    Err(error) => left = format!("; {error}"),
                }
            }
            Ok::<_, job::Error>(sanitize(&format!("{count} jobs are forgotten{left}")))
        };
        let done = forgotten.await.map_err(|error| sanitize(&error.to_string()));
        self.tell(Msg::JobDone(done)).await;
    }

    /// Folder of all jobs.
    pub(super) fn jobs(&self) -> PathBuf {
        self.around.paths.state.join("jobs")
    }
}
