//! Why something about a job did not work, and what to type next.

use std::{io, path::PathBuf};

use crate::{
    backend::{self, Engine},
    paths::FileError,
};

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No job is known by that id, or several are.
    #[error("there is no job `{id}`; {}", known(ids))]
    Unknown {
        /// As it was given, sanitised.
        id: String,
        /// What is known.
        ids: Vec<String>,
    },
    /// An id that begins like several jobs.
    #[error("`{id}` is the beginning of several jobs: {}; give more of it", ids.join(", "))]
    Ambiguous {
        /// As it was given, sanitised.
        id: String,
        /// Those.
        ids: Vec<String>,
    },
    /// A name that cannot be part of an id.
    #[error("`{0}` cannot be a job's name: 1 to 40 of a-z, 0-9 and -, not beginning with -")]
    Name(String),
    /// A variable that a shell cannot set.
    #[error("`{0}` cannot be the name of a variable: letters, digits and _, not beginning with a digit")]
    Variable(String),
    /// A zero byte, which no program can be given.
    #[error("the {0} holds a zero byte, which no program can be given")]
    Zero(&'static str),
    /// The runner did not begin.
    #[error("the job did not begin in {lab}: {why}; look into it with `halolab shell {lab}`")]
    NotBegun {
        /// The instance.
        lab: String,
        /// Its words, sanitised.
        why: String,
    },
    /// Another job has its id.
    #[error("there is a job {0} already, and nothing was begun; give the command again")]
    Taken(String),
    /// It still runs, or something of it writes on.
    #[error("the job {0} still runs, or what it started does; stop it first with `halolab job stop {0}`")]
    Runs(String),
    /// It outlived its SIGKILL, or the daemon does not say.
    #[error(
        "the job {id} did not end within {seconds} s, although it was killed; look at it with `halolab job status {id}`"
    )]
    Undead {
        /// The job.
        id: String,
        /// Seconds.
        seconds: u64,
    },
    /// What is here is not what is in the lab.
    #[error(
        "the log of the job {id} here is not the one in {lab}: {why}; nothing was removed, look at both with \
         `halolab job logs {id}` and `halolab shell {lab}`"
    )]
    Differs {
        /// The job.
        id: String,
        /// The instance.
        lab: String,
        /// How.
        why: String,
    },
    /// Another engine is connected than the one that it runs on.
    #[error(
        "the job {id} runs on the engine at {engine}, and this is the one at {address}; name it with `--{} {engine}`",
        Engine::at(engine).title().to_lowercase()
    )]
    Elsewhere {
        /// The job.
        id: String,
        /// Where it runs, sanitised.
        engine: String,
        /// Which one is connected.
        address: String,
    },
    /// The engine was away for too long; the job goes on without it.
    #[error(
        "{source}; the job {id} goes on inside {lab} all the same: come back with `halolab job attach {id}`"
    )]
    Away {
        /// The job.
        id: String,
        /// The instance.
        lab: String,
        /// The engine's last error.
        #[source]
        source: Box<backend::Error>,
    },
    /// Its lab is frozen.
    #[error("{lab} is frozen, and the job {id} with it; both go on after `halolab start {lab}`")]
    Frozen {
        /// The job.
        id: String,
        /// The instance.
        lab: String,
    },
    /// Its runner is gone, and its log is long.
    #[error(
        "the runner of {0} is gone, and the rest of its log is still to be fetched: `halolab job wait {0}`"
    )]
    Rest(String),
    /// Another watcher has its mirror, and does nothing.
    #[error(
        "process {pid}, which copies the log of {id}, is suspended (Ctrl-Z), and nothing newer comes until it goes on \
         (`fg` in its terminal) or ends (`kill -9 {pid}`); the job itself goes on"
    )]
    Suspended {
        /// The job.
        id: String,
        /// The process.
        pid: u32,
    },
    /// Whoever watched stopped watching.
    #[error("stopped watching; the job goes on")]
    Detached,
    /// A file of the mirror.
    #[error("{} cannot be used: {source}; check its owner and the room on its disk", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder or file of ours.
    #[error(transparent)]
    Private(#[from] FileError),
    /// The engine said no.
    #[error(transparent)]
    Backend(#[from] backend::Error),
}

impl Error {
    /// A file that cannot be used, for `map_err`.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

fn known(ids: &[String]) -> String {
    const MOST: usize = 4;
    match ids {
        [] => "none is known; start one with `halolab job run LAB -- COMMAND`".into(),
        ids => {
            let more = ids.len().saturating_sub(MOST);
            let list = ids.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
            let rest = if more > 0 {
                format!(" and {more} more (`halolab job list --all`)")
            } else {
                String::new()
            };
            format!("known: {list}{rest}")
        }
    }
}
