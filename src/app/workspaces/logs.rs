//! What the services of a workspace write, in the log viewer while it comes.

use std::{fs::OpenOptions, io::Write as _, path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    app::viewer,
    backend::{Backend, Progress},
    cli::Global,
    log::sanitize,
    paths::{Paths, open_private, private_folder},
    workspace::{
        services::{self, Logs},
        spec,
    },
};

/// Lines from the end of each log that are shown at first.
const LINES: u32 = 2000;
/// Between two looks at whether something came.
const LOOK: Duration = Duration::from_millis(50);
/// Looks before the viewer is opened on a log that is silent.
const LOOKS: usize = 40;

/// The copy that is shown; it goes with the viewer.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        // The next one has another name.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Shows what a service of a user writes, or all of them, until whoever looks leaves.
///
/// # Errors
/// There is nothing to show, or no way to it.
pub(in crate::app) async fn show_logs(
    backend: &dyn Backend,
    (user, service): (&str, Option<&str>),
    paths: &Paths,
    global: Global,
) -> Result<(), String> {
    let (of, title) = match service {
        Some(service) => (services::named(service), format!("{service} of {user}")),
        None => (None, format!("services of {user}")),
    };
    let folder = paths.state.join("workspaces");
    private_folder(&folder).map_err(|error| error.to_string())?;
    let copy = Copy(folder.join(format!("shown-{}.log", std::process::id())));
    let file = open_private(
        OpenOptions::new().write(true).create(true).truncate(true),
        &copy.0,
    );
    let mut file = file.map_err(|error| format!("{} cannot be written: {error}", copy.0.display()))?;
    let cancel = CancellationToken::new();
    let progress = Progress {
        cancel: cancel.clone(),
        ..Progress::default()
    };
    let wanted = Logs {
        service: of,
        lines: LINES,
        follow: true,
    };
    let mut take = |fd: u8, bytes: &[u8]| {
        // What `tail` itself says of files that are turned over is none of theirs. A full disk shortens the copy.
        if fd == 1 {
            let _ = file.write_all(bytes);
        }
    };
    let lab = spec::lab(user);
    let read = services::logs(backend, &lab, wanted, &mut take, &progress);
    let request = viewer::Request {
        files: vec![copy.0.clone()],
        title: Some(title.clone()),
        follow: true,
        build: false,
        news: None,
        global,
    };
    let shown = async {
        for _ in 0..LOOKS {
            if std::fs::metadata(&copy.0).is_ok_and(|found| found.len() > 0) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let shown = tokio::task::spawn_blocking(move || viewer::start(&request)).await;
        shown.map_or(Ok(()), |ended| {
            ended.map(drop).map_err(|stop| sanitize(&stop.text))
        })
    };
    tokio::pin!(shown);
    let read = tokio::select! {
        shown = &mut shown => {
            cancel.cancel();
            return shown;
        }
        read = read => read,
    };
    match read {
        Ok(false) => Err(format!("{title}: nothing was written yet")),
        Ok(true) => shown.await,
        Err(error) => Err(sanitize(&error.to_string())),
    }
}
