//! What is an error, a warning or worth a colour in a log: tables as data, `assets/severity.toml` and `assets/log/rules.toml`
//! (which [`super::severity()`] uses too), and the user's files.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

pub use super::Severity as Level;
use crate::document::{Document, Place, Problem, read_text};

static EMBEDDED: &str = include_str!("../../assets/log/rules.toml");
static SEVERITY: &str = include_str!("../../assets/severity.toml");
/// Compiled tables may take this much memory each.
const PROGRAM: usize = 16 * 1024 * 1024;
/// And this much while they are used.
const CACHE: usize = 256 * 1024;

/// In which style a line is shown that has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is named after the style of the theme")]
pub enum Tint {
    Error,
    Warn,
    Ok,
    Accent,
    Dim,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    schema: u32,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    error: Table,
    #[serde(default)]
    warning: Table,
    #[serde(default)]
    highlight: Vec<Highlight>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    patterns: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Highlight {
    style: Tint,
    pattern: String,
}

/// The rules, ready to be used.
#[derive(Debug)]
pub struct Rules {
    words: Option<Regex>,
    error: [RegexSet; 2],
    warning: [RegexSet; 2],
    highlights: Vec<(Regex, Tint)>,
}

impl Rules {
    /// The built-in rules, and those of these folders on top. The second part says which files are left out, and why.
    pub fn load(folders: &[PathBuf]) -> (Arc<Self>, Vec<Problem>) {
        let (files, problems) = files(folders);
        let rules = if files.is_empty() {
            Arc::clone(built_in())
        } else {
            Arc::new(Self::with(files))
        };
        (rules, problems)
    }

    fn with(mut files: Vec<File>) -> Self {
        files.push(toml::from_str(EMBEDDED).unwrap_or_default());
        files.push(toml::from_str(SEVERITY).unwrap_or_default());
        Self::of(&files)
    }

    fn of(files: &[File]) -> Self {
        let sets = |table: fn(&File) -> &Table| {
            let all = |of: fn(&Table) -> &Vec<String>| -> Vec<&String> {
                files.iter().flat_map(|f| of(table(f))).collect()
            };
            [set(&all(|t| &t.patterns)), set(&all(|t| &t.except))]
        };
        let words: Vec<String> = files
            .iter()
            .flat_map(|f| &f.words)
            .map(|w| regex::escape(w))
            .collect();
        let highlights = files.iter().flat_map(|f| &f.highlight);
        Self {
            words: pattern(&format!("(?i:{})", words.join("|"))).ok(),
            error: sets(|f| &f.error),
            warning: sets(|f| &f.warning),
            highlights: highlights
                .filter_map(|h| Some((pattern(&h.pattern).ok()?, h.style)))
                .collect(),
        }
    }

    /// How bad a line is, as it is seen.
    pub fn level(&self, line: &[u8]) -> Option<Level> {
        self.hint(line)?;
        let is = |[patterns, except]: &[RegexSet; 2]| patterns.is_match(line) && !except.is_match(line);
        if is(&self.error) {
            Some(Level::Error)
        } else if is(&self.warning) {
            Some(Level::Warning)
        } else {
            None
        }
    }

    /// The first place of some bytes that may belong to an error or a warning.
    pub fn hint(&self, bytes: &[u8]) -> Option<usize> {
        self.words.as_ref()?.find(bytes).map(|m| m.start())
    }

    /// In which style to show a line that has none.
    pub fn tint(&self, line: &str) -> Option<Tint> {
        let line = line.as_bytes();
        match self.level(line) {
            Some(Level::Error) => Some(Tint::Error),
            Some(Level::Warning) => Some(Tint::Warn),
            None => self
                .highlights
                .iter()
                .find(|(p, _)| p.is_match(line))
                .map(|(_, tint)| *tint),
        }
    }
}

/// The built-in rules, compiled once for all who look for errors.
pub(super) fn built_in() -> &'static Arc<Rules> {
    static BUILT_IN: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::with(vec![])));
    &BUILT_IN
}

/// What is wrong with the files of these folders.
pub fn problems(folders: &[PathBuf]) -> Vec<Problem> {
    files(folders).1
}

/// The files that can be used, the last one first: the user's highlights win. What is wrong with the others.
fn files(folders: &[PathBuf]) -> (Vec<File>, Vec<Problem>) {
    let (mut files, mut problems) = (vec![], vec![]);
    for path in folders.iter().flat_map(|folder| found(folder)) {
        match read(&path) {
            Ok(file) => files.insert(0, file),
            Err(problem) => problems.push(*problem),
        }
    }
    (files, problems)
}

fn found(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<File, Box<Problem>> {
    let text = read_text(path)?;
    let name = path.display().to_string();
    let document = Document::parse(&name, &text)?;
    let file: File = document.read()?;
    let root = Place::default();
    let wrong = |place: &Place, why: &str| Box::new(document.problem(place, why));
    if file.schema != 1 {
        let why = format!("schema {} is not known here; it is 1", file.schema);
        return Err(wrong(&root.key("schema"), &why));
    }
    let mut patterns = vec![];
    for (name, table) in [("error", &file.error), ("warning", &file.warning)] {
        for (list, all) in [("patterns", &table.patterns), ("except", &table.except)] {
            let place = root.key(name).key(list);
            patterns.extend(all.iter().enumerate().map(|(at, text)| (place.index(at), text)));
        }
    }
    let highlights = file.highlight.iter().enumerate();
    let place = |at| root.key("highlight").index(at).key("pattern");
    patterns.extend(highlights.map(|(at, highlight)| (place(at), &highlight.pattern)));
    for (place, text) in patterns {
        if let Err(error) = pattern(text) {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            return Err(wrong(&place, &format!("no pattern: {why}")));
        }
    }
    Ok(file)
}

fn pattern(text: &str) -> Result<Regex, regex::Error> {
    // Bytes, not characters: the tables of all letters would cost megabytes.
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(PROGRAM)
        .dfa_size_limit(CACHE)
        .build()
}

/// Patterns that all were compiled alone before, or are built in.
fn set(patterns: &[&String]) -> RegexSet {
    RegexSetBuilder::new(patterns)
        .unicode(false)
        .size_limit(PROGRAM)
        .dfa_size_limit(CACHE)
        .build()
        .unwrap_or_else(|_| RegexSet::empty())
}
