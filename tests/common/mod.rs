//! What tests that start the program on a real daemon share; each uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

pub mod daemon;
pub mod daemons;
pub mod docking;
pub mod https;
pub mod jobs;
pub mod program;
pub mod pty;
pub mod raw;
