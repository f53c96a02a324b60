//! What verbs and screens look at before they do anything with users: settings, slots, and who listens on this machine.

use std::{io, path::PathBuf};

use super::{
    Ledger, Places, Settings, User, edit, ledger,
    ledger::Guard,
    ports::{self, Collision, Machine},
    secrets::{SecretError, Secrets},
    sockets, spec,
};
use crate::{
    host::{Root, folder},
    log::sanitize,
    paths::{FileError, Paths},
    stage::LoadError,
};

/// Why nothing was done with a user.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// `workspaces.toml` cannot be used.
    #[error(transparent)]
    Settings(#[from] LoadError),
    /// It cannot be changed.
    #[error(transparent)]
    Edit(#[from] edit::EditError),
    /// The slots cannot be used.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// They cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state folder cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nobody is called so.
    #[error("there is no user `{name}`; there are: {known}; add one with `halolab workspace add USER`")]
    Nobody {
        /// The name, sanitised.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Somebody is called so.
    #[error("{0} is there already; change it with `halolab workspace edit {0}`")]
    There(String),
    /// Nobody may be called so.
    #[error("{0}")]
    Name(String),
    /// A value that a user cannot have.
    #[error("nothing was changed: `{key}` of {name}: {why}")]
    Value {
        /// Whose.
        name: String,
        /// Which, as in `workspaces.toml`.
        key: &'static str,
        /// Why not.
        why: String,
    },
    /// A password or a key that is not kept.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A folder that is not there.
    #[error(
        "the folder {} cannot be made: {source}; make it as root, or take another root with `halolab workspace setup \
         --root DIR`", path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Data that was not deleted.
    #[error("{why}; what is left keeps the ports of {name}: try again with --delete-data {name}")]
    Data {
        /// Whose.
        name: String,
        /// Why.
        why: String,
    },
}

/// Who is to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever asked: what was given, or what is in the file.
    Asked,
    /// The machine stands in the way.
    Machine,
    /// It was begun, and did not end.
    Begun,
}

impl Trouble {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Settings(_)
            | Self::Edit(_)
            | Self::Nobody { .. }
            | Self::Name(_)
            | Self::Value { .. }
            | Self::Secret(SecretError::Password | SecretError::Key(_)) => Fault::Asked,
            Self::Ledger(_)
            | Self::File(_)
            | Self::Io(_)
            | Self::There(_)
            | Self::Secret(_)
            | Self::Folder { .. } => Fault::Machine,
            Self::Data { .. } => Fault::Begun,
        }
    }
}

/// Settings and slots as they are on the disk, and who listens.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where all of it is.
    pub places: Places,
    /// What people wrote.
    pub settings: Settings,
    /// The slots.
    pub ledger: Ledger,
    /// What of the machine ports depend on.
    pub machine: Machine,
}

impl Ground {
    /// Reads settings and slots, and looks who listens on this machine.
    ///
    /// # Errors
    /// One of the files cannot be used.
    pub fn look(paths: &Paths) -> Result<Self, Trouble> {
        let places = Places::of(paths);
        Ok(Self {
            settings: Settings::read(&places.settings)?.unwrap_or_default(),
            ledger: Ledger::read(&places.ledger)?,
            machine: sockets::look(&Root::new(&folder())),
            places,
        })
    }

    /// The same for a change: nobody else changes them meanwhile.
    ///
    /// # Errors
    /// One of the files cannot be used.
    pub fn hold(paths: &Paths) -> Result<(Self, Guard), Trouble> {
        let guard = Guard::take(&Places::of(paths).ledger)?;
        Ok((Self::look(paths)?, guard))
    }

    /// A user who is there.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn user(&self, name: &str) -> Result<&User, Trouble> {
        self.settings.users.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.settings.users.keys().map(String::as_str).collect();
            Trouble::Nobody {
                name: sanitize(name),
                known: if known.is_empty() {
                    "nobody yet".to_owned()
                } else {
                    known.join(", ")
                },
            }
        })
    }

    /// Where a user's secrets are.
    pub fn secrets(&self, user: &str) -> Secrets {
        Secrets::of(&self.places.secrets, user)
    }

    /// Folders of a user that hold something, and the secrets: what keeps the slot.
    pub fn data(&self, user: &str) -> Vec<PathBuf> {
        let own = spec::folders(&self.settings.root, user)
            .into_iter()
            .filter(|folder| folder.id != "shared");
        let all = own
            .map(|folder| folder.source)
            .chain([self.secrets(user).folder().to_owned()]);
        all.filter(|folder| folder.exists()).collect()
    }

    /// A slot for a user: the one that they have, or a new one, which is on the disk when this returns.
    ///
    /// # Errors
    /// None is free, or it cannot be written.
    pub fn slot(&mut self, user: &str) -> Result<u32, Trouble> {
        if let Some(slot) = self.ledger.slot(user) {
            return Ok(slot);
        }
        let mut ledger = self.ledger.clone();
        let stays = |name: &str| self.settings.users.contains_key(name) || !self.data(name).is_empty();
        let fits = |slot| ports::fits(&self.settings, &self.machine, slot);
        let now = jiff::Timestamp::now().to_string();
        let slot = ledger.assign(user, &now, &stays, &fits)?;
        ledger.write(&self.places.ledger)?;
        self.ledger = ledger;
        Ok(slot)
    }

    /// Whether these settings can take the place of those that are there: whoever has a workspace has their data where it was
    /// put. What is to be said of them.
    ///
    /// # Errors
    /// Why not.
    pub fn stays(&self, now: &Settings) -> Result<Vec<String>, String> {
        let before = &self.settings;
        let ports = before.base_port != now.base_port || before.block != now.block;
        let users: Vec<&str> = before.users.keys().map(String::as_str).collect();
        if before.root != now.root && users.iter().any(|user| !self.data(user).is_empty()) {
            return Err(format!(
                "nothing was changed: data of {} is in {}; stop all workspaces, move that folder to {} yourself, then change \
                 `root` in {}",
                users.join(", "),
                before.root.display(),
                now.root.display(),
                self.places.settings.display()
            ));
        }
        let moved = ports && !users.is_empty();
        Ok(moved
            .then(|| {
                format!(
                    "other ports for {}: they count after `halolab workspace restart --all`",
                    users.join(", ")
                )
            })
            .into_iter()
            .collect())
    }

    /// What stands in the way of the users' ports.
    pub fn collisions(&self, running: &dyn Fn(&str) -> bool) -> Vec<Collision> {
        ports::collisions(&self.settings, &self.ledger, &self.machine, running)
    }
}

/// What is to be known where ports are opened to others from now on.
pub fn opened(before: &Settings, now: &Settings) -> Option<String> {
    let opens = !now.bind.is_loopback() && now.bind != before.bind;
    opens.then(|| {
        format!(
            "WARNING: ports are opened at {}: whoever reaches this machine reaches them, past its firewall",
            now.bind
        )
    })
}

/// What stands in the way of users' ports, before anything starts: why not, or what is only to be said.
///
/// # Errors
/// A port of theirs cannot be had.
pub fn check_ports(collisions: &[Collision], users: &[String]) -> Result<Vec<String>, String> {
    let theirs: Vec<&Collision> = collisions.iter().filter(|c| users.contains(&c.user)).collect();
    let blocking: Vec<String> = theirs
        .iter()
        .filter(|c| c.is_blocking())
        .map(|c| c.text())
        .collect();
    if !blocking.is_empty() {
        return Err(format!(
            "nothing was started, because of ports: {}; see all of them with `halolab workspace ports`",
            blocking.join("; ")
        ));
    }
    Ok(theirs.iter().map(|c| format!("note: {}", c.text())).collect())
}

/// Why a workspace cannot be made without its image: it is built, and not fetched.
pub fn no_image(name: &str) -> String {
    format!(
        "nothing was started: Docker has no image `{name}`; build it with `halolab workspace build`, or name one that is here \
         with `halolab workspace setup --image NAME:TAG`"
    )
}
