//! `halolab job attach`, `logs` and `wait`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::job::{self, Known, Mirror, Status, Watch};

use super::{
    super::{
        Code, Setup, Stop,
        signals::Ear,
        table::{foreign_json, note},
    },
    AttachArgs, engine_of, find, list, show,
};

/// How much of a log's end is shown to who comes back.
const RECENT: u64 = 8 * 1024;

pub(super) async fn attach(setup: &Setup, args: AttachArgs) -> Result<Code, Stop> {
    let mirror = match args.id {
        Some(id) => find(setup, &id)?,
        None => newest(setup).await?,
    };
    let from = last_lines(&mirror)?;
    if from > 0 {
        note(&format!(
            "its last lines; all of them with `halolab job logs {}`",
            mirror.id()
        ));
    }
    watch(setup, &mirror, from, args.notify || setup.config.notify).await
}

/// The newest job that runs.
async fn newest(setup: &Setup) -> Result<Mirror, Stop> {
    let known = list::look(setup).await;
    let runs = known.into_iter().find(|k| !k.status.state.is_final());
    runs.map(|k| k.mirror)
        .ok_or_else(|| Stop::usage("no job runs; see those that ended with `halolab job list --all`"))
}

/// Where the last lines begin.
fn last_lines(mirror: &Mirror) -> Result<u64, Stop> {
    let from = mirror.length().saturating_sub(RECENT);
    if from == 0 {
        return Ok(0);
    }
    let end = mirror.bytes(from, RECENT)?;
    let line = end.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
    Ok(from + line as u64)
}

/// Watches a job to its end, from a byte on; the exit code is the job's.
pub(super) async fn watch(setup: &Setup, mirror: &Mirror, from: u64, notify: bool) -> Result<Code, Stop> {
    let gone = CancellationToken::new();
    let mut out = show::Show::new(gone.clone());
    let status = to_the_end(setup, mirror, from, &gone, &mut |bytes| out.bytes(bytes)).await?;
    out.end();
    match status {
        Ok(status) => Ok(ended(setup, mirror, &status, notify)),
        Err(code) => Ok(code),
    }
}

/// Watches until the job ends, or a signal says to let go: then with the signal's code.
async fn to_the_end(
    setup: &Setup,
    mirror: &Mirror,
    from: u64,
    gone: &CancellationToken,
    sink: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Result<Status, Code>, Stop> {
    let mut ear = Ear::listen()?;
    let known = mirror.status();
    if known.is_over() {
        // It may be of an engine that is not here.
        let mut at = from;
        loop {
            let bytes = mirror.bytes(at, 1 << 20)?;
            if bytes.is_empty() {
                return Ok(Ok(known));
            }
            at += bytes.len() as u64;
            sink(&bytes);
        }
    }
    let backend = engine_of(setup, mirror).await?;
    let mut told = String::new();
    let mut notice = |why: &str| {
        if told != why {
            note(&crate::log::sanitize(&format!(
                "{why}; trying again, Ctrl-C leaves"
            )));
            why.clone_into(&mut told);
        }
    };
    let mut watch = Watch {
        backend: backend.as_ref(),
        mirror,
        from,
        cancel: gone.clone(),
        patience: None,
        notice: &mut notice,
    };
    tokio::select! {
        ended = watch.to_the_end(sink) => match ended {
            Ok(status) => Ok(Ok(status)),
            // Nobody reads our output any more.
            Err(job::Error::Detached) => Ok(Err(Code::OK)),
            Err(error) => Err(error.into()),
        },
        code = ear.hear() => {
            let id = mirror.id();
            note(&format!(
                "\n{id} goes on in {}; come back with `halolab job attach {id}`, end it with `halolab job stop {id}`",
                mirror.job.container
            ));
            Ok(Err(Code(code)))
        }
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
        return watch(setup, &mirror, 0, false).await;
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
    let gone = CancellationToken::new();
    let mut out = show::Show::new(gone.clone());
    let mut at = 0;
    while !gone.is_cancelled() {
        let bytes = mirror.bytes(at, 1 << 20)?;
        if bytes.is_empty() {
            break;
        }
        at += bytes.len() as u64;
        out.bytes(&bytes);
    }
    out.end();
    Ok(Code::OK)
}

/// Copies what is new of a job's log.
async fn fetch(setup: &Setup, mirror: &Mirror) -> Result<(), Stop> {
    let backend = engine_of(setup, mirror).await?;
    let mut watch = Watch {
        backend: backend.as_ref(),
        mirror,
        from: u64::MAX,
        cancel: CancellationToken::new(),
        patience: None,
        notice: &mut |_| {},
    };
    watch.briefly(Duration::from_mins(10)).await?;
    Ok(())
}

pub(super) async fn wait(setup: &Setup, id: &str, notify: bool) -> Result<Code, Stop> {
    let mirror = find(setup, id)?;
    let gone = CancellationToken::new();
    let status = match to_the_end(setup, &mirror, u64::MAX, &gone, &mut |_| {}).await? {
        Ok(status) => status,
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
