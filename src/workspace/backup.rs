//! A home as a file: tar in zstd, with its SHA-256 beside it; and back. Nothing outside the home is read or written,
//! whatever links are in it or in the archive.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write as _},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, lchown},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Compression: the usual level of `zstd`.
const LEVEL: i32 = 3;

/// Bytes read at once for a checksum.
const CHUNK: usize = 1 << 20;

/// Why a home was not written, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refused.
    #[error("{what}: {source}; what was there before is as it was")]
    Io {
        /// On what.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The file is there already.
    #[error("{} is there already, and is not overwritten; name another file", .0.display())]
    Exists(PathBuf),
    /// Nobody knows whether the archive is whole.
    #[error(
        "there is no {}: nobody can tell whether the archive is whole; where you know that it is, write the sum with \
         `sha256sum FILE > FILE.sha256`", .0.display()
    )]
    NoSum(PathBuf),
    /// The archive is another one.
    #[error("the archive is damaged: its SHA-256 is {found}, and {wanted} was written down")]
    Damaged {
        /// Now.
        found: String,
        /// Then.
        wanted: String,
    },
    /// The archive wants to write outside.
    #[error("the archive holds `{0}`, which leads out of the home; nothing was put back")]
    Outside(String),
    /// There is a home already.
    #[error("{} is not empty; with --replace it is kept beside the restored one", .0.display())]
    NotEmpty(PathBuf),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// SHA-256 of the archive.
    pub sha256: String,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Where the home of before is kept.
    pub kept: Option<PathBuf>,
}

type Result<T> = std::result::Result<T, BackupError>;

fn failed(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let what = path.display().to_string();
    move |source| BackupError::Io { what, source }
}

/// The file of an archive's sum.
fn sum_file(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

/// Writes a home to an archive. Files that change meanwhile are written as they were met, and named.
///
/// # Errors
/// Something cannot be read or written; then there is no archive.
pub fn save(home: &Path, archive: &Path) -> Result<Report> {
    let sums = sum_file(archive);
    for path in [archive, &sums] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
    }
    let mut part = archive.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write(home, &part).and_then(|mut report| {
        report.sha256 = sum(&part)?;
        fs::rename(&part, archive).map_err(failed(archive))?;
        Ok(report)
    });
    if written.is_err() {
        // What it failed of is told.
        let _ = fs::remove_file(&part);
    }
    let report = written?;
    let name = archive
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let line = format!("{}  {name}\n", report.sha256);
    let file =
        private(&sums).and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
    file.map_err(failed(&sums))?;
    Ok(report)
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn write(home: &Path, part: &Path) -> Result<Report> {
    // The left-over of one that was killed.
    let _ = fs::remove_file(part);
    let file = private(part).map_err(failed(part))?;
    let packed = zstd::Encoder::new(file, LEVEL).map_err(failed(part))?;
    let mut builder = tar::Builder::new(packed);
    let mut report = Report::default();
    let mut open = vec![PathBuf::new()];
    while let Some(name) = open.pop() {
        let path = home.join(&name);
        let found = fs::symlink_metadata(&path).map_err(failed(&path))?;
        let inside = if name.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &name
        };
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&found);
        let kind = found.file_type();
        let result = if kind.is_dir() {
            let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let entries = entries.map_err(failed(&path))?;
            open.extend(entries.iter().map(|entry| name.join(entry.file_name())));
            header.set_size(0);
            builder.append_data(&mut header, inside, io::empty())
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(failed(&path))?;
            header.set_size(0);
            builder.append_link(&mut header, inside, target)
        } else if kind.is_file() {
            let file = File::open(&path).map_err(failed(&path))?;
            let mut exact = Exact {
                file: BufReader::new(file),
                left: found.len(),
                short: false,
            };
            header.set_size(found.len());
            let done = builder.append_data(&mut header, inside, &mut exact);
            report.bytes += found.len();
            if exact.short {
                report.left_out.push(format!(
                    "the end of {}, which became shorter meanwhile",
                    name.display()
                ));
            }
            done
        } else {
            let what = if kind.is_socket() {
                "a socket"
            } else {
                "a device or pipe"
            };
            report.left_out.push(format!("{}, {what}", name.display()));
            continue;
        };
        result.map_err(failed(&path))?;
        report.entries += 1;
    }
    let packed = builder.into_inner().map_err(failed(part))?;
    let file = packed.finish().map_err(failed(part))?;
    file.sync_all().map_err(failed(part))?;
    Ok(report)
}

/// As many bytes as were announced, whatever became of the file since.
struct Exact<R> {
    file: R,
    left: u64,
    short: bool,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..most).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        let mut count = self.file.read(room)?;
        if count == 0 {
            self.short = true;
            room.fill(0);
            count = most;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// SHA-256 of a file.
fn sum(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(failed(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read(&mut buffer).map_err(failed(path))?;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => hash.update(bytes),
            _ => return Ok(hex::encode(hash.finalize())),
        }
    }
}

/// Compares an archive with the sum that was written beside it.
///
/// # Errors
/// There is none, or it is another one.
pub fn check(archive: &Path) -> Result<String> {
    let sums = sum_file(archive);
    let wanted = match fs::read_to_string(&sums) {
        Ok(text) => text.split_whitespace().next().unwrap_or_default().to_lowercase(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BackupError::NoSum(sums)),
        Err(error) => return Err(failed(&sums)(error)),
    };
    let found = sum(archive)?;
    if found != wanted {
        return Err(BackupError::Damaged { found, wanted });
    }
    Ok(found)
}

/// Puts a home back out of an archive; its files belong to `uid` where they belonged to the home's owner. A home that is
/// there is kept beside it where `replace` is said.
///
/// # Errors
/// The archive is damaged or leads outside, or something cannot be written; then the home is as it was.
pub fn restore(archive: &Path, home: &Path, uid: u32, replace: bool) -> Result<Report> {
    let sha256 = check(archive)?;
    let empty = fs::read_dir(home).map_or(true, |mut entries| entries.next().is_none());
    if !empty && !replace {
        return Err(BackupError::NotEmpty(home.to_owned()));
    }
    let beside = |word: &str| {
        let name = home.file_name().unwrap_or_default().to_string_lossy();
        home.with_file_name(format!("{name}.{word}"))
    };
    let fresh = beside("restoring");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(failed(&fresh))?;
    let unpacked = unpack(archive, &fresh, uid);
    let mut report = match unpacked {
        Ok(report) => report,
        Err(error) => {
            let _ = fs::remove_dir_all(&fresh);
            return Err(error);
        }
    };
    report.sha256 = sha256;
    if empty {
        // A folder that is not there is as good as an empty one.
        let _ = fs::remove_dir(home);
    } else {
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let kept = beside(&format!("before-{stamp}"));
        fs::rename(home, &kept).map_err(failed(&kept))?;
        report.kept = Some(kept);
    }
    fs::rename(&fresh, home).map_err(failed(home))?;
    Ok(report)
}

fn unpack(archive: &Path, fresh: &Path, uid: u32) -> Result<Report> {
    let file = File::open(archive).map_err(failed(archive))?;
    let plain = zstd::Decoder::new(file).map_err(failed(archive))?;
    let mut tar = tar::Archive::new(plain);
    tar.set_preserve_permissions(true);
    tar.set_preserve_mtime(true);
    let mut report = Report::default();
    let mut owner = None;
    let root = rustix::process::geteuid().is_root();
    // A folder that its owner may not write to gets its rights once what is in it is there.
    let mut folders = vec![];
    for entry in tar.entries().map_err(failed(archive))? {
        let mut entry = entry.map_err(failed(archive))?;
        let name = entry.path().map_err(failed(archive))?.into_owned();
        let (was, mode) = (
            entry.header().uid().unwrap_or(0),
            entry.header().mode().unwrap_or(0o700),
        );
        let owner = *owner.get_or_insert(was);
        let to = fresh.join(&name);
        let is_folder = entry.header().entry_type().is_dir();
        if is_folder {
            entry.set_preserve_permissions(false);
            folders.push((to.clone(), mode));
        }
        report.bytes += entry.size();
        if !entry.unpack_in(fresh).map_err(failed(&to))? {
            return Err(BackupError::Outside(name.display().to_string()));
        }
        if root {
            let uid = if was == owner {
                uid
            } else {
                u32::try_from(was).unwrap_or(uid)
            };
            lchown(&to, Some(uid), Some(uid)).map_err(failed(&to))?;
        }
        report.entries += 1;
    }
    for (folder, mode) in folders.iter().rev() {
        let rights = std::os::unix::fs::PermissionsExt::from_mode(mode & 0o7777);
        fs::set_permissions(folder, rights).map_err(failed(folder))?;
    }
    Ok(report)
}

/// Removes a folder of a user with all that is in it; `root` is the storage, out of which it never leads.
///
/// # Errors
/// It is not below the root, or cannot be removed.
pub fn delete(root: &Path, folder: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let refused = |why: &str| {
        Err(io::Error::other(format!(
            "{} {why}; nothing of it was removed",
            folder.display()
        )))
    };
    if found.is_symlink() || !found.is_dir() {
        return refused("is no folder");
    }
    let (root, real) = (root.canonicalize()?, folder.canonicalize()?);
    if !real.starts_with(&root) || real == root {
        return refused("leads out of the storage");
    }
    if fs::metadata(real.parent().unwrap_or(&root))?.dev() != found.dev() {
        return refused("is a file system of its own: unmount it first");
    }
    fs::remove_dir_all(&real)
}

#[cfg(test)]
mod tests;
