//! The log of what halolab itself does: `--log-file` and `-v`. Only our own events are in it: those of the libraries
//! below would show headers, and with them tokens.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, filter::Directive};

use crate::paths::{Paths, private_folder};

use super::{Global, Stop};

/// Name of the log in the state folder.
const NAME: &str = "halolab.log";

/// Begins to log where the command line asks for it.
pub(super) fn start(global: &Global) -> Result<(), Stop> {
    let path = match &global.log_file {
        Some(path) => path.clone(),
        None if global.verbose > 0 => default_file()?,
        None => return Ok(()),
    };
    let file = open(&path)?;
    let level = match global.verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = format!("{}={level}", env!("CARGO_CRATE_NAME"));
    let ours: Directive = ours.parse().map_err(Stop::usage)?;
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Arc::new(file))
        .with_env_filter(EnvFilter::default().add_directive(ours))
        .finish();
    // Set already only where one program calls this twice; the first log goes on then.
    let _ = tracing::subscriber::set_global_default(subscriber);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        "begins"
    );
    Ok(())
}

fn default_file() -> Result<PathBuf, Stop> {
    let state = Paths::discover().map_err(Stop::blocked)?.state;
    private_folder(&state).map_err(Stop::blocked)?;
    Ok(state.join(NAME))
}

fn open(path: &Path) -> Result<File, Stop> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path);
    file.map_err(|e| {
        Stop::usage(format!(
            "nothing was changed: the log {} cannot be written: {e}; name another file with --log-file",
            path.display()
        ))
    })
}
