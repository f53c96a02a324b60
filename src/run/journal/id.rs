//! Names of runs, in the order in which they began.

use std::{fs, path::Path};

use jiff::{Span, Timestamp, civil::DateTime, tz::TimeZone};

use crate::plan::Plan;

/// The id of a new run in the folder of all runs: when it began, and its plan. Ids sort by the order in which runs began,
/// whatever is done to the clock: which of two runs was the later one decides what may be gone on with.
pub fn new_id(plan: &Plan, runs: &Path) -> String {
    let all = fs::read_dir(runs).into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().into_string().ok());
    let time = next_time(Timestamp::now(), ids);
    let digest = plan.digest();
    format!("{time}-{}", digest.get(..4).unwrap_or("0000"))
}

/// The time of the next id: now, or a moment after the newest one where that is later.
fn next_time(now: Timestamp, ids: impl Iterator<Item = String>) -> String {
    let newest = ids.filter_map(|id| began(&id)).max();
    let after = newest.and_then(|newest| newest.checked_add(Span::new().milliseconds(1)).ok());
    let time = after.map_or(now, |after| after.max(now));
    time.strftime("%Y%m%d-%H%M%S%3f").to_string()
}

/// When a run began, as its id says: `20261122-164509123-1a2b`.
fn began(id: &str) -> Option<Timestamp> {
    let (seconds, rest) = id.split_at_checked(15)?;
    let seconds = DateTime::strptime("%Y%m%d-%H%M%S", seconds).ok()?;
    let milliseconds: i64 = rest.get(..3)?.parse().ok()?;
    let time = TimeZone::UTC.to_timestamp(seconds).ok()?;
    time.checked_add(Span::new().milliseconds(milliseconds)).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{began, next_time};

    proptest! {
        /// A clock that is set back or forward between runs, by up to a year, does not change their order.
        #[test]
        fn runs_sort_by_their_order_whatever_the_clock_says(
            clock in proptest::collection::vec(1_750_000_000_000..1_782_000_000_000_i64, 1..12)
        ) {
            let mut ids: Vec<String> = vec!["no run".into()];
            for now in clock {
                let now = Timestamp::from_millisecond(now).unwrap();
                let id = format!("{}-1a2b", next_time(now, ids.iter().cloned()));
                prop_assert!(began(&id).is_some_and(|began| began >= now), "{id}");
                let earlier = ids.iter().skip(1);
                prop_assert!(earlier.into_iter().all(|earlier| *earlier < id), "{id} after {ids:?}");
                ids.push(id);
            }
        }
    }
}
