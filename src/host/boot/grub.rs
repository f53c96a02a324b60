//! GRUB: `/etc/default/grub` and the files beside it, and the boot entries of Fedora's kind.

use super::{BootError, Edits, cmdline::Pen, entries, exact, files};
use crate::host::Root;

const MAIN: &str = "/etc/default/grub";
const FOLDER: &str = "/etc/default/grub.d";

/// The variable that people's own parameters are in.
const DEFAULT: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Changes the variables that make up the command line, and entries that carry their own.
pub(super) fn edit(root: &Root, pen: &Pen<'_>, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    let mut all = vec![MAIN.to_owned()];
    all.extend(files(root, FOLDER, "cfg")?);
    // The last assignment wins; one that adds to the variable is as good a place as one that sets it.
    let mut place = MAIN;
    for path in &all {
        let text = exact(root, path)?.unwrap_or_default();
        if text.lines().any(|l| variable(l) == Some(DEFAULT)) {
            place = path;
        }
    }
    for path in &all {
        let here = here && path == place;
        edits.change(root, path, |text| assignments(text, pen, here, path))?;
    }
    entries::edit(root, pen, here, edits)
}

/// The variable of the command line that a line assigns or adds to.
fn variable(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let name = line.split_once('=')?.0;
    let name = name.strip_suffix('+').unwrap_or(name);
    [DEFAULT, "GRUB_CMDLINE_LINUX"]
        .into_iter()
        .find(|known| *known == name)
}

/// The text with the wish in its assignments; a new one where there is none and it belongs here.
fn assignments(text: &str, pen: &Pen<'_>, here: bool, path: &str) -> Result<String, BootError> {
    let count = text.lines().filter(|l| variable(l) == Some(DEFAULT)).count();
    let mut seen = 0;
    let mut out = String::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if variable(line).is_none() {
            out.push_str(line);
            continue;
        }
        seen += usize::from(variable(line) == Some(DEFAULT));
        let here = here && variable(line) == Some(DEFAULT) && seen == count;
        let form = || BootError::Form {
            path: path.to_owned(),
            line: number,
        };
        match assignment(line, pen, here) {
            Some(changed) => out.push_str(&changed),
            // What cannot be read for certain is left alone, unless it is what has to change.
            None if here && !pen.wish.set.is_empty() || holds(line, pen) => return Err(form()),
            None => out.push_str(line),
        }
    }
    if here && count == 0 && !pen.wish.set.is_empty() {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.extend([DEFAULT, "=\"", &pen.apply("", true), "\"\n"]);
    }
    Ok(out)
}

/// Whether a name of the wish is somewhere in a line.
fn holds(line: &str, pen: &Pen<'_>) -> bool {
    let set = pen.wish.set.iter().map(|(name, _)| name);
    set.chain(&pen.wish.remove)
        .any(|name| line.contains(name.as_str()))
}

/// One assignment: `NAME="parameters"` with either quote, or one plain word. None where it is of another form: a value
/// that goes on in the next line, words after the value that are no comment, what the shell would replace in a bare word.
fn assignment(line: &str, pen: &Pen<'_>, here: bool) -> Option<String> {
    let (name, rest) = line.split_once('=')?;
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let value = rest.trim_end();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._=,:/-".contains(c);
        if !value.chars().all(plain) {
            return None;
        }
        let changed = pen.apply(value, here);
        let end = rest.get(value.len()..)?;
        return Some(if changed == value {
            line.to_owned()
        } else {
            format!("{name}=\"{changed}\"{end}")
        });
    };
    let inside = rest.get(1..)?;
    let (value, tail) = inside.split_at(closing(inside, quote)?);
    let after = tail.get(1..)?;
    let ends = after.trim().is_empty() || after.starts_with([' ', '\t']) && after.trim().starts_with('#');
    ends.then(|| format!("{name}={quote}{}{tail}", pen.apply(value, here)))
}

/// Where a quoted text ends; a backslash before a double quote keeps it inside.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped && quote == '"';
        ends.then_some(at)
    })
}
