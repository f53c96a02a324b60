//! ui.
pub mod look;
pub mod theme;
