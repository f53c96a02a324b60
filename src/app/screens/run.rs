//! The run: its log, stopping it, and its result.

use crate::{
    app::{
        dialog::{Confirm, Dialog, Then},
        keys::Intent,
        model::{Model, Screen},
        msg::{Effect, Errand, Tone},
        run_view::RunView,
        update::moved,
    },
    plan::Track,
    run::{Event, Outcome},
    ui,
};

impl Model {
    pub(in crate::app) fn take_event(&mut self, event: Event) -> Vec<Effect> {
        let (now, rows) = (self.now, usize::from(self.size.1));
        let hear = |run: &mut RunView| run.hear(event, now, rows);
        self.run.as_mut().and_then(hear).into_iter().collect()
    }

    pub(in crate::app) fn take_outcome(&mut self, outcome: Outcome) -> Vec<Effect> {
        let Some(run) = &mut self.run else {
            return vec![];
        };
        run.ended = Some(self.now);
        let quit = run.then_quit;
        let code = outcome.code;
        let tuned = run.plan.is_tuned();
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
        [Effect::Look].into_iter().chain(machine).collect()
    }

    pub(in crate::app) fn take_found(&mut self, lab: &str, line: Option<usize>) -> Vec<Effect> {
        let height = ui::log_height(self);
        let rows = usize::from(self.size.1);
        let Some(log) = self
            .run
            .as_mut()
            .and_then(|r| r.logs.iter_mut().find(|l| l.lab == lab))
        else {
            return vec![];
        };
        log.go_to(line, height);
        let effect = log.wish(rows);
        if line.is_none() {
            self.say(Tone::Warning, "not found");
        }
        effect.into_iter().collect()
    }

    /// The window changed: the log shows another number of lines.
    pub(in crate::app) fn reread_log(&mut self) -> Vec<Effect> {
        let rows = usize::from(self.size.1);
        let log = self.run.as_mut().and_then(RunView::log_mut);
        log.and_then(|log| log.wish(rows)).into_iter().collect()
    }

    pub(in crate::app) fn on_run(&mut self, intent: Intent) -> Vec<Effect> {
        let height = ui::log_height(self);
        let Some(run) = &mut self.run else {
            self.back();
            return vec![];
        };
        let running = run.is_running();
        match intent {
            Intent::Back if running => self.ask_to_stop(false),
            Intent::Back | Intent::Enter if !running => {
                self.stack.pop();
                self.open(Screen::Result);
            }
            Intent::Zoom => run.zoomed = !run.zoomed,
            Intent::Wrap => run.wrap = !run.wrap,
            Intent::Search => run.typing = true,
            Intent::NextMatch | Intent::PreviousMatch => {
                return find(run, intent == Intent::NextMatch);
            }
            Intent::Next | Intent::Previous => {
                let count = run.logs.len().max(1);
                let step = if intent == Intent::Next { 1 } else { count - 1 };
                run.shown = (run.shown + step) % count;
                run.picked = true;
            }
            _ => {
                if let Some(log) = run.log_mut() {
                    scroll(log, intent, height);
                }
            }
        }
        self.reread_log()
    }

    pub(in crate::app) fn on_search(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(run) = &mut self.run else {
            return vec![];
        };
        run.typing = false;
        if intent == Intent::Enter {
            if let Some(log) = run.log_mut() {
                log.hit = None;
            }
            return find(run, true);
        }
        vec![]
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
        match intent {
            Intent::Enter => self.back_to_labs(),
            Intent::Back => {
                self.stack.pop();
                self.open(Screen::Run);
                return self.reread_log();
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

fn scroll(log: &mut crate::app::run_view::LogPane, intent: Intent, height: usize) {
    let page = height.saturating_sub(1).max(1).cast_signed();
    match intent {
        Intent::Up => log.scroll(-1, height),
        Intent::Down => log.scroll(1, height),
        Intent::PageUp => log.scroll(-page, height),
        Intent::PageDown => log.scroll(page, height),
        Intent::Top => log.top = Some(0),
        Intent::Bottom | Intent::Follow => log.top = None,
        Intent::Left | Intent::Right => log.sideways(intent == Intent::Right),
        _ => {}
    }
}

fn find(run: &mut RunView, forward: bool) -> Vec<Effect> {
    let needle = run.search.text().to_owned();
    let Some(log) = run.log_mut().filter(|_| !needle.is_empty()) else {
        return vec![];
    };
    vec![Effect::Find {
        lab: log.lab.clone(),
        needle,
        from: log.search_from(forward),
        forward,
    }]
}
