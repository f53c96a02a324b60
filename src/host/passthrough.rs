//! What decides how an NVIDIA GPU gets into a lab: the container toolkit, CDI specifications, and the folder of the
//! driver's user-space libraries.

use super::{Fact, Facts, Root, docker::cdi, facts::Found};

/// Where a lab sees the folder of the driver's libraries, which may hold a whole distribution.
pub const DRIVER: &str = "/opt/halolab/host-driver";

/// What links the driver's own libraries out of that folder, as a script.
pub const LINK_DRIVER: &str = include_str!("../../assets/passthrough/link-driver.sh");

/// The library that every CUDA program opens.
const LIBRARY: &str = "libcuda.so.1";

/// Where the driver's libraries are, folders that are the driver's alone first, those of 32 bits never.
const FOLDERS: &[&str] = &[
    "/usr/local/nvidia/lib64",
    "/home/kubernetes/bin/nvidia/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/lib/nvidia",
    "/run/opengl-driver/lib",
    "/usr/lib",
];

/// Where specifications of the Container Device Interface are.
const SPECIFICATIONS: &[&str] = &["/etc/cdi", "/var/run/cdi", "/run/cdi"];

/// The program by which a daemon without CDI lets the driver in.
const TOOLS: &[&str] = &[
    "/usr/bin/nvidia-container-cli",
    "/usr/local/bin/nvidia-container-cli",
    "/usr/local/nvidia/toolkit/nvidia-container-cli",
    "/snap/lxd/current/bin/nvidia-container-cli",
];

pub(super) fn probe(root: &Root) -> Found {
    let specification = specification(root);
    vec![
        (
            "nvidia_container_cli",
            TOOLS.iter().any(|path| root.has(path)).into(),
        ),
        ("nvidia_cdi", specification.is_some().into()),
        ("nvidia_cdi_driver", specification.unwrap_or_default().into()),
        ("nvidia_libraries", libraries(root).unwrap_or_default().into()),
    ]
}

/// The real folder of the driver's libraries. Debian leads to it through links that a lab could not follow.
pub(super) fn libraries(root: &Root) -> Option<String> {
    let known = FOLDERS.iter().map(|folder| format!("{folder}/{LIBRARY}"));
    let found = known.chain(cached(root)).find_map(|path| root.find(&path))?;
    let folder = found.parent()?.strip_prefix(root.base()).ok()?.to_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.+".contains(c);
    folder.chars().all(plain).then(|| format!("/{folder}"))
}

/// What the dynamic linker's cache says: its texts end with a NUL each, paths among them.
fn cached(root: &Root) -> Vec<String> {
    let bytes = root.read_bytes("/etc/ld.so.cache").unwrap_or_default();
    let texts = bytes.split(|byte| *byte == 0);
    let paths = texts.filter_map(|text| {
        let path = std::str::from_utf8(text).ok()?;
        let ours = path.starts_with('/') && path.ends_with("/libcuda.so.1");
        (ours && !path.contains("32") && !path.contains("i386")).then(|| path.to_owned())
    });
    paths.collect()
}

/// The driver that a specification of NVIDIA's GPUs was written for, empty where it does not tell; none without one.
fn specification(root: &Root) -> Option<String> {
    let files = SPECIFICATIONS.iter().flat_map(|folder| {
        let names = root.list(folder).into_iter();
        names.map(move |name| format!("{folder}/{name}"))
    });
    let known = |path: &String| [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end));
    let mut texts = files.filter(known).filter_map(|path| root.read(&path));
    let text = texts.find(|text| text.contains("nvidia.com/gpu"))?;
    Some(cdi::driver(&text).unwrap_or_default())
}

/// How the driver gets into a lab with this machine and this daemon: `cdi`, `runtime` or `plain`. By what each can,
/// never by its version: LXD gave up `nvidia.runtime` for CDI, Incus has kept it.
pub fn way(facts: &Facts) -> &'static str {
    let has = |name: &str| facts.get(name) == Some(&Fact::Bool(true));
    if has("daemon_gpu_cdi") && has("nvidia_cdi") {
        "cdi"
    } else if has("daemon_nvidia_runtime") && has("nvidia_container_cli") {
        "runtime"
    } else {
        "plain"
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn fact(folder: &tempfile::TempDir, name: &str) -> Fact {
        let found = probe(&Root::new(folder.path()));
        found.into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn the_way_follows_what_daemon_and_machine_can() {
        let facts = |names: &[&str]| -> Facts {
            names
                .iter()
                .map(|name| ((*name).to_owned(), true.into()))
                .collect()
        };
        let (cdi, runtime) = ("daemon_gpu_cdi", "daemon_nvidia_runtime");
        let (specification, tool) = ("nvidia_cdi", "nvidia_container_cli");
        for (names, expected) in [
            (&[cdi, runtime, specification, tool][..], "cdi"),
            (&[cdi, runtime, tool], "runtime"),
            (&[runtime, specification, tool], "runtime"),
            (&[cdi, tool], "plain"),
            (&[runtime, specification], "plain"),
            (&[], "plain"),
        ] {
            assert_eq!(way(&facts(names)), expected, "{names:?}");
        }
    }

    #[test]
    fn a_specification_tells_its_driver() {
        let text = b"kind: nvidia.com/gpu\nmounts:\n- hostPath: /usr/lib/libcuda.so.1\n- /usr/lib/libcuda.so.580.95.05\n";
        let with = tree(&[
            ("etc/cdi/other.yaml", b"kind: amd.com/gpu"),
            ("run/cdi/nvidia.yaml", text),
        ]);
        assert_eq!(fact(&with, "nvidia_cdi"), true.into());
        assert_eq!(fact(&with, "nvidia_cdi_driver"), "580.95.05".into());
        let without = tree(&[("etc/cdi/amd.json", b"{\"kind\": \"amd.com/gpu\"}")]);
        assert_eq!(fact(&without, "nvidia_cdi"), false.into());
    }

    #[test]
    fn the_folder_of_the_driver_is_its_real_one() {
        let debian = tree(&[("usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.1", b"")]);
        let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, debian.path().join(from)).unwrap();
        fs::create_dir_all(debian.path().join("etc/alternatives")).unwrap();
        link(
            "usr/lib/x86_64-linux-gnu/libcuda.so.1",
            "/etc/alternatives/libcuda",
        );
        link(
            "etc/alternatives/libcuda",
            "/usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.1",
        );
        let current = "/usr/lib/x86_64-linux-gnu/nvidia/current";
        assert_eq!(fact(&debian, "nvidia_libraries"), current.into());
        let cache =
            b"glibc-ld.so.cache1.1\0\x01\xff\0libcuda.so.1\0/opt/lib32/libcuda.so.1\0/opt/gpu/libcuda.so.1\0";
        let odd = tree(&[
            ("etc/ld.so.cache", cache),
            ("opt/gpu/libcuda.so.1", b""),
            ("opt/lib32/libcuda.so.1", b""),
        ]);
        assert_eq!(fact(&odd, "nvidia_libraries"), "/opt/gpu".into());
        assert_eq!(fact(&tree(&[]), "nvidia_libraries"), "".into());
    }
}
