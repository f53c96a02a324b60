//! What an image that is built here stands on: the images of its Dockerfile's `FROM` lines, with the values of its `ARG`s.

use std::collections::BTreeMap;

use crate::{
    host::Facts,
    stage::{Answers, Image, ImageSource, Stage, interpolate::interpolate},
};

/// The images that a stage's build begins with, by name; none for an image that is not built here.
pub(super) fn bases(stage: &Stage, image: &Image, answers: &Answers, facts: &Facts) -> Vec<String> {
    let ImageSource::Build {
        dockerfile,
        arguments,
        ..
    } = &image.source
    else {
        return vec![];
    };
    let file = match dockerfile.as_str() {
        "" => "Dockerfile",
        name => name,
    };
    let given = arguments.iter().filter_map(|(name, text)| {
        let value = interpolate(text, answers, facts);
        (!value.is_empty()).then(|| (name.clone(), value))
    });
    stage
        .files
        .get(file)
        .map_or_else(Vec::new, |text| named(text, given.collect()))
}

/// The names of a Dockerfile's `FROM` lines; not its own earlier stages, and nothing that is still a variable.
fn named(text: &str, given: BTreeMap<String, String>) -> Vec<String> {
    let mut values = BTreeMap::new();
    let (mut found, mut own) = (vec![], vec![]);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            // Only those before the first `FROM` count in it.
            Some("ARG") if found.is_empty() => {
                let word = words.next().unwrap_or_default();
                let (name, usual) = word.split_once('=').unwrap_or((word, ""));
                let value = given.get(name).map_or(usual.trim_matches('"'), String::as_str);
                values.insert(name.to_owned(), value.to_owned());
            }
            Some("FROM") => {
                let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
                let name = filled(words.first().copied().unwrap_or_default(), &values);
                if !own.contains(&name) && is_name(&name) {
                    found.push(name);
                }
                if let [_, keyword, alias, ..] = words.as_slice()
                    && keyword.eq_ignore_ascii_case("as")
                {
                    own.push((*alias).to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    // Longer names first: `$BASE_TAG` is not `$BASE`.
    let mut names: Vec<&String> = values.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        let value = values.get(name).map_or("", String::as_str);
        text = text
            .replace(&format!("${{{name}}}"), value)
            .replace(&format!("${name}"), value);
    }
    text
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    !text.is_empty() && text != "scratch" && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_lines_that_begin_a_build() {
        let of = |text: &str, given: &[(&str, &str)]| {
            let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            named(text, given.collect())
        };
        let text = "# x\nARG BASE=nvidia/cuda:12.9.1\nFROM ${BASE}\nARG OTHER=1\nRUN x\n";
        assert_eq!(of(text, &[]), ["nvidia/cuda:12.9.1"]);
        assert_eq!(of(text, &[("BASE", "lab/mine")]), ["lab/mine"]);
        let stages = "ARG B\nARG B_TAG=7\nfrom --platform=linux/amd64 a:$B_TAG AS build\nFROM build\nFROM scratch\nFROM $B\n";
        assert_eq!(of(stages, &[]), ["a:7"]);
        assert_eq!(of(stages, &[("B", "b@sha256:00")]), ["a:7", "b@sha256:00"]);
        assert!(of("FROM ${NOBODY}\n", &[]).is_empty());
    }
}
