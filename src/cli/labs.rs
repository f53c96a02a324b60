//! `halolab start` and `halolab stop`.

use clap::Args;

use crate::{
    backend::Power,
    labs::{Presence, identity::Seen},
    plan::PlanError,
};

use super::{Code, Setup, Stop, status::unknown, table::out};

/// Labs by name.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The labs.
    #[arg(required = true, value_name = "LAB")]
    labs: Vec<String>,
}

/// Labs by name, or none: the engine alone.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// The labs; without one, LXD or Incus itself where it does not run.
    #[arg(value_name = "LAB")]
    labs: Vec<String>,
}

pub(super) async fn start(setup: &Setup, args: StartArgs) -> Result<Code, Stop> {
    let woken = super::plan::wake(setup).await?;
    let args = NamesArgs { labs: args.labs };
    if args.labs.is_empty() {
        if !woken {
            let server = setup.backend().await?.server().await?;
            super::table::note(&format!(
                "{} runs already; name the labs to start",
                server.title()
            ));
        }
        return Ok(Code::OK);
    }
    power(setup, args, Power::Start, "runs").await
}

pub(super) async fn stop(setup: &Setup, args: NamesArgs) -> Result<Code, Stop> {
    power(setup, args, Power::Stop { seconds: 30 }, "is stopped").await
}

async fn power(setup: &Setup, args: NamesArgs, wanted: Power, word: &str) -> Result<Code, Stop> {
    let verb = if wanted == Power::Start { "start" } else { "stop" };
    let _lock = setup.hold(&format!("{verb} {}", args.labs.join(" ")))?;
    let world = setup.glance().await?;
    for lab in &args.labs {
        match world.presence(lab) {
            Presence::Ours | Presence::Unfinished => {}
            Presence::Foreign => return Err(PlanError::Foreign(lab.clone()).into()),
            Presence::Missing => return Err(unknown(lab, &world.labs(&setup.catalog))),
        }
    }
    let backend = setup.backend().await?;
    for lab in &args.labs {
        if matches!(wanted, Power::Stop { .. }) {
            Seen::instance(&world, lab).still(backend.as_ref(), lab).await?;
        }
        backend.power(lab, wanted).await?;
        if !setup.global.quiet && !setup.global.json {
            out(&format!("{lab} {word}"));
        }
    }
    if setup.global.json {
        super::table::json(&serde_json::json!({"v": 1, "labs": args.labs, "done": word}))?;
    }
    Ok(Code::OK)
}
