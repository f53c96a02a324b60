//! The exact inverse of a change.

use crate::host::{
    Root,
    boot::{self, BootError, Change, Proposal, Wish},
};

use super::Entry;

/// What takes a change back: a file that is as we left it gets its old text, one that has its old text stays; of one that
/// was changed since (or that a new kernel brought), only our parameters go, and the old ones come back.
pub(super) fn inverse(root: &Root, entry: &Entry) -> Result<Proposal, BootError> {
    let mut exact = vec![];
    for change in &entry.proposal.changes {
        let now = boot::exact(root, &change.path)?;
        if now == change.after || now == change.before {
            exact.push(Change {
                path: change.path.clone(),
                before: now,
                after: change.before.clone(),
            });
        }
    }
    let was = &entry.proposal.was;
    let is_new = |name: &String| !was.iter().any(|(known, _)| known == name);
    // What an untouched file gets back need not be said again elsewhere.
    let is_back = |name: &str| {
        let option = name.rsplit('.').next().unwrap_or(name);
        exact
            .iter()
            .any(|c| c.after.as_deref().is_some_and(|text| text.contains(option)))
    };
    let wish = Wish {
        set: was.iter().filter(|(name, _)| !is_back(name)).cloned().collect(),
        remove: entry.names().into_iter().filter(is_new).collect(),
    };
    let is_rest = |c: &Change| !exact.iter().any(|e| e.path == c.path);
    let rest = if exact.len() == entry.proposal.changes.len() {
        // Where all files are ours, others are looked through for what we set, and none is told what it was.
        let remove = entry.names();
        boot::propose(root, &Wish { set: vec![], remove }, Some(entry.proposal.way))?
    } else {
        boot::propose(root, &wish, Some(entry.proposal.way))?
    };
    let changes: Vec<Change> = exact
        .iter()
        .filter(|c| c.before != c.after)
        .cloned()
        .chain(rest.changes.into_iter().filter(is_rest))
        .collect();
    Ok(Proposal {
        way: entry.proposal.way,
        refresh: boot::refresh(root, &changes),
        changes,
        was: vec![],
    })
}
