//! From choices through their forms to a plan.

use crate::{
    app::{
        dialog::{Confirm, Dialog, Then},
        form::{Form, Row},
        keys::Intent,
        model::{Model, Pick, Review, Screen},
        msg::{Effect, Tone},
        update::moved,
    },
    plan::{Choice, Request, planner::HOST},
    stage::{Answers, BackendKind},
};

/// A key in a form; true where it says that the form is filled in.
pub(super) fn fill(form: &mut Form, intent: Intent, page: usize) -> bool {
    match intent {
        Intent::Enter if form.row() == Row::Continue => return true,
        Intent::Continue => return true,
        Intent::Enter | Intent::Down => form.step(1),
        Intent::Up => form.step(-1),
        Intent::Toggle | Intent::Right => form.change(true),
        Intent::Left => form.change(false),
        _ => {
            let to = moved(form.cursor, intent, form.rows().len(), page);
            form.step(to.cast_signed() - form.cursor.cast_signed());
        }
    }
    false
}

impl Model {
    /// Begins with these choices: their forms one after another, then the plan.
    pub(in crate::app) fn begin(&mut self, picks: Vec<Pick>) -> Vec<Effect> {
        if self.refuse_read_only() || self.refuse_stale() {
            return vec![];
        }
        self.workspaces.removal = None;
        let facts = self.facts();
        for pick in picks.iter().filter(|p| p.asks) {
            let former = self.former_answers(&pick.lab);
            if let Some(stage) = self.setup.catalog.get(&pick.stage) {
                let forms = &mut self.wizard.forms;
                forms
                    .entry(pick.lab.clone())
                    .or_insert_with(|| Form::new(&pick.lab, stage, &facts, &former));
            }
        }
        self.wizard.picks = self.with_host(picks);
        self.wizard.at = 0;
        self.next_form(0);
        vec![]
    }

    /// The same, and this machine last, where something is made and its options decide about more than the lab's.
    fn with_host(&mut self, mut picks: Vec<Pick>) -> Vec<Pick> {
        // Labs of Docker need neither a pool nor another engine.
        let of_docker = |p: &Pick| {
            let stage = self.setup.catalog.get(&p.stage);
            stage.is_some_and(|stage| stage.backend == BackendKind::Docker)
        };
        let makes = |p: &Pick| matches!(p.choice, Choice::Create | Choice::Recreate) && !of_docker(p);
        let form = self.world.as_ref().filter(|_| picks.iter().any(makes));
        let form = form.and_then(|world| Form::of_host(world, &self.setup.catalog));
        if let Some(form) = form {
            self.wizard.forms.entry(HOST.into()).or_insert(form);
            picks.push(Pick {
                lab: HOST.into(),
                stage: HOST.into(),
                choice: Choice::Skip,
                asks: true,
            });
        }
        picks
    }

    /// What the lab was made with, so that making it again asks nothing twice.
    fn former_answers(&self, lab: &str) -> Answers {
        let world = self.world.as_ref();
        world.map_or_else(Answers::new, |world| {
            crate::plan::planner::former_answers(world, lab)
        })
    }

    /// Shows the next form from a pick on; after the last one, the plan.
    fn next_form(&mut self, from: usize) {
        let asks = |pick: &Pick| pick.asks && self.wizard.forms.get(&pick.lab).is_some_and(|f| !f.is_empty());
        let next = self.wizard.picks.iter().skip(from).position(asks);
        match next {
            Some(index) => {
                self.wizard.at = from + index;
                self.open(Screen::Options);
            }
            None => self.review(),
        }
    }

    /// Makes the plan under review anew, from what is there now.
    pub(in crate::app) fn plan_again(&mut self) {
        // A run that goes on has its plan, and an image is built of what the settings say.
        let own = self.wizard.picks.is_empty();
        if self.review.as_ref().is_some_and(|r| own || r.goes_on.is_some()) {
            return;
        }
        let before = self.review.take().map(|r| r.plan.digest());
        self.back();
        self.review();
        match &self.review {
            Some(review) if before == Some(review.plan.digest()) => {}
            Some(_) => self.say(
                Tone::Warning,
                "things changed meanwhile: this is another plan now",
            ),
            None => {}
        }
    }

    fn review(&mut self) {
        let Some(world) = &self.world else {
            self.say(Tone::Bad, "the engine has not been looked at yet; r looks again");
            return;
        };
        let requests: Vec<Request> = self.wizard.picks.iter().map(|p| self.request(p)).collect();
        let mut world = world.clone();
        if let Some(Ok(rows)) = &self.picker.rows {
            let taken = rows.iter().map(|row| (row.name.clone(), row.created.clone()));
            world.taken.insert(self.picker.lab.clone(), taken.collect());
        }
        match (self.setup.planner)(&world, &self.setup.catalog, &requests) {
            Ok(plan) if plan.is_empty() => self.say(Tone::Good, "there is nothing to do"),
            Ok(plan) => {
                self.review = Some(Review {
                    apply: !plan.takes(),
                    plan,
                    scroll: 0,
                    goes_on: None,
                });
                self.open(Screen::Review);
            }
            Err(error) => self.say(Tone::Bad, error.to_string()),
        }
    }

    fn request(&self, pick: &Pick) -> Request {
        let form = self.wizard.forms.get(&pick.lab).filter(|_| pick.asks);
        Request {
            lab: pick.lab.clone(),
            stage: pick.stage.clone(),
            choice: pick.choice.clone(),
            answers: form.map(Form::answers).unwrap_or_default(),
        }
    }

    /// The plan of one choice that needs no form.
    pub(in crate::app) fn plan_for(&mut self, lab: &str, choice: Choice) -> Vec<Effect> {
        let stage = self.labs.get(lab).map(|l| l.stage.clone()).unwrap_or_default();
        self.begin(vec![Pick {
            lab: lab.into(),
            stage,
            choice,
            asks: false,
        }])
    }

    pub(in crate::app) fn on_options(&mut self, intent: Intent) -> Vec<Effect> {
        if intent == Intent::Back {
            self.form_before();
            return vec![];
        }
        let page = self.page();
        let Some(form) = self.form_mut() else {
            self.back();
            return vec![];
        };
        if fill(form, intent, page) {
            return self.form_done();
        }
        vec![]
    }

    fn form_done(&mut self) -> Vec<Effect> {
        if self.form_mut().is_some_and(Form::check) {
            self.next_form(self.wizard.at + 1);
        } else {
            self.say(Tone::Bad, "a field needs another value; it says which");
        }
        vec![]
    }

    /// Esc: the form before, else the screen before. What was typed stays.
    fn form_before(&mut self) {
        let before = self.wizard.picks.get(..self.wizard.at).unwrap_or_default();
        match before.iter().rposition(|p| p.asks) {
            Some(index) => self.wizard.at = index,
            None if self.is_filled_in() => self.ask_to_leave(
                Then::LeaveOptions,
                "What you filled in is kept until halolab ends; choosing the same again shows it.",
            ),
            None => self.back(),
        }
    }

    /// Whether a plan is being put together with answers that somebody filled in.
    pub(in crate::app) fn is_filled_in(&self) -> bool {
        let user = self
            .workspaces
            .form
            .as_ref()
            .filter(|_| self.stack.contains(&Screen::User));
        if user.is_some_and(|filled| filled.form.is_changed()) {
            return true;
        }
        let at_work = self
            .stack
            .iter()
            .any(|s| matches!(s, Screen::Options | Screen::Review));
        let forms = self.wizard.picks.iter().filter(|p| p.asks);
        at_work
            && forms
                .filter_map(|p| self.wizard.forms.get(&p.lab))
                .any(Form::is_changed)
    }

    /// Asks before what was filled in is left; to stay is marked.
    pub(in crate::app) fn ask_to_leave(&mut self, then: Then, what: &str) {
        let (title, yes) = match then {
            Then::Quit(_) => ("Quit without doing it?", "Quit"),
            _ => ("Leave the options?", "Leave"),
        };
        let mut confirm = Confirm::new(title.into(), yes, then);
        confirm.no = "Stay";
        confirm.text = vec![
            "You filled in options, and nothing was done with them yet.".into(),
            what.into(),
        ];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }
}
