//! What can happen to the model, and what it asks to be done. Log lines are no messages: a page of
//! visible ones is asked for and answered.

use std::collections::BTreeMap;

use crossterm::event::Event as Input;
use ratatui::text::Line;

use crate::{
    backend::InstanceState,
    host::{Facts, Finding},
    labs::{SnapshotRow, World},
    plan::Plan,
    run::{Event, Outcome, journal::Record, lock::Holder},
    stage::Answers,
};

use super::job_list::JobRow;
use super::machine::{Agreed, Aim, Machine, Proposed};

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
    /// A run began.
    Started(String),
    /// Something happened in it.
    Run(Event),
    /// It ended.
    Ended(Outcome),
    /// The lines of a log that were asked for.
    Page(LogPage),
    /// A search in a log ended: lab, line.
    Found(String, Option<usize>),
    /// The jobs were read, newest first.
    Jobs(Vec<JobRow>),
    /// A job was stopped, or jobs were forgotten: what came of it.
    JobDone(Result<String, String>),
    /// An errand of the loop ended.
    Returned(Errand, Result<String, String>),
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

/// A page of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The lab.
    pub lab: String,
    /// Lines in the log.
    pub total: usize,
    /// The first line here.
    pub from: usize,
    /// The lines, safe to draw.
    pub lines: Vec<Line<'static>>,
}

/// Something to be done outside the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look at the engine, connecting first where needed.
    Look,
    /// Find a run, to offer that it goes on.
    FindRun(String),
    /// Look at the machine and judge it.
    LookAtMachine,
    /// Say what a change of the machine would do: a sentence, and its aim.
    Propose(String, Aim),
    /// Make a change of the machine.
    Change(Box<Agreed>),
    /// Read the snapshots of a lab.
    Snapshots(String),
    /// Carry this plan out, with the values of secret options by lab.
    Start(Box<Plan>, BTreeMap<String, Answers>),
    /// Go on with this run, with its plan and the values of its secrets by lab.
    Resume(String, Box<Plan>, BTreeMap<String, Answers>),
    /// Stop the running plan.
    Cancel,
    /// A small job.
    Do(Job),
    /// Read lines of the log of a lab: from a line on, or the last ones.
    Page(String, Option<usize>, usize),
    /// Search the log of a lab.
    Find {
        /// The lab.
        lab: String,
        /// The text.
        needle: String,
        /// From this line on, or before it.
        from: usize,
        /// The direction.
        forward: bool,
    },
    /// Something about jobs.
    Jobs(JobWish),
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
    /// The log of this job.
    Job(String),
    /// Let sudo ask for its password, where it has to, before a plan that needs root.
    Sudo,
    /// Stop until the shell's `fg`.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Take mouse events, or leave them to the terminal.
    Mouse(bool),
}

/// A change that needs no plan: one call, told beforehand where it destroys something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Start a lab.
    Start(String),
    /// Stop a lab.
    Stop(String),
    /// Take a snapshot: lab, name, note.
    NewSnapshot(String, String, String),
    /// Write a note: lab, snapshot, note.
    Note(String, String, String),
    /// Pin or unpin: lab, snapshot.
    Pin(String, String, bool),
    /// Rename a snapshot: lab, from, to.
    RenameSnapshot(String, String, String),
    /// Remove snapshots of a lab.
    DeleteSnapshots(String, Vec<String>),
}

impl Job {
    /// The lab that it is about.
    pub fn lab(&self) -> &str {
        match self {
            Self::Start(lab)
            | Self::Stop(lab)
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
            Self::Stop(lab) => format!("stopping {lab}"),
            Self::NewSnapshot(lab, name, _) => format!("taking snapshot {name} of {lab}"),
            Self::Note(lab, name, _) => format!("writing the note of {name} of {lab}"),
            Self::Pin(lab, name, true) => format!("pinning {name} of {lab}"),
            Self::Pin(lab, name, false) => format!("unpinning {name} of {lab}"),
            Self::RenameSnapshot(lab, from, to) => format!("renaming {from} of {lab} to {to}"),
            Self::DeleteSnapshots(lab, names) => {
                format!("removing {} of {lab}", names.join(", "))
            }
        }
    }

    /// Whether it changes the snapshots of its lab.
    pub fn is_about_snapshots(&self) -> bool {
        !matches!(self, Self::Start(_) | Self::Stop(_))
    }

    /// Whether it destroys something.
    pub fn destroys(&self) -> bool {
        matches!(self, Self::DeleteSnapshots(..))
    }
}
