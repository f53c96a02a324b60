//! Stages: what a lab is made of, as data. Pure but for [`load`] and [`report::check`], which read files.
//!
//! A stage is a folder `stages/NAME/` with a `stage.toml` and its scripts. The shipped ones are
//! embedded; `/etc/halolab/stages` and `$XDG_CONFIG_HOME/halolab/stages` override and add.

pub mod answers;
mod check;
pub mod condition;
pub mod given;
pub mod interpolate;
pub mod load;
pub mod offer;
pub mod report;
pub mod schema;
pub mod size;
pub mod trust;

pub use answers::{Answer, AnswerError, Answers, resolve};
pub use condition::{Condition, Scope};
pub use load::{Catalog, LoadError};
pub use schema::{
    BackendKind, ChoiceItem, Device, Family, Field, FieldKind, Image, ImageSource, Mount, Needs, ProfileSpec,
    Script, Setting, Stage, StageStep,
};
