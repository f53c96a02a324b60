//! The command line: one file a group of verbs. stdout is data, stderr is messages; without a terminal nothing
//! ever waits for input.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::backend::late;

mod aftermath;
mod consent;
mod detect;
mod doctor;
pub mod exit;
mod job;
mod labs;
mod logging;
mod other;
mod plain;
mod plan;
mod print;
mod progress;
mod prove;
mod runs;
mod setup;
mod shell;
mod signals;
mod snapshot;
mod status;
mod table;
mod trust;
mod tune;
mod undo;
mod uninstall;
pub mod view;
mod workspace;
mod zephyr;

pub use exit::{Code, Stop};
pub(crate) use job::show::ringing;
pub use setup::Setup;
pub use shell::login;
pub(crate) use table::note;
pub(crate) use workspace::workspace_image;

/// Sets up AI and development labs on Strix Halo and NVIDIA boxes, and keeps them healthy.
#[derive(Debug, Parser)]
#[command(name = "halolab", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do; nothing opens the screens (needs a terminal).
    #[command(subcommand)]
    pub verb: Option<Verb>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap takes a text here for what the program does")]
    pub global: Global,
}

const EXAMPLES: &str = "\
Examples:
  halolab                                        open the screens
  halolab --plain                                the same as questions and lines of text
  halolab apply ai-lab dev-lab --yes             make both labs, side by side
  halolab plan ai-lab --choose recreate          see what a recreate would do
  halolab apply ai-lab --choose restore:clean    go back to the state after set-up
  halolab snapshot create ai-lab works -m 'ComfyUI runs'
  halolab status --json                          for scripts and agents
  halolab view -f build.log                      follow a log; h shows the keys

Exit: 0 ok, 1 failed, 2 usage, 3 blocked before any change, 5 failed and resumable,
6 done and counts after a restart of the machine, 7 declined, 8 another halolab is at work,
129/130/143 ended by a signal; 4 is reserved.";

/// The token of a remote daemon may come in this variable.
const TOKEN: &str = "HALOLAB_LXD_TOKEN";

// Options of every verb. No doc comment: clap takes one here for what a verb does.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that the user types")]
#[expect(missing_docs, reason = "see above")]
pub struct Global {
    /// Socket or URL of the LXD or Incus daemon.
    #[arg(long, global = true, value_name = "SOCKET|URL")]
    pub lxd: Option<String>,
    /// Socket or address of Docker or Podman, for labs of theirs.
    #[arg(long, global = true, value_name = "SOCKET|URL")]
    pub docker: Option<String>,
    /// Token that a remote daemon gave out, to be trusted by it.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = TOKEN,
        hide_env_values = true
    )]
    pub lxd_token: Option<String>,
    /// Machine-readable: one JSON document, or JSON lines while something runs.
    #[arg(long, global = true)]
    pub json: bool,
    /// The screens as questions and lines of text: for screen readers, terminals without a cursor, pipes.
    #[arg(long, global = true)]
    pub plain: bool,
    /// Only ASCII characters.
    #[arg(long, global = true)]
    pub ascii: bool,
    /// No colours.
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Never ask; fail where an answer is missing.
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Refuse everything that changes something.
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Say less.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Write a log, with more in it (-vv: everything); to `halolab.log` in the state folder without --log-file.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Write what halolab does to this file.
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what would be done, and change nothing.
    Plan(plan::ShowArgs),
    /// Do it: create by default, or what --choose says.
    Apply(plan::ApplyArgs),
    /// Labs, their state, snapshots and addresses.
    Status(status::StatusArgs),
    /// Create, list, restore, copy, annotate, pin, rename, delete and prune snapshots.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotVerb),
    /// Build a lab anew beside the old one, prove it, then swap; the old one is kept.
    Recreate(plan::RecreateArgs),
    /// Update the packages of a lab, after a safety snapshot.
    Update(plan::ChangeArgs),
    /// Take the last restore, update or recreate of a lab back; again: take that back.
    Undo(undo::UndoArgs),
    /// Delete a lab with its snapshots.
    Remove(plan::RemoveArgs),
    /// Start labs; without a name, LXD or Incus itself where it does not run.
    Start(labs::StartArgs),
    /// Stop labs.
    Stop(labs::StopArgs),
    /// Enter a lab, or run one command in it.
    Shell(shell::ShellArgs),
    /// Long commands in labs that go on without a terminal: run, list, status, attach, logs, stop, wait, rm.
    #[command(subcommand)]
    Job(job::JobVerb),
    /// Entrypoints of a Zephyr lab (Spack, uv, Hugging Face, any command), as jobs: run, list, launcher.
    #[command(subcommand)]
    Zephyr(zephyr::ZephyrVerb),
    /// Workspaces: a container for each user of a shared machine, with ports, limits and secrets of their own.
    #[command(subcommand)]
    Workspace(workspace::WorkspaceVerb),
    /// What this machine is made of, and what that means for labs.
    Detect(detect::DetectArgs),
    /// What is wrong with this machine, and how to mend it.
    Doctor(doctor::DoctorArgs),
    /// Run a kernel on every GPU and compare its result: does CUDA, HIP or Vulkan really work here?
    Prove(prove::ProveArgs),
    /// Look at logs of any size: search, filter, follow; `h` shows the keys.
    View(view::ViewArgs),
    /// How far a build is, out of its log: Spack, ninja, make, pip, uv, apt, dnf, pacman, cargo, Docker.
    Progress(progress::ProgressArgs),
    /// What labs are made of: list, show, check, schema.
    #[command(subcommand)]
    Stage(other::StageVerb),
    /// Earlier runs: list (also without a word), show, resume, undo, edit, bundle.
    Runs(runs::RunsArgs),
    /// Settings and where each comes from.
    Config(other::ConfigArgs),
    /// Show and take back what halolab did to this machine; labs stay unless they are named.
    Uninstall(uninstall::UninstallArgs),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// Hand a socket's bytes on, for a new member of its group.
    #[command(name = crate::host::membership::VERB, hide = true)]
    Relay {
        /// The daemon's socket.
        from: PathBuf,
        /// The socket to listen at.
        to: PathBuf,
    },
}

/// Runs a verb.
///
/// # Errors
/// As the verb's text says; the exit code is in it.
pub async fn run(cli: Cli) -> Result<Code, Stop> {
    let Cli { verb, global } = cli;
    logging::start(&global)?;
    let Some(verb) = verb else {
        if !global.plain {
            return setup::screens(global).await;
        }
        return late::heard(listener(&global), Box::pin(plain::wizard(global))).await;
    };
    late::heard(listener(&global), Box::pin(carry_out(verb, global))).await
}

/// Says on stderr that the daemon keeps us waiting.
fn listener(global: &Global) -> late::Listener {
    let quiet = global.quiet;
    let tell = move |said: &str| {
        if !quiet {
            note(said);
        }
    };
    late::Listener::new(tell, CancellationToken::new(), false)
}

async fn carry_out(verb: Verb, global: Global) -> Result<Code, Stop> {
    match verb {
        Verb::Plan(args) => plan::plan(&Setup::load(global)?, args).await,
        Verb::Apply(args) => plan::apply(&Setup::load(global)?, args).await,
        Verb::Status(args) => status::status(&Setup::load(global)?, args).await,
        Verb::Snapshot(verb) => snapshot::run(&Setup::load(global)?, verb).await,
        Verb::Recreate(args) => plan::recreate(&Setup::load(global)?, args).await,
        Verb::Update(args) => plan::update(&Setup::load(global)?, args).await,
        Verb::Undo(args) => undo::undo(&Setup::load(global)?, args).await,
        Verb::Remove(args) => plan::remove(&Setup::load(global)?, args).await,
        Verb::Start(args) => labs::start(&Setup::load(global)?, args).await,
        Verb::Stop(args) => labs::stop(&Setup::load(global)?, args).await,
        Verb::Shell(args) => shell::shell(&Setup::load(global)?, args).await,
        Verb::Job(verb) => Box::pin(job::run(&Setup::load(global)?, verb)).await,
        Verb::Zephyr(verb) => Box::pin(zephyr::run(&Setup::load(global)?, verb)).await,
        Verb::Workspace(verb) => Box::pin(workspace::run(Setup::load(global)?, verb)).await,
        Verb::Detect(args) => detect::detect(&global, args).await,
        Verb::Doctor(args) => doctor::doctor(global, args).await,
        Verb::Prove(args) => prove::prove(global, args).await,
        Verb::View(args) => view::view(global, args),
        Verb::Progress(args) => progress::progress(global, args).await,
        Verb::Stage(verb) => other::stage(&Setup::load(global)?, verb),
        Verb::Runs(args) => runs::run(&Setup::load(global)?, args).await,
        Verb::Config(verb) => other::config(&Setup::load(global)?, verb.verb.as_ref()),
        Verb::Uninstall(args) => Box::pin(uninstall::uninstall(&Setup::load(global)?, args)).await,
        Verb::Completions { shell } => Ok(other::completions(shell)),
        Verb::Man => other::man(),
        Verb::Relay { from, to } => {
            crate::host::membership::relay(&from, &to).await?;
            Ok(Code::OK)
        }
    }
}
