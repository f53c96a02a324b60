//! The fields of the workspaces' forms, and what is in them at first.

use std::collections::BTreeMap;

use crate::{
    stage::{Answer, Answers, BackendKind, ChoiceItem, Field, FieldKind, Needs, ProfileSpec, Stage},
    workspace::{Service, Settings, User, image, shown},
};

/// Fields that are not limits, with their help.
pub(super) const WHO: [(&str, &str, FieldKind, &str); 4] = [
    (
        "name",
        "Name",
        FieldKind::Text,
        "a-z, 0-9 and -; it is the user's name inside, too.",
    ),
    (
        "password",
        "Password",
        FieldKind::Secret,
        "At least 8 characters. Empty: one is generated for a new user, and an old one stays.",
    ),
    (
        "again",
        "The same again",
        FieldKind::Secret,
        "The password once more; what is typed is not shown.",
    ),
    (
        "keys",
        "SSH keys",
        FieldKind::Text,
        "A file with public keys (as /home/me/.ssh/id_ed25519.pub), or one key itself. Empty: none; those that are there stay.",
    ),
];

pub(super) const LIMITS: [(&str, &str, FieldKind, &str); 14] = [
    (
        "memory",
        "Memory at most",
        FieldKind::Size,
        "As 32GiB. Empty: all of the machine's.",
    ),
    (
        "memory_reservation",
        "Memory reserved",
        FieldKind::Size,
        "Memory that the kernel leaves to them first when it gets short: a wish, not a promise.",
    ),
    (
        "swap",
        "Swap",
        FieldKind::Size,
        "Swap on top of the memory. Empty: none.",
    ),
    (
        "cpus",
        "Processors",
        FieldKind::Text,
        "As 2.5. Empty: all of them.",
    ),
    (
        "gpus",
        "GPUs",
        FieldKind::Text,
        "all, none, or some with commas between them, by UUID, MIG UUID, address or maker. Empty: none.",
    ),
    (
        "gpus_until",
        "GPUs until",
        FieldKind::Text,
        "The day until which they are held, as 2026-12-31. Empty: without an end.",
    ),
    (
        "gpus_shared",
        "GPUs shared",
        FieldKind::Bool,
        "Others may hold the same ones.",
    ),
    (
        "services",
        "Services",
        FieldKind::Multi,
        "What is started, and has a port.",
    ),
    (
        "bind",
        "Address of ports",
        FieldKind::Text,
        "The address at which the ports are opened. Empty: that of all users. 0.0.0.0 opens them to everybody who reaches this machine, past its firewall.",
    ),
    (
        "shm",
        "Shared memory",
        FieldKind::Size,
        "The size of /dev/shm; training in several processes needs some GiB.",
    ),
    ("processes", "Processes at most", FieldKind::Text, "64 or more."),
    (
        "docker_inside",
        "Docker inside",
        FieldKind::Bool,
        "Its capabilities lead to this machine's disks: for people whom you would give sudo.",
    ),
    (
        "privileged",
        "Privileged",
        FieldKind::Text,
        "All capabilities and devices, which is root on this machine: the user's name, typed once more. Empty: not.",
    ),
    (
        "uid",
        "User id",
        FieldKind::Text,
        "1000 or more. Empty: the one of their slot.",
    ),
];

pub(super) const ALL: [(&str, &str, FieldKind, &str); 10] = [
    (
        "root",
        "Folder of the data",
        FieldKind::Text,
        "Homes, scratch space, shared data and state are below it; they outlive every container.",
    ),
    (
        "base_port",
        "First port",
        FieldKind::Text,
        "The first port of the first user.",
    ),
    ("block", "Ports a user", FieldKind::Text, "23 or more."),
    (
        "bind",
        "Address of ports",
        FieldKind::Text,
        "127.0.0.1 is reached from here alone, and by ssh -L. 0.0.0.0 opens them to everybody who reaches this machine, past its firewall.",
    ),
    (
        "reserved",
        "Reserved ports",
        FieldKind::Text,
        "Kept for something else, as 8080,30000-32767.",
    ),
    ("profiles", "Profiles of the image", FieldKind::Multi, ""),
    (
        "base",
        "The image stands on",
        FieldKind::Text,
        "debian, ubuntu, cuda, or an image that the engine has or can fetch.",
    ),
    (
        "image",
        "Image",
        FieldKind::Text,
        "A version of ours, or NAME:TAG of another one. Empty: the one of this halolab.",
    ),
    (
        "domain",
        "Domain",
        FieldKind::Text,
        "Of USER-SERVICE.DOMAIN, for a proxy. Empty: none.",
    ),
    (
        "nested_runtime",
        "Runtime for Docker inside",
        FieldKind::Text,
        "A runtime of the engine, as sysbox-runc: Docker inside needs no capabilities with it. Empty: none.",
    ),
];

pub(super) fn field((id, title, kind, help): (&str, &str, FieldKind, &str)) -> Field {
    let choices = match (id, kind) {
        ("services", _) => Service::ALL
            .iter()
            .map(|service| choice(service.name(), service.name(), ""))
            .collect(),
        ("profiles", _) => image::profiles()
            .iter()
            .map(|profile| choice(&profile.id, &profile.id, &profile.notes.join(" ")))
            .collect(),
        _ => vec![],
    };
    let default = (id == "shm").then(|| Answer::Text(User::default().shm));
    Field {
        id: id.into(),
        title: title.into(),
        help: help.into(),
        kind,
        default,
        ask: None,
        choices,
        when: None,
        required: id == "name",
        min: None,
        max: None,
    }
}

fn choice(id: &str, title: &str, help: &str) -> ChoiceItem {
    ChoiceItem {
        id: id.into(),
        title: title.into(),
        help: help.into(),
        when: None,
        why_not: String::new(),
    }
}

/// A form is made of a stage's options; of this stage nothing is ever made.
pub(super) fn stage(options: Vec<Field>) -> Stage {
    Stage {
        version: 1,
        id: "workspace".into(),
        title: String::new(),
        summary: String::new(),
        order: 0,
        backend: BackendKind::Docker,
        needs: Needs::default(),
        images: vec![],
        options,
        profile: ProfileSpec::default(),
        mounts: vec![],
        mounts_root: None,
        steps: vec![],
        updates: vec![],
        verifies: vec![],
        files: BTreeMap::new(),
        text: String::new(),
        origin: String::new(),
    }
}

fn text(value: impl Into<String>) -> Answer {
    Answer::Text(value.into())
}

pub(super) fn answers_of(user: &User) -> Answers {
    let or_empty = |value: &Option<String>| text(value.clone().unwrap_or_default());
    let services = user.services.iter().map(|service| service.name().to_owned());
    let gpus = if user.gpus.is_empty() {
        String::new()
    } else {
        shown::gpus(user)
    };
    [
        ("memory", or_empty(&user.memory)),
        ("memory_reservation", or_empty(&user.memory_reservation)),
        ("swap", or_empty(&user.swap)),
        (
            "cpus",
            text(user.cpus.map(|cpus| cpus.to_string()).unwrap_or_default()),
        ),
        ("gpus", text(gpus)),
        ("gpus_until", or_empty(&user.gpus_until)),
        ("gpus_shared", Answer::Bool(user.gpus_shared)),
        ("services", Answer::List(services.collect())),
        (
            "bind",
            text(user.bind.map(|bind| bind.to_string()).unwrap_or_default()),
        ),
        ("shm", text(user.shm.clone())),
        ("processes", text(user.processes.to_string())),
        ("docker_inside", Answer::Bool(user.docker)),
        ("privileged", or_empty(&user.privileged)),
        (
            "uid",
            text(user.uid.map(|uid| uid.to_string()).unwrap_or_default()),
        ),
    ]
    .map(|(id, answer)| (id.to_owned(), answer))
    .into()
}

pub(super) fn answers_of_all(settings: &Settings) -> Answers {
    [
        ("root", text(settings.root.display().to_string())),
        ("base_port", text(settings.base_port.to_string())),
        ("block", text(settings.block.to_string())),
        ("bind", text(settings.bind.to_string())),
        ("reserved", text(settings.reserved.join(","))),
        ("profiles", Answer::List(settings.profiles.clone())),
        ("base", text(settings.base.clone())),
        ("image", text(settings.image.clone())),
        ("domain", text(settings.domain.clone())),
        ("nested_runtime", text(settings.nested_runtime.clone())),
    ]
    .map(|(id, answer)| (id.to_owned(), answer))
    .into()
}
