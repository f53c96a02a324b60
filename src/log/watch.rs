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

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

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
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut watched = Watched {
            name: path.file_name().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            file: None,
            folder: None,
        };
        if let Some(ears) = &self.ears {
            let names =
                WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
            watched.folder = inotify::add_watch(ears, folder, names).ok();
            watched.file = listen(ears, path);
        }
        let far = rustix::fs::statfs(path).is_ok_and(|s| {
            let kind = u64::try_from(s.f_type).unwrap_or(0) & 0xffff_ffff;
            DEAF.contains(&kind)
        });
        self.deaf |= far || watched.file.is_none();
        self.watched.push(watched);
    }

    /// Some file has to be looked at by the clock.
    pub fn is_deaf(&self) -> bool {
        self.deaf
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
        while let Ok(event) = reader.next() {
            match event.file_name() {
                // Overflow has no watch: anything may have happened.
                None => ours = true,
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
                watched.file = listen(ears, &watched.path);
            }
        }
        ours
    }
}

fn listen(ears: &OwnedFd, path: &Path) -> Option<i32> {
    let changes = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
    inotify::add_watch(ears, path, changes).ok()
}
