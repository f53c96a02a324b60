//! Ending jobs, and forgetting those that ended.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Error, JobId, Known, Mirror, Result, State, Status, Watch,
    inside::{Forgotten, Inside},
    order,
};
use crate::backend::{Backend, Status as Power};

/// How long a job that was stopped may take to end after its grace: SIGKILL was sent by then.
const MARGIN: u32 = 20;
/// How long the engine may be away meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the rest of a log is fetched that grows while its job is forgotten.
const FETCHED: u32 = 3;
/// How often it is looked whether something of a job is left.
const LOOK: Duration = Duration::from_millis(200);

/// How a job stands that was told to end.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// How it ended.
    pub status: Status,
    /// It had ended before.
    pub before: bool,
    /// Daemons that it had left behind were ended now.
    pub daemons: bool,
}

impl End {
    /// What is said of it.
    pub fn words(&self, id: &JobId) -> String {
        let how = format!("{}: {}", self.status.state.word(), self.status.ending());
        match (self.before, self.daemons) {
            (true, true) => format!("{id} had ended before, and what it left running is ended now: {how}"),
            (true, false) => format!("{id} had ended before, so nothing was stopped: {how}"),
            (false, _) => format!("{id} {how}"),
        }
    }
}

/// What is known here of a job that has ended: for where no engine says whether something of it is left. None where it
/// runs, as far as is known, or where something of it may run that lost its runner.
pub fn ended_before(mirror: &Mirror) -> Option<End> {
    let status = mirror.status();
    let over = status.state.is_final() && status.state != State::Lost;
    over.then_some(End {
        status,
        before: true,
        daemons: false,
    })
}

/// Tells a job to end and waits for it: how it ended. Of one that has ended only daemons can be left, which are ended.
///
/// # Errors
/// The engine does not answer, or the job outlives a SIGKILL.
pub async fn end(backend: &dyn Backend, mirror: &Mirror, signal: &str, grace: u32) -> Result<End> {
    mirror.compare_engine(backend).await?;
    let known = Known::of(mirror.clone(), Some(backend)).await;
    let status = known.status;
    let patience = Duration::from_secs(u64::from(grace.saturating_add(MARGIN)));
    let undead = || Error::Undead {
        id: mirror.id().to_string(),
        seconds: patience.as_secs(),
    };
    if status.state.is_final() && status.state != State::Lost {
        // A lab that does not run runs none of them either.
        let left = inside(backend, mirror).is_left().await.unwrap_or(false);
        if left && !stop(backend, mirror, signal, grace).await? {
            return Err(undead());
        }
        return Ok(End {
            status,
            before: true,
            daemons: left,
        });
    }
    // Of a lost one the command may still run, without its runner.
    match stop(backend, mirror, signal, grace).await {
        Err(error) if status.state == State::Lost => {
            tracing::debug!(%error, "nothing left to stop");
            return Ok(End {
                status,
                before: true,
                daemons: false,
            });
        }
        Ok(true) => {}
        Ok(false) => return Err(undead()),
        Err(error) => return Err(error),
    }
    let status = ended(backend, mirror, patience).await?.ok_or_else(undead)?;
    Ok(End {
        status,
        before: false,
        daemons: false,
    })
}

/// How a job ended, within so much time; none where it did not.
async fn ended(backend: &dyn Backend, mirror: &Mirror, patience: Duration) -> Result<Option<Status>> {
    if let Ok(ended) = tokio::time::timeout(patience, quietly(backend, mirror)).await {
        return ended.map(Some);
    }
    // It may have ended long ago, and its log be longer than that: the rest of it comes when somebody asks for it.
    match order::stands(inside(backend, mirror)).await? {
        Some(status) => Ok(Some(status).filter(|status| status.state.is_final())),
        None => Err(Error::Rest(mirror.id().to_string())),
    }
}

fn inside<'a>(backend: &'a dyn Backend, mirror: &'a Mirror) -> Inside<'a> {
    Inside {
        id: mirror.id(),
        backend,
        instance: &mirror.job.container,
    }
}

/// Tells a job to end: `signal` (as `TERM`) at once, and a harder one after `grace` seconds. Its runner sees to that, and
/// its end is not waited for; where the runner is gone, it is done and waited for here: false where something of the job
/// outlives a SIGKILL.
///
/// # Errors
/// The engine does not answer.
pub async fn stop(backend: &dyn Backend, mirror: &Mirror, signal: &str, grace: u32) -> Result<bool> {
    Ok(!order::stop(backend, mirror, signal, grace).await? || outlived(backend, mirror, grace).await?)
}

/// Waits for what is left of a job whose runner is gone, and kills it after the grace; whether it is gone then.
async fn outlived(backend: &dyn Backend, mirror: &Mirror, grace: u32) -> Result<bool> {
    let inside = inside(backend, mirror);
    for seconds in [grace, MARGIN] {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds.into()) {
            if !inside.is_left().await? {
                return Ok(true);
            }
            sleep(LOOK).await;
        }
        order::stop(backend, mirror, "KILL", 0).await?;
    }
    Ok(false)
}

/// Watches a job to its end without showing it.
async fn quietly(backend: &dyn Backend, mirror: &Mirror) -> Result<Status> {
    let mut watch = Watch {
        backend,
        mirror,
        cancel: CancellationToken::new(),
        patience: Some(PATIENCE),
        notice: &mut |_| {},
        grown: &mut || {},
    };
    watch.to_the_end().await
}

/// Forgets a job: in its lab only after its log is here as a whole. Returns why its files stay in the lab; none where
/// they are gone. Without an engine only one that is lost can be forgotten.
///
/// # Errors
/// It still runs; its log is not here as a whole.
pub async fn forget(backend: Option<&dyn Backend>, mirror: &Mirror) -> Result<Option<String>> {
    let status = mirror.status();
    let lost = status.state == State::Lost;
    let Some(backend) = backend else {
        if lost && status.is_over() {
            mirror.remove()?;
            return Ok(None);
        }
        return Err(differs(mirror, "there is no engine to compare it with"));
    };
    mirror.compare_engine(backend).await?;
    if !status.is_over() {
        let known = Known::of(mirror.clone(), Some(backend)).await;
        if !known.status.state.is_final() {
            return Err(Error::Runs(mirror.id().to_string()));
        }
        let status = quietly(backend, mirror).await?;
        if !status.whole && (status.state != State::Lost || !status.is_over()) {
            let why = status.elsewhere();
            return Err(differs(
                mirror,
                why.as_deref().unwrap_or("it is not here as a whole"),
            ));
        }
    }
    let lost = mirror.status().state == State::Lost;
    let left = forget_inside(backend, mirror, lost).await?;
    mirror.remove()?;
    Ok(left)
}

fn differs(mirror: &Mirror, why: &str) -> Error {
    Error::Differs {
        id: mirror.id().to_string(),
        lab: mirror.job.container.clone(),
        why: why.into(),
    }
}

/// Removes a job's files in its lab; a lab that is stopped keeps them, and another one of its name is left alone.
async fn forget_inside(backend: &dyn Backend, mirror: &Mirror, lost: bool) -> Result<Option<String>> {
    let name = &mirror.job.container;
    let Some(found) = backend.instance(name).await? else {
        return Ok(None);
    };
    if found.uuid != mirror.job.uuid {
        return Ok(None);
    }
    let inside = inside(backend, mirror);
    let kept = |why: &str| {
        let folder = super::inside::FOLDER;
        Ok(Some(format!(
            "its files stay in {name} ({folder}/{}): {why}",
            mirror.id()
        )))
    };
    if found.status != Power::Running {
        return kept("the lab does not run");
    }
    let mut fetch = lost;
    for _ in 0..FETCHED {
        if fetch && !rest(inside, mirror).await? {
            return Err(differs(mirror, "its bytes are other ones"));
        }
        match inside.forget(mirror.length()).await {
            Ok(Forgotten::Gone) => return Ok(None),
            Ok(Forgotten::Runs) => return Err(Error::Runs(mirror.id().to_string())),
            // A daemon of it wrote on when it had ended.
            Ok(Forgotten::Grown) => fetch = true,
            Err(error) => return kept(&error.to_string()),
        }
    }
    Err(Error::Runs(mirror.id().to_string()))
}

/// Fetches the rest of the log of a job that is lost, and compares it: whether all that the lab has of it is here.
async fn rest(inside: Inside<'_>, mirror: &Mirror) -> Result<bool> {
    let Some(mut writer) = mirror.writer()? else {
        return Err(differs(mirror, "somebody else watches it"));
    };
    let (mut hash, mut count) = (Sha256::new(), 0_u64);
    let mut take = |bytes: &[u8]| {
        hash.update(bytes);
        let known = usize::try_from(writer.length().saturating_sub(count)).unwrap_or(usize::MAX);
        count += bytes.len() as u64;
        if let Some(more) = bytes.get(known..).filter(|more| !more.is_empty()) {
            writer.append(more);
        }
    };
    let never = CancellationToken::new();
    let read = inside.read(0, i64::MAX.unsigned_abs(), &mut take, &never).await;
    writer.check()?;
    if let Err(error) = read {
        return Err(differs(mirror, &format!("it cannot be read there: {error}")));
    }
    // Less is there, or nothing, where the lab was put back.
    writer.verify(count, &hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{self, InstanceSpec, Power as Switch, fake::Fake},
        job::{JobId, Order, inside::Command},
    };

    #[tokio::test]
    async fn an_end_is_believed_although_its_log_is_still_to_come() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Fake::new().with_image("lab/bb");
        let spec = InstanceSpec {
            name: "lab".into(),
            image: "lab/bb".into(),
            ..InstanceSpec::default()
        };
        fake.create(&spec, &backend::Progress::default()).await.unwrap();
        fake.power("lab", Switch::Start).await.unwrap();
        let lab = fake.instance("lab").await.unwrap().unwrap();
        let order = Order {
            command: Command {
                script: Some("echo here".into()),
                ..Command::default()
            },
            ..Order::default()
        };
        let id = JobId::parse("cmd-1-2").unwrap();
        let mirror = order::start(&fake, folder.path(), &id, &lab, &order)
            .await
            .unwrap();
        // A question takes longer than we wait for its log.
        fake.set_pause(Duration::from_millis(300));
        let waited = ended(&fake, &mirror, Duration::from_millis(100)).await;
        assert_eq!(waited.unwrap().map(|status| status.state), Some(State::Succeeded));
        assert!(!mirror.status().whole, "it is not here as a whole");
    }
}
