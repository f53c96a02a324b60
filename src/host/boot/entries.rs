//! systemd-boot, and the entries of the Boot Loader Specification that Fedora's GRUB reads too: one file a kernel, its
//! parameters on the lines `options`; `/etc/kernel/cmdline` for the kernels to come.

use super::{BootError, Edits, cmdline::Pen, files};
use crate::host::Root;

/// Where the entries are, by where the boot partition is mounted.
const FOLDERS: [&str; 3] = [
    "/boot/loader/entries",
    "/efi/loader/entries",
    "/boot/efi/loader/entries",
];

/// Parameters of the kernels that are installed from now on.
const COMING: &str = "/etc/kernel/cmdline";

/// Changes every entry that carries parameters of its own, and the file for coming kernels where there is one.
pub(super) fn edit(root: &Root, pen: &Pen<'_>, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    for folder in FOLDERS {
        for path in files(root, folder, "conf")? {
            edits.change(root, &path, |text| Ok(options(text, pen, here)))?;
        }
    }
    if root.has(COMING) {
        edits.change(root, COMING, |text| Ok(pen.apply(text, here)))?;
    }
    Ok(())
}

/// Whether there are entries, or the file that they are made of.
pub(super) fn are_there(root: &Root) -> bool {
    FOLDERS
        .iter()
        .any(|f| files(root, f, "conf").is_ok_and(|found| !found.is_empty()))
        || root.has(COMING)
}

/// An entry with the wish in its lines `options`: out of all of them, into the last. `$kernelopts` is another file's.
fn options(text: &str, pen: &Pen<'_>, here: bool) -> String {
    let is_options = |line: &str| line.split_whitespace().next() == Some("options");
    let own = |line: &str| is_options(line) && !line.contains("$kernelopts");
    let count = text.lines().filter(|l| own(l)).count();
    let mut seen = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        if !own(line) {
            return line.to_owned();
        }
        seen += 1;
        let at = line.find("options").unwrap_or_default() + "options".len();
        let (head, rest) = line.split_at(at);
        let space = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let (space, rest) = rest.split_at(space);
        let space = if space.is_empty() { " " } else { space };
        format!("{head}{space}{}", pen.apply(rest, here && seen == count))
    });
    lines.collect::<Vec<_>>().concat()
}
