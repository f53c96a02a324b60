//! `workspaces.toml`: where workspaces are kept, which ports they have, and who has one.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    building::Building,
    image,
    ports::{Range, SMALLEST_BLOCK, Service},
    resources,
};
use crate::{
    document::{Document, Place, Problem, read_text},
    stage::{LoadError, size},
};

/// Version of the file.
pub const VERSION: u32 = 1;

/// Everything in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Version of this format; 1.
    pub version: u32,
    /// The folder in which homes, scratch space, shared data and state are.
    pub root: PathBuf,
    /// The first port of the first user.
    pub base_port: u16,
    /// Ports a user.
    pub block: u16,
    /// The address of this machine at which ports are opened; `127.0.0.1` is reached from here alone.
    pub bind: IpAddr,
    /// The domain of `USER-SERVICE.DOMAIN`, for a proxy; empty is none.
    pub domain: String,
    /// The image: a version of ours, or `NAME:TAG` of another one; empty is the one of this halolab.
    pub image: String,
    /// What our image is built on: `debian`, `ubuntu`, `cuda`, or an image that the engine has or can fetch.
    pub base: String,
    /// What the image is built with.
    pub profiles: Vec<String>,
    /// Ports that are kept for something else, as `"8080"` and `"30000-32767"`.
    pub reserved: Vec<String>,
    /// Memory that is kept for the machine itself, as `4GiB`.
    pub keep_memory: String,
    /// A runtime of the engine in which Docker runs inside without further capabilities, as `sysbox-runc`; empty is none.
    pub nested_runtime: String,
    /// How the image's build reaches the network.
    pub build: Building,
    /// The users, by name.
    #[serde(rename = "user")]
    pub users: BTreeMap<String, User>,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct User {
    /// Their user id; none is the one of their slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// What is started and has a port.
    pub services: Vec<Service>,
    /// The most memory, as `32GiB`; none is all of the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Memory that the kernel leaves to them when it gets short, where it can. A wish, not a promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<String>,
    /// Swap on top of `memory`; none is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<String>,
    /// Processors, as `2.5`; none is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Shared memory (`/dev/shm`).
    pub shm: String,
    /// Processes at most.
    pub processes: u32,
    /// GPUs: `all`, or some by UUID, MIG UUID, address or maker; empty is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<String>,
    /// Until when they hold them, as `2026-12-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus_until: Option<String>,
    /// Whether others may have the same ones.
    #[serde(skip_serializing_if = "is_false")]
    pub gpus_shared: bool,
    /// An address of their own at which their ports are opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<IpAddr>,
    /// Docker inside, with the capabilities that it needs: they lead to the machine itself.
    #[serde(rename = "docker-inside", skip_serializing_if = "is_false")]
    pub docker: bool,
    /// The user's own name, typed: all capabilities and devices. Whoever has it is root on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<String>,
    /// Kept, and not started.
    #[serde(skip_serializing_if = "is_false")]
    pub disabled: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            root: PathBuf::from("/srv/halolab/workspaces"),
            base_port: 10_000,
            block: 100,
            bind: Ipv4Addr::LOCALHOST.into(),
            domain: String::new(),
            image: String::new(),
            base: "debian".into(),
            profiles: ["base", "desktop", "develop"].map(str::to_owned).to_vec(),
            reserved: vec![],
            keep_memory: "2GiB".into(),
            nested_runtime: String::new(),
            build: Building::default(),
            users: BTreeMap::new(),
        }
    }
}

impl Default for User {
    fn default() -> Self {
        Self {
            uid: None,
            services: Service::ALL
                .into_iter()
                .filter(|service| *service != Service::Rdp)
                .collect(),
            memory: None,
            memory_reservation: None,
            swap: None,
            cpus: None,
            shm: "1GiB".into(),
            processes: 4096,
            gpus: vec![],
            gpus_until: None,
            gpus_shared: false,
            bind: None,
            docker: false,
            privileged: None,
            disabled: false,
        }
    }
}

impl Settings {
    /// Reads the file; none where there is none.
    ///
    /// # Errors
    /// Everything that is wrong with it, with its place.
    pub fn read(path: &Path) -> Result<Option<Self>, LoadError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        Self::parse(&path.display().to_string(), &read_text(path)?).map(Some)
    }

    /// Reads a text; `file` is how messages name it.
    ///
    /// # Errors
    /// Everything that is wrong with it, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, LoadError> {
        let document = Document::parse(file, text)?;
        let settings: Self = document.read()?;
        let problems = settings.problems(&document);
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(LoadError { problems })
        }
    }

    /// The image's whole name.
    pub fn image_name(&self) -> String {
        match self.image.as_str() {
            "" => image::default_name(),
            name if name.contains(':') => name.to_owned(),
            version => format!("{}:{version}", image::NAME),
        }
    }

    /// The reserved ports; what is no range was refused when it was read.
    pub fn reserved_ranges(&self) -> Vec<Range> {
        self.reserved
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    }

    /// Where a user's ports are opened.
    pub fn bind_of(&self, user: &User) -> IpAddr {
        user.bind.unwrap_or(self.bind)
    }

    /// What is wrong with what is one value, by key.
    fn wrong_keys(&self) -> Vec<(&'static str, String)> {
        let mut found = vec![];
        let mut say = |key: &'static str, message: String| found.push((key, message));
        if self.version != VERSION {
            say(
                "version",
                format!("version {} of this file is not known here", self.version),
            );
        }
        if !is_plain_path(&self.root) {
            say(
                "root",
                "must be an absolute path without `.` and `..`, not `/` itself".into(),
            );
        }
        if self.base_port < 1024 {
            say(
                "base-port",
                "must be 1024 or more: those below are the machine's own".into(),
            );
        }
        if self.block < SMALLEST_BLOCK {
            let text = format!("must be {SMALLEST_BLOCK} or more: SSH has the offset 22");
            say("block", text);
        }
        if !self.domain.is_empty() && !is_domain(&self.domain) {
            say("domain", "must be a domain, as `lab.example.org`".into());
        }
        if !self.image.is_empty() && !is_image(&self.image) {
            say(
                "image",
                "must be a version as `1`, or an image as `NAME:TAG`".into(),
            );
        }
        if let Err(error) = size::parse(&self.keep_memory) {
            say("keep-memory", error.to_string());
        }
        if !self.nested_runtime.is_empty() && !crate::backend::types::is_name(&self.nested_runtime) {
            say(
                "nested-runtime",
                "must be the name of a runtime, as `sysbox-runc`".into(),
            );
        }
        found
    }

    fn problems(&self, document: &Document<'_>) -> Vec<Problem> {
        let root = Place::default();
        let wrong = self.wrong_keys().into_iter();
        let mut found: Vec<Problem> = wrong
            .map(|(key, why)| document.problem(&root.key(key), why))
            .collect();
        let mut say = |place: Place, message: String| found.push(document.problem(&place, message));
        for (index, text) in self.reserved.iter().enumerate() {
            if let Err(why) = text.parse::<Range>() {
                say(root.key("reserved").index(index), why);
            }
        }
        for (index, name) in self.profiles.iter().enumerate() {
            if !crate::backend::types::is_name(name) {
                let text = "must be the name of a profile: a-z, 0-9 and -".to_owned();
                say(root.key("profiles").index(index), text);
            }
        }
        for (key, why) in self.build.problems() {
            say(root.key("build").key(key), why);
        }
        for (name, user) in &self.users {
            let place = root.key("user").key(name);
            if let Err(why) = check_name(name) {
                found.push(document.problem_at_key(&place, why));
            }
            for (key, why) in user.problems(name) {
                found.push(document.problem(&place.key(key), why));
            }
        }
        found.extend(self.twins(document));
        found
    }

    /// User ids that two have.
    fn twins(&self, document: &Document<'_>) -> Vec<Problem> {
        let mut seen = BTreeMap::new();
        let mut found = vec![];
        for (name, user) in &self.users {
            let Some(uid) = user.uid else { continue };
            if let Some(other) = seen.insert(uid, name) {
                let place = Place::default().key("user").key(name).key("uid");
                found.push(document.problem(&place, format!("{other} has this user id already")));
            }
        }
        found
    }
}

impl User {
    /// What is wrong with it, by key.
    pub fn problems(&self, name: &str) -> Vec<(&'static str, String)> {
        let mut found = resources::problems(self);
        if self.uid.is_some_and(|uid| !(1000..=4_000_000_000).contains(&uid)) {
            found.push(("uid", "must be 1000 or more: those below are the system's".into()));
        }
        if self.processes < 64 {
            found.push(("processes", "must be 64 or more, or no service starts".into()));
        }
        if self.privileged.as_ref().is_some_and(|typed| typed != name) {
            let text = format!(
                "whoever is privileged is root on this machine; to say that you mean it, write the user's name: \
                 `privileged = \"{name}\"`"
            );
            found.push(("privileged", text));
        }
        if let Some(until) = &self.gpus_until
            && until.parse::<jiff::civil::Date>().is_err()
        {
            found.push(("gpus-until", "must be a day, as `2026-12-31`".into()));
        }
        let all = |word: &String| word == "all" || word == "none";
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '/');
        if self.gpus.len() > 1 && self.gpus.iter().any(all) || self.gpus.iter().any(|word| word == "none") {
            found.push((
                "gpus",
                "must be `[\"all\"]`, a list of some, or `[]` for none".into(),
            ));
        } else if self
            .gpus
            .iter()
            .any(|word| word.is_empty() || !word.chars().all(plain))
        {
            found.push((
                "gpus",
                "a GPU is named by UUID, MIG UUID, address or maker".into(),
            ));
        }
        found
    }
}

/// Names that are the system's.
const SYSTEM: [&str; 14] = [
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "proxy", "nobody", "sshd",
    "lab",
];

/// Whether somebody may be called so: it is a user's name inside, a folder's here, and a part of a lab's.
///
/// # Errors
/// Why not, in words.
pub fn check_name(name: &str) -> Result<(), String> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let plain = name.chars().all(letters) && name.starts_with(|c: char| c.is_ascii_lowercase());
    if !plain || name.ends_with('-') || name.len() > 30 {
        return Err("a user's name is of a-z, 0-9 and -, a letter first, at most 30 characters".into());
    }
    if SYSTEM.contains(&name) {
        return Err(format!(
            "`{name}` is a user of the system inside; take another name"
        ));
    }
    let bare = name
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('-');
    if [name, bare]
        .iter()
        .any(|name| name.ends_with("-next") || name.ends_with("-prev"))
    {
        return Err(
            "-next and -prev are what an update calls the old and the new one; take another name".into(),
        );
    }
    Ok(())
}

fn is_plain_path(path: &Path) -> bool {
    let text = path.display().to_string();
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(part))
}

fn is_domain(text: &str) -> bool {
    let part = |part: &str| crate::backend::types::is_name(part) && !part.ends_with('-');
    text.len() < 200 && text.split('.').all(part)
}

fn is_image(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
    !text.is_empty() && text.len() < 200 && text.chars().all(plain) && !text.starts_with(['-', ':', '/'])
}

#[cfg(test)]
mod tests;
