//! `halolab status`: the labs, from as few calls to the daemon as possible.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::{
    backend::{Engine as EngineKind, InstanceState},
    labs::{
        Kept, Lab, Presence, SnapshotRow, Unended, World, drift::Moved, kept_sizes as sizes, sizes::Room,
        snapshot_rows, states, verdict::Verdict,
    },
    run::unfinished::left,
};

mod lines;

use lines::{away, drifted, half_updated, heading, left_over, unnamed, with_drift};

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

/// What was looked at.
struct Looked {
    world: World,
    labs: Vec<Lab>,
    /// Of one lab alone.
    snapshots: Option<Vec<SnapshotRow>>,
    kept_sizes: BTreeMap<String, u64>,
    live: BTreeMap<String, InstanceState>,
    lxd: Option<Engine>,
    docker: Option<Engine>,
    /// Why Docker is not there, where that matters.
    away: Option<String>,
}

async fn look(setup: &Setup, name: Option<&str>) -> Result<Looked, Stop> {
    let mut world = match name {
        Some(lab) => setup.glance_at(&[lab]).await?,
        None => setup.glance().await?,
    };
    world.unended = left(&setup.runs(), &setup.lock(), setup.daemon());
    let servers = [Some(&world), world.docker.as_deref()];
    let [lxd, docker] = servers.map(|part| part.and_then(|part| part.server.as_ref()).map(engine));
    // What a proof stood on is compared with this machine as it is now.
    world.facts = setup.facts().clone();
    let mut labs = world.labs(&setup.catalog);
    let (mut snapshots, mut kept_sizes) = (None, BTreeMap::new());
    if let Some(name) = name {
        let lab = world
            .find(&setup.catalog, name)
            .ok_or_else(|| unknown(name, &labs))?;
        if lab.instance.is_some() {
            let backend = setup.backend().await?;
            let pools = async {
                match lab.engine {
                    EngineKind::Lxd => backend.pools().await,
                    // Its one storage says nothing of labs.
                    EngineKind::Docker => Ok(vec![]),
                }
            };
            let (rows, pools) = tokio::join!(snapshot_rows(backend.as_ref(), name), pools);
            snapshots = Some(rows?);
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
    Ok(Looked {
        // One that has nothing to do with any lab is not spoken of.
        away: away(&world, &labs, &setup.catalog, name.is_none()),
        docker: docker.filter(|_| labs.iter().any(|lab| lab.engine == EngineKind::Docker)),
        world,
        labs,
        snapshots,
        kept_sizes,
        live,
        lxd,
    })
}

pub(super) async fn status(setup: &Setup, args: StatusArgs) -> Result<Code, Stop> {
    let all = args.lab.is_none();
    let seen = look(setup, args.lab.as_deref()).await?;
    let (away, code) = match seen.world.away.as_str() {
        // Labs of an engine that does not answer are not in the list.
        why if all && !why.is_empty() => (crate::log::sanitize(why), Code::FAILED),
        _ => (String::new(), Code::OK),
    };
    if setup.global.json {
        json(&document(seen))?;
    } else {
        show(&seen, all, setup.config.keep_days);
    }
    if !away.is_empty() {
        note(&away);
    }
    Ok(code)
}

fn document(seen: Looked) -> Report {
    let world = &seen.world;
    let rows = seen.labs.iter().map(|lab| {
        let details = seen.snapshots.as_ref();
        let names = serde_json::json!(world.snapshots_of(&lab.name));
        let snapshots = details.map_or(names, |rows| with_drift(world, rows));
        let room = details.and_then(|rows| room_of(world, &lab.name, rows));
        Row {
            room,
            drift: world.moved(lab),
            ..row(lab, seen.live.get(&lab.name), snapshots)
        }
    });
    Report {
        v: 1,
        labs: rows.collect(),
        unended: world.unended.clone(),
        engine: seen.lxd,
        docker: seen.docker,
    }
}

fn show(seen: &Looked, all: bool, keep_days: u32) {
    let (world, labs) = (&seen.world, seen.labs.as_slice());
    if seen.lxd.is_some() || seen.docker.is_none() {
        out(&heading(seen.lxd.as_ref()));
    }
    if let Some(docker) = &seen.docker {
        out(&heading(Some(docker)));
    }
    out(&text(world, labs, &seen.live));
    let drifted = drifted(world, labs, seen.snapshots.as_deref());
    let left = left_over(world, labs, all);
    for line in half_updated(world, labs)
        .into_iter()
        .chain(drifted)
        .chain(left)
        .chain(unnamed(labs))
        .chain(seen.away.clone())
    {
        out(&line);
    }
    if let (Some(rows), Some(lab)) = (&seen.snapshots, labs.first()) {
        out(&format!("\n{}", snapshots_text(rows, keep_days)));
        let room = room_of(world, &lab.name, rows);
        room.iter().filter_map(room_text).for_each(|text| out(&text));
        say_kept(lab, &seen.kept_sizes);
    }
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

fn text(world: &World, labs: &[Lab], live: &BTreeMap<String, InstanceState>) -> String {
    let rows: Vec<Vec<String>> = labs
        .iter()
        .map(|lab| {
            let live = live.get(&lab.name);
            vec![
                lab.name.clone(),
                if world.is_unknown(lab) {
                    "unknown"
                } else {
                    state_word(lab)
                }
                .to_owned(),
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
