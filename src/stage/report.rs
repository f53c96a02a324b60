//! What `halolab stage list|show|check|schema` print.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    path::Path,
};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::{
    answers::Answer,
    check::{profile, steps, when},
    load::{Catalog, LoadError, parse, read_parts},
    schema::{BackendKind, Family, Field, FieldKind, ImageSource, Stage, StageStep},
};
use crate::document::{Document, Problem};

/// A line of `stage list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Id of the stage.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it runs: `lxd`, `docker` or `host`.
    pub backend: BackendKind,
    /// The file that it was read from; `shipped:…` where it is built in.
    pub origin: String,
}

/// The stages, in the order of the menu.
pub fn list(catalog: &Catalog) -> Vec<Row> {
    catalog
        .iter()
        .map(|stage| Row {
            id: stage.id.clone(),
            title: stage.title.clone(),
            backend: stage.backend,
            origin: stage.origin.clone(),
        })
        .collect()
}

/// The same as a table. Ends with a line break, as all texts of this module.
pub fn list_text(catalog: &Catalog) -> String {
    let rows = list(catalog);
    let width = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).width()).max().unwrap_or(0);
    let (id, title) = (width(|row| &row.id), width(|row| &row.title));
    let pad = |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(text.width())));
    rows.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(
            text,
            "{}  {}  {}",
            pad(&row.id, id),
            pad(&row.title, title),
            row.origin
        );
        text
    })
}

/// A stage for people: what it starts from, what can be chosen, what it does.
pub fn show(stage: &Stage) -> String {
    let mut out = format!("{} — {}\n{}\n", stage.id, stage.title, stage.summary);
    let _ = writeln!(out, "read from {}", stage.origin);
    let needs = [("disk", &stage.needs.disk), ("memory", &stage.needs.memory)];
    let needs: Vec<String> = needs
        .iter()
        .filter_map(|(what, size)| size.as_ref().map(|size| format!("{size} of {what}")))
        .collect();
    if !needs.is_empty() {
        let _ = writeln!(out, "needs {}", needs.join(", "));
    }
    show_images(&mut out, stage);
    show_options(&mut out, stage);
    if !stage.mounts.is_empty() {
        out.push_str("\nKept outside of snapshots, restore and recreate\n");
        for mount in &stage.mounts {
            let when = only_when(mount.when.as_ref());
            let _ = writeln!(out, "  {}  {} at {}{when}", mount.id, mount.title, mount.path);
        }
    }
    show_steps(&mut out, "First run", stage, &stage.steps);
    show_steps(&mut out, "Update", stage, &stage.updates);
    show_steps(&mut out, "Proof", stage, &stage.verifies);
    out
}

fn only_when(condition: Option<&super::Condition>) -> String {
    condition.map_or(String::new(), |condition| format!("  [when {condition}]"))
}

fn show_images(out: &mut String, stage: &Stage) {
    if stage.images.is_empty() {
        return;
    }
    out.push_str("\nImages (answer `image`)\n");
    for image in &stage.images {
        let source = match &image.source {
            ImageSource::Remote { remote, alias } => format!("{alias} from {remote}"),
            ImageSource::Bootstrap {
                distribution,
                suite,
                packages: _,
            } => {
                let release = format!("{distribution} {suite}");
                format!("{} built here from its package sources", release.trim_end())
            }
            ImageSource::Local { alias } => format!("{alias}, which the daemon has"),
            ImageSource::Registry { reference } => format!("{reference} of its registry"),
            ImageSource::Build { dockerfile, .. } => match dockerfile.as_str() {
                "" => "built here out of its Dockerfile".into(),
                name => format!("built here out of its {name}"),
            },
            ImageSource::File {} => "a file: answer `image_file`".into(),
        };
        let pinned = image.fingerprint.as_deref().unwrap_or_default();
        let only = if pinned.is_empty() {
            ""
        } else {
            "; only fingerprint "
        };
        let when = only_when(image.when.as_ref());
        let _ = writeln!(
            out,
            "  {}  {} ({}; {source}{only}{pinned})",
            image.id,
            image.title,
            image.family.name(),
        );
        if !when.is_empty() {
            let _ = writeln!(out, "    {}", when.trim());
        }
    }
}

fn show_options(out: &mut String, stage: &Stage) {
    if stage.options.is_empty() {
        return;
    }
    out.push_str("\nOptions\n");
    for field in &stage.options {
        let _ = writeln!(out, "  {}  {} ({})", field.id, field.title, describe(field));
        if !field.help.is_empty() {
            let _ = writeln!(out, "    {}", field.help);
        }
        if field.when.is_some() {
            let _ = writeln!(out, "    {}", only_when(field.when.as_ref()).trim());
        }
        for choice in &field.choices {
            let _ = writeln!(
                out,
                "    {}  {}{}",
                choice.id,
                choice.title,
                only_when(choice.when.as_ref())
            );
        }
    }
}

/// Kind, default and limits of a field in a few words.
fn describe(field: &Field) -> String {
    let kind = match field.kind {
        FieldKind::Text => "text",
        FieldKind::Folder => "folder",
        FieldKind::Bool => "yes or no",
        FieldKind::Choice => "one of",
        FieldKind::Multi => "any of",
        FieldKind::Secret => "secret",
        FieldKind::Size => "size",
    };
    let default = field.default.as_ref().map(|default| match default {
        Answer::Bool(true) => "default yes".into(),
        Answer::Bool(false) => "default no".into(),
        Answer::Text(text) if text.is_empty() => "default empty".into(),
        Answer::Text(text) => format!("default {text}"),
        Answer::List(words) if words.is_empty() => "default none".into(),
        Answer::List(words) => format!("default {}", words.join(", ")),
    });
    let limit = |word: &str, limit: &Option<String>| limit.as_ref().map(|limit| format!("{word} {limit}"));
    [
        Some(kind.to_owned()),
        default,
        limit("at least", &field.min),
        limit("at most", &field.max),
        field.required.then(|| "must be given".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join("; ")
}

/// The steps, once for each family that the stage's images (or, for the host, its scripts) are of.
fn show_steps(out: &mut String, title: &str, stage: &Stage, steps: &[StageStep]) {
    if steps.is_empty() {
        return;
    }
    let mut families: BTreeSet<Family> = stage.images.iter().map(|image| image.family).collect();
    if stage.backend == BackendKind::Host {
        families = steps.iter().flat_map(|step| step.run.keys().copied()).collect();
    }
    let _ = writeln!(out, "\n{title}");
    for step in steps {
        let covered: Vec<&str> = families
            .iter()
            .filter(|family| step.script(**family).is_some())
            .map(|family| family.name())
            .collect();
        let only = if covered.len() == families.len() {
            String::new()
        } else {
            format!("  [{} only]", covered.join(", "))
        };
        let optional = if step.optional { "  [may fail]" } else { "" };
        let when = only_when(step.when.as_ref());
        let _ = writeln!(out, "  {}  {}{only}{optional}{when}", step.id, step.title);
    }
}

/// What `stage check` found in a file that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The stage.
    pub stage: Stage,
    /// What is most likely not meant so.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            write!(f, "warning: {warning}\n\n")?;
        }
        let stage = &self.stage;
        writeln!(
            f,
            "{}: stage `{}` is valid: {} images, {} options, {} + {} + {} steps",
            stage.origin,
            stage.id,
            stage.images.len(),
            stage.options.len(),
            stage.steps.len(),
            stage.updates.len(),
            stage.verifies.len()
        )
    }
}

/// Checks a stage's folder or file. `known` are the facts that the host's probes supply.
pub fn check(path: &Path, known: &[&str]) -> Result<Checked, LoadError> {
    let (text, files, file) = read_parts(path)?;
    check_text(&file.display().to_string(), &text, files, known)
}

/// Checks the text of a stage, with the scripts beside it.
pub fn check_text(
    file: &str,
    text: &str,
    files: std::collections::BTreeMap<String, String>,
    known: &[&str],
) -> Result<Checked, LoadError> {
    let stage = parse(file, text, files)?;
    let document = Document::parse(file, text)?;
    let mut warnings = when::unknown_facts(&document, &stage, known);
    warnings.extend(profile::unknown_facts(&document, &stage, known));
    warnings.extend(
        steps::unused_files(&stage).into_iter().map(|name| {
            Problem::unreadable(file, format!("no step runs the file `{}`", name.escape_debug()))
        }),
    );
    Ok(Checked { stage, warnings })
}

/// The JSON schema of `stage.toml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Stage).to_value()
}
