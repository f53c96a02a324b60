//! What a build comes to, shown and asked about before hours are spent on it.

use std::{io::IsTerminal as _, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    host::matrix,
    job::{self, JobId},
    log::sanitize,
    plan::planner::former_answers,
    zephyr::{Comes, Entry, Lab, Prepared},
};

use super::{
    super::{
        Code, Setup, Stop, consent,
        signals::Ear,
        table::{foreign_json, note, out},
    },
    EntryArgs, running,
};

/// Columns of what is shown.
const WIDTH: usize = 78;

/// How often it is said that the packages are still being worked out.
const STILL: Duration = Duration::from_mins(2);

/// What is to be done with the build.
pub(super) enum Answer {
    /// It is begun, with these arguments.
    Begin(Vec<String>),
    /// It is not; the exit code.
    Leave(Code),
}

/// Concretizes, shows what the build comes to, and asks; nothing of it is built before.
pub(super) async fn agreed(setup: &Setup, entry: &Entry, args: &EntryArgs) -> Result<Answer, Stop> {
    setup.may_change()?;
    let (world, instance) = running(setup, &args.lab).await?;
    let answers = former_answers(&world, &args.lab);
    let backend = setup.backend().await?;
    let (jobs, matrix) = (setup.jobs(), matrix::overlay(&setup.paths.matrix).0);
    let lab = Lab {
        backend: backend.as_ref(),
        instance: &instance,
        jobs: &jobs,
        state: &setup.paths.state,
        matrix: &matrix,
    };
    let prepared = lab.prepare(&answers).await?;
    let comes = match concretized(setup, &lab, (entry, &args.arguments), &prepared).await? {
        Ok(comes) => comes,
        Err(code) => return Ok(Answer::Leave(code)),
    };
    show(setup, &comes)?;
    if args.review {
        return Ok(Answer::Leave(Code::OK));
    }
    ask(setup, &comes, args)?;
    // It is concretized now.
    let again = |word: &&String| entry.name != "spack-build" || *word != "--again";
    Ok(Answer::Begin(
        args.arguments.iter().filter(again).cloned().collect(),
    ))
}

/// What it comes to; or the code of the signal that ended the waiting.
async fn concretized(
    setup: &Setup,
    lab: &Lab<'_>,
    (entry, arguments): (&Entry, &[String]),
    prepared: &Prepared,
) -> Result<Result<Comes, Code>, Stop> {
    let mut ear = Ear::listen()?;
    let mirror = lab.begin(entry, arguments).await?;
    let id = mirror.id();
    if !setup.global.quiet {
        note("Spack works out the packages: this takes up to some minutes, and it says nothing meanwhile");
    }
    let cancel = CancellationToken::new();
    let quiet = setup.global.quiet;
    tokio::select! {
        done = lab.wait(&mirror, cancel.clone()) => done?,
        () = still(id, quiet) => {}
        code = ear.hear() => {
            cancel.cancel();
            note(&format!(
                "nothing was built; {id} goes on to work out the packages, end it with `halolab job stop {id}`"
            ));
            return Ok(Err(Code(code)));
        }
    }
    // What it said is in the lock; a job less in the list.
    let _ = job::forget(Some(lab.backend), &mirror).await;
    Ok(Ok(lab.comes(entry, prepared).await?))
}

/// Says each few minutes that it is still at it; never ends.
async fn still(id: &JobId, quiet: bool) {
    for minutes in (1..).map(|count| count * (STILL.as_secs() / 60)) {
        tokio::time::sleep(STILL).await;
        if !quiet {
            note(&format!(
                "still at it after {minutes} min; ctrl-c leaves it alone, and `halolab job logs {id}` shows what it said"
            ));
        }
    }
}

fn show(setup: &Setup, comes: &Comes) -> Result<(), Stop> {
    if setup.global.json {
        return foreign_json(comes);
    }
    out(&sanitize(&format!(
        "{} in {} comes to:",
        comes.entrypoint, comes.lab
    )));
    for paragraph in comes.packages() {
        for line in wrapped(&sanitize(&paragraph), 4) {
            out(&line);
        }
    }
    for line in comes.lines() {
        // Under the words that begin each line.
        for line in wrapped(&sanitize(&line), 12) {
            out(&line);
        }
    }
    Ok(())
}

/// Words in lines of [`WIDTH`], those after the first one indented.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines = vec![String::from(" ")];
    for word in text.split(' ') {
        let full = lines
            .last()
            .is_some_and(|line| line.len() + 1 + word.len() > WIDTH);
        if full {
            lines.push(" ".repeat(indent.saturating_sub(1)));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

/// Asks where hours would be spent; what was dropped is agreed to by its own flag where nobody can be asked.
fn ask(setup: &Setup, comes: &Comes, args: &EntryArgs) -> Result<(), Stop> {
    if comes.is_done() && comes.dropped.is_empty() {
        return Ok(());
    }
    if args.yes {
        if comes.dropped.is_empty() || args.accept_dropped {
            return Ok(());
        }
        let names: Vec<String> = comes
            .dropped
            .iter()
            .map(|d| format!("{} +{}", d.package, d.variant))
            .collect();
        return Err(Stop::blocked(sanitize(&format!(
            "nothing was built: Spack chose without {}; write them into spack_src.yaml, or say that it is meant with \
             --accept-dropped",
            names.join(", ")
        ))));
    }
    if setup.global.no_input || setup.global.json || !std::io::stdin().is_terminal() {
        return Err(Stop::usage(
            "nothing was built: say yes with --yes, or only look with --review",
        ));
    }
    consent::yes("Build this?")
}
