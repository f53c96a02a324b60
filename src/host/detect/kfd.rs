//! The compute topology of AMD's kernel driver.

use std::collections::BTreeMap;

use super::super::Root;

/// No machine has more nodes.
const LIMIT: usize = 512;

const NODES: &str = "/sys/class/kfd/kfd/topology/nodes";

/// Bits of `location_id` that are a partition of one card, not another card.
const PARTITION: u64 = 0b111;

/// A node: processors have one each, a card one a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KfdNode {
    /// Its number.
    pub number: u64,
    /// All numbers of its `properties`.
    pub properties: BTreeMap<String, u64>,
    /// Bytes of its memory banks.
    pub memory: u64,
}

impl KfdNode {
    /// A property; 0 where it is missing.
    pub fn get(&self, name: &str) -> u64 {
        self.properties.get(name).copied().unwrap_or(0)
    }

    /// Whether it computes as a GPU does.
    pub fn is_gpu(&self) -> bool {
        self.get("simd_count") > 0 && self.get("gfx_target_version") > 0
    }

    /// Compute units.
    pub fn cus(&self) -> u64 {
        self.get("simd_count")
            .checked_div(self.get("simd_per_cu"))
            .unwrap_or(0)
    }

    /// The compute target. `cpu_cores_count` tells nothing of it: it is 0 for integrated ones too.
    pub fn gfx(&self) -> String {
        decode(self.get("gfx_target_version"))
    }

    /// Domain, bus and device, as PCI counts them.
    pub fn place(&self) -> (u64, u64, u64) {
        let location = self.get("location_id") & !PARTITION;
        (self.get("domain"), location >> 8, (location >> 3) & 0x1f)
    }
}

/// All nodes, by number.
pub(super) fn read(root: &Root) -> Vec<KfdNode> {
    let numbers = root
        .list(NODES)
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .take(LIMIT);
    let mut nodes: Vec<KfdNode> = numbers.filter_map(|number| node(root, number)).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(root: &Root, number: u64) -> Option<KfdNode> {
    let folder = format!("{NODES}/{number}");
    let properties = numbers(&root.read(&format!("{folder}/properties"))?);
    let banks = root.list(&format!("{folder}/mem_banks"));
    let sizes = banks.iter().filter_map(|bank| {
        let text = root.read(&format!("{folder}/mem_banks/{bank}/properties"))?;
        numbers(&text).get("size_in_bytes").copied()
    });
    Some(KfdNode {
        number,
        properties,
        memory: sizes.fold(0, u64::saturating_add),
    })
}

/// `KEY NUMBER` lines.
fn numbers(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(key, value)| Some((key.to_owned(), value.trim().parse().ok()?)))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded() {
        for (version, gfx) in [
            (110_501, "gfx1151"),
            (90_010, "gfx90a"),
            (90_402, "gfx942"),
            (90_500, "gfx950"),
            (100_300, "gfx1030"),
            (120_001, "gfx1201"),
        ] {
            assert_eq!(decode(version), gfx);
        }
    }

    #[test]
    fn partitions_are_at_the_place_of_their_card() {
        let at = |location| KfdNode {
            properties: BTreeMap::from([("location_id".into(), location)]),
            ..KfdNode::default()
        };
        assert_eq!(at(1280).place(), (0, 5, 0));
        assert_eq!(at(1287).place(), (0, 5, 0));
        assert_eq!(at(50_432).place(), (0, 0xc5, 0));
        assert_eq!(at(u64::MAX).place().2, 0x1f);
    }
}
