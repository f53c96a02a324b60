//! `halolab snapshot …`: what changes a lab's state goes through a plan; the rest is one call.

mod prune;

use clap::Subcommand;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    labs::{
        SnapshotKind, SnapshotRow, World,
        compare::{self, Question},
        expiry,
        identity::Seen,
        marks,
        sizes::Room,
        snapshot_rows, snapshots,
    },
    plan::{Choice, without},
    run::StopCode,
};

use prune::{forget_gone, old, prune};

use super::{
    Code, Setup, Stop,
    plan::{Consent, PlanArgs, make_and_run},
    signals::Signals,
    status::{room_of, room_text, snapshots_text, unknown},
    table::{json, note, out},
};

/// Verbs on snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Take a snapshot.
    Create {
        /// The lab.
        lab: String,
        /// Its name; `snap-1`, `snap-2`, ... without.
        name: Option<String>,
        /// What it is.
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// List the snapshots of a lab, newest first.
    List {
        /// The lab.
        lab: String,
    },
    /// Put a lab back to a snapshot; its state of now is kept as a safety snapshot.
    Restore {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Make a new lab from a snapshot.
    Copy {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
        /// The new lab.
        new: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// What changed since a snapshot, or between two: packages, files, settings, devices. Stops nothing.
    Diff {
        /// The lab.
        lab: String,
        /// The older side; the newest snapshot without.
        snapshot: Option<String>,
        /// The newer side; the present without.
        other: Option<String>,
        /// How many files to show.
        #[arg(long, default_value_t = 40)]
        files: usize,
        /// Compare files even where the storage pool makes full copies.
        #[arg(long)]
        deep: bool,
    },
    /// Write a note about a snapshot.
    Note {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
        /// The note.
        text: String,
    },
    /// Keep a snapshot from being pruned or deleted.
    Pin {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
    },
    /// Let a snapshot be pruned or deleted again.
    Unpin {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
    },
    /// Give a snapshot another name.
    Rename {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
        /// Its new name.
        new: String,
    },
    /// Delete a snapshot.
    Rm {
        /// The lab.
        lab: String,
        /// The snapshot.
        name: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Delete old safety snapshots; the newest ones, pinned ones and yours stay.
    Prune {
        /// The lab.
        lab: String,
        /// How many safety snapshots to keep; `keep-safety` of the settings without.
        #[arg(long)]
        keep: Option<usize>,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
        /// Only show what would be deleted.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A snapshot, and until when it is kept; none for ever.
#[derive(Serialize)]
struct Dated<'a> {
    #[serde(flatten)]
    row: &'a SnapshotRow,
    kept_to: Option<String>,
}

#[derive(Serialize)]
struct List<'a> {
    v: u32,
    lab: &'a str,
    snapshots: Vec<Dated<'a>>,
    room: Option<Room>,
}

pub(super) async fn run(setup: &Setup, verb: SnapshotVerb) -> Result<Code, Stop> {
    match verb {
        SnapshotVerb::List { lab } => list(setup, &lab).await,
        SnapshotVerb::Create { lab, name, message } => create(setup, &lab, name, &message).await,
        SnapshotVerb::Restore { lab, name, consent } => {
            planned(setup, lab, Choice::Restore(name), consent).await
        }
        SnapshotVerb::Copy {
            lab,
            name,
            new,
            consent,
        } => planned(setup, lab, Choice::RestoreAs(name, new), consent).await,
        SnapshotVerb::Diff {
            lab,
            snapshot,
            other,
            files,
            deep,
        } => {
            let rows = rows_in(setup, &setup.glance_at(&[&lab]).await?, &lab).await?;
            let newest = || rows.first().map(|r| r.name.clone());
            let from = snapshot.or_else(newest).ok_or_else(|| {
                Stop::blocked(format!(
                    "{lab} has no snapshot; `halolab snapshot create {lab}` takes one"
                ))
            })?;
            let to = other;
            diff(setup, &Question { lab, from, to, deep }, files).await
        }
        SnapshotVerb::Note { lab, name, text } => mark(setup, &lab, &name, |m| m.note = text).await,
        SnapshotVerb::Pin { lab, name } => mark(setup, &lab, &name, |m| m.pinned = true).await,
        SnapshotVerb::Unpin { lab, name } => mark(setup, &lab, &name, |m| m.pinned = false).await,
        SnapshotVerb::Rename { lab, name, new } => rename(setup, &lab, &name, &new).await,
        SnapshotVerb::Rm { lab, name, yes } => remove(setup, &lab, &name, yes).await,
        SnapshotVerb::Prune {
            lab,
            keep,
            yes,
            dry_run,
        } => {
            let keep = keep.unwrap_or(setup.config.keep_safety);
            let world = setup.glance_at(&[&lab]).await?;
            let rows = rows_in(setup, &world, &lab).await?;
            let old = old(&rows, keep, setup.config.keep_days);
            prune(setup, (&lab, &Seen::instance(&world, &lab)), &old, (yes, dry_run)).await
        }
    }
}

async fn planned(setup: &Setup, lab: String, choice: Choice, consent: Consent) -> Result<Code, Stop> {
    make_and_run(setup, &PlanArgs::of(lab, choice), &consent).await
}

async fn rows_in(setup: &Setup, world: &World, lab: &str) -> Result<Vec<SnapshotRow>, Stop> {
    let found = world
        .find(&setup.catalog, lab)
        .ok_or_else(|| unknown(lab, &world.labs(&setup.catalog)))?;
    if found.instance.is_none() {
        return Err(Stop::blocked(format!(
            "{lab} is not made yet; `halolab apply {lab}` makes it"
        )));
    }
    Ok(snapshot_rows(setup.backend().await?.as_ref(), lab).await?)
}

/// One of our labs that may be changed, and one of its snapshots.
async fn one(setup: &Setup, lab: &str, name: &str) -> Result<(Seen, SnapshotRow), Stop> {
    let (seen, rows) = ours(setup, lab).await?;
    let known = rows
        .iter()
        .map(|r| crate::log::sanitize(&r.name))
        .collect::<Vec<_>>()
        .join(", ");
    let row = rows.into_iter().find(|r| r.name == name).ok_or_else(|| {
        Stop::blocked(format!(
            "{lab} has no snapshot `{}`; it has: {known}",
            crate::log::sanitize(name)
        ))
    })?;
    Ok((seen.with(&row), row))
}

async fn ours(setup: &Setup, lab: &str) -> Result<(Seen, Vec<SnapshotRow>), Stop> {
    setup.may_change()?;
    let world = setup.glance_at(&[lab]).await?;
    if world.presence(lab) == crate::labs::Presence::Foreign {
        return Err(crate::plan::PlanError::Foreign(lab.into()).into());
    }
    let rows = rows_in(setup, &world, lab).await?;
    Ok((Seen::instance(&world, lab), rows))
}

async fn list(setup: &Setup, lab: &str) -> Result<Code, Stop> {
    let world = setup.world(&[]).await?;
    let rows = rows_in(setup, &world, lab).await?;
    let room = room_of(&world, lab, &rows);
    let days = setup.config.keep_days;
    if setup.global.json {
        let dated = rows.iter().map(|row| Dated {
            row,
            kept_to: expiry::of_row(row, days),
        });
        json(&List {
            v: 1,
            lab,
            snapshots: dated.collect(),
            room,
        })?;
    } else {
        out(&snapshots_text(&rows, setup.config.keep_days));
        room.iter().filter_map(room_text).for_each(|text| out(&text));
    }
    Ok(Code::OK)
}

async fn diff(setup: &Setup, question: &Question, files: usize) -> Result<Code, Stop> {
    setup.may_change()?;
    let cancel = CancellationToken::new();
    let code = StopCode::default();
    let _signals = Signals::listen(cancel.clone(), code.clone())?;
    let backend = setup.backend().await?;
    let difference = match compare::compare(backend.as_ref(), question, &cancel).await {
        Err(_) if cancel.is_cancelled() => return Ok(Code(code.get())),
        difference => difference?,
    };
    if setup.global.json {
        json(&difference)?;
    } else {
        out(&compare::text(&difference, files).join("\n"));
    }
    Ok(Code::OK)
}

async fn create(setup: &Setup, lab: &str, name: Option<String>, message: &str) -> Result<Code, Stop> {
    let _lock = setup.hold(&[lab], &format!("snapshot create {lab}")).await?;
    let (_, rows) = ours(setup, lab).await?;
    let taken = |n: &String| rows.iter().any(|r| r.name == *n);
    let name = match name {
        Some(name) => name,
        None => (1..=u32::MAX)
            .map(|n| format!("snap-{n}"))
            .find(|n| !taken(n))
            .unwrap_or_default(),
    };
    check_name(&name)?;
    let backend = setup.backend().await?;
    snapshots::take(backend.as_ref(), lab, &name, message, SnapshotKind::User).await?;
    let of = backend.instance(lab).await.ok().flatten();
    if let Some(outside) = of.and_then(|instance| instance.not_in_snapshots()) {
        note(&crate::log::sanitize(&format!(
            "it does not hold what is in {outside}: no restore touches that"
        )));
    }
    said(setup, &format!("took the snapshot {name} of {lab}"), lab, &name)
}

fn check_name(name: &str) -> Result<(), Stop> {
    if crate::plan::planner::valid_name(name) {
        return Ok(());
    }
    let shown = crate::log::sanitize(name);
    Err(Stop::usage(format!(
        "`{shown}` cannot be a snapshot's name; allowed: a-z, 0-9 and -, at most 40 characters"
    )))
}

fn said(setup: &Setup, text: &str, lab: &str, name: &str) -> Result<Code, Stop> {
    if setup.global.json {
        json(&serde_json::json!({"v": 1, "lab": lab, "snapshot": name, "done": text}))?;
    } else {
        out(&crate::log::sanitize(text));
    }
    Ok(Code::OK)
}

async fn mark(
    setup: &Setup,
    lab: &str,
    name: &str,
    change: impl FnOnce(&mut marks::Mark) + Send,
) -> Result<Code, Stop> {
    let _lock = setup
        .hold(&[lab], &format!("snapshot note or pin {lab} {name}"))
        .await?;
    one(setup, lab, name).await?;
    marks::change(setup.backend().await?.as_ref(), lab, name, change).await?;
    said(setup, &format!("noted on {lab}/{name}"), lab, name)
}

async fn rename(setup: &Setup, lab: &str, name: &str, new: &str) -> Result<Code, Stop> {
    let _lock = setup
        .hold(&[lab], &format!("snapshot rename {lab} {name}"))
        .await?;
    let (seen, _) = one(setup, lab, name).await?;
    check_name(new)?;
    snapshots::rename(setup.backend().await?.as_ref(), lab, (name, new), &seen).await?;
    let without = without(name);
    said(
        setup,
        &format!("{lab}/{name} is now {lab}/{new}{without}"),
        lab,
        new,
    )
}

async fn remove(setup: &Setup, lab: &str, name: &str, yes: bool) -> Result<Code, Stop> {
    let (seen, row) = match one(setup, lab, name).await {
        Ok(found) => found,
        Err(missing) => {
            forget_gone(setup, lab).await;
            return Err(missing);
        }
    };
    if row.pinned {
        let (lab, snapshot) = (lab.into(), name.into());
        return Err(snapshots::SnapshotError::Pinned { lab, snapshot }.into());
    }
    if row.way_back {
        let (lab, snapshot) = (lab.into(), name.into());
        return Err(snapshots::SnapshotError::WayBack { lab, snapshot }.into());
    }
    confirm(
        setup,
        &format!("Delete the snapshot {name} of {lab} for good?"),
        yes,
    )?;
    let _lock = setup.hold(&[lab], &format!("snapshot rm {lab} {name}")).await?;
    snapshots::delete(setup.backend().await?.as_ref(), lab, name, &seen).await?;
    said(setup, &format!("deleted {lab}/{name}"), lab, name)
}

/// Asks a yes or no question; without a terminal it names the flag.
fn confirm(setup: &Setup, question: &str, yes: bool) -> Result<(), Stop> {
    use std::io::{BufRead as _, IsTerminal as _, Write as _};
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if setup.global.no_input || setup.global.json || !stdin.is_terminal() {
        return Err(Stop::usage("nothing was changed: say yes with --yes"));
    }
    let _ = write!(
        std::io::stdout(),
        "{} Type yes to go on [no]: ",
        crate::log::sanitize(question)
    );
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if matches!(line.trim(), "yes" | "y") {
        Ok(())
    } else {
        Err(Stop::new(Code::DECLINED, "nothing was changed"))
    }
}
