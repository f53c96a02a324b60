//! A machine with labs in every state.

use std::collections::BTreeMap;

use halolab::{
    app::HostSummary,
    backend::{Instance, InstanceState, Network, Pool, Server, Status},
    host::{Fact, Facts, Finding, Severity},
    labs::{SnapshotKind, SnapshotRow, World},
    stage::{Catalog, load::parse},
};

/// The time at which every sample is drawn.
pub(crate) const NOW: &str = "2026-11-22T05:00:00Z";

pub(crate) fn now() -> u64 {
    u64::try_from(NOW.parse::<jiff::Timestamp>().unwrap().as_second()).unwrap()
}

const AI_LAB: &str = include_str!("../../fixtures/sample/ai-lab.toml");
const DEV_LAB: &str = include_str!("../../fixtures/sample/dev-lab.toml");

pub(crate) fn catalog() -> Catalog {
    let stage = |file: &str, text: &str| parse(file, text, BTreeMap::new()).unwrap();
    Catalog::of(vec![
        stage("ai-lab", AI_LAB),
        stage("dev-lab", DEV_LAB),
        stage(
            "old-lab",
            &DEV_LAB
                .replace("dev-lab", "old-lab")
                .replace("order = 20", "order = 30"),
        ),
        stage(
            "mine",
            &DEV_LAB
                .replace("dev-lab", "mine")
                .replace("order = 20", "order = 40"),
        ),
    ])
}

pub(crate) fn facts() -> Facts {
    let facts: [(&str, Fact); 11] = [
        ("os", "CachyOS".into()),
        ("kernel", "6.18.4-2-cachyos".into()),
        ("cpu_name", "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S".into()),
        ("cpus", 32_u64.into()),
        ("memory", (128_u64 << 30).into()),
        ("gpu_amd", true.into()),
        ("gpu_name", "Radeon 8060S".into()),
        ("gfx", "gfx1151".into()),
        ("free_disk", (512_u64 << 30).into()),
        ("family", "arch".into()),
        ("root", true.into()),
    ];
    facts
        .into_iter()
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect()
}

pub(crate) fn host() -> HostSummary {
    HostSummary {
        facts: facts(),
        findings: vec![
            Finding {
                id: "network.forward_dropped".into(),
                severity: Severity::Warn,
                seen: "Docker's firewall drops what labs send: they would have no network.".into(),
                why: String::new(),
                fix: None,
                source: None,
                details: BTreeMap::new(),
                mend: Some("let the labs' bridge through; undone when Docker goes".into()),
                script: None,
            },
            Finding {
                id: "gpu.memory".into(),
                severity: Severity::Info,
                seen: "The GPU may use 62 GiB of the 128 GiB of memory.".into(),
                why: String::new(),
                fix: None,
                source: None,
                details: BTreeMap::new(),
                mend: None,
                script: None,
            },
        ],
    }
}

fn instance(name: &str, status: Status, tags: &[(&str, &str)]) -> Instance {
    Instance {
        name: name.into(),
        status,
        status_text: "Running".into(),
        created: "2026-11-10T08:00:00Z".into(),
        uuid: format!("uuid-of-{name}"),
        expanded_devices: [(
            "root".to_owned(),
            [("path", "/"), ("pool", "default")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        )]
        .into(),
        config: tags
            .iter()
            .map(|(k, v)| (format!("user.halolab.{k}"), (*v).to_owned()))
            .collect(),
        profiles: vec!["default".into(), format!("halolab-{name}")],
        ..Instance::default()
    }
}

/// A daemon without any lab.
pub(crate) fn empty_world() -> World {
    World {
        server: Some(Server {
            product: "lxd".into(),
            version: "5.0.2".into(),
            address: "/var/lib/lxd/unix.socket".into(),
            trusted: true,
            ..Server::default()
        }),
        facts: facts(),
        pools: vec![Pool {
            name: "default".into(),
            driver: "btrfs".into(),
            used: 13 << 30,
            total: 60 << 30,
            status: "Created".into(),
        }],
        networks: vec![Network {
            name: "lxdbr0".into(),
            kind: "bridge".into(),
            managed: true,
            ipv4: "10.1.2.1/24".into(),
        }],
        ..World::default()
    }
}

/// A daemon with a whole lab, an unfinished one and a foreign one; the fourth stage has none.
pub(crate) fn world() -> World {
    let ai = [
        ("stage", "ai-lab"),
        ("version", "1"),
        ("verdict", "gfx1151 ok, ROCm 7.14, torch 2.9"),
    ];
    World {
        instances: vec![
            instance("ai-lab", Status::Running, &ai),
            instance(
                "ai-lab-prev",
                Status::Stopped,
                &[("stage", "ai-lab"), ("kept", "ai-lab")],
            ),
            instance(
                "old-lab",
                Status::Stopped,
                &[("stage", "old-lab"), ("state", "building")],
            ),
            instance("mine", Status::Running, &[]),
        ],
        snapshots: [(
            "ai-lab".to_owned(),
            vec!["clean".to_owned(), "works".to_owned(), "update-1".to_owned()],
        )]
        .into(),
        ..empty_world()
    }
}

pub(crate) fn states() -> BTreeMap<String, InstanceState> {
    let state = InstanceState {
        addresses: vec!["10.1.2.34".into(), "fd42::34".into()],
        memory: 1_181_116_006,
        disk: Some(13_099_650_252),
        processes: 41,
        processor: 0,
    };
    [("ai-lab".to_owned(), state)].into()
}

pub(crate) fn snapshots() -> Vec<SnapshotRow> {
    let row = |name: &str, created: &str, size, note: &str, kind, pinned| SnapshotRow {
        name: name.into(),
        created: created.into(),
        size,
        note: note.into(),
        pinned,
        way_back: false,
        kind,
        verdict: Some("gfx1151 ok, ROCm 7.14, torch 2.9".into()),
        proof: None,
        holds: "ai-lab v1 on Archlinux current amd64".into(),
    };
    let safety = |name: &str, created: &str, size, pinned| {
        row(name, created, size, "before update", SnapshotKind::Safety, pinned)
    };
    vec![
        safety("update-4", "2026-11-22T03:00:00Z", None, false),
        safety("update-3", "2026-11-21T03:00:00Z", Some(91_268_055), false),
        row(
            "works",
            "2026-11-20T10:00:00Z",
            Some(432_013_312),
            "ComfyUI with the video nodes runs",
            SnapshotKind::User,
            true,
        ),
        safety("update-2", "2026-11-15T03:00:00Z", Some(12_000_000), true),
        safety("update-1", "2026-11-12T03:00:00Z", Some(8_409_088), false),
        row(
            "clean",
            "2026-11-10T08:20:00Z",
            Some(0),
            "",
            SnapshotKind::Clean,
            true,
        ),
    ]
}
