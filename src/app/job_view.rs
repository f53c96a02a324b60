//! The log of a job in the viewer, while what it writes is fetched behind it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Zoned;
use tokio_util::sync::CancellationToken;

use crate::{
    backend::Backend,
    cli::Global,
    job::{Known, Mirror, State, Watch},
    log::sanitize,
    view::Standing,
};

use super::viewer::{self, News, Request};

/// How often it is looked whether a job that has just begun has a log.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is looked whether it still writes, and whether an engine that was away is back.
const QUIET: Duration = Duration::from_secs(5);

/// An engine, or why it does not answer.
pub(crate) type Reached = Result<Arc<dyn Backend>, String>;

/// How a job's log is shown.
pub(crate) struct Viewing {
    /// Options of every verb.
    pub(crate) global: Global,
    /// Minutes without output after which it is called stuck.
    pub(crate) stuck: u64,
    /// The terminal is told when it ends.
    pub(crate) notify: bool,
}

/// Shows a job's log on the user's terminal until they leave; the job goes on. While its engine does not answer, what is
/// here of it is shown, and it is tried again.
///
/// # Errors
/// There is no terminal, or nothing of the log is here; or what came last could not be fetched, which is said when they
/// leave.
pub(crate) async fn show(
    connect: impl AsyncFn() -> Reached,
    mirror: &Mirror,
    viewing: Viewing,
) -> Result<(), String> {
    let over = mirror.status().is_over();
    let engine = if over { None } else { Some(connect().await) };
    if !mirror.log().exists() {
        match &engine {
            None => return Err(format!("nothing of the log of {} is here", mirror.id())),
            Some(Err(why)) => return Err(sanitize(why)),
            Some(Ok(_)) => {}
        }
    }
    let news = Arc::new(News::default());
    let request = Request {
        files: vec![mirror.log()],
        title: Some(mirror.id().to_string()),
        follow: true,
        build: mirror.status().progress.total.is_some(),
        news: Some(Arc::clone(&news)),
        global: viewing.global,
    };
    let shown = async {
        while !mirror.log().exists() {
            tokio::time::sleep(LOOK).await;
        }
        let shown = tokio::task::spawn_blocking(move || viewer::start(&request)).await;
        shown.map_or(Ok(()), |ended| {
            ended.map(drop).map_err(|stop| sanitize(&stop.text))
        })
    };
    let teller = Teller {
        mirror,
        news: &news,
        stuck: viewing.stuck,
        notify: viewing.notify,
        away: Mutex::default(),
    };
    let watched = async {
        if let Some(engine) = engine {
            let backend = teller.reach(engine, &connect).await;
            teller.watch(backend.as_ref()).await?;
        }
        teller.ended(over);
        Ok::<(), String>(())
    };
    tokio::pin!(shown);
    tokio::select! {
        shown = &mut shown => shown?,
        watched = watched => {
            watched?;
            shown.await?;
        }
        () = teller.looks() => {}
    }
    match teller.away().take() {
        Some(why) => Err(format!("{} was not shown to its end: {why}", mirror.id())),
        None => Ok(()),
    }
}

/// Tells the viewer how the job stands whose log it shows.
struct Teller<'a> {
    mirror: &'a Mirror,
    news: &'a News,
    stuck: u64,
    notify: bool,
    /// What keeps its log from being fetched.
    away: Mutex<Option<String>>,
}

impl Teller<'_> {
    /// The engine, as soon as it answers.
    async fn reach(&self, mut engine: Reached, connect: &impl AsyncFn() -> Reached) -> Arc<dyn Backend> {
        loop {
            match engine {
                Ok(backend) => {
                    self.hear(None);
                    return backend;
                }
                Err(why) => self.hear(Some(&why)),
            }
            tokio::time::sleep(QUIET).await;
            engine = connect().await;
        }
    }

    /// Fetches what it writes until it has ended.
    async fn watch(&self, backend: &dyn Backend) -> Result<(), String> {
        let mut watch = Watch {
            backend,
            mirror: self.mirror,
            cancel: CancellationToken::new(),
            patience: None,
            notice: &mut |why| self.hear(why),
            grown: &mut || {},
        };
        match watch.to_the_end().await {
            Ok(_) => self.hear(None),
            // Nothing is shown, and nothing will come.
            Err(error) if !self.mirror.log().exists() => return Err(sanitize(&error.to_string())),
            Err(error) => self.stopped(sanitize(&error.to_string())),
        }
        Ok(())
    }

    /// It is not heard of, and why; or it is.
    fn hear(&self, why: Option<&str>) {
        let mut away = self.away();
        let Some(why) = why.map(sanitize) else {
            if away.take().is_some() {
                let said = "it is heard of again: its log goes on where it stopped";
                self.news.tell(None, Some(said.into()));
            }
            return;
        };
        let first = away.is_none();
        if away.as_ref() == Some(&why) {
            return;
        }
        let said = format!("{why}; the job goes on, and it is tried again");
        *away = Some(why);
        drop(away);
        if first {
            let now = Zoned::now().strftime("%H:%M:%S");
            self.tell(&format!("no word since {now}, trying again"), false, Some(said));
        } else {
            self.news.say(said);
        }
    }

    /// Nothing more of it is fetched.
    fn stopped(&self, why: String) {
        let said = format!("what is here of it is shown: {why}");
        *self.away() = Some(why);
        self.tell("not fetched any more", false, Some(said));
    }

    /// It has ended, long ago or just now.
    fn ended(&self, long_ago: bool) {
        let status = self.mirror.status();
        if !status.state.is_final() || self.away().is_some() {
            return;
        }
        let how = sanitize(&format!("{}: {}", status.state.word(), status.ending()));
        let words = format!("{} in {} {how}", self.mirror.id(), sanitize(&self.mirror.job.lab));
        let said = (!long_ago).then(|| words.clone());
        self.tell(&how, status.state == State::Succeeded, said);
        if self.notify && !long_ago {
            self.news.ring(words);
        }
    }

    /// Looks now and then whether it still writes.
    async fn looks(&self) {
        loop {
            tokio::time::sleep(QUIET).await;
            if self.away().is_some() {
                continue;
            }
            let known = Known {
                status: self.mirror.status(),
                mirror: self.mirror.clone(),
                stale: String::new(),
                frozen: false,
            };
            if known.status.state.is_final() {
                continue;
            }
            match known.output_age().filter(|_| known.glance(self.stuck).stuck) {
                Some(age) => self.tell(&format!("no output for {} min", age / 60), false, None),
                None => self.news.tell(None, None),
            }
        }
    }

    fn tell(&self, text: &str, well: bool, said: Option<String>) {
        let text = text.to_owned();
        self.news.tell(Some(Standing { text, well }), said);
    }

    fn away(&self) -> MutexGuard<'_, Option<String>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
