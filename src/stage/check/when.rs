//! What the conditions of a stage refer to: options that exist and are answered before, choices that can be
//! picked, comparisons that can hold, facts that some probe supplies.

use crate::document::{Document, Place, Problem};
use crate::stage::{
    answers::Complaint,
    condition::{Condition, Expression, FAMILIES, Operand},
    schema::{Field, FieldKind, Stage},
    size,
};

/// A condition, where it stands, and what it may look at.
struct When<'s> {
    place: Place,
    condition: &'s Condition,
    /// Options that are answered before it is evaluated.
    options: &'s [Field],
    /// Whether the image is chosen before it is evaluated.
    image: bool,
}

/// Conditions that can never mean what they say.
pub(in crate::stage) fn problems(document: &Document<'_>, stage: &Stage) -> Vec<Problem> {
    let mut problems = vec![];
    for when in conditions(stage) {
        when.condition.expression().walk(&mut |part| {
            if let Err(wrong) = when.part(stage, part) {
                let problem = document.problem_at_word(&when.place, &wrong.given, wrong.message);
                problems.push(if wrong.allowed.is_empty() {
                    problem
                } else {
                    problem.allowed(&wrong.given, wrong.allowed)
                });
            }
        });
    }
    problems
}

/// Facts that no probe supplies: such a condition is always false.
pub(in crate::stage) fn unknown_facts(
    document: &Document<'_>,
    stage: &Stage,
    known: &[&str],
) -> Vec<Problem> {
    let mut warnings = vec![];
    for when in conditions(stage) {
        let mut visit = |operand: &Operand| {
            if let Operand::Host(name) = operand
                && !known.contains(&name.as_str())
            {
                let message = format!("no probe supplies `host.{name}`: it is always false");
                let problem = document.problem_at_word(&when.place, name, message);
                warnings.push(problem.allowed(name, known));
            }
        };
        when.condition.expression().walk(&mut |part| match part {
            Expression::Holds(operand) => visit(operand),
            Expression::Compare(left, _, right) => {
                visit(left);
                visit(right);
            }
            Expression::Any(_) | Expression::All(_) | Expression::Not(_) | Expression::Contains(..) => {}
        });
    }
    warnings
}

/// All conditions of a stage, with what each may look at.
fn conditions(stage: &Stage) -> Vec<When<'_>> {
    let root = Place::default();
    let all = stage.options.as_slice();
    let mut found = Found(vec![]);
    for (index, image) in stage.images.iter().enumerate() {
        // The image is chosen first of all: its condition can look at the machine only.
        found.add(&root.key("image").index(index), image.when.as_ref(), &[], false);
    }
    for (index, field) in all.iter().enumerate() {
        let place = root.key("option").index(index);
        let before = all.get(..index).unwrap_or_default();
        for (number, choice) in field.choices.iter().enumerate() {
            let place = place.key("choices").index(number);
            found.add(&place, choice.when.as_ref(), before, true);
        }
        found.add(&place, field.when.as_ref(), before, true);
        found.add_as(&place.key("ask"), field.ask.as_ref(), before, true);
    }
    for (name, device) in &stage.profile.devices {
        let place = root.key("profile").key("device").key(name);
        found.add(&place, device.when.as_ref(), all, true);
    }
    for (name, setting) in &stage.profile.settings {
        let place = root.key("profile").key("setting").key(name);
        found.add(&place, setting.when.as_ref(), all, true);
    }
    for (index, mount) in stage.mounts.iter().enumerate() {
        found.add(&root.key("mount").index(index), mount.when.as_ref(), all, true);
    }
    for (key, steps) in [
        ("step", &stage.steps),
        ("update", &stage.updates),
        ("verify", &stage.verifies),
    ] {
        for (index, step) in steps.iter().enumerate() {
            found.add(&root.key(key).index(index), step.when.as_ref(), all, true);
        }
    }
    found.0
}

struct Found<'s>(Vec<When<'s>>);

impl<'s> Found<'s> {
    fn add(&mut self, place: &Place, when: Option<&'s Condition>, options: &'s [Field], image: bool) {
        self.add_as(&place.key("when"), when, options, image);
    }

    fn add_as(&mut self, place: &Place, when: Option<&'s Condition>, options: &'s [Field], image: bool) {
        if let Some(condition) = when {
            self.0.push(When {
                place: place.clone(),
                condition,
                options,
                image,
            });
        }
    }
}

impl When<'_> {
    /// Looks at one part of the condition.
    fn part(&self, stage: &Stage, part: &Expression) -> Result<(), Complaint> {
        match part {
            Expression::Holds(operand) => self.operand(stage, operand).map(|_| ()),
            Expression::Compare(left, operator, right) => {
                let kinds = (self.operand(stage, left)?, self.operand(stage, right)?);
                if operator.orders() {
                    ordered(left, &kinds.0)?;
                    ordered(right, &kinds.1)?;
                } else {
                    comparable(&kinds.0, right)?;
                    comparable(&kinds.1, left)?;
                }
                Ok(())
            }
            Expression::Contains(word, id) => {
                let field = self.option(stage, id)?;
                if field.kind != FieldKind::Multi {
                    let message = format!("`option.{id}` is not a list: write `option.{id} == \"{word}\"`");
                    return Err(Complaint::new(message));
                }
                choice(field, word)
            }
            Expression::Any(_) | Expression::All(_) | Expression::Not(_) => Ok(()),
        }
    }

    /// What kind of value this is; an error where it cannot have one here.
    fn operand<'o>(&'o self, stage: &'o Stage, operand: &Operand) -> Result<Kind<'o>, Complaint> {
        match operand {
            Operand::Option(id) => self.option(stage, id).map(Kind::Option),
            Operand::ImageFamily | Operand::ImageId if !self.image => Err(Complaint::new(
                "the image is what this condition decides on: it can look at `host.` facts only",
            )),
            Operand::ImageFamily => Ok(Kind::Words("family", FAMILIES.iter().map(|f| f.name()).collect())),
            Operand::ImageId => {
                let ids = stage.images.iter().map(|image| image.id.as_str());
                Ok(Kind::Words("image", ids.collect()))
            }
            Operand::Host(_) => Ok(Kind::Fact),
            Operand::Text(_) | Operand::Bool(_) | Operand::Number(_) => Ok(Kind::Literal),
        }
    }

    fn option(&self, stage: &Stage, id: &str) -> Result<&Field, Complaint> {
        if let Some(field) = self.options.iter().find(|field| field.id == id) {
            return Ok(field);
        }
        if stage.options.iter().any(|field| field.id == id) {
            let what = if self.image {
                format!("`option.{id}` is asked later: move it before this one")
            } else {
                "the image is chosen before the options: this condition can look at `host.` facts only".into()
            };
            return Err(Complaint::new(what));
        }
        let known = self.options.iter().map(|field| field.id.clone()).collect();
        Err(Complaint::unknown("there is no option", id, known))
    }
}

/// What is known of a value before it is there.
enum Kind<'o> {
    Option(&'o Field),
    Words(&'static str, Vec<&'o str>),
    Fact,
    Literal,
}

/// Whether a value can stand beside `<`.
fn ordered(operand: &Operand, kind: &Kind<'_>) -> Result<(), Complaint> {
    let number = match (kind, operand) {
        (Kind::Option(field), _) => field.kind == FieldKind::Size,
        (Kind::Fact, _) => true,
        (Kind::Words(..), _) => false,
        (Kind::Literal, Operand::Text(text)) => size::parse(text).is_ok(),
        (Kind::Literal, literal) => matches!(literal, Operand::Number(_)),
    };
    if number {
        return Ok(());
    }
    Err(Complaint::new(format!("`{operand}` is not a number or a size")))
}

/// Whether a value of this kind can ever equal the other side.
fn comparable(kind: &Kind<'_>, other: &Operand) -> Result<(), Complaint> {
    match (kind, other) {
        (Kind::Words(what, words), Operand::Text(word)) if !words.contains(&word.as_str()) => {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            Err(Complaint::unknown(&format!("there is no {what}"), word, words))
        }
        (Kind::Words(what, _), Operand::Bool(_) | Operand::Number(_)) => Err(Complaint::new(format!(
            "`image.{what}` is a text: `{other}` is none"
        ))),
        (Kind::Option(field), other) => option_comparable(field, other),
        _ => Ok(()),
    }
}

fn option_comparable(field: &Field, other: &Operand) -> Result<(), Complaint> {
    let id = &field.id;
    match (field.kind, other) {
        (FieldKind::Secret, _) => Err(Complaint::new(format!(
            "`option.{id}` is a secret: a condition can only ask whether it is there, with `option.{id}` alone"
        ))),
        (FieldKind::Multi, _) => Err(Complaint::new(format!(
            "`option.{id}` is a list: write `\"x\" in option.{id}`"
        ))),
        // Empty where it is not asked.
        (FieldKind::Choice, Operand::Text(word)) if !word.is_empty() => choice(field, word),
        (FieldKind::Bool, Operand::Text(_) | Operand::Number(_)) => Err(Complaint::new(format!(
            "`option.{id}` is true or false: write `option.{id}` or `!option.{id}`"
        ))),
        (FieldKind::Choice | FieldKind::Text | FieldKind::Folder, Operand::Bool(_) | Operand::Number(_)) => {
            Err(Complaint::new(format!(
                "`option.{id}` is a text: put `{other}` in quotes"
            )))
        }
        (FieldKind::Size, Operand::Bool(_)) => Err(Complaint::new(format!("`option.{id}` is a size"))),
        (FieldKind::Size, Operand::Text(text)) if size::parse(text).is_err() => Err(Complaint::new(format!(
            "`option.{id}` is a size: write it as 16GiB"
        ))),
        _ => Ok(()),
    }
}

fn choice(field: &Field, word: &str) -> Result<(), Complaint> {
    if field.choices.iter().any(|choice| choice.id == word) {
        return Ok(());
    }
    let ids = field.choices.iter().map(|choice| choice.id.clone()).collect();
    let what = format!("`option.{}` has no choice", field.id);
    Err(Complaint::unknown(&what, word, ids))
}
