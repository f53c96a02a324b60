//! What is removed, and what is left because something stands on it. Nothing is removed by force: the engine would take
//! the files away under a stopped container, and Podman the container too.
//!
//! A removal is: the name `LAB.gone`, a record that the identity goes, the container, its images, the record. So one that
//! fails or is cut leaves either the container with all its snapshots, or a record by which the images are found.

use std::time::Duration;

use bollard::{models::ImageSummary, query_parameters::RemoveContainerOptions};

use super::{
    Docker,
    call::WORK,
    instance::Container,
    instances::{about as about_instance, about_image},
    labels,
    record::Kind,
    snapshots::{bare, tags_in},
};
use crate::backend::{
    Error, Result,
    about::{About, check_known},
};

/// Seconds after which a copy that has no container is taken for one that was cut.
const ABANDONED: i64 = 3600;

/// How long an engine may take to forget what a container stood on that it does not list any more, and how often it is
/// asked: 10 s in all.
const LATE: u32 = 50;
const LOOK: Duration = Duration::from_millis(200);

/// Which images of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// All of them.
    All,
    /// Those that it got from the instance that it is a copy of; never a snapshot that was taken of itself.
    Copied,
}

impl Docker {
    /// Removes a stopped instance with its snapshots. Its container takes another name first, so that a removal that is cut
    /// is known and finished.
    pub(super) async fn delete_instance(&self, name: &str) -> Result<()> {
        let about = about_instance("delete", name);
        check_known(name, &about)?;
        Box::pin(self.settle(name)).await?;
        let container = self.existing(name, &about).await?;
        if container.runs() {
            return Err(about.no(format!("it runs; stop it with `halolab stop {name}`")));
        }
        let gone = labels::gone(name);
        match self.rename_container(&container.id, &gone, &about).await {
            Err(Error::Exists { .. }) => {
                return Err(about.no(format!(
                    "the container `{gone}` is in the way: its removal never came to an end"
                )));
            }
            done => done?,
        }
        Box::pin(self.finish_removal(&container, &about)).await
    }

    /// What a removal does after the container has lost its name.
    pub(super) async fn finish_removal(&self, container: &Container, about: &About) -> Result<()> {
        if container.runs() {
            return Err(about.no(format!(
                "`{}` was to be removed and was started since; stop or rename it with the engine's own tool",
                container.name
            )));
        }
        if container.ours {
            let there = self.record::<String>(Kind::Gone, &container.uuid).await?;
            let read = there.map(|record| record.image);
            self.write_record(Kind::Gone, &container.uuid, &container.name, read.as_deref())
                .await?;
        }
        self.remove_container(&container.id, false, about).await?;
        for volume in super::volumes::unnamed(container) {
            tracing::warn!(
                "what `{}` had in `{}` is still in the volume `{}`; `docker volume rm` removes it",
                container.name,
                volume.path,
                volume.name
            );
        }
        self.drop_record(Kind::Config, &container.id).await?;
        if container.ours {
            self.forget(&container.uuid, about).await?;
        }
        self.drop_unused(&container.image).await;
        self.sweep().await
    }

    /// Removes the images of an identity whose container is gone. While another container has it, given by hand, what that
    /// one stands on is its own.
    pub(super) async fn forget(&self, uuid: &str, about: &About) -> Result<()> {
        let all = self.containers(about).await?;
        if !all.iter().any(|other| other.ours && other.uuid == uuid) {
            self.drop_images_of(uuid, Whose::All).await?;
        }
        self.drop_record(Kind::Gone, uuid).await
    }

    /// Removes a container. Volumes that the engine made for it may go with one that nothing was ever written in: what is in
    /// those of another is nowhere else.
    pub(super) async fn remove_container(&self, id: &str, volumes: bool, about: &About) -> Result<()> {
        let options = RemoveContainerOptions {
            v: volumes,
            ..RemoveContainerOptions::default()
        };
        let gone = self
            .call_within(WORK, about, self.api.remove_container(id, Some(options)))
            .await;
        match gone {
            Err(Error::Missing { .. }) => Ok(()),
            // Somebody else removes it at this moment.
            Err(Error::Refused { message, .. }) if message.contains("already in progress") => Ok(()),
            done => done,
        }
    }

    /// Names an image as what the container of an identity stands on.
    pub(super) async fn tag_root(&self, image: &str, uuid: &str, about: &About) -> Result<()> {
        self.tag(image, (&labels::roots_of(uuid), "now"), about).await
    }

    /// Takes a name of ours from an image, which goes with its last one. Where a container of ours stands on it, its own name
    /// for it comes first; one that is not ours keeps it.
    pub(super) async fn untag(&self, tag: &str, image: &str) -> Result<()> {
        let refused = match self.drop_image(tag).await {
            Err(refused @ Error::Refused { .. }) => refused,
            done => return done,
        };
        let about = About::new(format!("remove the image `{tag}`"), format!("image `{tag}`"));
        let all = self.containers(&about).await?;
        let users: Vec<&Container> = all.iter().filter(|user| user.image == image).collect();
        if users.is_empty() {
            return self.untag_late(tag, refused).await;
        }
        for user in users {
            if !user.ours {
                return Err(about.no(format!(
                    "the container `{}` was made from it; remove that one first",
                    user.name
                )));
            }
            self.tag_root(image, &user.uuid, &about).await?;
        }
        self.drop_image(tag).await
    }

    /// No container that is listed stands on it: the engine still removes the one that did.
    async fn untag_late(&self, tag: &str, mut refused: Error) -> Result<()> {
        for _ in 0..LATE {
            tokio::time::sleep(LOOK).await;
            match self.drop_image(tag).await {
                Err(again @ Error::Refused { .. }) => refused = again,
                done => return done,
            }
        }
        Err(refused)
    }

    /// Removes the names of images of an identity: its snapshots, and what it was made anew from. What a container that is
    /// not ours stands on stays, and is said.
    pub(super) async fn drop_images_of(&self, uuid: &str, whose: Whose) -> Result<()> {
        let about = About::new("remove snapshots", "list of images");
        let repositories = [labels::snapshots_of(uuid), labels::roots_of(uuid)];
        for image in self.images(&about).await? {
            let label = |key: &str| image.labels.get(key).map(String::as_str);
            let own = label(labels::UUID) == Some(uuid) && label(labels::KIND) == Some(labels::SNAPSHOT);
            if own && whose == Whose::Copied {
                continue;
            }
            for repository in &repositories {
                for tag in tags_in(&image, repository) {
                    match self.untag(&format!("{repository}:{tag}"), &image.id).await {
                        Ok(()) | Err(Error::Missing { .. }) => {}
                        Err(error @ Error::Refused { .. }) => tracing::warn!(%error, "an image stays"),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes what a copy left that was cut before its container was there, and what a removal left that was cut after its
    /// container was gone. Snapshots without such a sign are never removed: their container may have been removed by hand.
    pub(super) async fn sweep(&self) -> Result<()> {
        let about = About::new("remove what was left over", "list of images");
        let going = self.records::<String>(Kind::Gone).await?;
        let images = self.images(&about).await?;
        let young = jiff::Timestamp::now().as_second() - ABANDONED;
        let mut left: Vec<String> = vec![];
        for image in images.iter().filter(|image| image.created < young) {
            left.extend(roots(image));
        }
        if going.is_empty() && left.is_empty() {
            return Ok(());
        }
        let all = self.containers(&about).await?;
        for uuid in going.keys() {
            let own: Vec<&Container> = all.iter().filter(|one| one.ours && one.uuid == *uuid).collect();
            if own.is_empty() {
                self.drop_images_of(uuid, Whose::All).await?;
                self.drop_record(Kind::Gone, uuid).await?;
            } else if own.iter().any(|one| !one.name.ends_with(labels::GONE)) {
                // Somebody gave it its name back.
                self.drop_record(Kind::Gone, uuid).await?;
            }
        }
        for uuid in left {
            if !all.iter().any(|one| one.uuid == uuid) {
                // One that is needed after all is refused.
                let _ = self.drop_image(&format!("{}:now", labels::roots_of(&uuid))).await;
            }
        }
        Ok(())
    }

    /// Removes an image of ours that has no name any more, once nothing needs it.
    pub(super) async fn drop_unused(&self, image: &str) {
        let found = self
            .find(&about_image(image), self.api.inspect_image(image))
            .await;
        let Ok(Some(found)) = found else { return };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let ours = labels
            .get(labels::KIND)
            .is_some_and(|kind| kind == labels::SNAPSHOT || kind == labels::ROOT);
        if ours && found.repo_tags.unwrap_or_default().is_empty() {
            // Refused where another container or image is on top of it: then it is needed.
            let _ = self.drop_image(image).await;
        }
    }
}

/// The identities whose container an image was made for, or made from.
fn roots(image: &ImageSummary) -> Vec<String> {
    let prefix = labels::roots_of("");
    let tags = image.repo_tags.iter().filter_map(|tag| {
        let (name, _) = tag.rsplit_once(':')?;
        bare(name).strip_prefix(&prefix)
    });
    tags.map(str::to_owned).collect()
}
