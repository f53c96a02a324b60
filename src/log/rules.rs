//! What is an error, a warning or worth a colour in a log: tables as data, `assets/severity.toml` (which
//! [`super::severity()`] uses too), `assets/log/rules.toml` and the user's files.

use std::path::{Path, PathBuf};

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

static EMBEDDED: &str = include_str!("../../assets/log/rules.toml");
static SEVERITY: &str = include_str!("../../assets/severity.toml");
/// Rules are patterns only; a larger file is something else.
const FILE_LIMIT: u64 = 256 * 1024;
/// Compiled tables may take this much memory each.
const PROGRAM: usize = 16 * 1024 * 1024;
/// And this much while they are used.
const CACHE: usize = 256 * 1024;

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A warning.
    Warning,
    /// An error.
    Error,
}

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

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("the log rules {} cannot be read: {source}; nothing of them is used", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no table of rules.
    #[error("the log rules {} are left out: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, column, and what is wrong.
        reason: String,
    },
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
    pub fn load(folders: &[PathBuf]) -> (Self, Vec<RulesError>) {
        let (mut files, mut errors) = (vec![], vec![]);
        for path in folders.iter().flat_map(|folder| found(folder)) {
            match read(&path) {
                // The user's highlights come first, so that they win.
                Ok(file) => files.insert(0, file),
                Err(error) => errors.push(error),
            }
        }
        files.push(toml::from_str(EMBEDDED).unwrap_or_default());
        files.push(toml::from_str(SEVERITY).unwrap_or_default());
        (Self::of(&files), errors)
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

fn found(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<File, RulesError> {
    let failed = |source| RulesError::Read {
        path: path.to_owned(),
        source,
    };
    let invalid = |reason: String| RulesError::Invalid {
        path: path.to_owned(),
        reason: super::sanitize_text(&reason),
    };
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_LIMIT {
        return Err(invalid(format!("it is larger than {FILE_LIMIT} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let file: File = toml::from_str(&text).map_err(|e| invalid(e.to_string()))?;
    if file.schema != 1 {
        return Err(invalid(format!(
            "schema {} is not known here; it is 1",
            file.schema
        )));
    }
    let tables = [&file.error, &file.warning];
    let all = tables.iter().flat_map(|t| t.patterns.iter().chain(&t.except));
    for text in all.chain(file.highlight.iter().map(|h| &h.pattern)) {
        pattern(text).map_err(|e| invalid(e.to_string()))?;
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
