//! The program behind the screens: a model with one owner, messages in, effects out.
//!
//! ```text
//! keys ──▶ event_loop::run ──▶ Model::update(Msg) -> Vec<Effect>      pure
//!               ▲    └─▶ ui::view(&Model)                 │
//!               └──── Msg ◀── effect::Performer ◀─────────┘
//! ```

pub mod dialog;
pub mod entry;
pub mod form;
pub mod keys;
pub mod model;
pub mod msg;
pub mod run_view;
mod screens;
mod update;

pub use model::{Engine, Model, Screen, Setup};
pub use msg::{Effect, Errand, HostSummary, Job, LogPage, Missing, Msg, Tone};
