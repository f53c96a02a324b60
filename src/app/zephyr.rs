//! Entrypoints of Zephyr from a lab's menu: what a build comes to is asked about first, then it is a job that is watched.

use tokio_util::sync::CancellationToken;

use crate::{
    host::matrix,
    job::{self, JobId, Order, inside::Command},
    labs::Lab as Known,
    log::{sanitize, sanitize_text},
    run::{Lock, lock::Scope},
    stage::{Answers, Catalog},
    zephyr::{Comes, Entry, Failed, Lab, Way, entries},
};

use super::{
    dialog::{Confirm, Dialog, Prompt, PromptThen, Then},
    effect::Shared,
    entry,
    menu::{self, MenuItem},
    model::Model,
    msg::{Effect, Errand, Msg, Tone},
};

/// Entrypoints that need a terminal of their own, or are there for programs.
const LEFT_OUT: [&str; 3] = ["default", "build-env", "facts"];

/// An entrypoint that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The lab.
    pub lab: String,
    /// What.
    pub entry: Entry,
    /// What it is given.
    pub arguments: Vec<String>,
}

/// Something to be done about entrypoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Say what a build comes to.
    Review(Wanted),
    /// Begin it.
    Begin(Wanted),
    /// Say why a job failed, where it was a build.
    After(String),
}

/// What came of it.
#[derive(Debug)]
pub enum News {
    /// What a build comes to.
    Comes(Box<Comes>, Wanted),
    /// The job that has begun.
    Begun(String),
    /// A build failed.
    Failed(Box<Failed>),
    /// It was not done.
    Not(String),
}

/// The lines of the menu of a running lab, one an entrypoint.
pub(super) fn items(lab: &Known, catalog: &Catalog) -> Vec<MenuItem> {
    let all = entries(catalog, &lab.stage).into_iter();
    all.filter(|entry| !LEFT_OUT.contains(&entry.name.as_str()))
        .map(|entry| MenuItem {
            title: entry.name.clone(),
            line: entry.what.clone(),
            entry: menu::Entry::Run(entry),
        })
        .collect()
}

impl Model {
    /// An entrypoint was chosen: what it needs is asked, then it is run.
    pub(super) fn run_entry(&mut self, lab: String, entry: Entry) -> Vec<Effect> {
        let takes = entry.takes.clone();
        let title = format!("{} in {lab}", entry.name);
        let wanted = Wanted {
            lab,
            entry,
            arguments: vec![],
        };
        if takes.is_empty() {
            return self.run_wanted(wanted);
        }
        let line = (format!("{takes}, words between spaces"), entry::Entry::default());
        let prompt = Prompt::new(title, vec![line], PromptThen::Zephyr(Box::new(wanted)));
        self.dialog = Some(Dialog::Prompt(Box::new(prompt)));
        vec![]
    }

    /// The same with what was typed.
    pub(super) fn run_typed(&mut self, mut wanted: Wanted, typed: &str) -> Vec<Effect> {
        wanted.arguments = typed.split_whitespace().map(str::to_owned).collect();
        self.run_wanted(wanted)
    }

    fn run_wanted(&mut self, wanted: Wanted) -> Vec<Effect> {
        if !wanted.entry.is_build() {
            return vec![Effect::Zephyr(Wish::Begin(wanted))];
        }
        self.say(
            Tone::Good,
            "Spack works out the packages, which takes up to some minutes; nothing is built before you say so",
        );
        vec![Effect::Zephyr(Wish::Review(wanted))]
    }

    pub(super) fn take_zephyr(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::Begun(id) => return vec![Effect::Errand(Errand::Job(id))],
            News::Not(why) => self.say(Tone::Bad, why),
            // What the user does now goes before.
            News::Comes(comes, _) if self.dialog.is_some() => {
                let text = format!("what {} comes to is known; choose it again", comes.entrypoint);
                self.say(Tone::Good, text);
            }
            News::Comes(comes, wanted) => {
                let title = format!("{} in {}: build this?", comes.entrypoint, comes.lab);
                let mut confirm = Confirm::new(title, "Build it", Then::Zephyr(Box::new(wanted)));
                let text = comes.lines().into_iter().chain(comes.packages());
                confirm.text = text.map(|line| sanitize(&line)).collect();
                self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
            }
            News::Failed(failed) if self.dialog.is_none() => self.ask_after(&failed),
            News::Failed(_) => {}
        }
        vec![]
    }

    /// Why a build failed, with a retry, and what else to type.
    fn ask_after(&mut self, failed: &Failed) {
        let known = entries(&self.setup.catalog, &self.stage_of(&failed.lab));
        let Some(entry) = known.into_iter().find(|entry| entry.name == failed.entry) else {
            return;
        };
        let again = Wanted {
            lab: failed.lab.clone(),
            entry,
            arguments: failed.again(&Way::Retry).unwrap_or_default(),
        };
        let title = format!("{} in {} failed", failed.entry, failed.lab);
        let mut confirm = Confirm::new(title, "Retry", Then::Zephyr(Box::new(again)));
        let ways = failed.ways().into_iter().filter(|way| *way != Way::Retry);
        let typed = ways.filter_map(|way| {
            let (title, line) = failed.words(&way);
            Some(format!("{title}, {line}: {}", failed.typed(&way)?))
        });
        confirm.text = failed
            .lines()
            .into_iter()
            .chain(typed)
            .map(|line| sanitize(&line))
            .collect();
        confirm.keeps = vec!["what is installed: it is not built again".to_owned()];
        confirm.no = "Leave it";
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    fn stage_of(&self, lab: &str) -> String {
        self.labs
            .get(lab)
            .map_or_else(String::new, |lab| lab.stage.clone())
    }
}

impl Shared {
    /// Does what is wished about entrypoints.
    pub(super) async fn zephyr(&self, wish: Wish) {
        let news = match wish {
            Wish::Review(wanted) => self.review(wanted).await,
            Wish::Begin(wanted) => self.begin_entry(&wanted).await,
            Wish::After(id) => {
                let mirror = job::find(&self.jobs(), &id).ok();
                let Some(failed) = mirror.and_then(|mirror| Failed::of(&mirror)) else {
                    return;
                };
                Ok(News::Failed(Box::new(failed)))
            }
        };
        let news = news.unwrap_or_else(|why| News::Not(sanitize_text(&why)));
        self.tell(Msg::Zephyr(news)).await;
    }

    async fn review(&self, wanted: Wanted) -> Result<News, String> {
        let words = |error: crate::zephyr::Error| error.to_string();
        let backend = self.backend().await.map_err(|error| error.to_string())?;
        let found = backend
            .instance(&wanted.lab)
            .await
            .map_err(|error| error.to_string())?;
        let instance = found.ok_or_else(|| format!("{} is gone", wanted.lab))?;
        let answers: Answers = instance
            .tag("answers")
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let (jobs, matrix) = (self.jobs(), matrix::overlay(&self.around.paths.matrix).0);
        let lab = Lab {
            backend: backend.as_ref(),
            instance: &instance,
            jobs: &jobs,
            state: &self.around.paths.state,
            matrix: &matrix,
        };
        let prepared = lab.prepare(&answers).await.map_err(words)?;
        let mirror = lab.begin(&wanted.entry, &wanted.arguments).await.map_err(words)?;
        lab.wait(&mirror, CancellationToken::new()).await.map_err(words)?;
        let _ = job::forget(Some(backend.as_ref()), &mirror).await;
        let comes = lab.comes(&wanted.entry, &prepared).await.map_err(words)?;
        Ok(News::Comes(Box::new(comes), wanted))
    }

    async fn begin_entry(&self, wanted: &Wanted) -> Result<News, String> {
        let text = |error: job::Error| error.to_string();
        let backend = self.backend().await.map_err(|error| error.to_string())?;
        let scope = Scope::labs(&self.around.daemon, [wanted.lab.as_str()]);
        let who = format!("job run {}", wanted.lab);
        let _begins = Lock::take_for(&self.around.lock, &scope, &who).map_err(|error| error.to_string())?;
        let found = backend
            .instance(&wanted.lab)
            .await
            .map_err(|error| error.to_string())?;
        let instance = found.ok_or_else(|| format!("{} is gone", wanted.lab))?;
        let argv = wanted.entry.recorded(&wanted.arguments);
        let order = Order {
            lab: wanted.lab.clone(),
            title: argv.join(" "),
            command: Command {
                argv,
                script: None,
                env: std::collections::BTreeMap::new(),
                cwd: "/".to_owned(),
            },
            stuck_minutes: Some(self.around.config.job.stuck_minutes),
            step: None,
        };
        let id = JobId::new(&wanted.entry.name).map_err(text)?;
        let mirror = job::start(backend.as_ref(), &self.jobs(), &id, &instance, &order).await;
        Ok(News::Begun(mirror.map_err(text)?.id().to_string()))
    }
}
