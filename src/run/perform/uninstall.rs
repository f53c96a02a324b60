//! Steps that take back what halolab did to this machine.

use std::collections::BTreeMap;

use crate::{
    backend::{Backend, Error, Server, lxd},
    host::{
        boot,
        command::Command,
        made::{Ledger, Made, engine_name},
    },
    plan::{Step, uninstall::is_of_labs},
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
        if made.iter().any(is_of_labs) {
            self.may_take(made).await?;
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

    /// Looks once more whether labs need it: they may have been made since this was planned.
    async fn may_take(&self, made: &[Made]) -> Result<(), Failure> {
        let server = match self.worker.backend(self.engine).await {
            Ok(backend) => Some(empty(backend).await?),
            // Neither a socket nor a database is there: no engine that could hold anything.
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(unasked(&error)),
        };
        let address = server.as_ref().map_or("", |s| s.address.as_str());
        for other in Box::pin(lxd::elsewhere(address)).await {
            let holds = match &other.instances {
                Some(names) if names.is_empty() => continue,
                Some(names) => format!("still holds {}", names.join(", ")),
                None => "cannot be asked whether it holds labs".into(),
            };
            return Err(blocked(&format!("the engine at {} {holds}", other.address)));
        }
        let Some(server) = server else { return Ok(()) };
        let foreign = |m: &&Made| m.product().is_some_and(|product| product != server.product);
        if let Some(other) = made.iter().find(foreign) {
            let (title, rest) = (server.title(), &other.rest);
            return Err(blocked(&format!(
                "{title} answers, and {rest} is of another engine"
            )));
        }
        Ok(())
    }

    async fn delete_ground(&mut self, step: &Step) -> Ended {
        let (kind, name) = match step {
            Step::DeleteImage { alias } => ("image", alias),
            Step::DeletePool { name } => ("pool", name),
            Step::DeleteNetwork { name } => ("network", name),
            _ => return SKIPPED,
        };
        let backend = self.backend().await?;
        let server = empty(backend).await?;
        let here = engine_name(&server.product, &server.address);
        let left = self.ledger().read();
        let mut left = left.map_err(|e| Failure::Blocked(e.to_string()))?;
        left.retain(|m| m.kind == kind && m.rest == *name);
        let Some(other) = left.first() else {
            return SKIPPED;
        };
        let Some(made) = left.iter().find(|m| m.engine.as_ref() == Some(&here)) else {
            let engine = other
                .engine
                .as_deref()
                .unwrap_or("an engine that was not written down");
            return Err(blocked(&format!(
                "the {kind} {name} was made on {engine}, and {here} answers"
            )));
        };
        let gone = match step {
            Step::DeleteImage { .. } => backend.delete_image(name).await,
            Step::DeletePool { .. } => backend.delete_pool(name).await,
            _ => backend.delete_network(name).await,
        };
        let skipped = match gone {
            Ok(()) => false,
            Err(Error::Missing { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        forget(&self.ledger(), std::slice::from_ref(made))?;
        if skipped { SKIPPED } else { DID }
    }
}

/// The engine, if no project of it holds an instance.
async fn empty(backend: &dyn Backend) -> Result<Server, Failure> {
    let server = backend.server().await.map_err(|e| unasked(&e))?;
    let left = backend.instances_everywhere().await.map_err(|e| unasked(&e))?;
    if left.is_empty() {
        return Ok(server);
    }
    let names = left.join(", ");
    Err(blocked(&format!("{} still holds {names}", server.title())))
}

fn unasked(error: &Error) -> Failure {
    blocked(&format!(
        "whether the engine still holds labs cannot be asked ({error})"
    ))
}

/// Names in the text are a daemon's.
fn blocked(why: &str) -> Failure {
    Failure::Blocked(crate::log::sanitize(&format!(
        "nothing of it was removed: {why}; see `halolab status`, then give `halolab uninstall` anew"
    )))
}

fn forget(ledger: &Ledger, made: &[Made]) -> Result<(), Failure> {
    let forgot = ledger.forget(made);
    forgot.map_err(|e| Failure::Failed(format!("what was taken back could not be written down: {e}")))
}
