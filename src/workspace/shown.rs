//! What is told of a user, on a screen or by a verb: ports, ways to the services, limits in words.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Ground, Service, User,
    ports::{self, Collision},
    spec,
};

/// Ports of a user's services, by service; none without a slot.
pub fn published(ground: &Ground, name: &str, user: &User) -> BTreeMap<Service, u16> {
    let Some(slot) = ground.ledger.slot(name) else {
        return BTreeMap::new();
    };
    let services = user.services.iter();
    services
        .filter_map(|service| Some((*service, ports::port(&ground.settings, slot, *service)?)))
        .collect()
}

/// The first and the last of them; `-` where there are none.
pub fn span(ports: &BTreeMap<Service, u16>) -> String {
    match (ports.values().min(), ports.values().max()) {
        (Some(first), Some(last)) => format!("{first}-{last}"),
        _ => "-".into(),
    }
}

/// The ways to a user's services, to copy.
pub fn ways(ground: &Ground, name: &str, user: &User) -> Vec<(Service, String)> {
    let host = match ground.settings.bind_of(user) {
        bind if bind.is_unspecified() => "THIS-MACHINE".to_owned(),
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    };
    let way = |(service, port)| {
        let way = match service {
            Service::Ssh => format!("ssh -p {port} {name}@{host}"),
            // With two colons it is a port for each viewer; with one it is a display for most.
            Service::Vnc => format!("vncviewer {host}::{port}"),
            Service::Novnc => format!("http://{host}:{port}/vnc.html"),
            Service::Rdp => format!("xfreerdp /v:{host}:{port} /u:{name}"),
            Service::Code | Service::Jupyter | Service::Tensorboard => format!("http://{host}:{port}/"),
        };
        (service, way)
    };
    published(ground, name, user).into_iter().map(way).collect()
}

/// How somebody elsewhere gets to ports that are open here alone; none where they are not.
pub fn tunnel(ground: &Ground, name: &str, user: &User) -> Option<String> {
    let here = ground.ledger.slot(name).is_some() && ground.settings.bind_of(user).is_loopback();
    here.then(|| {
        format!(
            "from another machine: ssh -L PORT:127.0.0.1:PORT THIS-MACHINE, for each of the ports of {name}"
        )
    })
}

/// The memory of a user, in words.
pub fn memory(user: &User) -> String {
    match (&user.memory_reservation, &user.memory) {
        (Some(reserved), Some(most)) => format!("{reserved} to {most}"),
        (None, Some(most)) => most.clone(),
        (Some(reserved), None) => format!("{reserved} to all"),
        (None, None) => "all".into(),
    }
}

/// Their processors, in words.
pub fn cpus(user: &User) -> String {
    user.cpus.map_or_else(|| "all".into(), |cpus| cpus.to_string())
}

/// Their GPUs, in words.
pub fn gpus(user: &User) -> String {
    if user.gpus.is_empty() {
        "-".to_owned()
    } else {
        user.gpus.join(",")
    }
}

/// What else is to be known of a user.
pub fn notes(user: &User, slot: Option<u32>) -> Vec<&'static str> {
    let all = [
        (user.disabled, "disabled"),
        (user.docker, "Docker inside"),
        (user.privileged.is_some(), "PRIVILEGED"),
        (slot.is_none(), "no slot yet: it gets one at its start"),
    ];
    all.into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, word)| word)
        .collect()
}

/// What is said of a port beside its number: the first that stands in its way.
pub fn mark<'c>(collisions: &'c [Collision], user: &str, service: Service) -> Option<&'c Collision> {
    let theirs = |c: &&Collision| c.user == user && c.service == service;
    let mut found = collisions.iter().filter(theirs);
    let first = found.clone().find(|c| c.is_blocking());
    first.or_else(|| found.next())
}

/// The map of all ports: user, slot, and a port for each service with `!` behind one that cannot be had, `?` behind one that
/// may not.
pub fn map(ground: &Ground, collisions: &[Collision]) -> Vec<Vec<String>> {
    let mut rows: Vec<(u32, Vec<String>)> = vec![];
    for (name, user) in &ground.settings.users {
        let slot = ground.ledger.slot(name);
        let ports = published(ground, name, user);
        let mut row = vec![
            name.clone(),
            slot.map_or_else(|| "-".into(), |slot| slot.to_string()),
        ];
        row.extend(Service::ALL.map(|service| {
            match (ports.get(&service), mark(collisions, name, service)) {
                (None, _) => "-".to_owned(),
                (Some(port), None) => port.to_string(),
                (Some(port), Some(found)) if found.is_blocking() => format!("{port}!"),
                (Some(port), Some(_)) => format!("{port}?"),
            }
        }));
        rows.push((slot.unwrap_or(u32::MAX), row));
    }
    rows.sort();
    rows.into_iter().map(|(_, row)| row).collect()
}

/// What is said below the map: slots that are kept, and what stands in the way.
pub fn below_map(ground: &Ground, collisions: &[Collision]) -> Vec<String> {
    let gone = ground
        .ledger
        .users()
        .filter(|(name, _)| !ground.settings.users.contains_key(*name));
    let kept = gone.map(|(name, slot)| format!("slot {slot} is kept for {name}, whose data is still there"));
    let said = collisions.iter().map(|collision| {
        let mark = if collision.is_blocking() { '!' } else { '?' };
        format!("{mark} {}", collision.text())
    });
    kept.chain(said).map(|text| crate::log::sanitize(&text)).collect()
}

/// What is said of a user whose update failed: whether the container of before is back, and whether its services answer.
pub fn came_back(user: &str, came: bool, well: bool) -> String {
    match (came, well) {
        (true, true) => format!("{user} has the container of before again, and its services answer"),
        (true, false) => format!(
            "{user} has the container of before again, and not all of its services answer: \
             `halolab workspace status {user}` says which"
        ),
        (false, _) => format!(
            "{user} does not have the container of before again: `halolab status {0}` says what there is, \
             `halolab undo {0}` tries it once more",
            spec::lab(user)
        ),
    }
}

/// What an update kept, and how it goes.
pub fn kept_by_update(name: &str) -> String {
    format!("kept: {name}; `halolab remove {name}` removes it when it was looked at")
}

/// Nothing can come back.
pub fn nothing_kept(lab: &str) -> String {
    format!("nothing was kept of {lab}; see `halolab runs list` for what was done")
}
