//! Stages: what a lab is made of, as data. Pure: reads text, never the machine.
//!
//! A stage is a folder `stages/NAME/` with a `stage.toml` and its scripts. The shipped ones are
//! embedded; `/etc/halolab/stages` and `$XDG_CONFIG_HOME/halolab/stages` override and add.

pub mod answers;
pub mod condition;
pub mod load;
pub mod schema;

pub use answers::{Answer, Answers};
pub use condition::Condition;
pub use load::{Catalog, LoadError};
pub use schema::{
    BackendKind, ChoiceItem, Device, Family, Field, FieldKind, Image, ImageSource, Mount, Needs, ProfileSpec,
    Script, Setting, Stage, StageStep,
};
