//! `halolab job run`.

use std::collections::BTreeMap;

use crate::{
    backend::Status,
    job::{self, JobId, Mirror, Order, inside::Command},
    labs::Presence,
    plan::PlanError,
    run::{
        Lock, journal,
        lock::{Holder, LockError, Scope},
    },
};

use super::{
    super::{
        Code, Setup, Stop,
        status::unknown,
        table::{json, note, out},
    },
    RunArgs, watch,
};

pub(super) async fn run(setup: &Setup, args: RunArgs) -> Result<Code, Stop> {
    let attach = args.attach;
    if let [only] = &args.command[..]
        && only.contains(' ')
    {
        note(
            "the command is one word with spaces in it: words are given one by one, a line of a shell as `sh -c 'LINE'`",
        );
    }
    let mirror = begin(setup, args, None).await?;
    if attach {
        return follow(setup, &mirror).await;
    }
    told(setup, &mirror)?;
    Ok(Code::OK)
}

/// Watches a job that has just begun; the code is the job's.
pub(in crate::cli) async fn follow(setup: &Setup, mirror: &Mirror) -> Result<Code, Stop> {
    let (id, lab) = (mirror.id(), &mirror.job.lab);
    if setup.global.json {
        json(&begun(mirror))?;
    }
    note(&format!("{id} runs in {lab}; Ctrl-C only ends the watching"));
    watch::watch(setup, mirror, job::Tail::new(mirror, 0), setup.config.notify).await
}

fn begun(mirror: &Mirror) -> serde_json::Value {
    serde_json::json!({"v": 1, "id": mirror.id().as_str(), "lab": mirror.job.lab, "folder": mirror.folder()})
}

/// Says which job has begun, and what to type about it.
pub(in crate::cli) fn told(setup: &Setup, mirror: &Mirror) -> Result<(), Stop> {
    let id = mirror.id();
    if setup.global.json {
        return json(&begun(mirror));
    }
    out(id.as_str());
    if !setup.global.quiet {
        note(&format!(
            "it goes on by itself; watch it with `halolab job attach {id}`, end it with `halolab job stop {id}`"
        ));
    }
    Ok(())
}

/// Begins a job in a lab that is whole and runs; it is called by its command where it has no title.
pub(in crate::cli) async fn begin(
    setup: &Setup,
    args: RunArgs,
    title: Option<String>,
) -> Result<Mirror, Stop> {
    setup.may_change()?;
    // Before anything is asked for.
    JobId::new(&args.name)?;
    let lab = &args.lab;
    // Its answer says which daemon it is.
    let _ = setup.backend().await;
    // Before the look: what is seen then stays until the job has begun.
    let _begins = may_begin(setup, lab)?;
    let world = setup.world(&[]).await?;
    match world.presence(lab) {
        Presence::Ours => {}
        Presence::Foreign => return Err(PlanError::Foreign(lab.clone()).into()),
        Presence::Unfinished => {
            return Err(Stop::blocked(format!(
                "{lab} is not whole yet; finish it first: `halolab apply {lab}`"
            )));
        }
        Presence::Missing => return Err(unknown(lab, &world.labs(&setup.catalog))),
    }
    let missing = || Stop::from(PlanError::Missing(lab.clone()));
    let instance = world.instance(lab).ok_or_else(missing)?;
    if instance.status != Status::Running {
        return Err(Stop::blocked(format!(
            "{lab} does not run; `halolab start {lab}` starts it"
        )));
    }
    let backend = setup.backend().await?;
    let order = Order {
        lab: lab.clone(),
        title: title.unwrap_or_else(|| args.command.join(" ")),
        command: Command {
            argv: args.command,
            script: None,
            env: environment(&args.env)?,
            cwd: args.cwd,
        },
        stuck_minutes: Some(setup.config.job.stuck_minutes),
        step: None,
    };
    Ok(job::start_new(backend.as_ref(), &setup.jobs(), &args.name, instance, &order).await?)
}

/// Holds the lab's lock while the job begins, so that no change of it looks for jobs meanwhile. Where another halolab
/// holds it that ends what runs in the lab, the job would be lost.
fn may_begin(setup: &Setup, lab: &str) -> Result<Option<Lock>, Stop> {
    let scope = Scope::labs(setup.daemon(), [lab]);
    let holder = match Lock::take_for(&setup.lock(), &scope, &format!("job run {lab}")) {
        Ok(lock) => return Ok(Some(lock)),
        Err(LockError::Held(who)) => Holder::parse(&who),
        Err(error) => return Err(error.into()),
    };
    if !ends_jobs(setup, &holder.what, lab) {
        return Ok(None);
    }
    Err(Stop::new(
        Code::LOCKED,
        format!(
            "nothing was begun: another halolab is at work ({holder}), and ends what runs in {lab}; wait until \
             `halolab status {lab}` shows it whole, then give the job again"
        ),
    ))
}

/// Whether what another halolab does ends what runs in a lab, as far as it is written down.
fn ends_jobs(setup: &Setup, what: &str, lab: &str) -> bool {
    let Some(run) = what.strip_prefix("run ") else {
        return ["stop", "restart"].iter().any(|verb| what.starts_with(verb));
    };
    // One that has just begun may not be written down yet.
    journal::record(&setup.runs().join(run))
        .is_none_or(|record| record.plan.ends_in(lab, |action| record.done.contains(action)))
}

/// `KEY=VALUE`, or `KEY` as it is here.
fn environment(given: &[String]) -> Result<BTreeMap<String, String>, Stop> {
    let one = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => match std::env::var(text) {
            Ok(value) => Ok((text.clone(), value)),
            Err(_) => Err(Stop::usage(format!(
                "--env {text}: there is no such variable here; give it as {text}=VALUE"
            ))),
        },
    };
    given.iter().map(one).collect()
}
