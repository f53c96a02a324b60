//! Dialogs: a question before something is destroyed, lines of text, and the theme picker.

use crate::{labs::identity::Seen, plan::Choice, run::aftermath::Amendment};

use super::{
    entry::Entry,
    machine::ChangeView,
    msg::Job,
    reading::Reading,
    resume::Unfinished,
    workspaces::{Asked, Filed},
    zephyr::{FailedBuild, Wanted},
};

/// What lies over the screen and has the keys.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// Yes or no, no by default.
    Confirm(Box<Confirm>),
    /// Some lines of text.
    Prompt(Box<Prompt>),
    /// The theme picker.
    Themes(ThemePicker),
    /// A run that was not finished.
    Unfinished(Unfinished),
    /// A build of Zephyr that failed.
    FailedBuild(Box<FailedBuild>),
    /// What an action of the plan runs.
    Script(ScriptView),
    /// A change of the machine, as a diff.
    Change(Box<ChangeView>),
    /// What differs from a snapshot, or a stage from elsewhere.
    Text(Box<Reading>),
}

/// A question whose default is to do nothing.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// What it is about, naming the object.
    pub title: String,
    /// Sentences.
    pub text: Vec<String>,
    /// What is lost.
    pub loses: Vec<String>,
    /// What is kept.
    pub keeps: Vec<String>,
    /// The button that does it.
    pub yes: &'static str,
    /// The button that does not.
    pub no: &'static str,
    /// The button that does it is marked.
    pub marked: bool,
    /// Only after this name was typed.
    pub name: Option<(String, Entry)>,
    /// First line that is shown.
    pub scroll: usize,
    /// What happens then.
    pub then: Then,
}

/// What a yes leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// A job.
    Do(Job),
    /// An entrypoint of Zephyr is begun.
    Zephyr(Box<Wanted>),
    /// Something about a user of a workspace.
    Workspace(Asked),
    /// A job is stopped.
    StopJob(String),
    /// The jobs that ended are forgotten.
    ForgetJobs,
    /// The running plan is stopped.
    Stop,
    /// The running plan is stopped and the program ends after it.
    StopAndQuit,
    /// The plan for this choice is shown.
    Plan(String, Choice),
    /// A run that removes labs is shown again, once the names of these were typed too.
    GoOn(Vec<String>),
    /// The end of another halolab is waited for.
    Wait,
    /// The options are left; what was filled in stays.
    LeaveOptions,
    /// A run is changed so, and gone on with.
    Amend(String, Amendment),
    /// The program ends with this code, and what was filled in is gone.
    Quit(u8),
}

impl Confirm {
    /// A question with Cancel marked.
    pub fn new(title: String, yes: &'static str, then: Then) -> Self {
        Self {
            title,
            text: vec![],
            loses: vec![],
            keeps: vec![],
            yes,
            no: "Cancel",
            marked: false,
            name: None,
            scroll: 0,
            then,
        }
    }

    /// Whether a name has to be typed.
    pub fn is_typing(&self) -> bool {
        self.name.is_some()
    }

    /// Whether enter may do it now.
    pub fn is_yes(&self) -> bool {
        match &self.name {
            Some((name, entry)) => entry.text() == name,
            None => self.marked,
        }
    }
}

/// Some lines to type.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What it is about.
    pub title: String,
    /// Label and line, in order.
    pub lines: Vec<(String, Entry)>,
    /// The line with the cursor.
    pub at: usize,
    /// What is wrong with what was typed.
    pub error: Option<String>,
    /// What happens then.
    pub then: PromptThen,
}

/// What the lines are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptThen {
    /// A new lab out of a snapshot: lab, snapshot.
    Copy(String, String),
    /// A new snapshot: lab.
    NewSnapshot(String),
    /// A note: lab, snapshot.
    Note(String, String),
    /// Another name: lab, snapshot, and what was seen.
    Rename(String, String, Seen),
    /// What an entrypoint of Zephyr takes.
    Zephyr(Box<Wanted>),
    /// Something of workspaces is written to this path, or comes from there.
    File(Filed),
    /// The secrets of the run that goes on.
    Secrets,
}

impl Prompt {
    /// Lines to type, the cursor in the first one.
    pub fn new<L: Into<String>>(title: String, lines: Vec<(L, Entry)>, then: PromptThen) -> Self {
        Self {
            title,
            lines: lines.into_iter().map(|(l, entry)| (l.into(), entry)).collect(),
            at: 0,
            error: None,
            then,
        }
    }

    /// The text of a line.
    pub fn text(&self, line: usize) -> &str {
        self.lines.get(line).map_or("", |(_, entry)| entry.text().trim())
    }
}

/// The theme picker: what it shows is what the screen looks like.
#[derive(Clone, Debug)]
pub struct ThemePicker {
    /// The theme under the cursor.
    pub cursor: usize,
    /// The theme to go back to.
    pub before: String,
}

/// What one action of the plan under review runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptView {
    /// The action, counted over all of the plan.
    pub at: usize,
    /// First line that is shown.
    pub scroll: usize,
}

/// Why a name cannot be given to a lab or a snapshot; none where it can.
pub fn wrong_name(name: &str) -> Option<String> {
    let Some(first) = name.chars().next() else {
        return Some("a name is needed".into());
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.len() > 63 {
        return Some("a name has at most 63 characters".into());
    }
    if !fits(first) || name.ends_with('-') || !name.chars().all(|c| fits(c) || c == '-') {
        return Some("use a-z, 0-9 and -; a letter or digit first and last".into());
    }
    None
}
