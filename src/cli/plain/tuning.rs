//! The memory that a GPU may share, asked before a lab with one is made: what `t` does on the screens' plan.

use super::{
    Setup,
    ask::{self, Left, say},
};
use crate::{cli::tune::Planner, plan::Plan, stage::size::human};

/// Asks whether the plan is to begin with more memory for the GPU, and how much, where its memory is at the kernel's
/// default; no is the proposal, because it takes a restart.
pub(super) async fn ask(setup: &Setup, plan: &mut Plan) -> Result<(), Left> {
    if setup.global.read_only || !plan.makes_a_gpu_lab() {
        return Ok(());
    }
    let planner = Planner::look(setup)
        .await
        .filter(|planner| planner.pool.is_default);
    let Some(planner) = planner else { return Ok(()) };
    let pool = &planner.pool;
    let now = pool.now.map_or_else(|| "a part".to_owned(), human);
    say(&format!(
        "\nThe GPU shares the memory of this machine, and may have {now} of {}: the kernel's default. More can be given \
         to it before the lab is made. That changes the boot configuration, which the plan shows, and takes a restart of \
         the machine, after which the run goes on.",
        human(pool.installed)
    ));
    if !ask::yes("Give the GPU more memory first", false).await? {
        return Ok(());
    }
    let gib = size(pool.suggestion(), pool.most).await?;
    match planner.begin(plan, gib) {
        Ok(()) => Ok(()),
        Err(stop) => {
            say(&format!(
                "Not possible here: {}. The plan goes without it.",
                stop.text.trim_end_matches('.')
            ));
            Ok(())
        }
    }
}

async fn size(suggested: u64, most: u64) -> Result<u64, Left> {
    loop {
        let given = ask::line(&format!("GiB for the GPU, at most {most} [{suggested}]: ")).await?;
        if given == "q" {
            return Err(Left::Quit);
        }
        match given.parse() {
            _ if given.is_empty() => return Ok(suggested),
            Ok(gib) if (1..=most).contains(&gib) => return Ok(gib),
            _ => say(&format!("Please type a whole number from 1 to {most}.")),
        }
    }
}
