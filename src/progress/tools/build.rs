//! ninja, make with cmake's percentages, meson, cargo.

use super::{doing, pair, step};
use crate::progress::event::What;

/// Characters that `NINJA_STATUS` may have after its counter.
const STATUS: usize = 40;

/// What cargo has said so far.
#[derive(Debug, Default)]
pub(super) struct Build {
    crates: u32,
    total: Option<u32>,
}

/// `[12/345] Building CXX object …`; with `NINJA_STATUS` of one's own also `[12/345 3.4s] …` and the like.
pub(super) fn ninja(text: &str, out: &mut Vec<What>) -> Option<()> {
    let (counter, rest) = text.strip_prefix('[')?.split_once(']')?;
    // What `NINJA_STATUS` adds is numbers and units: times, rates, percent.
    let own = |c: char| matches!(c, ' ' | '@' | '|' | ':' | ';' | '(');
    let counter = counter.trim_start();
    let (numbers, more) = counter.split_at(counter.find(own).unwrap_or(counter.len()));
    if more.len() > STATUS || more.contains([',', '[']) {
        return None;
    }
    let (done, total) = pair(numbers)?;
    if !rest.starts_with(' ') {
        return None;
    }
    out.push(step(done, Some(total), rest));
    Some(())
}

/// `[ 45%] Building C object …`
pub(super) fn make(text: &str, out: &mut Vec<What>) -> Option<()> {
    let (percent, rest) = text.strip_prefix('[')?.split_once("%]")?;
    let percent: u32 = percent.trim_start().parse().ok()?;
    if percent > 100 || !rest.starts_with(' ') {
        return None;
    }
    out.push(step(percent, Some(100), rest));
    Some(())
}

/// `The Meson build system`, `Build targets in project: 12`.
pub(super) fn meson(text: &str, out: &mut Vec<What>) -> Option<()> {
    if text == "The Meson build system" {
        out.push(doing("configuring"));
    } else if text.starts_with("Build targets in project: ") {
        out.push(doing("configured"));
    } else {
        return None;
    }
    Some(())
}

impl Build {
    /// `   Compiling serde v1.0.229`, `    Building [====>   ] 12/345: serde`, `    Finished …`.
    pub(super) fn cargo(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        let word = text.trim_start();
        // Cargo puts its verbs flush right at column 12.
        let indent = text.len() - word.len();
        let (verb, rest) = word.split_once(' ')?;
        if indent + verb.len() != 12 {
            return None;
        }
        match verb {
            "Updating" | "Locking" | "Downloading" | "Blocking" | "Downloaded" | "Adding" | "Fresh" => {
                out.push(doing(word));
            }
            "Compiling" | "Checking" | "Documenting" => {
                let (_, version) = rest.split_once(' ')?;
                if !version.starts_with('v') {
                    return None;
                }
                self.crates = self.crates.saturating_add(1);
                let done = self.crates.saturating_sub(1);
                out.push(step(done, self.total.filter(|t| *t >= done), word));
            }
            "Building" if rest.starts_with('[') => {
                let (counter, text) = rest.split_once(']')?.1.split_once(':')?;
                let (done, total) = pair(counter)?;
                self.total = Some(total);
                out.push(step(done, Some(total), text));
            }
            "Finished" => {
                self.ends(out);
                out.push(What::End { ok: true });
            }
            _ => return None,
        }
        Some(())
    }

    fn ends(&mut self, out: &mut Vec<What>) {
        let all = self.total.unwrap_or(self.crates);
        out.push(What::Step {
            done: all,
            total: Some(all).filter(|all| *all > 0),
            text: "finished".into(),
        });
        *self = Self::default();
    }
}
