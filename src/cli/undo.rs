//! `halolab undo`: back to what the last change kept, through a plan like any other change.

use clap::Args;
use jiff::Timestamp;

use crate::{
    labs::{SnapshotKind, SnapshotRow, World, snapshot_rows},
    plan::Choice,
};

use super::{
    Code, Setup, Stop, consent,
    plan::{Consent, PlanArgs, make},
    status::unknown,
};

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The lab.
    lab: String,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn undo(setup: &Setup, args: UndoArgs) -> Result<Code, Stop> {
    let lab = &args.lab;
    let world = setup.glance_at(&[lab]).await?;
    if world.find(&setup.catalog, lab).is_none() && world.kept(lab).is_empty() {
        return Err(unknown(lab, &world.labs(&setup.catalog)));
    }
    let rows = match world.instance(lab) {
        Some(_) => snapshot_rows(setup.backend().await?.as_ref(), lab).await?,
        None => vec![],
    };
    let choice = way(&world, lab, rows).ok_or_else(|| {
        Stop::blocked(format!(
            "nothing was changed: there is nothing to undo on {lab}, as it has no safety snapshot and no earlier \
             version; `halolab status {lab}` shows its other snapshots"
        ))
    })?;
    let planned = make(setup, &PlanArgs::of(args.lab, choice)).await?;
    consent::agree_and_run(setup, planned, &args.consent).await
}

/// The newest of what was kept; but where an update did not end well, its way back: safety snapshots that are newer
/// hold the broken state of another try.
fn way(world: &World, lab: &str, rows: Vec<SnapshotRow>) -> Option<Choice> {
    if let Some(back) = world.way_back(lab) {
        return Some(Choice::Restore(back.to_owned()));
    }
    let safety = rows.into_iter().filter(|r| r.kind == SnapshotKind::Safety);
    let safety = safety.map(|r| (time(&r.created), Choice::Restore(r.name)));
    let ways = kept(world, lab).into_iter().chain(safety);
    ways.max_by_key(|(created, _)| *created).map(|(_, choice)| choice)
}

/// The earlier versions that a recreate kept, by when they were set aside.
fn kept(world: &World, lab: &str) -> Vec<(Timestamp, Choice)> {
    let earlier = world.kept(lab).into_iter().filter(|k| !k.replacement && k.whole);
    earlier
        .map(|k| (time(&k.created), Choice::BringBack(k.name)))
        .collect()
}

/// What is no time counts as the oldest one.
fn time(created: &str) -> Timestamp {
    created.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::Instance,
        labs::{UPDATING, tag},
    };

    #[test]
    fn after_two_failed_updates_it_is_back_to_before_the_first() {
        let config = [("stage", "dev-lab"), (UPDATING, "before-update-1")];
        let mut world = World {
            instances: vec![Instance {
                name: "dev-lab".into(),
                config: config.map(|(k, v)| (tag(k), v.to_owned())).into(),
                ..Instance::default()
            }],
            ..World::default()
        };
        let row = |number: u8| SnapshotRow {
            name: format!("before-update-{number}"),
            created: format!("2026-11-0{number}T00:00:00Z"),
            kind: SnapshotKind::Safety,
            ..SnapshotRow::default()
        };
        let rows = vec![row(2), row(1)];
        let names = vec!["before-update-1".to_owned(), "before-update-2".to_owned()];
        world.snapshots.insert("dev-lab".into(), names);
        let undo = |world: &World| way(world, "dev-lab", rows.clone());
        assert_eq!(undo(&world), Some(Choice::Restore("before-update-1".into())));
        world.snapshots.clear();
        let newest = Some(Choice::Restore("before-update-2".into()));
        assert_eq!(undo(&world), newest, "the way back is gone");
    }
}
