//! Text that is read over a screen: what differs from a snapshot, and a stage from elsewhere before it may run.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    labs::compare::{Question, compare, text},
    log::sanitize_text,
    stage::{
        Stage,
        trust::{Store, Stranger},
    },
};

use super::{
    dialog::Dialog,
    effect::Shared,
    keys::Intent,
    model::Model,
    msg::{Effect, Msg, Tone},
    update::moved,
};

/// Files that are told in a difference.
const FILES: usize = 400;

/// A text, and what it is about.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it is about.
    pub title: String,
    /// The lines; none while they are being found out.
    pub lines: Option<Vec<String>>,
    /// First line that is shown.
    pub scroll: usize,
    /// Of what.
    pub of: Subject,
}

/// What a text is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What differs from a snapshot: lab, snapshot.
    Difference(String, String),
    /// A stage that was not trusted yet.
    Stage(String),
}

impl Model {
    /// Asks what differs between a snapshot and now.
    pub(in crate::app) fn compare_with(&mut self, lab: &str, snapshot: &str) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_stale() {
            return vec![];
        }
        self.dialog = Some(Dialog::Text(Box::new(Reading {
            title: format!("{lab}: since {snapshot}"),
            lines: None,
            scroll: 0,
            of: Subject::Difference(lab.into(), snapshot.into()),
        })));
        vec![Effect::Compare(lab.into(), snapshot.into())]
    }

    pub(in crate::app) fn take_compared(
        &mut self,
        of: &Subject,
        lines: Result<Vec<String>, String>,
    ) -> Vec<Effect> {
        if let Some(Dialog::Text(reading)) = &mut self.dialog
            && reading.of == *of
        {
            reading.lines = Some(lines.unwrap_or_else(|error| vec![error]));
        }
        vec![]
    }

    pub(in crate::app) fn on_text(&mut self, intent: Intent) -> Vec<Effect> {
        let rows = crate::ui::text_rows(self);
        let page = self.page();
        let Some(Dialog::Text(reading)) = &mut self.dialog else {
            return vec![];
        };
        match (intent, reading.of.clone()) {
            (Intent::Back, subject) => {
                self.dialog = None;
                match subject {
                    Subject::Difference(..) => return vec![Effect::StopCompare],
                    Subject::Stage(_) => self.say(Tone::Good, "nothing was changed"),
                }
            }
            (Intent::Trust, Subject::Stage(id)) => {
                self.dialog = None;
                self.strangers.remove(&id);
                let stage = self.setup.catalog.get(&id).cloned();
                let mut effects: Vec<Effect> =
                    stage.map(|s| Effect::Trust(Box::new(s))).into_iter().collect();
                effects.extend(self.apply());
                return effects;
            }
            _ => reading.scroll = moved(reading.scroll, intent, rows, page),
        }
        vec![]
    }

    /// Shows a stage from elsewhere that the plan under review would run; true where there is one.
    pub(in crate::app) fn ask_to_trust(&mut self) -> bool {
        let review = self.review.as_ref().filter(|r| r.goes_on.is_none());
        let runs = review.map(|r| r.plan.runs_stages()).unwrap_or_default();
        let Some(stranger) = runs.into_iter().find_map(|id| self.strangers.get(id)) else {
            return false;
        };
        self.dialog = Some(Dialog::Text(Box::new(Reading {
            title: format!("trust the stage {}?", stranger.id),
            lines: Some(lines_of(stranger)),
            scroll: 0,
            of: Subject::Stage(stranger.id.clone()),
        })));
        true
    }
}

fn lines_of(stranger: &Stranger) -> Vec<String> {
    let how = if stranger.changed {
        "It was changed since you trusted it; this is the difference."
    } else {
        "It was not looked at yet; this is all of it."
    };
    let mut lines = vec![
        format!("{} is from {}. {how}", stranger.id, stranger.origin),
        "Its scripts run as root, in labs or on this machine, and its profile can mount folders of this machine. \
         Trust it (t) only if you understand what it does, or know who wrote it."
            .into(),
        format!("SHA-256: {}", stranger.sha256),
        String::new(),
    ];
    lines.extend(stranger.lines.clone());
    lines
}

impl Shared {
    /// Compares; whatever the end, what it made for that is removed before it returns.
    pub(super) async fn compare(self: Arc<Self>, lab: String, snapshot: String, cancel: CancellationToken) {
        let question = Question {
            lab: lab.clone(),
            from: snapshot.clone(),
            to: None,
            deep: false,
        };
        let found = match self.backend().await {
            Ok(backend) => compare(backend.as_ref(), &question, &cancel).await,
            Err(error) => Err(error),
        };
        let lines = found.map(|difference| text(&difference, FILES));
        let lines = lines.map_err(|error| sanitize_text(&error.to_string()));
        self.tell(Msg::Compared(Subject::Difference(lab, snapshot), lines))
            .await;
    }

    /// Remembers that a stage is trusted, with the text that was shown.
    pub(super) fn trust(&self, stage: &Stage) {
        if let Err(error) = Store::new(&self.around.paths.state).trust(stage) {
            self.tell_blocking(Msg::Said(sanitize_text(&error.to_string())));
        }
    }
}
