//! GRUB: `/etc/default/grub` and the files beside it, and the boot entries of Fedora's kind.

use super::{BootError, Edits, Wish, entries, files};
use crate::host::Root;

const MAIN: &str = "/etc/default/grub";
const FOLDER: &str = "/etc/default/grub.d";

/// Changes the variables that make up the command line, and entries that carry their own.
pub(super) fn edit(root: &Root, wish: &Wish, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    let mut all = vec![MAIN.to_owned()];
    all.extend(files(root, FOLDER, "cfg"));
    // The last assignment wins; one that adds to the variable is as good a place as one that sets it.
    let assigns = |path: &String| {
        root.read(path)
            .is_some_and(|text| text.lines().any(|l| variable(l) == Some(DEFAULT)))
    };
    let place = all.iter().rev().find(|p| assigns(p)).map_or(MAIN, String::as_str);
    for path in &all {
        let here = here && path == place;
        edits.change(root, path, |text| assignments(text, wish, here))?;
    }
    entries::edit(root, wish, here, edits)
}

/// The variable that people's own parameters are in.
const DEFAULT: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// The variable of the command line that a line assigns.
fn variable(line: &str) -> Option<&'static str> {
    let name = line.trim_start().split_once('=')?.0;
    ["GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX"]
        .into_iter()
        .find(|known| *known == name)
}

/// The text with the wish in its assignments; a new one where there is none and it belongs here.
fn assignments(text: &str, wish: &Wish, here: bool) -> String {
    let last = text.lines().filter(|l| variable(l) == Some(DEFAULT)).count();
    let mut seen = 0;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        if variable(line).is_none() {
            out.push_str(line);
            continue;
        }
        seen += usize::from(variable(line) == Some(DEFAULT));
        let here = here && variable(line) == Some(DEFAULT) && seen == last;
        out.push_str(&assignment(line, wish, here));
    }
    if here && last == 0 && !wish.set.is_empty() {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.extend([DEFAULT, "=\"", &wish.apply("", true), "\"\n"]);
    }
    out
}

/// One assignment, `NAME="parameters"` with either quote or none.
fn assignment(line: &str, wish: &Wish, here: bool) -> String {
    let Some((name, rest)) = line.split_once('=') else {
        return line.to_owned();
    };
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        let value = rest.trim_end();
        let end = rest.get(value.len()..).unwrap_or_default();
        let changed = wish.apply(value, here);
        if changed == value {
            return line.to_owned();
        }
        return format!("{name}=\"{changed}\"{end}");
    };
    let inside = rest.get(1..).unwrap_or_default();
    let Some(end) = closing(inside, quote) else {
        return line.to_owned();
    };
    let (value, tail) = inside.split_at(end);
    format!("{name}={quote}{}{tail}", wish.apply(value, here))
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
