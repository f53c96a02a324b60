//! `${option.ID}` and `${host.FACT}` in the config and devices of a profile.

use crate::host::{Fact, Facts};

use super::{Answer, Answers};

/// The text with its references filled in; a list is joined with commas, what is not there is empty.
pub fn interpolate(text: &str, answers: &Answers, facts: &Facts) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("${") {
        let Some((name, after)) = tail.split_once('}') else {
            break;
        };
        out.push_str(before);
        out.push_str(&value(name, answers, facts));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn value(name: &str, answers: &Answers, facts: &Facts) -> String {
    if let Some(id) = name.strip_prefix("option.") {
        return match answers.get(id) {
            Some(Answer::Text(text)) => text.clone(),
            Some(Answer::Bool(yes)) => yes.to_string(),
            Some(Answer::List(items)) => items.join(","),
            None => String::new(),
        };
    }
    match name.strip_prefix("host.").and_then(|id| facts.get(id)) {
        Some(Fact::Text(text)) => text.clone(),
        Some(Fact::Number(number)) => number.to_string(),
        Some(Fact::Bool(yes)) => yes.to_string(),
        None => String::new(),
    }
}

/// The names in the `${…}` of a text; none for one without its end.
pub(super) fn references(text: &str) -> impl Iterator<Item = Option<&str>> {
    text.split("${")
        .skip(1)
        .map(|rest| rest.split_once('}').map(|(name, _)| name))
}
