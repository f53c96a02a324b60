//! A daemon that keeps a call waiting: who hears of it, and who may stop waiting.
//!
//! Whoever does work for a person puts it into [`heard`]; everything that is asked of a daemon inside of it tells when
//! an answer does not come, says until when it is waited for, and tells when it came at last.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// How long the same is not told again: what is asked by several calls at once, as the four websockets of one command, is
/// late and comes for all of them.
const ONCE: Duration = Duration::from_secs(1);

tokio::task_local! {
    static LISTENER: Listener;
}

/// Who hears of calls that take long.
#[derive(Clone)]
pub struct Listener {
    /// Takes a sentence; names in it are safe to show.
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    /// What was told a moment ago.
    told: Arc<Mutex<Vec<(Instant, Told)>>>,
    /// Cancelled by the user: an answer that is late already is waited for a moment longer, and no more.
    pub cancel: CancellationToken,
    /// Questions are given as much time as changes: somebody is told meanwhile, and much work hangs on the answer.
    pub patient: bool,
}

/// Of which call, and whether its answer came.
type Told = (String, bool);

impl Listener {
    /// Whoever `tell` tells it to.
    pub fn new(
        tell: impl Fn(&str) + Send + Sync + 'static,
        cancel: CancellationToken,
        patient: bool,
    ) -> Self {
        Self {
            tell: Arc::new(tell),
            told: Arc::default(),
            cancel,
            patient,
        }
    }

    /// There is no answer yet.
    pub(super) fn late(&self, what: &str, sentence: &str) {
        self.once((what.to_owned(), false), sentence);
    }

    /// It came at last.
    pub(super) fn came(&self, what: &str, sentence: &str) {
        self.once((what.to_owned(), true), sentence);
    }

    fn once(&self, about: Told, sentence: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(when, _)| when.elapsed() < ONCE);
        if told.iter().any(|(_, before)| *before == about) {
            return;
        }
        told.push((Instant::now(), about));
        drop(told);
        (self.tell)(sentence);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("patient", &self.patient)
            .finish_non_exhaustive()
    }
}

/// Does work whose late calls are told to `listener`, unless somebody inside of it listens himself.
pub async fn heard<T>(listener: Listener, work: impl Future<Output = T>) -> T {
    LISTENER.scope(listener, work).await
}

/// Who listens to what is done now.
pub(super) fn listener() -> Option<Listener> {
    LISTENER.try_with(Clone::clone).ok()
}

/// `lxd has not answered for 3 s: to list the instances; waiting until 17:04:05`.
pub(super) fn sentence(engine: &str, what: &str, waited: Duration, left: Duration) -> String {
    let until = jiff::Zoned::now().saturating_add(jiff::SignedDuration::try_from(left).unwrap_or_default());
    format!(
        "{engine} has not answered for {} s: {what}; waiting until {}",
        seconds(waited),
        until.strftime("%H:%M:%S")
    )
}

/// `lxd answered after 14 s: to list the instances`.
pub(super) fn at_last(engine: &str, what: &str, waited: Duration) -> String {
    format!("{engine} answered after {} s: {what}", seconds(waited))
}

/// Whole seconds, and parts of the first one.
fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1}", time.as_secs_f32())
    } else {
        time.as_secs().to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{at_last, sentence};

    #[test]
    fn it_says_who_what_and_until_when() {
        let said = sentence(
            "lxd",
            "look at `a`",
            Duration::from_secs(3),
            Duration::from_secs(57),
        );
        let (begin, end) = said.rsplit_once(' ').unwrap();
        assert_eq!(begin, "lxd has not answered for 3 s: look at `a`; waiting until");
        assert!(end.len() == 8 && end.matches(':').count() == 2, "{end}");
        let said = at_last("lxd", "look at `a`", Duration::from_millis(700));
        assert_eq!(said, "lxd answered after 0.7 s: look at `a`");
    }
}
