//! What is asked at the foot of a pane: a search, a filter, a place, a file.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::log::{
    clock::{self, Typed},
    matcher::Query,
    page::{Filter, Motion},
    sanitize,
};

use super::{
    entry::Entry,
    viewer::{Effect, Save, Viewer},
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptKind {
    /// What to search for, downwards or upwards.
    Search(bool),
    /// Which lines to show.
    Filter,
    /// Where to go.
    Goto,
    /// Where to save; as it is in the log.
    Save(bool),
    /// Whether to write over the file that is there.
    Overwrite(bool),
}

/// Something that is asked.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What.
    pub kind: PromptKind,
    /// What was typed.
    pub entry: Entry,
    /// It is a pattern, or a text; none: as it looks.
    pub pattern: Option<bool>,
    /// Which of the earlier searches is shown, counted from the end.
    recalled: usize,
}

impl Prompt {
    /// Asks.
    pub fn new(kind: PromptKind, text: &str) -> Self {
        Self {
            kind,
            entry: Entry::new(text),
            pattern: None,
            recalled: 0,
        }
    }

    /// What stands before the line.
    pub fn label(&self) -> &'static str {
        match self.kind {
            PromptKind::Search(true) => "/",
            PromptKind::Search(false) => "?",
            PromptKind::Filter => "only lines with: ",
            PromptKind::Goto => "go to: ",
            PromptKind::Save(false) => "save as it is seen to: ",
            PromptKind::Save(true) => "save as it is in the log to: ",
            PromptKind::Overwrite(_) => "it is there already: write over it? y/n ",
        }
    }

    /// What can be done here.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            PromptKind::Search(_) | PromptKind::Filter if self.query().is_pattern() => {
                "a pattern; ctrl-r: a text"
            }
            PromptKind::Search(_) => "a text; ctrl-r: a pattern",
            PromptKind::Filter => "a text; ctrl-r: a pattern; !: without it",
            PromptKind::Goto => "120, 50%, 12:30, -10m",
            PromptKind::Save(false) => "tab: as it is in the log",
            PromptKind::Save(true) => "tab: as it is seen",
            PromptKind::Overwrite(_) => "",
        }
    }

    fn query(&self) -> Query {
        let typed = self.entry.text();
        // As in less.
        let without = typed
            .strip_prefix('!')
            .filter(|_| self.kind == PromptKind::Filter);
        Query {
            text: without.unwrap_or(typed).to_owned(),
            pattern: self.pattern,
            without: without.is_some(),
        }
    }
}

/// A number and a key, as in less: `120G`, `50p`, `10j`.
fn counted(prompt: &Prompt, key: KeyCode) -> Option<Motion> {
    let text = prompt.entry.text();
    if prompt.kind != PromptKind::Goto || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (count, rows) = (text.parse().ok()?, text.parse().ok()?);
    match key {
        KeyCode::Char('g' | 'G') => Some(Motion::Line(count)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share: nobody types that many digits"
        )]
        KeyCode::Char('p') => Some(Motion::Percent(count as f64)),
        KeyCode::Char('j') | KeyCode::Down => Some(Motion::Rows(rows)),
        KeyCode::Char('k') | KeyCode::Up => Some(Motion::Rows(-rows)),
        _ => None,
    }
}

/// A line; a number that no log has lines for is its last one.
fn line_number(text: &str) -> Option<u64> {
    let digits = text.replace([',', '\''], "");
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl Viewer {
    /// Takes a key while something is asked.
    pub(super) fn prompt_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(prompt) = &mut self.prompt else {
            return vec![];
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if let PromptKind::Overwrite(raw) = prompt.kind {
            let path = prompt.entry.text().to_owned();
            self.prompt = None;
            if matches!(key.code, KeyCode::Char('y' | 'Y')) {
                return self.save(path, raw, true);
            }
            self.message = Some("nothing was written".into());
            return vec![];
        }
        if let Some(motion) = counted(prompt, key.code).filter(|_| !control) {
            self.prompt = None;
            if let Some(pane) = self.pane_mut() {
                match motion {
                    Motion::Rows(by) => pane.step(by),
                    motion => pane.jump(motion),
                }
            }
            return vec![];
        }
        match key.code {
            KeyCode::Esc => self.prompt = None,
            KeyCode::Char('c' | 'g') if control => self.prompt = None,
            KeyCode::Enter => return self.accept(),
            KeyCode::Char('r') if control => {
                let now = prompt.query().is_pattern();
                prompt.pattern = Some(!now);
            }
            KeyCode::Tab => {
                if let PromptKind::Save(raw) = &mut prompt.kind {
                    *raw = !*raw;
                }
            }
            KeyCode::Up | KeyCode::Down => self.recall(key.code == KeyCode::Up),
            KeyCode::Backspace if prompt.entry.text().is_empty() => self.prompt = None,
            _ => {
                prompt.entry.key(key);
            }
        }
        vec![]
    }

    fn recall(&mut self, older: bool) {
        let Some(prompt) = &mut self.prompt else { return };
        if !matches!(prompt.kind, PromptKind::Search(_) | PromptKind::Filter) {
            return;
        }
        let most = self.history.len();
        prompt.recalled = if older {
            (prompt.recalled + 1).min(most)
        } else {
            prompt.recalled.saturating_sub(1)
        };
        let text = match prompt.recalled {
            0 => "",
            back => self.history.get(most - back).map_or("", String::as_str),
        };
        prompt.entry = Entry::new(text);
    }

    fn accept(&mut self) -> Vec<Effect> {
        let Some(prompt) = self.prompt.take() else {
            return vec![];
        };
        let query = prompt.query();
        if matches!(prompt.kind, PromptKind::Search(_) | PromptKind::Filter)
            && let Some(why) = query.problem()
        {
            self.message = Some(format!(
                "this is no pattern: {why}; ctrl-r searches for it as a text"
            ));
            self.prompt = Some(prompt);
            return vec![];
        }
        self.message = None;
        match prompt.kind {
            PromptKind::Search(forward) => self.search(query, forward),
            PromptKind::Filter => self.filter(&query),
            PromptKind::Goto => return self.go_to(prompt.entry.text()),
            PromptKind::Save(raw) if !query.text.trim().is_empty() => {
                return self.save(query.text, raw, false);
            }
            PromptKind::Save(_) | PromptKind::Overwrite(_) => {}
        }
        vec![]
    }

    fn remember(&mut self, query: &Query) {
        let typed = query.typed();
        self.history.retain(|h| *h != typed);
        self.history.push(typed);
    }

    fn search(&mut self, query: Query, forward: bool) {
        if query.text.is_empty() {
            // As in less: an empty search goes on with the last one.
            self.next_hit(forward);
            return;
        }
        self.remember(&query);
        let Some(pane) = self.pane_mut() else { return };
        pane.ask.search = Some(query);
        pane.ask.forward = forward;
        (pane.hit, pane.number) = (None, None);
        pane.leap_to_hit(forward);
    }

    fn filter(&mut self, query: &Query) {
        if !query.text.is_empty() {
            self.remember(query);
        }
        let Some(pane) = self.pane_mut() else { return };
        let context = pane.ask.filter.as_ref().map_or(0, |f| f.context);
        pane.ask.filter = (!query.text.is_empty()).then(|| Filter {
            query: query.clone(),
            context,
        });
        pane.end_selection();
    }

    fn go_to(&mut self, text: &str) -> Vec<Effect> {
        let text = text.trim();
        if matches!(text, "q" | "q!" | "quit") && !self.inside {
            return vec![Effect::Quit];
        }
        // As in less.
        if matches!(text, "n" | "p") {
            self.next_log(text == "n");
            return vec![];
        }
        let percent = text.strip_suffix('%').and_then(|n| n.trim().parse::<f64>().ok());
        let motion = if let Some(percent) = percent.filter(|p| p.is_finite()) {
            Motion::Percent(percent)
        } else if let Some(line) = line_number(text) {
            Motion::Line(line)
        } else if let Some(typed) = clock::typed(text) {
            match typed {
                Typed::At(at) => Motion::Time(at),
                Typed::Ago(ago) => Motion::Ago(ago),
                Typed::Clock(clock) => Motion::Clock(clock, self.pane().map_or(0, |p| p.page.spot.offset)),
            }
        } else {
            if !text.is_empty() {
                self.message = Some(format!(
                    "go to what? 120, 50%, 12:30, -10m (before the end): not {}",
                    sanitize(text)
                ));
            }
            return vec![];
        };
        if let Some(pane) = self.pane_mut() {
            pane.jump(motion);
        }
        vec![]
    }

    fn save(&mut self, path: String, raw: bool, over: bool) -> Vec<Effect> {
        let Some(pane) = self.pane_mut() else {
            return vec![];
        };
        let save = Save {
            log: pane.log,
            path,
            raw,
            over,
            range: pane.selected(),
            filter: pane.ask.filter.clone(),
        };
        vec![Effect::Save(Box::new(save))]
    }

    /// A save was refused, because the file is there.
    pub fn ask_to_overwrite(&mut self, save: &Save) {
        self.prompt = Some(Prompt::new(PromptKind::Overwrite(save.raw), &save.path));
    }
}
