//! The form of this machine: the options of the host's own stage, with its pool and its engine.

use crate::{
    host::Fact,
    labs::World,
    plan::planner::HOST,
    stage::{Answers, Catalog},
};

use super::Form;

impl Form {
    /// The options of this machine, where the next plan makes something of them: there is no engine yet, or no storage
    /// pool. Later they are changed with `--set host.OPTION=VALUE`.
    pub fn of_host(world: &World, catalog: &Catalog) -> Option<Self> {
        let made = world.facts.get("pool") == Some(&Fact::Bool(true));
        let stage = catalog.get(HOST).filter(|_| !made)?;
        let form = Self::new(HOST, stage, &world.facts, &Answers::new());
        (!form.is_empty()).then_some(form)
    }
}
