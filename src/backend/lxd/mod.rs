//! LXD and Incus through their REST API, over a unix socket or HTTPS. One client for both: what a
//! daemon can do is read from its `api_extensions`, never from its name or version.

mod deadlines;
mod events;
mod exec;
mod files;
#[cfg(fuzzing)]
mod fuzzed;
mod images;
mod instances;
mod locate;
mod operation;
mod resources;
mod snapshots;
mod tls;
mod transport;
mod tty;
mod websocket;
mod wire;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::mpsc;

use deadlines::Deadlines;
#[cfg(fuzzing)]
pub use fuzzed::read_any;
pub use locate::{Elsewhere, address_of, check_address, connect, connect_with, elsewhere};
pub use tls::Trust;
pub(super) use tls::of_server as tls_of_server;
use transport::{About, Target, Transport};

use crate::host::membership::Relay;

use super::{
    Backend, ConfigEdit, Error, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Output,
    Pieces, Pool, Power, Profile, ProfileEdit, Progress, RemoteImage, Result, Server, Snapshot, TtyInput,
};

/// A client of one daemon that answered.
#[derive(Clone, Debug)]
pub struct Lxd {
    transport: Transport,
    server: Server,
}

impl Lxd {
    /// The daemon behind a unix socket.
    pub async fn connect_unix(socket: impl Into<PathBuf>) -> Result<Self> {
        Self::connect_through(socket.into(), None, Deadlines::in_force()).await
    }

    /// The same with other deadlines: for a question, which all others follow, and for one wait for an operation.
    pub async fn connect_unix_within(
        socket: impl Into<PathBuf>,
        deadline: Duration,
        slice: Duration,
    ) -> Result<Self> {
        Self::connect_through(socket.into(), None, Deadlines::with(deadline, slice)).await
    }

    /// The daemon behind a unix socket that this process may use only through a relay.
    async fn connect_relayed(relay: Arc<Relay>) -> Result<Self> {
        Self::connect_through(relay.socket(), Some(relay), Deadlines::in_force()).await
    }

    async fn connect_through(
        socket: PathBuf,
        relay: Option<Arc<Relay>>,
        deadlines: Deadlines,
    ) -> Result<Self> {
        let http = tls::client_builder(tls::plain())
            .unix_socket(socket.clone())
            // LXD 5.0 peeks at the first byte of each connection in its accept loop: one connection that a pool
            // opened ahead of need and left silent stops the daemon for everybody (measured: until we hang up).
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|e| locate::unusable(&socket.display().to_string(), &e.to_string()))?;
        let real = relay.as_ref().map_or(socket.as_path(), |relay| relay.of());
        let engine = if real.to_string_lossy().contains("incus") {
            "incus"
        } else {
            "lxd"
        };
        let transport = Transport {
            http,
            base: "http://lxd".into(),
            target: Target::Unix(socket),
            relay,
            engine: engine.into(),
            deadlines,
        };
        Self::greet(transport).await
    }

    /// The daemon at a URL as `https://HOST:8443`; `#SHA256` behind it pins its certificate.
    pub async fn connect_https(url: &str, trust: &Trust) -> Result<Self> {
        tls::connect(url, trust, Deadlines::in_force()).await
    }

    /// What the daemon is, wherever it is reached ([`Server::identity`]).
    pub fn identity(&self) -> &str {
        &self.server.identity
    }

    /// Asks who answers.
    async fn greet(mut transport: Transport) -> Result<Self> {
        let server = read_server(&transport).await?;
        transport.engine.clone_from(&server.product);
        if !server.trusted {
            return Err(Error::Untrusted {
                address: transport.address(),
            });
        }
        Ok(Self { transport, server })
    }
}

/// `GET /1.0`.
async fn read_server(transport: &Transport) -> Result<Server> {
    let about = About::new("say who it is", "API 1.0");
    let told: wire::Server = transport.get("/1.0", &about).await?;
    let local = matches!(transport.target, Target::Unix(_));
    Ok(told.into_server(&transport.address(), local))
}

#[async_trait]
impl Backend for Lxd {
    async fn server(&self) -> Result<Server> {
        read_server(&self.transport).await
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        self.list_instances().await
    }

    async fn instances_everywhere(&self) -> Result<Vec<String>> {
        self.list_everywhere().await
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
        match self.read_snapshot(name, snapshot).await {
            Ok(found) => Ok(Some(found.into())),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
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
        Box::pin(self.run_command(name, spec, output, progress)).await
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

    async fn pull_pieces(&self, name: &str, path: &str, take: Pieces<'_>) -> Result<()> {
        self.read_pieces(name, path, take).await
    }

    async fn image(&self, alias: &str) -> Result<Option<ImageInfo>> {
        self.find_image(alias).await.map(|found| found.map(Into::into))
    }

    async fn pull_image(&self, source: &RemoteImage, alias: &str, progress: &Progress) -> Result<()> {
        self.fetch_image(source, alias, progress).await
    }

    async fn import_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        self.upload_image(file, alias, progress).await
    }

    async fn delete_image(&self, alias: &str) -> Result<()> {
        self.remove_image(alias).await
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

    async fn create_pool(&self, name: &str, driver: &str, size: Option<u64>) -> Result<()> {
        self.make_pool(name, driver, size).await
    }

    async fn delete_pool(&self, name: &str) -> Result<()> {
        self.remove_place("storage-pools", "storage pool", name).await
    }

    async fn delete_network(&self, name: &str) -> Result<()> {
        self.remove_place("networks", "bridge", name).await
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
