//! Who works on what: locks that die with their processes. A change of the machine or of what labs share excludes every
//! other; changes of single labs exclude those of the same lab of the same daemon only.
//!
//! `lock` is held alone by the first kind, and together by all of the second kind; those hold `lock.d/DAEMON-LAB` for each
//! of their labs, too, under each name of the daemon. Who holds a file is written in it, for people; that it is held at all
//! only the kernel says. Other users of the machine are kept away by [`shared`].

mod shared;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use sha2::{Digest as _, Sha256};

use crate::{
    paths::{open_private, private_folder},
    plan::{Action, Plan, Step, Track},
};

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another halolab works.
    #[error(
        "another halolab is at work ({0}); wait for it, or look with `halolab runs` and `halolab status`"
    )]
    Held(String),
    /// The lock file cannot be used.
    #[error(
        "nothing was changed: the lock {path} cannot be used: {source}; mend that, then give the same `halolab` command again"
    )]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What is said of one that has not written down yet what it does.
const JUST_BEGUN: &str = "it has just begun";

/// A daemon, as locks name it: by the place where it is reached, and once it has answered also by what it is, so that one
/// that is reached at two places (its socket, HTTPS, another path) has one lock for a lab. Clones learn it together.
#[derive(Clone, Debug, Default)]
pub struct Daemon {
    place: String,
    identity: Arc<OnceLock<String>>,
    /// Docker beside it: labs of two halolabs that share it are the same, whichever LXD each has.
    docker: Arc<OnceLock<String>>,
}

impl Daemon {
    /// The one at this socket or URL.
    pub fn at(place: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            identity: Arc::default(),
            docker: Arc::default(),
        }
    }

    /// It answered, and this is what it is ([`crate::backend::Server::identity`]).
    pub fn answered(&self, identity: &str) {
        if !identity.is_empty() {
            // What it said first counts: a lock that is held must not change its name.
            let _ = self.identity.set(identity.to_owned());
        }
    }

    /// Docker answered, and this is what it is; what it said first counts.
    pub fn docker_answered(&self, identity: &str) {
        let _ = (!identity.is_empty()).then(|| self.docker.set(identity.to_owned()));
    }

    /// The socket or URL by which it is reached.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// All of its names.
    fn names(&self) -> Vec<String> {
        let known = [self.identity.get(), self.docker.get()].into_iter().flatten();
        std::iter::once(self.place.clone())
            .chain(known.cloned())
            .collect()
    }
}

/// What is going to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The names of the daemon of the labs: the place where it is reached, then what it says that it is.
    pub daemon: Vec<String>,
    /// Labs, and nothing that others share; empty for everything.
    pub labs: Vec<String>,
}

impl Scope {
    /// What a plan changes: everything, where it changes the machine or what labs share.
    pub fn of(plan: &Plan, daemon: &Daemon) -> Self {
        if !plan.host.is_empty() {
            return Self::default();
        }
        let made = |action: &Action| match &action.step {
            Step::Create { spec } | Step::Copy { spec, .. } => Some(spec.name.clone()),
            Step::Delete { name, .. } | Step::Retire { name, .. } | Step::Expire { name, .. } => {
                Some(name.clone())
            }
            _ => None,
        };
        let of_track = |t: &Track| {
            let made = t.actions.iter().filter_map(made);
            let copied = t.actions.iter().filter_map(|a| match &a.step {
                Step::Copy { from, .. } => Some(from.clone()),
                _ => None,
            });
            let lab = std::iter::once(t.lab.clone());
            lab.chain(made).chain(copied).collect::<Vec<_>>()
        };
        Self::labs(daemon, plan.labs.iter().flat_map(of_track))
    }

    /// These labs of a daemon.
    pub fn labs<S: Into<String>>(daemon: &Daemon, labs: impl IntoIterator<Item = S>) -> Self {
        let mut labs: Vec<String> = labs.into_iter().map(Into::into).collect();
        labs.sort_unstable();
        labs.dedup();
        Self {
            daemon: daemon.names(),
            labs,
        }
    }

    /// The files of its labs.
    fn files(&self, lock: &Path) -> Vec<PathBuf> {
        let names = self.file_names(&self.daemon);
        names.into_iter().map(|name| folder(lock).join(name)).collect()
    }

    /// Each lab under each of these names of the daemon, as files are called.
    fn file_names(&self, daemon: &[String]) -> Vec<String> {
        let short = |name: &String| {
            let sum = hex::encode(Sha256::digest(name.as_bytes()));
            sum.get(..8).unwrap_or_default().to_owned()
        };
        let daemons: Vec<String> = daemon.iter().map(short).collect();
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let mut files = vec![];
        for lab in &self.labs {
            let lab: String = lab.chars().map(plain).collect();
            files.extend(daemons.iter().map(|daemon| format!("{daemon}-{lab}")));
        }
        files
    }
}

fn folder(lock: &Path) -> PathBuf {
    lock.with_extension("d")
}

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    /// What is written in by us; emptied at the end.
    ours: Vec<File>,
    /// Held together with others.
    _together: Option<File>,
    /// Kept from other users of this machine.
    _shared: Option<shared::Shared>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        for file in &self.ours {
            // Whoever looks who holds it has to try nothing then.
            let _ = file.set_len(0);
        }
    }
}

/// The other halolab that holds a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// What it does: `run ID`, or the words of a small change.
    pub what: String,
    /// Its process; 0 where it cannot be told.
    pub pid: u32,
    /// Who runs it; empty where it cannot be told.
    pub user: String,
    /// Since when, in words.
    pub since: String,
    /// The lab that it changes, or one of them; empty where it may be anything.
    pub lab: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = if self.user.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.user)
        };
        write!(f, "{}, pid {}{user}, since {}", self.what, self.pid, self.since)
    }
}

impl Holder {
    /// Out of what [`Lock::take`] writes down.
    pub fn parse(text: &str) -> Self {
        let text = crate::log::sanitize(text.trim());
        let (rest, since) = text.rsplit_once(", since ").unwrap_or((&text, "an unknown time"));
        let (what, pid) = rest.rsplit_once(", pid ").unwrap_or((rest, ""));
        let (pid, user) = pid.split_once(" of ").unwrap_or((pid, ""));
        Self {
            what: what.into(),
            pid: pid.parse().unwrap_or(0),
            user: user.into(),
            since: since.into(),
            lab: String::new(),
        }
    }

    /// Whether it stands in the way of a change of these labs; of everything, where there are none. Of more labs that it
    /// changes only the locks know.
    pub fn is_in_the_way_of(&self, scope: &Scope) -> bool {
        self.lab.is_empty() || scope.labs.is_empty() || scope.labs.contains(&self.lab)
    }

    /// Who is at work now on anything; none where nobody is, only we are, or it cannot be told.
    pub fn of(lock: &Path) -> Option<Self> {
        let labs = std::fs::read_dir(folder(lock)).into_iter().flatten().flatten();
        let labs = labs.map(|entry| entry.path());
        std::iter::once(lock.to_owned())
            .chain(labs)
            .find_map(|path| Self::of_file(&path))
    }

    /// Who stands in the way of a change of these labs; of everything, where the scope names none.
    pub fn against(lock: &Path, scope: &Scope) -> Option<Self> {
        if scope.labs.is_empty() {
            return Self::of(lock);
        }
        let files = scope.files(lock).into_iter();
        std::iter::once(lock.to_owned())
            .chain(files)
            .find_map(|path| Self::of_file(&path))
    }

    fn of_file(path: &Path) -> Option<Self> {
        let mut text = String::new();
        let mut file = File::open(path).ok()?;
        file.read_to_string(&mut text).ok()?;
        let mut holder = Self::parse(&text);
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if let Some((_, lab)) = name.split_once('-') {
            lab.clone_into(&mut holder.lab);
        }
        let alive = Path::new("/proc").join(holder.pid.to_string()).exists();
        if text.is_empty() || !alive || holder.pid == std::process::id() {
            return None;
        }
        // The number may be another process's by now: only the lock itself knows.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder),
            _ => None,
        }
    }
}

impl Lock {
    /// Takes the lock of everything, and writes down who has it: `run ID`, or the words of a small change.
    ///
    /// # Errors
    /// Another process works on anything, or the file cannot be used.
    pub fn take(path: &Path, who: &str) -> Result<Self, LockError> {
        Self::take_for(path, &Scope::default(), who)
    }

    /// Takes the locks of what a scope names.
    ///
    /// # Errors
    /// Another process works on it, or a file cannot be used.
    pub fn take_for(path: &Path, scope: &Scope, who: &str) -> Result<Self, LockError> {
        let gate = open(path)?;
        if scope.labs.is_empty() {
            let held = take(gate, path, who, || Holder::of(path))?;
            return Ok(Self {
                ours: vec![held],
                _together: None,
                _shared: None,
            });
        }
        match gate.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(written(&gate))),
            Err(TryLockError::Error(source)) => return Err(failed(path)(source)),
        }
        let mut ours = vec![];
        for file in scope.files(path) {
            // Those that were had are given back where one is not.
            ours.push(take(open(&file)?, &file, who, || None)?);
        }
        // Another user's name of the place may lead to another daemon: what counts is what it is.
        let known = scope.file_names(scope.daemon.get(1..).unwrap_or_default());
        let shared = shared::place().map(|place| shared::Shared::take(&place, known));
        Ok(Self {
            ours,
            _together: Some(gate),
            _shared: shared.transpose().map_err(LockError::Held)?,
        })
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> LockError {
    let path = path.display().to_string();
    move |source| LockError::File { path, source }
}

fn open(path: &Path) -> Result<File, LockError> {
    if let Some(folder) = path.parent() {
        private_folder(folder).map_err(|error| failed(path)(error.into()))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    open_private(&mut options, path).map_err(failed(path))
}

/// What is written in a file of ours.
fn written(mut file: &File) -> String {
    let mut who = String::new();
    let _ = file.read_to_string(&mut who);
    crate::log::sanitize(who.trim())
}

/// Holds a file alone; `who_else` is asked where those who hold it have not written in it.
fn take(
    mut file: File,
    path: &Path,
    who: &str,
    who_else: impl FnOnce() -> Option<Holder>,
) -> Result<File, LockError> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let text = written(&file);
            let other = || who_else().map_or_else(String::new, |holder| holder.to_string());
            let text = if text.is_empty() { other() } else { text };
            return Err(LockError::Held(if text.is_empty() {
                JUST_BEGUN.into()
            } else {
                text
            }));
        }
        Err(TryLockError::Error(source)) => return Err(failed(path)(source)),
    }
    let now = jiff::Timestamp::now().strftime("%F %T");
    let user = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_default();
    let user = if user.is_empty() {
        user
    } else {
        format!(" of {user}")
    };
    let who = format!("{who}, pid {}{user}, since {now} UTC\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.write_all(who.as_bytes()))
        .map_err(failed(path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again() {
        let holder =
            Holder::parse("taking snapshot a, pid 1 of b, pid 42 of anna, since 2026-11-22 05:00:00 UTC\n");
        assert_eq!(
            (holder.what.as_str(), holder.pid, holder.since.as_str()),
            ("taking snapshot a, pid 1 of b", 42, "2026-11-22 05:00:00 UTC")
        );
        assert_eq!(holder.user, "anna");
        assert!(
            holder
                .to_string()
                .ends_with(", pid 42 of anna, since 2026-11-22 05:00:00 UTC")
        );
        assert_eq!(Holder::parse("what ever").pid, 0);
    }

    #[test]
    fn our_own_lock_and_a_free_one_have_no_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(Holder::of(&path), None);
        let lock = Lock::take(&path, "run x").unwrap();
        assert_eq!(Holder::of(&path), None);
        drop(lock);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn labs_exclude_themselves_and_everything_excludes_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/lock");
        let take = |daemon: &str, labs: &[&str]| {
            let labs = labs.iter().copied();
            Lock::take_for(&path, &Scope::labs(&Daemon::at(daemon), labs), "run x")
        };
        let held = |lock: Result<Lock, LockError>| matches!(lock, Err(LockError::Held(_)));
        let one = take("a", &["one", "two"]).unwrap();
        let three = take("a", &["three"]).unwrap();
        let elsewhere = take("b", &["one"]).unwrap();
        assert!(held(take("a", &["four", "two"])), "two is worked on");
        drop(take("a", &["four"]).unwrap());
        let all = Lock::take(&path, "everything");
        assert!(matches!(&all, Err(LockError::Held(_))), "{all:?}");
        drop((one, three, elsewhere));
        let all = Lock::take(&path, "everything").unwrap();
        assert!(held(take("a", &["five"])));
        drop(all);
        drop(take("a", &["../five"]).unwrap());
        assert!(path.with_extension("d").join("ca978112-___five").exists());
    }
}
