//! Hears from the system that files changed; looks nowhere by the clock, except where the system cannot hear.

use std::{
    ffi::OsString,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// File systems whose changes from elsewhere nobody tells: NFS, SMB, CIFS, FUSE, 9p, Ceph.
const DEAF: [u64; 7] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
];

/// Watches files by their names.
#[derive(Debug)]
pub struct Watch {
    ears: Option<OwnedFd>,
    watched: Vec<Watched>,
    deaf: bool,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    name: OsString,
    file: Option<i32>,
    folder: Option<i32>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let ears = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Self {
            deaf: ears.is_none(),
            ears,
            watched: vec![],
        }
    }

    /// Watches the files of some logs.
    pub fn of(logs: &[super::Document]) -> Self {
        let mut watch = Self::new();
        for path in logs.iter().filter_map(super::Document::path) {
            watch.add(path);
        }
        watch
    }

    /// Watches this file, and what happens to its name.
    pub fn add(&mut self, path: &Path) {
        let mut watched = Watched {
            name: path.file_name().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            file: None,
            folder: None,
        };
        if let Some(ears) = &self.ears {
            watched.listen(ears);
        }
        let far = rustix::fs::statfs(path).is_ok_and(|s| {
            let kind = u64::try_from(s.f_type).unwrap_or(0) & 0xffff_ffff;
            DEAF.contains(&kind)
        });
        self.deaf |= far;
        self.watched.push(watched);
    }

    /// Some file has to be looked at by the clock: its file system tells nothing, or no file has its name just now.
    pub fn is_deaf(&self) -> bool {
        self.deaf || self.watched.iter().any(|w| w.file.is_none())
    }

    /// After a look by the clock: listens to what has a name again, and to the folder, which may be another one.
    pub fn renew(&mut self) {
        let Some(ears) = &self.ears else { return };
        for watched in &mut self.watched {
            if watched.file.is_none() {
                watched.listen(ears);
            }
        }
    }

    /// What becomes readable when something happened.
    pub fn ears(&self) -> Option<BorrowedFd<'_>> {
        self.ears.as_ref().map(AsFd::as_fd)
    }

    /// Takes in what happened; says whether any of it is about a file that is watched.
    pub fn hear(&mut self) -> bool {
        let Some(ears) = &self.ears else { return true };
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(ears, &mut room);
        let mut ours = false;
        let mut renamed = false;
        // A link's own folder tells nothing of what it leads to.
        let lost =
            ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::IGNORED | ReadFlags::QUEUE_OVERFLOW;
        while let Ok(event) = reader.next() {
            match event.file_name() {
                // Overflow has no watch: anything may have happened.
                None => {
                    ours = true;
                    renamed |= event.events().intersects(lost);
                }
                Some(name) => {
                    let named = self
                        .watched
                        .iter()
                        .any(|w| w.folder == Some(event.wd()) && w.name.as_bytes() == name.to_bytes());
                    renamed |= named;
                    ours |= named;
                }
            }
        }
        if renamed {
            for watched in &mut self.watched {
                watched.listen(ears);
            }
        }
        ours
    }
}

impl Watched {
    fn listen(&mut self, ears: &OwnedFd) {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let names = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
        self.folder = inotify::add_watch(ears, folder, names).ok();
        let changes =
            WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        self.file = inotify::add_watch(ears, &self.path, changes).ok();
    }
}
