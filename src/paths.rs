//! Where files are, and how private ones are written.
//!
//! XDG folders; all of them under `HALOLAB_HOME` where that is set; those of the caller under `sudo`.

use std::{
    env,
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use etcetera::{BaseStrategy as _, base_strategy::Xdg};
use rustix::{fs::OFlags, io::Errno};

/// The name of our folder in each XDG folder and in `/etc`.
const NAME: &str = "halolab";

/// The folders of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `config.toml`, `stages/`, `themes/`, `matrix/`, as the user wrote them.
    pub config: PathBuf,
    /// The same, for all users of the machine.
    pub system: PathBuf,
    /// Journals, plans and logs of runs.
    pub state: PathBuf,
    /// What can be fetched again.
    pub cache: PathBuf,
    /// Locks. In the state folder, and not where sessions have theirs: who was started by cron or `su` has no session, and
    /// must hold the same ones.
    pub runtime: PathBuf,
    /// Folders with stages; a later one overrides.
    pub stages: Vec<PathBuf>,
    /// Folders with themes; a later one overrides.
    pub themes: Vec<PathBuf>,
    /// Folders with additions to the matrix; a later one overrides.
    pub matrix: Vec<PathBuf>,
    /// Folders with rules for logs: what is an error in them, and what has a colour.
    pub logs: Vec<PathBuf>,
}

/// A file or folder of ours that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Neither `HOME` nor an entry in the user database.
    #[error("no home folder is known: set HOME, or HALOLAB_HOME to a folder for all files of halolab")]
    NoHome,
    /// Something that was put there to be written through.
    #[error("{} is a symbolic link, which halolab does not write through; remove it, or set HALOLAB_HOME", .0.display())]
    Symlink(PathBuf),
    /// A file stands where a folder should be.
    #[error("{} is not a folder; move it away, or set HALOLAB_HOME", .0.display())]
    NotAFolder(PathBuf),
    /// The system refused.
    #[error("{} could not be {action}: {source}; check its owner and the room on its disk", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl From<FileError> for io::Error {
    /// For callers whose own errors are those of the system; the text stays.
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::Io { source, .. } => source.kind(),
            FileError::NoHome => io::ErrorKind::NotFound,
            FileError::Symlink(_) => io::ErrorKind::AlreadyExists,
            FileError::NotAFolder(_) => io::ErrorKind::NotADirectory,
        };
        Self::new(kind, error)
    }
}

impl Paths {
    /// The folders of whoever started us, by the environment.
    pub fn discover() -> Result<Self, FileError> {
        if let Some(home) = env::var_os("HALOLAB_HOME").filter(|home| !home.is_empty()) {
            let home = std::path::absolute(&home).unwrap_or_else(|_| home.into());
            return Ok(Self::under(&home));
        }
        let is_root = rustix::process::geteuid().is_root();
        if let Some(caller) = is_root.then(|| env::var("SUDO_USER").ok()).flatten() {
            let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
            if let Some(home) = home_of(&users, &caller) {
                return Ok(Self::of_home(&home));
            }
        }
        let xdg = Xdg::new().map_err(|_| FileError::NoHome)?;
        let state = xdg.state_dir().unwrap_or_else(|| xdg.data_dir()).join(NAME);
        Ok(Self {
            runtime: state.join("run"),
            cache: xdg.cache_dir().join(NAME),
            state,
            ..Self::of_config(xdg.config_dir().join(NAME), Path::new("/etc/halolab").to_owned())
        })
    }

    /// All folders under one: for tests, and for trying things out.
    pub fn under(home: &Path) -> Self {
        Self {
            state: home.join("state"),
            cache: home.join("cache"),
            runtime: home.join("run"),
            ..Self::of_config(home.join("config"), home.join("etc"))
        }
    }

    /// The folders of the user with this home, whoever we are.
    fn of_home(home: &Path) -> Self {
        let state = home.join(".local/state").join(NAME);
        Self {
            runtime: state.join("run"),
            state,
            cache: home.join(".cache").join(NAME),
            ..Self::of_config(
                home.join(".config").join(NAME),
                Path::new("/etc/halolab").to_owned(),
            )
        }
    }

    fn of_config(config: PathBuf, system: PathBuf) -> Self {
        let both = |name: &str| vec![system.join(name), config.join(name)];
        Self {
            stages: both("stages"),
            themes: both("themes"),
            matrix: both("matrix"),
            logs: both("log"),
            config,
            system,
            state: PathBuf::new(),
            cache: PathBuf::new(),
            runtime: PathBuf::new(),
        }
    }

    /// The user's settings.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The settings for all users.
    pub fn system_config_file(&self) -> PathBuf {
        self.system.join("config.toml")
    }
}

/// Home folder of a user in the text of `/etc/passwd`; none for root, who is nobody's caller.
fn home_of(users: &str, name: &str) -> Option<PathBuf> {
    let entry = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|entry| entry.first() == Some(&name))?;
    let user_id: u32 = entry.get(2)?.parse().ok()?;
    let home = PathBuf::from(entry.get(5)?);
    (user_id != 0 && home.is_absolute()).then_some(home)
}

/// Makes a folder that only its owner can look into (0700), and those above it where they are missing.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    let failed = |source| FileError::Io {
        action: "made",
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(FileError::Symlink(path.to_owned())),
        Ok(found) if !found.is_dir() => return Err(FileError::NotAFolder(path.to_owned())),
        Ok(found) if found.mode() & 0o777 == 0o700 => return Ok(()),
        Ok(_) => return close_to_others(path).map(|_| ()).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return no_file_above(path).and_then(|()| Err(failed(error))),
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above.filter(|above| !above.exists()) {
        private_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Somebody was faster: what they made is looked at as anything else.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => private_folder(path),
        Err(error) => Err(failed(error)),
        // Whatever the umask took away.
        Ok(()) => close_to_others(path)
            .and_then(|folder| give(&folder, path))
            .map_err(failed),
    }
}

/// Refuses a path that leads through a file, and says through which.
pub fn no_file_above(path: &Path) -> Result<(), FileError> {
    let is_file = |above: &&Path| fs::metadata(above).is_ok_and(|found| !found.is_dir());
    match path.ancestors().find(is_file) {
        Some(file) => Err(FileError::NotAFolder(file.to_owned())),
        None => Ok(()),
    }
}

/// Lets only its owner into a folder. What is opened is changed, so that a link that takes its place leads nowhere.
fn close_to_others(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
    let only_owner = fs::Permissions::from_mode(0o700);
    let open = || OpenOptions::new().read(true).custom_flags(flags).open(path);
    let folder = match open() {
        // Made under a umask that takes rights of the owner, who is not root then.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, only_owner.clone())?;
            open()?
        }
        opened => opened?,
    };
    folder.set_permissions(only_owner)?;
    Ok(folder)
}

/// Replaces a file as a whole, readable by its owner only (0600): whoever reads it, even after a power cut,
/// finds the old one or the new one. A symbolic link is refused.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        return Err(FileError::Symlink(path.to_owned()));
    }
    let failed = |source| FileError::Io {
        action: "written",
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    private_parent(folder)?;
    let name = path
        .file_name()
        .unwrap_or_else(|| OsStr::new("file"))
        .to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let fresh = folder.join(format!(".{name}.{}.{count}.new", std::process::id()));
    let written = write_fresh(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // What it failed of is told; a left-over is harmless.
        let _ = fs::remove_file(&fresh);
    }
    written
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(failed)
}

/// Opens a private file (0600) as `options` say. A symbolic link that was put in its place is refused, and so is what is
/// no file.
///
/// # Errors
/// As for opening; a link is [`FileError::Symlink`].
pub fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let not_through = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = not_through.bits().cast_signed();
    let file = match options.mode(0o600).custom_flags(flags).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(FileError::Symlink(path.to_owned()).into());
        }
        opened => opened?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        let text = format!("{} is no file; remove it", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    if found.mode() & 0o777 != 0o600 {
        // Made under a umask that takes rights of the owner, or opened up since.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    if found.len() == 0 {
        give(&file, path)?;
    }
    Ok(file)
}

/// A folder that is there already stays as it is: a user's `~/.config` is theirs.
fn private_parent(folder: &Path) -> Result<(), FileError> {
    if folder.is_dir() {
        Ok(())
    } else {
        private_folder(folder)
    }
}

fn write_fresh(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A left-over of a process of the same number that was killed in between.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = open_private(OpenOptions::new().write(true).create_new(true), path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Under `sudo`, what is made in a user's folder belongs to that user, or they could not use it later.
fn give(file: &File, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Some(above) = path.parent() else { return Ok(()) };
    let owner = fs::metadata(if above.as_os_str().is_empty() {
        Path::new(".")
    } else {
        above
    })?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// A path as somebody typed it: `~/` is their home.
pub fn typed(text: &str) -> PathBuf {
    let text = text.trim();
    match (text.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_of_sudo_is_found_by_name() {
        let users = "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000:Anna:/home/anna:/bin/bash\nbroken\n";
        assert_eq!(home_of(users, "anna"), Some(PathBuf::from("/home/anna")));
        assert_eq!(home_of(users, "root"), None);
        assert_eq!(home_of(users, "ann"), None);
        assert_eq!(home_of(users, "broken"), None);
    }

    #[test]
    fn folders_of_a_home_are_the_xdg_defaults() {
        let paths = Paths::of_home(Path::new("/home/anna"));
        assert_eq!(
            paths.config_file(),
            Path::new("/home/anna/.config/halolab/config.toml")
        );
        assert_eq!(paths.state, Path::new("/home/anna/.local/state/halolab"));
        assert_eq!(paths.runtime, Path::new("/home/anna/.local/state/halolab/run"));
        assert_eq!(
            paths.stages,
            [
                Path::new("/etc/halolab/stages"),
                Path::new("/home/anna/.config/halolab/stages")
            ]
        );
    }

    #[test]
    fn a_private_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/receipt.json");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let above = path.parent().unwrap();
        assert_eq!(fs::metadata(above).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(above).unwrap().count(), 1, "no left-over");
    }

    #[test]
    fn a_symbolic_link_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "kept").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = write_private(&link, b"lost").unwrap_err();
        assert!(matches!(error, FileError::Symlink(_)), "{error}");
        assert_eq!(fs::read(&target).unwrap(), b"kept");
        let folder_link = folder.path().join("folder-link");
        std::os::unix::fs::symlink(folder.path(), &folder_link).unwrap();
        assert!(matches!(private_folder(&folder_link), Err(FileError::Symlink(_))));
    }

    #[test]
    fn a_private_file_is_opened_by_no_link_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = open_private(OpenOptions::new().append(true).create(true), &link).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(fs::read(&target).unwrap(), b"kept");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o664)).unwrap();
        open_private(OpenOptions::new().append(true), &target).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let error = open_private(OpenOptions::new().read(true), &pipe).unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");
    }

    #[test]
    fn a_folder_that_others_can_read_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        private_folder(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::write(path.join("file"), "").unwrap();
        for below in ["file", "file/trust", "file/trust/more"] {
            let refused = private_folder(&path.join(below));
            let named = matches!(&refused, Err(FileError::NotAFolder(file)) if *file == path.join("file"));
            assert!(named, "{below}: {refused:?}");
        }
    }
}
