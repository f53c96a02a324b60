//! The folder that an image is built from, as the archive that the engine takes: what `.dockerignore` names stays here.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use regex::Regex;

/// Patterns of `.dockerignore`: the last one that matches counts.
#[derive(Debug, Default)]
pub(super) struct Ignored(Vec<(Regex, bool)>);

impl Ignored {
    /// Out of the file of a folder; without one nothing is left out.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        match fs::read_to_string(folder.join(".dockerignore")) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn parse(text: &str) -> io::Result<Self> {
        let lines = text.lines().map(str::trim);
        let rules = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rules = rules.map(|line| {
            let (line, keep) = line.strip_prefix('!').map_or((line, false), |line| (line, true));
            let line = line.trim().trim_matches('/');
            let line = line.strip_prefix("./").unwrap_or(line);
            let rule = pattern(line).and_then(|text| Regex::new(&text).map_err(|error| error.to_string()));
            let rule = rule.map_err(|why| io::Error::other(format!("`{line}` in .dockerignore: {why}")))?;
            Ok((rule, keep))
        });
        Ok(Self(rules.collect::<io::Result<_>>()?))
    }

    /// Whether a path below the folder stays here.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let last = self.0.iter().rev().find(|(rule, _)| rule.is_match(path));
        last.is_some_and(|(_, keep)| !keep)
    }

    /// Whether something below a folder that is left out may be wanted all the same.
    fn has_exceptions(&self) -> bool {
        self.0.iter().any(|(_, keep)| *keep)
    }
}

/// A pattern of Docker's as a regular expression; what is below a match matches too.
fn pattern(glob: &str) -> Result<String, String> {
    let mut text = String::from("^");
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        rest = if let Some(after) = rest.strip_prefix("**/") {
            text.push_str("(?:.*/)?");
            after
        } else if let Some(after) = rest.strip_prefix("**") {
            text.push_str(".*");
            after
        } else if let Some(class) = rest.strip_prefix('[') {
            let (class, after) = set(class)?;
            text.push_str(&class);
            after
        } else if let Some(escaped) = rest.strip_prefix('\\') {
            let c = escaped.chars().next().ok_or("nothing follows the last `\\`")?;
            text.push_str(&regex::escape(&c.to_string()));
            escaped.get(c.len_utf8()..).unwrap_or_default()
        } else {
            match c {
                '*' => text.push_str("[^/]*"),
                '?' => text.push_str("[^/]"),
                c => text.push_str(&regex::escape(&c.to_string())),
            }
            rest.get(c.len_utf8()..).unwrap_or_default()
        };
    }
    text.push_str("(?:/.*)?$");
    Ok(text)
}

/// The letters between `[` and `]`, of which one matches, or none with `^`; and what is behind them.
fn set(glob: &str) -> Result<(String, &str), String> {
    let (negated, glob) = glob.strip_prefix('^').map_or((false, glob), |rest| (true, rest));
    let mut text = if negated { "[^/" } else { "[" }.to_owned();
    let mut letters = glob.char_indices();
    let empty = text.len();
    while let Some((at, c)) = letters.next() {
        match c {
            ']' if text.len() == empty => break,
            ']' => {
                text.push(']');
                return Ok((text, glob.get(at + 1..).unwrap_or_default()));
            }
            '-' => text.push('-'),
            '\\' => {
                let (_, c) = letters.next().ok_or("nothing follows the last `\\`")?;
                text.push_str(&escape(c));
            }
            c => text.push_str(&escape(c)),
        }
    }
    Err("`[` begins a set of letters that `]` must end".to_owned())
}

/// A letter within brackets: whatever is no letter or digit might mean something there.
fn escape(c: char) -> String {
    if c.is_alphanumeric() || !c.is_ascii() {
        c.to_string()
    } else {
        format!("\\x{:02x}", u32::from(c))
    }
}

/// Writes a folder as an archive; owners and times are left out, so that the engine's cache knows the same files again.
/// The file that says how to build is never left out.
pub(super) fn pack(folder: &Path, dockerfile: &str, into: &mut dyn Write) -> io::Result<()> {
    let ignored = Ignored::of(folder)?;
    let mut builder = tar::Builder::new(into);
    builder.mode(tar::HeaderMode::Deterministic);
    builder.follow_symlinks(false);
    let kept = |path: &str| path == dockerfile || path == ".dockerignore" || !ignored.leaves_out(path);
    let mut folders = vec![String::new()];
    while let Some(at) = folders.pop() {
        let mut names: Vec<_> = fs::read_dir(folder.join(&at))?.collect::<io::Result<_>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names {
            let name = entry.file_name().into_string();
            let name = name.map_err(|name| io::Error::other(format!("{} is no UTF-8", name.display())))?;
            let path = if at.is_empty() {
                name
            } else {
                format!("{at}/{name}")
            };
            let kind = entry.file_type()?;
            let keep = kept(&path);
            if kind.is_dir() && (keep || ignored.has_exceptions()) {
                folders.push(path.clone());
            }
            // Sockets and pipes are nothing that an image holds.
            if keep && (kind.is_dir() || kind.is_file() || kind.is_symlink()) {
                builder.append_path_with_name(entry.path(), &path)?;
            }
        }
    }
    builder.into_inner().map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Ignored, pack};

    #[test]
    fn the_last_pattern_that_matches_counts() {
        let ignored = Ignored::parse("# no\ntarget\n*.log\n!keep.log\n**/cache\n/a/b?\n").unwrap();
        for path in ["target", "target/x/y", "a.log", "x/cache/z", "cache", "a/bc"] {
            assert!(ignored.leaves_out(path), "{path}");
        }
        for path in ["src", "keep.log", "x/a.log", "a/b", "targets"] {
            assert!(!ignored.leaves_out(path), "{path}");
        }
    }

    #[test]
    fn sets_and_escaped_letters_mean_what_docker_means() {
        let ignored = Ignored::parse("*.[ch]\n[^a-c]x\nlog[0-9]\na\\*b\n[\\]&~]\n").unwrap();
        for path in ["m.c", "m.h", "dx", "log7", "a*b", "]", "&", "~"] {
            assert!(ignored.leaves_out(path), "{path}");
        }
        for path in ["m.o", "ax", "cx", "/x", "logs", "aab", "["] {
            assert!(!ignored.leaves_out(path), "{path}");
        }
        for bad in ["[a", "[]", "a\\", "[z-a]"] {
            let error = Ignored::parse(bad).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains(".dockerignore"), "{error}");
        }
    }

    #[test]
    fn a_context_has_its_files_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Dockerfile", "FROM x");
        write(".dockerignore", "*\n!src/keep\n");
        write("src/keep", "1");
        write("src/drop", "2");
        let packed = || {
            let mut bytes = vec![];
            pack(folder.path(), "Dockerfile", &mut bytes).unwrap();
            bytes
        };
        let bytes = packed();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, [".dockerignore", "Dockerfile", "src/keep"]);
        write("src/drop", "3");
        assert_eq!(packed(), bytes);
    }
}
