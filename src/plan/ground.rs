//! The ground that labs stand on: storage pool, bridge, and the devices that a lab's profile takes from them.

use std::collections::BTreeMap;

use crate::{
    backend::Pool,
    host::{Fact, storage},
    labs::World,
    stage::{Answer, Answers},
};

use super::{
    Action, Step, Undo,
    planner::{Case, PlanError},
    words::Words,
};

/// Name of the pool that we make where there is none.
const POOL: &str = "default";

fn number(world: &World, fact: &str) -> u64 {
    match world.facts.get(fact) {
        Some(Fact::Number(n)) => *n,
        _ => 0,
    }
}

/// What makes the pool and the bridge, where there are none; `wishes` are the answers to the host's own options.
pub(super) fn actions(
    world: &World,
    builds: &[&Case<'_>],
    words: &Words<'_>,
    wishes: &Answers,
) -> Result<Vec<Action>, PlanError> {
    let mut actions = vec![];
    if usable_pool(world).is_none() {
        let needs: u64 = builds.iter().map(|c| need(c)).sum();
        let driver = driver(world, wishes)?;
        let size = match driver.as_str() {
            "dir" => None,
            _ => Some(pool_size(world, wishes, needs)?),
        };
        let kind = match size {
            Some(size) => format!("copy-on-write, {}", crate::stage::size::format(size)),
            None => "plain folders".into(),
        };
        let option = size.map(|size| format!(" size={size}B")).unwrap_or_default();
        actions.push(Action {
            seconds: 3,
            undo: Undo::By(format!("delete the pool {POOL}")),
            ..words.action(
                "pool",
                format!("make the storage pool {POOL} ({driver}, {kind})"),
                format!("{} storage create {POOL} {driver}{option}", words.client),
                Step::CreatePool {
                    name: POOL.into(),
                    driver,
                    size,
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
    Ok(actions)
}

fn wish<'a>(wishes: &'a Answers, option: &str) -> Option<&'a str> {
    match wishes.get(option) {
        Some(Answer::Text(text)) if text != "auto" => Some(text),
        _ => None,
    }
}

/// The pool's driver: the one that is wished for, where the engine has it; else the best one.
fn driver(world: &World, wishes: &Answers) -> Result<String, PlanError> {
    let drivers = world.server.as_ref().map(|s| s.storage_drivers.as_slice());
    let name = |driver: &String| driver.split_whitespace().next().unwrap_or_default().to_owned();
    match (wish(wishes, "pool_driver"), drivers) {
        (Some(wished), Some(drivers)) if !drivers.iter().any(|d| name(d) == wished) => {
            let known: Vec<String> = drivers.iter().map(name).collect();
            Err(PlanError::Blocked(format!(
                "the engine has no storage driver `{wished}`; it has: {}; choose another one with \
                 `--set host.pool_driver=auto`",
                known.join(", ")
            )))
        }
        (Some(wished), _) => Ok(wished.to_owned()),
        (None, Some(drivers)) => Ok(storage::pool_driver(drivers).to_owned()),
        // Before the daemon is there nobody knows its drivers; the host stage installs the tools for btrfs.
        (None, None) => Ok("btrfs".to_owned()),
    }
}

/// Bytes of the pool: what is wished for, where the disk has it; else what the labs need.
fn pool_size(world: &World, wishes: &Answers, needs: u64) -> Result<u64, PlanError> {
    let free = number(world, "free_disk");
    let wished = wish(wishes, "pool_size").and_then(|size| crate::stage::size::parse(size).ok());
    match wished {
        Some(size) if free > 0 && size > free => Err(PlanError::Blocked(format!(
            "a storage pool of {} does not fit: {} are free on this disk; choose a smaller one with \
             `--set host.pool_size=SIZE`",
            crate::stage::size::human(size),
            crate::stage::size::human(free)
        ))),
        Some(size) => Ok(size),
        None => Ok(storage::pool_size(free, needs)),
    }
}

fn need(case: &Case<'_>) -> u64 {
    case.stage
        .needs
        .disk
        .as_deref()
        .and_then(|d| crate::stage::size::parse(d).ok())
        .unwrap_or(0)
}

pub(super) fn bridge_name(world: &World) -> &'static str {
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
