//! `halolab runs show|resume|undo|edit|bundle`: what can be done after a run failed.

use std::{io::IsTerminal as _, path::PathBuf};

use crate::{
    app::{edit as open_editor, report},
    plan::{Choice, Request, planner::HOST},
    run::{
        aftermath::{AmendError, Amendment, Way, amend, difference, failures, ways},
        journal::Record,
        unfinished::{ways_to_undo, worked_on_since},
    },
};

use super::{
    Code, Setup, Stop, consent,
    plan::{Consent, Planned},
    table::{json, note, out},
};

/// What failed, why, and what was kept.
pub(super) fn failed(record: &Record) -> Vec<String> {
    let mut lines = vec![];
    for failed in failures(record) {
        let word = if failed.optional {
            "left out (optional)"
        } else {
            "FAILED"
        };
        lines.push(format!("{}: \"{}\": {word}", failed.lab, failed.sentence));
        lines.push(format!("  why     {}", failed.error));
        if let Some(cause) = failed.cause {
            lines.push(format!("  likely  {}", cause.is));
            lines.push(format!("  line    {}", cause.evidence));
            lines.push(format!("  mend    {}", cause.mend));
        }
        lines.push(format!("  kept    {}", failed.kept));
    }
    lines
}

/// The same, and what to type.
pub(super) fn aftermath(record: &Record) -> Vec<String> {
    let mut lines = failed(record);
    if record.code == Some(0) {
        return lines;
    }
    lines.push("What can be done:".into());
    for way in ways(record, true) {
        if let Some(command) = way.command(&record.id) {
            lines.push(format!("  {command:<60}  {}", way.line(record)));
        }
    }
    lines
}

impl From<AmendError> for Stop {
    fn from(error: AmendError) -> Self {
        match error {
            AmendError::Locked(error) => error.into(),
            error => Self::blocked(error),
        }
    }
}

/// The run with what the options say written into its journal.
pub(super) fn changed(setup: &Setup, record: &Record, trace: bool, skip: bool) -> Result<Record, Stop> {
    let mut wanted = vec![];
    for way in ways(record, false) {
        match way {
            Way::Verbose(id) if trace => wanted.push(Amendment::Trace(id)),
            Way::LeaveOut(ids) if skip => wanted.push(Amendment::LeaveOut(ids)),
            _ => {}
        }
    }
    if trace && !wanted.iter().any(|w| matches!(w, Amendment::Trace(_))) {
        note("nothing to trace: what failed runs no script, is given secrets, or is traced already");
    }
    let mut now = record.clone();
    if !wanted.is_empty() {
        setup.may_change()?;
    }
    for change in &wanted {
        now = amend(&setup.runs(), &setup.lock(), setup.daemon(), &record.id, change)?;
    }
    Ok(now)
}

/// Lets the user change the script that failed, and writes it into the journal of the run.
pub(super) fn edit(setup: &Setup, record: &Record) -> Result<(), Stop> {
    let way = ways(record, false).into_iter().find_map(|way| match way {
        Way::Edit(id) => Some(id),
        _ => None,
    });
    let id =
        way.ok_or_else(|| Stop::blocked("nothing was changed: what failed in this run runs no script"))?;
    setup.may_change()?;
    if setup.global.no_input || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Stop::usage("an editor needs a terminal; nothing was changed"));
    }
    let found = record.plan.actions().find(|a| a.id == id);
    let before = found.and_then(|a| a.step.script()).unwrap_or_default();
    let script = open_editor(before).map_err(Stop::blocked)?;
    if script == before {
        out("The script is as it was.");
        return Ok(());
    }
    for line in difference(before, &script) {
        out(&line);
    }
    amend(
        &setup.runs(),
        &setup.lock(),
        setup.daemon(),
        &record.id,
        &Amendment::Edit { id, script },
    )?;
    out(&format!(
        "Changed in the journal of this run only; go on with `halolab runs resume {}`.",
        record.id
    ));
    Ok(())
}

/// Undoes what a run did to labs, through a plan.
pub(super) async fn undo(
    setup: &Setup,
    records: &[Record],
    record: &Record,
    agreed: &Consent,
) -> Result<Code, Stop> {
    if let Some((later, lab)) = worked_on_since(records, record) {
        return Err(Stop::blocked(crate::log::sanitize(&format!(
            "nothing was changed: the later run {} worked on {lab} since; undo that one first, or see `halolab undo {lab}`",
            later.id
        ))));
    }
    let world = setup.world(&[]).await?;
    let ways = ways_to_undo(record, &world);
    if ways.is_empty() {
        return Err(Stop::blocked(format!(
            "nothing was changed: of the run {} nothing is left that could be taken back; changes of this machine are undone \
             with `halolab doctor --undo`",
            record.id
        )));
    }
    let request = |(lab, stage, choice): (String, String, Choice)| Request {
        lab,
        stage,
        choice,
        answers: crate::stage::Answers::new(),
    };
    let host = (HOST.to_owned(), HOST.to_owned(), Choice::Skip);
    let requests: Vec<Request> = ways.into_iter().chain([host]).map(request).collect();
    let planned = Planned {
        plan: crate::plan::plan(&world, &setup.catalog, &requests)?,
        secrets: std::collections::BTreeMap::new(),
        wakes: false,
    };
    consent::agree_and_run(setup, planned, agreed).await
}

/// Saves a report of a run.
pub(super) async fn bundle(setup: &Setup, record: &Record, to: Option<PathBuf>) -> Result<(), Stop> {
    let to = to.unwrap_or_else(|| report::place(&setup.paths, &record.id));
    let backend = setup.backend().await.ok();
    let extra = report::extra(&crate::host::folder(), &setup.paths, backend.as_deref(), vec![]).await;
    let place = to.display().to_string();
    let said = report::save(record.clone(), extra, to)
        .await
        .map_err(|text| Stop::new(Code::FAILED, text))?;
    if setup.global.json {
        return json(&serde_json::json!({ "v": 1, "run": record.id, "report": place }));
    }
    out(&said);
    Ok(())
}
