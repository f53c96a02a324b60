//! Reads below a root folder. A link that leaves it is not followed, so a test tree never shows the real machine.
//!
//! The root is `/`, a tree of files, or a captured host: a folder with `root/`, and beside it `dev.index` (device
//! nodes), `user.json` (who will run the work) and `cmd/` (what commands printed). Files may be cut, huge, pipes or
//! loops of links: reads are bounded and never wait.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Component, Path, PathBuf},
};

use super::node::{self, Node};

/// No file that a probe reads is longer.
const LIMIT: u64 = 1 << 20;

/// No folder that a probe lists has more entries.
const ENTRIES: usize = 8192;

/// More links than this on one way are a loop.
const LINKS: usize = 40;

/// More names than these on one way are no way.
const NAMES: usize = 1024;

/// Characters of the longest word or name that is taken from a file.
const WORD: usize = 256;

/// Bytes of the longest path.
const PATH_LIMIT: u64 = 4096;

/// The folder that stands for `/`.
#[derive(Clone, Debug)]
pub struct Root {
    base: PathBuf,
    capture: Option<PathBuf>,
    nodes: Option<BTreeMap<String, Node>>,
}

impl Root {
    /// `path` is `/`, the folder of a tree, or that of a captured host.
    pub fn new(path: &Path) -> Self {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let capture = capture(&path);
        let base = capture.as_ref().map_or(path, |folder| folder.join("root"));
        let index = capture
            .as_ref()
            .and_then(|folder| read_file(&folder.join("dev.index"), LIMIT));
        let nodes = index.map(|bytes| node::parse_index(&String::from_utf8_lossy(&bytes)));
        Self { base, capture, nodes }
    }

    /// The folder itself.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Whether this is the running machine, and not a tree of files.
    pub fn is_live(&self) -> bool {
        self.base == Path::new("/")
    }

    /// Where `path` (`/etc/os-release`) really is; none where it is missing or outside the root.
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        if self.is_live() {
            return Path::new("/")
                .join(path.trim_start_matches('/'))
                .canonicalize()
                .ok();
        }
        self.walk(path)
    }

    /// Whether there is such a file, folder or node.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The text of a file, without the white space around it; none where it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        let bytes = self.read_bytes(path)?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The first MiB of a file.
    pub fn read_bytes(&self, path: &str) -> Option<Vec<u8>> {
        read_file(&self.find(path)?, LIMIT)
    }

    /// The file for reading in pieces, where it is larger than what is read at once.
    pub fn open(&self, path: &str) -> Option<fs::File> {
        open_file(&self.find(path)?)
    }

    /// Names in a folder, sorted; none where there is no such folder.
    pub fn list(&self, path: &str) -> Vec<String> {
        let Some(entries) = self.find(path).and_then(|folder| fs::read_dir(folder).ok()) else {
            return vec![];
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .take(ENTRIES)
            .collect();
        names.sort();
        names
    }

    /// The last name that a link points to, whether that is there or not: the driver of a device.
    pub fn link_name(&self, path: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/')?;
        let link = self.find(folder)?.join(name);
        let target = fs::read_link(&link).ok().or_else(|| stored_link(&link))?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// A device node: from the captured index, else the file itself.
    pub fn node(&self, path: &str) -> Option<Node> {
        match &self.nodes {
            Some(nodes) => nodes.get(path).cloned(),
            None => Node::read(path, &self.find(path)?),
        }
    }

    /// Names of the nodes right below a folder of `/dev`, sorted.
    pub fn nodes(&self, folder: &str) -> Vec<String> {
        let Some(nodes) = &self.nodes else {
            return self.list(folder);
        };
        let below = |node: &Node| {
            let name = node.path.strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        };
        let mut names: Vec<String> = nodes.values().filter_map(below).collect();
        names.sort();
        names
    }

    /// What a command printed on a captured host.
    pub fn recorded(&self, name: &str) -> Option<String> {
        let bytes = read_file(&self.capture.as_ref()?.join("cmd").join(name), LIMIT)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Who will run the work on a captured host.
    pub fn recorded_user(&self) -> Option<Vec<u8>> {
        read_file(&self.capture.as_ref()?.join("user.json"), LIMIT)
    }

    /// The real path, link by link; none where it leads out of the base, is a loop, or is not there.
    fn walk(&self, path: &str) -> Option<PathBuf> {
        let mut rest: Vec<String> = names(Path::new(path))?;
        rest.reverse();
        let mut at = self.base.clone();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                if at == self.base || !at.pop() {
                    return None;
                }
                continue;
            }
            let next = at.join(&name);
            let kind = fs::symlink_metadata(&next).ok()?;
            let target = if kind.is_symlink() {
                Some(fs::read_link(&next).ok()?)
            } else {
                (kind.is_file() && kind.len() < PATH_LIMIT)
                    .then(|| stored_link(&next))
                    .flatten()
            };
            let Some(target) = target else {
                at = next;
                continue;
            };
            links += 1;
            if links > LINKS || rest.len() > NAMES {
                return None;
            }
            if target.is_absolute() {
                at.clone_from(&self.base);
            }
            rest.extend(names(&target)?.into_iter().rev());
        }
        Some(at)
    }
}

/// A word or a name of a machine: no longer than people read. Files of megabytes may stand where a name should be.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(WORD).collect()
}

/// The folder of a captured host: this one, or the one around its `root`.
fn capture(path: &Path) -> Option<PathBuf> {
    if path.join("root").is_dir()
        && ["dev.index", "user.json", "cmd"]
            .iter()
            .any(|name| path.join(name).exists())
    {
        return Some(path.to_owned());
    }
    let around = path.parent()?;
    (path.ends_with("root") && around.join("dev.index").is_file()).then(|| around.to_owned())
}

/// The names on a way; none where it has one that is no text.
fn names(path: &Path) -> Option<Vec<String>> {
    let mut names = vec![];
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_str()?.to_owned()),
            Component::ParentDir => names.push("..".to_owned()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(names)
}

/// A link of sysfs that whoever stored the tree could not keep as one (archives, git without links): a file that
/// holds only its target. No file of sysfs itself begins so.
fn stored_link(path: &Path) -> Option<PathBuf> {
    path.components()
        .any(|part| part.as_os_str() == "sys")
        .then_some(())?;
    let text = String::from_utf8(read_file(path, PATH_LIMIT)?).ok()?;
    let target = text.trim_end();
    (target.starts_with("../") && !target.contains(['\n', '\0'])).then(|| PathBuf::from(target))
}

/// Opens a plain file only; a named pipe does not make it wait.
fn open_file(path: &Path) -> Option<fs::File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// The first bytes of a plain file.
fn read_file(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    open_file(path)?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
