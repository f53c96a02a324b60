//! Files inside an instance, running or not.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, header::CONTENT_TYPE};
use tokio::time::sleep;

use super::{
    Lxd, instances,
    instances::check_known,
    transport::{About, Transport, segment},
    wire::Envelope,
};
use crate::backend::{Error, Pieces, Result};

/// The largest file that is read into memory.
const LARGEST: u64 = 256 << 20;
/// How often and how long after each other a request is sent again.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// Links that are followed before we believe in a loop.
const HOPS: usize = 16;

/// A file that was opened for reading.
struct Opened {
    response: Response,
    kind: String,
}

/// The path of a file's resource.
fn path(name: &str, file: &str) -> String {
    format!("{}/files?path={}", instances::path(name), segment(file))
}

/// "to {verb} a file", for errors.
fn about(verb: &str, name: &str, file: &str) -> About {
    About::new(
        format!("{verb} `{file}` in `{name}`"),
        format!("file `{file}` in `{name}`"),
    )
}

/// A header of an answer under either of its names.
fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let named = |prefix: &str| response.headers().get(format!("{prefix}{name}"));
    let value = named("X-Incus-").or_else(|| named("X-LXD-"));
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Adds a header under both of its names.
pub(super) fn with_header(request: RequestBuilder, name: &str, value: &str) -> RequestBuilder {
    request
        .header(format!("X-LXD-{name}"), value)
        .header(format!("X-Incus-{name}"), value)
}

impl Transport {
    /// Sends a request that is not JSON, and reads a no. One that found the daemon's helper for files
    /// between two lives (seen on Incus under load) is sent again: writing the same once more is harmless.
    async fn raw(&self, request: RequestBuilder, about: &About, deadline: Duration) -> Result<Response> {
        for _ in 0..TRIES {
            let Some(again) = request.try_clone() else {
                break;
            };
            match self.raw_once(again, about, deadline).await {
                Err(Error::Refused { message, .. }) if message.contains("forkfile.sock") => {
                    sleep(PAUSE).await;
                }
                other => return other,
            }
        }
        self.raw_once(request, about, deadline).await
    }

    /// One try.
    async fn raw_once(&self, request: RequestBuilder, about: &About, deadline: Duration) -> Result<Response> {
        let limit = (deadline, Duration::ZERO);
        let response = self.answer(about, limit, request.send()).await?;
        let response = response.map_err(|e| self.failed(about, &e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = self.answer(about, limit, response.bytes()).await?;
        let bytes = bytes.map_err(|e| self.failed(about, &e))?;
        let told: Envelope =
            serde_json::from_slice(&bytes).map_err(|e| self.protocol(about, &e.to_string()))?;
        if told.error.contains("nstance not found") {
            let instance = about.what.rsplit(" in ").next().unwrap_or_default();
            return Err(Error::Missing {
                what: format!("instance {instance}"),
            });
        }
        Err(about.refused(status.as_u16(), &told.error))
    }
}

impl Lxd {
    /// Names in a folder.
    pub(super) async fn list_folder(&self, name: &str, folder: &str) -> Result<Vec<String>> {
        let about = about("list", name, folder);
        check_known(name, &about)?;
        let entries: Option<Vec<String>> = self.transport.get(&path(name, folder), &about).await?;
        Ok(entries.unwrap_or_default())
    }

    /// Writes a file with its mode and owner, makes folders that are missing above it, and reads its
    /// size back: a daemon that takes the body for a form answers 200 and writes nothing.
    pub(super) async fn write_file(
        &self,
        name: &str,
        file: &str,
        bytes: &[u8],
        (mode, owner): (u32, (u32, u32)),
    ) -> Result<()> {
        let about = about("write", name, file);
        check_known(name, &about)?;
        // `.` and `..` lead elsewhere than the path says.
        let parts = file.strip_prefix('/').unwrap_or_default();
        if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(about.no("a file is named by an absolute path without `.` and `..`"));
        }
        let written = match self.post_file(name, file, bytes, (mode, owner)).await {
            Err(Error::Missing { what }) if what.starts_with("file") => {
                self.make_folders_above(name, file).await?;
                self.post_file(name, file, bytes, (mode, owner)).await
            }
            other => other,
        };
        written?;
        let size = self.file_size(name, file).await?;
        if size == bytes.len() as u64 {
            Ok(())
        } else {
            Err(about.no(format!(
                "{} bytes were sent and {size} arrived; is the instance's disk full?",
                bytes.len()
            )))
        }
    }

    /// One `POST` of a file.
    async fn post_file(
        &self,
        name: &str,
        file: &str,
        bytes: &[u8],
        (mode, (user, group)): (u32, (u32, u32)),
    ) -> Result<()> {
        let request = self.request(Method::POST, &path(name, file)).body(bytes.to_vec());
        let request = [
            ("type", "file".to_owned()),
            ("write", "overwrite".to_owned()),
            ("mode", format!("{mode:04o}")),
            ("uid", user.to_string()),
            ("gid", group.to_string()),
        ]
        .iter()
        .fold(request, |request, (key, value)| with_header(request, key, value));
        // A slow disk writes a MiB a second.
        let deadline = self.transport.deadlines.file + Duration::from_secs(bytes.len() as u64 >> 20);
        let about = about("write", name, file);
        self.transport.raw(request, &about, deadline).await.map(drop)
    }

    /// Makes the folders above a file; those that are there are left as they are.
    async fn make_folders_above(&self, name: &str, file: &str) -> Result<()> {
        let ends = file.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
        for folder in ends.filter_map(|at| file.get(..at)) {
            let about = about("make folder", name, folder);
            let request = self.request(Method::POST, &path(name, folder));
            let request = with_header(with_header(request, "type", "directory"), "mode", "0755");
            let made = self
                .transport
                .raw(request, &about, self.transport.deadlines.file)
                .await;
            if let Err(error) = made
                && self.list_folder(name, folder).await.is_err()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The size of a file, by its header where the daemon sends one.
    async fn file_size(&self, name: &str, file: &str) -> Result<u64> {
        let opened = self.open_file(name, file).await?;
        match opened.response.content_length() {
            Some(size) => Ok(size),
            None => self
                .read_body(opened.response, name, file)
                .await
                .map(|b| b.len() as u64),
        }
    }

    /// Reads a file.
    pub(super) async fn read_file(&self, name: &str, file: &str) -> Result<Vec<u8>> {
        let opened = self.open_no_folder(name, file).await?;
        self.read_body(opened.response, name, file).await
    }

    /// Reads a file of any size, a piece after the other.
    pub(super) async fn read_pieces(&self, name: &str, file: &str, take: Pieces<'_>) -> Result<()> {
        let mut response = self.open_no_folder(name, file).await?.response;
        while let Some(piece) = self.read_piece(&mut response, name, file).await? {
            take(&piece);
        }
        Ok(())
    }

    async fn open_no_folder(&self, name: &str, file: &str) -> Result<Opened> {
        let about = about("read", name, file);
        check_known(name, &about)?;
        let opened = self.open_file(name, file).await?;
        if opened.kind == "directory" {
            return Err(about.no("it is a folder"));
        }
        Ok(opened)
    }

    /// Opens a file, following symbolic links: the daemons answer with the link's target.
    async fn open_file(&self, name: &str, file: &str) -> Result<Opened> {
        let about = about("read", name, file);
        let mut at = file.to_owned();
        for _ in 0..HOPS {
            let request = self.request(Method::GET, &path(name, &at));
            let response = self
                .transport
                .raw(request, &about, self.transport.deadlines.file)
                .await?;
            let kind = header(&response, "type").to_owned();
            if kind != "symlink" {
                return Ok(Opened { response, kind });
            }
            let target = self.read_body(response, name, &at).await?;
            let target = String::from_utf8_lossy(&target);
            let folder = at.rsplit_once('/').map_or("", |(folder, _)| folder);
            at = if target.starts_with('/') {
                target.into_owned()
            } else {
                format!("{folder}/{target}")
            };
        }
        Err(about.no("its symbolic links lead nowhere"))
    }

    /// Reads the rest of an answer; each piece has the deadline.
    async fn read_body(&self, mut response: Response, name: &str, file: &str) -> Result<Vec<u8>> {
        let mut bytes = vec![];
        while let Some(piece) = self.read_piece(&mut response, name, file).await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > LARGEST {
                return Err(about("read", name, file).no("it is larger than 256 MiB"));
            }
        }
        Ok(bytes)
    }

    async fn read_piece(&self, response: &mut Response, name: &str, file: &str) -> Result<Option<Vec<u8>>> {
        let about = about("read", name, file);
        let limit = (self.transport.deadlines.file, Duration::ZERO);
        let piece = self.transport.answer(&about, limit, response.chunk()).await?;
        piece
            .map(|piece| piece.map(Into::into))
            .map_err(|error| self.transport.failed(&about, &error))
    }

    /// A request with a body that is bytes: with curl's default type LXD reads them as a form and
    /// loses up to 10 MiB of them.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.transport
            .http
            .request(method, format!("{}{path}", self.transport.base))
            .header(CONTENT_TYPE, "application/octet-stream")
    }
}
