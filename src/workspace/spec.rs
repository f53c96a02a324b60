//! From a user to a stage of Docker: the same words as in any `stage.toml`, so that a workspace is a lab like any other.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use super::{Ledger, Settings, User, ports, resources};
use crate::{
    backend::docker::ISOLATED,
    stage::{
        BackendKind, Device, Family, Image, ImageSource, Mount, Needs, ProfileSpec, Script, Stage, StageStep,
        trust::WORKSPACE,
    },
};

/// What Docker inside needs beside the engine's usual capabilities. With them the user can reach the machine's own disks.
pub const NESTING: [&str; 12] = [
    "SYS_ADMIN",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_PTRACE",
    "MKNOD",
    "SYS_CHROOT",
    "SETFCAP",
    "AUDIT_WRITE",
    "DAC_READ_SEARCH",
    "SYSLOG",
    "IPC_LOCK",
    "SYS_NICE",
];

/// Where the container reads its secrets.
pub const SECRETS: &str = "/run/secrets";

/// The lab of a user.
pub fn lab(user: &str) -> String {
    format!("ws-{user}")
}

/// The user of a lab; none where it is no workspace.
pub fn user_of(lab: &str) -> Option<&str> {
    lab.strip_prefix("ws-")
}

/// What a shell in a workspace begins with: its user's own, where there is that user inside.
pub fn login(user: &str) -> Vec<String> {
    // The name is of letters that mean nothing to a shell.
    let login = format!("if id {user} >/dev/null 2>&1; then exec su - {user}; fi; exec sh -l");
    vec!["/bin/sh".into(), "-c".into(), login]
}

/// A folder of this machine in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Name of the device.
    pub id: &'static str,
    /// What it holds.
    pub title: &'static str,
    /// Where it is here.
    pub source: PathBuf,
    /// Where it is inside.
    pub path: String,
    /// Nobody writes to it from inside.
    pub read_only: bool,
    /// It belongs to the user, and to nobody else.
    pub own: bool,
}

/// The folders of a user, each below the root of the storage.
pub fn folders(root: &Path, user: &str) -> Vec<Folder> {
    let folder = |id, title, source: PathBuf, path: String| Folder {
        id,
        title,
        source: root.join(source),
        path,
        read_only: false,
        own: true,
    };
    let (tensorboard, state) = (
        format!("shared/tensorboard/{user}"),
        format!("docker-volumes/{user}-state"),
    );
    vec![
        folder(
            "home",
            "the home",
            Path::new("homes").join(user),
            format!("/home/{user}"),
        ),
        folder(
            "scratch",
            "scratch space",
            Path::new("workspaces").join(user),
            "/workspace".into(),
        ),
        Folder {
            read_only: true,
            own: false,
            ..folder("shared", "shared data", "shared".into(), "/shared".into())
        },
        folder(
            "tensorboard",
            "TensorBoard's logs",
            tensorboard.clone().into(),
            format!("/{tensorboard}"),
        ),
        Folder {
            own: false,
            ..folder(
                "state",
                "state of services, with host keys",
                state.into(),
                "/var/lib/state".into(),
            )
        },
    ]
}

/// The volume in which Docker inside keeps its images.
pub fn docker_volume(user: &str) -> String {
    format!("{}-docker", lab(user))
}

/// The stages of all users who have a slot.
pub fn stages(settings: &Settings, ledger: &Ledger, secrets: &Path) -> Vec<Stage> {
    let users = settings.users.iter();
    users
        .filter_map(|(name, user)| Some(stage(settings, (name, user), ledger.slot(name)?, secrets)))
        .collect()
}

/// The stage of one user.
pub fn stage(settings: &Settings, (name, user): (&str, &User), slot: u32, secrets: &Path) -> Stage {
    let image = settings.image_name();
    let mut stage = Stage {
        version: 1,
        id: lab(name),
        title: format!("Workspace of {name}"),
        summary: format!("A machine of their own for {name}, as a container"),
        order: 1000 + slot,
        backend: BackendKind::Docker,
        needs: Needs::default(),
        images: vec![Image {
            id: "workspace".into(),
            title: image.clone(),
            family: Family::Debian,
            source: ImageSource::Local { alias: image },
            fingerprint: None,
            when: None,
        }],
        options: vec![],
        profile: ProfileSpec {
            config: config(settings, name, user, slot),
            settings: BTreeMap::new(),
            devices: devices(settings, name, user, slot, secrets),
        },
        mounts: mounts(settings, name),
        mounts_root: None,
        steps: vec![],
        updates: vec![],
        verifies: vec![answers()],
        files: BTreeMap::new(),
        text: String::new(),
        origin: format!("{WORKSPACE}{name}"),
    };
    stage.text = toml::to_string(&stage).unwrap_or_default();
    stage
}

fn mounts(settings: &Settings, name: &str) -> Vec<Mount> {
    let all = folders(&settings.root, name).into_iter();
    all.map(|folder| Mount {
        id: folder.id.into(),
        title: folder.title.into(),
        path: folder.path,
        when: None,
        source: Some(folder.source.display().to_string()),
        read_only: folder.read_only,
    })
    .collect()
}

/// The user's id inside, and on the disks.
pub fn uid(user: &User, slot: u32) -> u32 {
    user.uid.unwrap_or_else(|| Ledger::uid(slot))
}

fn config(settings: &Settings, name: &str, user: &User, slot: u32) -> BTreeMap<String, String> {
    let uid = uid(user, slot).to_string();
    let mut services: Vec<&str> = user.services.iter().map(|service| service.name()).collect();
    if user.docker {
        services.push("dind");
    }
    let mut config: BTreeMap<String, String> = [
        ("docker.command", "image".to_owned()),
        ("docker.hostname", lab(name)),
        ("docker.stop_timeout", "30".to_owned()),
        ("docker.restart", "unless-stopped".to_owned()),
        ("docker.shm", size(Some(&user.shm))),
        ("docker.ulimits.nofile", "16384:16384".to_owned()),
        ("docker.tmpfs./run", "exec,mode=755".to_owned()),
        ("docker.tmpfs./tmp", "exec,mode=1777".to_owned()),
        ("limits.processes", user.processes.to_string()),
        ("limits.memory", size(user.memory.as_ref())),
        (
            "docker.memory_reservation",
            size(user.memory_reservation.as_ref()),
        ),
        ("docker.swap", size(user.swap.as_ref())),
        (
            "limits.cpu",
            user.cpus.map(|cpus| cpus.to_string()).unwrap_or_default(),
        ),
        ("environment.WS_USER", name.to_owned()),
        ("environment.WS_UID", uid.clone()),
        ("environment.WS_GID", uid),
        ("environment.WS_SERVICES", services.join(",")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if user.docker {
        config.extend(nesting(settings));
    }
    if user.privileged.as_deref() == Some(name) {
        config.insert("security.privileged".into(), "true".into());
    }
    config.retain(|_, value| !value.is_empty());
    config
}

/// Docker inside: by a runtime that keeps it in, where one is named; else by capabilities.
fn nesting(settings: &Settings) -> Vec<(String, String)> {
    let keys = if settings.nested_runtime.is_empty() {
        vec![
            ("docker.cap_add", NESTING.join(",")),
            (
                "docker.security_opt",
                "seccomp=unconfined,apparmor=unconfined".to_owned(),
            ),
            ("docker.system_paths", "unconfined".to_owned()),
            ("docker.device_rules", "a *:* rwm".to_owned()),
        ]
    } else {
        vec![("docker.runtime", settings.nested_runtime.clone())]
    };
    keys.into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Bytes, in the one spelling that the engine's part knows.
fn size(text: Option<&String>) -> String {
    resources::bytes(text)
        .map(|bytes| format!("{bytes}B"))
        .unwrap_or_default()
}

fn devices(
    settings: &Settings,
    name: &str,
    user: &User,
    slot: u32,
    secrets: &Path,
) -> BTreeMap<String, Device> {
    let source = secrets.join(name).display().to_string();
    let mut devices = BTreeMap::from([
        (
            "eth0".to_owned(),
            device(&[("type", "nic"), ("network", ISOLATED)]),
        ),
        (
            "secrets".to_owned(),
            device(&[
                ("type", "disk"),
                ("source", &source),
                ("path", SECRETS),
                ("readonly", "true"),
            ]),
        ),
    ]);
    for service in &user.services {
        let Some(port) = ports::port(settings, slot, *service) else {
            continue;
        };
        let listen = match settings.bind_of(user) {
            std::net::IpAddr::V6(address) => format!("tcp:[{address}]:{port}"),
            std::net::IpAddr::V4(address) => format!("tcp:{address}:{port}"),
        };
        let connect = format!("tcp:127.0.0.1:{}", service.inside());
        devices.insert(
            format!("port-{}", service.name()),
            device(&[("type", "proxy"), ("listen", &listen), ("connect", &connect)]),
        );
    }
    if user.docker {
        let volume = docker_volume(name);
        let keys = [
            ("type", "disk"),
            ("pool", "default"),
            ("source", &volume),
            ("path", "/var/lib/docker"),
        ];
        devices.insert("docker".into(), device(&keys));
    }
    devices.extend(gpus(user));
    devices
}

/// What all of them are made of: keys of a device.
fn device(keys: &[(&str, &str)]) -> Device {
    let keys = keys.iter();
    Device {
        when: None,
        config: keys
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn gpus(user: &User) -> BTreeMap<String, Device> {
    let named = |gpu: &String| {
        let key = match gpu.as_str() {
            gpu if gpu.starts_with("GPU-") || gpu.starts_with("MIG-") => "uuid",
            gpu if gpu.contains(':') => "pci",
            _ => "id",
        };
        // One that was named is not left out in silence.
        if gpu == "all" {
            device(&[("type", "gpu")])
        } else {
            device(&[("type", "gpu"), (key, gpu), ("required", "true")])
        }
    };
    let gpus = user.gpus.iter().enumerate();
    gpus.map(|(number, gpu)| (format!("gpu{number}"), named(gpu)))
        .collect()
}

/// What proves a workspace: its services listen.
fn answers() -> StageStep {
    StageStep {
        id: "services".into(),
        title: "wait until the services listen".into(),
        when: None,
        run: [(Family::Any, Script::Inline(LISTEN.into()))].into(),
        check: None,
        seconds: 10,
        secrets: vec![],
        optional: false,
    }
}

/// In POSIX sh with what `BusyBox` has. Which of the services its image has only the image knows: at least one of them has
/// to listen, and SSH where it is wanted.
const LISTEN: &str = r#"
listens() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ": [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:[0-9A-F]* 0A "
}
port() {
  case $1 in ssh) echo 22 ;; vnc) echo 5900 ;; novnc) echo 6080 ;; code) echo 8080 ;; jupyter) echo 8888 ;;
    tensorboard) echo 6006 ;; rdp) echo 3389 ;; esac
}
services=$(tr '\0' '\n' < /proc/1/environ | sed -n 's/^WS_SERVICES=//p' | tr , ' ')
waited=0
while :; do
  here='' missing='' refused=''
  for service in $services; do
    port=$(port "$service")
    [ -n "$port" ] || continue
    # our image says which it leaves out, and why
    [ ! -e "/run/workspace/refused/$service" ] || { refused="$refused $service"; continue; }
    if listens "$port"; then here="$here $service"; else missing="$missing $service"; fi
  done
  [ -n "$missing" ] && [ "$waited" -lt 60 ] || break
  sleep 1
  waited=$((waited + 1))
done
case " $missing$refused " in *' ssh '*) echo "nobody listens for SSH after $waited s" >&2; exit 1 ;; esac
if [ -n "$services" ] && [ -z "$here" ]; then echo "none of the services listens after $waited s:$missing" >&2; exit 1; fi
echo "listening:${here:- none}${missing:+; not yet:$missing}${refused:+; left out:$refused}"
"#;

#[cfg(test)]
mod tests;
