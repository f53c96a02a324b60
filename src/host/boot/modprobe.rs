//! `/etc/modprobe.d`: options of modules. AMD's own way to set the memory pool, and the same under every boot loader.

use super::{BootError, Edits, Wish, cmdline, files};
use crate::host::Root;

/// The file that halolab writes options into.
pub(super) const OURS: &str = "/etc/modprobe.d/halolab.conf";

/// Takes what the wish names out of all files, and sets what it sets in ours where `here`.
pub(super) fn edit(root: &Root, wish: &Wish, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    for path in files(root, "/etc/modprobe.d", "conf")
        .into_iter()
        .filter(|p| p != OURS)
    {
        edits.change(root, &path, |text| lines(text, wish))?;
    }
    edits.write(root, OURS, |old| {
        let mut text = lines(old, wish);
        if here && !wish.set.is_empty() {
            if text.is_empty() {
                text.push_str("# Written by halolab; `halolab doctor --undo` takes it back.\n");
            } else if !text.ends_with('\n') {
                text.push('\n');
            }
            for (name, value) in &wish.set {
                let Some((module, option)) = name.split_once('.') else {
                    continue;
                };
                text.extend([
                    "options ",
                    module,
                    " ",
                    &cmdline::parameter(option, value),
                    "
",
                ]);
            }
        }
        // A file of ours with nothing in it but the comment goes.
        if text.lines().all(|l| l.trim().is_empty() || l.starts_with('#')) {
            text.clear();
        }
        text
    })
}

/// The text without the options that the wish names; a line that sets nothing else goes whole.
fn lines(text: &str, wish: &Wish) -> String {
    text.split_inclusive('\n')
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (Some("options"), Some(module)) = (words.next(), words.next()) else {
                return Some(line.to_owned());
            };
            let named = |option: &str| {
                let option = option.split_once('=').map_or(option, |(name, _)| name);
                wish.names(&format!("{module}.{option}"))
            };
            let options: Vec<&str> = words.collect();
            if !options.iter().any(|o| named(o)) {
                return Some(line.to_owned());
            }
            let kept: Vec<&str> = options.into_iter().filter(|o| !named(o)).collect();
            (!kept.is_empty()).then(|| format!("options {module} {}\n", kept.join(" ")))
        })
        .collect()
}
