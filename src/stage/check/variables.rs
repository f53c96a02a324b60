//! What scripts read of their environment: `OPT_…` are options of the stage, `SECRET_…` are secrets of the step.
//! A name that is neither would be empty for ever, or end the script under `set -u` in the middle of a run.

use std::{collections::BTreeSet, ops::Range};

use super::Check;
use crate::{
    document::{Place, Problem},
    stage::schema::{FieldKind, Script, StageStep},
};

const OPTION: &str = "OPT_";
const SECRET: &str = "SECRET_";

impl Check<'_> {
    /// The variables of all scripts that the steps of a list name; a file that several steps run is looked at with
    /// the secrets of all of them.
    pub(super) fn variables(&mut self) {
        let mut seen = BTreeSet::new();
        for (key, steps) in [
            ("step", &self.stage.steps),
            ("update", &self.stage.updates),
            ("verify", &self.stage.verifies),
        ] {
            for (index, step) in steps.iter().enumerate() {
                let place = Place::default().key(key).index(index);
                for (family, script) in &step.run {
                    let place = place.key("run").key(family.name());
                    self.script_variables(&place, script, step, &mut seen);
                }
                if let Some(script) = &step.check {
                    self.script_variables(&place.key("check"), script, step, &mut seen);
                }
            }
        }
    }

    fn script_variables<'s>(
        &mut self,
        place: &Place,
        script: &'s Script,
        step: &StageStep,
        seen: &mut BTreeSet<&'s str>,
    ) {
        let problems: Vec<Problem> = match script {
            Script::Inline(text) => self
                .unknown(text, &step.secrets)
                .into_iter()
                .map(|unknown| {
                    let whole = self.document.problem(&place.key("inline"), unknown.message());
                    // Escapes and indents of the text are before or behind a name, never in it.
                    let written = uses(self.document.source(&whole.span))
                        .find(|(name, _)| *name == unknown.name)
                        .map(|(_, span)| whole.span.start + span.start..whole.span.start + span.end);
                    unknown.explain(match written {
                        Some(span) => self.document.at(span, whole.message),
                        None => whole,
                    })
                })
                .collect(),
            Script::File(name) => {
                let Some(text) = self.stage.files.get(name).filter(|_| seen.insert(name)) else {
                    return;
                };
                let file = self.document.beside(name);
                self.unknown(text, &self.secrets_of(name))
                    .into_iter()
                    .map(|unknown| {
                        let problem = Problem::at(&file, text, unknown.span.clone(), unknown.message());
                        unknown.explain(problem)
                    })
                    .collect()
            }
        };
        self.problems.extend(problems);
    }

    /// The secrets that any step that runs this file reads.
    fn secrets_of(&self, file: &str) -> Vec<String> {
        let steps = [&self.stage.steps, &self.stage.updates, &self.stage.verifies];
        let runs = |script: &Script| matches!(script, Script::File(name) if name == file);
        steps
            .into_iter()
            .flatten()
            .filter(|step| step.run.values().any(runs))
            .flat_map(|step| step.secrets.iter().cloned())
            .collect()
    }

    /// The first use of each name that nothing declares.
    fn unknown<'t>(&self, text: &'t str, secrets: &[String]) -> Vec<Unknown<'t>> {
        let options: Vec<String> = self
            .stage
            .options
            .iter()
            .filter(|field| field.kind != FieldKind::Secret)
            .map(|field| format!("{OPTION}{}", field.id.to_uppercase()))
            .collect();
        let secrets: Vec<String> = secrets
            .iter()
            .map(|id| format!("{SECRET}{}", id.to_uppercase()))
            .collect();
        let mut seen = BTreeSet::new();
        uses(text)
            .filter(|(name, _)| !options.iter().chain(&secrets).any(|known| known == name))
            .filter(|(name, _)| !is_assigned(text, name) && seen.insert(*name))
            .map(|(name, span)| {
                let secret = name.starts_with(SECRET);
                let allowed = if secret { secrets.clone() } else { options.clone() };
                Unknown { name, span, allowed }
            })
            .collect()
    }
}

/// A name that nothing declares.
struct Unknown<'t> {
    name: &'t str,
    span: Range<usize>,
    allowed: Vec<String>,
}

impl Unknown<'_> {
    fn message(&self) -> String {
        if self.name.starts_with(SECRET) {
            format!("`{}` is no secret that this step reads", self.name)
        } else {
            format!("`{}` is no option of this stage", self.name)
        }
    }

    fn explain(&self, problem: Problem) -> Problem {
        if !self.allowed.is_empty() {
            return problem.allowed(self.name, &self.allowed);
        }
        problem.hint(if self.name.starts_with(SECRET) {
            "name the secret option in `secrets` of the step"
        } else {
            "the stage has no options: add an [[option]] table"
        })
    }
}

/// The names of ours that a shell would put a value for, and where: `$OPT_X`, `${OPT_X…`, `${#OPT_X}`. Lines that are
/// comments say what they like.
fn uses(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let lines = text.split_inclusive('\n').scan(0, |start, line| {
        let at = *start;
        *start += line.len();
        Some((at, line))
    });
    lines
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .flat_map(|(at, line)| {
            line.match_indices('$').filter_map(move |(dollar, _)| {
                let rest = line.get(dollar + 1..)?;
                let inner = rest.strip_prefix('{').unwrap_or(rest);
                let inner = inner.strip_prefix(['#', '!']).unwrap_or(inner);
                let end = inner
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(inner.len());
                let name = inner.get(..end)?;
                let ours = [OPTION, SECRET]
                    .iter()
                    .any(|prefix| name.len() > prefix.len() && name.starts_with(prefix));
                let start = at + line.len() - inner.len();
                ours.then_some((name, start..start + end))
            })
        })
}

/// Whether the script gives the name a value itself.
fn is_assigned(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).unwrap_or_default();
        before.is_none_or(char::is_whitespace) && after.starts_with('=')
    })
}

#[cfg(test)]
mod tests {
    use super::{is_assigned, uses};

    #[test]
    fn each_form_of_use_is_found_with_its_place() {
        let text =
            "# $OPT_NO\necho \"$OPT_A\" ${OPT_B:-x} ${#OPT_C} \\$5 $OPT_ ${HOST_GFX}\n  : ${SECRET_P?}";
        let found: Vec<(&str, usize)> = uses(text).map(|(name, span)| (name, span.start)).collect();
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["OPT_A", "OPT_B", "OPT_C", "SECRET_P"]);
        assert!(
            found
                .iter()
                .all(|(name, start)| text.get(*start..).is_some_and(|rest| rest.starts_with(name)))
        );
    }

    #[test]
    fn what_a_script_sets_itself_is_its_own() {
        assert!(is_assigned("x\nOPT_MINE=1", "OPT_MINE"));
        assert!(!is_assigned("MY_OPT_MINE=1 $OPT_MINE==", "OPT_MINE"));
    }
}
