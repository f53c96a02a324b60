//! Reading stages: embedded ones, overridden and added to from folders.

/// All stages that were found.
#[derive(Debug, Default)]
pub struct Catalog;

/// A stage file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("not valid")]
pub struct LoadError;
