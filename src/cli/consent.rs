//! Showing a plan, asking for consent, and running it with lines of text or JSON.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    plan::{Action, Plan, Undo},
    run::{self, Context, Event, Lock, journal},
    stage::Answers,
};

use super::{
    Code, Setup, Stop,
    plan::{Consent, Planned},
    table::{duration, json, note, out},
};

/// Prints a plan: text, or one JSON document with its digest.
pub(super) fn show(setup: &Setup, plan: &Plan) -> Result<(), Stop> {
    if setup.global.json {
        return json(&serde_json::json!({
            "v": 1, "digest": plan.digest(), "seconds": plan.seconds(), "destroys": plan.destroys(), "plan": plan,
        }));
    }
    out(&text(plan));
    Ok(())
}

/// A plan as text: what is done, with which command, what is lost and kept.
pub(super) fn text(plan: &Plan) -> String {
    if plan.is_empty() {
        return "Nothing to do.".into();
    }
    let mut lines = vec![];
    if !plan.host.is_empty() {
        lines.push("First:".into());
        lines.extend(plan.host.iter().flat_map(action));
    }
    for track in &plan.labs {
        lines.push(format!("{} ({}):", track.lab, track.stage));
        lines.extend(track.actions.iter().flat_map(action));
        lines.extend(track.loses.iter().map(|l| format!("  LOSES  {l}")));
        lines.extend(track.keeps.iter().map(|k| format!("  keeps  {k}")));
    }
    lines.push(format!("About {} in all.", duration(plan.seconds())));
    lines.push(format!("Digest: {}", plan.digest()));
    lines
        .iter()
        .map(|l| crate::log::sanitize(l))
        .collect::<Vec<_>>()
        .join("\n")
}

fn action(action: &Action) -> Vec<String> {
    let mut lines = vec![format!("  - {} ({})", action.sentence, duration(action.seconds))];
    lines.push(format!("      $ {}", action.command));
    if let Some(lost) = &action.destroys {
        lines.push(format!("      DESTROYS {lost}"));
    }
    match &action.undo {
        Undo::Nothing => {}
        Undo::By(how) => lines.push(format!("      undo: {how}")),
        Undo::Never => lines.push("      cannot be undone".into()),
    }
    lines
}

/// Shows the plan, gets the user's consent, and runs it.
pub(super) async fn agree_and_run(setup: &Setup, planned: Planned, consent: &Consent) -> Result<Code, Stop> {
    let Planned { plan, secrets } = planned;
    if consent.dry_run {
        show(setup, &plan)?;
        return Ok(Code::OK);
    }
    setup.may_change()?;
    if plan.is_empty() {
        if setup.global.json {
            json(&Event::Done {
                code: 0,
                summary: vec!["nothing to do".into()],
            })?;
        } else {
            out("Nothing to do.");
        }
        return Ok(Code::OK);
    }
    match (&consent.accept_plan, consent.yes) {
        (Some(digest), _) if *digest == plan.digest() => {}
        (Some(_), _) => {
            return Err(Stop::blocked(format!(
                "nothing was changed: the plan is another one now (digest {}); look at it with `halolab plan`",
                plan.digest()
            )));
        }
        (None, true) => {}
        (None, false) => ask(setup, &plan)?,
    }
    let id = journal::new_id(&plan);
    carry_out(setup, &plan, &id, secrets).await
}

fn ask(setup: &Setup, plan: &Plan) -> Result<(), Stop> {
    let stdin = std::io::stdin();
    if setup.global.no_input || setup.global.json || !stdin.is_terminal() {
        return Err(Stop::usage(format!(
            "nothing was changed: say yes with --yes, or with --accept-plan {} after `halolab plan`",
            plan.digest()
        )));
    }
    out(&text(plan));
    let _ = write!(std::io::stdout(), "Do this? Type yes to go on [no]: ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    if matches!(line.trim(), "yes" | "y") {
        return Ok(());
    }
    Err(Stop::new(Code::DECLINED, "nothing was changed"))
}

/// Runs a plan under the lock, new or from where its journal ends. The first Ctrl-C stops it after the action at work.
pub(super) async fn carry_out(
    setup: &Setup,
    plan: &Plan,
    id: &str,
    secrets: std::collections::BTreeMap<String, Answers>,
) -> Result<Code, Stop> {
    let _lock = Lock::take(&setup.lock(), id)?;
    let (events, mut heard) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let cx = Context {
        connect: setup.connect(),
        runs: setup.runs(),
        cache: setup.paths.cache.clone(),
        secrets,
        events,
        cancel: cancel.clone(),
    };
    let signals = tokio::spawn(stop_on_signal(cancel));
    let print = async {
        let mut printer = Printer::new(setup, id);
        while let Some(event) = heard.recv().await {
            let done = matches!(event, Event::Done { .. });
            printer.print(&event);
            if done {
                break;
            }
        }
    };
    let (outcome, ()) = tokio::join!(Box::pin(run::apply(plan, id, &cx)), print);
    signals.abort();
    Ok(Code(outcome.code))
}

async fn stop_on_signal(cancel: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut hup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
        _ = hup.recv() => {}
    }
    note("stopping: the action at work is ended first");
    cancel.cancel();
}

struct Printer<'a> {
    setup: &'a Setup,
    id: &'a str,
    read: std::collections::BTreeMap<String, u64>,
}

impl<'a> Printer<'a> {
    fn new(setup: &'a Setup, id: &'a str) -> Self {
        Self {
            setup,
            id,
            read: std::collections::BTreeMap::new(),
        }
    }

    fn print(&mut self, event: &Event) {
        if self.setup.global.json {
            let mut value = serde_json::to_value(event).unwrap_or_default();
            if let Some(object) = value.as_object_mut() {
                object.insert("v".into(), 1.into());
                object.insert("ts".into(), jiff::Timestamp::now().to_string().into());
            }
            out(&value.to_string());
            return;
        }
        match event {
            Event::Plan { run, actions, .. } => note(&format!("run {run}: {actions} actions")),
            Event::StepStarted { lab, sentence, .. } => {
                note(&format!("[{lab}] {}", crate::log::sanitize(sentence)));
            }
            Event::Output { lab, bytes } => self.output(lab, *bytes),
            Event::Verdict { lab, verdict } => {
                note(&format!("[{lab}] verdict: {}", crate::log::sanitize(verdict)));
            }
            Event::Failed {
                lab,
                error,
                kept,
                next,
                optional,
                ..
            } => {
                let word = if *optional {
                    "did not work (optional)"
                } else {
                    "FAILED"
                };
                note(&format!("[{lab}] {word}: {}", crate::log::sanitize_text(error)));
                if !optional {
                    note(&format!("[{lab}] kept: {kept}\n[{lab}] next: {next}"));
                }
            }
            Event::Done { summary, .. } => summary.iter().for_each(|line| out(&crate::log::sanitize(line))),
            Event::Progress { .. } | Event::StepFinished { .. } => {}
        }
    }

    /// Shows what was added to a lab's log, line by line, unless --quiet.
    fn output(&mut self, lab: &str, bytes: u64) {
        use std::io::{Read as _, Seek as _, SeekFrom};
        if self.setup.global.quiet {
            return;
        }
        let from = self.read.entry(lab.to_owned()).or_insert(0);
        let path = run::log_file(&self.setup.runs(), self.id, lab);
        let mut added = vec![];
        let read = std::fs::File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(*from))?;
            file.take(bytes.saturating_sub(*from)).read_to_end(&mut added)
        });
        // Whole lines only; the rest is shown with its end.
        let whole = added.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        if read.is_ok() {
            *from += whole as u64;
            for line in String::from_utf8_lossy(added.get(..whole).unwrap_or_default()).lines() {
                if !line.starts_with("==> ") {
                    note(&format!("[{lab}]   {}", crate::log::sanitize(line)));
                }
            }
        }
    }
}
