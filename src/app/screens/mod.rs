//! What the keys do, one file a screen.

mod dialogs;
mod labs;
mod menu;
mod options;
mod review;
mod run;
mod snapshots;

pub(crate) use menu::{Entry, MenuItem, menu_items};
pub(crate) use snapshots::prunable;
