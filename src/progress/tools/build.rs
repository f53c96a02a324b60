//! ninja, make with cmake's percentages, meson, cargo.

use super::{doing, pair, step};
use crate::progress::event::{What, name};

/// Characters that `NINJA_STATUS` may have after its counter.
const STATUS: usize = 40;

/// What the build tools have said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    crates: u32,
    total: Option<u32>,
    ninja: bool,
    make: Make,
    meson: Meson,
}

/// What make has said so far.
#[derive(Clone, Debug, Default)]
struct Make {
    percent: u32,
    /// How deep the make was that said first what it could not make: those above it only say that it failed.
    deepest: u32,
    /// The make on top failed, and waits for what still runs beside it.
    waits: bool,
}

/// How far meson is.
#[derive(Clone, Debug, Default)]
struct Meson {
    begun: bool,
    /// It said that something is wrong, which a subproject that nobody needs may do, too.
    error: Option<String>,
}

impl Build {
    /// `[12/345] Building CXX object …`; with `NINJA_STATUS` of one's own also `[12/345 3.4s] …` and the like.
    pub(super) fn ninja(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if let Some((done, total, rest)) = ninja_step(text) {
            self.ninja = true;
            out.push(step(done, Some(total), rest));
            return Some(());
        }
        if let Some(rest) = text.strip_prefix("FAILED: ").filter(|_| self.ninja) {
            // Since 1.13 with the exit code before the target.
            let name = rest
                .strip_prefix("[code=")
                .and_then(|r| Some(r.split_once("] ")?.1));
            fails(text, name.or(Some(rest)), out);
            return Some(());
        }
        if text == "ninja: no work to do." {
            out.push(What::End { ok: true });
            return Some(());
        }
        let rest = text.strip_prefix("ninja: ")?;
        let stopped = rest.strip_prefix("build stopped: ");
        if stopped.is_none() && !rest.starts_with("error: ") && !rest.starts_with("fatal: ") {
            return None;
        }
        if stopped == Some("interrupted by user.") {
            out.push(What::Interrupted);
        } else if let Some(name) = rest.strip_prefix("error: '").and_then(|r| r.split_once('\'')) {
            // `ninja: error: 'x.c', needed by 'x.o', missing and no known rule to make it`
            out.push(target(name.0));
        }
        out.push(What::End { ok: false });
        out.push(super::error(text));
        self.ninja = false;
        Some(())
    }

    /// `[ 45%] Building C object …`, `make[2]: *** [Makefile:3: bad.o] Error 1`
    pub(super) fn make(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if let Some((percent, rest)) = make_step(text) {
            if self.make.waits && percent >= self.make.percent {
                return Some(());
            }
            self.make = Make {
                percent,
                ..Make::default()
            };
            out.push(step(percent, Some(100), rest));
            return Some(());
        }
        let (level, words) = of_make(text)?;
        if words == "*** Waiting for unfinished jobs...." {
            self.make.waits |= level == 0;
            return Some(());
        }
        let gave_up = words.starts_with("Target '") && words.ends_with("not remade because of errors.");
        let stops = words.starts_with("stopped in ");
        let error = words.strip_prefix("*** ");
        let error = error.filter(|words| !words.starts_with("Deleting "));
        if error.is_none() && !gave_up && !stops {
            return None;
        }
        let name = error.and_then(make_target);
        let first = level >= self.make.deepest && name.is_some();
        if first {
            self.make.deepest = level;
        }
        fails(text, name.filter(|_| first), out);
        if error.is_some_and(|words| words.ends_with("] Interrupt")) {
            out.push(What::Interrupted);
        }
        if level == 0 {
            out.push(What::End { ok: false });
        }
        Some(())
    }

    /// `The Meson build system`, `Build targets in project: 12`, `meson.build:3:0: ERROR: …`
    pub(super) fn meson(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if text == "The Meson build system" {
            self.meson = Meson {
                begun: true,
                error: None,
            };
            out.push(doing("configuring"));
        } else if text.starts_with("Build targets in project: ") {
            self.meson = Meson::default();
            out.push(doing("configured"));
        } else if !self.meson.begun {
            return None;
        } else if let Some((place, _)) = text
            .split_once(": ERROR: ")
            .filter(|(p, _)| p.contains("meson.build:"))
        {
            self.meson.error = Some(place.to_owned());
            out.push(super::error(text));
        } else if text.starts_with("A full log can be found at ") {
            // Said only where meson gives up.
            let place = self.meson.error.take();
            self.meson.begun = false;
            out.extend(place.as_deref().map(target));
            out.push(What::End { ok: false });
        } else {
            return None;
        }
        Some(())
    }

    /// `   Compiling serde v1.0.229`, `    Building [====>   ] 12/345: serde`, `    Finished …`.
    pub(super) fn cargo(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if cargo_failed(text) {
            // The crate's own errors were printed before.
            fails(
                text,
                text.split('`')
                    .nth(1)
                    .map(|name| name.split(' ').next().unwrap_or(name)),
                out,
            );
            out.push(What::End { ok: false });
            (self.crates, self.total) = (0, None);
            return Some(());
        }
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
        (self.crates, self.total) = (0, None);
    }
}

/// The counter of ninja and what stands behind it.
fn ninja_step(text: &str) -> Option<(u32, u32, &str)> {
    let (counter, rest) = text.strip_prefix('[')?.split_once(']')?;
    // What `NINJA_STATUS` adds is numbers and units: times, rates, percent.
    let own = |c: char| matches!(c, ' ' | '@' | '|' | ':' | ';' | '(');
    let counter = counter.trim_start();
    let (numbers, more) = counter.split_at(counter.find(own).unwrap_or(counter.len()));
    if more.len() > STATUS || more.contains([',', '[']) {
        return None;
    }
    let (done, total) = pair(numbers)?;
    rest.starts_with(' ').then_some((done, total, rest))
}

fn make_step(text: &str) -> Option<(u32, &str)> {
    let (percent, rest) = text.strip_prefix('[')?.split_once("%]")?;
    let percent: u32 = percent.trim_start().parse().ok()?;
    (percent <= 100 && rest.starts_with(' ')).then_some((percent, rest))
}

/// What a make says, and how deep it is: `make: …` on top, `/usr/bin/gmake[2]: …` below.
fn of_make(text: &str) -> Option<(u32, &str)> {
    let (program, words) = text.split_once(": ")?;
    let (program, level) = match program.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
        Some((program, level)) => (program, level.parse().ok()?),
        None => (program, 0),
    };
    let name = program.rsplit('/').next().unwrap_or(program);
    matches!(name, "make" | "gmake" | "bmake" | "mingw32-make").then_some((level, words))
}

/// The target in `[Makefile:3: bad.o] Error 1`, `[bad.o] Error 1`, `No rule to make target 'x', needed by 'y'.  Stop.`
fn make_target(words: &str) -> Option<&str> {
    if let Some(rest) = words.strip_prefix("No rule to make target ") {
        return rest.trim_start_matches(['\'', '`']).split('\'').next();
    }
    let (inside, _) = words.strip_prefix('[')?.rsplit_once("] ")?;
    Some(inside.rsplit_once(": ").map_or(inside, |(_, target)| target))
}

/// After these cargo builds nothing further.
fn cargo_failed(text: &str) -> bool {
    let starts = [
        "could not compile `",
        "could not document `",
        "failed to run custom build command for `",
        "failed to parse manifest at `",
        "test failed, to rerun pass `",
        "no matching package named `",
        "failed to select a version for ",
    ];
    let said = text.strip_prefix("error: ");
    said.is_some_and(|said| starts.iter().any(|start| said.starts_with(start)))
}

fn target(called: &str) -> What {
    What::Target { name: name(called) }
}

/// A line that says what could not be made. The error of before it belongs to the target, not the line itself.
fn fails(text: &str, called: Option<&str>, out: &mut Vec<What>) {
    out.extend(called.map(target));
    out.push(super::error(text));
}
