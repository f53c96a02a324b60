//! Sizes as people write them: `20GiB`, `20G`, `20 GB`.

use std::fmt::Write as _;

/// Units, largest first. `G` alone is what `truncate`, `lvcreate` and `docker` mean by it: 1024-based.
const UNITS: [(&str, u64); 11] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Text that is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No number at the start.
    #[error("a size is a number and a unit, as 20GiB or 512MiB")]
    NoNumber,
    /// A unit that does not exist.
    #[error("the unit of a size is one of B, KiB, MiB, GiB, TiB, PiB, kB, MB, GB, TB, PB")]
    Unit,
    /// More than 2^64 bytes.
    #[error("this size is larger than any disk")]
    TooLarge,
    /// `0.3KiB`.
    #[error("this is not a whole number of bytes")]
    Fraction,
}

/// Bytes of a size. iB and single letters count by 1024, others by 1000; upper and lower case are the same.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or(SizeError::NoNumber)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return Err(SizeError::NoNumber);
    }
    let factor = u128::from(factor(unit.trim())?);
    let digits = |text: &str| text.parse::<u64>().map(u128::from);
    let whole = digits(whole).map_err(|_| SizeError::TooLarge)? * factor;
    let part = if fraction.is_empty() {
        0
    } else if fraction.len() > 9 {
        return Err(SizeError::Fraction);
    } else {
        let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| SizeError::Fraction)?);
        let parts = digits(fraction).map_err(|_| SizeError::NoNumber)? * factor;
        if parts % scale != 0 {
            return Err(SizeError::Fraction);
        }
        parts / scale
    };
    u64::try_from(whole + part).map_err(|_| SizeError::TooLarge)
}

fn factor(unit: &str) -> Result<u64, SizeError> {
    if unit.is_empty() {
        return Ok(1);
    }
    // K, M, G alone: as KiB, MiB, GiB.
    let long = match unit {
        "B" | "b" => unit.to_owned(),
        letter if letter.chars().count() == 1 => format!("{letter}iB"),
        unit => unit.to_owned(),
    };
    UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&long))
        .map(|(_, factor)| *factor)
        .ok_or(SizeError::Unit)
}

/// The shortest exact text of a number of bytes; [`parse`] gives the number back.
pub fn format(bytes: u64) -> String {
    UNITS
        .iter()
        .filter(|(name, _)| name.ends_with("iB") || *name == "B")
        .find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor))
        .map_or_else(
            || "0B".into(),
            |(name, factor)| format!("{}{name}", bytes / factor),
        )
}

/// For people: `1.5 GiB`. Rounded down, so that free room is never promised too high.
pub fn human(bytes: u64) -> String {
    let unit = UNITS
        .iter()
        .find(|(name, factor)| name.ends_with("iB") && bytes >= *factor);
    let Some((name, factor)) = unit else {
        return format!("{bytes} B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(*factor);
    let mut text = (tenths / 10).to_string();
    if tenths < 1000 && !tenths.is_multiple_of(10) {
        let _ = write!(text, ".{}", tenths % 10);
    }
    format!("{text} {name}")
}
