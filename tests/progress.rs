//! How far a build is, out of recorded logs: every recording of Spack gives the states that an independent reader
//! found, in any pieces; other tools by their real output; times, history and estimates.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::format_collect,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

#[path = "progress/ends.rs"]
mod ends;
#[path = "progress/estimates.rs"]
mod estimates;
#[path = "progress/fixtures.rs"]
mod fixtures;
#[path = "progress/pane.rs"]
mod pane;
#[path = "progress/pieces.rs"]
mod pieces;
#[path = "progress/places.rs"]
mod places;
#[path = "progress/recordings.rs"]
mod recordings;
#[path = "progress/severity.rs"]
mod severity;
#[path = "progress/tools.rs"]
mod tools;
#[path = "progress/variants.rs"]
mod variants;
#[path = "progress/verb.rs"]
mod verb;
