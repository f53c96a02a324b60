//! Jobs: long commands inside a lab that outlive the terminal, this program, and the engine's daemon.
//!
//! ```text
//! halolab ──exec, returns at once──▶ runner (sh, inside the lab) ──▶ command
//!    ▲                                  │ status.json each second      │ stdout and stderr, no pipe
//!    └── mirror on this host ◀──exec─── log.raw, log.raw.times ◀───────┘
//!        (its own length is the cursor)
//! ```
//!
//! The lab's files are the truth ([`inside`]); the [`Mirror`] in `$XDG_STATE_HOME/halolab/jobs/ID` is what is known of
//! them here, byte for byte as far as it goes, and stays when the lab is gone. Whoever watches ([`Watch`]) adds to it.
//! Nothing here knows an engine: only [`crate::backend::Backend`].

mod beside;
mod brief;
mod end;
mod error;
mod events;
mod id;
pub mod inside;
mod mirror;
mod order;
pub mod progress;
mod read;
mod status;
mod tail;
mod tell;
mod watch;
mod writer;

pub use end::{End, end, ended_before, forget, stop};
pub use error::{Error, Result};
pub use id::JobId;
pub use mirror::{Mirror, find, ids};
pub use order::{Order, go_on, start};
pub use progress::Progress;
pub use read::{Glance, Known};
pub use status::{Exit, JobFile, Log, State, Status};
pub use tail::Tail;
pub use watch::{Ended, Watch};
pub use writer::Writer;

/// The form of `job.json` and `status.json`.
pub const SCHEMA: &str = "halolab.job/1";

/// Why a job ended whose lab somebody stopped: nothing of it is lost.
pub const STOPPED: &str = "the lab was stopped";
