//! Steps on the host and in the daemon's surroundings: scripts, pool, bridge, profile, images, data folders.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    backend::{Backend, Engine, Error, Profile},
    host::{
        command::{Command, quote},
        made::{DOCKER_IMAGE, Ledger, Made, VARIABLE, engine_name},
    },
    labs::tag,
    plan::{Step, planner},
};

use super::{DID, Done, Ended, Failure, Hand, SKIPPED, instance};

impl Hand<'_> {
    pub(super) async fn host_script(
        &mut self,
        what: &str,
        script: &str,
        check: Option<&str>,
        env: &BTreeMap<String, String>,
    ) -> Ended {
        let cancel = self.progress.cancel.clone();
        if let Some(check) = check
            && Command::check("look whether there is anything to do", check, env.clone())
                .succeeds()
                .await
        {
            return SKIPPED;
        }
        let mut env = env.clone();
        // Data folders of labs are never taken back.
        if self.lab == planner::HOST {
            let made = self.ledger().open(self.worker.run, self.action);
            let made = made.map_err(|e| Failure::Failed(e.to_string()))?;
            env.insert(VARIABLE.into(), made.display().to_string());
        }
        let command = Command::script(what, script, env);
        let output = &mut *self.output;
        match command.run(&mut |_, bytes| output.write(bytes), &cancel).await {
            Ok(0) => DID,
            _ if cancel.is_cancelled() => Err(Failure::Cancelled),
            Ok(code) => Err(Failure::Failed(format!(
                "the script ended with {code}: {}",
                self.output.last_line()
            ))),
            Err(error) => Err(Failure::Failed(error.to_string())),
        }
    }

    pub(super) fn ledger(&self) -> Ledger {
        let runs = &self.worker.cx.runs;
        Ledger::new(runs.parent().unwrap_or(runs))
    }

    /// Writes down what is about to be made, so that `uninstall` takes back that and nothing else.
    async fn note(&self, backend: &dyn Backend, kind: &str, rest: &str) -> Result<(), Failure> {
        // Another engine of this machine may have a thing of the same name, which is not ours.
        let server = backend.server().await?;
        let made = Made {
            kind: kind.into(),
            rest: rest.into(),
            engine: Some(engine_name(&server.product, &server.address)),
        };
        let noted = self.ledger().add(self.worker.run, self.action, &made);
        noted.map_err(|e| Failure::Failed(e.to_string()))
    }

    /// An image that was there before is not ours, even if a newer one is fetched under its alias.
    pub(super) async fn note_image(&self, backend: &dyn Backend, alias: &str) -> Result<(), Failure> {
        if backend.image(alias).await?.is_none() {
            // Docker itself is not ours to take away; its images stay unless they are named.
            let kind = if self.engine == Engine::Lxd {
                "image"
            } else {
                DOCKER_IMAGE
            };
            self.note(backend, kind, alias).await?;
        }
        Ok(())
    }

    pub(super) async fn wait_daemon(&mut self, seconds: u32) -> Ended {
        let until = Instant::now() + Duration::from_secs(u64::from(seconds));
        loop {
            match self.worker.backend(self.engine).await {
                Ok(_) => return DID,
                Err(error) if Instant::now() > until => return Err(error.into()),
                Err(error) => self.progress.say(error.to_string(), None),
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(300)) => {}
                () = self.progress.cancel.cancelled() => return Err(Failure::Cancelled),
            }
        }
    }

    pub(super) async fn environment(&mut self, step: &Step) -> Ended {
        let backend = self.backend().await?;
        match step {
            Step::CreatePool { name, driver, size } => {
                if backend.pools().await?.iter().any(|p| p.name == *name) {
                    return SKIPPED;
                }
                self.note(backend, "pool", name).await?;
                backend.create_pool(name, driver, *size).await?;
            }
            Step::CreateNetwork { name } => {
                if backend
                    .networks()
                    .await?
                    .iter()
                    .any(|n| n.name == *name && n.managed)
                {
                    return SKIPPED;
                }
                self.note(backend, "network", name).await?;
                backend.create_network(name).await?;
            }
            Step::PutProfile {
                profile,
                over: Some(other),
            } => {
                let found = backend.profile(other).await?;
                let wanted = found.map_or_else(|| profile.clone(), |f| merged(&f, profile));
                give(backend, without_marks(wanted)).await?;
            }
            Step::PutProfile { profile, over: None } => {
                let found = backend.profile(&profile.name).await?;
                let wanted = found
                    .as_ref()
                    .map_or_else(|| profile.clone(), |found| merged(found, profile));
                if found.as_ref() == Some(&wanted) {
                    return SKIPPED;
                }
                let mut merge = |found: &mut Profile| *found = merged(found, profile);
                if !backend.edit_profile(&profile.name, &mut merge).await? {
                    backend.put_profile(profile).await?;
                }
            }
            Step::CopyProfile { from, to } => {
                let found = backend.profile(from).await?;
                let mut wanted = without_marks(found.ok_or_else(|| Error::Missing {
                    what: format!("profile `{from}`"),
                })?);
                wanted.name.clone_from(to);
                give(backend, wanted).await?;
            }
            Step::DeleteProfile { name } => {
                let skipped = !instance::remove_unused(backend, name).await?;
                return Ok(Done { skipped });
            }
            _ => {}
        }
        DID
    }

    pub(super) async fn make_folders(&mut self, folders: &[PathBuf]) -> Ended {
        let missing: Vec<_> = folders.iter().filter(|f| !f.exists()).collect();
        if missing.is_empty() {
            return SKIPPED;
        }
        let list = missing
            .iter()
            .map(|f| quote(&f.display().to_string()))
            .collect::<Vec<_>>()
            .join(" ");
        self.host_script(
            "make the data folders",
            &format!("mkdir -p {list}"),
            None,
            &BTreeMap::new(),
        )
        .await
    }

    /// Only folders that are new: owned by the host's root, and empty.
    pub(super) async fn own_folders(&mut self, name: &str, folders: &[PathBuf]) -> Ended {
        let new: Vec<_> = folders.iter().filter(|f| is_new(f)).collect();
        if new.is_empty() {
            return SKIPPED;
        }
        let instance = self.backend().await?.instance(name).await?;
        let owner = instance.map_or(0, |i| root_on_host(&i.config));
        let list = new
            .iter()
            .map(|f| quote(&f.display().to_string()))
            .collect::<Vec<_>>()
            .join(" ");
        let script = format!("chown {owner}:{owner} {list}");
        self.host_script(
            "give the data folders to the lab",
            &script,
            None,
            &BTreeMap::new(),
        )
        .await
    }
}

/// The host's user id that is `root` inside, from the id map that the daemon chose.
fn root_on_host(config: &BTreeMap<String, String>) -> u64 {
    #[derive(serde::Deserialize)]
    struct Range {
        #[serde(rename = "Isuid")]
        uid: bool,
        #[serde(rename = "Hostid")]
        host: u64,
        #[serde(rename = "Nsid")]
        inside: u64,
    }
    let map = ["volatile.idmap.next", "volatile.idmap.current"]
        .iter()
        .find_map(|k| config.get(*k));
    let ranges: Vec<Range> = map.and_then(|m| serde_json::from_str(m).ok()).unwrap_or_default();
    ranges
        .iter()
        .find(|r| r.uid && r.inside == 0)
        .map_or(0, |r| r.host)
}

/// The stage's profile over one that is there: what a person added to it stays, and so do root disk, network, notes
/// and pins. Only what an earlier plan wrote and this one does not is taken out.
fn merged(found: &Profile, planned: &Profile) -> Profile {
    let was_ours = |list: &str, key: &str| {
        found
            .config
            .get(&tag(list))
            .is_some_and(|names| names.split(' ').any(|name| name == key))
    };
    let mut profile = planned.clone();
    for (name, device) in &found.devices {
        let base = matches!(name.as_str(), "root" | "eth0");
        if base || (!planned.devices.contains_key(name) && !was_ours("devices", name)) {
            profile.devices.insert(name.clone(), device.clone());
        }
    }
    for (key, value) in &found.config {
        if is_mark(key) || (!planned.config.contains_key(key) && !was_ours("settings", key)) {
            profile.config.insert(key.clone(), value.clone());
        }
    }
    profile
}

/// The notes, pins and kinds of snapshots that are in a profile.
fn is_mark(key: &str) -> bool {
    key.starts_with(&tag("snapshot."))
}

/// A profile for another instance: notes of snapshots go with the snapshots.
fn without_marks(mut profile: Profile) -> Profile {
    profile.config.retain(|key, _| !is_mark(key));
    profile
}

/// Makes a profile be as wanted; the notes of snapshots in one that is there stay.
async fn give(backend: &dyn Backend, wanted: Profile) -> Result<(), Error> {
    let mut write = |found: &mut Profile| {
        let mut new = wanted.clone();
        let marks = found.config.iter().filter(|(key, _)| is_mark(key));
        new.config.extend(marks.map(|(k, v)| (k.clone(), v.clone())));
        *found = new;
    };
    if !backend.edit_profile(&wanted.name, &mut write).await? {
        backend.put_profile(&wanted).await?;
    }
    Ok(())
}

fn is_new(folder: &Path) -> bool {
    let ours = std::fs::metadata(folder).is_ok_and(|m| m.uid() == 0);
    ours && std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
