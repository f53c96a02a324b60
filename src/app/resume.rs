//! A run that an earlier halolab did not end is offered once, when the screens start: go on, undo it, or leave it, which
//! is what enter does. One that was left stays in the menus of its labs, and under `u` on the list of labs.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    log::sanitize,
    plan::Losses,
    run::{
        aftermath::{Amendment, Way, ways},
        journal::Record,
        unfinished::{Stopped, losses, removals, stops, ways_back},
    },
    stage::{Answer, Answers},
};

use super::{
    dialog::{Confirm, Dialog, Prompt, PromptThen, Then},
    entry::Entry,
    keys::Intent,
    model::{Model, Pick, Review, Screen},
    msg::{Effect, Tone},
};

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// Found, and not offered yet.
    pub found: Option<Box<Record>>,
    /// What is meant with the run that is being looked for; none where it is to be asked.
    pub meant: Option<Way>,
    /// To be gone on with, once its secrets are typed.
    pub next: Option<Box<Record>>,
    /// Its plan, until the names of the labs that it removes are typed.
    pub asked: Option<Review>,
    /// What the run that was begun goes on with; under review again where another halolab was faster.
    pub begun: Option<GoesOn>,
}

/// The question about it.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The run.
    pub record: Box<Record>,
    /// What would take it back; empty where nothing would.
    pub ways: Vec<Pick>,
    /// The button that is marked.
    pub marked: usize,
}

impl Unfinished {
    /// The buttons; the first one does nothing.
    pub fn buttons(&self) -> Vec<&'static str> {
        self.offers().into_iter().map(|(name, _)| name).collect()
    }

    /// The buttons with what each does.
    fn offers(&self) -> Vec<(&'static str, Option<Way>)> {
        let mut all = vec![("Leave it", None), ("Go on", Some(Way::Retry))];
        let verbose = ways(&self.record, false).into_iter();
        let verbose = verbose.filter(|way| matches!(way, Way::Verbose(_)));
        all.extend(verbose.map(|way| ("Verbose", Some(way))));
        all.extend((!self.ways.is_empty()).then_some(("Undo…", Some(Way::Undo))));
        all
    }

    /// Whether it can be gone on with so that the script that failed shows its commands.
    pub fn can_trace(&self) -> bool {
        let mut offers = self.offers().into_iter();
        offers.any(|(_, way)| matches!(way, Some(Way::Verbose(_))))
    }

    /// What going on with it destroys.
    pub fn losses(&self) -> Vec<String> {
        losses(&self.record)
    }

    /// Where it stopped, a track each.
    pub fn stops(&self) -> Vec<Stopped> {
        stops(&self.record)
    }
}

/// What a plan under review goes on with.
#[derive(Clone, Debug)]
pub struct GoesOn {
    /// The run.
    pub run: String,
    /// Its secrets, by lab.
    pub secrets: BTreeMap<String, Answers>,
    /// Ids of the actions that are done and are not done again.
    pub done: BTreeSet<String>,
}

impl Model {
    pub(super) fn take_unfinished(&mut self, record: Box<Record>) -> Vec<Effect> {
        if let Some(way) = self.resume.meant.take() {
            return self.go_the_way(&way, record);
        }
        self.resume.found = Some(record);
        self.offer_unfinished();
        vec![]
    }

    /// Asks about the newest run that was left before its end.
    pub(super) fn ask_about_left(&mut self) -> Vec<Effect> {
        let newest = self.world.as_ref().and_then(|world| world.unended.first());
        let Some(run) = newest.map(|u| u.run.clone()) else {
            self.say(Tone::Good, "no run was left before its end");
            return vec![];
        };
        vec![Effect::FindRun(run)]
    }

    /// Asks about an unfinished run, where nothing else is asked and the labs are known.
    pub(super) fn offer_unfinished(&mut self) {
        let free = self.dialog.is_none() && self.help.is_none() && !self.is_running();
        let calm = matches!(
            self.screen(),
            Screen::Welcome | Screen::Labs | Screen::Menu | Screen::Result
        );
        let Some(world) = self.world.as_ref().filter(|_| free && calm) else {
            return;
        };
        if self.setup.read_only {
            return;
        }
        let Some(record) = self.resume.found.take() else {
            return;
        };
        let ways = ways_back(&record, world).into_iter();
        let pick = |(lab, stage, choice)| Pick {
            lab,
            stage,
            choice,
            asks: false,
        };
        let ways = ways.map(pick).collect();
        // Whoever agreed to a restart in the middle of a plan wants its end.
        let marked = usize::from(record.restarted == Some(true));
        self.dialog = Some(Dialog::Unfinished(Unfinished { record, ways, marked }));
    }

    pub(super) fn on_unfinished(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(Dialog::Unfinished(asked)) = &mut self.dialog else {
            return vec![];
        };
        match intent {
            Intent::Next => asked.marked = (asked.marked + 1) % asked.buttons().len(),
            Intent::Back => self.dialog = None,
            Intent::Enter => {
                let asked = asked.clone();
                self.dialog = None;
                match asked
                    .offers()
                    .into_iter()
                    .nth(asked.marked)
                    .and_then(|(_, way)| way)
                {
                    Some(Way::Retry) => return self.go_on_with(asked.record),
                    Some(Way::Verbose(id)) => return self.amend(asked.record.id, Amendment::Trace(id)),
                    Some(_) => return self.begin(asked.ways),
                    None => {}
                }
            }
            _ => {}
        }
        vec![]
    }

    /// Goes on with a run, after its secrets were typed again where it had some: they are never stored.
    pub(super) fn go_on_with(&mut self, record: Box<Record>) -> Vec<Effect> {
        let labels = record.secrets.iter().map(|s| self.secret_label(&record, s));
        let lines: Vec<(String, Entry)> = labels.map(|l| (l, Entry::default().masked())).collect();
        self.resume.next = Some(record);
        if lines.is_empty() {
            return self.go_on(BTreeMap::new());
        }
        let title = "Secrets are not stored: type them again".to_owned();
        self.dialog = Some(Dialog::Prompt(Box::new(Prompt::new(
            title,
            lines,
            PromptThen::Secrets,
        ))));
        vec![]
    }

    /// `LAB/OPTION` in words.
    fn secret_label(&self, record: &Record, secret: &str) -> String {
        let (lab, id) = secret.split_once('/').unwrap_or(("", secret));
        let stage = record.plan.labs.iter().find(|t| t.lab == lab);
        let stage = self.setup.catalog.get(stage.map_or(lab, |t| t.stage.as_str()));
        let option = stage.and_then(|s| s.options.iter().find(|o| o.id == id));
        sanitize(&format!("{} of {lab}", option.map_or(id, |o| o.title.as_str())))
    }

    /// The lines of secrets were filled in: where none is empty, the run goes on.
    pub(super) fn take_secrets(&mut self) -> Vec<Effect> {
        let (Some(Dialog::Prompt(prompt)), Some(record)) = (&mut self.dialog, &self.resume.next) else {
            return vec![];
        };
        let mut secrets: BTreeMap<String, Answers> = BTreeMap::new();
        for (index, (secret, (_, entry))) in record.secrets.iter().zip(&prompt.lines).enumerate() {
            if entry.text().is_empty() {
                prompt.error = Some("the run was given it, and goes on only with it".into());
                prompt.at = index;
                return vec![];
            }
            let (lab, id) = secret.split_once('/').unwrap_or(("", secret));
            let of_lab = secrets.entry(lab.to_owned()).or_default();
            of_lab.insert(id.to_owned(), Answer::Text(entry.text().to_owned()));
        }
        self.dialog = None;
        self.go_on(secrets)
    }

    fn go_on(&mut self, secrets: BTreeMap<String, Answers>) -> Vec<Effect> {
        let Some(record) = self.resume.next.take() else {
            return vec![];
        };
        let mut record = record;
        let done = |action: &str| record.done.iter().any(|id| id == action);
        let now = self
            .world
            .as_ref()
            .map(|world| Losses::of(&record.plan, world, done));
        record.plan.losses = now.unwrap_or_default();
        let jobs = record.plan.losses.jobs();
        if !jobs.is_empty() {
            self.say(Tone::Warning, format!("going on ends {}", jobs.join("; ")));
        }
        let destroys = !losses(&record).is_empty() || !jobs.is_empty();
        let names = removals(&record);
        self.resume.asked = Some(Review {
            plan: record.plan,
            apply: !destroys,
            scroll: 0,
            goes_on: Some(GoesOn {
                run: record.id,
                secrets,
                done: record.done,
            }),
        });
        self.ask_names(names);
        if destroys || self.review.is_none() {
            return vec![];
        }
        self.apply()
    }

    /// Asks for the name of each lab that the run removes, then shows its plan.
    pub(in crate::app) fn ask_names(&mut self, mut names: Vec<String>) {
        if names.is_empty() {
            self.review = self.resume.asked.take();
            if self.review.is_some() {
                self.open(Screen::Review);
            }
            return;
        }
        let lab = names.remove(0);
        let title = format!("Go on removing {lab}?");
        let mut confirm = Confirm::new(title, "Show the plan", Then::GoOn(names));
        confirm.loses = vec![format!(
            "the lab {lab} with all that is inside, and its snapshots"
        )];
        confirm.keeps = vec!["what is on data mounts; the plan names it".into()];
        confirm.name = Some((lab, Entry::default()));
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }
}
