//! What the host's screen knows: the machine as it was judged, the memory planner, the changes that halolab made, and a
//! change that is being proposed or made.

use std::path::PathBuf;

use crate::{
    host::{
        BOOT_ID, Finding, Report, Root,
        boot::{Proposal, Way, Wish, mend},
        findings::Pool,
    },
    run::receipt::{Entry, Open},
};

use super::model::Model;

/// A machine that was looked at.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The facts and what they mean; its findings say how halolab mends them.
    pub report: Report,
    /// The memory planner; none where no GPU shares the memory.
    pub pool: Option<Pool>,
    /// Changes that still matter, oldest first.
    pub changes: Vec<Open>,
    /// Why the changes are not known.
    pub problem: Option<String>,
    /// The tree of files that it is; none for this machine, which only root may change.
    pub tree: Option<PathBuf>,
    /// The boot that it runs since.
    pub boot: String,
}

impl Machine {
    /// A machine that was judged, and what was changed of it.
    pub fn new(mut report: Report, pool: Option<Pool>, root: &Root) -> Self {
        mend::say(&mut report.judgement.findings, &report.machine.kernel);
        Self {
            report,
            pool,
            changes: vec![],
            problem: None,
            tree: (!root.is_live()).then(|| root.base().to_owned()),
            boot: root.read(BOOT_ID).unwrap_or_default(),
        }
    }

    /// Whether anything was changed that counts only after a restart.
    pub fn needs_restart(&self) -> bool {
        self.changes.iter().any(|change| change.standing.needs_restart())
    }
}

/// The host's screen.
#[derive(Clone, Debug, Default)]
pub struct HostView {
    /// The machine; none until it was looked at.
    pub machine: Option<Box<Machine>>,
    /// It is being looked at.
    pub looking: bool,
    /// The row under the cursor.
    pub cursor: usize,
    /// First line of its details that is shown.
    pub scroll: usize,
    /// The size of the pool that was chosen, in GiB; none where nobody chose.
    pub gib: Option<u64>,
    /// The change that is being proposed is for the plan under review to begin with.
    pub tuning: bool,
    /// A change that was agreed to and waits for sudo's password.
    pub pending: Option<Box<Agreed>>,
    /// What is being changed, and since when.
    pub working: Option<(String, u64)>,
}

/// A row of the host's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// What the machine is made of.
    Machine,
    /// The memory planner.
    Memory,
    /// A change, by its place in the receipt's list.
    Change(usize),
    /// A finding, by its place among all of them.
    Finding(usize),
}

/// What a change is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Aim {
    /// The parameters of the kernel become this.
    Make(Wish),
    /// An earlier change is taken back.
    TakeBack(Box<Entry>),
    /// The labs' bridges are let through the firewall.
    Firewall(Vec<String>),
}

/// A change as it is shown before anything happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// What it does, as a sentence without a full stop.
    pub what: String,
    /// What it is for.
    pub aim: Aim,
    /// The places where it can be written, each with the change or why it cannot be made there.
    pub ways: Vec<(Way, Result<Proposal, String>)>,
    /// The place that is shown.
    pub at: usize,
    /// What has to be known before a place is chosen.
    pub hint: Option<String>,
}

/// A change that was agreed to.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// What it does.
    pub what: String,
    /// What it is for.
    pub aim: Aim,
    /// The files; none where no file of the boot configuration is changed.
    pub proposal: Option<Proposal>,
}

/// A proposed change over the screen.
#[derive(Clone, Debug)]
pub struct ChangeView {
    /// The change.
    pub proposed: Proposed,
    /// The button Apply is marked, not Cancel.
    pub apply: bool,
    /// First line that is shown.
    pub scroll: usize,
}

impl Proposed {
    /// The change at the place that is shown.
    pub fn proposal(&self) -> Option<&Result<Proposal, String>> {
        self.ways.get(self.at).map(|(_, proposal)| proposal)
    }

    /// Whether there is anything that can be agreed to.
    pub fn can_apply(&self) -> bool {
        match (&self.aim, self.proposal()) {
            (Aim::Firewall(_), _) => true,
            (_, Some(Ok(proposal))) => !proposal.changes.is_empty(),
            _ => false,
        }
    }
}

impl Model {
    /// All findings, the worst first: of the machine, and of the engine's network.
    pub(crate) fn findings(&self) -> Vec<&Finding> {
        let machine = self.host_view.machine.iter();
        let own = machine.flat_map(|m| &m.report.judgement.findings);
        let network = self.host.iter().flat_map(|host| &host.findings);
        let mut all: Vec<&Finding> = own.chain(network).collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        all
    }

    /// The rows of the host's screen.
    pub fn host_rows(&self) -> Vec<Row> {
        let machine = self.host_view.machine.as_deref();
        let mut rows = vec![Row::Machine];
        rows.extend(machine.and_then(|m| m.pool.as_ref()).map(|_| Row::Memory));
        let changes = machine.map_or(0, |m| m.changes.len());
        rows.extend((0..changes).rev().map(Row::Change));
        rows.extend((0..self.findings().len()).map(Row::Finding));
        rows
    }

    /// The row under the cursor.
    pub(crate) fn host_row(&self) -> Row {
        let rows = self.host_rows();
        let at = self.host_view.cursor.min(rows.len().saturating_sub(1));
        rows.get(at).copied().unwrap_or(Row::Machine)
    }

    /// The size of the pool that is chosen: the user's, else what there is where somebody chose it, else the suggestion.
    pub(crate) fn chosen_gib(&self, pool: &Pool) -> u64 {
        let there = || {
            let now = pool.limit.filter(|_| !pool.is_default)? >> 30;
            (now > 0).then_some(now)
        };
        let chosen = self.host_view.gib.or_else(there);
        chosen.unwrap_or_else(|| pool.suggestion()).clamp(1, pool.most)
    }

    /// How a finding is mended by halolab; none where only a person can.
    pub(crate) fn mend_of(&self, finding: &Finding) -> Option<(String, Aim)> {
        let kernel = &self.host_view.machine.as_ref()?.report.machine.kernel;
        if let Some(wish) = mend::wish(finding, kernel, self.host_view.gib) {
            return Some((mend::sentence(&wish), Aim::Make(wish)));
        }
        // What the engine's own look found comes with its script; its mend is told as a sentence.
        finding.script.as_ref()?;
        let what = finding.mend.as_deref().unwrap_or_default().trim_end_matches('.');
        Some((what.to_owned(), Aim::Firewall(self.bridges())))
    }

    fn bridges(&self) -> Vec<String> {
        let networks = self.world.iter().flat_map(|world| &world.networks);
        let managed = networks.filter(|n| n.managed && n.kind == "bridge");
        managed.map(|n| n.name.clone()).collect()
    }
}
