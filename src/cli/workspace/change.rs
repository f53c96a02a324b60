//! What of a user, and of all, can be said on the command line.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use crate::workspace::{Service, Settings, User, edit, ground, limits, users};

use super::{
    super::{
        Code, Setup, Stop,
        table::{json, note, out},
    },
    Ground,
};

/// Limits and rights of a user. An empty text takes one back.
#[derive(Debug, Args)]
pub(super) struct Limits {
    /// The most memory, as 32GiB.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Memory that the kernel leaves to them first when it gets short: a wish, not a promise.
    #[arg(long, value_name = "SIZE")]
    memory_reservation: Option<String>,
    /// Swap on top of the memory.
    #[arg(long, value_name = "SIZE")]
    swap: Option<String>,
    /// Processors, as 2.5.
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// Shared memory.
    #[arg(long, value_name = "SIZE")]
    shm: Option<String>,
    /// Processes at most.
    #[arg(long, value_name = "NUMBER")]
    processes: Option<u32>,
    /// GPUs: all, none, or some with commas between them, by UUID, MIG UUID, address or maker.
    #[arg(long, value_name = "GPUS")]
    gpus: Option<String>,
    /// Until when they are held, as 2026-12-31.
    #[arg(long, value_name = "DAY")]
    gpus_until: Option<String>,
    /// Whether others may hold the same ones.
    #[arg(long, value_name = "true|false")]
    gpus_shared: Option<bool>,
    /// What is started and has a port: ssh,vnc,novnc,code,jupyter,tensorboard,rdp.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = service)]
    services: Option<Vec<Service>>,
    /// The address at which the ports are opened.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Docker inside. Its capabilities lead to this machine's disks: for people whom you would give sudo.
    #[arg(long, value_name = "true|false")]
    docker_inside: Option<bool>,
    /// All capabilities and devices, which is root on this machine: the user's name, typed once more.
    #[arg(long, value_name = "USER")]
    privileged: Option<String>,
    /// The user id; one of their slot without.
    #[arg(long, value_name = "NUMBER")]
    uid: Option<u32>,
}

/// Arguments of `workspace setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The folder in which homes, scratch space, shared data and state are.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The first port of the first user.
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Ports a user.
    #[arg(long, value_name = "NUMBER")]
    block: Option<u16>,
    /// The address at which ports are opened; 0.0.0.0 opens them to everybody who reaches this machine.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// The domain for a proxy.
    #[arg(long)]
    domain: Option<String>,
    /// The image: a version of ours, or NAME:TAG.
    #[arg(long)]
    image: Option<String>,
    /// What our image is built on: debian, ubuntu, cuda, or an image that the engine has or can fetch.
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// What our image is built with.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    profiles: Option<Vec<String>>,
    /// Ports that are kept for something else, as 8080,30000-32767.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    reserved: Option<Vec<String>>,
    /// A runtime of the engine for Docker inside, as sysbox-runc.
    #[arg(long, value_name = "RUNTIME")]
    nested_runtime: Option<String>,
    /// The network of the image's build: host, none, one of the engine's; empty is the engine's choice.
    #[arg(long, value_name = "NETWORK")]
    build_network: Option<String>,
    /// The proxy of the image's build: environment (`HTTP_PROXY` and the like, as halolab has them), none, http://HOST:PORT.
    #[arg(long, value_name = "PROXY")]
    build_proxy: Option<String>,
}

fn service(text: &str) -> Result<Service, String> {
    let found = Service::named(text);
    found.ok_or_else(|| {
        let all = Service::ALL.map(Service::name);
        format!("there are: {}", all.join(", "))
    })
}

impl Limits {
    /// Lays them over a user.
    pub(super) fn lay(self, user: &mut User) -> Result<(), Stop> {
        let limits = limits::Limits {
            memory: self.memory,
            memory_reservation: self.memory_reservation,
            swap: self.swap,
            cpus: self.cpus,
            shm: self.shm,
            processes: self.processes,
            gpus: self.gpus,
            gpus_until: self.gpus_until,
            gpus_shared: self.gpus_shared,
            services: self.services,
            bind: self.bind,
            docker_inside: self.docker_inside,
            privileged: self.privileged,
            uid: self.uid,
        };
        limits
            .lay(user)
            .map_err(|wrong| Stop::usage(format!("--{wrong}")))
    }
}

/// What a reader has to know of a user before it is too late.
pub(super) fn warn(settings: &Settings, name: &str, user: &User) {
    for text in users::warnings(settings, name, user) {
        note(&text);
    }
}

pub(super) fn setup(setup: &Setup, args: SetupArgs) -> Result<Code, Stop> {
    let before = Ground::look(setup)?.settings.clone();
    let mut settings = before.clone();
    let SetupArgs {
        root,
        base_port,
        block,
        bind,
        domain,
        image,
        base,
        profiles,
        reserved,
        nested_runtime,
        build_network,
        build_proxy,
    } = args;
    settings.root = root.unwrap_or(settings.root);
    settings.base_port = base_port.unwrap_or(settings.base_port);
    settings.block = block.unwrap_or(settings.block);
    settings.bind = bind.unwrap_or(settings.bind);
    settings.domain = domain.unwrap_or(settings.domain);
    settings.image = image.unwrap_or(settings.image);
    settings.base = base.unwrap_or(settings.base);
    settings.profiles = profiles.unwrap_or(settings.profiles);
    settings.reserved = reserved.unwrap_or(settings.reserved);
    settings.nested_runtime = nested_runtime.unwrap_or(settings.nested_runtime);
    settings.build.network = build_network.unwrap_or(settings.build.network);
    settings.build.proxy = build_proxy.unwrap_or(settings.build.proxy);
    if settings != before {
        let (ground, _guard) = Ground::hold(setup)?;
        let notes = ground.stays(&settings).map_err(Stop::blocked)?;
        for text in notes {
            note(&text);
        }
        settings = edit::put_settings(&ground.places.settings, &settings).map_err(Stop::usage)?;
        if let Some(text) = ground::opened(&before, &settings) {
            note(&text);
        }
    }
    show(setup, &settings)
}

fn show(setup: &Setup, settings: &Settings) -> Result<Code, Stop> {
    if setup.global.json {
        let bare = Settings {
            users: std::collections::BTreeMap::new(),
            ..settings.clone()
        };
        json(&serde_json::json!({"v": 1, "settings": bare}))?;
        return Ok(Code::OK);
    }
    let dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    for (key, value) in [
        ("root", settings.root.display().to_string()),
        ("base-port", settings.base_port.to_string()),
        ("block", settings.block.to_string()),
        ("bind", settings.bind.to_string()),
        ("domain", dash(&settings.domain)),
        ("image", settings.image_name()),
        ("base", settings.base.clone()),
        ("profiles", dash(&settings.profiles.join(","))),
        ("reserved", dash(&settings.reserved.join(","))),
        ("nested-runtime", dash(&settings.nested_runtime)),
        ("build.network", dash(&settings.build.network)),
        ("build.proxy", settings.build.proxy.clone()),
        ("build.no-proxy", dash(&settings.build.no_proxy)),
    ] {
        out(&crate::log::sanitize(&format!("{key:<14} {value}")));
    }
    Ok(Code::OK)
}
