//! Dialogs, the theme picker and the help.

use crate::{
    app::{
        dialog::{Dialog, PromptThen, ThemePicker, Then, wrong_name},
        keys::{Intent, Place},
        model::{Model, Screen},
        msg::{Effect, Job, JobWish, Tone},
        update::moved,
        zephyr::Wish,
    },
    plan::Choice,
    ui::look::Look,
};

impl Model {
    pub(in crate::app) fn on_help(&mut self, intent: Intent) -> Vec<Effect> {
        let place = Place::under_help(self);
        let rows = place.keys().len() + place.common().len();
        self.help = match (intent, self.help) {
            (Intent::Back, _) => None,
            (_, at) => Some(moved(at.unwrap_or(0), intent, rows, self.page())),
        };
        vec![]
    }

    pub(in crate::app) fn open_themes(&mut self) {
        let before = self.look.theme.name.clone();
        let cursor = self.themes.iter().position(|t| t.name == before).unwrap_or(0);
        self.dialog = Some(Dialog::Themes(ThemePicker { cursor, before }));
    }

    pub(in crate::app) fn on_themes(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(Dialog::Themes(picker)) = &mut self.dialog else {
            return vec![];
        };
        match intent {
            Intent::Enter => {
                self.dialog = None;
                return vec![Effect::SaveTheme(self.look.theme.name.clone())];
            }
            Intent::Back => {
                let before = picker.before.clone();
                self.dialog = None;
                self.show_theme(|name| name == before);
            }
            _ => {
                picker.cursor = moved(picker.cursor, intent, self.themes.len(), 1);
                let cursor = picker.cursor;
                let name = self.themes.get(cursor).map(|t| t.name.clone());
                self.show_theme(|n| Some(n) == name.as_deref());
            }
        }
        vec![]
    }

    fn show_theme(&mut self, wanted: impl Fn(&str) -> bool) {
        if let Some(theme) = self.themes.iter().find(|t| wanted(&t.name)) {
            self.look = Look::new(theme.clone(), self.look.ascii);
        }
    }

    pub(in crate::app) fn on_confirm(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(Dialog::Confirm(confirm)) = &mut self.dialog else {
            return self.on_unfinished(intent);
        };
        match intent {
            Intent::Next => confirm.marked = !confirm.marked,
            Intent::Enter if confirm.is_yes() => {
                let then = confirm.then.clone();
                self.dialog = None;
                return self.then(then);
            }
            Intent::Enter if confirm.is_typing() => {
                let text = "the name is not the same; esc cancels";
                self.say(Tone::Warning, text);
            }
            Intent::Enter | Intent::Back => self.dialog = None,
            _ => {
                let rows = confirm.text.len() + confirm.loses.len() + confirm.keeps.len();
                confirm.scroll = moved(confirm.scroll, intent, rows, 5);
            }
        }
        vec![]
    }

    fn then(&mut self, then: Then) -> Vec<Effect> {
        match then {
            Then::Zephyr(wanted) => vec![Effect::Zephyr(Wish::Begin(*wanted))],
            Then::Do(job) => self.start_job(job),
            Then::Workspace(asked) => self.do_asked(asked),
            Then::StopJob(id) => vec![Effect::Jobs(JobWish::Stop(id))],
            Then::ForgetJobs => vec![Effect::Jobs(JobWish::Forget)],
            Then::Plan(lab, choice) => self.plan_for(&lab, choice),
            Then::GoOn(more) => {
                self.ask_names(more);
                vec![]
            }
            Then::Wait => {
                self.wait_for_other();
                vec![]
            }
            Then::LeaveOptions => {
                if self.screen() == Screen::User {
                    self.workspaces.form = None;
                }
                self.back();
                vec![]
            }
            Then::Amend(run, change) => self.amend(run, change),
            Then::Quit(code) => {
                self.done = Some(code);
                vec![]
            }
            Then::Stop | Then::StopAndQuit => {
                let Some(run) = self.run.as_mut().filter(|r| r.is_running()) else {
                    return vec![];
                };
                run.stopping = true;
                run.then_quit = then == Then::StopAndQuit;
                vec![Effect::Cancel]
            }
        }
    }

    pub(in crate::app) fn on_prompt(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(Dialog::Prompt(prompt)) = &mut self.dialog else {
            return vec![];
        };
        let last = prompt.lines.len().saturating_sub(1);
        match intent {
            Intent::Back => self.dialog = None,
            Intent::Previous => prompt.at = prompt.at.saturating_sub(1),
            Intent::Next => prompt.at = (prompt.at + 1).min(last),
            Intent::Enter if prompt.at < last => prompt.at += 1,
            Intent::Enter => return self.prompt_done(),
            _ => {}
        }
        vec![]
    }

    fn prompt_done(&mut self) -> Vec<Effect> {
        let Some(Dialog::Prompt(prompt)) = &self.dialog else {
            return vec![];
        };
        if matches!(prompt.then, PromptThen::File(_)) {
            return self.take_path();
        }
        if prompt.then == PromptThen::Secrets {
            return self.take_secrets();
        }
        let (first, second) = (prompt.text(0).to_owned(), prompt.text(1).to_owned());
        let then = prompt.then.clone();
        let first = match &then {
            PromptThen::NewSnapshot(_) if first.is_empty() => self.free_snapshot(),
            _ => first,
        };
        if let Some(wrong) = self.wrong_line(&then, &first) {
            if let Some(Dialog::Prompt(prompt)) = &mut self.dialog {
                prompt.error = Some(wrong);
                prompt.at = 0;
            }
            return vec![];
        }
        self.dialog = None;
        match then {
            PromptThen::Copy(lab, snapshot) => self.plan_for(&lab, Choice::RestoreAs(snapshot, first)),
            PromptThen::NewSnapshot(lab) => self.start_job(Job::NewSnapshot(lab, first, second)),
            PromptThen::Zephyr(wanted) => self.run_typed(*wanted, &first),
            PromptThen::Secrets | PromptThen::File(_) => vec![],
            PromptThen::Note(lab, snapshot) => self.start_job(Job::Note(lab, snapshot, first)),
            PromptThen::Rename(_, from, _) if from == first => vec![],
            PromptThen::Rename(lab, from, seen) => {
                self.start_job(Job::RenameSnapshot(lab, from, first, seen))
            }
        }
    }

    /// A name that no snapshot of the lab has: `snap-1`, `snap-2`, ...
    fn free_snapshot(&self) -> String {
        let taken = |name: &String| match &self.picker.rows {
            Some(Ok(rows)) => rows.iter().any(|row| row.name == *name),
            _ => false,
        };
        let names = (1..=u32::MAX).map(|number| format!("snap-{number}"));
        names.into_iter().find(|name| !taken(name)).unwrap_or_default()
    }

    fn wrong_line(&self, then: &PromptThen, name: &str) -> Option<String> {
        let snapshot_taken = |own: &str| match &self.picker.rows {
            Some(Ok(rows)) => name != own && rows.iter().any(|row| row.name == name),
            _ => false,
        };
        match then {
            PromptThen::Note(..) | PromptThen::Secrets | PromptThen::File(_) => None,
            PromptThen::Zephyr(wanted) => name
                .is_empty()
                .then(|| format!("it takes {}", wanted.entry.takes)),
            PromptThen::Copy(..) => wrong_name(name).or_else(|| {
                let world = self.world.as_ref()?;
                let taken = world.instance(name).is_some();
                taken.then(|| format!("there is an instance {name} already"))
            }),
            PromptThen::NewSnapshot(_) => wrong_name(name)
                .or_else(|| snapshot_taken("").then(|| format!("there is a snapshot {name} already"))),
            PromptThen::Rename(_, own, _) => wrong_name(name)
                .or_else(|| snapshot_taken(own).then(|| format!("there is a snapshot {name} already"))),
        }
    }
}
