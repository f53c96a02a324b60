//! Looking into a lab or a snapshot. What does not run is looked at in a copy that nothing but `sleep` runs in, without
//! network and mounts, and that is removed afterwards; one that a killed halolab left is removed at the next start.

use std::{collections::BTreeMap, fs, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{
        Backend, Error, ExecSpec, Instance, InstanceSpec, Power, Profile, Progress, Snapshot, Status,
        types::REPLACED,
    },
    labs::{UPDATING, tag},
};

use super::list::List;

/// The script that looks.
const SCRIPT: &str = include_str!("../../../assets/compare/look.sh");

/// The tag of a copy: who made it, see [`Owner`].
const TEMPORARY: &str = "temporary";

/// The longest list that is read, in bytes: about half a million files.
const LONGEST: usize = 64 << 20;

/// How long one look may take.
const MOST: Duration = Duration::from_mins(2);

/// After this long a copy that was made on another machine counts as left behind.
const STRANGERS: i64 = 3600;

/// Looks into a snapshot, or into the instance itself.
pub(super) async fn look(
    backend: &dyn Backend,
    instance: &Instance,
    snapshot: Option<&Snapshot>,
    cancel: &CancellationToken,
) -> Result<List, Error> {
    if snapshot.is_none() && instance.status == Status::Running {
        return read(backend, &instance.name, cancel).await;
    }
    let spec = spec(backend, instance, snapshot).await?;
    let progress = Progress {
        cancel: cancel.clone(),
        ..Progress::default()
    };
    let looked = async {
        let taken = snapshot.map(|s| s.name.as_str());
        backend.copy(&instance.name, taken, &spec, &progress).await?;
        backend.power(&spec.name, Power::Start).await?;
        read(backend, &spec.name, cancel).await
    };
    let looked = looked.await;
    let removed = remove(backend, &spec.name).await;
    let list = looked?;
    removed.map(|()| list)
}

/// The copy: its root disk, and nothing else of what the lab has.
async fn spec(
    backend: &dyn Backend,
    instance: &Instance,
    snapshot: Option<&Snapshot>,
) -> Result<InstanceSpec, Error> {
    let docker = backend.server_of(&instance.name).await?.is_docker();
    // Docker knows only what is said to it: a container without a profile has neither network nor mounts.
    let base = if docker {
        Profile::default()
    } else {
        backend.profile("default").await?.unwrap_or_default()
    };
    let own = snapshot.map_or(&instance.devices, |s| &s.devices);
    let root = instance.expanded_devices.iter().find(|(_, d)| is_root(d));
    let mut devices: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for name in base.devices.keys().chain(own.keys()) {
        devices.insert(name.clone(), [("type".to_owned(), "none".to_owned())].into());
    }
    if let Some((name, device)) = root {
        devices.insert(name.clone(), device.clone());
    }
    let plain = ["stage", "kept", "next", "state", "run", UPDATING];
    let plain = plain.map(|key| (tag(key), String::new()));
    let common = [
        (tag(TEMPORARY), Owner::me().to_string()),
        ("boot.autostart".to_owned(), "false".to_owned()),
    ];
    let of_lxd = [
        ("nvidia.runtime".to_owned(), "false".to_owned()),
        // What protects the lab must not keep its copy.
        ("security.protection.delete".to_owned(), "false".to_owned()),
        ("snapshots.schedule".to_owned(), String::new()),
        // It ends by itself, should nobody be left to remove it.
        ("raw.lxc".to_owned(), "lxc.init.cmd = /bin/sleep 600".to_owned()),
    ];
    let of_docker = [("docker.command".to_owned(), r#"["sleep", "600"]"#.to_owned())];
    let more: Vec<_> = if docker { of_docker.into() } else { of_lxd.into() };
    let side = snapshot.map_or("now", |s| s.name.as_str());
    let id = format!("{} {side} {:?}", std::process::id(), std::time::Instant::now());
    let id = hex::encode(Sha256::digest(id));
    Ok(InstanceSpec {
        name: format!("halolab-look-{}", id.get(..12).unwrap_or_default()),
        profiles: if docker { vec![] } else { vec!["default".into()] },
        config: plain.into_iter().chain(common).chain(more).collect(),
        devices,
        description: "halolab looks into it, and removes it".into(),
        instance_only: true,
        ..InstanceSpec::default()
    })
}

fn is_root(device: &BTreeMap<String, String>) -> bool {
    device.get("path").is_some_and(|path| path == "/")
}

/// Runs the script.
async fn read(backend: &dyn Backend, name: &str, cancel: &CancellationToken) -> Result<List, Error> {
    let spec = ExecSpec {
        argv: ["sh", "-c", SCRIPT].map(str::to_owned).into(),
        ..ExecSpec::default()
    };
    let mut bytes = vec![];
    let mut take = |fd: u8, more: &[u8]| {
        let room = LONGEST.saturating_sub(bytes.len());
        if fd == 1 {
            bytes.extend(more.iter().take(room));
        }
    };
    let progress = Progress {
        cancel: cancel.clone(),
        ..Progress::default()
    };
    let ended = timeout(MOST, backend.exec(name, &spec, &mut take, &progress)).await;
    match ended {
        // What was told until then is compared; that it is not all is said.
        Err(_) | Ok(Ok(_)) => Ok(List::parse(&bytes)),
        Ok(Err(error)) => Err(error),
    }
}

/// Removes a copy of ours, and nothing else.
async fn remove(backend: &dyn Backend, name: &str) -> Result<(), Error> {
    let Some(found) = backend.instance(name).await? else {
        return Ok(());
    };
    if found.tag(TEMPORARY).is_none() {
        return Err(Error::Refused {
            what: format!("delete {name}"),
            message: REPLACED.into(),
        });
    }
    if found.status != Status::Stopped {
        backend.power(name, Power::Stop { seconds: 0 }).await?;
    }
    match (backend.delete(name).await, backend.instance(name).await?) {
        (_, None) => Ok(()),
        (deleted, Some(_)) => deleted,
    }
}

/// Removes the copies that killed halolabs left behind; how many.
///
/// # Errors
/// The daemon does not answer or refuses.
pub async fn sweep(backend: &dyn Backend, instances: &[Instance]) -> Result<usize, Error> {
    let left = instances.iter().filter(|i| {
        let owner = i.tag(TEMPORARY).map(Owner::read);
        owner.is_some_and(|owner| owner.is_gone(&i.created))
    });
    let (mut removed, mut failed) = (0, None);
    for copy in left {
        match remove(backend, &copy.name).await {
            Ok(()) => removed += 1,
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// The process that made a copy: machine, boot, process, and when it began.
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    machine: String,
    boot: String,
    process: String,
    began: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.machine, self.boot, self.process, self.began
        )
    }
}

impl Owner {
    fn me() -> Self {
        let process = std::process::id().to_string();
        Self {
            began: began(&process).unwrap_or_default(),
            process,
            ..Self::here()
        }
    }

    fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let known = |path: &str| read(path).ok().filter(|text| !text.is_empty());
        Self {
            machine: known("/etc/machine-id").unwrap_or_else(|| "-".into()),
            boot: known("/proc/sys/kernel/random/boot_id").unwrap_or_else(|| "-".into()),
            process: String::new(),
            began: String::new(),
        }
    }

    fn read(text: &str) -> Self {
        let mut words = text.split(' ').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Self {
            machine: next(),
            boot: next(),
            process: next(),
            began: next(),
        }
    }

    /// Whether nobody will remove a copy any more.
    fn is_gone(&self, created: &str) -> bool {
        let here = Self::here();
        if self.machine != here.machine {
            let age = created.parse::<jiff::Timestamp>();
            return age.is_ok_and(|then| jiff::Timestamp::now().as_second() - then.as_second() > STRANGERS);
        }
        self.boot != here.boot || began(&self.process).as_ref() != Some(&self.began)
    }
}

/// When a process began, in the kernel's ticks: its number alone may be another one's by now.
fn began(process: &str) -> Option<String> {
    let is_number = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    let stat = is_number.then(|| fs::read_to_string(format!("/proc/{process}/stat")).ok())??;
    // Its name may hold anything, but the last `)` ends it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_left_behind_once_its_process_is_gone() {
        let me = Owner::me();
        assert!(!me.began.is_empty());
        assert_eq!(Owner::read(&me.to_string()), me);
        assert!(!me.is_gone(""));
        let other = |change: fn(&mut Owner)| {
            let mut owner = Owner::me();
            change(&mut owner);
            owner
        };
        assert!(
            other(|o| o.began = "1".into()).is_gone(""),
            "its number is used again"
        );
        assert!(
            other(|o| o.boot = "before".into()).is_gone(""),
            "the machine was restarted"
        );
        let stranger = other(|o| o.machine = "another".into());
        assert!(!stranger.is_gone(&jiff::Timestamp::now().to_string()));
        assert!(stranger.is_gone("2026-01-01T00:00:00Z"));
    }
}
