//! What a machine makes of a stage's options: texts with its facts filled in, what is off here and why, and what the
//! user has to choose.

use super::{
    Answer, Answers,
    answers::Complaint,
    condition::{Scope, holds},
    interpolate::interpolate,
    schema::{Field, FieldKind, Image},
};
use crate::host::Facts;

/// A choice that is off here, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The id of the choice.
    pub id: String,
    /// Its line in the form.
    pub title: String,
    /// Why it is off.
    pub why: String,
}

impl Refusal {
    /// In one sentence.
    pub fn text(&self) -> String {
        format!("{} is off: {}", self.title, self.why)
    }
}

/// A field with the facts of this machine in its texts and in its default.
pub fn localized(field: &Field, facts: &Facts) -> Field {
    let none = Answers::new();
    let fill = |text: &str| interpolate(text, &none, facts);
    let mut field = field.clone();
    field.help = fill(&field.help);
    for choice in &mut field.choices {
        choice.title = fill(&choice.title);
        choice.help = fill(&choice.help);
    }
    field.default = default(&field, facts);
    field
}

/// The default of a field; that of a choice may be a fact.
pub(super) fn default(field: &Field, facts: &Facts) -> Option<Answer> {
    match (&field.default, field.kind) {
        (Some(Answer::Text(text)), FieldKind::Choice) => {
            Some(Answer::Text(interpolate(text, &Answers::new(), facts)))
        }
        (other, _) => other.clone(),
    }
}

/// Whether a default is a fact of the host.
pub(super) fn is_fact(default: &Answer) -> bool {
    matches!(default, Answer::Text(text) if text.starts_with("${host.") && text.ends_with('}'))
}

/// The choices of a field that are off here for a reason.
pub fn refusals(field: &Field, scope: &Scope<'_>) -> Vec<Refusal> {
    let off = field
        .choices
        .iter()
        .filter(|choice| !holds(choice.when.as_ref(), scope));
    let refusals = off.map(|choice| Refusal {
        id: choice.id.clone(),
        title: interpolate(&choice.title, scope.answers, scope.facts),
        why: interpolate(&choice.why_not, scope.answers, scope.facts),
    });
    refusals.filter(|refusal| !refusal.why.is_empty()).collect()
}

/// The same of all fields that are asked with these answers.
pub fn all_refusals(
    options: &[Field],
    answers: &Answers,
    image: Option<&Image>,
    facts: &Facts,
) -> Vec<Refusal> {
    let scope = Scope {
        facts,
        answers,
        image,
    };
    let asked = options.iter().filter(|field| holds(field.when.as_ref(), &scope));
    asked.flat_map(|field| refusals(field, &scope)).collect()
}

/// What is wrong with a choice that is off here; nothing where it is not.
pub(super) fn refused(field: &Field, given: &Answer, scope: &Scope<'_>) -> Option<Complaint> {
    let Answer::Text(id) = given else { return None };
    let refusal = refusals(field, scope).into_iter().find(|r| r.id == *id)?;
    Some(Complaint::new(format!("`{id}` is off here: {}", refusal.why)))
}

/// What is wrong where the user has to choose and did not.
pub(super) fn unasked(field: &Field, offered: &[&str], scope: &Scope<'_>) -> Option<Complaint> {
    let asks = field.ask.as_ref().is_some_and(|ask| ask.holds(scope));
    if !asks || field.kind != FieldKind::Choice {
        return None;
    }
    let ways: Vec<String> = offered
        .iter()
        .map(|choice| format!("--set {}={choice}", field.id))
        .collect();
    Some(Complaint {
        allowed: offered.iter().map(|id| (*id).to_owned()).collect(),
        hint: Some(format!("give one of: {}", ways.join(", "))),
        unanswered: true,
        ..Complaint::new("has to be chosen: this machine can do more than one of them")
    })
}
