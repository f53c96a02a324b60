//! The tracks that change a lab which exists. Nothing is overwritten before a safety snapshot or a
//! whole copy of it exists, and instances are never swapped by rename: a daemon killed in it
//! corrupts its record.

use crate::{
    backend::{ConfigEdit, InstanceSpec, Status},
    labs::{profile_name, tag},
    stage::FieldKind,
};

use super::{
    Action, Choice, Step, Track, Undo,
    create::{self, CLEAN},
    planner::{Case, PlanError, valid_name},
    words::tags,
};

fn track(case: &Case<'_>, actions: Vec<Action>, loses: Vec<String>, keeps: Vec<String>) -> Track {
    let keeps = keeps.into_iter().chain(create::keeps(case)).collect();
    Track {
        lab: case.lab.into(),
        stage: case.stage.id.clone(),
        choice: Choice::Skip,
        actions,
        loses,
        keeps,
    }
}

fn uuid(case: &Case<'_>) -> String {
    case.world
        .instance(case.lab)
        .map(|i| i.uuid.clone())
        .unwrap_or_default()
}

fn running(case: &Case<'_>) -> bool {
    case.world
        .instance(case.lab)
        .is_some_and(|i| i.status == Status::Running)
}

fn has_snapshot(case: &Case<'_>, of: &str, snapshot: &str) -> Result<(), PlanError> {
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
                format!("{} restore {} {shown}", words.client, case.lab),
                Step::Restore {
                    name: case.lab.into(),
                    snapshot: snapshot.into(),
                    uuid: uuid(case),
                },
            )
        },
    ];
    actions.extend(recheck(case)?);
    let keeps = vec![
        format!("all snapshots of {}, and its state of now as {safety}", case.lab),
        "devices and mounts: they are in the profile, and are checked after".into(),
    ];
    Ok(track(case, actions, vec![lost], keeps))
}

fn on_zfs(case: &Case<'_>) -> bool {
    let pool = case.world.instance(case.lab).and_then(|i| i.pool());
    case.world
        .pools
        .iter()
        .any(|p| Some(p.name.as_str()) == pool && p.driver == "zfs")
}

/// ZFS restores only the newest snapshot (LXD and Incus documentation of the driver), and a safety snapshot is newer:
/// the lab is kept whole, and made anew from the snapshot.
fn restore_by_copy(case: &Case<'_>, snapshot: &str) -> Result<Track, PlanError> {
    let words = case.words();
    let swap = swap(case);
    let shown = crate::log::sanitize(snapshot);
    let sentence = format!("make {} anew from its snapshot {shown}", case.lab);
    let mut actions = swap.keep;
    actions.push(swap.clear);
    let spec = copy_spec(case, case.lab, case.lab, &[]);
    actions.push(words.copy(&swap.prev, Some(snapshot), spec, sentence));
    actions.push(words.snapshot(case.lab, CLEAN, &format!("restored from {shown}")));
    actions.extend(after_swap(case)?);
    Ok(track(case, actions, vec![], kept_sentences(case, &swap.prev)))
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
        actions.push(words.wait_network(case.lab));
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
    if case.world.instance(name).is_some() {
        return Err(PlanError::Taken(name.into()));
    }
    let words = case.words();
    let shown = crate::log::sanitize(snapshot);
    let sentence = format!("copy {}/{shown} to the new lab {name}", case.lab);
    let actions = vec![
        words.copy(
            case.lab,
            Some(snapshot),
            copy_spec(case, case.lab, name, &[]),
            sentence,
        ),
        words.snapshot(name, CLEAN, &format!("copied from {}/{shown}", case.lab)),
        words.start(name),
    ];
    let keeps = vec![format!("{} as it is, with all its snapshots", case.lab)];
    Ok(track(case, actions, vec![], keeps))
}

/// A copy of an instance, with its profiles, its description and these tags; it is no earlier version and no
/// replacement unless they say so.
fn copy_spec(case: &Case<'_>, of: &str, name: &str, tags: &[(&str, &str)]) -> InstanceSpec {
    let source = case.world.instance(of);
    let plain = [("kept", ""), ("next", "")];
    InstanceSpec {
        name: name.into(),
        profiles: source.map_or_else(|| vec![profile_name(case.lab)], |i| i.profiles.clone()),
        config: plain
            .iter()
            .chain(tags)
            .map(|(k, v)| (tag(k), (*v).to_owned()))
            .collect(),
        description: source.map(|i| i.description.clone()).unwrap_or_default(),
        ..InstanceSpec::default()
    }
}

pub(super) fn update(case: &Case<'_>) -> Result<Track, PlanError> {
    let words = case.words();
    let safety = case.free_snapshot("before-update");
    let mut actions = vec![words.snapshot(case.lab, &safety, "before the update")];
    actions.extend([words.start(case.lab), words.wait_network(case.lab)]);
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
    let keeps = vec![format!(
        "the state of now as {safety}; a failed update offers the way back to it"
    )];
    Ok(track(case, actions, vec![], keeps))
}

/// The parts that every replacement of the lab's instance shares.
struct Swap {
    /// Where the present instance is kept.
    prev: String,
    /// Stop, and copy it there.
    keep: Vec<Action>,
    /// Remove it, now that its copy exists.
    clear: Action,
}

fn swap(case: &Case<'_>) -> Swap {
    let words = case.words();
    let prev = case.free_name(&format!("{}-prev", case.lab));
    let spec = copy_spec(case, case.lab, &prev, &[("kept", case.lab)]);
    let sentence = format!("keep {} with all its snapshots as {prev}", case.lab);
    let mut keep = vec![];
    if running(case) {
        keep.push(words.stop(case.lab));
    }
    keep.push(words.copy(case.lab, None, spec, sentence));
    Swap {
        clear: words.delete_copied(case.lab, &uuid(case), &prev),
        prev,
        keep,
    }
}

pub(super) fn recreate(case: &Case<'_>) -> Result<Track, PlanError> {
    let words = case.words();
    let next = case.free_name(&format!("{}-next", case.lab));
    let swap = swap(case);
    let mut actions = vec![words.put_profile(create::profile(case)?)];
    actions.extend(leftovers(case));
    actions.extend(create::build(case, &next)?);
    actions.push(words.stop(&next));
    actions.extend(swap.keep);
    actions.push(swap.clear);
    let spec = InstanceSpec {
        profiles: vec![profile_name(case.lab)],
        description: format!("{} made by halolab", case.stage.title),
        ..copy_spec(case, case.lab, case.lab, &[])
    };
    actions.push(words.copy(
        &next,
        None,
        spec,
        format!("put {next}, which is built and proven, in its place"),
    ));
    actions.push(words.delete_copied(&next, "", case.lab));
    actions.extend(after_swap(case)?);
    Ok(track(
        case,
        actions,
        unknown_secrets(case),
        kept_sentences(case, &swap.prev),
    ))
}

/// Secrets are never stored: what is not given again is not there in the new lab.
fn unknown_secrets(case: &Case<'_>) -> Vec<String> {
    let asked = case
        .stage
        .options
        .iter()
        .filter(|o| o.kind == FieldKind::Secret && case.holds(o.when.as_ref()));
    asked
        .filter(|o| !case.answers.contains_key(&o.id))
        .map(|o| {
            format!(
                "\"{}\", if it was given: secrets are not stored; give `{}` again, or the new lab has none",
                o.title, o.id
            )
        })
        .collect()
}

/// Replacements of earlier runs that never took the lab's place are rebuilt.
fn leftovers(case: &Case<'_>) -> Vec<Action> {
    let of = |i: &&crate::backend::Instance| i.tag("next") == Some(case.lab);
    let old = case.world.instances.iter().filter(of);
    old.map(|i| {
        case.words().delete(
            &i.name,
            &i.uuid,
            format!(
                "the replacement {} of an earlier run, which never took its place",
                i.name
            ),
        )
    })
    .collect()
}

fn after_swap(case: &Case<'_>) -> Result<Vec<Action>, PlanError> {
    let words = case.words();
    let mut actions = vec![words.start(case.lab)];
    let verifies = create::verifies(case, case.lab)?;
    if !verifies.is_empty() {
        actions.push(words.wait_network(case.lab));
    }
    actions.extend(verifies);
    Ok(actions)
}

fn kept_sentences(case: &Case<'_>, prev: &str) -> Vec<String> {
    vec![format!(
        "the present {} with all its snapshots, as {prev}; bring it back with `halolab apply {} --choose bring-back:{prev}`",
        case.lab, case.lab
    )]
}

pub(super) fn recreate_from_clean(case: &Case<'_>) -> Result<Track, PlanError> {
    has_snapshot(case, case.lab, CLEAN)?;
    let words = case.words();
    let swap = swap(case);
    let mut actions = swap.keep;
    actions.push(swap.clear);
    let sentence = format!("make {} anew from its snapshot {CLEAN}", case.lab);
    actions.push(words.copy(
        &swap.prev,
        Some(CLEAN),
        copy_spec(case, case.lab, case.lab, &[]),
        sentence,
    ));
    actions.push(words.snapshot(case.lab, CLEAN, "right after set-up"));
    actions.extend(after_swap(case)?);
    Ok(track(case, actions, vec![], kept_sentences(case, &swap.prev)))
}

pub(super) fn bring_back(case: &Case<'_>, kept: &str) -> Result<Track, PlanError> {
    let known = case.world.kept(case.lab);
    if !known.iter().any(|k| k == kept) {
        return Err(PlanError::Blocked(format!(
            "`{}` is not an earlier version of {}; there are: {}",
            crate::log::sanitize(kept),
            case.lab,
            if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            }
        )));
    }
    let words = case.words();
    let swap = swap(case);
    let mut actions = swap.keep;
    actions.push(swap.clear);
    let sentence = format!("put {kept} with its snapshots in its place");
    actions.push(words.copy(kept, None, copy_spec(case, kept, case.lab, &[]), sentence));
    actions.extend(after_swap(case)?);
    let mut keeps = kept_sentences(case, &swap.prev);
    keeps.push(format!("{kept} as it is"));
    Ok(track(case, actions, vec![], keeps))
}

pub(super) fn remove(case: &Case<'_>) -> Track {
    let words = case.words();
    let count = case.world.snapshots_of(case.lab).len();
    let lost = format!("{} with its {count} snapshots; nothing brings it back", case.lab);
    let mut actions = vec![];
    if running(case) {
        actions.push(words.stop(case.lab));
    }
    actions.push(words.delete(case.lab, &uuid(case), lost.clone()));
    let kept = case.world.kept(case.lab);
    let keeps = kept
        .iter()
        .map(|k| format!("the earlier version {k}; delete it with `halolab remove {k}`"));
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
    let sentence = format!(
        "tag {} as a lab of the stage {} and mount its data folders; no file inside is changed",
        case.lab, case.stage.id
    );
    let safety = case.free_snapshot("before-adopt");
    let (made, owned) = create::folders(case, case.lab);
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
