//! The lists that the script prints, and what differs between two of them.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{Change, Count, FileChange};

/// What packages are managed by, as the script's sections are called.
pub(super) const MANAGERS: [&str; 5] = ["dpkg", "pacman", "rpm", "apk", "pip"];

/// Where the entries of files begin.
const FILES: &[u8] = b"\n@@files\n";

/// A file: type and mode, bytes, seconds since 1970. A folder has neither bytes nor time: both change with what is in it.
type File = (u32, u64, i64);

/// What one side holds.
#[derive(Debug, Default)]
pub(super) struct List {
    packages: BTreeMap<String, BTreeMap<String, String>>,
    files: BTreeMap<String, File>,
    /// It was read to its end.
    pub(super) whole: bool,
}

impl List {
    /// Reads what the script printed: packages a line each, files and folders each ended by NUL. What cannot be read is
    /// left out.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut list = Self::default();
        let begin = bytes.windows(FILES.len()).position(|at| at == FILES);
        let (head, files) = match begin {
            Some(at) => (bytes.get(..at), bytes.get(at + FILES.len()..)),
            None => (Some(bytes), None),
        };
        let mut section = "";
        let text = String::from_utf8_lossy(head.unwrap_or_default());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("@@") {
                section = name;
            } else if let Some((name, version)) = line.split_once('\t') {
                let packages = list.packages.entry(section.to_owned()).or_default();
                packages.insert(name.to_owned(), version.to_owned());
            }
        }
        let mut entries = files.unwrap_or_default().split(|byte| *byte == 0);
        // What follows the last NUL is the end, or an entry that was cut.
        list.whole = entries.next_back().is_some_and(|rest| rest.starts_with(b"@@end"));
        list.files = entries
            .filter_map(|entry| file(&String::from_utf8_lossy(entry)))
            .collect();
        list
    }

    pub(super) fn packages(&self, manager: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.packages.get(manager).unwrap_or(&NONE)
    }
}

/// `81a4 16 1795357536 /var/log/boot.log`; a folder ends with `/`.
fn file(entry: &str) -> Option<(String, File)> {
    let mut parts = entry.splitn(4, ' ');
    let mode = u32::from_str_radix(parts.next()?, 16).ok()?;
    let size = parts.next()?.parse().ok()?;
    let changed = parts.next()?.parse().ok()?;
    let path = parts.next()?;
    if mode & KIND == FOLDER {
        return (path != "/").then(|| (format!("{path}/"), (mode, 0, 0)));
    }
    Some((path.to_owned(), (mode, size, changed)))
}

/// The bits of a mode that say what it is, and those of a folder.
const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;

/// The files that are not the same: how many, and which, the most important ones first.
pub(super) fn files(old: &List, new: &List) -> (Count, Vec<FileChange>) {
    let mut found = vec![];
    let mut count = Count::default();
    for (path, (_, size, _)) in &new.files {
        if !old.files.contains_key(path) {
            count.added += 1;
            found.push(change(path, Change::Added, None, Some(*size)));
        }
    }
    for (path, was) in &old.files {
        match new.files.get(path) {
            None => {
                count.removed += 1;
                found.push(change(path, Change::Removed, Some(was.1), None));
            }
            Some(is) if is != was => {
                count.changed += 1;
                found.push(change(path, Change::Changed, Some(was.1), Some(is.1)));
            }
            Some(_) => {}
        }
    }
    // A folder stands before what is in it, and says more than the largest file there.
    let size = |f: &FileChange| {
        let bytes = f.before.unwrap_or(0).max(f.after.unwrap_or(0));
        if f.path.ends_with('/') { u64::MAX } else { bytes }
    };
    found.sort_by_cached_key(|f| (rank(&f.path), Reverse(size(f)), f.path.clone()));
    (count, found)
}

fn change(path: &str, change: Change, before: Option<u64>, after: Option<u64>) -> FileChange {
    FileChange {
        path: path.to_owned(),
        change,
        before,
        after,
    }
}

/// How likely a person made a file: their own first, then settings, then what programs write by themselves, last what
/// belongs to packages, which are told by name.
fn rank(path: &str) -> u8 {
    let noise = [
        "/site-packages/",
        "/node_modules/",
        "/__pycache__/",
        "/.cache/",
        "/.git/",
    ];
    if noise.iter().any(|part| path.contains(part)) {
        return 5;
    }
    let places = [
        ("/home/", 0),
        ("/root/", 0),
        ("/srv/", 0),
        ("/etc/", 1),
        ("/opt/", 2),
        ("/usr/local/", 2),
        ("/var/lib/dpkg/", 6),
        ("/var/lib/pacman/", 6),
        ("/var/lib/apt/", 6),
        ("/var/log/", 4),
        ("/var/", 3),
        ("/usr/", 5),
        ("/lib", 5),
    ];
    let place = places.iter().find(|(start, _)| path.starts_with(start));
    place.map_or(2, |(_, rank)| *rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_important_differences_come_first() {
        let old = List::parse(
            b"@@dpkg\nvim:amd64\t9.0\nold:all\t1\n@@files\n81a4 5 100 /etc/a b\x0081a4 9 100 /usr/bin/x\x0041ed 4 9 /srv\x00@@end\n",
        );
        let new = List::parse(
            b"@@dpkg\nvim:amd64\t9.1\n@@files\n81a4 5 200 /etc/a b\x0081a4 10 100 /usr/bin/x\x0081a4 1 1 /root/two\nlines\x00\
              not a file\x0041ed 8 10 /srv\x0041ed 0 7 /root/new\x00@@end\n",
        );
        assert!(old.whole && new.whole);
        let (count, found) = files(&old, &new);
        assert_eq!((count.added, count.removed, count.changed), (2, 0, 2));
        let paths: Vec<&str> = found.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            paths,
            ["/root/new/", "/root/two\nlines", "/etc/a b", "/usr/bin/x"]
        );
        assert_eq!(new.packages("dpkg")["vim:amd64"], "9.1");
        assert!(!List::parse(b"@@pip\n@@files\n81a4 5 1 /etc/a").whole, "cut");
    }
}
