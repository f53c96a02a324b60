//! What each kind of step does. Looks before it acts: what is there already is skipped, and what an
//! earlier attempt left half done is thrown away, never trusted.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::{
    backend::{
        Backend, Engine, Error, Progress,
        late::{self, Listener},
    },
    labs::identity::Mistaken,
    plan::{Action, Step},
};

use super::{Entry, Event, apply::Worker, certificates, identity, output::Output};

mod boot;
mod build;
mod ending;
mod host;
mod image;
mod instance;
mod prove;
mod script;
mod snapshot;
mod uninstall;

/// Why an action did not end well.
pub(super) enum Failure {
    /// The user stopped it.
    Cancelled,
    /// As the text says.
    Failed(String),
    /// As the text says, and nothing was changed.
    Blocked(String),
    /// It goes on after a restart of the machine.
    Restart,
}

impl Failure {
    /// The text, and the line of the journal.
    pub(super) fn entry(self, id: &str) -> (String, Entry) {
        let id = id.to_owned();
        match self {
            Self::Cancelled => (
                "stopped".into(),
                Entry::Failed {
                    id,
                    error: "stopped".into(),
                },
            ),
            Self::Failed(error) => (error.clone(), Entry::Failed { id, error }),
            Self::Restart => {
                let error = "waits for a restart of the machine".to_owned();
                (error.clone(), Entry::Blocked { id, error })
            }
            Self::Blocked(error) => (error.clone(), Entry::Blocked { id, error }),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled { .. } => Self::Cancelled,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<Mistaken> for Failure {
    fn from(error: Mistaken) -> Self {
        match error {
            Mistaken::Backend(error) => error.into(),
            other => Self::Blocked(other.to_string()),
        }
    }
}

/// An action that ended well.
pub(super) struct Done {
    /// It had nothing to do.
    pub(super) skipped: bool,
}

type Ended = Result<Done, Failure>;

const DID: Ended = Ok(Done { skipped: false });
const SKIPPED: Ended = Ok(Done { skipped: true });

/// One action at work.
struct Hand<'a> {
    worker: &'a Worker<'a>,
    lab: &'a str,
    /// Where its lab is.
    engine: Engine,
    /// The action's id, and what it is in words.
    action: &'a str,
    sentence: &'a str,
    /// An earlier attempt began it and did not see its end.
    again: bool,
    output: &'a mut Output,
    progress: Progress,
}

/// After the end of an action is in the journal.
pub(super) async fn tidy(worker: &Worker<'_>, action: &Action) {
    script::forget(worker, action).await;
}

/// Carries one action out.
pub(super) async fn perform(
    worker: &Worker<'_>,
    lab: &str,
    action: &Action,
    again: bool,
    output: &mut Output,
) -> Ended {
    let (sink, mut said) = mpsc::unbounded_channel::<(String, Option<u8>)>();
    let progress = Progress {
        sink: Some(sink),
        cancel: worker.cx.cancel.clone(),
    };
    let late = Arc::new(Mutex::new(vec![]));
    let listener = listener((worker, lab), action, &late);
    let tell = async {
        while let Some((text, percent)) = said.recv().await {
            worker.tell(Event::Progress {
                id: action.id.clone(),
                text: crate::log::sanitize(&text),
                percent,
            });
        }
    };
    let hand = Hand {
        worker,
        lab,
        engine: action.engine,
        action: &action.id,
        sentence: &action.sentence,
        again,
        output: &mut *output,
        progress,
    };
    // The hand drops the sink when it is done, which ends `tell`.
    let work = late::heard(listener, Box::pin(hand.carry_out(&action.sentence, &action.step)));
    let (done, ()) = tokio::join!(work, tell);
    // Not before: what a script says is compared with the log, byte for byte.
    for said in late.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        output.line(&format!("==> {said}"));
    }
    done
}

/// Tells at once of a daemon that keeps an action waiting, and keeps what was told for the log.
fn listener((worker, lab): (&Worker<'_>, &str), action: &Action, late: &Arc<Mutex<Vec<String>>>) -> Listener {
    let (events, id, lab) = (worker.cx.events.clone(), action.id.clone(), lab.to_owned());
    let late = Arc::clone(late);
    let tell = move |said: &str| {
        late.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(said.to_owned());
        // A closed screen must not stop an installation.
        let _ = events.send(Event::Late {
            id: id.clone(),
            lab: lab.clone(),
            text: said.to_owned(),
        });
    };
    Listener::new(tell, worker.cx.cancel.clone(), true)
}

impl<'a> Hand<'a> {
    async fn carry_out(mut self, sentence: &str, step: &Step) -> Ended {
        if let Some(why) = identity::replaced_since(self.lab, step, self.worker).await? {
            return Err(Failure::Blocked(why));
        }
        let doomed = self.before_the_end(step).await;
        let ended = self.take(sentence, step).await;
        self.after_the_end(doomed).await;
        ended
    }

    async fn take(&mut self, sentence: &str, step: &Step) -> Ended {
        match step {
            Step::HostScript { script, check, env } => {
                self.host_script(sentence, script, check.as_deref(), env).await
            }
            Step::TuneBoot { .. } | Step::AwaitRestart { .. } => self.boot(step).await,
            Step::Unknown { .. }
            | Step::UndoBoot { .. }
            | Step::Revert { .. }
            | Step::DeleteImage { .. }
            | Step::DeletePool { .. }
            | Step::DeleteNetwork { .. } => self.take_back_here(sentence, step).await,
            Step::WaitDaemon { seconds } => self.wait_daemon(*seconds).await,
            Step::CreatePool { .. }
            | Step::CreateNetwork { .. }
            | Step::PutProfile { .. }
            | Step::CopyProfile { .. }
            | Step::DeleteProfile { .. } => self.environment(step).await,
            Step::MakeDataFolders { folders } => self.make_folders(folders).await,
            Step::OwnDataFolders { name, folders } => self.own_folders(name, folders).await,
            Step::BuildImage { build, files } => self.build_image(build, files).await,
            Step::PullImage { .. } | Step::Bootstrap { .. } | Step::ImportImage { .. } => {
                self.image(step).await
            }
            Step::Create { spec } => self.create(spec).await,
            Step::Copy { from, snapshot, spec } => self.copy(from, snapshot.as_deref(), spec).await,
            Step::Power { name, power } => self.power(name, *power).await,
            Step::WaitNetwork { name, seconds } => self.wait_network(name, *seconds).await,
            Step::PushCertificates { name } => {
                let backend = self.backend().await?;
                let skipped = certificates::push(backend, name, self.output, &self.progress).await?;
                Ok(Done { skipped })
            }
            Step::Exec {
                name,
                script,
                env,
                secrets,
            } => self.exec(name, script, env, secrets).await,
            Step::Verify { name, script, env } => self.verify(sentence, name, script, env).await,
            Step::Prove { name } => self.prove(name).await,
            Step::Snapshot {
                name,
                snapshot,
                note,
                kind,
            } => self.snapshot(name, snapshot, note, *kind).await,
            Step::Restore {
                name,
                snapshot,
                uuid,
                keep,
                taken,
            } => self.restore(name, (snapshot, taken), uuid, keep.as_ref()).await,
            Step::Expire { name, snapshots } => self.expire(name, snapshots).await,
            Step::Edit { name, edit, uuid } => self.edit(name, edit, uuid).await,
            Step::Delete { name, uuid, only_if } => self.delete(name, uuid, only_if.as_deref()).await,
            Step::Retire { name, uuid } => self.retire(name, uuid).await,
        }
    }

    async fn backend(&self) -> Result<&'a dyn Backend, Failure> {
        Ok(self.worker.backend(self.engine).await?)
    }
}
