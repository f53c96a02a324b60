//! What the keys do, one file a screen.

mod dialogs;
mod labs;
mod menu;
mod options;
mod removal;
mod review;
mod run;
mod snapshots;
