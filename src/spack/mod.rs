//! What Spack is told to build, and what that comes to, before hours are spent on it.
//!
//! ```text
//! GPUs, toolkit, matrix ─▶ architectures ─┐
//! facts of the image, mirrors, cores ─────┴▶ machine.yaml ─▶ spack concretize ─▶ spack.lock
//!                  spack.lock, database, build cache, history ─▶ Review: there, cached, to build, how long
//! ```
//!
//! The environment itself, [`ENVIRONMENT`], is the user's file and never rewritten; what depends on the machine is the
//! file that it includes. All of this is pure.

mod architectures;
mod machine;
mod review;
mod variants;

pub use architectures::{Architectures, Wish, WishError, choose};
pub use machine::{Image, Machine, Mirror, MirrorError};
pub use review::{Cache, Held, Review, Row, Standing};
pub use variants::{Dropped, dropped};

/// The `spack.yaml` that we ship.
pub const ENVIRONMENT: &str = include_str!("../../stages/zephyr/spack_src.yaml");
