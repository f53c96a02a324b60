//! What a list shows of a job.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Error, Mirror, State, Status, Watch, ids};
use crate::backend::Backend;

/// How long a list copies of one job's log.
const BRIEF: Duration = Duration::from_millis(1500);
/// Without a heartbeat for this long, nothing is known of how it stands: seconds.
const SILENT: u64 = 10;

/// A job and how it stands.
#[derive(Clone, Debug)]
pub struct Known {
    /// The job.
    pub mirror: Mirror,
    /// What was heard last.
    pub status: Status,
    /// Why nothing newer is known; empty where it is.
    pub stale: String,
    /// Its lab is frozen, and it with it.
    pub frozen: bool,
}

/// One short line about a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Glance {
    /// Its id.
    pub id: String,
    /// Its lab.
    pub lab: String,
    /// How it stands.
    pub state: State,
    /// What it does now, and how far it is: `12/340`, `37%`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// How far it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// The last error that it wrote.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// Seconds that are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<u64>,
    /// Seconds since it last wrote something; none where it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_age: Option<u64>,
    /// It has not written anything for longer than the setting says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
    /// Its lab is frozen, and it with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// Its exit code for whoever waits; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// How it ended, what of it goes on without its command, or why nothing newer is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Bytes that it wrote.
    pub bytes: u64,
}

impl Known {
    /// All jobs of this host, newest first; those that are not known to have ended are asked for. Without an engine what was
    /// heard last is said.
    pub async fn all(jobs: &Path, engine: Option<&dyn Backend>) -> Vec<Self> {
        let mirrors = ids(jobs)
            .into_iter()
            .filter_map(|id| Mirror::open(jobs, &id).ok());
        let (mut found, mut silent) = (vec![], Silent::new());
        for mirror in mirrors {
            found.push(Self::unless_silent(mirror, engine, &mut silent).await);
        }
        found
    }

    /// One job, asked for where it is not known to have ended.
    pub async fn of(mirror: Mirror, engine: Option<&dyn Backend>) -> Self {
        Self::unless_silent(mirror, engine, &mut Silent::new()).await
    }

    /// The same; an engine that did not answer for another job is not waited for once more.
    async fn unless_silent(mirror: Mirror, engine: Option<&dyn Backend>, silent: &mut Silent) -> Self {
        let (mut status, mut stale, mut frozen) = (mirror.status(), String::new(), false);
        if !status.is_over() {
            match ask(&mirror, engine, silent).await {
                Ok(heard) => status = heard,
                Err(why) => {
                    frozen = matches!(why, Unheard::Of(Error::Frozen { .. }));
                    (status, stale) = (mirror.status(), why.words());
                }
            }
        }
        Self {
            mirror,
            status,
            stale,
            frozen,
        }
    }

    /// Seconds since it last wrote something, by the lab's clock as far as it was heard of, and ours since.
    pub fn output_age(&self) -> Option<u64> {
        if self.status.state.is_final() {
            return None;
        }
        let ms = |text: &str| {
            text.parse::<jiff::Timestamp>()
                .ok()
                .map(jiff::Timestamp::as_millisecond)
        };
        let last = i64::try_from(self.mirror.last_growth()?).ok()?;
        let inside = ms(&self.status.heartbeat_at)?.saturating_sub(last);
        let since =
            ms(&self.status.synced_at).map_or(0, |then| jiff::Timestamp::now().as_millisecond() - then);
        u64::try_from(inside.max(0).saturating_add(since.max(0)) / 1000).ok()
    }

    /// How it stands, in a word for people.
    pub fn word(&self) -> &'static str {
        if self.frozen {
            "frozen"
        } else {
            self.status.state.word()
        }
    }

    /// The short line; `stuck` minutes without output are said.
    pub fn glance(&self, stuck: u64) -> Glance {
        let status = &self.status;
        let progress = match (status.progress.done, status.progress.total) {
            (Some(done), Some(100)) => format!("{done}%"),
            (Some(done), Some(total)) => format!("{done}/{total}"),
            _ => String::new(),
        };
        let output_age = self.output_age();
        let ended = status.state.is_final();
        let why = if ended {
            status.ending()
        } else if let (Some(left), true) = (&status.left, self.stale.is_empty()) {
            left.words()
        } else {
            self.stale.clone()
        };
        let bytes = status.log.bytes.max(self.mirror.length());
        Glance {
            id: self.mirror.id().to_string(),
            lab: self.mirror.job.lab.clone(),
            state: status.state,
            phase: status.progress.phase.clone(),
            progress,
            last_error: status.progress.last_error.clone(),
            eta: status.progress.eta.filter(|_| !ended),
            // Of one that wrote nothing yet there is no last output.
            output_age: output_age.filter(|_| bytes > 0),
            // While nobody can be asked, it may write.
            stuck: !self.frozen
                && self.stale.is_empty()
                && output_age.is_some_and(|age| age >= stuck.saturating_mul(60).max(1)),
            frozen: self.frozen,
            code: ended.then(|| status.code()),
            why,
            bytes,
        }
    }

    /// Whether its runner was not heard of for a while, although it should run.
    pub fn is_silent(&self) -> bool {
        let beat = self.status.heartbeat_at.parse::<jiff::Timestamp>();
        let now = jiff::Timestamp::now().as_second();
        let age = beat.map_or(0, |beat| now - beat.as_second());
        !self.frozen && !self.status.state.is_final() && u64::try_from(age).unwrap_or(0) > SILENT
    }
}

/// Engines that did not answer, by their addresses, and why.
type Silent = BTreeMap<String, String>;

/// Why nothing newer is known of a job.
enum Unheard {
    /// Nobody could be asked.
    Nobody(String),
    /// It was asked for, and this came.
    Of(Error),
}

impl Unheard {
    fn words(&self) -> String {
        crate::log::sanitize(&match self {
            Self::Nobody(why) => why.clone(),
            Self::Of(error) => error.to_string(),
        })
    }
}

/// Asks how a job stands: its own engine, whatever becomes of others that answer beside it.
async fn ask(mirror: &Mirror, engine: Option<&dyn Backend>, silent: &mut Silent) -> Result<Status, Unheard> {
    let Some(backend) = engine else {
        return Err(Unheard::Nobody("there is no engine to ask".into()));
    };
    let address = &mirror.job.engine;
    if let Some(why) = silent.get(address) {
        return Err(Unheard::Nobody(why.clone()));
    }
    match backend.is_at(address).await {
        Ok(true) => {}
        Ok(false) => {
            return Err(Unheard::Nobody(format!(
                "it runs on the engine at {address}, which is none of those that answer"
            )));
        }
        Err(error) => {
            silent.insert(address.clone(), error.to_string());
            return Err(Unheard::Nobody(error.to_string()));
        }
    }
    let mut watch = Watch {
        backend,
        mirror,
        cancel: CancellationToken::new(),
        patience: None,
        notice: &mut |_| {},
        grown: &mut || {},
    };
    watch.briefly(BRIEF).await.map_err(Unheard::Of)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        backend::{self, Engine, Engines, Error as Failure, fake::Fake},
        job::{JobFile, JobId},
    };

    /// Jobs that an engine at each of these addresses runs.
    fn running(folder: &Path, addresses: &[&str]) {
        for (number, address) in addresses.iter().enumerate() {
            let job = JobFile {
                container: "lab".into(),
                engine: (*address).to_owned(),
                ..JobFile::default()
            };
            let id = JobId::parse(&format!("cmd-1-{number}")).unwrap();
            Mirror::create(folder, &id, job).unwrap();
        }
    }

    #[tokio::test]
    async fn a_dead_lxd_keeps_nobody_from_asking_docker_and_is_not_asked_for_each_job() {
        let folder = tempfile::tempdir().unwrap();
        running(folder.path(), &["unix://fake", "/dead/lxd", "/dead/lxd"]);
        let docker = Arc::new(Fake::docker().with_image("lab/bb"));
        let spec = backend::InstanceSpec {
            name: "lab".into(),
            image: "lab/bb".into(),
            ..backend::InstanceSpec::default()
        };
        docker.create(&spec, &backend::Progress::default()).await.unwrap();
        docker.power("lab", backend::Power::Start).await.unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let engines = Engines::new(Arc::new(move |engine| {
            let (docker, counted) = (Arc::clone(&docker), Arc::clone(&counted));
            Box::pin(async move {
                if engine == Engine::Docker {
                    return Ok(docker as Arc<dyn Backend>);
                }
                counted.fetch_add(1, Ordering::Relaxed);
                Err(Failure::Refused {
                    what: "reach LXD".into(),
                    message: "its socket is dead".into(),
                })
            })
        }));
        let both: Arc<dyn Backend> = engines.all().await.unwrap();
        tries.store(0, Ordering::Relaxed);
        let known = Known::all(folder.path(), Some(both.as_ref())).await;
        let stale = |address: &str| {
            let of = known.iter().filter(|k| k.mirror.job.engine == address);
            of.map(|k| k.stale.clone()).collect::<Vec<_>>()
        };
        // Docker has the lab, and says that no such job is in it: nobody else is needed for that.
        assert_eq!(stale("unix://fake"), [""]);
        assert!(known.iter().any(|k| k.status.state == State::Lost), "{known:?}");
        let lxd = stale("/dead/lxd");
        assert!(lxd.iter().all(|w| w.contains("its socket is dead")), "{lxd:?}");
        // Once for both of its jobs, and once for whose the lab in Docker is.
        assert_eq!((lxd.len(), tries.load(Ordering::Relaxed)), (2, 2));
    }

    #[test]
    fn times_that_no_clock_tells_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let id = JobId::parse("cmd-1-2").unwrap();
        let mirror = Mirror::create(folder.path(), &id, JobFile::default()).unwrap();
        for (last, heartbeat) in [
            (i64::MAX, "-009999-01-02T01:59:59Z"),
            (0, "9999-12-30T22:00:00Z"),
            (1, "1970-01-01T00:00:00Z"),
        ] {
            mirror
                .replace("log.raw.times", format!("{last} 5\n").as_bytes())
                .unwrap();
            let status = Status {
                state: State::Running,
                heartbeat_at: heartbeat.into(),
                synced_at: "-009999-01-02T01:59:59Z".into(),
                ..mirror.status()
            };
            let mut known = Known {
                mirror: mirror.clone(),
                status,
                stale: String::new(),
                frozen: false,
            };
            assert!(known.output_age().is_some(), "{last} {heartbeat}");
            assert!(known.glance(1).stuck, "{last} {heartbeat}");
            known.stale = "there is no engine to ask".into();
            assert!(!known.glance(1).stuck, "nobody knows");
        }
    }
}
