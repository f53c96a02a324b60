//! Steps that take back what halolab did to this machine.

use std::collections::BTreeMap;

use crate::{
    backend::Error,
    host::{
        boot,
        command::Command,
        made::{Ledger, Made},
    },
    plan::Step,
    run::receipt::{Keeper, State},
};

use super::{DID, Ended, Failure, Hand, SKIPPED};

impl Hand<'_> {
    pub(super) async fn take_back_here(&mut self, sentence: &str, step: &Step) -> Ended {
        match step {
            Step::UndoBoot { id } => self.undo_boot(id).await,
            Step::Revert { made, script } => self.revert(sentence, made, script).await,
            Step::Unknown { .. } => Err(Failure::Blocked("only a newer halolab knows this step".into())),
            _ => self.delete_ground(step).await,
        }
    }

    /// Takes a change of the boot configuration back, by the files as they are by then.
    async fn undo_boot(&mut self, id: &str) -> Ended {
        let runs = &self.worker.cx.runs;
        let keeper = Keeper::new(runs.parent().unwrap_or(runs), &crate::host::folder());
        let done = |e: &&crate::run::receipt::Entry| e.id == id && e.state == State::Undone;
        if keeper.read()?.entries.iter().any(|e| done(&e)) {
            return SKIPPED;
        }
        let (entry, proposal) = keeper.inverse(Some(id))?;
        for change in &proposal.changes {
            self.output.line(&boot::diff(change));
        }
        keeper.undo(&entry, &proposal).await?;
        DID
    }

    /// Runs the script as root, then forgets what it took back.
    async fn revert(&mut self, what: &str, made: &[Made], script: &str) -> Ended {
        let left = self
            .ledger()
            .read()
            .map_err(|e| Failure::Blocked(e.to_string()))?;
        if !made.iter().any(|m| left.contains(m)) {
            return SKIPPED;
        }
        let cancel = self.progress.cancel.clone();
        let command = Command::script(what, script, BTreeMap::new());
        let output = &mut *self.output;
        match command.run(&mut |_, bytes| output.write(bytes), &cancel).await {
            Ok(0) => {}
            _ if cancel.is_cancelled() => return Err(Failure::Cancelled),
            Ok(code) => {
                return Err(Failure::Failed(format!(
                    "the script ended with {code}: {}",
                    self.output.last_line()
                )));
            }
            Err(error) => return Err(Failure::Failed(error.to_string())),
        }
        forget(&self.ledger(), made)?;
        DID
    }

    async fn delete_ground(&mut self, step: &Step) -> Ended {
        let backend = self.backend().await?;
        let (kind, name, gone) = match step {
            Step::DeleteImage { alias } => ("image", alias, backend.delete_image(alias).await),
            Step::DeletePool { name } => ("pool", name, backend.delete_pool(name).await),
            Step::DeleteNetwork { name } => ("network", name, backend.delete_network(name).await),
            _ => return SKIPPED,
        };
        let skipped = match gone {
            Ok(()) => false,
            Err(Error::Missing { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let made = Made {
            kind: kind.into(),
            rest: name.clone(),
        };
        forget(&self.ledger(), &[made])?;
        if skipped { SKIPPED } else { DID }
    }
}

fn forget(ledger: &Ledger, made: &[Made]) -> Result<(), Failure> {
    let forgot = ledger.forget(made);
    forgot.map_err(|e| Failure::Failed(format!("what was taken back could not be written down: {e}")))
}
