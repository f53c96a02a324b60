//! The log of a job on the user's terminal, until it has ended or a key goes back; the job goes on.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    cli::Show,
    job::{self, Known, Mirror, State, Watch},
    log::sanitize,
};

use super::{
    effect::Shared,
    job_list::JobRow,
    msg::{JobWish, Msg},
};

/// How often the reader looks whether it is still wanted.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Keys arrive as they are typed, Ctrl-C too: it must not reach the program.
struct Raw;

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = terminal::disable_raw_mode();
    }
}

/// Shows a job's log from its beginning.
///
/// # Errors
/// There is no terminal, or the job cannot be watched.
pub(super) async fn show(backend: &dyn Backend, jobs: &Path, id: &str) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| sanitize(&error.to_string());
    let mirror = job::find(jobs, id).map_err(|e| words(&e))?;
    let tty = File::open("/dev/tty").map_err(|e| words(&e))?;
    terminal::enable_raw_mode().map_err(|e| words(&e))?;
    let _raw = Raw;
    let (wanted, pressed) = (Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
    let reader = std::thread::spawn({
        let (wanted, pressed) = (Arc::clone(&wanted), Arc::clone(&pressed));
        move || keys(tty, &wanted, &pressed)
    });
    line(&format!("{id}: q goes back, and the job goes on"));
    let mut out = Show::raw();
    let ended = {
        let mut sink = |bytes: &[u8]| out.bytes(bytes);
        let mut watch = Watch {
            backend,
            mirror: &mirror,
            from: 0,
            cancel: CancellationToken::new(),
            patience: None,
            notice: &mut |why| line(&sanitize(why)),
        };
        tokio::select! {
            ended = watch.to_the_end(&mut sink) => Some(ended),
            () = pressed.notified() => None,
        }
    };
    out.end();
    if let Some(ended) = ended {
        line(&match ended {
            Ok(status) => format!("{} {}: {}; q goes back", id, status.state.word(), status.ending()),
            Err(error) => format!("{}; q goes back", words(&error)),
        });
        pressed.notified().await;
    }
    wanted.store(false, Ordering::Relaxed);
    let _ = tokio::task::spawn_blocking(move || reader.join()).await;
    Ok(())
}

/// A line of our own on a terminal in raw mode.
fn line(text: &str) {
    let _ = write!(io::stdout(), "\r\n-- {text}\r\n");
    let _ = io::stdout().flush();
}

/// Tells of q, esc, enter and Ctrl-C; a terminal that is gone counts as one.
fn keys(mut tty: File, wanted: &AtomicBool, pressed: &Notify) {
    let mut buffer = [0; 256];
    while wanted.load(Ordering::Relaxed) {
        match poll(&mut [PollFd::new(&tty, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) => continue,
            Ok(_) => {}
            Err(_) => return pressed.notify_one(),
        }
        let count = tty.read(&mut buffer).unwrap_or(0);
        let read = buffer.get(..count).unwrap_or_default();
        if count == 0 || read.iter().any(|b| matches!(b, b'q' | b'\r' | 3 | 27)) {
            pressed.notify_one();
        }
        if count == 0 {
            return;
        }
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
            for mirror in ended {
                job::forget(backend.as_deref(), &mirror).await?;
                count += 1;
            }
            Ok::<_, job::Error>(format!("{count} jobs are forgotten"))
        };
        let done = forgotten.await.map_err(|error| sanitize(&error.to_string()));
        self.tell(Msg::JobDone(done)).await;
    }

    /// Folder of all jobs.
    pub(super) fn jobs(&self) -> PathBuf {
        self.around.paths.state.join("jobs")
    }
}
