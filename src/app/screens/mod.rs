//! What the keys do, one file a screen.

mod dialogs;
mod files;
mod host;
mod jobs;
mod labs;
pub(crate) mod menu;
mod options;
mod removal;
mod review;
mod roll;
mod run;
mod snapshots;
mod tune;
mod users;
mod workspaces;
