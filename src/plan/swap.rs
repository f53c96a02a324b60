//! The tracks that put another instance in the lab's place: recreate, from clean, an earlier version. Instances are
//! never swapped by rename: a daemon killed in it corrupts its record.

use crate::{
    backend::{Instance, InstanceSpec, Profile},
    labs::{Presence, counted, expiry::ASIDE, gpus::Gpus, notes_profile, profile_name, tag},
    stage::FieldKind,
};

use super::{
    Action, Step, Track,
    change::{has_snapshot, running, track, uuid},
    containers,
    create::{self, CLEAN},
    planner::{Case, PlanError},
    words::tags,
};

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
    swap_as(case, &[("kept", case.lab)])
}

fn swap_as(case: &Case<'_>, tags: &[(&str, &str)]) -> Swap {
    let words = case.words();
    let prev = case.free_name(&format!("{}-prev", case.lab));
    let spec = copy_spec(case, case.lab, &prev, tags);
    let sentence = format!("keep {} with all its snapshots as {prev}", case.lab);
    let mut keep = vec![];
    if running(case) {
        keep.push(words.stop(case.lab));
    }
    if let Some(own) = case.own_profile() {
        keep.push(words.copy_profile(own, &profile_name(&prev)));
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
    let profile = create::profile(case)?;
    let own = case.own_profile().map(str::to_owned);
    let temporary = Profile {
        name: profile_name(&next),
        ..containers::beside(case, profile.clone())
    };
    let proven = temporary.name.clone();
    // The lab's own profile is written only when the lab is kept and gone: a device reaches a running lab at once.
    let mut actions = vec![words.put_profile_over(temporary, own.clone())];
    actions.extend(leftovers(case));
    actions.extend(create::build(case, &next)?);
    actions.push(words.stop(&next));
    actions.extend(swap.keep);
    actions.push(swap.clear);
    let other = own.filter(|own| *own != profile.name);
    actions.push(words.put_profile_over(profile, other));
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
    actions.push(words.delete_profile(&proven));
    actions.extend(after_swap(case)?);
    actions.extend(expired_versions(case, ""));
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
    let of = |i: &&Instance| i.tag("next") == Some(case.lab);
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

pub(super) fn after_swap(case: &Case<'_>) -> Result<Vec<Action>, PlanError> {
    let words = case.words();
    let mut actions = vec![words.start(case.lab)];
    let verifies = create::verifies(case, case.lab)?;
    if !verifies.is_empty() {
        actions.extend(words.wait_network(case.lab));
    }
    actions.extend(verifies);
    Ok(actions)
}

fn kept_sentences(case: &Case<'_>, prev: &str) -> Vec<String> {
    let days = case.world.config.keep_days;
    let long = match days {
        0 => String::new(),
        days => format!(" for at least {days} days"),
    };
    vec![format!(
        "the present {} with all its snapshots, as {prev}{long}; bring it back with `halolab undo {}`",
        case.lab, case.lab
    )]
}

/// Earlier versions whose days are over go once all else is done and proven; but for the one that `stays`.
pub(super) fn expired_versions(case: &Case<'_>, stays: &str) -> Vec<Action> {
    let days = case.world.config.keep_days;
    let gone = case.world.expired_versions(case.lab);
    gone.into_iter()
        .filter(|kept| kept.name != stays)
        .map(|kept| {
            let uuid = case.world.instance(&kept.name).map_or("", |i| i.uuid.as_str());
            let count = case.world.snapshots_of(&kept.name).len();
            let since = kept.created.get(..10).unwrap_or_default();
            let lost = format!(
                "{} with its {}, an earlier version of {since}: it is older than {days} days (`keep-days`)",
                kept.name,
                counted(count, "snapshot")
            );
            case.words().retire(&kept.name, uuid, lost)
        })
        .collect()
}

/// Frees the lab's name, and keeps what had it as a whole: `undo` brings it back.
pub(super) fn set_aside(case: &Case<'_>) -> Track {
    let words = case.words();
    let swap = swap_as(case, &[("kept", case.lab), (ASIDE, "yes")]);
    let mut actions = swap.keep;
    actions.push(swap.clear);
    if let Some(own) = case.own_profile() {
        actions.push(words.delete_profile(own));
    }
    let keeps = vec![format!(
        "{0} with all its snapshots, as {1}, until you remove it: `halolab undo {0}` brings it back, `halolab remove {1}` \
         deletes it",
        case.lab, swap.prev
    )];
    track(case, actions, vec![], keeps)
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
    actions.extend(expired_versions(case, ""));
    Ok(track(case, actions, vec![], kept_sentences(case, &swap.prev)))
}

pub(super) fn bring_back(case: &Case<'_>, kept: &str) -> Result<Track, PlanError> {
    let known = case.world.kept(case.lab);
    let Some(found) = known.iter().find(|k| k.name == kept) else {
        return Err(PlanError::Blocked(format!(
            "`{}` is not an earlier version of {}; there are: {}",
            crate::log::sanitize(kept),
            case.lab,
            if known.is_empty() {
                "none".into()
            } else {
                known
                    .iter()
                    .map(|k| k.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        )));
    };
    if !found.whole {
        return Err(PlanError::Blocked(format!(
            "{kept} was begun and never finished, and is no version to go back to; delete it with `halolab remove {kept}`"
        )));
    }
    let words = case.words();
    let (mut actions, loses, mut keeps) = aside(case)?;
    let own = profile_name(case.lab);
    let source = case.world.instance(kept).and_then(notes_profile);
    if let Some(source) = source.filter(|source| *source != own) {
        actions.push(words.copy_profile(source, &own));
    }
    let sentence = format!("put {kept} with its snapshots in its place");
    actions.push(words.copy(kept, None, copy_spec(case, kept, case.lab, &[]), sentence));
    let mut after = after_swap(case)?;
    // The version of before may have GPUs where the lab of now has none.
    let had = |i: &Instance| !Gpus::of(&i.expanded_devices, &i.expanded_config).is_empty();
    let proves = after.iter().any(|a| matches!(a.step, Step::Prove { .. }));
    if case.world.instance(kept).is_some_and(had) && !proves {
        after.insert(1, words.prove(case.lab));
    }
    actions.extend(after);
    if case.world.instance(kept).is_some_and(|i| i.tag(ASIDE).is_some()) {
        // The lab is what it held from now on: it is an earlier version like any other.
        let uuid = case.world.instance(kept).map_or("", |i| i.uuid.as_str());
        actions.push(words.edit(
            &format!("not-aside-{kept}"),
            kept,
            format!(
                "let {kept} go when its days are over: {} is what it held",
                case.lab
            ),
            (tags(&[(ASIDE, "")]), uuid),
        ));
    }
    actions.extend(expired_versions(case, kept));
    keeps.push(format!("{kept} as it is"));
    keeps.extend(many_versions(case));
    Ok(track(case, actions, loses, keeps))
}

/// How to be rid of what a swap after the other leaves, where there is some already.
fn many_versions(case: &Case<'_>) -> Option<String> {
    let there = case.world.versions(case.lab);
    let names: Vec<&str> = there.iter().map(|k| k.name.as_str()).collect();
    let swaps = case.world.presence(case.lab) == Presence::Ours;
    (swaps && !names.is_empty()).then(|| {
        format!(
            "{}, too: each swap keeps what it replaces; `halolab remove {} --older` removes all earlier versions but the \
             newest one",
            names.join(" and "),
            case.lab
        )
    })
}

/// What makes room, what is lost, and what is kept.
type Aside = (Vec<Action>, Vec<String>, Vec<String>);

/// Makes room under the lab's name: what is whole is kept, what is half made goes, and where nothing is there is
/// nothing to do. With what is lost and what is kept.
fn aside(case: &Case<'_>) -> Result<Aside, PlanError> {
    Ok(match case.world.presence(case.lab) {
        Presence::Foreign => return Err(PlanError::Foreign(case.lab.into())),
        Presence::Missing => (vec![], vec![], vec![]),
        Presence::Unfinished => {
            let lost = format!("the unfinished instance {} of an earlier run", case.lab);
            let delete = case.words().delete(case.lab, &uuid(case), lost.clone());
            (vec![delete], vec![lost], vec![])
        }
        Presence::Ours => {
            let swap = swap(case);
            let mut actions = swap.keep;
            actions.push(swap.clear);
            (actions, vec![], kept_sentences(case, &swap.prev))
        }
    })
}

/// ZFS restores only the newest snapshot (LXD and Incus documentation of the driver), and a safety snapshot is newer:
/// the lab is kept whole, and made anew from the snapshot.
pub(super) fn restore_by_copy(case: &Case<'_>, snapshot: &str) -> Result<Track, PlanError> {
    let words = case.words();
    let swap = swap(case);
    let shown = crate::log::sanitize(snapshot);
    let sentence = format!("make {} anew from its snapshot {shown}", case.lab);
    let mut actions = swap.keep;
    actions.push(swap.clear);
    let spec = copy_spec(case, case.lab, case.lab, &[]);
    actions.push(words.copy(&swap.prev, Some(snapshot), spec, sentence));
    // `clean` stays what it says: the state right after set-up.
    let name = match snapshot {
        CLEAN => CLEAN.to_owned(),
        other => format!("restored-from-{}", other.trim_start_matches("restored-from-")),
    };
    actions.push(words.snapshot(case.lab, &name, &format!("restored from {shown}")));
    actions.extend(after_swap(case)?);
    actions.extend(expired_versions(case, ""));
    let mut keeps = kept_sentences(case, &swap.prev);
    let others = case.world.snapshots_of(case.lab).iter().any(|s| s != snapshot);
    keeps.extend(others.then(|| {
        format!(
            "the other snapshots of {}, which are on {} only from then on",
            case.lab, swap.prev
        )
    }));
    Ok(track(case, actions, vec![], keeps))
}

/// A copy of an instance, with its profiles (the one of ours as the copy's own), its description and these tags; it
/// is no earlier version and no replacement unless they say so.
pub(super) fn copy_spec(case: &Case<'_>, of: &str, name: &str, tags: &[(&str, &str)]) -> InstanceSpec {
    let source = case.world.instance(of);
    let plain = [("kept", ""), ("next", ""), (ASIDE, "")];
    let profiles = |i: &Instance| {
        let ours = notes_profile(i);
        let own = |p: &String| match ours {
            Some(ours) if p == ours => profile_name(name),
            _ => p.clone(),
        };
        i.profiles.iter().map(own).collect()
    };
    InstanceSpec {
        name: name.into(),
        profiles: source.map_or_else(|| vec![profile_name(name)], profiles),
        config: plain
            .iter()
            .chain(tags)
            .map(|(k, v)| (tag(k), (*v).to_owned()))
            .collect(),
        description: source.map(|i| i.description.clone()).unwrap_or_default(),
        ..InstanceSpec::default()
    }
}
