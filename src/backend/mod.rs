//! Container engines behind one trait: what the runner, the inventory and the screens ask of a daemon.
//!
//! `Backend` is the only dyn trait of the program. Every implementation passes the same contract
//! suite (`tests/common/contract/`): [`fake::Fake`] in memory, [`lxd::Lxd`] and [`docker::Docker`] on
//! real daemons.

mod about;
pub mod docker;
pub mod engines;
pub mod error;
pub mod fake;
pub mod late;
pub mod lxd;
mod signal;
pub mod simplestreams;
pub mod types;

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::host::docker::Passing;

pub use engines::{Away, Connect, Engine, Engines};
pub use error::Error;
pub use types::{
    ConfigEdit, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Pool, Power, Profile,
    Progress, RemoteImage, Server, Snapshot, Status, TtyInput, Unnamed,
};

/// Shorthand for what every call answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Takes the output of a command as it arrives: `fd` is 1 or 2, chunks split anywhere.
pub type Output<'a> = &'a mut (dyn FnMut(u8, &[u8]) + Send);

/// Takes the bytes of a file as they arrive, in pieces that are cut anywhere.
pub type Pieces<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// Changes a profile; may be called again on a newer one.
pub type ProfileEdit<'a> = &'a mut (dyn FnMut(&mut Profile) + Send);

/// A container engine. Every method has a deadline of its own and answers [`Error::Unreachable`]
/// or [`Error::Timeout`] instead of hanging; long operations report through [`Progress`] and stop
/// (the daemon's operation too) when its token is cancelled.
#[async_trait]
#[expect(
    clippy::too_many_arguments,
    reason = "a file is its path, bytes, mode and owner"
)]
pub trait Backend: Send + Sync {
    /// Who answers: product, version, capabilities.
    async fn server(&self) -> Result<Server>;
    /// The engine that has an instance, where several answer as one: what is made beside that instance is asked of it.
    async fn home_of(&self, name: &str) -> Result<Option<std::sync::Arc<dyn Backend>>> {
        let _ = name;
        Ok(None)
    }
    /// Whether it is the engine at this address, or one of those that answer as one.
    async fn is_at(&self, address: &str) -> Result<bool> {
        Ok(self.server().await?.address == address)
    }
    /// The one that has an instance, where several engines answer as one.
    async fn server_of(&self, name: &str) -> Result<Server> {
        let _ = name;
        self.server().await
    }

    /// All instances, without their snapshots (cheap: one call at any size).
    async fn instances(&self) -> Result<Vec<Instance>>;
    /// Names of the instances of all projects: `NAME`, or `PROJECT/NAME` outside the project `default`. An error where
    /// the engine does not show them all.
    async fn instances_everywhere(&self) -> Result<Vec<String>>;
    /// One instance; none where there is no such one.
    async fn instance(&self, name: &str) -> Result<Option<Instance>>;
    /// Live facts of one instance: addresses, memory, disk.
    async fn state(&self, name: &str) -> Result<InstanceState>;
    /// The snapshots of one instance, oldest first.
    async fn snapshots(&self, name: &str) -> Result<Vec<Snapshot>>;
    /// One snapshot; none where there is no such one.
    async fn find_snapshot(&self, name: &str, snapshot: &str) -> Result<Option<Snapshot>>;
    /// Names of the snapshots of these instances, sorted, in as few calls as the daemon allows: instance -> names.
    async fn snapshot_names(&self, of: &[&str]) -> Result<std::collections::BTreeMap<String, Vec<String>>>;

    /// Makes an instance from a local image; it is left stopped.
    async fn create(&self, spec: &InstanceSpec, progress: &Progress) -> Result<()>;
    /// Copies an instance (with its snapshots), or one snapshot of it, to a new name; it is left stopped.
    async fn copy(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: &InstanceSpec,
        progress: &Progress,
    ) -> Result<()>;
    /// Removes a stopped instance with its snapshots.
    async fn delete(&self, name: &str) -> Result<()>;
    /// Renames a stopped instance.
    async fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Starts or stops; already being there is a success.
    async fn power(&self, name: &str, power: Power) -> Result<()>;
    /// Changes user config keys and the description by GET + PUT with `ETag`, retrying on a lost race.
    async fn edit(&self, name: &str, edit: &ConfigEdit) -> Result<()>;

    /// Takes a snapshot.
    async fn snapshot(&self, name: &str, snapshot: &str) -> Result<()>;
    /// Removes a snapshot.
    async fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<()>;
    /// Renames a snapshot.
    async fn rename_snapshot(&self, name: &str, from: &str, to: &str) -> Result<()>;
    /// Puts the instance back to a snapshot, unless another instance than the one of this `volatile.uuid` has its name
    /// by then; an empty one is not compared. Instance config and devices added since are dropped by the daemon.
    async fn restore(&self, name: &str, snapshot: &str, uuid: &str) -> Result<()>;

    /// Runs a command without a terminal and returns its exit code; 128 + n for a signal.
    async fn exec(&self, name: &str, spec: &ExecSpec, output: Output<'_>, progress: &Progress)
    -> Result<i32>;
    /// Runs a command on a terminal of its own: keys and window sizes in, bytes out, until it ends.
    async fn exec_tty(
        &self,
        name: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32>;
    /// Writes a file inside the instance (stopped ones too), with mode and numeric owner, and checks its size.
    async fn push(&self, name: &str, path: &str, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<()>;
    /// Reads a file from inside the instance.
    async fn pull(&self, name: &str, path: &str) -> Result<Vec<u8>>;
    /// Reads a file of any size from inside the instance, a piece after the other; where the engine has no such call, one
    /// of the size that [`Backend::pull`] reads.
    async fn pull_pieces(&self, name: &str, path: &str, take: Pieces<'_>) -> Result<()> {
        take(&self.pull(name, path).await?);
        Ok(())
    }

    /// A local image by alias or fingerprint.
    async fn image(&self, alias: &str) -> Result<Option<ImageInfo>>;
    /// Fetches an image from a simplestreams server into the local store under `alias`.
    async fn pull_image(&self, source: &RemoteImage, alias: &str, progress: &Progress) -> Result<()>;
    /// Uploads a unified image file under `alias`, with its SHA-256 sent along so that a cut upload is refused.
    async fn import_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()>;
    /// Builds an image out of a folder, step by step; for engines that build images.
    async fn build_image(
        &self,
        build: &docker::Build,
        tell: &mut (dyn FnMut(docker::BuildEvent) + Send),
        progress: &Progress,
    ) -> Result<docker::Built> {
        let _ = (tell, progress);
        Err(Error::Refused {
            what: format!("build the image `{}`", build.alias),
            message: "this engine builds no images".to_owned(),
        })
    }
    /// How GPUs of this machine get into its containers; none for an engine that is told so by devices.
    async fn gpu_passing(&self) -> Option<Passing> {
        None
    }
    /// Removes a local image.
    async fn delete_image(&self, alias: &str) -> Result<()>;

    /// A profile.
    async fn profile(&self, name: &str) -> Result<Option<Profile>>;
    /// Makes or replaces a profile.
    async fn put_profile(&self, profile: &Profile) -> Result<()>;
    /// Changes a profile by GET + PUT with `ETag`; where somebody else was first, the change is made again on what
    /// they wrote. False where there is no such profile.
    async fn edit_profile(&self, name: &str, edit: ProfileEdit<'_>) -> Result<bool>;
    /// Removes a profile.
    async fn delete_profile(&self, name: &str) -> Result<()>;

    /// Storage pools with their use.
    async fn pools(&self) -> Result<Vec<Pool>>;
    /// Makes a storage pool.
    async fn create_pool(&self, name: &str, driver: &str, size: Option<u64>) -> Result<()>;
    /// Removes a storage pool that nothing is on.
    async fn delete_pool(&self, name: &str) -> Result<()>;
    /// Removes a managed bridge that nothing uses.
    async fn delete_network(&self, name: &str) -> Result<()>;
    /// Managed bridges.
    async fn networks(&self) -> Result<Vec<Network>>;
    /// Makes a managed bridge with IPv4 NAT.
    async fn create_network(&self, name: &str) -> Result<()>;

    /// Sends a unit each time that something changed on the daemon; ends when the connection does.
    async fn watch(&self) -> Result<mpsc::Receiver<()>>;
}
