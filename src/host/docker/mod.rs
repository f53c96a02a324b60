//! How a container of Docker or Podman gets the GPUs of this machine: decided out of what the machine is, what the
//! engine says of itself, and which GPU is wanted. [`Surroundings::read`] reads and asks; [`pass`] is pure.
//!
//! Each GPU by the first of these ways that works: for NVIDIA a CDI name, the engine's `nvidia` driver with UUIDs, the
//! plain nodes with the folder of the driver's libraries; for AMD and Intel the nodes, with the numbers of the groups
//! that may open them. What was not taken is said with its reason.

pub(super) mod cdi;
mod choice;
mod decide;
mod engine;
mod host_config;
mod nodes;
mod nvidia;

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{Fact, Finding, Root, Severity, detect::Machine, matrix::Matrix, node::Node, passthrough};

pub use cdi::Specification;
pub use choice::{Choice, Unknown};
pub use decide::pass;
pub use engine::{Answer, Engine, Kind, ask};
pub use host_config::{Device, DeviceRequest, HostConfig, Mount, shell};

/// The program that the engine's `nvidia` device driver starts; the engine has that driver only if this is there.
/// Source: moby, `daemon/nvidia_linux.go`.
const HOOK: &[&str] = &[
    "/usr/bin/nvidia-container-runtime-hook",
    "/usr/local/bin/nvidia-container-runtime-hook",
    "/usr/local/nvidia/toolkit/nvidia-container-runtime-hook",
    "/run/current-system/sw/bin/nvidia-container-runtime-hook",
];

/// The program that writes specifications and registers runtimes.
const TOOLKIT: &[&str] = &[
    "/usr/bin/nvidia-ctk",
    "/usr/local/bin/nvidia-ctk",
    "/usr/local/nvidia/toolkit/nvidia-ctk",
];

/// What is refused where there is no name to ask for.
const CDI: &str = "CDI";

/// Folders of `/dev` that have nodes of GPUs and NPUs.
const FOLDERS: &[&str] = &["/dev", "/dev/dri", "/dev/accel"];

/// What is around the GPUs: the engine, specifications, nodes, the driver's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The engine.
    pub engine: Engine,
    /// CDI specifications.
    pub specifications: Vec<Specification>,
    /// Nodes of GPUs and NPUs, by path.
    pub nodes: BTreeMap<String, Node>,
    /// NVIDIA's container toolkit is here.
    pub has_toolkit: bool,
    /// The engine's `nvidia` driver can start its program.
    pub has_hook: bool,
    /// The folder of NVIDIA's libraries.
    pub libraries: Option<String>,
}

impl Surroundings {
    /// Reads them, with what the engine answered.
    pub fn read(root: &Root, machine: &Machine, answer: Option<&Answer>) -> Self {
        let engine = Engine::of(root, machine, answer);
        let folders = if engine.cdi_folders.is_empty() {
            cdi::FOLDERS.iter().map(|folder| (*folder).to_owned()).collect()
        } else {
            engine.cdi_folders.clone()
        };
        let ours = |path: &str| {
            path == "/dev/kfd"
                || ["/dev/nvidia", "/dev/dri/renderD", "/dev/accel/accel"]
                    .iter()
                    .any(|p| path.starts_with(p))
        };
        let paths = FOLDERS.iter().flat_map(|folder| {
            let names = root.nodes(folder).into_iter();
            names.map(move |name| format!("{folder}/{name}"))
        });
        let node = |path: String| Some((path.clone(), root.node(&path).filter(|node| node.character)?));
        Self {
            specifications: cdi::read(root, &folders),
            nodes: paths.filter(|path| ours(path)).filter_map(node).collect(),
            has_toolkit: TOOLKIT.iter().any(|path| root.has(path)),
            has_hook: HOOK.iter().any(|path| root.has(path)),
            libraries: passthrough::libraries(root),
            engine,
        }
    }
}

/// How a GPU gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By a name of a CDI specification.
    Cdi,
    /// By the engine's `nvidia` device driver.
    Nvidia,
    /// By its device nodes.
    Nodes,
}

/// A GPU that gets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// What people call it.
    pub name: String,
    /// Its address.
    pub pci: Option<String>,
    /// NVIDIA's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// How.
    pub way: Way,
}

/// Something that was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// A GPU, or a way.
    pub what: String,
    /// As a sentence.
    pub why: String,
    /// What to type, or to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Whether an image that brings CUDA runs on the chosen GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Its CUDA.
    pub cuda: String,
    /// Why it does not run; none where it does.
    pub why: Option<String>,
    /// The nearest CUDA that runs instead.
    pub nearest: Option<String>,
}

/// The fact that says why images of a CUDA, `12.9` or `12.9.1`, do not run here.
pub fn unfit_fact(cuda: &str) -> String {
    let line: Vec<&str> = cuda.split('.').take(2).collect();
    format!("docker_unfit_{}", line.join("_"))
}

/// How a container gets its GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Passing {
    /// Which engine, and what it can.
    pub engine: Engine,
    /// GPUs that get in.
    pub gpus: Vec<Passed>,
    /// Several kinds are here, and nobody said which one: what can be chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
    /// The image that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Why it is done so.
    pub why: Vec<String>,
    /// What was not done, and why.
    pub refused: Vec<Refused>,
    /// The part of Docker's create body.
    pub host_config: HostConfig,
    /// The same for `docker run`.
    pub arguments: Vec<String>,
    /// The same for a service of a compose file.
    pub compose: String,
    /// For each CUDA (`12.9`) that images may bring and that does not run here: why, and which does. Looked at where labs
    /// are planned, before it is known which image it will be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unfit: BTreeMap<String, String>,
}

/// How a container gets the GPUs of the machine below a root; the engine is asked where it is that of this machine.
///
/// # Errors
/// A GPU is named that is not here.
pub async fn passing(
    machine: &Machine,
    root: &Path,
    matrix: &Matrix,
    choice: &Choice,
    cuda: Option<&str>,
) -> Result<Passing, Unknown> {
    let root = Root::new(root);
    let answer = ask(&root, machine).await;
    let around = Surroundings::read(&root, machine, answer.as_ref());
    pass(machine, &around, matrix, choice, cuda)
}

impl Passing {
    /// Why no GPU gets in, in words.
    pub fn closed(&self) -> String {
        let refused = self.refused.iter();
        let reasons = refused.map(|refused| format!("{}: {}", refused.what, refused.why));
        reasons.chain(self.why.clone()).collect::<Vec<_>>().join("; ")
    }

    /// Facts for conditions: the way of the first GPU (`cdi`, `nvidia`, `nodes`; empty where none gets in), why none
    /// does, and why an image of some CUDA does not run here (`docker_unfit_12_9`).
    pub fn facts(&self) -> impl Iterator<Item = (String, Fact)> {
        let way = self.gpus.first().map_or("", |passed| match passed.way {
            Way::Cdi => "cdi",
            Way::Nvidia => "nvidia",
            Way::Nodes => "nodes",
        });
        let why = if way.is_empty() {
            self.closed()
        } else {
            String::new()
        };
        let unfit = self
            .unfit
            .iter()
            .map(|(cuda, why)| (unfit_fact(cuda), why.as_str().into()));
        let both = [
            ("docker_gpu".to_owned(), way.into()),
            ("docker_gpu_why".to_owned(), why.into()),
        ];
        both.into_iter().chain(unfit)
    }

    /// What is worth a word to somebody who did not ask for it: an engine that is here and cannot pass an NVIDIA GPU in
    /// the way that images and manuals expect.
    pub fn finding(&self, machine: &Machine) -> Option<Finding> {
        let here = machine
            .gpus
            .iter()
            .any(|gpu| gpu.vendor == "nvidia" && gpu.is_driven());
        let by_name = |passed: &&Passed| matches!(passed.way, Way::Cdi | Way::Nvidia);
        if !self.engine.installed || !here || self.gpus.iter().any(|passed| by_name(&passed)) {
            return None;
        }
        // An engine without CDI is better told of NVIDIA's runtime than replaced.
        let all = || self.refused.iter().filter(|refused| refused.fix.is_some());
        let nearest = all().find(|refused| self.engine.cdi == Some(true) || refused.what != CDI);
        let fix = nearest
            .or_else(|| all().next())
            .and_then(|refused| refused.fix.clone());
        let plain = self
            .gpus
            .iter()
            .any(|passed| passed.way == Way::Nodes && passed.uuid.is_some());
        let (severity, why) = if plain {
            (
                Severity::Info,
                "Containers that ask for a GPU as manuals say (`--gpus`) do not start; its plain nodes can be passed in.",
            )
        } else {
            (Severity::Warn, "No container of it gets the NVIDIA GPU.")
        };
        let reasons: Vec<&str> = self.refused.iter().map(|r| r.why.as_str()).collect();
        let name = self.engine.kind.program();
        let seen = format!("{}: {}", self.engine.name(), reasons.join("; "));
        let finding = Finding::new(format!("{name}.no_gpu"), severity, seen, why).source(
            "NVIDIA Container Toolkit installation guide; moby daemon/nvidia_linux.go and daemon/cdi.go",
        );
        Some(match fix {
            Some(fix) => finding.fix(fix),
            None => finding,
        })
    }
}
