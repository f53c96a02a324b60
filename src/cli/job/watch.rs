//! `halolab job attach`, `logs` and `wait`.

use std::{io::IsTerminal as _, sync::mpsc, thread, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    app::Viewing,
    job::{self, Known, Mirror, Status, Tail, Watch},
};

use super::{
    super::{
        Code, Setup, Stop,
        signals::Ear,
        table::{bytes, foreign_json, note},
    },
    AttachArgs, engine_of, find, list, show,
};

pub(super) async fn attach(setup: &Setup, args: AttachArgs) -> Result<Code, Stop> {
    let mirror = match args.id {
        Some(id) => find(setup, &id)?,
        None => newest(setup).await?,
    };
    let tail = Tail::last_lines(&mirror, length(setup, &mirror).await);
    if tail.position() > 0 {
        let before = tail.position().saturating_sub(mirror.length());
        let after = match before {
            0 => String::new(),
            _ => format!(" after the {} before them are copied", bytes(Some(before))),
        };
        note(&format!(
            "its last lines{after}; all of them with `halolab job logs {}`",
            mirror.id()
        ));
    }
    watch(setup, &mirror, tail, args.notify || setup.config.notify).await
}

pub(super) async fn view(setup: &Setup, id: Option<&str>) -> Result<Code, Stop> {
    let mirror = match id {
        Some(id) => find(setup, id)?,
        None => newest(setup).await?,
    };
    if !std::io::stdout().is_terminal() || setup.global.plain {
        return logs(setup, mirror.id().as_str(), true).await;
    }
    let connect = async || engine_of(setup, &mirror).await.map_err(|stop| stop.text);
    let viewing = Viewing {
        global: setup.global.clone(),
        stuck: setup.config.job.stuck_minutes,
        notify: setup.config.notify,
    };
    let shown = crate::app::show_job(connect, &mirror, viewing).await;
    shown.map_err(|why| Stop::new(Code::FAILED, why))?;
    if !mirror.status().state.is_final() && !setup.global.quiet {
        note(&goes_on(&mirror, "view"));
    }
    Ok(Code::OK)
}

/// The newest job that runs.
async fn newest(setup: &Setup) -> Result<Mirror, Stop> {
    let known = list::look(setup).await;
    let runs = known.into_iter().find(|k| !k.status.state.is_final());
    runs.map(|k| k.mirror)
        .ok_or_else(|| Stop::usage("no job runs; see those that ended with `halolab job list --all`"))
}

/// How long a job's log is in its lab, whatever of it is here; where that cannot be asked, how long it was.
async fn length(setup: &Setup, mirror: &Mirror) -> u64 {
    let mut status = mirror.status();
    if !status.is_over()
        && let Ok(backend) = engine_of(setup, mirror).await
    {
        status = Known::of(mirror.clone(), Some(backend.as_ref())).await.status;
    }
    status.log.bytes.max(mirror.length())
}

/// Watches a job to its end, and shows its log from where `tail` is; the exit code is the job's.
pub(super) async fn watch(setup: &Setup, mirror: &Mirror, tail: Tail, notify: bool) -> Result<Code, Stop> {
    // Before the first byte is shown: who sees it may send a signal.
    let ear = Ear::listen()?;
    let gone = CancellationToken::new();
    let shown = show::Shown::begin(tail, gone.clone())?;
    let mut grown = shown.nudge();
    let watched = async {
        let ended = to_the_end(setup, mirror, &gone, &mut grown).await;
        shown.all().await?;
        ended
    };
    match unless_told(mirror, ear, watched).await? {
        Ok(Some(status)) if !gone.is_cancelled() => Ok(ended(setup, mirror, &status, notify)),
        // Nobody reads our output any more.
        Ok(_) => Ok(Code::OK),
        Err(code) => Ok(code),
    }
}

/// What is said to who lets go of a job.
fn goes_on(mirror: &Mirror, verb: &str) -> String {
    let (id, lab) = (mirror.id(), crate::log::sanitize(&mirror.job.container));
    format!(
        "{id} goes on in {lab}; come back with `halolab job {verb} {id}`, end it with `halolab job stop {id}`"
    )
}

/// Does something until a signal says to let go: then with the signal's code.
async fn unless_told<T>(
    mirror: &Mirror,
    mut ear: Ear,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<Result<T, Code>, Stop> {
    tokio::select! {
        done = work => done.map(Ok),
        code = ear.hear() => {
            note(&format!("\n{}", goes_on(mirror, "attach")));
            Ok(Err(Code(code)))
        }
    }
}

/// Watches until the job ends, or nobody reads its log any more.
async fn to_the_end(
    setup: &Setup,
    mirror: &Mirror,
    gone: &CancellationToken,
    grown: &mut (dyn FnMut() + Send),
) -> Result<Option<Status>, Stop> {
    let known = mirror.status();
    if known.is_over() {
        // It may be of an engine that is not here.
        return Ok(Some(known));
    }
    let backend = engine_of(setup, mirror).await?;
    // Said by a thread of its own: the terminal may be halted.
    let (notes, said) = mpsc::channel::<String>();
    thread::Builder::new().name("notes".into()).spawn(move || {
        for text in said {
            note(&text);
        }
    })?;
    let mut told = String::new();
    let mut notice = |why: Option<&str>| {
        let why = why.unwrap_or_default();
        if told == why {
            return;
        }
        let text = if why.is_empty() {
            format!("{} is heard of again", mirror.id())
        } else {
            format!("{why}; trying again, Ctrl-C leaves")
        };
        let _ = notes.send(crate::log::sanitize(&text));
        why.clone_into(&mut told);
    };
    let mut watch = Watch {
        backend: backend.as_ref(),
        mirror,
        cancel: gone.clone(),
        patience: None,
        notice: &mut notice,
        grown,
    };
    match Box::pin(watch.to_the_end()).await {
        Ok(status) => Ok(Some(status)),
        Err(job::Error::Detached) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Says how a job ended.
fn ended(setup: &Setup, mirror: &Mirror, status: &Status, notify: bool) -> Code {
    let words = format!(
        "{} in {} {}: {}",
        mirror.id(),
        mirror.job.lab,
        status.state.word(),
        status.ending()
    );
    let words = crate::log::sanitize(&words);
    if !setup.global.quiet {
        note(&words);
    }
    if notify {
        show::notify(&words);
    }
    Code(status.code())
}

pub(super) async fn logs(setup: &Setup, id: &str, follow: bool) -> Result<Code, Stop> {
    let mirror = find(setup, id)?;
    if follow {
        return watch(setup, &mirror, Tail::new(&mirror, 0), false).await;
    }
    let known = mirror.status();
    if !known.is_over()
        && let Err(stop) = fetch(setup, &mirror).await
    {
        note(&crate::log::sanitize(&format!(
            "what is here is shown: {}",
            stop.text
        )));
    }
    if let Some(rest) = mirror.status().elsewhere() {
        note(&crate::log::sanitize(&rest));
    }
    let gone = CancellationToken::new();
    let mut out = show::Show::new(gone.clone());
    let mut at = 0;
    while !gone.is_cancelled() {
        let part = mirror.bytes(at, 1 << 20)?;
        if part.is_empty() {
            break;
        }
        at += part.len() as u64;
        out.bytes(&part);
    }
    out.end()?;
    Ok(Code::OK)
}

/// Copies what is new of a job's log.
async fn fetch(setup: &Setup, mirror: &Mirror) -> Result<(), Stop> {
    let backend = engine_of(setup, mirror).await?;
    let mut watch = Watch {
        backend: backend.as_ref(),
        mirror,
        cancel: CancellationToken::new(),
        patience: None,
        notice: &mut |_| {},
        grown: &mut || {},
    };
    watch.briefly(Duration::from_mins(10)).await?;
    Ok(())
}

pub(super) async fn wait(setup: &Setup, id: &str, notify: bool) -> Result<Code, Stop> {
    let mirror = find(setup, id)?;
    let (ear, gone) = (Ear::listen()?, CancellationToken::new());
    let mut nobody = || {};
    let watched = to_the_end(setup, &mirror, &gone, &mut nobody);
    let status = match unless_told(&mirror, ear, watched).await? {
        Ok(Some(status)) => status,
        Ok(None) => return Ok(Code::OK),
        Err(code) => return Ok(code),
    };
    if setup.global.json {
        let known = Known {
            mirror: mirror.clone(),
            status: status.clone(),
            stale: String::new(),
            frozen: false,
        };
        foreign_json(&known.glance(setup.config.job.stuck_minutes))?;
    }
    Ok(ended(setup, &mirror, &status, notify || setup.config.notify))
}
