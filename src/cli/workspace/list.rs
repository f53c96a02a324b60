//! Showing users, their ports, and what all of them together come to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    host::{Root, folder},
    workspace::{
        Service, User, gpus,
        ports::Collision,
        resources::{self, Capacity},
        shown, spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        table::{foreign_json, note, out, table},
    },
    Ground, Seen, seen,
};

/// What is shown of a user.
fn described(ground: &Ground, name: &str, user: &User) -> Value {
    let slot = ground.ledger.slot(name);
    let ports: BTreeMap<&str, Value> = shown::published(ground, name, user)
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
    vec![
        name.to_owned(),
        found.word(name),
        slot.map_or_else(|| "-".into(), |slot| slot.to_string()),
        shown::span(&shown::published(ground, name, user)),
        shown::memory(user),
        shown::cpus(user),
        shown::gpus(user),
        shown::notes(user, slot).join(", "),
    ]
}

/// The ways to a user's services, to copy.
pub(super) fn addresses(ground: &Ground, name: &str, user: &User) {
    for (service, way) in shown::ways(ground, name, user) {
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
        addresses(&ground, name, user);
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
    if let Some(text) = shown::tunnel(&ground, name, user) {
        note(&text);
    }
    Ok(Code::OK)
}

pub(super) async fn ports(setup: &Setup) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    let found = seen(setup, &ground).await;
    let collisions = ground.collisions(&|user| found.running(user));
    if setup.global.json {
        let user = |(name, user): (&String, &User)| {
            let slot = ground.ledger.slot(name);
            let ports = shown::published(&ground, name, user);
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
    out(&table(&heading, &shown::map(ground, collisions)));
    for line in shown::below_map(ground, collisions) {
        out(&line);
    }
}
