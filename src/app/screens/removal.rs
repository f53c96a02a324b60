//! The questions before snapshots are removed: what each one is, what is lost with it, and what is kept.

use jiff::Timestamp;

use crate::{
    app::{
        dialog::{Confirm, Dialog, Then},
        model::Model,
        msg::{Job, Tone},
    },
    labs::{SnapshotKind, SnapshotRow, expiry, identity::Seen, snapshots::prunable},
    ui::words::{age, bytes, date},
};

/// Names of other snapshots that are told at most.
const NAMED: usize = 4;

impl Model {
    pub(in crate::app) fn ask_to_delete(&mut self, lab: &str, row: &SnapshotRow) {
        if self.refuse_read_only() || self.refuse_stale() {
            return;
        }
        if row.pinned {
            self.say(
                Tone::Warning,
                format!("{} is pinned; p unpins it first", row.name),
            );
            return;
        }
        let job = Job::DeleteSnapshots(lab.into(), vec![(row.name.clone(), self.seen(lab).with(row))]);
        let title = format!("Remove the snapshot {} of {lab}?", row.name);
        let mut confirm = Confirm::new(title, "Remove", Then::Do(job));
        let others = self.other_snapshots(&row.name);
        confirm.text = what_it_is(row, self.now);
        confirm.loses = what_is_lost(row, others.is_empty());
        confirm.keeps = vec![format!("{lab} as it is now")];
        confirm.keeps.extend(named(&others));
        confirm.keeps.extend(self.outliving(lab));
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }

    /// By what a lab is known again, as it is shown now.
    pub(in crate::app) fn seen(&self, lab: &str) -> Seen {
        self.world
            .as_ref()
            .map(|world| Seen::instance(world, lab))
            .unwrap_or_default()
    }

    fn other_snapshots(&self, name: &str) -> Vec<String> {
        match &self.picker.rows {
            Some(Ok(rows)) => rows
                .iter()
                .filter(|r| r.name != name)
                .map(|r| r.name.clone())
                .collect(),
            _ => vec![],
        }
    }

    /// The data mounts of a lab, which no snapshot holds.
    fn outliving(&self, lab: &str) -> Option<String> {
        let stage = self.setup.catalog.get(&self.labs.get(lab)?.stage)?;
        let titles: Vec<&str> = stage.mounts.iter().map(|m| m.title.as_str()).collect();
        (!titles.is_empty()).then(|| format!("what no snapshot holds: {}", titles.join(", ")))
    }

    pub(in crate::app) fn ask_to_prune(&mut self) {
        if self.refuse_read_only() || self.refuse_stale() {
            return;
        }
        let keep = self.setup.config.keep_safety;
        let Some(Ok(rows)) = &self.picker.rows else {
            return;
        };
        let many = prunable(rows, keep);
        let now = i64::try_from(self.now)
            .ok()
            .and_then(|now| Timestamp::from_second(now).ok());
        let over = expiry::over(rows, self.setup.config.keep_days, now.unwrap_or_default());
        let old: Vec<&SnapshotRow> = rows
            .iter()
            .filter(|r| many.contains(r) || over.contains(r))
            .collect();
        if old.is_empty() {
            self.say(
                Tone::Good,
                format!("nothing to prune: there are at most {keep} unpinned safety snapshots"),
            );
            return;
        }
        let lab = self.picker.lab.clone();
        let title = format!("Prune the safety snapshots of {lab}?");
        let seen = self.seen(&lab);
        let names = old
            .iter()
            .map(|r| (r.name.clone(), seen.clone().with(r)))
            .collect();
        let mut confirm = Confirm::new(title, "Remove these", Then::Do(Job::DeleteSnapshots(lab, names)));
        confirm.text = vec!["Only what is listed here is removed.".into()];
        confirm.loses = old.iter().map(|row| in_a_line(row, self.now)).collect();
        confirm.keeps = vec![
            match keep {
                1 => "the newest safety snapshot".into(),
                many => format!("the newest {many} safety snapshots"),
            },
            "`clean`, pinned ones, and those that you took".into(),
        ];
        self.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    }
}

/// A snapshot among others: `before-update-1 (12 d, 412 MiB): a note`.
fn in_a_line(row: &SnapshotRow, now: u64) -> String {
    let mut facts = vec![age(&row.created, now)];
    facts.extend(row.size.map(bytes));
    let note = match row.note.as_str() {
        "" => String::new(),
        note => format!(": {note}"),
    };
    format!("{} ({}){note}", row.name, facts.join(", "))
}

fn what_it_is(row: &SnapshotRow, now: u64) -> Vec<String> {
    let by = match row.kind {
        SnapshotKind::Clean => "right after set-up",
        SnapshotKind::Safety => "by halolab, before it changed something",
        SnapshotKind::User => "by you or another tool",
    };
    let ago = match age(&row.created, now).as_str() {
        "now" => "just now".to_owned(),
        "?" => "at an unknown time".to_owned(),
        age => format!("{age} ago, {}", date(&row.created)),
    };
    let mut text = vec![format!("Taken {ago}, {by}. Not pinned.")];
    if !row.note.is_empty() {
        text.push(format!("Note: {}", row.note));
    }
    let proof = row.verdict.as_deref().map(|v| format!("proof then: {v}"));
    let holds = (!row.holds.is_empty()).then(|| row.holds.clone());
    let inside: Vec<String> = holds.into_iter().chain(proof).collect();
    if !inside.is_empty() {
        text.push(format!("Holds {}.", inside.join("; ")));
    }
    text.push(match row.size {
        Some(size) => format!("It gives {} back to the pool.", bytes(size)),
        None => "How much it gives back to the pool is not known.".into(),
    });
    text
}

fn what_is_lost(row: &SnapshotRow, last: bool) -> Vec<String> {
    let mut lost = vec![format!("the way back to {}, for good", row.name)];
    if row.kind == SnapshotKind::Clean {
        lost.push("\"Recreate from clean\": only fresh packages can make it anew then".into());
    }
    if last {
        lost.push("the last snapshot: no way back is left".into());
    }
    lost
}

fn named(others: &[String]) -> Option<String> {
    let shown = others.iter().take(NAMED).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match others.len() {
        0 => None,
        1 => Some(format!("its other snapshot: {shown}")),
        all @ 2..=NAMED => Some(format!("its other {all} snapshots: {shown}")),
        all => Some(format!(
            "its other {all} snapshots: {shown} and {} more",
            all - NAMED
        )),
    }
}
