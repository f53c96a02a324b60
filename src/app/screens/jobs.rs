//! What the keys do on the jobs' screen.

use crate::app::{
    dialog::{Confirm, Dialog, Then},
    job_list::JobRow,
    keys::Intent,
    model::{Model, Screen},
    msg::{Effect, Errand, JobWish, Tone},
    update::moved,
};

impl Model {
    /// Opens the jobs' screen.
    pub(in crate::app) fn open_jobs(&mut self) -> Vec<Effect> {
        self.open(Screen::Jobs);
        self.read_jobs()
    }

    /// Reads the jobs anew, unless they are being read.
    pub(in crate::app) fn read_jobs(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.jobs.asked, true) {
            return vec![];
        }
        vec![Effect::Jobs(JobWish::List)]
    }

    /// Takes the jobs that were read; the cursor stays on its job.
    pub(in crate::app) fn take_jobs(&mut self, rows: Vec<JobRow>) -> Vec<Effect> {
        let at = self.jobs.current().map(|row| row.id.clone());
        let again = at.and_then(|id| rows.iter().position(|row| row.id == id));
        let last = rows.len().saturating_sub(1);
        self.jobs.cursor = again.unwrap_or_else(|| self.jobs.cursor.min(last));
        self.jobs.rows = Some(rows);
        self.jobs.asked = false;
        vec![]
    }

    /// Takes how a stop or a removal went, and reads the jobs anew.
    pub(in crate::app) fn take_job_done(&mut self, done: Result<String, String>) -> Vec<Effect> {
        match done {
            Ok(text) => self.say(Tone::Good, text),
            Err(text) => self.say(Tone::Bad, text),
        }
        self.read_jobs()
    }

    pub(in crate::app) fn on_jobs(&mut self, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Back | Intent::Next => self.back(),
            Intent::Retry => return self.read_jobs(),
            Intent::Enter => {
                let current = self.jobs.current().map(|row| row.id.clone());
                return current
                    .map(|id| Effect::Errand(Errand::Job(id)))
                    .into_iter()
                    .collect();
            }
            Intent::Stop => self.ask_to_stop_job(),
            Intent::Delete => self.ask_to_forget(),
            _ => {
                let count = self.jobs.rows.as_ref().map_or(0, Vec::len);
                self.jobs.cursor = moved(self.jobs.cursor, intent, count, self.page());
            }
        }
        vec![]
    }

    fn ask_to_stop_job(&mut self) {
        let Some(row) = self.jobs.current().cloned() else {
            return;
        };
        if self.refuse_read_only() {
            return;
        }
        if !row.runs() {
            self.say(Tone::Warning, format!("{} has ended: {}", row.id, row.why));
            return;
        }
        let mut confirm = Confirm::new(format!("Stop {}?", row.id), "Stop it", Then::StopJob(row.id));
        confirm.text = vec![format!("{} in {}", row.title, row.lab)];
        confirm.loses = vec!["what it has not done yet".into()];
        confirm.keeps = vec!["its log, and what it wrote into the lab".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    fn ask_to_forget(&mut self) {
        if self.refuse_read_only() {
            return;
        }
        let ended = self.jobs.rows.iter().flatten().filter(|row| !row.runs()).count();
        if ended == 0 {
            self.say(Tone::Warning, "no job has ended yet");
            return;
        }
        let title = format!("Forget {ended} jobs that ended?");
        let mut confirm = Confirm::new(title, "Forget them", Then::ForgetJobs);
        confirm.loses = vec!["their logs, here and in their labs".into()];
        confirm.keeps = vec!["what they did in their labs; jobs that run".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }
}
