//! The run: its log, stopping it, and its result.

use crossterm::event::KeyEvent;

use crate::{
    app::{
        build::Known,
        dialog::{Confirm, Dialog, Then},
        keys::Intent,
        model::{Model, Screen},
        msg::{Effect, Errand, Msg, Tone},
        run_view::RunView,
        update::moved,
    },
    plan::Track,
    run::{Event, Outcome, RESTART},
    ui, view,
};

/// With fewer rows the build does not appear by itself.
const ROWS: u16 = 8;

impl Model {
    pub(in crate::app) fn take_event(&mut self, event: Event) -> Vec<Effect> {
        if let Some(run) = &mut self.run {
            run.hear(event, self.now);
        }
        self.read_logs()
    }

    pub(in crate::app) fn take_outcome(&mut self, outcome: Outcome) -> Vec<Effect> {
        let Some(run) = &mut self.run else {
            return vec![];
        };
        run.ended = Some(self.now);
        let quit = run.then_quit;
        let code = outcome.code;
        let tuned = run.plan.is_tuned();
        if code == RESTART {
            self.restart = Some(outcome.summary.join("\n"));
        }
        run.outcome = Some(outcome);
        // A question about a run that is over has no meaning any more.
        if let Some(Dialog::Confirm(confirm)) = &self.dialog
            && matches!(confirm.then, Then::Stop | Then::StopAndQuit)
        {
            self.dialog = None;
        }
        if code == 0 {
            // What was typed for these labs is stored on them now.
            for pick in std::mem::take(&mut self.wizard.picks) {
                self.wizard.forms.remove(&pick.lab);
            }
            self.labs.marked.clear();
        }
        if self.screen() == Screen::Run {
            self.open(Screen::Result);
        }
        if quit {
            self.done = Some(code);
        }
        // What was changed of the boot configuration is told by the look at the machine.
        let machine = tuned.then_some(Effect::LookAtMachine);
        let removal = if code == 0 { self.after_removal() } else { vec![] };
        let update = self.after_update(code);
        let looks = [Effect::Look].into_iter().chain(machine);
        looks.chain(removal).chain(update).collect()
    }

    /// Asks for what the logs are to show and do not show yet.
    pub(in crate::app) fn read_logs(&mut self) -> Vec<Effect> {
        let area = ui::log_area(self);
        self.run.as_mut().map(|run| run.wish(area)).unwrap_or_default()
    }

    /// What was found out about the build of a lab.
    pub(in crate::app) fn take_build(&mut self, lab: &str, known: Known) -> Vec<Effect> {
        let roomy = ui::log_area(self).height >= ROWS;
        let on_screen = self.screen() == Screen::Run;
        let Some(run) = &mut self.run else {
            self.dirty = false;
            return vec![];
        };
        run.build.take(lab.to_owned(), known);
        let seen = on_screen && run.shown() == Some(lab);
        // Whoever is typing keeps the log where it is.
        let free = seen && roomy && run.is_at_work(lab) && !run.viewer.is_typing();
        if free && run.build.offer(lab) {
            return self.read_logs();
        }
        self.dirty = seen && run.build.shown;
        vec![]
    }

    /// Shows the build beside the log, or hides it.
    fn toggle_build(&mut self) {
        if let Some(run) = &mut self.run {
            run.build.toggle();
        }
    }

    /// A key while the build has them.
    pub(in crate::app) fn on_build(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(run) = &mut self.run else { return vec![] };
        match intent {
            Intent::Back => run.build.focus = false,
            Intent::Next | Intent::View(view::Intent::NextPane) => {
                // Round: past the build come the first pane or the next log.
                run.build.focus = false;
                if run.viewer.panes.len() > 1 {
                    run.viewer.focus = 0;
                } else if run.labs.len() > 1 {
                    return self.on_log(view::Intent::NextLog);
                }
            }
            Intent::View(view::Intent::Build) => self.toggle_build(),
            Intent::View(_) => return self.on_run(intent),
            _ => {
                let Some(lab) = run.shown().map(str::to_owned) else {
                    return vec![];
                };
                if let Some(offset) = run.build.update(&lab, intent)
                    && let Some(log) = run.labs.iter().position(|l| *l == lab)
                {
                    run.picked = true;
                    run.viewer.show_place(log, offset);
                }
            }
        }
        self.read_logs()
    }

    pub(in crate::app) fn select_in_build(&mut self, row: usize) {
        if let Some(run) = &mut self.run
            && let Some(lab) = run.shown().map(str::to_owned)
        {
            run.build.select(&lab, row);
        }
    }

    /// What came of a log.
    pub(in crate::app) fn take_of_log(&mut self, msg: Msg) -> Vec<Effect> {
        let Some(run) = &mut self.run else { return vec![] };
        match msg {
            Msg::Turned(turned) => run.take(turned),
            Msg::Log(lab) => run.spoil(&lab),
            Msg::Saved(save, result) => run.viewer.take_saved(&save, result),
            Msg::Lines(text, cut) => {
                run.viewer.take_copied(&text, cut);
                return vec![Effect::Errand(Errand::Clipboard(text))];
            }
            Msg::Copied(path, editor) => return vec![Effect::Errand(Errand::Open(path, editor))],
            _ => {}
        }
        self.read_logs()
    }

    /// The same, for all that is shown.
    pub(in crate::app) fn reread_logs(&mut self) -> Vec<Effect> {
        if let Some(run) = &mut self.run {
            run.viewer.spoil();
        }
        self.read_logs()
    }

    pub(in crate::app) fn on_run(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(run) = &mut self.run else {
            self.back();
            return vec![];
        };
        let running = run.is_running();
        match intent {
            Intent::Back if run.viewer.pane().is_some_and(|p| p.select.is_some()) => {
                return self.on_log(view::Intent::Back);
            }
            Intent::Back if running => self.ask_to_stop(false),
            Intent::Back | Intent::Enter if !running => {
                self.stack.pop();
                self.open(Screen::Result);
            }
            Intent::View(view::Intent::Zoom) if run.viewer.panes.len() < 2 => run.zoomed = !run.zoomed,
            Intent::View(view::Intent::Build) => self.toggle_build(),
            Intent::View(view::Intent::NextPane)
                if run.build.shown && run.viewer.focus + 1 >= run.viewer.panes.len() =>
            {
                run.build.focus = true;
            }
            Intent::View(intent) => return self.on_log(intent),
            Intent::Up => return self.on_log(view::Intent::Up),
            Intent::Down => return self.on_log(view::Intent::Down),
            _ => {}
        }
        self.read_logs()
    }

    /// A key of the viewer.
    fn on_log(&mut self, intent: view::Intent) -> Vec<Effect> {
        let Some(run) = &mut self.run else { return vec![] };
        let before = run.viewer.pane().map(|p| p.log);
        let effects = run.viewer.update(intent);
        run.picked |= before != run.viewer.pane().map(|p| p.log);
        self.after_log(effects)
    }

    /// A key while the viewer asks something.
    pub(in crate::app) fn key_of_log(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(run) = &mut self.run else { return vec![] };
        let effects = run.viewer.key(key);
        self.after_log(effects)
    }

    fn after_log(&mut self, effects: Vec<view::Effect>) -> Vec<Effect> {
        let Some(run) = &self.run else { return vec![] };
        let lab = |log: usize| run.labs.get(log).cloned().unwrap_or_default();
        let outside = |effect: view::Effect| match &effect {
            view::Effect::Copy(log, _) => Some(Effect::HandOut(lab(*log), effect)),
            view::Effect::Open(what) => Some(Effect::HandOut(lab(what.log), effect)),
            view::Effect::Save(save) => Some(Effect::HandOut(lab(save.log), effect)),
            // Those keys are the screen's own here.
            view::Effect::Build(_) | view::Effect::Suspend | view::Effect::Redraw | view::Effect::Quit => {
                None
            }
        };
        let mut all: Vec<Effect> = effects.into_iter().filter_map(outside).collect();
        all.extend(self.read_logs());
        all
    }

    pub(in crate::app) fn ask_to_stop(&mut self, quit: bool) {
        let Some(run) = &self.run else { return };
        if run.stopping {
            self.say(
                Tone::Warning,
                "stopping: the action at work is brought to a safe end first",
            );
            return;
        }
        let then = if quit { Then::StopAndQuit } else { Then::Stop };
        let mut confirm = Confirm::new("Stop the run?".into(), "Stop", then);
        confirm.no = "Keep on";
        confirm.text = vec![
            "The action at work is brought to a safe end first; nothing further begins.".into(),
            "The journal keeps what was done: `halolab runs resume` goes on with it.".into(),
        ];
        confirm.keeps = vec!["what was there before, and each safety snapshot".into()];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    pub(in crate::app) fn on_result(&mut self, intent: Intent) -> Vec<Effect> {
        let rows = ui::result_rows(self);
        let page = self.page();
        let ways = self.ways();
        match intent {
            Intent::Enter if !ways.is_empty() => {
                let at = self.run.as_ref().map_or(0, |run| run.way);
                let way = ways.into_iter().nth(at);
                return way.map_or_else(Vec::new, |way| self.choose_way(way));
            }
            Intent::Up | Intent::Down if !ways.is_empty() => {
                if let Some(run) = &mut self.run {
                    run.way = moved(run.way, intent, ways.len(), page);
                }
            }
            Intent::Enter => self.back_to_labs(),
            Intent::Back => {
                self.stack.pop();
                self.open(Screen::Run);
                return self.reread_logs();
            }
            Intent::Shell => return self.shell_of_result(),
            Intent::Retry => return self.ask_to_go_on(),
            _ => {
                if let Some(run) = &mut self.run {
                    run.scroll = moved(run.scroll, intent, rows, page);
                }
            }
        }
        vec![]
    }

    /// Offers to go on with the run that did not end well.
    fn ask_to_go_on(&mut self) -> Vec<Effect> {
        self.resume.meant = None;
        let open = self.run.as_ref().filter(|run| run.can_go_on());
        let id = open.and_then(|run| run.id.clone());
        id.map(Effect::FindRun).into_iter().collect()
    }

    fn shell_of_result(&mut self) -> Vec<Effect> {
        if let Some(lab) = self.run.as_ref().and_then(ready) {
            return vec![Effect::Errand(Errand::Shell(lab))];
        }
        self.say(Tone::Warning, "no lab of this run is ready");
        vec![]
    }
}

/// The first lab of a run that nothing failed in.
fn ready(run: &RunView) -> Option<String> {
    let good = |t: &&Track| !run.failures.iter().any(|f| f.lab == t.lab);
    run.plan.labs.iter().find(good).map(|t| t.lab.clone())
}
