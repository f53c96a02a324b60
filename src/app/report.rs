//! What the menu after a failed run does outside the model: changes of a run's journal, and reports.

use std::path::{Path, PathBuf};

use crate::{
    backend::Backend,
    host::{Report, matrix},
    log::sanitize_text,
    paths::Paths,
    run::{
        aftermath::{Amendment, amend},
        bundle::{self, Extra},
        journal::{self, Record},
    },
};

use super::{effect::Shared, msg::Msg};

impl Shared {
    /// Tells of a run.
    pub(super) fn find_run(&self, id: &str) {
        if let Some(record) = journal::record(&self.around.runs.join(id)) {
            self.tell_blocking(Msg::Unfinished(Box::new(record)));
        }
    }

    /// Writes a change into the journal of a run, and tells of the run as it is then.
    pub(super) fn amend(&self, id: &str, change: &Amendment) {
        let around = &self.around;
        match amend(&around.runs, &around.lock, &around.daemon, id, change) {
            Ok(record) => self.tell_blocking(Msg::Unfinished(Box::new(record))),
            Err(error) => self.tell_blocking(Msg::Said(sanitize_text(&error.to_string()))),
        }
    }

    /// Saves a report of a run.
    pub(super) async fn bundle(&self, id: &str, secrets: Vec<String>) {
        let around = &self.around;
        let saved = match journal::record(&around.runs.join(id)) {
            None => Err(format!("there is no run {id} any more")),
            Some(record) => {
                let backend = self.backend().await.ok();
                let extra = extra(&around.root, &around.paths, backend.as_deref(), secrets).await;
                let to = place(&around.paths, id);
                save(record, extra, to).await
            }
        };
        self.tell(Msg::Bundled(saved)).await;
    }
}

/// Where the report of a run is saved where nothing else is said.
pub(crate) fn place(paths: &Paths, id: &str) -> PathBuf {
    paths.state.join("reports").join(format!("halolab-{id}.tar.gz"))
}

/// Facts of the machine and the engine, for a report.
pub(crate) async fn extra(
    root: &Path,
    paths: &Paths,
    backend: Option<&dyn Backend>,
    secrets: Vec<String>,
) -> Extra {
    let matrix = matrix::overlay(&paths.matrix).0;
    let machine = Report::of(root, &matrix).await;
    let engine = match backend {
        Some(backend) => backend.server().await.map_err(|error| error.to_string()),
        None => Err("it does not answer".to_owned()),
    };
    let engine = match engine {
        Ok(server) => serde_json::to_string_pretty(&server).unwrap_or_default(),
        Err(error) => format!("{}\n", serde_json::json!({ "error": error })),
    };
    Extra {
        files: vec![
            (
                "machine.json".into(),
                serde_json::to_string_pretty(&machine).unwrap_or_default(),
            ),
            ("engine.json".into(), engine),
        ],
        secrets,
        home: std::env::var("HOME").ok(),
    }
}

/// Saves a report; what to say of it, or why not.
pub(crate) async fn save(record: Record, extra: Extra, to: PathBuf) -> Result<String, String> {
    let saved = tokio::task::spawn_blocking(move || bundle::save(&record, &extra, &to).map(|()| to)).await;
    match saved {
        Ok(Ok(to)) => Ok(saved_as(&to)),
        Ok(Err(error)) => Err(format!("the report was not saved: {error}")),
        Err(error) => Err(format!("the report was not saved: {error}")),
    }
}

/// What is said of a report that was saved.
pub(crate) fn saved_as(to: &Path) -> String {
    format!(
        "saved as {}, which only you can read; look through it before you share it",
        to.display()
    )
}
