//! How far a build is, out of what it prints.
mod event;
mod line;
mod lock;
mod reader;
mod spack;
mod tools;
pub use event::{Event, Key, State, Tool, What};
pub use lock::{Database, Lock, LockError, Locked};
pub use reader::Reader;
