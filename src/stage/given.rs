//! Answers as people give them: `--answers FILE` and `--set KEY=VALUE`; and back to a file.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::json;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    answers::{
        Answer, AnswerError, Answers, Complaint, IMAGE, IMAGE_FILE, all_choices, image_file, known, validate,
    },
    load::{LoadError, VERSION},
    schema::{FieldKind, Stage},
};
use crate::document::{Document, Place, Problem, closest};

/// The labs that answers can be for, by name, with their stages.
pub type Labs<'s> = BTreeMap<String, &'s Stage>;

/// A `--set` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No `=` in it, or nothing before it.
    #[error("--set {0}: write KEY=VALUE, or LAB.KEY=VALUE for one lab")]
    Form(String),
    /// A lab that is not part of this command.
    #[error("--set {lab}.{key}: this command is not about a lab `{lab}`{}", listed(.labs, .lab))]
    Lab {
        /// What was written.
        lab: String,
        /// The option.
        key: String,
        /// The labs of this command.
        labs: Vec<String>,
    },
    /// A secret, which other users of the machine could read from the list of processes.
    #[error(
        "--set {key}: a secret is not taken from the command line, which all users of this machine can read\n  \
         hint: put `{key} = \"…\"` under [{lab}] in a file and give it with --answers FILE"
    )]
    Secret {
        /// The lab.
        lab: String,
        /// The option.
        key: String,
    },
    /// A value that the option cannot take.
    #[error("--set {0}")]
    Answer(#[from] AnswerError),
}

fn listed(words: &[String], given: &str) -> String {
    let meant =
        closest(given, words).map_or(String::new(), |word| format!("\n  hint: did you mean `{word}`?"));
    format!("\n  allowed: {}{meant}", words.join(", "))
}

/// One `KEY=VALUE` for one stage: the value is read as the kind of the option says. Lists have commas
/// between their words; yes is `true`, `yes`, `on` or `1`.
pub fn parse_set(stage: &Stage, text: &str) -> Result<(String, Answer), SetError> {
    let (key, value) = split(text)?;
    let fail = |complaint: Complaint| AnswerError {
        stage: stage.id.clone(),
        option: key.to_owned(),
        complaint: Box::new(complaint),
    };
    known(stage, key).map_err(fail)?;
    let Some(field) = stage.options.iter().find(|field| field.id == key) else {
        let answer = built_in(stage, key, &Answer::Text(value.to_owned())).map_err(fail)?;
        return Ok((key.to_owned(), answer));
    };
    let answer = match field.kind {
        FieldKind::Secret => {
            return Err(SetError::Secret {
                lab: stage.id.clone(),
                key: key.to_owned(),
            });
        }
        FieldKind::Bool => Answer::Bool(flag(value).map_err(fail)?),
        FieldKind::Multi => {
            let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
            Answer::List(words.map(Into::into).collect())
        }
        FieldKind::Text | FieldKind::Folder | FieldKind::Choice | FieldKind::Size => {
            Answer::Text(value.to_owned())
        }
    };
    let answer = validate(field, &answer, &all_choices(field)).map_err(fail)?;
    Ok((key.to_owned(), answer))
}

/// All `--set` of a command: `LAB.KEY=VALUE` is for one lab, `KEY=VALUE` for each lab that has such an
/// option. A later one wins.
pub fn parse_sets(sets: &[String], labs: &Labs<'_>) -> Result<BTreeMap<String, Answers>, SetError> {
    let mut all: BTreeMap<String, Answers> = BTreeMap::new();
    for set in sets {
        let (key, value) = split(set)?;
        let (lab, key) = match key.split_once('.') {
            Some((lab, key)) => (Some(lab), key),
            None => (None, key),
        };
        let Some(lab) = lab else {
            let having = |stage: &Stage| known(stage, key).is_ok();
            let any = labs.values().any(|stage| having(stage));
            // Where no lab has it, the first one says what there is.
            let targets = labs.iter().filter(|(_, stage)| !any || having(stage));
            for (lab, stage) in targets {
                let (key, answer) = parse_set(stage, set)?;
                all.entry(lab.clone()).or_default().insert(key, answer);
            }
            continue;
        };
        let stage = labs.get(lab).ok_or_else(|| SetError::Lab {
            lab: lab.to_owned(),
            key: key.to_owned(),
            labs: labs.keys().cloned().collect(),
        })?;
        let (key, answer) = parse_set(stage, &format!("{key}={value}"))?;
        all.entry(lab.to_owned()).or_default().insert(key, answer);
    }
    Ok(all)
}

fn split(text: &str) -> Result<(&str, &str), SetError> {
    text.split_once('=')
        .map(|(key, value)| (key.trim(), value))
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| SetError::Form(text.to_owned()))
}

fn flag(value: &str) -> Result<bool, Complaint> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        other => Err(Complaint::unknown(
            "not a yes or no:",
            other,
            ["true", "false", "yes", "no", "on", "off", "1", "0"]
                .map(Into::into)
                .to_vec(),
        )),
    }
}

/// The answers that every lab has.
fn built_in(stage: &Stage, key: &str, given: &Answer) -> Result<Answer, Complaint> {
    if key == IMAGE_FILE {
        return image_file(Some(given));
    }
    match given {
        Answer::Text(id) if stage.images.iter().any(|image| image.id == *id) => Ok(given.clone()),
        Answer::Text(id) => {
            let ids = stage.images.iter().map(|image| image.id.clone()).collect();
            Err(Complaint::unknown("there is no image", id, ids))
        }
        Answer::Bool(_) | Answer::List(_) => Err(Complaint::new("must be a text in quotes")),
    }
}

/// Reads an answers file: a table a lab, a line an option, and `version = 1` where one likes.
///
/// ```toml
/// [ai-lab]
/// image = "debian"
/// editors = ["cursor", "code-server"]
/// ```
/// Whether an option is asked at all is for [`super::resolve`] to say; here each value must fit its option.
pub fn read_answers(file: &str, text: &str, labs: &Labs<'_>) -> Result<BTreeMap<String, Answers>, LoadError> {
    let document = Document::parse(file, text)?;
    let mut all = BTreeMap::new();
    let mut problems = vec![];
    for (lab, value) in document.root() {
        let lab = lab.get_ref().as_ref();
        let place = Place::default().key(lab);
        match (labs.get(lab), value.get_ref()) {
            (_, DeValue::Integer(version)) if lab == "version" => {
                if version.as_str() != VERSION.to_string() {
                    let message = format!("version {version} of answers is not known here");
                    problems.push(document.problem(&place, message).allowed("", ["1"]));
                }
            }
            (Some(stage), DeValue::Table(table)) => {
                let answers = read_lab(&document, &place, table, stage, &mut problems);
                all.insert(lab.to_owned(), answers);
            }
            (Some(_), _) => problems.push(
                document
                    .problem(&place, "must be a table")
                    .hint(format!("write [{lab}] on a line of its own")),
            ),
            (None, _) => problems.push(
                document
                    .problem_at_key(&place, format!("there is no lab `{}` here", lab.escape_debug()))
                    .allowed(lab, labs.keys()),
            ),
        }
    }
    if problems.is_empty() {
        return Ok(all);
    }
    problems.sort_by_key(|problem| problem.span.start);
    Err(LoadError { problems })
}

fn read_lab(
    document: &Document<'_>,
    lab: &Place,
    table: &DeTable<'_>,
    stage: &Stage,
    problems: &mut Vec<Problem>,
) -> Answers {
    let mut answers = Answers::new();
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        let place = lab.key(key);
        if let Err(complaint) = known(stage, key) {
            let problem = document.problem_at_key(&place, complaint.message);
            problems.push(problem.allowed(key, complaint.allowed));
            continue;
        }
        let checked = plain(value.get_ref()).and_then(|answer| {
            match stage.options.iter().find(|field| field.id == key) {
                Some(field) => validate(field, &answer, &all_choices(field)),
                None => built_in(stage, key, &answer),
            }
        });
        match checked {
            Ok(answer) => {
                answers.insert(key.to_owned(), answer);
            }
            Err(complaint) => {
                let place = word_place(&place, value.get_ref(), &complaint.given);
                let problem = document.problem(&place, format!("`{key}`: {}", complaint.message));
                problems.push(problem.allowed(&complaint.given, complaint.allowed));
            }
        }
    }
    answers
}

/// The place of the word of a list that is wrong.
fn word_place(place: &Place, value: &DeValue<'_>, word: &str) -> Place {
    let position = value
        .as_array()
        .and_then(|list| list.iter().position(|item| item.get_ref().as_str() == Some(word)));
    position.map_or_else(|| place.clone(), |index| place.index(index))
}

fn plain(value: &DeValue<'_>) -> Result<Answer, Complaint> {
    let wrong = || Complaint::new("must be a text in quotes, true, false, or a list of texts");
    match value {
        DeValue::String(text) => Ok(Answer::Text(text.to_string())),
        DeValue::Boolean(value) => Ok(Answer::Bool(*value)),
        DeValue::Array(list) => {
            let words = list.iter().map(|item| item.get_ref().as_str().map(Into::into));
            words.collect::<Option<_>>().map(Answer::List).ok_or_else(wrong)
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Err(wrong()),
    }
}

/// Writes an answers file, which [`read_answers`] reads. Secrets are left out and named in a comment.
pub fn export(labs: &[(&str, &Stage, &Answers)]) -> String {
    let mut root = Table::new();
    let mut comment = String::new();
    for (lab, stage, answers) in labs {
        let mut table = Table::new();
        for (key, answer) in *answers {
            let field = stage.options.iter().find(|field| field.id == *key);
            if field.is_some_and(|field| field.kind == FieldKind::Secret) {
                let _ = writeln!(comment, "# A secret, left out of this file: {lab}.{key}");
                continue;
            }
            let value = match answer {
                Answer::Bool(value) => Value::Boolean(*value),
                Answer::Text(value) => Value::String(value.clone()),
                Answer::List(words) => Value::Array(words.iter().cloned().map(Value::String).collect()),
            };
            table.insert(key.clone(), value);
        }
        root.insert((*lab).to_owned(), Value::Table(table));
    }
    format!("{comment}version = {VERSION}\n\n{root}")
}

/// A JSON schema of answers files for these labs.
pub fn answers_schema(labs: &Labs<'_>) -> serde_json::Value {
    let labs: serde_json::Map<_, _> = labs
        .iter()
        .map(|(lab, stage)| (lab.clone(), lab_schema(stage)))
        .chain([("version".to_owned(), json!({ "const": VERSION }))])
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Answers",
        "type": "object",
        "properties": labs,
        "additionalProperties": false,
    })
}

fn lab_schema(stage: &Stage) -> serde_json::Value {
    let mut properties = serde_json::Map::new();
    if stage.backend.makes_labs() {
        let ids: Vec<&str> = stage.images.iter().map(|image| image.id.as_str()).collect();
        properties.insert(IMAGE.into(), json!({ "enum": ids }));
        properties.insert(IMAGE_FILE.into(), json!({ "type": "string", "pattern": "^/" }));
    }
    for field in &stage.options {
        let ids = all_choices(field);
        let mut schema = match field.kind {
            FieldKind::Bool => json!({ "type": "boolean" }),
            FieldKind::Choice => json!({ "enum": ids }),
            FieldKind::Multi => json!({ "type": "array", "items": { "enum": ids } }),
            FieldKind::Text | FieldKind::Folder | FieldKind::Secret => json!({ "type": "string" }),
            FieldKind::Size => json!({ "type": "string", "pattern": "^[0-9.]+ ?[A-Za-z]*$" }),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("title".into(), json!(field.title));
            if let Some(default) = &field.default {
                schema.insert("default".into(), json!(default));
            }
        }
        properties.insert(field.id.clone(), schema);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}
