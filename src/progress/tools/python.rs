//! pip and uv.

use super::{doing, is_package, item};
use crate::progress::event::{State, Tool, What};

/// What pip and uv have said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Python {
    /// "Installing collected packages" was said: "Successfully installed" is pip's.
    installs: bool,
    /// uv has said how many it found.
    uv: bool,
    count: u32,
}

impl Python {
    pub(super) fn pip(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        let word = text.trim_start();
        let bare = |rest: &str| {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
                .unwrap_or(rest.len());
            rest.get(..end).filter(|name| is_package(name)).map(normal)
        };
        if let Some(rest) = text.strip_prefix("Collecting ") {
            self.count += 1;
            item(Tool::Pip, &bare(rest)?, None, State::Fetching, out);
        } else if let Some(rest) = text.strip_prefix("Requirement already satisfied: ") {
            item(Tool::Pip, &bare(rest)?, None, State::Present, out);
        } else if let Some(rest) = word
            .strip_prefix("Downloading ")
            .or_else(|| word.strip_prefix("Using cached "))
        {
            let file = rest.split(' ').next()?.rsplit('/').next()?;
            if word.len() == text.len() || !is_file(file) {
                return None;
            }
            out.push(doing(word));
        } else if let Some(rest) = word.strip_prefix("Building wheel for ") {
            let package = bare(rest)?;
            let state = if rest.contains("finished with status 'error'") || rest.ends_with(": error") {
                State::Failed
            } else if rest.contains("finished with status") || rest.ends_with(": done") {
                State::Installing
            } else {
                State::Building
            };
            item(Tool::Pip, &package, None, state, out);
        } else if let Some(rest) = text.strip_prefix("Building wheels for collected packages: ") {
            out.push(doing(&format!("building wheels for {rest}")));
        } else if let Some(rest) = text.strip_prefix("Installing collected packages: ") {
            self.installs = true;
            for package in rest.split(", ").filter(|p| is_package(p)).take(2000) {
                item(Tool::Pip, &normal(package), None, State::Installing, out);
            }
        } else if let Some(rest) = text.strip_prefix("Successfully installed ") {
            if !self.installs {
                return None;
            }
            for word in rest.split(' ').take(2000) {
                let Some((package, version)) = word.rsplit_once('-') else {
                    continue;
                };
                if is_package(package) {
                    item(Tool::Pip, &normal(package), Some(version), State::Installed, out);
                }
            }
            *self = Self {
                uv: self.uv,
                ..Self::default()
            };
            out.push(What::End { ok: true });
        } else {
            return self.pip_failed(text, out);
        }
        Some(())
    }

    fn pip_failed(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        let said = text
            .strip_prefix("ERROR: ")
            .or_else(|| text.strip_prefix("error: "))?;
        // The others are also printed by other tools, with other meanings.
        let certain = said.starts_with("No matching distribution found for ");
        if !certain && (self.count == 0 || !is_fatal(said)) {
            return None;
        }
        self.count = 0;
        for package in blamed(said) {
            item(Tool::Pip, &normal(package), None, State::Failed, out);
        }
        out.push(super::error(text));
        out.push(What::End { ok: false });
        Some(())
    }

    /// `× Failed to build …`, with the package in quotes, and `× No solution found when resolving dependencies:`.
    fn uv_failed(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        let said = text.strip_prefix("  × ").or_else(|| text.strip_prefix("  x "))?;
        let built = said.strip_prefix("Failed to build `");
        if built.is_none() && !said.starts_with("No solution found when resolving ") {
            return None;
        }
        if let Some((package, _)) = built.and_then(|rest| rest.split_once(['=', '`', ' ', '@']))
            && is_package(package)
        {
            item(Tool::Uv, &normal(package), None, State::Failed, out);
        }
        self.uv = false;
        out.push(super::error(said));
        out.push(What::End { ok: false });
        Some(())
    }

    pub(super) fn uv(&mut self, text: &str, out: &mut Vec<What>) -> Option<()> {
        if self.uv_failed(text, out).is_some() {
            return Some(());
        }
        if let Some(rest) = text.strip_prefix("Resolved ") {
            let total = counted(rest)?;
            self.uv = true;
            out.push(What::Begin);
            out.push(What::Count { done: None, total });
            out.push(doing("resolved"));
        } else if let Some(rest) = text.strip_prefix("Prepared ") {
            counted(rest)?;
            self.uv = true;
            out.push(doing("prepared"));
        } else if let Some(rest) = text.strip_prefix("Installed ") {
            let total = counted(rest)?;
            self.uv = true;
            out.push(What::Count { done: None, total });
            out.push(doing("installed"));
        } else if !self.uv {
            return None;
        } else if let Some((package, version)) = text.strip_prefix(" + ").and_then(|r| r.split_once("==")) {
            let version = version.split(' ').next()?;
            item(Tool::Uv, &normal(package), Some(version), State::Installed, out);
        } else if let Some(rest) = text.trim_start().strip_prefix("Downloading ") {
            let package = rest.split(' ').next()?;
            if !is_package(package) || !rest.ends_with(')') {
                return None;
            }
            item(Tool::Uv, &normal(package), None, State::Fetching, out);
        } else if let Some((package, version)) = built(text) {
            item(Tool::Uv, &normal(package), Some(version), State::Installing, out);
        } else if let Some(rest) = text.trim_start().strip_prefix("Building ") {
            let (package, version) = rest.split_once("==").unwrap_or((rest, ""));
            if !is_package(package) {
                return None;
            }
            let version = Some(version).filter(|v| !v.is_empty());
            item(Tool::Uv, &normal(package), version, State::Building, out);
        } else {
            return None;
        }
        Some(())
    }
}

/// Errors after which pip does nothing further.
fn is_fatal(text: &str) -> bool {
    let starts = [
        "No matching distribution found for ",
        "Failed to build ",
        "failed-wheel-build-for-install",
        "metadata-generation-failed",
        "resolution-too-deep",
        "Could not build wheels for ",
        "Could not install packages due to ",
        "ResolutionImpossible",
        "Cannot install ",
    ];
    starts.iter().any(|start| text.starts_with(start))
}

/// The packages that an error of pip's names.
fn blamed(said: &str) -> Vec<&str> {
    let list = if let Some(rest) = said.strip_prefix("No matching distribution found for ") {
        rest.split(['=', '<', '>', '!', '~', '[', ' ', ';']).next()
    } else if let Some(rest) = said.strip_prefix("Could not build wheels for ") {
        rest.split(", which ").next()
    } else if said.starts_with("Failed to build ") {
        said.rsplit_once(" (")
            .and_then(|(_, names)| names.strip_suffix(')'))
    } else {
        None
    };
    let names = list.into_iter().flat_map(|list| list.split(", "));
    names.filter(|name| is_package(name)).take(100).collect()
}

/// `12 packages in 3.4s`.
fn counted(text: &str) -> Option<u32> {
    let (number, rest) = text.split_once(' ')?;
    let fits = rest.starts_with("package in ") || rest.starts_with("packages in ");
    fits.then(|| number.parse().ok()).flatten()
}

fn is_file(name: &str) -> bool {
    [".whl", ".tar.gz", ".zip", ".tar.bz2", ".metadata"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Python's names are the same in lower case and with `-` for `_` and `.`.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// `      Built docopt==0.6.2`.
fn built(text: &str) -> Option<(&str, &str)> {
    let (package, version) = text.trim_start().strip_prefix("Built ")?.split_once("==")?;
    is_package(package).then_some((package, version))
}
