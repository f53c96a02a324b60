//! Files inside an instance, running or not, by the engine's archive calls. The engine follows links inside the
//! container's root, never out of it.

use std::time::Duration;

use bollard::{
    body_full,
    container::PathStatResponse,
    query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions},
};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{Docker, call::DEADLINE, instance::Container};
use crate::backend::{Error, Result, about::About};

/// The largest file that is read into memory.
const LARGEST: u64 = 256 << 20;
/// Links that are followed before we believe in a loop.
const HOPS: usize = 16;
/// Bits of the engine's file modes (Go's `fs.FileMode`).
const FOLDER: u32 = 1 << 31;
const LINK: u32 = 1 << 27;

/// "to {verb} a file", for errors.
fn about(verb: &str, name: &str, file: &str) -> About {
    About::new(
        format!("{verb} `{file}` in `{name}`"),
        format!("file `{file}` in `{name}`"),
    )
}

impl Docker {
    /// Writes a file with its mode and owner, makes folders that are missing above it, and reads its size back.
    pub(super) async fn write_file(
        &self,
        name: &str,
        file: &str,
        bytes: &[u8],
        (mode, owner): (u32, (u32, u32)),
    ) -> Result<()> {
        let about = about("write", name, file);
        let container = self.existing(name, &about).await?;
        let parts = file.strip_prefix('/').unwrap_or_default();
        if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(about.no("a file is named by an absolute path without `.` and `..`"));
        }
        refuse_memory_disks(&container, file, &about)?;
        // A link is written through, as every program does it; the engine would put a file in its place.
        let file = match self.stat(&container.id, file, &about).await? {
            Some(found) if found.file_mode & LINK != 0 => found.link_target,
            _ => file.to_owned(),
        };
        let (there, missing) = self.split(&container.id, &file, &about).await?;
        let archive = archive(&missing, bytes, mode, owner).map_err(|error| about.no(error.to_string()))?;
        let options = UploadToContainerOptions {
            path: there,
            no_overwrite_dir_non_dir: Some("1".to_owned()),
            copy_uidgid: None,
        };
        // A slow disk writes a MiB a second.
        let deadline = DEADLINE * 2 + Duration::from_secs(bytes.len() as u64 >> 20);
        let call = self
            .api
            .upload_to_container(&container.id, Some(options), body_full(archive.into()));
        self.call_within(deadline, &about, call).await?;
        let size = self
            .stat(&container.id, &file, &about)
            .await?
            .map(|found| found.size);
        if size == i64::try_from(bytes.len()).ok() {
            Ok(())
        } else {
            Err(about.no(format!(
                "{} bytes were sent and {} arrived; is the disk full?",
                bytes.len(),
                size.unwrap_or_default()
            )))
        }
    }

    /// The deepest folder above a path that is there, and the rest of the path.
    async fn split(&self, id: &str, file: &str, about: &About) -> Result<(String, String)> {
        let mut at = file;
        while let Some((folder, _)) = at.rsplit_once('/') {
            if folder.is_empty() {
                break;
            }
            if let Some(found) = self.stat(id, folder, about).await? {
                if found.file_mode & (FOLDER | LINK) == 0 {
                    return Err(about.no(format!("`{folder}` is no folder")));
                }
                let rest = file.get(folder.len() + 1..).unwrap_or_default();
                return Ok((folder.to_owned(), rest.to_owned()));
            }
            at = folder;
        }
        Ok(("/".to_owned(), file.trim_start_matches('/').to_owned()))
    }

    /// What a path is; none where nothing is there.
    async fn stat(&self, id: &str, path: &str, about: &About) -> Result<Option<PathStatResponse>> {
        let options = ContainerArchiveInfoOptions {
            path: path.to_owned(),
        };
        self.find(about, self.api.get_container_archive_info(id, Some(options)))
            .await
    }

    /// Reads a file.
    pub(super) async fn read_file(&self, name: &str, file: &str) -> Result<Vec<u8>> {
        let about = about("read", name, file);
        let container = self.existing(name, &about).await?;
        refuse_memory_disks(&container, file, &about)?;
        let mut at = file.to_owned();
        for _ in 0..HOPS {
            let Some(found) = self.stat(&container.id, &at, &about).await? else {
                return Err(Error::Missing {
                    what: format!("file `{file}` in `{name}`"),
                });
            };
            if found.file_mode & FOLDER != 0 {
                return Err(about.no("it is a folder"));
            }
            if u64::try_from(found.size).unwrap_or_default() > LARGEST {
                return Err(about.no("it is larger than 256 MiB"));
            }
            if found.file_mode & LINK == 0 {
                return self.fetch(&container.id, &at, &about).await;
            }
            at = found.link_target;
        }
        Err(about.no("its symbolic links lead nowhere"))
    }

    /// The only file of an archive.
    async fn fetch(&self, id: &str, file: &str, about: &About) -> Result<Vec<u8>> {
        let options = DownloadFromContainerOptions {
            path: file.to_owned(),
        };
        let mut stream = std::pin::pin!(self.api.download_from_container(id, Some(options)));
        let mut archive = vec![];
        loop {
            match timeout(DEADLINE, stream.next()).await {
                Err(_) => return Err(self.late(about, DEADLINE)),
                Ok(None) => break,
                Ok(Some(piece)) => {
                    archive.extend_from_slice(&piece.map_err(|error| self.said(about, &error))?);
                }
            }
            // A file may grow while it is read.
            if archive.len() as u64 > LARGEST + (1 << 20) {
                return Err(about.no("it is larger than 256 MiB"));
            }
        }
        unpack(&archive).map_err(|error| self.protocol(about, &error.to_string()))
    }
}

/// What is mounted in memory is not in the container's files: the engine would write below the mount and read what is
/// there.
fn refuse_memory_disks(container: &Container, file: &str, about: &About) -> Result<()> {
    let host = container.told.host_config.clone().unwrap_or_default();
    let tmpfs = host.tmpfs.unwrap_or_default();
    let mounted = tmpfs.keys().find(|path| {
        let path = path.trim_end_matches('/');
        file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    });
    match mounted {
        Some(path) => Err(about.no(format!(
            "`{path}` is in memory, where the engine does not reach; take another folder"
        ))),
        None => Ok(()),
    }
}

/// A file below folders that are to be made.
fn archive(path: &str, bytes: &[u8], mode: u32, (user, group): (u32, u32)) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::with_capacity(bytes.len() + 4096));
    let mtime = jiff::Timestamp::now().as_second().unsigned_abs();
    for (end, _) in path.match_indices('/') {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        header.set_mtime(mtime);
        builder.append_data(
            &mut header,
            path.get(..=end).unwrap_or_default(),
            std::io::empty(),
        )?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(user.into());
    header.set_gid(group.into());
    header.set_size(bytes.len() as u64);
    header.set_mtime(mtime);
    builder.append_data(&mut header, path, bytes)?;
    builder.into_inner()
}

fn unpack(archive: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive
        .entries()?
        .next()
        .ok_or_else(|| std::io::Error::other("an empty archive"))??;
    let size = entry.header().size()?;
    let mut bytes = vec![];
    entry.read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(std::io::Error::other(format!("{} of {size} bytes", bytes.len())))
    }
}
