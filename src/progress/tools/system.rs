//! apt and dpkg, pacman, dnf.

use super::{doing, is_package, item, pair, step};
use crate::progress::event::{State, Tool, What};

/// What the package managers of distributions have said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct System {
    /// pacman's last counter was of packages: hooks count too, and look the same.
    hooks: bool,
    /// dnf said that a transaction begins.
    dnf: bool,
    apt: Apt,
}

/// What apt has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Apt {
    #[default]
    Nothing,
    /// Something: what begins with `E: ` is apt's.
    Something,
    /// That it fetches the lists of its sources.
    Lists,
}

impl System {
    pub(super) fn pacman(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if text.starts_with(":: Running p") && text.ends_with("transaction hooks...") {
            self.hooks = true;
            out.push(doing("running hooks"));
            return Some(());
        }
        if let Some(rest) = text.strip_prefix("Packages (") {
            let total = rest.split(')').next()?.parse().ok()?;
            self.hooks = false;
            out.push(What::Begin);
            out.push(What::Count { done: None, total });
            return Some(());
        }
        if text.starts_with(":: Retrieving packages") || text.starts_with(":: Processing package changes") {
            self.hooks = false;
            out.push(doing(text.trim_start_matches(": ")));
            return Some(());
        }
        if pacman_failed(text, out) {
            self.hooks = false;
            return Some(());
        }
        let (counter, rest) = text.strip_prefix('(')?.split_once(") ")?;
        let (done, total) = pair(counter)?;
        let (verb, rest) = rest.split_once(' ')?;
        let state = match verb {
            "installing" | "upgrading" | "reinstalling" | "downgrading" => State::Installed,
            "checking" | "loading" | "removing" => {
                out.push(doing(&format!("{verb} {}", without_bar(rest))));
                return Some(());
            }
            _ if self.hooks => {
                out.push(doing(&format!("{verb} {}", without_bar(rest))));
                return Some(());
            }
            _ => return None,
        };
        self.hooks = false;
        let package = without_bar(rest).trim_end_matches("...");
        if !is_package(package) {
            return None;
        }
        let ended = !rest.contains('[') || rest.trim_end().ends_with("100%");
        let state = if ended { state } else { State::Installing };
        out.push(What::Count {
            done: Some(if ended { done } else { done.saturating_sub(1) }),
            total,
        });
        item(Tool::Pacman, package, None, state, out);
        Some(())
    }

    pub(super) fn apt(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if let Some(error) = text.strip_prefix("E: ") {
            // apt prints its errors last, and ends with 100 if there is one.
            if self.apt == Apt::Nothing && !is_of_apt(error) {
                return None;
            }
            let missing = error
                .strip_prefix("Unable to locate package ")
                .filter(|p| is_package(p));
            if let Some(package) = missing {
                item(Tool::Apt, bare(package), None, State::Failed, out);
            }
            out.push(super::error(text));
            out.push(What::End { ok: false });
            return Some(());
        }
        if let Some(rest) = text.strip_prefix("dpkg: error processing ") {
            let name = rest
                .strip_prefix("package ")
                .or_else(|| rest.strip_prefix("archive "))?;
            // `package hello:amd64 (--configure):`, `archive /var/…/hello_2.10-3_amd64.deb (--unpack):`
            let name = name.split(' ').next()?.rsplit('/').next()?;
            let name = name.split('_').next().filter(|name| is_package(name))?;
            item(Tool::Apt, bare(name), None, State::Failed, out);
            out.push(super::error(text));
            return Some(());
        }
        apt_line(text, out)?;
        self.update_ended(text, out);
        Some(())
    }

    /// `apt-get update` has no last line of its own: it reads the lists that it fetched, and that is all. On a terminal
    /// it says so many times.
    fn update_ended(&mut self, text: &str, out: &mut Vec<What>) {
        let fetched = ["Get:", "Hit:", "Ign:"].iter().any(|kind| text.starts_with(kind));
        if text.starts_with("Reading package lists") && self.apt == Apt::Lists {
            out.push(What::End { ok: true });
        } else if fetched && matches!(out.last(), Some(What::Doing { .. })) {
            self.apt = Apt::Lists;
        } else if fetched
            || text.starts_with("Err:")
            || self.apt == Apt::Nothing
            || out.iter().any(|what| matches!(what, What::Begin))
        {
            self.apt = Apt::Something;
        }
    }

    pub(super) fn dnf(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        let word = text.trim();
        if matches!(
            word,
            "Running transaction" | "Transaction Summary:" | "Transaction Summary"
        ) {
            self.dnf = true;
            out.push(doing(word));
            return Some(());
        }
        if text.starts_with("Last metadata expiration check: ")
            || text == "Updating and loading repositories:"
        {
            self.dnf = true;
            out.push(doing(word));
            return Some(());
        }
        if self.dnf && dnf_failed(text) {
            self.dnf = false;
            let name = text.rsplit_once(": ").map_or(text, |(_, name)| name);
            let missing =
                text.contains("Unable to find a match: ") || text.starts_with("No match for argument: ");
            if missing {
                item(Tool::Dnf, name, None, State::Failed, out);
            }
            out.push(super::error(text));
            out.push(What::End { ok: false });
            return Some(());
        }
        if word == "Complete!" && self.dnf {
            self.dnf = false;
            out.push(What::End { ok: true });
            return Some(());
        }
        // dnf5: `[ 3/17] Installing bash-0:5.2-1.fc40.x86_64   100% | …`
        if let Some((counter, rest)) = text.strip_prefix('[').and_then(|t| t.split_once("] ")) {
            let columns = rest.contains("% | ");
            let (done, total) = pair(counter).filter(|_| columns)?;
            self.dnf = true;
            out.push(step(done, Some(total), rest.split("  ").next().unwrap_or(rest)));
            return Some(());
        }
        // `  Installing       : bash-5.2-1.fc40.x86_64    3/17`, verifying counts anew.
        let (verb, rest) = word.split_once(':')?;
        let verb = verb.trim_end();
        if !self.dnf || !text.starts_with(' ') {
            return None;
        }
        let (package, counter) = rest.trim().rsplit_once(' ')?;
        let (done, total) = pair(counter)?;
        match verb {
            "Installing" | "Upgrading" | "Reinstalling" | "Downgrading" => {
                out.push(step(done, Some(total), &format!("{verb} {}", package.trim())));
            }
            "Running scriptlet" | "Verifying" | "Cleanup" | "Erasing" | "Preparing" => {
                out.push(doing(&format!("{verb} {}", package.trim())));
            }
            _ => return None,
        }
        Some(())
    }
}

/// `Get:`, `Unpacking`, `Setting up`, and the total before them.
fn apt_line(text: &str, out: &mut Vec<What>) -> Option<()> {
    if let Some(total) = apt_total(text) {
        if total > 0 {
            out.push(What::Begin);
            out.push(What::Count { done: None, total });
        }
        return Some(());
    }
    let first = text.split(' ').next()?;
    match first {
        "Unpacking" | "Setting" => {
            let rest = text
                .strip_prefix("Unpacking ")
                .or_else(|| text.strip_prefix("Setting up "))?;
            let (package, version) = rest.split_once(" (")?;
            // `…) over (1.0) ...`, `…) ...`
            if !is_package(package) || !text.ends_with("...") {
                return None;
            }
            let version = version.split(')').next();
            let state = if first == "Setting" {
                State::Installed
            } else {
                State::Installing
            };
            item(Tool::Apt, bare(package), version, state, out);
        }
        "Processing" => {
            text.strip_prefix("Processing triggers for ")?;
            out.push(doing(text));
        }
        "Reading" if text.starts_with("Reading package lists") => out.push(doing("reading package lists")),
        "Fetched" if text.contains(" B/s)") || text.contains("B in ") => out.push(doing(text)),
        "Selecting" => {
            text.strip_prefix("Selecting previously unselected package ")?;
        }
        "Preparing" => {
            text.strip_prefix("Preparing to unpack ")?;
        }
        _ => return apt_get(first, text, out),
    }
    Some(())
}

/// `0 upgraded, 12 newly installed, 0 to remove and 3 not upgraded.`, and apt 3's `Upgrading: 0, Installing: 12, …`.
fn apt_total(text: &str) -> Option<u32> {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    if let Some(rest) = text.trim_start().strip_prefix("Upgrading: ") {
        let (upgraded, rest) = rest.split_once(", Installing: ")?;
        return number(upgraded)?.checked_add(number(rest.split(',').next()?)?);
    }
    let (upgraded, rest) = text.split_once(" upgraded, ")?;
    let (fresh, _) = rest.split_once(" newly installed, ")?;
    number(upgraded)?.checked_add(number(fresh)?)
}

/// `Get:3 http://mirror/debian bookworm/main amd64 libc6 amd64 2.36-9 [2,757 kB]`.
fn apt_get(first: &str, text: &str, out: &mut Vec<What>) -> Option<()> {
    let (kind, number) = first.split_once(':')?;
    if !matches!(kind, "Get" | "Hit" | "Ign" | "Err") || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let words: Vec<_> = text.split(' ').take(12).collect();
    match words.as_slice() {
        [_, _, suite, _, package, _, version, ..]
            if kind == "Get" && suite.contains('/') && !version.contains(['[', ']']) =>
        {
            if !is_package(package) {
                return None;
            }
            item(Tool::Apt, bare(package), Some(version), State::Fetching, out);
        }
        [_, url, suite, ..] if url.contains(':') => out.push(doing(&format!("{kind} {url} {suite}"))),
        _ => return None,
    }
    Some(())
}

/// Errors that no other program words like this.
fn is_of_apt(error: &str) -> bool {
    let starts = [
        "Unable to locate package ",
        "Sub-process ",
        "Unable to fetch some archives, ",
        "Unable to correct problems, ",
        "Could not get lock /var/lib/",
        "dpkg was interrupted, ",
        "Package '",
        "Version '",
    ];
    starts.iter().any(|start| error.starts_with(start))
}

/// After these dnf does nothing further.
fn dnf_failed(text: &str) -> bool {
    let starts = [
        "Error: ",
        "Failed to resolve the transaction:",
        "Transaction failed: ",
        "No match for argument: ",
    ];
    starts.iter().any(|start| text.starts_with(start)) || text == "Error:"
}

/// `error: target not found: hello`, `error: failed to commit transaction (conflicting files)`, and the last line of it.
fn pacman_failed(text: &str, out: &mut Vec<What>) -> bool {
    if text == "Errors occurred, no packages were upgraded." {
        out.push(What::End { ok: false });
        return true;
    }
    let Some(error) = text.strip_prefix("error: ") else {
        return false;
    };
    if let Some(package) = error.strip_prefix("target not found: ").filter(|p| is_package(p)) {
        item(Tool::Pacman, package, None, State::Failed, out);
    } else if !error.starts_with("failed to synchronize all databases")
        && !error.starts_with("failed to prepare transaction")
        && !error.starts_with("failed to commit transaction")
        && !error.starts_with("failed to init transaction")
    {
        return false;
    }
    out.push(super::error(text));
    out.push(What::End { ok: false });
    true
}

/// `libc6:amd64` without its architecture.
fn bare(package: &str) -> &str {
    package.split(':').next().unwrap_or(package)
}

/// A name without the bar behind it.
fn without_bar(text: &str) -> &str {
    let end = text.find('[').unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim()
}
