//! A run that an earlier halolab did not end, offered before anything else: leave it, go on, or take it back.

use std::collections::BTreeMap;

use crate::{
    labs::{Lab, World},
    plan::Choice,
    run::{
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
    let Some(record) = find(&setup.runs(), &setup.lock(), &setup.daemon()) else {
        return Ok(None);
    };
    let back: Vec<(Lab, Choice)> = ways_back(&record, world)
        .into_iter()
        .filter_map(|(lab, _, choice)| Some((world.find(&setup.catalog, &lab)?, choice)))
        .collect();
    tell(&record);
    say("  1. Leave it as it is");
    say("  2. Continue: what is done is not done again; the plan is shown first");
    if !back.is_empty() {
        say("  3. Take it back; the plan is shown first");
    }
    let count = if back.is_empty() { 2 } else { 3 };
    let ended = match ask::number("Number", count, Some(1)).await? {
        1 => return Ok(None),
        2 => Box::pin(go_on(setup, &record)).await?,
        _ => {
            let picks: Vec<(&Lab, Choice)> = back.iter().map(|(lab, choice)| (lab, choice.clone())).collect();
            let (plan, secrets) = planned(setup, world.clone(), &picks, &[]).await?;
            agree_and_run(setup, &plan, &journal::new_id(&plan), secrets).await?
        }
    };
    // Another halolab was waited for: the labs are looked at anew.
    Ok(Some(ended.unwrap_or(Code::OK)))
}

fn tell(record: &Record) {
    say(&format!("\nThe run {} was not finished.", record.id));
    for stop in stops(record) {
        let who = if stop.lab == "host" {
            "this machine"
        } else {
            &stop.lab
        };
        let (done, all) = stop.done;
        say(&format!(
            "  {who}: {done} of {all} actions are done; it stopped at \"{}\". Kept: {}.",
            stop.at, stop.kept
        ));
    }
    for lost in losses(record) {
        say(&format!("  Continue LOSES {lost}"));
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
