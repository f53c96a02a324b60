//! Everything of a lab that a user would miss, as lines that are the same after each good run.

use std::{collections::BTreeMap, fs, path::Path};

use halolab::{
    backend::{Backend as _, Instance, Status},
    labs::{marks, notes_profile, verdict::Verdict},
};
use sha2::{Digest as _, Sha256};

use super::ground::{EARLIER, Ground, NOW};

/// Files inside whose content is compared.
const FILES: &[&str] = &["root/work", "greeting", "updates"];
/// Where jobs keep their files inside.
const JOBS: &str = "var/lib/halolab/jobs";

/// What is there: the name of a thing, and all of it that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture(pub BTreeMap<String, String>);

/// What differs from a picture of how it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub missing: Vec<String>,
    pub extra: Vec<String>,
    pub other: Vec<String>,
    /// Safety snapshots that a resumed restore takes of what may have been done meanwhile.
    pub safety: usize,
}

impl Picture {
    /// Takes it.
    pub fn of(ground: &Ground) -> Self {
        let mut lines = BTreeMap::new();
        ground.wait(async {
            for instance in ground.instances().await {
                add_instance(&mut lines, ground, &instance).await;
            }
            for name in ground.profiles().await {
                let profile = ground.lxd.profile(&name).await.unwrap().unwrap();
                let kept = |key: &&String| !key.contains(".snapshot.");
                let config: Vec<_> = profile.config.iter().filter(|(k, _)| kept(k)).collect();
                let text = format!("{} {config:?} {:?}", profile.description, profile.devices);
                lines.insert(format!("profile {name}"), text);
                // A mark of a snapshot that is not there speaks for the next one of its name.
                for key in profile.config.keys().filter(|k| k.contains(".snapshot.")) {
                    lines.insert(format!("mark {name} {}", shorten(key)), String::new());
                }
            }
        });
        for kind in ["containers", "containers-snapshots"] {
            let pool = ground.folder.join("storage-pools/default").join(kind);
            for name in names_in(&pool).filter(|n| n.starts_with(ground.lab())) {
                if kind == "containers-snapshots" {
                    for snapshot in names_in(&pool.join(&name)) {
                        lines.insert(format!("volume {name}/{snapshot}"), String::new());
                    }
                } else {
                    lines.insert(format!("volume {name}"), String::new());
                }
            }
        }
        lines.insert("data".into(), sum(&ground.data()));
        lines.insert("file of the host".into(), sum(&ground.made()));
        let home = ground.home.folder.path().display().to_string();
        let plain = |text: &str| text.replace(ground.lab(), "LAB").replace(&home, "HOME");
        Self(lines.iter().map(|(k, v)| (plain(k), plain(v))).collect())
    }

    /// How another one differs from this one.
    pub fn compare(&self, other: &Self) -> Difference {
        let mut difference = Difference::default();
        for (name, what) in &self.0 {
            match other.0.get(name) {
                None => difference.missing.push(name.clone()),
                Some(found) if found != what => difference
                    .other
                    .push(format!("{name}: {found} instead of {what}")),
                Some(_) => {}
            }
        }
        for name in other.0.keys().filter(|name| !self.0.contains_key(*name)) {
            if is_safety(name) {
                difference.safety += usize::from(name.starts_with("snapshot "));
            } else {
                difference.extra.push(name.clone());
            }
        }
        difference
    }
}

fn is_safety(name: &str) -> bool {
    name.contains("before-restore-") || name.contains("before-update-")
}

async fn add_instance(lines: &mut BTreeMap<String, String>, ground: &Ground, instance: &Instance) {
    let config: Vec<String> = instance.config.iter().filter_map(shown).collect();
    let text = format!(
        "{:?} {:?} {:?} {:?} {config:?} {}",
        instance.status,
        instance.profiles,
        instance.devices,
        instance.description,
        content(&ground.disk(&instance.name)),
    );
    lines.insert(format!("instance {}", instance.name), text);
    let profile = match notes_profile(instance) {
        Some(name) => ground.lxd.profile(name).await.unwrap(),
        None => None,
    };
    for snapshot in ground.lxd.snapshots(&instance.name).await.unwrap() {
        let of = format!("{}/{}", instance.name, snapshot.name);
        let mark = profile
            .as_ref()
            .map(|p| marks::read(p, &instance.name, &snapshot.name))
            .unwrap_or_default();
        let text = format!(
            "{:?} {} {:?} {}",
            mark.kind,
            mark.pinned,
            mark.note,
            content(&ground.disk(&of))
        );
        lines.insert(format!("snapshot {of}"), text);
    }
}

/// A config key as far as it is the same in each run.
fn shown((key, value): (&String, &String)) -> Option<String> {
    let differs = ["user.halolab.run", "user.halolab.copied"].contains(&key.as_str());
    if key.starts_with("volatile.") || differs || value.is_empty() {
        return None;
    }
    let value = match key.as_str() {
        // With its date it is another one each time.
        "user.halolab.verdict" => Verdict::line(value),
        _ => value.clone(),
    };
    Some(format!("{key}={value}"))
}

/// `user.halolab.snapshot.INSTANCE.SNAPSHOT` without what is the same in all.
fn shorten(key: &str) -> &str {
    key.strip_prefix("user.halolab.snapshot.").unwrap_or(key)
}

/// What is inside, as it is on the disk.
fn content(root: &Path) -> String {
    if !root.is_dir() {
        return "NO VOLUME".into();
    }
    let files: Vec<String> = FILES
        .iter()
        .map(|file| format!("{file}={}", sum(&root.join(file))))
        .collect();
    let jobs = names_in(&root.join(JOBS)).count();
    format!("{} jobs={jobs}", files.join(" "))
}

fn names_in(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let there = fs::read_dir(folder).into_iter().flatten().flatten();
    there.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn sum(file: &Path) -> String {
    fs::read(file).map_or_else(|_| "none".into(), |bytes| short(&bytes))
}

fn short(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes)).get(..12).unwrap().to_owned()
}

/// What must hold at any moment, however a run was ended: the work of now is in something whole, and so is the
/// snapshot of earlier work. What is lost otherwise.
pub fn lost(ground: &Ground) -> Option<String> {
    let holds = |name: &str, text: &str| sum(&ground.disk(name).join("root/work")) == short(text.as_bytes());
    let (mut now, mut earlier) = (false, false);
    ground.wait(async {
        for instance in ground.instances().await {
            let whole = instance.tag("state") != Some("building");
            now |= whole && holds(&instance.name, NOW);
            for snapshot in ground.lxd.snapshots(&instance.name).await.unwrap() {
                let of = format!("{}/{}", instance.name, snapshot.name);
                now |= holds(&of, NOW);
                earlier |= snapshot.name == "works" && holds(&of, EARLIER);
            }
        }
    });
    if sum(&ground.data()) != short(b"a model") {
        return Some("the file in the data folder".into());
    }
    match (now, earlier) {
        (true, true) => None,
        (false, _) => Some("the work of now".into()),
        (true, false) => Some("the snapshot of earlier work".into()),
    }
}

/// Whether a lab of that name is there, whole and running, with the work of now in it.
pub fn is_as_before(ground: &Ground) -> Result<(), String> {
    let found = ground.wait(ground.lxd.instance(ground.lab())).unwrap();
    let found = found.ok_or("there is no lab")?;
    if found.tag("state") == Some("building") {
        return Err("the lab is not whole".into());
    }
    if found.status != Status::Running {
        return Err(format!("the lab is {}", found.status_text));
    }
    let work = sum(&ground.disk(&found.name).join("root/work"));
    if work != short(NOW.as_bytes()) {
        return Err("the lab does not hold the work of now".into());
    }
    let taken = ground.wait(ground.lxd.snapshots(&found.name)).unwrap();
    let missing = ["clean", "works", "old"]
        .into_iter()
        .find(|wanted| !taken.iter().any(|s| s.name == *wanted));
    missing.map_or(Ok(()), |name| Err(format!("the snapshot {name} is gone")))
}
