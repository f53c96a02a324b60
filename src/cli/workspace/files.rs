//! Workspaces as a compose file, and homes as archives.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    host::{self, docker, matrix::Matrix, passthrough::DRIVER},
    log::sanitize,
    workspace::{
        Settings,
        backup::{self, Report},
        compose::{self, Extras},
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop, detect,
        table::{bytes, json, note, out},
    },
    ComposeArgs, Ground, seen,
};

/// The one file that is a person's once it was written.
const BY_HAND: &str = "guacamole/user-mapping.xml";

pub(super) async fn compose(setup: &Setup, args: &ComposeArgs) -> Result<Code, Stop> {
    let mut ground = Ground::look(setup)?;
    ground.settings.users.retain(|_, user| !user.disabled);
    let stages = spec::stages(&ground.settings, &ground.ledger, &ground.places.secrets);
    if stages.is_empty() {
        return Err(Stop::usage(
            "nobody has a workspace who is not disabled; add somebody with `halolab workspace add USER`",
        ));
    }
    let extras = Extras {
        traefik: args.traefik,
        guacamole: args.guacamole,
        monitoring: args.monitoring,
    };
    let gpus = gpus(&ground.settings).await;
    let files = compose::files(&ground.settings, &stages, extras, &gpus);
    let Some(folder) = &args.out else {
        if setup.global.json {
            json(&serde_json::json!({"v": 1, "files": files}))?;
        } else {
            out(files.get("compose.yaml").map_or("", |text| text.trim_end()));
        }
        return Ok(Code::OK);
    };
    setup.may_change()?;
    let mut written = vec![];
    for (name, text) in &files {
        let path = folder.join(name);
        if name == BY_HAND && path.exists() {
            note(&format!("{} stays as it is", path.display()));
            continue;
        }
        let failed =
            |error: std::io::Error| Stop::blocked(format!("{} cannot be written: {error}", path.display()));
        write(&path, text).map_err(failed)?;
        written.push(path.display().to_string());
    }
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "written": written}))?;
    } else {
        out(&written.join("\n"));
        note(&format!(
            "start it with: docker compose --project-directory {} up -d",
            folder.display()
        ));
    }
    Ok(Code::OK)
}

/// What lets the users' GPUs in on this machine. Who gets none is told, and what compose cannot do for one who does.
async fn gpus(settings: &Settings) -> compose::Gpus {
    let mut found = compose::Gpus::new();
    let wanting = || settings.users.iter().filter(|(_, user)| !user.gpus.is_empty());
    if wanting().next().is_none() {
        return found;
    }
    let root = host::folder();
    let machine = host::Report::of(&root, Matrix::shipped()).await.machine;
    for (name, user) in wanting() {
        let choice = docker::Choice::of(&user.gpus);
        let passing = detect::passing(&machine, Some(&root), &choice, None).await;
        let why = match passing {
            Ok(passing) if !passing.gpus.is_empty() => {
                if passing
                    .host_config
                    .mounts
                    .iter()
                    .any(|folder| folder.target == DRIVER)
                {
                    note(&sanitize(&format!(
                        "{name}: the GPU gets in by its nodes, and after each start the driver's libraries have to be linked \
                         inside, which halolab does and compose does not; `halolab detect --docker` says what spares that"
                    )));
                }
                found.insert(name.clone(), passing.host_config);
                continue;
            }
            Ok(passing) => passing.closed(),
            Err(unknown) => unknown.to_string(),
        };
        note(&sanitize(&format!("{name} is without a GPU in there: {why}")));
    }
    found
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
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

fn home(ground: &Ground, user: &str) -> PathBuf {
    ground.settings.root.join("homes").join(user)
}

pub(super) fn backup(setup: &Setup, user: &str, file: &Path) -> Result<Code, Stop> {
    setup.may_change()?;
    let ground = Ground::look(setup)?;
    ground.user(user)?;
    let report = backup::save(&home(&ground, user), file).map_err(|error| Stop::new(Code::FAILED, error))?;
    tell(setup, user, &report, &format!("written to {}", file.display()))
}

pub(super) async fn restore(setup: &Setup, user: &str, file: &Path, replace: bool) -> Result<Code, Stop> {
    let (ground, _guard) = Ground::hold(setup)?;
    let wanted = ground.user(user)?;
    let slot = ground.ledger.slot(user).unwrap_or_default();
    let found = seen(setup, &ground).await;
    if found.running(user) {
        return Err(Stop::blocked(format!(
            "nothing was put back: the workspace of {user} runs; stop it first: `halolab workspace stop {user}`"
        )));
    }
    if let Some(away) = found.away.filter(|_| !found.absent) {
        note(&format!(
            "note: whether the workspace of {user} runs is not known: {away}; if it does, it sees the old home until its restart"
        ));
    }
    let report = backup::restore(file, &home(&ground, user), spec::uid(wanted, slot), replace)
        .map_err(|error| Stop::new(Code::FAILED, error))?;
    tell(setup, user, &report, "put back")
}

fn tell(setup: &Setup, user: &str, report: &Report, what: &str) -> Result<Code, Stop> {
    for left in &report.left_out {
        note(&format!("left out: {left}"));
    }
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "user": user, "report": report}))?;
        return Ok(Code::OK);
    }
    let kept = report.kept.as_ref();
    let kept = kept.map_or_else(String::new, |kept| {
        format!("; the home of before is {}", kept.display())
    });
    out(&sanitize(&format!(
        "the home of {user} is {what}: {} entries, {}, SHA-256 {}{kept}",
        report.entries,
        bytes(Some(report.bytes)),
        report.sha256
    )));
    Ok(Code::OK)
}
