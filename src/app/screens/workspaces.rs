//! What the keys do on the workspaces' screen.

use crate::{
    app::{
        keys::Intent,
        model::{Model, Pick, Screen},
        msg::{Effect, Errand, Job, Tone},
        update::moved,
        workspaces::{Item, Standing, Wish},
    },
    plan::Choice,
    workspace::{probe::Report, services, shown, spec},
};

/// Seconds between two questions to services while the screen is open.
const AGAIN: u64 = 5;

impl Model {
    /// Opens the workspaces' screen.
    pub(in crate::app) fn open_workspaces(&mut self) -> Vec<Effect> {
        self.workspaces.inside = None;
        self.open(Screen::Workspaces);
        let mut effects = vec![Effect::Workspaces(Wish::Read)];
        effects.extend(self.ask_services());
        effects
    }

    /// Asks the services of all that run, unless they are being asked.
    pub(in crate::app) fn ask_services(&mut self) -> Vec<Effect> {
        let users = self.running_users();
        if users.is_empty() || self.workspaces.asking {
            return vec![];
        }
        self.workspaces.asking = true;
        vec![Effect::Workspaces(Wish::Ask(users))]
    }

    /// Once a second while the screen is open.
    pub(in crate::app) fn watch_services(&mut self) -> Vec<Effect> {
        if self.now.saturating_sub(self.workspaces.asked) < AGAIN {
            return vec![];
        }
        self.ask_services()
    }

    /// The lines of the details of the user under the cursor.
    pub(crate) fn workspace_items(&self) -> Vec<Item> {
        let (Some(book), Some(row)) = (self.book(), self.workspace()) else {
            return vec![];
        };
        let ways = row.user.map(|user| shown::ways(&book.ground, row.name, user));
        let ways = ways.unwrap_or_default().into_iter().map(|(service, way)| Item {
            name: service.name().to_owned(),
            copied: way,
            service: true,
        });
        let nested = row.user.is_some_and(|user| user.docker).then(|| Item {
            name: "dind".into(),
            copied: String::new(),
            service: true,
        });
        let folders = spec::folders(&book.ground.settings.root, row.name).into_iter();
        let folders = folders.map(|folder| Item {
            name: folder.id.to_owned(),
            copied: folder.source.display().to_string(),
            service: false,
        });
        ways.chain(nested).chain(folders).collect()
    }

    /// What was found out of a service of the user under the cursor, where it runs.
    pub(crate) fn report_of(&self, user: &str, service: &str) -> Option<&Report> {
        let looked = self.workspaces.health.get(user)?;
        looked.reports.iter().find(|report| report.service == service)
    }

    pub(in crate::app) fn on_workspaces(&mut self, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Back if self.workspaces.inside.is_some() => self.workspaces.inside = None,
            Intent::Back => self.back(),
            Intent::Next => self.enter_details(),
            Intent::Retry => {
                let mut effects = self.look_again();
                effects.push(Effect::Workspaces(Wish::Read));
                effects.extend(self.ask_services());
                return effects;
            }
            Intent::Ports => {
                self.workspaces.scroll = 0;
                self.open(Screen::Ports);
                return vec![Effect::Workspaces(Wish::Read)];
            }
            Intent::Copy => return self.copy_way(),
            Intent::New => return self.fill_in_user(true),
            Intent::Settings => return self.fill_in_all(),
            Intent::BuildImage => return self.plan_image(),
            Intent::Compose => self.ask_for_compose(),
            _ if is_about_user(intent) => return self.on_user(intent),
            _ => self.move_in_workspaces(intent),
        }
        vec![]
    }

    fn move_in_workspaces(&mut self, intent: Intent) {
        let page = self.page();
        if let Some(at) = self.workspaces.inside {
            let count = self.workspace_items().len();
            self.workspaces.inside = Some(moved(at, intent, count, page));
        } else {
            let count = self.workspace_rows().len();
            self.workspaces.cursor = moved(self.workspaces.cursor, intent, count, page);
        }
    }

    fn enter_details(&mut self) {
        let some = !self.workspace_items().is_empty();
        self.workspaces.inside = match self.workspaces.inside {
            None if some => Some(0),
            _ => None,
        };
    }

    /// The way to the service under the cursor; with the cursor on a user the one to their shell.
    fn copy_way(&mut self) -> Vec<Effect> {
        let items = self.workspace_items();
        let at = self.workspaces.inside.unwrap_or(0);
        let Some(item) = items.get(at).filter(|item| !item.copied.is_empty()) else {
            self.say(Tone::Warning, "there is no address to copy here");
            return vec![];
        };
        self.say(Tone::Good, format!("copied: {}", item.copied));
        vec![Effect::Errand(Errand::Clipboard(item.copied.clone()))]
    }

    fn on_user(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(row) = self.workspace() else {
            self.say(Tone::Warning, "nobody has a workspace yet; a adds somebody");
            return vec![];
        };
        let (name, there) = (row.name.to_owned(), row.user.is_some());
        if intent == Intent::Enter && self.labs.get(&spec::lab(&name)).is_none() {
            let text = if there {
                format!("{name} has no workspace yet; s makes and starts it")
            } else {
                format!("{name} was removed, and the data is kept; a with the same name brings it back")
            };
            self.say(Tone::Warning, text);
            return vec![];
        }
        if intent == Intent::Enter {
            return self.open_menu_of(&spec::lab(&name));
        }
        if intent != Intent::Logs && self.refuse_read_only() {
            return vec![];
        }
        if !there && !matches!(intent, Intent::Delete | Intent::Purge) {
            let text =
                format!("{name} was removed, and the data is kept; a with the same name brings it back");
            self.say(Tone::Warning, text);
            return vec![];
        }
        match intent {
            Intent::Change => self.fill_in_user(false),
            Intent::Toggle => self.toggle_user(&name),
            Intent::Delete => self.ask_to_remove_user(&name, false),
            Intent::Purge => self.ask_to_remove_user(&name, true),
            Intent::Passwords => self.ask_for_passwords(&name),
            Intent::Backup => {
                self.ask_for_backup(&name);
                vec![]
            }
            _ if self.refuse_stale() => vec![],
            Intent::PutBack => {
                self.ask_for_archive(&name);
                vec![]
            }
            Intent::Stop => self.stop_workspace(&name),
            Intent::Logs if self.standing(&name) == Standing::Running => {
                let service = self.service_under_cursor();
                vec![Effect::Errand(Errand::Logs(name, service))]
            }
            Intent::Restart if self.service_under_cursor().is_some() => self.restart_service(&name),
            Intent::Shell if self.standing(&name) == Standing::Running => {
                vec![Effect::Errand(Errand::Shell(spec::lab(&name)))]
            }
            Intent::Shell | Intent::Logs => {
                self.say(Tone::Warning, format!("{name} does not run; s starts it"));
                vec![]
            }
            _ => self.make_ready(&name, intent),
        }
    }

    /// The service that the cursor is on.
    fn service_under_cursor(&self) -> Option<String> {
        let items = self.workspace_items();
        let item = items.into_iter().nth(self.workspaces.inside?)?;
        item.service.then_some(item.name)
    }

    /// Begins a service anew; asks before where somebody's work ends by it.
    fn restart_service(&mut self, name: &str) -> Vec<Effect> {
        let parts = self
            .service_under_cursor()
            .and_then(|service| services::named(&service));
        let Some(parts) = parts else { return vec![] };
        if self.standing(name) != Standing::Running {
            self.say(Tone::Warning, format!("{name} does not run; s starts it"));
            return vec![];
        }
        if parts.ends.is_empty() {
            self.say(Tone::Good, format!("{} of {name} is begun anew", parts.service));
            return vec![Effect::Workspaces(Wish::Service(
                name.to_owned(),
                parts.service.to_owned(),
            ))];
        }
        self.ask_to_restart(name, parts);
        vec![]
    }

    fn stop_workspace(&mut self, name: &str) -> Vec<Effect> {
        if self.standing(name) == Standing::Running {
            return self.stop_lab(spec::lab(name));
        }
        self.say(Tone::Warning, format!("{name} does not run"));
        vec![]
    }

    /// Start, restart and update: what the workspace needs is made first, then the plan is shown.
    fn make_ready(&mut self, name: &str, intent: Intent) -> Vec<Effect> {
        let user = self.workspace().and_then(|row| row.user);
        if user.is_some_and(|user| user.disabled) {
            self.say(Tone::Warning, format!("{name} is disabled; x enables it"));
            return vec![];
        }
        let choice = match (self.standing(name), intent) {
            (Standing::Unknown, _) => {
                let why = self
                    .docker_away()
                    .unwrap_or("the engine does not answer")
                    .to_owned();
                self.say(Tone::Warning, why);
                return vec![];
            }
            (Standing::Foreign, _) => {
                let text = format!("a container ws-{name} was not made by halolab and is not touched");
                self.say(Tone::Warning, text);
                return vec![];
            }
            (Standing::Running, Intent::Start) => {
                self.say(
                    Tone::Warning,
                    format!("{name} runs already; R gives it what was changed"),
                );
                return vec![];
            }
            (Standing::Unmade | Standing::Unfinished | Standing::Missing, Intent::Start) => Choice::Create,
            (Standing::Unmade | Standing::Unfinished | Standing::Missing, _) => {
                self.say(
                    Tone::Warning,
                    format!("{name} has no workspace yet; s makes and starts it"),
                );
                return vec![];
            }
            (_, Intent::Update) => Choice::Recreate,
            _ => Choice::Renew,
        };
        let lab = spec::lab(name);
        vec![Effect::Workspaces(Wish::Ready(Pick {
            stage: lab.clone(),
            lab,
            choice,
            asks: false,
        }))]
    }

    fn plan_image(&mut self) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_stale() {
            return vec![];
        }
        let compute = match self.facts().get("compute") {
            Some(crate::host::Fact::Text(compute)) => compute.clone(),
            _ => String::new(),
        };
        vec![Effect::Workspaces(Wish::Build(false, compute))]
    }

    pub(in crate::app) fn on_ports(&mut self, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Back => self.back(),
            Intent::Retry => return vec![Effect::Workspaces(Wish::Read)],
            _ => {
                let rows = crate::ui::ports_rows(self);
                self.workspaces.scroll = moved(self.workspaces.scroll, intent, rows, self.page());
            }
        }
        vec![]
    }

    /// Stops and disables, or enables.
    fn toggle_user(&mut self, name: &str) -> Vec<Effect> {
        let disabled = self
            .workspace()
            .and_then(|row| row.user)
            .is_some_and(|user| user.disabled);
        if disabled {
            return vec![Effect::Workspaces(Wish::Enable(name.to_owned()))];
        }
        if self.standing(name) != Standing::Running {
            return vec![Effect::Workspaces(Wish::Disable(name.to_owned(), None))];
        }
        self.ask_to_disable(name);
        vec![]
    }

    /// What a small job would be that stops a workspace.
    pub(in crate::app) fn stop_of(&self, name: &str) -> Job {
        let lab = spec::lab(name);
        let seen = self.seen(&lab);
        Job::Stop(lab, seen)
    }
}

/// Whether a key is about the user under the cursor.
fn is_about_user(intent: Intent) -> bool {
    matches!(
        intent,
        Intent::Enter
            | Intent::Change
            | Intent::Start
            | Intent::Stop
            | Intent::Restart
            | Intent::Update
            | Intent::Shell
            | Intent::Logs
            | Intent::Toggle
            | Intent::Delete
            | Intent::Purge
            | Intent::Backup
            | Intent::PutBack
            | Intent::Passwords
    )
}
