//! Images: look, fetch from a registry, import a root file system, remove.

use std::{collections::HashMap, path::Path};

use bollard::{
    body_try_stream,
    models::{ContainerCreateBody, CreateImageInfo, ImageInspect},
    query_parameters::{
        ContainerArchiveInfoOptions, CreateContainerOptions, CreateImageOptions, TagImageOptions,
    },
};

use futures_util::TryStreamExt as _;

use super::{Docker, import, instances::about_image, labels};
use crate::backend::{Error, ImageInfo, Progress, RemoteImage, Result, about::About, error::fold};

/// Of a container's config: the CUDA that its image says it has.
pub const IMAGE_CUDA: &str = "image.cuda";

impl Docker {
    /// A local image by its name, or by its identifier.
    pub(super) async fn find_image(&self, alias: &str) -> Result<Option<ImageInfo>> {
        // Podman takes a bare identifier for a name.
        let is_bare = alias.len() == 64 && alias.bytes().all(|b| b.is_ascii_hexdigit());
        let asked = match is_bare {
            true => format!("sha256:{alias}"),
            false => alias.to_owned(),
        };
        let found = self
            .find(&about_image(alias), self.api.inspect_image(&asked))
            .await?;
        Ok(found.map(info))
    }

    /// Name and tag of an image that is imported, as the engine takes them: Podman 4 leaves a tag away that is not in the
    /// name.
    pub(super) fn named(&self, repository: &str, tag: &str) -> (String, Option<String>) {
        match self.engine() {
            "podman" => (format!("{repository}:{tag}"), None),
            _ => (repository.to_owned(), Some(tag.to_owned())),
        }
    }

    /// Fetches an image from a registry, and names it `alias` too.
    pub(super) async fn fetch_image(
        &self,
        source: &RemoteImage,
        alias: &str,
        progress: &Progress,
    ) -> Result<()> {
        let host = source.server.trim_end_matches('/');
        let host = host.rsplit_once("://").map_or(host, |(_, host)| host);
        let reference = if host.is_empty() {
            source.alias.clone()
        } else {
            format!("{host}/{}", source.alias)
        };
        let about = About::making(
            format!("fetch the image `{reference}`"),
            format!("image `{reference}`"),
        );
        if source.certificate.is_some() {
            return Err(about.no(format!(
                "the engine itself fetches it, and trusts what is in `/etc/docker/certs.d/{host}/ca.crt` on its machine; put \
                 the certificate there"
            )));
        }
        let image = if source.fingerprints.is_empty() {
            self.pull(&reference, &about, progress).await?;
            reference.clone()
        } else {
            let image =
                Box::pin(self.pull_one_of(&reference, &source.fingerprints, &about, progress)).await?;
            if !reference.contains('@') {
                self.name_image(&image, &reference, &about).await?;
            }
            image
        };
        if alias != reference {
            self.name_image(&image, alias, &about).await?;
        }
        progress.say(format!("{reference} is here"), Some(100));
        Ok(())
    }

    /// Fetches an image by name or digest; a name that another one has goes over to it.
    async fn pull(&self, reference: &str, about: &About, progress: &Progress) -> Result<()> {
        // Without a tag or digest the engine would fetch all of them.
        let name = reference.rsplit('/').next().unwrap_or_default();
        let tag = (!name.contains([':', '@'])).then(|| "latest".to_owned());
        let options = CreateImageOptions {
            from_image: Some(reference.to_owned()),
            tag,
            ..CreateImageOptions::default()
        };
        let mut layers = Layers::default();
        let stream = self.api.create_image(Some(options), None, None);
        self.follow(about, progress, stream, &mut |told| layers.tell(&told, progress))
            .await
    }

    /// Fetches one of the images that are expected, by their own or their registry's digests: by digest, so that no name leads
    /// to another image, whenever it is cut. What it is called afterwards.
    async fn pull_one_of(
        &self,
        reference: &str,
        expected: &[String],
        about: &About,
        progress: &Progress,
    ) -> Result<String> {
        let (name, digest) = reference
            .split_once('@')
            .map_or((reference, None), |(n, d)| (n, Some(d)));
        let (repository, _) = split(name);
        for sum in expected.iter().filter(|_| digest.is_none()) {
            let image = format!("{repository}@sha256:{sum}");
            match self.pull(&image, about, progress).await {
                Ok(()) => return Ok(image),
                // It may be the image's own digest, which registries do not know.
                Err(Error::Missing { .. } | Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let digest = if let Some(digest) = digest {
            digest.to_owned()
        } else {
            let told = self
                .call(about, self.api.inspect_registry_image(reference, None))
                .await?;
            told.descriptor.digest.unwrap_or_default()
        };
        let image = format!("{repository}@{digest}");
        let there = self.find_image(&image).await?.is_some();
        self.pull(&image, about, progress).await?;
        let found = self.call(about, self.api.inspect_image(&image)).await?;
        let own = found.id.unwrap_or_default();
        let sums = [digest.as_str(), own.as_str()].map(|text| text.trim_start_matches("sha256:"));
        if expected.iter().any(|sum| sums.contains(&sum.as_str())) {
            return Ok(image);
        }
        if !there {
            self.drop_image(&image).await?;
        }
        Err(Error::Fingerprint {
            image: reference.to_owned(),
            found: fold(own.trim_start_matches("sha256:")),
            expected: expected.to_vec(),
        })
    }

    /// Gives an image a name, which another one loses.
    async fn name_image(&self, image: &str, alias: &str, about: &About) -> Result<()> {
        let (repository, tag) = split(alias);
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
        };
        self.call(about, self.api.tag_image(image, Some(options))).await
    }

    /// Imports a root file system under `alias`: a tar file, or the `rootfs` of a unified image. The same file again
    /// changes nothing.
    pub(super) async fn upload_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        let about = About::making(
            format!("import {} as `{alias}`", file.display()),
            format!("image `{alias}`"),
        );
        let unreadable = |source: std::io::Error| Error::File {
            path: fold(&file.display().to_string()),
            source,
        };
        let sum = import::sum(file.to_path_buf()).await.map_err(unreadable)?;
        let there = self
            .find(&about_image(alias), self.api.inspect_image(alias))
            .await?;
        let known = there
            .and_then(|image| image.config)
            .and_then(|config| config.labels);
        if known.and_then(|labels| labels.get(labels::SHA256).cloned()) == Some(sum.clone()) {
            progress.say(format!("{alias} is here already"), Some(100));
            return Ok(());
        }
        // What nobody looked into has no name until somebody did.
        let opaque = import::is_opaque(file.to_path_buf()).await.map_err(unreadable)?;
        let (repository, tag) = split(alias);
        let (repository, tag) = self.named(repository, tag);
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: (!opaque).then_some(repository),
            tag: tag.filter(|_| !opaque),
            changes: vec![format!("LABEL {}={sum}", labels::SHA256)],
            ..CreateImageOptions::default()
        };
        let (filled, problem) = import::body(file.to_path_buf(), progress.clone());
        let body = body_try_stream(filled.stream().map_ok(Into::into));
        let stream = self.api.create_image(Some(options), Some(body), None);
        let mut last = None;
        let done = self
            .follow(&about, progress, stream, &mut |told: CreateImageInfo| {
                last = told.status;
            })
            .await;
        // What went wrong on our side says more than the engine's words about a tar file that ends early.
        if let Some(problem) = import::told(problem).await {
            return match done {
                Err(cut @ Error::Cancelled { .. }) => Err(cut),
                _ => Err(about.no(problem)),
            };
        }
        done?;
        if opaque {
            self.look_into(&last.unwrap_or_default(), alias, &about).await?;
        }
        progress.say(format!("{alias} is here"), Some(100));
        Ok(())
    }

    /// Names an image that the engine unpacked, unless it is a unified one with the root file system below `rootfs`.
    async fn look_into(&self, image: &str, alias: &str, about: &About) -> Result<()> {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(vec!["never started".to_owned()]),
            ..ContainerCreateBody::default()
        };
        let made = self
            .call(
                about,
                self.api.create_container(None::<CreateContainerOptions>, body),
            )
            .await?;
        let mut found = 0;
        for path in ["/rootfs", "/metadata.yaml"] {
            let options = ContainerArchiveInfoOptions {
                path: path.to_owned(),
            };
            let look = self.api.get_container_archive_info(&made.id, Some(options));
            found += u8::from(self.find(&about_image(alias), look).await?.is_some());
        }
        self.remove_container(&made.id, true, about).await?;
        if found == 2 {
            self.drop_image(image).await?;
            return Err(about.no(
                "it is a unified image packed with xz or bzip2, of which only what is below `rootfs` is wanted; pack it with gzip \
                 or zstd: `xz -dc FILE | gzip > FILE.gz`",
            ));
        }
        self.name_image(image, alias, about).await
    }

    /// Removes a local image.
    pub(super) async fn remove_local_image(&self, alias: &str) -> Result<()> {
        self.drop_image(alias).await
    }
}

fn info(told: ImageInspect) -> ImageInfo {
    let mut properties: std::collections::BTreeMap<String, String> = [
        ("os", told.os),
        ("architecture", told.architecture),
        ("tags", told.repo_tags.map(|tags| tags.join(" "))),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value.filter(|value| !value.is_empty())?)))
    .collect();
    let config = told.config.unwrap_or_default();
    // What images with CUDA say of themselves, for whoever starts them.
    let cuda = cuda(config.env.as_deref().unwrap_or_default());
    properties.extend(cuda.map(|cuda| ("cuda".to_owned(), cuda)));
    let labels = config.labels.unwrap_or_default();
    let foreign = labels
        .into_iter()
        .filter(|(key, _)| !key.starts_with("io.halolab."));
    properties.extend(foreign);
    ImageInfo {
        fingerprint: told
            .id
            .unwrap_or_default()
            .trim_start_matches("sha256:")
            .to_owned(),
        size: told
            .size
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or_default(),
        uploaded: told.created.unwrap_or_default(),
        properties,
    }
}

/// The CUDA of an image by its environment: `CUDA_VERSION`, or the least that it asks of the driver by
/// `NVIDIA_REQUIRE_CUDA` (`cuda>=12.9 brand=…`).
pub(super) fn cuda(env: &[String]) -> Option<String> {
    let of = |name: &str| {
        env.iter()
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let least = || {
        let mut words = of("NVIDIA_REQUIRE_CUDA")?.split_whitespace();
        words.find_map(|word| word.strip_prefix("cuda>="))
    };
    let fits = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text.len() <= 20
            && text.contains('.')
            && text.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let found = of("CUDA_VERSION").filter(fits).or_else(|| least().filter(fits));
    found.map(str::to_owned)
}

/// Repository and tag; the port of a registry is no tag.
fn split(alias: &str) -> (&str, &str) {
    match alias.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (alias, "latest"),
    }
}

/// How far each layer is.
#[derive(Default)]
struct Layers(HashMap<String, (i64, i64)>);

impl Layers {
    fn tell(&mut self, told: &CreateImageInfo, progress: &Progress) {
        let status = told.status.clone().unwrap_or_default();
        if let (Some(id), Some(detail)) = (&told.id, &told.progress_detail)
            && let (Some(current), Some(total)) = (detail.current, detail.total)
            && total > 0
            && status == "Downloading"
        {
            self.0.insert(id.clone(), (current, total));
        }
        if let Some(layer) = told.id.as_ref().and_then(|id| self.0.get_mut(id))
            && status == "Download complete"
        {
            layer.0 = layer.1;
        }
        let (done, all) = self.0.values().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        let percent = (all > 0).then(|| u8::try_from(done * 100 / all).unwrap_or(100).min(99));
        progress.say(fold(&status), percent);
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{CreateImageInfo, ProgressDetail};
    use tokio::sync::mpsc;

    use super::{Layers, Progress, split};

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(split("lab/bb"), ("lab/bb", "latest"));
        assert_eq!(split("lab/bb:2"), ("lab/bb", "2"));
        assert_eq!(split("host:5000/bb"), ("host:5000/bb", "latest"));
        assert_eq!(split("host:5000/bb:1"), ("host:5000/bb", "1"));
    }

    #[test]
    fn the_percent_of_a_fetch_is_that_of_all_layers() {
        let (sink, mut heard) = mpsc::unbounded_channel();
        let progress = Progress {
            sink: Some(sink),
            ..Progress::default()
        };
        let mut layers = Layers::default();
        let mut tell = |id: &str, status: &str, numbers: Option<(i64, i64)>| {
            let told = CreateImageInfo {
                id: Some(id.into()),
                status: Some(status.into()),
                progress_detail: numbers.map(|(current, total)| ProgressDetail {
                    current: Some(current),
                    total: Some(total),
                }),
                ..CreateImageInfo::default()
            };
            layers.tell(&told, &progress);
            heard.try_recv().unwrap().1
        };
        assert_eq!(tell("a", "Pulling fs layer", None), None);
        assert_eq!(tell("a", "Downloading", Some((50, 100))), Some(50));
        assert_eq!(tell("b", "Downloading", Some((0, 300))), Some(12));
        assert_eq!(tell("a", "Download complete", None), Some(25));
        assert_eq!(
            tell("a", "Extracting", Some((1, 100))),
            Some(25),
            "unpacking is not fetching"
        );
    }
}
