//! `halolab runs`: what was done, and going on with what was not finished.

use std::collections::BTreeMap;

use clap::Subcommand;

use crate::run::journal::{self, Record};

use super::{
    Code, Setup, Stop, consent,
    table::{json, out, table},
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
    /// The plan of a run, how far it came, and where its logs are.
    Show {
        /// The run; the newest one without.
        id: Option<String>,
    },
    /// Go on with a run that was not finished.
    Resume {
        /// The run; the newest one without.
        id: Option<String>,
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
                out(&consent::text(&record.plan));
                out(&format!(
                    "{}\nlogs: {}",
                    line(record).join("  "),
                    record.folder.display()
                ));
            }
        }
        RunsVerb::Resume { id } => {
            setup.may_change()?;
            let record = find(&records, id.as_deref())?;
            if record.code == Some(0) {
                return Err(Stop::blocked(format!(
                    "the run {} is finished; there is nothing to resume",
                    record.id
                )));
            }
            return consent::carry_out(setup, &record.plan, &record.id, BTreeMap::new()).await;
        }
    }
    Ok(Code::OK)
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
        Some(0) => "done".to_owned(),
        Some(code) => format!("ended with {code}"),
        None => "not finished".to_owned(),
    };
    let steps = format!("{}/{}", record.finished, record.plan.actions().count());
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
