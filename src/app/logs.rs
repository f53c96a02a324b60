//! The logs of the run that is shown: pages of them, and what is handed out.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use crate::{
    log::{Ask, Document, Wake, document::SharedRules, rules::Rules},
    paths::Paths,
    run::log_file,
    view,
};

use super::{
    effect::Shared,
    msg::{Msg, Turned},
    viewer::hands,
};

/// What is open.
#[derive(Default)]
pub(super) struct Logs {
    pub(super) run: String,
    pub(super) open: BTreeMap<String, Document>,
    pub(super) rules: SharedRules,
}

impl Shared {
    /// The tables of errors and highlights, read once.
    pub(super) fn load_rules(&self, rules: &SharedRules, paths: &Paths) {
        if rules.get().is_some() {
            return;
        }
        let (found, errors) = Rules::load(&paths.logs);
        let _ = rules.set(found);
        if let Some(error) = errors.first() {
            self.tell_blocking(Msg::Said(error.to_string()));
        }
    }

    fn with_log<T>(&self, lab: &str, read: impl FnOnce(&mut Document) -> T) -> Option<T> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if !logs.open.contains_key(lab) {
            let path = log_file(&self.around.runs, &logs.run, lab);
            let (messages, name) = (self.messages.clone(), lab.to_owned());
            // Told by threads of the log's own; without a reader the program is ending.
            let wake: Wake = Arc::new(move || {
                let _ = messages.try_send(Msg::Log(name.clone()));
            });
            let mut log = Document::open(&path, &logs.rules, &wake).ok()?;
            log.count();
            logs.open.insert(lab.to_owned(), log);
        }
        let log = logs.open.get_mut(lab)?;
        log.look();
        Some(read(log))
    }

    /// Reads a page. A log that is not there yet is an empty one.
    pub(super) fn turn(&self, lab: &str, pane: usize, asked: Box<Ask>) {
        let page = self.with_log(lab, |log| log.turn(&asked)).unwrap_or_default();
        self.tell_blocking(Msg::Turned(Turned {
            pane,
            asked,
            page: Box::new(page),
        }));
    }

    pub(super) fn hand_out(&self, lab: &str, what: view::Effect) {
        let gone = || "the log cannot be read any more".to_owned();
        let msg = match what {
            view::Effect::Copy(_, range) => self
                .with_log(lab, |log| hands::lines(log, range))
                .map(|(text, cut)| Msg::Lines(text, cut)),
            view::Effect::Save(save) => self
                .with_log(lab, |log| {
                    hands::saving(log, save.range, save.filter.as_ref(), save.raw)
                })
                .map(|saving| {
                    let result = hands::save(saving, &save);
                    Msg::Saved(save, result)
                }),
            view::Effect::Open(what) => self
                .with_log(lab, |log| {
                    hands::saving(log, what.range, what.filter.as_ref(), false)
                })
                .map(|saving| match hands::copy(saving, what.at) {
                    Ok(copied) => Msg::Copied(copied, what.editor),
                    Err(error) => Msg::Said(format!("the log cannot be copied for another program: {error}")),
                }),
            view::Effect::Build(_) | view::Effect::Suspend | view::Effect::Redraw | view::Effect::Quit => {
                return;
            }
        };
        self.tell_blocking(msg.unwrap_or_else(|| Msg::Said(gone())));
    }
}
