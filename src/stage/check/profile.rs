//! The profile and the mounts: keys that are ours, references that can be filled in, paths and names that are free.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::{
    document::{Document, Place, Problem},
    stage::{
        Answer,
        answers::{Complaint, is_plain_path},
        interpolate::references,
        schema::{FieldKind, Stage},
    },
};

/// Facts in `${host.…}` that no probe supplies: they are filled in as nothing.
pub(in crate::stage) fn unknown_facts(
    document: &Document<'_>,
    stage: &Stage,
    known: &[&str],
) -> Vec<Problem> {
    let configs = configs(stage).into_iter();
    let keys = configs.flat_map(|(place, config)| {
        let keys = config.iter();
        keys.map(move |(key, value)| (place.key(key), value.as_str()))
    });
    let mut warnings = vec![];
    for (place, text) in keys.chain(texts(stage)) {
        let facts = references(text).filter_map(|name| name?.strip_prefix("host."));
        for fact in facts.filter(|fact| !known.contains(fact)) {
            let message = format!("no probe supplies `host.{fact}`: it is always empty");
            let problem = document.problem_at_word(&place, fact, message);
            warnings.push(problem.allowed(fact, known));
        }
    }
    warnings
}

/// The texts of the form that facts are filled into, with their places.
fn texts(stage: &Stage) -> Vec<(Place, &str)> {
    let list = Place::default().key("option");
    let mut found = vec![];
    for (index, field) in stage.options.iter().enumerate() {
        let place = list.index(index);
        if let (Some(Answer::Text(text)), FieldKind::Choice) = (&field.default, field.kind) {
            found.push((place.key("default"), text.as_str()));
        }
        for (number, choice) in field.choices.iter().enumerate() {
            let place = place.key("choices").index(number);
            let texts = [
                ("title", &choice.title),
                ("help", &choice.help),
                ("why-not", &choice.why_not),
            ];
            found.extend(texts.map(|(key, text)| (place.key(key), text.as_str())));
        }
    }
    found
}

/// All tables of keys for the daemon, with their places.
fn configs(stage: &Stage) -> Vec<(Place, &BTreeMap<String, String>)> {
    let profile = Place::default().key("profile");
    let settings = stage.profile.settings.iter();
    let settings = settings.map(|(name, setting)| (profile.key("setting").key(name), &setting.config));
    let devices = stage.profile.devices.iter();
    let devices = devices.map(|(name, device)| (profile.key("device").key(name), &device.config));
    let below = settings
        .chain(devices)
        .map(|(place, config)| (place.key("config"), config));
    [(profile.key("config"), &stage.profile.config)]
        .into_iter()
        .chain(below)
        .collect()
}

impl Check<'_> {
    pub(super) fn profile(&mut self) {
        for (place, config) in configs(self.stage) {
            for (key, value) in config {
                let place = place.key(key);
                if key.starts_with("user.halolab.") || key.starts_with("volatile.") {
                    let message = format!("`{}` is kept by halolab or the daemon itself", key.escape_debug());
                    self.say_at_key(&place, message);
                }
                for name in references(value) {
                    if let Err(wrong) = self.reference(name) {
                        let problem = self.document.problem_at_word(&place, &wrong.given, wrong.message);
                        self.problems.push(problem.allowed(&wrong.given, wrong.allowed));
                    }
                }
            }
        }
    }

    /// Whether a `${…}` can be filled in; none for one without its end.
    pub(super) fn reference(&self, name: Option<&str>) -> Result<(), Complaint> {
        let Some(name) = name else {
            return Err(Complaint::new("a `${` has no `}`"));
        };
        if name.strip_prefix("host.").is_some_and(|fact| !fact.is_empty()) {
            return Ok(());
        }
        let Some(id) = name.strip_prefix("option.") else {
            let message = format!(
                "`${{{}}}` is neither `${{option.ID}}` nor `${{host.FACT}}`",
                name.escape_debug()
            );
            return Err(Complaint::new(message));
        };
        let fields = self.stage.options.iter();
        let mut public = fields.filter(|field| field.kind != FieldKind::Secret);
        if public.clone().any(|field| field.id == id) {
            return Ok(());
        }
        if self.stage.options.iter().any(|field| field.id == id) {
            return Err(Complaint::new(format!(
                "`{id}` is a secret: a profile can be read by everyone who may ask the daemon"
            )));
        }
        let ids = public.by_ref().map(|field| field.id.clone()).collect();
        Err(Complaint::unknown("there is no option", id, ids))
    }

    pub(super) fn mounts(&mut self) {
        if let Some(id) = &self.stage.mounts_root {
            let fields = self.stage.options.iter();
            let folders: Vec<String> = fields
                .filter(|field| field.kind == FieldKind::Folder)
                .map(|field| field.id.clone())
                .collect();
            if !folders.contains(id) {
                let place = Place::default().key("mounts-root");
                let problem = self.document.problem(
                    &place,
                    format!("there is no option `{}` of kind folder", id.escape_debug()),
                );
                self.problems.push(problem.allowed(id, folders));
            }
        }
        let list = Place::default().key("mount");
        self.unique(&list, self.stage.mounts.iter().map(|mount| mount.id.as_str()));
        let mut paths = BTreeSet::new();
        for (index, mount) in self.stage.mounts.iter().enumerate() {
            let place = list.index(index);
            let id = place.key("id");
            // A folder of this machine: names with _ are old friends there.
            self.name(&id, &mount.id.replace('_', "-"));
            self.line(&place.key("title"), &mount.title, true);
            if ["root", "eth0"].contains(&mount.id.as_str())
                || self.stage.profile.devices.contains_key(&mount.id)
            {
                self.say(&id, format!("a device of the name `{}` exists already", mount.id));
            }
            let path = place.key("path");
            if mount
                .source
                .as_deref()
                .is_some_and(|source| !is_plain_path(source))
            {
                let text = "must be an absolute path of this machine, without `.` and `..`, not `/` itself";
                self.say(&place.key("source"), text);
            }
            if !is_plain_path(&mount.path) {
                self.say(
                    &path,
                    "must be an absolute path inside the lab, without `.` and `..`, not `/` itself",
                );
            } else if !paths.insert(&mount.path) {
                self.say(&path, "something else is mounted here already");
            }
        }
    }
}
