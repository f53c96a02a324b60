//! `Model::update`: takes in what happened, and says what is to be done. Touches nothing but the model.

use crossterm::event::{Event as Input, KeyEvent, MouseButton, MouseEvent, MouseEventKind};

use crate::{run::RESTART, ui};

use super::{
    dialog::{Dialog, Then},
    keys::{Intent, Place},
    model::{Model, Screen},
    msg::{Effect, Errand, Msg, Tone},
    zephyr::Wish,
};

impl Model {
    /// Takes in what happened.
    pub fn update(&mut self, msg: Msg) -> Vec<Effect> {
        self.dirty = true;
        match msg {
            Msg::Input(input) => self.input(input),
            Msg::Clock(now) => {
                let later = now != self.now;
                self.now = now;
                self.dirty = later && self.is_ticking();
                if later { self.look_at_what_grows() } else { vec![] }
            }
            Msg::Host(host) => {
                self.host = Some(*host);
                vec![]
            }
            Msg::Machine(machine) => self.take_machine(machine),
            Msg::Proposed(proposed) => self.take_proposed(proposed),
            Msg::Changed(ended) => self.take_changed(ended),
            Msg::Compared(of, lines) => self.take_compared(&of, lines),
            Msg::Stages(stages) => self.take_stages(*stages),
            Msg::World(Ok(world)) => self.take_world(*world),
            Msg::World(Err(missing)) => self.take_missing(missing),
            Msg::States(states) => {
                self.labs.states = states;
                vec![]
            }
            Msg::Snapshots(lab, rows) => self.take_snapshots(&lab, rows),
            Msg::Done(job, result) => self.take_done(&job, result),
            Msg::Unfinished(record) => self.take_unfinished(record),
            Msg::Other(holder) => self.take_holder(holder),
            Msg::Busy(holder) => self.take_busy(holder),
            Msg::Outdated(outdated) => self.take_outdated(*outdated),
            Msg::Started(id) => {
                if let Some(run) = &mut self.run {
                    run.id = Some(id);
                }
                vec![]
            }
            Msg::Run(event) => self.take_event(event),
            Msg::Ended(outcome) => self.take_outcome(outcome),
            Msg::Turned(_) | Msg::Log(_) | Msg::Saved(..) | Msg::Lines(..) | Msg::Copied(..) => {
                self.take_of_log(msg)
            }
            Msg::Build(lab, known) => self.take_build(&lab, known),
            Msg::Jobs(rows) => self.take_jobs(rows),
            Msg::JobDone(done) => self.take_job_done(done),
            Msg::Zephyr(news) => self.take_zephyr(news),
            Msg::Workspaces(news) => self.take_workspaces(news),
            Msg::Bundled(result) => self.take_bundled(result),
            Msg::Returned(errand, result) => self.take_returned(&errand, result),
            Msg::Said(text) => {
                self.say(Tone::Warning, text);
                vec![]
            }
            Msg::Suspend => vec![Effect::Errand(Errand::Suspend)],
            Msg::Ordered(code) => {
                let running = self.is_running();
                self.done = Some(code);
                running.then_some(Effect::Cancel).into_iter().collect()
            }
        }
    }

    /// Once a second: that a log grew is told at most so often, the last of a burst is found by looking.
    fn look_at_what_grows(&mut self) -> Vec<Effect> {
        if self.is_running() {
            self.reread_logs()
        } else if self.screen() == Screen::Jobs {
            self.read_jobs()
        } else if self.screen() == Screen::Workspaces {
            self.watch_services()
        } else {
            vec![]
        }
    }

    fn take_returned(&mut self, errand: &Errand, result: Result<String, String>) -> Vec<Effect> {
        if let Errand::Edit(run, id, before) = errand {
            return self.take_edited((run.clone(), id.clone()), before, result);
        }
        let well = result.is_ok();
        match result {
            Ok(text) if text.is_empty() => {}
            Ok(text) => self.say(Tone::Good, text),
            Err(text) => self.say(Tone::Bad, text),
        }
        match errand {
            Errand::Sudo if self.host_view.pending.is_some() => {
                if well {
                    return self.start_change();
                }
                self.host_view.pending = None;
                vec![]
            }
            Errand::Sudo if well => self.start_run(),
            // Whatever was done inside may have changed what the lists say.
            Errand::Shell(_) | Errand::Program(..) => vec![Effect::Look],
            Errand::Job(id) => {
                let mut effects = self.read_jobs();
                effects.push(Effect::Zephyr(Wish::After(id.clone())));
                effects
            }
            Errand::Logs(..)
            | Errand::Sudo
            | Errand::Suspend
            | Errand::Redraw
            | Errand::Mouse(_)
            | Errand::Clipboard(_)
            | Errand::Edit(..)
            | Errand::Open(..) => vec![],
        }
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Key(key) if key.is_press() || key.is_repeat() => self.key(key),
            Input::Paste(text) => {
                self.paste(&text);
                vec![]
            }
            Input::Resize(columns, rows) => {
                self.size = (columns, rows);
                self.read_logs()
            }
            Input::Mouse(mouse) => self.mouse(mouse),
            Input::Key(_) | Input::FocusGained | Input::FocusLost => {
                self.dirty = false;
                vec![]
            }
        }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let place = Place::of(self);
        if place == Place::Search {
            return self.key_of_log(key);
        }
        let Some(intent) = place.find(&key) else {
            if place.is_typing() {
                self.type_into(place, key);
            } else {
                self.dirty = false;
            }
            return vec![];
        };
        // What was told has been read by now; what asks for a look again stays.
        self.notice = None;
        self.intent(place, intent)
    }

    fn intent(&mut self, place: Place, intent: Intent) -> Vec<Effect> {
        match intent {
            Intent::Quit => return self.quit(0),
            Intent::Interrupt => return self.interrupt(place),
            Intent::Help => {
                self.help = Some(0);
                return vec![];
            }
            Intent::Themes => {
                self.open_themes();
                return vec![];
            }
            Intent::Mouse => {
                self.mouse = !self.mouse;
                let text = if self.mouse {
                    "mouse on"
                } else {
                    "mouse off: the terminal can select text"
                };
                self.say(Tone::Good, text);
                return vec![Effect::Errand(Errand::Mouse(self.mouse))];
            }
            Intent::Redraw => return vec![Effect::Errand(Errand::Redraw)],
            Intent::Suspend => return vec![Effect::Errand(Errand::Suspend)],
            _ => {}
        }
        match place {
            // Keys of a line that is typed into went to the log before.
            Place::Small | Place::Search => vec![],
            Place::Help => self.on_help(intent),
            Place::Themes => self.on_themes(intent),
            Place::FailedBuild => self.on_failed_build(intent),
            Place::Script => self.on_script(intent),
            Place::Difference | Place::Stranger => self.on_text(intent),
            Place::Change => self.on_change(intent),
            Place::Confirm | Place::ConfirmTyping => self.on_confirm(intent),
            Place::Prompt => self.on_prompt(intent),
            Place::Welcome => self.on_welcome(intent),
            Place::Host => self.on_host(intent),
            Place::Labs => self.on_labs(intent),
            Place::Jobs => self.on_jobs(intent),
            Place::Workspaces => self.on_workspaces(intent),
            Place::Ports => self.on_ports(intent),
            Place::Menu => self.on_menu(intent),
            Place::Snapshots => self.on_snapshots(intent),
            Place::Filter => self.on_filter(intent),
            Place::Options | Place::OptionsTyping if self.screen() == Screen::User => {
                self.on_user_form(intent)
            }
            Place::Options | Place::OptionsTyping => self.on_options(intent),
            Place::Review => self.on_review(intent),
            Place::Run => self.on_run(intent),
            Place::Build => self.on_build(intent),
            Place::Result | Place::ResultOpen => self.on_result(intent),
        }
    }

    /// Ends the program, unless a plan is being carried out: then it asks.
    fn quit(&mut self, code: u8) -> Vec<Effect> {
        // What was done counts only after a restart: scripts that opened the screens are told as those of `apply` are.
        let code = if code == 0 && self.restart.is_some() {
            RESTART
        } else {
            code
        };
        if self.refuse_to_leave() {
            self.help = None;
        } else if self.is_running() {
            self.help = None;
            self.ask_to_stop(true);
        } else if self.ask_to_leave_roll(code) {
            self.help = None;
        } else if self.is_filled_in() {
            self.help = None;
            self.ask_to_leave(Then::Quit(code), "Quitting throws them away.");
        } else {
            self.done = Some(code);
        }
        vec![]
    }

    /// Ctrl-C: cancels what is asked, asks about a run, else ends.
    fn interrupt(&mut self, place: Place) -> Vec<Effect> {
        // Who presses it twice means it.
        if let (Place::Confirm | Place::Small, Some(Dialog::Confirm(confirm))) = (place, &self.dialog)
            && let Then::Quit(code) = confirm.then
        {
            self.done = Some(code);
            return vec![];
        }
        match place {
            Place::Help
            | Place::Themes
            | Place::FailedBuild
            | Place::Script
            | Place::Difference
            | Place::Stranger
            | Place::Change
            | Place::Confirm
            | Place::ConfirmTyping
            | Place::Prompt
            | Place::Filter
            | Place::Search => self.intent(place, Intent::Back),
            Place::Run | Place::Build if self.is_running() => {
                self.ask_to_stop(false);
                vec![]
            }
            _ => self.quit(130),
        }
    }

    /// A key that is text.
    fn type_into(&mut self, place: Place, key: KeyEvent) {
        match (place, &mut self.dialog) {
            (Place::ConfirmTyping, Some(Dialog::Confirm(confirm))) => {
                if let Some((_, entry)) = &mut confirm.name {
                    entry.key(key);
                }
            }
            (Place::Prompt, Some(Dialog::Prompt(prompt))) => {
                prompt.error = None;
                if let Some((_, entry)) = prompt.lines.get_mut(prompt.at) {
                    entry.key(key);
                }
            }
            (Place::Filter, _) => {
                self.picker.filter.key(key);
                self.picker.cursor = 0;
            }
            (Place::OptionsTyping, _) => {
                if let Some(form) = self.form_mut() {
                    form.key(key);
                }
            }
            _ => {}
        }
    }

    /// Pasted text goes into the line that can be typed into, and nowhere else.
    fn paste(&mut self, text: &str) {
        let place = Place::of(self);
        match (place, &mut self.dialog) {
            (Place::ConfirmTyping, Some(Dialog::Confirm(confirm))) => {
                if let Some((_, entry)) = &mut confirm.name {
                    entry.paste(text);
                }
            }
            (Place::Prompt, Some(Dialog::Prompt(prompt))) => {
                if let Some((_, entry)) = prompt.lines.get_mut(prompt.at) {
                    entry.paste(text);
                }
            }
            (Place::Filter, _) => self.picker.filter.paste(text),
            (Place::Search, _) => {
                if let Some(run) = &mut self.run {
                    run.viewer.paste(text);
                }
            }
            (Place::OptionsTyping, _) => {
                if let Some(form) = self.form_mut() {
                    form.paste(text);
                }
            }
            _ => self.dirty = false,
        }
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        let mut place = Place::of(self);
        if matches!(place, Place::Run | Place::Build) {
            // What is under the pointer is meant, whoever has the keys.
            let in_build = ui::build_area(self).contains((mouse.column, mouse.row).into());
            place = if in_build { Place::Build } else { Place::Run };
        }
        match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if place != Place::Small => {
                let up = mouse.kind == MouseEventKind::ScrollUp;
                let intent = if up { Intent::Up } else { Intent::Down };
                (0..3).flat_map(|_| self.intent(place, intent)).collect()
            }
            MouseEventKind::Down(MouseButton::Left) => {
                if let (Place::Run, Some(run)) = (place, &mut self.run) {
                    run.build.focus = false;
                }
                if let Some(row) = ui::row_at(self, mouse.column, mouse.row) {
                    self.select(place, row);
                }
                vec![]
            }
            _ => {
                self.dirty = false;
                vec![]
            }
        }
    }

    /// A click puts the cursor on a row; what the row does still takes enter.
    fn select(&mut self, place: Place, row: usize) {
        match place {
            Place::Labs => self.labs.cursor = row,
            Place::Host => (self.host_view.cursor, self.host_view.scroll) = (row, 0),
            Place::Jobs => self.jobs.cursor = row,
            Place::Workspaces => (self.workspaces.cursor, self.workspaces.inside) = (row, None),
            Place::Build => self.select_in_build(row),
            Place::Menu => self.menu_cursor = row,
            Place::Snapshots | Place::Filter => self.picker.cursor = row,
            Place::ResultOpen => {
                if let Some(run) = &mut self.run {
                    run.way = row;
                }
            }
            Place::Options | Place::OptionsTyping => {
                if let Some(form) = self.form_mut() {
                    let by = row.cast_signed() - form.cursor.cast_signed();
                    form.step(by);
                }
            }
            _ => {}
        }
    }

    /// Opens a screen on top.
    pub(super) fn open(&mut self, screen: Screen) {
        if self.screen() != screen {
            self.stack.push(screen);
        }
    }

    /// Back to the screen before; the first one stays.
    pub(super) fn back(&mut self) {
        if self.stack.len() > 1 {
            self.stack.pop();
        } else {
            self.say(Tone::Good, "this is the first screen; q leaves halolab");
        }
    }

    /// The lists that were left for a plan: the labs, and the workspaces where they were open.
    pub(super) fn lists(&self) -> Vec<Screen> {
        let open = self.stack.contains(&Screen::Workspaces);
        let mut lists = vec![Screen::Welcome, Screen::Labs];
        lists.extend(open.then_some(Screen::Workspaces));
        lists
    }

    /// Back to the labs, wherever they were left.
    pub(super) fn back_to_labs(&mut self) {
        self.stack = self.lists();
    }
}

/// Moves a cursor over `count` rows.
pub(super) fn moved(cursor: usize, intent: Intent, count: usize, page: usize) -> usize {
    let last = count.saturating_sub(1);
    let next = match intent {
        Intent::Up => cursor.saturating_sub(1),
        Intent::Down => cursor + 1,
        Intent::PageUp => cursor.saturating_sub(page),
        Intent::PageDown => cursor + page,
        Intent::Top => 0,
        Intent::Bottom => last,
        _ => cursor,
    };
    next.min(last)
}
