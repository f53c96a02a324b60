//! `halolab --plain`: the screens as questions and lines of text, for terminals that cannot move a cursor, screen
//! readers and pipes. The same menu, forms, planner and runner; the end of the input cancels what is not agreed to yet.

mod ask;
mod beside;
mod failed;
mod form;
mod menu;
mod resume;
mod snapshots;
mod tuning;

use std::{collections::BTreeMap, time::Duration};

use crate::{
    app::form::Form,
    host,
    labs::{Lab, Presence, World, counted},
    plan::{Choice, Plan, Request, planner},
    run::{
        journal,
        lock::{Holder, Scope},
        unfinished::left,
    },
    stage::{Answers, answers::IMAGE_FILE},
};

use super::{Code, Global, Setup, Stop, consent, plan::SERVER_WAIT, status::state_word, trust};
use ask::{Left, numbers, say, unless_interrupted};
use menu::{menu, type_name};

/// Between two looks at whether another halolab has ended.
const OTHERS: Duration = Duration::from_secs(1);

/// Exit code where the input ended, or Ctrl-C, before anything was agreed to.
const CANCELLED: Code = Code(130);

/// Exit code of a run that failed and can be gone on with.
const RESUMABLE: Code = Code(5);

/// Asks what to do, does it, and asks again, until `q` or the end of the input.
pub(super) async fn wizard(global: Global) -> Result<Code, Stop> {
    if global.json || global.no_input {
        return Err(Stop::usage(
            "--plain asks questions: leave out --json and --no-input, or say what to do: `halolab apply LAB --yes`, see \
             `halolab --help`",
        ));
    }
    let mut setup = Setup::load(global)?;
    say("halolab, as questions. Type the number of an answer, enter for the one in brackets, q to leave.");
    // How the last thing ended that was asked for.
    let mut last = None;
    let mut offered = false;
    loop {
        // A stage may have been edited since.
        setup.catalog = crate::workspace::catalog(&setup.paths);
        match Box::pin(round(&setup, &mut offered)).await {
            Ok(code) => last = Some(code),
            Err(Left::Quit) => return Ok(last.unwrap_or(Code::OK)),
            Err(Left::Gone) => {
                if last.is_none() {
                    say("Cancelled; nothing was changed.");
                }
                return Ok(last.unwrap_or(CANCELLED));
            }
            Err(Left::Ended(code)) => return Ok(Code(code)),
            Err(Left::Away(stop)) => return Err(stop),
            Err(Left::Failed(stop)) => {
                say(&format!("Not done: {}", stop.text));
                last = Some(stop.code);
            }
        }
    }
}

/// One task: which labs, what to do with them, the plan, the run.
async fn round(setup: &Setup, offered: &mut bool) -> Result<Code, Left> {
    say("\nLooking at this machine and its container engine.");
    let mut world = unless_interrupted(look(setup)).await?.map_err(Left::Away)?;
    if let Some(engine) = &world.asleep {
        return Box::pin(wake(setup, &world, engine)).await;
    }
    match &world.server {
        Some(server) => say(&format!(
            "Engine: {} {} at {}.",
            server.title(),
            server.version,
            server.address
        )),
        None => say("There is no LXD or Incus yet: the plan begins with setting one up."),
    }
    if !std::mem::replace(offered, true)
        && let Some(code) = Box::pin(resume::offer(setup, &world)).await?
    {
        return Ok(code);
    }
    let labs = world.labs(&setup.catalog);
    say("\nLabs:");
    for (number, lab) in (1..).zip(&labs) {
        say(&format!("  {number}. {}", in_words(lab)));
    }
    for run in &world.unended {
        say(&resume::left_alone(run));
    }
    let chosen = which(&labs).await?;
    let picks = match chosen.as_slice() {
        [lab] => match Box::pin(menu(setup, &world, lab)).await? {
            Some(choice) => vec![(*lab, choice)],
            None => return Ok(Code::OK),
        },
        labs => labs.iter().map(|lab| (*lab, Choice::Create)).collect(),
    };
    let forms = Box::pin(options(setup, &world, &picks)).await?;
    loop {
        let here = world
            .server
            .as_ref()
            .is_none_or(|server| server.address.starts_with('/'));
        let (mut plan, secrets) = planned(setup, world, &picks, &forms).await?;
        if here {
            Box::pin(tuning::ask(setup, &mut plan)).await?;
        }
        if let Some(code) =
            agree_and_run(setup, &plan, &journal::new_id(&plan, &setup.runs()), secrets).await?
        {
            return Ok(code);
        }
        world = unless_interrupted(look(setup)).await?.map_err(Left::Away)?;
    }
}

/// Starts an engine that is installed and does not run: before that, nothing is known of its labs.
async fn wake(setup: &Setup, world: &World, engine: &str) -> Result<Code, Left> {
    say(&format!(
        "{engine} is installed and does not run. Its labs can be seen once it does: this plan starts it."
    ));
    let plan = planner::plan(world, &setup.catalog, &[])?;
    match agree_and_run(
        setup,
        &plan,
        &journal::new_id(&plan, &setup.runs()),
        BTreeMap::new(),
    )
    .await?
    {
        Some(Code::OK) | None => Ok(Code::OK),
        Some(code) => {
            let text =
                format!("without {engine} there is nothing to ask about; `halolab start` starts it too");
            Err(Left::Away(Stop::new(code, text)))
        }
    }
}

async fn look(setup: &Setup) -> Result<World, Stop> {
    let mut world = setup.world_or_asleep(&[]).await?;
    if world.asleep.is_none() {
        // Before the default image is chosen.
        host::reach::look(&mut world.facts, &setup.config.servers(), SERVER_WAIT).await;
        world.unended = left(&setup.runs(), &setup.lock(), setup.daemon());
    }
    Ok(world)
}

fn in_words(lab: &Lab) -> String {
    let proof = lab.verdict.as_deref().map(|v| format!(", proof: {v}"));
    let snapshots = match (lab.presence, lab.snapshots) {
        (Presence::Ours, count) => format!(", {}", counted(count, "snapshot")),
        _ => String::new(),
    };
    format!(
        "{}, {}: {}{snapshots}{}",
        lab.name,
        lab.title,
        state_word(lab),
        proof.unwrap_or_default()
    )
}

/// The labs that are chosen: several only where all of them are to be made.
async fn which(labs: &[Lab]) -> Result<Vec<&Lab>, Left> {
    if labs.is_empty() {
        say("There is no stage to make a lab from; see `halolab stage list`.");
        return Err(Left::Quit);
    }
    loop {
        let given =
            ask::line("Number of a lab, several as 1,2 to set them up together, q to leave: ").await?;
        if given == "q" {
            return Err(Left::Quit);
        }
        let found = numbers(&given, labs.len()).unwrap_or_default();
        let found: Vec<&Lab> = found.iter().filter_map(|n| labs.get(n - 1)).collect();
        match found.as_slice() {
            [] => say(&format!("Please type a number from 1 to {}.", labs.len())),
            [_] => return Ok(found),
            several => match several.iter().find(|l| l.presence != Presence::Missing) {
                Some(made) => say(&format!(
                    "{} is there already: several are chosen only to be made. Choose it alone.",
                    made.name
                )),
                None => return Ok(found),
            },
        }
    }
}

/// Asks the options.
async fn options(setup: &Setup, world: &World, picks: &[(&Lab, Choice)]) -> Result<Vec<Form>, Left> {
    let mut forms = vec![];
    for (lab, choice) in picks {
        let Some(stage) = setup.catalog.get(&lab.stage) else {
            continue;
        };
        if matches!(choice, Choice::Create | Choice::Recreate) {
            let former = planner::former_answers(world, &lab.name);
            forms.push(Form::new(&lab.name, stage, &world.facts, &former));
        }
    }
    if !forms.is_empty() {
        forms.extend(Form::of_host(world, &setup.catalog));
    }
    for form in &mut forms {
        let whose = if form.lab == planner::HOST {
            "this machine"
        } else {
            &form.lab
        };
        say(&format!("\nOptions of {whose}:"));
        form::fill_in(form).await?;
        say(&format!("\n{}: {}.", form.lab, form::summary(form)));
    }
    Ok(forms)
}

/// Makes the plan, and says which secrets it was given.
async fn planned(
    setup: &Setup,
    mut world: World,
    picks: &[(&Lab, Choice)],
    forms: &[Form],
) -> Result<(Plan, BTreeMap<String, Answers>), Left> {
    let answers: BTreeMap<String, Answers> = forms
        .iter()
        .map(|form| (form.lab.clone(), form.answers()))
        .collect();
    if answers.values().any(|a| a.contains_key(IMAGE_FILE)) {
        // The alias of an image file is known only now.
        let given: Vec<&Answers> = answers.values().collect();
        let facts = world.facts;
        world = setup.world(&given).await?;
        world.facts = facts;
    }
    let request = |lab: &str, stage: &str, choice: Choice| Request {
        lab: lab.into(),
        stage: stage.into(),
        choice,
        answers: answers.get(lab).cloned().unwrap_or_default(),
    };
    let labs = picks
        .iter()
        .map(|(lab, choice)| request(&lab.name, &lab.stage, choice.clone()));
    let host = request(planner::HOST, planner::HOST, Choice::Skip);
    let requests: Vec<Request> = labs.chain([host]).collect();
    let plan = planner::plan(&world, &setup.catalog, &requests)?;
    let secrets = forms.iter().map(|form| (form.lab.clone(), form.secrets()));
    Ok((plan, secrets.collect()))
}

/// Shows the plan, asks, and runs it with lines of text. None where another halolab was waited for instead: what is
/// there may be another now.
async fn agree_and_run(
    setup: &Setup,
    plan: &Plan,
    id: &str,
    secrets: BTreeMap<String, Answers>,
) -> Result<Option<Code>, Left> {
    if plan.is_empty() {
        say("There is nothing to do.");
        return Ok(Some(Code::OK));
    }
    let done = journal::record(&setup.runs().join(id)).map_or_else(consent::Done::new, |record| record.done);
    let begins = if done.is_empty() {
        "Nothing has happened yet."
    } else {
        "It goes on where it stopped."
    };
    say(&format!("\nThe plan. {begins}"));
    say(&consent::text(plan, &done));
    setup.may_change()?;
    loop {
        let given = ask::line("Apply? s shows what each action runs, to the letter [y/N]: ").await?;
        match given.to_lowercase().as_str() {
            "y" | "yes" => break,
            "s" => say(&consent::with_scripts(plan, &done)),
            "" | "n" | "no" | "q" => {
                say("Nothing was changed.");
                return Ok(Some(Code::DECLINED));
            }
            _ => say("Please type y to do it, n to leave it, or s."),
        }
    }
    if wait_for_other(setup, plan).await? {
        return Ok(None);
    }
    // What goes on was trusted when it began.
    if !setup.runs().join(id).exists() {
        look_and_trust(setup, plan).await?;
    }
    let code = Box::pin(consent::carry_out(setup, plan, id, secrets)).await?;
    match code {
        Code::OK => say("Done."),
        Code(code) => say(&format!("Ended with {code}; see `halolab runs`.")),
    }
    if code == RESUMABLE {
        return Box::pin(failed::menu(setup, id, code)).await;
    }
    Ok(Some(code))
}

/// Shows each stage from elsewhere that was not trusted yet, and asks.
async fn look_and_trust(setup: &Setup, plan: &Plan) -> Result<(), Left> {
    let mut given = vec![];
    for (_, stranger) in trust::strangers(setup, plan) {
        say(&trust::text(&stranger));
        if !ask::yes("Trust it", false).await? {
            return Err(Stop::new(Code::DECLINED, "nothing was changed").into());
        }
        given.push(stranger.sha256);
    }
    Ok(trust::gate(setup, plan, &given)?)
}

/// Waits for the end of another halolab that is at work, where the user wants that; whether there was one.
async fn wait_for_other(setup: &Setup, plan: &Plan) -> Result<bool, Left> {
    let (lock, scope) = (setup.lock(), Scope::of(plan, setup.daemon()));
    let Some(holder) = Holder::against(&lock, &scope) else {
        return Ok(false);
    };
    say(&format!(
        "Another halolab is at work: {holder}. Nothing of this plan was begun."
    ));
    if !ask::yes("Wait for its end, and see the plan anew", false).await? {
        let text = "nothing was changed: another halolab is at work";
        return Err(Stop::new(Code::LOCKED, text).into());
    }
    unless_interrupted(async {
        while Holder::against(&lock, &scope).is_some() {
            tokio::time::sleep(OTHERS).await;
        }
    })
    .await?;
    say("It has ended.");
    Ok(true)
}
