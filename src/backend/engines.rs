//! Two engines as one: labs of LXD or Incus, and labs of Docker or Podman. Who names an instance need not know whose it is.

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Backend, ConfigEdit, Error, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Output,
    Pool, Power, Profile, ProfileEdit, Progress, RemoteImage, Result, Server, Snapshot, TtyInput,
};

/// How long Docker may take to answer where nobody asked for it: nobody waits longer for a list of labs.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one that did not answer is not asked again.
const PAUSE: Duration = Duration::from_secs(20);
/// What is waited for of changes: one says as much as many.
const CHANGES: usize = 4;

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

/// An engine that was asked for.
#[derive(Clone, Default)]
enum Found {
    #[default]
    Unasked,
    Here(Arc<dyn Backend>),
    /// It was not there at that moment, and why in words.
    Away(Instant, String),
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

    /// Docker or Podman; why it is not there in words, which are empty where there is none at the usual places.
    ///
    /// # Errors
    /// It is not there, or did not answer in time.
    pub async fn docker(&self) -> std::result::Result<Arc<dyn Backend>, String> {
        let known = self.docker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Found::Here(backend) => return Ok(backend),
            Found::Away(since, why) if since.elapsed() < PAUSE => return Err(why),
            Found::Away(..) | Found::Unasked => {}
        }
        let found = match timeout(PATIENCE, (self.connect)(Engine::Docker)).await {
            Ok(Ok(backend)) => Ok(backend),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "Docker did not answer within {} s; look at it with `docker version`",
                PATIENCE.as_secs()
            )),
        };
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
                let there = docker.instance(name).await.is_ok_and(|found| found.is_some());
                return if there { Ok(docker) } else { Err(error) };
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

#[async_trait]
impl Backend for Engines {
    async fn server(&self) -> Result<Server> {
        self.first().await?.server().await
    }

    async fn is_at(&self, address: &str) -> Result<bool> {
        let docker = match self.known_docker() {
            Some(docker) => docker.is_at(address).await.unwrap_or(false),
            None => false,
        };
        Ok(docker || self.lxd().await?.is_at(address).await?)
    }

    async fn server_of(&self, name: &str) -> Result<Server> {
        self.of(name).await?.server().await
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        let docker = async {
            match self.known_docker() {
                // What it does not tell must not hide the labs of the other one.
                Some(docker) => docker.instances().await.unwrap_or_default(),
                None => vec![],
            }
        };
        let lxd = async {
            match self.lxd().await {
                Ok(lxd) => lxd.instances().await,
                Err(Error::NotFound { .. } | Error::Asleep { .. }) => Ok(vec![]),
                Err(error) => Err(error),
            }
        };
        let (lxd, docker) = tokio::join!(lxd, docker);
        let mut all = lxd?;
        all.extend(docker);
        Ok(all)
    }

    async fn instances_everywhere(&self) -> Result<Vec<String>> {
        self.lxd().await?.instances_everywhere().await
    }

    async fn instance(&self, name: &str) -> Result<Option<Instance>> {
        self.of(name).await?.instance(name).await
    }

    async fn state(&self, name: &str) -> Result<InstanceState> {
        self.of(name).await?.state(name).await
    }

    async fn snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        self.of(name).await?.snapshots(name).await
    }

    async fn find_snapshot(&self, name: &str, snapshot: &str) -> Result<Option<Snapshot>> {
        self.of(name).await?.find_snapshot(name, snapshot).await
    }

    async fn snapshot_names(&self, of: &[&str]) -> Result<BTreeMap<String, Vec<String>>> {
        let Some(docker) = self.known_docker() else {
            return self.lxd().await?.snapshot_names(of).await;
        };
        // One list instead of a question for each.
        let theirs = docker.instances().await.unwrap_or_default();
        let is_theirs = |name: &&str| {
            theirs
                .iter()
                .any(|i| i.name == **name && i.tag("stage").is_some())
        };
        let (there, here): (Vec<&str>, Vec<&str>) = of.iter().partition(|name| is_theirs(name));
        let mut all = docker.snapshot_names(&there).await?;
        if !here.is_empty() {
            all.extend(self.lxd().await?.snapshot_names(&here).await?);
        }
        Ok(all)
    }

    async fn create(&self, spec: &InstanceSpec, progress: &Progress) -> Result<()> {
        self.first().await?.create(spec, progress).await
    }

    async fn copy(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: &InstanceSpec,
        progress: &Progress,
    ) -> Result<()> {
        self.of(from).await?.copy(from, snapshot, spec, progress).await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.of(name).await?.delete(name).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.of(from).await?.rename(from, to).await
    }

    async fn power(&self, name: &str, power: Power) -> Result<()> {
        self.of(name).await?.power(name, power).await
    }

    async fn edit(&self, name: &str, edit: &ConfigEdit) -> Result<()> {
        self.of(name).await?.edit(name, edit).await
    }

    async fn snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        self.of(name).await?.snapshot(name, snapshot).await
    }

    async fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        self.of(name).await?.delete_snapshot(name, snapshot).await
    }

    async fn rename_snapshot(&self, name: &str, from: &str, to: &str) -> Result<()> {
        self.of(name).await?.rename_snapshot(name, from, to).await
    }

    async fn restore(&self, name: &str, snapshot: &str, uuid: &str) -> Result<()> {
        self.of(name).await?.restore(name, snapshot, uuid).await
    }

    async fn exec(
        &self,
        name: &str,
        spec: &ExecSpec,
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<i32> {
        self.of(name).await?.exec(name, spec, output, progress).await
    }

    async fn exec_tty(
        &self,
        name: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32> {
        self.of(name).await?.exec_tty(name, spec, input, output).await
    }

    async fn push(&self, name: &str, path: &str, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<()> {
        self.of(name).await?.push(name, path, bytes, mode, owner).await
    }

    async fn pull(&self, name: &str, path: &str) -> Result<Vec<u8>> {
        self.of(name).await?.pull(name, path).await
    }

    async fn image(&self, alias: &str) -> Result<Option<ImageInfo>> {
        self.first().await?.image(alias).await
    }

    async fn pull_image(&self, source: &RemoteImage, alias: &str, progress: &Progress) -> Result<()> {
        self.first().await?.pull_image(source, alias, progress).await
    }

    async fn import_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        self.first().await?.import_image(file, alias, progress).await
    }

    async fn delete_image(&self, alias: &str) -> Result<()> {
        self.first().await?.delete_image(alias).await
    }

    async fn profile(&self, name: &str) -> Result<Option<Profile>> {
        self.of_profile(name).await?.profile(name).await
    }

    async fn put_profile(&self, profile: &Profile) -> Result<()> {
        self.of_profile(&profile.name).await?.put_profile(profile).await
    }

    async fn edit_profile(&self, name: &str, edit: ProfileEdit<'_>) -> Result<bool> {
        self.of_profile(name).await?.edit_profile(name, edit).await
    }

    async fn delete_profile(&self, name: &str) -> Result<()> {
        self.of_profile(name).await?.delete_profile(name).await
    }

    async fn pools(&self) -> Result<Vec<Pool>> {
        self.first().await?.pools().await
    }

    async fn create_pool(&self, name: &str, driver: &str, size: Option<u64>) -> Result<()> {
        self.first().await?.create_pool(name, driver, size).await
    }

    async fn delete_pool(&self, name: &str) -> Result<()> {
        self.first().await?.delete_pool(name).await
    }

    async fn delete_network(&self, name: &str) -> Result<()> {
        self.first().await?.delete_network(name).await
    }

    async fn networks(&self) -> Result<Vec<Network>> {
        self.first().await?.networks().await
    }

    async fn create_network(&self, name: &str) -> Result<()> {
        self.first().await?.create_network(name).await
    }

    /// Ends when either of them is gone: what is there is looked for anew then.
    async fn watch(&self) -> Result<mpsc::Receiver<()>> {
        let (tell, changes) = mpsc::channel(CHANGES);
        let mut all = vec![];
        for engine in [self.lxd().await.ok(), self.known_docker()].into_iter().flatten() {
            all.push(engine.watch().await?);
        }
        let (Some(mut one), other) = (all.pop(), all.pop()) else {
            return self.first().await?.watch().await;
        };
        let Some(mut other) = other else { return Ok(one) };
        tokio::spawn(async move {
            loop {
                let heard = tokio::select! {
                    heard = one.recv() => heard,
                    heard = other.recv() => heard,
                    () = tell.closed() => None,
                };
                if heard.is_none() || tell.send(()).await.is_err() {
                    return;
                }
            }
        });
        Ok(changes)
    }
}
