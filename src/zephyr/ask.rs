//! Asking a lab, and telling its Spack about the machine. Whatever comes from inside is bounded and looked at.

use std::{path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    backend::{self, Backend, ExecSpec, Instance, Progress},
    host::{
        Root,
        detect::{self, Machine, nvml},
        docker::{self, Choice, Surroundings},
        matrix::Matrix,
    },
    job::{self, JobId, Mirror, Order, Status, Watch, inside::Command},
    log::{redact, sanitize},
    progress::{History, HistoryError, LockError},
    spack::{self, MirrorError, WishError, choose},
    stage::Answers,
};

use super::{
    Comes, Entry, Facts, LISTED, Settings,
    comes::{ENVIRONMENT, Files},
};

/// The toolkit that recipes choose where the image has none.
const USUAL_CUDA: &str = "12.9.1";
/// Bytes that are kept of what a short command says.
const MOST: usize = 1 << 20;
/// How long a short command may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Minutes for which Spack may say nothing while it concretizes before that is odd.
const SILENT: u64 = 60;
/// Lines of a log that are shown where concretizing failed.
const LINES: usize = 12;

/// A lab of Zephyr, and where this machine keeps what is known of its jobs.
#[derive(Clone, Copy)]
pub struct Lab<'a> {
    /// The engine.
    pub backend: &'a dyn Backend,
    /// The container.
    pub instance: &'a Instance,
    /// Folder of all jobs.
    pub jobs: &'a Path,
    /// Our state folder, with the times of former builds.
    pub state: &'a Path,
    /// What is known of cards and toolkits.
    pub matrix: &'a Matrix,
}

/// Why it cannot be said what a build comes to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine.
    #[error(transparent)]
    Backend(#[from] backend::Error),
    /// The job that concretizes.
    #[error(transparent)]
    Job(#[from] job::Error),
    /// A build cache.
    #[error("{0}; change it with `halolab apply LAB --choose recreate --set cache_registry=…`")]
    Mirror(#[from] MirrorError),
    /// What is compiled for.
    #[error("{0}; change it with `halolab apply LAB --choose recreate --set cuda_arch=…`")]
    Wish(#[from] WishError),
    /// A file of Spack's.
    #[error(transparent)]
    File(#[from] LockError),
    /// The times of former builds.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The image has no entrypoints.
    #[error(
        "{lab} does not say what its image has ({said}); is it a lab of the stage zephyr? `halolab zephyr list`"
    )]
    NoFacts {
        /// The lab.
        lab: String,
        /// Its words.
        said: String,
    },
    /// What was built does not say whether it works.
    #[error("{lab} does not say whether what was built works: {said}")]
    NotVerified {
        /// The lab.
        lab: String,
        /// Its words.
        said: String,
    },
    /// It could not be concretized.
    #[error(
        "nothing was built: Spack could not work out the packages ({ending}); all it said: `halolab job logs {job}`\n{said}"
    )]
    Unsolved {
        /// The job.
        job: String,
        /// How it ended.
        ending: String,
        /// Its last lines.
        said: String,
    },
}

/// What Spack was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// `cuda_arch=89,90`.
    pub cuda_arch: String,
    /// What is to be said of it where something is built for GPUs.
    pub of_gpus: Vec<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// Bytes that are free where Spack installs.
    pub free: Option<u64>,
}

impl Lab<'_> {
    fn name(&self) -> &str {
        &self.instance.name
    }

    /// Runs a short command in the lab: its code, and what it wrote on both streams, bounded.
    pub(super) async fn run(&self, argv: &[&str]) -> Result<(i32, String, String), Error> {
        let spec = ExecSpec {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            ..ExecSpec::default()
        };
        let (mut out, mut err) = (vec![], vec![]);
        let mut take = |fd: u8, bytes: &[u8]| {
            let pipe = if fd == 1 { &mut out } else { &mut err };
            let room = MOST.saturating_sub(pipe.len());
            pipe.extend(bytes.iter().take(room));
        };
        let progress = Progress::default();
        let ran = self.backend.exec(self.name(), &spec, &mut take, &progress);
        let code = match tokio::time::timeout(PATIENCE, ran).await {
            Ok(code) => code?,
            Err(_) => -1,
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((code, text(out), text(err)))
    }

    /// What the image has.
    ///
    /// # Errors
    /// The lab does not say it.
    pub async fn facts(&self) -> Result<Facts, Error> {
        let (code, out, err) = self.run(&["/opt/zephyr/bin/zephyr-facts"]).await?;
        Facts::parse(&out)
            .filter(|_| code == 0)
            .ok_or_else(|| Error::NoFacts {
                lab: self.name().to_owned(),
                said: sanitize(err.lines().chain(out.lines()).last().unwrap_or("nothing")),
            })
    }

    /// Writes `machine.yaml`, where it says something else than before.
    ///
    /// # Errors
    /// The lab cannot be asked, or what was chosen for it does not fit.
    pub async fn prepare(&self, answers: &Answers) -> Result<Prepared, Error> {
        let facts = self.facts().await?;
        let settings = Settings::of(answers)?;
        let root = Root::new(&crate::host::folder());
        let outside = detect::outside(&root, Arc::new(nvml::Library)).await;
        let machine = detect::look(&root, self.matrix, &outside);
        let listed: Vec<String> = LISTED.iter().map(|c| (*c).to_owned()).collect();
        let cards = machine.gpus.iter().filter(|gpu| gpu.vendor == "nvidia");
        let present: Vec<&str> = cards.filter_map(|gpu| gpu.compute_cap.as_deref()).collect();
        let cuda = facts.image.cuda.as_ref().map(|(version, _)| version.as_str());
        let architectures = choose(
            &settings.wish,
            &present,
            &listed,
            cuda.unwrap_or(USUAL_CUDA),
            self.matrix,
        )?;
        let mut prepared = Prepared {
            cuda_arch: format!("{} ({})", architectures.variant(), toolkit(cuda, &machine)),
            of_gpus: architectures.notes.clone(),
            notes: settings
                .mirrors
                .iter()
                .filter_map(spack::Mirror::warning)
                .collect(),
            free: facts.free,
        };
        prepared.of_gpus.extend(unfit(&root, &machine, self.matrix, cuda));
        let text = spack::Machine {
            architectures: Some(architectures),
            target: facts.target,
            jobs: facts.processors,
            image: facts.image,
            mirrors: settings.mirrors,
            slim: settings.slim,
        }
        .text();
        let file = format!("{ENVIRONMENT}/machine.yaml");
        let there = self.backend.pull(self.name(), &file).await;
        if there.is_ok_and(|there| there == text.as_bytes()) {
            return Ok(prepared);
        }
        self.backend
            .push(self.name(), &file, text.as_bytes(), 0o644, (0, 0))
            .await?;
        Ok(prepared)
    }

    /// Begins to concretize, as a job: it takes minutes, and goes on whoever watches.
    ///
    /// # Errors
    /// The job does not begin.
    pub async fn begin(&self, entry: &Entry, arguments: &[String]) -> Result<Mirror, Error> {
        let argv = entry.planned(arguments);
        let order = Order {
            lab: self.name().to_owned(),
            title: format!("concretize for {}", entry.name),
            command: Command {
                argv,
                script: None,
                env: std::collections::BTreeMap::new(),
                cwd: "/".to_owned(),
            },
            stuck_minutes: Some(SILENT),
            step: None,
        };
        let id = JobId::new("spack-plan")?;
        Ok(job::start(self.backend, self.jobs, &id, self.instance, &order).await?)
    }

    /// Waits until it is concretized.
    ///
    /// # Errors
    /// It could not be, or nobody waits any more.
    pub async fn wait(&self, mirror: &Mirror, cancel: CancellationToken) -> Result<(), Error> {
        let mut watch = Watch {
            backend: self.backend,
            mirror,
            cancel,
            patience: None,
            notice: &mut |_| {},
            grown: &mut || {},
        };
        let status = Box::pin(watch.to_the_end()).await?;
        if status.code() == 0 {
            return Ok(());
        }
        Err(unsolved(mirror, &status))
    }

    /// What the build comes to, once it is concretized.
    ///
    /// # Errors
    /// What Spack wrote cannot be read.
    pub async fn comes(&self, entry: &Entry, prepared: &Prepared) -> Result<Comes, Error> {
        let files = Files::of(self.backend, self.name(), entry).await?;
        let history = History::path(self.state);
        let (comes, _) = History::change(&history, |history| match Comes::of(&files, history) {
            Ok((comes, new)) => (Ok(comes), new),
            Err(error) => (Err(error), false),
        })?;
        let mut comes = comes?;
        self.name().clone_into(&mut comes.lab);
        comes.entrypoint.clone_from(&entry.name);
        if comes.for_gpus || !comes.dropped.is_empty() {
            comes.cuda_arch.clone_from(&prepared.cuda_arch);
            comes.notes.clone_from(&prepared.of_gpus);
        }
        comes.notes.extend(prepared.notes.iter().cloned());
        comes.disk.free = prepared.free;
        Ok(comes)
    }
}

/// The toolkit, and what of CUDA the driver brings.
fn toolkit(cuda: Option<&str>, machine: &Machine) -> String {
    let toolkit = match cuda {
        Some(cuda) => format!("CUDA {cuda} of the image"),
        None => "the image has no CUDA: where it is asked for, Spack builds it too".to_owned(),
    };
    match machine
        .nvidia
        .as_ref()
        .and_then(|driver| driver.version.as_deref())
    {
        Some(driver) => format!("{toolkit}, driver {driver}"),
        None => toolkit,
    }
}

/// Why this machine's driver does not run what is built with the image's toolkit.
fn unfit(root: &Root, machine: &Machine, matrix: &Matrix, cuda: Option<&str>) -> Option<String> {
    machine.nvidia.as_ref()?;
    let around = Surroundings::read(root, machine, None);
    let wanted = Choice::of(&["nvidia".to_owned()]);
    let image = docker::pass(machine, &around, matrix, &wanted, Some(cuda?))
        .ok()?
        .image?;
    let instead = image.nearest.map_or_else(String::new, |nearest| {
        format!("; an image of CUDA {nearest} runs here")
    });
    Some(format!(
        "what is built will not see this machine's GPU: {}{instead}",
        image.why?
    ))
}

/// Why it was not concretized: how the job ended, and its last lines without secrets.
fn unsolved(mirror: &Mirror, status: &Status) -> Error {
    let log = mirror.log();
    let from = mirror.length().saturating_sub(64 << 10);
    let bytes = mirror.bytes(from, 64 << 10).unwrap_or_default();
    let text = redact::text(&String::from_utf8_lossy(&bytes), &[]);
    let lines: Vec<String> = text
        .lines()
        .map(sanitize)
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    let said = if last.is_empty() {
        format!("  (its log, {}, is empty)", log.display())
    } else {
        last.iter()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    Error::Unsolved {
        job: mirror.id().to_string(),
        ending: status.ending(),
        said,
    }
}
