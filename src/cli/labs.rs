//! `halolab start` and `halolab stop`.

use std::io::IsTerminal as _;

use clap::Args;

use crate::{
    backend::Power,
    labs::{Presence, identity::Seen},
    plan::PlanError,
    run,
};

use super::{
    Code, Setup, Stop,
    status::unknown,
    table::{note, out},
};

/// Labs by name.
#[derive(Debug, Args)]
pub(super) struct NamesArgs {
    /// The labs.
    #[arg(required = true, value_name = "LAB")]
    labs: Vec<String>,
}

/// Labs to stop.
#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    names: NamesArgs,
    /// Also where a job runs in them, which ends with it.
    #[arg(short, long)]
    yes: bool,
}

/// Labs by name, or none: the engine alone.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// The labs; without one, LXD or Incus itself where it does not run.
    #[arg(value_name = "LAB")]
    labs: Vec<String>,
}

impl StopArgs {
    pub(super) fn of(labs: Vec<String>, yes: bool) -> Self {
        Self {
            names: NamesArgs { labs },
            yes,
        }
    }
}

pub(super) async fn start(setup: &Setup, args: StartArgs) -> Result<Code, Stop> {
    let args = NamesArgs { labs: args.labs };
    let woken = !of_docker(setup, &args.labs).await && super::plan::wake(setup).await?;
    if args.labs.is_empty() {
        if !woken {
            let server = setup.backend().await?.server().await?;
            note(&format!(
                "{} runs already; name the labs to start",
                server.title()
            ));
        }
        return Ok(Code::OK);
    }
    power(setup, args, Power::Start, "runs").await
}

/// Whether all of these labs are Docker's: LXD is not started for them.
async fn of_docker(setup: &Setup, labs: &[String]) -> bool {
    let there = async |lab: &String| {
        let server = setup.backend().await.ok()?.server_of(lab).await.ok()?;
        server.is_docker().then_some(())
    };
    for lab in labs {
        if there(lab).await.is_none() {
            return false;
        }
    }
    !labs.is_empty()
}

pub(super) async fn stop(setup: &Setup, args: StopArgs) -> Result<Code, Stop> {
    if !args.yes {
        // Who is at work there comes first: its steps are jobs, too.
        let names: Vec<&str> = args.names.labs.iter().map(String::as_str).collect();
        drop(setup.hold(&names, "stop").await?);
        agree(setup, &args.names.labs).await?;
    }
    power(setup, args.names, Power::Stop { seconds: 30 }, "is stopped").await
}

/// Asks whether jobs may end that run in these labs; without a terminal they may not.
async fn agree(setup: &Setup, labs: &[String]) -> Result<(), Stop> {
    setup.may_change()?;
    let names: Vec<&str> = labs.iter().map(String::as_str).collect();
    let mut world = setup.glance_at(&names).await?;
    world.jobs = run::jobs::ask_under_way(&setup.jobs(), setup.backend().await?.as_ref()).await;
    let under: Vec<String> = world
        .under_way()
        .filter(|work| labs.contains(&work.instance))
        .map(|work| format!("{} ({}) in {}", work.id, work.title, work.instance))
        .collect();
    if under.is_empty() {
        return Ok(());
    }
    let list = crate::log::sanitize(&under.join(", "));
    if setup.global.no_input || setup.global.json || !std::io::stdin().is_terminal() {
        return Err(Stop::blocked(format!(
            "nothing was stopped: jobs run there, and would end: {list}; wait for them with `halolab job wait ID`, or \
             stop the lab all the same with `halolab stop {} --yes`",
            labs.join(" ")
        )));
    }
    note(&format!("Jobs run there, and end with it: {list}"));
    super::consent::yes("Stop it all the same?")
}

async fn power(setup: &Setup, args: NamesArgs, wanted: Power, word: &str) -> Result<Code, Stop> {
    let verb = if wanted == Power::Start { "start" } else { "stop" };
    let names: Vec<&str> = args.labs.iter().map(String::as_str).collect();
    let _lock = setup
        .hold(&names, &format!("{verb} {}", args.labs.join(" ")))
        .await?;
    let world = setup.glance_at(&names).await?;
    for lab in &args.labs {
        match world.presence(lab) {
            Presence::Ours | Presence::Unfinished => {}
            Presence::Foreign => return Err(PlanError::Foreign(lab.clone()).into()),
            Presence::Missing => return Err(unknown(lab, &world.labs(&setup.catalog))),
        }
    }
    let backend = setup.backend().await?;
    for lab in &args.labs {
        let doomed = if wanted == Power::Start {
            vec![]
        } else {
            Seen::instance(&world, lab).still(backend.as_ref(), lab).await?;
            let doomed = run::jobs::before(&setup.jobs(), backend.as_ref(), lab, run::jobs::STOPPED).await;
            // That may have taken a while.
            Seen::instance(&world, lab).still(backend.as_ref(), lab).await?;
            doomed
        };
        let done = backend.power(lab, wanted).await;
        run::jobs::after(backend.as_ref(), doomed).await;
        done?;
        if !setup.global.quiet && !setup.global.json {
            out(&format!("{lab} {word}"));
        }
    }
    if setup.global.json {
        super::table::json(&serde_json::json!({"v": 1, "labs": args.labs, "done": word}))?;
    }
    Ok(Code::OK)
}
