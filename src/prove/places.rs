//! Where GPU libraries are, and which GPUs the machine shows without them.

use std::path::{Path, PathBuf};

use super::{Api, Place};

/// Folders of drivers that the dynamic linker does not look into by itself: WSL2, NixOS, and where drivers are mounted
/// into containers.
const DRIVER_FOLDERS: [&str; 3] = [
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
    "/usr/local/nvidia/lib64",
];

/// For the dynamic linker of the child: what is set already, then these folders. By a full path alone a driver would
/// be found, but not the parts that it opens itself.
pub(super) fn library_path() -> String {
    let set = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let there = DRIVER_FOLDERS.iter().filter(|folder| Path::new(folder).is_dir());
    let all = set
        .split(':')
        .chain(there.copied())
        .filter(|folder| !folder.is_empty());
    all.collect::<Vec<_>>().join(":")
}

/// In a lab: where wheels bring `ROCm` along, AMD's own and those of pytorch.org. Not on the machine itself, where
/// root must not load what a user may write.
const WHEELS: [&str; 2] = ["_rocm_sdk_core/lib", "torch/lib"];

fn everywhere(names: &[&str], folders: &[PathBuf]) -> Vec<PathBuf> {
    let plain = names.iter().map(PathBuf::from);
    let below = folders.iter().flat_map(|f| names.iter().map(move |n| f.join(n)));
    plain.chain(below).collect()
}

pub(super) fn cuda() -> Vec<PathBuf> {
    vec!["libcuda.so.1".into()]
}

pub(super) fn vulkan() -> Vec<PathBuf> {
    vec!["libvulkan.so.1".into()]
}

pub(super) fn hip(place: Place) -> Vec<PathBuf> {
    let mut folders = below(Path::new("/opt"), "rocm", &["lib"]);
    if place == Place::Lab {
        folders.extend(wheels(Path::new("/home")));
    }
    let names = [
        "libamdhip64.so",
        "libamdhip64.so.7",
        "libamdhip64.so.6",
        "libamdhip64.so.5",
    ];
    everywhere(&names, &folders)
}

/// The compiler of the same installation first: another version's code may not load.
pub(super) fn hip_compilers(runtime: &Path, place: Place) -> Vec<PathBuf> {
    let names = [
        "libhiprtc.so",
        "libhiprtc.so.7",
        "libhiprtc.so.6",
        "libhiprtc.so.5",
    ];
    let beside: Vec<PathBuf> = runtime
        .parent()
        .filter(|folder| folder.is_absolute())
        .map(Path::to_path_buf)
        .into_iter()
        .collect();
    let mut all: Vec<PathBuf> = beside
        .iter()
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .collect();
    let mut folders = below(Path::new("/opt"), "rocm", &["lib"]);
    if place == Place::Lab {
        folders.extend(wheels(Path::new("/home")));
    }
    all.extend(everywhere(&names, &folders));
    all
}

/// Folders `BASE/PREFIX*/INNER` that are there, sorted.
fn below(base: &Path, prefix: &str, inner: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .flat_map(|entry| inner.iter().map(move |inner| entry.path().join(inner)))
        .filter(|path| path.is_dir())
        .collect();
    found.sort_unstable();
    found
}

fn wheels(homes: &Path) -> Vec<PathBuf> {
    below(homes, "", &["venv/lib"])
        .iter()
        .flat_map(|folder| below(folder, "python3", &["site-packages"]))
        .flat_map(|folder| WHEELS.map(|wheel| folder.join(wheel)))
        .filter(|folder| folder.is_dir())
        .collect()
}

/// Versions of the `ROCm` that this process loaded: of its runtime by the file's name, of the release where it says so.
pub(super) fn rocm() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = |name: &str| {
        maps.lines()
            .filter_map(|line| Some(PathBuf::from(line.get(line.find('/')?..)?)))
            .find(|path| {
                path.file_name()
                    .is_some_and(|file| file.to_string_lossy().starts_with(name))
            })
    };
    let runtime = mapped("libhsa-runtime64.so").and_then(|path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let version = name.strip_prefix("libhsa-runtime64.so.")?;
        Some(format!(", ROCr {version}"))
    });
    let release = mapped("libamdhip64.so").and_then(|path| {
        let text = std::fs::read_to_string(path.parent()?.parent()?.join(".info/version")).ok()?;
        Some(format!(", ROCm {}", text.trim()))
    });
    runtime.unwrap_or_default() + &release.unwrap_or_default()
}

/// Version of the kernel's driver for an interface, from what its module says: `570.195.03`. Drivers that are part of
/// the kernel have none.
pub(super) fn driver(api: Api) -> Option<String> {
    let module = match api {
        Api::Cuda => "nvidia",
        Api::Hip => "amdgpu",
        Api::Vulkan => return None,
    };
    let text = std::fs::read_to_string(format!("/sys/module/{module}/version")).ok()?;
    Some(text.trim().to_owned())
}

/// Whether a GPU for this interface is here, whatever its libraries say. In a container the PCI bus is the machine's:
/// there only device nodes count.
pub(super) fn expected(api: Api, place: Place) -> bool {
    let facts = |name: &str| {
        place == Place::Machine
            && crate::host::probe(Path::new("/"))
                .get(name)
                .is_some_and(|fact| *fact == crate::host::Fact::Bool(true))
    };
    match api {
        Api::Cuda => {
            let numbered = |name: &str| {
                name.strip_prefix("nvidia")
                    .is_some_and(|rest| rest.parse::<u32>().is_ok())
            };
            let nodes = std::fs::read_dir("/dev").into_iter().flatten().flatten();
            nodes
                .into_iter()
                .any(|n| numbered(&n.file_name().to_string_lossy()))
                || Path::new("/dev/dxg").exists()
                || facts("gpu_nvidia")
        }
        Api::Hip => Path::new("/dev/kfd").exists() || facts("gpu_amd"),
        // A render node may be that of a virtual display, which no compute driver knows.
        Api::Vulkan => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_found_in_homes() {
        let home = tempfile::tempdir().unwrap();
        let packages = home.path().join("lab/venv/lib/python3.12/site-packages");
        std::fs::create_dir_all(packages.join("_rocm_sdk_core/lib")).unwrap();
        assert_eq!(wheels(home.path()), [packages.join("_rocm_sdk_core/lib")]);
    }

    #[test]
    fn the_compiler_beside_the_runtime_comes_first() {
        let found = hip_compilers(Path::new("/opt/rocm-7.2/lib/libamdhip64.so"), Place::Machine);
        assert_eq!(found[0], Path::new("/opt/rocm-7.2/lib/libhiprtc.so"));
        let found = hip_compilers(Path::new("libamdhip64.so"), Place::Machine);
        assert_eq!(found[0], Path::new("libhiprtc.so"));
    }
}
