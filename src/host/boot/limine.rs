//! Limine: the tool's `/etc/default/limine` where there is one, else the lines `cmdline:` of `limine.conf`.

use super::{BootError, Edits, cmdline::Pen};
use crate::host::Root;

/// What the entry tool makes `limine.conf` of; changes there survive a new kernel.
pub(super) const TOOL: &str = "/etc/default/limine";

/// Where the loader itself looks.
const CONFIGS: [&str; 6] = [
    "/boot/limine.conf",
    "/boot/limine/limine.conf",
    "/boot/EFI/limine/limine.conf",
    "/boot/efi/limine.conf",
    "/boot/efi/EFI/limine/limine.conf",
    "/efi/limine.conf",
];

pub(super) fn is_there(root: &Root) -> bool {
    root.has(TOOL) || CONFIGS.iter().any(|c| root.has(c))
}

pub(super) fn edit(root: &Root, pen: &Pen<'_>, here: bool, edits: &mut Edits) -> Result<(), BootError> {
    if root.has(TOOL) {
        return edits.change(root, TOOL, |text| Ok(tool(text, pen, here)));
    }
    for path in CONFIGS {
        edits.change(root, path, |text| Ok(config(text, pen, here)))?;
    }
    Ok(())
}

/// `KERNEL_CMDLINE[default]="…"` sets, `KERNEL_CMDLINE[default]+="…"` adds; ours goes into a line that adds.
fn tool(text: &str, pen: &Pen<'_>, here: bool) -> String {
    let mut out: String = text
        .split_inclusive('\n')
        .filter_map(|line| {
            let is_ours = line.starts_with("KERNEL_CMDLINE[");
            let (Some(open), Some(close)) = (line.find('"'), line.rfind('"')) else {
                return Some(line.to_owned());
            };
            if !is_ours || close <= open {
                return Some(line.to_owned());
            }
            let (head, rest) = line.split_at(open + 1);
            let (value, tail) = rest.split_at(close - open - 1);
            let changed = pen.apply(value, false);
            // A line that added only what goes now, goes with it.
            (changed == value || !changed.trim().is_empty() || !head.contains("+="))
                .then(|| format!("{head}{changed}{tail}"))
        })
        .collect();
    if here && !pen.wish.set.is_empty() {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.extend([
            "KERNEL_CMDLINE[default]+=\"",
            &pen.apply("", true),
            "\"
",
        ]);
    }
    out
}

/// Every `cmdline:` (or the older `kernel_cmdline:`) of an entry.
fn config(text: &str, pen: &Pen<'_>, here: bool) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let key = line
            .trim_start()
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let Some((head, rest)) = line.split_once(':') else {
            return line.to_owned();
        };
        if !matches!(key.as_str(), "cmdline" | "kernel_cmdline") {
            return line.to_owned();
        }
        let space = if rest.starts_with(' ') { " " } else { "" };
        format!(
            "{head}:{space}{}",
            pen.apply(rest.strip_prefix(' ').unwrap_or(rest), here)
        )
    });
    lines.collect::<Vec<_>>().concat()
}
