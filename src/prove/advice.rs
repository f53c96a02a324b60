//! What errors of GPU drivers usually mean, and what to type next.

use super::{
    Api, Place, Problem,
    ffi::{Fault, Kind},
};

/// The "call" of a proof whose kernel ran and answered wrongly.
pub(super) const COMPARE: &str = "comparing the result";

/// Whether an error only says that there is no GPU for this interface: CUDA's and HIP's 100.
pub(super) fn no_device(api: Api, code: i64) -> bool {
    api != Api::Vulkan && code == 100
}

pub(super) fn problem(api: Api, place: Place, fault: Fault) -> Problem {
    let (meaning, next) = match api {
        _ if fault.call == COMPARE => (
            "the kernel ran, and its result is wrong: failing memory, an unstable clock, or a driver that does not \
             fit this GPU",
            Next::Log,
        ),
        Api::Cuda => cuda(&fault),
        Api::Hip => hip(&fault),
        Api::Vulkan => vulkan(&fault),
    };
    Problem {
        next: next.words(api, place).to_owned(),
        call: fault.call,
        code: fault.code,
        error: fault.error,
        meaning: meaning.to_owned(),
    }
}

/// What to do next.
#[derive(Clone, Copy)]
enum Next {
    /// Bring the driver's libraries.
    Library,
    /// Bring the GPU's device nodes.
    Nodes,
    /// Make kernel module and libraries one version.
    Match,
    /// Look into the kernel's log.
    Log,
    /// Load the module for unified memory.
    Unified,
    /// Start what joins several GPUs.
    Fabric,
    /// Find who holds the GPU.
    Holder,
    /// Install a newer driver.
    Newer,
}

impl Next {
    fn words(self, api: Api, place: Place) -> &'static str {
        match (self, api, place) {
            (Self::Library, Api::Cuda, Place::Machine) => {
                "install NVIDIA's driver (Ubuntu: `sudo ubuntu-drivers install`; Debian: `sudo apt install \
                 nvidia-driver`; Arch: `sudo pacman -S nvidia-open`), restart, and run `halolab prove` again"
            }
            (Self::Library, Api::Cuda, Place::Lab) => {
                "the driver's libraries must come from the machine: install the NVIDIA container toolkit there; of LXD see \
                 `lxc config show LAB --expanded` for `nvidia.runtime` or a CDI device, of Docker `halolab detect --docker`, \
                 and start the lab anew"
            }
            (Self::Library, Api::Hip, Place::Machine) => {
                "labs bring their own ROCm; to prove the machine itself install HIP (Ubuntu, Debian: `sudo apt install \
                 libamdhip64-5 libhiprtc-builtins5` or AMD's packages; Arch: `sudo pacman -S hip-runtime-amd`)"
            }
            (Self::Library, Api::Hip, Place::Lab) => "run the lab's update, which installs ROCm",
            (Self::Library, Api::Vulkan, _) => {
                "install Vulkan (Debian, Ubuntu: `apt install libvulkan1 mesa-vulkan-drivers`; Arch: `pacman -S \
                 vulkan-icd-loader` and the driver of your GPU)"
            }
            (Self::Nodes, Api::Hip, _) => {
                "look at `ls -l /dev/kfd /dev/dri` and `id`, and see `halolab doctor`"
            }
            (Self::Nodes, Api::Cuda, _) => "look at `ls -l /dev/nvidia*`, and see `halolab doctor`",
            (Self::Nodes, Api::Vulkan, _) => "look at `ls -l /dev/dri`, and see `halolab doctor`",
            (Self::Match, _, Place::Machine) => {
                "restart the machine, so that the new driver's module is loaded"
            }
            (Self::Match, _, Place::Lab) => {
                "the libraries in the lab are of another version than the machine's module: restart the lab, and remove \
                 driver packages that were installed inside"
            }
            (Self::Log, _, _) => "look at `sudo dmesg | tail -n 50` on the machine",
            (Self::Unified, _, _) => {
                "on the machine: `sudo modprobe nvidia_uvm && sudo nvidia-modprobe -u -c 0`, then look at `sudo dmesg | \
                 tail -n 50`"
            }
            (Self::Fabric, _, _) => {
                "on the machine: `sudo systemctl start nvidia-fabricmanager`, and look at `nvidia-smi -q | grep -A 3 \
                 Fabric`"
            }
            (Self::Holder, Api::Cuda, _) => "see who holds it: `nvidia-smi`",
            (Self::Holder, _, _) => "see who holds it: `sudo fuser -v /dev/kfd /dev/dri/renderD*`",
            (Self::Newer, Api::Cuda, _) => "install a newer driver on the machine, and restart",
            (Self::Newer, _, _) => "see `halolab doctor` for the versions that fit this GPU",
        }
    }
}

fn cuda(fault: &Fault) -> (&'static str, Next) {
    match fault.code {
        _ if fault.kind == Kind::NoLibrary => ("NVIDIA's driver is not here", Next::Library),
        0 if fault.call.starts_with("dlopen") => {
            ("the driver's library is here and cannot be loaded", Next::Match)
        }
        0 if fault.call.starts_with("dlsym") => ("the driver is older than CUDA 9.2", Next::Newer),
        2 => ("the GPU's memory is full", Next::Holder),
        3 | 101 | 700 | 709 | 714 | 715 | 716 | 717 | 718 | 719 => {
            ("the GPU or its driver is in a bad state", Next::Log)
        }
        34 => ("this is the toolkit's stub, not the driver", Next::Library),
        36 | 46 => (
            "another program holds the GPU, or its compute mode forbids this",
            Next::Holder,
        ),
        _ if fault.kind == Kind::NoDevice || fault.code == 100 => (
            "the driver sees no GPU: its device nodes are not here, or may not be opened",
            Next::Nodes,
        ),
        200 | 209 | 218 | 220 | 222 => ("the driver cannot compile for this GPU", Next::Newer),
        214 | 226 => ("the GPU's memory has errors that cannot be corrected", Next::Log),
        221 => (
            "libnvidia-ptxjitcompiler.so.1, a part of the driver, is not here",
            Next::Library,
        ),
        304 => (
            "the system refused: a device node may not be opened, or unified memory has none",
            Next::Nodes,
        ),
        802 => (
            "the GPUs are not joined yet: the fabric manager does not run",
            Next::Fabric,
        ),
        803 => (
            "the driver's module and its libraries are of different versions",
            Next::Match,
        ),
        804 => ("forward compatibility is for data-centre GPUs only", Next::Newer),
        999 => (
            "usually nvidia_uvm is not loaded or its node is missing",
            Next::Unified,
        ),
        _ => ("the driver refused", Next::Log),
    }
}

fn hip(fault: &Fault) -> (&'static str, Next) {
    match fault.code {
        _ if fault.kind == Kind::NoLibrary => ("ROCm's HIP is not here", Next::Library),
        0 if fault.call.starts_with("dlopen") => (
            "a part of ROCm is here and cannot be loaded, or is missing beside it",
            Next::Library,
        ),
        0 if fault.call.starts_with("dlsym") => ("this ROCm is too old", Next::Newer),
        _ if fault.call.starts_with("hiprtc") => ("this ROCm's compiler does not know this GPU", Next::Newer),
        2 => ("the GPU's memory is full", Next::Holder),
        _ if fault.kind == Kind::NoDevice || fault.code == 100 => (
            "ROCm sees no GPU: /dev/kfd or /dev/dri/renderD* is not here, or may not be opened",
            Next::Nodes,
        ),
        200 | 209 | 218 | 303 => ("this ROCm has no code for this GPU", Next::Newer),
        3 | 101 => ("the driver does not start", Next::Nodes),
        700..=719 => ("the GPU or its driver is in a bad state", Next::Log),
        _ => ("the driver refused", Next::Log),
    }
}

fn vulkan(fault: &Fault) -> (&'static str, Next) {
    match fault.code {
        _ if fault.kind == Kind::NoLibrary => ("Vulkan is not here", Next::Library),
        _ if fault.kind == Kind::NoDevice => (
            "no GPU has a Vulkan driver here, or its device node may not be opened",
            Next::Library,
        ),
        -9 => ("no Vulkan driver is installed", Next::Library),
        -3 => (
            "the driver does not start: its device node may not be opened",
            Next::Nodes,
        ),
        -4 => ("the GPU stopped in the middle of the work", Next::Log),
        -1 | -2 => ("there is not enough memory", Next::Holder),
        _ => ("the driver refused", Next::Log),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_number_its_meaning_and_a_command() {
        let fault = Fault::new("cuInit", 999, "CUDA_ERROR_UNKNOWN");
        let text = problem(Api::Cuda, Place::Machine, fault).to_string();
        assert!(text.starts_with("cuInit: CUDA_ERROR_UNKNOWN (999): "), "{text}");
        assert!(text.contains("sudo modprobe nvidia_uvm"), "{text}");
    }
}
