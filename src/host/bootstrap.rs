//! Builds an image from a distribution's own package sources, where no image server can be reached.

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::command::{self, Command, last_lines};

/// An image that is older is built anew: its packages are.
const FRESH: Duration = Duration::from_hours(7 * 24);

/// An image that is older is removed when another one is built.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);

/// How long a build may take: a slow line, not a dead one.
const DEADLINE: Duration = Duration::from_hours(2);

const DEBIAN: &str = include_str!("../../assets/bootstrap/debian.sh");
const ARCH: &str = include_str!("../../assets/bootstrap/arch.sh");

/// Variables of our caller that the scripts read: a mirror of one's own, mostly.
const VARIABLES: &[&str] = &[
    "HALOLAB_MIRROR",
    "HALOLAB_ARCH_REPOSITORIES",
    "HALOLAB_ARCH_SIGLEVEL",
];

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// `debian`, `ubuntu` or `arch`.
    pub distribution: &'a str,
    /// Release, as `bookworm`; empty for a rolling one.
    pub suite: &'a str,
    /// Packages on top of the base.
    pub packages: &'a [String],
    /// Build anew, even where a fresh one is at hand.
    pub refresh: bool,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no script for it.
    #[error(
        "images of `{0}` cannot be built here; debian, ubuntu and arch can: choose one of these, or an image file"
    )]
    Distribution(String),
    /// A name that would be something else for a shell or a package manager.
    #[error("`{0}` is not the name of a release or package; correct it in the stage's `bootstrap`")]
    Name(String),
    /// What builds it is not installed.
    #[error(
        "{program} is needed to build an image of {distribution}; type `{install}`, then the same command again"
    )]
    Tool {
        /// The program.
        program: String,
        /// The distribution.
        distribution: String,
        /// The command that installs it on this host.
        install: String,
    },
    /// The script failed.
    #[error("no image of {image} could be built (exit code {code}): {text}; the whole output is in the log")]
    Failed {
        /// Distribution and release.
        image: String,
        /// Exit code of the script.
        code: i32,
        /// The end of its output. Not ours: sanitise before it is shown.
        text: String,
    },
    /// It could not be run, or was stopped.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// The folder for images cannot be used.
    #[error("cannot keep images in {}: {source}; check its owner and the room on its disk", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

impl fmt::Display for Recipe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.suite.is_empty() { "" } else { " " };
        write!(f, "{}{space}{}", self.distribution, self.suite)
    }
}

impl Recipe<'_> {
    fn script(&self) -> Result<&'static str, Error> {
        match self.distribution {
            "debian" | "ubuntu" => Ok(DEBIAN),
            "arch" => Ok(ARCH),
            other => Err(Error::Distribution(other.into())),
        }
    }

    /// Names go into the environment of a root shell and onto the command line of package managers.
    fn check(&self) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-._:@".contains(c);
        let bad = |name: &&str| name.starts_with('-') || !name.chars().all(plain);
        let names = self.packages.iter().map(String::as_str).chain([self.suite]);
        let empty = self
            .packages
            .iter()
            .find(|name| name.is_empty())
            .map(String::as_str);
        match names.into_iter().find(bad).or(empty) {
            Some(name) => Err(Error::Name(name.into())),
            None => Ok(()),
        }
    }

    fn environment(&self, file: &Path) -> BTreeMap<String, String> {
        let ours = [
            ("HALOLAB_DISTRIBUTION", self.distribution.to_owned()),
            ("HALOLAB_SUITE", self.suite.to_owned()),
            ("HALOLAB_PACKAGES", self.packages.join(" ")),
            ("HALOLAB_OUT", file.display().to_string()),
        ];
        let callers = VARIABLES
            .iter()
            .filter_map(|name| Some((*name, env::var(name).ok()?)));
        ours.into_iter()
            .chain(callers)
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The file's name carries all that its content depends on, except the day.
    fn file(&self, folder: &Path) -> Result<PathBuf, Error> {
        let mut hash = Sha256::new();
        hash.update(self.script()?);
        for (name, value) in self.environment(Path::new("")) {
            hash.update(format!("{name}={value}\n"));
        }
        let mut key = String::new();
        for byte in hash.finalize().iter().take(6) {
            // Writing to a string cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        let name: Vec<&str> = [self.distribution, self.suite, &key]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        Ok(folder.join(format!("{}.tar.gz", name.join("-"))))
    }
}

/// Builds the image, or finds one in `folder` that is younger than a week, and answers its file. `output` gets
/// what the package manager says. Cancelling stops it and leaves nothing behind.
pub async fn build(
    recipe: &Recipe<'_>,
    folder: &Path,
    output: &mut (dyn FnMut(&[u8]) + Send),
    cancel: &CancellationToken,
) -> Result<PathBuf, Error> {
    recipe.check()?;
    let script = recipe.script()?;
    fs::create_dir_all(folder).map_err(|source| Error::Folder {
        folder: folder.into(),
        source,
    })?;
    let folder = &fs::canonicalize(folder).map_err(|source| Error::Folder {
        folder: folder.into(),
        source,
    })?;
    let file = recipe.file(folder)?;
    if !recipe.refresh && age(&file).is_some_and(|age| age < FRESH) {
        output(format!("using {}, which is not a week old\n", file.display()).as_bytes());
        return Ok(file);
    }
    find_tool(recipe).await?;
    forget(folder);
    let arguments = ["--mount", "--propagation", "private", "sh", "-eu", "-c", script];
    let command = Command {
        what: format!("build an image of {recipe}"),
        environment: recipe.environment(&file),
        root: true,
        deadline: DEADLINE,
        ..Command::new("unshare", arguments)
    };
    let mut tail = Vec::new();
    let mut both = |_: u8, bytes: &[u8]| {
        tail.extend_from_slice(bytes);
        let surplus = tail.len().saturating_sub(4096);
        tail.drain(..surplus);
        output(bytes);
    };
    let code = command.run(&mut both, cancel).await?;
    if code == 0 && file.exists() {
        return Ok(file);
    }
    let text = last_lines(&String::from_utf8_lossy(&tail), 4);
    Err(Error::Failed {
        image: recipe.to_string(),
        code,
        text,
    })
}

/// Time since the file was written; none where there is no such file.
fn age(file: &Path) -> Option<Duration> {
    let written = fs::metadata(file).ok()?.modified().ok()?;
    // a clock that was set back makes it new, not invalid
    Some(SystemTime::now().duration_since(written).unwrap_or_default())
}

/// Removes images that nobody asked for in a month. One that cannot be removed costs only room.
fn forget(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().ends_with(".tar.gz");
        if ours && age(&path).is_some_and(|age| age > FORGOTTEN) {
            let _ = fs::remove_file(path);
        }
    }
}

async fn find_tool(recipe: &Recipe<'_>) -> Result<(), Error> {
    let (tools, probe): (&[&str], _) = match recipe.distribution {
        "arch" => (
            &["pacstrap", "pacman"],
            "command -v pacstrap && command -v pacman",
        ),
        _ => (&["mmdebstrap"], "command -v mmdebstrap || command -v debootstrap"),
    };
    let probe = format!("PATH=$PATH:/usr/sbin:/sbin; {probe}");
    if Command::check("look for the tool", &probe, BTreeMap::new())
        .succeeds()
        .await
    {
        return Ok(());
    }
    let facts = super::probe(Path::new("/"));
    let family = match facts.get("family") {
        Some(super::Fact::Text(family)) => family.as_str(),
        _ => "",
    };
    Err(Error::Tool {
        program: tools.join(" and "),
        distribution: recipe.distribution.into(),
        install: install_command(family, recipe.distribution),
    })
}

/// The command that installs what builds images of a distribution, by the host's family.
fn install_command(family: &str, distribution: &str) -> String {
    let packages = match (family, distribution) {
        ("debian", "arch") => "arch-install-scripts pacman-package-manager archlinux-keyring",
        ("debian", "ubuntu") => "mmdebstrap ubuntu-archive-keyring",
        ("debian", _) => "mmdebstrap debian-archive-keyring",
        ("arch", "arch") => "arch-install-scripts",
        ("arch", "ubuntu") => "debootstrap ubuntu-keyring",
        ("arch", _) => "debootstrap debian-archive-keyring",
        (_, "arch") => "arch-install-scripts pacman",
        (_, "ubuntu") => "debootstrap ubu-keyring",
        (_, _) => "debootstrap debian-keyring",
    };
    let manager = match family {
        "debian" => "apt-get install",
        "arch" => "pacman -S --needed",
        "suse" => "zypper install",
        _ => "dnf install",
    };
    format!("sudo {manager} {packages}")
}
