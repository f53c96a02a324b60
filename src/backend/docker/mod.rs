//! Docker and Podman through Docker's API (bollard), over a unix socket or TCP. What they can is asked, never guessed from
//! a version. An instance is a container with our labels; what changes of it is in records ([`record`]), its snapshots are
//! images ([`snapshots`]), and one container takes another's place as [`replace`] says. Nothing is in a local file.

mod body;
mod build;
mod call;
mod context;
mod devices;
mod driver;
mod events;
mod exec;
mod files;
#[cfg(fuzzing)]
pub mod fuzzed;
mod gpus;
mod images;
mod import;
mod instance;
mod instances;
mod labels;
mod locate;
mod origin;
mod places;
mod power;
mod profiles;
mod proxy;
mod record;
mod removal;
mod replace;
mod snapshots;
mod volumes;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bollard::API_DEFAULT_VERSION;
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, time::timeout};

pub use build::{Build, BuildEvent, Built};
pub use events::Usage;
pub use images::IMAGE_CUDA;
pub use locate::Places;
pub use places::ISOLATED;
pub use proxy::{ENVIRONMENT, Proxy};
pub use snapshots::NOT_HELD;
pub use volumes::Volume;

use super::{
    Backend, ConfigEdit, Error, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Output,
    Pool, Power, Profile, ProfileEdit, Progress, RemoteImage, Result, Server, Snapshot, TtyInput,
    about::About,
};
use crate::host::docker::Passing;

/// Seconds that the client's library may wait by itself: our own deadlines are shorter, or meant to be long.
const LIBRARY: u64 = 24 * 3600;

/// How long an engine that runs may take to say who it is: labs elsewhere are not kept waiting for one that hangs.
const HELLO: Duration = Duration::from_secs(3);

/// A client of one engine that answered.
#[derive(Clone, Debug)]
pub struct Docker {
    api: bollard::Docker,
    server: Server,
    /// What stands for this machine when GPUs are looked at.
    machine: PathBuf,
    /// How all GPUs get in, and when that was looked at.
    seen: Arc<Mutex<Option<(Instant, Passing)>>>,
}

impl Docker {
    /// The engine where [`Places`] says. One that is started by being asked has the time that its start takes.
    pub async fn connect(places: &Places) -> Result<Self> {
        let address = places.address()?;
        let asked = Box::pin(Self::connect_to(&address));
        if locate::starts_by_asking(&address).await {
            return asked.await;
        }
        timeout(HELLO, asked).await.unwrap_or_else(|_| {
            Err(Error::Timeout {
                engine: product(&address).to_owned(),
                what: "say who it is".to_owned(),
                after: HELLO,
            })
        })
    }

    /// The engine at `unix://PATH` or `tcp://HOST:PORT`.
    pub async fn connect_to(address: &str) -> Result<Self> {
        let mut server = Server {
            product: product(address).to_owned(),
            address: address.to_owned(),
            ..Server::default()
        };
        let api = match address.strip_prefix("unix://") {
            Some(path) => bollard::Docker::connect_with_unix(path, LIBRARY, API_DEFAULT_VERSION),
            None => bollard::Docker::connect_with_http(address, LIBRARY, API_DEFAULT_VERSION),
        };
        let api = api.map_err(|error| match error {
            bollard::errors::Error::SocketNotFoundError(_) => Error::Unreachable {
                engine: server.product.clone(),
                address: address.to_owned(),
                reason: "No such file or directory".to_owned(),
            },
            other => Error::Protocol {
                engine: server.product.clone(),
                what: "connect".to_owned(),
                reason: super::error::fold(&other.to_string()),
            },
        })?;
        let about = About::new("say who it is", "Docker API");
        let mut docker = Self {
            api,
            server: server.clone(),
            machine: PathBuf::from("/"),
            seen: Arc::default(),
        };
        docker.api = docker
            .call(&about, docker.api.clone().negotiate_version())
            .await?;
        server.trusted = true;
        docker.server = docker.read_server(server).await?;
        Ok(docker)
    }

    /// The same with a folder that stands for this machine when GPUs are looked at; for tests.
    #[must_use]
    pub fn on_machine(mut self, root: impl Into<PathBuf>) -> Self {
        self.machine = root.into();
        self
    }

    /// Asks who answers and what it can.
    async fn read_server(&self, mut server: Server) -> Result<Server> {
        let about = About::new("say who it is", "Docker API");
        // Podman runs some programs for each of these answers.
        let (version, info) = tokio::try_join!(
            self.call(&about, self.api.version()),
            self.call(&about, self.api.info()),
        )?;
        let parts = version.components.unwrap_or_default();
        if parts.iter().any(|part| part.name.contains("Podman")) {
            "podman".clone_into(&mut server.product);
        }
        server.version = version.version.unwrap_or_default();
        server.identity = info
            .id
            .map(|id| format!("{}/", hex::encode(Sha256::digest(id))))
            .unwrap_or_default();
        let mut can = vec![format!("api_{}", self.api.client_version())];
        let told = [
            ("memory_limit", info.memory_limit),
            ("swap_limit", info.swap_limit),
            ("pids_limit", info.pids_limit),
            ("cpu_limit", info.cpu_cfs_quota),
            ("cdi", info.cdi_spec_dirs.map(|folders| !folders.is_empty())),
            ("init", info.init_binary.map(|program| !program.is_empty())),
        ];
        let yes = told.iter().filter(|(_, can)| *can == Some(true));
        can.extend(yes.map(|(name, _)| (*name).to_owned()));
        let runtimes = info.runtimes.unwrap_or_default();
        can.extend(runtimes.into_keys().map(|name| format!("runtime_{name}")));
        let options = info.security_options.unwrap_or_default();
        can.extend(options.into_iter().map(|option| format!("security_{option}")));
        can.sort();
        server.extensions = can;
        server.storage_drivers = info.driver.into_iter().collect();
        Ok(server)
    }

    /// What it is known by, wherever it is reached; empty where it does not say.
    pub fn identity(&self) -> &str {
        &self.server.identity
    }

    /// `docker` or `podman`.
    fn engine(&self) -> &str {
        &self.server.product
    }

    fn title(&self) -> &'static str {
        self.server.title()
    }

    fn address(&self) -> &str {
        &self.server.address
    }

    /// Whether the engine is on this machine.
    fn is_local(&self) -> bool {
        self.server.address.starts_with("unix://")
    }
}

/// Whose address this is, as long as nobody has answered there.
fn product(address: &str) -> &'static str {
    if address.contains("podman") {
        "podman"
    } else {
        "docker"
    }
}

#[async_trait]
impl Backend for Docker {
    async fn server(&self) -> Result<Server> {
        self.read_server(self.server.clone()).await
    }

    async fn is_at(&self, address: &str) -> Result<bool> {
        Ok(self.server.address == address)
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        self.list_instances().await
    }

    async fn instances_everywhere(&self) -> Result<Vec<String>> {
        let all = self.list_instances().await?;
        Ok(all.into_iter().map(|instance| instance.name).collect())
    }

    async fn instance(&self, name: &str) -> Result<Option<Instance>> {
        self.find_instance(name).await
    }

    async fn state(&self, name: &str) -> Result<InstanceState> {
        self.read_state(name).await
    }

    async fn snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        self.list_snapshots(name).await
    }

    async fn find_snapshot(&self, name: &str, snapshot: &str) -> Result<Option<Snapshot>> {
        self.look_snapshot(name, snapshot).await
    }

    async fn snapshot_names(&self, of: &[&str]) -> Result<BTreeMap<String, Vec<String>>> {
        self.list_snapshot_names(of).await
    }

    async fn create(&self, spec: &InstanceSpec, progress: &Progress) -> Result<()> {
        self.create_instance(spec, progress).await
    }

    async fn copy(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: &InstanceSpec,
        progress: &Progress,
    ) -> Result<()> {
        self.copy_instance(from, snapshot, spec, progress).await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.delete_instance(name).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.rename_instance(from, to).await
    }

    async fn power(&self, name: &str, power: Power) -> Result<()> {
        self.set_power(name, power).await
    }

    async fn edit(&self, name: &str, edit: &ConfigEdit) -> Result<()> {
        self.edit_instance(name, edit).await
    }

    async fn snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        self.take_snapshot(name, snapshot).await
    }

    async fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        self.remove_snapshot(name, snapshot).await
    }

    async fn rename_snapshot(&self, name: &str, from: &str, to: &str) -> Result<()> {
        self.name_snapshot(name, from, to).await
    }

    async fn restore(&self, name: &str, snapshot: &str, uuid: &str) -> Result<()> {
        self.restore_snapshot(name, snapshot, uuid).await
    }

    async fn exec(
        &self,
        name: &str,
        spec: &ExecSpec,
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<i32> {
        self.run_command(name, spec, output, progress).await
    }

    async fn exec_tty(
        &self,
        name: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32> {
        self.run_terminal(name, spec, input, output).await
    }

    async fn push(&self, name: &str, path: &str, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<()> {
        self.write_file(name, path, bytes, (mode, owner)).await
    }

    async fn pull(&self, name: &str, path: &str) -> Result<Vec<u8>> {
        self.read_file(name, path).await
    }

    async fn image(&self, alias: &str) -> Result<Option<ImageInfo>> {
        self.find_image(alias).await
    }

    async fn pull_image(&self, source: &RemoteImage, alias: &str, progress: &Progress) -> Result<()> {
        self.fetch_image(source, alias, progress).await
    }

    async fn import_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        self.upload_image(file, alias, progress).await
    }

    async fn build_image(
        &self,
        build: &Build,
        tell: &mut (dyn FnMut(BuildEvent) + Send),
        progress: &Progress,
    ) -> Result<Built> {
        self.build(build, tell, progress).await
    }

    async fn gpu_passing(&self) -> Option<Passing> {
        self.all_gpus().await
    }

    async fn delete_image(&self, alias: &str) -> Result<()> {
        self.remove_local_image(alias).await
    }

    async fn profile(&self, name: &str) -> Result<Option<Profile>> {
        self.find_profile(name).await
    }

    async fn put_profile(&self, profile: &Profile) -> Result<()> {
        self.write_profile(profile).await
    }

    async fn edit_profile(&self, name: &str, edit: ProfileEdit<'_>) -> Result<bool> {
        self.change_profile(name, edit).await
    }

    async fn delete_profile(&self, name: &str) -> Result<()> {
        self.remove_profile(name).await
    }

    async fn pools(&self) -> Result<Vec<Pool>> {
        self.list_pools().await
    }

    async fn create_pool(&self, name: &str, _driver: &str, _size: Option<u64>) -> Result<()> {
        self.make_pool(name).await
    }

    async fn delete_pool(&self, name: &str) -> Result<()> {
        self.remove_pool(name)
    }

    async fn delete_network(&self, name: &str) -> Result<()> {
        self.remove_network(name).await
    }

    async fn networks(&self) -> Result<Vec<Network>> {
        self.list_networks().await
    }

    async fn create_network(&self, name: &str) -> Result<()> {
        self.make_network(name).await
    }

    async fn watch(&self) -> Result<mpsc::Receiver<()>> {
        self.hear_events().await
    }
}
