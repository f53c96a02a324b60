//! `halolab job`: long commands in labs that go on without us.

use clap::{Args, Subcommand};

use crate::{
    backend::Backend,
    job::{self, Mirror},
};

use super::{Code, Setup, Stop};

mod end;
mod list;
pub(super) mod show;
pub(super) mod start;
mod watch;

/// Verbs on jobs.
#[derive(Debug, Subcommand)]
pub enum JobVerb {
    /// Start a command in a lab. It goes on when the terminal, the connection or halolab ends.
    Run(RunArgs),
    /// Jobs and how they stand, newest first; steps of stages that ended well only with --all.
    List {
        /// Steps of stages that ended well, too.
        #[arg(long)]
        all: bool,
    },
    /// One short line about a job; about each that runs without an id.
    Status {
        /// The job, or how its id begins.
        id: Option<String>,
    },
    /// Watch a job until it ends, from its last lines on: what is before them is copied and not shown. Ctrl-C only ends
    /// the watching.
    Attach(AttachArgs),
    /// A job's log in the viewer of `halolab view`, fetched as it grows. Leaving it leaves the job alone.
    View {
        /// The job, or how its id begins; the newest one that runs without.
        id: Option<String>,
    },
    /// What a job wrote: raw bytes into a file or pipe, safe text on a terminal.
    Logs {
        /// The job, or how its id begins.
        id: String,
        /// Go on until it ends. Ctrl-C only ends the watching.
        #[arg(short, long)]
        follow: bool,
    },
    /// End a job: a signal to all of its processes, and SIGKILL after the grace.
    Stop {
        /// The job, or how its id begins.
        id: String,
        /// The signal: TERM; INT is what Spack wants.
        #[arg(long, default_value = "TERM", value_parser = ["TERM", "INT", "HUP", "QUIT", "KILL"])]
        signal: String,
        /// Seconds before SIGKILL.
        #[arg(long, default_value_t = 10, value_name = "SECONDS")]
        grace: u32,
    },
    /// Wait until a job ends; the exit code is the job's.
    Wait {
        /// The job, or how its id begins.
        id: String,
        /// Tell the terminal when it has ended: bell and notification.
        #[arg(long)]
        notify: bool,
    },
    /// Forget jobs that ended: here and in their labs, after their logs were compared.
    Rm {
        /// The jobs.
        #[arg(required_unless_present = "ended")]
        ids: Vec<String>,
        /// All that ended.
        #[arg(long, conflicts_with = "ids")]
        ended: bool,
    },
}

/// Arguments of `job run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The lab.
    pub(super) lab: String,
    /// What its id begins with.
    #[arg(long, default_value = "cmd")]
    pub(super) name: String,
    /// Folder in the lab to run it in.
    #[arg(long, default_value = "/root", value_name = "FOLDER")]
    pub(super) cwd: String,
    /// A variable of its environment; KEY alone takes it over from here. Never shown or stored.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) env: Vec<String>,
    /// Watch it, as `job attach`.
    #[arg(short, long)]
    pub(super) attach: bool,
    /// The command.
    #[arg(last = true, required = true)]
    pub(super) command: Vec<String>,
}

/// Arguments of `job attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The job, or how its id begins; the newest one that runs without.
    id: Option<String>,
    /// Tell the terminal when it has ended: bell and notification.
    #[arg(long)]
    notify: bool,
}

pub(super) async fn run(setup: &Setup, verb: JobVerb) -> Result<Code, Stop> {
    match verb {
        JobVerb::Run(args) => start::run(setup, args).await,
        JobVerb::List { all } => list::list(setup, all).await,
        JobVerb::Status { id } => list::status(setup, id.as_deref()).await,
        JobVerb::Attach(args) => watch::attach(setup, args).await,
        JobVerb::View { id } => watch::view(setup, id.as_deref()).await,
        JobVerb::Logs { id, follow } => watch::logs(setup, &id, follow).await,
        JobVerb::Stop { id, signal, grace } => end::stop(setup, &id, &signal, grace).await,
        JobVerb::Wait { id, notify } => watch::wait(setup, &id, notify).await,
        JobVerb::Rm { ids, ended } => end::remove(setup, &ids, ended).await,
    }
}

impl From<job::Error> for Stop {
    fn from(error: job::Error) -> Self {
        match error {
            job::Error::Backend(error) => error.into(),
            job::Error::Unknown { .. }
            | job::Error::Ambiguous { .. }
            | job::Error::Name(_)
            | job::Error::Variable(_)
            | job::Error::Zero(_) => Self::usage(error),
            job::Error::Runs(_)
            | job::Error::Differs { .. }
            | job::Error::NotBegun { .. }
            | job::Error::Elsewhere { .. } => Self::blocked(error),
            error => Self::new(Code::FAILED, error),
        }
    }
}

/// A job by its id, or by how it begins.
fn find(setup: &Setup, id: &str) -> Result<Mirror, Stop> {
    Ok(job::find(&setup.jobs(), id)?)
}

/// The engine that a job runs on, where it is the one that is used now.
async fn engine_of(setup: &Setup, mirror: &Mirror) -> Result<std::sync::Arc<dyn Backend>, Stop> {
    let backend = setup.backend_for(&mirror.job.engine).await;
    let backend = backend.map_err(|why| Stop::new(Code::FAILED, why))?;
    mirror.compare_engine(backend.as_ref()).await?;
    Ok(backend)
}
