//! The snapshots of a lab, by numbers: what the picker on the screens does, as questions.

use crate::{
    app::{Job, dialog::wrong_name, perform_job},
    labs::{Lab, SnapshotRow, identity::Seen, snapshot_rows},
    plan::Choice,
};

use super::{
    Setup,
    ask::{self, Left, say},
};
use crate::cli::{Code, Stop, table};

/// What is done with a snapshot, by number.
const ENTRIES: &[&str] = &[
    "Restore: put the lab back to it; the plan is shown first",
    "Copy: make a new lab from it; the plan is shown first",
    "Note: write a note about it",
    "Pin or unpin: a pinned one is never pruned",
    "Rename: give it another name",
    "Delete: for good",
    "Back",
];

/// Asks for a snapshot and what to do with it; a choice where that takes a plan.
pub(super) async fn choose(setup: &Setup, lab: &Lab) -> Result<Option<Choice>, Left> {
    let backend = setup.backend().await?;
    let rows = snapshot_rows(backend.as_ref(), &lab.name).await?;
    say(&format!("\nSnapshots of {}, newest first:", lab.name));
    for (number, row) in (1..).zip(&rows) {
        say(&format!("  {number}. {}", in_words(row)));
    }
    let new = rows.len() + 1;
    say(&format!("  {new}. Take a new snapshot now"));
    let number = ask::number("Number, or q to leave", new, None).await?;
    let Some(row) = rows.get(number - 1) else {
        let name = name_for(&rows, "").await?;
        let note = ask::line("Note, or nothing: ").await?;
        change(setup, Job::NewSnapshot(lab.name.clone(), name, note)).await?;
        return Ok(None);
    };
    say("");
    for (number, entry) in (1..).zip(ENTRIES) {
        say(&format!("  {number}. {entry}"));
    }
    let uuid = lab.instance.as_ref().map(|i| i.uuid.clone()).unwrap_or_default();
    let seen = Seen {
        uuid,
        ..Seen::default()
    }
    .with(row);
    let (lab, name) = (lab.name.clone(), row.name.clone());
    let job = match ask::number(&format!("What to do with {name}"), ENTRIES.len(), None).await? {
        1 => return Ok(Some(Choice::Restore(name))),
        2 => {
            let copy = ask::line("Name of the new lab: ").await?;
            return Ok(Some(Choice::RestoreAs(name, copy)));
        }
        3 => Job::Note(lab, name, ask::line("Note: ").await?),
        4 => Job::Pin(lab, name, !row.pinned),
        5 => {
            let to = name_for(&rows, &name).await?;
            Job::RenameSnapshot(lab, name, to, seen)
        }
        6 => {
            say(&format!("This removes {} of {lab}, for good.", in_words(row)));
            if !ask::yes("Delete it?", false).await? {
                say("Nothing was changed.");
                return Ok(None);
            }
            Job::DeleteSnapshots(lab, vec![(name, seen)])
        }
        _ => return Ok(None),
    };
    change(setup, job).await?;
    Ok(None)
}

/// Does a small change under the lock, and says how it went.
pub(super) async fn change(setup: &Setup, job: Job) -> Result<(), Left> {
    let _lock = setup.hold(&[job.lab()], &job.doing()).await?;
    let backend = setup.backend().await?;
    match perform_job(backend.as_ref(), &setup.jobs(), &job).await {
        Ok(done) => say(&format!("Done: {done}.")),
        Err(text) => return Err(Left::Failed(Stop::new(Code::FAILED, text))),
    }
    Ok(())
}

async fn name_for(rows: &[SnapshotRow], own: &str) -> Result<String, Left> {
    loop {
        let name = ask::line("Name: ").await?;
        let taken = name != own && rows.iter().any(|row| row.name == name);
        match wrong_name(&name) {
            Some(wrong) => say(&format!("That does not fit: {wrong}.")),
            None if taken => say(&format!("There is a snapshot {name} already.")),
            None => return Ok(name),
        }
    }
}

fn in_words(row: &SnapshotRow) -> String {
    let taken = match table::age(&row.created).as_str() {
        "" => "taken at an unknown time".to_owned(),
        "now" => "just taken".to_owned(),
        age => format!("taken {age} ago"),
    };
    let mut parts = vec![format!("{}, {taken}", row.name)];
    parts.extend(row.size.map(|size| table::bytes(Some(size))));
    if row.pinned {
        parts.push("pinned".into());
    }
    if !row.note.is_empty() {
        parts.push(format!("note: {}", row.note));
    }
    parts.join(", ")
}
