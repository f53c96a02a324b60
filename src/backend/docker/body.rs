//! What a container is made with: config keys and devices in the trait's words, in the engine's.
//!
//! | key | what becomes of it |
//! |---|---|
//! | `limits.memory`, `limits.memory.swap` (none without it), `limits.cpu` (a number, or `0-3`), `limits.processes` | `Memory`, `MemorySwap`, `NanoCpus` or `CpusetCpus`, `PidsLimit` |
//! | `boot.autostart` | restart policy `unless-stopped` |
//! | `security.privileged` | `Privileged` |
//! | `environment.NAME` | the environment of the first process and of commands |
//! | `docker.command` | a JSON list: the first process; `image`: the image's own; none: one that waits until it is stopped |
//! | `docker.user`, `docker.workdir`, `docker.init`, `docker.stop_timeout`, `docker.restart` | as their names say |
//! | `docker.shm`, `docker.ulimits.NAME` (`SOFT:HARD`), `docker.tmpfs.PATH` (options) | shared memory, limits, memory disks |
//! | `docker.cap_add`, `docker.cap_drop`, `docker.security_opt`, `docker.device_rules` | lists with commas |
//! | `docker.memory_reservation`, `docker.swap` | what the kernel leaves to it first; swap on top of `limits.memory` |
//! | `docker.hostname`, `docker.runtime` | as their names say |
//! | `docker.system_paths` | `unconfined`: nothing of `/proc` and `/sys` is masked or read-only |
//! | `user.*`, `volatile.*`, `image.*` | kept, and mean nothing to the engine |
//!
//! A key that is none of these is an error: a limit that nobody keeps is worse than none.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, NetworkingConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use sha2::{Digest as _, Sha256};

use super::{
    devices,
    instance::{Devices, Map},
};
use crate::host::docker::HostConfig as Gpus;

/// The first process where nothing else is wanted: it waits and takes over orphans. When it ends, the kernel kills all that
/// is left; so when it is stopped it asks everybody to end, and waits until they have or the engine's patience is over. A
/// shell that somebody has open is deaf to that, and its terminal hangs up.
const KEEPER: &str = r#"others() {
  found=1
  for entry in /proc/[0-9]*; do
    pid=${entry#/proc/}
    case $pid in 1 | $$) continue ;; esac
    read -r line <"$entry/stat" || continue
    case $line in *') Z '*) continue ;; esac
    found=0
    set -- ${line##*) }
    case $4:$5:$line in $pid:0:*) ;; $pid:*'sh) '*) kill -HUP "$pid" ;; esac
  done 2>/dev/null
  return $found
}
stop() {
  trap '' TERM INT QUIT
  kill -TERM -1 2>/dev/null
  while others; do sleep 0.1 2>/dev/null || sleep 1; done
  exit 0
}
trap stop TERM INT QUIT
while :; do sleep 3600 & wait $!; done"#;

/// What a shell needs of a container, whatever the image says.
const STOP_TIMEOUT: i64 = 30;

/// What a container is made with.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) create: ContainerCreateBody,
    /// Networks beside the first one, which the engine takes after the container is there.
    pub(super) networks: Vec<(String, bollard::models::EndpointSettings)>,
    /// SHA-256 of what it follows from.
    pub(super) made: String,
}

/// The result of a mapping: what is wrong is told with its key.
pub(super) type Mapped<T> = Result<T, String>;

impl Body {
    /// Out of the expanded config and devices, and what lets the wanted GPUs in.
    pub(super) fn of(config: &Map, devices: &Devices, gpus: Option<&Gpus>) -> Mapped<Self> {
        let mut create = ContainerCreateBody {
            stop_timeout: Some(STOP_TIMEOUT),
            entrypoint: Some(["/bin/sh", "-c", KEEPER].map(str::to_owned).to_vec()),
            ..ContainerCreateBody::default()
        };
        let mut host = HostConfig::default();
        create.stop_signal = Some("SIGTERM".to_owned());
        for (key, value) in config.iter().filter(|(_, value)| !value.is_empty()) {
            set(&mut create, &mut host, key, value)
                .map_err(|why| format!("the config key `{key}` is `{value}`: {why}"))?;
        }
        let mut networks = vec![];
        for (name, device) in devices {
            devices::add(&mut create, &mut host, &mut networks, device)
                .map_err(|why| format!("the device `{name}`: {why}"))?;
        }
        if let Some(gpus) = gpus {
            devices::let_in(&mut host, gpus);
        }
        let mut networks = networks.into_iter();
        if let Some((name, endpoint)) = networks.next() {
            create.networking_config = Some(NetworkingConfig {
                endpoints_config: Some([(name.clone(), endpoint)].into()),
            });
            host.network_mode = Some(name);
        } else {
            host.network_mode = Some("none".to_owned());
        }
        // The engine's own default network is not named: where there is none, a container has none.
        if host.network_mode.as_deref() == Some("bridge") {
            host.network_mode = Some("default".to_owned());
            create.networking_config = None;
        }
        swap_on_top(&mut host, config)?;
        create.host_config = Some(host);
        let networks: Vec<_> = networks.collect();
        let counts: Map = config
            .iter()
            .filter(|(key, _)| !is_note(key))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let text = serde_json::to_string(&(counts, devices, gpus)).map_err(|error| error.to_string())?;
        let made = hex::encode(Sha256::digest(text));
        Ok(Self {
            create,
            networks,
            made,
        })
    }
}

/// What is kept for its readers alone.
fn is_note(key: &str) -> bool {
    ["user.", "volatile.", "image."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

/// One key.
fn set(create: &mut ContainerCreateBody, host: &mut HostConfig, key: &str, value: &str) -> Mapped<()> {
    if let Some(name) = key.strip_prefix("environment.") {
        create.env.get_or_insert_default().push(format!("{name}={value}"));
        return Ok(());
    }
    if let Some(name) = key.strip_prefix("docker.ulimits.") {
        host.ulimits.get_or_insert_default().push(ulimit(name, value)?);
        return Ok(());
    }
    if let Some(path) = key.strip_prefix("docker.tmpfs.") {
        let options = if value == "true" { "" } else { value };
        host.tmpfs
            .get_or_insert_default()
            .insert(path.to_owned(), options.to_owned());
        return Ok(());
    }
    if is_note(key) {
        return Ok(());
    }
    match key {
        "limits.memory" => host.memory = Some(bytes(value)?),
        "limits.memory.swap" if !truth(value)? => {}
        "limits.memory.swap" => host.memory_swap = Some(-1),
        "limits.processes" => host.pids_limit = Some(number(value)?),
        "limits.cpu" => processors(host, value)?,
        "boot.autostart" => {
            host.restart_policy = truth(value)?.then(|| restart(RestartPolicyNameEnum::UNLESS_STOPPED));
        }
        "security.privileged" => host.privileged = Some(truth(value)?),
        "docker.command" => command(create, value)?,
        "docker.user" => create.user = Some(value.to_owned()),
        "docker.workdir" => create.working_dir = Some(value.to_owned()),
        "docker.init" => host.init = Some(truth(value)?),
        "docker.stop_timeout" => create.stop_timeout = Some(number(value)?),
        "docker.restart" => host.restart_policy = Some(policy(value)?),
        "docker.shm" => host.shm_size = Some(bytes(value)?),
        "docker.cap_add" => host.cap_add = Some(list(value)),
        "docker.cap_drop" => host.cap_drop = Some(list(value)),
        "docker.security_opt" => host.security_opt.get_or_insert_default().extend(list(value)),
        "docker.device_rules" => host.device_cgroup_rules = Some(list(value)),
        "docker.memory_reservation" => host.memory_reservation = Some(bytes(value)?),
        // Counted once the memory is known.
        "docker.swap" => drop(bytes(value)?),
        "docker.hostname" => create.hostname = Some(value.to_owned()),
        "docker.runtime" => host.runtime = Some(value.to_owned()),
        "docker.system_paths" if value == "unconfined" => {
            host.masked_paths = Some(vec![]);
            host.readonly_paths = Some(vec![]);
        }
        _ => return Err("Docker has nothing like it".to_owned()),
    }
    // Without a word about swap the engine gives as much of it as memory.
    if key == "limits.memory" && host.memory_swap.is_none() {
        host.memory_swap = host.memory;
    }
    Ok(())
}

/// The engine counts memory and swap together.
fn swap_on_top(host: &mut HostConfig, config: &Map) -> Mapped<()> {
    let Some(swap) = config.get("docker.swap").filter(|swap| !swap.is_empty()) else {
        return Ok(());
    };
    let memory = host
        .memory
        .ok_or("the config key `docker.swap` has no meaning without `limits.memory`")?;
    host.memory_swap = Some(memory.saturating_add(bytes(swap)?));
    Ok(())
}

fn command(create: &mut ContainerCreateBody, value: &str) -> Mapped<()> {
    create.stop_signal = None;
    if value == "image" {
        create.entrypoint = None;
        return Ok(());
    }
    let words: Vec<String> = serde_json::from_str(value)
        .map_err(|_| r#"it must be `image` or a list as `["sleep", "60"]`"#.to_owned())?;
    if words.is_empty() {
        return Err("a command has at least one word".to_owned());
    }
    create.entrypoint = Some(words);
    Ok(())
}

fn processors(host: &mut HostConfig, value: &str) -> Mapped<()> {
    if value.contains(['-', ',']) {
        host.cpuset_cpus = Some(value.to_owned());
        return Ok(());
    }
    let count: f64 = value
        .parse()
        .map_err(|_| "it must be a number, or a range as `0-3`".to_owned())?;
    if !(0.01..=4096.0).contains(&count) {
        return Err("it must be between 0.01 and 4096".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 4096 * 10^9")]
    let nano = (count * 1e9) as i64;
    host.nano_cpus = Some(nano);
    Ok(())
}

fn ulimit(name: &str, value: &str) -> Mapped<ResourcesUlimits> {
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    Ok(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(number(soft)?),
        hard: Some(number(hard)?),
    })
}

fn policy(value: &str) -> Mapped<RestartPolicy> {
    use RestartPolicyNameEnum as Name;
    let name = match value {
        "no" => Name::NO,
        "always" => Name::ALWAYS,
        "unless-stopped" => Name::UNLESS_STOPPED,
        "on-failure" => Name::ON_FAILURE,
        _ => return Err("it must be no, always, unless-stopped or on-failure".to_owned()),
    };
    Ok(restart(name))
}

fn restart(name: RestartPolicyNameEnum) -> RestartPolicy {
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: None,
    }
}

/// Words between commas.
pub(super) fn list(value: &str) -> Vec<String> {
    let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

pub(super) fn truth(value: &str) -> Mapped<bool> {
    match value {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

fn number(value: &str) -> Mapped<i64> {
    value
        .trim()
        .parse()
        .map_err(|_| "it must be a whole number".to_owned())
}

/// Bytes, with the units of LXD: `512MB`, `2GiB`.
pub(super) fn bytes(value: &str) -> Mapped<i64> {
    let wrong = || {
        "it must be a size as `512MiB` or `2GiB`; a share of the machine is not known to Docker".to_owned()
    };
    let at = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(at);
    let factor: i64 = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: i64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

/// Labels in the engine's form.
pub(super) fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Body, Devices, Map, bytes};

    fn config(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    #[test]
    fn limits_are_kept_and_what_docker_has_nothing_for_is_refused() {
        let body = Body::of(
            &config(&[
                ("limits.memory", "2GiB"),
                ("limits.cpu", "1.5"),
                ("docker.shm", "1GiB"),
                ("docker.ulimits.nofile", "1024:4096"),
                ("docker.command", r#"["sleep", "60"]"#),
                ("environment.A", "b c"),
                ("user.halolab.stage", "x"),
            ]),
            &Devices::new(),
            None,
        )
        .unwrap();
        let host = body.create.host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(2 << 30), Some(2 << 30)));
        assert_eq!(
            (host.nano_cpus, host.shm_size),
            (Some(1_500_000_000), Some(1 << 30))
        );
        assert_eq!(host.network_mode.as_deref(), Some("none"), "no nic, no network");
        assert_eq!(host.ulimits.unwrap()[0].hard, Some(4096));
        assert_eq!(body.create.entrypoint.unwrap(), ["sleep", "60"]);
        assert_eq!(body.create.env.unwrap(), ["A=b c"]);
        for (key, value) in [
            ("security.nesting", "true"),
            ("limits.memory", "50%"),
            ("limits.cpu", "x"),
            ("docker.command", "sleep 60"),
            ("docker.restart", "sometimes"),
        ] {
            let error = Body::of(&config(&[(key, value)]), &Devices::new(), None).unwrap_err();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn swap_comes_on_top_of_memory_and_masks_can_be_taken_off() {
        let keys = [
            ("limits.memory", "2GiB"),
            ("docker.swap", "1GiB"),
            ("docker.memory_reservation", "1GiB"),
            ("docker.hostname", "ws-anna"),
            ("docker.system_paths", "unconfined"),
            ("docker.device_rules", "a *:* rwm"),
        ];
        let body = Body::of(&config(&keys), &Devices::new(), None).unwrap();
        let host = body.create.host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(2 << 30), Some(3 << 30)));
        assert_eq!(host.memory_reservation, Some(1 << 30));
        assert_eq!(
            (host.masked_paths, host.readonly_paths),
            (Some(vec![]), Some(vec![]))
        );
        assert_eq!(host.device_cgroup_rules.unwrap(), ["a *:* rwm"]);
        assert_eq!(body.create.hostname.as_deref(), Some("ws-anna"));
        let error = Body::of(&config(&keys[1..]), &Devices::new(), None).unwrap_err();
        assert!(error.contains("docker.swap"), "{error}");
        assert!(Body::of(&config(&[("docker.system_paths", "x")]), &Devices::new(), None).is_err());
    }

    #[test]
    fn what_was_made_is_known_again_and_a_change_is_noticed() {
        let of = |pairs: &[(&str, &str)]| Body::of(&config(pairs), &Devices::new(), None).unwrap().made;
        let one = of(&[("limits.memory", "2GiB"), ("user.halolab.a", "1")]);
        assert_eq!(one, of(&[("limits.memory", "2GiB"), ("user.halolab.a", "2")]));
        assert_ne!(one, of(&[("limits.memory", "3GiB")]));
    }

    #[test]
    fn sizes_have_the_units_of_lxd() {
        assert_eq!(bytes("512MB"), Ok(512_000_000));
        assert_eq!(bytes("3GiB"), Ok(3 << 30));
        for bad in ["", "GiB", "-1GiB", "1.5GiB", "99999999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
