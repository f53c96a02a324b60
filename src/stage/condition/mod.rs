//! Conditions: `when` in a stage, over host facts, options and the image.
//!
//! ```text
//! option.gpu == "rocm" && (host.memory >= 64GiB || !host.gpu_nvidia) && "cursor" in option.editors
//! ```
//! What is not known (a fact that no probe supplied, an option that is not asked) is false, equals
//! `false` and `""`, and is neither below nor above any number.

mod parse;

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    answers::{Answer, Answers},
    schema::{Family, Image},
    size,
};
use crate::host::{Fact, Facts};

pub use parse::ConditionError;

/// A condition, parsed. It is written to files as its own text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    text: String,
    expression: Expression,
}

/// What a condition is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// At least one holds.
    Any(Vec<Self>),
    /// Each holds.
    All(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// True, not empty, not 0.
    Holds(Operand),
    /// Two values beside each other.
    Compare(Operand, Operator, Operand),
    /// The list of this option holds this word.
    Contains(String, String),
}

/// A value in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// `host.NAME`: a fact.
    Host(String),
    /// `option.ID`: an answer.
    Option(String),
    /// `image.family`: as [`Family::name`].
    ImageFamily,
    /// `image.id`.
    ImageId,
    /// `"text"`.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// `3` or `16GiB`.
    Number(u64),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What a condition is evaluated over.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Host facts.
    pub facts: &'a Facts,
    /// Answers; options that are not asked are not in it.
    pub answers: &'a Answers,
    /// The chosen image.
    pub image: Option<&'a Image>,
}

impl Condition {
    /// Parses; a mistake comes with its place in the text.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let expression = parse::parse(text)?;
        Ok(Self {
            text: text.to_owned(),
            expression,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is made of.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Whether it holds.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        self.expression.holds(scope)
    }
}

/// Whether a `when` that may be left out holds.
pub fn holds(when: Option<&Condition>, scope: &Scope<'_>) -> bool {
    when.is_none_or(|condition| condition.holds(scope))
}

impl Expression {
    fn holds(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(scope)),
            Self::All(parts) => parts.iter().all(|part| part.holds(scope)),
            Self::Not(part) => !part.holds(scope),
            Self::Holds(operand) => operand.value(scope).truth(),
            Self::Compare(left, operator, right) => operator.compare(&left.value(scope), &right.value(scope)),
            Self::Contains(word, option) => {
                matches!(scope.answers.get(option), Some(Answer::List(words)) if words.contains(word))
            }
        }
    }

    /// Calls for each part, outermost first.
    pub fn walk<'e>(&'e self, visit: &mut impl FnMut(&'e Self)) {
        visit(self);
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().for_each(|part| part.walk(visit)),
            Self::Not(part) => part.walk(visit),
            Self::Holds(_) | Self::Compare(..) | Self::Contains(..) => {}
        }
    }
}

enum Value<'a> {
    Unknown,
    Bool(bool),
    Number(u64),
    Text(Cow<'a, str>),
    List(&'a [String]),
}

impl Operand {
    fn value<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        match self {
            Self::Host(name) => match scope.facts.get(name) {
                None => Value::Unknown,
                Some(Fact::Bool(value)) => Value::Bool(*value),
                Some(Fact::Number(value)) => Value::Number(*value),
                Some(Fact::Text(value)) => Value::Text(value.into()),
            },
            Self::Option(id) => match scope.answers.get(id) {
                None => Value::Unknown,
                Some(Answer::Bool(value)) => Value::Bool(*value),
                Some(Answer::Text(value)) => Value::Text(value.into()),
                Some(Answer::List(value)) => Value::List(value),
            },
            Self::ImageFamily => scope
                .image
                .map_or(Value::Unknown, |image| Value::Text(image.family.name().into())),
            Self::ImageId => scope
                .image
                .map_or(Value::Unknown, |image| Value::Text((&image.id).into())),
            Self::Text(value) => Value::Text(value.into()),
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::Number(*value),
        }
    }
}

impl Value<'_> {
    fn truth(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Bool(value) => *value,
            Self::Number(value) => *value != 0,
            Self::Text(value) => !value.is_empty(),
            Self::List(value) => !value.is_empty(),
        }
    }

    /// Sizes are text in answers and numbers in facts: both compare as bytes.
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(value) => size::parse(value).ok(),
            Self::Unknown | Self::Bool(_) | Self::List(_) => None,
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, Self::Number(_)) | (Self::Number(_), Self::Unknown) => false,
            (Self::Unknown, other) | (other, Self::Unknown) => !other.truth(),
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::List(left), Self::List(right)) => left == right,
            (left, right) => left.number().is_some_and(|left| right.number() == Some(left)),
        }
    }
}

impl Operator {
    fn compare(self, left: &Value<'_>, right: &Value<'_>) -> bool {
        let numbers = |holds: fn(&u64, &u64) -> bool| matches!((left.number(), right.number()), (Some(l), Some(r)) if holds(&l, &r));
        match self {
            Self::Equal => left.equals(right),
            Self::Unequal => !left.equals(right),
            Self::Less => numbers(u64::lt),
            Self::LessOrEqual => numbers(u64::le),
            Self::Greater => numbers(u64::gt),
            Self::GreaterOrEqual => numbers(u64::ge),
        }
    }

    /// Whether it needs numbers on both sides.
    pub fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::Unequal)
    }

    /// As written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "host.{name}"),
            Self::Option(id) => write!(f, "option.{id}"),
            Self::ImageFamily => f.write_str("image.family"),
            Self::ImageId => f.write_str("image.id"),
            Self::Text(text) if text.contains('"') => write!(f, "'{text}'"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Any(parts) => (parts, " || "),
            Self::All(parts) => (parts, " && "),
            Self::Not(part) if matches!(**part, Self::Holds(_) | Self::Not(_)) => {
                return write!(f, "!{part}");
            }
            Self::Not(part) => return write!(f, "!({part})"),
            Self::Holds(operand) => return write!(f, "{operand}"),
            Self::Compare(left, operator, right) => return write!(f, "{left} {} {right}", operator.text()),
            Self::Contains(word, option) => {
                return write!(f, "{} in option.{option}", Operand::Text(word.clone()));
            }
        };
        for (index, part) in parts.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { word })?;
            let inside = matches!(part, Self::Any(_)) || matches!((self, part), (Self::All(_), Self::All(_)));
            if inside {
                write!(f, "({part})")?;
            } else {
                write!(f, "{part}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A condition over `host.FACT`, `option.ID`, `image.family` and `image.id`: \
                `option.gpu == \"rocm\" && host.memory >= 64GiB`, `\"cursor\" in option.editors`, `!`, `&&`, `||`, \
                parentheses.",
        })
    }
}

/// The families as conditions name them.
pub(crate) const FAMILIES: [Family; 5] = [
    Family::Arch,
    Family::Debian,
    Family::Fedora,
    Family::Suse,
    Family::Any,
];
