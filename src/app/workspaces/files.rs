//! Homes as archives, and the compose file, as the screen asks for them.

use std::path::Path;

use crate::{
    app::effect::Shared,
    backend::Status,
    labs::World,
    log::{sanitize, sanitize_text},
    paths,
    ui::words::bytes,
    workspace::{
        Ground,
        backup::{self, BackupError, Report},
        compose::Extras,
        files, spec,
    },
};

use super::News;

/// What is written or put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filed {
    /// A user's home into an archive.
    Backup(String),
    /// A user's home out of an archive; also where there is one, which is kept beside it.
    Restore(String, bool),
    /// The compose file of all, with what is wanted beside them.
    Compose(Extras),
}

fn lines(user: &str, what: &str, report: &Report) -> Vec<String> {
    let told = files::told(user, what, report, &bytes(report.bytes));
    let left = report.left_out.iter();
    let left = left.map(|left| sanitize(&format!("left out: {left}")));
    std::iter::once(told).chain(left).collect()
}

fn save(ground: &Ground, user: &str, to: &Path) -> Result<Vec<String>, String> {
    ground.user(user).map_err(|trouble| trouble.to_string())?;
    let report = backup::save(&files::home(ground, user), to).map_err(|error| error.to_string())?;
    Ok(lines(user, &format!("written to {}", to.display()), &report))
}

async fn compose(ground: &Ground, extras: Extras, folder: &Path) -> Result<Vec<String>, String> {
    let (gpus, notes) = files::gpus(&ground.settings).await;
    let made = files::composed(ground, extras, &gpus).ok_or(files::NOBODY)?;
    let written = files::put(&made, folder)?;
    let count = crate::labs::counted(written.files.len(), "file");
    let mut said = vec![format!("{count} written into {}", folder.display())];
    said.extend(notes);
    let stays = written.stays.iter();
    said.extend(stays.map(|path| format!("{} stays as it is", path.display())));
    said.push(files::start_words(folder));
    Ok(said)
}

impl Shared {
    /// Writes it to this path, or puts it back from there.
    pub(super) async fn file(&self, what: Filed, typed: &str) -> News {
        let (path, places) = (paths::typed(typed), self.around.paths.clone());
        let ground = || Ground::look(&places).map_err(|trouble| trouble.to_string());
        let done = match what {
            Filed::Restore(user, replace) => return self.restore(user, typed.to_owned(), replace).await,
            Filed::Backup(user) => match ground() {
                Ok(ground) => tokio::task::spawn_blocking(move || save(&ground, &user, &path))
                    .await
                    .unwrap_or_else(|error| Err(error.to_string())),
                Err(why) => Err(why),
            },
            Filed::Compose(extras) => match ground() {
                Ok(ground) => compose(&ground, extras, &path).await,
                Err(why) => Err(why),
            },
        };
        match done {
            Ok(said) => News::Done(said.iter().map(|text| sanitize(text)).collect()),
            Err(why) => News::Not(None, sanitize_text(&why)),
        }
    }

    /// Whether a user's workspace runs now.
    async fn runs(&self, user: &str) -> Result<bool, String> {
        let docker = self.engines.docker().await;
        let docker = match docker {
            Err(away) if away.absent => return Ok(false),
            docker => docker.map_err(|away| away.why)?,
        };
        let world = World::glance(docker.as_ref()).await;
        let world = world.map_err(|error| error.to_string())?;
        let found = world.instance(&spec::lab(user));
        Ok(found.is_some_and(|found| found.status == Status::Running))
    }

    async fn restore(&self, user: String, typed: String, replace: bool) -> News {
        match self.runs(&user).await {
            Ok(false) => {}
            Ok(true) => return News::Not(None, files::runs(&user)),
            Err(why) => {
                let text = format!("nothing was put back: whether {user} runs is not known: {why}");
                return News::Not(None, sanitize_text(&text));
            }
        }
        let (path, places, name) = (paths::typed(&typed), self.around.paths.clone(), user.clone());
        let done = tokio::task::spawn_blocking(move || {
            let (ground, _guard) = Ground::hold(&places).map_err(|trouble| (trouble.to_string(), false))?;
            let of = ground
                .user(&name)
                .map_err(|trouble| (trouble.to_string(), false))?;
            let uid = spec::uid(of, ground.ledger.slot(&name).unwrap_or_default());
            let there = |error: &BackupError| matches!(error, BackupError::NotEmpty(_));
            backup::restore(&path, &files::home(&ground, &name), uid, replace)
                .map_err(|error| (error.to_string(), there(&error)))
        });
        match done.await.unwrap_or_else(|error| Err((error.to_string(), false))) {
            Ok(report) => News::Done(lines(&user, "put back", &report)),
            Err((_, true)) => News::Occupied(user, typed),
            Err((why, false)) => News::Not(None, sanitize_text(&why)),
        }
    }
}
