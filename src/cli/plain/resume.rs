//! A run that was not ended: leave it, go on, or undo it. One that was killed is offered before anything else.

use std::collections::BTreeMap;

use crate::{
    labs::{Lab, Unended, World},
    plan::Choice,
    run::{
        aftermath::{Amendment, Way, amend, ways},
        journal::{self, Record},
        unfinished::{find, losses, removals, stops, ways_back},
    },
    stage::{Answer, Answers},
};

use super::{
    Setup, agree_and_run,
    ask::{self, Left, say},
    planned, type_name,
};
use crate::cli::{Code, runs::going_on};

/// Offers it, where there is one. None where it was left alone.
pub(super) async fn offer(setup: &Setup, world: &World) -> Result<Option<Code>, Left> {
    if setup.global.read_only {
        return Ok(None);
    }
    let Some(record) = find(&setup.runs(), &setup.lock(), setup.daemon()) else {
        return Ok(None);
    };
    asked(setup, world, record).await
}

/// The same for a run that was left before its end.
pub(super) async fn of_run(setup: &Setup, world: &World, run: &str) -> Result<Option<Code>, Left> {
    match journal::record(&setup.runs().join(run)) {
        Some(record) => asked(setup, world, record).await,
        None => Ok(None),
    }
}

async fn asked(setup: &Setup, world: &World, record: Record) -> Result<Option<Code>, Left> {
    let back: Vec<(Lab, Choice)> = ways_back(&record, world)
        .into_iter()
        .filter_map(|(lab, _, choice)| Some((world.find(&setup.catalog, &lab)?, choice)))
        .collect();
    tell(&record);
    let verbose = ways(&record, false).into_iter().find_map(|way| match way {
        Way::Verbose(id) => Some(id),
        _ => None,
    });
    let go = "Go on: what is done is not done again; the plan is shown first";
    let mut offered = vec![("Leave it as it is", Offer::Leave), (go, Offer::GoOn)];
    if let Some(id) = verbose {
        let text = "Go on verbosely: the log shows each command of the script that failed";
        offered.push((text, Offer::Verbose(id)));
    }
    if !back.is_empty() {
        offered.push(("Undo it; the plan is shown first", Offer::Undo));
    }
    for (number, (text, _)) in (1..).zip(&offered) {
        say(&format!("  {number}. {text}"));
    }
    let number = ask::number("Number", offered.len(), Some(1)).await?;
    let ended = match offered.into_iter().nth(number - 1).map(|(_, offer)| offer) {
        None | Some(Offer::Leave) => return Ok(None),
        Some(Offer::GoOn) => Box::pin(go_on(setup, &record)).await?,
        Some(Offer::Verbose(id)) => {
            let traced = Amendment::Trace(id);
            let traced = amend(&setup.runs(), &setup.lock(), setup.daemon(), &record.id, &traced)
                .map_err(crate::cli::Stop::from)?;
            Box::pin(go_on(setup, &traced)).await?
        }
        Some(Offer::Undo) => {
            let picks: Vec<(&Lab, Choice)> = back.iter().map(|(lab, choice)| (lab, choice.clone())).collect();
            let (plan, secrets) = planned(setup, world.clone(), &picks, &[]).await?;
            agree_and_run(setup, &plan, &journal::new_id(&plan, &setup.runs()), secrets).await?
        }
    };
    // Another halolab was waited for: the labs are looked at anew.
    Ok(Some(ended.unwrap_or(Code::OK)))
}

/// A run that was left before its end, in a line.
pub(super) fn left_alone(run: &Unended) -> String {
    let how = match run.labs.first() {
        Some(lab) => format!("choose {lab} to go on with it, or to undo it"),
        None => format!("go on with it by `halolab runs resume {}`", run.run),
    };
    crate::log::sanitize(&format!(
        "  Unfinished run of {}, stopped at \"{}\": {how}.",
        run.date, run.at
    ))
}

/// What can be done with it.
enum Offer {
    Leave,
    GoOn,
    Verbose(String),
    Undo,
}

fn tell(record: &Record) {
    let (done, all) = record.counts();
    say(&format!(
        "\nThe run {} of {} was not finished: {done} of its {all} actions are done.",
        record.id,
        record.date()
    ));
    for stop in stops(record) {
        let who = if stop.lab == "host" {
            "this machine"
        } else {
            &stop.lab
        };
        say(&format!(
            "  {who}: it stopped at \"{}\". Kept: {}.",
            stop.at, stop.kept
        ));
    }
    for lost in losses(record) {
        say(&format!("  Going on LOSES {lost}"));
    }
}

/// Goes on with it, after its secrets and the names of the labs that it removes were typed again.
pub(super) async fn go_on(setup: &Setup, record: &Record) -> Result<Option<Code>, Left> {
    let mut secrets: BTreeMap<String, Answers> = BTreeMap::new();
    for secret in &record.secrets {
        let (lab, id) = secret.split_once('/').unwrap_or(("", secret));
        let given = loop {
            let question = format!("{id} of {lab}, which is never stored; not shown while you type: ");
            let given = ask::secret(&question).await?;
            if !given.is_empty() {
                break given;
            }
            say("The run was given it, and goes on only with it.");
        };
        let of_lab = secrets.entry(lab.to_owned()).or_default();
        of_lab.insert(id.to_owned(), Answer::Text(given));
    }
    for lab in removals(record) {
        type_name(&lab).await?;
    }
    let (plan, jobs) = going_on(setup, record).await?;
    for job in jobs {
        say(&job);
    }
    agree_and_run(setup, &plan, &record.id, secrets).await
}
