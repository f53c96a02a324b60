//! Reads below a root folder. A link that leaves it is not followed, so a test tree never shows the real machine.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

/// No file that a probe reads is longer.
const LIMIT: u64 = 1 << 20;

/// The folder that stands for `/`.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// `path` is `/`, or the folder of a test tree.
    pub fn new(path: &Path) -> Self {
        Self(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()))
    }

    /// Whether this is the running machine, and not a tree of files.
    pub fn is_live(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Where `path` (`/etc/os-release`) really is; none where it is missing or outside the root.
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        let full = self.0.join(path.trim_start_matches('/')).canonicalize().ok()?;
        full.starts_with(&self.0).then_some(full)
    }

    /// Whether there is such a file, folder or node.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The text of a file, without the white space around it; none where it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        let file = fs::File::open(self.find(path)?).ok()?;
        let mut bytes = vec![];
        file.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Names in a folder, sorted; none where there is no such folder.
    pub fn list(&self, path: &str) -> Vec<String> {
        let Some(entries) = self.find(path).and_then(|folder| fs::read_dir(folder).ok()) else {
            return vec![];
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}
