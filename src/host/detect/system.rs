//! Operating system, processor, memory and board.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{Root, root::shorten};

/// The board, as its firmware says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Board {
    /// Its maker.
    pub vendor: String,
    /// Its model.
    pub product: String,
    /// Version of its firmware.
    pub bios: String,
}

/// Operating system, processor and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct System {
    /// `ID` of os-release(5).
    pub os: Option<String>,
    /// `PRETTY_NAME`.
    pub os_name: Option<String>,
    /// `VERSION_ID`; none for distributions that roll.
    pub os_version: Option<String>,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// As the kernel names it.
    pub arch: &'static str,
    /// `AuthenticAMD`.
    pub cpu_vendor: Option<String>,
    /// CPU family, in decimal digits.
    pub cpu_family: Option<String>,
    /// CPU model, in decimal digits.
    pub cpu_model: Option<String>,
    /// What the processor calls itself.
    pub cpu_name: Option<String>,
    /// Threads that are online.
    pub cpus: u64,
    /// Memory that the kernel (or lxcfs, in a container) shows.
    pub mem_total_kib: Option<u64>,
    /// Of it, what programs can have now.
    pub mem_available_kib: Option<u64>,
    /// The board; inside a container it is the host's.
    pub board: Option<Board>,
    /// Features of the processor say that it is virtual.
    #[serde(skip)]
    pub has_hypervisor: bool,
    /// This is inside a container.
    #[serde(skip)]
    pub in_container: bool,
}

impl System {
    /// Reads what a machine says of itself.
    pub fn read(root: &Root) -> Self {
        let release = read_os_release(root);
        let get = |key: &str| release.get(key).filter(|value| !value.is_empty()).cloned();
        let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
        let meminfo = root.read("/proc/meminfo").unwrap_or_default();
        let text = |key: &str| {
            field(&cpuinfo, key)
                .filter(|value| !value.is_empty())
                .map(shorten)
        };
        let kib = |key: &str| {
            field(&meminfo, key)?
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        };
        let tree = || {
            root.read("/proc/device-tree/model")
                .map(|text| shorten(text.trim_end_matches('\0')))
        };
        let flags = field(&cpuinfo, "flags").unwrap_or_default();
        Self {
            os: get("ID"),
            os_name: get("PRETTY_NAME"),
            os_version: get("VERSION_ID"),
            kernel: root
                .read("/proc/sys/kernel/osrelease")
                .filter(|text| !text.is_empty())
                .map(|text| shorten(&text)),
            arch: architecture(root, &cpuinfo),
            cpu_vendor: text("vendor_id"),
            cpu_family: text("cpu family"),
            cpu_model: text("model"),
            cpu_name: text("model name").or_else(tree),
            cpus: cpus(root, &cpuinfo),
            mem_total_kib: kib("MemTotal"),
            mem_available_kib: kib("MemAvailable"),
            board: board(root),
            has_hypervisor: flags.split_whitespace().any(|flag| flag == "hypervisor"),
            in_container: super::virtualisation::container(root).is_some(),
        }
    }

    /// Bytes of memory; 0 where they are not known.
    pub fn memory(&self) -> u64 {
        self.mem_total_kib.unwrap_or(0).saturating_mul(1024)
    }

    /// Whether this is a Linux that Windows runs.
    pub fn is_wsl(&self) -> bool {
        self.kernel
            .as_deref()
            .is_some_and(|kernel| kernel.to_lowercase().contains("microsoft"))
    }
}

/// Keys and values of os-release(5).
pub(in crate::host) fn read_os_release(root: &Root) -> BTreeMap<String, String> {
    let text = root
        .read("/etc/os-release")
        .or_else(|| root.read("/usr/lib/os-release"))
        .unwrap_or_default();
    let unquote = |value: &str| shorten(value.trim().trim_matches(['"', '\'']));
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), unquote(value)))
        .collect()
}

/// The value of the first `KEY : VALUE` line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}

/// As the kernel names it. A tree of files does not say, except in its ELF loader and in words of its processor.
fn architecture(root: &Root, cpuinfo: &str) -> &'static str {
    if root.is_live() {
        std::env::consts::ARCH
    } else if root.has("/lib/ld-linux-aarch64.so.1") || field(cpuinfo, "CPU implementer").is_some() {
        "aarch64"
    } else {
        "x86_64"
    }
}

/// Threads that are online: the kernel's list; without it the threads of the package, or the entries of cpuinfo.
fn cpus(root: &Root, cpuinfo: &str) -> u64 {
    let online = root
        .read("/sys/devices/system/cpu/online")
        .map_or(0, |list| members(&list));
    if online > 0 {
        return online;
    }
    let entries = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count() as u64;
    let siblings = field(cpuinfo, "siblings").and_then(|value| value.parse().ok());
    entries.max(siblings.unwrap_or(0))
}

/// Number of processors in a kernel list: `0-3,8` is 5.
fn members(text: &str) -> u64 {
    let range = |part: &str| -> Option<u64> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    text.trim()
        .split(',')
        .filter_map(range)
        .fold(0, u64::saturating_add)
}

fn board(root: &Root) -> Option<Board> {
    let read = |file: &str| {
        root.read(&format!("/sys/class/dmi/id/{file}"))
            .map(|text| shorten(&text))
    };
    let board = Board {
        vendor: read("sys_vendor").unwrap_or_default(),
        product: read("product_name").unwrap_or_default(),
        bios: read("bios_version").unwrap_or_default(),
    };
    (board != Board::default()).then_some(board)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_list_is_counted() {
        assert_eq!(members("0-3,8"), 5);
        assert_eq!(members("0"), 1);
        assert_eq!(members("3-0,x,"), 0);
        assert_eq!(members("0-18446744073709551615"), 0);
    }
}
