//! Steps that end what runs in an instance: its jobs are heard a last time before, and say afterwards why they are lost.

use crate::{
    backend::Power,
    job::Mirror,
    plan::{Choice, Step},
};

use super::{super::jobs, Hand};

impl Hand<'_> {
    /// The jobs that a step ends.
    pub(super) async fn before_the_end(&self, step: &Step) -> Vec<Mirror> {
        let (name, why) = match step {
            Step::Restore { name, snapshot, .. } => (
                name,
                format!("the lab was restored to {}", crate::log::sanitize(snapshot)),
            ),
            Step::Delete { name, .. } | Step::Retire { name, .. } => (name, self.why("removed")),
            Step::Power {
                name,
                power: Power::Stop { .. },
            } => (name, self.why("stopped")),
            _ => return vec![],
        };
        match self.worker.backend(self.engine).await {
            Ok(backend) => jobs::before(&self.worker.cx.jobs(), backend, name, &why).await,
            Err(_) => vec![],
        }
    }

    /// What became of them.
    pub(super) async fn after_the_end(&self, doomed: Vec<Mirror>) {
        if let Ok(backend) = self.worker.backend(self.engine).await {
            jobs::after(backend, doomed).await;
        }
    }

    /// Why a lab is stopped or deleted in a track, in words.
    fn why(&self, otherwise: &str) -> String {
        match self.worker.choice(self.lab) {
            Some(Choice::Recreate | Choice::RecreateFromClean) => "the lab was made anew".into(),
            Some(Choice::Restore(snapshot)) => {
                format!("the lab was restored to {}", crate::log::sanitize(snapshot))
            }
            Some(Choice::BringBack(kept)) => format!("{kept} was put in the place of the lab"),
            Some(Choice::Remove) => "the lab was removed".into(),
            _ => format!("the lab was {otherwise}"),
        }
    }
}
