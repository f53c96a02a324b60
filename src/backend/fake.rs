//! A daemon in memory, for tests: instances whose contents are files, snapshots that hold copies of
//! them, and faults on order. It passes the same contract suite as the real ones.

mod environment;
mod jobs;
mod world;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

pub use world::Machine;
use world::World;

use super::{
    Backend, ConfigEdit, Error, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Output,
    Pool, Power, Profile, ProfileEdit, Progress, RemoteImage, Result, Server, Snapshot, TtyInput,
    docker::{Build, BuildEvent, Built},
};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How many changes still work before it.
    pub after: usize,
    /// Whether the change is made all the same and only its answer is lost, as when a daemon is
    /// killed at its end; otherwise it is not made.
    pub loses_answer: bool,
}

/// Keeps a daemon's world in memory, and can be told to fail.
///
/// A script whose text contains `FAKE_FAIL` ends with 1. Its lines `echo TEXT` are its output, and
/// that it ran is written to [`Fake::LOG`] inside the instance, once a script: scripts are idempotent.
#[derive(Debug, Default)]
pub struct Fake {
    world: Mutex<World>,
    fault: Mutex<Option<Fault>>,
    changes: Mutex<usize>,
    pause: Mutex<Duration>,
    watchers: Mutex<Vec<mpsc::Sender<()>>>,
    /// It says that it is Docker, and builds images.
    is_docker: bool,
}

/// Data of a mutex; what another thread left when it panicked is still good enough to look at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    /// The file inside an instance with one line for each script that ran in it.
    pub const LOG: &'static str = "/var/log/fake";

    /// A daemon with a pool, a bridge and the profile `default`, as after `lxd init`.
    pub fn new() -> Self {
        let fake = Self::default();
        lock(&fake.world).initialise();
        fake
    }

    /// The same as one that says that it is Docker.
    pub fn docker() -> Self {
        Self {
            is_docker: true,
            ..Self::new()
        }
    }

    /// The same with a local image.
    #[must_use]
    pub fn with_image(self, alias: &str) -> Self {
        lock(&self.world).add_image(alias, alias.as_bytes());
        self
    }

    /// Sets what goes wrong next; none means nothing.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.fault) = fault;
    }

    /// Lets every command take this long, so that it can be cancelled.
    pub fn set_pause(&self, pause: Duration) {
        *lock(&self.pause) = pause;
    }

    /// How many changes were asked for so far, those that failed on order among them.
    pub fn changes(&self) -> usize {
        *lock(&self.changes)
    }

    /// An instance with all that it holds.
    pub fn machine(&self, name: &str) -> Option<Machine> {
        lock(&self.world).machines.get(name).cloned()
    }

    /// Names of all instances.
    pub fn names(&self) -> Vec<String> {
        lock(&self.world).machines.keys().cloned().collect()
    }

    /// Changes the world, unless it is time for a fault.
    fn change<T>(&self, what: &str, change: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        *lock(&self.changes) += 1;
        let fault = self.next_fault();
        if fault.is_some_and(|fault| !fault.loses_answer) {
            return Err(Error::Refused {
                what: what.to_owned(),
                message: "told to fail".into(),
            });
        }
        let done = change(&mut lock(&self.world))?;
        // A unit that was not fetched yet says the same as this one.
        lock(&self.watchers).retain(|watcher| !watcher.is_closed() && (watcher.try_send(()), true).1);
        match fault {
            None => Ok(done),
            Some(_) => Err(Error::Lost {
                engine: "fake".into(),
                what: what.to_owned(),
                reason: "told to lose the answer".into(),
            }),
        }
    }

    /// Counts a change, and takes the fault out when its time has come.
    fn next_fault(&self) -> Option<Fault> {
        let mut fault = lock(&self.fault);
        match fault.as_mut() {
            Some(waiting) if waiting.after > 0 => {
                waiting.after -= 1;
                None
            }
            _ => fault.take(),
        }
    }

    /// Looks at the world.
    fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&lock(&self.world))
    }

    /// Takes its time; stops when the user says so.
    async fn take_time(&self, what: &str, progress: &Progress) -> Result<()> {
        let pause = *lock(&self.pause);
        let cancelled = || Error::Cancelled {
            what: what.to_owned(),
        };
        if progress.cancel.is_cancelled() {
            return Err(cancelled());
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = progress.cancel.cancelled() => Err(cancelled()),
        }
    }
}

#[async_trait]
impl Backend for Fake {
    async fn server(&self) -> Result<Server> {
        Ok(Server {
            product: if self.is_docker { "docker" } else { "lxd" }.into(),
            version: "0".into(),
            address: if self.is_docker { "unix://fake" } else { "fake" }.into(),
            trusted: true,
            firewall: "nftables".into(),
            storage_drivers: vec!["btrfs".into(), "dir".into()],
            ..Server::default()
        })
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        Ok(self.look(|w| w.machines.keys().filter_map(|name| w.instance(name)).collect()))
    }

    async fn instances_everywhere(&self) -> Result<Vec<String>> {
        Ok(self.names())
    }

    async fn instance(&self, name: &str) -> Result<Option<Instance>> {
        Ok(self.look(|w| w.instance(name)))
    }

    async fn state(&self, name: &str) -> Result<InstanceState> {
        self.look(|w| w.state(name))
    }

    async fn snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        self.look(|w| {
            Ok(w.machine(name)?
                .saved
                .iter()
                .map(|s| s.snapshot.clone())
                .collect())
        })
    }

    async fn find_snapshot(&self, name: &str, snapshot: &str) -> Result<Option<Snapshot>> {
        let all = self.snapshots(name).await;
        let found = |all: Vec<Snapshot>| all.into_iter().find(|s| s.name == snapshot);
        match all {
            Err(Error::Missing { .. }) => Ok(None),
            all => all.map(found),
        }
    }

    async fn snapshot_names(&self, of: &[&str]) -> Result<BTreeMap<String, Vec<String>>> {
        let mut names = self.look(World::snapshot_names);
        names.retain(|name, _| of.contains(&name.as_str()));
        Ok(names)
    }

    async fn create(&self, spec: &InstanceSpec, progress: &Progress) -> Result<()> {
        self.take_time("make an instance", progress).await?;
        self.change("make an instance", |w| w.create(spec))
    }

    async fn copy(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: &InstanceSpec,
        progress: &Progress,
    ) -> Result<()> {
        self.take_time("copy an instance", progress).await?;
        self.change("copy an instance", |w| w.copy(from, snapshot, spec))
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.change("delete an instance", |w| w.delete(name))
    }

    async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.change("rename an instance", |w| w.rename(from, to))
    }

    async fn power(&self, name: &str, power: Power) -> Result<()> {
        self.change("start or stop an instance", |w| w.power(name, power))
    }

    async fn edit(&self, name: &str, edit: &ConfigEdit) -> Result<()> {
        self.change("change an instance", |w| w.edit(name, edit))
    }

    async fn snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        self.change("take a snapshot", |w| w.take_snapshot(name, snapshot))
    }

    async fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        self.change("delete a snapshot", |w| w.delete_snapshot(name, snapshot))
    }

    async fn rename_snapshot(&self, name: &str, from: &str, to: &str) -> Result<()> {
        self.change("rename a snapshot", |w| w.rename_snapshot(name, from, to))
    }

    async fn restore(&self, name: &str, snapshot: &str, uuid: &str) -> Result<()> {
        self.change("restore a snapshot", |w| w.restore(name, snapshot, uuid))
    }

    async fn exec(
        &self,
        name: &str,
        spec: &ExecSpec,
        output: Output<'_>,
        progress: &Progress,
    ) -> Result<i32> {
        self.take_time("run a command", progress).await?;
        if let Some(words) = jobs::words(spec) {
            let said = self.change("run a command", |w| w.job(name, &words))?;
            for (fd, bytes) in [(1, &said.out), (2, &said.told)] {
                if !bytes.is_empty() {
                    output(fd, bytes);
                }
            }
            return Ok(said.code);
        }
        let (code, text) = self.change("run a command", |w| w.exec(name, spec))?;
        if !text.is_empty() {
            output(1, text.as_bytes());
        }
        Ok(code)
    }

    async fn exec_tty(
        &self,
        name: &str,
        spec: &ExecSpec,
        mut input: mpsc::Receiver<TtyInput>,
        output: mpsc::Sender<Vec<u8>>,
    ) -> Result<i32> {
        let (code, text) = self.change("run a command", |w| w.exec(name, spec))?;
        let _ = output.send(text.into_bytes()).await;
        // What is typed is echoed, as terminals do; a line `exit` or the end of typing ends it.
        while let Some(typed) = input.recv().await {
            let bytes = match typed {
                TtyInput::Bytes(bytes) => bytes,
                TtyInput::Resize(columns, rows) => format!("{rows} {columns}\r\n").into_bytes(),
            };
            let leaves = bytes.starts_with(b"exit");
            if output.send(bytes).await.is_err() || leaves {
                break;
            }
        }
        Ok(code)
    }

    async fn push(&self, name: &str, path: &str, bytes: &[u8], _mode: u32, _owner: (u32, u32)) -> Result<()> {
        self.change("write a file", |w| {
            w.machine_mut(name)?.files.insert(path.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    async fn pull(&self, name: &str, path: &str) -> Result<Vec<u8>> {
        self.look(|w| {
            let bytes = w.machine(name)?.files.get(path).cloned();
            bytes.ok_or_else(|| world::missing(format!("file `{path}` in `{name}`")))
        })
    }

    async fn image(&self, alias: &str) -> Result<Option<ImageInfo>> {
        Ok(self.look(|w| w.image(alias)))
    }

    async fn pull_image(&self, source: &RemoteImage, alias: &str, progress: &Progress) -> Result<()> {
        self.take_time("fetch an image", progress).await?;
        progress.say("rootfs: 100%", Some(100));
        let content = format!("{}/{}", source.server, source.alias);
        let found = hex::encode(Sha256::digest(content.as_bytes()));
        if !source.fingerprints.is_empty() && !source.fingerprints.contains(&found) {
            return Err(Error::Fingerprint {
                image: source.alias.clone(),
                found,
                expected: source.fingerprints.clone(),
            });
        }
        self.change("fetch an image", |w| {
            w.add_image(alias, content.as_bytes());
            Ok(())
        })
    }

    async fn import_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        self.take_time("import an image", progress).await?;
        let content = tokio::fs::read(file).await.map_err(|source| Error::File {
            path: file.display().to_string(),
            source,
        })?;
        progress.say("upload: 1 of 1 MiB", Some(100));
        self.change("import an image", |w| {
            w.add_image(alias, &content);
            Ok(())
        })
    }

    async fn build_image(
        &self,
        build: &Build,
        tell: &mut (dyn FnMut(BuildEvent) + Send),
        progress: &Progress,
    ) -> Result<Built> {
        self.take_time("build an image", progress).await?;
        let file = std::fs::read(build.context.join(&build.dockerfile)).map_err(|source| Error::File {
            path: build.dockerfile.clone(),
            source,
        })?;
        tell(BuildEvent::Output(file.clone()));
        self.change("build an image", |w| {
            w.add_image(&build.alias, &file);
            Ok(Built::default())
        })
    }

    async fn delete_image(&self, alias: &str) -> Result<()> {
        self.change("delete an image", |w| w.delete_image(alias))
    }

    async fn profile(&self, name: &str) -> Result<Option<Profile>> {
        Ok(self.look(|w| w.profiles.get(name).cloned()))
    }

    async fn put_profile(&self, profile: &Profile) -> Result<()> {
        self.change("write a profile", |w| w.put_profile(profile))
    }

    async fn edit_profile(&self, name: &str, edit: ProfileEdit<'_>) -> Result<bool> {
        let Some(mut profile) = self.profile(name).await? else {
            return Ok(false);
        };
        let before = profile.clone();
        edit(&mut profile);
        if profile != before {
            self.put_profile(&profile).await?;
        }
        Ok(true)
    }

    async fn delete_profile(&self, name: &str) -> Result<()> {
        self.change("delete a profile", |w| w.delete_profile(name))
    }

    async fn pools(&self) -> Result<Vec<Pool>> {
        Ok(self.look(|w| w.pools.values().cloned().collect()))
    }

    async fn create_pool(&self, name: &str, driver: &str, size: Option<u64>) -> Result<()> {
        self.change("make a storage pool", |w| w.create_pool(name, driver, size))
    }

    async fn delete_pool(&self, name: &str) -> Result<()> {
        self.change("delete a storage pool", |w| {
            let gone = w.pools.remove(name).map(drop);
            gone.ok_or_else(|| world::missing(format!("storage pool `{name}`")))
        })
    }

    async fn delete_network(&self, name: &str) -> Result<()> {
        self.change("delete a bridge", |w| {
            let gone = w.networks.remove(name).map(drop);
            gone.ok_or_else(|| world::missing(format!("bridge `{name}`")))
        })
    }

    async fn networks(&self) -> Result<Vec<Network>> {
        Ok(self.look(|w| w.networks.values().cloned().collect()))
    }

    async fn create_network(&self, name: &str) -> Result<()> {
        self.change("make a bridge", |w| w.create_network(name))
    }

    async fn watch(&self) -> Result<mpsc::Receiver<()>> {
        let (sender, receiver) = mpsc::channel(1);
        lock(&self.watchers).push(sender);
        Ok(receiver)
    }
}
