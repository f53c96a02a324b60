//! Faults between the program and a real daemon: a proxy that kills, cuts, hangs and lies, a lab that is put back to
//! the same state before each fault, and a picture of everything that must be there after it.
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
pub mod disk;
pub mod ground;
pub mod http;
pub mod picture;
pub mod points;
pub mod proxy;
pub mod scenario;
pub mod table;
pub mod trial;
