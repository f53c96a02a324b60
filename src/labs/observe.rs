//! Looking at the daemon: lists first, details on demand, independent calls side by side.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all, try_join, try_join4};

use crate::{
    backend::{Away, Backend, Engine, Engines, Error, Instance, InstanceState, Snapshot, Status},
    config::Config,
    host::{self, Facts},
};

use super::{Kept, Lab, SnapshotRow, UPDATING, World, marks, notes_profile, verdict::Verdict};

impl World {
    /// Looks at the daemon. `aliases` are the local images that a plan may ask for.
    ///
    /// # Errors
    /// The daemon does not answer or refuses.
    pub async fn observe(
        backend: &dyn Backend,
        facts: Facts,
        config: Config,
        aliases: &[String],
    ) -> Result<Self, Error> {
        let (server, instances, pools, networks) = try_join4(
            backend.server(),
            backend.instances(),
            backend.pools(),
            backend.networks(),
        )
        .await?;
        let snapshots = snapshot_names(backend, &instances).await?;
        let mut names: Vec<&str> = instances.iter().filter_map(notes_profile).collect();
        names.push("default");
        names.sort_unstable();
        names.dedup();
        let profiles = join_all(names.iter().map(|name| backend.profile(name))).await;
        let mut found = BTreeMap::new();
        for profile in profiles {
            found.extend(profile?.map(|p| (p.name.clone(), p)));
        }
        let mut images = BTreeMap::new();
        let looked = join_all(aliases.iter().map(|alias| backend.image(alias))).await;
        for (alias, image) in aliases.iter().zip(looked) {
            images.extend(image?.map(|i| (alias.clone(), i)));
        }
        let mut facts = facts;
        host::facts::daemon(&mut facts, Some(&server.extensions), !pools.is_empty());
        Ok(Self {
            engine: Engine::Lxd,
            docker: None,
            away: String::new(),
            docker_away: None,
            server: Some(server),
            asleep: None,
            now: Some(jiff::Timestamp::now()),
            facts,
            config,
            instances,
            snapshots,
            taken: BTreeMap::new(),
            pools,
            networks,
            profiles: found,
            images,
            jobs: vec![],
            unended: vec![],
        })
    }

    /// Looks at both engines, side by side. One that is not there leaves its part empty, with why in words; what LXD says
    /// is an error all the same where there are no labs of Docker (`wanted`: a stage makes some).
    ///
    /// # Errors
    /// LXD does not answer or refuses, and nothing else is here.
    pub async fn observe_all(
        engines: &Engines,
        facts: Facts,
        config: Config,
        aliases: &[String],
        wanted: bool,
    ) -> Result<Self, Error> {
        let lxd = async {
            let backend = engines.lxd().await?;
            Self::observe(backend.as_ref(), facts.clone(), config.clone(), aliases).await
        };
        let docker = async {
            let backend = engines.docker().await?;
            let seen = Self::observe_docker(backend.as_ref(), facts.clone(), config.clone(), aliases);
            seen.await.map_err(silent)
        };
        let (lxd, docker) = join(lxd, docker).await;
        let bare = || Self::without_daemon(facts.clone(), config.clone());
        joined(lxd, docker, wanted, bare)
    }

    /// The same as [`World::glance`] of both engines.
    ///
    /// # Errors
    /// LXD does not answer or refuses, and nothing else is here.
    pub async fn glance_all(engines: &Engines, wanted: bool) -> Result<Self, Error> {
        let lxd = async { Self::glance(engines.lxd().await?.as_ref()).await };
        let docker = async {
            let backend = engines.docker().await?;
            let seen = Self::glance(backend.as_ref()).await;
            seen.map_err(silent)
        };
        let (lxd, docker) = join(lxd, docker).await;
        joined(lxd, docker, wanted, Self::default)
    }

    /// Looks at Docker, with what it says of GPUs.
    ///
    /// # Errors
    /// The engine does not answer or refuses.
    pub async fn observe_docker(
        backend: &dyn Backend,
        facts: Facts,
        config: Config,
        aliases: &[String],
    ) -> Result<Self, Error> {
        let (found, passing) = join(
            Self::observe(backend, facts, config, aliases),
            backend.gpu_passing(),
        )
        .await;
        let mut found = found?;
        found.engine = Engine::Docker;
        if let Some(passing) = passing {
            found.facts.extend(passing.facts());
        }
        Ok(found)
    }

    /// The world of a machine whose daemon does not run.
    pub fn asleep(engine: &str, facts: Facts, config: Config) -> Self {
        Self {
            asleep: Some(engine.to_owned()),
            ..Self::without_daemon(facts, config)
        }
    }

    /// Looks only at what a list of labs shows. Pools, bridges, profiles, images and host facts, which cost more than
    /// all the rest (30 to 50 ms each beside 50 instances with 20 snapshots), stay empty: nothing can be planned on it.
    ///
    /// # Errors
    /// The daemon does not answer or refuses.
    pub async fn glance(backend: &dyn Backend) -> Result<Self, Error> {
        let (server, instances) = try_join(backend.server(), backend.instances()).await?;
        Ok(Self {
            server: Some(server),
            snapshots: snapshot_names(backend, &instances).await?,
            instances,
            ..Self::default()
        })
    }

    /// The world of a machine without a daemon.
    pub fn without_daemon(mut facts: Facts, config: Config) -> Self {
        host::facts::daemon(&mut facts, None, false);
        Self {
            facts,
            config,
            ..Self::default()
        }
    }
}

/// Docker that was found, and does not tell what it holds.
#[expect(clippy::needless_pass_by_value, reason = "an error is mapped")]
fn silent(error: Error) -> Away {
    Away {
        why: error.to_string(),
        absent: false,
    }
}

/// LXD's part with Docker's in it.
fn joined(
    lxd: Result<World, Error>,
    docker: Result<World, Away>,
    wanted: bool,
    bare: impl Fn() -> World,
) -> Result<World, Error> {
    let ours = |world: &World| world.instances.iter().any(|i| i.tag("stage").is_some());
    let world = match lxd {
        Ok(world) => world,
        Err(Error::NotFound { .. }) => bare(),
        Err(error) if docker.as_ref().is_ok_and(|docker| wanted || ours(docker)) => {
            let asleep = match &error {
                Error::Asleep { engine, .. } => Some(engine.clone()),
                _ => None,
            };
            World {
                asleep,
                away: error.to_string(),
                ..bare()
            }
        }
        Err(error) => return Err(error),
    };
    Ok(world.with_docker(docker))
}

/// Names of the snapshots of our instances.
async fn snapshot_names(
    backend: &dyn Backend,
    instances: &[Instance],
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let ours: Vec<&str> = instances
        .iter()
        .filter(|i| i.tag("stage").is_some())
        .map(|i| i.name.as_str())
        .collect();
    backend.snapshot_names(&ours).await
}

/// The snapshots of one lab, newest first, with notes and pins.
///
/// # Errors
/// There is no such instance, or the daemon does not answer.
pub async fn snapshot_rows(backend: &dyn Backend, lab: &str) -> Result<Vec<SnapshotRow>, Error> {
    let missing = || Error::Missing {
        what: format!("instance `{lab}`"),
    };
    let (instance, snapshots) = try_join(backend.instance(lab), backend.snapshots(lab)).await?;
    let instance = instance.ok_or_else(missing)?;
    let profile = match notes_profile(&instance) {
        Some(name) => backend.profile(name).await?.unwrap_or_default(),
        None => crate::backend::Profile::default(),
    };
    let row = |s: &Snapshot| {
        let mark = marks::read(&profile, lab, &s.name);
        SnapshotRow {
            name: s.name.clone(),
            created: s.created.clone(),
            size: s.size,
            note: mark.note,
            pinned: mark.pinned,
            way_back: instance.tag(UPDATING) == Some(s.name.as_str()),
            kind: mark.kind,
            verdict: s.tag("verdict").map(Verdict::line),
            proof: s.tag("verdict").and_then(Verdict::read),
            holds: holds(&instance, s),
        }
    };
    Ok(snapshots.iter().rev().map(row).collect())
}

fn holds(instance: &Instance, snapshot: &Snapshot) -> String {
    let image = snapshot
        .config
        .get("image.description")
        .or_else(|| instance.config.get("image.description"))
        .map_or("", String::as_str);
    match (snapshot.tag("stage"), snapshot.tag("version")) {
        (Some(stage), Some(version)) => format!("{stage} v{version} on {image}"),
        _ => image.to_owned(),
    }
}

/// Live facts of the running labs, by name. A lab that does not answer is left out.
pub async fn states(backend: &dyn Backend, labs: &[Lab]) -> BTreeMap<String, InstanceState> {
    let running = |l: &&Lab| l.instance.as_ref().is_some_and(|i| i.status == Status::Running);
    let calls = labs.iter().filter(running).map(|l| async {
        let state = backend.state(&l.name).await.ok()?;
        Some((l.name.clone(), state))
    });
    join_all(calls).await.into_iter().flatten().collect()
}

/// Bytes on the disk of what is kept beside a lab, by name, where the engine counts them.
pub async fn kept_sizes(backend: &dyn Backend, kept: &[Kept]) -> BTreeMap<String, u64> {
    let calls = kept.iter().map(|k| async {
        let state = backend.state(&k.name).await.ok()?;
        Some((k.name.clone(), state.disk?))
    });
    join_all(calls).await.into_iter().flatten().collect()
}
