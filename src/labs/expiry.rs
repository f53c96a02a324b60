//! How long what halolab keeps by itself is kept: safety snapshots and earlier versions, for `keep-days` of the
//! settings. Nothing goes in the background: what is over is removed by the next plan for its lab, which shows it, after
//! a newer one exists; or by `halolab snapshot prune`. Pinned ones, the way back of an update and the newest one stay.

use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backend::Instance;

use super::{Kept, SnapshotKind, SnapshotRow, World, marks, notes_profile};

/// The tag of an instance that was set aside, and is kept until its user removes it.
pub const ASIDE: &str = "aside";

/// A safety snapshot whose days are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// Its name.
    pub snapshot: String,
    /// When it was taken, as its mark says, RFC 3339.
    pub taken: String,
}

/// Where an undo leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// To this safety snapshot.
    Restore(String),
    /// To this earlier version.
    BringBack(String),
}

/// When something that was made then may go; none for ever.
pub fn end(since: &str, days: u32) -> Option<Timestamp> {
    let since: Timestamp = since.parse().ok().filter(|_| days > 0)?;
    let hours = Span::new().try_hours(i64::from(days) * 24).ok()?;
    since.checked_add(hours).ok()
}

/// The same as a date, `2026-12-06`.
pub fn date(since: &str, days: u32) -> Option<String> {
    Some(end(since, days)?.strftime("%Y-%m-%d").to_string())
}

/// Until when a snapshot is kept; none for ever.
pub fn of_row(row: &SnapshotRow, days: u32) -> Option<String> {
    let goes = row.kind == SnapshotKind::Safety && !row.pinned && !row.way_back;
    goes.then(|| date(&row.created, days)).flatten()
}

/// Of snapshots, newest first: the safety snapshots whose days are over, but never the newest safety snapshot.
pub fn over(rows: &[SnapshotRow], days: u32, now: Timestamp) -> Vec<&SnapshotRow> {
    let safety = rows.iter().filter(|r| r.kind == SnapshotKind::Safety).skip(1);
    let is_over = |r: &&SnapshotRow| end(&r.created, days).is_some_and(|end| end < now);
    safety
        .filter(|r| !r.pinned && !r.way_back)
        .filter(is_over)
        .collect()
}

impl World {
    fn is_over(&self, since: &str) -> bool {
        let end = end(since, self.config.keep_days);
        end.zip(self.now).is_some_and(|(end, now)| end < now)
    }

    /// The marks of an instance's safety snapshots, oldest first, with the name of each.
    fn safety_marks(&self, instance: &Instance) -> Vec<(String, marks::Mark)> {
        let profile =
            notes_profile(instance).and_then(|name| self.part_with(&instance.name).profiles.get(name));
        let names = self.snapshots_of(&instance.name).iter();
        let marked = names.filter_map(|name| {
            let mark = marks::read(profile?, &instance.name, name);
            (mark.kind == SnapshotKind::Safety).then(|| (name.clone(), mark))
        });
        let mut marked: Vec<_> = marked.collect();
        marked.sort_by_key(|(_, mark)| mark.taken.parse::<Timestamp>().ok());
        marked
    }

    /// The safety snapshots of a lab whose days are over, oldest first, by what their marks say.
    pub fn expired(&self, lab: &str) -> Vec<Expired> {
        let Some(instance) = self.instance(lab) else {
            return vec![];
        };
        let way_back = instance.tag(super::UPDATING);
        let mut marked = self.safety_marks(instance);
        // The newest one stays, whatever its age.
        marked.pop();
        let goes = |(name, mark): &(String, marks::Mark)| {
            !mark.pinned && way_back != Some(name.as_str()) && self.is_over(&mark.taken)
        };
        let gone = marked.into_iter().filter(goes);
        gone.map(|(snapshot, mark)| Expired {
            snapshot,
            taken: mark.taken,
        })
        .collect()
    }

    /// Earlier versions of a lab whose days are over. One with a pinned snapshot stays, and one that was set aside: it
    /// may be the only copy of what somebody made.
    pub fn expired_versions(&self, lab: &str) -> Vec<Kept> {
        let over = |k: &Kept| self.is_over(&k.created) && !self.has_pin(&k.name) && !self.is_aside(&k.name);
        self.versions(lab).into_iter().filter(over).collect()
    }

    /// The earlier versions of a lab, oldest first.
    pub fn versions(&self, lab: &str) -> Vec<Kept> {
        let mut all: Vec<Kept> = self.kept(lab).into_iter().filter(Kept::is_version).collect();
        all.sort_by_key(|kept| kept.created.parse::<Timestamp>().ok());
        all
    }

    /// The earlier versions that may go when asked for, oldest first: all but the newest one, those with a pinned
    /// snapshot, and those that were set aside.
    pub fn older_versions(&self, lab: &str) -> Vec<Kept> {
        let mut all = self.versions(lab);
        all.pop();
        all.retain(|k| !self.has_pin(&k.name) && !self.is_aside(&k.name));
        all
    }

    fn has_pin(&self, name: &str) -> bool {
        let profile = self.instance(name).and_then(notes_profile);
        let profile = profile.and_then(|p| self.part_with(name).profiles.get(p));
        let snapshots = self.snapshots_of(name).iter();
        profile.is_some_and(|p| snapshots.into_iter().any(|s| marks::read(p, name, s).pinned))
    }

    fn is_aside(&self, name: &str) -> bool {
        self.instance(name).is_some_and(|i| i.tag(ASIDE).is_some())
    }

    /// What `halolab undo` would go back to, by what the marks say, and when that was kept.
    pub fn undo(&self, lab: &str) -> Option<(Back, String)> {
        if let Some(back) = self.way_back(lab) {
            return Some((Back::Restore(back.to_owned()), String::new()));
        }
        let kept = self.kept(lab).into_iter().filter(|k| !k.replacement && k.whole);
        let kept = kept.map(|k| (Back::BringBack(k.name), k.created));
        let safety = self
            .instance(lab)
            .map(|i| self.safety_marks(i))
            .unwrap_or_default();
        let safety = safety
            .into_iter()
            .map(|(name, mark)| (Back::Restore(name), mark.taken));
        let time = |taken: &str| taken.parse::<Timestamp>().ok();
        safety.chain(kept).max_by_key(|(_, taken)| time(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, created: &str, pinned: bool) -> SnapshotRow {
        SnapshotRow {
            name: name.into(),
            created: created.into(),
            kind: SnapshotKind::Safety,
            pinned,
            ..SnapshotRow::default()
        }
    }

    #[test]
    fn what_is_over_goes_but_the_newest_and_pinned_ones_stay() {
        let rows = [
            row("new", "2026-11-01T00:00:00Z", false),
            row("old", "2026-10-30T00:00:00Z", false),
            row("pinned", "2026-10-20T00:00:00Z", true),
            row("older", "2026-10-10T00:00:00Z", false),
        ];
        let at = |now: &str, days| {
            let gone = over(&rows, days, now.parse().unwrap());
            gone.iter().map(|r| r.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(at("2027-01-01T00:00:00Z", 14), ["old", "older"]);
        assert_eq!(at("2026-10-30T00:00:00Z", 14), ["older"]);
        assert!(at("2027-01-01T00:00:00Z", 0).is_empty(), "0 is for ever");
        assert_eq!(of_row(&rows[0], 14).as_deref(), Some("2026-11-15"));
        assert_eq!(of_row(&rows[2], 14), None);
    }
}
