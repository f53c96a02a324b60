//! What the screens do with jobs: they are listed, stopped, forgotten.

use std::path::PathBuf;

use crate::{
    backend::late,
    job::{self, Known, Mirror, State},
    log::{sanitize, sanitize_text},
    run::{Lock, lock::Scope},
};

use super::{
    effect::Shared,
    job_list::JobRow,
    jobs,
    msg::{Job, JobWish, Msg},
};

/// The signal that a stop on the screen begins with, and the seconds before SIGKILL.
const STOP: (&str, u32) = ("TERM", 10);

impl Shared {
    /// Does a small job, and tells how it went.
    pub(super) async fn job(&self, job: Job) {
        let result = self.do_job(&job).await;
        self.tell(Msg::Done(job, result)).await;
    }

    /// Does a small job, with the lock of its lab.
    pub(super) async fn do_job(&self, job: &Job) -> Result<String, String> {
        let scope = Scope::labs(&self.around.daemon, [job.lab()]);
        match Lock::take_for(&self.around.lock, &scope, &job.doing()) {
            Ok(_lock) => {
                let work = async {
                    match self.backend().await {
                        Ok(backend) => jobs::perform(backend.as_ref(), &self.jobs(), job).await,
                        Err(error) => Err(sanitize_text(&error.to_string())),
                    }
                };
                late::heard(self.listener(), work).await
            }
            Err(error) => Err(error.to_string()),
        }
    }

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
            Known::all(&jobs, backend.as_deref()).await
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
            let end = job::end(backend.as_ref(), &mirror, STOP.0, STOP.1).await?;
            Ok::<_, job::Error>(sanitize(&end.words(mirror.id())))
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
