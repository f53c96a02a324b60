//! The installer of Spack to 1.1: `==>` messages, and `[+] PREFIX`.
//!
//! Its order is full of traps. "No binary" comes before "Installing"; of a package out of a build cache "Installing"
//! comes after `[+]`; "Successfully installed" is said by the child, and only `[+]` by Spack itself; an error does
//! not name its package.

use super::{
    Dialect, ENDED, Spack, id, pair,
    registry::{At, Said},
};
use crate::{
    log::Severity,
    progress::event::{State, What, name, sentence},
};

impl Spack {
    /// What stands after `==> `.
    pub(super) fn message(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        self.part = None;
        let (text, stamped) = without_time(text);
        if let Some(rest) = text.strip_prefix("Warning: ") {
            self.warning(rest, out);
        } else if let Some(rest) = text.strip_prefix("Error: ") {
            self.lists_failed = false;
            self.error(rest, out);
        } else if let Some(at) = self.about_package(text, out) {
            self.dialect.get_or_insert(Dialect::Old);
            self.installed_last = self.installed_last.filter(|last| *last == at);
        } else if let Some(rest) = text.strip_prefix("Updating view at ") {
            out.push(What::Doing {
                text: sentence(&format!("updating the view {rest}")),
            });
        } else if !self.stage_message(text, out) && !push(text, out) {
            return !stamped && (self.is_known() || text.starts_with("Following logs of "));
        }
        true
    }

    /// Messages that name their package.
    fn about_package(&mut self, text: &str, out: &mut Vec<What>) -> Option<At> {
        let text = without_number(text);
        if let Some(rest) = text.strip_prefix("Installing ") {
            return self.installing(rest, out);
        }
        if let Some(rest) = text.strip_prefix("No binary for ") {
            let at = self.of_id(rest.split(' ').next()?, out)?;
            if self.interrupted {
                self.restarted(out);
            }
            // It is said once, before everything else: in the middle of a build another run has begun.
            if self.registry.get(at).is_some_and(|e| e.state == State::Building) {
                self.set(at, State::Interrupted, (Some(ENDED.into()), None), out);
            }
            self.begin(at, State::Fetching, None, out);
            return Some(at);
        }
        if let Some(rest) = text.strip_prefix("Extracting ") {
            let at = self.of_id(rest.strip_suffix(" from binary cache")?, out)?;
            if self.interrupted {
                self.restarted(out);
            }
            self.begin(at, State::Fetching, None, out);
            if let Some(entry) = self.registry.get_mut(at) {
                entry.from_cache = true;
            }
            self.phase(at, "extract", None, out);
            return Some(at);
        }
        if let Some(rest) = text.strip_prefix("Waiting for ") {
            let at = self.of_id(rest, out)?;
            let label = id::package_id(rest).map_or(rest, |(label, _)| label);
            out.push(What::Doing {
                text: sentence(&format!("waiting for the lock of {label}")),
            });
            return Some(at);
        }
        self.by_name(text, out)
    }

    /// `NAME: Executing phase: 'PHASE'`, `NAME: Successfully installed NAME-VERSION-HASH`.
    fn by_name(&mut self, text: &str, out: &mut Vec<What>) -> Option<At> {
        let (bare, rest) = text.split_once(": ")?;
        if !id::is_name(bare) {
            return None;
        }
        if let Some(phase) = rest.strip_prefix("Executing phase: '") {
            let phase = phase.strip_suffix('\'')?;
            let at = match self.registry.active_named(bare) {
                Some(at) => at,
                None => self.begun_again(bare, out)?,
            };
            self.registry.learn_name(at, bare, false, out);
            self.set(at, State::Building, (None, None), out);
            self.phase(at, phase, None, out);
            return Some(at);
        }
        if let Some(package) = rest.strip_prefix("Successfully installed ") {
            let at = self.of_id(package, out)?;
            self.registry.learn_name(at, bare, true, out);
            if let Some(entry) = self.registry.get_mut(at) {
                entry.child_done = true;
            }
            self.phase(at, "registering", None, out);
            self.installed_last = Some(at);
            return Some(at);
        }
        None
    }

    /// A package that was announced after it had failed, and works: it is built once more.
    fn begun_again(&mut self, bare: &str, out: &mut Vec<What>) -> Option<At> {
        let failed = self.registry.failed_named(bare);
        let at = failed.filter(|at| self.failed_before == Some(*at))?;
        self.failed_before = None;
        self.begin(at, State::Fetching, None, out);
        Some(at)
    }

    /// `PKGID [n/m]`. After the end of the package it only counts.
    fn installing(&mut self, text: &str, out: &mut Vec<What>) -> Option<At> {
        let mut words = text.split(' ');
        let at = self.of_id(words.next()?, out)?;
        let counter = words.next();
        if words.next().is_some() {
            return None;
        }
        let counted = counter
            .and_then(|c| c.strip_prefix('[')?.strip_suffix(']'))
            .and_then(pair);
        let another = self.another_run(at, counted.map(|(place, _)| place), out);
        if let Some((_, total)) = counted {
            self.counted(None, total, out);
        }
        // Into a pipe the line comes once the package has ended, however it did.
        let state = self.registry.get(at).map(|e| e.state);
        let failed = state == Some(State::Failed) && !another;
        self.failed_before = failed.then_some(at);
        let ended = failed || state.is_some_and(State::is_good);
        if !ended {
            self.begin(at, State::Fetching, None, out);
        }
        Some(at)
    }

    /// Whether another run has begun in the same log: this line comes once for each package, and its counter only grows.
    /// What was in work before is interrupted then; what the new run has spoken of already is only this package.
    fn another_run(&mut self, at: At, place: Option<u32>, out: &mut Vec<What>) -> bool {
        let Some(entry) = self.registry.get(at) else {
            return false;
        };
        let back = place.is_some_and(|place| place < self.place);
        let stopped = self.interrupted && !entry.state.is_active() && !entry.child_done;
        let again = entry.state == State::Building && !entry.child_done && !entry.from_cache;
        let another = back || stopped || again;
        if another {
            let begun = entry.state == State::Fetching;
            self.restarted(out);
            if begun {
                self.begin(at, State::Fetching, None, out);
            }
        }
        self.place = place.unwrap_or(self.place);
        another
    }

    /// Messages of the staging. They name no package, or its bare name.
    fn stage_message(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let fetched = text
            .strip_prefix("Fetching ")
            .or_else(|| text.strip_prefix("Using cached archive: "));
        if let Some(source) = fetched {
            let at = self.of_stage(source, out).or_else(|| self.registry.only_active());
            match at {
                Some(at) => self.phase(at, "fetch", None, out),
                None => out.push(What::Doing {
                    text: sentence(&format!("fetching {source}")),
                }),
            }
            return true;
        }
        let patched = ["No patches needed for ", "Already patched ", "Ran patch() for "];
        let bare = patched.iter().find_map(|start| text.strip_prefix(start));
        if let Some(at) = bare.and_then(|bare| self.registry.active_named(bare)) {
            self.registry.learn_name(at, bare.unwrap_or_default(), false, out);
            self.phase(at, "stage", None, out);
            return true;
        }
        if text.starts_with("Applied patch ") {
            if let Some(at) = self.registry.only_active() {
                self.phase(at, "stage", None, out);
            }
            return true;
        }
        bare.is_some()
    }

    /// `[+] PREFIX`: Spack itself says that it is there.
    pub(super) fn installed(&mut self, path: &str, out: &mut Vec<What>) -> bool {
        if let Some(at) = self.external(path, out) {
            self.set(at, State::External, (None, None), out);
            return true;
        }
        let known = id::of_prefix(path);
        let at = match known {
            Some((name, label, hash)) => {
                let said = Said {
                    hash,
                    label: &name.map_or_else(|| label.to_owned(), |n| format!("{n}-{label}")),
                    name,
                    version: name.map(|_| label),
                };
                self.registry.package(said, out)
            }
            // A layout without hashes: it is the one whose child has just ended, or we only have the path.
            None => self.installed_last.or_else(|| {
                let label = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
                let said = Said {
                    hash: path,
                    label,
                    ..Said::default()
                };
                self.registry.package(said, out)
            }),
        };
        let Some(at) = at else { return true };
        self.complete(at, None, out);
        if let Some(entry) = self.registry.get(at) {
            out.push(What::Prefix {
                package: entry.key.clone(),
                path: name(path),
            });
        }
        self.installed_last = None;
        true
    }

    fn external(&mut self, path: &str, out: &mut Vec<What>) -> Option<At> {
        let (_, rest) = path.rsplit_once(" (external ")?;
        self.of_id(rest.strip_suffix(')')?, out)
    }

    /// `  Stage: 0.07s.  Install: 1h 2m 3.45s.  Total: 0.29s`.
    pub(super) fn times(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let Some(at) = self.installed_last else {
            return false;
        };
        let mut phases = vec![];
        let mut total = None;
        for part in text.trim().split(".  ") {
            let Some((phase, time)) = part.split_once(": ") else {
                return false;
            };
            let Some(seconds) = id::duration(time.trim_end_matches('.')) else {
                return false;
            };
            if phase == "Total" {
                total = Some(seconds);
            } else if phases.len() < 64 {
                phases.push((name(&phase.to_lowercase()), seconds));
            }
        }
        let (Some(total), Some(entry)) = (total, self.registry.get(at)) else {
            return false;
        };
        out.push(What::Took {
            package: entry.key.clone(),
            phases,
            total,
        });
        true
    }

    fn warning(&mut self, text: &str, out: &mut Vec<What>) {
        let skipped = text
            .strip_prefix("Skipping build of ")
            .and_then(|rest| rest.strip_suffix(" failed"))
            .and_then(|rest| rest.split_once(" since "));
        let Some((package, cause)) = skipped else {
            return self.note(Severity::Warning, text, None, out);
        };
        let cause = self.of_id(cause, out);
        if let Some(cause) = cause {
            self.blame(cause, out);
        }
        let cause = cause.and_then(|at| self.registry.get(at));
        let reason = cause.map_or_else(String::new, |entry| {
            entry.name.clone().unwrap_or_else(|| entry.label.clone())
        });
        let Some(at) = self.of_id(package, out) else {
            return;
        };
        if self.registry.get(at).is_some_and(|e| e.state != State::Failed) {
            self.set(at, State::Skipped, (Some(reason), None), out);
        }
    }
}

/// `[ 1/34] Pushed NAME@VERSION/HASH7: …` of `spack buildcache push`.
fn push(text: &str, out: &mut Vec<What>) -> bool {
    let Some((counter, rest)) = text.strip_prefix('[').and_then(|t| t.split_once("] ")) else {
        return text.contains(": Pushed to build cache: ");
    };
    let known = ["Pushed ", "Tagged ", "Pushing ", "Exists "];
    let (Some((done, total)), true) = (pair(counter), known.iter().any(|k| rest.starts_with(k))) else {
        return false;
    };
    let words: Vec<_> = rest.split(' ').take(2).collect();
    out.push(What::Step {
        done,
        total: Some(total),
        text: sentence(words.join(" ").trim_end_matches(':')),
    });
    true
}

/// A message without its time (`-d`, or the log of a build), and whether it had one.
fn without_time(text: &str) -> (&str, bool) {
    let Some((stamp, rest)) = text.strip_prefix('[').and_then(|t| t.split_once("] ")) else {
        return (text, false);
    };
    let shape = stamp.len() >= 26 && stamp.bytes().take(26).filter(|b| *b == b'-').count() == 3;
    let is_time = shape && stamp.bytes().filter(|b| *b == b':').count() == 2;
    if is_time { (rest, true) } else { (text, false) }
}

/// A message without the number of the process before it.
fn without_number(text: &str) -> &str {
    match text.split_once(": ") {
        Some((number, rest)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => text,
    }
}
