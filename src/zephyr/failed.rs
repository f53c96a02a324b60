//! After a build that failed: which packages, why, and what can be done. What is installed stays, whatever is chosen.

use std::{io, path::Path};

use crate::{
    backend::Backend,
    job::{JobId, Mirror, State, ids},
    log::{redact, sanitize},
    progress::{self, Fold},
    run::bundle::{self, Extra},
};

use super::entry::is_build;

/// Bytes of a log that are read at a time.
const PART: u64 = 1 << 20;
/// Bytes of a log that are read for what failed; a build that wrote more says it at its end.
const MOST: u64 = 64 << 20;
/// Bytes of the end of a log in which its last line is looked for, and characters of that.
const END: u64 = 8 << 10;
const LONGEST: usize = 300;
/// Bytes of the end of each log in a report.
const TAIL: usize = 512 << 10;
/// Packages whose own logs go into a report.
const LOGS: usize = 8;
/// Files of an environment that go into a report: they say what was built, and none holds a secret that is not cleaned.
const FILES: &[&str] = &["spack.yaml", "machine.yaml"];

/// A package that was not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Name and version.
    pub title: String,
    /// What Spack finds it by: a slash and its hash, or its name.
    pub spec: String,
    /// Its first error.
    pub error: String,
    /// Its own log, inside the lab.
    pub log: Option<String>,
}

/// A build that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The job.
    pub job: String,
    /// The lab.
    pub lab: String,
    /// The entrypoint.
    pub entry: String,
    /// What it was given.
    pub arguments: Vec<String>,
    /// What was not built, in the order of the log.
    pub broken: Vec<Broken>,
    /// The last line of its log; empty where there is none.
    pub last: String,
}

/// What can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Leave,
    /// The same once more; what is installed is not built again.
    Retry,
    /// The same with what does not need the package that failed.
    KeepGoing,
    /// A shell in the environment in which it is built: its spec.
    Shell(String),
    /// A report for somebody else.
    Bundle,
}

impl Failed {
    /// Of a job that built and ended ill; none of any other.
    pub fn of(mirror: &Mirror) -> Option<Self> {
        let status = mirror.status();
        let ill = matches!(status.state, State::Failed | State::Killed | State::Lost);
        let mut words = mirror.job.argv.iter();
        let entry = words.by_ref().nth(1).filter(|name| is_build(name) && ill)?;
        Some(Self {
            job: mirror.id().to_string(),
            lab: mirror.job.container.clone(),
            entry: entry.clone(),
            arguments: words.skip(1).cloned().collect(),
            broken: broken(mirror),
            last: last(mirror),
        })
    }

    /// The newest build of a lab, where it failed.
    pub fn last(jobs: &Path, lab: &str) -> Option<Self> {
        let of_lab = |id: &JobId| {
            let mirror = Mirror::open(jobs, id).ok()?;
            let name = mirror.job.argv.get(1)?;
            (mirror.job.container == lab && is_build(name)).then_some(mirror)
        };
        let builds = ids(jobs).into_iter().filter_map(|id| of_lab(&id));
        Self::of(&builds.max_by(|a, b| a.job.created_at.cmp(&b.job.created_at))?)
    }

    /// What can be done, the harmless first.
    pub fn ways(&self) -> Vec<Way> {
        let mut ways = vec![Way::Leave, Way::Retry];
        if !self.arguments.iter().any(|word| word == "--keep-going") {
            ways.push(Way::KeepGoing);
        }
        ways.extend(
            self.broken
                .iter()
                .take(LOGS)
                .map(|broken| Way::Shell(broken.spec.clone())),
        );
        ways.push(Way::Bundle);
        ways
    }

    /// The arguments of a way that builds again.
    pub fn again(&self, way: &Way) -> Option<Vec<String>> {
        let mut arguments: Vec<String> = self
            .arguments
            .iter()
            .filter(|word| *word != "--again")
            .cloned()
            .collect();
        match way {
            Way::Retry => {}
            Way::KeepGoing => arguments.insert(0, "--keep-going".to_owned()),
            _ => return None,
        }
        Some(arguments)
    }

    /// What failed, in lines.
    pub fn lines(&self) -> Vec<String> {
        if self.broken.is_empty() {
            let said = match self.last.as_str() {
                "" => "it said nothing".to_owned(),
                last => format!("it said last: {last}"),
            };
            return vec![format!("{} ended before a package failed; {said}", self.entry)];
        }
        let line = |broken: &Broken| format!("{} was not built: {}", broken.title, broken.error);
        self.broken.iter().map(line).collect()
    }

    /// The title of a way, and what comes of it.
    pub fn words(&self, way: &Way) -> (String, String) {
        let (title, line) = match way {
            Way::Leave => ("Leave it".to_owned(), "what is installed stays".to_owned()),
            Way::Retry => (
                "Retry".to_owned(),
                "what is installed is not built again".to_owned(),
            ),
            Way::KeepGoing => (
                "Go on".to_owned(),
                "with all that does not need what failed".to_owned(),
            ),
            Way::Shell(spec) => {
                let title = self
                    .broken
                    .iter()
                    .find(|b| b.spec == *spec)
                    .map_or(spec, |b| &b.title);
                ("Shell".to_owned(), format!("where {title} is built"))
            }
            Way::Bundle => (
                "Report".to_owned(),
                "its logs in one file, without secrets".to_owned(),
            ),
        };
        (title, line)
    }

    /// What to type for a way; none for that which does nothing.
    pub fn typed(&self, way: &Way) -> Option<String> {
        let lab = match self.lab.as_str() {
            super::STAGE => String::new(),
            lab => format!(" --lab {lab}"),
        };
        let rest = |arguments: &[String]| match arguments {
            [] => String::new(),
            some => format!(" -- {}", some.join(" ")),
        };
        Some(match way {
            Way::Leave => return None,
            Way::Retry | Way::KeepGoing => {
                let arguments = self.again(way)?;
                format!("halolab zephyr run {}{lab}{}", self.entry, rest(&arguments))
            }
            Way::Shell(spec) => format!("halolab zephyr run build-env{lab} -- {spec}"),
            Way::Bundle => format!("halolab zephyr bundle {}", self.job),
        })
    }
}

/// The last line of a job's log that says something, safe and short, without secrets.
fn last(mirror: &Mirror) -> String {
    let from = mirror.length().saturating_sub(END);
    let bytes = mirror.bytes(from, END).unwrap_or_default();
    let text = redact::text(&String::from_utf8_lossy(&bytes), &[]);
    let mut lines = text.lines().rev().map(sanitize);
    let line = lines.find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().chars().take(LONGEST).collect()
}

/// The packages of a job's log that failed.
fn broken(mirror: &Mirror) -> Vec<Broken> {
    let mut fold = Fold::default();
    let mut at = mirror.length().saturating_sub(MOST);
    while let Ok(part) = mirror.bytes(at, PART) {
        if part.is_empty() {
            break;
        }
        fold.feed(at, &part);
        at += part.len() as u64;
    }
    let tree = fold.as_ended();
    let failed = tree
        .packages()
        .iter()
        .filter(|p| p.state == progress::State::Failed);
    let broken = failed.map(|package| {
        let failure = progress::Failure::of(package);
        let name = package.name.clone().unwrap_or_else(|| package.label.clone());
        Broken {
            title: failure.name,
            spec: failure.hash.map_or(name, |hash| format!("/{hash}")),
            error: failure
                .error
                .or(failure.reason)
                .unwrap_or_else(|| "it did not say why".to_owned()),
            log: failure.log,
        }
    });
    broken.collect()
}

/// Writes a report of a build (0600): what was asked for, how it ended, the end of its log and of those of the packages
/// that failed, and what Spack was told. Nothing is sent anywhere.
///
/// # Errors
/// The file cannot be written.
pub async fn save(
    mirror: &Mirror,
    backend: Option<&dyn Backend>,
    extra: &Extra,
    to: &Path,
) -> io::Result<()> {
    let mut files = vec![("README.txt".to_owned(), readme(mirror))];
    let text = |bytes: &[u8]| end(&String::from_utf8_lossy(bytes));
    let asked = serde_json::to_string(&mirror.job)?;
    let stands = serde_json::to_string(&mirror.status())?;
    files.push(("job.json".to_owned(), asked));
    files.push(("status.json".to_owned(), stands));
    let from = mirror.length().saturating_sub(TAIL as u64);
    let log = mirror.bytes(from, TAIL as u64).map_err(io::Error::other)?;
    files.push((
        "build.log".to_owned(),
        if from > 0 {
            text(&log)
        } else {
            String::from_utf8_lossy(&log).into_owned()
        },
    ));
    if let Some(backend) = backend {
        let lab = &mirror.job.container;
        for name in FILES {
            if let Ok(bytes) = backend
                .pull(lab, &format!("/opt/zephyr_config/spack/{name}"))
                .await
            {
                files.push(((*name).to_owned(), text(&bytes)));
            }
        }
        for (number, broken) in broken(mirror).into_iter().take(LOGS).enumerate() {
            let Some(log) = broken.log.filter(|log| log.starts_with('/')) else {
                continue;
            };
            if let Ok(bytes) = backend.pull(lab, &log).await {
                files.push((format!("package-{}.log", number + 1), text(&bytes)));
            }
        }
    }
    bundle::pack(&format!("halolab-{}", mirror.id()), files, extra, to)
}

/// The end of a text; a first line that was cut is left out: half a secret does not look like one.
fn end(text: &str) -> String {
    if text.len() < TAIL {
        return text.to_owned();
    }
    let from = text.len() - TAIL;
    let from = (from..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let cut = text.get(from..).unwrap_or_default();
    cut.split_once('\n').map_or("", |(_, rest)| rest).to_owned()
}

fn readme(mirror: &Mirror) -> String {
    let status = mirror.status();
    let mut lines = vec![
        format!("Report of the build {} in {}", mirror.id(), mirror.job.lab),
        format!(
            "halolab {} on {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::ARCH
        ),
        format!("it {}: {}", status.state.word(), status.ending()),
        String::new(),
    ];
    lines.extend(Failed::of(mirror).iter().flat_map(Failed::lines));
    lines.push(String::new());
    lines.push("What looked like a password, token or key was replaced by [redacted]. Look through it before you share it.".into());
    lines.join("\n") + "\n"
}
