//! Images: fetched by the daemon from an image server, or uploaded from a file, each under an alias.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, interval},
};
use tokio_util::io::ReaderStream;

use super::{
    Lxd,
    files::with_header,
    instances::is_fingerprint,
    operation::cancelled,
    transport::{About, Ask, Reply, Transport, segment},
    wire,
};
use crate::backend::{Error, Progress, RemoteImage, Result};

/// Bytes of a mebibyte.
const MIB: u64 = 1 << 20;

/// "to {verb} an image", for errors.
fn about(verb: &str, alias: &str) -> About {
    About::new(format!("{verb} image `{alias}`"), format!("image `{alias}`"))
}

/// The path of an alias. A slash in it is data.
fn alias_path(alias: &str) -> String {
    format!("/1.0/images/aliases/{}", segment(alias))
}

impl Lxd {
    /// A local image by alias or fingerprint.
    pub(super) async fn find_image(&self, alias: &str) -> Result<Option<wire::Image>> {
        let about = about("look at", alias);
        let fingerprint = if is_fingerprint(alias) {
            Some(alias.to_owned())
        } else {
            self.find_alias(alias).await?.map(|(alias, _)| alias.target)
        };
        let Some(fingerprint) = fingerprint else {
            return Ok(None);
        };
        let path = format!("/1.0/images/{}", segment(&fingerprint));
        match self.transport.get(&path, &about).await {
            Ok(image) => Ok(Some(image)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An alias with its `ETag`.
    async fn find_alias(&self, alias: &str) -> Result<Option<(wire::Alias, Option<String>)>> {
        let about = about("look at", alias);
        if alias.is_empty() || alias == "." || alias == ".." {
            return Ok(None);
        }
        match self.transport.get_tagged(&alias_path(alias), &about).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets an alias mean this image, whatever it meant before.
    async fn set_alias(&self, alias: &str, fingerprint: &str) -> Result<()> {
        let about = About::making(format!("name image `{alias}`"), format!("image alias `{alias}`"));
        let body = json!({ "name": alias, "target": fingerprint, "description": "" });
        match self.find_alias(alias).await? {
            Some((found, _)) if found.target == fingerprint => Ok(()),
            Some((_, etag)) => {
                let path = alias_path(alias);
                let ask = Ask {
                    etag: etag.as_deref(),
                    ..Ask::with(Method::PUT, &path, &body)
                };
                self.transport.ask(&ask, &about).await.map(drop)
            }
            None => {
                let ask = Ask::with(Method::POST, "/1.0/images/aliases", &body);
                self.transport.ask(&ask, &about).await.map(drop)
            }
        }
    }

    /// Lets the daemon fetch an image; one that it has already is only named.
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
        let mut remote = json!({
            "type": "image",
            "mode": "pull",
            "server": source.server,
            "protocol": "simplestreams",
            "alias": source.alias,
        });
        if let (Some(certificate), Some(fields)) = (&source.certificate, remote.as_object_mut()) {
            fields.insert("certificate".into(), json!(certificate));
        }
        // Not kept fresh behind the user's back: a lab is made anew from what was tried.
        let body = json!({ "source": remote, "auto_update": false, "public": false });
        let ask = Ask::with(Method::POST, "/1.0/images", &body);
        let ended = self.transport.follow_to_end(&ask, &about, progress).await?;
        let fingerprint = ended.metadata.get("fingerprint").and_then(Value::as_str);
        let fingerprint = fingerprint.map(str::to_owned);
        let is_new = match Transport::finished(ended, &about) {
            Ok(_) => true,
            // It was fetched before.
            Err(Error::Exists { .. }) => false,
            Err(error) => return Err(error),
        };
        let fingerprint =
            fingerprint.ok_or_else(|| self.transport.protocol(&about, "an image without a fingerprint"))?;
        if !source.fingerprints.is_empty() && !source.fingerprints.contains(&fingerprint) {
            if is_new {
                self.drop_unnamed(&fingerprint).await;
            }
            return Err(Error::Fingerprint {
                image: source.alias.clone(),
                found: fingerprint,
                expected: source.fingerprints.clone(),
            });
        }
        self.set_alias(alias, &fingerprint).await
    }

    /// Removes an image that nobody has named. It has no name of ours either, so what stays is used by nobody.
    async fn drop_unnamed(&self, fingerprint: &str) {
        if let Ok(Some(image)) = self.find_image(fingerprint).await
            && image.aliases.is_empty()
        {
            let _ = self.remove_image(fingerprint).await;
        }
    }

    /// Uploads a unified image file. Its hash is sent along: without it a daemon takes a file that
    /// was cut short for good and fails when an instance is made of it.
    pub(super) async fn upload_image(&self, file: &Path, alias: &str, progress: &Progress) -> Result<()> {
        let name = file.display().to_string();
        let about = About::making(format!("import image file {name}"), format!("image `{alias}`"));
        let unreadable = |source| Error::File {
            path: name.clone(),
            source,
        };
        let (fingerprint, size) = tokio::select! {
            hashed = hash(file) => hashed.map_err(unreadable)?,
            () = progress.cancel.cancelled() => return Err(cancelled(&about)),
        };
        if self.find_image(&fingerprint).await?.is_none() {
            let events = self.transport.subscribe(progress, &about).await;
            let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
            let reply = self
                .send_image(opened, &fingerprint, size, (&about, progress))
                .await?;
            let id = self.transport.started(&reply, &about)?.id;
            let ended = self
                .transport
                .watch_operation(&id, &about, progress, events)
                .await?;
            match Transport::finished(ended, &about) {
                // Somebody else was quicker with the same file.
                Ok(_) | Err(Error::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.set_alias(alias, &fingerprint).await
    }

    /// Sends the file, telling how much of it is sent. There is no deadline for the whole, but one
    /// for a daemon that takes nothing.
    async fn send_image(
        &self,
        file: tokio::fs::File,
        fingerprint: &str,
        size: u64,
        (about, progress): (&About, &Progress),
    ) -> Result<Reply> {
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let pieces = ReaderStream::with_capacity(file, 256 << 10).inspect(move |piece| {
            let bytes = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            counter.fetch_add(bytes, Ordering::Relaxed);
        });
        let request = self
            .transport
            .http
            .post(format!("{}/1.0/images", self.transport.base))
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size)
            .body(reqwest::Body::wrap_stream(pieces));
        let request = with_header(request, "fingerprint", fingerprint);
        let answer = async {
            let response = request.send().await?;
            let status = response.status();
            Ok((status, response.bytes().await?))
        };
        tokio::pin!(answer);
        let mut ticks = interval(Duration::from_millis(250));
        let stall = self.transport.deadlines.stall;
        let (mut last, mut since, mut noticed) = (0, Instant::now(), false);
        let (status, bytes) = loop {
            tokio::select! {
                answered = &mut answer => break answered.map_err(|e: reqwest::Error| self.transport.failed(about, &e))?,
                // Dropping the request closes the connection, and the daemon drops what it got.
                () = progress.cancel.cancelled() => return Err(cancelled(about)),
                _ = ticks.tick() => {
                    let now = sent.load(Ordering::Relaxed);
                    if now != last {
                        (last, since, noticed) = (now, Instant::now(), false);
                        tell(progress, now, size);
                    } else if since.elapsed() > stall {
                        return Err(self.transport.timeout(about, stall));
                    } else if !noticed && since.elapsed() > self.transport.deadlines.notice {
                        noticed = true;
                        self.transport.tell_late(about, since, since + stall);
                    }
                }
            }
        };
        tell(progress, size, size);
        let envelope: wire::Envelope =
            serde_json::from_slice(&bytes).map_err(|e| self.transport.protocol(about, &e.to_string()))?;
        if envelope.kind == "error" {
            return Err(about.refused(envelope.error_code, &envelope.error));
        }
        Ok(Reply {
            status,
            etag: None,
            envelope,
        })
    }

    /// Removes a local image; where it has other names too, only this one.
    pub(super) async fn remove_image(&self, alias: &str) -> Result<()> {
        let about = about("delete", alias);
        let image = self
            .find_image(alias)
            .await?
            .ok_or_else(|| about.refused(404, ""))?;
        let others = image.aliases.iter().any(|other| other.name != alias);
        let path = if others && !is_fingerprint(alias) {
            alias_path(alias)
        } else {
            format!("/1.0/images/{}", segment(&image.fingerprint))
        };
        self.transport
            .run(&Ask::new(Method::DELETE, &path), &about)
            .await
            .map(drop)
    }
}

/// Tells how much of an upload is done.
fn tell(progress: &Progress, sent: u64, size: u64) {
    let percent = (sent * 100).checked_div(size).unwrap_or(100);
    let text = format!("upload: {} of {} MiB", sent.div_ceil(MIB), size.div_ceil(MIB));
    progress.say(text, u8::try_from(percent).ok());
}

/// SHA-256 of a file as hexadecimal, and its size.
async fn hash(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let read = file.read(&mut piece).await?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        size += read as u64;
    }
    let digest = hasher.finalize();
    Ok((hex::encode(digest), size))
}
