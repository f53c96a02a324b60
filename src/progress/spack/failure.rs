//! Whose error it is. The old installer prints an error without the name of its package, and the path of its log some
//! lines later; with several builds at once other lines come between.

use super::{Spack, id, registry::At};
use crate::{
    log::{Severity, severity},
    progress::event::{State, What, name, sentence},
};

/// An error that was begun.
#[derive(Clone, Debug)]
pub(super) struct Block {
    text: String,
    /// Whose it is, once that is known.
    package: Option<At>,
    /// The next line is the path of the log.
    log_is_next: bool,
    /// Where it begins.
    offset: u64,
}

impl Spack {
    /// What stands after `==> Error: `.
    pub(super) fn error(&mut self, text: &str, out: &mut Vec<What>) {
        if text.starts_with("Keyboard interrupt") {
            self.block = None;
            self.interrupted = true;
            self.note(Severity::Error, text, None, out);
            return out.push(What::Interrupted);
        }
        if text.starts_with("The following packages failed to install:") {
            self.lists_failed = true;
            return self.ends(out);
        }
        if text.starts_with("Installation request failed.") {
            return self.ends(out);
        }
        if text.starts_with("Terminating after first install failure") {
            self.note(Severity::Error, text, None, out);
            return self.ends(out);
        }
        if let Some(rest) = text.strip_prefix("Failed to install ") {
            return self.parent_failed(rest, text, out);
        }
        if let Some((package, reason)) = text.split_once(": ")
            && let Some(at) = self.of_id(package, out)
        {
            return self.root_failed(at, reason, out);
        }
        self.note(Severity::Error, text, None, out);
        if !self.is_busy() {
            // With nothing in work it is the command that failed: nobody knows the package, or its version.
            out.push(What::End { ok: false });
        } else if is_exception(text) {
            self.open_block(text, out);
        }
    }

    /// The install failed as a whole: nothing goes on.
    fn ends(&mut self, out: &mut Vec<What>) {
        self.close_block(out);
        self.interrupt_all(out);
        out.push(What::End { ok: false });
    }

    fn open_block(&mut self, text: &str, out: &mut Vec<What>) {
        self.close_block(out);
        let package = self.of_stage(text, out).or_else(|| self.registry.only_active());
        self.block = Some(Block {
            text: sentence(text),
            package: None,
            log_is_next: false,
            offset: self.offset,
        });
        if let Some(at) = package {
            self.attribute(at, out);
        }
    }

    /// The error that is open belongs to this package.
    fn attribute(&mut self, at: At, out: &mut Vec<What>) {
        let Some(block) = &mut self.block else { return };
        if block.package == Some(at) {
            return;
        }
        block.package = Some(at);
        let (reason, from) = (block.text.clone(), block.offset + 1);
        if self.interrupted {
            return;
        }
        if let Some(entry) = self.registry.get(at) {
            let package = entry.key.clone();
            out.push(What::Owner { package, from });
        }
        self.set(at, State::Failed, (Some(reason), None), out);
    }

    /// Somebody else says that this package failed.
    pub(super) fn blame(&mut self, at: At, out: &mut Vec<What>) {
        let Some(entry) = self.registry.get(at) else {
            return;
        };
        if matches!(entry.state, State::Failed | State::Skipped) {
            return;
        }
        let is_open = self.block.as_ref().is_some_and(|b| b.package.is_none());
        if is_open && entry.state.is_active() {
            self.attribute(at, out);
            self.block = None;
        } else {
            self.set(at, State::Failed, (None, None), out);
        }
    }

    /// No more lines of the open error will come: it is of the package that it names, or that was spoken of last.
    pub(super) fn close_block(&mut self, out: &mut Vec<What>) {
        let Some(block) = &self.block else { return };
        if block.package.is_none() {
            let text = block.text.clone();
            let named = self.registry.active_in(&text);
            let last = self.registry.active().max_by_key(|at| {
                let entry = self.registry.get(*at);
                entry.map(|e| (e.state == State::Building, e.touched))
            });
            if let Some(at) = named.or(last) {
                self.attribute(at, out);
            }
        }
        self.block = None;
    }

    /// `NAME due to EXC: TEXT`, of the parent process.
    fn parent_failed(&mut self, rest: &str, text: &str, out: &mut Vec<What>) {
        let bare = rest.split(' ').next().unwrap_or_default();
        let reason = rest
            .split_once(" due to ")
            .or_else(|| rest.split_once(" due "))
            .map_or(rest, |(_, reason)| reason);
        let at = self
            .registry
            .active_named(bare)
            .or_else(|| self.registry.failed_named(bare));
        self.note(Severity::Error, text, at, out);
        let Some(at) = at else { return };
        self.registry.learn_name(at, bare, false, out);
        if reason.contains("KeyboardInterrupt") {
            return self.set(at, State::Interrupted, (Some(sentence(reason)), None), out);
        }
        self.set(at, State::Failed, (Some(sentence(reason)), None), out);
        self.block = None;
    }

    /// `PKGID: TEXT`, at the end, of a root.
    fn root_failed(&mut self, at: At, reason: &str, out: &mut Vec<What>) {
        self.note(Severity::Error, reason, Some(at), out);
        match self.registry.get(at).map(|e| e.state) {
            Some(State::Failed | State::Skipped) | None => {}
            Some(state) if state.is_active() && !self.interrupted => {
                self.set(at, State::Failed, (Some(sentence(reason)), None), out);
            }
            Some(state) if state.is_active() => {
                self.set(at, State::Interrupted, (Some(sentence(reason)), None), out);
            }
            Some(_) => self.set(at, State::Skipped, (Some(sentence(reason)), None), out),
        }
    }

    /// Lines that begin with a space: times, the context of an error, the path of a log.
    pub(super) fn indented(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        if self.installed_last.is_some() && text.contains("Total: ") && self.times(text, out) {
            return true;
        }
        if is_download(text) {
            return self.is_known();
        }
        let Some(block) = &mut self.block else {
            return false;
        };
        let path = text.trim();
        if std::mem::take(&mut block.log_is_next) && path.starts_with('/') {
            let known = block.package;
            let at = self.of_stage(path, out).or(known);
            if let Some(at) = at {
                self.attribute(at, out);
                self.log_of(at, path, out);
            }
            self.block = None;
            return true;
        }
        if let Some(hit) = text.strip_prefix("  >> ") {
            let hit = hit.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
            let package = block.package;
            if severity(hit.as_bytes()) == Some(Severity::Error) {
                self.note(Severity::Error, hit, package, out);
            }
        }
        true
    }

    pub(super) fn log_of(&self, at: At, path: &str, out: &mut Vec<What>) {
        if let Some(entry) = self.registry.get(at) {
            out.push(What::Log {
                package: entry.key.clone(),
                path: name(path),
            });
        }
    }

    /// `4 errors found in build log:`.
    pub(super) fn found(&self, text: &str) -> bool {
        self.block.is_some()
            && (text.ends_with(" found in build log:") || text.ends_with(" found in test log:"))
    }

    /// Lines around an error that are not indented.
    pub(super) fn context(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        if text.starts_with("See build log for details:") || text.starts_with("See test log for details:") {
            if let Some(block) = &mut self.block {
                block.log_is_next = true;
            }
            return self.is_known();
        }
        // The summary of the new installer: the hits of a log whose package is not said.
        if let Some(hit) = text.strip_prefix("> ")
            && self.is_known()
            && !self.is_busy()
        {
            if severity(hit.as_bytes()) == Some(Severity::Error) {
                self.note(Severity::Error, hit, self.registry.only_failed(), out);
            }
            return true;
        }
        false
    }

    /// `NAME@VERSION/HASH: LOG` after "The following packages failed to install".
    pub(super) fn failed_list(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        if !self.lists_failed {
            return false;
        }
        let parsed = text.split_once('/').and_then(|(spec, rest)| {
            let (name, version) = id::spec(spec)?;
            let (hash, path) = rest.split_once(": ")?;
            id::is_hash(hash, id::HASH).then_some((name, version, hash, path))
        });
        let Some((name, version, hash, path)) = parsed else {
            return false;
        };
        let label = format!("{name}-{version}");
        let said = super::Said {
            hash,
            label: &label,
            name: Some(name),
            version: Some(version),
        };
        let Some(at) = self.registry.package(said, out) else {
            return true;
        };
        self.set(at, State::Failed, (None, None), out);
        if path.starts_with('/') {
            self.log_of(at, path, out);
        }
        true
    }
}

/// `EXC: TEXT`, as Python names exceptions.
pub(super) fn is_exception(text: &str) -> bool {
    let Some((class, _)) = text.split_once(": ") else {
        return false;
    };
    let last = class.rsplit('.').next().unwrap_or_default();
    last.starts_with(|c: char| c.is_ascii_uppercase())
        && last.chars().any(|c| c.is_ascii_lowercase())
        && last.len() > 3
        && class
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

/// `    [ 45%]  337.71 KB @  204.8 MB/s`.
fn is_download(text: &str) -> bool {
    text.starts_with("    [") && text.contains("] ") && text.contains(" @ ") && text.ends_with("B/s")
}
