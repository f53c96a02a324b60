//! Graphics processors, from sysfs alone: `ROCm`'s and NVIDIA's own tools may be missing, or obey overrides.

use super::{Root, facts::Found};

const DEVICES: &str = "/sys/bus/pci/devices";
const NODES: &str = "/sys/class/kfd/kfd/topology/nodes";

/// A display or compute device on the PCI bus; identifiers in lower-case hexadecimal without `0x`.
struct Card {
    slot: String,
    vendor: String,
    device: String,
    revision: String,
}

pub(super) fn probe(root: &Root) -> Found {
    let cards: Vec<Card> = root
        .list(DEVICES)
        .into_iter()
        .filter_map(|slot| card(root, slot))
        .collect();
    let has = |vendor: &str| cards.iter().any(|card| card.vendor == vendor);
    let nvidia = has("10de") || root.has("/proc/driver/nvidia/version");
    vec![
        ("gpu_amd", has("1002").into()),
        ("gpu_nvidia", nvidia.into()),
        ("gpu_intel", has("8086").into()),
        ("gpu_name", name(root, &cards).into()),
        ("gfx", gfx(root, &cards).into()),
        ("kfd", root.has("/dev/kfd").into()),
        ("npu", root.has("/dev/accel/accel0").into()),
        ("render_gid", render_gid(root).into()),
    ]
}

/// Display controllers are class 03 (Strix Halo is 0380, H200 0302), AMD's accelerators class 12 (MI300X 1200).
/// Intel's class 12 is an NPU.
fn card(root: &Root, slot: String) -> Option<Card> {
    let read = |file: &str| {
        let text = root.read(&format!("{DEVICES}/{slot}/{file}"))?;
        Some(text.trim_start_matches("0x").to_lowercase())
    };
    let (class, vendor) = (read("class")?, read("vendor")?);
    let gpu = class.starts_with("03") || (class.starts_with("12") && vendor != "8086");
    let (device, revision) = (read("device")?, read("revision").unwrap_or_default());
    gpu.then_some(Card {
        slot,
        vendor,
        device,
        revision,
    })
}

/// The name of the card that a lab would compute on: AMD and NVIDIA before Intel before the rest.
fn name(root: &Root, cards: &[Card]) -> String {
    let rank = |card: &&Card| match card.vendor.as_str() {
        "1002" | "10de" => 0,
        "8086" => 1,
        _ => 2,
    };
    let Some(card) = cards.iter().min_by_key(rank) else {
        return String::new();
    };
    let Card {
        slot,
        vendor,
        device,
        revision,
    } = card;
    let known = match (vendor.as_str(), device.as_str()) {
        ("1002", "1586") => Some(strix_halo(revision).to_owned()),
        ("1002", "150e") => Some("Radeon 890M".into()),
        ("1002", "74a1") => Some("Instinct MI300X".into()),
        ("10de", _) => root
            .read(&format!("/proc/driver/nvidia/gpus/{slot}/information"))
            .and_then(|text| {
                Some(
                    text.lines()
                        .find_map(|l| l.strip_prefix("Model:"))?
                        .trim()
                        .to_owned(),
                )
            }),
        _ => None,
    };
    let maker = match vendor.as_str() {
        "1002" => "AMD GPU",
        "10de" => "NVIDIA GPU",
        "8086" => "Intel GPU",
        _ => "Display device",
    };
    known.unwrap_or_else(|| format!("{maker} {vendor}:{device}"))
}

/// One PCI identifier covers every Strix Halo; the revision tells them apart (libdrm's amdgpu.ids).
fn strix_halo(revision: &str) -> &'static str {
    match revision {
        "c1" | "c3" | "c6" | "d1" => "Radeon 8060S",
        "c2" | "c4" | "d2" | "d4" => "Radeon 8050S",
        "d5" => "Radeon 8040S",
        _ => "Radeon 80xxS (Strix Halo)",
    }
}

/// The first compute target: from KFD, else from the card's IP discovery table.
fn gfx(root: &Root, cards: &[Card]) -> String {
    let from_kfd = root.list(NODES).into_iter().find_map(|node| {
        let text = root.read(&format!("{NODES}/{node}/properties"))?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("gfx_target_version "))?;
        value
            .trim()
            .parse()
            .ok()
            .filter(|version| *version > 0)
            .map(decode)
    });
    let from_discovery = || {
        cards
            .iter()
            .filter(|card| card.vendor == "1002")
            .find_map(|card| {
                let base = format!("{DEVICES}/{}/ip_discovery/die/0/GC/0", card.slot);
                let read = |file: &str| root.read(&format!("{base}/{file}"))?.parse::<u64>().ok();
                Some(match (read("major")?, read("minor")?, read("revision")?) {
                    // the IP version of MI300 is 9.4.3, its target gfx942
                    (9, 4, 3) => "gfx942".to_owned(),
                    (major, minor, revision) => format!("gfx{major}{minor:x}{revision:x}"),
                })
            })
    };
    from_kfd.or_else(from_discovery).unwrap_or_default()
}

/// `gfx_target_version`: 110501 is gfx1151; minor and stepping are hexadecimal (90010 is gfx90a).
fn decode(version: u64) -> String {
    format!(
        "gfx{}{:x}{:x}",
        version / 10000,
        version / 100 % 100,
        version % 100
    )
}

/// The group that owns render nodes; 0 where there is none. It differs between distributions.
fn render_gid(root: &Root) -> u64 {
    let text = root.read("/etc/group").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("render:")?.split(':').nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded() {
        assert_eq!(decode(110_501), "gfx1151");
        assert_eq!(decode(90_010), "gfx90a");
        assert_eq!(decode(90_402), "gfx942");
        assert_eq!(decode(100_300), "gfx1030");
    }
}
