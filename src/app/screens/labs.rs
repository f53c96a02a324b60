//! The host's screen and the labs list.

use crate::{
    app::{
        keys::Intent,
        model::{Engine, Model, Pick, Screen},
        msg::{Effect, Errand, Tone},
        update::moved,
    },
    backend::Status,
    labs::Presence,
    plan::Choice,
};

impl Model {
    pub(in crate::app) fn on_welcome(&mut self, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Enter if self.is_asleep() => return self.begin(vec![]),
            Intent::Enter => match self.engine {
                Engine::Failed(_) => return self.look_again(),
                Engine::Looking | Engine::Ready | Engine::Absent(_) => self.open(Screen::Labs),
            },
            Intent::Retry => return self.look_again(),
            Intent::Machine => return self.open_host(),
            Intent::Workspaces => return self.open_workspaces(),
            _ => {
                let rows = crate::ui::welcome_rows(self);
                self.welcome_scroll = moved(self.welcome_scroll, intent, rows, self.page());
            }
        }
        vec![]
    }

    /// Whether an engine is installed that does not run: then the only plan is to start it.
    pub(crate) fn is_asleep(&self) -> bool {
        self.world.as_ref().is_some_and(|world| world.asleep.is_some())
    }

    /// Whether the lab under the cursor is Docker's: an LXD that sleeps is none of its business.
    fn is_of_docker(&self) -> bool {
        let lab = self.labs.current();
        lab.is_some_and(|lab| lab.engine == crate::backend::Engine::Docker)
    }

    pub(in crate::app) fn look_again(&mut self) -> Vec<Effect> {
        self.engine = Engine::Looking;
        self.looking_since = self.now;
        vec![Effect::Look]
    }

    pub(in crate::app) fn on_labs(&mut self, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Enter if self.is_asleep() && !self.is_of_docker() => return self.begin(vec![]),
            Intent::Enter if !self.labs.marked.is_empty() => return self.create_marked(),
            Intent::Enter => return self.open_menu(),
            Intent::Toggle => self.toggle_mark(),
            Intent::Shell => return self.shell_of_current(),
            Intent::Snapshots => return self.snapshots_of_current(),
            Intent::Retry => return self.look_again(),
            Intent::Machine => return self.open_host(),
            Intent::Workspaces => return self.open_workspaces(),
            Intent::Next => return self.open_jobs(),
            Intent::Undo => return self.ask_about_left(),
            Intent::Back => self.back(),
            _ => {
                self.labs.cursor = moved(self.labs.cursor, intent, self.labs.rows.len(), self.page());
            }
        }
        vec![]
    }

    fn toggle_mark(&mut self) {
        let Some(lab) = self.labs.current() else { return };
        if lab.presence != Presence::Missing {
            self.say(
                Tone::Warning,
                "only labs that are not made yet can be marked; enter opens this one",
            );
            return;
        }
        let name = lab.name.clone();
        if !self.labs.marked.remove(&name) {
            self.labs.marked.insert(name);
        }
    }

    fn create_marked(&mut self) -> Vec<Effect> {
        let marked = self
            .labs
            .rows
            .iter()
            .filter(|lab| self.labs.marked.contains(&lab.name));
        let picks = marked.map(|lab| Pick {
            lab: lab.name.clone(),
            stage: lab.stage.clone(),
            choice: Choice::Create,
            asks: true,
        });
        let picks = picks.collect();
        self.begin(picks)
    }

    fn open_menu(&mut self) -> Vec<Effect> {
        let Some(lab) = self.labs.current() else {
            return vec![];
        };
        let name = lab.name.clone();
        self.open_menu_of(&name)
    }

    /// The menu of a lab.
    pub(in crate::app) fn open_menu_of(&mut self, lab: &str) -> Vec<Effect> {
        self.picker.lab = lab.to_owned();
        self.picker.rows = None;
        self.menu_cursor = 0;
        self.open(Screen::Menu);
        vec![]
    }

    fn shell_of_current(&mut self) -> Vec<Effect> {
        let Some(lab) = self.labs.current() else {
            return vec![];
        };
        let (name, presence) = (lab.name.clone(), lab.presence);
        let running = lab.instance.as_ref().is_some_and(|i| i.status == Status::Running);
        match (presence, running) {
            _ if self.refuse_read_only() || self.refuse_stale() => vec![],
            (Presence::Ours | Presence::Unfinished, true) => {
                vec![Effect::Errand(Errand::Shell(name))]
            }
            (Presence::Ours | Presence::Unfinished, false) => {
                self.say(Tone::Warning, format!("{name} is not running; enter, then Start"));
                vec![]
            }
            (Presence::Missing, _) => {
                self.say(Tone::Warning, format!("{name} is not made yet; enter sets it up"));
                vec![]
            }
            (Presence::Foreign, _) => {
                self.say(
                    Tone::Warning,
                    format!("{name} was not made by halolab and is not touched"),
                );
                vec![]
            }
        }
    }

    fn snapshots_of_current(&mut self) -> Vec<Effect> {
        match self.labs.current() {
            Some(lab) if lab.presence == Presence::Ours => {
                let name = lab.name.clone();
                self.open_snapshots(&name)
            }
            _ => {
                self.say(Tone::Warning, "this lab has no snapshots of ours");
                vec![]
            }
        }
    }

    /// Says so where nothing may be changed.
    pub(in crate::app) fn refuse_read_only(&mut self) -> bool {
        if self.setup.read_only {
            self.say(
                Tone::Warning,
                "read-only: start halolab without --read-only to change anything",
            );
        }
        self.setup.read_only
    }

    /// Rows of a page of the lists and texts.
    pub(in crate::app) fn page(&self) -> usize {
        usize::from(self.size.1).saturating_sub(8).max(1)
    }
}
