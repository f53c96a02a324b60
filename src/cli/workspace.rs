//! `halolab workspace …`: users of a shared machine, a container for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Args, Subcommand};

use crate::{
    backend::Status,
    labs::{Presence, World},
    workspace::{
        self, User,
        ground::{self, Fault, Trouble},
        ledger::Guard,
        ports::Collision,
        spec,
    },
};

use super::{Code, Setup, Stop, plan::Consent, table::note};

mod build;
mod change;
mod files;
mod health;
mod list;
mod power;
mod roll;
mod secret;
mod service;
mod settle;
mod users;

pub(crate) use build::workspace_image;
use change::{Limits, SetupArgs};
use service::{LogsArgs, RestartArgs};

/// Verbs on workspaces.
#[derive(Debug, Subcommand)]
pub enum WorkspaceVerb {
    /// Where workspaces are kept, which ports they have, what their image is; without options it is shown.
    Setup(SetupArgs),
    /// Add a user: a slot with its ports, folders, and a password that is generated or asked for.
    Add(AddArgs),
    /// The users, with their ports and state, and what all of them together come to.
    List,
    /// One user: limits, folders, addresses to copy.
    Show {
        /// The user.
        user: String,
    },
    /// The state of each service: supervisor is asked, and each port in its own protocol. Exit 1 where one does not
    /// answer.
    Status {
        /// The users; all of them without.
        users: Vec<String>,
    },
    /// Change a user; what is running gets it with `workspace restart`.
    Edit(EditArgs),
    /// Stop a user's workspace, and keep it from being started.
    Disable {
        /// The user.
        user: String,
        /// Also where a job runs in it, which ends with it.
        #[arg(short, long)]
        yes: bool,
    },
    /// Let it be started again.
    Enable {
        /// The user.
        user: String,
    },
    /// Remove a user's container and settings. Home, scratch space, state and secrets stay, and so do the ports.
    Remove(RemoveArgs),
    /// The ports of all users, and what stands in the way of them.
    Ports,
    /// Write a compose file that starts the same without halolab.
    Compose(ComposeArgs),
    /// Passwords and public keys.
    #[command(subcommand)]
    Secrets(SecretsVerb),
    /// Build the image of all workspaces, with what `workspace setup --profiles` says.
    Build {
        /// Each step anew, with packages of now, instead of what was built before.
        #[arg(long)]
        anew: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Make and start workspaces, and wait until their services answer.
    Start(NamesArgs),
    /// Stop workspaces; what is in them stays.
    Stop(NamesArgs),
    /// Start them anew with what was changed; what is inside stays. With a service behind one user, that service alone.
    Restart(RestartArgs),
    /// What the services of a workspace write: the end of each log, or of one.
    Logs(LogsArgs),
    /// Make them anew from the image of now, one user after the other. The one of before is kept, and comes back by
    /// itself where a service that answered does not answer any more; the users after that one are not touched.
    Update(ChangeArgs),
    /// Make one anew from its image; the one of before is kept.
    Recreate(OneArgs),
    /// Write a user's home to an archive (tar, zstd), with its SHA-256 beside it.
    Backup {
        /// The user.
        user: String,
        /// The archive, as `anna.tar.zst`; one that is there is not overwritten.
        file: PathBuf,
    },
    /// Put a user's home back out of an archive; the workspace has to be stopped.
    Restore {
        /// The user.
        user: String,
        /// The archive.
        file: PathBuf,
        /// Also where there is a home: it is kept beside the restored one.
        #[arg(long)]
        replace: bool,
    },
    /// Enter a workspace as its user, or run one command in it as root.
    Shell {
        /// The user.
        user: String,
        /// A command to run instead of a login shell.
        #[arg(last = true)]
        command: Vec<String>,
    },
}

/// Arguments of `workspace add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The user's name: a-z, 0-9 and -.
    user: String,
    #[command(flatten)]
    limits: Limits,
    /// Ask for the password instead of generating one.
    #[arg(long)]
    ask_password: bool,
    /// A file with public keys for SSH.
    #[arg(long, value_name = "FILE")]
    ssh_keys: Option<PathBuf>,
}

/// Arguments of `workspace edit`.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The user.
    user: String,
    #[command(flatten)]
    limits: Limits,
}

/// Arguments of `workspace remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The user.
    user: String,
    /// Also delete home, scratch space, state and secrets, for ever: the user's name, typed once more.
    #[arg(long, value_name = "USER")]
    delete_data: Option<String>,
    #[command(flatten)]
    consent: Consent,
}

/// Arguments of `workspace compose`.
#[derive(Debug, Args)]
pub struct ComposeArgs {
    /// A proxy with a name for each service: `USER-code.DOMAIN`.
    #[arg(long)]
    traefik: bool,
    /// Desktops and shells in a browser, over VNC, RDP and SSH.
    #[arg(long)]
    guacamole: bool,
    /// cAdvisor, an exporter for GPUs, Dozzle, Prometheus, Grafana.
    #[arg(long)]
    monitoring: bool,
    /// The folder; without it compose.yaml is printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Verbs on secrets.
#[derive(Debug, Subcommand)]
pub enum SecretsVerb {
    /// A new password, generated or asked for; services take it at their next start.
    Rotate {
        /// The user.
        user: String,
        /// Ask for it instead of generating one.
        #[arg(long)]
        ask: bool,
    },
    /// Print a user's passwords, to hand them over.
    Show {
        /// The user.
        user: String,
    },
    /// Set the public keys for SSH.
    Keys {
        /// The user.
        user: String,
        /// A file with them, a line each; `-` is the standard input.
        file: PathBuf,
    },
}

/// Users by name, or all.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// The users.
    #[arg(value_name = "USER", required_unless_present = "all")]
    users: Vec<String>,
    /// All who are not disabled.
    #[arg(long, conflicts_with = "users")]
    all: bool,
    /// Do not ask: also where jobs end by it.
    #[arg(short, long)]
    yes: bool,
}

/// Users by name, or all, and how one agrees.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// The users.
    #[arg(value_name = "USER", required_unless_present = "all")]
    users: Vec<String>,
    /// All who are not disabled.
    #[arg(long, conflicts_with = "users")]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

/// One user, and how one agrees.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The user.
    user: String,
    #[command(flatten)]
    consent: Consent,
}

/// Everything that the verbs look at.
struct Ground(workspace::Ground);

impl std::ops::Deref for Ground {
    type Target = workspace::Ground;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Ground {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        match trouble.fault() {
            Fault::Asked => Self::usage(trouble),
            Fault::Machine => Self::blocked(trouble),
            Fault::Begun => Self::new(Code::FAILED, trouble),
        }
    }
}

pub(super) async fn run(mut setup: Setup, verb: WorkspaceVerb) -> Result<Code, Stop> {
    match verb {
        WorkspaceVerb::Setup(args) => change::setup(&setup, args),
        WorkspaceVerb::Add(args) => users::add(&setup, args),
        WorkspaceVerb::List => list::list(&setup).await,
        WorkspaceVerb::Show { user } => list::show(&setup, &user).await,
        WorkspaceVerb::Status { users } => health::status(&setup, &users).await,
        WorkspaceVerb::Edit(args) => users::edit(&setup, args),
        WorkspaceVerb::Disable { user, yes } => users::disable(&setup, &user, yes).await,
        WorkspaceVerb::Enable { user } => users::enable(&setup, &user),
        WorkspaceVerb::Remove(args) => users::remove(&setup, args).await,
        WorkspaceVerb::Ports => list::ports(&setup).await,
        WorkspaceVerb::Compose(args) => files::compose(&setup, &args).await,
        WorkspaceVerb::Secrets(verb) => secret::run(&setup, verb),
        WorkspaceVerb::Build { anew, consent } => build::build(&setup, anew, &consent).await,
        WorkspaceVerb::Start(args) => power::start(&mut setup, args).await,
        WorkspaceVerb::Stop(args) => power::stop(&setup, args).await,
        WorkspaceVerb::Restart(args) => service::restart(&mut setup, args).await,
        WorkspaceVerb::Logs(args) => service::logs(&setup, args).await,
        WorkspaceVerb::Update(args) => roll::update(&mut setup, args).await,
        WorkspaceVerb::Recreate(args) => roll::recreate(&mut setup, args).await,
        WorkspaceVerb::Backup { user, file } => files::backup(&setup, &user, &file),
        WorkspaceVerb::Restore { user, file, replace } => files::restore(&setup, &user, &file, replace).await,
        WorkspaceVerb::Shell { user, command } => power::shell(&setup, &user, command).await,
    }
}

impl Ground {
    /// Reads settings and slots, and looks who listens on this machine.
    fn look(setup: &Setup) -> Result<Self, Stop> {
        Ok(Self(workspace::Ground::look(&setup.paths)?))
    }

    /// The same for a change: nobody else changes them meanwhile.
    fn hold(setup: &Setup) -> Result<(Self, Guard), Stop> {
        setup.may_change()?;
        let (ground, guard) = workspace::Ground::hold(&setup.paths)?;
        Ok((Self(ground), guard))
    }

    /// A user who is there.
    fn user(&self, name: &str) -> Result<&User, Stop> {
        Ok(self.0.user(name)?)
    }
}

/// What is known of the containers.
struct Seen {
    states: BTreeMap<String, (Presence, Status)>,
    /// What updates kept of them, by user.
    versions: BTreeMap<String, Vec<String>>,
    /// Why nothing is known.
    away: Option<String>,
    /// There is no engine at all.
    absent: bool,
}

impl Seen {
    fn running(&self, user: &str) -> bool {
        self.states
            .get(user)
            .is_some_and(|(_, status)| *status == Status::Running)
    }

    /// In a word.
    fn word(&self, user: &str) -> String {
        match (self.states.get(user), &self.away) {
            (Some((Presence::Unfinished, _)), _) => "not finished".into(),
            (Some((Presence::Foreign, _)), _) => "not ours".into(),
            (Some((_, Status::Running)), _) => "running".into(),
            (Some(_), _) => "stopped".into(),
            (None, None) => "not made yet".into(),
            (None, Some(_)) => "unknown".into(),
        }
    }
}

/// Looks at the engine; that it is away is no error here.
async fn seen(setup: &Setup, ground: &Ground) -> Seen {
    let mut found = Seen {
        states: BTreeMap::new(),
        versions: BTreeMap::new(),
        away: None,
        absent: false,
    };
    let world: World = match setup.docker_or_away().await {
        Err(away) => {
            found.absent = away.absent;
            found.away = Some(away.why);
            return found;
        }
        Ok(backend) => match World::glance(backend.as_ref()).await {
            Ok(world) => world,
            Err(error) => {
                found.away = Some(error.to_string());
                return found;
            }
        },
    };
    // Who was taken out of the file by hand may have a container still.
    let users: BTreeSet<&str> = ground.settings.users.keys().map(String::as_str).collect();
    for user in users
        .into_iter()
        .chain(ground.ledger.users().map(|(user, _)| user))
    {
        let lab = spec::lab(user);
        let kept = world.kept(&lab).into_iter().map(|kept| kept.name);
        found.versions.insert(user.to_owned(), kept.collect());
        if let Some(instance) = world.instance(&lab) {
            found
                .states
                .insert(user.to_owned(), (world.presence(&lab), instance.status));
        }
    }
    found
}

/// What stands in the way of users' ports ends it before anything starts; what only may is said.
fn check_ports(collisions: &[Collision], users: &[String]) -> Result<(), Stop> {
    let notes = ground::check_ports(collisions, users).map_err(Stop::blocked)?;
    for text in notes {
        note(&text);
    }
    Ok(())
}
