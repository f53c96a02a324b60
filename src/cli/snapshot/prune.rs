//! `halolab snapshot prune`, and what a deletion leaves that was killed.

use crate::labs::{SnapshotRow, counted, expiry, identity::Seen, snapshots};

use super::{
    super::{
        Code, Setup, Stop,
        status::snapshots_text,
        table::{json, note, out},
    },
    confirm, said,
};

/// What a prune removes: safety snapshots beyond the newest ones, and those whose days are over.
pub(super) fn old(rows: &[SnapshotRow], keep: usize, days: u32) -> Vec<SnapshotRow> {
    let over = expiry::over(rows, days, jiff::Timestamp::now());
    let many = snapshots::prunable(rows, keep);
    let goes = |r: &&SnapshotRow| over.contains(r) || many.contains(r);
    rows.iter().filter(goes).cloned().collect()
}

pub(super) async fn prune(
    setup: &Setup,
    (lab, seen): (&str, &Seen),
    old: &[SnapshotRow],
    (yes, dry_run): (bool, bool),
) -> Result<Code, Stop> {
    if setup.global.json && dry_run {
        json(&serde_json::json!({"v": 1, "lab": lab, "would_delete": old}))?;
        return Ok(Code::OK);
    }
    if old.is_empty() {
        if !dry_run {
            forget_gone(setup, lab).await;
        }
        return said(setup, "nothing to prune", lab, "");
    }
    if !setup.global.json {
        out(&snapshots_text(old, setup.config.keep_days));
    }
    if dry_run {
        return Ok(Code::OK);
    }
    setup.may_change()?;
    confirm(
        setup,
        &format!(
            "Delete {} of {lab} for good?",
            counted(old.len(), "safety snapshot")
        ),
        yes,
    )?;
    let _lock = setup.hold(&[lab], &format!("snapshot prune {lab}")).await?;
    let backend = setup.backend().await?;
    for row in old {
        snapshots::delete(backend.as_ref(), lab, &row.name, &seen.clone().with(row)).await?;
        if !setup.global.json {
            note(&format!("deleted {lab}/{}", crate::log::sanitize(&row.name)));
        }
    }
    said(
        setup,
        &format!("pruned {} of {lab}", counted(old.len(), "snapshot")),
        lab,
        "",
    )
}

/// Forgets the marks that a deletion left which was killed before its end; the next one tries it again.
pub(super) async fn forget_gone(setup: &Setup, lab: &str) {
    let (Ok(_lock), Ok(backend)) = (
        setup.hold(&[lab], &format!("snapshot rm {lab}")).await,
        setup.backend().await,
    ) else {
        return;
    };
    if let Err(error) = snapshots::tidy(backend.as_ref(), lab).await {
        tracing::debug!(%error, lab, "marks of deleted snapshots are still there");
    }
}
