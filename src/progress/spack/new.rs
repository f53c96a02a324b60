//! The installers with one line a state change: from 1.2 on (`[ ] HASH7 NAME@VERSION build (1m23s)`), and the
//! experimental one of 1.1 (`HASH7 NAME@VERSION: build`).

use super::{
    Dialect, Spack, id,
    registry::{At, Said},
};
use crate::progress::event::{State, What, name, sentence};

/// What a line of it says.
struct StateLine<'a> {
    indicator: char,
    hash: &'a str,
    name: &'a str,
    version: &'a str,
    rest: &'a str,
    elapsed: Option<u32>,
}

impl Spack {
    /// `[I] HASH7 NAME@VERSION REST (ELAPSED)`.
    pub(super) fn state_line(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let Some(line) = parse(text) else { return false };
        if !self.speaks(Dialect::New) {
            return false;
        }
        self.apply(&line, out);
        true
    }

    /// With `-v` a state may follow on build output that did not end its line; only packages in work count then.
    pub(super) fn glued(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        if self.dialect != Some(Dialect::New) || !self.is_busy() {
            return false;
        }
        let found = text.rmatch_indices("] ").find_map(|(end, _)| {
            let line = parse(text.get(end.checked_sub(2)?..)?)?;
            let at = self.registry.find(line.hash)?;
            let known = self.registry.get(at)?;
            (known.state.is_active() && known.name.as_deref() == Some(line.name)).then_some(line)
        });
        let Some(line) = found else { return false };
        self.apply(&line, out);
        true
    }

    /// `HASH7 NAME@VERSION: STATE`.
    pub(super) fn experimental(&mut self, text: &str, out: &mut Vec<What>) -> bool {
        let parsed = text.split_once(' ').and_then(|(hash, rest)| {
            let (package, state) = rest.split_once(": ")?;
            let (name, version) = id::spec(package)?;
            (id::is_hash(hash, id::SHORT) && (is_phrase(state) || is_phase(state)))
                .then_some((hash, name, version, state))
        });
        let Some((hash, name, version, state)) = parsed else {
            return false;
        };
        // Any tool may print such a line: the first one must be the first of a package.
        let begins = matches!(state, "starting" | "staging" | "fetching from build cache");
        if (self.dialect != Some(Dialect::Experimental) && !begins) || !self.speaks(Dialect::Experimental) {
            return false;
        }
        let indicator = match state {
            "finished" => '+',
            "failed" => 'x',
            _ => ' ',
        };
        self.apply(
            &StateLine {
                indicator,
                hash,
                name,
                version,
                rest: if indicator == ' ' { state } else { "" },
                elapsed: None,
            },
            out,
        );
        true
    }

    fn apply(&mut self, line: &StateLine<'_>, out: &mut Vec<What>) {
        let label = format!("{}-{}", line.name, line.version);
        let said = Said {
            hash: line.hash,
            label: &label,
            name: Some(line.name),
            version: Some(line.version),
        };
        let Some(at) = self.registry.package(said, out) else {
            return;
        };
        match line.indicator {
            'e' => self.set(at, State::External, (None, None), out),
            '+' => self.finished(at, line, out),
            'x' => self.failed(at, line, out),
            _ => self.running(at, line, out),
        }
    }

    fn finished(&mut self, at: At, line: &StateLine<'_>, out: &mut Vec<What>) {
        let was_final = self.registry.get(at).is_some_and(|e| e.state.is_final());
        if was_final {
            return;
        }
        // It says so only of packages that it worked on, even where we came too late to see it.
        if let Some(entry) = self.registry.get_mut(at) {
            entry.child_done = true;
        }
        self.complete(at, line.elapsed, out);
        if let (true, Some(entry)) = (line.rest.starts_with('/'), self.registry.get(at)) {
            out.push(What::Prefix {
                package: entry.key.clone(),
                path: name(line.rest),
            });
        }
    }

    fn failed(&mut self, at: At, line: &StateLine<'_>, out: &mut Vec<What>) {
        let path = line.rest.strip_prefix("failed: ").filter(|p| p.starts_with('/'));
        if let Some((label, hash)) = path.and_then(id::of_stage) {
            let said = Said {
                hash,
                label,
                ..Said::default()
            };
            self.registry.package(said, out);
        }
        let was_failed = self.registry.get(at).is_some_and(|e| e.state == State::Failed);
        if was_failed {
            return;
        }
        self.failures.push(at);
        self.set(at, State::Failed, (None, line.elapsed), out);
        if let Some(path) = path {
            self.log_of(at, path, out);
        }
    }

    fn running(&mut self, at: At, line: &StateLine<'_>, out: &mut Vec<What>) {
        let rest = line.rest;
        let ended = self.registry.get(at).is_some_and(|e| e.state.is_final());
        if ended && !matches!(rest, "starting" | "staging" | "fetching from build cache") {
            return;
        }
        self.interrupted &= !ended;
        if rest.starts_with("stopped ") {
            return self.set(at, State::Interrupted, (Some(sentence(rest)), line.elapsed), out);
        }
        self.begin(at, State::Fetching, line.elapsed, out);
        let cached = rest.starts_with("fetching") || matches!(rest, "relocating" | "rewiring");
        if let Some(entry) = self.registry.get_mut(at) {
            entry.from_cache = cached || (entry.from_cache && rest.is_empty());
        }
        if rest.is_empty() {
            return;
        }
        let state = match rest {
            "relocating" | "rewiring" => State::Installing,
            _ if is_phrase(rest) || rest.starts_with("fetching") => State::Fetching,
            _ if is_phase(rest) => State::Building,
            // A state of a later Spack: it is shown in its words.
            _ => self.registry.get(at).map_or(State::Fetching, |e| e.state),
        };
        self.set(at, state, (None, line.elapsed), out);
        // `fetching: 45%` is no phase of its own.
        let phase = rest.split(": ").next().unwrap_or(rest);
        self.phase(at, phase, line.elapsed, out);
    }
}

fn parse(text: &str) -> Option<StateLine<'_>> {
    let rest = text.strip_prefix('[')?;
    let indicator = rest.chars().next()?;
    if !matches!(indicator, ' ' | '+' | 'x' | 'e' | '|' | '/' | '-' | '\\') {
        return None;
    }
    let rest = rest.get(1..)?.strip_prefix("] ")?;
    let (hash, rest) = rest.split_once(' ')?;
    let (package, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (name, version) = id::spec(package)?;
    if !id::is_hash(hash, id::SHORT) {
        return None;
    }
    let stamp = rest.strip_suffix(')').and_then(|rest| {
        let (before, stamp) = rest.rsplit_once('(')?;
        Some((before, id::elapsed(stamp)?))
    });
    let (rest, elapsed) = match stamp {
        Some((before, seconds)) => (before, Some(seconds)),
        None => (rest, None),
    };
    Some(StateLine {
        indicator,
        hash,
        name,
        version,
        rest: rest.trim(),
        elapsed,
    })
}

/// States that Spack names itself.
fn is_phrase(text: &str) -> bool {
    matches!(
        text,
        "starting"
            | "staging"
            | "fetching from build cache"
            | "relocating"
            | "rewiring"
            | "no binary available"
            | "finished"
            | "failed"
    ) || text.starts_with("stopped before ")
        || text.starts_with("stopped after ")
}

/// Whether a word can be a phase of a recipe.
fn is_phase(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
