//! What a build tool could not make: a target of ninja or make, a crate, a step of a Docker build. These are no
//! packages, so they are kept beside them.

use serde::Serialize;

use super::{event::Tool, package::Note};

/// Targets that are kept, the first ones: what a build died of is among them.
const TARGETS: usize = 20;

/// Something that could not be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Who tried.
    pub tool: Tool,
    /// What it is called.
    pub name: String,
    /// The line that says so.
    pub offset: u64,
    /// The error that belongs to it, where one was printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Those of one run of a tool.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    list: Vec<Target>,
    /// Errors before this place are of something else.
    since: Option<u64>,
    /// The tool said that it is at its end.
    over: bool,
}

impl Targets {
    pub(super) fn list(&self) -> &[Target] {
        &self.list
    }

    /// Another run begins at this place of the log.
    pub(super) fn restart(&mut self, offset: u64) {
        *self = Self {
            since: Some(offset),
            ..Self::default()
        };
    }

    /// A tool says that it could not make something.
    pub(super) fn failed(&mut self, (tool, name, offset): (Tool, &str, u64), last: Option<&Note>) {
        // Ninja names the target and then prints its output; everybody else prints the output as it comes.
        let before =
            last.filter(|note| tool != Tool::Ninja && self.since.is_none_or(|since| note.offset > since));
        if self.list.len() < TARGETS && self.list.iter().all(|t| t.tool != tool || t.name != name) {
            self.list.push(Target {
                tool,
                name: name.to_owned(),
                offset,
                error: before.map(|note| note.text.clone()),
            });
        }
        self.since = Some(offset);
    }

    /// An error was printed: it is of the last target, where that one waits for its output.
    pub(super) fn note(&mut self, note: &Note) {
        if !self.over
            && let Some(last) = self.list.last_mut()
            && last.tool == Tool::Ninja
            && last.error.is_none()
            && note.offset > last.offset
        {
            last.error = Some(note.text.clone());
        }
    }

    /// The tool ended: what is printed from now on is of nobody.
    pub(super) fn ended(&mut self, offset: u64) {
        (self.since, self.over) = (Some(offset), true);
    }
}
