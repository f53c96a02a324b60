//! Reading stages: the shipped ones, overridden and added to from folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use serde::Serialize;
use toml::de::DeValue;

use super::{check, condition::Condition, schema::Stage};
use crate::document::{Document, Place, Problem, read_text};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/stages");

/// The version of the format that is read.
pub const VERSION: u64 = 1;

/// Mistakes shown at once: the first ones often cause the others.
const MOST_SHOWN: usize = 10;

/// Files of a stage beyond which its folder is taken for something else.
const MOST_FILES: usize = 64;

/// All stages that were found, in the order of the menu.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    stages: Vec<Stage>,
    warnings: Vec<LoadError>,
}

/// A stage file that cannot be used: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct LoadError {
    /// The mistakes, first things first.
    pub problems: Vec<Problem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MOST_SHOWN).enumerate() {
            f.write_str(if index == 0 { "" } else { "\n\n" })?;
            problem.fmt(f)?;
        }
        match self.problems.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more mistakes"),
        }
    }
}

impl From<Problem> for LoadError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl From<Box<Problem>> for LoadError {
    fn from(problem: Box<Problem>) -> Self {
        Self::from(*problem)
    }
}

impl Catalog {
    /// The stages built into the program.
    pub fn shipped() -> Self {
        let mut catalog = Self::default();
        catalog.add(shipped());
        catalog
    }

    /// The shipped stages, then those of each folder; a later one replaces an earlier one of its id.
    /// A file that cannot be used replaces nothing: it becomes a warning.
    pub fn load(folders: &[PathBuf]) -> Self {
        let mut catalog = Self::shipped();
        for folder in folders {
            catalog.add(read_folder(folder));
        }
        catalog
    }

    /// These stages and no others.
    pub fn of(stages: Vec<Stage>) -> Self {
        let mut catalog = Self::default();
        catalog.add(stages.into_iter().map(Ok));
        catalog
    }

    /// Adds stages that are in no file; a stage of a file with such an id is left out.
    pub fn extend(&mut self, stages: Vec<Stage>) {
        self.add(stages.into_iter().map(Ok));
    }

    /// Tells of a file that could not be used.
    pub fn warn(&mut self, error: LoadError) {
        self.warnings.push(error);
    }

    /// The stage of an id.
    pub fn get(&self, id: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// All stages, in the order of the menu.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Stage> + ExactSizeIterator + Clone {
        self.stages.iter()
    }

    /// Files that were found and could not be used.
    pub fn warnings(&self) -> &[LoadError] {
        &self.warnings
    }

    /// Adds the stages of one source.
    fn add(&mut self, found: impl IntoIterator<Item = Result<Stage, LoadError>>) {
        let mut seen = BTreeMap::new();
        for result in found {
            let stage = match result {
                Ok(stage) => stage,
                Err(error) => {
                    self.warnings.push(error);
                    continue;
                }
            };
            if let Some(first) = seen.insert(stage.id.clone(), stage.origin.clone()) {
                let message = format!(
                    "the stage `{}` is in {first} already; this one is left out",
                    stage.id
                );
                self.warnings
                    .push(Problem::unreadable(&stage.origin, message).into());
                seen.insert(stage.id, first);
                continue;
            }
            self.stages.retain(|other| other.id != stage.id);
            self.stages.push(stage);
        }
        self.stages
            .sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
    }
}

/// Reads the text of a `stage.toml`. `file` is how messages name it, and the stage's origin;
/// `files` are the scripts beside it.
pub fn parse(file: &str, text: &str, files: BTreeMap<String, String>) -> Result<Stage, LoadError> {
    let document = Document::parse(file, text)?;
    check_version(&document)?;
    let mut stage: Stage = document.read().map_err(|problem| sharpen(&document, *problem))?;
    stage.files = files;
    file.clone_into(&mut stage.origin);
    text.clone_into(&mut stage.text);
    let problems = check::problems(&document, &stage);
    if problems.is_empty() {
        Ok(stage)
    } else {
        Err(LoadError { problems })
    }
}

/// Reads a stage from its folder, its `stage.toml`, or a plain `NAME.toml`.
pub fn read(path: &Path) -> Result<Stage, LoadError> {
    let (text, files, file) = read_parts(path)?;
    parse(&file.display().to_string(), &text, files)
}

/// The text of a stage file, the scripts beside it, and the file itself.
pub(super) fn read_parts(path: &Path) -> Result<(String, BTreeMap<String, String>, PathBuf), LoadError> {
    let file = if path.is_dir() {
        path.join("stage.toml")
    } else {
        path.to_owned()
    };
    let text = read_text(&file)?;
    let is_folder = file.file_name().is_some_and(|name| name == "stage.toml");
    let files = match file.parent() {
        // A bare `stage.toml` has the empty path as its parent.
        Some(folder) if is_folder && folder.as_os_str().is_empty() => {
            beside(Path::new("."), builds_images(&text))?
        }
        Some(folder) if is_folder => beside(folder, builds_images(&text))?,
        _ => BTreeMap::new(),
    };
    Ok((text, files, file))
}

/// A newer format is said to be newer, whatever else in it is unknown.
fn check_version(document: &Document<'_>) -> Result<(), Box<Problem>> {
    let place = Place::default().key("version");
    match document.value(&place) {
        Some(DeValue::Integer(version)) if version.as_str() == VERSION.to_string() => Ok(()),
        Some(DeValue::Integer(version)) => {
            let message = format!("version {version} of the stage format is not known here");
            let problem = document.problem(&place, message).allowed("", ["1"]);
            Err(problem
                .hint("a stage of a newer halolab needs that halolab")
                .into())
        }
        // Serde says what is wrong with its type, or that it is missing.
        _ => Ok(()),
    }
}

/// Moves the mark of a mistake in a condition from the whole string to the word.
fn sharpen(document: &Document<'_>, problem: Problem) -> Problem {
    let Some((start, text)) = document.plain_string(&problem.span) else {
        return problem;
    };
    match Condition::parse(text) {
        Err(error) if problem.message == error.to_string() => {
            let at = start + error.offset.min(text.len());
            let mark = document.at(at..at + 1, format!("in this condition: {}", error.message));
            if error.allowed.is_empty() {
                mark
            } else {
                mark.allowed("", error.allowed)
            }
        }
        _ => problem,
    }
}

fn shipped() -> impl Iterator<Item = Result<Stage, LoadError>> {
    let folders = SHIPPED.dirs().filter_map(|folder| {
        let file = folder.get_file(folder.path().join("stage.toml"))?;
        let deep = file.contents_utf8().is_some_and(builds_images);
        let mut folders = vec![folder];
        let mut named = BTreeMap::new();
        while let Some(next) = folders.pop() {
            folders.extend(next.dirs().filter(|_| deep));
            let files = next.files().filter(|other| other.path() != file.path());
            named.extend(files.filter_map(|other| {
                let name = other.path().strip_prefix(folder.path()).ok()?.to_str()?;
                Some((name.to_owned(), other.contents_utf8()?.to_owned()))
            }));
        }
        Some((file, named))
    });
    let plain = SHIPPED
        .files()
        .filter(|file| file.path().extension().is_some_and(|e| e == "toml"))
        .map(|file| (file, BTreeMap::new()));
    folders.chain(plain).map(|(file, scripts)| {
        let name = format!("shipped:{}", file.path().display());
        let text = file
            .contents_utf8()
            .ok_or_else(|| Problem::unreadable(&name, "is not UTF-8 text"))?;
        parse(&name, text, scripts)
    })
}

/// The stages of a folder; none where there is no such folder.
fn read_folder(folder: &Path) -> Vec<Result<Stage, LoadError>> {
    let entries = match list(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return vec![],
        Err(error) => {
            let message = format!("cannot be listed: {error}");
            return vec![Err(
                Problem::unreadable(&folder.display().to_string(), message).into()
            )];
        }
    };
    let is_stage = |path: &PathBuf| {
        path.join("stage.toml").exists() || (path.extension().is_some_and(|e| e == "toml") && !path.is_dir())
    };
    entries
        .iter()
        .filter(|path| is_stage(path))
        .map(|path| read(path))
        .collect()
}

/// Entries of a folder by name, without hidden ones and editors' copies.
fn list(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let shown = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !name.starts_with(['.', '#']) && !name.ends_with('~')
    };
    Ok(entries
        .iter()
        .filter(|e| shown(e))
        .map(fs::DirEntry::path)
        .collect())
}

/// Whether a stage's folder is what an image is built out of: then the folders in it belong to it, too.
fn builds_images(text: &str) -> bool {
    let table = text.parse::<toml::Table>();
    table.is_ok_and(|table| table.get("backend").and_then(toml::Value::as_str) == Some("docker"))
}

/// The files beside a `stage.toml`, and those of the folders beside it where it is `deep`.
fn beside(folder: &Path, deep: bool) -> Result<BTreeMap<String, String>, LoadError> {
    let mut all = scripts(folder)?;
    let mut below = vec![];
    let push = |below: &mut Vec<(PathBuf, String)>, folder: &Path, prefix: &str| -> Result<(), LoadError> {
        let name = folder.display().to_string();
        let entries =
            list(folder).map_err(|error| Problem::unreadable(&name, format!("cannot be listed: {error}")))?;
        // A link may lead anywhere, and round in a circle.
        let folders = entries
            .into_iter()
            .filter(|path| path.is_dir() && !path.is_symlink());
        below.extend(folders.filter_map(|path| {
            let name = format!("{prefix}{}/", path.file_name()?.to_str()?);
            Some((path, name))
        }));
        Ok(())
    };
    if deep {
        push(&mut below, folder, "")?;
    }
    while let Some((folder, prefix)) = below.pop() {
        let files = scripts(&folder)?;
        all.extend(
            files
                .into_iter()
                .map(|(name, text)| (format!("{prefix}{name}"), text)),
        );
        if all.len() > MOST_FILES {
            let message = format!("has more than {MOST_FILES} files; a stage has at most so many");
            return Err(Problem::unreadable(&folder.display().to_string(), message).into());
        }
        push(&mut below, &folder, &prefix)?;
    }
    Ok(all)
}

/// The files in one folder of a stage.
fn scripts(folder: &Path) -> Result<BTreeMap<String, String>, LoadError> {
    let name = folder.display().to_string();
    let entries =
        list(folder).map_err(|error| Problem::unreadable(&name, format!("cannot be listed: {error}")))?;
    let files: Vec<&PathBuf> = entries
        .iter()
        .filter(|path| path.is_file() && !path.ends_with("stage.toml"))
        .collect();
    if files.len() > MOST_FILES {
        let message = format!("has {} files; a stage has at most {MOST_FILES}", files.len());
        let problem = Problem::unreadable(&name, message);
        return Err(problem.hint("give the stage a folder of its own").into());
    }
    files
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .map(|(name, path)| Ok((name, read_text(path).map_err(only_text)?)))
        .collect()
}

/// What can be read, and is no text, has its place elsewhere.
#[expect(clippy::boxed_local, reason = "it is what reading gives")]
fn only_text(problem: Box<Problem>) -> Problem {
    if problem.message.starts_with("cannot be read") {
        return *problem;
    }
    problem.hint(
        "a stage's files are text, read by people before they trust it; let its Dockerfile or script fetch the rest, with a sum",
    )
}
