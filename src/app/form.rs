//! The options form of a lab: a stage's options as fields, those that are not asked left out, each value
//! kept even while its field is hidden.

mod fields;
mod host;

use std::collections::{BTreeMap, BTreeSet};

use crossterm::event::KeyEvent;

use crate::{
    host::Facts,
    stage::{
        Answer, Answers, Condition, Field, FieldKind, ImageSource, Scope, Stage,
        answers::{self, IMAGE_FILE},
        offer,
    },
};

use super::entry::Entry;
use fields::{image_fields, value};

/// The form of one lab.
#[derive(Clone, Debug)]
pub struct Form {
    /// The lab.
    pub lab: String,
    /// Its stage.
    pub stage: Stage,
    facts: Facts,
    /// What was in it before a key was pressed.
    first: Answers,
    /// All fields, hidden ones too.
    pub fields: Vec<FormField>,
    /// The row with the cursor, counted over [`Form::rows`].
    pub cursor: usize,
    /// What is wrong, by field.
    pub errors: BTreeMap<String, String>,
    /// The button below, and what it does.
    pub button: (&'static str, &'static str),
}

/// A field and what is in it.
#[derive(Clone, Debug)]
pub struct FormField {
    /// As the stage describes it.
    pub field: Field,
    /// What is in it.
    pub value: Value,
}

/// What is in a field.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, a size or a secret.
    Line(Box<Entry>),
    /// Yes or no.
    Flag(bool),
    /// The id of a choice.
    One(String),
    /// The ids of choices.
    Many(BTreeSet<String>),
}

/// A row that can have the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A field, by index, with the ids of the choices that are offered.
    Field(usize, Vec<String>),
    /// One choice of a field of several: field, id.
    Item(usize, String),
    /// The button below.
    Continue,
}

impl Form {
    /// A form with former answers, then defaults.
    pub fn new(lab: &str, stage: &Stage, facts: &Facts, former: &Answers) -> Self {
        let images = image_fields(stage, facts);
        let options = stage.options.iter().map(|field| offer::localized(field, facts));
        let fields = images.into_iter().chain(options).map(|mut field| {
            field.ask = field.ask.take_if(|ask| asks(ask, facts));
            let given = former.get(&field.id).or(field.default.as_ref());
            let given = given.filter(|_| field.ask.is_none() || former.contains_key(&field.id));
            let value = value(&field, given);
            FormField { field, value }
        });
        let mut form = Self {
            lab: lab.into(),
            stage: stage.clone(),
            facts: facts.clone(),
            first: Answers::new(),
            fields: fields.collect(),
            cursor: 0,
            errors: BTreeMap::new(),
            button: ("Go on", "shows the plan; nothing happens yet"),
        };
        form.first = form.answers();
        form
    }

    /// Whether something was filled in that is not what it began with.
    pub fn is_changed(&self) -> bool {
        self.answers() != self.first
    }

    /// Whether there is anything to fill in.
    pub fn is_empty(&self) -> bool {
        self.rows().len() <= 1
    }

    /// The rows that are asked, in order.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![];
        self.walk(|index, field, offered| {
            if field.field.kind == FieldKind::Multi {
                rows.extend(offered.iter().map(|id| Row::Item(index, id.clone())));
            } else {
                rows.push(Row::Field(index, offered));
            }
        });
        rows.push(Row::Continue);
        rows
    }

    /// The row under the cursor.
    pub fn row(&self) -> Row {
        self.rows().get(self.cursor).cloned().unwrap_or(Row::Continue)
    }

    /// Whether letters go into a line.
    pub fn is_typing(&self) -> bool {
        matches!(self.row(), Row::Field(index, _) if self.line(index).is_some())
    }

    /// What was answered: fields that are asked and have a value.
    pub fn answers(&self) -> Answers {
        let mut answers = Answers::new();
        self.walk(|_, field, offered| {
            if let Some(answer) = field.answer(&offered) {
                answers.insert(field.field.id.clone(), answer);
            }
        });
        answers
    }

    /// The answers that must not be written anywhere.
    pub fn secrets(&self) -> Answers {
        let secret = |id: &String| {
            self.fields
                .iter()
                .any(|f| f.field.id == *id && f.field.kind == FieldKind::Secret)
        };
        self.answers().into_iter().filter(|(id, _)| secret(id)).collect()
    }

    /// The id that a choice field shows: the one picked, or the first one offered.
    pub fn picked<'a>(&'a self, index: usize, offered: &'a [String]) -> Option<&'a str> {
        match self.fields.get(index).map(|f| &f.value) {
            Some(Value::One(id)) if offered.contains(id) => Some(id),
            // Nothing was picked, and nothing is in its place.
            Some(Value::One(id)) if id.is_empty() && self.fields.get(index).is_some_and(FormField::asks) => {
                None
            }
            _ => offered.first().map(String::as_str),
        }
    }

    /// The choices of a field that are off here, with the reason, in sentences.
    pub fn refusals(&self, index: usize) -> Vec<String> {
        let Some(field) = self.fields.get(index) else {
            return vec![];
        };
        let answers = self.answers();
        let scope = Scope {
            facts: &self.facts,
            answers: &answers,
            image: answers::image(&self.stage, &answers),
        };
        let off = offer::refusals(&field.field, &scope);
        off.iter().map(offer::Refusal::text).collect()
    }

    /// Moves the cursor, checking what was left.
    pub fn step(&mut self, by: isize) {
        self.check_row();
        let last = self.rows().len() - 1;
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// Changes the row under the cursor: the next choice, or yes to no.
    pub fn change(&mut self, forward: bool) {
        match self.row() {
            Row::Field(index, offered) => {
                let next = self.neighbour(index, &offered, forward);
                match (self.fields.get_mut(index).map(|f| &mut f.value), next) {
                    (Some(Value::Flag(flag)), _) => *flag = !*flag,
                    (Some(Value::One(id)), Some(next)) => *id = next,
                    _ => {}
                }
                self.check_row();
            }
            Row::Item(index, id) => {
                if let Some(Value::Many(picked)) = self.fields.get_mut(index).map(|f| &mut f.value)
                    && !picked.remove(&id)
                {
                    picked.insert(id);
                }
            }
            Row::Continue => {}
        }
    }

    /// Types into the line under the cursor.
    pub fn key(&mut self, key: KeyEvent) {
        if let Row::Field(index, _) = self.row()
            && let Some(line) = self.line_mut(index)
            && line.key(key)
        {
            self.forget_error(index);
        }
    }

    /// Pastes into the line under the cursor; says whether there is one.
    pub fn paste(&mut self, text: &str) -> bool {
        let Row::Field(index, _) = self.row() else {
            return false;
        };
        let Some(line) = self.line_mut(index) else {
            return false;
        };
        line.paste(text);
        self.forget_error(index);
        true
    }

    /// Checks everything; the cursor goes to the first field that is wrong.
    pub fn check(&mut self) -> bool {
        self.errors.clear();
        let Err(error) = answers::resolve(&self.stage, &self.answers(), &self.facts) else {
            return true;
        };
        self.point_at(&error.option, words(&error.complaint));
        false
    }

    /// Says what is wrong with a field, and puts the cursor on it.
    pub fn point_at(&mut self, field: &str, why: String) {
        let at = self.rows().iter().position(|row| match row {
            Row::Field(index, _) | Row::Item(index, _) => {
                self.fields.get(*index).is_some_and(|f| f.field.id == field)
            }
            Row::Continue => false,
        });
        self.cursor = at.unwrap_or(self.cursor);
        self.errors.insert(field.to_owned(), why);
    }

    /// What was typed into a line.
    pub fn line_of(&self, field: &str) -> String {
        let found = self.fields.iter().find(|f| f.field.id == field);
        match found.map(|f| &f.value) {
            Some(Value::Line(entry)) => entry.text().trim().to_owned(),
            _ => String::new(),
        }
    }

    /// The help of the row under the cursor: of its choice, else of its field.
    pub fn help(&self) -> String {
        let of_item = |field: &FormField, id: &str| {
            let item = field.field.choices.iter().find(|c| c.id == id);
            item.map(|c| c.help.clone()).filter(|h| !h.is_empty())
        };
        match self.row() {
            Row::Field(index, offered) => {
                let Some(field) = self.fields.get(index) else {
                    return String::new();
                };
                let item = self.picked(index, &offered).and_then(|id| of_item(field, id));
                [Some(field.field.help.clone()), item]
                    .into_iter()
                    .flatten()
                    .filter(|t| !t.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Row::Item(index, id) => self.fields.get(index).map_or_else(String::new, |field| {
                of_item(field, &id).unwrap_or_else(|| field.field.help.clone())
            }),
            Row::Continue if self.button.0 != "Go on" => format!("{}: {}.", self.button.0, self.button.1),
            Row::Continue => "The plan is shown before anything happens.".into(),
        }
    }

    fn check_row(&mut self) {
        let Row::Field(index, offered) = self.row() else {
            return;
        };
        let Some(field) = self.fields.get(index) else {
            return;
        };
        let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        let given = field.answer_of(&offered);
        let wrong = given.and_then(|g| answers::validate(&field.field, &g, &offered).err());
        let id = field.field.id.clone();
        match wrong {
            Some(complaint) => self.errors.insert(id, words(&complaint)),
            None => self.errors.remove(&id),
        };
    }

    fn neighbour(&self, index: usize, offered: &[String], forward: bool) -> Option<String> {
        let Some(now) = self.picked(index, offered) else {
            let first = if forward { offered.first() } else { offered.last() };
            return first.cloned();
        };
        let at = offered.iter().position(|id| id == now)?;
        let count = offered.len();
        let next = if forward { at + 1 } else { at + count - 1 } % count;
        offered.get(next).cloned()
    }

    fn forget_error(&mut self, index: usize) {
        if let Some(field) = self.fields.get(index) {
            self.errors.remove(&field.field.id);
        }
    }

    fn line(&self, index: usize) -> Option<&Entry> {
        match self.fields.get(index).map(|f| &f.value) {
            Some(Value::Line(entry)) => Some(entry),
            _ => None,
        }
    }

    fn line_mut(&mut self, index: usize) -> Option<&mut Entry> {
        match self.fields.get_mut(index).map(|f| &mut f.value) {
            Some(Value::Line(entry)) => Some(entry),
            _ => None,
        }
    }

    /// Visits the fields that are asked, each in the scope of the answers before it.
    fn walk(&self, mut visit: impl FnMut(usize, &FormField, Vec<String>)) {
        let mut answers = Answers::new();
        for (index, field) in self.fields.iter().enumerate() {
            let image = answers::image(&self.stage, &answers);
            let scope = Scope {
                facts: &self.facts,
                answers: &answers,
                image,
            };
            let from_file = image.is_some_and(|i| i.source == (ImageSource::File {}));
            let asked = if field.field.id == IMAGE_FILE {
                from_file
            } else {
                field.field.when.as_ref().is_none_or(|w| w.holds(&scope))
            };
            if !asked {
                continue;
            }
            let offered: Vec<String> = answers::offered_choices(&field.field, &scope)
                .into_iter()
                .map(Into::into)
                .collect();
            let answer = field.answer(&offered);
            visit(index, field, offered);
            if let Some(answer) = answer {
                answers.insert(field.field.id.clone(), answer);
            }
        }
    }
}

impl FormField {
    /// Whether nothing is picked before the user picks.
    fn asks(&self) -> bool {
        self.field.ask.is_some()
    }

    fn answer(&self, offered: &[String]) -> Option<Answer> {
        let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        self.answer_of(&offered)
    }

    fn answer_of(&self, offered: &[&str]) -> Option<Answer> {
        match &self.value {
            Value::Flag(flag) => Some(Answer::Bool(*flag)),
            Value::One(id) if id.is_empty() && self.asks() => None,
            Value::One(id) => {
                let picked = offered.iter().find(|o| *o == id).or_else(|| offered.first());
                picked.map(|id| Answer::Text((*id).into()))
            }
            Value::Many(ids) => Some(Answer::List(
                offered
                    .iter()
                    .filter(|o| ids.contains(**o))
                    .map(|o| (*o).into())
                    .collect(),
            )),
            Value::Line(entry) => {
                let text = match self.field.kind {
                    FieldKind::Secret => entry.text(),
                    _ => entry.text().trim(),
                };
                // An empty size or secret is no answer; an empty text can be meant.
                let none = text.is_empty() && !matches!(self.field.kind, FieldKind::Text | FieldKind::Folder);
                (!none).then(|| Answer::Text(text.into()))
            }
        }
    }
}

/// Whether the user has to choose on this machine. A condition on other answers is for the planner to see.
fn asks(ask: &Condition, facts: &Facts) -> bool {
    ask.holds(&Scope {
        facts,
        answers: &Answers::new(),
        image: None,
    })
}

fn words(complaint: &answers::Complaint) -> String {
    let hint = complaint.hint.as_deref().map(|h| format!("; {h}"));
    format!("{}{}", complaint.message, hint.unwrap_or_default())
}
