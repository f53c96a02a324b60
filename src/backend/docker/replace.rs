//! One container in the place of another, so that at each moment one of them is whole.
//!
//! | what is there | what was going on | what becomes of it |
//! |---|---|---|
//! | `LAB.new` beside `LAB` or alone, never started | the new one is being made | it is removed |
//! | `LAB.old` and `LAB.new` of one identity | between the two renames | `LAB.new` becomes `LAB`, `LAB.old` goes |
//! | `LAB` and `LAB.old` of one identity | only the removal is left | `LAB.old` goes |
//! | `LAB.old` alone | somebody removed the new one | it becomes `LAB` again |
//! | `LAB.gone`, not running | a removal | it is finished |
//!
//! All of it only of containers that are ours; whatever else has such a name is somebody's, and in the way.
//!
//! [`Docker::settle`] does that before each call that makes, replaces, renames, starts or removes `LAB`; names of
//! instances have no dot, so nothing else is ever called so.

use std::collections::HashMap;

use bollard::{
    models::{ContainerConfig, Mount, MountType, NetworkConnectRequest},
    query_parameters::{CommitContainerOptions, CreateContainerOptions, ListContainersOptions},
};

use super::{
    Docker,
    body::{self, Body},
    call::WORK,
    devices,
    instance::{Container, Kept, expanded},
    instances::about,
    labels,
    origin::Origin,
    record::Kind,
    removal::Whose,
    volumes::unnamed,
};
use crate::backend::{Error, Result, about::About};

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) name: &'a str,
    /// The image's identifier.
    pub(super) image: &'a str,
    pub(super) uuid: &'a str,
    pub(super) created: &'a str,
    pub(super) kept: &'a Kept,
}

impl Docker {
    /// Finishes or takes back what was cut of an instance, and removals of all.
    pub(super) async fn settle(&self, name: &str) -> Result<()> {
        let about = about("finish what was cut of", name);
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let listed = self.call(&about, self.api.list_containers(Some(options))).await?;
        let names = listed.into_iter().filter_map(|one| one.names).flatten();
        let names: Vec<String> = names.map(|one| one.trim_start_matches('/').to_owned()).collect();
        for gone in names.iter().filter(|one| one.ends_with(labels::GONE)) {
            let Some(found) = self.ours(gone).await? else {
                continue;
            };
            // What cannot go is no reason to leave the labs alone.
            if let Err(error) = Box::pin(self.finish_removal(&found, &about)).await {
                tracing::warn!(%error, "`{gone}` stays");
            }
        }
        let beside = [labels::new(name), labels::old(name)];
        if names.iter().any(|one| beside.contains(one)) {
            Box::pin(self.settle_replacement(name, &about)).await?;
        }
        Ok(())
    }

    async fn settle_replacement(&self, name: &str, about: &About) -> Result<()> {
        let now = self.container(name).await?;
        let new = self.ours(&labels::new(name)).await?;
        let old = self.ours(&labels::old(name)).await?;
        match (now, new, old) {
            (None, Some(new), Some(old)) if new.uuid == old.uuid => {
                self.rename_container(&new.id, name, about).await?;
                self.drop_container(&old, about).await
            }
            (None, None, Some(old)) => self.rename_container(&old.id, name, about).await,
            (Some(now), _, Some(old)) if now.uuid == old.uuid => self.drop_container(&old, about).await,
            // One that was started by hand has files of its own.
            (now, Some(new), None) if new.started.is_empty() && !new.runs() => {
                // A restore shares the snapshots of the instance; a copy that was not finished has tags of its own.
                if now.is_none_or(|now| now.uuid != new.uuid) {
                    self.drop_images_of(&new.uuid, Whose::Copied).await?;
                }
                self.drop_container(&new, about).await
            }
            _ => Ok(()),
        }
    }

    /// A container of this name that is ours.
    pub(super) async fn ours(&self, name: &str) -> Result<Option<Container>> {
        Ok(self.container(name).await?.filter(|container| container.ours))
    }

    /// Removes a container that another one stands for: volumes stay, they are the other one's too.
    async fn drop_container(&self, container: &Container, about: &About) -> Result<()> {
        self.remove_container(&container.id, false, about).await?;
        self.drop_record(Kind::Config, &container.id).await?;
        self.drop_unused(&container.image).await;
        Ok(())
    }

    /// Makes `NAME.new`, with mounts beside those of its devices; its identifier.
    pub(super) async fn make_beside(&self, plan: &Plan<'_>, more: &[Mount], about: &About) -> Result<String> {
        let mut body = Box::pin(self.body(plan.kept, about)).await?;
        let image = self.call(about, self.api.inspect_image(plan.image)).await?;
        let origin = Origin::restore(&image, &mut body.create);
        let origin =
            serde_json::to_string(&origin).map_err(|error| self.protocol(about, &error.to_string()))?;
        let kept =
            serde_json::to_string(plan.kept).map_err(|error| self.protocol(about, &error.to_string()))?;
        let stage = plan
            .kept
            .config
            .get("user.halolab.stage")
            .map_or("", String::as_str);
        let host = body.create.host_config.as_ref();
        let named = serde_json::to_string(&targets(host.and_then(|host| host.mounts.as_ref())))
            .map_err(|error| self.protocol(about, &error.to_string()))?;
        body.create.labels = Some(body::labels(&[
            (labels::KIND, labels::INSTANCE),
            (labels::UUID, plan.uuid),
            (labels::CREATED, plan.created),
            (labels::STAGE, stage),
            (labels::NAME, plan.name),
            (labels::KEPT, &kept),
            (labels::MADE, &body.made),
            (labels::NAMED, &named),
            (labels::ORIGIN, &origin),
        ]));
        body.create.image = Some(plan.image.to_owned());
        body.create.hostname = Some(plan.name.to_owned());
        if let Some(host) = body.create.host_config.as_mut() {
            // No image has it: see [`super::instance::Claim`].
            host.annotations = Some(body::labels(&[(labels::UUID, plan.uuid)]));
            let taken = host.mounts.clone().unwrap_or_default();
            let free = more
                .iter()
                .filter(|mount| !taken.iter().any(|other| other.target == mount.target));
            host.mounts.get_or_insert_default().extend(free.cloned());
        }
        let options = CreateContainerOptions {
            name: Some(labels::new(plan.name)),
            ..CreateContainerOptions::default()
        };
        let made = match self
            .call_within(WORK, about, self.api.create_container(Some(options), body.create))
            .await
        {
            Err(Error::Exists { .. }) => return Err(in_the_way(&labels::new(plan.name), about)),
            made => made?,
        };
        for (network, endpoint) in body.networks {
            let request = NetworkConnectRequest {
                container: made.id.clone(),
                endpoint_config: Some(endpoint),
            };
            self.call(about, self.api.connect_network(&network, request))
                .await?;
        }
        Ok(made.id)
    }

    /// What a container with this config, these profiles and devices is made with.
    pub(super) async fn body(&self, kept: &Kept, about: &About) -> Result<Body> {
        let profiles = self.profiles_of(kept).await?;
        if let Some(missing) = kept.profiles.iter().find(|name| !profiles.contains_key(*name)) {
            return Err(about.no(format!("there is no profile `{missing}`")));
        }
        let (config, devices) = expanded(kept, &profiles);
        let gpus = match devices::gpus(&devices) {
            Some(wanted) => Some(self.gpus(&wanted, about).await?),
            None => None,
        };
        Body::of(&config, &devices, gpus.as_ref()).map_err(|why| about.no(why))
    }

    /// Gives `NAME.new` its name; where that was taken meanwhile the new one goes.
    pub(super) async fn take_name(&self, id: &str, name: &str, about: &About) -> Result<()> {
        let named = self.rename_container(id, name, about).await;
        if let Err(Error::Exists { .. }) = named {
            self.remove_container(id, true, about).await?;
        }
        named
    }

    /// Puts a container made from another image, config, profiles and devices in the place of one; its identity stays.
    /// Volumes are handed on: no image holds what is in them.
    pub(super) async fn replace(
        &self,
        old: &Container,
        name: &str,
        (image, kept): (&str, &Kept),
        about: &About,
    ) -> Result<Container> {
        // What is still there after [`Self::settle`] is not ours.
        if self.container(&labels::old(name)).await?.is_some() {
            return Err(in_the_way(&labels::old(name), about));
        }
        let plan = Plan {
            name,
            image,
            uuid: &old.uuid,
            created: &old.created,
            kept,
        };
        let id = Box::pin(self.make_beside(&plan, &handed_on(old), about)).await?;
        if old.runs() {
            self.stop(old, 0).await?;
        }
        self.rename_container(&old.id, &labels::old(name), about).await?;
        self.rename_container(&id, name, about).await?;
        self.drop_container(old, about).await?;
        self.existing(name, about).await
    }

    /// The container of an instance, made anew where it is no more what its config, profiles and devices say.
    pub(super) async fn renewed(&self, name: &str, about: &About) -> Result<Container> {
        let now = self.existing(name, about).await?;
        if !now.ours || Box::pin(self.body(&now.kept, about)).await?.made == now.made {
            return Ok(now);
        }
        let image = self.commit_root(&now, &now.uuid, about).await?;
        Box::pin(self.replace(&now, name, (&image, &now.kept), about)).await
    }

    /// The files of a container as an image that stays until the instance goes.
    pub(super) async fn commit_root(&self, of: &Container, uuid: &str, about: &About) -> Result<String> {
        let labels = body::labels(&[(labels::KIND, labels::ROOT), (labels::UUID, uuid)]);
        self.commit(of, (&labels::roots_of(uuid), "now"), labels, about)
            .await
    }

    /// The files of a container as an image; a running one is held still meanwhile.
    /// What it does not hold is said in [`super::NOT_HELD`]; config, profiles and devices are in our labels.
    pub(super) async fn commit(
        &self,
        of: &Container,
        (repository, tag): (&str, &str),
        labels: HashMap<String, String>,
        about: &About,
    ) -> Result<String> {
        // Podman reads labels here, and not those of the body.
        let as_lines = || {
            let lines = labels.iter().map(|(key, value)| format!("LABEL {key}={value}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let options = CommitContainerOptions {
            container: Some(of.id.clone()),
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
            pause: true,
            changes: (self.engine() == "podman").then(as_lines),
            ..CommitContainerOptions::default()
        };
        let config = ContainerConfig {
            labels: Some(labels),
            ..ContainerConfig::default()
        };
        let made = self
            .call_within(WORK, about, self.api.commit_container(options, config))
            .await?;
        Ok(made.id)
    }
}

/// A container that is somebody's, or that somebody started, has a name that we need.
fn in_the_way(name: &str, about: &About) -> Error {
    about.no(format!(
        "the container `{name}` is in the way, and is not halolab's to remove; rename it: `docker rename {name} …`"
    ))
}

/// The volumes that no device named, for the container that replaces one. What a device named comes by that, or not at all
/// where it is gone.
fn handed_on(container: &Container) -> Vec<Mount> {
    let all = unnamed(container).into_iter();
    all.map(|volume| devices::volume(&volume.name, &volume.path, volume.read_only))
        .collect()
}

/// The paths of the volumes among mounts.
fn targets(mounts: Option<&Vec<Mount>>) -> Vec<&str> {
    let volumes = mounts
        .into_iter()
        .flatten()
        .filter(|mount| mount.typ == Some(MountType::VOLUME));
    volumes.filter_map(|mount| mount.target.as_deref()).collect()
}
