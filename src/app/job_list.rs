//! The jobs' screen as data: one row a job, and what is asked about it.

use crate::job::{Known, State};

/// A job in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// Its lab.
    pub lab: String,
    /// How it stands.
    pub state: State,
    /// Without output for longer than the setting says.
    pub stuck: bool,
    /// Nothing was heard of it for a while: it may run or not.
    pub silent: bool,
    /// Its lab is frozen, and it with it.
    pub frozen: bool,
    /// What people call it.
    pub title: String,
    /// When it was started, RFC 3339.
    pub created: String,
    /// How far it is: `12/340`, `37%`.
    pub progress: String,
    /// Seconds since it last wrote something.
    pub output_age: Option<u64>,
    /// Seconds that are left.
    pub eta: Option<u64>,
    /// How it ended, or why nothing newer is known.
    pub why: String,
    /// The last error that it wrote.
    pub error: String,
    /// Bytes that it wrote.
    pub bytes: u64,
}

impl JobRow {
    /// A row out of what is known; its texts are safe to draw.
    pub fn of(known: &Known, stuck_minutes: u64) -> Self {
        let glance = known.glance(stuck_minutes);
        let safe = |text: &str| crate::log::sanitize(text);
        Self {
            id: safe(&glance.id),
            lab: safe(&glance.lab),
            state: glance.state,
            stuck: glance.stuck,
            silent: known.is_silent(),
            frozen: glance.frozen,
            title: safe(&known.mirror.job.title),
            created: safe(&known.mirror.job.created_at),
            progress: glance.progress,
            output_age: glance.output_age,
            eta: glance.eta,
            why: safe(&glance.why),
            error: safe(&glance.last_error),
            bytes: glance.bytes,
        }
    }

    /// Whether it goes on.
    pub fn runs(&self) -> bool {
        !self.state.is_final()
    }
}

/// The jobs' screen.
#[derive(Clone, Debug, Default)]
pub struct JobList {
    /// The rows, newest first; none before they were read.
    pub rows: Option<Vec<JobRow>>,
    /// The row under the cursor.
    pub cursor: usize,
    /// They are being read.
    pub asked: bool,
}

impl JobList {
    /// The job under the cursor.
    pub fn current(&self) -> Option<&JobRow> {
        self.rows.as_ref()?.get(self.cursor)
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.rows.iter().flatten().filter(|row| row.runs()).count()
    }
}
