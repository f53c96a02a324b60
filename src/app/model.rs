//! The model: all that the screens show. Nothing here does I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    backend::InstanceState,
    config::Config,
    host::Facts,
    labs::{Lab, Presence, SnapshotRow, World},
    plan::{Choice, Plan, PlanError, Request},
    stage::{Catalog, trust::Stranger},
    ui::{look::Look, theme::Theme},
};

pub use super::dialog::Dialog;
use super::{
    entry::Entry,
    form::Form,
    job_list::JobList,
    machine::HostView,
    msg::{HostSummary, Job, Tone},
    others::Others,
    resume::{GoesOn, Resume},
    run_view::RunView,
    seen::Seen,
    workspaces::Workspaces,
};

/// The smallest window that everything fits into: columns, rows.
pub const SMALLEST: (u16, u16) = (60, 15);

/// Makes plans: [`crate::plan::plan`], or a stand-in of a test.
pub type Planner = fn(&World, &Catalog, &[Request]) -> Result<Plan, PlanError>;

/// What stays the same while the program runs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The stages.
    pub catalog: Arc<Catalog>,
    /// The settings.
    pub config: Config,
    /// Nothing may be changed.
    pub read_only: bool,
    /// Makes plans.
    pub planner: Planner,
}

/// Where we stand with the container engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// It is being looked for.
    #[default]
    Looking,
    /// It answers.
    Ready,
    /// There is none: setting one up is part of the plan.
    Absent(String),
    /// It does not answer; the text says what to do.
    Failed(String),
}

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its file in ui/")]
pub enum Screen {
    Welcome,
    Host,
    Labs,
    Menu,
    Snapshots,
    Jobs,
    Workspaces,
    Ports,
    User,
    Options,
    Review,
    Run,
    Result,
}

/// One line that tells something, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How good it is.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

/// The labs list.
#[derive(Clone, Debug, Default)]
pub struct LabList {
    /// The rows.
    pub rows: Vec<Lab>,
    /// The row under the cursor.
    pub cursor: usize,
    /// Labs that are marked to be made.
    pub marked: BTreeSet<String>,
    /// Live facts of running labs.
    pub states: BTreeMap<String, InstanceState>,
}

impl LabList {
    /// The lab under the cursor.
    pub fn current(&self) -> Option<&Lab> {
        self.rows.get(self.cursor)
    }

    /// A lab by name.
    pub fn get(&self, name: &str) -> Option<&Lab> {
        self.rows.iter().find(|lab| lab.name == name)
    }

    /// Whether none of the labs has been made yet.
    pub fn is_first_run(&self) -> bool {
        self.rows.iter().all(|lab| lab.presence == Presence::Missing)
    }
}

/// The snapshot picker.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// The lab.
    pub lab: String,
    /// Its snapshots, newest first; none while they are being read.
    pub rows: Option<Result<Vec<SnapshotRow>, String>>,
    /// The row under the cursor, counted over [`Picker::shown`].
    pub cursor: usize,
    /// The snapshot that was taken or renamed, until it is in the rows: the cursor goes to it.
    pub made: Option<String>,
    /// Only rows with this text are shown.
    pub filter: Entry,
    /// The filter line has the keys.
    pub typing: bool,
}

impl Picker {
    /// The rows that pass the filter.
    pub fn shown(&self) -> Vec<&SnapshotRow> {
        let needle = self.filter.text().to_lowercase();
        let holds = |row: &&SnapshotRow| {
            if needle.is_empty() {
                return true;
            }
            let verdict = row.verdict.as_deref().unwrap_or_default();
            [&row.name, &row.note, &row.holds, verdict]
                .iter()
                .any(|text| text.to_lowercase().contains(&needle))
        };
        match &self.rows {
            Some(Ok(rows)) => rows.iter().filter(holds).collect(),
            _ => vec![],
        }
    }

    /// The row under the cursor.
    pub fn current(&self) -> Option<&SnapshotRow> {
        self.shown().get(self.cursor).copied()
    }
}

/// What is being put together: choices, and the forms that belong to them.
#[derive(Clone, Debug, Default)]
pub struct Wizard {
    /// Lab, stage and choice, in the order in which they are asked about.
    pub picks: Vec<Pick>,
    /// The pick whose form is shown.
    pub at: usize,
    /// Forms that were begun, by lab: kept until their lab is made.
    pub forms: BTreeMap<String, Form>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The lab.
    pub lab: String,
    /// Its stage.
    pub stage: String,
    /// What to do.
    pub choice: Choice,
    /// Its options are asked first.
    pub asks: bool,
}

/// A plan under review.
#[derive(Clone, Debug)]
pub struct Review {
    /// The plan.
    pub plan: Plan,
    /// The button Apply is marked, not Cancel.
    pub apply: bool,
    /// First line that is shown.
    pub scroll: usize,
    /// The run that it goes on with; none where it is a new one.
    pub goes_on: Option<GoesOn>,
}

impl Review {
    /// Ids of the actions that are done already; none where it is a new plan.
    pub fn done(&self) -> Option<&BTreeSet<String>> {
        self.goes_on.as_ref().map(|goes_on| &goes_on.done)
    }
}

/// All that the screens show.
#[derive(Clone, Debug)]
pub struct Model {
    /// What stays the same.
    pub setup: Setup,
    /// Theme and glyphs.
    pub look: Look,
    /// The themes to choose from.
    pub themes: Vec<Theme>,
    /// What is known of the host.
    pub host: Option<HostSummary>,
    /// Where we stand with the engine, and since when.
    pub engine: Engine,
    /// Since when it is being waited for, in seconds since 1970.
    pub looking_since: u64,
    /// Other halolabs at work.
    pub others: Others,
    /// How old what is shown of it is.
    pub seen: Seen,
    /// What the engine holds.
    pub world: Option<World>,
    /// The labs.
    pub labs: LabList,
    /// The jobs.
    pub jobs: JobList,
    /// The workspaces.
    pub workspaces: Workspaces,
    /// The screens, the last one on top.
    pub stack: Vec<Screen>,
    /// The row of the lab menu.
    pub menu_cursor: usize,
    /// The snapshot picker.
    pub picker: Picker,
    /// What is being put together.
    pub wizard: Wizard,
    /// Stages from elsewhere that were not trusted yet, by id.
    pub strangers: BTreeMap<String, Stranger>,
    /// The plan under review.
    pub review: Option<Review>,
    /// The run.
    pub run: Option<RunView>,
    /// A run that an earlier halolab did not end.
    pub resume: Resume,
    /// What lies over the screen.
    pub dialog: Option<Dialog>,
    /// The help is open: first line that is shown.
    pub help: Option<usize>,
    /// One line that tells something.
    pub notice: Option<Notice>,
    /// The small job under way, and since when.
    pub job: Option<(Job, u64)>,
    /// The host's screen.
    pub host_view: HostView,
    /// First line of the first screen that is shown.
    pub welcome_scroll: usize,
    /// Columns and rows of the window.
    pub size: (u16, u16),
    /// Seconds since 1970.
    pub now: u64,
    /// Mouse events are taken.
    pub mouse: bool,
    /// A run waits for a restart of the machine: how to go on.
    pub restart: Option<String>,
    /// The exit code, once the program should end.
    pub done: Option<u8>,
    /// Something changed since the last frame.
    pub dirty: bool,
}

impl Model {
    /// The first screen, with nothing known yet.
    pub fn new(setup: Setup, look: Look, themes: Vec<Theme>) -> Self {
        Self {
            mouse: setup.config.mouse,
            setup,
            look,
            themes,
            host: None,
            engine: Engine::Looking,
            looking_since: 0,
            others: Others::default(),
            seen: Seen::default(),
            world: None,
            labs: LabList::default(),
            jobs: JobList::default(),
            workspaces: Workspaces::default(),
            stack: vec![Screen::Welcome],
            menu_cursor: 0,
            picker: Picker::default(),
            wizard: Wizard::default(),
            strangers: BTreeMap::new(),
            review: None,
            run: None,
            resume: Resume::default(),
            dialog: None,
            help: None,
            notice: None,
            job: None,
            host_view: HostView::default(),
            welcome_scroll: 0,
            size: (80, 24),
            now: 0,
            restart: None,
            done: None,
            dirty: true,
        }
    }

    /// The screen on top.
    pub fn screen(&self) -> Screen {
        self.stack.last().copied().unwrap_or(Screen::Welcome)
    }

    /// Whether the window is too small for the screens.
    pub fn is_small(&self) -> bool {
        self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1
    }

    /// The form that is shown.
    pub fn form(&self) -> Option<&Form> {
        if self.screen() == Screen::User {
            return self.workspaces.form.as_ref().map(|filled| &filled.form);
        }
        let pick = self.wizard.picks.get(self.wizard.at)?;
        self.wizard.forms.get(&pick.lab)
    }

    /// The same, to change it.
    pub fn form_mut(&mut self) -> Option<&mut Form> {
        if self.screen() == Screen::User {
            return self.workspaces.form.as_mut().map(|filled| &mut filled.form);
        }
        let pick = self.wizard.picks.get(self.wizard.at)?;
        self.wizard.forms.get_mut(&pick.lab)
    }

    /// The facts of the host, as far as they are known.
    pub fn facts(&self) -> Facts {
        match (&self.world, &self.host) {
            (Some(world), _) => world.facts.clone(),
            (None, Some(host)) => host.facts.clone(),
            (None, None) => Facts::new(),
        }
    }

    /// Whether a clock is on the screen, so that it has to be drawn each second.
    pub fn is_ticking(&self) -> bool {
        let running = self.run.as_ref().is_some_and(RunView::is_running);
        let watches = self.screen() == Screen::Workspaces;
        running
            || watches
            || self.job.is_some()
            || self.host_view.working.is_some()
            || self.engine == Engine::Looking
    }

    /// Whether a run is going on.
    pub fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(RunView::is_running)
    }

    /// Tells something in one line.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.notice = Some(Notice {
            tone,
            text: text.into(),
        });
    }
}
