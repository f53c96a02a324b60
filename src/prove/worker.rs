//! The child process of a proof: tries one interface on all of its devices, and tells on standard output, line by
//! line, how far it is. A driver that hangs or crashes ends only this process, and the lines say where.

use std::{ffi::CString, io::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    Api, Device, Place, Problem, advice,
    ffi::{
        Fault, Kind,
        compute::{Description, Driver},
        vulkan::Vulkan,
    },
    pattern, places,
};

const PTX: &str = include_str!("../../assets/kernels/proof.ptx");
const HIP: &str = include_str!("../../assets/kernels/proof.hip");

/// What begins each of our lines: drivers write to standard output too.
pub(super) const MARK: &str = "halolab-proof ";

/// One line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// What comes next: where a hang or a crash is.
    Begin(String),
    /// Version of the library.
    Runtime(String),
    /// Version of the driver, where the library says it.
    Driver(String),
    /// A device, with its proof.
    Device(Device),
    /// It gets no further, and why.
    Stopped(Problem),
    /// There is no such library, or no device for it.
    Absent(Problem),
    /// All was tried.
    End,
}

/// What a child is told to do.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The interface.
    pub api: Api,
    /// Where it runs.
    pub place: Place,
    /// Takes processors as GPUs, which only a test wants: Vulkan has one that calculates on the CPU.
    pub admit_cpu: bool,
}

/// Tries an interface, and tells how it goes.
pub fn work(task: Task) {
    let end = match task.api {
        Api::Cuda => Driver::cuda(&places::cuda()).and_then(|driver| compute(task, &driver)),
        Api::Hip => {
            let compilers = |runtime: &std::path::Path| places::hip_compilers(runtime, task.place);
            Driver::hip(&places::hip(task.place), compilers).and_then(|driver| compute(task, &driver))
        }
        Api::Vulkan => vulkan(task),
    };
    say(&match end {
        Ok(()) => Line::End,
        Err(fault) if fault.kind != Kind::Refused || advice::no_device(task.api, fault.code) => {
            Line::Absent(advice::problem(task.api, task.place, fault))
        }
        Err(fault) => Line::Stopped(advice::problem(task.api, task.place, fault)),
    });
}

fn say(line: &Line) {
    let mut out = std::io::stdout().lock();
    let text = serde_json::to_string(line).unwrap_or_default();
    // Who does not listen any more has given us up.
    let _ = writeln!(out, "\n{MARK}{text}");
    let _ = out.flush();
}

fn begin(what: &str) {
    say(&Line::Begin(what.to_owned()));
}

fn compute(task: Task, driver: &Driver) -> Result<(), Fault> {
    let cuda = task.api == Api::Cuda;
    begin(if cuda { "cuInit" } else { "hipInit" });
    driver.init()?;
    say(&Line::Runtime(runtime(task.api, driver.version()?)));
    begin("counting the devices");
    let count = driver.count()?;
    if count == 0 {
        return Err(Fault {
            kind: Kind::NoDevice,
            ..Fault::new("counting the devices", 0, "the driver shows no device")
        });
    }
    for ordinal in 0..count {
        begin(&format!("device {ordinal}"));
        let mut device = Device {
            name: format!("device {ordinal}"),
            ..Device::default()
        };
        let ran = driver.describe(ordinal).and_then(|found| {
            fill(&mut device, &found);
            begin(&format!("the kernel on device {ordinal}, {}", found.name));
            let code = if cuda { PTX } else { HIP };
            let code = CString::new(code).map_err(|e| Fault::new("the kernel", 0, e.to_string()))?;
            proof(|input, seed| driver.run(ordinal, &found.arch, &code, (input, seed)))
        });
        settle(task, &mut device, ran);
        say(&Line::Device(device));
    }
    Ok(())
}

fn fill(device: &mut Device, found: &Description) {
    device.name.clone_from(&found.name);
    device.uuid = uuid(found.uuid);
    device.pci.clone_from(&found.pci);
    // Features of a target (`gfx90a:sramecc+:xnack-`) matter to the compiler alone.
    let target = found.arch.split(':').next().unwrap_or_default();
    target.clone_into(&mut device.arch);
    device.memory = found.memory;
}

fn vulkan(task: Task) -> Result<(), Fault> {
    begin("vkCreateInstance");
    let vulkan = Vulkan::open(&places::vulkan())?;
    begin("counting the devices");
    let found = vulkan.devices(task.admit_cpu)?;
    let Some(first) = found.first() else {
        return Err(Fault {
            kind: Kind::NoDevice,
            ..Fault::new(
                "vkEnumeratePhysicalDevices",
                0,
                "Vulkan shows no GPU (processors are not counted)",
            )
        });
    };
    say(&Line::Runtime(format!("Vulkan {}", first.version)));
    say(&Line::Driver(first.driver.clone()));
    for gpu in &found {
        let mut device = Device {
            name: gpu.name.clone(),
            uuid: gpu.uuid.map(hyphens).unwrap_or_default(),
            pci: gpu.pci.clone(),
            arch: gpu.ids.clone(),
            memory: gpu.memory,
            ..Device::default()
        };
        begin(&format!("the shader on {}", gpu.name));
        let ran = proof(|input, seed| vulkan.run(gpu, input, seed));
        settle(task, &mut device, ran);
        say(&Line::Device(device));
    }
    Ok(())
}

/// Sends numbers through a GPU and compares all that comes back: elements and milliseconds.
fn proof(run: impl FnOnce(&[u32], u32) -> Result<(Vec<u32>, f64), Fault>) -> Result<(u32, f64), Fault> {
    let seed = pattern::seed();
    let input = pattern::input(seed);
    let (found, milliseconds) = run(&input, seed)?;
    let checked =
        pattern::check(&input, &found, seed).map_err(|wrong| Fault::new(advice::COMPARE, 0, wrong))?;
    Ok((checked, milliseconds))
}

fn settle(task: Task, device: &mut Device, ran: Result<(u32, f64), Fault>) {
    match ran {
        Ok((checked, milliseconds)) => {
            device.checked = checked;
            device.kernel_ms = (milliseconds * 1000.0).round() / 1000.0;
        }
        Err(fault) => device.problem = Some(advice::problem(task.api, task.place, fault)),
    }
}

/// The library's version in words: CUDA counts 12080, HIP 60443484 (its patch is the build's number).
fn runtime(api: Api, version: i32) -> String {
    if api == Api::Cuda {
        return format!("CUDA {}.{}", version / 1000, version % 1000 / 10);
    }
    let (major, minor, patch) = (version / 10_000_000, version / 100_000 % 100, version % 100_000);
    format!("HIP {major}.{minor}.{patch}{}", places::rocm())
}

/// As `nvidia-smi` and `rocminfo` write it: HIP's 16 bytes are the text itself.
fn uuid(bytes: [u8; 16]) -> String {
    if bytes == [0; 16] {
        return String::new();
    }
    if bytes.iter().all(u8::is_ascii_hexdigit) {
        return format!("GPU-{}", String::from_utf8_lossy(&bytes));
    }
    format!("GPU-{}", hyphens(bytes))
}

fn hyphens(bytes: [u8; 16]) -> String {
    let text = hex::encode(bytes);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_uuids_are_in_the_words_of_their_tools() {
        assert_eq!(runtime(Api::Cuda, 12_080), "CUDA 12.8");
        assert_eq!(runtime(Api::Cuda, 13_010), "CUDA 13.1");
        assert_eq!(runtime(Api::Hip, 60_443_484), "HIP 6.4.43484");
        assert_eq!(uuid([0; 16]), "");
        assert_eq!(uuid(*b"8a6f0123456789ab"), "GPU-8a6f0123456789ab");
        assert_eq!(uuid([0xab; 16]), "GPU-abababab-abab-abab-abab-abababababab");
    }
}
