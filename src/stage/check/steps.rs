//! Steps: scripts that exist, for each image; ids that a journal can tell apart; secrets that are options.

use std::collections::BTreeSet;

use super::Check;
use crate::{
    document::Place,
    stage::schema::{BackendKind, Family, FieldKind, Image, ImageSource, Script, Stage, StageStep},
};

/// Scripts that no step runs: not wrong, but most likely forgotten.
pub(in crate::stage) fn unused_files(stage: &Stage) -> Vec<String> {
    let used: BTreeSet<&str> = all_steps(stage)
        .flat_map(|step| step.run.values().chain(&step.check))
        .filter_map(|script| match script {
            Script::File(name) => Some(name.as_str()),
            Script::Inline(_) => None,
        })
        .collect();
    // All files of the folder are what an image is built out of.
    let built = |image: &Image| matches!(image.source, ImageSource::Build { .. });
    if stage.images.iter().any(built) {
        return vec![];
    }
    let unused = stage.files.keys().filter(|name| !used.contains(name.as_str()));
    unused.cloned().collect()
}

fn all_steps(stage: &Stage) -> impl Iterator<Item = &StageStep> {
    stage.steps.iter().chain(&stage.updates).chain(&stage.verifies)
}

impl Check<'_> {
    pub(super) fn step_lists(&mut self) {
        let stage = self.stage;
        let root = Place::default();
        for (key, steps) in [
            ("step", &stage.steps),
            ("update", &stage.updates),
            ("verify", &stage.verifies),
        ] {
            let list = root.key(key);
            self.unique(&list, steps.iter().map(|step| step.id.as_str()));
            for (index, step) in steps.iter().enumerate() {
                let place = list.index(index);
                // Verify steps run after both lists, in the same plan.
                let doubled = key == "verify"
                    && stage
                        .steps
                        .iter()
                        .chain(&stage.updates)
                        .any(|other| other.id == step.id);
                if doubled {
                    self.say(
                        &place.key("id"),
                        format!("`{}` is the id of a step already", step.id),
                    );
                }
                self.step(&place, step);
            }
        }
    }

    fn step(&mut self, place: &Place, step: &StageStep) {
        self.name(&place.key("id"), &step.id);
        self.line(&place.key("title"), &step.title, true);
        let run = place.key("run");
        if step.run.is_empty() {
            self.say(&run, "a step needs at least one script");
        }
        for (family, script) in &step.run {
            self.script(&run.key(family.name()), script);
        }
        self.families(&run, step);
        let host = self.stage.backend == BackendKind::Host;
        if let Some(script) = &step.check {
            if !host {
                self.say_at_key(&place.key("check"), "only a stage of the host has `check`");
            }
            self.script(&place.key("check"), script);
        }
        self.secrets(&place.key("secrets"), step);
    }

    /// A step without a condition must have a script for each image, or it would silently do nothing.
    fn families(&mut self, run: &Place, step: &StageStep) {
        if step.when.is_some() || step.run.is_empty() {
            return;
        }
        let images = self.stage.images.iter();
        if let Some(image) = images.clone().find(|image| step.script(image.family).is_none()) {
            let family = image.family.name();
            let message = format!(
                "there is no script for the family `{family}` of the image `{}`",
                image.id
            );
            let others: Vec<&str> = step.run.keys().map(|family| family.name()).collect();
            let add = match image.family {
                Family::Any => "run.any".to_owned(),
                _ => format!("run.{family} or run.any"),
            };
            let problem = self.document.problem(run, message).hint(format!(
                "add {add}, or say when = 'image.family == \"{}\"'",
                others.join("\" || image.family == \"")
            ));
            self.problems.push(problem);
        }
    }

    fn script(&mut self, place: &Place, script: &Script) {
        match script {
            Script::File(name) if !self.stage.files.contains_key(name) => {
                let place = place.key("file");
                let problem = self
                    .document
                    .problem(
                        &place,
                        format!("there is no file `{}` beside this stage", name.escape_debug()),
                    )
                    .allowed(name, self.stage.files.keys());
                self.problems.push(if self.stage.files.is_empty() {
                    problem.hint("scripts stand in the folder of stage.toml; a plain NAME.toml has inline scripts only")
                } else {
                    problem
                });
            }
            Script::Inline(text) if text.trim().is_empty() => self.say(&place.key("inline"), "is empty"),
            Script::File(_) | Script::Inline(_) => {}
        }
    }

    fn secrets(&mut self, place: &Place, step: &StageStep) {
        if self.stage.backend == BackendKind::Host && !step.secrets.is_empty() {
            self.say_at_key(place, "a step of the host cannot read secrets");
        }
        let known: Vec<&str> = self
            .stage
            .options
            .iter()
            .filter(|field| field.kind == FieldKind::Secret)
            .map(|field| field.id.as_str())
            .collect();
        for (index, secret) in step.secrets.iter().enumerate() {
            if !known.contains(&secret.as_str()) {
                let message = format!("there is no secret option `{}`", secret.escape_debug());
                let problem = self.document.problem(&place.index(index), message);
                self.problems.push(problem.allowed(secret, &known));
            }
        }
    }
}
