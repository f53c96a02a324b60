//! `halolab undo`: back to what the last change kept, through a plan like any other change.

use clap::Args;
use jiff::Timestamp;

use crate::{
    labs::{SnapshotKind, World, snapshot_rows},
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
    let world = setup.world(&[]).await?;
    let found = world
        .find(&setup.catalog, lab)
        .ok_or_else(|| unknown(lab, &world.labs(&setup.catalog)))?;
    let mut ways: Vec<(Timestamp, Choice)> = kept(&world, lab);
    if found.instance.is_some() {
        let rows = snapshot_rows(setup.backend().await?.as_ref(), lab).await?;
        let safety = rows.into_iter().filter(|r| r.kind == SnapshotKind::Safety);
        ways.extend(safety.map(|r| (time(&r.created), Choice::Restore(r.name))));
    }
    let newest = ways.into_iter().max_by_key(|(created, _)| *created);
    let (_, choice) = newest.ok_or_else(|| {
        Stop::blocked(format!(
            "nothing was changed: there is nothing to undo on {lab}, as it has no safety snapshot and no earlier \
             version; `halolab status {lab}` shows its other snapshots"
        ))
    })?;
    let planned = make(setup, &PlanArgs::of(args.lab, choice)).await?;
    consent::agree_and_run(setup, planned, &args.consent).await
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
