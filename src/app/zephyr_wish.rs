//! What the model wants of Zephyr's labs, done: asking, beginning, checking, reports.

use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, Instance},
    host::matrix,
    job::{self, JobId, Order, inside::Command},
    log::sanitize_text,
    run::{Lock, lock::Scope},
    stage::Answers,
    zephyr::{self, Failed, Lab, save},
};

use super::{
    effect::Shared,
    msg::Msg,
    report,
    zephyr::{News, Wanted, Wish},
};

impl Shared {
    /// Does what is wished about entrypoints.
    pub(super) async fn zephyr(&self, wish: Wish) {
        let news = match wish {
            Wish::Review(wanted) => self.review(wanted).await,
            Wish::Begin(wanted) => self.begin_entry(&wanted).await,
            Wish::After(id) => match job::find(&self.jobs(), &id) {
                Ok(mirror) if zephyr::is_unasked(&mirror) => {
                    let asked = self.verify(&mirror.job.container).await;
                    if asked.is_ok() {
                        zephyr::set_asked(&mirror);
                    }
                    asked
                }
                Ok(mirror) => match Failed::of(&mirror) {
                    Some(failed) => Ok(News::Failed(Box::new(failed))),
                    None => return,
                },
                Err(_) => return,
            },
            Wish::Verify(lab) => self.verify(&lab).await,
            Wish::Bundle(id) => self.bundle_build(&id).await,
        };
        let news = news.unwrap_or_else(|why| News::Not(sanitize_text(&why)));
        self.tell(Msg::Zephyr(news)).await;
    }

    async fn review(&self, wanted: Wanted) -> Result<News, String> {
        let words = |error: zephyr::Error| error.to_string();
        let backend = self.backend().await.map_err(|error| error.to_string())?;
        let instance = present(backend.as_ref(), &wanted.lab).await?;
        let answers: Answers = instance
            .tag("answers")
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let (jobs, matrix) = (self.jobs(), matrix::overlay(&self.around.paths.matrix).0);
        let lab = Lab {
            backend: backend.as_ref(),
            instance: &instance,
            jobs: &jobs,
            state: &self.around.paths.state,
            matrix: &matrix,
        };
        let prepared = lab.prepare(&answers).await.map_err(words)?;
        let mirror = lab.begin(&wanted.entry, &wanted.arguments).await.map_err(words)?;
        lab.wait(&mirror, CancellationToken::new()).await.map_err(words)?;
        let _ = job::forget(Some(backend.as_ref()), &mirror).await;
        let comes = lab.comes(&wanted.entry, &prepared).await.map_err(words)?;
        Ok(News::Comes(Box::new(comes), wanted))
    }

    async fn begin_entry(&self, wanted: &Wanted) -> Result<News, String> {
        let text = |error: job::Error| error.to_string();
        let backend = self.backend().await.map_err(|error| error.to_string())?;
        let scope = Scope::labs(&self.around.daemon, [wanted.lab.as_str()]);
        let who = format!("job run {}", wanted.lab);
        let _begins = Lock::take_for(&self.around.lock, &scope, &who).map_err(|error| error.to_string())?;
        let instance = present(backend.as_ref(), &wanted.lab).await?;
        let argv = wanted.entry.recorded(&wanted.arguments);
        let order = Order {
            lab: wanted.lab.clone(),
            title: wanted.entry.title(&wanted.arguments),
            command: Command {
                argv,
                script: None,
                env: std::collections::BTreeMap::new(),
                cwd: "/".to_owned(),
            },
            stuck_minutes: Some(self.around.config.job.stuck_minutes),
            step: None,
        };
        let id = JobId::new(&wanted.entry.name).map_err(text)?;
        let mirror = job::start(backend.as_ref(), &self.jobs(), &id, &instance, &order).await;
        let mirror = mirror.map_err(text)?;
        zephyr::keep_plan(backend.as_ref(), &wanted.entry, &mirror).await;
        Ok(News::Begun(mirror.id().to_string()))
    }

    /// Asks what was built whether it works, and records it.
    async fn verify(&self, lab: &str) -> Result<News, String> {
        let backend = self.backend().await.map_err(|error| error.to_string())?;
        let scope = Scope::labs(&self.around.daemon, [lab]);
        let _records = Lock::take_for(&self.around.lock, &scope, &format!("zephyr verify {lab}"))
            .map_err(|error| error.to_string())?;
        let instance = present(backend.as_ref(), lab).await?;
        let (jobs, matrix) = (self.jobs(), matrix::overlay(&self.around.paths.matrix).0);
        let asked = Lab {
            backend: backend.as_ref(),
            instance: &instance,
            jobs: &jobs,
            state: &self.around.paths.state,
            matrix: &matrix,
        };
        let verified = asked.verify().await.map_err(|error| error.to_string())?;
        if verified.lines.is_empty() {
            return Ok(News::Verified(vec![zephyr::NOTHING_TO_ASK.to_owned()], true));
        }
        asked.record(&verified).await.map_err(|error| error.to_string())?;
        Ok(News::Verified(verified.lines, verified.ok))
    }

    /// Saves a report of a build.
    async fn bundle_build(&self, id: &str) -> Result<News, String> {
        let mirror = job::find(&self.jobs(), id).map_err(|error| error.to_string())?;
        let (around, backend) = (&self.around, self.backend().await.ok());
        let extra = report::extra(&around.root, &around.paths, backend.as_deref(), vec![]).await;
        let to = report::place(&around.paths, mirror.id().as_str());
        match save(&mirror, backend.as_deref(), &extra, &to).await {
            Ok(()) => Ok(News::Saved(report::saved_as(&to))),
            Err(error) => Err(format!("the report was not saved: {error}")),
        }
    }
}

async fn present(backend: &dyn Backend, lab: &str) -> Result<Instance, String> {
    let found = backend.instance(lab).await.map_err(|error| error.to_string())?;
    found.ok_or_else(|| format!("{lab} is gone"))
}
