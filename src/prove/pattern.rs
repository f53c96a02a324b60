//! The numbers that the proof sends through a GPU, and what must come back. Integers only: every element is
//! compared exactly. The seed is another one each time, so that no answer can be left over or made up.

/// How many elements are calculated and compared.
pub const COUNT: u32 = 1 << 20;

/// Threads of a block; the kernels count on it.
pub(super) const BLOCK: u32 = 256;

/// A seed that the next proof does not have.
pub(super) fn seed() -> u32 {
    let nanoseconds = jiff::Timestamp::now().subsec_nanosecond().cast_unsigned();
    nanoseconds ^ std::process::id().rotate_left(16)
}

/// What the GPU is given.
pub(super) fn input(seed: u32) -> Vec<u32> {
    let next = |x: &u32| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(seed), next)
        .take(COUNT as usize)
        .collect()
}

/// What it must make of element `index`: the CPU's result.
fn expected(index: u32, given: u32, seed: u32) -> u32 {
    let mut x = (given ^ index.wrapping_mul(0x9e37_79b9)).wrapping_add(seed);
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// Compares every element: how many are right where all are.
///
/// # Errors
/// How many are wrong, and the first of them.
pub(super) fn check(input: &[u32], found: &[u32], seed: u32) -> Result<u32, String> {
    if found.len() != input.len() {
        return Err(format!("{} elements came back of {}", found.len(), input.len()));
    }
    let wrong = |(index, (given, found)): (u32, (&u32, &u32))| {
        let right = expected(index, *given, seed);
        (right != *found).then(|| format!("element {index} is {found:#010x} instead of {right:#010x}"))
    };
    let mut all = (0..).zip(input.iter().zip(found)).filter_map(wrong);
    match all.next() {
        None => Ok(u32::try_from(found.len()).unwrap_or(u32::MAX)),
        Some(first) => Err(format!(
            "{} of {} elements are wrong; {first}",
            1 + all.count(),
            input.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_counts() {
        let given = input(7);
        let mut found: Vec<u32> = (0..)
            .zip(&given)
            .map(|(index, given)| expected(index, *given, 7))
            .collect();
        assert_eq!(check(&given, &found, 7), Ok(COUNT));
        *found.last_mut().unwrap() ^= 1;
        let told = check(&given, &found, 7).unwrap_err();
        assert!(
            told.starts_with("1 of 1048576 elements are wrong; element 1048575"),
            "{told}"
        );
        assert!(check(&given, &given, 7).unwrap_err().contains("element 0 is"));
        assert!(check(&given, &found[1..], 7).is_err());
    }
}
