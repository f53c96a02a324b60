//! Kernel modules and their parameters: what runs, and what the boot configuration asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Serialize;

use super::super::{Root, root::shorten};
use super::System;

/// Modules that matter to labs.
const MODULES: &[&str] = &[
    "amdgpu",
    "amdttm",
    "amdxdna",
    "dxgkrnl",
    "i915",
    "nouveau",
    "nova_core",
    "nvidia",
    "nvidia_drm",
    "nvidia_uvm",
    "ttm",
    "vfio_pci",
    "virtio_gpu",
    "xe",
];

/// Where `options MODULE NAME=VALUE` lines are, the first word on a file name winning.
const OPTIONS: &[&str] = &["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d"];

/// No boot configuration has more parameters of these modules.
const PARAMETERS: usize = 64;

/// The variable of the firmware that says whether secure boot is on.
const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// A parameter that the boot configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// `ttm`; empty for one of the kernel itself.
    pub module: String,
    /// `pages_limit`.
    pub name: String,
    /// Its value; empty where it has none.
    pub value: String,
    /// The file that asks.
    pub file: String,
}

impl Parameter {
    /// As it is written on the kernel's command line.
    pub fn line(&self) -> String {
        let module = if self.module.is_empty() {
            String::new()
        } else {
            format!("{}.", self.module)
        };
        let value = if self.value.is_empty() {
            String::new()
        } else {
            format!("={}", self.value)
        };
        format!("{module}{}{value}", self.name)
    }
}

/// Modules and parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kernel {
    /// Modules that are loaded, of those that matter, with their version where they have one of their own.
    pub modules: BTreeMap<String, Option<String>>,
    /// The module that manages graphics memory: `ttm`, or `amdttm` of amdgpu-dkms.
    pub ttm_module: Option<String>,
    /// Its limit, in pages of 4 KiB.
    pub pages_limit: Option<u64>,
    /// Its pool, in pages of 4 KiB.
    pub page_pool_size: Option<u64>,
    /// `amdgpu.gttsize` that runs, in MiB; none where the driver chooses.
    pub gttsize_mib: Option<u64>,
    /// `amdgpu.no_system_mem_limit` that runs.
    pub no_system_mem_limit: bool,
    /// What the boot configuration asks for, later words winning.
    pub asked: Vec<Parameter>,
    /// Whether the firmware only starts signed kernels; none where it does not say.
    pub secure_boot: Option<bool>,
}

impl Kernel {
    /// Whether a module is loaded.
    pub fn has(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// The last word on a parameter.
    pub fn asked(&self, module: &str, name: &str) -> Option<&Parameter> {
        self.asked
            .iter()
            .rev()
            .find(|asked| asked.module == module && asked.name == name)
    }

    /// The version of a driver that did not come with the kernel.
    pub fn dkms_version(&self) -> Option<&str> {
        self.modules.get("amdgpu")?.as_deref()
    }
}

/// The module that manages graphics memory, and its limit in pages.
pub(super) fn ttm(root: &Root) -> Option<(String, Option<u64>)> {
    ["amdttm", "ttm"].iter().find_map(|module| {
        let folder = format!("/sys/module/{module}");
        root.has(&folder).then(|| {
            let limit = number(root, &format!("{folder}/parameters/pages_limit"));
            ((*module).to_owned(), limit)
        })
    })
}

fn number(root: &Root, path: &str) -> Option<u64> {
    root.read(path)?.parse().ok()
}

pub(super) fn read(root: &Root, host: &System) -> Kernel {
    let ttm = ttm(root);
    let parameter = |module: &str, name: &str| root.read(&format!("/sys/module/{module}/parameters/{name}"));
    let pool = ttm
        .as_ref()
        .and_then(|(module, _)| number(root, &format!("/sys/module/{module}/parameters/page_pool_size")));
    // In a container the boot configuration is not the one that the kernel was started with.
    let mut asked = if host.in_container { vec![] } else { options(root) };
    asked.extend(command_line(&root.read("/proc/cmdline").unwrap_or_default()));
    Kernel {
        modules: modules(root),
        pages_limit: ttm.as_ref().and_then(|(_, limit)| *limit),
        ttm_module: ttm.map(|(module, _)| module),
        page_pool_size: pool,
        // -1 leaves the choice to the driver
        gttsize_mib: parameter("amdgpu", "gttsize").and_then(|text| text.parse().ok()),
        no_system_mem_limit: parameter("amdgpu", "no_system_mem_limit").is_some_and(|text| is_yes(&text)),
        asked,
        secure_boot: root
            .read_bytes(SECURE_BOOT)
            .and_then(|bytes| Some(*bytes.get(4)? == 1)),
    }
}

/// A module is loaded if it says so in `/proc/modules`, or has a folder: those of the kernel itself have only that.
fn modules(root: &Root) -> BTreeMap<String, Option<String>> {
    let text = root.read("/proc/modules").unwrap_or_default();
    let listed: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    MODULES
        .iter()
        .filter(|name| listed.contains(**name) || root.has(&format!("/sys/module/{name}")))
        .map(|name| {
            let version = root.read(&format!("/sys/module/{name}/version"));
            (
                (*name).to_owned(),
                version.filter(|text| !text.is_empty() && text.len() < 64),
            )
        })
        .collect()
}

/// Whether the kernel takes a word as yes.
pub(crate) fn is_yes(text: &str) -> bool {
    matches!(text, "Y" | "y" | "1" | "on")
}

/// Parameters of the modules that matter, and the IOMMU's.
fn command_line(text: &str) -> Vec<Parameter> {
    let parameter = |word: &str| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let (module, name) = key.split_once('.').unwrap_or(("", key));
        let (module, name) = (module.replace('-', "_"), shorten(&name.replace('-', "_")));
        let wanted = MODULES.contains(&module.as_str()) || (module.is_empty() && name.ends_with("iommu"));
        wanted.then(|| Parameter {
            module,
            name,
            value: shorten(value.trim_matches('"')),
            file: "/proc/cmdline".to_owned(),
        })
    };
    text.split_whitespace()
        .filter_map(parameter)
        .take(PARAMETERS)
        .collect()
}

/// `options MODULE NAME=VALUE ...` lines, in the order in which modprobe reads them: by name, one folder over the other.
fn options(root: &Root) -> Vec<Parameter> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in OPTIONS {
        for name in root.list(folder) {
            if Path::new(&name).extension().is_some_and(|end| end == "conf") {
                files
                    .entry(name.clone())
                    .or_insert_with(|| format!("{folder}/{name}"));
            }
        }
    }
    let mut found = vec![];
    for file in files.into_values() {
        let text = root.read(&file).unwrap_or_default().replace("\\\n", " ");
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let module = match (words.next(), words.next()) {
                (Some("options"), Some(module)) => module.replace('-', "_"),
                _ => continue,
            };
            if found.len() >= PARAMETERS || !MODULES.contains(&module.as_str()) {
                continue;
            }
            found.extend(words.take(PARAMETERS).map(|word| {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                Parameter {
                    module: module.clone(),
                    name: shorten(&name.replace('-', "_")),
                    value: shorten(value.trim_matches('"')),
                    file: file.clone(),
                }
            }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_taken_from_the_command_line() {
        let line = "quiet root=UUID=1 ttm.pages_limit=5 amdgpu.gtt_size=7 snd.x=1 amd_iommu=off nvidia-drm.modeset=1";
        let words: Vec<String> = command_line(line).iter().map(Parameter::line).collect();
        assert_eq!(
            words,
            [
                "ttm.pages_limit=5",
                "amdgpu.gtt_size=7",
                "amd_iommu=off",
                "nvidia_drm.modeset=1"
            ]
        );
    }
}
