//! Starting jobs and telling them to end.

use std::{path::Path, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Error, JobFile, JobId, Mirror, Result, State, Status,
    inside::{Command, Forgotten, Heard, Inside},
};
use crate::backend::{self, Backend, Instance};

/// How often a lab that says nothing is asked how a job stands, and the pause between.
const ASKED: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);
/// How many ids are tried that another job has.
const IDS: u32 = 3;
/// How long it is tried to take back what a job that did not begin left in its lab.
const TAKEN_BACK: Duration = Duration::from_secs(10);

/// What is to run, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The lab that it is for.
    pub lab: String,
    /// What people call it.
    pub title: String,
    /// What runs.
    pub command: Command,
    /// Minutes without output after which it is called stuck.
    pub stuck_minutes: Option<u64>,
    /// The run and its action, for a step of a stage.
    pub step: Option<(String, String)>,
}

/// Starts a job of a kind under a new id.
///
/// # Errors
/// As [`start`].
pub async fn start_new(
    backend: &dyn Backend,
    jobs: &Path,
    kind: &str,
    instance: &Instance,
    order: &Order,
) -> Result<Mirror> {
    for _ in 0..IDS {
        match start(backend, jobs, &JobId::new(kind)?, instance, order).await {
            Err(Error::Taken(_)) => {}
            other => return other,
        }
    }
    start(backend, jobs, &JobId::new(kind)?, instance, order).await
}

/// Starts a job in a running instance; it goes on whoever watches it. A step that runs already is left alone; any other
/// id must be new.
///
/// # Errors
/// The mirror cannot be written, or the lab does not take the job: nothing runs then.
pub async fn start(
    backend: &dyn Backend,
    jobs: &Path,
    id: &JobId,
    instance: &Instance,
    order: &Order,
) -> Result<Mirror> {
    let before = Mirror::open(jobs, id).ok();
    let attempt = before.as_ref().map_or(0, |mirror| mirror.status().attempt);
    let attempt = attempt.saturating_add(1);
    let job = job_of(backend, instance, order).await?;
    let mirror = if id.is_step() {
        Mirror::create(jobs, id, job)?
    } else {
        Mirror::create_new(jobs, id, job)?
    };
    if attempt > 1 {
        // How an earlier attempt ended is not how this one stands.
        mirror.set_asked_for(Some(attempt))?;
    }
    mirror.set_doom(None)?;
    let text = serde_json::to_string(&mirror.job)
        .map_err(std::io::Error::from)
        .map_err(Error::file(mirror.folder()))?;
    let inside = Inside {
        id,
        backend,
        instance: &instance.name,
    };
    match inside.start(attempt, &text, &order.command).await {
        Ok(false) if !id.is_step() => {
            // One of another host: its command runs, and ours does not.
            let _ = mirror.remove();
            Err(Error::Taken(id.to_string()))
        }
        Ok(fresh) => {
            if !fresh {
                mirror.set_asked_for(None)?;
            }
            // Whoever watches already knows more; and what a full disk does not take now is heard later: it runs.
            if let Ok(Some(mut writer)) = mirror.writer()
                && let Err(error) = writer.began()
            {
                tracing::warn!(%error, "that a job began is not written down here");
            }
            Ok(mirror)
        }
        // Whether it began is looked at, never guessed: an answer can be lost after the deed.
        Err(Error::Backend(error)) => match stands(inside).await {
            Ok(Some(status)) if status.attempt == attempt => Ok(mirror),
            _ => {
                take_back(inside, &mirror, before.is_none()).await;
                Err(error.into())
            }
        },
        Err(error) => {
            take_back(inside, &mirror, before.is_none()).await;
            Err(error)
        }
    }
}

/// Takes back what a job that did not begin left: its command may hold secrets. What could not be taken back stays
/// known here, so that it can be forgotten later.
async fn take_back(inside: Inside<'_>, mirror: &Mirror, first: bool) {
    let clean = async {
        if first {
            // Of what did not run nothing is to be copied.
            inside
                .forget(u64::from(u32::MAX))
                .await
                .map(|end| end == Forgotten::Gone)
        } else {
            // The log of the attempts before stays.
            inside.clear().await
        }
    };
    let clean = timeout(TAKEN_BACK, clean).await;
    match clean {
        // Nothing ran: there is nothing to keep.
        Ok(Ok(true)) if first => drop(mirror.remove()),
        // The attempt before it stands.
        Ok(Ok(true)) => drop(mirror.set_asked_for(None)),
        _ => {}
    }
}

/// Goes on with a job that an earlier attempt began: one that runs, or that ended with 0, is not started again. True
/// where it was started now.
///
/// # Errors
/// As [`start`].
pub async fn go_on(
    backend: &dyn Backend,
    jobs: &Path,
    id: &JobId,
    instance: &Instance,
    order: &Order,
) -> Result<(Mirror, bool)> {
    let inside = Inside {
        id,
        backend,
        instance: &instance.name,
    };
    let here = stands(inside).await?.is_some_and(|status| match status.state {
        State::Succeeded => true,
        state => !state.is_final(),
    });
    if !here {
        return Ok((start(backend, jobs, id, instance, order).await?, true));
    }
    let address = backend.server_of(&instance.name).await?.address;
    let mirror = match Mirror::open(jobs, id) {
        Ok(mirror) if mirror.job.engine == address => mirror,
        _ => Mirror::create(jobs, id, job_of(backend, instance, order).await?)?,
    };
    Ok((mirror, false))
}

/// What is asked for, as it is written down.
async fn job_of(backend: &dyn Backend, instance: &Instance, order: &Order) -> Result<JobFile> {
    let (run, action) = order.step.clone().unzip();
    let argv = match &order.command.script {
        Some(_) => ["/bin/sh", "-eu", "script"].map(str::to_owned).to_vec(),
        None => order.command.argv.clone(),
    };
    Ok(JobFile {
        title: order.title.clone(),
        lab: order.lab.clone(),
        container: instance.name.clone(),
        uuid: instance.uuid.clone(),
        engine: backend.server_of(&instance.name).await?.address,
        argv,
        cwd: order.command.cwd.clone(),
        env: order.command.env.keys().cloned().collect(),
        created_at: jiff::Timestamp::now().to_string(),
        stuck_minutes: order.stuck_minutes,
        run,
        action,
        ..JobFile::default()
    })
}

/// How a job stands inside; none where the lab says that there is none, or that its runner is gone.
///
/// # Errors
/// The engine fails, or the lab says nothing: then nobody knows, and a script must not run twice.
pub(super) async fn stands(inside: Inside<'_>) -> Result<Option<Status>> {
    let never = CancellationToken::new();
    for _ in 0..ASKED {
        let (mut found, mut none) = (None, false);
        let mut heard = |heard: Heard<'_>| match heard {
            Heard::Status(line) => found = Status::parse(line, inside.id.as_str()),
            Heard::Gone | Heard::NoJob | Heard::Unbegun => none = true,
            _ => {}
        };
        inside.follow((0, 0), (0, false), &mut heard, &never).await?;
        if none || found.is_some() {
            return Ok(found.filter(|_| !none));
        }
        // A runner that began this moment has not said anything yet.
        sleep(PAUSE).await;
    }
    Err(Error::Backend(backend::Error::Refused {
        what: format!("look at the job {} in {}", inside.id, inside.instance),
        message: "the lab does not say whether it ran".into(),
    }))
}

/// Tells a job to end: `signal` (as `TERM`) at once, and a harder one after `grace` seconds. Does not wait for its end.
/// True where its runner is gone and something of it is left: nobody sends a harder one then.
///
/// # Errors
/// The engine does not answer.
pub(super) async fn stop(backend: &dyn Backend, mirror: &Mirror, signal: &str, grace: u32) -> Result<bool> {
    let inside = Inside {
        id: mirror.id(),
        backend,
        instance: &mirror.job.container,
    };
    inside.stop(signal, grace).await
}
