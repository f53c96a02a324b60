//! What a proof found: per interface the devices, what ran on each, and why something did not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version of the report's format.
pub const VERSION: u32 = 1;

/// How well the machine, or a lab, was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// A kernel ran on every NVIDIA GPU through the CUDA driver.
    Cuda,
    /// A kernel ran on every AMD GPU through HIP (`ROCm`).
    Hip,
    /// A compute shader ran on every GPU through Vulkan: less than what AI software asks for.
    Vulkan,
    /// There is no GPU, or none was asked for.
    CpuOnly,
    /// There is a GPU, and no kernel ran on it, or not on all of them.
    Failed,
}

impl Grade {
    /// As written in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Hip => "hip",
            Self::Vulkan => "vulkan",
            Self::CpuOnly => "cpu-only",
            Self::Failed => "failed",
        }
    }
}

/// A way to a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// The CUDA driver API.
    Cuda,
    /// HIP, of `ROCm`.
    Hip,
    /// Vulkan compute.
    Vulkan,
}

impl Api {
    /// As written in JSON and on the command line.
    pub fn name(self) -> &'static str {
        self.grade().name()
    }

    /// The grade of a machine whose every device ran a kernel through it.
    pub fn grade(self) -> Grade {
        match self {
            Self::Cuda => Grade::Cuda,
            Self::Hip => Grade::Hip,
            Self::Vulkan => Grade::Vulkan,
        }
    }
}

/// Why something did not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The call that failed: `cuInit`.
    pub call: String,
    /// The error's number; 0 where it has none.
    pub code: i64,
    /// The error's name, or the library's own words: `CUDA_ERROR_NO_DEVICE`.
    pub error: String,
    /// What it usually means.
    pub meaning: String,
    /// What to type next.
    pub next: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.error)?;
        if self.code != 0 {
            write!(f, " ({})", self.code)?;
        }
        write!(f, ": {}; {}", self.meaning, self.next)
    }
}

/// One GPU as an interface shows it, and whether a kernel ran on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name: `NVIDIA H200`.
    pub name: String,
    /// Its UUID as the driver's own tools write it; empty where it has none.
    pub uuid: String,
    /// `0000:c1:00.0`; empty where the interface does not say.
    pub pci: String,
    /// `sm_90`, `gfx1151`; for Vulkan `VENDOR:DEVICE` of PCI.
    pub arch: String,
    /// Bytes of its memory.
    pub memory: u64,
    /// Milliseconds from the start of the kernel to its end, the second time that it ran.
    pub kernel_ms: f64,
    /// Elements that were compared with the CPU's result, and were equal.
    pub checked: u32,
    /// Why no kernel ran; none where one did.
    pub problem: Option<Problem>,
}

/// Whether an interface is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A kernel ran on each of its devices.
    Ran,
    /// It is there, and a kernel did not run on each of its devices.
    Failed,
    /// There is no such library, or no device for it.
    #[default]
    Absent,
}

/// What one interface came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Which.
    pub api: Api,
    /// Whether it is there and works.
    pub outcome: Outcome,
    /// Version of the kernel's driver: `570.195.03`.
    pub driver: String,
    /// Version of the library: `CUDA 12.8`.
    pub runtime: String,
    /// All of its devices.
    pub devices: Vec<Device>,
    /// Why it got no further; of a device it is with the device.
    pub problem: Option<Problem>,
}

/// What `halolab prove` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this format.
    pub v: u32,
    /// The result.
    pub grade: Grade,
    /// RFC 3339.
    pub date: String,
    /// Release of the running kernel.
    pub kernel: String,
    /// Version of halolab.
    pub halolab: String,
    /// What was tried, in order.
    pub interfaces: Vec<Interface>,
}

impl Report {
    /// The interface that the grade is of.
    pub fn best(&self) -> Option<&Interface> {
        let ran = |i: &&Interface| i.outcome == Outcome::Ran && i.api.grade() == self.grade;
        self.interfaces.iter().find(ran)
    }

    /// Everything that stood in the way, most important first.
    pub fn problems(&self) -> Vec<&Problem> {
        let failed = self.interfaces.iter().filter(|i| i.outcome == Outcome::Failed);
        let absent = self.interfaces.iter().filter(|i| i.outcome == Outcome::Absent);
        failed.chain(absent).flat_map(all).collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines = vec![match self.grade {
            Grade::Failed => "FAILED: not every GPU that is here or was asked for ran a kernel".to_owned(),
            Grade::CpuOnly => "CPU only: there is no GPU to prove".to_owned(),
            Grade::Vulkan => "proven: vulkan (a lower grade: neither CUDA nor ROCm ran)".to_owned(),
            grade => format!("proven: {}", grade.name()),
        }];
        for interface in &self.interfaces {
            lines.extend(interface_lines(interface, self.grade == Grade::Failed));
        }
        lines.push(format!("kernel {}, {}", self.kernel, self.date));
        lines.join("\n")
    }
}

fn all(interface: &Interface) -> impl Iterator<Item = &Problem> {
    let devices = interface.devices.iter().filter_map(|d| d.problem.as_ref());
    interface.problem.iter().chain(devices)
}

fn interface_lines(interface: &Interface, failed: bool) -> Vec<String> {
    let (name, problem) = (interface.api.name(), interface.problem.as_ref());
    let mut lines = vec![];
    if interface.outcome == Outcome::Absent {
        let why = problem.map_or_else(String::new, |p| {
            if failed {
                format!(": {p}")
            } else {
                format!(": {}: {}", p.call, p.error)
            }
        });
        return vec![format!("  {name}: not here{why}")];
    }
    let versions = [
        ("driver ", interface.driver.as_str()),
        ("", interface.runtime.as_str()),
    ];
    let versions: Vec<String> = versions
        .iter()
        .filter(|(_, version)| !version.is_empty())
        .map(|(word, version)| format!("{word}{version}"))
        .collect();
    let versions = if versions.is_empty() {
        "failed".to_owned()
    } else {
        versions.join(", ")
    };
    lines.push(format!("  {name}: {versions}"));
    lines.extend(problem.map(|p| format!("    {p}")));
    for device in &interface.devices {
        let about = [&device.arch, &device.pci, &device.uuid];
        let about: Vec<&str> = about
            .iter()
            .map(|a| a.as_str())
            .filter(|a| !a.is_empty())
            .collect();
        let memory = format!("{} GiB", device.memory.div_ceil(1 << 30));
        let end = device.problem.as_ref().map_or_else(
            || {
                format!(
                    "ok, {} elements right in {:.3} ms",
                    device.checked, device.kernel_ms
                )
            },
            |p| format!("FAILED, {p}"),
        );
        lines.push(format!(
            "    {} ({}), {memory}: {end}",
            device.name,
            about.join(", ")
        ));
    }
    lines
}
