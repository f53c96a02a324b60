//! What is said after a failure: what was kept, and what to type next.

use crate::{
    labs::SnapshotKind,
    plan::{Choice, Step, Track},
};

/// What is said of a failure beyond its cause.
pub(super) struct Advice {
    /// What was kept.
    pub(super) kept: String,
    /// The next command to type.
    pub(super) next: String,
}

/// For a failure before any lab.
pub(super) fn host_advice(run: &str) -> Advice {
    Advice {
        kept: "no lab was touched".into(),
        next: format!("`halolab runs resume {run}` when that is mended"),
    }
}

/// What is said where a snapshot holds the state before.
fn way_back(lab: &str, snapshot: &str) -> (String, String) {
    (
        format!("the state before is the snapshot {snapshot}"),
        format!("go back with `halolab apply {lab} --choose restore:{snapshot}`"),
    )
}

/// What was kept when action `index` of a track failed, and what to type next.
pub(super) fn advice(track: &Track, index: usize, run: &str) -> Advice {
    let lab = &track.lab;
    let done = track.actions.iter().take(index);
    let mut kept = format!("{lab} is as it was");
    let mut next = format!("go on with `halolab runs resume {run}`");
    for action in done {
        match &action.step {
            Step::Snapshot {
                name,
                snapshot,
                kind: SnapshotKind::Safety,
                ..
            } if name == lab => {
                (kept, next) = way_back(lab, snapshot);
            }
            Step::Edit { edit, .. } => {
                // A second try of an update: what is whole is from before the first one.
                let back = edit.config.get(&crate::labs::tag(crate::labs::UPDATING));
                if let Some(Some(snapshot)) = back {
                    (kept, next) = way_back(lab, snapshot);
                }
            }
            Step::Create { spec } if spec.name == *lab => {
                kept = format!("the unfinished {lab}; look inside with `halolab shell {lab}`");
                next = format!(
                    "go on with `halolab runs resume {run}`, or anew with `halolab apply {lab} --choose create`"
                );
            }
            Step::Copy {
                spec, snapshot: None, ..
            } if spec.config.contains_key(&crate::labs::tag("kept")) && spec.name != *lab => {
                kept = format!("the {lab} of before, whole, as {}", spec.name);
                next = format!("go on with `halolab runs resume {run}`");
            }
            _ => {}
        }
    }
    let failed = track.actions.get(index).map(|a| &a.step);
    if let Some(next) = failed.and_then(|step| beside(step, lab, run)) {
        return Advice { kept, next };
    }
    match failed {
        // All was done but the proof, and what it needs may be on the machine: it can be mended and tried again.
        Some(Step::Prove { .. }) => {
            next = mended(run);
            if !matches!(track.choice, Choice::Create | Choice::Prove) {
                kept = format!("{lab} as it is now; {kept}");
                next = format!("{next}; or take it back with `halolab undo {lab}`");
            }
        }
        // All was done but the proof: doing it again proves nothing.
        Some(Step::Verify { .. }) if track.choice == Choice::Prove => {
            next = format!("look inside with `halolab shell {lab}`");
        }
        Some(Step::Verify { .. }) if track.choice != Choice::Create => {
            next =
                format!("look inside with `halolab shell {lab}`, or take it back with `halolab undo {lab}`");
        }
        _ => {}
    }
    Advice { kept, next }
}

fn mended(run: &str) -> String {
    format!("mend that, and prove again with `halolab runs resume {run}`")
}

/// What to type where what is not proven stands beside the lab, which needs no way back.
fn beside(step: &Step, lab: &str, run: &str) -> Option<String> {
    match step {
        Step::Prove { name } if name != lab => Some(format!(
            "{}; or remove what was made with `halolab remove {name}`",
            mended(run)
        )),
        Step::Verify { name, .. } if name != lab => Some(format!(
            "look inside with `halolab shell {name}`, go on with `halolab runs resume {run}`, or remove what was made \
             with `halolab remove {name}`"
        )),
        _ => None,
    }
}
