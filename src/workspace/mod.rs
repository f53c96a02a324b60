//! Workspaces: one container per user that behaves like a machine of their own, on a box that a team shares.

pub mod image;
pub mod probe;
