//! Where a log comes from: a file that may grow, be cut, be replaced or go away, a pipe, or an archive. The last two
//! are written to a file without a name first, so that everything else knows growing files only.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Wake, sanitize,
    spool::{Archive, Spool},
};

/// Bytes at the beginning and at the end of what was seen, by which a file that was written anew is told.
const PRINT: usize = 64;
/// Bytes by which text is told.
const HEAD: usize = 4096;

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("{name} cannot be read: {source}; check the path and your rights on it (`ls -l`)")]
    Io {
        /// The file.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// It is a folder.
    #[error("{0} is a folder; name a file in it")]
    Folder(String),
    /// The file that a pipe or an archive is written to cannot be made.
    #[error("{name} cannot be kept for reading: {source}; name a folder with room in TMPDIR")]
    Spool {
        /// The file.
        name: String,
        /// Why not.
        source: io::Error,
    },
}

/// What became of a log since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// There is more of it.
    Grown,
    /// It was cut, or written anew in its place.
    Cut,
    /// Another file has its name now.
    Replaced,
    /// No file has its name any more; what was read is still there.
    Gone,
    /// It is back: the same file.
    Back,
}

#[derive(Debug)]
enum Origin {
    File {
        path: PathBuf,
        id: (u64, u64),
        gone: bool,
        head: Vec<u8>,
        tail: Vec<u8>,
        /// What is to be said of it.
        note: Option<String>,
    },
    Spool(Spool),
    /// A file whose name another one has now.
    Former,
}

/// A log that is open.
#[derive(Debug)]
pub struct Source {
    name: String,
    origin: Origin,
    file: Arc<File>,
    len: u64,
}

/// A file that is called an archive and is none: what is to be said, unless it is a text all the same.
fn false_archive(path: &Path, file: &File) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    let kind = match extension {
        "gz" | "tgz" => "gzip",
        "zst" => "zstandard",
        _ => return None,
    };
    let mut head = [0; HEAD];
    let read = file.read_at(&mut head, 0).ok()?;
    let head = head.get(..read)?;
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character that the end cuts is none that is wrong.
        Err(error) => error.error_len().is_none(),
    };
    let is_text = is_text && !head.contains(&0);
    (!is_text).then(|| format!("broken: no {kind} archive, shown as it is"))
}

impl Source {
    /// Opens a log by its path; `-` is the standard input.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path, wake: &Wake) -> Result<Self, OpenError> {
        let name = sanitize(&path.to_string_lossy());
        if path == Path::new("-") {
            return Self::spooled("standard input".into(), Spool::pipe(io::stdin(), wake));
        }
        let failed = |source| OpenError::Io {
            name: name.clone(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let known = file.metadata().map_err(failed)?;
        if known.is_dir() {
            return Err(OpenError::Folder(name));
        }
        if !known.is_file() || is_made_on_reading(&file, &known) {
            let kind = known.file_type();
            if !(known.is_file() || kind.is_fifo() || kind.is_char_device() || kind.is_socket()) {
                return Err(failed(io::ErrorKind::InvalidInput.into()));
            }
            return Self::spooled(name, Spool::pipe(file, wake));
        }
        if let Some(archive) = Archive::of(&file) {
            return Self::spooled(name, Spool::archive(file, archive, wake));
        }
        Ok(Self::file(name, path, file, &known))
    }

    fn file(name: String, path: &Path, file: File, known: &Metadata) -> Self {
        let note = false_archive(path, &file).or_else(|| {
            let program = Archive::foreign(&file)?;
            Some(format!(
                "compressed by {program}, shown as it is: `{program} -dc FILE | halolab view`"
            ))
        });
        let mut source = Self {
            name,
            origin: Origin::File {
                note,
                path: path.to_owned(),
                id: (known.dev(), known.ino()),
                gone: false,
                head: vec![],
                tail: vec![],
            },
            file: Arc::new(file),
            len: known.len(),
        };
        source.remember();
        source
    }

    fn spooled(name: String, spool: io::Result<Spool>) -> Result<Self, OpenError> {
        match spool {
            Ok(spool) => Ok(Self {
                name,
                file: Arc::clone(spool.file()),
                origin: Origin::Spool(spool),
                len: 0,
            }),
            Err(source) => Err(OpenError::Spool { name, source }),
        }
    }

    /// A file whose name another one has now; it may still grow.
    pub(super) fn former(name: String, file: Arc<File>) -> Self {
        let len = file.metadata().map_or(0, |known| known.len());
        Self {
            name,
            origin: Origin::Former,
            file,
            len,
        }
    }

    /// Its name, safe to draw.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file to watch; a pipe and an archive tell themselves.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File { path, .. } => Some(path),
            Origin::Spool(_) | Origin::Former => None,
        }
    }

    /// The bytes before a place are not needed any more: of a pipe or an archive they take no room then.
    pub fn forget_before(&self, at: u64) {
        if let Origin::Spool(spool) = &self.origin {
            spool.forget_before(at);
        }
    }

    /// The bytes.
    pub fn handle(&self) -> &Arc<File> {
        &self.file
    }

    /// Their number, as of the last look.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is to be said of a pipe or an archive: being read, broken, no room, none at all.
    pub fn note(&self) -> Option<String> {
        match &self.origin {
            Origin::File { note, .. } => note.clone(),
            Origin::Spool(spool) => spool.note(),
            Origin::Former => None,
        }
    }

    /// Whether it was all there before, however long it takes to read it.
    pub fn is_archive(&self) -> bool {
        matches!(&self.origin, Origin::Spool(spool) if spool.is_archive())
    }

    /// Whether a pipe or an archive was read to its end; a file always is.
    pub fn is_complete(&self) -> bool {
        match &self.origin {
            Origin::File { .. } | Origin::Former => true,
            Origin::Spool(spool) => spool.is_complete(),
        }
    }

    /// Looks what became of it.
    pub fn look(&mut self) -> Change {
        match self.look_at_name() {
            Change::None => {}
            change => return change,
        }
        let len = self.file.metadata().map_or(self.len, |m| m.len());
        if len < self.len || !self.is_the_same() {
            self.len = len;
            self.remember();
            return Change::Cut;
        }
        if len == self.len {
            return Change::None;
        }
        self.len = len;
        self.remember();
        Change::Grown
    }

    /// Whether the name still means the file that is open.
    fn look_at_name(&mut self) -> Change {
        let Origin::File { path, id, gone, .. } = &mut self.origin else {
            return Change::None;
        };
        let Ok(now) = std::fs::metadata(&*path) else {
            return if std::mem::replace(gone, true) {
                Change::None
            } else {
                Change::Gone
            };
        };
        if *id == (now.dev(), now.ino()) {
            return if std::mem::take(gone) {
                Change::Back
            } else {
                Change::None
            };
        }
        let path = path.clone();
        match File::open(&path).and_then(|f| f.metadata().map(|m| (f, m))) {
            Ok((file, known)) if known.is_file() => {
                *self = Self::file(std::mem::take(&mut self.name), &path, file, &known);
                Change::Replaced
            }
            _ => Change::None,
        }
    }

    /// Keeps the first and the last bytes of what was seen.
    fn remember(&mut self) {
        let (file, len) = (Arc::clone(&self.file), self.len);
        let Origin::File { head, tail, .. } = &mut self.origin else {
            return;
        };
        *head = read(&file, 0, len);
        *tail = read(&file, len.saturating_sub(PRINT as u64), len);
    }

    fn is_the_same(&self) -> bool {
        let Origin::File { head, tail, .. } = &self.origin else {
            return true;
        };
        let start = self.len.saturating_sub(PRINT as u64);
        read(&self.file, 0, self.len) == *head && read(&self.file, start, self.len) == *tail
    }
}

/// At most [`PRINT`] bytes from `start` on, none after `end`.
fn read(file: &File, start: u64, end: u64) -> Vec<u8> {
    let room = usize::try_from(end - start).unwrap_or(PRINT).min(PRINT);
    let mut bytes = vec![0; room];
    let count = file.read_at(&mut bytes, start).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

/// Files of /proc and /sys say that they are empty, and are made when they are read.
fn is_made_on_reading(file: &File, known: &Metadata) -> bool {
    let mut byte = [0];
    known.len() == 0 && matches!(file.read_at(&mut byte, 0), Ok(1..))
}
