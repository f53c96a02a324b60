//! What the new installer writes at its end: parts of the logs of the packages that failed, one log after another in the order
//! in which they failed, without saying whose each is. Others may still be called at work then: it ended them.

use super::{Dialect, Spack, failure::is_exception};
use crate::{
    log::{Severity, severity},
    progress::event::What,
};

/// The part that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Of the how manyth package that failed.
    of: usize,
    /// Its last line.
    last: u64,
}

impl Spack {
    /// `-- lines 12 to 25 --`. The parts of one log go on; one that begins earlier is of the next.
    pub(super) fn part(&mut self, text: &str) -> bool {
        let range = text.strip_prefix("-- lines ").and_then(|t| t.strip_suffix(" --"));
        let range = range.and_then(|range| range.split_once(" to "));
        let Some((first, last)) =
            range.and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)))
        else {
            return false;
        };
        if self.dialect != Some(Dialect::New) || self.failures.is_empty() {
            return false;
        }
        let of = match self.part {
            None => 0,
            Some(before) if first <= before.last => before.of + 1,
            Some(before) => before.of,
        };
        self.part = Some(Part { of, last });
        true
    }

    /// A line of such a part: `> ` is before those that Spack takes for errors or warnings. Where it fails itself, as at a
    /// download, there are none, and the name of a Python exception says why.
    pub(super) fn of_part(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let Some(part) = self.part else { return false };
        let hit = text.strip_prefix("> ");
        let Some(line) = hit.or_else(|| text.strip_prefix("  ")) else {
            return false;
        };
        let says_why = match hit {
            Some(hit) => severity(hit.as_bytes()) == Some(Severity::Error),
            None => is_exception(line),
        };
        if says_why {
            self.note(Severity::Error, line, self.failures.get(part.of).copied(), out);
        }
        true
    }
}
