//! The tracks that change a lab where it is. Nothing is overwritten before a safety snapshot of it exists.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    backend::{ConfigEdit, Status},
    labs::{UPDATING, counted, profile_name},
};

use super::{
    Action, Choice, Step, Track, Undo,
    create::{self, CLEAN},
    planner::{Case, PlanError, valid_name},
    step::Keep,
    swap::{after_swap, copy_spec, expired_versions, restore_by_copy},
    words::tags,
};

pub(super) fn track(case: &Case<'_>, actions: Vec<Action>, loses: Vec<String>, keeps: Vec<String>) -> Track {
    let keeps = keeps.into_iter().chain(create::keeps(case)).collect();
    Track {
        lab: case.lab.into(),
        stage: case.stage.id.clone(),
        choice: Choice::Skip,
        actions,
        loses,
        keeps,
        uuid: uuid(case),
        notes: vec![],
    }
}

pub(super) fn uuid(case: &Case<'_>) -> String {
    case.world
        .instance(case.lab)
        .map(|i| i.uuid.clone())
        .unwrap_or_default()
}

pub(super) fn running(case: &Case<'_>) -> bool {
    case.world
        .instance(case.lab)
        .is_some_and(|i| i.status == Status::Running)
}

pub(super) fn has_snapshot(case: &Case<'_>, of: &str, snapshot: &str) -> Result<(), PlanError> {
    let known = case.world.snapshots_of(of);
    if known.iter().any(|s| s == snapshot) {
        return Ok(());
    }
    let known = known.iter().map(|s| crate::log::sanitize(s)).collect();
    Err(PlanError::Snapshot {
        lab: of.into(),
        snapshot: crate::log::sanitize(snapshot),
        known,
    })
}

pub(super) fn restore(case: &Case<'_>, snapshot: &str) -> Result<Track, PlanError> {
    has_snapshot(case, case.lab, snapshot)?;
    if on_zfs(case) {
        return restore_by_copy(case, snapshot);
    }
    let words = case.words();
    let safety = case.free_snapshot("before-restore");
    let shown = crate::log::sanitize(snapshot);
    let lost = format!(
        "everything in {} since {shown}, except what {safety} holds",
        case.lab
    );
    let mut actions = vec![
        words.snapshot(case.lab, &safety, &format!("before the restore of {shown}")),
        Action {
            destroys: Some(format!("the present state of {}, which {safety} holds", case.lab)),
            undo: Undo::By(format!("restore {safety}")),
            seconds: 3,
            ..words.action(
                "restore",
                format!("put {} back to {shown}", case.lab),
                words.commands().restore(case.lab, &shown),
                Step::Restore {
                    name: case.lab.into(),
                    snapshot: snapshot.into(),
                    uuid: uuid(case),
                    keep: case.world.instance(case.lab).map(Keep::of),
                    taken: case.whole.taken(case.lab, snapshot).to_owned(),
                },
            )
        },
    ];
    actions.extend(recheck(case)?);
    let expiry = expiry_but(case, snapshot);
    let snapshots = if expiry.is_some() { "the other" } else { "all" };
    actions.extend(expiry);
    actions.extend(older_versions(case));
    let mut keeps = vec![
        format!(
            "{snapshots} snapshots of {}, and its state of now as {safety}",
            case.lab
        ),
        "devices and mounts: they are in the profile, and are checked after".into(),
    ];
    keeps.extend(super::containers::not_held(case));
    Ok(track(case, actions, vec![lost], keeps))
}

/// Safety snapshots whose days are over go once all else is done and proven.
pub(super) fn expiry(case: &Case<'_>) -> Option<Action> {
    expiry_but(case, "")
}

/// The same, but for the one that the plan goes back to.
fn expiry_but(case: &Case<'_>, target: &str) -> Option<Action> {
    let mut gone = case.world.expired(case.lab);
    gone.retain(|expired| expired.snapshot != target);
    let days = case.world.config.keep_days;
    (!gone.is_empty()).then(|| case.words().expire(case.lab, gone, days))
}

/// Earlier versions whose days are over, but never the newest one: a change in place makes no newer one.
fn older_versions(case: &Case<'_>) -> Vec<Action> {
    let newest = case.world.versions(case.lab).pop();
    expired_versions(case, newest.as_ref().map_or("", |k| k.name.as_str()))
}

fn on_zfs(case: &Case<'_>) -> bool {
    let pool = case.world.instance(case.lab).and_then(|i| i.pool());
    case.world
        .pools
        .iter()
        .any(|p| Some(p.name.as_str()) == pool && p.driver == "zfs")
}

/// After a restore: devices as the stage says them, running, proven.
fn recheck(case: &Case<'_>) -> Result<Vec<Action>, PlanError> {
    let words = case.words();
    let mut actions = vec![];
    let ours = case.world.profiles.contains_key(&profile_name(case.lab));
    if ours && !adopted(case) {
        actions.push(words.put_profile(create::profile(case)?));
    }
    actions.push(words.start(case.lab));
    let verifies = create::verifies(case, case.lab)?;
    if !verifies.is_empty() {
        actions.extend(words.wait_network(case.lab));
    }
    actions.extend(verifies);
    Ok(actions)
}

fn adopted(case: &Case<'_>) -> bool {
    case.world
        .instance(case.lab)
        .is_some_and(|i| i.tag("adopted").is_some())
}

pub(super) fn restore_as(case: &Case<'_>, snapshot: &str, name: &str) -> Result<Track, PlanError> {
    has_snapshot(case, case.lab, snapshot)?;
    if !valid_name(name) {
        return Err(PlanError::Name(crate::log::sanitize(name)));
    }
    if case.whole.instance(name).is_some() {
        return Err(PlanError::Taken(name.into()));
    }
    let words = case.words();
    let shown = crate::log::sanitize(snapshot);
    let sentence = format!("copy {}/{shown} to the new lab {name}", case.lab);
    let mut actions = vec![];
    // A profile of its own: a device that is changed for one of the two is not changed for the other. Its data mounts
    // are the same folders all the same.
    if let Some(own) = case.own_profile() {
        actions.push(words.copy_profile(own, &profile_name(name)));
    }
    actions.extend([
        words.copy(
            case.lab,
            Some(snapshot),
            copy_spec(case, case.lab, name, &[]),
            sentence,
        ),
        words.start(name),
    ]);
    let verifies = create::verifies(case, name)?;
    if !verifies.is_empty() {
        actions.extend(words.wait_network(name));
    }
    actions.extend(verifies);
    actions.push(words.snapshot(name, CLEAN, &format!("copied from {}/{shown}", case.lab)));
    let mut keeps = vec![format!("{} as it is, with all its snapshots", case.lab)];
    keeps.extend(shared_folders(case, name));
    Ok(track(case, actions, vec![], keeps))
}

/// What a copy shares with its original, as a sentence: the folders of the machine that both mount.
fn shared_folders(case: &Case<'_>, copy: &str) -> Option<String> {
    let profile = case.own_profile().and_then(|own| case.world.profiles.get(own));
    let own = case.world.instance(case.lab).map(|i| &i.devices);
    let devices = profile.map(|p| &p.devices).into_iter().chain(own);
    let key = |device: &BTreeMap<String, String>, key: &str| device.get(key).cloned().unwrap_or_default();
    let folders: BTreeSet<String> = devices
        .flat_map(BTreeMap::values)
        .filter(|device| key(device, "type") == "disk")
        .map(|device| key(device, "source"))
        .filter(|source| source.starts_with('/'))
        .collect();
    let list = folders.into_iter().collect::<Vec<_>>().join(" and ");
    (!list.is_empty()).then(|| {
        format!(
            "{list} as it is, and shared: both {} and {copy} write there from now on",
            case.lab
        )
    })
}

pub(super) fn update(case: &Case<'_>) -> Result<Track, PlanError> {
    if super::containers::rebuilds(case) {
        return super::swap::recreate(case);
    }
    let words = case.words();
    let safety = case.free_snapshot("before-update");
    let mut actions = vec![words.snapshot(case.lab, &safety, "before the update")];
    // Until it is proven, the daemon says that the lab is between two states, and which snapshot is the way back.
    let back = case.world.way_back(case.lab).unwrap_or(&safety);
    actions.push(words.edit(
        "updating",
        case.lab,
        format!("mark {} as being updated", case.lab),
        (tags(&[(UPDATING, back)]), &uuid(case)),
    ));
    actions.push(words.start(case.lab));
    actions.extend(words.wait_network(case.lab));
    let scripts = create::scripts(case, &case.stage.updates, case.lab)?;
    if scripts.is_empty() {
        return Err(PlanError::Blocked(format!(
            "the stage `{}` has no update steps",
            case.stage.id
        )));
    }
    let undo = Undo::By(format!("restore {safety}"));
    actions.extend(scripts.into_iter().map(|a| Action {
        undo: undo.clone(),
        ..a
    }));
    actions.extend(create::verifies(case, case.lab)?);
    actions.push(words.edit(
        "updated",
        case.lab,
        format!("mark {} as updated", case.lab),
        (tags(&[(UPDATING, "")]), &uuid(case)),
    ));
    actions.extend(expiry(case));
    actions.extend(older_versions(case));
    let keeps = vec![format!(
        "the state of now as {safety}; a failed update offers the way back to it"
    )];
    Ok(track(case, actions, vec![], keeps))
}

/// The lab with the profile that its stage says by now. Processes end with the restart, and nothing else does.
pub(super) fn renew(case: &Case<'_>) -> Result<Track, PlanError> {
    let words = case.words();
    if adopted(case) {
        return Err(PlanError::Blocked(format!(
            "{} was taken over as it is: its devices and limits are its own",
            case.lab
        )));
    }
    let profile = create::profile(case)?;
    let (made, _) = create::folders(case, case.lab);
    let mut actions: Vec<Action> = made.into_iter().collect();
    actions.push(words.put_profile(profile));
    if running(case) {
        actions.push(words.stop(case.lab));
    }
    actions.extend(after_swap(case)?);
    let keeps = vec![format!("everything in {}, and its snapshots", case.lab)];
    Ok(track(case, actions, vec![], keeps))
}

pub(super) fn remove(case: &Case<'_>) -> Track {
    let words = case.words();
    let count = case.world.snapshots_of(case.lab).len();
    let with = match count {
        0 => "all that is inside".to_owned(),
        count => format!("its {}", counted(count, "snapshot")),
    };
    let lost = format!("{} with {with}; nothing brings it back", case.lab);
    let mut actions = vec![];
    if running(case) {
        actions.push(words.stop(case.lab));
    }
    actions.push(words.delete(case.lab, &uuid(case), lost.clone()));
    let kept = case.world.kept(case.lab);
    let keeps = kept
        .iter()
        .map(|k| format!("{0} beside it; delete it with `halolab remove {0}`", k.name));
    track(case, actions, vec![lost], keeps.collect())
}

/// Proves a lab as it is; only its verdict is written anew.
pub(super) fn prove(case: &Case<'_>) -> Result<Track, PlanError> {
    let actions = after_swap(case)?;
    if !actions
        .iter()
        .any(|a| matches!(a.step, Step::Prove { .. } | Step::Verify { .. }))
    {
        return Err(PlanError::Blocked(format!(
            "there is nothing to prove: no GPU is passed into {}, and its stage `{}` has no checks",
            case.lab, case.stage.id
        )));
    }
    let keeps = vec![format!("{} as it is; only its verdict is written anew", case.lab)];
    Ok(track(case, actions, vec![], keeps))
}

pub(super) fn adopt(case: &Case<'_>) -> Result<Track, PlanError> {
    let words = case.words();
    let instance = case
        .world
        .instance(case.lab)
        .ok_or_else(|| PlanError::Missing(case.lab.into()))?;
    let profile = create::adopted_profile(case);
    let mut profiles = instance.profiles.clone();
    if !profiles.contains(&profile.name) {
        profiles.push(profile.name.clone());
    }
    let version = case.stage.version.to_string();
    let edit = ConfigEdit {
        profiles: Some(profiles),
        ..tags(&[
            ("stage", &case.stage.id),
            ("version", &version),
            ("generation", "1"),
            ("adopted", "yes"),
        ])
    };
    let safety = case.free_snapshot("before-adopt");
    let (made, owned) = create::folders(case, case.lab);
    let mounts = if made.is_some() {
        " and mount its data folders"
    } else {
        ""
    };
    let sentence = format!(
        "tag {} as a lab of the stage {}{mounts}; no file inside is changed",
        case.lab, case.stage.id
    );
    let mut actions = vec![words.snapshot(case.lab, &safety, "before halolab took it over")];
    actions.extend(made);
    actions.push(words.put_profile(profile));
    actions.push(words.edit("adopt", case.lab, sentence, (edit, &uuid(case))));
    actions.extend(owned);
    Ok(track(
        case,
        actions,
        vec![],
        vec![format!(
            "{} as it is, with its own profiles and devices",
            case.lab
        )],
    ))
}
