//! Opens the screens: takes the terminal, draws the first frame before anything is looked at, and runs
//! the loop with its errands until the program is done.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use crossterm::event::{Event as Input, EventStream};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, getpid, kill_process},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{self, Stop},
    host::{self, command::needs_password},
    log::sanitize_text,
    run::StopCode,
    stage::trust::Store,
    ui::{
        look::Look,
        theme::{Depth, Theme},
    },
};

use super::{
    attach::attach,
    effect::{Performer, Surroundings},
    event_loop::{self, Exit, now},
    guard, job_view,
    model::{Model, Setup},
    msg::{Errand, Msg, Tone},
    stages::Stages,
    terminal::{Frames, Session, Surface as _, send},
    viewer::hands,
    workspaces::logs::show_logs,
};

/// Exit code where the terminal is gone: 128 and the number of SIGHUP.
const HANGUP: u8 = 129;
/// Messages that may wait.
const WAITING: usize = 256;

/// Opens the screens and returns the exit code.
///
/// # Errors
/// The terminal cannot be used.
pub async fn start(setup: cli::Setup) -> Result<u8, Stop> {
    let mut model = model(&setup);
    let mut session = Session::enter(model.mouse)?;
    let size = session.surface.size()?;
    model.update(Msg::Input(Input::Resize(size.width, size.height)));
    session.surface.draw(|frame| crate::ui::view(&model, frame))?;
    guard::start();
    let (messages, mut inbox) = mpsc::channel(WAITING);
    let ordered = CancellationToken::new();
    let stop_code = StopCode::default();
    listen_to_signals(&messages, &ordered, &stop_code)?;
    watch_for_hangup(messages.clone(), ordered.clone(), stop_code.clone());
    let around = Surroundings {
        connect: setup.connect(),
        catalog: Arc::clone(&model.setup.catalog),
        config: setup.config.clone(),
        paths: setup.paths.clone(),
        runs: setup.runs(),
        lock: setup.lock(),
        daemon: setup.daemon().clone(),
        root: host::folder(),
        stop_code,
        global: setup.global.clone(),
    };
    let mut performer = Performer::new(around, messages);
    let ended = serve(&mut model, &mut session, &mut inbox, &mut performer, &ordered).await;
    drop(session);
    performer.finish(inbox).await;
    let code = ended?;
    if let Some(how) = &model.restart {
        let _ = writeln!(io::stderr(), "{}", sanitize_text(how));
    }
    Ok(code)
}

/// Runs the loop and its errands until the program is done.
async fn serve(
    model: &mut Model,
    session: &mut Session<Frames>,
    inbox: &mut mpsc::Receiver<Msg>,
    performer: &mut Performer,
    ordered: &CancellationToken,
) -> io::Result<u8> {
    loop {
        let exit = {
            // Made anew each time: a reader left behind would take keys that are meant for a shell.
            let keys = EventStream::new();
            event_loop::run(model, &mut session.surface, keys, inbox, |e| {
                performer.perform(e);
            })
            .await?
        };
        let errand = match exit {
            Exit::Done(code) => return Ok(code),
            Exit::Errand(errand) => errand,
        };
        let result = run_errand(&errand, session, performer, ordered).await?;
        for effect in model.update(Msg::Returned(errand, result)) {
            performer.perform(effect);
        }
        let size = session.surface.size()?;
        for effect in model.update(Msg::Input(Input::Resize(size.width, size.height))) {
            performer.perform(effect);
        }
    }
}

async fn run_errand(
    errand: &Errand,
    session: &mut Session<Frames>,
    performer: &Performer,
    ordered: &CancellationToken,
) -> io::Result<Result<String, String>> {
    match errand {
        Errand::Redraw => session.surface.forget()?,
        Errand::Mouse(on) => session.set_mouse(*on)?,
        Errand::Sudo => {
            if !needs_password().await {
                return Ok(Ok(String::new()));
            }
            session.lend();
            let asked = ask_for_password().await;
            session.take_back()?;
            return Ok(asked);
        }
        Errand::Suspend => {
            session.lend();
            let _ = kill_process(getpid(), Signal::STOP);
            session.take_back()?;
        }
        Errand::Clipboard(text) => send(hands::clipboard(text).as_bytes())?,
        Errand::Open(copied, editor) => return show_copy(session, copied.clone(), *editor).await,
        Errand::Edit(_, _, script) => return edit(session, script.clone()).await,
        Errand::Job(id) => {
            let mirror = match crate::job::find(&performer.jobs(), id) {
                Ok(mirror) => mirror,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let connect = async || performer.backend_for(&mirror.job.engine).await;
            session.lend();
            let ended = tokio::select! {
                shown = job_view::show(connect, &mirror, performer.viewing()) => shown.map(|()| String::new()),
                () = ordered.cancelled() => Ok(String::new()),
            };
            session.take_back()?;
            return Ok(ended);
        }
        Errand::Logs(user, service) => {
            return user_logs(session, (performer, ordered), user, service.as_deref()).await;
        }
        Errand::Shell(lab) => {
            let login = performer.shared().login(lab);
            return inside(session, (performer, ordered), lab, login).await;
        }
        Errand::Program(lab, argv) => return inside(session, (performer, ordered), lab, argv.clone()).await,
    }
    Ok(Ok(String::new()))
}

/// Lends the terminal to a program inside a lab.
async fn inside(
    session: &mut Session<Frames>,
    (performer, ordered): (&Performer, &CancellationToken),
    lab: &str,
    argv: Vec<String>,
) -> io::Result<Result<String, String>> {
    let backend = match performer.backend().await {
        Ok(backend) => backend,
        Err(error) => return Ok(Err(error.to_string())),
    };
    session.lend();
    let ended = tokio::select! {
        code = attach(backend.as_ref(), lab, argv) => match code {
            // The code is the last command's of the shell, and no news of ours.
            Ok(_) => Ok(String::new()),
            Err(error) => Err(error.to_string()),
        },
        () = ordered.cancelled() => Ok(String::new()),
    };
    session.take_back()?;
    Ok(ended)
}

/// Shows what a service of a workspace writes.
async fn user_logs(
    session: &mut Session<Frames>,
    (performer, ordered): (&Performer, &CancellationToken),
    user: &str,
    service: Option<&str>,
) -> io::Result<Result<String, String>> {
    let backend = match performer.backend().await {
        Ok(backend) => backend,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let around = &performer.shared().around;
    session.lend();
    let shown = tokio::select! {
        shown = show_logs(backend.as_ref(), (user, service), &around.paths, around.global.clone()) => shown,
        () = ordered.cancelled() => Ok(()),
    };
    session.take_back()?;
    Ok(shown.map(|()| String::new()))
}

/// Lets the user change a script in an editor.
async fn edit(session: &mut Session<Frames>, script: String) -> io::Result<Result<String, String>> {
    session.lend();
    let edited = tokio::task::spawn_blocking(move || hands::edit(&script)).await;
    session.take_back()?;
    Ok(edited.unwrap_or_else(|error| Err(error.to_string())))
}

/// Lets another program show a copy of a log.
async fn show_copy(
    session: &mut Session<Frames>,
    copied: crate::log::document::save::Copied,
    editor: bool,
) -> io::Result<Result<String, String>> {
    session.lend();
    let shown = tokio::task::spawn_blocking(move || hands::show(&copied, editor)).await;
    session.take_back()?;
    Ok(shown.unwrap_or(Ok(())).map(|()| String::new()))
}

/// Lets sudo ask on the whole screen; what it answers is remembered by sudo, not by us.
async fn ask_for_password() -> Result<String, String> {
    let mut out = io::stdout();
    let _ = writeln!(out, "This plan changes things that only root may change.");
    #[expect(
        clippy::disallowed_methods,
        reason = "sudo asks on the terminal itself, which was given to it"
    )]
    let status = tokio::process::Command::new("sudo").arg("-v").status().await;
    match status {
        Ok(status) if status.success() => Ok(String::new()),
        Ok(_) => Err("nothing was changed: sudo was not given the password".into()),
        Err(error) => Err(format!(
            "nothing was changed: sudo cannot be run ({error}); start halolab as root instead"
        )),
    }
}

/// The first model: theme, settings, nothing known.
fn model(setup: &cli::Setup) -> Model {
    let depth = if setup.global.no_color {
        Depth::Mono
    } else {
        Depth::detect(|name| std::env::var(name).ok())
    };
    let folder = setup.paths.config.join("themes");
    let (themes, errors) = Theme::all(Some(&folder), depth);
    let picked = Theme::pick(&themes, &setup.config.theme);
    let wrong = errors
        .first()
        .or_else(|| picked.as_ref().err())
        .map(ToString::to_string);
    let theme = picked
        .or_else(|_| Theme::pick(&themes, "dark"))
        .unwrap_or_else(|_| Theme::plain());
    let fixed = Setup {
        catalog: Arc::new(setup.catalog.clone()),
        config: setup.config.clone(),
        read_only: setup.global.read_only,
        planner: crate::plan::plan,
    };
    let look = Look::new(theme, setup.global.ascii || setup.config.ascii);
    let mut model = Model::new(fixed, look, themes);
    model.now = now();
    model.looking_since = model.now;
    let store = Store::new(&setup.paths.state);
    model.strangers = Stages::new(Arc::clone(&model.setup.catalog), &store).strangers;
    if let Some(wrong) = wrong {
        model.say(Tone::Warning, wrong);
    }
    model
}

/// Signals as messages: what ends the program ends it with the terminal given back.
fn listen_to_signals(
    messages: &mpsc::Sender<Msg>,
    ordered: &CancellationToken,
    stop_code: &StopCode,
) -> io::Result<()> {
    let deadly = [
        (SignalKind::terminate(), 143),
        (SignalKind::hangup(), HANGUP),
        (SignalKind::interrupt(), 130),
        (SignalKind::quit(), 131),
    ];
    for (kind, code) in deadly {
        let mut signals = signal(kind)?;
        let (messages, ordered, stop_code) = (messages.clone(), ordered.clone(), stop_code.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop_code.set(code);
                ordered.cancel();
                let _ = messages.send(Msg::Ordered(code)).await;
            }
        });
    }
    let mut stops = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    let messages = messages.clone();
    tokio::spawn(async move {
        while stops.recv().await.is_some() {
            let _ = messages.send(Msg::Suspend).await;
        }
    });
    Ok(())
}

/// Tells that the terminal is gone even where SIGHUP is ignored: reading it would spin for ever.
fn watch_for_hangup(messages: mpsc::Sender<Msg>, ordered: CancellationToken, stop_code: StopCode) {
    std::thread::spawn(move || {
        let input = io::stdin();
        let mut watched = [PollFd::new(&input, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
                Ok(_) => break,
            }
        }
        stop_code.set(HANGUP);
        ordered.cancel();
        let _ = messages.blocking_send(Msg::Ordered(HANGUP));
    });
}
