//! rEFInd: `refind_linux.conf` beside the kernel, one `"title" "parameters"` a line.

use super::{BootError, Edits, cmdline::Pen};
use crate::host::Root;

pub(super) const FILE: &str = "/boot/refind_linux.conf";

pub(super) fn edit(root: &Root, pen: &Pen<'_>, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    edits.change(root, FILE, |text| {
        let entries = text.split_inclusive('\n').map(|line| entry(line, pen, here));
        Ok(entries.collect())
    })
}

/// One entry; a double quote inside is written twice.
fn entry(line: &str, pen: &Pen<'_>, here: bool) -> String {
    let whole = || line.to_owned();
    if line.trim_start().starts_with('#') {
        return whole();
    }
    let places: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
    let (Some(open), Some(close)) = (places.get(2), places.last()) else {
        return whole();
    };
    if close <= open {
        return whole();
    }
    let (head, rest) = line.split_at(open + 1);
    let (value, tail) = rest.split_at(close - open - 1);
    let inner = pen.apply(&value.replace("\"\"", "\""), here);
    format!("{head}{}{tail}", inner.replace('"', "\"\""))
}
