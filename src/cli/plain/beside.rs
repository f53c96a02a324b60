//! What stands beside a lab: how large it is, and its removal through a plan.

use std::collections::BTreeMap;

use crate::{
    labs::{Lab, World, kept_sizes},
    plan::Choice,
    run::journal,
};

use super::{Setup, agree_and_run, ask::Left, planned};

/// Bytes on the disk by name, where the engine counts them.
pub(super) async fn sizes(setup: &Setup, lab: &Lab) -> BTreeMap<String, u64> {
    match setup.backend().await {
        Ok(backend) => kept_sizes(backend.as_ref(), &lab.kept).await,
        Err(_) => BTreeMap::new(),
    }
}

/// Shows the plan that removes these instances, and carries it out where it is agreed to.
pub(super) async fn remove(setup: &Setup, world: &World, names: Vec<String>) -> Result<(), Left> {
    let found: Vec<Lab> = names
        .iter()
        .filter_map(|name| world.find(&setup.catalog, name))
        .collect();
    let picks: Vec<(&Lab, Choice)> = found.iter().map(|lab| (lab, Choice::Remove)).collect();
    let (plan, secrets) = planned(setup, world.clone(), &picks, &[]).await?;
    Box::pin(agree_and_run(
        setup,
        &plan,
        &journal::new_id(&plan, &setup.runs()),
        secrets,
    ))
    .await?;
    Ok(())
}
