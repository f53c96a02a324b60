//! `halolab zephyr`: the entrypoints of a Zephyr lab, each as a job that outlives the terminal.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use clap::{Args, Subcommand};

use crate::{
    backend::{Instance, Status},
    job,
    labs::{Presence, World},
    log::sanitize,
    plan::PlanError,
    zephyr::{self, Entry, STAGE, entries},
};

use super::{
    Code, Setup, Stop,
    job::{RunArgs, start},
    shell,
    status::unknown,
    table::{note, out},
};

mod build;
mod failed;
mod verify;

use build::Answer;

/// Verbs on a Zephyr lab.
#[derive(Debug, Subcommand)]
pub enum ZephyrVerb {
    /// Run an entrypoint in the lab, as a job: closing the terminal does not end it. `default` without arguments is a shell.
    Run(EntryArgs),
    /// The entrypoints of the lab, a line each.
    List {
        /// The lab.
        #[arg(long, default_value = STAGE)]
        lab: String,
    },
    /// Ask PyTorch and JAX of a lab whether they see the GPU; the answer is the lab's verdict.
    Verify {
        /// The lab.
        #[arg(long, default_value = STAGE)]
        lab: String,
    },
    /// Save a report of a build: what was asked for, how it ended, the ends of its logs; without secrets.
    Bundle {
        /// The job; the newest build of the lab without one.
        job: Option<String>,
        /// The lab.
        #[arg(long, default_value = STAGE)]
        lab: String,
        /// The file; in the state folder without it.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Print a script that does the same without halolab, by plain `docker run`; or write it to a file.
    Launcher {
        /// The file; one that is there is not touched.
        file: Option<PathBuf>,
    },
}

/// Arguments of `zephyr run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that the user types")]
pub struct EntryArgs {
    /// What to run: `halolab zephyr list` names them.
    entrypoint: String,
    /// The lab.
    #[arg(long, default_value = STAGE)]
    lab: String,
    /// Do not watch it.
    #[arg(short, long)]
    detach: bool,
    /// Of a build: only show what it comes to; with --json as one document.
    #[arg(long)]
    review: bool,
    /// Of a build: begin it without being asked.
    #[arg(short, long)]
    yes: bool,
    /// Of a build: it is meant that Spack chose without NCCL, CUDA or cuDNN.
    #[arg(long, requires = "yes")]
    accept_dropped: bool,
    /// A variable of its environment; KEY alone takes it over from here. Never shown or stored.
    #[arg(long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// What the entrypoint takes.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(super) async fn run(setup: &Setup, verb: ZephyrVerb) -> Result<Code, Stop> {
    match verb {
        ZephyrVerb::Run(args) => entrypoint(setup, args).await,
        ZephyrVerb::List { lab } => {
            for entry in known(setup, &lab)? {
                let takes = if entry.takes.is_empty() {
                    String::new()
                } else {
                    format!("; takes {}", entry.takes)
                };
                out(&sanitize(&format!("{:<14} {}{takes}", entry.name, entry.what)));
            }
            Ok(Code::OK)
        }
        ZephyrVerb::Verify { lab } => verify::verify(setup, &lab).await,
        ZephyrVerb::Bundle { job, lab, to } => failed::bundle(setup, job.as_deref(), &lab, to).await,
        ZephyrVerb::Launcher { file } => launcher(setup, file),
    }
}

/// Starts an entrypoint as a job; what builds for hours only after it was shown what it comes to.
async fn entrypoint(setup: &Setup, args: EntryArgs) -> Result<Code, Stop> {
    let known = known(setup, &args.lab)?;
    let Some(entry) = known.iter().find(|entry| entry.name == args.entrypoint) else {
        let names: Vec<&str> = known.iter().map(|entry| entry.name.as_str()).collect();
        return Err(Stop::usage(sanitize(&format!(
            "there is no entrypoint `{}`; there are: {}",
            args.entrypoint,
            names.join(", ")
        ))));
    };
    if !entry.takes.is_empty() && args.arguments.is_empty() {
        return Err(Stop::usage(sanitize(&format!(
            "{0} takes {1}: `halolab zephyr run {0} -- {1}`",
            entry.name, entry.takes
        ))));
    }
    if entry.is_shell() && !args.detach && (entry.name != "default" || args.arguments.is_empty()) {
        let mut command = vec![entry.program()];
        command.extend(args.arguments);
        return shell::program(setup, args.lab, command).await;
    }
    let mut arguments = args.arguments.clone();
    let only_planned = arguments
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--plan");
    if entry.is_build() && !only_planned {
        match Box::pin(build::agreed(setup, entry, &args)).await? {
            Answer::Begin(left) => arguments = left,
            Answer::Leave(code) => return Ok(code),
        }
    } else if args.review {
        return Err(Stop::usage(format!(
            "{} builds nothing that could be shown before",
            entry.name
        )));
    }
    let order = Order {
        lab: args.lab,
        env: args.env,
        detach: args.detach,
        arguments,
    };
    begin(setup, entry, order).await
}

/// An entrypoint that is to be begun.
#[derive(Clone)]
struct Order {
    lab: String,
    env: Vec<String>,
    detach: bool,
    arguments: Vec<String>,
}

/// Begins an entrypoint as a job, and watches it; what is done after a build follows.
async fn begin(setup: &Setup, entry: &Entry, order: Order) -> Result<Code, Stop> {
    let run = RunArgs {
        lab: order.lab.clone(),
        name: entry.name.clone(),
        cwd: "/".into(),
        env: order.env.clone(),
        attach: !order.detach,
        command: entry.recorded(&order.arguments),
    };
    let mirror = start::begin(setup, run, Some(entry.title(&order.arguments))).await?;
    zephyr::keep_plan(setup.backend().await?.as_ref(), entry, &mirror).await;
    if order.detach {
        start::told(setup, &mirror)?;
        return Ok(Code::OK);
    }
    let code = start::follow(setup, &mirror).await?;
    if code == Code::OK {
        if entry.is_build() && mirror.status().state == job::State::Succeeded {
            verify::afterwards(setup, &order.lab, &mirror).await;
        }
        return Ok(code);
    }
    // One that goes on while nobody watches has not failed.
    match zephyr::Failed::of(&mirror) {
        Some(what) => Box::pin(failed::menu(setup, entry, order, (what, code))).await,
        None => Ok(code),
    }
}

/// The entrypoints of a lab's stage.
fn known(setup: &Setup, lab: &str) -> Result<Vec<Entry>, Stop> {
    let own = entries(&setup.catalog, lab);
    let found = if own.is_empty() {
        entries(&setup.catalog, STAGE)
    } else {
        own
    };
    if found.is_empty() {
        return Err(Stop::usage(format!(
            "the stage of {lab} has no entrypoints; name a lab of the stage {STAGE} with --lab"
        )));
    }
    Ok(found)
}

/// A lab of ours that runs.
async fn running(setup: &Setup, lab: &str) -> Result<(World, Instance), Stop> {
    let world = setup.world(&[]).await?;
    match world.presence(lab) {
        Presence::Ours => {}
        Presence::Foreign => return Err(PlanError::Foreign(lab.to_owned()).into()),
        Presence::Unfinished => {
            return Err(Stop::blocked(format!(
                "{lab} is not whole yet; finish it first: `halolab apply {lab}`"
            )));
        }
        Presence::Missing => return Err(unknown(lab, &world.labs(&setup.catalog))),
    }
    let instance = world.instance(lab).cloned();
    let instance = instance.ok_or_else(|| Stop::from(PlanError::Missing(lab.to_owned())))?;
    if instance.status != Status::Running {
        return Err(Stop::blocked(format!(
            "{lab} does not run; `halolab start {lab}` starts it"
        )));
    }
    Ok((world, instance))
}

impl From<zephyr::Error> for Stop {
    fn from(error: zephyr::Error) -> Self {
        match error {
            zephyr::Error::Backend(error) => error.into(),
            zephyr::Error::Job(error) => error.into(),
            zephyr::Error::Mirror(_)
            | zephyr::Error::Wish(_)
            | zephyr::Error::NoFacts { .. }
            | zephyr::Error::NotVerified { .. } => Self::blocked(error),
            error => Self::new(Code::FAILED, error),
        }
    }
}

fn launcher(setup: &Setup, file: Option<PathBuf>) -> Result<Code, Stop> {
    let text = setup
        .catalog
        .get(STAGE)
        .and_then(|stage| stage.files.get("launch_container.sh"));
    let text = text.ok_or_else(|| Stop::blocked(format!("the stage {STAGE} has no launch_container.sh")))?;
    let Some(file) = file else {
        out(text.trim_end());
        return Ok(Code::OK);
    };
    let failed =
        |error: std::io::Error| Stop::blocked(format!("{} cannot be written: {error}", file.display()));
    let written = std::fs::File::create_new(&file).and_then(|mut new| {
        std::io::Write::write_all(&mut new, text.as_bytes())?;
        new.set_permissions(std::fs::Permissions::from_mode(0o755))
    });
    written.map_err(failed)?;
    note(&format!("written: {}", file.display()));
    Ok(Code::OK)
}
