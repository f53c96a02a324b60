//! Scripts of steps: each runs as a job inside its instance, so that it outlives us, the terminal and the daemon. A run
//! that goes on finds the job again by its name, which follows from the run and the action.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, task::yield_now, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    backend,
    job::{
        self, JobId, Mirror, Order, State, Status, Tail, Watch,
        inside::{Command, Inside},
    },
    plan::{Action, Step},
};

use super::{
    super::{
        apply::log_file,
        output::{Output, TAIL},
    },
    Failure, Hand, Worker,
    instance::existing,
};

/// How long the daemon may be away while a script runs.
const PATIENCE: Duration = Duration::from_mins(2);
/// Seconds between the polite end of a script and the hard one.
const GRACE: u32 = 5;
/// How often it is looked for what another watcher of a script adds.
const LOOK: Duration = Duration::from_millis(100);
/// How many scripts that ended well are still listed.
const LISTED: usize = 20;

/// How often the files of a script are tried to be removed.
const TRIES: usize = 2;

/// Where a job's output is in the log of the lab.
#[derive(Debug, Serialize, Deserialize)]
struct Into {
    /// Version of this form.
    version: u32,
    /// The log.
    log: PathBuf,
    /// Where in it the bytes begin.
    at: u64,
    /// Which byte of the job's log is the first one there.
    from: u64,
}

impl Hand<'_> {
    /// Runs a script to its end, or goes on with it where an earlier attempt began it; its exit code.
    pub(super) async fn run_script(
        &mut self,
        name: &str,
        script: &str,
        env: BTreeMap<String, String>,
    ) -> Result<i32, Failure> {
        let backend = self.backend().await?;
        let instance = existing(backend, name).await?;
        let id = JobId::of_step(self.worker.run, self.action);
        let jobs = self.worker.cx.jobs();
        let order = Order {
            lab: self.lab.to_owned(),
            title: self.sentence.to_owned(),
            command: Command {
                script: Some(script.to_owned()),
                env,
                cwd: "/root".into(),
                ..Command::default()
            },
            stuck_minutes: None,
            step: Some((self.worker.run.to_owned(), self.action.to_owned())),
        };
        let begun = if self.again {
            job::go_on(backend, &jobs, &id, &instance, &order).await
        } else {
            job::start(backend, &jobs, &id, &instance, &order)
                .await
                .map(|mirror| (mirror, true))
        };
        let (mirror, fresh) = begun.map_err(failure)?;
        if !fresh {
            self.output.line("    it was begun before and is not begun again");
        }
        let status = self.watch(backend, &mirror).await?;
        let end = mirror.length().saturating_sub(TAIL as u64).max(status.log.start);
        self.output
            .recall(&mirror.bytes(end, TAIL as u64).map_err(failure)?);
        self.code(&status)
    }

    /// Watches a job to its end; its output goes to the log of the lab, each byte once.
    async fn watch(&mut self, backend: &dyn backend::Backend, mirror: &Mirror) -> Result<Status, Failure> {
        let log = log_file(&self.worker.cx.runs, self.worker.run, self.lab);
        let from = handed_on(mirror);
        let into = Into {
            version: 1,
            at: self.output.bytes(),
            log,
            from,
        };
        let text = serde_json::to_vec(&into).map_err(|e| Failure::Failed(e.to_string()))?;
        mirror.replace("into.json", &text).map_err(failure)?;
        let ended = self
            .follow(backend, mirror, from, self.progress.cancel.clone())
            .await;
        let error = match ended {
            Ok(status) if status.state == State::Lost => {
                // Its end cannot be known any more: nothing of it must go on behind a run that failed.
                if let Err(error) = job::stop(backend, mirror, "TERM", GRACE).await {
                    tracing::debug!(%error, "nothing of it is left to end");
                }
                return Ok(status);
            }
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        if !matches!(error, job::Error::Detached) {
            return Err(failure(error));
        }
        // Stopped by the user: the script is ended and waited for.
        let undead = || {
            Failure::Failed(format!(
                "the script did not end although it was killed; look at `halolab job status {}`",
                mirror.id()
            ))
        };
        if !job::stop(backend, mirror, "TERM", GRACE).await.map_err(failure)? {
            return Err(undead());
        }
        let never = CancellationToken::new();
        let rest = Duration::from_secs(u64::from(8 * GRACE));
        let from = handed_on(mirror);
        let waited = self.follow(backend, mirror, from, never);
        match timeout(rest, waited).await {
            Ok(Ok(_)) => Err(Failure::Cancelled),
            Ok(Err(error)) => Err(failure(error)),
            Err(_) => Err(undead()),
        }
    }

    async fn follow(
        &mut self,
        backend: &dyn backend::Backend,
        mirror: &Mirror,
        from: u64,
        cancel: CancellationToken,
    ) -> job::Result<Status> {
        let progress = self.progress.clone();
        let output = &mut *self.output;
        let mut tail = Tail::new(mirror, from);
        let grown = Notify::new();
        let mut told = false;
        let mut notice = |why: Option<&str>| match why {
            Some(why) if !told => {
                progress.say(format!("{why}; the script goes on, trying again"), None);
                told = true;
            }
            None if told => {
                progress.say("the engine answers again".to_owned(), None);
                told = false;
            }
            _ => {}
        };
        let mut watch = Watch {
            backend,
            mirror,
            cancel,
            patience: Some(PATIENCE),
            notice: &mut notice,
            grown: &mut || grown.notify_one(),
        };
        let reads = async {
            loop {
                let bytes = tail.more(false)?;
                output.write(&bytes);
                if bytes.is_empty() {
                    // What another watcher adds is not told.
                    let _ = timeout(LOOK, grown.notified()).await;
                } else {
                    yield_now().await;
                }
            }
        };
        let ended = tokio::select! {
            ended = Box::pin(watch.to_the_end()) => ended,
            error = reads => return error,
        };
        // After a stop the job is watched once more.
        if !matches!(ended, Err(job::Error::Detached)) {
            rest(tail, output).await?;
        }
        ended
    }

    /// The exit code of a script, as a shell would tell it.
    fn code(&mut self, status: &Status) -> Result<i32, Failure> {
        if status.state == State::Lost {
            return Err(Failure::Failed(format!(
                "how the script ended is not known: {}",
                status.ending()
            )));
        }
        let exit = status.exit.clone().unwrap_or_default();
        if matches!(exit.reason.as_str(), "oom" | "disk-full") {
            self.output.line(&format!("!! {}", status.ending()));
        }
        Ok(status.code().into())
    }
}

/// Hands on what is left: nothing is added any more.
async fn rest(mut tail: Tail, output: &mut Output) -> job::Result<()> {
    loop {
        let bytes = tail.more(true)?;
        if bytes.is_empty() {
            return Ok(());
        }
        output.write(&bytes);
        yield_now().await;
    }
}

/// Forgets the job of an action whose end is in the journal: nobody will ask for it again, and snapshots do not carry it.
pub(super) async fn forget(worker: &Worker<'_>, action: &Action) {
    let (Step::Exec { name, .. } | Step::Verify { name, .. }) = &action.step else {
        return;
    };
    let Ok(backend) = worker.backend(action.engine).await else {
        return;
    };
    let id = JobId::of_step(worker.run, &action.id);
    let inside = Inside {
        id: &id,
        backend,
        instance: name,
    };
    for _ in 0..TRIES {
        match inside.forget().await {
            Ok(true) => break,
            Ok(false) => tracing::debug!(%id, "something of it still runs"),
            // At worst a few kilobytes stay in the lab, that do no harm.
            Err(error) => tracing::debug!(%error, %id, "its files are still in the lab"),
        }
    }
    let jobs = worker.cx.jobs();
    let steps = job::ids(&jobs).into_iter().filter(JobId::is_step);
    let mirrors = steps.filter_map(|id| Mirror::open(&jobs, &id).ok());
    let well = mirrors.filter(|mirror| mirror.status().state == State::Succeeded);
    for old in well.skip(LISTED) {
        // Another worker of this run may still look at its own.
        if old.job.run.as_deref() == Some(worker.run) {
            continue;
        }
        if let Ok(Some(_writer)) = old.writer() {
            // Its output is in the log of its run.
            let _ = old.remove();
        }
    }
}

/// How much of a job's log is in the log of the lab already. It is looked at, not remembered: whatever killed us, what
/// is there is the same as far as it goes.
fn handed_on(mirror: &Mirror) -> u64 {
    let text = std::fs::read(mirror.folder().join("into.json")).unwrap_or_default();
    let Ok(into) = serde_json::from_slice::<Into>(&text) else {
        return 0;
    };
    into.from + same(&into.log, into.at, &mirror.log(), into.from).unwrap_or(0)
}

/// How many bytes of two files are the same from these places on.
fn same(one: &Path, at: u64, other: &Path, from: u64) -> std::io::Result<u64> {
    let open = |path: &Path, at: u64| -> std::io::Result<BufReader<File>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(BufReader::with_capacity(256 * 1024, file))
    };
    let (one, other) = (open(one, at)?.bytes(), open(other, from)?.bytes());
    let pairs = one.zip(other);
    let alike = pairs.take_while(|(a, b)| matches!((a, b), (Ok(a), Ok(b)) if a == b));
    Ok(alike.count() as u64)
}

fn failure(error: job::Error) -> Failure {
    match error {
        job::Error::Detached => Failure::Cancelled,
        job::Error::Backend(error) => error.into(),
        other => Failure::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn what_is_in_both_logs_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (lab, job) = (folder.path().join("lab.log"), folder.path().join("log.raw"));
        fs::write(&lab, "==> a step\none\ntwo\n==> a step\n").unwrap();
        fs::write(&job, "one\ntwo\nthree\n").unwrap();
        assert_eq!(super::same(&lab, 11, &job, 0).unwrap(), 8);
        assert_eq!(super::same(&lab, 15, &job, 4).unwrap(), 4);
        assert_eq!(super::same(&lab, 31, &job, 8).unwrap(), 0);
        assert!(super::same(&folder.path().join("none"), 0, &job, 0).is_err());
    }
}
