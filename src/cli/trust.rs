//! Look and trust: a stage from elsewhere is shown, and runs only once its text is trusted.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::{
    paths::no_file_above,
    plan::Plan,
    stage::{
        Stage,
        trust::{Store, Stranger},
    },
};

use super::{
    Code, Setup, Stop,
    table::{json, out},
};

/// Said wherever it is asked about.
const WHAT: &str = "Its scripts run as root, in labs or on this machine, and its profile can mount folders of this \
                    machine. Trust it only if you understand what it does, or know who wrote it.";

fn store(setup: &Setup) -> Store {
    Store::new(&setup.paths.state)
}

/// The stages whose text a plan carries out and that were not trusted.
pub(super) fn strangers<'s>(setup: &'s Setup, plan: &Plan) -> Vec<(&'s Stage, Stranger)> {
    let store = store(setup);
    let stages = plan
        .runs_stages()
        .into_iter()
        .filter_map(|id| setup.catalog.get(id));
    stages
        .filter_map(|stage| Some((stage, store.stranger(stage)?)))
        .collect()
}

/// Lets a plan pass only where all that it runs is trusted: already, by `--trust SHA256`, or asked now.
pub(super) fn gate(setup: &Setup, plan: &Plan, given: &[String]) -> Result<(), Stop> {
    for (stage, stranger) in strangers(setup, plan) {
        decide(setup, stage, &stranger, given)?;
    }
    Ok(())
}

fn decide(setup: &Setup, stage: &Stage, stranger: &Stranger, given: &[String]) -> Result<(), Stop> {
    setup.may_change()?;
    // Nobody reads and agrees to what can then not be kept.
    no_file_above(&setup.paths.state).map_err(Stop::blocked)?;
    if !given.contains(&stranger.sha256) {
        ask(setup, stranger)?;
    }
    store(setup).trust(stage).map_err(Stop::blocked)
}

/// What a person reads before they decide.
pub(super) fn text(stranger: &Stranger) -> String {
    let how = if stranger.changed {
        "was changed since you trusted it; this is the difference"
    } else {
        "was not looked at yet; this is all of it"
    };
    let mut lines = vec![format!("The stage {} in {} {how}:", stranger.id, stranger.origin)];
    lines.push(String::new());
    lines.extend(stranger.lines.clone());
    lines.push(String::new());
    lines.push(WHAT.into());
    lines.push(format!("SHA-256: {}", stranger.sha256));
    let safe = lines.iter().map(|line| crate::log::sanitize(line));
    safe.collect::<Vec<_>>().join("\n")
}

fn ask(setup: &Setup, stranger: &Stranger) -> Result<(), Stop> {
    let stdin = std::io::stdin();
    if setup.global.no_input || setup.global.json || !stdin.is_terminal() {
        let why = if stranger.changed {
            "was changed since you trusted it"
        } else {
            "was not looked at yet"
        };
        let (id, sha256) = (&stranger.id, &stranger.sha256);
        return Err(Stop::blocked(crate::log::sanitize(&format!(
            "nothing was changed: the stage {id} in {} {why}, and what it runs, it runs as root; look at it with \
             `halolab stage trust {id}`, then trust this text with `--trust {sha256}`",
            stranger.origin
        ))));
    }
    out(&text(stranger));
    let _ = write!(std::io::stdout(), "Trust it? Type yes to go on [no]: ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if matches!(line.trim(), "yes" | "y") {
        return Ok(());
    }
    Err(Stop::new(Code::DECLINED, "nothing was changed"))
}

/// `stage trust STAGE`: shows it, and asks.
pub(super) fn trust(setup: &Setup, stage: &Stage, given: &[String]) -> Result<Code, Stop> {
    let Some(stranger) = store(setup).stranger(stage) else {
        if setup.global.json {
            json(&serde_json::json!({
                "v": 1, "id": stage.id, "origin": stage.origin, "sha256": stage.sha256(), "trusted": true,
            }))?;
        } else {
            out(&format!("{} is trusted ({})", stage.id, stage.sha256()));
        }
        return Ok(Code::OK);
    };
    let terminal = std::io::stdin().is_terminal() && !setup.global.no_input;
    if !given.contains(&stranger.sha256) && (setup.global.json || !terminal) {
        if setup.global.json {
            json(&serde_json::json!({
                "v": 1, "id": stranger.id, "origin": stranger.origin, "sha256": stranger.sha256, "trusted": false,
                "changed": stranger.changed, "text": stranger.lines,
            }))?;
            return Ok(Code::BLOCKED);
        }
        out(&text(&stranger));
        return Err(Stop::blocked(crate::log::sanitize(&format!(
            "nothing was trusted: without a terminal, agree to this text with `halolab stage trust {} --trust {}`",
            stranger.id, stranger.sha256
        ))));
    }
    decide(setup, stage, &stranger, given)?;
    if setup.global.json {
        json(&serde_json::json!({
            "v": 1, "id": stranger.id, "origin": stranger.origin, "sha256": stranger.sha256, "trusted": true,
        }))?;
    } else {
        out(&format!("{} is trusted ({})", stage.id, stranger.sha256));
    }
    Ok(Code::OK)
}
