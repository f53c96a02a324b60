//! Processors and memory.

use super::{Root, facts::Found};

pub(super) fn probe(root: &Root) -> Found {
    let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
    let name = field(&cpuinfo, "model name").unwrap_or_default();
    vec![
        ("cpus", cpus(root, &cpuinfo).into()),
        ("cpu_name", name.into()),
        ("memory", memory(root).into()),
    ]
}

/// The value of the first `KEY : VALUE` line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
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

/// Bytes of memory that the kernel (or lxcfs, in a container) shows.
fn memory(root: &Root) -> u64 {
    let text = root.read("/proc/meminfo").unwrap_or_default();
    field(&text, "MemTotal")
        .and_then(|value| value.trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
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
