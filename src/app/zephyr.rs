//! Entrypoints of Zephyr from a lab's menu: what a build comes to is asked about first, then it is a job that is watched.
//! After one that failed there is a menu whose first line does nothing; after one that ended well what it built is asked
//! whether it works.

use crate::{
    labs::Lab as Known,
    log::sanitize,
    stage::Catalog,
    zephyr::{Comes, Entry, Failed, STAGE, Way, entries},
};

use super::{
    dialog::{Confirm, Dialog, Prompt, PromptThen, Then},
    entry,
    keys::Intent,
    menu::{self, MenuItem},
    model::Model,
    msg::{Effect, Errand, Tone},
    update::moved,
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
    /// A job is over: of a build, say why it failed, or ask what it built whether it works.
    After(String),
    /// Ask what was built in a lab whether it works.
    Verify(String),
    /// Save a report of a build.
    Bundle(String),
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
    /// What was built says so, in lines, and whether all of it works.
    Verified(Vec<String>, bool),
    /// A report was saved: what to say of it.
    Saved(String),
    /// It was not done.
    Not(String),
}

/// The menu after a build that failed; its first line does nothing.
#[derive(Clone, Debug)]
pub struct FailedBuild {
    /// What failed.
    pub failed: Failed,
    /// The way under the cursor.
    pub cursor: usize,
    /// First line of the reasons that is shown.
    pub scroll: usize,
}

impl FailedBuild {
    /// The reasons, and what is kept.
    pub(crate) fn text(&self) -> Vec<String> {
        let lines = self.failed.lines();
        lines.into_iter().map(|line| sanitize(&line)).collect()
    }

    /// The ways: a word, and what comes of it.
    pub(crate) fn rows(&self) -> Vec<(String, String)> {
        let ways = self.failed.ways();
        let words = |way: &Way| {
            let (title, line) = self.failed.words(way);
            (sanitize(&title), sanitize(&line))
        };
        ways.iter().map(words).collect()
    }
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
        // As the check that it is, it becomes the lab's verdict.
        if wanted.entry.name == "verify" {
            return self.ask_what_was_built(wanted.lab);
        }
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
            News::Failed(failed) if self.dialog.is_none() => {
                self.dialog = Some(Dialog::FailedBuild(Box::new(FailedBuild {
                    failed: *failed,
                    cursor: 0,
                    scroll: 0,
                })));
            }
            News::Failed(_) => {}
            News::Verified(lines, ok) => {
                let tone = if ok { Tone::Good } else { Tone::Bad };
                self.say(tone, lines.join("\n"));
                return vec![Effect::Look];
            }
            News::Saved(text) => self.say(Tone::Good, text),
        }
        vec![]
    }

    fn ask_what_was_built(&mut self, lab: String) -> Vec<Effect> {
        self.say(
            Tone::Good,
            format!("what was built in {lab} is asked whether it works"),
        );
        vec![Effect::Zephyr(Wish::Verify(lab))]
    }

    /// A key in the menu after a build that failed.
    pub(super) fn on_failed_build(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(Dialog::FailedBuild(menu)) = &mut self.dialog else {
            return vec![];
        };
        let ways = menu.failed.ways();
        match intent {
            Intent::Back => self.dialog = None,
            Intent::Enter => {
                let (failed, way) = (menu.failed.clone(), ways.get(menu.cursor).cloned());
                return self.go_on_after(&failed, way.unwrap_or(Way::Leave));
            }
            Intent::PageUp | Intent::PageDown => {
                let rows = menu.text().len();
                menu.scroll = moved(menu.scroll, intent, rows, 5);
            }
            _ => menu.cursor = moved(menu.cursor, intent, ways.len(), 1),
        }
        vec![]
    }

    /// The menu stays where a way does not end it.
    fn go_on_after(&mut self, failed: &Failed, way: Way) -> Vec<Effect> {
        if way == Way::Leave {
            self.dialog = None;
            return vec![];
        }
        if way == Way::Bundle {
            return vec![Effect::Zephyr(Wish::Bundle(failed.job.clone()))];
        }
        if self.refuse_read_only() {
            return vec![];
        }
        let mut known = entries(&self.setup.catalog, &self.stage_of(&failed.lab));
        if known.is_empty() {
            known = entries(&self.setup.catalog, STAGE);
        }
        let named = |name: &str| known.iter().find(|entry| entry.name == name).cloned();
        if let Way::Shell(spec) = way {
            return match named("build-env") {
                Some(inside) => vec![Effect::Errand(Errand::Program(
                    failed.lab.clone(),
                    vec![inside.program(), spec],
                ))],
                None => self.not_there(failed, "build-env"),
            };
        }
        let (Some(entry), Some(arguments)) = (named(&failed.entry), failed.again(&way)) else {
            return self.not_there(failed, &failed.entry);
        };
        self.dialog = None;
        vec![Effect::Zephyr(Wish::Begin(Wanted {
            lab: failed.lab.clone(),
            entry,
            arguments,
        }))]
    }

    fn not_there(&mut self, failed: &Failed, entry: &str) -> Vec<Effect> {
        let text = format!("the stage of {} has no entrypoint {entry} any more", failed.lab);
        self.say(Tone::Bad, text);
        vec![]
    }

    fn stage_of(&self, lab: &str) -> String {
        self.labs
            .get(lab)
            .map_or_else(String::new, |lab| lab.stage.clone())
    }
}
