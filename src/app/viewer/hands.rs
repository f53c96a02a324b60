//! What is handed out of a log: to the clipboard, to a file, to another program.

use std::{
    io::{self, ErrorKind, Write as _},
    path::Path,
    process::ExitStatus,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    log::{
        Document,
        document::save::{Copied, Saving, Seen},
        page::Filter,
        sanitize, spool,
    },
    paths::typed,
    view::{Range, viewer::Save},
};

/// Terminals refuse more than this for the clipboard.
const CLIPBOARD: usize = 70 * 1024;
/// Raw bytes that are looked at for it.
const LOOKED: u64 = 1024 * 1024;

/// Lines as they are seen, and whether that is not all of them.
pub fn lines(document: &mut Document, range: Range) -> (String, bool) {
    let bytes = document.bytes(range.0, range.1, LOOKED);
    let mut cut = bytes.len() as u64 >= LOOKED;
    let mut out = vec![];
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let before = out.len();
        // Writing to memory does not fail.
        let _ = Seen::default().write(&mut out, line, false);
        if out.len().div_ceil(3) * 4 > CLIPBOARD {
            out.truncate(before);
            cut = true;
            break;
        }
    }
    (String::from_utf8_lossy(&out).into_owned(), cut)
}

/// The sequence that puts a text on the clipboard of the terminal.
pub fn clipboard(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text))
}

/// What is to be saved.
pub fn saving(document: &Document, range: Option<Range>, filter: Option<&Filter>, raw: bool) -> Saving {
    // A selection is what is meant, whatever is filtered.
    let filter = filter.filter(|_| range.is_none());
    let mut saving = document.saving(filter.map(|f| (&f.query, f.context)));
    if let Some((from, to)) = range {
        saving.limit(from, to);
    }
    saving.raw = raw;
    saving
}

/// Saves; returns the bytes, or why not, and whether only because the file is there.
///
/// # Errors
/// It cannot be written.
pub fn save(saving: Saving, save: &Save) -> Result<u64, (String, bool)> {
    let path = typed(&save.path);
    saving.write_to(&path, save.over).map_err(|error| {
        let there = error.kind() == ErrorKind::AlreadyExists && path.is_file();
        let name = sanitize(&path.to_string_lossy());
        (format!("{name} cannot be written: {error}"), there)
    })
}

/// A copy for another program, as it is seen, in a file of ours alone; it is to begin at the line with this place.
///
/// # Errors
/// It cannot be written.
pub fn copy(mut saving: Saving, at: u64) -> io::Result<Copied> {
    let (file, path) = spool::private_file(".log")?;
    saving.mark = at;
    match saving.write(file) {
        Ok(_) => Ok(Copied {
            path,
            line: saving.marked(),
        }),
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// Shows a copy at its line in `$EDITOR` or `$PAGER` on the terminal, which must have been given to it, and removes it.
///
/// # Errors
/// There is no such program.
pub fn show(copied: &Copied, editor: bool) -> Result<(), String> {
    let ended = open_in(&copied.path, editor, copied.line);
    let _ = std::fs::remove_file(&copied.path);
    ended.map(|_| ())
}

/// How a program is told to begin at a line: what it is given before the file, and what after the file's name.
fn at_line(program: &str, line: u64) -> (String, String) {
    let name = program.split_whitespace().next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let (before, behind) = match name {
        _ if line < 2 => (String::new(), String::new()),
        "less" | "more" | "most" | "moar" | "moor" | "view" | "vi" | "vim" | "nvi" | "nvim" | "vimdiff"
        | "gvim" | "ex" | "elvis" | "vile" | "nano" | "pico" | "rnano" | "emacs" | "emacsclient" | "mg"
        | "zile" | "jmacs" | "joe" | "jstar" | "jpico" | "ne" | "kak" | "mcedit" | "dte" | "gedit" => {
            (format!("+{line}"), String::new())
        }
        "micro" => (format!("+{line}:1"), String::new()),
        "code" | "codium" | "code-insiders" | "cursor" | "windsurf" => ("-g".into(), format!(":{line}")),
        "hx" | "helix" | "subl" | "zed" | "zeditor" => (String::new(), format!(":{line}")),
        "lnav" => (format!("-c :goto {}", line - 1), String::new()),
        // Others would take it for the name of a file.
        _ => (String::new(), String::new()),
    };
    (before, behind)
}

/// Whether the program ended well that was to begin at a line.
fn open_in(path: &Path, editor: bool, line: u64) -> Result<bool, String> {
    let (names, usual): (&[&str], _) = if editor {
        (&["VISUAL", "EDITOR"], "vi")
    } else {
        (&["PAGER"], "less")
    };
    let named = names
        .iter()
        .find_map(|n| std::env::var(n).ok().filter(|v| !v.trim().is_empty()));
    let program = named.unwrap_or_else(|| usual.to_owned());
    let ended = run(&program, path, line);
    let variable = names.last().copied().unwrap_or_default();
    match ended {
        Ok(status) if status.code() == Some(127) || status.code() == Some(126) => Err(format!(
            "{} cannot be run; set {variable} to a program that is installed",
            sanitize(&program)
        )),
        Ok(status) => Ok(status.success()),
        Err(error) => Err(format!("no shell to run {}: {error}", sanitize(&program))),
    }
}

/// Lets a text be changed in `$EDITOR` on the terminal, which must have been given to it; returns what became of it.
///
/// # Errors
/// There is no such program, it failed, or what it left cannot be read.
pub fn edit(text: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("the script cannot be handed to an editor: {error}");
    let (mut file, path) = spool::private_file(".sh").map_err(failed)?;
    let edited = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
        .and_then(|()| open_in(&path, true, 1))
        .and_then(|well| {
            let gone = "the editor ended with an error; nothing of what it did is used";
            well.then_some(()).ok_or_else(|| gone.to_owned())
        })
        .and_then(|()| std::fs::read_to_string(&path).map_err(failed));
    let _ = std::fs::remove_file(path);
    edited
}

fn run(program: &str, path: &Path, line: u64) -> io::Result<ExitStatus> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it takes the terminal, which was given to it, for as long as it likes"
    )]
    let mut command = std::process::Command::new("/bin/sh");
    // The variable may hold arguments, as in `less -R`; the path may hold anything.
    command.arg("-c").arg(format!("exec {program} \"$@\"")).arg("sh");
    let (before, behind) = at_line(program, line);
    if !before.is_empty() {
        command.arg(before);
    }
    let mut file = path.as_os_str().to_owned();
    file.push(behind);
    command.arg(file);
    command.status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_their_line_in_their_own_way_or_not_at_all() {
        for (program, before, behind) in [
            ("less -R", "+7", ""),
            ("/usr/bin/vim", "+7", ""),
            ("code --wait", "-g", ":7"),
            ("hx", "", ":7"),
            ("cat", "", ""),
            ("sh /home/me/pager.sh -x", "", ""),
        ] {
            assert_eq!(at_line(program, 7), (before.into(), behind.into()), "{program}");
        }
        assert_eq!(at_line("less", 1), Default::default());
    }
}
