//! What `halolab status` says around its table, a line each.

use crate::{
    backend::Engine as EngineKind,
    labs::{
        Lab, SnapshotRow, Unended, World,
        drift::{self},
    },
    stage::{Catalog, Stage},
};

use super::Engine;

pub(super) fn heading(engine: Option<&Engine>) -> String {
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
pub(super) fn half_updated(world: &World, labs: &[Lab]) -> Vec<String> {
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

/// Volumes that images asked for, of one lab.
pub(super) fn unnamed(labs: &[Lab]) -> Vec<String> {
    let of = labs.iter().filter_map(|lab| lab.instance.as_ref());
    of.flat_map(|instance| &instance.unnamed)
        .map(|volume| {
            format!(
                "outside of all snapshots and copies: what is in {}",
                volume.title()
            )
        })
        .collect()
}

/// What was begun and not ended: replacements that never took their place, and runs; of these labs, or of `all`.
pub(super) fn left_over(world: &World, labs: &[Lab], all: bool) -> Vec<String> {
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
pub(super) fn drifted(world: &World, labs: &[Lab], rows: Option<&[SnapshotRow]>) -> Vec<String> {
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
pub(super) fn with_drift(world: &World, rows: &[SnapshotRow]) -> serde_json::Value {
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

/// Labs of Docker that is not there, and why; where there is none at all, not of stages that nobody asked for.
pub(super) fn away(world: &World, labs: &[Lab], catalog: &Catalog, all: bool) -> Option<String> {
    let away = world.docker_away.as_ref()?;
    let shipped = |lab: &Lab| catalog.get(&lab.stage).is_some_and(Stage::is_shipped);
    let told = labs
        .iter()
        .filter(|lab| lab.engine == EngineKind::Docker && !(all && away.absent && shipped(lab)));
    let names: Vec<&str> = told.map(|lab| lab.name.as_str()).collect();
    let text = format!("{}: {}", names.join(", "), away.why);
    (!names.is_empty()).then(|| crate::log::sanitize(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::Instance,
        labs::{UPDATING, tag},
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
