//! The menu of one lab: what can be done with it, in the state in which it is.

mod beside;

use crate::{
    app::{
        dialog::{Confirm, Dialog, Then},
        entry,
        keys::Intent,
        model::{Model, Pick},
        msg::{Effect, Errand, Job},
        update::moved,
    },
    backend::{Engine, Instance, Status},
    labs::{
        Lab, Presence, World, counted,
        drift::{self, Moved},
        expiry::Back,
        gpus::Gpus,
    },
    log::clean,
    plan::{CLEAN, Choice, updates_by_image},
    stage::{Catalog, Stage},
    ui::words::date,
};

use beside::beside;

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MenuItem {
    /// What it does.
    pub(crate) entry: Entry,
    /// Its word.
    pub(crate) title: String,
    /// What comes of it.
    pub(crate) line: String,
}

/// What a line of the menu does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Create,
    SetAside,
    Remove,
    Adopt,
    /// The question about a run that was left before its end.
    Unended(String),
    GoBack(String),
    Undo(Choice),
    Restore,
    Recreate,
    RecreateFromClean,
    BringBack(String),
    /// Remove all earlier versions but the newest one.
    RemoveOlder,
    /// Remove what stands beside the lab and never took its place.
    RemoveBeside(String),
    Update,
    Prove,
    Skip,
    Start,
    Stop,
    Shell,
    /// An entrypoint of Zephyr.
    Run(crate::zephyr::Entry),
}

/// The menu of a lab: first the run that stopped in the middle of it, where there is one.
pub(crate) fn menu_items(lab: &Lab, world: &World, catalog: &Catalog, disk: Disk<'_>) -> Vec<MenuItem> {
    let mut of_lab = world.unended.iter().filter(|u| u.labs.contains(&lab.name));
    let unended = of_lab.next().map(|u| MenuItem {
        entry: Entry::Unended(u.run.clone()),
        title: "Unfinished run".into(),
        line: format!("of {}: go on, undo or leave it", u.date),
    });
    unended
        .into_iter()
        .chain(items(lab, world, catalog, disk))
        .collect()
}

/// Bytes on the disk of an earlier version, where they are known.
pub(crate) type Disk<'a> = &'a dyn Fn(&str) -> Option<u64>;

fn items(lab: &Lab, world: &World, catalog: &Catalog, disk: Disk<'_>) -> Vec<MenuItem> {
    let item = |entry, title: &str, line: &str| MenuItem {
        entry,
        title: title.into(),
        line: line.into(),
    };
    let skip = item(Entry::Skip, "Skip", "leave it alone, back to the labs");
    match lab.presence {
        Presence::Missing if world.lab_away(lab.engine).is_some() => vec![skip],
        // Labels of a container cannot be changed.
        Presence::Foreign if lab.engine == Engine::Docker => vec![skip],
        Presence::Missing => {
            let create = item(Entry::Create, "Create", "asks its options, then shows the plan");
            let mut items = vec![create];
            items.extend(beside(lab, world, disk));
            items.push(skip);
            items
        }
        Presence::Foreign => vec![
            item(
                Entry::Adopt,
                "Adopt",
                if mounts(lab, world, catalog) {
                    "take it under halolab's care; its data folders are mounted"
                } else {
                    "take it under halolab's care"
                },
            ),
            skip,
        ],
        Presence::Unfinished => vec![
            item(
                Entry::Create,
                "Start over",
                "make it again from the start; what is half made is thrown away",
            ),
            item(Entry::Remove, "Remove", "throw away what is half made"),
            skip,
        ],
        Presence::Ours => {
            let moved = world.moved(lab);
            let mut items = ours(lab, world, (&moved, disk), skip);
            // A proof of a GPU that was taken away is made anew, too.
            if !is_provable(lab, catalog) && !moved.iter().any(Moved::is_taken) {
                items.retain(|item| item.entry != Entry::Prove);
            }
            if let Some(at) = items.iter().position(|item| item.entry == Entry::Shell) {
                items.splice(at..at, crate::app::zephyr::items(lab, catalog));
            }
            if catalog.get(&lab.stage).is_some_and(updates_by_image) {
                for item in items.iter_mut().filter(|item| item.entry == Entry::Update) {
                    "by a new image; data and the present one stay".clone_into(&mut item.line);
                }
            }
            items
        }
    }
}

/// Whether data folders are mounted by an adoption: they are of this machine, and a daemon elsewhere has none.
fn mounts(lab: &Lab, world: &World, catalog: &Catalog) -> bool {
    let server = world.server.as_ref();
    let local = server.is_none_or(|s| s.address.is_empty() || s.is_here());
    local && catalog.get(&lab.stage).is_some_and(|s| !s.mounts.is_empty())
}

/// Whether there is something to prove: a GPU that is passed in, or checks of the stage.
fn is_provable(lab: &Lab, catalog: &Catalog) -> bool {
    let gpu = |i: &Instance| !Gpus::of(&i.expanded_devices, &i.expanded_config).is_empty();
    let checks = |s: &Stage| !s.verifies.is_empty();
    lab.instance.as_ref().is_some_and(gpu) || catalog.get(&lab.stage).is_some_and(checks)
}

/// Back to before the last change, where something was kept of it.
fn undo(lab: &Lab, world: &World) -> Option<MenuItem> {
    // Where an update did not end well, "Go back" is the same.
    let (back, taken) = world.undo(&lab.name).filter(|_| lab.updating.is_none())?;
    let (name, choice) = match back {
        Back::Restore(name) => (clean(&name).into_owned(), Choice::Restore(name)),
        Back::BringBack(name) => (clean(&name).into_owned(), Choice::BringBack(name)),
    };
    let when = date(&taken);
    Some(MenuItem {
        entry: Entry::Undo(choice),
        title: "Undo".into(),
        line: format!(
            "the last change: back to {name} of {}",
            when.trim_end_matches(" UTC")
        ),
    })
}

fn ours(lab: &Lab, world: &World, more: (&[Moved], Disk<'_>), skip: MenuItem) -> Vec<MenuItem> {
    let (moved, disk) = more;
    let snapshots = world.snapshots_of(&lab.name);
    let item = |entry, title: &str, line: String| MenuItem {
        entry,
        title: title.into(),
        line,
    };
    let running = lab.instance.as_ref().is_some_and(|i| i.status == Status::Running);
    let count = counted(lab.snapshots, "snapshot");
    let has = |name: &str| snapshots.iter().any(|s| s == name);
    let back = lab.updating.iter().filter(|back| has(back)).map(|back| {
        item(
            Entry::GoBack(back.clone()),
            "Go back",
            format!("to {back}, from before the update that did not end"),
        )
    });
    let mut items: Vec<MenuItem> = back.collect();
    items.extend([
        item(
            Entry::Restore,
            "Restore…",
            format!("go back to a snapshot, or copy one: {count}"),
        ),
        item(
            Entry::Recreate,
            "Recreate",
            "from fresh packages; the present one is kept".into(),
        ),
    ]);
    if has(CLEAN) {
        items.push(item(
            Entry::RecreateFromClean,
            "Recreate from clean",
            "at once, from `clean`; the present one is kept".into(),
        ));
    }
    items.push(item(
        Entry::Update,
        "Update",
        "safety snapshot, updates inside, then the proof".into(),
    ));
    items.push(item(Entry::Prove, "Prove again", why_prove(moved)));
    items.extend(undo(lab, world));
    items.push(skip);
    items.extend(lasting(lab, world, running, disk));
    items
}

/// What is there in every state: the lab itself, its earlier versions, and its end.
fn lasting(lab: &Lab, world: &World, running: bool, disk: Disk<'_>) -> Vec<MenuItem> {
    let item = |entry, title: &str, line: String| MenuItem {
        entry,
        title: title.into(),
        line,
    };
    let mut items = vec![];
    if running {
        items.push(item(Entry::Shell, "Shell", "a shell inside the lab".into()));
        items.push(item(Entry::Stop, "Stop", "shut it down; nothing is lost".into()));
    } else {
        items.push(item(Entry::Start, "Start", "start it".into()));
    }
    items.extend(beside(lab, world, disk));
    items.push(item(
        Entry::SetAside,
        "Set aside",
        "free its name; kept whole, undo brings it back".into(),
    ));
    items.push(item(
        Entry::Remove,
        "Remove…",
        "delete the lab with its snapshots; asks for its name".into(),
    ));
    items
}

/// What makes a new proof worth its time.
fn why_prove(moved: &[Moved]) -> String {
    match moved {
        [] => "run its proof again; nothing else is changed".to_owned(),
        moved => format!("{} since it was proven", drift::text(moved)),
    }
}

impl Model {
    /// The menu of the lab that is open.
    pub(crate) fn menu(&self) -> Vec<MenuItem> {
        match (self.labs.get(&self.picker.lab), &self.world) {
            (Some(lab), Some(world)) => {
                let disk = |name: &str| self.labs.states.get(name).and_then(|state| state.disk);
                menu_items(lab, world, &self.setup.catalog, &disk)
            }
            _ => vec![],
        }
    }

    pub(in crate::app) fn on_menu(&mut self, intent: Intent) -> Vec<Effect> {
        let items = self.menu();
        match intent {
            Intent::Enter => {
                let entry = items.into_iter().nth(self.menu_cursor).map(|item| item.entry);
                return entry.map_or_else(Vec::new, |entry| self.choose(entry));
            }
            Intent::Back => self.back(),
            _ => self.menu_cursor = moved(self.menu_cursor, intent, items.len(), self.page()),
        }
        vec![]
    }

    fn choose(&mut self, entry: Entry) -> Vec<Effect> {
        let Some(lab) = self.labs.get(&self.picker.lab).cloned() else {
            self.back();
            return vec![];
        };
        match entry {
            Entry::Skip => {
                self.back();
                return vec![];
            }
            Entry::Restore => return self.open_snapshots(&lab.name),
            Entry::Unended(run) => return vec![Effect::FindRun(run)],
            _ if self.refuse_read_only() || self.refuse_stale() => return vec![],
            _ => {}
        }
        let choice = match entry {
            Entry::Create => Choice::Create,
            Entry::Recreate => Choice::Recreate,
            Entry::RecreateFromClean => Choice::RecreateFromClean,
            Entry::BringBack(kept) => Choice::BringBack(kept),
            Entry::Update => Choice::Update,
            Entry::Prove => Choice::Prove,
            Entry::GoBack(snapshot) => Choice::Restore(snapshot),
            Entry::Undo(choice) => choice,
            Entry::SetAside => Choice::SetAside,
            Entry::RemoveOlder => return self.remove_older(&lab),
            Entry::RemoveBeside(name) => return self.remove_beside(&lab, vec![name]),
            Entry::Adopt => {
                self.ask_to_adopt(&lab);
                return vec![];
            }
            Entry::Remove => {
                self.ask_to_remove(&lab);
                return vec![];
            }
            Entry::Start => return self.start_job(Job::Start(lab.name)),
            Entry::Stop => return self.stop_lab(lab.name),
            Entry::Run(entry) => return self.run_entry(lab.name, entry),
            Entry::Shell => return vec![Effect::Errand(Errand::Shell(lab.name))],
            Entry::Skip | Entry::Restore | Entry::Unended(_) => return vec![],
        };
        let asks = matches!(choice, Choice::Create | Choice::Recreate);
        self.begin(vec![Pick {
            lab: lab.name,
            stage: lab.stage,
            choice,
            asks,
        }])
    }

    /// Stops a lab; asks before where jobs end with it.
    pub(in crate::app) fn stop_lab(&mut self, lab: String) -> Vec<Effect> {
        let under: Vec<String> = self
            .world
            .iter()
            .flat_map(World::under_way)
            .filter(|work| work.instance == lab)
            .map(|work| format!("the job {} ({}), which runs in it", work.id, work.title))
            .collect();
        let seen = self.seen(&lab);
        if under.is_empty() {
            return self.start_job(Job::Stop(lab, seen));
        }
        let stop = Then::Do(Job::Stop(lab.clone(), seen));
        let mut confirm = Confirm::new(format!("Stop {lab}?"), "Stop it", stop);
        confirm.loses = under.iter().map(|line| crate::log::sanitize(line)).collect();
        confirm.keeps = vec!["what they wrote until then, and everything inside the lab".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
        vec![]
    }

    fn ask_to_adopt(&mut self, lab: &Lab) {
        let mut confirm = Confirm::new(
            format!("Adopt {}?", lab.name),
            "Adopt",
            Then::Plan(lab.name.clone(), Choice::Adopt),
        );
        confirm.text = vec![
            format!(
                "halolab did not make the instance \"{}\" and has not touched it.",
                lab.name
            ),
            "Adopted, it can be restored, updated and recreated here like any other lab.".into(),
        ];
        confirm.keeps = vec!["everything inside, its snapshots, its devices".into()];
        confirm.name = Some((lab.name.clone(), entry::Entry::default()));
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    fn ask_to_remove(&mut self, lab: &Lab) {
        let mut confirm = Confirm::new(
            format!("Remove {}?", lab.name),
            "Show the plan",
            Then::Plan(lab.name.clone(), Choice::Remove),
        );
        confirm.loses = vec![match lab.snapshots {
            0 => format!("the lab {} with all that is inside", lab.name),
            1 => format!("the lab {} with all that is inside, and its snapshot", lab.name),
            many => format!(
                "the lab {} with all that is inside, and its {many} snapshots",
                lab.name
            ),
        }];
        confirm.keeps = vec!["what is on its data mounts; the plan names it".into()];
        confirm.text = vec!["This cannot be undone. \"Set aside\" instead keeps it whole, and can.".into()];
        confirm.name = Some((lab.name.clone(), entry::Entry::default()));
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }
}
