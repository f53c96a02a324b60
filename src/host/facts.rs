//! The facts of a machine, gathered from all probes.

use std::path::Path;

use super::{Fact, Facts, Root, certificates, cpu, gpu, os, runtimes, user};

/// Every fact that a condition may name. All of them are always there: what is unknown is `false`, 0 or empty.
pub const KNOWN: &[&str] = &[
    "arch",
    "container",
    "cpu_name",
    "cpus",
    "daemon",
    "docker",
    "extra_ca",
    "family",
    "free_disk",
    "gfx",
    "gpu_amd",
    "gpu_intel",
    "gpu_name",
    "gpu_nvidia",
    "in_group",
    "incus",
    "kernel",
    "kfd",
    "lxd",
    "memory",
    "npu",
    "os",
    "os_id",
    "pool",
    "proxy",
    "render_gid",
    "root",
    "suite",
    "systemd",
    "user",
    "wsl",
];

/// Looks at the machine below `root`. Never fails: what cannot be read is unknown.
pub fn probe(root: &Path) -> Facts {
    let extra = !certificates::added(root).is_empty();
    let root = Root::new(root);
    let probes = [os::probe, cpu::probe, gpu::probe, runtimes::probe, user::probe];
    let found = probes.iter().flat_map(|probe| probe(&root));
    found
        // whoever looks at the daemon fills `daemon` and `pool` in
        .chain([
            ("extra_ca", extra.into()),
            ("daemon", false.into()),
            ("pool", false.into()),
        ])
        .map(|(name, fact)| (name.to_owned(), fact))
        .collect()
}

/// What a probe found, by name.
pub(super) type Found = Vec<(&'static str, Fact)>;
