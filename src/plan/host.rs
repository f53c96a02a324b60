//! What comes before any lab: a daemon, a pool, a bridge, and the images. Fetch before remove.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    backend::Engine,
    host::{Fact, firewall},
    labs::World,
    stage::{
        Answers, BackendKind, Catalog, Family, ImageSource, Script, Stage, StageStep,
        condition::{Scope, holds},
    },
};

use super::{
    Action, Choice, Step, Undo, containers, create, ground, images,
    planner::{Case, HOST, PlanError, Request},
    words::Words,
};

pub(super) fn actions(
    world: &World,
    catalog: &Catalog,
    given: &Answers,
    cases: &[(&Request, Case<'_>)],
) -> Result<Vec<Action>, PlanError> {
    let builds: Vec<&Case<'_>> = cases
        .iter()
        .filter(|(r, c)| is_build(&r.choice, c))
        .map(|(_, c)| c)
        .collect();
    let (on_lxd, on_docker): (Vec<&Case<'_>>, Vec<&Case<'_>>) =
        builds.iter().partition(|case| case.engine == Engine::Lxd);
    let mut actions = vec![];
    if !on_lxd.is_empty() {
        actions.extend(lxd(world, catalog, given, (&builds, &on_lxd))?);
    } else if on_docker.iter().any(|case| bootstrapped(case).is_some())
        && let Some(stage) = of_host(catalog)
    {
        let tools = |step: &StageStep| step.id == "bootstrap-tools";
        actions.extend(host_stage(world, stage, given, &builds, tools)?.0);
    }
    actions.extend(named_bridges(cases)?);
    actions.extend(fetched(cases)?);
    Ok(actions)
}

/// The machine's own stage, the engine, and the ground that labs of LXD stand on.
fn lxd(
    world: &World,
    catalog: &Catalog,
    given: &Answers,
    (builds, on_lxd): (&[&Case<'_>], &[&Case<'_>]),
) -> Result<Vec<Action>, PlanError> {
    let mut actions = vec![];
    let mut wishes = Answers::new();
    if let Some(stage) = of_host(catalog) {
        let (more, answers) = host_stage(world, stage, given, builds, |_| true)?;
        actions.extend(more);
        wishes.extend(answers);
    }
    let words = Words {
        lab: "host",
        client: world.server.as_ref().map_or("lxc", |s| s.client()),
        engine: Engine::Lxd,
    };
    if world.server.is_none() {
        actions.push(wait(&words, "lxd"));
    }
    actions.extend(ground::actions(world, on_lxd, &words, &wishes)?);
    Ok(actions)
}

/// The bridges that labs of Docker name, each once.
fn named_bridges(cases: &[(&Request, Case<'_>)]) -> Result<Vec<Action>, PlanError> {
    let mut wanted = BTreeMap::new();
    for (request, case) in cases {
        let starts = request.choice == Choice::Renew || is_build(&request.choice, case);
        if starts && case.engine == Engine::Docker {
            let action = containers::bridge(case, &create::profile(case)?);
            wanted.extend(action.map(|action| (action.id.clone(), action)));
        }
    }
    Ok(wanted.into_values().collect())
}

/// What brings images here, once for all labs that share one.
fn fetched(cases: &[(&Request, Case<'_>)]) -> Result<Vec<Action>, PlanError> {
    let mut wanted = BTreeMap::new();
    for (request, case) in cases {
        if let Some(image) = case.image
            && is_build(&request.choice, case)
        {
            let words = Words {
                lab: HOST,
                ..case.words()
            };
            let refresh = request.choice != Choice::Create;
            let action = images::action(case, image, refresh, &words)?;
            wanted.extend(action.map(|a| ((a.id.clone(), a.engine), a)));
        }
    }
    Ok(wanted.into_values().collect())
}

/// Whether a choice makes an instance from an image.
fn is_build(choice: &Choice, case: &Case<'_>) -> bool {
    match choice {
        Choice::Create | Choice::Recreate => true,
        Choice::Update => containers::rebuilds(case),
        _ => false,
    }
}

/// The stage of the machine. Only the one of this name: it alone was looked at and trusted by the name that plans say.
fn of_host(catalog: &Catalog) -> Option<&Stage> {
    catalog.get(HOST).filter(|s| s.backend == BackendKind::Host)
}

fn wait(words: &Words<'_>, program: &str) -> Action {
    let step = Step::WaitDaemon { seconds: 60 };
    let command = format!("{program} waitready --timeout=60");
    words.action("wait", "wait until the daemon is ready".into(), command, step)
}

/// What starts an engine that is installed and does not run. The firewall comes with it: after a restart its
/// exceptions may be gone too.
pub(super) fn wake(world: &World, catalog: &Catalog, engine: &str) -> Result<Vec<Action>, PlanError> {
    let program = if engine == "Incus" { "incusd" } else { "lxd" };
    let chosen = crate::stage::Answer::Text(engine.to_lowercase());
    let given = Answers::from([("engine".to_owned(), chosen)]);
    let mut actions = vec![];
    if let Some(stage) = of_host(catalog) {
        let only = |s: &StageStep| matches!(s.id.as_str(), "daemon" | "firewall");
        actions.extend(host_stage(world, stage, &given, &[], only)?.0);
    }
    for action in &mut actions {
        if action.id.ends_with("/daemon") {
            action.sentence = format!("start {engine} and wait until it is ready");
        }
    }
    let words = Words {
        lab: "host",
        client: if program == "incusd" { "incus" } else { "lxc" },
        engine: Engine::Lxd,
    };
    actions.push(wait(&words, program));
    Ok(actions)
}

fn host_stage(
    world: &World,
    stage: &Stage,
    given: &Answers,
    builds: &[&Case<'_>],
    only: impl Fn(&StageStep) -> bool,
) -> Result<(Vec<Action>, Answers), PlanError> {
    let family = host_family(world);
    let mut facts = world.facts.clone();
    let bootstraps: BTreeSet<String> = builds.iter().filter_map(|c| bootstrapped(c)).collect();
    let bootstraps = bootstraps.into_iter().collect::<Vec<_>>().join(" ");
    facts.insert("bootstrap".into(), bootstraps.into());
    let answers =
        crate::stage::answers::resolve(stage, given, &facts).map_err(|source| PlanError::Answer {
            lab: "host".into(),
            source,
        })?;
    let mut env = crate::stage::answers::env(stage, &answers, &facts, None);
    env.insert(firewall::BRIDGES.into(), bridges(world));
    let words = Words {
        lab: "host",
        client: "lxc",
        engine: Engine::Lxd,
    };
    let scope = Scope {
        facts: &facts,
        answers: &answers,
        image: None,
    };
    // Nothing is done to this machine for the sake of a daemon on another one, but building images here.
    let local = world.server.as_ref().is_none_or(|s| s.address.starts_with('/'));
    let here = |s: &&StageStep| local || s.id == "bootstrap-tools";
    let wanted = stage
        .steps
        .iter()
        .filter(|s| here(s) && only(s))
        .filter(|s| holds(s.when.as_ref(), &scope));
    let actions = wanted
        .map(|step| {
            let script = step.script(family).ok_or_else(|| {
                PlanError::Blocked(format!(
                    "halolab cannot do \"{}\" on this distribution; do it by hand, then run `halolab` again",
                    step.title
                ))
            })?;
            let needed = if step.check.is_some() {
                " (only if needed)"
            } else {
                ""
            };
            let sentence = format!("{}{needed}", step.title);
            let check = step.check.as_ref().map(|c| text(stage, c)).transpose()?;
            let step_kind = Step::HostScript {
                script: text(stage, script)?,
                check,
                env: env.clone(),
            };
            let command = format!("sudo sh -eu  # the script {} of the stage host", step.id);
            Ok(Action {
                seconds: step.seconds.max(1),
                optional: step.optional,
                undo: Undo::By("by hand".into()),
                ..words.action(&step.id, sentence, command, step_kind)
            })
        })
        .collect::<Result<_, PlanError>>()?;
    Ok((actions, answers))
}

/// The bridges that labs may be on: those that there are, and the one that we would make.
fn bridges(world: &World) -> String {
    let there = world
        .networks
        .iter()
        .filter(|n| n.managed && n.kind == "bridge")
        .map(|n| n.name.as_str())
        // They end up in a script: only what a Linux interface can be called.
        .filter(|name| {
            name.len() <= 15
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        });
    let mut names: BTreeSet<&str> = there.collect();
    if names.is_empty() {
        names.insert(ground::bridge_name(world));
    }
    names.into_iter().collect::<Vec<_>>().join(" ")
}

/// The distribution whose image is built here for a lab.
fn bootstrapped(case: &Case<'_>) -> Option<String> {
    match &case.image?.source {
        ImageSource::Bootstrap { distribution, .. } => Some(distribution.clone()),
        _ => None,
    }
}

fn text(stage: &Stage, script: &Script) -> Result<String, PlanError> {
    match script {
        Script::Inline(text) => Ok(text.clone()),
        Script::File(file) => stage.files.get(file).cloned().ok_or_else(|| {
            PlanError::Blocked(format!(
                "stage `{}` has no file `{file}`; see `halolab stage check`",
                stage.id
            ))
        }),
    }
}

fn host_family(world: &World) -> Family {
    match world.facts.get("family") {
        Some(Fact::Text(name)) => match name.as_str() {
            "arch" => Family::Arch,
            "debian" => Family::Debian,
            "fedora" => Family::Fedora,
            "suse" => Family::Suse,
            _ => Family::Any,
        },
        _ => Family::Any,
    }
}
