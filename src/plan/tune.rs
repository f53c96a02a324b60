//! A change of the boot configuration before a lab is made: the plan begins with it, stops for a restart of the machine,
//! and goes on after it.

use std::path::PathBuf;

use crate::{
    host::boot::{self, Proposal, Wish, mend},
    labs::gpus::Gpus,
};

use super::{Action, Choice, Plan, Step, Undo};

/// The change that a plan begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// What the parameters become.
    pub wish: Wish,
    /// The files.
    pub proposal: Proposal,
    /// This boot (`boot_id`).
    pub boot: String,
    /// The tree whose files they are; none for the running machine.
    pub root: Option<PathBuf>,
}

impl Plan {
    /// Whether it makes a lab that has a GPU: then the GPU's memory matters to it.
    pub fn makes_a_gpu_lab(&self) -> bool {
        let made = |choice: &Choice| matches!(choice, Choice::Create | Choice::Recreate);
        let has_gpu = |action: &Action| match &action.step {
            Step::PutProfile { profile, .. } => !Gpus::of(&profile.devices, &profile.config).is_empty(),
            _ => false,
        };
        let tracks = self.labs.iter().filter(|track| made(&track.choice));
        tracks.flat_map(|track| &track.actions).any(has_gpu)
    }

    /// Whether it begins with a change of the boot configuration.
    pub fn is_tuned(&self) -> bool {
        self.host.iter().any(is_tuning)
    }

    /// The same plan without it.
    pub fn untune(&mut self) {
        self.host.retain(|action| !is_tuning(action));
    }

    /// The parameters that it waits for a restart for, and the boot in which it was planned; none where it does not.
    pub fn awaits(&self) -> Option<(&Wish, &str, Option<&PathBuf>)> {
        self.host.iter().find_map(|action| match &action.step {
            Step::AwaitRestart { wish, boot, root } => Some((wish, boot.as_str(), root.as_ref())),
            _ => None,
        })
    }

    /// The same plan, beginning with a change of the boot configuration.
    pub fn tune(&mut self, tuning: &Tuning) {
        self.untune();
        let Tuning {
            wish,
            proposal,
            boot,
            root,
        } = tuning;
        let what = mend::sentence(wish);
        let mut first = vec![];
        if !proposal.changes.is_empty() {
            let files: Vec<&str> = proposal.changes.iter().map(|c| c.path.as_str()).collect();
            let mut commands = vec![format!("change {}", files.join(" and "))];
            commands.extend(proposal.refresh.lines().map(str::to_owned));
            if boot::lacks_refresh(proposal) {
                commands.push("then make the boot menu or the initial file system anew by hand".into());
            }
            first.push(Action {
                undo: Undo::By("`halolab doctor --undo`, which puts the files back".into()),
                seconds: if proposal.refresh.is_empty() { 1 } else { 30 },
                ..action(
                    "host/tune",
                    what.clone(),
                    commands.join("; "),
                    Step::TuneBoot {
                        what,
                        wish: wish.clone(),
                        proposal: proposal.clone(),
                        root: root.clone(),
                    },
                )
            });
        }
        first.push(action(
            "host/restart",
            "stop here until you have restarted this machine, then go on".into(),
            "reboot  # by you, when it suits; then `halolab` offers to go on".into(),
            Step::AwaitRestart {
                wish: wish.clone(),
                boot: boot.clone(),
                root: root.clone(),
            },
        ));
        first.append(&mut self.host);
        self.host = first;
    }
}

fn is_tuning(action: &Action) -> bool {
    matches!(action.step, Step::TuneBoot { .. } | Step::AwaitRestart { .. })
}

fn action(id: &str, sentence: String, command: String, step: Step) -> Action {
    Action {
        id: id.into(),
        sentence,
        command,
        destroys: None,
        undo: Undo::Nothing,
        seconds: 1,
        step,
        optional: false,
        engine: crate::backend::Engine::Lxd,
    }
}
