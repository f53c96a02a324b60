//! Snapshots: images of a container's files, under a repository of the instance's identity. What they do not hold is said
//! in [`NOT_HELD`].

use std::collections::{BTreeMap, HashMap};

use bollard::{
    models::ImageSummary,
    query_parameters::{ListImagesOptions, TagImageOptions},
};

use super::{
    Docker, body,
    call::cancelled,
    instance::{Container, IDENTITY, Kept},
    instances::{about as about_instance, making, now, without_volatile},
    labels,
    replace::Plan,
};
use crate::backend::{
    Error, InstanceSpec, Progress, Result, Snapshot,
    about::{About, check_known, check_new},
    types::REPLACED,
};

/// What a snapshot of a container does not hold, for whoever is about to rely on one.
pub const NOT_HELD: &str = "It holds the files of the container itself. It does not hold what is in volumes and in folders \
    of this machine that are mounted, with the volumes that the engine makes for an image that asks for some (`VOLUME`): a \
    copy gets empty ones, and those of a lab that is removed stay behind (`docker volume ls`). Nor does it hold what is in \
    memory disks such as /tmp where the stage asks for one, and running programs with their memory. A restore leaves volumes \
    and folders as they are now, takes ports, mounts and devices from the lab's profile of now, and starts its programs \
    anew. `docker image prune --all` removes snapshots: they are images that no container uses.";

/// "to {verb} a snapshot", for errors.
fn about(verb: &str, name: &str, snapshot: &str) -> About {
    About::new(
        format!("{verb} snapshot `{snapshot}` of `{name}`"),
        format!("snapshot `{snapshot}` of `{name}`"),
    )
}

/// A snapshot's image.
#[derive(Clone, Debug)]
struct Taken {
    image: String,
    kept: Kept,
    snapshot: Snapshot,
}

impl Taken {
    fn new(name: &str, image: &str, size: Option<u64>, labels: &HashMap<String, String>) -> Self {
        let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let kept: Kept = serde_json::from_str(&label(labels::KEPT)).unwrap_or_default();
        let mut config = kept.config.clone();
        config.insert(IDENTITY.to_owned(), label(labels::UUID));
        Self {
            image: image.to_owned(),
            snapshot: Snapshot {
                name: name.to_owned(),
                created: label(labels::TAKEN),
                size,
                config,
                devices: kept.devices.clone(),
            },
            kept,
        }
    }
}

impl Docker {
    /// All images, those without a name too.
    pub(super) async fn images(&self, about: &About) -> Result<Vec<ImageSummary>> {
        let options = ListImagesOptions {
            all: true,
            ..ListImagesOptions::default()
        };
        self.call(about, self.api.list_images(Some(options))).await
    }

    /// The snapshots of one instance, oldest first.
    pub(super) async fn list_snapshots(&self, name: &str) -> Result<Vec<Snapshot>> {
        let about = about_instance("list the snapshots of", name);
        let container = self.existing(name, &about).await?;
        let mut found: Vec<Snapshot> = self
            .taken(&container.uuid, &about)
            .await?
            .into_iter()
            .map(|taken| taken.snapshot)
            .collect();
        found.sort_by(|a, b| (&a.created, &a.name).cmp(&(&b.created, &b.name)));
        Ok(found)
    }

    async fn taken(&self, uuid: &str, about: &About) -> Result<Vec<Taken>> {
        let images = self.images(about).await?;
        let sizes: HashMap<&str, i64> = images.iter().map(|i| (i.id.as_str(), i.size)).collect();
        let repository = labels::snapshots_of(uuid);
        let mut found = vec![];
        for image in &images {
            // What it holds beyond the image that it is on top of.
            let below = sizes.get(image.parent_id.as_str());
            let size = below.and_then(|below| u64::try_from(image.size - below).ok());
            // One that somebody committed there by hand has the labels of a container.
            if !is_snapshot(&image.labels) {
                continue;
            }
            for tag in tags_in(image, &repository) {
                found.push(Taken::new(tag, &image.id, size, &image.labels));
            }
        }
        Ok(found)
    }

    /// One snapshot.
    pub(super) async fn look_snapshot(&self, name: &str, snapshot: &str) -> Result<Option<Snapshot>> {
        let about = about("look at", name, snapshot);
        check_known(name, &about)?;
        check_known(snapshot, &about)?;
        let Some(container) = self.stand_in(name).await? else {
            return Ok(None);
        };
        let all = self.taken(&container.uuid, &about).await?;
        Ok(all
            .into_iter()
            .map(|taken| taken.snapshot)
            .find(|found| found.name == snapshot))
    }

    /// One snapshot that must be there.
    async fn read_snapshot(&self, uuid: &str, snapshot: &str, about: &About) -> Result<Taken> {
        check_known(snapshot, about)?;
        let tag = format!("{}:{snapshot}", labels::snapshots_of(uuid));
        let found = self.call(about, self.api.inspect_image(&tag)).await?;
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        if !is_snapshot(&labels) {
            return Err(about.no(format!("the image `{tag}` is no snapshot that halolab took")));
        }
        Ok(Taken::new(snapshot, &found.id.unwrap_or_default(), None, &labels))
    }

    /// Names of the snapshots of these instances, sorted.
    pub(super) async fn list_snapshot_names(&self, of: &[&str]) -> Result<BTreeMap<String, Vec<String>>> {
        let about = About::new("list the snapshots", "list of images");
        let images = self.images(&about).await?;
        let instances = self.list_instances().await?;
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for instance in instances.iter().filter(|i| of.contains(&i.name.as_str())) {
            let repository = labels::snapshots_of(&instance.uuid);
            let mut tags: Vec<String> = images
                .iter()
                .filter(|image| is_snapshot(&image.labels))
                .flat_map(|image| tags_in(image, &repository))
                .map(str::to_owned)
                .collect();
            tags.sort();
            if !tags.is_empty() {
                names.insert(instance.name.clone(), tags);
            }
        }
        Ok(names)
    }

    /// Takes a snapshot.
    pub(super) async fn take_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        let about = about("take", name, snapshot);
        check_new(snapshot, &about)?;
        let container = self.existing(name, &about).await?;
        self.snapshot_must_be_free(&container, name, snapshot).await?;
        let kept = serde_json::to_string(&container.kept)
            .map_err(|error| self.protocol(&about, &error.to_string()))?;
        let labels = body::labels(&[
            (labels::KIND, labels::SNAPSHOT),
            (labels::UUID, &container.uuid),
            (labels::NAME, name),
            (labels::TAKEN, &now()),
            (labels::KEPT, &kept),
        ]);
        let repository = labels::snapshots_of(&container.uuid);
        self.commit(&container, (&repository, snapshot), labels, &about)
            .await?;
        Ok(())
    }

    /// The engine would move the tag.
    async fn snapshot_must_be_free(&self, of: &Container, name: &str, snapshot: &str) -> Result<()> {
        match self
            .read_snapshot(&of.uuid, snapshot, &about("look at", name, snapshot))
            .await
        {
            Ok(_) => Err(Error::Exists {
                what: format!("snapshot `{snapshot}` of `{name}`"),
            }),
            Err(Error::Missing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a snapshot. What is on top of it, or was made from it, keeps the files that it needs.
    pub(super) async fn remove_snapshot(&self, name: &str, snapshot: &str) -> Result<()> {
        let about = about("delete", name, snapshot);
        let container = self.existing(name, &about).await?;
        let taken = self.read_snapshot(&container.uuid, snapshot, &about).await?;
        let tag = format!("{}:{snapshot}", labels::snapshots_of(&container.uuid));
        self.untag(&tag, &taken.image).await
    }

    /// Renames a snapshot: it has both names for a moment; where that was cut, the same call goes on.
    pub(super) async fn name_snapshot(&self, name: &str, from: &str, to: &str) -> Result<()> {
        let about = about("rename", name, from);
        check_new(to, &about)?;
        let container = self.existing(name, &about).await?;
        let taken = self.read_snapshot(&container.uuid, from, &about).await?;
        let other = self.read_snapshot(&container.uuid, to, &about).await;
        match other {
            Ok(other) if other.image != taken.image || from == to => {
                return Err(Error::Exists {
                    what: format!("snapshot `{to}` of `{name}`"),
                });
            }
            Ok(_) => {}
            Err(Error::Missing { .. }) => {
                let repository = labels::snapshots_of(&container.uuid);
                self.tag(&taken.image, (&repository, to), &about).await?;
            }
            Err(error) => return Err(error),
        }
        let tag = format!("{}:{from}", labels::snapshots_of(&container.uuid));
        self.untag(&tag, &taken.image).await
    }

    /// Gives an image a name more; an image that had it loses it.
    pub(super) async fn tag(
        &self,
        image: &str,
        (repository, tag): (&str, &str),
        about: &About,
    ) -> Result<()> {
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        self.call(about, self.api.tag_image(image, Some(options))).await
    }

    /// Puts the instance back to a snapshot. It runs afterwards if it ran before.
    pub(super) async fn restore_snapshot(&self, name: &str, snapshot: &str, uuid: &str) -> Result<()> {
        let about = about("restore", name, snapshot);
        check_known(name, &about)?;
        Box::pin(self.settle(name)).await?;
        let container = self.existing(name, &about).await?;
        if !uuid.is_empty() && container.uuid != uuid {
            return Err(about.no(REPLACED));
        }
        let taken = self.read_snapshot(&container.uuid, snapshot, &about).await?;
        if !container.ours {
            return Err(about.no(format!(
                "`{name}` was not made by halolab: its command, ports and mounts would be lost; copy it to a lab instead"
            )));
        }
        let kept = Kept {
            config: without_volatile(&taken.kept.config),
            ..taken.kept
        };
        let ran = container.runs();
        // The container keeps what it stands on when the snapshot goes.
        self.tag_root(&taken.image, &container.uuid, &about).await?;
        let new = Box::pin(self.replace(&container, name, (&taken.image, &kept), &about)).await?;
        if ran {
            self.call(&about, self.api.start_container(&new.id, None)).await?;
        }
        Ok(())
    }

    /// Copies an instance with its snapshots, or one snapshot of it.
    pub(super) async fn copy_instance(
        &self,
        from: &str,
        snapshot: Option<&str>,
        spec: &InstanceSpec,
        progress: &Progress,
    ) -> Result<()> {
        let named = snapshot.map_or_else(|| from.to_owned(), |s| format!("{from}/{s}"));
        let about = making(&format!("copy `{named}` to `{}`", spec.name), &spec.name);
        check_new(&spec.name, &about)?;
        let source = self.existing(from, &about).await?;
        let taken = match snapshot {
            Some(snapshot) => {
                let missing = self::about("copy", from, snapshot);
                Some(self.read_snapshot(&source.uuid, snapshot, &missing).await?)
            }
            None => None,
        };
        Box::pin(self.settle(&spec.name)).await?;
        self.must_be_free(&spec.name).await?;
        let uuid = labels::uuid();
        let work = Box::pin(self.copy_into(spec, (&source, taken.as_ref()), &uuid, progress));
        let failed = tokio::select! {
            done = work => match done {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            () = progress.cancel.cancelled() => cancelled(&about),
        };
        let taken_back = async {
            Box::pin(self.settle(&spec.name)).await?;
            self.forget(&uuid, &about).await
        };
        if let Err(error) = taken_back.await {
            tracing::warn!(%error, "a copy that failed left something, which the next call removes");
        }
        Err(failed)
    }

    /// The copy itself; what of it is there when it is dropped has the new name or the new identity.
    async fn copy_into(
        &self,
        spec: &InstanceSpec,
        (source, taken): (&Container, Option<&Taken>),
        uuid: &str,
        progress: &Progress,
    ) -> Result<()> {
        let named = taken.map_or_else(
            || source.name.clone(),
            |taken| format!("{}/{}", source.name, taken.snapshot.name),
        );
        let about = making(&format!("copy `{named}` to `{}`", spec.name), &spec.name);
        let kept = merged(taken.map_or(&source.kept, |taken| &taken.kept), spec);
        progress.say(format!("copying {named}"), None);
        let image = match taken {
            Some(taken) => {
                self.tag_root(&taken.image, uuid, &about).await?;
                taken.image.clone()
            }
            None => self.commit_root(source, uuid, &about).await?,
        };
        let plan = Plan {
            name: &spec.name,
            image: &image,
            uuid,
            created: &now(),
            kept: &kept,
        };
        for volume in super::volumes::unnamed(source) {
            progress.say(
                format!("not copied: the volume `{}` at `{}`", volume.name, volume.path),
                None,
            );
        }
        let id = Box::pin(self.make_beside(&plan, &[], &about)).await?;
        if taken.is_none() && !spec.instance_only {
            let repository = labels::snapshots_of(uuid);
            for taken in self.taken(&source.uuid, &about).await? {
                let names = (repository.as_str(), taken.snapshot.name.as_str());
                self.tag(&taken.image, names, &about).await?;
            }
        }
        self.take_name(&id, &spec.name, &about).await
    }
}

fn is_snapshot(labels: &HashMap<String, String>) -> bool {
    labels
        .get(labels::KIND)
        .is_some_and(|kind| kind == labels::SNAPSHOT)
}

/// The name of an image without the host that Podman puts before those that have none.
pub(super) fn bare(name: &str) -> &str {
    let hosts = ["localhost/", "docker.io/"];
    let found = hosts.iter().find_map(|host| name.strip_prefix(host));
    found.unwrap_or(name)
}

/// The tags of an image in one repository.
pub(super) fn tags_in<'a>(image: &'a ImageSummary, repository: &str) -> Vec<&'a str> {
    let tags = image.repo_tags.iter().filter_map(|tag| {
        let (name, tag) = tag.rsplit_once(':')?;
        (bare(name) == repository).then_some(tag)
    });
    tags.collect()
}

/// What a copy keeps: the source's, with the spec's laid over it.
fn merged(source: &Kept, spec: &InstanceSpec) -> Kept {
    let mut kept = Kept {
        config: without_volatile(&source.config),
        ..source.clone()
    };
    kept.config.extend(without_volatile(&spec.config));
    kept.devices.extend(spec.devices.clone());
    if !spec.profiles.is_empty() {
        kept.profiles.clone_from(&spec.profiles);
    }
    if !spec.description.is_empty() {
        kept.description.clone_from(&spec.description);
    }
    kept
}
