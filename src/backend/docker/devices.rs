//! Devices in the trait's words, in the engine's.

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, EndpointIpamConfig, EndpointSettings, HostConfig,
    Mount, MountType, PortBinding,
};

use super::{
    body::{Mapped, truth},
    instance::{Devices, Map},
};
use crate::host::docker::HostConfig as Gpus;

/// Networks of a container, by name.
pub(super) type Networks = Vec<(String, EndpointSettings)>;

/// Adds a device to what a container is made with.
pub(super) fn add(
    create: &mut ContainerCreateBody,
    host: &mut HostConfig,
    networks: &mut Networks,
    device: &Map,
) -> Mapped<()> {
    match text(device, "type") {
        "disk" => disk(host, device),
        "nic" => {
            networks.push(nic(device)?);
            Ok(())
        }
        "proxy" => proxy(create, host, device),
        "unix-char" | "unix-block" => {
            node(host, device);
            Ok(())
        }
        // What of the machine it is was decided before, with the engine's ways in mind.
        "gpu" | "none" => Ok(()),
        other => Err(format!("Docker has nothing like a device of the type `{other}`")),
    }
}

/// The GPUs that are wanted, by address, identifier or maker; none where there is no such device.
pub(super) fn gpus(devices: &Devices) -> Option<Vec<String>> {
    let all = devices.values().filter(|device| text(device, "type") == "gpu");
    let mut words = vec![];
    let mut any = false;
    for device in all {
        any = true;
        let named = ["pci", "uuid", "id", "vendorid"]
            .iter()
            .map(|key| text(device, key))
            .find(|value| !value.is_empty());
        // `nvidia.com/gpu=all` and the like are what LXD calls an identifier.
        let word = named.map_or("all", |word| word.rsplit_once('=').map_or(word, |(_, name)| name));
        words.push(maker(word).to_owned());
    }
    any.then_some(words)
}

/// A maker's number as its name.
fn maker(word: &str) -> &str {
    match word {
        "1002" => "amd",
        "10de" => "nvidia",
        "8086" => "intel",
        other => other,
    }
}

/// What was decided about the GPUs.
pub(super) fn let_in(host: &mut HostConfig, gpus: &Gpus) {
    let node = |device: &crate::host::docker::Device| DeviceMapping {
        path_on_host: Some(device.path_on_host.clone()),
        path_in_container: Some(device.path_in_container.clone()),
        cgroup_permissions: Some(device.cgroup_permissions.clone()),
    };
    let request = |request: &crate::host::docker::DeviceRequest| DeviceRequest {
        driver: Some(request.driver.clone()),
        device_ids: Some(request.device_ids.clone()),
        capabilities: (!request.capabilities.is_empty()).then(|| request.capabilities.clone()),
        ..DeviceRequest::default()
    };
    let folder = |mount: &crate::host::docker::Mount| bind(&mount.source, &mount.target, mount.read_only);
    extend(&mut host.devices, gpus.devices.iter().map(node));
    extend(
        &mut host.device_requests,
        gpus.device_requests.iter().map(request),
    );
    extend(&mut host.mounts, gpus.mounts.iter().map(folder));
    extend(&mut host.group_add, gpus.group_add.iter().cloned());
    extend(&mut host.security_opt, gpus.security_opt.iter().cloned());
    if let Some(mode) = &gpus.userns_mode {
        host.userns_mode = Some(mode.clone());
    }
}

fn extend<T>(list: &mut Option<Vec<T>>, more: impl Iterator<Item = T>) {
    let more: Vec<T> = more.collect();
    if !more.is_empty() {
        list.get_or_insert_default().extend(more);
    }
}

fn text<'a>(device: &'a Map, key: &str) -> &'a str {
    device.get(key).map_or("", String::as_str)
}

/// Always a `Mount`: the older `Binds` makes a folder that is not there, as root's, where a mount says that it is not.
pub(super) fn bind(source: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// A volume of the engine.
pub(super) fn volume(name: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        ..bind(name, target, read_only)
    }
}

fn disk(host: &mut HostConfig, device: &Map) -> Mapped<()> {
    let (path, source) = (text(device, "path"), text(device, "source"));
    if path == "/" {
        // Engines that cannot keep it say so.
        if let Some(size) = device.get("size").filter(|size| !size.is_empty()) {
            let size = super::body::bytes(size)?.to_string();
            host.storage_opt
                .get_or_insert_default()
                .insert("size".into(), size);
        }
        return Ok(());
    }
    if !path.starts_with('/') {
        return Err("it has no absolute `path`".to_owned());
    }
    let read_only = match text(device, "readonly") {
        "" => false,
        value => truth(value)?,
    };
    let mount = match (source, text(device, "pool")) {
        ("", _) => return Err("it has no `source`".to_owned()),
        (source, "") if source.starts_with('/') => bind(source, path, read_only),
        (name, _) => volume(name, path, read_only),
    };
    host.mounts.get_or_insert_default().push(mount);
    Ok(())
}

fn nic(device: &Map) -> Mapped<(String, EndpointSettings)> {
    let named = ["network", "parent"].iter().map(|key| text(device, key));
    let Some(network) = named.into_iter().find(|name| !name.is_empty()) else {
        return Err("it names no `network`".to_owned());
    };
    let some = |key: &str| device.get(key).filter(|value| !value.is_empty()).cloned();
    let ipam = EndpointIpamConfig {
        ipv4_address: some("ipv4.address"),
        ipv6_address: some("ipv6.address"),
        ..EndpointIpamConfig::default()
    };
    let endpoint = EndpointSettings {
        mac_address: some("hwaddr"),
        ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
        ..EndpointSettings::default()
    };
    Ok((network.to_owned(), endpoint))
}

/// A published port. The engine sends what comes to the container's own address: a service that listens on 127.0.0.1 in
/// there is not reached, whatever `connect` says.
fn proxy(create: &mut ContainerCreateBody, host: &mut HostConfig, device: &Map) -> Mapped<()> {
    if text(device, "bind") == "instance" {
        return Err("Docker publishes ports of a container, never the other way round".to_owned());
    }
    let (listen, connect) = (text(device, "listen"), text(device, "connect"));
    let wrong = |what: &str| format!("`{what}` must be as `tcp:127.0.0.1:8080`");
    let (protocol, address, port) = endpoint(listen).ok_or_else(|| wrong(listen))?;
    let (inner, _, inside) = endpoint(connect).ok_or_else(|| wrong(connect))?;
    if protocol != inner {
        return Err("both ends must be tcp, or both udp".to_owned());
    }
    let key = format!("{inside}/{protocol}");
    create.exposed_ports.get_or_insert_default().push(key.clone());
    let ports = host.port_bindings.get_or_insert_default().entry(key).or_default();
    ports.get_or_insert_default().push(PortBinding {
        host_ip: Some(address.to_owned()),
        host_port: Some(port.to_string()),
    });
    Ok(())
}

/// Protocol, address and port of `tcp:127.0.0.1:80`.
fn endpoint(text: &str) -> Option<(&str, &str, u16)> {
    let (protocol, rest) = text.split_once(':')?;
    let (address, port) = rest.rsplit_once(':')?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().ok()?;
    let known = matches!(protocol, "tcp" | "udp");
    known.then_some((protocol, address, port.parse().ok()?))
}

fn node(host: &mut HostConfig, device: &Map) {
    let or = |first: &str, second: &str| match text(device, first) {
        "" => text(device, second).to_owned(),
        value => value.to_owned(),
    };
    host.devices.get_or_insert_default().push(DeviceMapping {
        path_on_host: Some(or("source", "path")),
        path_in_container: Some(or("path", "source")),
        cgroup_permissions: Some("rwm".to_owned()),
    });
    // The node keeps the host's owner in there: who is in its group may use it.
    if let Some(gid) = device.get("gid").filter(|gid| gid.parse::<u32>().is_ok()) {
        host.group_add.get_or_insert_default().push(gid.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::body::Body, Devices, Map, gpus};

    fn devices(all: &[(&str, &[(&str, &str)])]) -> Devices {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        all.iter()
            .map(|(name, pairs)| ((*name).to_owned(), map(pairs)))
            .collect()
    }

    #[test]
    fn devices_become_mounts_ports_networks_and_nodes() {
        let body = Body::of(
            &Map::new(),
            &devices(&[
                ("root", &[("type", "disk"), ("path", "/"), ("pool", "default")]),
                (
                    "data",
                    &[
                        ("type", "disk"),
                        ("source", "/srv/data"),
                        ("path", "/data"),
                        ("readonly", "true"),
                    ],
                ),
                (
                    "vol",
                    &[
                        ("type", "disk"),
                        ("source", "store"),
                        ("pool", "default"),
                        ("path", "/store"),
                    ],
                ),
                (
                    "web",
                    &[
                        ("type", "proxy"),
                        ("listen", "tcp:127.0.0.1:8080"),
                        ("connect", "tcp:127.0.0.1:80"),
                    ],
                ),
                (
                    "eth0",
                    &[
                        ("type", "nic"),
                        ("network", "halonet"),
                        ("ipv4.address", "10.0.0.5"),
                    ],
                ),
                ("eth1", &[("type", "nic"), ("network", "other")]),
                (
                    "kfd",
                    &[("type", "unix-char"), ("source", "/dev/kfd"), ("gid", "992")],
                ),
            ]),
            None,
        )
        .unwrap();
        let host = body.create.host_config.unwrap();
        assert_eq!(host.binds, None, "a bind makes folders that are not there");
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts[0].read_only, Some(true));
        assert_eq!(
            (mounts[0].source.as_deref(), mounts[0].target.as_deref()),
            (Some("/srv/data"), Some("/data"))
        );
        assert_eq!(mounts[1].typ, Some(bollard::models::MountType::VOLUME));
        let port = &host.port_bindings.unwrap()["80/tcp"].clone().unwrap()[0];
        assert_eq!(
            (port.host_ip.as_deref(), port.host_port.as_deref()),
            (Some("127.0.0.1"), Some("8080"))
        );
        assert_eq!(host.network_mode.as_deref(), Some("halonet"));
        assert_eq!(body.networks[0].0, "other");
        assert_eq!(
            host.devices.unwrap()[0].path_in_container.as_deref(),
            Some("/dev/kfd")
        );
        assert_eq!(host.group_add.unwrap(), ["992"]);
    }

    #[test]
    fn a_device_without_a_meaning_is_refused_by_its_name() {
        for device in [
            &[("type", "tpm")][..],
            &[("type", "disk"), ("source", "/x")],
            &[("type", "disk"), ("path", "/x")],
            &[("type", "nic")],
            &[
                ("type", "proxy"),
                ("listen", "unix:/x"),
                ("connect", "tcp:127.0.0.1:1"),
            ],
            &[
                ("type", "proxy"),
                ("listen", "tcp:0.0.0.0:1"),
                ("connect", "udp:0.0.0.0:1"),
            ],
            &[
                ("type", "proxy"),
                ("bind", "instance"),
                ("listen", "tcp:0.0.0.0:1"),
                ("connect", "tcp:0.0.0.0:1"),
            ],
        ] {
            let error = Body::of(&Map::new(), &devices(&[("odd", device)]), None).unwrap_err();
            assert!(error.contains("`odd`"), "{error}");
        }
    }

    #[test]
    fn gpus_are_named_as_the_decision_knows_them() {
        assert_eq!(gpus(&devices(&[("root", &[("type", "disk")])])), None);
        let of = |pairs: &[(&str, &str)]| gpus(&devices(&[("gpu", pairs)])).unwrap();
        assert_eq!(of(&[("type", "gpu")]), ["all"]);
        assert_eq!(of(&[("type", "gpu"), ("pci", "0000:01:00.0")]), ["0000:01:00.0"]);
        assert_eq!(of(&[("type", "gpu"), ("id", "nvidia.com/gpu=all")]), ["all"]);
        assert_eq!(of(&[("type", "gpu"), ("vendorid", "1002")]), ["amd"]);
    }
}
