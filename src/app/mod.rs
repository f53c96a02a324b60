//! The program behind the screens: a model with one owner, messages in, effects out.
//!
//! ```text
//! keys ──▶ event_loop::run ──▶ Model::update(Msg) -> Vec<Effect>      pure
//!               ▲    └─▶ ui::view(&Model)                 │
//!               └──── Msg ◀── effect::Performer ◀─────────┘
//! ```

mod aftermath;
pub mod attach;
pub mod build;
mod build_view;
mod canvas;
pub mod dialog;
pub mod effect;
pub mod event_loop;
pub mod form;
mod guard;
mod inventory;
mod job_list;
mod job_view;
mod job_wish;
mod jobs;
pub mod keys;
pub(crate) mod logs;
pub mod machine;
pub mod model;
pub mod msg;
pub mod others;
pub mod painter;
pub mod reading;
pub(crate) mod report;
pub mod resume;
pub mod run_view;
mod screens;
pub mod seen;
pub mod stages;
mod start;
pub mod terminal;
pub mod tuning;
mod update;
pub mod viewer;
pub mod workspaces;
pub mod zephyr;
mod zephyr_wish;

pub(crate) use job_view::{Viewing, show as show_job};
pub(crate) use jobs::perform as perform_job;
pub(crate) use screens::menu;

pub use crate::view::entry;
pub use event_loop::{Exit, run};
pub use job_list::{JobList, JobRow};
pub use model::{Engine, Model, Screen, Setup};
pub use msg::{Effect, Errand, HostSummary, Job, JobWish, Missing, Msg, Outdated, Tone, Turned};
pub use start::start;
pub(crate) use viewer::hands::edit;
