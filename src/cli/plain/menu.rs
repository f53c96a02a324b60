//! The menu of one lab, asked as a number.

use crate::{
    app::{
        Job,
        menu::{Entry, menu_items},
    },
    labs::{Lab, World, counted, identity::Seen},
    plan::Choice,
};

use super::{
    super::{Code, Setup, Stop},
    ask::{self, Left, say},
    beside, resume, snapshots,
};

/// What to do with one lab; none where that is done already.
pub(super) async fn menu(setup: &Setup, world: &World, lab: &Lab) -> Result<Option<Choice>, Left> {
    let disks = beside::sizes(setup, lab).await;
    let items = menu_items(lab, world, &setup.catalog, &|name| disks.get(name).copied());
    say(&format!("\n{}: what to do?", lab.name));
    for (number, item) in (1..).zip(&items) {
        let title = item.title.replace('…', "");
        say(&format!("  {number}. {title}: {}", item.line));
    }
    let number = ask::number("Number", items.len(), None).await?;
    let Some(item) = items.into_iter().nth(number - 1) else {
        return Ok(None);
    };
    let name = lab.name.clone();
    Ok(Some(match item.entry {
        Entry::Skip => return Ok(None),
        Entry::Shell => return Ok(by_itself(&format!("halolab shell {name}"))),
        Entry::Run(entry) => {
            let command = format!("halolab zephyr run {} --lab {name}", entry.name);
            return Ok(by_itself(&command));
        }
        Entry::Start => return snapshots::change(setup, Job::Start(name)).await.map(|()| None),
        Entry::Stop => return stop(setup, lab).await.map(|()| None),
        Entry::Restore => return Box::pin(snapshots::choose(setup, lab)).await,
        Entry::Unended(run) => return Box::pin(resume::of_run(setup, world, &run)).await.map(|_| None),
        Entry::RemoveOlder => {
            let older = world.older_versions(&name).into_iter().map(|k| k.name).collect();
            let removed = Box::pin(beside::remove(setup, world, older)).await;
            return removed.map(|()| None);
        }
        Entry::RemoveBeside(next) => {
            let removed = Box::pin(beside::remove(setup, world, vec![next])).await;
            return removed.map(|()| None);
        }
        Entry::Create => Choice::Create,
        Entry::Recreate => Choice::Recreate,
        Entry::RecreateFromClean => Choice::RecreateFromClean,
        Entry::BringBack(kept) => Choice::BringBack(kept),
        Entry::Update => Choice::Update,
        Entry::Prove => Choice::Prove,
        Entry::GoBack(snapshot) => Choice::Restore(snapshot),
        Entry::Undo(choice) => choice,
        Entry::SetAside => Choice::SetAside,
        Entry::Adopt => {
            let text = "halolab did not make this instance. Adopted, it is managed like any other lab; nothing inside \
                        changes.";
            type_name(&name, text).await?;
            Choice::Adopt
        }
        Entry::Remove => {
            let text = format!(
                "This deletes {name} with all that is inside and its {}, for good. Kept: what is on data mounts.",
                counted(lab.snapshots, "snapshot")
            );
            type_name(&name, &text).await?;
            Choice::Remove
        }
    }))
}

/// Says the command that does it; there is nothing to plan.
fn by_itself(command: &str) -> Option<Choice> {
    say(&format!("That is a command of its own: `{command}`."));
    None
}

pub(super) async fn type_name(name: &str, what: &str) -> Result<(), Left> {
    say(what);
    let given = ask::line(&format!(
        "Type the name {name} to go on, anything else to leave it: "
    ))
    .await?;
    if given == name {
        return Ok(());
    }
    Err(Stop::new(Code::DECLINED, "nothing was changed").into())
}

/// Stops a lab; asks before where jobs end with it.
async fn stop(setup: &Setup, shown: &Lab) -> Result<(), Left> {
    let lab = shown.name.clone();
    let world = setup.world(&[]).await.map_err(Stop::from)?;
    let under = world.under_way().filter(|work| work.instance == lab);
    let list: Vec<String> = under
        .map(|work| format!("{} ({})", work.id, work.title))
        .collect();
    if !list.is_empty() {
        let list = crate::log::sanitize(&list.join(", "));
        let question = format!("These jobs run in it and end with it: {list}. Stop it?");
        if !ask::yes(&question, false).await? {
            return Ok(());
        }
    }
    let uuid = shown.instance.as_ref().map(|i| i.uuid.clone());
    let seen = Seen {
        uuid: uuid.unwrap_or_default(),
        ..Seen::default()
    };
    snapshots::change(setup, Job::Stop(lab, seen)).await
}
