//! An update of one user's workspace, as the verb does it: it is done once what answered before answers again, and else
//! the container of before comes back.

use std::collections::BTreeSet;

use crate::{
    app::{
        effect::Shared,
        msg::{Job, Msg},
    },
    backend::Error,
    host::Facts,
    labs::stand::{Return, Stand},
    log::sanitize_text,
    plan::{self, Choice, Plan, Request},
    workspace::{
        Ground,
        services::settle::{Patience, Settled, Waiting, not_from_here, settle, unwell},
        shown, spec,
    },
};

use super::News;

/// An update from the moment at which its plan is agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Whose workspace.
    pub user: String,
    /// What there was.
    pub before: Stand,
    /// Services that answered.
    pub needed: BTreeSet<String>,
    /// Its plan has ended, and the services are waited for.
    pub waits: bool,
    /// Why it failed: the container of before comes back, or is back.
    pub failed: Option<String>,
}

/// How the services came out; none where they cannot be waited for, with why.
pub type Waited = Result<Settled, String>;

/// The plan that brings the container of before back; none where it is there.
pub type WayBack = Result<Option<Box<Plan>>, String>;

fn words(error: &Error) -> String {
    sanitize_text(&error.to_string())
}

impl Shared {
    /// Waits until the services of a user answer, or cannot any more.
    pub(super) async fn wait_for_services(&self, user: &str, needed: BTreeSet<String>) -> Waited {
        let paths = self.around.paths.clone();
        let ground = tokio::task::spawn_blocking(move || Ground::look(&paths)).await;
        let ground = ground.map_err(|error| error.to_string())?;
        let ground = ground.map_err(|trouble| sanitize_text(&trouble.to_string()))?;
        let of = ground.user(user).map_err(|trouble| trouble.to_string())?;
        let docker = self.engines.docker().await.map_err(|away| away.why)?;
        let server = docker.server().await.map_err(|error| words(&error))?;
        if let Some(why) = not_from_here(&server, &ground.settings, (user, of)) {
            return Err(why);
        }
        let messages = self.messages.clone();
        let mut told = String::new();
        let mut tell = |reports: &[_]| {
            let open = unwell(reports);
            if !open.is_empty() && open != told {
                let text = format!("{user}: waiting for {open}");
                // Where nobody has time to read it, the next one says more.
                drop(messages.try_send(Msg::Workspaces(News::Waits(text))));
                told = open;
            }
        };
        let files = (&ground.settings, &ground.ledger);
        let waiting = Waiting::new(Patience::default(), needed);
        Ok(settle(docker.as_ref(), files, (user, of), waiting, &mut tell).await)
    }

    /// The way back to what there was, by what is there now.
    pub(super) async fn way_back(&self, user: &str, before: &Stand, facts: Facts) -> WayBack {
        let lab = spec::lab(user);
        let world = self.observe(facts).await.map_err(|error| words(&error))?;
        let kept = match before.way_back(&Stand::of(&world, &lab)) {
            Return::There => return Ok(None),
            Return::Start => return self.do_job(&Job::Start(lab)).await.map(|_| None),
            Return::Lost => return Err(shown::nothing_kept(&lab)),
            Return::Bring(kept) => kept,
        };
        let request = Request {
            stage: lab.clone(),
            lab,
            choice: Choice::BringBack(kept),
            answers: std::collections::BTreeMap::new(),
        };
        let planned = plan::plan(&world, &self.stages(), &[request]);
        let planned = planned.map_err(|error| sanitize_text(&error.to_string()))?;
        Ok(Some(Box::new(planned)))
    }
}
