//! One track of a plan: its actions one after the other, each journaled before and after.

use std::time::Instant;

use crate::plan::{Action, Track};

use super::{
    Entry, Event,
    advice::{Advice, advice, host_advice},
    apply::Worker,
    causes, log_file,
    output::Output,
    perform::{self, Failure},
};

/// How a track ended.
pub(super) enum End {
    Well,
    Failed { index: usize },
    Restart,
    Cancelled,
}

/// Carries the actions of one lab out, or the host's.
pub(super) async fn track(worker: &Worker<'_>, lab: &str, actions: &[Action], whole: Option<&Track>) -> End {
    let Some(first) = actions.first() else {
        return End::Well;
    };
    let path = log_file(&worker.cx.runs, worker.run, lab);
    let mut output = match Output::open(&path, lab, worker.cx.events.clone()) {
        Ok(output) => output,
        Err(error) => {
            let error = format!("the log {} cannot be written: {error}", path.display());
            let advice = Advice {
                kept: "nothing was changed".into(),
                next: "free some disk space".into(),
            };
            failed(worker, lab, first, &error, advice);
            return End::Failed { index: 0 };
        }
    };
    for (index, action) in actions.iter().enumerate() {
        if worker.cx.cancel.is_cancelled() {
            return End::Cancelled;
        }
        if worker.finished(&action.id) {
            already(worker, lab, action, actions.get(index + 1)).await;
            continue;
        }
        match one(worker, lab, action, &mut output).await {
            Ok(()) => {}
            Err(Failure::Cancelled) => return End::Cancelled,
            Err(failure @ Failure::Restart) => {
                let (said, ended) = failure.entry(&action.id);
                output.line(&said);
                let _ = worker.journal(|j| j.write(ended));
                return End::Restart;
            }
            Err(failure) => {
                let (error, ended) = failure.entry(&action.id);
                output.line(&format!("!! {error}"));
                let advice = whole.map_or_else(|| host_advice(worker.run), |t| advice(t, index, worker.run));
                if end_badly(worker, lab, action, ended, (&error, advice)) {
                    return End::Failed { index };
                }
            }
        }
    }
    End::Well
}

/// Says that an action was done by an earlier attempt, and puts away what that one left.
async fn already(worker: &Worker<'_>, lab: &str, action: &Action, next: Option<&Action>) {
    if next.is_none_or(|next| !worker.touched(&next.id)) {
        // It may have been killed between the journal's line and this.
        perform::tidy(worker, action).await;
    }
    worker.tell(Event::StepStarted {
        id: action.id.clone(),
        lab: lab.into(),
        sentence: action.sentence.clone(),
    });
    worker.tell(Event::StepFinished {
        id: action.id.clone(),
        millis: 0,
        skipped: true,
    });
}

async fn one(worker: &Worker<'_>, lab: &str, action: &Action, output: &mut Output) -> Result<(), Failure> {
    let journal_failed = |e: std::io::Error| {
        Failure::Failed(format!(
            "the journal cannot be written ({e}); nothing further was begun"
        ))
    };
    let again = worker.begun(&action.id);
    worker
        .journal(|j| {
            j.write(Entry::Started {
                id: action.id.clone(),
            })
        })
        .map_err(journal_failed)?;
    worker.tell(Event::StepStarted {
        id: action.id.clone(),
        lab: lab.into(),
        sentence: action.sentence.clone(),
    });
    output.line(&format!("==> {}", action.sentence));
    output.mark();
    let clock = Instant::now();
    let done = perform::perform(worker, lab, action, again, output).await?;
    output.tell();
    let entry = Entry::Finished {
        id: action.id.clone(),
        skipped: done.skipped,
    };
    worker.journal(|j| j.write(entry)).map_err(journal_failed)?;
    perform::tidy(worker, action).await;
    let millis = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    worker.tell(Event::StepFinished {
        id: action.id.clone(),
        millis,
        skipped: done.skipped,
    });
    Ok(())
}

/// Tells and writes down how an action ended; true where the track ends with it.
fn end_badly(worker: &Worker<'_>, lab: &str, action: &Action, ended: Entry, told: (&str, Advice)) -> bool {
    let (error, advice) = told;
    failed(worker, lab, action, error, advice);
    let written = worker.journal(|j| j.write(ended));
    !action.optional || written.is_err()
}

fn failed(worker: &Worker<'_>, lab: &str, action: &Action, error: &str, advice: Advice) {
    let log = log_file(&worker.cx.runs, worker.run, lab);
    worker.tell(Event::Failed {
        cause: causes::of_action(error, &log, &action.sentence),
        id: action.id.clone(),
        lab: lab.into(),
        error: error.into(),
        kept: advice.kept,
        next: advice.next,
        optional: action.optional,
    });
}
