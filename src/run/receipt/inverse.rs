//! The exact inverse of a change.

use crate::host::{
    Root,
    boot::{self, BootError, Change, Proposal, Wish},
};

use super::Entry;

/// What takes a change back: a file that is as we left it gets its old text; of one that was changed since (or that a new
/// kernel brought), only our parameters go, and the old ones come back.
pub(super) fn inverse(root: &Root, entry: &Entry) -> Result<Proposal, BootError> {
    let mut exact = vec![];
    for change in &entry.proposal.changes {
        if boot::exact(root, &change.path)? == change.after {
            exact.push(Change {
                path: change.path.clone(),
                before: change.after.clone(),
                after: change.before.clone(),
            });
        }
    }
    let named: Vec<String> = entry
        .set
        .iter()
        .map(|(name, _)| name.clone())
        .chain(entry.removed.clone())
        .collect();
    let old = |name: &String| {
        let values = entry.proposal.changes.iter().filter_map(|c| c.before.as_deref());
        values
            .filter_map(|text| boot::value(text, name))
            .next_back()
            .map(|v| (name.clone(), v.trim_matches('"').to_owned()))
    };
    let set: Vec<_> = named.iter().filter_map(old).collect();
    let remove = named
        .iter()
        .filter(|n| !set.iter().any(|(s, _)| s == *n))
        .cloned()
        .collect();
    let rest = boot::propose(root, &Wish { set, remove }, Some(entry.proposal.way))?;
    let others = rest
        .changes
        .into_iter()
        .filter(|c| !exact.iter().any(|e| e.path == c.path));
    let changes: Vec<Change> = exact.iter().cloned().chain(others).collect();
    Ok(Proposal {
        way: entry.proposal.way,
        refresh: boot::refresh(root, &changes),
        changes,
    })
}
