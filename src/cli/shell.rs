//! `halolab shell`: a terminal inside a lab, or one command in it.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;

use crate::{
    app::attach::attach,
    backend::{ExecSpec, Progress, Status},
    labs::Presence,
};

use super::{Code, Setup, Stop, status::unknown};

/// Arguments of `shell`.
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// The lab.
    lab: String,
    /// A command to run instead of a login shell.
    #[arg(last = true)]
    command: Vec<String>,
}

/// The best shell that is there, as a login shell of the lab's user where there is one.
const LOGIN: &str = "if id lab >/dev/null 2>&1 && command -v su >/dev/null 2>&1; then exec su - lab; fi; \
                         cd; if command -v bash >/dev/null 2>&1; then exec bash -l; fi; exec sh -l";

/// A login shell inside a lab.
pub(super) async fn enter(setup: &Setup, lab: String) -> Result<Code, Stop> {
    let command = vec![];
    shell(setup, ShellArgs { lab, command }).await
}

/// A program inside a lab, on the terminal where there is one.
pub(super) async fn program(setup: &Setup, lab: String, command: Vec<String>) -> Result<Code, Stop> {
    shell(setup, ShellArgs { lab, command }).await
}

pub(super) async fn shell(setup: &Setup, args: ShellArgs) -> Result<Code, Stop> {
    setup.may_change()?;
    let lab = &args.lab;
    let world = setup.glance_at(&[lab]).await?;
    let instance = world
        .instance(lab)
        .ok_or_else(|| match world.find(&setup.catalog, lab) {
            Some(_) => crate::plan::PlanError::Missing(lab.clone()).into(),
            None => unknown(lab, &world.labs(&setup.catalog)),
        })?;
    if world.presence(lab) == Presence::Foreign {
        return Err(crate::plan::PlanError::Foreign(lab.clone()).into());
    }
    if instance.status != Status::Running {
        return Err(Stop::blocked(format!(
            "{lab} does not run; `halolab start {lab}` starts it"
        )));
    }
    let backend = setup.backend().await?;
    let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if interactive {
        let argv = if args.command.is_empty() {
            login()
        } else {
            args.command
        };
        let code = attach(backend.as_ref(), lab, argv).await?;
        return Ok(Code(u8::try_from(code).unwrap_or(255)));
    }
    if args.command.is_empty() {
        return Err(Stop::usage(format!(
            "without a terminal name a command: `halolab shell {lab} -- COMMAND`"
        )));
    }
    let spec = ExecSpec {
        argv: args.command,
        ..ExecSpec::default()
    };
    let mut print = |fd: u8, bytes: &[u8]| {
        let _ = if fd == 1 {
            std::io::stdout().write_all(bytes)
        } else {
            std::io::stderr().write_all(bytes)
        };
    };
    let code = backend.exec(lab, &spec, &mut print, &Progress::default()).await?;
    Ok(Code(u8::try_from(code).unwrap_or(255)))
}

/// The command of a login shell.
pub fn login() -> Vec<String> {
    ["/bin/sh", "-c", LOGIN].map(str::to_owned).to_vec()
}
