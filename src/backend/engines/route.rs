//! Each call goes to the engine that has the named instance; what names none goes to LXD, or to Docker where there is no LXD.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::Engines;
use crate::backend::{
    Backend, ConfigEdit, Error, ExecSpec, ImageInfo, Instance, InstanceSpec, InstanceState, Network, Output,
    Pieces, Pool, Power, Profile, ProfileEdit, Progress, RemoteImage, Result, Server, Snapshot, TtyInput,
};

/// What is waited for of changes: one says as much as many.
const CHANGES: usize = 4;

#[async_trait]
impl Backend for Engines {
    async fn server(&self) -> Result<Server> {
        self.first().await?.server().await
    }

    async fn home_of(&self, name: &str) -> Result<Option<Arc<dyn Backend>>> {
        self.of(name).await.map(Some)
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

    async fn pull_pieces(&self, name: &str, path: &str, take: Pieces<'_>) -> Result<()> {
        self.of(name).await?.pull_pieces(name, path, take).await
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
