//! `halolab start` and `halolab stop`.

use clap::Args;

use crate::{backend::Power, labs::Presence, plan::PlanError};

use super::{Code, Setup, Stop, status::unknown, table::out};

/// Labs by name.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The labs.
    #[arg(required = true, value_name = "LAB")]
    labs: Vec<String>,
}

pub(super) async fn start(setup: &Setup, args: NamesArgs) -> Result<Code, Stop> {
    power(setup, args, Power::Start, "runs").await
}

pub(super) async fn stop(setup: &Setup, args: NamesArgs) -> Result<Code, Stop> {
    power(setup, args, Power::Stop { seconds: 30 }, "is stopped").await
}

async fn power(setup: &Setup, args: NamesArgs, wanted: Power, word: &str) -> Result<Code, Stop> {
    setup.may_change()?;
    let world = setup.world(&[]).await?;
    for lab in &args.labs {
        match world.presence(lab) {
            Presence::Ours | Presence::Unfinished => {}
            Presence::Foreign => return Err(PlanError::Foreign(lab.clone()).into()),
            Presence::Missing => return Err(unknown(lab, &world.labs(&setup.catalog))),
        }
    }
    let backend = setup.backend().await?;
    for lab in &args.labs {
        match backend.power(lab, wanted).await {
            Err(_) if wanted != Power::Start => backend.power(lab, Power::Stop { seconds: 0 }).await?,
            ended => ended?,
        }
        if !setup.global.quiet && !setup.global.json {
            out(&format!("{lab} {word}"));
        }
    }
    if setup.global.json {
        super::table::json(&serde_json::json!({"v": 1, "labs": args.labs, "done": word}))?;
    }
    Ok(Code::OK)
}
