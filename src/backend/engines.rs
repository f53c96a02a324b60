//! Two engines as one: labs of LXD or Incus, and labs of Docker or Podman. Who names an instance need not know whose it is.

mod route;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Backend, Error, Instance, Result};

/// How long an engine that did not answer before may take: nobody waits longer for a list of labs. The first time its own
/// limits count, which are longer for one that is started by being asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one that did not answer is not asked again.
const PAUSE: Duration = Duration::from_secs(20);

/// Which engine a lab is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// LXD or Incus.
    #[default]
    Lxd,
    /// Docker or Podman.
    Docker,
}

impl Engine {
    /// Whether it is LXD or Incus, which is not written down.
    pub fn is_lxd(&self) -> bool {
        *self == Self::Lxd
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lxd => "LXD",
            Self::Docker => "Docker",
        }
    }

    /// Whose address this is: those of Docker begin with their kind, LXD's are the paths of sockets, and https.
    pub fn at(address: &str) -> Self {
        let of_docker = ["unix://", "tcp://", "http://"];
        if of_docker.iter().any(|kind| address.starts_with(kind)) {
            Self::Docker
        } else {
            Self::Lxd
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Lxd => Self::Docker,
            Self::Docker => Self::Lxd,
        }
    }
}

/// Finds an engine: called when it is first needed, which may be after a plan's own steps installed it.
pub type Connect =
    Arc<dyn Fn(Engine) -> Pin<Box<dyn Future<Output = Result<Arc<dyn Backend>>> + Send>> + Send + Sync>;

/// Why an engine is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Away {
    /// In words, and with what to type.
    pub why: String,
    /// There is none at the usual places, and none was named: nothing of it can be there.
    pub absent: bool,
}

/// Docker did not answer in time.
fn silent(after: Duration) -> Error {
    Error::Timeout {
        engine: "docker".to_owned(),
        what: "say who it is".to_owned(),
        after,
    }
}

/// An engine that was asked for.
#[derive(Clone, Default)]
enum Found {
    #[default]
    Unasked,
    Here(Arc<dyn Backend>),
    /// It was not there at that moment.
    Away(Instant, Away),
}

/// Both engines of a machine, each connected to when it is first needed.
#[derive(Clone)]
pub struct Engines {
    connect: Connect,
    lxd: Arc<Mutex<Option<Arc<dyn Backend>>>>,
    docker: Arc<Mutex<Found>>,
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engines").finish_non_exhaustive()
    }
}

impl Engines {
    /// Those that are found so.
    pub fn new(connect: Connect) -> Self {
        Self {
            connect,
            lxd: Arc::default(),
            docker: Arc::default(),
        }
    }

    /// LXD or Incus.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub async fn lxd(&self) -> Result<Arc<dyn Backend>> {
        let known = self.lxd.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(backend) = known {
            return Ok(backend);
        }
        let found = (self.connect)(Engine::Lxd).await?;
        *self.lxd.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&found));
        Ok(found)
    }

    /// Docker or Podman.
    ///
    /// # Errors
    /// It is not there, or did not answer in time.
    pub async fn docker(&self) -> std::result::Result<Arc<dyn Backend>, Away> {
        let known = self.docker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let asked = (self.connect)(Engine::Docker);
        let answer = match known {
            Found::Here(backend) => return Ok(backend),
            Found::Away(since, why) if since.elapsed() < PAUSE => return Err(why),
            Found::Away(..) => timeout(PATIENCE, asked)
                .await
                .unwrap_or_else(|_| Err(silent(PATIENCE))),
            Found::Unasked => asked.await,
        };
        let found = answer.map_err(|error| Away {
            absent: matches!(error, Error::NoDocker { .. }),
            why: match error {
                Error::Timeout { engine, after, .. } => format!(
                    "{0} did not answer within {1} s; look at it with `{engine} version`",
                    if engine == "podman" { "Podman" } else { "Docker" },
                    after.as_secs()
                ),
                error => error.to_string(),
            },
        });
        let told = match &found {
            Ok(backend) => Found::Here(Arc::clone(backend)),
            Err(why) => Found::Away(Instant::now(), why.clone()),
        };
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = told;
        found
    }

    /// Docker, where it was found before.
    fn known_docker(&self) -> Option<Arc<dyn Backend>> {
        match &*self.docker.lock().unwrap_or_else(PoisonError::into_inner) {
            Found::Here(backend) => Some(Arc::clone(backend)),
            _ => None,
        }
    }

    /// What answers for the labs of this machine: one engine alone where there is one, else both as one.
    ///
    /// # Errors
    /// Neither answers; what LXD or Incus says is told.
    pub async fn all(&self) -> Result<Arc<dyn Backend>> {
        let (lxd, docker) = tokio::join!(self.lxd(), self.docker());
        match (lxd, docker) {
            (Ok(lxd), Err(_)) => Ok(lxd),
            (Err(Error::NotFound { .. }), Ok(docker)) => Ok(docker),
            // LXD may be there again in a moment, and its labs are not forgotten meanwhile.
            (Ok(_) | Err(_), Ok(_)) => Ok(Arc::new(self.clone())),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// As [`Engines::all`], for something that is on the engine at this address: where none answers, why that one does
    /// not.
    ///
    /// # Errors
    /// Neither answers, in words.
    pub async fn all_for(&self, address: &str) -> std::result::Result<Arc<dyn Backend>, String> {
        let error = match self.all().await {
            Ok(backend) => return Ok(backend),
            Err(error) => error.to_string(),
        };
        match self.docker().await {
            Err(away) if Engine::at(address) == Engine::Docker => Err(away.why),
            _ => Err(error),
        }
    }

    /// Forgets what answered: it is looked for anew.
    pub fn forget(&self) {
        *self.lxd.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = Found::Unasked;
    }

    /// The engine that has an instance. Where both have one of that name it is the one with our tag; where none has, LXD.
    async fn of(&self, name: &str) -> Result<Arc<dyn Backend>> {
        let Some(docker) = self.known_docker() else {
            return self.lxd().await;
        };
        let lxd = match self.lxd().await {
            Ok(lxd) => lxd,
            Err(Error::NotFound { .. }) => return Ok(docker),
            Err(error) => {
                return match docker.instance(name).await {
                    Ok(Some(_)) => Ok(docker),
                    // Beside an LXD that nobody started Docker says itself why it does not answer.
                    Err(_) if matches!(error, Error::Asleep { .. }) => Ok(docker),
                    _ => Err(error),
                };
            }
        };
        let (here, there) = tokio::join!(lxd.instance(name), docker.instance(name));
        let ours = |found: &Instance| found.tag("stage").is_some();
        Ok(match (here, there) {
            (Ok(Some(here)), Ok(Some(there))) if !ours(&here) && ours(&there) => docker,
            (Ok(None) | Err(_), Ok(Some(_))) => docker,
            _ => lxd,
        })
    }

    /// The engine of a profile: `halolab-LAB` is where LAB is.
    async fn of_profile(&self, profile: &str) -> Result<Arc<dyn Backend>> {
        match profile.strip_prefix("halolab-") {
            Some(lab) => self.of(lab).await,
            None => self.first().await,
        }
    }

    /// LXD; Docker where there is no LXD.
    async fn first(&self) -> Result<Arc<dyn Backend>> {
        match self.lxd().await {
            Err(error @ Error::NotFound { .. }) => self.known_docker().ok_or(error),
            found => found,
        }
    }
}
