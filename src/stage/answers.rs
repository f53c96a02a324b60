//! What the user answered: the values of a stage's options.

mod serial;

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    condition::{Scope, holds},
    offer,
    schema::{Field, FieldKind, Image, ImageSource, Stage},
    size,
};
use crate::{
    document::closest,
    host::{Fact, Facts, reach},
};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Yes or no.
    Bool(bool),
    /// Text, the id of a choice, a size, or a secret.
    Text(String),
    /// The ids of several choices.
    List(Vec<String>),
}

/// The answers for one lab, by option id. `image` and `image_file` are built in.
pub type Answers = BTreeMap<String, Answer>;

/// The answer that names the image.
pub const IMAGE: &str = "image";

/// The answer that names the file of an image that comes from one.
pub const IMAGE_FILE: &str = "image_file";

/// Longest text that is accepted, in bytes; the environment of a script has to hold it.
const LONGEST: usize = 4096;

/// A value that an option cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AnswerError {
    /// The stage.
    pub stage: String,
    /// The option.
    pub option: String,
    /// What is wrong with it.
    pub complaint: Box<Complaint>,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Complaint {
            message,
            allowed,
            hint,
            ..
        } = &*self.complaint;
        write!(f, "{}: option `{}`: {message}", self.stage, self.option)?;
        if !allowed.is_empty() {
            write!(f, "\n  allowed: {}", allowed.join(", "))?;
        }
        if let Some(hint) = hint {
            write!(f, "\n  hint: {hint}")?;
        }
        write!(f, "\n  all options: halolab stage show {}", self.stage)
    }
}

/// What is wrong with a value, wherever it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// In words, without the option's name. Never holds the value of a secret.
    pub message: String,
    /// What would be right; empty where that is said in the message.
    pub allowed: Vec<String>,
    /// What was probably meant.
    pub hint: Option<String>,
    /// The word that was given, where a word of `allowed` was expected.
    pub given: String,
    /// Nothing is wrong with what was given: nothing was, and there is no default.
    pub unanswered: bool,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    pub(super) fn unknown(what: &str, given: &str, allowed: Vec<String>) -> Self {
        Self {
            message: format!("{what} `{}`", given.escape_debug()),
            hint: closest(given, &allowed).map(|word| format!("did you mean `{word}`?")),
            allowed,
            given: given.to_owned(),
            unanswered: false,
        }
    }
}

/// Fills in defaults, drops what is not asked, and validates everything: what a plan is made from.
///
/// The result holds each option that is asked and has a value, `image` where the stage has images, and
/// `image_file` where the image is a file. Sizes and lists are in one spelling and order, so that the same
/// answers give the same plan.
pub fn resolve(stage: &Stage, given: &Answers, facts: &Facts) -> Result<Answers, AnswerError> {
    let fail = |option: &str, complaint: Complaint| AnswerError {
        stage: stage.id.clone(),
        option: option.to_owned(),
        complaint: Box::new(complaint),
    };
    for id in given.keys() {
        known(stage, id).map_err(|complaint| fail(id, complaint))?;
    }
    let mut answers = Answers::new();
    let image = choose_image(stage, given.get(IMAGE), facts).map_err(|complaint| fail(IMAGE, complaint))?;
    if let Some(image) = image {
        answers.insert(IMAGE.into(), Answer::Text(image.id.clone()));
        if image.source == (ImageSource::File {}) {
            let file = image_file(given.get(IMAGE_FILE)).map_err(|complaint| fail(IMAGE_FILE, complaint))?;
            answers.insert(IMAGE_FILE.into(), file);
        }
    }
    for field in &stage.options {
        let scope = Scope {
            facts,
            answers: &answers,
            image,
        };
        if !holds(field.when.as_ref(), &scope) {
            continue;
        }
        let value = resolve_field(field, given.get(&field.id), &scope)
            .map_err(|complaint| fail(&field.id, complaint))?;
        if let Some(value) = value {
            answers.insert(field.id.clone(), value);
        }
    }
    Ok(answers)
}

/// The image that answers name; for the shape of a plan and for `when`.
pub fn image<'s>(stage: &'s Stage, answers: &Answers) -> Option<&'s Image> {
    let Some(Answer::Text(id)) = answers.get(IMAGE) else {
        return None;
    };
    stage.images.iter().find(|image| image.id == *id)
}

/// The images that a stage offers on this machine.
pub fn offered_images<'s>(stage: &'s Stage, facts: &Facts) -> Vec<&'s Image> {
    let scope = Scope {
        facts,
        answers: &Answers::new(),
        image: None,
    };
    let offered = |image: &&Image| holds(image.when.as_ref(), &scope);
    stage.images.iter().filter(offered).collect()
}

/// Whether an image is on a server that is known not to answer.
pub fn is_unreachable(image: &Image, facts: &Facts) -> bool {
    matches!(&image.source, ImageSource::Remote { remote, .. } if reach::is_silent(facts, remote))
}

/// Whether an id may stand in the answers of a stage.
pub(super) fn known(stage: &Stage, id: &str) -> Result<(), Complaint> {
    let built_in = [IMAGE, IMAGE_FILE]
        .into_iter()
        .filter(|_| stage.backend.makes_labs());
    let ids: Vec<String> = built_in
        .chain(stage.options.iter().map(|field| field.id.as_str()))
        .map(Into::into)
        .collect();
    if ids.iter().any(|known| known == id) {
        return Ok(());
    }
    Err(Complaint::unknown("there is no option", id, ids))
}

fn choose_image<'s>(
    stage: &'s Stage,
    given: Option<&Answer>,
    facts: &Facts,
) -> Result<Option<&'s Image>, Complaint> {
    let offered = offered_images(stage, facts);
    let Some(given) = given else {
        let reached = offered.iter().find(|image| !is_unreachable(image, facts));
        return match (reached.or_else(|| offered.first()), stage.images.is_empty()) {
            (Some(image), _) => Ok(Some(image)),
            (None, true) => Ok(None),
            (None, false) => Err(Complaint::new(
                "no image of this stage is offered on this machine",
            )),
        };
    };
    let id = text(given)?;
    if let Some(image) = offered.iter().find(|image| image.id == id) {
        return Ok(Some(image));
    }
    let ids = offered.iter().map(|image| image.id.clone()).collect();
    Err(Complaint::unknown("there is no image", id, ids))
}

pub(super) fn image_file(given: Option<&Answer>) -> Result<Answer, Complaint> {
    let missing = || Complaint::new("is missing: the path of a unified image file (.tar.gz or .tar.xz)");
    let path = text(given.ok_or_else(missing)?)?;
    if !path.starts_with('/') {
        return Err(Complaint::new("must be an absolute path"));
    }
    one_line(path)?;
    Ok(Answer::Text(path.to_owned()))
}

/// The value of a field that is asked.
fn resolve_field(
    field: &Field,
    given: Option<&Answer>,
    scope: &Scope<'_>,
) -> Result<Option<Answer>, Complaint> {
    let offered = offered_choices(field, scope);
    let value = match given {
        Some(given) => match offer::refused(field, given, scope) {
            Some(complaint) => return Err(complaint),
            None => Some(validate(field, given, &offered)?),
        },
        None => match offer::unasked(field, &offered, scope) {
            Some(complaint) => return Err(complaint),
            None => default(field, &offered, scope.facts)?,
        },
    };
    let empty = match &value {
        None => true,
        Some(Answer::Text(text)) => text.is_empty(),
        Some(Answer::List(list)) => list.is_empty(),
        Some(Answer::Bool(_)) => false,
    };
    if empty && field.required {
        let mut complaint = Complaint::new("must not be empty");
        complaint.hint = Some(match field.kind {
            FieldKind::Secret => format!("give it in a file: --answers FILE with `{} = \"…\"`", field.id),
            _ => format!("give it: --set {}=VALUE", field.id),
        });
        return Err(complaint);
    }
    Ok(value)
}

/// The ids of the choices that are offered in this scope.
pub fn offered_choices<'f>(field: &'f Field, scope: &Scope<'_>) -> Vec<&'f str> {
    field
        .choices
        .iter()
        .filter(|choice| holds(choice.when.as_ref(), scope))
        .map(|choice| choice.id.as_str())
        .collect()
}

/// The ids of all choices, offered here or not.
pub(super) fn all_choices(field: &Field) -> Vec<&str> {
    field.choices.iter().map(|choice| choice.id.as_str()).collect()
}

/// The default; what it names and is not offered here is left out of it.
fn default(field: &Field, offered: &[&str], facts: &Facts) -> Result<Option<Answer>, Complaint> {
    let is_offered = |id: &String| offered.contains(&id.as_str());
    match (field.kind, &offer::default(field, facts)) {
        (FieldKind::Choice, Some(Answer::Text(id))) if is_offered(id) => Ok(Some(Answer::Text(id.clone()))),
        (FieldKind::Choice, _) => Ok(offered.first().map(|id| Answer::Text((*id).to_owned()))),
        (FieldKind::Multi, Some(Answer::List(ids))) => Ok(Some(Answer::List(
            ids.iter().filter(|id| is_offered(id)).cloned().collect(),
        ))),
        (FieldKind::Multi, _) => Ok(Some(Answer::List(vec![]))),
        (FieldKind::Bool, None) => Ok(Some(Answer::Bool(false))),
        (_, Some(default)) => validate(field, default, offered).map(Some),
        (_, None) => Ok(None),
    }
}

/// Checks a value against the kind of its field, and brings it into its one spelling.
pub fn validate(field: &Field, given: &Answer, offered: &[&str]) -> Result<Answer, Complaint> {
    let all = || offered.iter().map(|id| (*id).to_owned()).collect();
    match field.kind {
        FieldKind::Bool => match given {
            Answer::Bool(_) => Ok(given.clone()),
            _ => Err(Complaint::new("must be true or false, without quotes")),
        },
        FieldKind::Text | FieldKind::Secret => {
            let value = text(given)?;
            one_line(value)?;
            Ok(given.clone())
        }
        FieldKind::Folder => {
            let value = text(given)?;
            one_line(value)?;
            if !value.is_empty() && !is_plain_path(value.trim_end_matches('/')) {
                return Err(Complaint::new(
                    "must be an absolute path of this machine, as /srv/builds, without `.` and `..`, not `/` itself",
                ));
            }
            Ok(given.clone())
        }
        FieldKind::Choice => {
            let id = text(given)?;
            if offered.contains(&id) {
                Ok(given.clone())
            } else {
                Err(Complaint::unknown("there is no choice", id, all()))
            }
        }
        FieldKind::Multi => {
            let Answer::List(ids) = given else {
                return Err(Complaint::new("must be a list of texts: [\"a\", \"b\"]"));
            };
            if let Some(id) = ids.iter().find(|id| !offered.contains(&id.as_str())) {
                return Err(Complaint::unknown("there is no choice", id, all()));
            }
            let picked = offered.iter().filter(|id| ids.iter().any(|i| i == *id));
            Ok(Answer::List(picked.map(|id| (*id).to_owned()).collect()))
        }
        FieldKind::Size => validate_size(field, text(given)?),
    }
}

fn validate_size(field: &Field, given: &str) -> Result<Answer, Complaint> {
    let bytes =
        size::parse(given).map_err(|error| Complaint::new(format!("`{}`: {error}", given.escape_debug())))?;
    let limit = |text: &Option<String>| text.as_deref().and_then(|text| size::parse(text).ok());
    let beyond = |word: &str, text: &Option<String>| {
        let limit = text.as_deref().unwrap_or_default();
        Err(Complaint::new(format!(
            "`{}` is {word} than {limit}",
            given.escape_debug()
        )))
    };
    if limit(&field.min).is_some_and(|min| bytes < min) {
        return beyond("smaller", &field.min);
    }
    if limit(&field.max).is_some_and(|max| bytes > max) {
        return beyond("larger", &field.max);
    }
    Ok(Answer::Text(size::format(bytes)))
}

/// Whether a path begins at the root, and leads below it by names alone.
pub(super) fn is_plain_path(path: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    path.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(part))
}

fn text(given: &Answer) -> Result<&str, Complaint> {
    match given {
        Answer::Text(text) => Ok(text),
        Answer::Bool(_) | Answer::List(_) => Err(Complaint::new("must be a text in quotes")),
    }
}

/// A value goes into the environment of scripts and into one line of a form.
fn one_line(value: &str) -> Result<(), Complaint> {
    if value.len() > LONGEST {
        return Err(Complaint::new("is longer than 4096 bytes"));
    }
    if value.chars().any(char::is_control) {
        return Err(Complaint::new("must be one line without control characters"));
    }
    Ok(())
}

/// What scripts of a stage find in their environment: `OPT_<ID>` for every option (a list with spaces
/// between, yes as `1`, no as `0`; empty for what is not asked, so that `set -u` holds), `HOST_<FACT>`, and
/// `IMAGE_FAMILY` and `IMAGE_ID`. Secrets are never in it. `answers` come from [`resolve`].
pub fn env(
    stage: &Stage,
    answers: &Answers,
    facts: &Facts,
    image: Option<&Image>,
) -> BTreeMap<String, String> {
    let flag = |value: bool| if value { "1" } else { "0" }.to_owned();
    // A plan's digest covers its environment: what changes by the second may not be in it.
    let steady = facts
        .iter()
        .filter(|(name, _)| !["free_disk", reach::UNREACHABLE].contains(&name.as_str()));
    let hosts = steady.map(|(name, fact)| {
        let value = match fact {
            Fact::Bool(value) => flag(*value),
            Fact::Number(value) => value.to_string(),
            Fact::Text(value) => value.replace('\0', ""),
        };
        (format!("HOST_{}", name.to_uppercase()), value)
    });
    let options = stage
        .options
        .iter()
        .filter(|field| field.kind != FieldKind::Secret);
    let options = options.map(|field| {
        let value = match answers.get(&field.id) {
            Some(Answer::Bool(value)) => flag(*value),
            Some(Answer::Text(value)) => value.clone(),
            Some(Answer::List(value)) => value.join(" "),
            None if field.kind == FieldKind::Bool => flag(false),
            None => String::new(),
        };
        (format!("OPT_{}", field.id.to_uppercase()), value)
    });
    let images = image.into_iter().flat_map(|image| {
        [
            ("IMAGE_FAMILY".to_owned(), image.family.name().to_owned()),
            ("IMAGE_ID".to_owned(), image.id.clone()),
        ]
    });
    hosts.chain(options).chain(images).collect()
}
