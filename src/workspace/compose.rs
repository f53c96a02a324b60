//! Workspaces as a compose file: made from the same stages, so that it starts the same containers without halolab.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Settings, spec, yaml};
use crate::{
    backend::docker::ISOLATED,
    host::docker::{self, HostConfig},
    stage::{Device, ImageSource, Stage},
};

mod extras;

pub use extras::Extras;

/// What is written: names of files and their texts.
pub type Files = BTreeMap<String, String>;

/// What lets the GPUs of each user in on this machine; who is not in it gets none.
pub type Gpus = BTreeMap<String, HostConfig>;

const HEAD: &str = "\
# Workspaces, as halolab starts them. Written by `halolab workspace compose`; a change in here is overwritten by the next one.
# Start: docker compose up -d            One user: docker compose up -d ws-USER
# Secrets are files that halolab keeps; nothing of them is in here.
";

/// The files of a folder from which `docker compose up` starts the workspaces of these stages.
pub fn files(settings: &Settings, stages: &[Stage], extras: Extras, gpus: &Gpus) -> Files {
    let mut services = Map::new();
    let mut volumes = Map::new();
    for stage in stages {
        let gpus = spec::user_of(&stage.id).and_then(|user| gpus.get(user));
        let (service, named) = service(stage, gpus);
        services.insert(stage.id.clone(), service);
        for name in named {
            volumes.insert(name.clone(), json!({"name": name}));
        }
    }
    let mut files = Files::new();
    let mut networks = Map::new();
    networks.insert(
        "workspaces".into(),
        json!({
            "name": format!("{ISOLATED}-compose"), "driver": "bridge",
            "driver_opts": {"com.docker.network.bridge.enable_icc": "false"},
        }),
    );
    extras::add(settings, stages, extras, &mut services, &mut files);
    networks.extend(extras::networks(extras));
    if extras.monitoring {
        volumes.insert("grafana".into(), json!({}));
    }
    let mut document = json!({"services": services, "networks": networks});
    if let (false, Some(document)) = (volumes.is_empty(), document.as_object_mut()) {
        document.insert("volumes".into(), Value::Object(volumes));
    }
    files.insert("compose.yaml".into(), format!("{HEAD}{}", yaml::write(&document)));
    files.insert(".env".into(), env(settings, extras));
    files
}

fn env(settings: &Settings, extras: Extras) -> String {
    let mut lines = vec![
        "# Settings of compose.yaml. No secret belongs in here.".to_owned(),
        format!("COMPOSE_PROJECT_NAME={ISOLATED}"),
        format!("WORKSPACE_IMAGE={}", settings.image_name()),
    ];
    lines.extend(extras::env(settings, extras));
    lines.join("\n") + "\n"
}

/// What compose would fill in by itself is written twice.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A service, and the engine's volumes that it uses.
fn service(stage: &Stage, gpus: Option<&HostConfig>) -> (Value, Vec<String>) {
    let mut service = Map::new();
    let mut set = |key: &str, value: Value| {
        service.insert(key.to_owned(), value);
    };
    set("container_name", json!(stage.id));
    let image = stage.images.first().map(|image| &image.source);
    let image = match image {
        Some(ImageSource::Local { alias }) => alias.clone(),
        _ => String::new(),
    };
    set(
        "image",
        json!(format!("${{WORKSPACE_IMAGE:-{}}}", literal(&image))),
    );
    set("pull_policy", json!("never"));
    for (key, value) in settings_of(stage) {
        set(&key, value);
    }
    let devices = &stage.profile.devices;
    let (mut mounts, mut ports, mut named) = (vec![], vec![], vec![]);
    for mount in &stage.mounts {
        let source = mount.source.clone().unwrap_or_default();
        mounts.push(bind(&source, &mount.path, mount.read_only));
    }
    for device in devices.values() {
        match key(device, "type") {
            "proxy" => ports.extend(port(device)),
            "disk" if device.config.contains_key("pool") => {
                let name = key(device, "source");
                named.push(name.to_owned());
                mounts.push(json!({"type": "volume", "source": name, "target": key(device, "path")}));
            }
            "disk" => mounts.push(bind(
                key(device, "source"),
                key(device, "path"),
                key(device, "readonly") == "true",
            )),
            _ => {}
        }
    }
    let folders = gpus.iter().flat_map(|gpus| &gpus.mounts);
    mounts.extend(folders.map(|folder| bind(&folder.source, &folder.target, folder.read_only)));
    set("volumes", Value::Array(mounts));
    set("ports", Value::Array(ports));
    set("networks", json!(["workspaces"]));
    for (key, value) in gpus.map(let_in).unwrap_or_default() {
        // A list may have something in it already.
        match (service.get_mut(key), value) {
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
            (_, value) => drop(service.insert(key.to_owned(), value)),
        }
    }
    (Value::Object(service), named)
}

/// What the keys of a stage's profile are called in a compose file.
fn settings_of(stage: &Stage) -> Vec<(String, Value)> {
    let config = &stage.profile.config;
    let of = |key: &str| config.get(key).filter(|value| !value.is_empty());
    let bytes = |key: &str| of(key).and_then(|size| size.trim_end_matches('B').parse::<u64>().ok());
    let mut found = groups(config);
    for (key, name) in [
        ("docker.hostname", "hostname"),
        ("docker.restart", "restart"),
        ("docker.runtime", "runtime"),
    ] {
        found.extend(of(key).map(|value| (name, json!(value))));
    }
    found
        .extend(of("docker.stop_timeout").map(|seconds| ("stop_grace_period", json!(format!("{seconds}s")))));
    found.extend(of("limits.cpu").and_then(|cpus| Some(("cpus", json!(cpus.parse::<f64>().ok()?)))));
    found.extend(
        of("limits.processes").and_then(|most| Some(("pids_limit", json!(most.parse::<i64>().ok()?)))),
    );
    found.extend(bytes("docker.shm").map(|size| ("shm_size", json!(size.to_string()))));
    found.extend(bytes("docker.memory_reservation").map(|size| ("mem_reservation", json!(size.to_string()))));
    if let Some(memory) = bytes("limits.memory") {
        // Memory and swap together; without a word the engine gives as much swap as memory.
        let all = memory.saturating_add(bytes("docker.swap").unwrap_or(0));
        found.push(("mem_limit", json!(memory.to_string())));
        found.push(("memswap_limit", json!(all.to_string())));
    }
    found.extend(rights(config));
    let found = found
        .into_iter()
        .filter(|(_, value)| *value != json!([]) && *value != json!({}));
    found.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Keys that belong together by their prefix.
fn groups(config: &BTreeMap<String, String>) -> Vec<(&'static str, Value)> {
    let below = |prefix: &'static str| {
        let keys = config.iter();
        keys.filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.as_str())))
    };
    let environment = below("environment.").map(|(key, value)| (key, json!(literal(value))));
    let tmpfs: Vec<String> = below("docker.tmpfs.")
        .map(|(path, options)| format!("{path}:{options}"))
        .collect();
    let limits = below("docker.ulimits.").filter_map(|(name, value)| {
        let (soft, hard) = value.split_once(':')?;
        let (soft, hard): (i64, i64) = (soft.parse().ok()?, hard.parse().ok()?);
        Some((name, json!({"soft": soft, "hard": hard})))
    });
    vec![
        ("environment", Value::Object(environment.collect())),
        ("tmpfs", json!(tmpfs)),
        ("ulimits", Value::Object(limits.collect())),
    ]
}

/// What goes beyond the engine's usual rights.
fn rights(config: &BTreeMap<String, String>) -> Vec<(&'static str, Value)> {
    let of = |key: &str| config.get(key).filter(|value| !value.is_empty());
    let list = |text: &String| -> Vec<String> { text.split(',').map(str::to_owned).collect() };
    let mut found = vec![];
    found.extend(of("docker.cap_add").map(|names| ("cap_add", json!(list(names)))));
    found.extend(of("docker.device_rules").map(|rules| ("device_cgroup_rules", json!(list(rules)))));
    let mut options = of("docker.security_opt").map(list).unwrap_or_default();
    if of("docker.system_paths").is_some() {
        options.push("systempaths=unconfined".into());
    }
    if !options.is_empty() {
        found.push(("security_opt", json!(options)));
    }
    if of("security.privileged").is_some_and(|value| value == "true") {
        found.push(("privileged", json!(true)));
    }
    found
}

fn key<'a>(device: &'a Device, key: &str) -> &'a str {
    device.config.get(key).map_or("", String::as_str)
}

/// A folder that is not there is an error, and not an empty one of root's.
fn bind(source: &str, target: &str, read_only: bool) -> Value {
    json!({
        "type": "bind", "source": literal(source), "target": literal(target), "read_only": read_only,
        "bind": {"create_host_path": false},
    })
}

/// `tcp:127.0.0.1:10022` and `tcp:127.0.0.1:22`.
fn port(device: &Device) -> Option<Value> {
    let published = key(device, "listen").strip_prefix("tcp:")?;
    let (_, inside) = key(device, "connect").rsplit_once(':')?;
    Some(json!(format!("{published}:{inside}/tcp")))
}

/// What lets GPUs in, in compose's words; its folders are among the mounts.
fn let_in(gpus: &HostConfig) -> Vec<(&'static str, Value)> {
    let devices: Vec<String> = gpus.devices.iter().map(docker::Device::text).collect();
    let requests = gpus.device_requests.iter().map(|request| {
        json!({"driver": request.driver, "device_ids": request.device_ids, "capabilities": request.named()})
    });
    let requests: Vec<Value> = requests.collect();
    let mut found = vec![
        ("devices", json!(devices)),
        ("group_add", json!(gpus.group_add)),
        ("security_opt", json!(gpus.security_opt)),
    ];
    found.retain(|(_, list)| *list != json!([]));
    found.extend(gpus.userns_mode.iter().map(|mode| ("userns_mode", json!(mode))));
    if !requests.is_empty() {
        let reserved = json!({"resources": {"reservations": {"devices": requests}}});
        found.push(("deploy", reserved));
    }
    found
}

/// The users of stages, by name.
fn users(stages: &[Stage]) -> impl Iterator<Item = (&str, &Stage)> {
    stages
        .iter()
        .filter_map(|stage| Some((spec::user_of(&stage.id)?, stage)))
}
