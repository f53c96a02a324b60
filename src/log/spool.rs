//! Pipes and archives as growing files: a thread writes what it reads to a file without a name, which goes with the
//! program. What came before an archive breaks is there.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Write as _},
    os::{
        fd::AsFd,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FallocateFlags, fallocate},
};

use super::Wake;

/// Bytes that are copied at a time.
const CHUNK: usize = 64 * 1024;
/// Whoever watches is told this often.
const TELL: Duration = Duration::from_millis(15);

/// Archives that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstandard,
}

impl Archive {
    /// By its first bytes; the name means nothing.
    pub fn of(file: &File) -> Option<Self> {
        let mut magic = [0; 4];
        let read = file.read_at(&mut magic, 0).ok()?;
        match magic.get(..read)? {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstandard),
            _ => None,
        }
    }

    /// The program that unpacks what is read here only as the bytes that it is.
    pub fn foreign(file: &File) -> Option<&'static str> {
        let mut magic = [0; 6];
        let read = file.read_at(&mut magic, 0).ok()?;
        match magic.get(..read)? {
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Some("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', ..] => Some("bzip2"),
            _ => None,
        }
    }

    /// What is in it.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn open(self, file: File) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
            Self::Zstandard => Box::new(zstd::Decoder::new(file)?),
        })
    }
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    /// What is to be said about it.
    note: Mutex<Option<String>>,
    /// Nothing more comes.
    ended: AtomicBool,
    /// Bytes at the beginning whose room was given back.
    forgotten: AtomicU64,
}

impl Shared {
    fn say(&self, note: Option<String>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
    }
}

/// A file without a name, and the thread that fills it.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    shared: Arc<Shared>,
    /// What comes was there before: none of it is new.
    archive: bool,
}

impl Spool {
    /// What a pipe brings.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn pipe(mut input: impl Read + AsFd + Send + 'static, wake: &Wake) -> io::Result<Self> {
        Self::fill(wake, None, move |out| {
            copy(&mut input, out, is_quiet).inspect_err(|text| {
                // Whoever writes must not wait for a reader that keeps nothing any more.
                out.shared.say(Some(text.clone()));
                (out.wake)();
                let _ = io::copy(&mut input, &mut io::sink());
            })
        })
    }

    /// What is in an archive.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn archive(file: File, kind: Archive, wake: &Wake) -> io::Result<Self> {
        Self::fill(wake, Some("reading the archive"), move |out| {
            let mut input = kind.open(file).map_err(|e| broken(&e))?;
            copy(&mut input, out, |_| false)
        })
    }

    fn fill(
        wake: &Wake,
        doing: Option<&str>,
        work: impl FnOnce(&mut Filler) -> Result<(), String> + Send + 'static,
    ) -> io::Result<Self> {
        let file = Arc::new(nameless()?);
        let shared = Arc::new(Shared::default());
        shared.say(doing.map(str::to_owned));
        let (wake, mine) = (Arc::clone(wake), Arc::clone(&shared));
        let mut filler = Filler {
            file: Arc::clone(&file),
            shared: Arc::clone(&shared),
            wake: Arc::clone(&wake),
            told: Instant::now(),
            untold: false,
        };
        thread::Builder::new().name("read-log".into()).spawn(move || {
            let note = work(&mut filler).err();
            mine.say(note);
            mine.ended.store(true, Ordering::SeqCst);
            wake();
        })?;
        let archive = doing.is_some();
        Ok(Self {
            file,
            shared,
            archive,
        })
    }

    /// The bytes that came so far.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The bytes before a place are not read any more: their room is given back, in whole parts. A file system that
    /// cannot do it keeps them until the end.
    pub fn forget_before(&self, at: u64) {
        const PART: u64 = 16 << 20;
        let from = self.shared.forgotten.load(Ordering::Relaxed);
        let to = at / PART * PART;
        if to > from {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(&*self.file, flags, from, to - from);
            self.shared.forgotten.store(to, Ordering::Relaxed);
        }
    }

    /// Whether it is filled out of an archive.
    pub fn is_archive(&self) -> bool {
        self.archive
    }

    /// Whether all that will come is there.
    pub fn is_complete(&self) -> bool {
        self.shared.ended.load(Ordering::SeqCst)
    }

    /// What is to be said about it.
    pub fn note(&self) -> Option<String> {
        self.shared
            .note
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

struct Filler {
    file: Arc<File>,
    shared: Arc<Shared>,
    wake: Wake,
    told: Instant,
    /// Bytes came since.
    untold: bool,
}

impl Filler {
    fn put(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.shared.over.load(Ordering::Relaxed) {
            return Err(String::new());
        }
        (&*self.file).write_all(bytes).map_err(|e| {
            format!(
                "the rest is not shown: it could not be kept in {}: {e}",
                folder().display()
            )
        })?;
        self.untold = true;
        if self.told.elapsed() >= TELL {
            self.tell();
        }
        Ok(())
    }

    fn tell(&mut self) {
        (self.told, self.untold) = (Instant::now(), false);
        (self.wake)();
    }
}

/// Copies to the end; where `pauses` says that the next read would wait, what came is told first.
fn copy<R: Read>(input: &mut R, out: &mut Filler, pauses: impl Fn(&R) -> bool) -> Result<(), String> {
    let mut bytes = vec![0; CHUNK];
    loop {
        if out.untold && pauses(input) {
            out.tell();
        }
        match input.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => out.put(bytes.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(&error)),
        }
    }
}

/// Whether a pipe has nothing now.
fn is_quiet(input: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(input, PollFlags::IN)];
    !matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..))
}

fn broken(error: &impl std::fmt::Display) -> String {
    let text = super::sanitize(&error.to_string());
    format!("broken after what is shown: {text}")
}

/// Where such files are: on a disk, not in memory as `/tmp` often is.
pub fn folder() -> PathBuf {
    if let Some(named) = std::env::var_os("TMPDIR").filter(|v| !v.is_empty()) {
        return named.into();
    }
    let disk = PathBuf::from("/var/tmp");
    if disk.is_dir() { disk } else { "/tmp".into() }
}

/// A new file of ours alone, and its path.
///
/// # Errors
/// The folder cannot be written.
pub fn private_file(suffix: &str) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = folder();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".halolab-{}-{number}{suffix}", std::process::id()));
        let made = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => return Ok((file, path)),
        }
    }
}

fn nameless() -> io::Result<File> {
    let (file, path) = private_file("")?;
    std::fs::remove_file(path)?;
    Ok(file)
}
