//! Plans: what a choice comes to, before anything happens. Pure data with a digest.

mod bases;
mod change;
mod commands;
mod containers;
mod create;
mod ground;
mod host;
mod images;
mod jobs;
mod losses;
pub mod planner;
pub mod script;
pub mod step;
mod swap;
mod tune;
pub mod uninstall;
mod words;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::backend::Engine;

pub use containers::updates_by_image;
pub use create::{CLEAN, without};
pub use images::{alias, aliases};
pub use losses::Losses;
pub use planner::{PlanError, Request, plan};
pub use step::Step;
pub use tune::Tuning;

/// What the user picked for a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// First run: make it.
    Create,
    /// Go back to this snapshot.
    Restore(String),
    /// Make a new lab from a snapshot of this one: (snapshot, new name).
    RestoreAs(String, String),
    /// Build it anew from fresh packages; the old one is kept as NAME-prev.
    Recreate,
    /// Make it anew from its snapshot `clean`; the old one is kept as NAME-prev.
    RecreateFromClean,
    /// Run the stage's update steps.
    Update,
    /// Give it what its stage says by now (limits, ports, devices), and start it anew with that; what is inside stays.
    Renew,
    /// Put an earlier version that a recreate kept back in its place; the present one is kept too.
    BringBack(String),
    /// Stop using it: keep it whole as NAME-prev, and free its name.
    SetAside,
    /// Delete it with its snapshots.
    Remove,
    /// Take an instance of that name that is not ours under our care, as it is.
    Adopt,
    /// Prove it again, as it is: after the machine changed.
    Prove,
    /// Leave it alone.
    Skip,
}

/// What will be done, in the order in which it will be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format; 1.
    pub version: u32,
    /// Steps on the host, before any lab.
    pub host: Vec<Action>,
    /// One track a lab; tracks run side by side.
    pub labs: Vec<Track>,
    /// What it would destroy of what was there when it was made or shown; looked at again before its first action.
    #[serde(skip)]
    pub losses: Losses,
}

/// The actions of one lab, one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// The lab.
    pub lab: String,
    /// Its stage.
    pub stage: String,
    /// What was chosen.
    pub choice: Choice,
    /// What is done.
    pub actions: Vec<Action>,
    /// What the user loses, in sentences; empty where nothing is lost.
    pub loses: Vec<String>,
    /// What stays, in sentences.
    pub keeps: Vec<String>,
    /// `volatile.uuid` of the lab that the plan was made for; empty where there was none, or an older halolab planned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// What this machine cannot do for it, and why, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Track {
    /// The engine that its lab is on.
    pub fn engine(&self) -> Engine {
        self.actions.first().map_or(Engine::Lxd, |action| action.engine)
    }
}

/// One action of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Unique in its plan, stable between runs: `ai-lab/packages`.
    pub id: String,
    /// What is done, as a sentence without a full stop.
    pub sentence: String,
    /// The same as a command of the daemon's own client or a shell.
    pub command: String,
    /// What it destroys; none where nothing is.
    pub destroys: Option<String>,
    /// How it can be taken back.
    pub undo: Undo,
    /// About how many seconds it takes.
    pub seconds: u32,
    /// What the runner does.
    pub step: Step,
    /// Its failure is reported and the run goes on.
    #[serde(default)]
    pub optional: bool,
    /// The engine that it is about.
    #[serde(default, skip_serializing_if = "Engine::is_lxd")]
    pub engine: Engine,
}

/// Whether and how an action can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// It changes nothing that matters.
    Nothing,
    /// By this, as a sentence.
    By(String),
    /// Not at all.
    Never,
}

impl Plan {
    /// SHA-256 over the plan as hexadecimal: what `--accept-plan` names.
    pub fn digest(&self) -> String {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(&bytes))
    }

    /// All actions, host first.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.host.iter().chain(self.labs.iter().flat_map(|t| &t.actions))
    }

    /// Gives an action another script; one without a script stays as it is.
    pub fn edit(&mut self, id: &str, text: &str) {
        let labs = self.labs.iter_mut().flat_map(|t| &mut t.actions);
        let mut all = self.host.iter_mut().chain(labs);
        if let Some(script) = all.find(|a| a.id == id).and_then(|a| a.step.script_mut()) {
            text.clone_into(script);
        }
    }

    /// The stages whose text this plan carries out: by scripts, settings and devices of theirs.
    pub fn runs_stages(&self) -> std::collections::BTreeSet<&str> {
        let carries = |a: &Action| {
            matches!(
                a.step,
                Step::HostScript { .. }
                    | Step::Exec { .. }
                    | Step::Verify { .. }
                    | Step::PutProfile { .. }
                    | Step::Create { .. }
                    | Step::BuildImage { .. }
                    | Step::MakeDataFolders { .. }
                    | Step::OwnDataFolders { .. }
            )
        };
        let labs = self.labs.iter().filter(|t| t.actions.iter().any(carries));
        let host = self.host.iter().any(carries).then_some(planner::HOST);
        labs.map(|t| t.stage.as_str()).chain(host).collect()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions().next().is_none()
    }

    /// Whether any action destroys something.
    pub fn destroys(&self) -> bool {
        self.actions().any(|a| a.destroys.is_some())
    }

    /// Whether anything is destroyed or lost by it: whoever is asked says so in words, enter alone does not.
    pub fn takes(&self) -> bool {
        self.destroys() || self.labs.iter().any(|t| !t.loses.is_empty())
    }

    /// About how many seconds it takes: the host's actions, then the longest track.
    pub fn seconds(&self) -> u32 {
        self.seconds_but(&std::collections::BTreeSet::new())
    }

    /// The same without the actions that are `done`.
    pub fn seconds_but(&self, done: &std::collections::BTreeSet<String>) -> u32 {
        let open = |a: &&Action| !done.contains(&a.id);
        let sum = |actions: &[Action]| actions.iter().filter(open).map(|a| a.seconds).sum::<u32>();
        sum(&self.host) + self.labs.iter().map(|t| sum(&t.actions)).max().unwrap_or(0)
    }
}
