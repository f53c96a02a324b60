//! `/etc/modprobe.d`: options of modules. AMD's own way to set the memory pool, and the same under every boot loader.

use super::{BootError, Edits, cmdline, cmdline::Pen, files};
use crate::host::Root;

/// The file that halolab writes options into. Of several files the last one by name counts, those of packages too.
pub(super) const OURS: &str = "/etc/modprobe.d/zz-halolab.conf";

/// Takes what the wish names out of all files, and sets what it sets in ours where `here`.
pub(super) fn edit(root: &Root, pen: &Pen<'_>, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    for path in files(root, "/etc/modprobe.d", "conf")? {
        if path != OURS {
            edits.change(root, &path, |text| lines(text, pen, &path))?;
        }
    }
    edits.write(root, OURS, |old| {
        let mut text = lines(old, pen, OURS)?;
        if here && !pen.wish.set.is_empty() {
            if text.is_empty() {
                text.push_str("# Written by halolab; `halolab doctor --undo` takes it back.\n");
            } else if !text.ends_with('\n') {
                text.push('\n');
            }
            for (name, value) in &pen.wish.set {
                let Some((module, option)) = name.split_once('.') else {
                    continue;
                };
                let option = cmdline::parameter(option, value);
                text.extend(["options ", module, " ", &option, "\n"]);
            }
        }
        // A file of ours with nothing in it but the comment goes.
        if text.lines().all(|l| l.trim().is_empty() || l.starts_with('#')) {
            text.clear();
        }
        Ok(text)
    })
}

/// The text without the options that the wish names; a line that sets nothing else goes whole.
fn lines(text: &str, pen: &Pen<'_>, path: &str) -> Result<String, BootError> {
    let mut out = String::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let part = goes_on;
        goes_on = line.trim_end().ends_with('\\');
        let mut words = line.split_whitespace();
        let head = (words.next(), words.next());
        let options: Vec<&str> = words.collect();
        let module = match head {
            (Some("options"), Some(module)) => module,
            _ => "",
        };
        let named = |option: &&str| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            !module.is_empty() && pen.takes(&format!("{module}.{name}"), value)
        };
        let kept: Vec<&str> = options.iter().copied().filter(|o| !named(o)).collect();
        if (part || goes_on) && kept.len() < options.len() {
            return Err(BootError::Form {
                path: path.to_owned(),
                line: number,
            });
        }
        if kept.len() == options.len() {
            out.push_str(line);
        } else if !kept.is_empty() {
            out.extend(["options ", module, " ", &kept.join(" "), "\n"]);
        }
    }
    Ok(out)
}
