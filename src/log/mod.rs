//! Logs: the file is the truth; what of it (and of any outside text) may reach a terminal is decided here.

pub mod sanitize;
pub mod severity;
pub mod sgr;
pub mod store;

pub use sanitize::{clean, sanitize, sanitize_line, sanitize_text};
pub use severity::{Severity, severity};
pub use store::LogView;
