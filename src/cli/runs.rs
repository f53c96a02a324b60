//! `halolab runs`: what was done, and going on with what was not finished.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Subcommand;

use crate::{
    plan::Plan,
    run::{
        journal::{self, Record},
        unfinished::{losses_now, worked_on_since},
    },
    stage::given,
};

use super::{
    Code, Setup, Stop,
    aftermath::{aftermath, bundle, changed, edit, undo},
    consent,
    plan::{Consent, answers_file},
    table::{json, note, out, table},
};

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    #[command(subcommand)]
    verb: Option<RunsVerb>,
}

/// Verbs on runs.
#[derive(Debug, Subcommand)]
pub(super) enum RunsVerb {
    /// Earlier runs, newest first.
    List,
    /// The plan of a run, how far it came, what failed and why, what can be done, and where its logs are.
    Show {
        /// The run; the newest one without.
        id: Option<String>,
    },
    /// Go on with a run that was not finished.
    Resume {
        /// The run; the newest one without.
        id: Option<String>,
        /// A file with the secrets that the run was given: they are never stored.
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// Show each command of the script that failed before it runs.
        #[arg(long)]
        trace: bool,
        /// Leave out the optional actions that failed.
        #[arg(long)]
        skip_optional: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Undo what a run did to labs: what is kept goes back in its place, what was made is removed.
    Undo {
        /// The run; the newest one without.
        id: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Change the script of the action that failed in `$EDITOR`, for this run only.
    Edit {
        /// The run; the newest one that is not finished without.
        id: Option<String>,
    },
    /// Save a report for somebody else: plan, journal, ends of logs, this machine, without secrets.
    Bundle {
        /// The run; the newest one without.
        id: Option<String>,
        /// The file; in the state folder without.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

pub(super) async fn run(setup: &Setup, args: RunsArgs) -> Result<Code, Stop> {
    let records = journal::records(&setup.runs());
    match args.verb.unwrap_or(RunsVerb::List) {
        RunsVerb::List if setup.global.json => json(&records)?,
        RunsVerb::List => out(&list(&records)),
        RunsVerb::Show { id } => {
            let record = find(&records, id.as_deref())?;
            if setup.global.json {
                json(record)?;
            } else {
                out(&consent::text(&record.plan, &record.done));
                out(&format!(
                    "{}\nlogs: {}",
                    line(record).join("  "),
                    record.folder.display()
                ));
                for line in aftermath(record) {
                    out(&crate::log::sanitize(&line));
                }
            }
        }
        RunsVerb::Resume {
            id,
            answers,
            trace,
            skip_optional,
            consent,
        } => {
            let record = find(&records, id.as_deref().or_else(|| open(&records)))?;
            may_go_on(&records, record)?;
            let changed = changed(setup, record, trace, skip_optional)?;
            return resume(setup, &changed, answers.as_ref(), &consent).await;
        }
        RunsVerb::Undo { id, consent } => {
            let record = find(&records, id.as_deref())?;
            return Box::pin(undo(setup, &records, record, &consent)).await;
        }
        RunsVerb::Edit { id } => {
            let record = find(&records, id.as_deref().or_else(|| open(&records)))?;
            may_go_on(&records, record)?;
            edit(setup, record)?;
        }
        RunsVerb::Bundle { id, to } => {
            let record = find(&records, id.as_deref())?;
            bundle(setup, record, to).await?;
        }
    }
    Ok(Code::OK)
}

/// The newest run that is not finished.
fn open(records: &[Record]) -> Option<&str> {
    records.iter().find(|r| r.code != Some(0)).map(|r| r.id.as_str())
}

/// Whether a run can be gone on with: it is not finished, and nothing came after it.
fn may_go_on(records: &[Record], record: &Record) -> Result<(), Stop> {
    if record.code == Some(0) {
        return Err(Stop::blocked(format!(
            "the run {} is finished; there is nothing to resume; see `halolab runs`",
            record.id
        )));
    }
    let Some((later, lab)) = worked_on_since(records, record) else {
        return Ok(());
    };
    Err(Stop::blocked(crate::log::sanitize(&format!(
        "nothing was changed: the run {} is not gone on with, because the later run {later} worked on {lab} since; see what it \
         did with `halolab runs show {later}`, and make your choice anew with `halolab plan {lab} --choose …`",
        record.id,
        later = later.id
    ))))
}

async fn resume(
    setup: &Setup,
    record: &Record,
    file: Option<&PathBuf>,
    consent: &Consent,
) -> Result<Code, Stop> {
    let stages = record
        .plan
        .labs
        .iter()
        .filter_map(|t| Some((t.lab.clone(), setup.catalog.get(&t.stage)?)));
    let labs: given::Labs<'_> = stages.collect();
    let answers = match file {
        Some(file) => answers_file(file, &labs)?,
        None => BTreeMap::new(),
    };
    // Where the plan is shown it says so itself.
    if !setup.global.json && (consent.yes || consent.accept_plan.is_some()) {
        let (done, all) = record.counts();
        note(&format!(
            "{done} of these {all} actions are done and are not done again"
        ));
    }
    let (plan, jobs) = going_on(setup, record).await?;
    for job in jobs {
        note(&job);
    }
    if !consent::agreed(setup, &plan, consent, &record.done)? {
        return Ok(Code::OK);
    }
    consent::carry_out(setup, &plan, &record.id, answers).await
}

/// The plan of a run with what going on would destroy of what is there now, and the jobs among it in words.
pub(super) async fn going_on(setup: &Setup, record: &Record) -> Result<(Plan, Vec<String>), Stop> {
    let mut plan = record.plan.clone();
    if !plan.may_lose() {
        return Ok((plan, vec![]));
    }
    let world = setup.world_or_asleep(&[]).await?;
    plan.losses = losses_now(&plan, &world, &setup.runs(), &record.id);
    let jobs = plan.losses.jobs();
    let words = jobs.iter().map(|job| format!("going on ends {job}")).collect();
    Ok((plan, words))
}

fn find<'a>(records: &'a [Record], id: Option<&str>) -> Result<&'a Record, Stop> {
    let found = match id {
        Some(id) => records.iter().find(|r| r.id == id),
        None => records.first(),
    };
    found.ok_or_else(|| Stop::usage("there is no such run; see `halolab runs`"))
}

fn line(record: &Record) -> Vec<String> {
    let labs = record
        .plan
        .labs
        .iter()
        .map(|t| t.lab.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let end = match record.code {
        Some(0) if record.failed.is_empty() => "done".to_owned(),
        Some(0) => format!("done but for {}", record.failed.len()),
        Some(6) => "waits for a restart".to_owned(),
        Some(code) => format!("ended with {code}"),
        None => "not finished".to_owned(),
    };
    let (done, all) = record.counts();
    let steps = format!("{done}/{all}");
    vec![
        record.id.clone(),
        labs,
        steps,
        end,
        record.error.clone().unwrap_or_default(),
    ]
}

fn list(records: &[Record]) -> String {
    let rows: Vec<_> = records.iter().map(line).collect();
    table(&["RUN", "LABS", "ACTIONS", "END", "ERROR"], &rows)
}
