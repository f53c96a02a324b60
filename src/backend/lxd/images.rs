//! Images: look, fetch from a server, upload a file, name, remove.

use std::path::Path;

use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::{
    Lxd,
    transport::{About, Ask, segment},
    wire,
};
use crate::backend::{Error, Progress, RemoteImage, Result};

fn about(verb: &str, alias: &str) -> About {
    About::new(format!("{verb} image `{alias}`"), format!("image `{alias}`"))
}

impl Lxd {
    /// By alias, then by fingerprint.
    pub(super) async fn find_image(&self, alias: &str) -> Result<Option<wire::Image>> {
        let about = about("look at", alias);
        let named: Result<wire::Alias> = self
            .transport
            .get(&format!("/1.0/images/aliases/{}", segment(alias)), &about)
            .await;
        let fingerprint = match named {
            Ok(found) => found.target,
            Err(Error::Missing { .. })
                if alias.len() >= 12 && alias.chars().all(|c| c.is_ascii_hexdigit()) =>
            {
                alias.to_owned()
            }
            Err(Error::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self
            .transport
            .get(&format!("/1.0/images/{}", segment(&fingerprint)), &about)
            .await
        {
            Ok(found) => Ok(Some(found)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a fingerprint an alias, taking it from the image that had it.
    async fn name_image(&self, fingerprint: &str, alias: &str) -> Result<()> {
        let about = about("name", alias);
        let path = format!("/1.0/images/aliases/{}", segment(alias));
        let body = json!({"target": fingerprint, "description": "made by halolab"});
        match self
            .transport
            .ask(&Ask::with(Method::PUT, &path, &body), &about)
            .await
        {
            Err(Error::Missing { .. }) => {}
            ended => return ended.map(drop),
        }
        let body = json!({"name": alias, "target": fingerprint, "description": "made by halolab"});
        self.transport
            .ask(
                &Ask::with(Method::POST, "/1.0/images/aliases", &body),
                &About::making("name image", format!("image `{alias}`")),
            )
            .await
            .map(drop)
    }

    /// Fetches an image.
    pub(super) async fn fetch_image(
        &self,
        source: &RemoteImage,
        alias: &str,
        progress: &Progress,
    ) -> Result<()> {
        let about = About::making(
            format!("fetch image `{}` from {}", source.alias, source.server),
            format!("image `{alias}`"),
        );
        let mut from = json!({"type": "image", "mode": "pull", "server": source.server, "protocol": "simplestreams", "alias": source.alias});
        if let (Some(pem), Some(object)) = (&source.certificate, from.as_object_mut()) {
            object.insert("certificate".into(), json!(pem));
        }
        let body = json!({"source": from, "auto_update": false});
        let ended = self
            .transport
            .follow(&Ask::with(Method::POST, "/1.0/images", &body), &about, progress)
            .await?;
        let fingerprint = ended
            .metadata
            .get("fingerprint")
            .and_then(|f| f.as_str())
            .unwrap_or_default()
            .to_owned();
        self.name_image(&fingerprint, alias).await
    }

    /// Uploads a file, with its hash: a cut upload without one is taken for whole (measured).
    pub(super) async fn upload_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        let about = About::making(format!("import {}", file.display()), format!("image `{alias}`"));
        let failed = |source| Error::File {
            path: file.display().to_string(),
            source,
        };
        let (hash, size) = hash_of(file).await.map_err(failed)?;
        if self.find_image(&hash).await?.is_some() {
            return self.name_image(&hash, alias).await;
        }
        let opened = tokio::fs::File::open(file).await.map_err(failed)?;
        let told = progress.clone();
        let mut sent = 0_u64;
        let stream = tokio_util::io::ReaderStream::with_capacity(opened, 256 * 1024);
        let stream = futures_util::StreamExt::map(stream, move |chunk| {
            if told.cancel.is_cancelled() {
                return Err(std::io::Error::other("stopped by the user"));
            }
            if let Ok(bytes) = &chunk {
                sent += bytes.len() as u64;
                let percent = u8::try_from(sent * 100 / size.max(1)).unwrap_or(100);
                told.say(format!("uploading: {percent}%"), Some(percent));
            }
            chunk
        });
        let name = file
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut request = self
            .transport
            .http
            .request(Method::POST, format!("{}/1.0/images", self.transport.base));
        request = request.header("Content-Type", "application/octet-stream");
        for brand in ["LXD", "Incus"] {
            request = request
                .header(format!("X-{brand}-filename"), segment(&name))
                .header(format!("X-{brand}-fingerprint"), &hash)
                .header(format!("X-{brand}-public"), "false");
        }
        let response = request.body(reqwest::Body::wrap_stream(stream)).send().await;
        let response = match response {
            Err(_) if progress.cancel.is_cancelled() => return Err(super::operation::cancelled(&about)),
            other => other.map_err(|e| self.transport.failed(&about, &e))?,
        };
        let bytes = response
            .bytes()
            .await
            .map_err(|e| self.transport.failed(&about, &e))?;
        let told: wire::Envelope =
            serde_json::from_slice(&bytes).map_err(|e| self.transport.protocol(&about, &e.to_string()))?;
        if told.kind == "error" {
            return Err(about.refused(told.error_code, &told.error));
        }
        let id = told
            .operation
            .split('?')
            .next()
            .unwrap_or_default()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let ended = self.transport.wait(&id, &about).await?;
        self.transport.finished(ended, &about)?;
        self.name_image(&hash, alias).await
    }

    /// Removes an image with all its aliases.
    pub(super) async fn remove_image(&self, alias: &str) -> Result<()> {
        let about = about("delete", alias);
        let found = self.find_image(alias).await?.ok_or_else(|| Error::Missing {
            what: about.object.clone(),
        })?;
        let path = format!("/1.0/images/{}", segment(&found.fingerprint));
        self.transport
            .run(&Ask::new(Method::DELETE, &path), &about)
            .await
            .map(drop)
    }
}

async fn hash_of(file: &Path) -> std::io::Result<(String, u64)> {
    let mut file = tokio::fs::File::open(file).await?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hash.update(buffer.get(..count).unwrap_or_default());
    }
    Ok((hash.finalize().iter().map(|b| format!("{b:02x}")).collect(), size))
}
