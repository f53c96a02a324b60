//! One service of a workspace: what it writes, and its restart.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, Error, Progress},
    workspace::{
        probe::{Health, Report},
        services::{self, Logs, Parts},
        spec,
    },
};

use super::{
    super::{
        Code, Setup, Stop, consent,
        job::show::Show,
        plan::Consent,
        signals::Ear,
        table::{foreign_json, note, out},
    },
    ChangeArgs, Ground, health, power, seen,
    settle::LAST,
};

/// Arguments of `workspace restart`.
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// The users; or one, and a service of theirs: ssh, vnc, novnc, code, jupyter, tensorboard, rdp, dind.
    #[arg(value_name = "USER [SERVICE]", required_unless_present = "all")]
    users: Vec<String>,
    /// All who are not disabled.
    #[arg(long, conflicts_with = "users")]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Arguments of `workspace logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The user.
    user: String,
    /// The service; all of them without.
    service: Option<String>,
    /// Go on with what comes, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// So many lines from the end of each log.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: u32,
}

/// How long a service may take to answer again: code-server took half a minute on two busy cores.
const COMES: Duration = Duration::from_mins(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// A service that was named.
fn named(name: &str) -> Result<Parts, Stop> {
    services::named(name).ok_or_else(|| {
        Stop::usage(crate::log::sanitize(&format!(
            "there is no service `{name}`; there are: {}",
            services::names()
        )))
    })
}

/// The engine, where a user's workspace runs in it.
async fn running(setup: &Setup, ground: &Ground, user: &str) -> Result<std::sync::Arc<dyn Backend>, Stop> {
    ground.user(user)?;
    let found = seen(setup, ground).await;
    if let Some(away) = found.away {
        return Err(Stop::blocked(away));
    }
    if !found.running(user) {
        return Err(Stop::blocked(format!(
            "the workspace of {user} is {}; start it with `halolab workspace start {user}`",
            found.word(user)
        )));
    }
    setup.docker().await.map_err(Stop::blocked)
}

/// Bytes as they are on a pipe, and safe text on a terminal.
#[expect(clippy::too_many_lines, reason = "two ways of showing one log")]
pub(super) async fn logs(setup: &Setup, args: LogsArgs) -> Result<Code, Stop> {
    let LogsArgs {
        user,
        service,
        follow,
        lines,
    } = args;
    let ground = Ground::look(setup)?;
    let service = service.as_deref().map(named).transpose()?;
    if setup.global.json && follow {
        return Err(Stop::usage(
            "--json has an end, and --follow has none: leave one of them out",
        ));
    }
    let backend = running(setup, &ground, &user).await?;
    let wanted = Logs {
        service,
        lines,
        follow,
    };
    let lab = spec::lab(&user);
    let gone = CancellationToken::new();
    let progress = Progress {
        cancel: gone.clone(),
        ..Progress::default()
    };
    if setup.global.json {
        let mut text = vec![];
        let mut take = |_: u8, bytes: &[u8]| text.extend_from_slice(bytes);
        let any = services::logs(backend.as_ref(), &lab, wanted, &mut take, &progress).await?;
        let lines: Vec<String> = String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect();
        let service = service.map(|parts| parts.service);
        foreign_json(
            &serde_json::json!({"v": 1, "user": user, "service": service, "any": any, "lines": lines}),
        )?;
        return Ok(Code::OK);
    }
    let told = until_told(gone.clone())?;
    let mut show = Show::new(gone.clone());
    let mut take = |fd: u8, bytes: &[u8]| {
        // what `tail` itself says of files that are turned over
        if fd == 1 {
            show.bytes(bytes);
        }
    };
    let read = services::logs(backend.as_ref(), &lab, wanted, &mut take, &progress).await;
    show.end()?;
    match read {
        Ok(true) => Ok(Code::OK),
        Ok(false) => {
            let of = service.map_or("no service", |parts| parts.service);
            note(&format!(
                "{of} of {user} has written nothing yet; `halolab workspace status {user}` says what runs"
            ));
            Ok(Code::OK)
        }
        // by a signal, or because nobody reads it any more
        Err(Error::Cancelled { .. }) if gone.is_cancelled() => Ok(told.code()),
        Err(error) => Err(error.into()),
    }
}

/// What a signal said, if one came.
struct Told(std::sync::Arc<std::sync::atomic::AtomicU8>);

impl Told {
    fn code(&self) -> Code {
        Code(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// The first signal cancels, the second one ends the program.
#[expect(clippy::exit, reason = "whoever asks twice does not wait")]
fn until_told(gone: CancellationToken) -> Result<Told, Stop> {
    let told = Told(std::sync::Arc::default());
    let (code, mut ear) = (std::sync::Arc::clone(&told.0), Ear::listen()?);
    tokio::spawn(async move {
        code.store(ear.hear().await, std::sync::atomic::Ordering::Relaxed);
        gone.cancel();
        std::process::exit(i32::from(ear.hear().await));
    });
    Ok(told)
}

/// Users, or a service of one: a user who has a service's name counts as the user.
pub(super) async fn restart(setup: &mut Setup, args: RestartArgs) -> Result<Code, Stop> {
    let ground = Ground::look(setup)?;
    if let [user, service] = args.users.as_slice()
        && !ground.settings.users.contains_key(service)
        && (ground.settings.users.contains_key(user) || services::named(service).is_some())
    {
        let service = named(service)?;
        return one(setup, &ground, (user, service), &args.consent).await;
    }
    let RestartArgs { users, all, consent } = args;
    power::restart(setup, ChangeArgs { users, all, consent }).await
}

/// Begins one service anew, and waits until it answers.
async fn one(
    setup: &Setup,
    ground: &Ground,
    (user, service): (&str, Parts),
    consent: &Consent,
) -> Result<Code, Stop> {
    let name = service.service;
    let sentence = if service.ends.is_empty() {
        format!("begin {name} of {user} anew; nothing else of theirs ends by it")
    } else {
        format!("begin {name} of {user} anew; that ends {}", service.ends)
    };
    if consent.dry_run {
        out(&sentence);
        return Ok(Code::OK);
    }
    let backend = running(setup, ground, user).await?;
    agree(setup, &sentence, service, consent.yes)?;
    let lab = spec::lab(user);
    let _lock = setup
        .hold(&[&lab], &format!("workspace restart {user} {name}"))
        .await?;
    let said = services::restart(backend.as_ref(), &lab, service)
        .await
        .map_err(|why| {
            Stop::new(
                Code::FAILED,
                format!("{name} of {user} was not begun anew: {why}"),
            )
        })?;
    let report = comes(setup, ground, user, name).await?;
    let well = report.as_ref().is_none_or(|report| is_up(report.health));
    if setup.global.json {
        foreign_json(
            &serde_json::json!({"v": 1, "user": user, "service": name, "well": well, "said": said, "report": report}),
        )?;
        return Ok(if well { Code::OK } else { Code::FAILED });
    }
    if let Some(report) = &report {
        health::print(std::slice::from_ref(report));
    } else {
        out(&said);
    }
    if !well {
        let last = services::last_lines(backend.as_ref(), &lab, service, LAST).await;
        note(&format!(
            "supervisor said: {said}\n{name} of {user} does not answer; its log ends with:\n{last}\n\
             all of it: `halolab workspace logs {user} {name} --lines 1000`"
        ));
    }
    Ok(if well { Code::OK } else { Code::FAILED })
}

fn is_up(health: Health) -> bool {
    matches!(health, Health::Up | Health::Warning)
}

/// Where something would be lost, it is asked.
fn agree(setup: &Setup, sentence: &str, service: Parts, yes: bool) -> Result<(), Stop> {
    setup.may_change()?;
    if service.ends.is_empty() || yes {
        return Ok(());
    }
    if setup.global.no_input || setup.global.json || !std::io::stdin().is_terminal() {
        return Err(Stop::usage(format!(
            "nothing was changed: it would {sentence}; say yes with --yes"
        )));
    }
    out(sentence);
    consent::yes("Do this?")
}

/// Waits until a service answers, or it is clear that it does not; none for what is no service and has no port.
async fn comes(setup: &Setup, ground: &Ground, user: &str, name: &str) -> Result<Option<Report>, Stop> {
    let of = ground.user(user)?;
    if !services::wanted(of).contains(&name) {
        return Ok(None);
    }
    let begun = Instant::now();
    loop {
        let reports = health::reports(setup, ground, user, of).await;
        let Some(report) = reports.into_iter().find(|report| report.service == name) else {
            return Ok(None);
        };
        let fatal = report
            .program
            .as_ref()
            .is_some_and(|program| program.state.is_final());
        if is_up(report.health) || fatal || begun.elapsed() > COMES {
            return Ok(Some(report));
        }
        tokio::time::sleep(LOOK).await;
    }
}
