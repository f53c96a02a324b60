//! A run whose journal was never closed, because halolab or the machine ended in it: where it stopped, what is kept,
//! and what would take it back.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    host::{BOOT_ID, Root},
    labs::{SnapshotKind, UPDATING, Unended, World, tag},
    plan::{Action, Choice, Losses, Plan, Step, Track},
};

use super::{
    advice::advice,
    apply::RESTART,
    journal::{self, Record},
    lock::{Daemon, Holder, Scope},
    receipt::in_force,
};

/// Exit codes of runs that changed nothing.
const BLOCKED: u8 = 3;
const DECLINED: u8 = 7;
const LOCKED: u8 = 8;

/// Where one track of a run stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The lab; `host` for the preparation.
    pub lab: String,
    /// The action that did not end, as a sentence.
    pub at: String,
    /// What is kept.
    pub kept: String,
}

/// The newest run that was never closed, unless somebody is at work or its labs were worked on since.
pub fn find(runs: &Path, lock: &Path, daemon: &Daemon) -> Option<Record> {
    let records = journal::records(runs);
    let open = records
        .iter()
        .position(|r| r.code.is_none() || was_restarted(r))?;
    let stopped = records.get(open)?;
    if Holder::against(lock, &Scope::of(&stopped.plan, daemon)).is_some() {
        return None;
    }
    let worked_on = worked_on_since(&records, stopped).is_some();
    let mut found = records.into_iter().nth(open).filter(|_| !worked_on)?;
    if was_restarted(&found) {
        found.restarted = counts(&found);
    }
    Some(found)
}

/// The runs that were left before their end, newest first: they failed, were stopped or killed, nobody is at work on them
/// and nothing came after. What changed nothing is none of them, and a proof that failed is only made anew.
pub fn left(runs: &Path, lock: &Path, daemon: &Daemon) -> Vec<Unended> {
    let records = journal::records(runs);
    let is_left = |r: &&Record| {
        let open = match r.code {
            Some(0 | BLOCKED | DECLINED | LOCKED) => false,
            Some(RESTART) => was_restarted(r),
            _ => true,
        };
        let changes = r.plan.labs.is_empty() || r.plan.labs.iter().any(|t| t.choice != Choice::Prove);
        open && changes && !r.begun.is_empty() && worked_on_since(&records, r).is_none()
    };
    let free = |r: &&Record| Holder::against(lock, &Scope::of(&r.plan, daemon)).is_none();
    let found = records.iter().filter(is_left).filter(free);
    found.filter_map(unended).collect()
}

fn unended(record: &Record) -> Option<Unended> {
    let stops = stops(record);
    let at = stops.first()?.at.clone();
    let open = |t: &&Track| t.actions.iter().any(|a| !record.done.contains(&a.id));
    let labs = record.plan.labs.iter().filter(open);
    Some(Unended {
        run: record.id.clone(),
        date: record.date(),
        labs: labs.map(|t| t.lab.clone()).collect(),
        at,
    })
}

/// Whether a run that waits for a restart of the machine can go on: the machine was restarted since.
fn was_restarted(record: &Record) -> bool {
    let Some((_, boot, root)) = record.plan.awaits().filter(|_| record.code == Some(RESTART)) else {
        return false;
    };
    let root = Root::new(root.map_or_else(|| Path::new("/"), PathBuf::as_path));
    root.read(BOOT_ID).unwrap_or_default() != boot
}

/// Whether the change that a run waited for counts now; none where it waited for none.
fn counts(record: &Record) -> Option<bool> {
    let (wish, _, root) = record.plan.awaits()?;
    let root = Root::new(root.map_or_else(|| Path::new("/"), PathBuf::as_path));
    Some(in_force(&root, &wish.set, &wish.remove))
}

/// The later run that changed a lab of this one, and the lab: on top of that, what is left of this run is no longer
/// what was agreed to. A proof changes nothing. What an uninstall takes back, any later run may have made anew.
pub fn worked_on_since<'a>(records: &'a [Record], record: &Record) -> Option<(&'a Record, &'a str)> {
    let wanted = |t: &Track| record.plan.labs.iter().any(|mine| mine.lab == t.lab);
    let uninstalls = record.plan.host.iter().any(|a| a.id.starts_with("uninstall/"));
    let later = records.iter().filter(|r| r.id > record.id);
    later.into_iter().find_map(|later| {
        if uninstalls && !later.begun.is_empty() {
            let lab = later.plan.labs.first().map_or("host", |track| track.lab.as_str());
            return Some((later, lab));
        }
        let begun = |t: &Track| t.actions.iter().any(|a| later.begun.contains(&a.id));
        let changed = |t: &&Track| t.choice != Choice::Prove && wanted(t) && begun(t);
        let track = later.plan.labs.iter().find(changed)?;
        Some((later, track.lab.as_str()))
    })
}

/// Where each track of a run stopped; tracks that came to their end are left out.
pub fn stops(record: &Record) -> Vec<Stopped> {
    let mut found = vec![];
    let host = &record.plan.host;
    if let Some(open) = host.iter().find(|a| !record.done.contains(&a.id)) {
        found.push(Stopped {
            lab: "host".into(),
            at: open.sentence.clone(),
            kept: "no lab was touched".into(),
        });
        return found;
    }
    for track in &record.plan.labs {
        let open = track.actions.iter().position(|a| !record.done.contains(&a.id));
        if let Some((index, action)) = open.and_then(|i| Some((i, track.actions.get(i)?))) {
            found.push(Stopped {
                lab: track.lab.clone(),
                at: action.sentence.clone(),
                kept: advice(track, index, &record.id).kept,
            });
        }
    }
    found
}

/// What the actions of a run that are left, or of a plan that was not begun, would destroy now.
pub fn losses_now(plan: &Plan, world: &World, runs: &Path, run: &str) -> Losses {
    let record = journal::records(runs).into_iter().find(|record| record.id == run);
    let done = record.map(|record| record.done).unwrap_or_default();
    Losses::of(plan, world, |action| done.iter().any(|id| id == action))
}

/// What going on with a run destroys: what its actions that are left say, and what is lost with their labs.
pub fn losses(record: &Record) -> Vec<String> {
    let open = |a: &&Action| !record.done.contains(&a.id);
    let destroyed = |actions: &[Action]| -> Vec<String> {
        let rest = actions.iter().filter(open);
        rest.filter_map(|a| a.destroys.clone()).collect()
    };
    let mut lost = destroyed(&record.plan.host);
    for track in &record.plan.labs {
        let here = destroyed(&track.actions);
        // What no action destroys is lost at the track's end: a secret that was not given again.
        let at_its_end =
            !track.actions.iter().any(|a| a.destroys.is_some()) && track.actions.iter().any(|a| open(&a));
        if !here.is_empty() || at_its_end {
            lost.extend(here.into_iter().chain(track.loses.iter().cloned()));
        }
    }
    let mut seen = BTreeSet::new();
    lost.retain(|text| seen.insert(text.clone()));
    lost
}

/// The labs that going on with a run removes for good.
pub fn removals(record: &Record) -> Vec<String> {
    let open = |t: &&Track| t.actions.iter().any(|a| !record.done.contains(&a.id));
    let removed = |t: &&Track| t.choice == Choice::Remove;
    let tracks = record.plan.labs.iter().filter(removed).filter(open);
    tracks.map(|t| t.lab.clone()).collect()
}

/// What would take a run back: lab, stage and choice of each track that stopped and left something.
pub fn ways_back(record: &Record, world: &World) -> Vec<(String, String, Choice)> {
    let open = |t: &&Track| t.actions.iter().any(|a| !record.done.contains(&a.id));
    let tracks = record.plan.labs.iter().filter(open);
    let way = |t: &Track| {
        let (name, choice) = way_back(record, t, world)?;
        Some((name, t.stage.clone(), choice))
    };
    tracks.filter_map(way).collect()
}

/// What would undo all that a run did to labs: of tracks that stopped as [`ways_back`] says, of the others what they
/// kept. What was removed, taken over or proven is left as it is.
pub fn ways_to_undo(record: &Record, world: &World) -> Vec<(String, String, Choice)> {
    let open = |t: &Track| t.actions.iter().any(|a| !record.done.contains(&a.id));
    let way = |t: &Track| {
        let (name, choice) = if open(t) {
            way_back(record, t, world)?
        } else {
            undone(record, t, world)?
        };
        Some((name, t.stage.clone(), choice))
    };
    record.plan.labs.iter().filter_map(way).collect()
}

/// What takes a track back that came to its end.
fn undone(record: &Record, track: &Track, world: &World) -> Option<(String, Choice)> {
    let lab = &track.lab;
    let of_this_run = |name: &str| {
        let run = world.instance(name).and_then(|i| i.tag("run"));
        run == Some(record.id.as_str())
    };
    let choice = match &track.choice {
        Choice::Restore(_) | Choice::Update => {
            let taken = track.actions.iter().find_map(|a| match &a.step {
                Step::Snapshot {
                    name,
                    snapshot,
                    kind: SnapshotKind::Safety,
                    ..
                } if name == lab => Some(snapshot),
                _ => None,
            });
            Choice::Restore(taken.filter(|s| world.snapshots_of(lab).contains(s))?.clone())
        }
        Choice::Recreate | Choice::RecreateFromClean | Choice::BringBack(_) => {
            let prev = made(track, |spec| spec.contains_key(&tag("kept")))?;
            Choice::BringBack(Some(prev).filter(|p| world.instance(p).is_some())?)
        }
        Choice::Create if of_this_run(lab) => Choice::Remove,
        Choice::RestoreAs(_, name) if of_this_run(name) => return Some((name.clone(), Choice::Remove)),
        _ => return None,
    };
    Some((lab.clone(), choice))
}

fn way_back(record: &Record, track: &Track, world: &World) -> Option<(String, Choice)> {
    let lab = &track.lab;
    let of_this_run = |name: &str| {
        let found = world.instance(name)?;
        (found.tag("run") == Some(record.id.as_str())).then_some(found)
    };
    let prev = made(track, |spec| spec.contains_key(&tag("kept")))
        .filter(|p| of_this_run(p).is_some_and(|i| i.tag("state") != Some("building")));
    let here = world.instance(lab);
    let half_made = here.is_some_and(|i| i.tag("state") == Some("building"));
    // The old one is kept whole, and what bears its name now is of this run, or nothing is.
    if let Some(prev) = prev.filter(|_| here.is_none() || of_this_run(lab).is_some()) {
        return Some((lab.clone(), Choice::BringBack(prev)));
    }
    if half_made {
        return Some((lab.clone(), Choice::Remove));
    }
    let snapshots = world.snapshots_of(lab);
    let half_updated = here.and_then(|i| i.tag(UPDATING)).map(str::to_owned);
    let back = half_updated.or_else(|| safety(record, track));
    if let Some(back) = back.filter(|b| snapshots.contains(b)) {
        return Some((lab.clone(), Choice::Restore(back)));
    }
    let beside = track.actions.iter().find_map(|a| match &a.step {
        Step::Create { spec } | Step::Copy { spec, .. } if spec.name != *lab => {
            of_this_run(&spec.name).map(|i| i.name.clone())
        }
        _ => None,
    });
    beside.map(|name| (name, Choice::Remove))
}

/// The instance that a track copies its lab to with such tags.
fn made(
    track: &Track,
    wanted: impl Fn(&std::collections::BTreeMap<String, String>) -> bool,
) -> Option<String> {
    track.actions.iter().find_map(|a| match &a.step {
        Step::Copy { spec, .. } if spec.name != track.lab && wanted(&spec.config) => Some(spec.name.clone()),
        _ => None,
    })
}

/// The safety snapshot that a restore took, once the restore itself was begun.
fn safety(record: &Record, track: &Track) -> Option<String> {
    let restores = |a: &Action| matches!(a.step, Step::Restore { .. });
    let restored = track.actions.iter().find(|a| restores(a))?;
    let begun = record.begun.contains(&restored.id);
    track
        .actions
        .iter()
        .filter(|_| begun)
        .find_map(|a| match &a.step {
            Step::Snapshot { snapshot, .. } if record.done.contains(&a.id) => Some(snapshot.clone()),
            _ => None,
        })
}
