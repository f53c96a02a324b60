//! `halolab view`: the log viewer alone, without a runtime and without a look at the machine.
//!
//! ```text
//! poll(terminal, files, threads, signals) ──▶ Viewer::key ──▶ Document::turn ──▶ one frame
//! ```

mod build;
mod ears;
pub mod hands;
mod lean;
mod news;
mod plain;
mod serve;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use crate::{
    cli::{Code, Global, Stop, note},
    config::{Config, Settings},
    log::{Document, document::SharedRules, rules, sanitize},
    paths::Paths,
    progress::History,
    ui::{
        look::Look,
        theme::{Depth, Theme},
    },
    view::Viewer,
};

use super::terminal::Session;
use ears::Ears;
pub use news::News;
use serve::Serving;

/// What to show, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The logs; `-` is the standard input.
    pub files: Vec<PathBuf>,
    /// What a log that is alone is called, where that is not its file's name.
    pub title: Option<String>,
    /// Begin at the end, and stay there.
    pub follow: bool,
    /// Begin with the build beside its log.
    pub build: bool,
    /// What is told of the first log while it is shown.
    pub news: Option<Arc<News>>,
    /// Options of every verb.
    pub global: Global,
}

/// Shows logs until the user leaves; without a terminal, writes them as text. Returns the exit code.
///
/// # Errors
/// No log can be read, or the terminal cannot be used.
pub fn start(request: &Request) -> Result<u8, Stop> {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    if request.global.plain || dumb || !io::stdout().is_terminal() {
        for problem in Paths::discover().map_or_else(|_| vec![], |paths| rules::problems(&paths.logs)) {
            note(&format!("warning: these log rules are left out\n{problem}"));
        }
        return plain::write(request);
    }
    let ears = Ears::new()?;
    let rules: SharedRules = Arc::new(OnceLock::new());
    let (mut logs, mut refused) = (vec![], vec![]);
    for path in &request.files {
        match Document::open(path, &rules, &ears.wake()) {
            Ok(log) => logs.push(log),
            Err(error) => refused.push(error.to_string()),
        }
    }
    if logs.is_empty() {
        return Err(Stop::usage(refused.join("\n")));
    }
    let names = match &request.title {
        Some(title) => vec![sanitize(title)],
        None => names(&logs),
    };
    let mut viewer = Viewer::new(names, request.follow);
    viewer.message = match &refused[..] {
        [] => None,
        [one] => Some(one.clone()),
        more => Some(format!(
            "{} logs cannot be read; they are named at the end",
            more.len()
        )),
    };
    let paths = Paths::discover().ok();
    let (look, config, wrong) = look(request, paths.as_ref());
    viewer.message = viewer.message.or(wrong);
    let session = Session::view(config.mouse)?;
    let memory = paths.as_ref().map(|p| History::path(&p.state));
    let folders = paths.map(|p| p.logs);
    let mut serving = Serving::new(viewer, logs, session, look, ears);
    serving.remember(memory);
    if let Some(news) = &request.news {
        serving.hear(Arc::clone(news));
    }
    if request.build {
        serving.show_build(0, false);
    }
    let code = serving.run(&rules, folders.unwrap_or_default())?;
    // What is said now stays on the user's own screen.
    drop(serving);
    for text in &refused {
        note(text);
    }
    Ok(if refused.is_empty() { code } else { Code::USAGE.0 })
}

/// The names of the files without their folders, unless two are the same then.
fn names(logs: &[Document]) -> Vec<String> {
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let all: Vec<String> = logs.iter().map(|log| short(log.name())).collect();
    let same = |name: &String| all.iter().filter(|n| *n == name).count() > 1;
    let name = |log: &Document| {
        let name = short(log.name());
        if same(&name) { log.name().to_owned() } else { name }
    };
    logs.iter().map(name).collect()
}

/// Theme and settings; what is wrong with them is said, and the log is shown all the same.
fn look(request: &Request, paths: Option<&Paths>) -> (Look, Config, Option<String>) {
    let depth = if request.global.no_color {
        Depth::Mono
    } else {
        Depth::detect(|name| std::env::var(name).ok())
    };
    let settings = paths.map(|paths| Settings::load(paths, &[]));
    let (config, mut wrong) = match settings {
        Some(Ok(settings)) => (settings.config, None),
        Some(Err(error)) => (Config::default(), Some(sanitize(&error.to_string()))),
        None => (Config::default(), None),
    };
    let folder = paths.map(|paths| paths.config.join("themes"));
    let theme = Theme::load(folder.as_deref(), &config.theme, depth).unwrap_or_else(|error| {
        wrong = Some(sanitize(&error.to_string()));
        Theme::load(None, "dark", depth).unwrap_or_else(|_| Theme::plain())
    });
    let look = Look::new(theme, request.global.ascii || config.ascii);
    (look, config, wrong)
}
