//! Whether the user may use the nodes of GPUs and NPUs.

use serde_json::Value;

use super::{Case, Finding, Severity};
use crate::host::node::Access;

const UDEV: &str = "systemd 50-udev-default.rules: GROUP=render, mode by distribution";

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut found = vec![];
    if case.rocm().next().is_some() {
        found.extend(compute(case));
        let render = case.rocm().filter_map(|gpu| gpu.render.as_ref());
        let denied = render
            .map(|name| format!("/dev/dri/{name}"))
            .find(|path| access(case, path) == Some(Access::Denied));
        found.extend(denied.map(|path| {
            denied_node(
                case,
                "dev.render.denied",
                Severity::Fail,
                &path,
                "ROCm and Vulkan open it for every allocation.",
            )
        }));
    }
    let accelerators = case.machine.npus.iter().filter_map(|npu| npu.node.as_deref());
    let denied = accelerators
        .into_iter()
        .find(|path| access(case, path) == Some(Access::Denied));
    found.extend(denied.map(|path| {
        denied_node(
            case,
            "dev.accel.denied",
            Severity::Warn,
            path,
            "Programs cannot use the NPU.",
        )
    }));
    found.extend(nvidia(case));
    found
}

/// Said of an engine of this machine to whoever uses its socket without being root.
pub fn engine_socket(engine: &str, address: &str, root: bool) -> Option<Finding> {
    let local = address.starts_with('/') && !root;
    let group = if engine.eq_ignore_ascii_case("incus") {
        "incus-admin"
    } else {
        "lxd"
    };
    local.then(|| {
        Finding::new(
            "engine.socket_is_root",
            Severity::Info,
            format!("you may use the socket {address}: that is as good as being root on this machine, without a password"),
            format!(
                "Whoever may use it, a member of the group {group} for one, can mount / into a container and write there \
                 as root."
            ),
        )
        .fix(format!(
            "Leave it, where that is what you want; else `sudo gpasswd -d $USER {group}`, log in again, and run halolab as root"
        ))
        .source("LXD and Incus documentation, security: local access is root access")
    })
}

fn access(case: &Case<'_>, path: &str) -> Option<Access> {
    case.machine.access.get(path).copied()
}

fn compute(case: &Case<'_>) -> Option<Finding> {
    match access(case, "/dev/kfd") {
        Some(Access::Denied) => Some(denied_node(
            case,
            "dev.kfd.denied",
            Severity::Fail,
            "/dev/kfd",
            "ROCm finds no GPU without it.",
        )),
        Some(Access::Missing) | None => {
            let fix = if case.in_container() {
                "On the host: lxc config device add NAME kfd unix-char source=/dev/kfd path=/dev/kfd gid=GID mode=0660, \
                 with the number of the render group inside. The device type gpu does not pass it."
            } else {
                "sudo modprobe amdgpu, and look at `journalctl -k | grep -i kfd`: the kernel needs CONFIG_HSA_AMD."
            };
            let finding = Finding::new(
                "dev.kfd.missing",
                Severity::Fail,
                "/dev/kfd is missing",
                "ROCm finds no GPU without it.",
            );
            Some(
                finding
                    .fix(fix)
                    .source("LXD device type gpu; kernel Documentation/gpu/amdgpu"),
            )
        }
        Some(Access::Rw) => None,
    }
}

fn denied_node(case: &Case<'_>, id: &str, severity: Severity, path: &str, why: &str) -> Finding {
    let gid = case.machine.node_groups.get(path).copied().unwrap_or(0);
    let group = case.machine.groups.get(&gid).filter(|_| gid != 0);
    let seen = format!(
        "{path} belongs to group {}, and the user is not in it",
        group.map_or_else(|| gid.to_string(), Clone::clone)
    );
    let finding = Finding::new(id, severity, seen, why)
        .with(
            "need_group",
            group.map_or(Value::Null, |name| Value::from(name.as_str())),
        )
        .with("need_gid", gid)
        .source(UDEV);
    let user = case.user();
    match group {
        Some(group) => finding.fix(format!(
            "sudo usermod -aG {} {user}, then log in again",
            crate::host::command::quote(group)
        )),
        None if case.in_container() => {
            let name = path.rsplit('/').next().unwrap_or_default();
            let hint = format!("set gid= (or mode=0666) on the container's {name} device");
            finding.fix(hint.clone()).with("hint", hint)
        }
        None => finding.fix(format!(
            "sudo chgrp render {path} && sudo chmod 0660 {path} until the next start; a udev rule keeps it: \
             KERNEL==\"{}\", GROUP=\"render\", MODE=\"0660\"",
            path.rsplit('/').next().unwrap_or_default()
        )),
    }
}

/// NVIDIA's nodes are open to all unless somebody changed that; the one for memory is made when it is first needed.
fn nvidia(case: &Case<'_>) -> Vec<Finding> {
    let mut found = vec![];
    let on_pci = case.cuda().any(|gpu| gpu.pci.is_some());
    if !on_pci {
        return found;
    }
    let denied = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]
        .into_iter()
        .find(|path| access(case, path) == Some(Access::Denied));
    found.extend(denied.map(|path| {
        denied_node(
            case,
            "dev.nvidia.denied",
            Severity::Fail,
            path,
            "CUDA finds no GPU without it.",
        )
    }));
    if access(case, "/dev/nvidiactl") == Some(Access::Missing) {
        found.push(
            Finding::new(
                "dev.nvidia.missing",
                Severity::Fail,
                "/dev/nvidiactl is missing",
                "CUDA finds no GPU without it.",
            )
            .fix("sudo nvidia-modprobe -c 0 -u"),
        );
    } else if access(case, "/dev/nvidia-uvm") == Some(Access::Missing) {
        found.push(
            Finding::new(
                "dev.nvidia_uvm.missing",
                Severity::Warn,
                "/dev/nvidia-uvm is missing",
                "CUDA makes it when it starts, but inside a container it cannot.",
            )
            .fix("sudo nvidia-modprobe -u -c 0, or enable nvidia-persistenced"),
        );
    }
    found
}
