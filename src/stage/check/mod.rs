//! What serde cannot see in a stage: names, references, defaults, sizes, scripts.

mod engine;
pub(super) mod profile;
pub(super) mod steps;
mod variables;
pub(super) mod when;

use std::collections::BTreeSet;

use super::{
    answers::{Answer, IMAGE, IMAGE_FILE, all_choices, validate},
    offer,
    schema::{BackendKind, Family, Field, FieldKind, Image, ImageSource, ProfileSpec, Stage},
    size,
};
use crate::document::{Document, Place, Problem};

/// Longest name of a stage: leaves room for `-prev-2` in the 63 characters of an instance's name.
const LONGEST_NAME: usize = 48;

/// Everything that is wrong with a stage, in the order of the file.
pub(super) fn problems(document: &Document<'_>, stage: &Stage) -> Vec<Problem> {
    let mut check = Check {
        document,
        stage,
        problems: vec![],
    };
    check.head();
    check.images();
    check.options();
    check.profile();
    check.mounts();
    check.step_lists();
    let mut problems = std::mem::take(&mut check.problems);
    problems.extend(when::problems(document, stage));
    check.variables();
    problems.extend(check.problems);
    // The mistakes of this file in its order, then those of the scripts beside it.
    let here = document.file();
    problems.sort_by_key(|problem| {
        let beside = problem.file != here;
        (beside, if beside { 0 } else { problem.span.start })
    });
    problems
}

struct Check<'c> {
    document: &'c Document<'c>,
    stage: &'c Stage,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(self.document.problem(place, message));
    }

    fn say_at_key(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(self.document.problem_at_key(place, message));
    }

    fn head(&mut self) {
        let root = Place::default();
        let stage = self.stage;
        self.name(&root.key("id"), &stage.id);
        self.line(&root.key("title"), &stage.title, true);
        self.line(&root.key("summary"), &stage.summary, true);
        let needs = root.key("needs");
        self.size(&needs.key("disk"), stage.needs.disk.as_deref());
        self.size(&needs.key("memory"), stage.needs.memory.as_deref());
        if stage.backend == BackendKind::Host && stage.id != "host" {
            let message = "only the stage `host` prepares the machine";
            let problem = self.document.problem(&root.key("backend"), message);
            self.problems.push(
                problem.hint("for changes of your own, name the stage `host`: it takes the place of ours"),
            );
        }
        if stage.backend.makes_labs() {
            if stage.images.is_empty() {
                self.problems.push(
                    self.document
                        .problem(
                            &root.key("backend"),
                            "a stage of this backend needs at least one image",
                        )
                        .hint("add an [[image]] table"),
                );
            }
            return;
        }
        for (key, unused) in [
            ("image", stage.images.is_empty()),
            ("profile", stage.profile == ProfileSpec::default()),
            ("mount", stage.mounts.is_empty()),
        ] {
            if !unused {
                self.say_at_key(
                    &root.key(key),
                    format!("a stage of the host has no `{key}`: it makes no instance"),
                );
            }
        }
    }

    fn images(&mut self) {
        let list = Place::default().key("image");
        self.unique(&list, self.stage.images.iter().map(|image| image.id.as_str()));
        for (index, image) in self.stage.images.iter().enumerate() {
            let place = list.index(index);
            self.name(&place.key("id"), &image.id);
            self.line(&place.key("title"), &image.title, true);
            self.fingerprint(&place.key("fingerprint"), image);
            let source = place.key("source");
            self.fits_engine(&source, &image.source);
            match &image.source {
                ImageSource::Remote { remote, alias } => {
                    self.line(&source.key("remote").key("remote"), remote, true);
                    self.line(&source.key("remote").key("alias"), alias, true);
                }
                ImageSource::Local { alias } => self.line(&source.key("local").key("alias"), alias, true),
                ImageSource::Bootstrap {
                    distribution,
                    suite,
                    packages: _,
                } => self.bootstrap(&source.key("bootstrap"), distribution, suite, image.family),
                ImageSource::Registry { reference } => {
                    self.line(&source.key("registry").key("reference"), reference, true);
                }
                ImageSource::Build { .. } | ImageSource::File {} => {}
            }
        }
    }

    fn fingerprint(&mut self, place: &Place, image: &Image) {
        let Some(fingerprint) = &image.fingerprint else {
            return;
        };
        if matches!(
            image.source,
            ImageSource::Bootstrap { .. } | ImageSource::Build { .. }
        ) {
            self.say_at_key(
                place,
                "an image that is built here has another fingerprint each time",
            );
        } else if !is_sha256(fingerprint) {
            self.say(place, "must be a SHA-256: 64 of the characters 0-9 and a-f");
        }
    }

    fn bootstrap(&mut self, place: &Place, distribution: &str, suite: &str, family: Family) {
        const KNOWN: [(&str, Family); 3] = [
            ("debian", Family::Debian),
            ("ubuntu", Family::Debian),
            ("arch", Family::Arch),
        ];
        let at = place.key("distribution");
        match KNOWN.iter().find(|(name, _)| *name == distribution) {
            None => self.problems.push(
                self.document
                    .problem(
                        &at,
                        format!("there is no bootstrap of `{}`", distribution.escape_debug()),
                    )
                    .allowed(distribution, KNOWN.map(|(name, _)| name)),
            ),
            Some((_, expected)) if *expected != family => self.say(
                &at,
                format!(
                    "{distribution} is of the family `{}`, and this image says `{}`",
                    expected.name(),
                    family.name()
                ),
            ),
            Some((_, Family::Debian)) if suite.is_empty() => {
                self.say(&place.key("suite"), "a release is needed here, as \"bookworm\"");
            }
            Some(_) => {}
        }
    }

    fn options(&mut self) {
        let list = Place::default().key("option");
        self.unique(&list, self.stage.options.iter().map(|field| field.id.as_str()));
        for (index, field) in self.stage.options.iter().enumerate() {
            let place = list.index(index);
            if [IMAGE, IMAGE_FILE].contains(&field.id.as_str()) {
                let message = format!("`{}` is built in; choose another name", field.id);
                self.say(&place.key("id"), message);
            }
            self.variable(&place.key("id"), &field.id);
            self.line(&place.key("title"), &field.title, true);
            self.line(&place.key("help"), &field.help, false);
            self.choices(&place, field);
            self.limits(&place, field);
            self.default(&place.key("default"), field);
        }
    }

    fn choices(&mut self, place: &Place, field: &Field) {
        let list = place.key("choices");
        let picks = matches!(field.kind, FieldKind::Choice | FieldKind::Multi);
        if picks && field.choices.is_empty() {
            self.say(&place.key("kind"), "a field of this kind needs `choices`");
        }
        if !picks && !field.choices.is_empty() {
            self.say_at_key(&list, "only a field of the kind `choice` or `multi` has choices");
        }
        self.unique(&list, field.choices.iter().map(|choice| choice.id.as_str()));
        for (index, choice) in field.choices.iter().enumerate() {
            let place = list.index(index);
            self.word(&place.key("id"), &choice.id);
            self.line(&place.key("title"), &choice.title, true);
            self.line(&place.key("help"), &choice.help, false);
        }
    }

    fn limits(&mut self, place: &Place, field: &Field) {
        for (key, limit) in [("min", &field.min), ("max", &field.max)] {
            if limit.is_some() && field.kind != FieldKind::Size {
                self.say_at_key(
                    &place.key(key),
                    format!("only a field of the kind `size` has `{key}`"),
                );
            }
            self.size(&place.key(key), limit.as_deref());
        }
        let bytes = |text: &Option<String>| text.as_deref().and_then(|text| size::parse(text).ok());
        if let (Some(min), Some(max)) = (bytes(&field.min), bytes(&field.max))
            && min > max
        {
            self.say(&place.key("max"), "is smaller than `min`");
        }
    }

    fn default(&mut self, place: &Place, field: &Field) {
        let Some(default) = &field.default else { return };
        if field.kind == FieldKind::Secret {
            return self.say_at_key(place, "a secret has no default: everyone can read this file");
        }
        // A fact is known on the machine alone; `${…}` of anything else is no choice.
        if field.kind == FieldKind::Choice && offer::is_fact(default) {
            return;
        }
        if let Err(complaint) = validate(field, default, &all_choices(field)) {
            // The mark goes under the one word of a list that is wrong.
            let place = match default {
                Answer::List(words) => words
                    .iter()
                    .position(|word| *word == complaint.given)
                    .map_or_else(|| place.clone(), |index| place.index(index)),
                Answer::Bool(_) | Answer::Text(_) => place.clone(),
            };
            let problem = self
                .document
                .problem(&place, format!("the default: {}", complaint.message));
            self.problems
                .push(problem.allowed(&complaint.given, complaint.allowed));
        }
    }

    /// The second of two equal ids.
    fn unique<'i>(&mut self, list: &Place, ids: impl Iterator<Item = &'i str>) {
        let mut seen = BTreeSet::new();
        for (index, id) in ids.enumerate() {
            if !seen.insert(id) {
                self.say(&list.index(index).key("id"), format!("`{id}` is there already"));
            }
        }
    }

    /// A name of instances, devices and folders.
    fn name(&mut self, place: &Place, name: &str) {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(letters)
            && !name.ends_with('-')
            && name.len() <= LONGEST_NAME;
        if !good {
            self.say(
                place,
                "must be small letters, digits and -, begin with a letter, not end with -, at most 48 characters",
            );
        }
    }

    /// A name in conditions and in the environment.
    fn variable(&mut self, place: &Place, name: &str) {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(letters) {
            self.say(
                place,
                "must be small letters, digits and _, and begin with a letter",
            );
        }
    }

    /// An id of a choice: lists of them are handed to scripts with spaces between.
    fn word(&mut self, place: &Place, word: &str) {
        let letters = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        if word.is_empty() || !word.chars().all(letters) {
            self.say(place, "must be letters, digits and - _ . +, without spaces");
        }
    }

    /// A text that is shown in one line.
    fn line(&mut self, place: &Place, text: &str, needed: bool) {
        if needed && text.trim().is_empty() {
            self.say(place, "must not be empty");
        } else if text.chars().any(char::is_control) {
            self.say(place, "must be one line without control characters");
        }
    }

    fn size(&mut self, place: &Place, text: Option<&str>) {
        if let Some(Err(error)) = text.map(size::parse) {
            self.say(place, error.to_string());
        }
    }
}

/// Whether a text is a SHA-256, as daemons write the fingerprints of images.
fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
