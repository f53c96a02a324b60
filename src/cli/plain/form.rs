//! The options form as questions, one after another: the same form as on the screens, so that the same options are
//! asked under the same conditions.

use std::collections::BTreeSet;

use crate::{
    app::{
        entry::Entry,
        form::{Form, FormField, Row, Value},
    },
    log::clean,
    stage::{Answer, FieldKind, answers},
};

use super::ask::{self, Left, numbers, say};

/// Asks each option that applies, with what is in the form as the proposal.
pub(super) async fn fill_in(form: &mut Form) -> Result<(), Left> {
    let mut asked = BTreeSet::new();
    while let Some((index, offered)) = next(form, &asked) {
        asked.insert(index);
        loop {
            let Some(field) = form.fields.get(index).cloned() else {
                break;
            };
            let value = question(form, index, &field, &offered).await?;
            if let Some(field) = form.fields.get_mut(index) {
                field.value = value;
            }
            match wrong(form, index, &offered) {
                Some(wrong) => {
                    say(&format!("That does not fit: {wrong}"));
                    if let Some(kept) = form.fields.get_mut(index) {
                        kept.value = field.value;
                    }
                }
                None => break,
            }
        }
    }
    Ok(())
}

/// The first field that applies and was not asked, with the ids of the choices that it offers.
fn next(form: &Form, asked: &BTreeSet<usize>) -> Option<(usize, Vec<String>)> {
    let rows = form.rows();
    let index_of = |row: &Row| match row {
        Row::Field(index, _) | Row::Item(index, _) => Some(*index),
        Row::Continue => None,
    };
    let index = rows
        .iter()
        .filter_map(index_of)
        .find(|index| !asked.contains(index))?;
    let offered = rows.iter().flat_map(|row| match row {
        Row::Field(at, offered) if *at == index => offered.clone(),
        Row::Item(at, id) if *at == index => vec![id.clone()],
        _ => vec![],
    });
    Some((index, offered.collect()))
}

fn wrong(form: &Form, index: usize, offered: &[String]) -> Option<String> {
    let field = &form.fields.get(index)?.field;
    let answer = form.answers().remove(&field.id);
    let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
    match answer {
        Some(answer) => {
            let complaint = answers::validate(field, &answer, &offered).err()?;
            let hint = complaint.hint.map(|h| format!("; {h}")).unwrap_or_default();
            Some(format!("{}{hint}", complaint.message))
        }
        None => field.required.then(|| "an answer is needed".into()),
    }
}

async fn question(form: &Form, index: usize, field: &FormField, offered: &[String]) -> Result<Value, Left> {
    let title = clean(&field.field.title).into_owned();
    say("");
    match field.field.help.as_str() {
        "" => say(&format!("{title}.")),
        help => say(&format!("{title}. {help}")),
    }
    match &field.value {
        Value::Flag(flag) => Ok(Value::Flag(ask::yes(&title, *flag).await?)),
        Value::One(_) => {
            if offered.is_empty() {
                say("There is nothing to choose from.");
                return Ok(field.value.clone());
            }
            let picked = form.picked(index, offered);
            list(field, offered);
            form.refusals(index)
                .iter()
                .for_each(|off| say(&format!("  {off}")));
            let at = offered.iter().position(|id| Some(id.as_str()) == picked);
            let number = ask::number("Number", offered.len(), at.map(|at| at + 1)).await?;
            let id = offered.get(number - 1).cloned().unwrap_or_default();
            Ok(Value::One(id))
        }
        Value::Many(picked) => several(field, picked, offered).await,
        Value::Line(entry) if field.field.kind == FieldKind::Secret => {
            let kept = if entry.text().is_empty() {
                "none"
            } else {
                "as before"
            };
            let given = ask::secret(&format!("{title}, not shown while you type [{kept}]: ")).await?;
            if given.is_empty() {
                return Ok(field.value.clone());
            }
            Ok(Value::Line(Box::new(Entry::new(&given).masked())))
        }
        Value::Line(entry) => {
            let clears = if entry.text().is_empty() {
                ""
            } else {
                ", - for nothing"
            };
            let given = ask::line(&format!("{title} [{}{clears}]: ", entry.text())).await?;
            Ok(match given.as_str() {
                "" => field.value.clone(),
                "-" => Value::Line(Box::default()),
                text => Value::Line(Box::new(Entry::new(text))),
            })
        }
    }
}

async fn several(field: &FormField, picked: &BTreeSet<String>, offered: &[String]) -> Result<Value, Left> {
    list(field, offered);
    let marked = offered
        .iter()
        .zip(1_usize..)
        .filter(|(id, _)| picked.contains(*id));
    let marked: Vec<String> = marked.map(|(_, number)| number.to_string()).collect();
    let proposal = if marked.is_empty() {
        "none".to_owned()
    } else {
        format!("{}, - for none", marked.join(","))
    };
    loop {
        let given = ask::line(&format!("Numbers with commas [{proposal}]: ")).await?;
        match given.as_str() {
            "" => return Ok(field.value.clone()),
            "-" => return Ok(Value::Many(BTreeSet::new())),
            "q" => return Err(Left::Quit),
            text => {
                if let Some(found) = numbers(text, offered.len()) {
                    let ids = found.iter().filter_map(|n| offered.get(n - 1).cloned());
                    return Ok(Value::Many(ids.collect()));
                }
            }
        }
        say(&format!(
            "Please type numbers from 1 to {}, as 1,2.",
            offered.len()
        ));
    }
}

fn list(field: &FormField, offered: &[String]) {
    for (number, id) in (1..).zip(offered) {
        let item = field.field.choices.iter().find(|c| c.id == *id);
        let title = item.map_or(id.as_str(), |c| c.title.as_str());
        let help = item.map(|c| c.help.as_str()).filter(|h| !h.is_empty());
        let help = help.map(|h| format!(": {h}")).unwrap_or_default();
        say(&format!("  {number}. {title}{help}"));
    }
}

/// The answers in one line, for people to look over; secrets only by name.
pub(super) fn summary(form: &Form) -> String {
    let shown = form.answers().into_iter().map(|(id, answer)| {
        let secret = form
            .fields
            .iter()
            .any(|f| f.field.id == id && f.field.kind == FieldKind::Secret);
        let value = match answer {
            _ if secret => "(given, not shown)".into(),
            Answer::Bool(true) => "yes".into(),
            Answer::Bool(false) => "no".into(),
            Answer::Text(text) => text,
            Answer::List(ids) if ids.is_empty() => "none".into(),
            Answer::List(ids) => ids.join(" and "),
        };
        format!("{id} {value}")
    });
    shown.collect::<Vec<_>>().join(", ")
}
