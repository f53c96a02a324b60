//! The client against a scripted daemon, which says what a real one says only when it is broken,
//! starting, clustered, or the other product.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its daemon may be slow"
)]

mod answers;
mod daemon;
mod late;
mod requests;
