//! What is searched for: a text or a pattern, found as it is seen. Upper and lower case differ only where the search
//! has upper case.

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memmem, memrchr};
use regex::bytes::{Regex, RegexBuilder};

use super::{
    rules::{Level, Rules},
    strip::{begins_with, has_sequences, strip},
};

/// A compiled pattern may take this much memory.
const PROGRAM: usize = 4 * 1024 * 1024;
/// Matches that are marked in a line.
const MARKED: usize = 256;

/// A search as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The text.
    pub text: String,
    /// It is a pattern; none: it is one where it looks like one.
    pub pattern: Option<bool>,
    /// The lines without it are meant.
    pub without: bool,
}

impl Query {
    /// A search for a text, or for a pattern where it looks like one.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            pattern: None,
            without: false,
        }
    }

    /// As it is typed, and shown: with less's mark for the lines without it.
    pub fn typed(&self) -> String {
        let mark = if self.without { "!" } else { "" };
        format!("{mark}{}", self.text)
    }

    /// Whether it is taken for a pattern.
    pub fn is_pattern(&self) -> bool {
        self.pattern
            .unwrap_or_else(|| self.text.contains(['\\', '^', '$', '|', '*', '+', '?', '[', '{']))
    }

    /// Why it is no pattern, where it has to be one.
    pub fn problem(&self) -> Option<String> {
        if self.pattern != Some(true) {
            return None;
        }
        let error = build(&self.text, false).err()?;
        // Its own drawing of the place takes several lines; the last one says why.
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default();
        Some(why.strip_prefix("error: ").unwrap_or(why).to_owned())
    }

    fn folds(&self) -> bool {
        // `\S` is no upper case letter.
        let mut escaped = false;
        !self.text.chars().any(|c| {
            let upper = c.is_uppercase() && !escaped;
            escaped = c == '\\' && !escaped && self.is_pattern();
            upper
        })
    }
}

#[derive(Debug)]
enum Kind {
    Text {
        needle: Vec<u8>,
        finder: Box<memmem::Finder<'static>>,
    },
    Folded {
        needle: Vec<u8>,
        regex: Regex,
    },
    Pattern(Regex),
    Problem {
        rules: Arc<Rules>,
        level: Level,
    },
}

/// A search, ready to find.
#[derive(Debug)]
pub struct Matcher {
    kind: Kind,
    /// The other lines are meant.
    without: bool,
}

impl Matcher {
    /// Compiles a search. A pattern that is none is searched for as text.
    pub fn new(query: &Query) -> Self {
        Self {
            kind: Kind::new(query),
            without: query.without,
        }
    }

    /// Finds errors or warnings.
    pub fn problem(rules: &Arc<Rules>, level: Level) -> Self {
        let rules = Arc::clone(rules);
        Self {
            kind: Kind::Problem { rules, level },
            without: false,
        }
    }

    /// Whether what is meant can be found in raw bytes.
    pub fn has_text(&self) -> bool {
        !self.without && matches!(self.kind, Kind::Text { .. } | Kind::Folded { .. })
    }

    /// Whether a line, as it is seen, is meant.
    pub fn is_match(&self, line: &[u8]) -> bool {
        match &self.kind {
            Kind::Text { finder, .. } => finder.find(line).is_some(),
            Kind::Folded { regex, .. } | Kind::Pattern(regex) => regex.is_match(line),
            Kind::Problem { rules, level } => rules.level(line) == Some(*level),
        }
    }

    /// What to mark in a line that is drawn.
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        if self.without {
            return vec![];
        }
        let bytes = text.as_bytes();
        let whole = |r: &Range<usize>| {
            !r.is_empty() && text.is_char_boundary(r.start) && text.is_char_boundary(r.end)
        };
        match &self.kind {
            Kind::Text { needle, finder } => {
                let range = |at| at..at + needle.len();
                finder
                    .find_iter(bytes)
                    .map(range)
                    .filter(whole)
                    .take(MARKED)
                    .collect()
            }
            Kind::Folded { regex, .. } | Kind::Pattern(regex) => regex
                .find_iter(bytes)
                .map(|m| m.range())
                .filter(whole)
                .take(MARKED)
                .collect(),
            Kind::Problem { .. } => vec![],
        }
    }

    /// The first place in raw bytes that may be meant.
    fn candidate(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let rest = bytes.get(from..)?;
        let found = match &self.kind {
            Kind::Text { finder, .. } => finder.find(rest),
            Kind::Folded { regex, .. } => regex.find(rest).map(|m| m.start()),
            Kind::Problem { rules, .. } => rules.hint(rest),
            Kind::Pattern(_) => None,
        };
        found.map(|at| from + at)
    }

    /// The first raw match, where only the text itself is looked for.
    pub fn first_raw(&self, bytes: &[u8]) -> Option<usize> {
        let mut from = 0;
        while let Some(at) = self.candidate(bytes, from) {
            let line = line_around(bytes, at);
            if self.is_seen(bytes, &line) {
                return Some(at);
            }
            from = line.end;
        }
        None
    }

    /// The lines of some bytes that are meant, in order: each as its range.
    pub fn lines(&self, bytes: &[u8], scratch: &mut Vec<u8>) -> Vec<Range<usize>> {
        let found = self.found(bytes, scratch);
        if self.without {
            others(bytes, &found)
        } else {
            found
        }
    }

    /// Whether a part of a line is meant that goes on behind it: a text that a cut goes through belongs to the part where
    /// it begins, one that is whole behind it does not.
    pub fn has_part(&self, (part, across, behind): (&[u8], &[u8], &[u8]), scratch: &mut Vec<u8>) -> bool {
        let mut has = |bytes| !self.found(bytes, scratch).is_empty();
        let found = has(part) || has(across) && !has(behind);
        found != self.without
    }

    /// The lines with it.
    fn found(&self, bytes: &[u8], scratch: &mut Vec<u8>) -> Vec<Range<usize>> {
        if let Kind::Pattern(regex) = &self.kind {
            return lines_of_pattern(regex, bytes, scratch);
        }
        let mut found = vec![];
        let mut from = 0;
        while let Some(at) = self.candidate(bytes, from) {
            let line = line_around(bytes, at);
            from = line.end;
            if self.is_seen(bytes, &line) {
                found.push(line);
            }
            if from >= bytes.len() {
                break;
            }
        }
        let broken = self.broken_by_colours(bytes);
        if !broken.is_empty() {
            found.extend(broken);
            found.sort_by_key(|l| l.start);
            found.dedup();
        }
        found
    }

    /// Whether a line that has the text somewhere in its bytes shows it.
    fn is_seen(&self, bytes: &[u8], line: &Range<usize>) -> bool {
        let raw = bytes.get(line.clone()).unwrap_or_default();
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        if has_sequences(raw) {
            let mut text = vec![];
            strip(raw, &mut text);
            return self.is_match(&text);
        }
        !matches!(self.kind, Kind::Problem { .. }) || self.is_match(raw)
    }

    /// Lines where a sequence stands within the text: at each one, the bytes before it are the text's beginning and
    /// those after it the rest.
    fn broken_by_colours(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let (needle, fold) = match &self.kind {
            Kind::Text { needle, .. } => (needle, false),
            Kind::Folded { needle, .. } => (needle, true),
            _ => return vec![],
        };
        let Some((_, inner)) = needle.split_last() else {
            return vec![];
        };
        // How much of the text a byte may be the end of.
        let mut heads = [const { vec![] }; 256];
        for (byte, head) in inner.iter().zip(1..) {
            let other = if byte.is_ascii_lowercase() {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
            let other = Some(other).filter(|other| fold && other != byte);
            for form in [Some(*byte), other].into_iter().flatten() {
                if let Some(heads) = heads.get_mut(usize::from(form)) {
                    heads.push(head);
                }
            }
        }
        let mut found = vec![];
        let mut from = 0;
        for at in memchr_iter(0x1b, bytes) {
            let before = at.checked_sub(1).and_then(|i| bytes.get(i)).copied();
            let heads = before.and_then(|before| heads.get(usize::from(before)));
            let begins = at >= from
                && heads.is_some_and(|heads| {
                    let mut starts = heads.iter().filter_map(|head| at.checked_sub(*head));
                    starts.any(|start| begins_with(bytes, start, needle, fold))
                });
            if begins {
                let line = line_around(bytes, at);
                from = line.end;
                found.push(line);
            }
        }
        found
    }
}

impl Kind {
    fn new(query: &Query) -> Self {
        let fold = query.folds();
        if query.is_pattern()
            && let Ok(regex) = build(&query.text, fold)
        {
            return Self::Pattern(regex);
        }
        let needle = query.text.as_bytes().to_vec();
        if fold && let Ok(regex) = build(&regex::escape(&query.text), true) {
            return Self::Folded { needle, regex };
        }
        let finder = Box::new(memmem::Finder::new(&needle).into_owned());
        Self::Text { needle, finder }
    }
}

/// All lines but these.
fn others(bytes: &[u8], found: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut found = found.iter().peekable();
    let mut rest = vec![];
    let mut from = 0;
    while from < bytes.len() {
        let line = from..end_of_line(bytes, from);
        from = line.end;
        if found.next_if(|one| **one == line).is_none() {
            rest.push(line);
        }
    }
    rest
}

fn build(text: &str, fold: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(fold)
        .multi_line(true)
        .crlf(true)
        .size_limit(PROGRAM)
        .dfa_size_limit(PROGRAM / 4)
        .build()
}

/// The line of some bytes that holds a place, its line break included.
fn line_around(bytes: &[u8], at: usize) -> Range<usize> {
    let start = memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |i| i + 1);
    let end = memchr(b'\n', bytes.get(at..).unwrap_or_default()).map_or(bytes.len(), |i| at + i + 1);
    start..end
}

/// Patterns are looked for in the text of all bytes at once; line breaks tell which line that was.
fn lines_of_pattern(regex: &Regex, bytes: &[u8], scratch: &mut Vec<u8>) -> Vec<Range<usize>> {
    scratch.clear();
    let text: &[u8] = if memchr::memchr2(0x1b, b'\r', bytes).is_some() {
        strip(bytes, scratch);
        scratch
    } else {
        bytes
    };
    let mut found = vec![];
    let (mut from, mut seen, mut raw) = (0, 0, 0);
    let mut by_line = false;
    while from <= text.len() {
        let hit = if by_line {
            from..from
        } else {
            match regex.find_at(text, from) {
                Some(hit) => hit.range(),
                None => break,
            }
        };
        let line = line_around(text, hit.start);
        let alone = text.get(line.clone()).unwrap_or_default();
        let alone = alone.strip_suffix(b"\n").unwrap_or(alone);
        let past_last = line.is_empty() && line.start == text.len();
        let within = hit.end <= line.start + alone.len();
        // A pattern that goes past a line's end may go on to the end of all: from each line anew that has no end.
        by_line |= !within;
        if !past_last && (within && !by_line || regex.is_match(alone)) {
            let passed = memchr_iter(b'\n', text.get(seen..line.start).unwrap_or_default()).count();
            for _ in 0..passed {
                raw = end_of_line(bytes, raw);
            }
            seen = line.start;
            found.push(raw..end_of_line(bytes, raw));
        }
        from = line.end.max(from + 1);
    }
    found
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    memchr(b'\n', bytes.get(from..).unwrap_or_default()).map_or(bytes.len(), |i| from + i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_without_it_are_all_the_others() {
        let log = b"one\ntwo \x1b[31mred\x1b[0m\n\nRED one\ntwo\nred";
        for (text, count) in [("red", 3), ("re.$", 2), ("nothing of it", 0)] {
            let found = |without| {
                let query = Query {
                    without,
                    ..Query::new(text)
                };
                Matcher::new(&query).lines(log, &mut vec![])
            };
            let (with, without) = (found(false), found(true));
            let mut all = [with.clone(), without].concat();
            all.sort_by_key(|line| line.start);
            assert_eq!(all, [0..4, 4..21, 21..22, 22..30, 30..34, 34..37], "{text}");
            assert_eq!(with.len(), count, "{text}");
        }
        let query = Query {
            without: true,
            ..Query::new("red")
        };
        assert_eq!(query.typed(), "!red");
        assert!(Matcher::new(&query).ranges("red").is_empty());
    }

    /// From each line anew to the end of all it would take minutes.
    #[test]
    fn a_pattern_that_goes_past_line_ends_is_looked_for_line_by_line() {
        let text = "compiling something of no interest\n".repeat(30_000) + "the last thing failed\n";
        for pattern in ["[^/]+ failed", "\\s+failed$", "thing(.|\n)*failed"] {
            let regex = build(pattern, false).unwrap();
            let found = lines_of_pattern(&regex, text.as_bytes(), &mut vec![]);
            let last = text.len() - 22..text.len();
            assert_eq!(found, [last], "{pattern}");
        }
    }
}
