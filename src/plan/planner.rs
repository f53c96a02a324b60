//! From choices to a plan. Pure: the same world and the same choices give the same plan and digest.

use crate::{
    labs::World,
    stage::{Answers, Catalog},
};

use super::{Choice, Plan};

/// What the user wants of one lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The lab's name.
    pub lab: String,
    /// Its stage.
    pub stage: String,
    /// What to do.
    pub choice: Choice,
    /// Answers to the stage's options; what is missing is the lab's former answer, then the default.
    pub answers: Answers,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// As the message says; it names the way out.
    #[error("{0}")]
    Impossible(String),
}

/// Plans.
pub fn plan(world: &World, catalog: &Catalog, requests: &[Request]) -> Result<Plan, PlanError> {
    let _ = (world, catalog, requests);
    Err(PlanError::Impossible("no planner yet".into()))
}
