//! After a run that failed: why, and a menu whose first line does nothing.

use crate::{
    cli::{Code, aftermath, shell},
    labs::Lab,
    plan::Choice,
    run::{
        aftermath::{Amendment, Way, amend, ways},
        journal::{self, Record},
        unfinished::ways_back,
    },
};

use super::{
    Setup, agree_and_run,
    ask::{self, Left, say},
    look, planned, resume,
};

/// Asks what to do about it until it is left or something else was done; the exit code of that.
pub(super) async fn menu(setup: &Setup, id: &str, code: Code) -> Result<Option<Code>, Left> {
    loop {
        let Some(record) = journal::record(&setup.runs().join(id)) else {
            return Ok(Some(code));
        };
        for line in aftermath::failed(&record) {
            say(&line);
        }
        let world = setup.glance().await.ok();
        let back = world
            .as_ref()
            .is_some_and(|world| !ways_back(&record, world).is_empty());
        let all = ways(&record, back);
        say("What now?");
        for (number, way) in (1..).zip(&all) {
            say(&format!("  {number}. {}: {}", way.title(), way.line(&record)));
        }
        let chosen = match ask::number("Number", all.len(), Some(1)).await {
            Ok(number) => all.into_iter().nth(number - 1).unwrap_or(Way::Leave),
            // Whoever goes away has not asked for anything.
            Err(Left::Quit | Left::Gone) => Way::Leave,
            Err(other) => return Err(other),
        };
        match chosen {
            Way::Leave => return Ok(Some(code)),
            Way::Bundle => aftermath::bundle(setup, &record, None).await?,
            Way::Shell(name) => {
                if let Err(stop) = shell::enter(setup, name).await {
                    say(&format!("Not done: {}", stop.text));
                }
            }
            way => return Box::pin(go(setup, &record, way)).await,
        }
    }
}

async fn go(setup: &Setup, record: &Record, way: Way) -> Result<Option<Code>, Left> {
    let change = match way {
        Way::Undo => return undo(setup, record).await,
        Way::Verbose(id) => Some(Amendment::Trace(id)),
        Way::LeaveOut(ids) => Some(Amendment::LeaveOut(ids)),
        Way::Edit(_) => {
            aftermath::edit(setup, record)?;
            None
        }
        _ => None,
    };
    if let Some(change) = change {
        amend(&setup.runs(), &setup.lock(), setup.daemon(), &record.id, &change)
            .map_err(crate::cli::Stop::from)?;
    }
    let now = journal::record(&setup.runs().join(&record.id));
    Box::pin(resume::go_on(setup, now.as_ref().unwrap_or(record))).await
}

async fn undo(setup: &Setup, record: &Record) -> Result<Option<Code>, Left> {
    let world = look(setup).await?;
    let found: Vec<(Lab, Choice)> = ways_back(record, &world)
        .into_iter()
        .filter_map(|(lab, _, choice)| Some((world.find(&setup.catalog, &lab)?, choice)))
        .collect();
    let picks: Vec<(&Lab, Choice)> = found.iter().map(|(lab, choice)| (lab, choice.clone())).collect();
    let (plan, secrets) = planned(setup, world.clone(), &picks, &[]).await?;
    Box::pin(agree_and_run(
        setup,
        &plan,
        &journal::new_id(&plan, &setup.runs()),
        secrets,
    ))
    .await
}
