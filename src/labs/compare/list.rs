//! The lists that the script prints, and what differs between two of them.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{Change, Count, FileChange};

/// What packages are managed by, as the script's sections are called.
pub(super) const MANAGERS: [&str; 5] = ["dpkg", "pacman", "rpm", "apk", "pip"];

/// A file: type and mode, bytes, seconds since 1970.
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
    /// Reads what the script printed. A line that cannot be read is left out.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut list = Self::default();
        let mut section = "";
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("@@") {
                section = name;
                list.whole |= name == "end";
            } else if section == "files" {
                list.files.extend(file(line));
            } else if let Some((name, version)) = line.split_once('\t') {
                let packages = list.packages.entry(section.to_owned()).or_default();
                packages.insert(name.to_owned(), version.to_owned());
            }
        }
        list
    }

    pub(super) fn packages(&self, manager: &str) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.packages.get(manager).unwrap_or(&NONE)
    }
}

/// `81a4 16 1795357536 /var/log/boot.log`.
fn file(line: &str) -> Option<(String, File)> {
    let mut parts = line.splitn(4, ' ');
    let mode = u32::from_str_radix(parts.next()?, 16).ok()?;
    let size = parts.next()?.parse().ok()?;
    let changed = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_owned(), (mode, size, changed)))
}

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
    let size = |f: &FileChange| f.before.unwrap_or(0).max(f.after.unwrap_or(0));
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
            b"@@dpkg\nvim:amd64\t9.0\nold:all\t1\n@@files\n81a4 5 100 /etc/a b\n81a4 9 100 /usr/bin/x\n@@end\n",
        );
        let new = List::parse(
            b"@@dpkg\nvim:amd64\t9.1\n@@files\n81a4 5 200 /etc/a b\n81a4 10 100 /usr/bin/x\n81a4 1 1 /root/mine\nnot a file\n@@end\n",
        );
        assert!(old.whole && new.whole);
        let (count, found) = files(&old, &new);
        assert_eq!((count.added, count.removed, count.changed), (1, 0, 2));
        let paths: Vec<&str> = found.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["/root/mine", "/etc/a b", "/usr/bin/x"]);
        assert_eq!(new.packages("dpkg")["vim:amd64"], "9.1");
        assert!(!List::parse(b"@@files\n81a4 5 1 /etc/a").whole, "cut");
    }
}
