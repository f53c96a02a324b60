//! Looks at the machine for the host's screen, proposes changes of its boot configuration, and makes them.

use std::{path::Path, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    host::{
        Report, Root,
        boot::{self, Way, Wish},
        command,
        findings::Pool,
        firewall, matrix,
    },
    log::{sanitize, sanitize_text},
    run::{
        Lock,
        receipt::{Keeper, ReceiptError},
    },
};

use super::{
    effect::Shared,
    machine::{Agreed, Aim, Machine, Proposed},
    msg::Msg,
};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
enum ChangeError {
    #[error(transparent)]
    Lock(#[from] crate::run::lock::LockError),
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error(transparent)]
    Command(#[from] command::Error),
    #[error("the script of the mend ended with {code}: {said}")]
    Script { code: i32, said: String },
}

impl Shared {
    fn keeper(&self) -> Keeper {
        Keeper::new(&self.around.paths.state, &self.around.root)
    }

    /// Looks at the machine and at what was changed of it.
    pub(super) async fn look_at_machine(self: Arc<Self>) {
        let root = &self.around.root;
        let (matrix, problems) = matrix::overlay(&self.around.paths.matrix);
        for problem in problems {
            let text = format!("this file of the matrix is left out: {problem}");
            self.tell(Msg::Said(sanitize_text(&text))).await;
        }
        let report = Report::of(root, &matrix).await;
        let report = if Root::new(root).is_live() {
            report.speaking_to(self.around.daemon.place())
        } else {
            report
        };
        let pool = Pool::of(&report.machine, &matrix);
        let mut machine = Machine::new(report, pool, &Root::new(root));
        match self.keeper().open() {
            Ok(changes) => machine.changes = changes,
            Err(error) => machine.problem = Some(sanitize_text(&error.to_string())),
        }
        self.tell(Msg::Machine(Box::new(machine))).await;
    }

    /// Works out what a change would do; reads files only.
    pub(super) fn propose(&self, what: String, aim: Aim) {
        let proposed = propose(&self.around.root, &self.keeper(), what, aim);
        self.tell_blocking(Msg::Proposed(proposed));
    }

    /// Makes a change that was agreed to.
    pub(super) async fn change(self: Arc<Self>, agreed: Agreed) {
        let ended = self.make(&agreed).await;
        let ended = ended.map_err(|error| sanitize_text(&error.to_string()));
        self.tell(Msg::Changed(ended)).await;
    }

    async fn make(&self, agreed: &Agreed) -> Result<String, ChangeError> {
        let _lock = Lock::take(&self.around.lock, &agreed.what)?;
        let what = &agreed.what;
        match (&agreed.aim, &agreed.proposal) {
            (Aim::Make(wish), Some(proposal)) => {
                self.keeper().make(what, wish, proposal).await?;
                Ok(format!("done: {what}; restart the machine, u takes it back"))
            }
            (Aim::TakeBack(entry), Some(proposal)) => {
                self.keeper().undo(entry, proposal).await?;
                let next = if entry.boot == self.keeper().boot() {
                    "it never counted, so no restart is needed"
                } else {
                    "it is gone after a restart of the machine"
                };
                Ok(format!("taken back: {}; {next}", entry.what))
            }
            (Aim::Firewall(bridges), _) => {
                for bridge in bridges {
                    let mut said = vec![];
                    let command = firewall::mend(bridge);
                    let mut hear = |_, bytes: &[u8]| said.extend_from_slice(bytes);
                    let code = command.run(&mut hear, &CancellationToken::new()).await?;
                    if code != 0 {
                        let said = sanitize(&command::last_lines(&String::from_utf8_lossy(&said), 3));
                        return Err(ChangeError::Script { code, said });
                    }
                }
                Ok(format!("done: {what}"))
            }
            (Aim::Make(_) | Aim::TakeBack(_), None) => Ok("nothing was changed".into()),
        }
    }
}

/// What a change would do to the files below a root, at each place where it can be written.
///
/// # Errors
/// A file cannot be read, or there is no place; as text for people.
pub fn propose(root: &Path, keeper: &Keeper, what: String, aim: Aim) -> Result<Box<Proposed>, String> {
    let found = match &aim {
        Aim::Make(wish) => places(&Root::new(root), wish),
        Aim::TakeBack(entry) => keeper
            .inverse(Some(&entry.id))
            .map(|(_, proposal)| (vec![(proposal.way, Ok(proposal))], 0, None))
            .map_err(|error| error.to_string()),
        Aim::Firewall(_) => Ok((vec![], 0, None)),
    };
    let (ways, at, hint) = found.map_err(|text| sanitize_text(&text))?;
    Ok(Box::new(Proposed {
        what,
        aim,
        ways,
        at,
        hint,
    }))
}

type Places = (Vec<(Way, Result<boot::Proposal, String>)>, usize, Option<String>);

/// The change at each place where it can be written, ours first in sight.
fn places(root: &Root, wish: &Wish) -> Result<Places, String> {
    let ours = boot::propose(root, wish, None);
    let mut ways = boot::ways(root, wish).map_err(|error| error.to_string())?;
    let (first, hint) = match &ours {
        Ok(proposal) => (Some(proposal.way), None),
        Err(error) => (None, Some(error.to_string())),
    };
    if let Some(first) = first.filter(|first| !ways.contains(first)) {
        ways.insert(0, first);
    }
    if ways.is_empty() {
        return Err(hint.unwrap_or_else(|| "there is no place for kernel parameters".into()));
    }
    let at = ways.iter().position(|way| Some(*way) == first).unwrap_or(0);
    let each = ways.into_iter().map(|way| {
        let proposal = match &ours {
            Ok(proposal) if proposal.way == way => Ok(proposal.clone()),
            _ => boot::propose(root, wish, Some(way)).map_err(|error| error.to_string()),
        };
        (way, proposal)
    });
    Ok((each.collect(), at, hint))
}
