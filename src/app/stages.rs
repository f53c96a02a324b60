//! Stages that are edited while the screens are open: read again, so that no plan is made from a text that is not on the
//! disk any more, and asked about again where the new text was not trusted yet.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    log::sanitize_text,
    paths::Paths,
    stage::{
        Catalog,
        trust::{Store, Stranger, WORKSPACE},
    },
    workspace,
};

use super::{
    dialog::Dialog,
    effect::Shared,
    form::Form,
    model::{Model, Screen},
    msg::{Effect, Msg, Tone},
    reading::Subject,
    workspaces::Wish,
};

/// Between two looks at the folders of stages.
const LOOK: Duration = Duration::from_secs(1);
/// An editor writes a file in parts: it is read once it stays as it is for so long.
const QUIET: Duration = Duration::from_millis(150);

/// Stages of other texts than before, and those of them that were not trusted yet.
#[derive(Clone, Debug)]
pub struct Stages {
    /// All stages.
    pub catalog: Arc<Catalog>,
    /// Those that were not trusted yet, by id.
    pub strangers: BTreeMap<String, Stranger>,
}

impl Stages {
    /// With what of them was not trusted yet.
    pub fn new(catalog: Arc<Catalog>, store: &Store) -> Self {
        let strangers = catalog.iter().filter_map(|stage| store.stranger(stage));
        let strangers = strangers.map(|s| (s.id.clone(), s)).collect();
        Self { catalog, strangers }
    }
}

/// What tells a file from the same one after an edit: its place, its number, its size, its time in nanoseconds.
type Print = Vec<(PathBuf, u64, u64, i64, i64)>;

/// The files of all stages in these folders, those that workspaces are made from, and those that say what of them is
/// trusted: another halolab may be told.
fn print(paths: &Paths, trusted: &PathBuf) -> Print {
    let (folders, workspaces) = (&paths.stages, workspace::Places::of(paths));
    let entries = |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let stages = folders.iter().flat_map(entries).map(|entry| entry.path());
    let files = stages.flat_map(|stage| entries(&stage).map(|entry| entry.path()).collect::<Vec<_>>());
    let known = files
        .chain(entries(trusted).map(|entry| entry.path()))
        .chain([workspaces.settings, workspaces.ledger])
        .filter_map(|path| {
            let found = std::fs::metadata(&path).ok()?;
            Some((path, found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        });
    let mut all: Print = known.collect();
    all.sort();
    all
}

/// Reads the stages again each time that a file of theirs changed, for as long as somebody listens.
pub(super) async fn watch(shared: Arc<Shared>) {
    let paths = shared.around.paths.clone();
    let store = Store::new(&shared.around.paths.state);
    let now = || {
        let (paths, trusted) = (paths.clone(), store.folder().to_owned());
        async move {
            let looked = tokio::task::spawn_blocking(move || print(&paths, &trusted)).await;
            looked.unwrap_or_default()
        }
    };
    let mut seen = now().await;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shared.messages.closed() => return,
        }
        let found = now().await;
        if found == seen {
            continue;
        }
        tokio::time::sleep(QUIET).await;
        if now().await != found {
            // It is still being written.
            continue;
        }
        seen = found;
        let catalog = Arc::new(workspace::catalog(&paths));
        let stages = Stages::new(catalog, &store);
        *shared.catalog.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&stages.catalog);
        shared.tell(Msg::Stages(Box::new(stages))).await;
        shared.look.notify_one();
    }
}

impl Shared {
    /// The stages as they were read last.
    pub(super) fn stages(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Model {
    /// Files of stages were edited: forms and the plan under review are made anew from them.
    pub(super) fn take_stages(&mut self, stages: Stages) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.setup.catalog, stages.catalog);
        self.strangers = stages.strangers;
        let now = Arc::clone(&self.setup.catalog);
        let text = |catalog: &Catalog, id: &str| catalog.get(id).map(crate::stage::Stage::sha256);
        let ids = before.iter().chain(now.iter()).map(|stage| stage.id.clone());
        let mut edited: Vec<String> = ids.filter(|id| text(&before, id) != text(&now, id)).collect();
        edited.sort();
        edited.dedup();
        if edited.is_empty() {
            return vec![];
        }
        // What halolab itself makes of workspaces.toml needs no word.
        let own = |id: &String| {
            let stage = now.get(id).or_else(|| before.get(id));
            stage.is_some_and(|stage| stage.origin.starts_with(WORKSPACE))
        };
        let told: Vec<String> = edited.iter().filter(|id| !own(id)).cloned().collect();
        let warned = now.warnings().iter().map(ToString::to_string).next();
        match warned {
            Some(wrong) => self.say(Tone::Warning, sanitize_text(&wrong)),
            None if told.is_empty() => {}
            None => self.say(
                Tone::Warning,
                format!(
                    "the text of {} was edited: the new one counts from now on",
                    told.join(", ")
                ),
            ),
        }
        if let Some(world) = &self.world {
            self.labs.rows = world.labs(&now);
            self.labs.cursor = self.labs.cursor.min(self.labs.rows.len().saturating_sub(1));
        }
        self.fill_in_again(&edited);
        let shows_old = match &self.dialog {
            Some(Dialog::Script(_)) => true,
            Some(Dialog::Text(reading)) => matches!(&reading.of, Subject::Stage(id) if edited.contains(id)),
            _ => false,
        };
        if shows_old {
            self.dialog = None;
        }
        if self.screen() == Screen::Review {
            self.plan_again();
        }
        vec![Effect::Workspaces(Wish::Read)]
    }

    /// Makes the forms of edited stages anew, with what was filled in as far as it is still asked.
    fn fill_in_again(&mut self, edited: &[String]) {
        let facts = self.facts();
        let catalog = Arc::clone(&self.setup.catalog);
        for form in self.wizard.forms.values_mut() {
            let stage = catalog.get(&form.stage.id).filter(|s| edited.contains(&s.id));
            let Some(stage) = stage else { continue };
            let mut given = form.answers();
            given.extend(form.secrets());
            let cursor = form.cursor;
            *form = Form::new(&form.lab.clone(), stage, &facts, &given);
            form.cursor = cursor.min(form.rows().len().saturating_sub(1));
        }
    }
}
