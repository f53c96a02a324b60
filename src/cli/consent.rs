//! Showing a plan, asking for consent, and running it with lines of text or JSON.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, IsTerminal as _, Write as _},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    plan::{Action, Plan, Undo, script::exact},
    run::{self, Context, Event, Lock, StopCode, journal, lock::Scope},
    stage::{Answers, trust::Stranger},
};

use super::{
    Code, Setup, Stop,
    plan::{Consent, Planned},
    print::Printer,
    signals::Signals,
    table::{duration, json, note, out},
    trust,
};

/// Prints a plan: text, or one JSON document with its digest.
pub(super) fn show(setup: &Setup, plan: &Plan, scripts: bool, done: &Done) -> Result<(), Stop> {
    let strangers: Vec<Stranger> = trust::strangers(setup, plan)
        .into_iter()
        .map(|(_, s)| s)
        .collect();
    if setup.global.json {
        return json(&serde_json::json!({
            "v": 1, "digest": plan.digest(), "seconds": plan.seconds(), "destroys": plan.destroys(), "plan": plan,
            "untrusted": strangers,
        }));
    }
    out(&written(plan, scripts, done));
    for stranger in strangers {
        note(&crate::log::sanitize(&format!(
            "the stage {0} in {1} is not trusted yet: look at it with `halolab stage trust {0}` ({2})",
            stranger.id, stranger.origin, stranger.sha256
        )));
    }
    Ok(())
}

/// Ids of the actions that are done already, of a run that goes on.
pub(super) type Done = BTreeSet<String>;

/// A plan as text: what is done, with which command, what is lost and kept; `done` is done already.
pub(super) fn text(plan: &Plan, done: &Done) -> String {
    written(plan, false, done)
}

/// The same, with what each action runs, to the letter.
pub(super) fn with_scripts(plan: &Plan, done: &Done) -> String {
    written(plan, true, done)
}

fn written(plan: &Plan, scripts: bool, done: &Done) -> String {
    if plan.is_empty() {
        return "Nothing to do.".into();
    }
    let lines_of = |a: &Action| match done.contains(&a.id) {
        true => vec![format!("  + done: {}", a.sentence)],
        false => action(a, scripts),
    };
    let mut lines = vec![];
    if !plan.host.is_empty() {
        lines.push("First:".into());
        lines.extend(plan.host.iter().flat_map(lines_of));
    }
    for track in &plan.labs {
        lines.push(format!("{} ({}):", track.lab, track.stage));
        lines.extend(track.notes.iter().map(|n| format!("  note   {n}")));
        lines.extend(track.actions.iter().flat_map(lines_of));
        lines.extend(track.loses.iter().map(|l| format!("  LOSES  {l}")));
        lines.extend(track.keeps.iter().map(|k| format!("  keeps  {k}")));
    }
    lines.push(format!("About {} in all.", duration(plan.seconds_but(done))));
    if !done.is_empty() {
        let (all, rest) = (
            plan.actions().count(),
            plan.actions().filter(|a| !done.contains(&a.id)).count(),
        );
        let done = all - rest;
        lines.push(format!(
            "{done} of these {all} actions are done and are not done again."
        ));
    }
    if !scripts {
        lines.push("What each action runs, to the letter: `halolab plan … --scripts`.".into());
    }
    lines.push(format!("Digest: {}", plan.digest()));
    lines
        .iter()
        .map(|l| crate::log::sanitize(l))
        .collect::<Vec<_>>()
        .join("\n")
}

fn action(action: &Action, scripts: bool) -> Vec<String> {
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
    if scripts {
        lines.extend(exact(action).into_iter().map(|line| format!("      {line}")));
    }
    lines
}

/// Shows the plan, gets the user's consent, and runs it.
pub(super) async fn agree_and_run(setup: &Setup, planned: Planned, consent: &Consent) -> Result<Code, Stop> {
    let Planned {
        plan,
        secrets,
        wakes: _,
    } = planned;
    if !consent.dry_run && plan.is_empty() {
        setup.may_change()?;
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
    if !consent.dry_run {
        setup.may_change()?;
        trust::gate(setup, &plan, &consent.trust)?;
    }
    if !agreed(setup, &plan, consent, &Done::new())? {
        return Ok(Code::OK);
    }
    let id = journal::new_id(&plan, &setup.runs());
    carry_out(setup, &plan, &id, secrets).await
}

/// Whether the user wants a plan to be carried out, of which some is `done`: by a flag, or asked. A dry run shows it and
/// does not.
pub(super) fn agreed(setup: &Setup, plan: &Plan, consent: &Consent, done: &Done) -> Result<bool, Stop> {
    if consent.dry_run {
        show(setup, plan, false, done)?;
        return Ok(false);
    }
    setup.may_change()?;
    match (&consent.accept_plan, consent.yes) {
        (Some(digest), _) if *digest == plan.digest() => {}
        (Some(_), _) => {
            return Err(Stop::blocked(format!(
                "nothing was changed: the plan is another one now (digest {}); look at it with `halolab plan`",
                plan.digest()
            )));
        }
        (None, true) => {}
        (None, false) => ask(setup, plan, done)?,
    }
    Ok(true)
}

fn ask(setup: &Setup, plan: &Plan, done: &Done) -> Result<(), Stop> {
    let stdin = std::io::stdin();
    if setup.global.no_input || setup.global.json || !stdin.is_terminal() {
        return Err(Stop::usage(format!(
            "nothing was changed: say yes with --yes, or with --accept-plan {} after `halolab plan`",
            plan.digest()
        )));
    }
    out(&text(plan, done));
    yes("Do this?")
}

/// Asks on the terminal; an error where the answer is not yes.
pub(super) fn yes(question: &str) -> Result<(), Stop> {
    let _ = write!(std::io::stdout(), "{question} Type yes to go on [no]: ");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if matches!(line.trim(), "yes" | "y") {
        return Ok(());
    }
    Err(Stop::new(Code::DECLINED, "nothing was changed"))
}

/// Looks once more, now that nobody else can change anything: what would be lost must be what was said.
async fn look_again(setup: &Setup, plan: &Plan, id: &str) -> Result<(), Stop> {
    if !plan.may_lose() {
        return Ok(());
    }
    let world = setup.world_or_asleep(&[]).await?;
    let more = run::unfinished::losses_now(plan, &world, &setup.runs(), id).more_than(&plan.losses);
    if more.is_empty() {
        return Ok(());
    }
    Err(Stop::blocked(format!(
        "nothing was changed: {} would be lost, too, and was not there when the plan was made; look at the plan anew with \
         `halolab plan`, or at the run with `halolab runs show {id}`, and agree to that one",
        more.join("; ")
    )))
}

/// Runs a plan under the lock, new or from where its journal ends. The first Ctrl-C or SIGTERM stops it after the
/// action at work, the second one at once.
pub(super) async fn carry_out(
    setup: &Setup,
    plan: &Plan,
    id: &str,
    secrets: std::collections::BTreeMap<String, Answers>,
) -> Result<Code, Stop> {
    // Its answer says which daemon it is; where there is none, the run itself says so.
    let _ = setup.backend().await;
    let scope = Scope::of(plan, setup.daemon());
    let _lock = Lock::take_for(&setup.lock(), &scope, &format!("run {id}"))?;
    look_again(setup, plan, id).await?;
    let (events, mut heard) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let cx = Context {
        connect: setup.connect(),
        runs: setup.runs(),
        cache: setup.paths.cache.clone(),
        secrets,
        events,
        cancel: cancel.clone(),
        stop_code: StopCode::default(),
    };
    let _signals = Signals::listen(cancel, cx.stop_code.clone())?;
    // Before the run adds to its logs.
    let mut printer = Printer::new(setup, plan, id);
    let print = async {
        while let Some(event) = heard.recv().await {
            let done = matches!(event, Event::Done { .. });
            printer.print(&event);
            if done {
                break;
            }
        }
    };
    let (outcome, ()) = tokio::join!(Box::pin(run::apply(plan, id, &cx)), print);
    Ok(Code(outcome.code))
}
