//! Limits and rights of a user as somebody types them, in options of a verb or in fields of a form.

use super::{Service, User};

/// What was typed. None leaves what is there; an empty text takes it back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The most memory, as `32GiB`.
    pub memory: Option<String>,
    /// Memory that the kernel leaves to them first.
    pub memory_reservation: Option<String>,
    /// Swap on top of it.
    pub swap: Option<String>,
    /// Processors, as `2.5`.
    pub cpus: Option<String>,
    /// Shared memory.
    pub shm: Option<String>,
    /// Processes at most.
    pub processes: Option<u32>,
    /// `all`, `none`, or some with commas between them.
    pub gpus: Option<String>,
    /// Until when they are held.
    pub gpus_until: Option<String>,
    /// Whether others may hold the same ones.
    pub gpus_shared: Option<bool>,
    /// What is started and has a port.
    pub services: Option<Vec<Service>>,
    /// The address at which the ports are opened.
    pub bind: Option<String>,
    /// Docker inside.
    pub docker_inside: Option<bool>,
    /// The user's name, typed once more.
    pub privileged: Option<String>,
    /// The user id.
    pub uid: Option<u32>,
}

/// A text that is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {text}: {why}")]
pub struct Wrong {
    /// Of what, as in `workspaces.toml`.
    pub key: &'static str,
    /// What was typed.
    pub text: String,
    /// What it must be.
    pub why: &'static str,
}

/// An empty text takes what was said back.
fn or_none(slot: &mut Option<String>, given: Option<String>) {
    if let Some(given) = given {
        *slot = (!given.is_empty()).then_some(given);
    }
}

/// The same for what is no text.
fn parsed<T: std::str::FromStr>(
    slot: &mut Option<T>,
    given: Option<String>,
    (key, why): (&'static str, &'static str),
) -> Result<(), Wrong> {
    match given {
        None => {}
        Some(text) if text.is_empty() => *slot = None,
        Some(text) => {
            *slot = Some(text.parse().map_err(|_| Wrong { key, text, why })?);
        }
    }
    Ok(())
}

impl Limits {
    /// Lays them over a user.
    ///
    /// # Errors
    /// A text that is no value.
    pub fn lay(self, user: &mut User) -> Result<(), Wrong> {
        or_none(&mut user.memory, self.memory);
        or_none(&mut user.memory_reservation, self.memory_reservation);
        or_none(&mut user.swap, self.swap);
        or_none(&mut user.gpus_until, self.gpus_until);
        or_none(&mut user.privileged, self.privileged);
        parsed(&mut user.cpus, self.cpus, ("cpus", "it must be a number, as 2.5"))?;
        parsed(
            &mut user.bind,
            self.bind,
            ("bind", "it must be an address, as 127.0.0.1"),
        )?;
        if let Some(gpus) = self.gpus {
            let words = gpus
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty() && *word != "none");
            user.gpus = words.map(str::to_owned).collect();
        }
        user.shm = self.shm.unwrap_or_else(|| user.shm.clone());
        user.processes = self.processes.unwrap_or(user.processes);
        user.gpus_shared = self.gpus_shared.unwrap_or(user.gpus_shared);
        user.docker = self.docker_inside.unwrap_or(user.docker);
        user.uid = self.uid.or(user.uid);
        if let Some(services) = self.services {
            user.services = services;
        }
        Ok(())
    }
}
