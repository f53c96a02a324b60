//! What the keys do, one file a screen.

mod dialogs;
mod host;
mod jobs;
mod labs;
pub(crate) mod menu;
mod options;
mod removal;
mod review;
mod run;
mod snapshots;
mod tune;
mod users;
mod workspaces;
