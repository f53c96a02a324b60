//! Workspaces: one container per user that behaves like a machine of their own, on a box that a team shares.
//!
//! What people write is `workspaces.toml` ([`settings`]); what must never change by itself is the [`ledger`] of slots, from
//! which each user's [`ports`] follow. A user becomes the lab `ws-USER` of Docker by a stage that is made in memory
//! ([`spec`]), so plans, journals, snapshots, undo and jobs are those of any lab; [`compose`] writes the same as a compose
//! file. Secrets are files ([`secrets`]) that only their owner and the container can read.

pub mod backup;
pub mod building;
pub mod compose;
pub mod edit;
pub mod files;
pub mod gpus;
pub mod ground;
pub mod image;
pub mod ledger;
pub mod limits;
pub mod ports;
pub mod probe;
pub mod resources;
pub mod secrets;
pub mod services;
pub mod settings;
pub mod shown;
pub mod sockets;
pub mod spec;
pub mod users;
pub mod yaml;

use crate::{
    paths::Paths,
    stage::{Catalog, LoadError, Stage},
};

pub use ground::Ground;
pub use ledger::Ledger;
pub use ports::Service;
pub use settings::{Settings, User};

/// Where all of it is.
#[derive(Clone, Debug)]
pub struct Places {
    /// What people write.
    pub settings: std::path::PathBuf,
    /// The slots.
    pub ledger: std::path::PathBuf,
    /// A folder a user, with files that only their owner can read.
    pub secrets: std::path::PathBuf,
}

impl Places {
    /// Below our folders.
    pub fn of(paths: &Paths) -> Self {
        let state = paths.state.join("workspaces");
        Self {
            settings: paths.config.join("workspaces.toml"),
            ledger: state.join("ledger.json"),
            secrets: state.join("secrets"),
        }
    }
}

/// The stages of all users who have a slot; none where nobody has a workspace here.
///
/// # Errors
/// `workspaces.toml` or the ledger cannot be used.
pub fn stages(paths: &Paths) -> Result<Vec<Stage>, LoadError> {
    let places = Places::of(paths);
    let Some(settings) = Settings::read(&places.settings)? else {
        return Ok(vec![]);
    };
    let ledger = Ledger::read(&places.ledger).map_err(|error| {
        crate::document::Problem::unreadable(&places.ledger.display().to_string(), error.to_string())
    })?;
    Ok(spec::stages(&settings, &ledger, &places.secrets))
}

/// All stages, with those of workspaces. A `workspaces.toml` that cannot be used is a warning, as a stage's file is.
pub fn catalog(paths: &Paths) -> Catalog {
    let mut catalog = Catalog::load(&paths.stages);
    match stages(paths) {
        Ok(stages) => catalog.extend(stages),
        Err(error) => catalog.warn(error),
    }
    catalog
}
