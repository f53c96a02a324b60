//! The builds of Docker: `BuildKit` on pipes (`#12 [3/7] RUN …`), and the classic builder (`Step 3/7 : RUN …`).

use std::collections::BTreeMap;

use super::{doing, pair, step};
use crate::progress::event::{What, name};

/// Steps whose instruction is remembered.
const STEPS: usize = 1000;

/// What was begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Docker {
    /// The instruction of the classic builder.
    classic: Option<String>,
    /// The instructions of `BuildKit`, by number.
    steps: BTreeMap<u32, String>,
    /// The one that failed.
    failed: Option<String>,
}

impl Docker {
    pub(super) fn read(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if let Some(rest) = text.strip_prefix("Step ") {
            let (counter, instruction) = rest.split_once(" : ")?;
            let (done, total) = pair(counter)?;
            self.classic = Some(name(instruction));
            out.push(step(done.saturating_sub(1), Some(total), instruction));
            return Some(());
        }
        if self.has_failed(text) {
            let step = self.failed.take().or_else(|| self.classic.take());
            out.extend(step.map(|name| What::Target { name }));
            out.push(super::error(text));
            out.push(What::End { ok: false });
            *self = Self::default();
            return Some(());
        }
        if self.classic.is_some()
            && (text.starts_with("Successfully built ") || text.starts_with("Successfully tagged "))
        {
            out.push(What::End { ok: true });
            return Some(());
        }
        let (number, rest) = text.strip_prefix('#')?.split_once(' ')?;
        let number = number.parse().ok()?;
        if let Some(error) = rest.strip_prefix("ERROR: ") {
            self.failed = self.steps.get(&number).cloned();
            // No build goes on without a step whose command failed. Of other errors only the last line tells whether
            // it was needed: a cache that is not there is one, too.
            if !(error.starts_with("process \"") && error.contains("\" did not complete successfully: ")) {
                return None;
            }
            out.extend(self.failed.clone().map(|name| What::Target { name }));
            out.push(super::error(error));
            out.push(What::End { ok: false });
            return Some(());
        }
        self.buildkit(number, rest, out)
    }

    /// After these lines nothing is built any more.
    fn has_failed(&self, text: &str) -> bool {
        let classic = self.classic.is_some()
            && (text.starts_with("The command '") && text.contains("' returned a non-zero code: ")
                || text.starts_with("COPY failed: ")
                || text.starts_with("ADD failed: "));
        classic
            || text.starts_with("ERROR: failed to solve: ")
            || text.starts_with("ERROR: failed to build: ")
    }

    fn buildkit(&mut self, number: u32, rest: &str, out: &mut Vec<What>) -> Option<()> {
        if let Some((place, instruction)) = rest.strip_prefix('[').and_then(|r| r.split_once("] ")) {
            // `[build 3/7]`, `[3/7]`, or `[internal]`.
            if self.steps.len() < STEPS {
                self.steps.insert(number, name(instruction));
            }
            let counter = place.split_whitespace().last().and_then(pair);
            if let Some((done, total)) = counter {
                out.push(step(done.saturating_sub(1), Some(total), instruction));
            } else {
                if instruction.starts_with("load build definition") {
                    self.steps.clear();
                    out.push(What::Begin);
                }
                out.push(doing(instruction));
            }
            return Some(());
        }
        if rest.starts_with("exporting to image") || rest.starts_with("exporting layers") {
            out.push(doing(rest));
            return Some(());
        }
        let known = rest == "CACHED" || rest.starts_with("DONE ") || rest.starts_with("sha256:");
        known.then_some(())
    }
}

/// The output of a step, with its number: `#12 0.345 text`.
pub(in crate::progress) fn output(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.strip_prefix('#')?.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    let is_time = time.contains('.') && time.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_time.then(|| Some((number.parse().ok()?, rest))).flatten()
}

/// The step that ends with a line: `#12 DONE 3.4s`, `#12 ERROR: process …`, `#12 CANCELED`.
pub(in crate::progress) fn ended(text: &str) -> Option<u32> {
    let (number, rest) = text.strip_prefix('#')?.split_once(' ')?;
    let ends = rest.starts_with("DONE ") || rest.starts_with("ERROR: ") || rest == "CANCELED";
    ends.then(|| number.parse().ok()).flatten()
}
