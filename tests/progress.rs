//! How far a build is, out of recorded logs: every recording of Spack gives the states that an independent reader
//! found, in any pieces; other tools by their real output; times, history and estimates.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "progress/estimates.rs"]
mod estimates;
#[path = "progress/fixtures.rs"]
mod fixtures;
#[path = "progress/pane.rs"]
mod pane;
#[path = "progress/pieces.rs"]
mod pieces;
#[path = "progress/recordings.rs"]
mod recordings;
#[path = "progress/severity.rs"]
mod severity;
#[path = "progress/tools.rs"]
mod tools;
#[path = "progress/variants.rs"]
mod variants;
