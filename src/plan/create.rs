//! The track that makes a lab: create, set up, prove, snapshot `clean`.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    backend::{Engine, InstanceSpec, Profile},
    labs::{IMAGE, Presence, profile_name, tag},
    stage::{Answer, FieldKind, Script, StageStep, interpolate::interpolate},
};

use super::{
    Action, Choice, Step, Track, Undo, containers, ground, images,
    planner::{Case, PlanError},
    words::tags,
};

/// Name of the snapshot that is taken after set-up.
pub const CLEAN: &str = "clean";

/// What a lab lacks once a snapshot of it is called otherwise; empty for most.
pub fn without(snapshot: &str) -> &'static str {
    if snapshot == CLEAN {
        "; a recreate finds no `clean` any more, and makes the lab from its image"
    } else {
        ""
    }
}

pub(super) fn track(case: &Case<'_>) -> Result<Track, PlanError> {
    let words = case.words();
    let mut actions = vec![];
    let mut loses = vec![];
    if case.world.presence(case.lab) == Presence::Unfinished {
        let uuid = case.world.instance(case.lab).map_or("", |i| i.uuid.as_str());
        let lost = format!("the unfinished instance {} of an earlier run", case.lab);
        actions.push(words.delete(case.lab, uuid, lost.clone()));
        loses.push(lost);
    }
    actions.push(words.put_profile(profile(case)?));
    actions.extend(build(case, case.lab)?);
    Ok(Track {
        lab: case.lab.into(),
        stage: case.stage.id.clone(),
        choice: Choice::Create,
        actions,
        loses,
        keeps: keeps(case),
        uuid: super::change::uuid(case),
        notes: vec![],
    })
}

/// Makes the instance `name` from the image with the profile of that name, and sets it up, up to its snapshot `clean`.
pub(super) fn build(case: &Case<'_>, name: &str) -> Result<Vec<Action>, PlanError> {
    let words = case.words();
    let image = case
        .image
        .ok_or_else(|| PlanError::Blocked(format!("{} has no image to start from", case.lab)))?;
    let spec = InstanceSpec {
        name: name.into(),
        image: images::alias_of(case, image),
        profiles: vec![profile_name(name)],
        config: birth_tags(case, name)?,
        devices: BTreeMap::new(),
        description: format!("{} made by halolab", case.stage.title),
        instance_only: false,
    };
    let (made, owned) = folders(case, name);
    let mut actions: Vec<Action> = made.into_iter().collect();
    // What replaces a lab is made of fresh packages.
    actions.extend(images::build(case, image, name != case.lab));
    actions.push(words.create(spec, &images::title(case, image)));
    actions.extend(owned);
    actions.push(words.start(name));
    actions.extend(words.wait_network(name));
    if case
        .world
        .facts
        .get("extra_ca")
        .is_some_and(|f| *f == crate::host::Fact::Bool(true))
    {
        actions.push(words.action(
            "certificates",
            format!("give {name} the certificate authorities that were added to this machine"),
            words.commands().push(name, "/usr/local/share/ca-certificates/"),
            Step::PushCertificates { name: name.into() },
        ));
    }
    actions.extend(scripts(case, &case.stage.steps, name)?);
    actions.extend(verifies(case, name)?);
    actions.push(words.edit(
        &format!("ready-{name}"),
        name,
        format!("mark {name} as whole"),
        (tags(&[("state", "")]), ""),
    ));
    actions.push(words.snapshot(name, CLEAN, "right after set-up"));
    Ok(actions)
}

fn birth_tags(case: &Case<'_>, name: &str) -> Result<BTreeMap<String, String>, PlanError> {
    let secret = |id: &str| {
        case.stage
            .options
            .iter()
            .any(|o| o.id == id && o.kind == FieldKind::Secret)
    };
    let kept: BTreeMap<_, _> = case.answers.iter().filter(|(id, _)| !secret(id)).collect();
    let answers = serde_json::to_string(&kept).map_err(|e| PlanError::Blocked(e.to_string()))?;
    let mut config = BTreeMap::from([
        (tag("stage"), case.stage.id.clone()),
        (tag("version"), case.stage.version.to_string()),
        (tag("generation"), generation(case).to_string()),
        (tag("answers"), answers),
        (tag("state"), "building".to_owned()),
    ]);
    if name != case.lab {
        config.insert(tag("next"), case.lab.to_owned());
    }
    if let Some(pinned) = case.image.and_then(|image| image.fingerprint.clone()) {
        config.insert(tag(IMAGE), pinned);
    }
    Ok(config)
}

fn generation(case: &Case<'_>) -> u32 {
    let old = case
        .world
        .instance(case.lab)
        .and_then(|i| i.tag("generation"))
        .and_then(|g| g.parse::<u32>().ok());
    old.unwrap_or(0) + 1
}

/// The lab's profile: root disk, network, the stage's devices and its data mounts.
pub(super) fn profile(case: &Case<'_>) -> Result<Profile, PlanError> {
    let mut devices = match case.engine {
        Engine::Lxd => ground::base_devices(case.world)?,
        Engine::Docker => containers::base_devices(),
    };
    devices.extend(stage_devices(case));
    Ok(with_record(case, devices))
}

/// The stage's devices and data mounts, without root disk and network: for an adopted instance, which has its own.
pub(super) fn adopted_profile(case: &Case<'_>) -> Profile {
    with_record(case, stage_devices(case))
}

/// Notes and pins of snapshots in a profile that is there stay; see the runner. `devices` and `settings` say what
/// of it is ours, so that what a person adds is not taken for it.
fn with_record(case: &Case<'_>, devices: BTreeMap<String, BTreeMap<String, String>>) -> Profile {
    let always = case.stage.profile.config.iter();
    let groups = case
        .stage
        .profile
        .settings
        .values()
        .filter(|g| case.holds(g.when.as_ref()));
    let keys = always.chain(groups.flat_map(|g| &g.config));
    let mut config: BTreeMap<String, String> = keys
        .filter_map(|(key, value)| {
            let value = interpolate(value, &case.answers, &case.world.facts);
            (!value.is_empty()).then_some((key.clone(), value))
        })
        .collect();
    let names = |keys: Vec<&String>| keys.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let (settings, ours) = (names(config.keys().collect()), names(devices.keys().collect()));
    config.extend([(tag("settings"), settings), (tag("devices"), ours)]);
    Profile {
        name: profile_name(case.lab),
        description: format!("{} (halolab)", case.stage.title),
        config,
        devices,
    }
}

fn stage_devices(case: &Case<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
    let wanted = case
        .stage
        .profile
        .devices
        .iter()
        .filter(|(_, d)| case.holds(d.when.as_ref()) && !containers::is_closed(case, d));
    let filled = |v: &String| interpolate(v, &case.answers, &case.world.facts);
    let mut devices: BTreeMap<_, _> = wanted
        .map(|(name, d)| {
            let keys = d.config.iter().map(|(k, v)| (k.clone(), filled(v)));
            (
                name.clone(),
                keys.filter(|(_, v)| !v.is_empty()).collect::<BTreeMap<_, _>>(),
            )
        })
        .collect();
    devices.extend(mounts(case).map(|data| {
        let mut keys = vec![
            ("type", "disk".to_owned()),
            ("source", data.folder.display().to_string()),
            ("path", data.path),
        ];
        keys.extend(data.read_only.then(|| ("readonly", "true".to_owned())));
        (
            format!("data-{}", data.id),
            keys.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        )
    }));
    devices
}

/// A data mount.
struct Data {
    id: String,
    /// Of this machine.
    folder: PathBuf,
    /// Inside.
    path: String,
    read_only: bool,
}

/// Data mounts. None on a remote daemon: the folders would be there, not here.
fn mounts<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Data> + 'a {
    let local = case.server.address.is_empty() || case.server.is_here();
    let wanted = case
        .stage
        .mounts
        .iter()
        .filter(move |m| local && case.holds(m.when.as_ref()));
    let chosen = case
        .stage
        .mounts_root
        .as_ref()
        .and_then(|id| case.answers.get(id));
    let root = match chosen {
        Some(Answer::Text(folder)) if !folder.is_empty() => PathBuf::from(folder),
        _ => case.world.config.data.clone(),
    }
    .join(case.lab);
    wanted.map(move |m| Data {
        id: m.id.clone(),
        folder: m.source.as_ref().map_or_else(|| root.join(&m.id), PathBuf::from),
        path: m.path.clone(),
        read_only: m.read_only,
    })
}

/// What makes the data folders before the instance that mounts them, and what gives them to it after.
pub(super) fn folders(case: &Case<'_>, name: &str) -> (Option<Action>, Option<Action>) {
    let folders: Vec<PathBuf> = mounts(case).map(|data| data.folder).collect();
    if folders.is_empty() {
        return (None, None);
    }
    (
        Some(make_folders(case, &folders)),
        Some(own_folders(case, name, folders)),
    )
}

fn shown(folders: &[PathBuf]) -> String {
    folders
        .iter()
        .map(|f| f.display().to_string())
        .collect::<Vec<_>>()
        .join(" ")
}

fn make_folders(case: &Case<'_>, folders: &[PathBuf]) -> Action {
    let list = shown(folders);
    Action {
        undo: Undo::By("the folders stay, with what is in them".into()),
        ..case.words().action(
            "data",
            format!("make the data folders {list}, which no snapshot, restore or recreate touches"),
            format!("mkdir -p {list}"),
            Step::MakeDataFolders {
                folders: folders.to_vec(),
            },
        )
    }
}

fn own_folders(case: &Case<'_>, name: &str, folders: Vec<PathBuf>) -> Action {
    case.words().action(
        &format!("data-owner-{name}"),
        format!("let {name} write to its new data folders"),
        format!("chown {} # to root as {name} sees it", shown(&folders)),
        Step::OwnDataFolders {
            name: name.into(),
            folders,
        },
    )
}

/// The data folders that are mounted in what is there: of a replacement or a copy, those of its lab.
fn mounted(case: &Case<'_>, id: &str) -> Option<PathBuf> {
    let device = case
        .world
        .instance(case.lab)?
        .expanded_devices
        .get(&format!("data-{id}"))?;
    device.get("source").map(PathBuf::from)
}

/// What every choice leaves alone, in sentences.
pub(super) fn keeps(case: &Case<'_>) -> Vec<String> {
    let title = |id: &str| {
        case.stage
            .mounts
            .iter()
            .find(|m| m.id == id)
            .map_or("data", |m| m.title.as_str())
    };
    let instance = case.world.instance(case.lab);
    let beside = instance.is_some_and(|i| i.tag("next").or_else(|| i.tag("kept")).is_some());
    mounts(case)
        .filter_map(|Data { id, folder, path, .. }| {
            // A replacement mounts the folders of its lab; none is called after it.
            let folder = mounted(case, &id).or_else(|| (!beside).then_some(folder))?;
            Some(format!(
                "{} in {} ({path} inside): outside snapshots and recreate",
                title(&id),
                folder.display()
            ))
        })
        .collect()
}

/// The stage's scripts for the lab's distribution family.
pub(super) fn scripts(case: &Case<'_>, steps: &[StageStep], name: &str) -> Result<Vec<Action>, PlanError> {
    let wanted = steps.iter().filter(|s| case.holds(s.when.as_ref()));
    wanted
        .map(|step| {
            let run = Step::Exec {
                name: name.into(),
                script: text(case, step)?,
                env: case.env(),
                secrets: step.secrets.clone(),
            };
            Ok(script_action(case, step, &step.id, name, run))
        })
        .collect()
}

/// What proves the lab: a kernel on each GPU, then the checks of the stage.
pub(super) fn verifies(case: &Case<'_>, name: &str) -> Result<Vec<Action>, PlanError> {
    let wanted = case.stage.verifies.iter().filter(|s| case.holds(s.when.as_ref()));
    // A GPU that is passed in is proven whatever the stage checks: nobody who writes a stage can forget it.
    let gpus = case.world.gpus(case.lab, &adopted_profile(case));
    let proof = (!gpus.is_empty()).then(|| Ok(case.words().prove(name)));
    let checks = wanted.map(|step| {
        let run = Step::Verify {
            name: name.into(),
            script: text(case, step)?,
            env: case.env(),
        };
        Ok(script_action(
            case,
            step,
            &format!("{}-{name}", step.id),
            name,
            run,
        ))
    });
    proof.into_iter().chain(checks).collect()
}

fn script_action(case: &Case<'_>, step: &StageStep, id: &str, name: &str, run: Step) -> Action {
    let command = format!(
        "{} sh -eu  # the script {} of the stage",
        case.words().commands().exec(name),
        step.id
    );
    Action {
        seconds: step.seconds.max(1),
        optional: step.optional,
        ..case.words().action(id, step.title.clone(), command, run)
    }
}

fn text(case: &Case<'_>, step: &StageStep) -> Result<String, PlanError> {
    let family = case.image.map_or(crate::stage::Family::Any, |i| i.family);
    let script = step.script(family).ok_or_else(|| {
        PlanError::Blocked(format!(
            "the step `{}` of stage `{}` has no script for {}; choose another image, or add `run.{}` to the stage",
            step.id,
            case.stage.id,
            family.name(),
            family.name()
        ))
    })?;
    match script {
        Script::Inline(text) => Ok(text.clone()),
        Script::File(file) => case.stage.files.get(file).cloned().ok_or_else(|| {
            PlanError::Blocked(format!(
                "stage `{}` has no file `{file}`; see `halolab stage check`",
                case.stage.id
            ))
        }),
    }
}
