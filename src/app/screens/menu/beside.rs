//! What stands beside a lab, in its menu: earlier versions, and replacements that never took its place.

use crate::{
    app::{
        model::{Model, Pick},
        msg::Effect,
    },
    labs::{Kept, Lab, World, expiry},
    plan::Choice,
    ui::words::{bytes, date},
};

use super::{Disk, Entry, MenuItem};

/// What stands beside the lab, together: its earlier versions, newest first, and what never took its place.
pub(super) fn beside(lab: &Lab, world: &World, disk: Disk<'_>) -> Vec<MenuItem> {
    let days = world.config.keep_days;
    let versions = world.versions(&lab.name);
    let mut items: Vec<MenuItem> = versions
        .iter()
        .rev()
        .map(|kept| bring_back(kept, days, disk))
        .collect();
    let older = world.older_versions(&lab.name);
    if !older.is_empty() {
        items.push(MenuItem {
            entry: Entry::RemoveOlder,
            title: "Remove older".into(),
            line: match older.as_slice() {
                [one] => format!("delete {}; the newest earlier version stays", one.name),
                many => format!("delete these {}; the newest earlier version stays", many.len()),
            },
        });
    }
    let others = lab.kept.iter().filter(|kept| !kept.is_version());
    items.extend(others.flat_map(|kept| never_used(kept, disk)));
    items
}

/// `, 3.1 GiB` where it is known.
fn sized(name: &str, disk: Disk<'_>) -> String {
    disk(name)
        .map(|size| format!(", {}", bytes(size)))
        .unwrap_or_default()
}

/// A replacement that never took its place: put it there where it is whole, or remove it.
fn never_used(kept: &Kept, disk: Disk<'_>) -> Vec<MenuItem> {
    let size = sized(&kept.name, disk);
    let run = kept.run.as_deref().unwrap_or_default();
    let by = if run.is_empty() {
        String::new()
    } else {
        format!(" by the run {run}")
    };
    let what = if kept.whole {
        "built, never used"
    } else {
        "half-made"
    };
    let use_it = kept.whole.then(|| MenuItem {
        entry: Entry::BringBack(kept.name.clone()),
        title: "Use the new one".into(),
        line: format!("{}{size}: {what}{by}", kept.name),
    });
    let remove = MenuItem {
        entry: Entry::RemoveBeside(kept.name.clone()),
        title: format!("Remove {}", if kept.whole { "new one" } else { "half-made" }),
        line: format!("{}{size}: {what}{by}", kept.name),
    };
    use_it.into_iter().chain([remove]).collect()
}

/// An earlier version, with its date, its size and its proof.
fn bring_back(kept: &Kept, days: u32, disk: Disk<'_>) -> MenuItem {
    let proof = kept.verdict.as_deref().unwrap_or("never proven");
    let made = date(&kept.created);
    let until = expiry::date(&kept.created, days);
    let until = until.map(|date| format!(", kept to {date}")).unwrap_or_default();
    MenuItem {
        entry: Entry::BringBack(kept.name.clone()),
        title: "Bring back".into(),
        line: format!(
            "{} of {}{}{until}: {proof}",
            kept.name,
            made.trim_end_matches(" UTC"),
            sized(&kept.name, disk)
        ),
    }
}

impl Model {
    /// The plan that removes all earlier versions of a lab but the newest one.
    pub(super) fn remove_older(&mut self, lab: &Lab) -> Vec<Effect> {
        let older = self.world.as_ref().map(|world| world.older_versions(&lab.name));
        let names = older.unwrap_or_default().into_iter().map(|kept| kept.name);
        self.remove_beside(lab, names.collect())
    }

    /// The plan that removes what stands beside a lab.
    pub(super) fn remove_beside(&mut self, lab: &Lab, names: Vec<String>) -> Vec<Effect> {
        let pick = |name| Pick {
            lab: name,
            stage: lab.stage.clone(),
            choice: Choice::Remove,
            asks: false,
        };
        self.begin(names.into_iter().map(pick).collect())
    }
}
