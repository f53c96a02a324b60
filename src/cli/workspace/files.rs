//! Workspaces as a compose file, and homes as archives.

use std::path::Path;

use crate::{
    log::sanitize,
    workspace::{
        backup::{self, Report},
        compose::Extras,
        files::{NOBODY, composed, gpus, home, put, runs, start_words, told},
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{bytes, json, note, out},
    },
    ComposeArgs, Ground, seen,
};

pub(super) async fn compose(setup: &Setup, args: &ComposeArgs) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let extras = Extras {
        traefik: args.traefik,
        guacamole: args.guacamole,
        monitoring: args.monitoring,
    };
    let (gpus, notes) = gpus(&ground.settings).await;
    for text in notes {
        note(&sanitize(&text));
    }
    let files = composed(&ground, extras, &gpus).ok_or_else(|| Stop::usage(NOBODY))?;
    let Some(folder) = &args.out else {
        if setup.global.json {
            json(&serde_json::json!({"v": 1, "files": files}))?;
        } else {
            out(files.get("compose.yaml").map_or("", |text| text.trim_end()));
        }
        return Ok(Code::OK);
    };
    setup.may_change()?;
    let written = put(&files, folder).map_err(Stop::blocked)?;
    if let Some(stays) = &written.stays {
        note(&format!("{} stays as it is", stays.display()));
    }
    let names: Vec<String> = written.files.iter().map(|p| p.display().to_string()).collect();
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "written": names}))?;
    } else {
        out(&names.join("\n"));
        note(&start_words(folder));
    }
    Ok(Code::OK)
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
        return Err(Stop::blocked(runs(user)));
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
    out(&told(user, what, report, &bytes(Some(report.bytes))));
    Ok(Code::OK)
}
