//! The viewer: logs, panes on them, and what is being asked.

use ratatui::layout::Rect;

use crate::log::page::{Ask, Filter, Page};

use super::{help, layout::Layout, pane::Pane, prompt::Prompt};

/// Panes at once; more would show nothing.
const PANES: usize = 6;
/// A pane is not made smaller than this.
const NARROW: u16 = 20;
const LOW: u16 = 3;

/// Lines of a log: from the one that begins at the first offset to the one at the second.
pub type Range = (u64, u64);

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Put lines of a log on the clipboard.
    Copy(usize, Range),
    /// Write a part of a log to a file.
    Save(Box<Save>),
    /// Show a log in another program, with the terminal given to it.
    Open(Box<Opening>),
    /// Show the build that a log is of, or hide it.
    Build(usize),
    /// Stop until the shell's `fg`.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Leave.
    Quit,
}

/// How what writes a log stands, where somebody knows: its writer has ended, or cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In words that are safe to draw.
    pub text: String,
    /// It is as one would wish.
    pub well: bool,
}

/// What another program is to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The log.
    pub log: usize,
    /// `$EDITOR`, not `$PAGER`.
    pub editor: bool,
    /// These lines, or all.
    pub range: Option<Range>,
    /// What the filter lets through.
    pub filter: Option<Filter>,
    /// Where the line begins that is looked at.
    pub at: u64,
}

/// What is to be saved, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Save {
    /// The log.
    pub log: usize,
    /// The file, as it was typed.
    pub path: String,
    /// As it is in the log, not as it is seen.
    pub raw: bool,
    /// Over a file that is there.
    pub over: bool,
    /// These lines, or all.
    pub range: Option<Range>,
    /// What the filter lets through.
    pub filter: Option<Filter>,
}

/// The logs, and the panes on them.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    /// Names of the logs, safe to draw.
    pub names: Vec<String>,
    /// The panes.
    pub panes: Vec<Pane>,
    /// The one that has the keys.
    pub focus: usize,
    /// Where they are.
    pub layout: Layout,
    /// Only the one that has the keys is shown.
    pub zoomed: bool,
    /// What is being asked.
    pub prompt: Option<Prompt>,
    /// The help is open: first line that is shown.
    pub help: Option<usize>,
    /// A letter is waited for: it marks, or it is gone to.
    pub letter: Option<bool>,
    /// What is told, until the next key.
    pub message: Option<String>,
    /// How what writes the first log stands.
    pub standing: Option<Standing>,
    /// Searches, the last one at the end.
    pub history: Vec<String>,
    /// Leave is none of its keys: the screen around it has it.
    pub inside: bool,
}

impl Viewer {
    /// One pane on the first log.
    pub fn new(names: Vec<String>, follow: bool) -> Self {
        Self {
            names,
            panes: vec![Pane::new(0, follow)],
            ..Self::default()
        }
    }

    /// The pane that has the keys.
    pub fn pane(&self) -> Option<&Pane> {
        self.panes.get(self.focus)
    }

    /// The same, to change it.
    pub fn pane_mut(&mut self) -> Option<&mut Pane> {
        self.panes.get_mut(self.focus)
    }

    /// Whether letters are text now.
    pub fn is_typing(&self) -> bool {
        self.prompt.is_some() || self.letter.is_some()
    }

    /// Every pane has to be read again: a log changed.
    pub fn spoil(&mut self) {
        for pane in &mut self.panes {
            pane.stale = true;
        }
    }

    /// The panes on one log have to be read again.
    pub fn spoil_log(&mut self, log: usize) {
        for pane in self.panes.iter_mut().filter(|p| p.log == log) {
            pane.stale = true;
        }
    }

    /// Panes that are in view, with where they are.
    pub fn places(&self, area: Rect) -> Vec<(usize, Rect)> {
        if self.zoomed || self.panes.len() < 2 {
            return vec![(self.focus, area)];
        }
        self.layout.places(area).into_iter().enumerate().collect()
    }

    /// Where the text of a pane goes: above its status, and left of the next pane.
    pub fn text_area(&self, place: Rect, area: Rect) -> Rect {
        let beside = place.right() < area.right();
        Rect {
            height: place.height.saturating_sub(1),
            width: place.width.saturating_sub(u16::from(beside)),
            ..place
        }
    }

    /// Tells the panes how large they are.
    pub fn lay_out(&mut self, area: Rect) {
        if let Some(scroll) = &mut self.help {
            *scroll = (*scroll).min(help::most(self.inside, area));
        }
        for (index, place) in self.places(area) {
            let text = self.text_area(place, area);
            let (rows, columns) = (usize::from(text.height).max(1), usize::from(text.width).max(1));
            if let Some(pane) = self.panes.get_mut(index)
                && (pane.ask.rows, pane.ask.columns) != (rows, columns)
            {
                (pane.ask.rows, pane.ask.columns) = (rows, columns);
                pane.stale = true;
            }
        }
    }

    /// What the stale panes in view ask for, each with its number and its log; they are stale no more.
    pub fn asks(&mut self) -> Vec<(usize, usize, Ask)> {
        let shown: Vec<usize> = self
            .places(Rect::new(0, 0, 1, 1))
            .iter()
            .map(|(i, _)| *i)
            .collect();
        let mut asks = vec![];
        for (index, pane) in self.panes.iter_mut().enumerate() {
            if pane.stale && shown.contains(&index) {
                pane.stale = false;
                asks.push((index, pane.log, pane.ask.clone()));
            }
        }
        asks
    }

    /// Whether any pane in view has to be read.
    pub fn is_stale(&self) -> bool {
        self.panes.iter().any(|p| p.stale)
    }

    /// Takes an answer in.
    pub fn take(&mut self, index: usize, page: Page, asked: &Ask) {
        let Some(pane) = self.panes.get_mut(index) else {
            return;
        };
        if let Some(said) = pane.take(page, asked) {
            self.message = Some(said);
        }
    }

    /// Reads what is stale out of open logs; for who may read where it draws.
    pub fn read(&mut self, logs: &mut [crate::log::Document]) {
        for _ in 0..2 {
            for (index, log, ask) in self.asks() {
                if let Some(document) = logs.get_mut(log) {
                    let generation = document.generation();
                    if let Some(pane) = self.panes.get_mut(index).filter(|p| p.generation != generation) {
                        pane.begin_anew(generation);
                    }
                    let page = document.turn(&ask);
                    self.take(index, page, &ask);
                }
            }
        }
    }

    pub(super) fn split(&mut self, stacked: bool) {
        if self.panes.len() >= PANES {
            self.message = Some(format!("{PANES} panes are the most"));
            return;
        }
        let Some(mut pane) = self.pane().cloned() else {
            return;
        };
        // Another log, where there is one that is not shown yet.
        let shown: Vec<usize> = self.panes.iter().map(|p| p.log).collect();
        if let Some(other) = (0..self.names.len()).find(|log| !shown.contains(log)) {
            pane = Pane::new(other, pane.ask.follow);
        }
        pane.stale = true;
        self.zoomed = false;
        let at = if stacked {
            self.layout.below(self.focus)
        } else {
            self.layout.beside(self.focus)
        };
        let at = at.min(self.panes.len());
        self.panes.insert(at, pane);
        self.focus = at;
        self.spoil();
    }

    pub(super) fn close(&mut self) {
        if self.panes.len() < 2 {
            self.message = Some("this is the only pane".into());
            return;
        }
        self.panes.remove(self.focus);
        self.layout.close(self.focus);
        self.focus = self.focus.min(self.panes.len() - 1);
        self.zoomed = false;
        self.spoil();
    }

    pub(super) fn next_pane(&mut self, forward: bool) {
        let count = self.panes.len();
        if count > 1 {
            self.focus = (self.focus + if forward { 1 } else { count - 1 }) % count;
            self.spoil();
        } else {
            self.next_log(forward);
        }
    }

    pub(super) fn next_log(&mut self, forward: bool) {
        let count = self.names.len();
        let Some(log) = self.pane().map(|p| p.log) else {
            return;
        };
        if count < 2 {
            self.message = Some("there is no other log and no other pane".into());
            return;
        }
        self.show_log((log + if forward { 1 } else { count - 1 }) % count);
    }

    /// Shows another log in the pane that has the keys.
    pub fn show_log(&mut self, log: usize) {
        if let Some(pane) = self.pane_mut()
            && pane.log != log
        {
            let follow = pane.ask.follow || pane.page.at_end;
            let mut next = Pane::new(log, follow);
            next.ask = Ask {
                rows: pane.ask.rows,
                columns: pane.ask.columns,
                wrap: pane.ask.wrap,
                clock: pane.ask.clock,
                search: pane.ask.search.clone(),
                ..next.ask
            };
            *pane = next;
        }
    }

    pub(super) fn resize(&mut self, grow: bool) {
        self.layout.resize(self.focus, grow);
        self.spoil();
    }

    /// The pane at a place of the screen.
    pub fn pane_at(&self, area: Rect, x: u16, y: u16) -> Option<usize> {
        let places = self.places(area);
        let inside = |place: &Rect| place.contains((x, y).into());
        places
            .iter()
            .find(|(_, place)| inside(place))
            .map(|(index, _)| *index)
    }

    /// Whether the panes would be too small in this window.
    pub fn is_crowded(&self, area: Rect) -> bool {
        self.places(area)
            .iter()
            .any(|(_, p)| p.width < NARROW || p.height < LOW)
    }
}
