//! The log viewer: what every screen that shows a log is made of, and `halolab view`.
//!
//! ```text
//! key ──▶ keys::find -> Intent ──▶ Viewer::update -> Vec<Effect>            pure
//!                                        │ panes that are stale: Pane::ask
//!                log::Document::turn(&Ask) -> Page    (outside: reads a few blocks)
//!                                        │
//!                          Pane::take(Page) ──▶ draw::Screen                 pure
//! ```

pub mod draw;
pub mod entry;
mod help;
pub mod keys;
mod layout;
mod leap;
pub mod pane;
mod prompt;
mod said;
mod status;
mod update;
pub mod viewer;

pub use draw::{Palette, Screen};
pub use keys::Intent;
pub use pane::Pane;
pub use prompt::{Prompt, PromptKind};
pub use viewer::{Effect, Opening, Range, Standing, Viewer};
