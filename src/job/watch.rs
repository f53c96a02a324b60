//! Watching a job: its log comes into the mirror, whatever happens to the connection. Whoever reads it takes it from there
//! ([`super::Tail`]): a terminal that is slow, or a pager that waits, keeps nobody from the mirror.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Error, Mirror, Result, State, Status, Writer,
    beside::Beside,
    inside::{Heard, Inside},
};
use crate::backend::{self, Backend, Status as Power};

/// How long one question stays open: an engine that is told to end waits for those that are.
pub(super) const ROUND: u32 = 25;
/// Pauses between tries while the engine is away.
pub(super) const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
/// Seconds that a job may take to come into its lab.
const BEGINNING: i64 = 60;
/// How often a running lab may say no before we believe it.
const REFUSALS: u32 = 5;

/// How a job ended, or that it is only not watched any more.
pub type Ended = Status;

/// One who watches a job.
pub struct Watch<'a> {
    /// The engine.
    pub backend: &'a dyn Backend,
    /// The job.
    pub mirror: &'a Mirror,
    /// Stops the watching; the job goes on.
    pub cancel: CancellationToken,
    /// How long the engine may be away; none for ever.
    pub patience: Option<Duration>,
    /// Is told why nothing is heard, at each try; and none each time that the job is heard of.
    pub notice: &'a mut (dyn FnMut(Option<&str>) + Send),
    /// Is called when more of the log is in the mirror, and must not wait; what another watcher adds is not told.
    pub grown: &'a mut (dyn FnMut() + Send),
}

/// What one question brought.
#[derive(Default)]
pub(super) struct Round {
    /// Nobody goes on with it, and why.
    pub(super) over: Option<Over>,
    /// The log begins anew: what came after that was asked for from the wrong place.
    anew: bool,
    /// How long the log is that has ended.
    ended: Option<u64>,
    /// The command that was asked for last is not begun: it lies there, or what is told is of an attempt before it.
    pub(super) unbegun: bool,
}

/// Why nobody goes on with a job of which no end was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Its runner is gone.
    Gone,
    /// There is no such job.
    NoJob,
}

/// What follows from a failed question.
pub(super) enum Next {
    /// Ask again.
    Again,
    /// The lab is frozen: it comes back when somebody lets it go on.
    Frozen,
    /// The lab is stopped or gone: nothing more comes.
    Over,
}

impl<'a> Watch<'a> {
    /// Watches until the job has ended and its log is here as a whole.
    ///
    /// # Errors
    /// Cancelled ([`Error::Detached`]); the engine was away for longer than the patience; the disk here is full.
    pub async fn to_the_end(&mut self) -> Result<Ended> {
        let mut writer = match self.mirror.writer()? {
            Some(writer) => writer,
            None => match self.beside().await? {
                Beside::Ended(status) => return Ok(*status),
                Beside::Free(writer) => *writer,
            },
        };
        self.alone(&mut writer).await
    }

    async fn alone(&mut self, writer: &mut Writer) -> Result<Ended> {
        if writer.status().is_over() {
            return Ok(writer.status().clone());
        }
        let (mut away, mut refused, mut pause) = (None, 0, SHORTEST);
        // Only what is told: whether the log goes on or begins anew is known before it is asked for.
        let mut seconds = if writer.length() == 0 { ROUND } else { 0 };
        let mut compared = false;
        loop {
            let asked = self.ask(&mut compared, writer, seconds).await?;
            writer.check()?;
            let error = match asked {
                Ok(round) => {
                    (away, refused, pause, seconds) = (None, 0, SHORTEST, ROUND);
                    if self.is_finished(writer, round).await? {
                        return Ok(writer.status().clone());
                    }
                    continue;
                }
                Err(error) => error,
            };
            match self.after(error, writer, &mut refused).await? {
                Next::Over => return Ok(writer.status().clone()),
                Next::Again | Next::Frozen => {}
            }
            let since = *away.get_or_insert_with(Instant::now);
            if let Some(patience) = self.patience
                && since.elapsed() > patience
            {
                return Err(self.gave_up());
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.cancel.cancelled() => return Err(Error::Detached),
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn gave_up(&self) -> Error {
        Error::Away {
            id: self.mirror.id().to_string(),
            lab: self.mirror.job.container.clone(),
            source: Box::new(backend::Error::Lost {
                engine: "the engine".into(),
                what: format!("watch the job {}", self.mirror.id()),
                reason: format!(
                    "it was away for {} s",
                    self.patience.unwrap_or_default().as_secs()
                ),
            }),
        }
    }

    pub(super) fn frozen(&self) -> Error {
        Error::Frozen {
            id: self.mirror.id().to_string(),
            lab: self.mirror.job.container.clone(),
        }
    }

    pub(super) fn inside(&self) -> Inside<'a> {
        Inside {
            id: self.mirror.id(),
            backend: self.backend,
            instance: &self.mirror.job.container,
        }
    }

    /// Asks once, after the engine was seen to be the one that the job runs on.
    async fn ask(
        &mut self,
        compared: &mut bool,
        writer: &mut Writer,
        seconds: u32,
    ) -> Result<backend::Result<Round>> {
        if !*compared {
            match self.mirror.compare_engine(self.backend).await {
                Ok(()) => *compared = true,
                Err(Error::Backend(error)) => return Ok(Err(error)),
                Err(other) => return Err(other),
            }
        }
        Ok(self.round(writer, seconds).await)
    }

    /// Asks once, and puts what comes into the mirror.
    pub(super) async fn round(&mut self, writer: &mut Writer, seconds: u32) -> backend::Result<Round> {
        let (cursor, inside) = (writer.cursor(), writer.is_building());
        let asked_for = self.mirror.asked_for();
        let id = self.mirror.id().as_str();
        let mut round = Round::default();
        // A disk that takes no more ends the question: what comes after is asked for again.
        let stop = self.cancel.child_token();
        let (asker, grown) = (self.inside(), &mut *self.grown);
        let (notice, mut heard_of) = (&mut *self.notice, false);
        let mut hear = |heard: Heard<'_>| match heard {
            Heard::Bytes(_) | Heard::Time(..) if round.anew => {}
            _ if writer.has_failed() => stop.cancel(),
            Heard::Bytes(bytes) => add(writer, bytes, grown),
            Heard::Status(line) if Status::parse(line, id).is_some_and(|s| s.is_before(asked_for)) => {
                round.unbegun = true;
            }
            Heard::Status(line) => {
                let before = writer.length();
                if let Err(error) = writer.told(line) {
                    writer.fail(error);
                }
                if writer.length() < before {
                    round.anew = true;
                }
            }
            Heard::Time(next, line) => writer.time(next, line),
            Heard::Inside(stage, step) => writer.inside(stage, step),
            Heard::Ended(bytes) => round.ended = Some(bytes),
            Heard::Sum(..) => {}
            Heard::Unbegun => round.unbegun = true,
            Heard::Gone => round.over = Some(Over::Gone),
            Heard::NoJob => round.over = Some(Over::NoJob),
        };
        let mut take = |heard: Heard<'_>| {
            if !std::mem::replace(&mut heard_of, true) {
                notice(None);
            }
            hear(heard);
        };
        asker.follow(cursor, (seconds, inside), &mut take, &stop).await?;
        Ok(round)
    }

    /// Whether nothing more is to be had: the job has ended, and its log is here.
    pub(super) async fn is_finished(&mut self, writer: &mut Writer, round: Round) -> Result<bool> {
        let is_asked_for = writer.status().state == State::Queued;
        if (round.over.is_some() || round.unbegun) && self.is_beginning(writer.status()) {
            sleep(SHORTEST).await;
            return Ok(false);
        }
        if round.unbegun && is_asked_for {
            return self.never_began(writer).await;
        }
        if round.over == Some(Over::NoJob) {
            writer.lost("the lab was restored or made anew: the job is not in it any more")?;
            return Ok(true);
        }
        let status = writer.status().clone();
        if round.over == Some(Over::Gone) {
            if !self.drain(writer, u64::MAX).await? {
                return Ok(false);
            }
            writer.lost(
                "its runner ended without a last word: the lab was restarted, or the runner was killed",
            )?;
            return Ok(true);
        }
        let Some(bytes) = round.ended.filter(|_| status.state.is_final()) else {
            return Ok(false);
        };
        if !self.drain(writer, bytes).await? {
            return Ok(false);
        }
        let sum = match self.inside().sum(bytes, &self.cancel).await {
            Ok(Some(sum)) => sum,
            Err(backend::Error::Cancelled { .. }) => return Err(Error::Detached),
            other => {
                if let Err(error) = other {
                    (self.notice)(Some(&error.to_string()));
                }
                sleep(SHORTEST).await;
                return Ok(false);
            }
        };
        if writer.verify(bytes, &sum)? {
            return Ok(true);
        }
        // What came is not what is there, as after a power cut of this host: once more from the beginning.
        tracing::warn!(job = %self.mirror.id(), "the copy of its log differs and is fetched anew");
        writer.begin_anew()?;
        // Its times come with what is told, and not with its bytes.
        if self.round(writer, 0).await.is_err() {
            return Ok(false);
        }
        let whole = self.drain(writer, bytes).await?;
        if whole && !writer.verify(bytes, &sum)? {
            writer.finish();
            return Err(Error::Differs {
                id: self.mirror.id().to_string(),
                lab: self.mirror.job.container.clone(),
                why: "it was fetched twice and its SHA-256 is another one".into(),
            });
        }
        Ok(whole)
    }

    /// Whether a job was asked for this moment: its files come into the lab one after the other.
    fn is_beginning(&self, status: &Status) -> bool {
        let asked = self.mirror.job.created_at.parse::<jiff::Timestamp>();
        let age = asked.map_or(i64::MAX, |asked| {
            jiff::Timestamp::now().as_second() - asked.as_second()
        });
        status.state == State::Queued && age < BEGINNING
    }

    /// Reads what is left of the log up to a length; false where the engine went away in it.
    pub(super) async fn drain(&mut self, writer: &mut Writer, length: u64) -> Result<bool> {
        const AT_ONCE: u64 = 64 << 20;
        while writer.length() < length {
            let before = writer.length();
            let count = (length - before).min(AT_ONCE);
            let (asker, grown) = (self.inside(), &mut *self.grown);
            let mut take = |bytes: &[u8]| add(writer, bytes, grown);
            let asked = asker.read(before, count, &mut take, &self.cancel).await;
            writer.check()?;
            match asked {
                Err(backend::Error::Cancelled { .. }) => return Err(Error::Detached),
                Err(_) => return Ok(false),
                // The lab's file is shorter than it says, or its end was asked for.
                Ok(()) if writer.length() == before => return Ok(true),
                Ok(()) => {}
            }
        }
        Ok(true)
    }

    /// What follows from an error: after each the real state is looked at.
    pub(super) async fn after(
        &mut self,
        error: backend::Error,
        writer: &mut Writer,
        refused: &mut u32,
    ) -> Result<Next> {
        match &error {
            backend::Error::Cancelled { .. } => return Err(Error::Detached),
            backend::Error::Missing { .. } | backend::Error::Refused { .. } => {}
            _ => {
                (self.notice)(Some(&error.to_string()));
                return Ok(Next::Again);
            }
        }
        let name = &self.mirror.job.container;
        let Ok(found) = self.backend.instance(name).await else {
            return Ok(Next::Again);
        };
        let Some(instance) = found else {
            writer.lost("the lab was deleted")?;
            return Ok(Next::Over);
        };
        if instance.uuid != self.mirror.job.uuid && !self.mirror.job.uuid.is_empty() {
            writer.lost("the lab was replaced by another one of its name")?;
            return Ok(Next::Over);
        }
        // A lab that is frozen refuses each time, and is no less there when it goes on.
        if matches!(instance.status, Power::Stopped | Power::Running) {
            *refused += 1;
        }
        // Once could be the moment in which an engine that was restarted does not know yet.
        if instance.status == Power::Stopped && *refused > 1 {
            let rest = self.salvage(writer).await?;
            writer.lost_but("the lab was stopped while it ran", rest)?;
            return Ok(Next::Over);
        }
        if instance.status == Power::Running && *refused > REFUSALS {
            return Err(error.into());
        }
        if instance.status == Power::Frozen {
            let frozen = self.frozen().to_string();
            (self.notice)(Some(&frozen));
            return Ok(Next::Frozen);
        }
        if instance.status != Power::Stopped {
            (self.notice)(Some(&error.to_string()));
        }
        Ok(Next::Again)
    }
}

/// Puts bytes into the mirror, and says so.
pub(super) fn add(writer: &mut Writer, bytes: &[u8], grown: &mut (dyn FnMut() + Send)) {
    if writer.append(bytes) {
        grown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{InstanceSpec, fake::Fake},
        job::{JobFile, JobId},
    };

    #[tokio::test]
    async fn a_lab_that_was_frozen_for_long_is_not_one_that_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Fake::new().with_image("lab/bb");
        let spec = InstanceSpec {
            name: "lab".into(),
            image: "lab/bb".into(),
            ..InstanceSpec::default()
        };
        fake.create(&spec, &backend::Progress::default()).await.unwrap();
        let job = JobFile {
            container: "lab".into(),
            ..JobFile::default()
        };
        let mirror = Mirror::create(folder.path(), &JobId::parse("cmd-1-2").unwrap(), job).unwrap();
        let mut writer = mirror.writer().unwrap().unwrap();
        let mut watch = Watch {
            backend: &fake,
            mirror: &mirror,
            cancel: CancellationToken::new(),
            patience: None,
            notice: &mut |_| {},
            grown: &mut || {},
        };
        let refusal = || backend::Error::Refused {
            what: "run a command in `lab`".into(),
            message: "The instance is frozen".into(),
        };
        let mut refused = 0;
        fake.set_status("lab", Power::Frozen);
        for _ in 0..REFUSALS * 4 {
            let next = watch.after(refusal(), &mut writer, &mut refused).await;
            assert!(matches!(next, Ok(Next::Frozen)));
        }
        // It goes on, and the engine does not know yet.
        fake.set_status("lab", Power::Stopped);
        let next = watch.after(refusal(), &mut writer, &mut refused).await;
        assert!(matches!(next, Ok(Next::Again)), "it is not lost");
        fake.set_status("lab", Power::Running);
        for _ in 1..REFUSALS {
            let next = watch.after(refusal(), &mut writer, &mut refused).await;
            assert!(matches!(next, Ok(Next::Again)));
        }
        let next = watch.after(refusal(), &mut writer, &mut refused).await;
        assert!(next.is_err(), "one that runs and refuses on and on is believed");
    }
}
