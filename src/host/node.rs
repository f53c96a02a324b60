//! Device nodes, and whether somebody may use them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Root, root::shorten};

/// No machine has more nodes than are read of an index.
const NODES: usize = 4096;

/// A file below `/dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `/dev/kfd`.
    pub path: String,
    /// Whether it is a character device.
    pub character: bool,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What somebody may do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and write.
    Rw,
    /// Not both.
    Denied,
    /// There is none.
    Missing,
}

impl Node {
    /// The node at a real path.
    pub(super) fn read(path: &str, real: &Path) -> Option<Self> {
        let data = fs::metadata(real).ok()?;
        let number = data.rdev();
        Some(Self {
            path: path.to_owned(),
            character: data.file_type().is_char_device(),
            number: (rustix::fs::major(number), rustix::fs::minor(number)),
            mode: data.mode() & 0o7777,
            uid: data.uid(),
            gid: data.gid(),
        })
    }

    /// Whether these bits let somebody read and write it.
    pub fn allows(&self, user: &Identity) -> bool {
        let bits = if user.uid == 0 {
            6
        } else if user.uid == self.uid {
            self.mode >> 6
        } else if user.gid == self.gid || user.groups.contains(&self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        bits & 6 == 6
    }
}

/// Who will run the work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Login name; empty where it is not known.
    pub name: String,
    /// User.
    pub uid: u32,
    /// Main group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
    /// Variables of the environment that change how a GPU is used.
    pub env: BTreeMap<String, String>,
}

impl Identity {
    /// Of a captured host: as recorded. Else this process; under sudo, whoever called it.
    pub fn of(root: &Root) -> Self {
        if let Some(bytes) = root.recorded_user() {
            // A file that cannot be read is nobody: nothing is allowed that is not allowed to all.
            return serde_json::from_slice(&bytes).map_or_else(|_| Self::nobody(), Self::shortened);
        }
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| {
                name.starts_with("HSA_") || name.starts_with("HIP_") || name.starts_with("ROCR_")
            })
            .collect();
        let uid = rustix::process::geteuid().as_raw();
        let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
        if let (0, Some(uid), Some(gid), Ok(name)) = (
            uid,
            number("SUDO_UID"),
            number("SUDO_GID"),
            std::env::var("SUDO_USER"),
        ) {
            let mut groups = memberships(root, &name);
            groups.push(gid);
            return Self {
                name,
                uid,
                gid,
                groups,
                env,
            };
        }
        let groups = rustix::process::getgroups().unwrap_or_default();
        Self {
            name: String::new(),
            uid,
            gid: rustix::process::getegid().as_raw(),
            groups: groups.iter().map(|group| group.as_raw()).collect(),
            env,
        }
    }

    /// The same, as long as names are.
    fn shortened(mut self) -> Self {
        self.name = shorten(&self.name);
        self.groups.truncate(NODES);
        let env = self.env.into_iter().take(64);
        self.env = env
            .map(|(name, value)| (shorten(&name), shorten(&value)))
            .collect();
        self
    }

    fn nobody() -> Self {
        Self {
            uid: 65_534,
            gid: 65_534,
            ..Self::default()
        }
    }

    /// Whether this is the process itself, so that the kernel can be asked.
    fn is_this_process(&self) -> bool {
        self.uid == rustix::process::geteuid().as_raw()
    }

    /// What it may do with a node.
    pub fn access(&self, root: &Root, path: &str) -> Access {
        let Some(node) = root.node(path) else {
            return Access::Missing;
        };
        // The kernel also knows access lists, which seat managers set, and user namespaces.
        let allowed = if root.is_live() && self.is_this_process() {
            rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).is_ok()
        } else {
            node.allows(self)
        };
        if allowed { Access::Rw } else { Access::Denied }
    }
}

/// The groups that name somebody.
fn memberships(root: &Root, name: &str) -> Vec<u32> {
    groups(root)
        .into_iter()
        .filter(|group| group.members.iter().any(|member| member == name))
        .map(|group| group.gid)
        .collect()
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Names of those who are in it.
    pub members: Vec<String>,
}

/// The groups of the machine.
pub fn groups(root: &Root) -> Vec<Group> {
    let text = root.read("/etc/group").unwrap_or_default();
    let group = |line: &str| {
        let mut fields = line.split(':');
        let name = shorten(fields.next()?);
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',');
        Some(Group {
            name,
            gid,
            members: members
                .filter(|member| !member.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    };
    text.lines().filter_map(group).collect()
}

/// Reads `dev.index`: path, type, major, minor, mode in octal, uid, gid, with tabs between them.
pub(super) fn parse_index(text: &str) -> BTreeMap<String, Node> {
    let node = |line: &str| {
        let mut fields = line.split('\t').map(str::trim);
        let path = fields.next().filter(|path| path.starts_with("/dev/"))?.to_owned();
        let character = fields.next()? == "c";
        let mut number = |radix| u32::from_str_radix(fields.next()?, radix).ok();
        Some(Node {
            path,
            character,
            number: (number(10)?, number(10)?),
            mode: number(8)?,
            uid: number(10)?,
            gid: number(10)?,
        })
    };
    let nodes = text.lines().filter_map(node).take(NODES);
    nodes.map(|node| (node.path.clone(), node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_first_class_that_fits() {
        let index = "# path\n/dev/kfd\tc\t511\t0\t0660\t0\t993\n/etc/x\tc\t1\t1\t0666\t0\t0\n/dev/cut\tc\t1";
        let nodes = parse_index(index);
        assert_eq!(nodes.len(), 1);
        let user = |uid, groups: &[u32]| Identity {
            uid,
            gid: uid,
            groups: groups.to_vec(),
            ..Identity::default()
        };
        let kfd = &nodes["/dev/kfd"];
        assert!(
            kfd.allows(&user(0, &[])) && kfd.allows(&user(1000, &[993])) && !kfd.allows(&user(1000, &[44]))
        );
        let owned = Node {
            uid: 1000,
            mode: 0o066,
            ..kfd.clone()
        };
        assert!(
            !owned.allows(&user(1000, &[993])),
            "the owner's bits count for the owner"
        );
    }
}
