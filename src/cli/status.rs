//! `halolab status`: the labs, from as few calls to the daemon as possible.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::{
    backend::InstanceState,
    labs::{
        Kept, Lab, Presence, SnapshotRow, Unended, World,
        drift::{self, Moved},
        kept_sizes as sizes,
        sizes::Room,
        snapshot_rows, states,
        verdict::Verdict,
    },
    run::unfinished::left,
};

use super::{
    Code, Setup, Stop,
    table::{age, bytes, json, note, out, table},
};

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// One lab, with its snapshots; all labs without.
    lab: Option<String>,
}

#[derive(Serialize)]
struct Report {
    v: u32,
    engine: Option<Engine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker: Option<Engine>,
    labs: Vec<Row>,
    /// Runs that were left before their end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unended: Vec<Unended>,
}

#[derive(Serialize)]
struct Engine {
    product: String,
    version: String,
    address: String,
    /// SHA-256 of its certificate; empty where it does not say.
    certificate: String,
}

#[derive(Serialize)]
struct Row {
    name: String,
    stage: String,
    presence: Presence,
    status: Option<crate::backend::Status>,
    verdict: Option<String>,
    /// The verdict in its parts; none where a halolab of before wrote it.
    proof: Option<Verdict>,
    created: Option<String>,
    /// Names; more of each in `versions`.
    kept: Vec<String>,
    versions: Vec<Kept>,
    /// What moved on this machine since it was proven.
    drift: Vec<Moved>,
    /// The snapshot of before an update that did not end well, or is under way.
    updating: Option<String>,
    addresses: Vec<String>,
    memory: Option<u64>,
    disk: Option<u64>,
    snapshot_count: usize,
    /// Names for all labs; details for one.
    snapshots: serde_json::Value,
    /// The pool, and whether it counts snapshots; for one lab.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<Room>,
}

pub(super) async fn status(setup: &Setup, args: StatusArgs) -> Result<Code, Stop> {
    let mut world = match &args.lab {
        Some(lab) => setup.glance_at(&[lab]).await?,
        None => setup.glance().await?,
    };
    world.unended = left(&setup.runs(), &setup.lock(), setup.daemon());
    let servers = [Some(&world), world.docker.as_deref()];
    let [lxd, docker] = servers.map(|part| part.and_then(|part| part.server.as_ref()).map(engine));
    // What a proof stood on is compared with this machine as it is now.
    world.facts = setup.facts().clone();
    let mut labs = world.labs(&setup.catalog);
    let mut details = None;
    let mut kept_sizes = BTreeMap::new();
    if let Some(name) = &args.lab {
        let lab = world
            .find(&setup.catalog, name)
            .ok_or_else(|| unknown(name, &labs))?;
        if lab.instance.is_some() {
            let backend = setup.backend().await?;
            let (rows, pools) = tokio::join!(snapshot_rows(backend.as_ref(), name), backend.pools());
            details = Some(rows?);
            // Docker's one storage says nothing of its snapshots.
            world.pools = pools?;
            kept_sizes = sizes(backend.as_ref(), &lab.kept).await;
        }
        labs = vec![lab];
    }
    let live = if lxd.is_some() || docker.is_some() {
        states(setup.backend().await?.as_ref(), &labs).await
    } else {
        BTreeMap::new()
    };
    // One that has nothing to do with any lab is not spoken of.
    let docker = docker.filter(|_| labs.iter().any(|lab| lab.engine == crate::backend::Engine::Docker));
    if setup.global.json {
        let rows = labs.iter().map(|lab| {
            let names = serde_json::json!(world.snapshots_of(&lab.name));
            let snapshots = details.as_ref().map_or(names, |rows| with_drift(&world, rows));
            let room = details.as_ref().and_then(|rows| room_of(&world, &lab.name, rows));
            Row {
                room,
                drift: world.moved(lab),
                ..row(lab, live.get(&lab.name), snapshots)
            }
        });
        json(&Report {
            v: 1,
            engine: lxd,
            docker,
            labs: rows.collect(),
            unended: world.unended.clone(),
        })?;
        return Ok(end(&world));
    }
    if lxd.is_some() || docker.is_none() {
        out(&heading(lxd.as_ref()));
    }
    docker.iter().for_each(|docker| out(&heading(Some(docker))));
    out(&text(&labs, &live));
    let drifted = drifted(&world, &labs, details.as_deref());
    let left = left_over(&world, &labs, args.lab.is_none());
    for line in half_updated(&world, &labs).iter().chain(&drifted).chain(&left) {
        out(line);
    }
    away(&world, &labs).iter().for_each(|line| out(line));
    if let (Some(rows), Some(lab)) = (details, labs.first()) {
        out(&format!("\n{}", snapshots_text(&rows, setup.config.keep_days)));
        let room = args.lab.and_then(|lab| room_of(&world, &lab, &rows));
        room.iter().filter_map(room_text).for_each(|text| out(&text));
        say_kept(lab, &kept_sizes);
    }
    Ok(end(&world))
}

/// An engine that does not answer is said, and is a failure: its labs are not in the list.
fn end(world: &World) -> Code {
    if world.away.is_empty() {
        return Code::OK;
    }
    note(&crate::log::sanitize(&world.away));
    Code::FAILED
}

/// Labs whose engine is not there, and why.
fn away(world: &World, labs: &[Lab]) -> Vec<String> {
    let line = |lab: &Lab| {
        let why = world.lab_away(lab.engine).filter(|_| lab.engine == crate::backend::Engine::Docker)?;
        Some(crate::log::sanitize(&format!("{}: {why}", lab.name)))
    };
    labs.iter().filter_map(line).collect()
}

/// What stands beside a lab, and how older versions go.
fn say_kept(lab: &Lab, sizes: &BTreeMap<String, u64>) {
    if !lab.kept.is_empty() {
        out(&format!("\n{}", kept_text(&lab.kept, sizes)));
    }
    if lab.kept.iter().filter(|k| k.is_version()).count() > 1 {
        out(&format!(
            "All earlier versions but the newest one go with `halolab remove {} --older`.",
            lab.name
        ));
    }
}

fn engine(server: &crate::backend::Server) -> Engine {
    Engine {
        product: server.product.clone(),
        version: server.version.clone(),
        address: server.address.clone(),
        certificate: server.identity.split('/').next().unwrap_or_default().to_owned(),
    }
}

fn heading(engine: Option<&Engine>) -> String {
    engine.map_or_else(
        || "no LXD or Incus yet; `halolab` or `halolab apply LAB` installs one".into(),
        |e| {
            let shown = if e.address.starts_with("https://") {
                format!(" (certificate {})", e.certificate)
            } else {
                String::new()
            };
            crate::log::sanitize(&format!("{} {} at {}{shown}", e.product, e.version, e.address))
        },
    )
}

/// The way back for labs whose update did not end.
fn half_updated(world: &World, labs: &[Lab]) -> Vec<String> {
    let line = |lab: &Lab| {
        let before = lab.updating.as_ref()?;
        let said = match world.way_back(&lab.name) {
            Some(back) => format!(
                "{0}: its update did not end; go back with `halolab apply {0} --choose restore:{back}`, or update again",
                lab.name
            ),
            None => format!(
                "{0}: its update did not end, and the snapshot of before, {before}, is gone; update again, or look for \
                 another one with `halolab snapshot list {0}`",
                lab.name
            ),
        };
        Some(crate::log::sanitize(&said))
    };
    labs.iter().filter_map(line).collect()
}

/// What was begun and not ended: replacements that never took their place, and runs; of these labs, or of `all`.
fn left_over(world: &World, labs: &[Lab], all: bool) -> Vec<String> {
    let beside = labs.iter().flat_map(|lab| {
        let lines = lab.kept.iter();
        lines.filter_map(|k| k.beside(&lab.name, &world.unended))
    });
    let shown = |u: &&Unended| all || labs.iter().any(|lab| u.labs.contains(&lab.name));
    let runs = world.unended.iter().filter(shown).map(|u| {
        format!(
            "unfinished run of {}, stopped at \"{}\": go on with `halolab runs resume {2}`, or undo it with `halolab runs \
             undo {2}`",
            u.date, u.at, u.run
        )
    });
    beside
        .chain(runs)
        .map(|line| crate::log::sanitize(&line))
        .collect()
}

/// What moved on this machine since labs and snapshots were proven, and the way out.
fn drifted(world: &World, labs: &[Lab], rows: Option<&[SnapshotRow]>) -> Vec<String> {
    let findings = world.drift(labs).into_iter();
    let mut lines: Vec<String> = findings
        .map(|f| format!("{}; type `{}`", f.seen, f.fix.unwrap_or_default()))
        .collect();
    let now = world.ground();
    lines.extend(rows.unwrap_or_default().iter().filter_map(|row| {
        let moved = drift::moved(row.proof.as_ref()?, &now);
        (!moved.is_empty()).then(|| {
            let text = drift::text(&moved);
            format!(
                "snapshot {}: {text} since it was proven; a restore proves it anew",
                row.name
            )
        })
    }));
    lines.iter().map(|line| crate::log::sanitize(line)).collect()
}

/// Snapshots for programs, each with what moved since its proof.
fn with_drift(world: &World, rows: &[SnapshotRow]) -> serde_json::Value {
    let now = world.ground();
    let rows = rows.iter().map(|row| {
        let moved = row.proof.as_ref().map(|proof| drift::moved(proof, &now));
        let mut value = serde_json::json!(row);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("drift".to_owned(), serde_json::json!(moved.unwrap_or_default()));
        }
        value
    });
    serde_json::Value::Array(rows.collect())
}

/// The versions beside a lab, with their dates and proofs.
fn kept_text(kept: &[Kept], sizes: &BTreeMap<String, u64>) -> String {
    let cells: Vec<Vec<String>> = kept
        .iter()
        .map(|k| {
            let what = match (k.replacement, k.whole) {
                (false, true) => "earlier version",
                (true, true) => "replacement, never used",
                (_, false) => "half-made",
            };
            vec![
                k.name.clone(),
                age(&k.created),
                bytes(sizes.get(&k.name).copied()),
                what.to_owned(),
                k.verdict.clone().unwrap_or_else(|| "-".into()),
            ]
        })
        .collect();
    table(&["BESIDE IT", "AGE", "SIZE", "WHAT", "VERDICT"], &cells)
}

fn row(lab: &Lab, live: Option<&InstanceState>, snapshots: serde_json::Value) -> Row {
    Row {
        name: lab.name.clone(),
        stage: lab.stage.clone(),
        presence: lab.presence,
        status: lab.instance.as_ref().map(|i| i.status),
        verdict: lab.verdict.clone(),
        proof: lab
            .instance
            .as_ref()
            .and_then(|i| i.tag("verdict"))
            .and_then(Verdict::read),
        created: lab.instance.as_ref().map(|i| i.created.clone()),
        kept: lab.kept.iter().map(|k| k.name.clone()).collect(),
        versions: lab.kept.clone(),
        updating: lab.updating.clone(),
        addresses: live.map(|l| l.addresses.clone()).unwrap_or_default(),
        memory: live.map(|l| l.memory),
        disk: live.and_then(|l| l.disk),
        snapshot_count: lab.snapshots,
        snapshots,
        drift: vec![],
        room: None,
    }
}

fn text(labs: &[Lab], live: &BTreeMap<String, InstanceState>) -> String {
    let rows: Vec<Vec<String>> = labs
        .iter()
        .map(|lab| {
            let live = live.get(&lab.name);
            vec![
                lab.name.clone(),
                state_word(lab).to_owned(),
                lab.stage.clone(),
                lab.verdict.clone().unwrap_or_else(|| "-".into()),
                lab.snapshots.to_string(),
                live.and_then(|l| l.addresses.first().cloned())
                    .unwrap_or_else(|| "-".into()),
                live.map_or_else(|| "-".into(), |l| crate::stage::size::human(l.memory)),
                {
                    let versions = lab.kept.iter().filter(|k| k.is_version());
                    let kept: Vec<String> = versions
                        .map(|k| format!("{} ({})", k.name, age(&k.created)))
                        .collect();
                    if kept.is_empty() {
                        "-".into()
                    } else {
                        kept.join(", ")
                    }
                },
            ]
        })
        .collect();
    table(
        &[
            "LAB",
            "STATE",
            "STAGE",
            "VERDICT",
            "SNAPSHOTS",
            "ADDRESS",
            "MEMORY",
            "KEPT",
        ],
        &rows,
    )
}

/// The state of a lab in a word or two.
pub(super) fn state_word(lab: &Lab) -> &'static str {
    use crate::backend::Status;
    match (lab.presence, lab.instance.as_ref().map(|i| i.status)) {
        (Presence::Missing, _) | (_, None) => "not made yet",
        (Presence::Foreign, _) => "not ours",
        (Presence::Unfinished, _) => "unfinished",
        (Presence::Ours, _) if lab.updating.is_some() => "half updated",
        (Presence::Ours, Some(Status::Running)) => "running",
        (Presence::Ours, Some(Status::Stopped)) => "stopped",
        (Presence::Ours, Some(Status::Frozen)) => "frozen",
        (Presence::Ours, Some(Status::Error)) => "broken",
    }
}

/// What is known where no snapshot has a size.
pub(super) fn room_text(room: &Room) -> Option<String> {
    let why = room.why_unknown()?;
    let how = room.to_count.as_ref().map_or_else(String::new, |command| {
        format!("\nTo count from now on: `{command}`")
    });
    let text = format!("SIZE unknown: {why}; {}.{how}", room.filling());
    Some(crate::log::sanitize_text(&text))
}

/// The pool of a lab whose snapshots are these.
pub(super) fn room_of(world: &World, lab: &str, rows: &[SnapshotRow]) -> Option<Room> {
    world.room(lab, rows.is_empty() || rows.iter().any(|row| row.size.is_some()))
}

pub(super) fn snapshots_text(rows: &[SnapshotRow], days: u32) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|r| {
            vec![
                format!("{}{}", r.name, if r.pinned { " (pinned)" } else { "" }),
                age(&r.created),
                bytes(r.size),
                crate::labs::expiry::of_row(r, days).unwrap_or_else(|| "-".into()),
                r.verdict.clone().unwrap_or_else(|| "-".into()),
                r.holds.clone(),
                r.note.clone(),
            ]
        })
        .collect();
    table(
        &["SNAPSHOT", "AGE", "SIZE", "KEPT TO", "VERDICT", "HOLDS", "NOTE"],
        &cells,
    )
}

pub(super) fn unknown(name: &str, labs: &[Lab]) -> Stop {
    if labs.iter().any(|lab| lab.name == name && lab.instance.is_none()) {
        return Stop::usage(format!(
            "{name} is not made yet; make it with `halolab apply {name}`"
        ));
    }
    let known = labs
        .iter()
        .filter(|lab| lab.instance.is_some())
        .map(|l| crate::log::sanitize(&l.name))
        .collect::<Vec<_>>()
        .join(", ");
    Stop::usage(format!(
        "there is no lab `{}`; there are: {known}",
        crate::log::sanitize(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::Instance,
        labs::{UPDATING, tag},
        stage::Catalog,
    };

    #[test]
    fn no_way_back_is_offered_that_is_not_there() {
        let config = [("stage", "dev-lab"), (UPDATING, "before-update-1")];
        let mut world = World {
            instances: vec![Instance {
                name: "dev-lab".into(),
                config: config.map(|(k, v)| (tag(k), v.to_owned())).into(),
                ..Instance::default()
            }],
            ..World::default()
        };
        let said = |world: &World| half_updated(world, &world.labs(&Catalog::default())).concat();
        assert!(said(&world).contains("is gone") && !said(&world).contains("restore:"));
        let names = vec!["before-update-1".to_owned()];
        world.snapshots.insert("dev-lab".into(), names);
        assert!(said(&world).contains("restore:before-update-1"));
    }
}
