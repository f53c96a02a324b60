//! Identifiers in Spack's lines: hashes, `NAME-VERSION-HASH`, durations.

/// Characters of a whole hash.
pub(super) const HASH: usize = 32;
/// Characters of a hash where Spack shortens it.
pub(super) const SHORT: usize = 7;
/// A longer word is no identifier of a package.
const LONGEST: usize = 512;

/// Whether a text is of the letters of a hash.
pub(super) fn is_hash(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}

/// `NAME-VERSION-HASH` as label and hash. Both name and version may hold dashes: only the hash is cut off.
pub(super) fn package_id(text: &str) -> Option<(&str, &str)> {
    let (label, hash) = text.rsplit_once('-')?;
    let fits = text.len() <= LONGEST && !label.is_empty() && !label.contains(char::is_whitespace);
    (fits && is_hash(hash, HASH)).then_some((label, hash))
}

/// `NAME@VERSION`.
pub(super) fn spec(text: &str) -> Option<(&str, &str)> {
    let (name, version) = text.split_once('@')?;
    let fits = text.len() <= LONGEST && !version.is_empty() && !version.contains(char::is_whitespace);
    (fits && is_name(name)).then_some((name, version))
}

/// Whether a text can be the name of a package.
pub(super) fn is_name(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+'))
}

/// The package whose stage a text names: `spack-stage-NAME-VERSION-HASH…`, or the short hash in
/// `spack-stage-NAME-HASH7-patch-…`. The label is empty where it is not said.
pub(super) fn of_stage(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("spack-stage-")?;
    let word = rest
        .split(|c: char| c == '/' || c.is_whitespace())
        .next()
        .unwrap_or_default();
    if let Some((before, _)) = word.split_once("-patch-") {
        let hash = before.rsplit('-').next().unwrap_or_default();
        return is_hash(hash, SHORT).then_some(("", hash));
    }
    let mut from = 0;
    while let Some(dash) = word.get(from..).and_then(|rest| rest.find('-')) {
        let at = from + dash;
        let tail = word.get(at + 1..).unwrap_or_default();
        let hash = tail.split(['-', '.']).next().unwrap_or_default();
        if is_hash(hash, HASH) && at > 0 {
            return Some((word.get(..at)?, hash));
        }
        from = at + 1;
    }
    None
}

/// `1h02m`, `3m05s`, `45s` in seconds.
pub(super) fn elapsed(text: &str) -> Option<u32> {
    let (mut seconds, mut number, mut digits) = (0_u32, 0_u32, 0);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = number.checked_mul(10)?.checked_add(digit)?;
            digits += 1;
            continue;
        }
        let unit = match c {
            'd' => 86_400,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if digits == 0 {
            return None;
        }
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        (number, digits) = (0, 0);
    }
    (digits == 0 && !text.is_empty()).then_some(seconds)
}

/// `1h 2m 3.45s` in seconds.
pub(super) fn duration(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    let mut parts = 0;
    for part in text.split_whitespace() {
        let unit = match part.chars().last()? {
            'd' => 86_400.0,
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        let number: f64 = part.get(..part.len() - 1)?.parse().ok()?;
        if !number.is_finite() || number < 0.0 {
            return None;
        }
        seconds += number * unit;
        parts += 1;
    }
    (parts > 0).then_some(seconds)
}

/// What the last part of a prefix says: label (name and version where they are told apart) and hash.
pub(super) fn of_prefix(path: &str) -> Option<(Option<&str>, &str, &str)> {
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let (label, hash) = parts.next()?.rsplit_once('-')?;
    let length = hash.len();
    if !(SHORT..=HASH).contains(&length) || !is_hash(hash, length) || label.is_empty() {
        return None;
    }
    // `NAME/VERSION-HASH` or `NAME-VERSION-HASH`: names do not begin like versions.
    let is_version = label.starts_with(|c: char| c.is_ascii_digit())
        || label.starts_with("git.")
        || matches!(
            label,
            "develop" | "main" | "master" | "head" | "trunk" | "stable" | "latest" | "local"
        );
    let name = is_version.then(|| parts.next()).flatten().filter(|n| is_name(n));
    Some((name, label, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: &str = "ttzpb4xm6vxalkclyjyxzylgovt7zydp";

    #[test]
    fn only_the_hash_is_cut_off() {
        let id = format!("cudnn-9.8.0.87-12-{H}");
        assert_eq!(package_id(&id), Some(("cudnn-9.8.0.87-12", H)));
        assert_eq!(package_id("lab-zoo-1.0.0-ttzpb4x"), None);
        assert_eq!(package_id(&format!("two words-{H}")), None);
        assert_eq!(package_id(&format!("-{H}")), None);
    }

    #[test]
    fn a_stage_names_its_package() {
        let old = format!("  /a/root/spack-stage-lab-bad-1.0-{H}/spack-build-out.txt");
        assert_eq!(of_stage(&old), Some(("lab-bad-1.0", H)));
        let new = format!("/a/spack-stage-lab-bad-1.0-{H}-hex1l1rf.log");
        assert_eq!(of_stage(&new), Some(("lab-bad-1.0", H)));
        assert_eq!(
            of_stage("for spack-stage--w7pt6rm-patch-070b1f3a"),
            Some(("", "w7pt6rm"))
        );
        assert_eq!(of_stage("spack-stage-"), None);
    }

    #[test]
    fn durations_are_seconds() {
        assert_eq!(elapsed("1h02m"), Some(3720));
        assert_eq!(elapsed("3m05s"), Some(185));
        assert_eq!(elapsed("5"), None);
        assert_eq!(elapsed("s"), None);
        assert_eq!(elapsed("99999999999s"), None);
        assert_eq!(duration("1h 2m 3.5s"), Some(3723.5));
        assert_eq!(duration(""), None);
        assert_eq!(duration("infs"), None);
    }

    #[test]
    fn a_prefix_tells_name_and_version_only_where_they_are_apart() {
        assert_eq!(
            of_prefix("/s/lab-cedar/3.2.1-m6ia3kx"),
            Some((Some("lab-cedar"), "3.2.1", "m6ia3kx"))
        );
        let one = format!("/s/linux-x86_64_v3/lab-cedar-3.2.1-{H}");
        assert_eq!(of_prefix(&one), Some((None, "lab-cedar-3.2.1", H)));
        assert_eq!(of_prefix("/usr"), None);
    }
}
