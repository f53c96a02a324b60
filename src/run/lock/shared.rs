//! One lab, and halolabs of two users: each user has locks of their own, in folders that the other may not read. What both
//! can see is a file in the machine's place for locks, where everybody may make files and remove none of another's.
//!
//! Only the kernel's lock on it counts, so one that was killed holds nothing. A file is held once it was locked *and* is
//! still what its name leads to: whoever ends removes theirs while they hold it. Where there is no such place, or somebody
//! put something else there, there is no such lock, as between halolabs of two machines: then only what the daemon refuses
//! (etags, identities) stands between them.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Where everybody may make files, in the order in which it is looked for.
const PLACES: [&str; 2] = ["/run/lock", "/tmp"];
/// Sticky, and to be written by all.
const FOR_ALL: u32 = 0o1002;
/// How often a file is opened that its owner removes, or has not made readable yet.
const TRIES: u32 = 16;
/// To read it is enough for a lock; nobody but its owner may write it.
const MODE: u32 = 0o644;

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Shared(Vec<(PathBuf, File)>);

impl Drop for Shared {
    fn drop(&mut self) {
        for (path, _) in &self.0 {
            // Another user's file is theirs to remove.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The place of this machine; none where it has none.
pub(super) fn place() -> Option<PathBuf> {
    let fit = |path: &Path| {
        std::fs::symlink_metadata(path)
            .is_ok_and(|about| about.is_dir() && about.mode() & FOR_ALL == FOR_ALL && about.uid() == 0)
    };
    PLACES.iter().map(PathBuf::from).find(|path| fit(path))
}

impl Shared {
    /// Holds these names; the words of who holds one of them where somebody does.
    pub(super) fn take(place: &Path, names: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut held = Self(vec![]);
        for name in names {
            let path = place.join(format!("halolab-{name}"));
            match hold(&path) {
                Ok(Some(file)) => held.0.push((path, file)),
                Ok(None) => return Err(holder(&path)),
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "other users are not locked out");
                }
            }
        }
        Ok(held)
    }
}

/// The locked file; none where somebody else has it locked.
#[expect(
    clippy::disallowed_methods,
    reason = "some milliseconds, and only where two meet at a file that is just made"
)]
fn hold(path: &Path) -> io::Result<Option<File>> {
    let mut last = io::Error::other("it is removed again and again");
    for _ in 0..TRIES {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) => {
                last = error;
                std::thread::sleep(std::time::Duration::from_millis(5));
                continue;
            }
        };
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let now = std::fs::symlink_metadata(path);
        if now.is_ok_and(|now| (now.dev(), now.ino()) == (about.dev(), about.ino())) {
            return Ok(Some(file));
        }
    }
    Err(last)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    // Whatever the mask of this user takes away.
    file.set_permissions(std::fs::Permissions::from_mode(MODE))?;
    Ok(file)
}

/// Who holds a file, as the kernel says it.
fn holder(path: &Path) -> String {
    let pid = std::fs::metadata(path).ok().and_then(|about| {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        pid_of(&locks, about.ino())
    });
    let Some(pid) = pid else {
        return "of another user".to_owned();
    };
    let owner = std::fs::metadata(format!("/proc/{pid}")).map(|about| about.uid());
    match owner {
        Ok(uid) => format!("of the user with the id {uid}, pid {pid}"),
        Err(_) => format!("of another user, pid {pid}"),
    }
}

/// The process of a lock: `1: FLOCK  ADVISORY  WRITE 4242 00:1a:567 0 EOF`. Devices are not compared: file systems such as
/// btrfs say another one here than to `stat`.
fn pid_of(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "FLOCK")?;
        let (pid, place) = (words.get(at + 3)?, words.get(at + 4)?);
        let same = place.rsplit(':').next()? == inode.to_string();
        pid.parse().ok().filter(|pid| same && *pid > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::{Shared, pid_of};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_has_it_and_the_other_is_told_who_until_it_ends() {
        let place = tempfile::tempdir().unwrap();
        let one = Shared::take(place.path(), names(&["d-one", "d-two"])).unwrap();
        let refused = Shared::take(place.path(), names(&["d-three", "d-two"])).unwrap_err();
        assert!(
            refused.ends_with(&format!("pid {}", std::process::id())),
            "{refused}"
        );
        drop(Shared::take(place.path(), names(&["d-three"])).unwrap());
        drop(one);
        assert_eq!(
            std::fs::read_dir(place.path()).unwrap().count(),
            0,
            "nothing is left"
        );
        drop(Shared::take(place.path(), names(&["d-two"])).unwrap());
    }

    #[test]
    fn many_at_once_never_have_it_together() {
        let place = tempfile::tempdir().unwrap();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let had = std::sync::atomic::AtomicUsize::new(0);
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let Ok(held) = Shared::take(place.path(), names(&["d-lab"])) else {
                            continue;
                        };
                        if held.0.is_empty() {
                            continue;
                        }
                        assert_eq!(inside.fetch_add(1, order), 0, "two at once");
                        had.fetch_add(1, order);
                        inside.fetch_sub(1, order);
                        drop(held);
                    }
                });
            }
        });
        assert!(had.load(order) > 0);
    }

    #[test]
    fn what_a_killed_one_left_and_what_is_no_file_of_ours_locks_nobody_out() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("halolab-d-left"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.path().join("halolab-d-link")).unwrap();
        std::fs::create_dir(place.path().join("halolab-d-folder")).unwrap();
        let held = Shared::take(place.path(), names(&["d-left", "d-link", "d-folder"])).unwrap();
        assert_eq!(held.0.len(), 1);
        drop(held);
        assert!(place.path().join("halolab-d-link").symlink_metadata().is_ok());
    }

    #[test]
    fn the_kernels_list_is_read() {
        let locks = "1: POSIX  ADVISORY  WRITE 9 00:1a:567 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 7 00:1a:568 0 EOF\n3: FLOCK  ADVISORY  READ  8 fe:00:567 0 EOF\n";
        assert_eq!(pid_of(locks, 567), Some(8));
        assert_eq!(pid_of(locks, 568), Some(7));
        assert_eq!(pid_of(locks, 1), None);
    }
}
