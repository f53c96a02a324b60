//! What makes changed boot files count: the boot menu, or the initial file system that holds a copy of modprobe.d.

use super::{Change, Proposal, limine::TOOL};
use crate::host::Root;

/// What makes changed files count: the boot menu, or the initial file system that holds a copy of modprobe.d.
pub(crate) fn refresh(root: &Root, changes: &[Change]) -> String {
    let paths: Vec<&str> = changes.iter().map(|c| c.path.as_str()).collect();
    of(root, &paths)
}

pub(super) fn of(root: &Root, paths: &[&str]) -> String {
    let touched = |prefix: &str| paths.iter().any(|path| path.starts_with(prefix));
    let mut commands = vec![];
    if touched("/etc/modprobe.d") || touched("/etc/kernel/cmdline") {
        commands.extend(first(root, INITRAMFS));
    }
    if touched("/etc/default/grub") {
        commands.extend(first(root, MENU));
    }
    if touched(TOOL) {
        commands.extend(first(root, LIMINE));
    }
    commands.dedup();
    commands.join("\n")
}

/// What makes the initial file systems of all kernels anew, by program.
const INITRAMFS: &[(&str, &str)] = &[
    ("update-initramfs", "update-initramfs -u -k all"),
    ("limine-mkinitcpio", "limine-mkinitcpio"),
    ("mkinitcpio", "mkinitcpio -P"),
    ("dracut", "dracut --force --regenerate-all"),
];

/// What makes GRUB's menu anew.
const MENU: &[(&str, &str)] = &[
    ("update-grub", "update-grub"),
    ("grub2-mkconfig", "grub2-mkconfig -o /boot/grub2/grub.cfg"),
    ("grub-mkconfig", "grub-mkconfig -o /boot/grub/grub.cfg"),
];

/// What makes Limine's entries anew.
const LIMINE: &[(&str, &str)] = &[
    ("limine-update", "limine-update"),
    ("limine-mkinitcpio", "limine-mkinitcpio"),
];

/// The command of the first program that is there.
fn first(root: &Root, ways: &[(&str, &str)]) -> Option<String> {
    let folders = [
        "/usr/bin",
        "/usr/sbin",
        "/bin",
        "/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
    ];
    let there = |program: &str| folders.iter().any(|f| root.has(&format!("{f}/{program}")));
    let found = ways.iter().find(|(program, _)| there(program));
    found.map(|(_, command)| (*command).to_owned())
}

/// Whether something has to be made anew before changed files count, and no program was found that does it.
pub fn lacks_refresh(proposal: &Proposal) -> bool {
    let copied = [
        "/etc/modprobe.d",
        "/etc/kernel/cmdline",
        "/etc/default/grub",
        TOOL,
    ];
    let touched = |change: &Change| copied.iter().any(|prefix| change.path.starts_with(prefix));
    proposal.refresh.is_empty() && proposal.changes.iter().any(touched)
}
