//! Tools that print how far they are: one small reader each. A reader knows a line for certain or leaves it alone.

mod build;
mod docker;
mod python;
mod system;

pub(super) use docker::{ended as docker_ended, output as docker_output};

use super::event::{State, Tool, What, name, sentence};
use crate::log::Severity;

/// What the readers remember between lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Tools {
    python: python::Python,
    system: system::System,
    build: build::Build,
    docker: docker::Docker,
}

impl Tools {
    /// Reads a line: whose it is and what it says; nothing where no tool knows it. With `only`, no other is asked.
    pub(super) fn read(&mut self, text: &str, only: Option<Tool>, out: &mut Vec<What>) -> Option<Tool> {
        let trimmed = text.trim_end();
        let order = [
            Tool::Docker,
            Tool::Pip,
            Tool::Uv,
            Tool::Apt,
            Tool::Pacman,
            Tool::Dnf,
            Tool::Cargo,
            Tool::Meson,
            Tool::Ninja,
            Tool::Make,
        ];
        order
            .into_iter()
            .filter(|tool| {
                only.is_none_or(|only| only == *tool || (only == Tool::Meson && *tool == Tool::Ninja))
            })
            .find(|tool| self.one(*tool, trimmed, out).is_some())
    }

    fn one(&mut self, tool: Tool, text: &str, out: &mut Vec<What>) -> Option<()> {
        match tool {
            Tool::Docker => self.docker.read(text, out),
            Tool::Pip => self.python.pip(text, out),
            Tool::Uv => self.python.uv(text, out),
            Tool::Apt => self.system.apt(text, out),
            Tool::Pacman => self.system.pacman(text, out),
            Tool::Dnf => self.system.dnf(text, out),
            Tool::Cargo => self.build.cargo(text, out),
            Tool::Meson => self.build.meson(text, out),
            Tool::Ninja => self.build.ninja(text, out),
            Tool::Make => self.build.make(text, out),
            Tool::Spack | Tool::Other => None,
        }
    }
}

/// `n/m`, both numbers, `n` not above `m`.
fn pair(text: &str) -> Option<(u32, u32)> {
    let (done, total) = text.split_once('/')?;
    let (done, total) = (done.trim().parse().ok()?, total.trim().parse().ok()?);
    (done <= total && total > 0).then_some((done, total))
}

fn step(done: u32, total: Option<u32>, text: &str) -> What {
    What::Step {
        done,
        total,
        text: sentence(text),
    }
}

fn doing(text: &str) -> What {
    What::Doing { text: sentence(text) }
}

fn error(text: &str) -> What {
    What::Note {
        severity: Severity::Error,
        text: sentence(text),
        package: None,
    }
}

/// A package of a tool whose packages have names and no hashes.
fn item(tool: Tool, bare: &str, version: Option<&str>, state: State, out: &mut Vec<What>) {
    let package = format!("{}:{}", tool.name(), name(bare));
    let label = version.map_or_else(|| name(bare), |v| format!("{} {}", name(bare), name(v)));
    out.push(What::Named {
        package: package.clone(),
        name: Some(name(bare)),
        version: version.map(name),
        label,
        hash: None,
    });
    out.push(What::State {
        package,
        state,
        reason: None,
        elapsed: None,
    });
}

/// Whether a word can be the name of a package of a distribution or of Python.
fn is_package(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b':' | b'@'))
}
