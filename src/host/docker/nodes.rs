//! GPUs that get in by their device nodes: AMD's and Intel's; and who may open a node inside.

use crate::host::{
    detect::Gpu,
    node::{Access, Node},
};

use super::{Kind, Refused, Way, decide::Work};

/// AMD's compute interface, shared by all of its GPUs.
const KFD: &str = "/dev/kfd";

impl Work<'_> {
    /// AMD's and Intel's cards, by their render nodes.
    pub(super) fn by_nodes(&mut self, gpus: &[&Gpu]) {
        let mut amd = false;
        for gpu in gpus {
            let nodes = self.render_nodes(gpu);
            let missing: Vec<&String> = nodes
                .iter()
                .filter(|path| !self.around.nodes.contains_key(*path))
                .collect();
            if nodes.is_empty() || missing.len() == nodes.len() {
                let why = match missing.first() {
                    Some(path) => format!("{path} is not there"),
                    None => "it has no render node".to_owned(),
                };
                self.refuse(gpu.name.clone(), why, None);
                continue;
            }
            if self.let_in(&gpu.name, &nodes) {
                amd |= gpu.vendor == "amd";
                self.passed(gpu, Way::Nodes);
            }
        }
        if amd {
            self.compute();
        }
        if gpus.iter().any(|gpu| gpu.vendor == "intel") {
            self.say(
                "Intel's GPU needs its render node only: Level Zero, OpenCL and Vulkan come with the image",
            );
        }
    }

    /// What ROCm needs beside the cards.
    fn compute(&mut self) {
        if self.around.nodes.contains_key(KFD) {
            self.let_in("ROCm", &[KFD.to_owned()]);
        } else {
            self.refuse(
                "ROCm",
                format!("{KFD} is not there: the container has Vulkan and video only"),
                Some("halolab doctor says what keeps amdgpu from making it".to_owned()),
            );
        }
        let npus: Vec<String> = self
            .machine
            .npus
            .iter()
            .filter_map(|npu| npu.node.clone())
            .collect();
        for path in npus {
            if self.around.nodes.contains_key(&path) {
                self.let_in("the NPU", &[path]);
            }
        }
        self.say(
            "seccomp stays on: ROCm computes under Docker's profile; its manual names `seccomp=unconfined` as an option, \
             for memory policies of machines with several memory nodes, where `--cap-add SYS_NICE` is enough",
        );
    }

    /// Its render nodes: one a partition.
    fn render_nodes(&self, gpu: &Gpu) -> Vec<String> {
        let path = |name: &str| format!("/dev/dri/{name}");
        let mut found: Vec<String> = gpu.render.iter().map(|name| path(name)).collect();
        let place = gpu.pci.as_deref().and_then(place);
        let own = self
            .machine
            .kfd
            .iter()
            .filter(|node| node.is_gpu() && Some(node.place()) == place);
        for node in own {
            let minor = node.get("drm_render_minor");
            let path = path(&format!("renderD{minor}"));
            if minor >= 128 && !found.contains(&path) {
                found.push(path);
            }
        }
        found
    }

    /// Adds nodes, and the groups that may open them; no where nobody inside could.
    pub(super) fn let_in(&mut self, what: &str, paths: &[String]) -> bool {
        let nodes: Vec<Node> = paths
            .iter()
            .filter_map(|path| self.around.nodes.get(path).cloned())
            .collect();
        for node in &nodes {
            if let Err(refused) = self.group(what, node) {
                self.out.refused.push(refused);
                return false;
            }
        }
        for node in nodes {
            self.out.host_config.node(&node.path);
        }
        true
    }

    /// Who may open a node inside: everybody, or a group by its number.
    fn group(&mut self, what: &str, node: &Node) -> Result<(), Refused> {
        if node.mode & 0o006 == 0o006 {
            return Ok(());
        }
        let engine = &self.around.engine;
        let (path, gid) = (&node.path, node.gid);
        if engine.rootless {
            let own = self.machine.access.get(path) == Some(&Access::Rw);
            if engine.kind == Kind::Podman && own {
                self.out.host_config.group_add = vec!["keep-groups".to_owned()];
                self.say("Podman without root cannot give a group that is not yours: the container keeps your own groups, which crun can do");
                return Ok(());
            }
            return Err(Refused {
                what: what.to_owned(),
                why: format!(
                    "{} runs without root: in its containers nobody is in group {gid}, which may open {path}",
                    engine.name()
                ),
                fix: Some(format!(
                    "Use an engine that runs as root, or a udev rule that opens {path} to all: MODE=\"0666\""
                )),
            });
        }
        if engine.remapped {
            self.out.host_config.userns_mode = Some("host".to_owned());
            self.say("the engine gives containers other group numbers (userns-remap): this one keeps the machine's, or no group could open the nodes");
        }
        if node.mode & 0o060 == 0o060 && gid != 0 {
            if self
                .out
                .host_config
                .group_add
                .iter()
                .all(|have| *have != "keep-groups")
            {
                self.out.host_config.group(gid);
            }
            self.say("groups are numbers: a name would be looked up in the image's /etc/group, where it has another number or is missing");
        } else {
            self.say(&format!(
                "{path} is root's alone: only root can open it in the container"
            ));
        }
        Ok(())
    }
}

/// Domain, bus and device of an address, as KFD counts them.
fn place(pci: &str) -> Option<(u64, u64, u64)> {
    let mut parts = pci.split([':', '.']);
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    Some((number()?, number()?, number()?))
}
