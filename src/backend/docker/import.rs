//! The files of an image on their way to the engine: a tar file as it is; of a unified image, as LXD's tools make it, what
//! is below `rootfs`.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Component, Path, PathBuf},
    time::Duration,
};

use flate2::read::MultiGzDecoder;
use futures_util::stream;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::timeout,
};

use crate::backend::Progress;

/// One piece of a body.
const PIECE: usize = 256 << 10;
/// Pieces that wait for the engine.
const WAITING: usize = 8;

/// How long the thread may take to tell how it ended.
const LAG: Duration = Duration::from_secs(2);

/// What a piece is, or why there are no more.
type Piece = io::Result<Vec<u8>>;

/// SHA-256 of a file.
pub(super) async fn sum(file: PathBuf) -> io::Result<String> {
    let work = move || -> io::Result<String> {
        let mut file = File::open(file)?;
        let mut sum = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok(hex::encode(sum.finalize()));
            }
            sum.update(piece.get(..length).unwrap_or_default());
        }
    };
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Whether only the engine can unpack a file, so that what is in it is known after the import.
pub(super) async fn is_opaque(file: PathBuf) -> io::Result<bool> {
    let work = move || Ok(Kind::of(&file)? == Kind::Other);
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A body that a thread fills; the second tells what went wrong on this side.
pub(super) fn body(file: PathBuf, progress: Progress) -> (Filled, oneshot::Receiver<Option<String>>) {
    fill(move |out| send(&file, out, &progress))
}

/// The same of the folder that an image is built from.
pub(super) fn context(folder: PathBuf, dockerfile: String) -> (Filled, oneshot::Receiver<Option<String>>) {
    fill(move |out| super::context::pack(&folder, &dockerfile, out))
}

fn fill(
    work: impl FnOnce(&mut Out) -> io::Result<()> + Send + 'static,
) -> (Filled, oneshot::Receiver<Option<String>>) {
    let (pieces, waiting) = mpsc::channel(WAITING);
    let (tell, problem) = oneshot::channel();
    spawn_blocking(move || {
        let mut out = Out {
            pieces: pieces.clone(),
            piece: vec![],
        };
        let done = work(&mut out).and_then(|()| out.flush());
        let said = done
            .as_ref()
            .err()
            .filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        let said = said.map(ToString::to_string);
        if let Err(error) = done {
            let _ = pieces.blocking_send(Err(error));
        }
        let _ = tell.send(said);
    });
    (Filled(waiting), problem)
}

/// What went wrong on this side. A thread whose pieces nobody takes any more has nothing to tell.
pub(super) async fn told(problem: oneshot::Receiver<Option<String>>) -> Option<String> {
    timeout(LAG, problem).await.ok()?.ok()?
}

/// Pieces as they come.
pub(super) struct Filled(mpsc::Receiver<Piece>);

impl Filled {
    /// As a stream.
    pub(super) fn stream(self) -> impl futures_util::Stream<Item = Piece> + Send {
        stream::unfold(self.0, |mut waiting| async move {
            waiting.recv().await.map(|piece| (piece, waiting))
        })
    }
}

/// Writes into the body.
pub(super) struct Out {
    pieces: mpsc::Sender<Piece>,
    piece: Vec<u8>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.pieces
            .blocking_send(Ok(piece))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// A file whose reading is told.
struct Told<'a> {
    file: File,
    read: u64,
    size: u64,
    percent: u8,
    progress: &'a Progress,
}

impl Read for Told<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.progress.cancel.is_cancelled() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = self.file.read(into)?;
        self.read += length as u64;
        let percent = (self.read * 99).checked_div(self.size).unwrap_or_default();
        let percent = u8::try_from(percent.min(99)).unwrap_or(99);
        if percent != self.percent {
            self.percent = percent;
            self.progress.say("importing", Some(percent));
        }
        Ok(length)
    }
}

/// Sends a file in the form that the engine takes.
fn send(file: &Path, out: &mut Out, progress: &Progress) -> io::Result<()> {
    let kind = Kind::of(file)?;
    if kind.is_unified(file)? {
        let mut builder = tar::Builder::new(out);
        repack(kind.open(open(file, progress)?)?, &mut builder)?;
        return builder.finish();
    }
    let mut reader: Box<dyn Read + '_> = match kind {
        // The older engines cannot unpack it.
        Kind::Zstd => kind.open(open(file, progress)?)?,
        _ => Box::new(open(file, progress)?),
    };
    io::copy(&mut reader, out).map(drop)
}

fn open<'a>(path: &Path, progress: &'a Progress) -> io::Result<Told<'a>> {
    let file = File::open(path)?;
    Ok(Told {
        size: file.metadata()?.len(),
        file,
        read: 0,
        percent: 0,
        progress,
    })
}

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    Zstd,
    /// xz or bzip2, which we leave to the engine.
    Other,
    Plain,
}

impl Kind {
    fn of(file: &Path) -> io::Result<Self> {
        let mut magic = vec![];
        File::open(file)?.take(6).read_to_end(&mut magic)?;
        Ok(match magic.as_slice() {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', ..] | [b'B', b'Z', b'h', ..] => Self::Other,
            _ => Self::Plain,
        })
    }

    fn open<'a>(self, reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        let reader = BufReader::with_capacity(PIECE, reader);
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(reader)?),
            Self::Other | Self::Plain => Box::new(reader),
        })
    }

    /// Whether its first file is one that only unified images begin with.
    fn is_unified(self, file: &Path) -> io::Result<bool> {
        if self == Self::Other {
            return Ok(false);
        }
        let mut archive = tar::Archive::new(self.open(File::open(file)?)?);
        for entry in archive.entries()?.take(4) {
            let entry = entry?;
            let path = entry.path()?;
            let plain = path.strip_prefix(".").unwrap_or(&path);
            match plain.components().next() {
                None => {}
                Some(first) => {
                    let first = first.as_os_str();
                    return Ok(["metadata.yaml", "rootfs", "templates"]
                        .iter()
                        .any(|name| first == *name));
                }
            }
        }
        Ok(false)
    }
}

/// The part of a path below `rootfs`; none for what is not below it, and for `rootfs` itself.
fn inner(path: &Path) -> Option<PathBuf> {
    let path = path.strip_prefix(".").unwrap_or(path);
    let inner = path.strip_prefix("rootfs").ok()?;
    (!inner.as_os_str().is_empty()).then(|| inner.to_path_buf())
}

/// Copies what is below `rootfs`, with owners, modes, links and extended attributes.
pub(super) fn repack<W: Write>(from: impl Read, into: &mut tar::Builder<W>) -> io::Result<()> {
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(path) = inner(&entry.path()?) else {
            continue;
        };
        // Long names pass what writes the archive unseen.
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(io::Error::other(format!(
                "`{}` leads out of the image; take another image",
                path.display()
            )));
        }
        let mut attributes: Vec<(String, Vec<u8>)> = vec![];
        if let Some(all) = entry.pax_extensions()? {
            for one in all {
                let one = one?;
                let key = one.key().map_err(io::Error::other)?;
                if key.starts_with("GNU.sparse.") {
                    return Err(io::Error::other(format!(
                        "`{}` is stored with holes in a form that cannot be repacked; pack the image without `--sparse`, or \
                         with `--format=gnu`",
                        path.display()
                    )));
                }
                if key.starts_with("SCHILY.xattr.") {
                    attributes.push((key.to_owned(), one.value_bytes().to_vec()));
                }
            }
        }
        into.append_pax_extensions(
            attributes
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_slice())),
        )?;
        let mut header = plain(&entry);
        match entry.link_name()? {
            Some(target) if header.entry_type().is_hard_link() => {
                let target = inner(&target).unwrap_or_else(|| target.to_path_buf());
                into.append_link(&mut header, &path, target)?;
            }
            Some(target) => into.append_link(&mut header, &path, &target)?,
            None => into.append_data(&mut header, &path, &mut entry)?,
        }
    }
    Ok(())
}

/// The header of what is read: holes are filled by then, and a size that did not fit into the field is known.
fn plain<R: Read>(entry: &tar::Entry<'_, R>) -> tar::Header {
    let mut header = entry.header().clone();
    if header.entry_type().is_gnu_sparse() {
        header.set_entry_type(tar::EntryType::Regular);
        // The list of what is not a hole, in the older form of the header (GNU tar's `struct oldgnu_header`).
        if let Some(list) = header.as_mut_bytes().get_mut(386..495) {
            list.fill(0);
        }
    }
    if header.entry_type().is_file() {
        header.set_size(entry.size());
    }
    header
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        path::{Path, PathBuf},
    };

    use super::{inner, repack};

    #[test]
    fn files_with_holes_and_with_long_sizes_arrive_whole() {
        let mut packed = tar::Builder::new(vec![]);
        let mut header = tar::Header::new_gnu();
        header.set_path("rootfs/holes").unwrap();
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(4);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.sparse[0].set_offset(8192);
        gnu.sparse[0].set_length(4);
        gnu.set_real_size(8196);
        header.set_cksum();
        packed.append(&header, b"tail".as_slice()).unwrap();
        packed.append_pax_extensions([("size", b"5".as_slice())]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_path("rootfs/large").unwrap();
        header.set_size(0);
        header.set_cksum();
        packed.append(&header, b"large".as_slice()).unwrap();
        let packed = packed.into_inner().unwrap();
        let mut again = tar::Builder::new(vec![]);
        repack(packed.as_slice(), &mut again).unwrap();
        let bytes = again.into_inner().unwrap();
        let mut found = vec![];
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert!(entry.header().entry_type().is_file());
            let mut content = vec![];
            entry.read_to_end(&mut content).unwrap();
            found.push((entry.path().unwrap().display().to_string(), content));
        }
        let holes = [vec![0; 8192], b"tail".to_vec()].concat();
        assert_eq!(
            found,
            [
                ("holes".to_owned(), holes),
                ("large".to_owned(), b"large".to_vec())
            ]
        );
        let mut packed = tar::Builder::new(vec![]);
        packed
            .append_pax_extensions([("GNU.sparse.major", b"1".as_slice())])
            .unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        packed
            .append_data(&mut header, "rootfs/odd", std::io::empty())
            .unwrap();
        let packed = packed.into_inner().unwrap();
        let error = repack(packed.as_slice(), &mut tar::Builder::new(vec![])).unwrap_err();
        assert!(error.to_string().contains("--sparse"), "{error}");
    }

    #[test]
    fn no_path_leads_out_of_the_image_however_long_it_is() {
        for path in [
            "rootfs/../x".to_owned(),
            format!("rootfs/{}/../../../x", "long".repeat(60)),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            let mut packed = tar::Builder::new(vec![]);
            // The name as an archive of somebody else may have it.
            let name = format!("{path}\0");
            let mut long = tar::Header::new_gnu();
            long.set_entry_type(tar::EntryType::GNULongName);
            long.set_size(name.len() as u64);
            long.set_cksum();
            packed.append(&long, name.as_bytes()).unwrap();
            packed
                .append_data(&mut header, "rootfs/short", std::io::empty())
                .unwrap();
            let packed = packed.into_inner().unwrap();
            let error = repack(packed.as_slice(), &mut tar::Builder::new(vec![])).unwrap_err();
            assert!(error.to_string().contains("leads out of the image"), "{error}");
        }
    }

    #[test]
    fn what_is_below_rootfs_is_the_image() {
        let of = |path: &str| inner(Path::new(path));
        assert_eq!(of("rootfs/etc/passwd"), Some(PathBuf::from("etc/passwd")));
        assert_eq!(of("./rootfs/bin"), Some(PathBuf::from("bin")));
        assert_eq!(of("rootfs/"), None);
        assert_eq!(of("metadata.yaml"), None);
        assert_eq!(of("rootfsx/a"), None);
    }
}
