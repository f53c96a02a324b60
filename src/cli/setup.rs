//! What every verb starts from: settings, stages, host facts, the daemon.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    backend::{
        self, Away, Backend, Engine, Engines,
        docker::{Docker, Places},
        lxd,
    },
    config::{Config, Settings},
    host::{self, Facts},
    labs::{World, compare},
    paths::Paths,
    plan,
    run::{
        self, Connect, Lock,
        lock::{Daemon, Scope},
    },
    stage::{Answers, BackendKind, Catalog, Stage},
    workspace,
};

use super::{Code, Global, Stop};

/// Settings, stages and the way to the daemon.
pub struct Setup {
    /// Options of the command line.
    pub global: Global,
    /// Our folders.
    pub paths: Paths,
    /// Settings, each with where it comes from.
    pub settings: Settings,
    /// Settings.
    pub config: Config,
    /// Stages.
    pub catalog: Catalog,
    facts: std::sync::OnceLock<Facts>,
    daemon: Daemon,
    engines: Engines,
}

impl Setup {
    /// Reads settings and stages. A broken file of the user's is said, and what is shipped is used instead.
    ///
    /// # Errors
    /// The settings cannot be read.
    pub fn load(global: Global) -> Result<Self, Stop> {
        let paths = Paths::discover().map_err(Stop::blocked)?;
        let mut flags = vec![];
        if global.ascii {
            flags.push(("ascii", "true".to_owned()));
        }
        flags.extend(global.lxd.clone().map(|lxd| ("lxd", lxd)));
        let settings = Settings::load(&paths, &flags).map_err(Stop::usage)?;
        if let Some(named) = &settings.config.lxd {
            lxd::check_address(named)?;
        }
        let catalog = workspace::catalog(&paths);
        for warning in catalog.warnings() {
            super::table::note(&format!("warning: {warning}"));
        }
        let config = settings.config.clone();
        let daemon = Daemon::at(lxd::address_of(config.lxd.as_deref()));
        let engines = Engines::new(connect(&global, &config, &paths, &daemon));
        Ok(Self {
            global,
            paths,
            settings,
            config,
            catalog,
            facts: std::sync::OnceLock::new(),
            daemon,
            engines,
        })
    }

    /// Host facts, probed once.
    pub fn facts(&self) -> &Facts {
        self.facts.get_or_init(|| host::probe(Path::new("/")))
    }

    /// How to find the engines, again and again.
    pub fn connect(&self) -> Connect {
        connect(&self.global, &self.config, &self.paths, &self.daemon)
    }

    /// What answers for all labs: the engine that is here, or both as one.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub async fn backend(&self) -> Result<Arc<dyn Backend>, backend::Error> {
        self.engines.all().await
    }

    /// The same, for something that is on the engine at this address.
    ///
    /// # Errors
    /// Neither answers: why that one does not, in words.
    pub async fn backend_for(&self, address: &str) -> Result<Arc<dyn Backend>, String> {
        self.engines.all_for(address).await
    }

    /// LXD or Incus alone.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub async fn lxd(&self) -> Result<Arc<dyn Backend>, backend::Error> {
        self.engines.lxd().await
    }

    /// Whether the user wants labs of Docker: those of a stage that is shipped only where there are some.
    fn wants_docker(&self) -> bool {
        let theirs = |s: &Stage| s.backend == BackendKind::Docker && !s.is_shipped();
        named_docker(&self.global).is_some() || self.catalog.iter().any(theirs)
    }

    /// Docker or Podman alone.
    ///
    /// # Errors
    /// Why it is not there, in words.
    pub async fn docker(&self) -> Result<Arc<dyn Backend>, String> {
        self.engines.docker().await.map_err(|away| away.why)
    }

    /// The same, with whether there is none at all.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn docker_or_away(&self) -> Result<Arc<dyn Backend>, Away> {
        self.engines.docker().await
    }

    /// What the planner looks at. A machine without a daemon is a world too; one that does not answer is an error.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn world(&self, answers: &[&Answers]) -> Result<World, backend::Error> {
        self.world_with(answers, self.wants_docker()).await
    }

    async fn world_with(&self, answers: &[&Answers], docker: bool) -> Result<World, backend::Error> {
        let backend = match self.backend().await {
            Ok(backend) => Some(backend),
            Err(backend::Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(backend) = &backend {
            self.sweep(backend.as_ref()).await;
        }
        let aliases = plan::aliases(&self.catalog, answers);
        let (facts, config) = (self.facts().clone(), self.config.clone());
        let mut world = World::observe_all(&self.engines, facts, config, &aliases, docker).await?;
        if let Some(backend) = backend {
            world.jobs = run::jobs::ask_under_way(&self.jobs(), backend.as_ref()).await;
        }
        Ok(world)
    }

    /// The same, and a world too where the daemon is installed and does not run: its plan is to start it.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn world_or_asleep(&self, answers: &[&Answers]) -> Result<World, backend::Error> {
        self.world_of(answers, self.wants_docker()).await
    }

    /// The same; where labs of Docker are asked for, what keeps LXD away is said only of its own labs.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn world_of(&self, answers: &[&Answers], docker: bool) -> Result<World, backend::Error> {
        match self.world_with(answers, docker).await {
            Err(backend::Error::Asleep { engine, .. }) => {
                Ok(World::asleep(&engine, self.facts().clone(), self.config.clone()))
            }
            other => other,
        }
    }

    /// What a list of labs shows. A machine without a daemon has none.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn glance(&self) -> Result<World, backend::Error> {
        match self.backend().await {
            Ok(backend) => self.sweep(backend.as_ref()).await,
            Err(backend::Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        World::glance_all(&self.engines, self.wants_docker()).await
    }

    /// The same for work on these labs: an engine that is away is an error where one of them is not another engine's.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn glance_at(&self, labs: &[&str]) -> Result<World, backend::Error> {
        let world = self.glance().await?;
        let engine = |lab: &str| match (world.instance(lab), self.catalog.get(lab)) {
            (None, Some(stage)) => stage.backend.into(),
            _ => world.part_with(lab).engine,
        };
        let there = |lab: &&str| engine(lab) == Engine::Docker;
        if !world.away.is_empty() && !labs.iter().all(there) {
            // What it says now is what it said then.
            return self.lxd().await.map(|_| world);
        }
        Ok(world)
    }

    /// Removes what a killed comparison left behind. Where that fails the next start does it.
    async fn sweep(&self, backend: &dyn Backend) {
        if self.global.read_only {
            return;
        }
        if let Ok(instances) = backend.instances().await {
            let _ = compare::copy::sweep(backend, &instances).await;
        }
    }

    /// Folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.paths.state.join("runs")
    }

    /// Folder of all jobs.
    pub fn jobs(&self) -> PathBuf {
        self.paths.state.join("jobs")
    }

    /// The lock of runs.
    pub fn lock(&self) -> PathBuf {
        self.paths.runtime.join("lock")
    }

    /// The daemon, as locks name it.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Takes the lock of labs for a change that is no run, as `snapshot create ai-lab`.
    ///
    /// # Errors
    /// It is read-only, or another halolab is at work there.
    pub async fn hold(&self, labs: &[&str], what: &str) -> Result<Lock, Stop> {
        self.may_change()?;
        // Its answer says which daemon it is; where there is none, the change itself says so.
        let _ = self.backend().await;
        let scope = Scope::labs(self.daemon(), labs.iter().copied());
        Ok(Lock::take_for(&self.lock(), &scope, what)?)
    }

    /// Takes the lock of everything for a change of the machine.
    ///
    /// # Errors
    /// It is read-only, or another halolab is at work.
    pub fn hold_all(&self, what: &str) -> Result<Lock, Stop> {
        self.may_change()?;
        Ok(Lock::take(&self.lock(), what)?)
    }

    /// Refuses a change under `--read-only`.
    ///
    /// # Errors
    /// It is read-only.
    pub fn may_change(&self) -> Result<(), Stop> {
        if self.global.read_only {
            return Err(Stop::blocked("nothing was changed: --read-only is given"));
        }
        Ok(())
    }
}

/// Docker as the user named it; `detect` takes the flag alone, too.
pub(crate) fn named_docker(global: &Global) -> Option<&str> {
    global.docker.as_deref().filter(|named| !named.is_empty())
}

/// How to find the engines.
fn connect(global: &Global, config: &Config, paths: &Paths, daemon: &Daemon) -> Connect {
    let named = config.lxd.clone();
    let trust = lxd::Trust {
        folder: paths.config.clone(),
        token: global.lxd_token.clone(),
    };
    let (places, daemon) = (Places::usual(named_docker(global)), daemon.clone());
    Arc::new(move |engine| {
        let (named, trust, daemon, places) = (named.clone(), trust.clone(), daemon.clone(), places.clone());
        Box::pin(async move {
            if engine == Engine::Docker {
                let found = Docker::connect(&places).await?;
                daemon.docker_answered(found.identity());
                return Ok(Arc::new(found) as Arc<dyn Backend>);
            }
            let found = lxd::connect_with(named.as_deref(), &trust).await?;
            daemon.answered(found.identity());
            Ok(Arc::new(found) as Arc<dyn Backend>)
        })
    })
}

/// Opens the screens.
pub(super) async fn screens(global: Global) -> Result<Code, Stop> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Stop::usage(
            "the screens need a terminal; without one say what to do: `halolab status`, `halolab plan LAB`, \
             `halolab apply LAB --yes`, or answer questions with `halolab --plain`; see `halolab --help`",
        ));
    }
    if std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return Box::pin(super::plain::wizard(global)).await;
    }
    let setup = Setup::load(global)?;
    let code = Box::pin(crate::app::start(setup)).await?;
    Ok(Code(code))
}
