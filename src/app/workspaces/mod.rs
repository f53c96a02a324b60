//! The workspaces' screen as data: what the files say of users, how their services are, and what is wished about them.

mod fields;
mod files;
pub(super) mod logs;
mod order;
mod roll;
mod wish;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use crate::{
    backend::{InstanceState, Status},
    host::Facts,
    labs::{Presence, identity::Seen, stand::Stand},
    plan::Plan,
    workspace::{Ground, Settings, User, gpus::Holds, probe::Report, resources::Sums, spec},
};

use super::model::{Model, Pick};
pub use files::Filed;
pub use order::{Complaint, Order, Subject, UserForm};
pub use roll::{Roll, Waited, WayBack};

/// What the files say, and what all users together come to.
#[derive(Clone, Debug)]
pub struct Book {
    /// Settings, slots, and who listens.
    pub ground: Ground,
    /// There is a `workspaces.toml`.
    pub written: bool,
    /// Memory, swap and processors of all users.
    pub sums: Sums,
    /// Who holds which GPU.
    pub holds: Holds,
}

/// The workspaces' screen.
#[derive(Clone, Debug, Default)]
pub struct Workspaces {
    /// What the files say; none before they were read; or why they cannot be used.
    pub book: Option<Result<Arc<Book>, String>>,
    /// The user under the cursor.
    pub cursor: usize,
    /// The line of the details that has the cursor; none where the users have it.
    pub inside: Option<usize>,
    /// How services were when they were asked last, by user.
    pub health: BTreeMap<String, Looked>,
    /// They are being asked.
    pub asking: bool,
    /// When they answered last, in seconds since 1970.
    pub asked: u64,
    /// First line of the map of ports that is shown.
    pub scroll: usize,
    /// What is being filled in.
    pub form: Option<Box<UserForm>>,
    /// What is to be planned once the engine was looked at anew, and what is to be said then.
    pub pending: Option<(Pick, Vec<String>)>,
    /// Who is taken out of the file once the plan that removes their container has ended well, and whether their data goes.
    pub removal: Option<(String, bool)>,
    /// The update that is under way.
    pub roll: Option<Roll>,
}

/// One user's workspace, asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// Its services.
    pub reports: Vec<Report>,
    /// What it uses; none where the engine does not say.
    pub state: Option<InstanceState>,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Percent of one processor since it was asked before.
    pub share: Option<u64>,
}

/// How a workspace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has no container yet.
    Unmade,
    /// Its container is gone, and an earlier version is kept.
    Missing,
    /// Making it did not end.
    Unfinished,
    /// A container of its name is not ours.
    Foreign,
    /// It is stopped.
    Stopped,
    /// It runs.
    Running,
    /// The engine calls it broken.
    Broken,
    /// The engine does not answer.
    Unknown,
    /// Its user was removed; what they had, and their ports, are kept.
    Gone,
}

impl Standing {
    /// In a word or two, as `halolab workspace list` says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unmade => "not made yet",
            Self::Missing => "missing",
            Self::Unfinished => "not finished",
            Self::Foreign => "not ours",
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::Gone => "removed",
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'m> {
    /// The user's name.
    pub name: &'m str,
    /// What is written of them; none of who was removed.
    pub user: Option<&'m User>,
    /// Their slot.
    pub slot: Option<u32>,
}

/// A line of the details: what it is of, and what is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The service, or the folder.
    pub name: String,
    /// What is copied; empty where there is nothing.
    pub copied: String,
    /// It is a service.
    pub service: bool,
}

/// A text that is not told to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

/// Something to be done about workspaces.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Read what the files say.
    Read,
    /// Ask the services of these users.
    Ask(Vec<String>),
    /// Add or change a user.
    Put(Box<Order>),
    /// Write what is not a user's.
    Setup(Box<Settings>),
    /// Keep a user from being started; what runs is stopped first, if it is what was seen.
    Disable(String, Option<Seen>),
    /// Let a user be started again.
    Enable(String),
    /// Take a user out of the file; and delete their data.
    Remove(String, bool),
    /// Generate new passwords.
    Rotate(String),
    /// Begin a service anew: user, service.
    Service(String, String),
    /// Make slot, folders and secrets of a user, and look whether ports and image are there; then plan this.
    Ready(Pick),
    /// Wait until the services of a user answer; those that may not be left out.
    Wait(String, BTreeSet<String>),
    /// Find the way back to what there was of a user's workspace.
    Return(String, Stand, Box<Facts>),
    /// Write or put back something: what, and the path as it was typed.
    File(Filed, String),
    /// Plan the image: each step anew, and what the machine computes with.
    Build(bool, String),
}

/// What came of it.
#[derive(Debug)]
pub enum News {
    /// What the files say.
    Book(Result<Box<Book>, String>),
    /// How services are.
    Asked(BTreeMap<String, Looked>),
    /// It was done: sentences, the first one says what.
    Done(Vec<String>),
    /// It was not: the field of the form, and why.
    Not(Option<&'static str>, String),
    /// A user can be started: what to plan, and what is to be said before.
    Ready(Pick, Vec<String>),
    /// Whose services are waited for, in words.
    Waits(String),
    /// The services of a user came up, or not.
    Waited(String, Waited),
    /// The way back for a user.
    WayBack(String, WayBack),
    /// Nothing was put back: this user has a home already. The archive.
    Occupied(String, String),
    /// A plan of its own, and what is to be said before.
    Planned(Box<Plan>, String),
}

/// A question about a user, after a yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Remove them; with their data.
    Remove(String, bool),
    /// Stop and disable them.
    Disable(String),
    /// New passwords.
    Rotate(String),
    /// Put a home back from this archive where there is one.
    Replace(String, String),
    /// Begin a service anew, where somebody's work ends by it.
    Service(String, String),
}

impl Model {
    /// What the files say, where they can be used.
    pub fn book(&self) -> Option<&Book> {
        match &self.workspaces.book {
            Some(Ok(book)) => Some(book),
            _ => None,
        }
    }

    /// The users, by name, and after them those who were removed and whose data is kept.
    pub fn workspace_rows(&self) -> Vec<Row<'_>> {
        let Some(book) = self.book() else { return vec![] };
        let ground = &book.ground;
        let users = ground.settings.users.iter().map(|(name, user)| Row {
            name,
            user: Some(user),
            slot: ground.ledger.slot(name),
        });
        let gone = ground.ledger.users();
        let gone = gone.filter(|(name, _)| !ground.settings.users.contains_key(*name));
        let gone = gone.map(|(name, slot)| Row {
            name,
            user: None,
            slot: Some(slot),
        });
        users.chain(gone).collect()
    }

    /// The user under the cursor.
    pub fn workspace(&self) -> Option<Row<'_>> {
        self.workspace_rows().get(self.workspaces.cursor).copied()
    }

    /// How a user's workspace stands.
    pub fn standing(&self, user: &str) -> Standing {
        let lab = spec::lab(user);
        let known = self
            .book()
            .is_some_and(|b| b.ground.settings.users.contains_key(user));
        let Some(world) = self.world.as_ref().filter(|_| !self.is_stale()) else {
            return Standing::Unknown;
        };
        if let Some(instance) = world.instance(&lab) {
            return match (world.presence(&lab), instance.status) {
                (Presence::Unfinished, _) => Standing::Unfinished,
                (Presence::Foreign, _) => Standing::Foreign,
                (_, Status::Running) => Standing::Running,
                (_, Status::Error) => Standing::Broken,
                _ => Standing::Stopped,
            };
        }
        // Without a word on Docker nobody looked: LXD sleeps, and Docker did not answer beside it.
        let absent = world.docker_away.as_ref().is_some_and(|away| away.absent);
        if world.docker.is_none() && !absent {
            return Standing::Unknown;
        }
        match (world.kept(&lab).is_empty(), known) {
            (false, _) => Standing::Missing,
            (true, true) => Standing::Unmade,
            (true, false) => Standing::Gone,
        }
    }

    /// Why Docker is not there; none where it is, or was not looked for.
    pub(crate) fn docker_away(&self) -> Option<&str> {
        let away = || self.world.as_ref()?.docker_away.as_ref();
        let seen = self.seen.docker.as_deref();
        seen.or_else(|| away().map(|away| away.why.as_str()))
    }

    /// Whether Docker answers.
    pub(crate) fn has_docker(&self) -> bool {
        self.world.as_ref().is_some_and(|world| world.docker.is_some())
    }

    /// The users whose workspace runs.
    pub(crate) fn running_users(&self) -> Vec<String> {
        let rows = self.workspace_rows().into_iter();
        rows.filter(|row| self.standing(row.name) == Standing::Running)
            .map(|row| row.name.to_owned())
            .collect()
    }
}
