//! Showing users, their ports, and what all of them together come to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    host::{Root, folder},
    workspace::{
        Service, User, gpus,
        ports::{self, Collision},
        resources::{self, Capacity},
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{foreign_json, note, out, table},
    },
    Ground, Seen, seen,
};

/// Ports of a user's services, by service.
fn published(ground: &Ground, user: &User, slot: Option<u32>) -> BTreeMap<Service, u16> {
    let Some(slot) = slot else { return BTreeMap::new() };
    let services = user.services.iter();
    services
        .filter_map(|service| Some((*service, ports::port(&ground.settings, slot, *service)?)))
        .collect()
}

/// What is shown of a user.
fn described(ground: &Ground, name: &str, user: &User) -> Value {
    let slot = ground.ledger.slot(name);
    let ports: BTreeMap<&str, Value> = published(ground, user, slot)
        .into_iter()
        .map(|(service, port)| {
            let address = ground.settings.bind_of(user);
            (
                service.name(),
                json!({"port": port, "address": address, "inside": service.inside()}),
            )
        })
        .collect();
    let folders = spec::folders(&ground.settings.root, name).into_iter();
    let folders: BTreeMap<&str, String> = folders
        .map(|folder| (folder.id, folder.source.display().to_string()))
        .collect();
    json!({
        "user": name, "lab": spec::lab(name), "slot": slot, "uid": slot.map(|slot| spec::uid(user, slot)),
        "ports": ports, "folders": folders, "settings": user,
    })
}

/// One user as JSON, after a change.
pub(super) fn show_json(ground: &Ground, name: &str, done: &str) -> Result<Code, Stop> {
    let user = ground.user(name)?;
    let mut found = described(ground, name, user);
    if let Some(map) = found.as_object_mut() {
        map.insert("v".into(), 1.into());
        map.insert("done".into(), done.into());
    }
    foreign_json(&found)?;
    Ok(Code::OK)
}

pub(super) async fn list(setup: &Setup) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let found = seen(setup, &ground).await;
    let sums = resources::sums(&ground.settings, Capacity::look(&Root::new(&folder())));
    let holds = gpus::holds(&ground.settings, &jiff::Zoned::now().date().to_string());
    if setup.global.json {
        let row = |(name, user): (&String, &User)| {
            let mut row = described(&ground, name, user);
            if let Some(map) = row.as_object_mut() {
                map.insert("state".into(), found.word(name).into());
            }
            row
        };
        let users: Vec<Value> = ground.settings.users.iter().map(row).collect();
        foreign_json(&json!({"v": 1, "users": users, "sums": sums, "gpus": holds, "away": found.away}))?;
        return Ok(Code::OK);
    }
    if ground.settings.users.is_empty() {
        out("Nobody has a workspace yet; add somebody with `halolab workspace add USER`.");
        return Ok(Code::OK);
    }
    let rows: Vec<Vec<String>> = ground
        .settings
        .users
        .iter()
        .map(|(name, user)| row(&ground, &found, name, user))
        .collect();
    out(&table(
        &[
            "USER", "STATE", "SLOT", "PORTS", "MEMORY", "CPUS", "GPUS", "NOTES",
        ],
        &rows,
    ));
    for (gpu, users) in &holds.gpus {
        let hold = |hold: &gpus::Hold| match &hold.until {
            Some(day) if hold.over => format!("{} (over since {day})", hold.user),
            Some(day) => format!("{} until {day}", hold.user),
            None => hold.user.clone(),
        };
        let users: Vec<String> = users.iter().map(hold).collect();
        out(&crate::log::sanitize(&format!("GPU {gpu}: {}", users.join(", "))));
    }
    for text in sums.wrong.iter().chain(&holds.conflicts) {
        note(&format!("wrong: {text}"));
    }
    for text in &sums.over {
        note(&format!("over-committed: {text}"));
    }
    if let Some(away) = &found.away {
        note(&format!("the state is not known: {away}"));
    }
    Ok(Code::OK)
}

fn row(ground: &Ground, found: &Seen, name: &str, user: &User) -> Vec<String> {
    let slot = ground.ledger.slot(name);
    let ports: Vec<u16> = published(ground, user, slot).into_values().collect();
    let span = match (ports.iter().min(), ports.iter().max()) {
        (Some(first), Some(last)) => format!("{first}-{last}"),
        _ => "-".into(),
    };
    let memory = match (&user.memory_reservation, &user.memory) {
        (Some(reserved), Some(most)) => format!("{reserved} to {most}"),
        (None, Some(most)) => most.clone(),
        (Some(reserved), None) => format!("{reserved} to all"),
        (None, None) => "all".into(),
    };
    let mut notes = vec![];
    if user.disabled {
        notes.push("disabled");
    }
    if user.docker {
        notes.push("Docker inside");
    }
    if user.privileged.is_some() {
        notes.push("PRIVILEGED");
    }
    if slot.is_none() {
        notes.push("no slot yet: it gets one at its start");
    }
    let gpus = if user.gpus.is_empty() {
        "-".to_owned()
    } else {
        user.gpus.join(",")
    };
    vec![
        name.to_owned(),
        found.word(name),
        slot.map_or_else(|| "-".into(), |slot| slot.to_string()),
        span,
        memory,
        user.cpus.map_or_else(|| "all".into(), |cpus| cpus.to_string()),
        gpus,
        notes.join(", "),
    ]
}

/// The ways to a user's services, to copy.
pub(super) fn addresses(ground: &Ground, name: &str, user: &User, slot: u32) {
    for (service, port) in published(ground, user, Some(slot)) {
        let bind = ground.settings.bind_of(user);
        let host = match bind {
            bind if bind.is_unspecified() => "THIS-MACHINE".to_owned(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
            std::net::IpAddr::V4(address) => address.to_string(),
        };
        let way = match service {
            Service::Ssh => format!("ssh -p {port} {name}@{host}"),
            // With two colons it is a port for each viewer; with one it is a display for most.
            Service::Vnc => format!("vncviewer {host}::{port}"),
            Service::Novnc => format!("http://{host}:{port}/vnc.html"),
            Service::Rdp => format!("xfreerdp /v:{host}:{port} /u:{name}"),
            Service::Code | Service::Jupyter | Service::Tensorboard => format!("http://{host}:{port}/"),
        };
        out(&format!("{:<12} {way}", service.name()));
    }
}

pub(super) async fn show(setup: &Setup, name: &str) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let user = ground.user(name)?;
    let found = seen(setup, &ground).await;
    if setup.global.json {
        let mut shown = described(&ground, name, user);
        if let Some(map) = shown.as_object_mut() {
            map.insert("v".into(), 1.into());
            map.insert("state".into(), found.word(name).into());
        }
        foreign_json(&shown)?;
        return Ok(Code::OK);
    }
    let heading = [
        "USER", "STATE", "SLOT", "PORTS", "MEMORY", "CPUS", "GPUS", "NOTES",
    ];
    out(&table(&heading, &[row(&ground, &found, name, user)]));
    let slot = ground.ledger.slot(name);
    if let Some(slot) = slot {
        out(&format!("user id      {}", spec::uid(user, slot)));
        addresses(&ground, name, user, slot);
    }
    for folder in spec::folders(&ground.settings.root, name) {
        let rights = if folder.read_only { ", read-only" } else { "" };
        let text = format!(
            "{:<12} {} ({} inside{rights})",
            folder.id,
            folder.source.display(),
            folder.path
        );
        out(&crate::log::sanitize(&text));
    }
    if slot.is_some() && ground.settings.bind_of(user).is_loopback() {
        note(&format!(
            "from another machine: ssh -L PORT:127.0.0.1:PORT THIS-MACHINE, for each of the ports of {name}"
        ));
    }
    Ok(Code::OK)
}

/// What is said of a port beside its number.
fn mark<'c>(collisions: &'c [Collision], user: &str, service: Service) -> Option<&'c Collision> {
    let theirs = |c: &&Collision| c.user == user && c.service == service;
    let mut found = collisions.iter().filter(theirs);
    let first = found.clone().find(|c| c.is_blocking());
    first.or_else(|| found.next())
}

pub(super) async fn ports(setup: &Setup) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let found = seen(setup, &ground).await;
    let collisions = ground.collisions(&|user| found.running(user));
    if setup.global.json {
        let user = |(name, user): (&String, &User)| {
            let slot = ground.ledger.slot(name);
            let ports = published(&ground, user, slot);
            let ports: BTreeMap<&str, u16> = ports.into_iter().map(|(s, port)| (s.name(), port)).collect();
            json!({"user": name, "slot": slot, "ports": ports})
        };
        let row = |c: &Collision| json!({"collision": c, "blocking": c.is_blocking(), "text": c.text()});
        let (users, rows): (Vec<Value>, Vec<Value>) = (
            ground.settings.users.iter().map(user).collect(),
            collisions.iter().map(row).collect(),
        );
        let settings = &ground.settings;
        foreign_json(&json!({
            "v": 1, "base-port": settings.base_port, "block": settings.block, "bind": settings.bind,
            "outgoing": ground.machine.outgoing, "reserved": settings.reserved, "users": users, "collisions": rows,
        }))?;
    } else {
        map(&ground, &collisions);
    }
    let blocked = collisions.iter().any(Collision::is_blocking);
    Ok(if blocked { Code::FAILED } else { Code::OK })
}

fn map(ground: &Ground, collisions: &[Collision]) {
    let mut heading = vec!["USER", "SLOT"];
    heading.extend(Service::ALL.map(Service::name));
    let mut rows: Vec<(u32, Vec<String>)> = vec![];
    for (name, user) in &ground.settings.users {
        let slot = ground.ledger.slot(name);
        let ports = published(ground, user, slot);
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
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    out(&table(&heading, &rows));
    let gone = ground
        .ledger
        .users()
        .filter(|(name, _)| !ground.settings.users.contains_key(*name));
    for (name, slot) in gone {
        out(&crate::log::sanitize(&format!(
            "slot {slot} is kept for {name}, whose data is still there"
        )));
    }
    for collision in collisions {
        let mark = if collision.is_blocking() { '!' } else { '?' };
        out(&crate::log::sanitize(&format!("{mark} {}", collision.text())));
    }
}
