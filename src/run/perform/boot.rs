//! Steps on the boot configuration: the change, and the wait for a restart of the machine.

use std::path::{Path, PathBuf};

use crate::{
    host::{
        Root,
        boot::{self, Proposal, Wish},
    },
    plan::Step,
    run::receipt::{Keeper, ReceiptError, Standing, in_force},
};

use super::{DID, Ended, Failure, Hand, SKIPPED};

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Failed { .. } | ReceiptError::Command(_) => Self::Failed(error.to_string()),
            _ => Self::Blocked(error.to_string()),
        }
    }
}

fn folder(root: Option<&PathBuf>) -> &Path {
    root.map_or_else(|| Path::new("/"), PathBuf::as_path)
}

impl Hand<'_> {
    pub(super) async fn boot(&mut self, step: &Step) -> Ended {
        match step {
            Step::TuneBoot {
                what,
                wish,
                proposal,
                root,
            } => self.tune_boot(what, wish, proposal, root.as_ref()).await,
            Step::AwaitRestart { wish, boot, root } => await_restart(wish, boot, root.as_ref()),
            _ => SKIPPED,
        }
    }

    async fn tune_boot(
        &mut self,
        what: &str,
        wish: &Wish,
        proposal: &Proposal,
        root: Option<&PathBuf>,
    ) -> Ended {
        let root = folder(root);
        let runs = &self.worker.cx.runs;
        let keeper = Keeper::new(runs.parent().unwrap_or(runs), root);
        // What an earlier attempt left half done is put back first.
        let open = keeper.open()?;
        for half in open.iter().filter(|open| open.standing == Standing::Unfinished) {
            let (entry, back) = keeper.inverse(Some(&half.entry.id))?;
            keeper.undo(&entry, &back).await?;
        }
        let now = boot::propose(&Root::new(root), wish, Some(proposal.way));
        let now = now.map_err(|error| Failure::Blocked(error.to_string()))?;
        if now.changes.is_empty() {
            return SKIPPED;
        }
        if now.changes != proposal.changes {
            return Err(Failure::Blocked(
                "the boot configuration was changed since the plan was made; nothing was changed. Plan again"
                    .into(),
            ));
        }
        for change in &proposal.changes {
            self.output.line(&boot::diff(change));
        }
        let id = keeper.make(what, wish, proposal).await?;
        self.output
            .line(&format!("it can be taken back with `halolab doctor --undo {id}`"));
        DID
    }
}

/// A restart is the user's to make: until it was, the run ends here and is gone on with later.
fn await_restart(wish: &Wish, boot: &str, root: Option<&PathBuf>) -> Ended {
    let root = Root::new(folder(root));
    if in_force(&root, &wish.set, &wish.remove) {
        return DID;
    }
    let now = root.read(crate::host::BOOT_ID).unwrap_or_default();
    if now == boot {
        return Err(Failure::Restart);
    }
    let set = wish.set.iter().map(|(name, value)| format!("{name}={value}"));
    let set = set.collect::<Vec<_>>().join(" ");
    Err(Failure::Failed(format!(
        "the machine was restarted, and its kernel does not run with {set}; look with `halolab doctor`. Without the \
         change the lab is made by choosing it anew"
    )))
}
