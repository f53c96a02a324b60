//! The fields of a form: their first values, and the built-in ones for the image.

use std::collections::BTreeSet;

use crate::{
    app::entry::Entry,
    host::Facts,
    stage::{
        Answer, ChoiceItem, Field, FieldKind, Image, Stage,
        answers::{self, IMAGE, IMAGE_FILE},
    },
};

use super::Value;

/// What is in a field at first.
pub(super) fn value(field: &Field, given: Option<&Answer>) -> Value {
    let text = match given {
        Some(Answer::Text(text)) => text.as_str(),
        _ => "",
    };
    match field.kind {
        FieldKind::Bool => Value::Flag(given == Some(&Answer::Bool(true))),
        FieldKind::Choice => Value::One(text.into()),
        FieldKind::Multi => match given {
            Some(Answer::List(ids)) => Value::Many(ids.iter().cloned().collect()),
            _ => Value::Many(BTreeSet::new()),
        },
        FieldKind::Secret => Value::Line(Box::new(Entry::new(text).masked())),
        FieldKind::Text | FieldKind::Folder | FieldKind::Size => Value::Line(Box::new(Entry::new(text))),
    }
}

/// An image's line; says of one that cannot be had now that it cannot.
fn image_title(image: &Image, facts: &Facts) -> String {
    if answers::is_unreachable(image, facts) {
        format!("{} (its server does not answer)", image.title)
    } else {
        image.title.clone()
    }
}

/// The built-in fields: which image, and its file where it is one.
pub(super) fn image_fields(stage: &Stage, facts: &Facts) -> Vec<Field> {
    let images = answers::offered_images(stage, facts);
    if images.is_empty() {
        return vec![];
    }
    let choices = images.iter().map(|image| ChoiceItem {
        id: image.id.clone(),
        title: image_title(image, facts),
        help: String::new(),
        when: None,
        why_not: String::new(),
    });
    let reached = images.iter().find(|image| !answers::is_unreachable(image, facts));
    let first = reached
        .or_else(|| images.first())
        .map(|image| Answer::Text(image.id.clone()));
    let field = |id: &str, title: &str, help: &str, kind, choices| Field {
        id: id.into(),
        title: title.into(),
        help: help.into(),
        kind,
        default: first.clone().filter(|_| id == IMAGE),
        choices,
        ask: None,
        when: None,
        required: true,
        min: None,
        max: None,
    };
    vec![
        field(
            IMAGE,
            "Image",
            "What the lab starts from.",
            FieldKind::Choice,
            choices.collect(),
        ),
        field(
            IMAGE_FILE,
            "Image file",
            "Absolute path of a unified image file (.tar.gz or .tar.xz).",
            FieldKind::Text,
            vec![],
        ),
    ]
}
