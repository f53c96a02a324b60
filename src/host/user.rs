//! Who runs halolab, and whether the daemon's group lets them in.

use super::{Root, facts::Found};

/// Members of these own the daemon's socket.
const GROUPS: &[&str] = &["lxd", "incus-admin"];

pub(super) fn probe(root: &Root) -> Found {
    let uid = rustix::process::geteuid().as_raw();
    vec![
        ("root", (uid == 0).into()),
        ("user", name(root, uid).into()),
        ("in_group", in_group(root).into()),
    ]
}

/// The person: who typed `sudo`, else the owner of this process.
pub(super) fn name(root: &Root, uid: u32) -> String {
    let by_sudo = std::env::var("SUDO_USER")
        .ok()
        .filter(|name| uid == 0 && !name.is_empty());
    by_sudo
        .or_else(|| {
            let text = root.read("/etc/passwd")?;
            let id = uid.to_string();
            let owner = text.lines().find(|line| line.split(':').nth(2) == Some(&id))?;
            owner.split(':').next().map(str::to_owned)
        })
        .unwrap_or_default()
}

/// Whether this process is in such a group now: a membership that needs a new login does not count.
fn in_group(root: &Root) -> bool {
    let text = root.read("/etc/group").unwrap_or_default();
    let ours = rustix::process::getgroups().unwrap_or_default();
    text.lines().any(|line| {
        let mut fields = line.split(':');
        let named = fields.next().is_some_and(|name| GROUPS.contains(&name));
        let gid = fields.nth(1).and_then(|gid| gid.parse::<u32>().ok());
        named && gid.is_some_and(|gid| ours.iter().any(|group| group.as_raw() == gid))
    })
}
