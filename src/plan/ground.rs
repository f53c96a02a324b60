//! The ground that labs stand on: storage pool, bridge, and the devices that a lab's profile takes from them.

use std::collections::BTreeMap;

use crate::{
    backend::Pool,
    host::{Fact, storage},
    labs::World,
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

/// What makes the pool and the bridge, where there are none.
pub(super) fn actions(world: &World, builds: &[&Case<'_>], words: &Words<'_>) -> Vec<Action> {
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
