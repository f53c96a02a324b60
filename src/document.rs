//! TOML that people write: read with exact positions, refused with what is allowed.
//!
//! Stages, answers, themes and the configuration go through here, so that a mistake in any of them
//! reads the same: `FILE:LINE:COLUMN: what`, the line with a mark under it, the allowed words, a hint.

use std::{
    fmt, fs,
    io::{self, Read as _},
    ops::Range,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};
use toml::de::{DeTable, DeValue};

/// No file that a person writes is longer than this, in bytes.
pub const LARGEST_FILE: u64 = 1024 * 1024;

/// Characters of a source line shown around a mistake.
const EXCERPT: usize = 96;

/// One mistake in a file, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Problem {
    /// The file, as it was named to us.
    pub file: String,
    /// Line, from 1; 0 where the file could not be read at all.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty where anything of the right type is.
    pub allowed: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The source line, shortened.
    pub excerpt: String,
    /// Where the mark starts below the excerpt, and how long it is, in characters.
    #[serde(skip)]
    mark: (usize, usize),
    /// Bytes of the file that it is about.
    #[serde(skip)]
    pub(crate) span: Range<usize>,
}

impl Problem {
    /// A file that cannot be read.
    pub fn unreadable(file: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let printable = |c| if c == '\n' { c } else { printable(c) };
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            // It may name a word of the file.
            message: message.chars().map(printable).collect(),
            allowed: vec![],
            hint: None,
            excerpt: String::new(),
            mark: (0, 0),
            span: 0..0,
        }
    }

    /// A mistake at these bytes of a text.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..span.start.min(text.len())).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text
            .get(start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let column = before.get(start..).unwrap_or_default().chars().count();
        let marked = text.get(span.clone()).unwrap_or_default();
        let width = marked.lines().next().unwrap_or_default().chars().count().max(1);
        let left = column.saturating_sub(EXCERPT / 2);
        let excerpt: String = line.chars().skip(left).take(EXCERPT).map(printable).collect();
        let offset = column - left;
        let room = excerpt.chars().count().saturating_sub(offset).max(1);
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            excerpt,
            mark: (offset, width.min(room)),
            span,
            ..Self::unreadable(file, message)
        }
    }

    /// Says what would be right, and what was probably meant.
    #[must_use]
    pub fn allowed<S: AsRef<str>>(mut self, given: &str, allowed: impl IntoIterator<Item = S>) -> Self {
        self.allowed = allowed.into_iter().map(|word| word.as_ref().to_owned()).collect();
        if self.hint.is_none() {
            self.hint = closest(given, &self.allowed).map(|word| format!("did you mean `{word}`?"));
        }
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)?;
        } else {
            let (offset, width) = self.mark;
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {}", self.excerpt)?;
            write!(f, "{margin} | {}{}", " ".repeat(offset), "^".repeat(width))?;
        }
        if !self.allowed.is_empty() {
            write!(f, "\n  allowed: {}", self.allowed.join(", "))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// The word that was probably meant.
pub fn closest<'w>(given: &str, words: &'w [String]) -> Option<&'w String> {
    words
        .iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= 2 && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Source text goes to terminals: a control character of it must not.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Where something stands in a document: a way of keys and indices from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Key(String),
    Index(usize),
}

impl Place {
    /// Below this key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Part::Key(key.to_owned()))
    }

    /// The value of this index.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Part::Index(index))
    }

    fn with(&self, part: Part) -> Self {
        Self(self.0.iter().cloned().chain([part]).collect())
    }
}

/// A TOML text with the place of each of its values.
#[derive(Debug)]
pub struct Document<'t> {
    file: &'t str,
    text: &'t str,
    root: toml::Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses; `file` is how messages name it.
    pub fn parse(file: &'t str, text: &'t str) -> Result<Self, Box<Problem>> {
        let root = DeTable::parse(text).map_err(|error| Box::new(from_toml(file, text, &error)))?;
        Ok(Self { file, text, root })
    }

    /// What is written at these bytes, as it is.
    pub(crate) fn source(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// How messages name this file.
    pub(crate) fn file(&self) -> &str {
        self.file
    }

    /// How messages name a file in the same folder.
    pub(crate) fn beside(&self, name: &str) -> String {
        self.file
            .rsplit_once('/')
            .map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
    }

    /// Reads the whole of it as a type; unknown keys are refused where the type does so.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Box<Problem>> {
        toml::from_str(self.text).map_err(|error| Box::new(from_toml(self.file, self.text, &error)))
    }

    /// A mistake in the value at a place, or in the nearest thing around it that is written down.
    pub fn problem(&self, place: &Place, message: impl Into<String>) -> Problem {
        let (_, value, _) = self.find(place);
        self.at(value, message)
    }

    /// A mistake in the key at a place.
    pub fn problem_at_key(&self, place: &Place, message: impl Into<String>) -> Problem {
        let (key, _, _) = self.find(place);
        self.at(key, message)
    }

    /// A mistake in one word of the text at a place; in the whole text where the word is not in it once.
    pub(crate) fn problem_at_word(&self, place: &Place, word: &str, message: impl Into<String>) -> Problem {
        let problem = self.problem(place, message);
        let Some((start, text)) = self.plain_string(&problem.span) else {
            return problem;
        };
        let mut found = text.match_indices(word);
        match (found.next(), found.next()) {
            (Some((offset, _)), None) if !word.is_empty() => {
                let start = start + offset;
                self.at(start..start + word.len(), problem.message)
            }
            _ => problem,
        }
    }

    /// A mistake at some bytes.
    pub fn at(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(self.file, self.text, span, message)
    }

    /// The value at a place, where there is one.
    pub fn value(&self, place: &Place) -> Option<&DeValue<'t>> {
        self.find(place).2
    }

    /// The root table.
    pub fn root(&self) -> &DeTable<'t> {
        self.root.get_ref()
    }

    /// The text of a plain string at these bytes, and where it begins: what is inside the quotes.
    /// None where the string has escapes or several lines, for then the bytes are not the text.
    pub(crate) fn plain_string(&self, span: &Range<usize>) -> Option<(usize, &'t str)> {
        let quoted = self.text.get(span.clone())?;
        let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(['\\', '\n', quote])).then_some((span.start + 1, inner))
    }

    /// Spans of the key and of the value at a place, and the value where it exists.
    fn find(&self, place: &Place) -> (Range<usize>, Range<usize>, Option<&DeValue<'t>>) {
        let mut table = Some(self.root.get_ref());
        let mut array = None;
        let (mut key_span, mut span, mut found) = (self.root.span(), self.root.span(), None);
        for part in &place.0 {
            let next = match part {
                Part::Key(name) => table
                    .and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name))
                    .map(|(key, value)| (key.span(), value)),
                Part::Index(index) => array
                    .and_then(|array: &toml::de::DeArray<'t>| array.get(*index))
                    .map(|value| (value.span(), value)),
            };
            let Some((next_key, value)) = next else {
                return (key_span, span, None);
            };
            (key_span, span, found) = (next_key, value.span(), Some(value.get_ref()));
            (table, array) = (value.get_ref().as_table(), value.get_ref().as_array());
        }
        (key_span, span, found)
    }
}

/// Puts the parser's and serde's message into our form.
fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Problem {
    let message = error.message();
    let problem = |message: String| Problem::at(file, text, error.span().unwrap_or(0..0), message);
    // serde: unknown field `x`, expected one of `a`, `b`
    if let Some((what, expected)) = message.split_once(", expected ")
        && let Some((kind, given)) = what
            .strip_prefix("unknown ")
            .and_then(|rest| rest.split_once(' '))
    {
        let kind = if kind == "field" { "key" } else { "word" };
        let allowed: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return problem(format!("unknown {kind} {given}")).allowed(given.trim_matches('`'), allowed);
    }
    // toml, in the table of an enum's variant: unexpected keys in table: x, available keys: a, b
    if let Some((given, keys)) = message
        .strip_prefix("unexpected keys in table: ")
        .and_then(|rest| rest.split_once(", available keys: "))
    {
        return problem(format!("unknown key `{given}`")).allowed(given, keys.split(", "));
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return problem(format!("the key {field} is missing"));
    }
    problem(message.trim().replace('\n', ": "))
}

/// Reads a text file that a person wrote: a plain file of at most [`LARGEST_FILE`] bytes of UTF-8.
pub fn read_text(path: &Path) -> Result<String, Box<Problem>> {
    let name = path.display().to_string();
    let refuse = |message: String| Box::new(Problem::unreadable(&name, message));
    let failed = |error: io::Error| refuse(format!("cannot be read: {error}"));
    let kind = fs::metadata(path).map_err(failed)?;
    if !kind.is_file() {
        // Opening a named pipe would wait for a writer for ever.
        return Err(refuse("is not a plain file".into()));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(refuse(
            "is larger than 1 MiB, which no file of this kind needs to be".into(),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Box::new(Problem::at(
            &name,
            &text,
            valid..valid + 1,
            "is not UTF-8 text from here on",
        ))
    })
}
