//! Adding, changing and removing users: what verbs and screens both do.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown},
    path::Path,
};

use super::{
    Ground, Settings, User, backup, edit, gpus,
    ground::Trouble,
    resources::{self, Capacity},
    settings::check_name,
    spec,
};
use crate::host::{Root, folder};

/// What a new user begins with, beside limits.
#[derive(Clone, Default)]
pub struct Given {
    /// Their password; without one it is generated.
    pub password: Option<String>,
    /// Their public keys for SSH, a line each.
    pub keys: Option<String>,
}

/// Adds somebody: slot, folders, secrets, and the entry; their slot.
///
/// # Errors
/// Somebody is called so, or a value cannot be; or something of it could not be made.
pub fn add(ground: &mut Ground, name: &str, user: &User, given: &Given) -> Result<u32, Trouble> {
    may_be_added(ground, name, user)?;
    // A slot first: whoever is in the settings has one.
    let slot = ground.slot(name)?;
    make_folders(ground, name, user, slot)?;
    let secrets = ground.secrets(name);
    if let Some(password) = &given.password {
        secrets.rotate(Some(password))?;
    }
    secrets.complete()?;
    if let Some(keys) = &given.keys {
        secrets.set_keys(keys)?;
    }
    ground.settings = edit::put_user(&ground.places.settings, name, user)?;
    Ok(slot)
}

/// Refuses before anything is made, or asked for.
///
/// # Errors
/// Somebody is called so, or a value cannot be.
pub fn may_be_added(ground: &Ground, name: &str, user: &User) -> Result<(), Trouble> {
    check_name(name).map_err(Trouble::Name)?;
    if ground.settings.users.contains_key(name) {
        return Err(Trouble::There(name.to_owned()));
    }
    check(name, user)
}

/// Refuses what the file would be refused for.
///
/// # Errors
/// A value that a user cannot have.
pub fn check(name: &str, user: &User) -> Result<(), Trouble> {
    match user.problems(name).into_iter().next() {
        None => Ok(()),
        Some((key, why)) => Err(Trouble::Value {
            name: name.to_owned(),
            key,
            why,
        }),
    }
}

/// Changes somebody; what has to be known besides, and whether anything is another now.
///
/// # Errors
/// Nobody is called so, a value cannot be, or it cannot be written.
pub fn change(ground: &mut Ground, name: &str, user: &User) -> Result<(bool, Vec<String>), Trouble> {
    let before = ground.user(name)?.clone();
    check(name, user)?;
    let slot = ground.slot(name)?;
    let mut notes = vec![];
    let (old, new) = (spec::uid(&before, slot), spec::uid(user, slot));
    if old != new {
        notes.push(format!(
            "note: files of {name} still belong to the old user id; give them over with `chown -R --from={old} {new} {}`",
            ground.settings.root.join("homes").join(name).display()
        ));
    }
    ground.settings = edit::put_user(&ground.places.settings, name, user)?;
    Ok((*user != before, notes))
}

/// Keeps somebody from being started, or lets them again.
///
/// # Errors
/// Nobody is called so, or it cannot be written.
pub fn set_disabled(ground: &mut Ground, name: &str, disabled: bool) -> Result<(), Trouble> {
    let mut user = ground.user(name)?.clone();
    user.disabled = disabled;
    ground.settings = edit::put_user(&ground.places.settings, name, &user)?;
    Ok(())
}

/// Whether somebody is known by that name: in the file, or by a slot that is kept.
pub fn is_known(ground: &Ground, name: &str) -> bool {
    ground.settings.users.contains_key(name) || ground.ledger.slot(name).is_some()
}

/// Takes somebody out of the file; their data only where that was asked for.
///
/// # Errors
/// It cannot be written, or not all of the data could be deleted.
pub fn remove(ground: &mut Ground, name: &str, with_data: bool) -> Result<(), Trouble> {
    ground.settings = edit::remove_user(&ground.places.settings, name)?;
    if with_data {
        delete_data(ground, name)?;
    }
    Ok(())
}

/// What is there of somebody besides the container: folders and secrets, and the volume of Docker inside.
pub fn left(ground: &Ground, name: &str) -> (Vec<String>, Option<String>) {
    let folders = ground
        .data(name)
        .iter()
        .map(|f| f.display().to_string())
        .collect();
    let nested = ground.settings.users.get(name).is_some_and(|user| user.docker);
    let volume = nested.then(|| {
        format!(
            "the volume {} with the images of Docker inside; `docker volume rm` removes it",
            spec::docker_volume(name)
        )
    });
    (folders, volume)
}

fn delete_data(ground: &mut Ground, name: &str) -> Result<(), Trouble> {
    let root = ground.settings.root.clone();
    for folder in spec::folders(&root, name)
        .into_iter()
        .filter(|folder| folder.id != "shared")
    {
        backup::delete(&root, &folder.source).map_err(|error| Trouble::Data {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
    }
    ground.secrets(name).remove()?;
    ground.ledger.release(name);
    Ok(ground.ledger.write(&ground.places.ledger)?)
}

/// Slots, folders and secrets of users that are to start: who was written into the file by hand has none yet.
///
/// # Errors
/// Nobody is called so, or something of it could not be made.
pub fn ready(ground: &mut Ground, users: &[String]) -> Result<(), Trouble> {
    for name in users {
        let user = ground.user(name)?.clone();
        let slot = ground.slot(name)?;
        make_folders(ground, name, &user, slot)?;
        ground.secrets(name).complete()?;
    }
    Ok(())
}

/// The user's folders, where they are missing; those that are theirs belong to them, and the home to them alone.
///
/// # Errors
/// One cannot be made.
pub fn make_folders(ground: &Ground, name: &str, user: &User, slot: u32) -> Result<(), Trouble> {
    let uid = spec::uid(user, slot);
    for wanted in spec::folders(&ground.settings.root, name) {
        let mode = if wanted.id == "home" { 0o700 } else { 0o755 };
        let failed = |source| Trouble::Folder {
            path: wanted.source.clone(),
            source,
        };
        if fs::symlink_metadata(&wanted.source).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        if let Some(above) = wanted.source.parent() {
            fs::create_dir_all(above).map_err(failed)?;
        }
        fs::DirBuilder::new()
            .mode(mode)
            .create(&wanted.source)
            .map_err(failed)?;
        if wanted.own {
            own(&wanted.source, uid).map_err(failed)?;
        }
    }
    Ok(())
}

/// Who is not root leaves it to the container's first process.
fn own(folder: &Path, uid: u32) -> std::io::Result<()> {
    let owner = fs::symlink_metadata(folder)?.uid();
    if owner != uid && rustix::process::geteuid().is_root() {
        lchown(folder, Some(uid), Some(uid))?;
    }
    Ok(())
}

/// What a reader has to know of a user before it is too late.
pub fn warnings(settings: &Settings, name: &str, user: &User) -> Vec<String> {
    let mut said = vec![];
    let bind = user.bind.unwrap_or(settings.bind);
    if !bind.is_loopback() {
        said.push(format!(
            "WARNING: the ports of {name} are opened at {bind}: whoever reaches this machine reaches them, past its \
             firewall (Docker opens them in front of ufw and firewalld); 127.0.0.1 with `ssh -L` is the safe way"
        ));
    }
    if user.docker && settings.nested_runtime.is_empty() {
        said.push(format!(
            "WARNING: with Docker inside, {name} has capabilities by which a knowing user becomes root on this machine \
             and reads the disks of all others; a runtime as sysbox-runc avoids that (`workspace setup --nested-runtime`)"
        ));
    }
    if user.privileged.is_some() {
        said.push(format!(
            "WARNING: {name} is privileged: that is root on this machine"
        ));
    }
    said
}

/// What of all users together does not fit any more, now that one was added or changed. What listens at the ports of one who
/// was there before may be their own workspace; each start looks again.
pub fn hints(ground: &Ground, name: &str, added: bool) -> Vec<String> {
    let sums = resources::sums(&ground.settings, Capacity::look(&Root::new(&folder())));
    let today = jiff::Zoned::now().date().to_string();
    let holds = gpus::holds(&ground.settings, &today);
    let wrong = sums.wrong.iter().map(|wrong| format!("note: {wrong}"));
    let conflicts = holds.conflicts.iter().filter(|text| text.contains(name));
    let conflicts = conflicts.map(|conflict| format!("note: {conflict}"));
    let collisions = ground.collisions(&|user| !added && user == name).into_iter();
    let collisions = collisions
        .filter(|c| c.user == name)
        .map(|c| format!("note: {}", c.text()));
    wrong.chain(conflicts).chain(collisions).collect()
}
