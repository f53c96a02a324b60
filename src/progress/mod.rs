//! How far a build is, out of what it prints.
//!
//! ```text
//! bytes ─▶ Reader ─▶ Event (with its place in the log) ─▶ Tree ─▶ Summary, the pane beside the log
//!                                    time of that place ──┘  └─▶ History ─▶ estimate
//! ```
//!
//! [`Reader`] cuts the bytes into lines and knows whose they are; it keeps what it needs to tell who is meant, and
//! nothing of the text. [`Tree`] is folded from the events alone: the same log gives the same tree, live or a month
//! later, as long as the caller says when each place was written ([`Times`]). Only [`History`] touches a file.
//! All text in events is safe to show.

mod ahead;
mod counts;
mod estimate;
mod event;
mod fold;
mod held;
mod history;
mod line;
mod lock;
mod package;
mod reader;
mod section;
mod spack;
mod summary;
mod target;
mod times;
mod tools;
mod tree;

pub use ahead::Plan;
pub use counts::Counts;
pub use estimate::{Estimate, estimate, whole_seconds};
pub use event::{Event, Key, State, Tool, What};
pub use fold::Fold;
pub use held::{Held, Timed};
pub use history::{Build, History, HistoryError, Usual};
pub use lock::{Database, Lock, LockError, Locked};
pub use package::{Inside, Note, Package, Phase};
pub use reader::Reader;
pub use section::Section;
pub use summary::{Current, Error, Failure, Summary};
pub use target::Target;
pub use times::{Millis, Times};
pub use tree::{Exit, Tree};
