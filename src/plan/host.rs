//! What comes before any lab: a daemon, a pool, a bridge, and the images. Fetch before remove.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use sha2::{Digest as _, Sha256};

use crate::{
    backend::{Pool, RemoteImage},
    host::{Fact, firewall, storage},
    labs::World,
    stage::{
        Answer, Answers, BackendKind, Catalog, Family, Image, ImageSource, Script, Stage,
        answers::IMAGE_FILE,
        condition::{Scope, holds},
    },
};

use super::{
    Action, Choice, Step, Undo,
    planner::{Case, PlanError, Request},
    words::Words,
};

/// Name of the pool and the bridge that we make where there is none.
const POOL: &str = "default";

pub(super) fn actions(
    world: &World,
    catalog: &Catalog,
    given: &Answers,
    cases: &[(&Request, Case<'_>)],
) -> Result<Vec<Action>, PlanError> {
    let builds: Vec<&Case<'_>> = cases
        .iter()
        .filter(|(r, _)| matches!(r.choice, Choice::Create | Choice::Recreate))
        .map(|(_, c)| c)
        .collect();
    if builds.is_empty() {
        return Ok(vec![]);
    }
    let mut actions = vec![];
    for stage in catalog.iter().filter(|s| s.backend == BackendKind::Host) {
        actions.extend(host_stage(world, stage, given, &builds)?);
    }
    let words = Words {
        lab: "host",
        client: world.server.as_ref().map_or("lxc", |s| s.client()),
    };
    if world.server.is_none() {
        let step = Step::WaitDaemon { seconds: 60 };
        let command = "lxd waitready --timeout=60".to_owned();
        actions.push(words.action("wait", "wait until the daemon is ready".into(), command, step));
    }
    actions.extend(storage_and_network(world, &builds, &words));
    let mut images = BTreeMap::new();
    for (request, case) in cases {
        if let Some(image) = case.image
            && matches!(request.choice, Choice::Create | Choice::Recreate)
        {
            let refresh = request.choice == Choice::Recreate;
            let action = image_action(case, image, refresh, &words)?;
            images.extend(action.map(|a| (a.id.clone(), a)));
        }
    }
    actions.extend(images.into_values());
    Ok(actions)
}

fn host_stage(
    world: &World,
    stage: &Stage,
    given: &Answers,
    builds: &[&Case<'_>],
) -> Result<Vec<Action>, PlanError> {
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
    };
    let scope = Scope {
        facts: &facts,
        answers: &answers,
        image: None,
    };
    let wanted = stage.steps.iter().filter(|s| holds(s.when.as_ref(), &scope));
    wanted
        .map(|step| {
            let script = step.script(family).ok_or_else(|| {
                PlanError::Blocked(format!(
                    "halolab cannot do \"{}\" on this distribution; do it by hand, then run `halolab` again",
                    step.title
                ))
            })?;
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
                undo: Undo::By("what it installed can be removed with the package manager".into()),
                ..words.action(&step.id, step.title.clone(), command, step_kind)
            })
        })
        .collect()
}

/// The bridges that labs may be on: those that there are, and the one that we would make.
fn bridges(world: &World) -> String {
    let there = world
        .networks
        .iter()
        .filter(|n| n.managed && n.kind == "bridge")
        .map(|n| n.name.as_str());
    let mut names: BTreeSet<&str> = there.collect();
    if names.is_empty() {
        names.insert(bridge_name(world));
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

fn number(world: &World, fact: &str) -> u64 {
    match world.facts.get(fact) {
        Some(Fact::Number(n)) => *n,
        _ => 0,
    }
}

fn storage_and_network(world: &World, builds: &[&Case<'_>], words: &Words<'_>) -> Vec<Action> {
    let mut actions = vec![];
    if usable_pool(world).is_none() {
        let needs: u64 = builds.iter().map(|c| need(c)).sum();
        let size = storage::pool_size(number(world, "free_disk"), needs);
        // Before the daemon is there nobody knows its drivers; the host stage installs the tools for btrfs.
        let driver = world
            .server
            .as_ref()
            .map_or("btrfs", |s| storage::pool_driver(&s.storage_drivers))
            .to_owned();
        let shown = crate::stage::size::format(size);
        actions.push(Action {
            seconds: 3,
            undo: Undo::By(format!("delete the pool {POOL}")),
            ..words.action(
                "pool",
                format!("make the storage pool {POOL} ({driver}, copy-on-write, {shown})"),
                format!("{} storage create {POOL} {driver} size={size}B", words.client),
                Step::CreatePool {
                    name: POOL.into(),
                    driver,
                    size: Some(size),
                },
            )
        });
    }
    if usable_network(world).is_none() {
        let name = bridge_name(world);
        actions.push(Action {
            undo: Undo::By(format!("delete the bridge {name}")),
            ..words.action(
                "bridge",
                format!("make the bridge {name} with NAT"),
                format!("{} network create {name}", words.client),
                Step::CreateNetwork { name: name.into() },
            )
        });
    }
    actions
}

fn need(case: &Case<'_>) -> u64 {
    case.stage
        .needs
        .disk
        .as_deref()
        .and_then(|d| crate::stage::size::parse(d).ok())
        .unwrap_or(0)
}

fn bridge_name(world: &World) -> &'static str {
    match world.server.as_ref().map(|s| s.product.as_str()) {
        Some("incus") => "incusbr0",
        Some(_) => "lxdbr0",
        // Before the daemon is there nobody knows its product; this name is right for both.
        None => "halobr0",
    }
}

/// The pool for labs: the configured one, the default profile's, then the first.
fn usable_pool(world: &World) -> Option<&Pool> {
    let default = world.profiles.get("default").and_then(|p| {
        p.devices
            .values()
            .find(|d| d.get("path").is_some_and(|p| p == "/"))
            .and_then(|d| d.get("pool"))
    });
    let wanted = world.config.pool.as_ref().or(default);
    let named = |name: &String| world.pools.iter().find(|p| p.name == *name);
    match &world.config.pool {
        Some(name) => named(name),
        None => wanted.and_then(named).or_else(|| world.pools.first()),
    }
}

fn usable_network(world: &World) -> Option<BTreeMap<String, String>> {
    let default = world.profiles.get("default");
    let nic = default.and_then(|p| {
        p.devices
            .values()
            .find(|d| d.get("type").is_some_and(|t| t == "nic"))
    });
    if let Some(nic) = nic {
        let mut nic = nic.clone();
        nic.insert("name".into(), "eth0".into());
        return Some(nic);
    }
    let bridge = world.networks.iter().find(|n| n.managed && n.kind == "bridge")?;
    Some(nic_on(&bridge.name))
}

fn nic_on(network: &str) -> BTreeMap<String, String> {
    [("type", "nic"), ("name", "eth0"), ("network", network)]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

/// Root disk and network of a lab's profile.
pub(super) fn base_devices(world: &World) -> Result<BTreeMap<String, BTreeMap<String, String>>, PlanError> {
    let pool = match (usable_pool(world), &world.config.pool) {
        (Some(pool), _) => pool.name.clone(),
        (None, Some(name)) if world.server.is_some() && !world.pools.is_empty() => {
            let known = world
                .pools
                .iter()
                .map(|p| p.name.clone())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(PlanError::Blocked(format!(
                "the configured pool `{name}` does not exist; there are: {known}"
            )));
        }
        (None, _) => POOL.to_owned(),
    };
    let nic = usable_network(world).unwrap_or_else(|| nic_on(bridge_name(world)));
    let root = [("type", "disk"), ("path", "/"), ("pool", &pool)]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    Ok(BTreeMap::from([
        ("root".to_owned(), root),
        ("eth0".to_owned(), nic),
    ]))
}

/// The local alias of an image: the same source has the same alias, so that labs share it.
pub fn alias(image: &Image, answers: &Answers) -> String {
    let file = match answers.get(IMAGE_FILE) {
        Some(Answer::Text(file)) => file.as_str(),
        _ => "",
    };
    let source = match &image.source {
        ImageSource::Local { alias } => return alias.clone(),
        ImageSource::File {} => format!("file {file}"),
        source => serde_json::to_string(source).unwrap_or_default(),
    };
    let hash = hex::encode(Sha256::digest(source.as_bytes()));
    format!("halolab/{}-{}", image.id, hash.get(..8).unwrap_or_default())
}

/// What brings an image here; none where it is here already.
fn image_action(
    case: &Case<'_>,
    image: &Image,
    refresh: bool,
    words: &Words<'_>,
) -> Result<Option<Action>, PlanError> {
    let alias = alias(image, &case.answers);
    let here = case.world.images.contains_key(&alias);
    if here && !refresh {
        return Ok(None);
    }
    let id = format!("image-{}", alias.rsplit('/').next().unwrap_or(&alias));
    let client = words.client;
    let (seconds, sentence, command, step) = match &image.source {
        ImageSource::Local { .. } if here => return Ok(None),
        ImageSource::Local { alias } => return Err(PlanError::NoImage(alias.clone(), case.lab.into())),
        ImageSource::Remote {
            remote,
            alias: wanted,
        } => {
            let (source, certificate) = remote_image(case, remote, wanted)?;
            let sentence = format!("fetch the image {} from {}", image.title, source.server);
            let command = format!("{client} image copy {remote}:{wanted} local: --alias {alias}");
            (
                90,
                sentence,
                command,
                Step::PullImage {
                    source,
                    alias,
                    certificate,
                    refresh,
                },
            )
        }
        ImageSource::Bootstrap {
            distribution,
            suite,
            packages,
        } => {
            let sentence = format!("build the image {} here from package sources", image.title);
            let command = format!("mmdebstrap --variant=minbase {suite} && {client} image import");
            let (distribution, suite, packages) = (distribution.clone(), suite.clone(), packages.clone());
            (
                120,
                sentence,
                command,
                Step::Bootstrap {
                    distribution,
                    suite,
                    packages,
                    alias,
                    refresh,
                },
            )
        }
        ImageSource::File {} => {
            let file = image_file(case)?;
            let sentence = format!("import the image file {}", file.display());
            let command = format!("{client} image import {} --alias {alias}", file.display());
            (15, sentence, command, Step::ImportImage { file, alias })
        }
    };
    Ok(Some(Action {
        seconds,
        ..words.action(&id, sentence, command, step)
    }))
}

fn image_file(case: &Case<'_>) -> Result<PathBuf, PlanError> {
    match case.answers.get(IMAGE_FILE) {
        Some(Answer::Text(file)) if !file.is_empty() => Ok(PathBuf::from(file)),
        _ => Err(PlanError::Blocked(format!(
            "{}: no image file given; add `--set {}.image_file=PATH`",
            case.lab, case.lab
        ))),
    }
}

fn remote_image(
    case: &Case<'_>,
    remote: &str,
    alias: &str,
) -> Result<(RemoteImage, Option<PathBuf>), PlanError> {
    let config = &case.world.config;
    let known = || config.remotes.keys().cloned().collect::<Vec<_>>().join(", ");
    let found = config.remotes.get(remote).ok_or_else(|| {
        PlanError::Blocked(format!(
            "no image server is called `{remote}` in config.toml; there are: {}",
            known()
        ))
    })?;
    let url = if case.server.product == "incus" {
        &found.incus
    } else {
        &found.lxd
    };
    let server = url.clone().ok_or_else(|| {
        PlanError::Blocked(format!(
            "the image server `{remote}` does not serve {}; choose an image that is built here, or set `[remotes.{remote}]` in config.toml",
            case.server.title()
        ))
    })?;
    let source = RemoteImage {
        server,
        alias: alias.to_owned(),
        certificate: None,
    };
    Ok((source, found.certificate.clone()))
}

/// The aliases of all images that a plan of these stages may ask for, so that the world can say which are here.
pub fn aliases(catalog: &Catalog, answers: &[&Answers]) -> Vec<String> {
    let none = Answers::new();
    let mut all = vec![];
    for image in catalog.iter().flat_map(|s| &s.images) {
        match image.source {
            ImageSource::File {} => all.extend(answers.iter().map(|a| alias(image, a))),
            _ => all.push(alias(image, &none)),
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}
