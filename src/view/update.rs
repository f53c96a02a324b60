//! What keys and the mouse do to the viewer. Touches nothing but the viewer.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use crate::log::{page::Motion, rules::Level};

use super::{
    keys::{self, Intent},
    prompt::{Prompt, PromptKind},
    viewer::{Effect, Opening, Viewer},
};

/// Rows that a turn of the wheel moves.
const WHEEL: i64 = 3;

impl Viewer {
    /// Takes a key; says what is to be done outside.
    pub fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if self.prompt.is_some() {
            return self.prompt_key(key);
        }
        if let Some(marks) = self.letter.take() {
            match key.code {
                KeyCode::Char(letter) => self.take_letter(letter, marks),
                _ => self.message = None,
            }
            return vec![];
        }
        let Some(intent) = keys::find(&key) else {
            self.refuse(&key);
            return vec![];
        };
        self.update(intent)
    }

    /// Says that a letter is no key, where no screen around it has its own.
    fn refuse(&mut self, key: &KeyEvent) {
        if matches!(key.code, KeyCode::Char(_)) && !self.inside && self.help.is_none() {
            let name = crate::log::sanitize(&keys::name(keys::chord(key)));
            self.message = Some(format!("{name} is no key here; h shows them"));
        }
    }

    /// Takes pasted text: into the line that is asked for, and nowhere else.
    pub fn paste(&mut self, text: &str) {
        if let Some(prompt) = &mut self.prompt {
            prompt.entry.paste(text);
        }
    }

    /// Takes the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent, area: Rect) {
        let at = self.pane_at(area, mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let by = if mouse.kind == MouseEventKind::ScrollUp {
                    -WHEEL
                } else {
                    WHEEL
                };
                if let Some(help) = &mut self.help {
                    *help = help.saturating_add_signed(if by < 0 { -3 } else { 3 });
                } else if let Some(pane) = at.and_then(|at| self.panes.get_mut(at)) {
                    pane.step(by);
                }
            }
            MouseEventKind::Down(MouseButton::Left) => self.focus = at.unwrap_or(self.focus),
            _ => {}
        }
    }

    /// What a key means, done.
    pub fn update(&mut self, intent: Intent) -> Vec<Effect> {
        self.message = None;
        if self.help.is_some() {
            return self.update_help(intent);
        }
        match intent {
            Intent::Quit => return vec![Effect::Quit],
            Intent::Suspend => return vec![Effect::Suspend],
            Intent::Redraw => return vec![Effect::Redraw],
            Intent::Build if !self.inside => {
                return vec![Effect::Build(self.pane().map_or(0, |pane| pane.log))];
            }
            Intent::Help => self.help = Some(0),
            Intent::Interrupt => return self.interrupt(),
            Intent::Copy | Intent::Pager | Intent::Editor => return self.hand_out(intent),
            Intent::Beside | Intent::Below => self.split(intent == Intent::Below),
            Intent::Close => self.close(),
            Intent::NextPane | Intent::PreviousPane => self.next_pane(intent == Intent::NextPane),
            Intent::NextLog | Intent::PreviousLog => self.next_log(intent == Intent::NextLog),
            Intent::Grow | Intent::Shrink => self.resize(intent == Intent::Grow),
            Intent::Zoom => {
                self.zoomed = !self.zoomed && self.panes.len() > 1;
                self.spoil();
            }
            Intent::Next | Intent::Previous => self.next_hit(intent == Intent::Next),
            Intent::Error | Intent::ErrorBack => self.next_problem(Level::Error, intent == Intent::Error),
            Intent::Warning | Intent::WarningBack => {
                self.next_problem(Level::Warning, intent == Intent::Warning);
            }
            Intent::Mark => self.letter = Some(true),
            Intent::ToMark => self.letter = Some(false),
            _ if self.ask(intent) => {}
            _ => self.update_pane(intent),
        }
        vec![]
    }

    /// Keys that ask something; says whether this was one.
    fn ask(&mut self, intent: Intent) -> bool {
        let prompt = match intent {
            Intent::Search => Prompt::new(PromptKind::Search(true), ""),
            Intent::SearchBack => Prompt::new(PromptKind::Search(false), ""),
            Intent::Filter => Prompt::new(PromptKind::Filter, ""),
            Intent::Goto => Prompt::new(PromptKind::Goto, ""),
            Intent::Digit(digit) => Prompt::new(PromptKind::Goto, &digit.to_string()),
            Intent::Save => Prompt::new(PromptKind::Save(false), ""),
            _ => return false,
        };
        self.prompt = Some(prompt);
        true
    }

    fn update_pane(&mut self, intent: Intent) {
        let Some(pane) = self.pane_mut() else { return };
        let page = i64::try_from(pane.ask.rows.saturating_sub(1).max(1)).unwrap_or(1);
        match intent {
            Intent::Up => pane.step(-1),
            Intent::Down => pane.step(1),
            Intent::HalfUp => pane.step(-(page / 2).max(1)),
            Intent::HalfDown => pane.step((page / 2).max(1)),
            Intent::PageUp => pane.step(-page),
            Intent::PageDown => pane.step(page),
            Intent::Top => pane.jump(Motion::Top),
            Intent::Follow if pane.ask.follow => {
                pane.ask.follow = false;
                pane.ask.left_at = Some(pane.page.len);
                pane.stale = true;
            }
            Intent::Bottom | Intent::Follow => pane.jump(Motion::End),
            Intent::Left | Intent::Right => pane.sideways(intent == Intent::Right),
            Intent::Wrap => {
                pane.ask.wrap = !pane.ask.wrap;
                (pane.ask.left, pane.ask.spot.row) = (0, 0);
                pane.stale = true;
            }
            Intent::States => {
                pane.ask.states = !pane.ask.states;
                pane.ask.spot.row = 0;
                if !pane.ask.follow {
                    pane.ask.motion = Motion::Offset(pane.ask.spot.offset);
                }
                pane.stale = true;
            }
            Intent::Times => pane.next_clock(),
            Intent::Select | Intent::Back if pane.select.is_some() => pane.end_selection(),
            Intent::Select => pane.begin_selection(),
            Intent::Back => {
                pane.ask.search = None;
                (pane.hit, pane.number) = (None, None);
                pane.ask.motion = Motion::Stay;
                pane.stale = true;
            }
            Intent::MoreContext | Intent::LessContext => {
                self.change_context(intent == Intent::MoreContext);
            }
            _ => {}
        }
    }

    fn change_context(&mut self, more: bool) {
        let Some(pane) = self.pane_mut() else { return };
        pane.stale = true;
        let Some(filter) = &mut pane.ask.filter else {
            self.message = Some("no lines are filtered: & begins".into());
            return;
        };
        filter.context = if more {
            (filter.context + 1).min(99)
        } else {
            filter.context.saturating_sub(1)
        };
        let said = match filter.context {
            0 => "only the lines themselves".to_owned(),
            1 => "1 line around each".to_owned(),
            many => format!("{many} lines around each"),
        };
        self.message = Some(said);
    }

    fn hand_out(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(pane) = self.pane_mut() else {
            return vec![];
        };
        let (log, selected) = (pane.log, pane.selected());
        if intent != Intent::Copy {
            return vec![Effect::Open(Box::new(Opening {
                log,
                editor: intent == Intent::Editor,
                range: selected,
                filter: pane.ask.filter.clone(),
                at: pane.looked_at(),
            }))];
        }
        let rows = &pane.page.rows;
        let page = rows.first().zip(rows.last()).map(|(a, b)| (a.offset, b.offset));
        let range = selected.or(page);
        if pane.select.is_some() {
            pane.end_selection();
        }
        range.map(|range| Effect::Copy(log, range)).into_iter().collect()
    }

    /// Ctrl-C: ends a selection or a search first.
    fn interrupt(&mut self) -> Vec<Effect> {
        let Some(pane) = self.pane_mut() else {
            return vec![];
        };
        if pane.select.is_some() {
            pane.end_selection();
        } else if pane.ask.motion != Motion::Stay {
            pane.ask.motion = Motion::Stay;
            pane.ask.search = None;
            pane.stale = true;
        } else {
            return vec![Effect::Quit];
        }
        vec![]
    }

    fn update_help(&mut self, intent: Intent) -> Vec<Effect> {
        let Some(scroll) = &mut self.help else {
            return vec![];
        };
        match intent {
            Intent::Up => *scroll = scroll.saturating_sub(1),
            Intent::Down => *scroll += 1,
            Intent::PageUp | Intent::HalfUp => *scroll = scroll.saturating_sub(10),
            Intent::PageDown | Intent::HalfDown => *scroll += 10,
            Intent::Top => *scroll = 0,
            Intent::Bottom => *scroll = usize::MAX / 2,
            Intent::Redraw => return vec![Effect::Redraw],
            Intent::Suspend => return vec![Effect::Suspend],
            _ => self.help = None,
        }
        vec![]
    }
}
