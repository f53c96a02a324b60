//! Labs of the stage `zephyr`: what is told to their Spack, what a build comes to before hours are spent on it, what is
//! done after one that failed, and the check of what was built. [`crate::spack`] decides, purely; this asks the lab.
//!
//! ```text
//! zephyr-facts, answers, GPUs ─▶ machine.yaml ─▶ zephyr-spack-build --plan (a job) ─▶ spack.lock
//!      lock, database, build caches, sizes, history ─▶ Comes: shown, agreed to ─▶ zephyr-spack-build (a job)
//! ```

mod ask;
mod comes;
mod entry;
mod facts;
mod failed;
mod plan;
mod settings;
mod verify;
mod words;

pub use ask::{Error, Lab, Prepared};
pub use comes::{Comes, Disk};
pub use entry::{Entry, STAGE, entries};
pub use facts::Facts;
pub use failed::{Broken, Failed, Way, save};
pub use plan::keep_plan;
pub use settings::{CACHE_FOLDER, LISTED, Settings};
pub use verify::{NOTHING_TO_ASK, Verified, is_unasked, set_asked};
