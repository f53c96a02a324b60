//! What can happen to the model, and what it asks to be done. Log lines are no messages: a page of
//! visible ones is asked for and answered.

use std::collections::BTreeMap;

use crossterm::event::Event as Input;

use crate::{
    backend::InstanceState,
    host::{Facts, Finding},
    labs::{SnapshotRow, World, identity::Seen},
    log::document::save::Copied,
    log::page::{Ask, Page},
    plan::{Losses, Plan},
    run::{Event, Outcome, aftermath::Amendment, journal::Record, lock::Holder},
    stage::{Answers, Stage},
    view::{self, viewer::Save},
};

use super::build::Known;
use super::job_list::JobRow;
use super::machine::{Agreed, Aim, Machine, Proposed};
use super::reading::Subject;
use super::stages::Stages;
use super::workspaces;
use super::zephyr::{News, Wish};

/// Why a run was not begun.
#[derive(Clone, Debug)]
pub struct Outdated {
    /// What is there now; without the facts of the machine.
    pub world: World,
    /// What would be lost now.
    pub losses: Losses,
    /// What of it was not said, in words.
    pub more: Vec<String>,
}

/// Something that happened.
#[derive(Debug)]
pub enum Msg {
    /// On the keyboard, the mouse or the window.
    Input(Input),
    /// A second went by: seconds since 1970.
    Clock(u64),
    /// The host was looked at.
    Host(Box<HostSummary>),
    /// The machine was looked at and judged.
    Machine(Box<Machine>),
    /// What a change of it would do, or why it cannot be said.
    Proposed(Result<Box<Proposed>, String>),
    /// A change of it ended.
    Changed(Result<String, String>),
    /// What differs, as lines; or why it cannot be said.
    Compared(Subject, Result<Vec<String>, String>),
    /// Files of stages were edited.
    Stages(Box<Stages>),
    /// The engine was looked at.
    World(Result<Box<World>, Missing>),
    /// Live facts of the running labs.
    States(BTreeMap<String, InstanceState>),
    /// The snapshots of a lab, newest first.
    Snapshots(String, Result<Vec<SnapshotRow>, String>),
    /// A small job ended: what was said while it ran, and how it went.
    Done(Job, Result<String, String>),
    /// A run of an earlier halolab was not finished.
    Unfinished(Box<Record>),
    /// The other halolab that is at work; none where there is none any more.
    Other(Option<Holder>),
    /// A run was not begun, because another halolab is at work.
    Busy(Holder),
    /// The run was not begun: more would be lost than its plan says.
    Outdated(Box<Outdated>),
    /// A run began.
    Started(String),
    /// Something happened in it.
    Run(Event),
    /// It ended.
    Ended(Outcome),
    /// The page of a log that was asked for.
    Turned(Turned),
    /// There is more to show of the log of a lab: it was counted, searched or read on.
    Log(String),
    /// How far the build is that a lab's log is of.
    Build(String, Known),
    /// A part of a log was saved: the bytes; or why not, and whether the file is there already.
    Saved(Box<Save>, Result<u64, (String, bool)>),
    /// Lines of a log for the clipboard, and whether that is not all of them.
    Lines(String, bool),
    /// A copy of a log that another program is to show: in an editor, or a pager.
    Copied(Copied, bool),
    /// The jobs were read, newest first.
    Jobs(Vec<JobRow>),
    /// A job was stopped, or jobs were forgotten: what came of it.
    JobDone(Result<String, String>),
    /// What came of an entrypoint of Zephyr.
    Zephyr(News),
    /// What came of something about workspaces.
    Workspaces(workspaces::News),
    /// An errand of the loop ended.
    Returned(Errand, Result<String, String>),
    /// A report of a run was saved, or not: what to say.
    Bundled(Result<String, String>),
    /// Told to end by a signal, or the terminal is gone: the exit code.
    Ordered(u8),
    /// Something that was asked for on the side did not work.
    Said(String),
    /// Told to stop by a signal, until it is told to go on.
    Suspend,
}

/// Why there is no world to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What to tell the user; it names the way out.
    pub text: String,
    /// No engine is installed: setting one up is the way out.
    pub absent: bool,
    /// Why Docker is not there either, which is all that workspaces need; none where it answers.
    pub docker: Option<String>,
}

/// What the host's screen shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostSummary {
    /// The facts, for conditions and the planner too.
    pub facts: Facts,
    /// What was found out about them.
    pub findings: Vec<Finding>,
}

/// How good what is told is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// It was not done, or not all of it.
    Warning,
    /// It failed.
    Bad,
}

/// A page of a log, and what was asked for.
#[derive(Debug)]
pub struct Turned {
    /// Which pane asked.
    pub pane: usize,
    /// What it asked.
    pub asked: Box<Ask>,
    /// The answer.
    pub page: Box<Page>,
}

/// Something to be done outside the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look at the engine, connecting first where needed.
    Look,
    /// Find a run, to offer that it goes on.
    FindRun(String),
    /// Write a change into the journal of a run, then find it.
    Amend(String, Amendment),
    /// Save a report of a run; these values must not be in it.
    Bundle(String, Vec<String>),
    /// Look at the machine and judge it.
    LookAtMachine,
    /// Say what a change of the machine would do: a sentence, and its aim.
    Propose(String, Aim),
    /// Make a change of the machine.
    Change(Box<Agreed>),
    /// Read the snapshots of a lab.
    Snapshots(String),
    /// Say what differs between a snapshot of a lab and now: lab, snapshot.
    Compare(String, String),
    /// Nobody wants to know it any more.
    StopCompare,
    /// Remember that a stage is trusted.
    Trust(Box<Stage>),
    /// Carry this plan out, with the values of secret options by lab.
    Start(Box<Plan>, BTreeMap<String, Answers>),
    /// Go on with this run, with its plan and the values of its secrets by lab.
    Resume(String, Box<Plan>, BTreeMap<String, Answers>),
    /// Stop the running plan.
    Cancel,
    /// A small job.
    Do(Job),
    /// Read a page of the log of a lab, for a pane.
    Turn(String, usize, Box<Ask>),
    /// Do something with the log of a lab: copy, save or open a part of it.
    HandOut(String, view::Effect),
    /// Something about jobs.
    Jobs(JobWish),
    /// Something about entrypoints of Zephyr.
    Zephyr(Wish),
    /// Something about workspaces.
    Workspaces(workspaces::Wish),
    /// Remember the theme.
    SaveTheme(String),
    /// Something for the loop, which owns the terminal.
    Errand(Errand),
}

/// Something to be done about jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobWish {
    /// Read them.
    List,
    /// Stop one.
    Stop(String),
    /// Forget those that ended.
    Forget,
}

/// What only the owner of the terminal can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A shell inside this lab.
    Shell(String),
    /// A program inside this lab that needs the terminal.
    Program(String, Vec<String>),
    /// The log of this job.
    Job(String),
    /// What a service of a user writes, or all of them.
    Logs(String, Option<String>),
    /// Change a script in `$EDITOR`: the run, its action, and the text.
    Edit(String, String, String),
    /// Let sudo ask for its password, where it has to, before a plan that needs root.
    Sudo,
    /// Stop until the shell's `fg`.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Put a text on the clipboard.
    Clipboard(String),
    /// Show a file in `$EDITOR` or `$PAGER`, and remove it.
    Open(Copied, bool),
    /// Take mouse events, or leave them to the terminal.
    Mouse(bool),
}

/// A change that needs no plan: one call, told beforehand where it destroys something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Start a lab.
    Start(String),
    /// Stop a lab, if it is still the one that was seen.
    Stop(String, Seen),
    /// Take a snapshot: lab, name, note.
    NewSnapshot(String, String, String),
    /// Write a note: lab, snapshot, note.
    Note(String, String, String),
    /// Pin or unpin: lab, snapshot.
    Pin(String, String, bool),
    /// Rename a snapshot: lab, from, to, and what was seen.
    RenameSnapshot(String, String, String, Seen),
    /// Remove snapshots of a lab, each if it is still the one that was seen.
    DeleteSnapshots(String, Vec<(String, Seen)>),
}

impl Job {
    /// The lab that it is about.
    pub fn lab(&self) -> &str {
        match self {
            Self::Start(lab)
            | Self::Stop(lab, _)
            | Self::NewSnapshot(lab, ..)
            | Self::Note(lab, ..)
            | Self::Pin(lab, ..)
            | Self::RenameSnapshot(lab, ..)
            | Self::DeleteSnapshots(lab, _) => lab,
        }
    }

    /// What is being done, for the line that says what is waited for.
    pub fn doing(&self) -> String {
        match self {
            Self::Start(lab) => format!("starting {lab}"),
            Self::Stop(lab, _) => format!("stopping {lab}"),
            Self::NewSnapshot(lab, name, _) => format!("taking snapshot {name} of {lab}"),
            Self::Note(lab, name, _) => format!("writing the note of {name} of {lab}"),
            Self::Pin(lab, name, true) => format!("pinning {name} of {lab}"),
            Self::Pin(lab, name, false) => format!("unpinning {name} of {lab}"),
            Self::RenameSnapshot(lab, from, to, _) => format!("renaming {from} of {lab} to {to}"),
            Self::DeleteSnapshots(lab, names) => {
                let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
                format!("removing {} of {lab}", names.join(", "))
            }
        }
    }

    /// Whether it changes the snapshots of its lab.
    pub fn is_about_snapshots(&self) -> bool {
        !matches!(self, Self::Start(_) | Self::Stop(..))
    }

    /// Whether it destroys something.
    pub fn destroys(&self) -> bool {
        matches!(self, Self::DeleteSnapshots(..))
    }
}
