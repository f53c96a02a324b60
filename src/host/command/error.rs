//! Why a program of the host did not run to its end, and what the user can do about it.

use std::{io, time::Duration};

/// The kernel takes no longer argument (`MAX_ARG_STRLEN`).
pub(super) const LONGEST_SCRIPT: usize = 128 * 1024 - 1;

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start `{program}`: {source}; is it installed and on PATH?")]
    Start {
        /// The program.
        program: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Root is needed and sudo wants a password, which is never asked for behind a screen.
    #[error(
        "root is needed to {what}, and sudo wants your password: type `sudo -v`, then the same command again"
    )]
    Password {
        /// As in "root is needed to {what}".
        what: String,
    },
    /// Root is needed and there is no sudo.
    #[error(
        "root is needed to {what}, and there is no sudo: type `su -c 'halolab …'` with the same arguments"
    )]
    NoSudo {
        /// As in "root is needed to {what}".
        what: String,
    },
    /// It ran longer than it may.
    #[error("`{what}` did not end within {} s and was stopped", after.as_secs())]
    Deadline {
        /// What ran.
        what: String,
        /// The deadline.
        after: Duration,
    },
    /// The user stopped it.
    #[error("`{what}` was stopped by the user")]
    Cancelled {
        /// What ran.
        what: String,
    },
    /// It ended with another exit code than 0.
    #[error("`{what}` failed with exit code {code}: {text}")]
    Failed {
        /// What ran.
        what: String,
        /// Its exit code; 128 + n for a signal.
        code: i32,
        /// The end of what it said. Not ours: sanitise before it is shown.
        text: String,
    },
    /// A script that the kernel would not take.
    #[error("the script to {what} is {size} bytes long, more than {LONGEST_SCRIPT}; put its data into files")]
    TooLong {
        /// What it is for.
        what: String,
        /// Its length.
        size: usize,
    },
    /// Its output or its end could not be read.
    #[error("lost sight of `{what}`: {source}")]
    Lost {
        /// What ran.
        what: String,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}
