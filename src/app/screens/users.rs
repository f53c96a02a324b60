//! Users of workspaces: their forms, the questions before they are stopped or removed, and what came of it.

use std::sync::Arc;

use crate::{
    app::{
        dialog::{Confirm, Dialog, Then},
        entry::Entry,
        keys::Intent,
        model::{Model, Pick, Review, Screen},
        msg::{Effect, Job, Tone},
        workspaces::{Asked, Filed, News, Standing, Subject, UserForm, Wish},
    },
    labs::counted,
    plan::Choice,
    workspace::{services::Parts, spec, users},
};

use super::options::fill;

impl Model {
    /// The form of somebody new, or of the user under the cursor.
    pub(in crate::app) fn fill_in_user(&mut self, new: bool) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_broken_book() {
            return vec![];
        }
        let form = match self.workspace() {
            _ if new => UserForm::new_user(),
            Some(row) => match row.user {
                Some(user) => UserForm::of(row.name, user),
                None => return vec![],
            },
            None => return vec![],
        };
        self.workspaces.form = Some(Box::new(form));
        self.open(Screen::User);
        vec![]
    }

    /// The form of what is said of all users.
    pub(in crate::app) fn fill_in_all(&mut self) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_broken_book() {
            return vec![];
        }
        if let Some(book) = self.book() {
            let form = UserForm::settings(&book.ground.settings);
            self.workspaces.form = Some(Box::new(form));
            self.open(Screen::User);
        }
        vec![]
    }

    /// Says why nothing can be filled in.
    fn refuse_broken_book(&mut self) -> bool {
        let why = match &self.workspaces.book {
            Some(Ok(_)) => return false,
            Some(Err(why)) => why.clone(),
            None => "workspaces.toml is being read; try again".to_owned(),
        };
        self.say(Tone::Warning, why);
        true
    }

    pub(in crate::app) fn on_user_form(&mut self, intent: Intent) -> Vec<Effect> {
        let page = self.page();
        let Some(filled) = &mut self.workspaces.form else {
            self.back();
            return vec![];
        };
        let form = &mut filled.form;
        match intent {
            Intent::Back if form.is_changed() => {
                self.ask_to_leave(Then::LeaveOptions, "What you filled in is thrown away.");
            }
            Intent::Back => {
                self.workspaces.form = None;
                self.back();
            }
            intent if fill(form, intent, page) => return self.send_user_form(),
            _ => {}
        }
        vec![]
    }

    fn send_user_form(&mut self) -> Vec<Effect> {
        let Some(Ok(book)) = self.workspaces.book.clone() else {
            return vec![];
        };
        let Some(filled) = &mut self.workspaces.form else {
            return vec![];
        };
        filled.form.errors.clear();
        let wish = match filled.of {
            Subject::Settings => {
                let all = filled.all(&book.ground.settings);
                all.map(|settings| Wish::Setup(Box::new(settings)))
            }
            _ => filled.order(&book.ground).map(|order| Wish::Put(Box::new(order))),
        };
        match wish {
            Ok(wish) => return vec![Effect::Workspaces(wish)],
            Err(complaint) => self.complain(complaint),
        }
        vec![]
    }

    fn complain(&mut self, complaint: (&'static str, String)) {
        let left = match &mut self.workspaces.form {
            Some(filled) => filled.complain(complaint),
            None => Some(complaint.1),
        };
        let text = left.unwrap_or_else(|| "a field needs another value; it says which".into());
        self.say(Tone::Bad, text);
    }

    pub(in crate::app) fn take_workspaces(&mut self, news: News) -> Vec<Effect> {
        match news {
            News::Book(book) => {
                self.workspaces.book = Some(book.map(|book| Arc::new(*book)));
                let last = self.workspace_rows().len().saturating_sub(1);
                self.workspaces.cursor = self.workspaces.cursor.min(last);
            }
            News::Asked(asked) => self.take_asked(asked),
            News::Done(said) => {
                if self.screen() == Screen::User {
                    self.go_to_new_user();
                    self.workspaces.form = None;
                    self.back();
                }
                // What was done may show in the services.
                self.workspaces.asked = 0;
                let warns = said.iter().any(|text| text.starts_with("WARNING"));
                self.say(if warns { Tone::Warning } else { Tone::Good }, said.join("\n"));
            }
            News::Not(key, why) => match key {
                Some(key) if self.screen() == Screen::User => self.complain((key, why)),
                _ => self.say(Tone::Bad, why),
            },
            // Whether the image is there was not looked at for a user who has a slot only now.
            News::Ready(pick, notes) => {
                self.workspaces.pending = Some((pick, notes));
                return vec![Effect::Look];
            }
            News::Occupied(user, path) => self.ask_to_replace(user, path),
            News::Waits(text) => self.say(Tone::Good, text),
            News::Waited(user, waited) => return self.take_waited(&user, waited),
            News::WayBack(user, way) => return self.take_way_back(&user, way),
            News::Planned(plan, said) => {
                self.wizard.picks.clear();
                self.workspaces.removal = None;
                self.review = Some(Review {
                    apply: !plan.takes(),
                    plan: *plan,
                    scroll: 0,
                    goes_on: None,
                });
                self.say(Tone::Good, said);
                self.open(Screen::Review);
            }
        }
        vec![]
    }

    /// The cursor goes to who was added.
    fn go_to_new_user(&mut self) {
        let name = match &self.workspaces.form {
            Some(filled) if filled.of == Subject::New => filled.form.line_of("name"),
            _ => return,
        };
        let at = self.workspace_rows().iter().position(|row| row.name == name);
        self.workspaces.cursor = at.unwrap_or(self.workspaces.cursor);
    }

    fn take_asked(&mut self, asked: std::collections::BTreeMap<String, crate::app::workspaces::Looked>) {
        self.workspaces.asking = false;
        self.workspaces.asked = self.now;
        for (user, mut looked) in asked {
            let before = self.workspaces.health.get(&user);
            let spent = before.and_then(|before| {
                let (then, now) = (before.state.as_ref()?, looked.state.as_ref()?);
                // A container that was started anew counts from 0.
                let spent = now
                    .processor
                    .checked_sub(then.processor)
                    .filter(|_| then.processor > 0)?;
                let passed = looked.at.checked_sub(before.at).filter(|passed| *passed > 0)?;
                // Nanoseconds over milliseconds, in percent.
                spent.checked_div(passed.checked_mul(10_000)?)
            });
            looked.share = spent;
            self.workspaces.health.insert(user, looked);
        }
    }

    /// The engine was looked at with what was made ready for a user: that is planned.
    pub(in crate::app) fn plan_pending(&mut self) -> Vec<Effect> {
        let known = |(pick, _): &mut (Pick, Vec<String>)| self.labs.get(&pick.lab).is_some();
        let Some((pick, notes)) = self.workspaces.pending.take_if(known) else {
            return vec![];
        };
        if self.screen() != Screen::Workspaces || self.dialog.is_some() {
            return vec![];
        }
        let effects = self.begin(vec![pick]);
        if !notes.is_empty() && self.screen() == Screen::Review {
            self.say(Tone::Warning, notes.join("\n"));
        }
        effects
    }

    pub(in crate::app) fn ask_to_disable(&mut self, name: &str) {
        let mut confirm = Confirm::new(
            format!("Stop and disable {name}?"),
            "Disable",
            Then::Workspace(Asked::Disable(name.to_owned())),
        );
        confirm.text = vec!["The workspace is stopped, and not started again until x enables it.".into()];
        confirm.loses = vec!["what runs in it: sessions, notebooks, jobs".into()];
        confirm.keeps = vec!["everything inside, all data, and the ports".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    pub(in crate::app) fn ask_to_restart(&mut self, name: &str, service: Parts) {
        let mut confirm = Confirm::new(
            format!("Begin {} of {name} anew?", service.service),
            "Restart it",
            Then::Workspace(Asked::Service(name.to_owned(), service.service.to_owned())),
        );
        confirm.loses = vec![service.ends.to_owned()];
        confirm.keeps = vec!["the other services, and all data".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    pub(in crate::app) fn ask_for_passwords(&mut self, name: &str) -> Vec<Effect> {
        let mut confirm = Confirm::new(
            format!("New passwords for {name}?"),
            "New passwords",
            Then::Workspace(Asked::Rotate(name.to_owned())),
        );
        confirm.text = vec![
            "They are generated, and shown to nobody: `halolab workspace secrets show` prints them. Services take them at \
             their next start."
                .into(),
        ];
        confirm.loses = vec!["the passwords of now".into()];
        confirm.keeps = vec!["public keys, and what runs".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
        vec![]
    }

    /// Labs of a user that go with them: the container, and what updates kept of it.
    fn labs_of(&self, name: &str) -> Vec<String> {
        let lab = spec::lab(name);
        let Some(world) = &self.world else { return vec![] };
        let mut labs: Vec<String> = world.kept(&lab).into_iter().map(|kept| kept.name).collect();
        labs.extend(world.instance(&lab).is_some().then_some(lab));
        labs
    }

    pub(in crate::app) fn ask_to_remove_user(&mut self, name: &str, data: bool) -> Vec<Effect> {
        let standing = self.standing(name);
        if standing == Standing::Foreign {
            self.say(
                Tone::Warning,
                format!("the container ws-{name} was not made by halolab; it is not touched"),
            );
            return vec![];
        }
        let unknown = standing == Standing::Unknown;
        if unknown && data {
            let why = self
                .docker_away()
                .unwrap_or("the engine does not answer")
                .to_owned();
            self.say(
                Tone::Warning,
                format!("nothing was removed: whether {name} has a container is not known: {why}"),
            );
            return vec![];
        }
        self.ask_about_removal(name, data, unknown);
        vec![]
    }

    fn ask_about_removal(&mut self, name: &str, data: bool, unknown: bool) {
        let labs = self.labs_of(name);
        let shows = if labs.is_empty() {
            "Remove"
        } else {
            "Show the plan"
        };
        let title = if data {
            format!("Remove {name} with all data?")
        } else {
            format!("Remove {name}?")
        };
        let then = Then::Workspace(Asked::Remove(name.to_owned(), data));
        let mut confirm = Confirm::new(title, shows, then);
        if unknown {
            let text = "Whether there is a container is not known now. Its user stays known by the slot: remove it again then.";
            confirm.text.push(text.into());
        }
        let lab = self.labs.get(&spec::lab(name));
        if let Some(lab) = lab.filter(|lab| lab.instance.is_some()) {
            confirm.loses.push(format!(
                "the container {} with what was installed in it, and {}",
                lab.name,
                counted(lab.snapshots, "snapshot")
            ));
        }
        let versions = labs.iter().filter(|l| **l != spec::lab(name));
        confirm
            .loses
            .extend(versions.map(|version| format!("the earlier version {version}")));
        self.tell_data(&mut confirm, name, data);
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    /// What of a user's data stays, or goes for ever.
    fn tell_data(&self, confirm: &mut Confirm, name: &str, data: bool) {
        let Some(book) = self.book() else { return };
        let (folders, volume) = users::left(&book.ground, name);
        if data {
            confirm
                .loses
                .extend(folders.iter().map(|folder| format!("{folder}, for ever")));
            confirm
                .loses
                .push("the ports: they are given to somebody else".into());
            confirm.name = Some((name.to_owned(), Entry::default()));
        } else {
            confirm.keeps.extend(folders);
            confirm.keeps.push("the ports, for who comes back".into());
        }
        confirm.keeps.extend(volume);
    }

    /// After a yes.
    pub(in crate::app) fn do_asked(&mut self, asked: Asked) -> Vec<Effect> {
        match asked {
            Asked::Rotate(name) => vec![Effect::Workspaces(Wish::Rotate(name))],
            Asked::Service(name, service) => vec![Effect::Workspaces(Wish::Service(name, service))],
            Asked::Replace(name, path) => {
                let what = Filed::Restore(name, true);
                vec![Effect::Workspaces(Wish::File(what, path))]
            }
            Asked::Disable(name) => {
                let Job::Stop(_, seen) = self.stop_of(&name) else {
                    return vec![];
                };
                vec![Effect::Workspaces(Wish::Disable(name, Some(seen)))]
            }
            Asked::Remove(name, data) => {
                let labs = self.labs_of(&name);
                if labs.is_empty() {
                    return vec![Effect::Workspaces(Wish::Remove(name, data))];
                }
                let pick = |lab| Pick {
                    lab,
                    stage: spec::lab(&name),
                    choice: Choice::Remove,
                    asks: false,
                };
                let effects = self.begin(labs.into_iter().map(pick).collect());
                // Without a plan nobody agreed to anything.
                self.workspaces.removal = (self.screen() == Screen::Review).then_some((name, data));
                effects
            }
        }
    }

    /// A plan has ended well: whose container it removed goes, too.
    pub(in crate::app) fn after_removal(&mut self) -> Vec<Effect> {
        let Some((name, data)) = self.workspaces.removal.take() else {
            return vec![];
        };
        let lab = spec::lab(&name);
        let removed = self.run.iter().flat_map(|run| &run.plan.labs);
        let removed = removed.filter(|track| track.choice == Choice::Remove);
        let is_theirs = |track: &crate::plan::Track| track.lab == lab || track.stage == lab;
        if removed.into_iter().any(is_theirs) {
            return vec![Effect::Workspaces(Wish::Remove(name, data))];
        }
        vec![]
    }
}
