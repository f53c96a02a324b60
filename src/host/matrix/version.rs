//! Versions as numbers: drivers, toolkits, kernels.

use std::cmp::Ordering;

/// The numbers at the start of a version: `6.14.0-1018-oem` is 6, 14, 0, 1018.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads as many numbers as there are, between `.` and `-`; none where it starts with something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = vec![];
        for part in text.trim().split(['.', '-']) {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse() else { break };
            numbers.push(number);
            if digits.len() != part.len() {
                break;
            }
        }
        (!numbers.is_empty()).then_some(Self(numbers))
    }

    /// The first number: a driver's branch.
    pub fn major(&self) -> u64 {
        self.number(0)
    }

    /// The number at a place, from 0; 0 where there is none.
    pub fn number(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    /// Only the first numbers.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).copied().collect())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    /// Number by number; a missing one is 0.
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.0.len().max(other.0.len());
        (0..longest)
            .map(|index| self.number(index).cmp(&other.number(index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// Whether version `have` is at least `need`; no where either is no version.
pub fn at_least(have: &str, need: &str) -> bool {
    match (Version::parse(have), Version::parse(need)) {
        (Some(have), Some(need)) => have >= need,
        _ => false,
    }
}

/// Whether a text is dotted numbers and nothing else.
pub fn is_dotted(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.len() < 12 && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(at_least("580.159.04", "580.65.06"));
        assert!(!at_least("525.147.05", "530"));
        assert!(at_least("575.57.08", "575.57.08"));
        assert!(at_least("6.18.4", "6.18.4") && !at_least("6.17.9-300.fc43.x86_64", "6.18.4"));
        assert!(at_least("6.14.0-1018-oem", "6.14.0-1018") && !at_least("6.14.0-1014-oem", "6.14.0-1018"));
        assert!(!at_least("", "1") && !at_least("1", "x"));
        assert_eq!(
            Version::parse("6.17.9-300.fc43").unwrap().first(3),
            Version::parse("6.17.9").unwrap()
        );
    }
}
