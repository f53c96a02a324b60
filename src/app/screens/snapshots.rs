//! The snapshot picker.

use crate::{
    app::{
        dialog::{Dialog, Prompt, PromptThen},
        entry::Entry,
        keys::Intent,
        model::{Model, Screen},
        msg::{Effect, Job, Tone},
        update::moved,
    },
    labs::SnapshotRow,
    plan::Choice,
};

impl Model {
    pub(in crate::app) fn open_snapshots(&mut self, lab: &str) -> Vec<Effect> {
        let picker = &mut self.picker;
        picker.lab = lab.into();
        picker.rows = None;
        picker.cursor = 0;
        picker.made = None;
        picker.filter = Entry::default();
        picker.typing = false;
        self.open(Screen::Snapshots);
        vec![Effect::Snapshots(lab.into())]
    }

    pub(in crate::app) fn take_snapshots(
        &mut self,
        lab: &str,
        rows: Result<Vec<SnapshotRow>, String>,
    ) -> Vec<Effect> {
        if self.picker.lab != lab {
            return vec![];
        }
        let at = self.picker.made.take();
        let at = at.or_else(|| self.picker.current().map(|row| row.name.clone()));
        self.picker.rows = Some(rows);
        let shown = self.picker.shown();
        let again = at.and_then(|name| shown.iter().position(|row| row.name == name));
        self.picker.cursor = again.unwrap_or_else(|| {
            let last = shown.len().saturating_sub(1);
            self.picker.cursor.min(last)
        });
        vec![]
    }

    pub(in crate::app) fn take_done(&mut self, job: &Job, result: Result<String, String>) -> Vec<Effect> {
        self.job = None;
        match result {
            Ok(text) => {
                if let Job::NewSnapshot(_, name, _) | Job::RenameSnapshot(_, _, name, _) = job {
                    self.picker.made = Some(name.clone());
                }
                self.say(Tone::Good, text);
            }
            Err(text) => self.say(Tone::Bad, text),
        }
        let mut effects = vec![Effect::Look];
        if job.is_about_snapshots() && self.picker.lab == job.lab() {
            effects.push(Effect::Snapshots(job.lab().into()));
        }
        effects
    }

    pub(in crate::app) fn start_job(&mut self, job: Job) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_stale() {
            return vec![];
        }
        if let Some((job, _)) = &self.job {
            let text = format!("wait: {}", job.doing());
            self.say(Tone::Warning, text);
            return vec![];
        }
        if self.refuse_busy(&[job.lab().to_owned()]) {
            return vec![];
        }
        if self.is_running() {
            self.say(Tone::Warning, "wait for the end of the run, or stop it first");
            return vec![];
        }
        self.job = Some((job.clone(), self.now));
        vec![Effect::Do(job)]
    }

    pub(in crate::app) fn on_filter(&mut self, intent: Intent) -> Vec<Effect> {
        let picker = &mut self.picker;
        match intent {
            Intent::Enter => picker.typing = false,
            Intent::Back => {
                picker.typing = false;
                picker.filter = Entry::default();
                picker.cursor = 0;
            }
            _ => picker.cursor = moved(picker.cursor, intent, picker.shown().len(), 1),
        }
        vec![]
    }

    pub(in crate::app) fn on_snapshots(&mut self, intent: Intent) -> Vec<Effect> {
        let lab = self.picker.lab.clone();
        match intent {
            Intent::Back => {
                self.back();
                return vec![];
            }
            Intent::Search => {
                self.picker.typing = true;
                return vec![];
            }
            Intent::Prune => {
                self.ask_to_prune();
                return vec![];
            }
            Intent::New => {
                self.prompt_for_new(&lab);
                return vec![];
            }
            _ => {}
        }
        let Some(row) = self.picker.current().cloned() else {
            return vec![];
        };
        match intent {
            Intent::Enter => return self.plan_for(&lab, Choice::Restore(row.name)),
            Intent::Diff => return self.compare_with(&lab, &row.name),
            Intent::Pin => return self.start_job(Job::Pin(lab, row.name, !row.pinned)),
            Intent::Copy | Intent::Note | Intent::Rename => self.prompt_for(intent, &lab, &row),
            Intent::Delete => self.ask_to_delete(&lab, &row),
            _ => {
                let count = self.picker.shown().len();
                self.picker.cursor = moved(self.picker.cursor, intent, count, self.page());
            }
        }
        vec![]
    }

    fn open_prompt(&mut self, title: String, lines: Vec<(&'static str, Entry)>, then: PromptThen) {
        if !self.refuse_read_only() && !self.refuse_stale() {
            self.dialog = Some(Dialog::Prompt(Box::new(Prompt::new(title, lines, then))));
        }
    }

    fn prompt_for_new(&mut self, lab: &str) {
        let lines = vec![
            ("Name (empty: snap-1, snap-2, ...)", Entry::default()),
            ("Note", Entry::default()),
        ];
        self.open_prompt(
            format!("New snapshot of {lab}"),
            lines,
            PromptThen::NewSnapshot(lab.into()),
        );
    }

    fn prompt_for(&mut self, intent: Intent, lab: &str, row: &SnapshotRow) {
        let seen = self.seen(lab).with(row);
        let (lab, name) = (lab.to_owned(), row.name.clone());
        match intent {
            Intent::Copy => {
                let proposal = Entry::new(&format!("{lab}-{name}"));
                let lines = vec![("Name of the new lab", proposal)];
                self.open_prompt(
                    format!("Copy {lab} as it was at {name}"),
                    lines,
                    PromptThen::Copy(lab, name),
                );
            }
            Intent::Note => {
                let lines = vec![("Note", Entry::new(&row.note))];
                self.open_prompt(format!("Note on {name}"), lines, PromptThen::Note(lab, name));
            }
            _ => {
                let lines = vec![("New name", Entry::new(&name))];
                self.open_prompt(
                    format!("Rename {name}"),
                    lines,
                    PromptThen::Rename(lab, name, seen),
                );
            }
        }
    }
}
