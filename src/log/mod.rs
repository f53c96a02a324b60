//! Logs: the file is the truth; what of it (and of any outside text) may reach a terminal is decided here.
//!
//! [`Document`] reads a log of any size a page at a time; everything else here is a part of it.

use std::sync::Arc;

pub mod beside;
pub mod blocks;
pub mod clock;
pub mod document;
pub mod index;
pub mod lines;
pub mod matcher;
pub mod page;
pub mod redact;
pub mod room;
pub mod row;
pub mod rules;
pub mod sanitize;
pub mod scan;
pub mod severity;
pub mod sgr;
pub mod source;
pub mod spool;
pub mod strip;
pub mod times;
pub mod watch;

pub use document::Document;
pub use matcher::Query;
pub use page::{Ask, Motion, Page, Spot};
pub use row::sanitize_line;
pub use sanitize::{clean, sanitize, sanitize_text, shortened, spelled_out};
pub use severity::{Severity, severity};

/// Called by threads when there is something new to show.
pub type Wake = Arc<dyn Fn() + Send + Sync>;
