//! Workspaces as files for other programs and other machines: a folder that compose starts, and homes as archives. The
//! verbs and the screen do the same by it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Ground, Settings,
    backup::Report,
    compose::{self, Extras, Files, Gpus},
    spec,
};
use crate::{
    host::{self, docker, matrix::Matrix, passthrough::DRIVER},
    log::sanitize,
};

/// The one file that is a person's once it was written.
const BY_HAND: &str = "guacamole/user-mapping.xml";

/// What was written into a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// These files.
    pub files: Vec<PathBuf>,
    /// One that is somebody's own by now, and stays.
    pub stays: Option<PathBuf>,
}

/// The compose file of all who are not disabled, with what belongs to it; none where nobody is left.
pub fn composed(ground: &Ground, extras: Extras, gpus: &Gpus) -> Option<Files> {
    let mut settings = ground.settings.clone();
    settings.users.retain(|_, user| !user.disabled);
    let stages = spec::stages(&settings, &ground.ledger, &ground.places.secrets);
    (!stages.is_empty()).then(|| compose::files(&settings, &stages, extras, gpus))
}

/// What lets the users' GPUs in on this machine, and in words who gets none, and what compose cannot do for one who does.
pub async fn gpus(settings: &Settings) -> (Gpus, Vec<String>) {
    let (mut found, mut notes) = (Gpus::new(), vec![]);
    let all = settings.users.iter();
    let wanting: Vec<_> = all
        .filter(|(_, user)| !user.disabled && !user.gpus.is_empty())
        .collect();
    if wanting.is_empty() {
        return (found, notes);
    }
    let (root, matrix) = (host::folder(), Matrix::shipped());
    let machine = host::Report::of(&root, matrix).await.machine;
    for (name, user) in wanting {
        let choice = docker::Choice::of(&user.gpus);
        let passing = docker::passing(&machine, &root, matrix, &choice, None).await;
        let why = match passing {
            Ok(passing) if !passing.gpus.is_empty() => {
                let by_nodes = |folder: &docker::Mount| folder.target == DRIVER;
                if passing.host_config.mounts.iter().any(by_nodes) {
                    notes.push(format!(
                        "{name}: the GPU gets in by its nodes, and after each start the driver's libraries have to be linked \
                         inside, which halolab does and compose does not; `halolab detect --docker` says what spares that"
                    ));
                }
                found.insert(name.clone(), passing.host_config);
                continue;
            }
            Ok(passing) => passing.closed(),
            Err(unknown) => unknown.to_string(),
        };
        notes.push(format!("{name} is without a GPU in there: {why}"));
    }
    (found, notes)
}

/// Nobody is left for it.
pub const NOBODY: &str =
    "nobody has a workspace who is not disabled; add somebody with `halolab workspace add USER`";

/// Writes them below a folder, each whole or not at all.
///
/// # Errors
/// The file that cannot be written.
pub fn put(files: &Files, folder: &Path) -> Result<Written, String> {
    let mut done = Written::default();
    for (name, text) in files {
        let path = folder.join(name);
        if name == BY_HAND && path.exists() {
            done.stays = Some(path);
            continue;
        }
        write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        done.files.push(path);
    }
    Ok(done)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    fs::write(&fresh, text)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o644))?;
    fs::rename(&fresh, path)
}

/// How compose starts what is in a folder.
pub fn start_words(folder: &Path) -> String {
    format!(
        "start it with: docker compose --project-directory {} up -d",
        folder.display()
    )
}

/// A user's home on this machine.
pub fn home(ground: &Ground, user: &str) -> PathBuf {
    ground.settings.root.join("homes").join(user)
}

/// A home is not put back below what runs.
pub fn runs(user: &str) -> String {
    format!(
        "nothing was put back: the workspace of {user} runs; stop it first: `halolab workspace stop {user}`"
    )
}

/// What came of a home, `written to FILE` or `put back`; `size` are its bytes in words.
pub fn told(user: &str, what: &str, report: &Report, size: &str) -> String {
    let kept = report.kept.as_ref();
    let kept = kept.map_or_else(String::new, |kept| {
        format!("; the home of before is {}", kept.display())
    });
    sanitize(&format!(
        "the home of {user} is {what}: {} entries, {size}, SHA-256 {}{kept}",
        report.entries, report.sha256
    ))
}
